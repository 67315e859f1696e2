//! Conditions of a policy: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>.

use std::borrow::Cow;
use std::net::IpAddr;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Fault;
use crate::access::circumstances::{Circumstances, is_known};
use crate::access::pattern;

/// Yes, no, or not before the object is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::access) enum Truth {
    /// Yes.
    True,
    /// No.
    False,
    /// It depends on the object's tags, which are not known yet.
    Unknown,
}

impl Truth {
    fn of(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }

    /// Both.
    pub(in crate::access) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::True, Self::True) => Self::True,
        }
    }

    /// At least one.
    pub(in crate::access) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::True, _) | (_, Self::True) => Self::True,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::False, Self::False) => Self::False,
        }
    }
}

/// What a condition is held against.
#[derive(Clone, Copy, Debug)]
pub(in crate::access) struct Facts<'a> {
    /// How somebody asks.
    pub(in crate::access) circumstances: &'a Circumstances,
    /// The canonical id of who asks.
    pub(in crate::access) caller: Option<&'a str>,
    /// The display name.
    pub(in crate::access) name: Option<&'a str>,
    /// The tags of the object, as far as the action may depend on them.
    pub(in crate::access) tags: Tags<'a>,
}

/// The tags of the object that is asked about.
#[derive(Clone, Copy, Debug)]
pub(in crate::access) enum Tags<'a> {
    /// They are no matter of this action.
    Irrelevant,
    /// Not known yet.
    Unknown,
    /// These.
    Known(&'a [(String, String)]),
}

/// One condition: one operator, one key, its values.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Condition {
    quantifier: Quantifier,
    if_exists: bool,
    key: Key,
    test: Test,
}

/// How several values of a request are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantifier {
    /// There is one value. Of several, one has to match.
    One,
    /// One has to match; with none, the condition does not hold.
    Any,
    /// All have to match; with none, the condition holds.
    All,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Key {
    /// A key of [`Circumstances`], in lower case.
    Plain(String),
    /// The canonical id.
    UserId,
    /// The display name.
    UserName,
    /// The user as an ARN.
    PrincipalArn,
    /// `s3:ExistingObjectTag/...`
    ExistingTag(String),
    /// `s3:RequestObjectTag/...`
    RequestTag(String),
    /// `s3:RequestObjectTagKeys`
    RequestTagKeys,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    /// Is the key absent?
    Null(bool),
    /// Does a value of the request match one of these?
    Is(Vec<Expected>),
    /// Does it match none?
    IsNot(Vec<Expected>),
}

#[derive(Clone, Debug, PartialEq)]
enum Expected {
    Text(String),
    TextWithoutCase(String),
    Like(String),
    Arn(String),
    Bool(bool),
    Number(Order, f64),
    Date(Order, OffsetDateTime),
    Network(IpAddr, u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Condition {
    /// `key` and `values` under `operator`; what cannot be evaluated is refused.
    pub(super) fn read(operator: &str, key: &str, values: &[String]) -> Result<Self, Fault> {
        let (quantifier, rest) = match operator.split_once(':') {
            Some(("ForAnyValue", rest)) => (Quantifier::Any, rest),
            Some(("ForAllValues", rest)) => (Quantifier::All, rest),
            Some(_) => return Err(Fault::new(format!("Invalid Condition type : {operator}"))),
            None => (Quantifier::One, operator),
        };
        let (base, if_exists) = match rest.strip_suffix("IfExists") {
            Some(base) => (base, true),
            None => (rest, false),
        };
        let unknown = || Fault::new(format!("Invalid Condition type : {operator}"));
        let test = if base == "Null" {
            if if_exists || quantifier != Quantifier::One {
                return Err(unknown());
            }
            let [value] = values else { return Err(bad_value(operator, "")) };
            Test::Null(read_bool(value).ok_or_else(|| bad_value(operator, value))?)
        } else {
            let (negated, read) = reader(base).ok_or_else(unknown)?;
            let expected = values
                .iter()
                .map(|value| read(value).ok_or_else(|| bad_value(operator, value)))
                .collect::<Result<Vec<_>, _>>()?;
            if negated { Test::IsNot(expected) } else { Test::Is(expected) }
        };
        let key = Key::read(key)
            .ok_or_else(|| Fault::new(format!("Policy has an invalid condition key: {key}")))?;
        Ok(Self { quantifier, if_exists, key, test })
    }

    /// Does it hold?
    pub(super) fn holds(&self, facts: &Facts<'_>) -> Truth {
        let Some(values) = self.key.values(facts) else { return Truth::Unknown };
        let test = match &self.test {
            Test::Null(absent) => return Truth::of(values.is_empty() == *absent),
            test @ (Test::Is(_) | Test::IsNot(_)) => test,
        };
        if values.is_empty() {
            // Without a value nothing equals, and everything differs.
            return Truth::of(match (self.quantifier, test) {
                (Quantifier::All, _) | (Quantifier::One, Test::IsNot(_)) => true,
                (Quantifier::Any, _) | (Quantifier::One, Test::Is(_) | Test::Null(_)) => {
                    self.if_exists
                }
            });
        }
        let matches = |value: &Cow<'_, str>| match test {
            Test::Is(expected) => expected.iter().any(|one| one.matches(value)),
            Test::IsNot(expected) => !expected.iter().any(|one| one.matches(value)),
            Test::Null(_) => false,
        };
        Truth::of(match (self.quantifier, test) {
            // Several values where one is expected: a denial is not got round by one more header.
            (Quantifier::One, Test::IsNot(_)) | (Quantifier::All, _) => values.iter().all(matches),
            (Quantifier::One | Quantifier::Any, _) => values.iter().any(matches),
        })
    }

    /// The values, if it is a positive test of the key by plain texts: for the question whether a
    /// policy is public.
    pub(super) fn fixed(&self) -> Option<(&str, Vec<&str>)> {
        let key = match &self.key {
            Key::Plain(key) => key.as_str(),
            Key::UserId => "aws:userid",
            Key::PrincipalArn => "aws:principalarn",
            Key::UserName | Key::ExistingTag(_) | Key::RequestTag(_) | Key::RequestTagKeys => {
                return None;
            }
        };
        let Test::Is(expected) = &self.test else { return None };
        if self.if_exists || self.quantifier == Quantifier::All {
            return None;
        }
        let texts = expected.iter().map(|one| match one {
            Expected::Text(text) | Expected::Like(text) | Expected::Arn(text) => {
                Some(text.as_str()).filter(|text| !text.contains(['*', '?']))
            }
            Expected::TextWithoutCase(text) => Some(text.as_str()),
            // Not broader than AWS takes for a network of somebody's.
            Expected::Network(IpAddr::V4(_), bits) => (*bits >= 8).then_some(""),
            Expected::Network(IpAddr::V6(_), bits) => (*bits >= 32).then_some(""),
            Expected::Bool(_) | Expected::Number(..) | Expected::Date(..) => None,
        });
        Some((key, texts.collect::<Option<_>>()?))
    }
}

fn bad_value(operator: &str, value: &str) -> Fault {
    Fault::new(format!("The value {value:?} is none for {operator}"))
}

impl Key {
    fn read(text: &str) -> Option<Self> {
        if let Some((name, tag)) = text.split_once('/') {
            return match name.to_ascii_lowercase().as_str() {
                "s3:existingobjecttag" => Some(Self::ExistingTag(tag.to_owned())),
                "s3:requestobjecttag" => Some(Self::RequestTag(tag.to_owned())),
                _ => None,
            };
        }
        let key = text.to_ascii_lowercase();
        match key.as_str() {
            "aws:userid" => Some(Self::UserId),
            "aws:username" => Some(Self::UserName),
            "aws:principalarn" => Some(Self::PrincipalArn),
            "s3:requestobjecttagkeys" => Some(Self::RequestTagKeys),
            _ => is_known(&key).then_some(Self::Plain(key)),
        }
    }

    /// The values of a request; none while they are not known.
    fn values<'a>(&'a self, facts: &Facts<'a>) -> Option<Vec<Cow<'a, str>>> {
        let of_tag = |tags: &'a [(String, String)], name: &str| {
            let tag = tags.iter().find(|(key, _)| key == name);
            tag.map(|(_, value)| value.as_str().into()).into_iter().collect()
        };
        Some(match self {
            Self::Plain(key) => facts.circumstances.get(key).map(Into::into).collect(),
            Self::UserId => facts.caller.map(Into::into).into_iter().collect(),
            Self::UserName => facts.name.map(Into::into).into_iter().collect(),
            Self::PrincipalArn => facts.caller.map(|id| arn_of(id).into()).into_iter().collect(),
            Self::ExistingTag(name) => match facts.tags {
                Tags::Irrelevant => Vec::new(),
                Tags::Unknown => return None,
                Tags::Known(tags) => of_tag(tags, name),
            },
            Self::RequestTag(name) => of_tag(facts.circumstances.request_tags(), name),
            Self::RequestTagKeys => {
                let tags = facts.circumstances.request_tags().iter();
                tags.map(|(key, _)| key.as_str().into()).collect()
            }
        })
    }
}

/// A user as an ARN.
pub(in crate::access) fn arn_of(id: &str) -> String {
    format!("arn:aws:iam:::user/{id}")
}

type Reader = fn(&str) -> Option<Expected>;

/// How an operator reads its values, and whether it is one of the negated.
fn reader(operator: &str) -> Option<(bool, Reader)> {
    use Expected::{Arn, Like, Text, TextWithoutCase};
    let read: (bool, Reader) = match operator {
        "StringEquals" => (false, |text| Some(Text(text.to_owned()))),
        "StringNotEquals" => (true, |text| Some(Text(text.to_owned()))),
        "StringEqualsIgnoreCase" => (false, |text| Some(TextWithoutCase(text.to_lowercase()))),
        "StringNotEqualsIgnoreCase" => (true, |text| Some(TextWithoutCase(text.to_lowercase()))),
        "StringLike" => (false, |text| Some(Like(text.to_owned()))),
        "StringNotLike" => (true, |text| Some(Like(text.to_owned()))),
        "ArnEquals" | "ArnLike" => (false, |text| Some(Arn(text.to_owned()))),
        "ArnNotEquals" | "ArnNotLike" => (true, |text| Some(Arn(text.to_owned()))),
        "Bool" => (false, |text| read_bool(text).map(Expected::Bool)),
        "IpAddress" => (false, network),
        "NotIpAddress" => (true, network),
        "NumericEquals" => (false, |text| number(Order::Equal, text)),
        "NumericNotEquals" => (true, |text| number(Order::Equal, text)),
        "NumericLessThan" => (false, |text| number(Order::Less, text)),
        "NumericLessThanEquals" => (false, |text| number(Order::LessOrEqual, text)),
        "NumericGreaterThan" => (false, |text| number(Order::Greater, text)),
        "NumericGreaterThanEquals" => (false, |text| number(Order::GreaterOrEqual, text)),
        "DateEquals" => (false, |text| date(Order::Equal, text)),
        "DateNotEquals" => (true, |text| date(Order::Equal, text)),
        "DateLessThan" => (false, |text| date(Order::Less, text)),
        "DateLessThanEquals" => (false, |text| date(Order::LessOrEqual, text)),
        "DateGreaterThan" => (false, |text| date(Order::Greater, text)),
        "DateGreaterThanEquals" => (false, |text| date(Order::GreaterOrEqual, text)),
        _ => return None,
    };
    Some(read)
}

fn read_bool(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn read_number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

fn number(order: Order, text: &str) -> Option<Expected> {
    read_number(text).map(|number| Expected::Number(order, number))
}

/// As ISO 8601 has it, or seconds since 1970.
fn read_date(text: &str) -> Option<OffsetDateTime> {
    if let Ok(seconds) = text.parse() {
        return OffsetDateTime::from_unix_timestamp(seconds).ok();
    }
    let day = || OffsetDateTime::parse(&format!("{text}T00:00:00Z"), &Rfc3339);
    OffsetDateTime::parse(text, &Rfc3339).or_else(|_not_a_time| day()).ok()
}

fn date(order: Order, text: &str) -> Option<Expected> {
    read_date(text).map(|date| Expected::Date(order, date))
}

/// `192.0.2.0/24`, or one address.
fn network(text: &str) -> Option<Expected> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let all = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(all), |bits| bits.parse().ok().filter(|bits| *bits <= all))?;
    Some(Expected::Network(address, bits))
}

impl Expected {
    fn matches(&self, value: &str) -> bool {
        match self {
            Self::Text(text) => text == value,
            Self::TextWithoutCase(text) => *text == value.to_lowercase(),
            Self::Like(glob) => pattern::matches(glob.as_bytes(), value.as_bytes()),
            Self::Arn(glob) => arn_matches(glob, value),
            Self::Bool(expected) => read_bool(value) == Some(*expected),
            Self::Number(order, expected) => {
                read_number(value).is_some_and(|value| order.holds(&value, expected))
            }
            Self::Date(order, expected) => {
                read_date(value).is_some_and(|value| order.holds(&value, expected))
            }
            Self::Network(network, bits) => {
                value.parse().is_ok_and(|address| within(address, *network, *bits))
            }
        }
    }
}

/// Each of the six parts of an ARN on its own, so that a star does not reach over a colon.
fn arn_matches(glob: &str, value: &str) -> bool {
    let (mut globs, mut values) = (glob.splitn(6, ':'), value.splitn(6, ':'));
    loop {
        match (globs.next(), values.next()) {
            (None, None) => return true,
            (Some(glob), Some(value)) if pattern::matches(glob.as_bytes(), value.as_bytes()) => {}
            _ => return false,
        }
    }
}

impl Order {
    fn holds<T: PartialOrd>(self, value: &T, expected: &T) -> bool {
        match self {
            Self::Equal => value == expected,
            Self::Less => value < expected,
            Self::LessOrEqual => value <= expected,
            Self::Greater => value > expected,
            Self::GreaterOrEqual => value >= expected,
        }
    }
}

fn within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    // An IPv4 client of an IPv6 socket is an IPv4 client.
    match (address.to_canonical(), network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}
