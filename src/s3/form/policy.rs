//! The policy of a form: until when it holds, and what each field may be.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html>

use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::Value;
use time::format_description::well_known::Iso8601;
use time::{OffsetDateTime, UtcOffset};

use super::Form;
use crate::s3::names::BucketName;
use crate::s3::{Code, Error};

/// Fields that no condition has to name. A checksum can only make the gateway refuse bytes, and SDKs
/// add one without a condition.
const EXEMPT: [&str; 6] = [
    "policy",
    "signature",
    "awsaccesskeyid",
    "x-amz-signature",
    "file",
    "x-amz-checksum-algorithm",
];
const EXEMPT_PREFIXES: [&str; 2] = ["x-ignore-", "x-amz-checksum-"];

/// What the signer of a form allows.
#[derive(Debug)]
pub struct Policy {
    expires: OffsetDateTime,
    conditions: Vec<Condition>,
}

#[derive(Debug)]
enum Condition {
    /// The field, in lower case, is this.
    Is(String, String),
    /// The field begins so.
    Begins(String, String),
    /// The file has from so many to so many bytes.
    Length(u64, u64),
}

/// As it was written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    expiration: String,
    conditions: Vec<Value>,
}

impl Policy {
    /// Reads the `policy` field: JSON in base64. `InvalidPolicyDocument` if it is none.
    pub fn parse(field: &str) -> Result<Self, Error> {
        let bytes = BASE64.decode(field.trim().as_bytes());
        let bytes = bytes.map_err(|_not_base64| invalid("The policy is not base64."))?;
        let text = String::from_utf8(bytes).map_err(|_not_utf8| invalid("Invalid JSON."))?;
        // Its depth is bounded by serde_json, its length by that of all fields.
        let written: Written = serde_json::from_str(&dollars(&text))
            .map_err(|fault| invalid(format!("Invalid JSON: {fault}")))?;
        let expires = moment(&written.expiration)
            .ok_or_else(|| invalid("Invalid 'expiration' value: it is no ISO 8601 date of UTC."))?;
        let conditions =
            written.conditions.iter().map(Condition::read).collect::<Result<Vec<_>, Error>>()?;
        Ok(Self { expires, conditions })
    }

    /// Holds a form for `bucket` against the policy; answers how many bytes the file may have.
    pub fn check(
        &self,
        form: &Form,
        bucket: &BucketName,
        now: OffsetDateTime,
    ) -> Result<(u64, u64), Error> {
        if now > self.expires {
            return Err(violated("Policy expired."));
        }
        if form.get("bucket").is_some_and(|named| named != bucket.as_str()) {
            return Err(violated("Policy Condition failed: the form is for another bucket"));
        }
        let mut length = (0, u64::MAX);
        for condition in &self.conditions {
            if let Condition::Length(min, max) = condition {
                length = (length.0.max(*min), length.1.min(*max));
            } else if !condition.holds(form, bucket) {
                return Err(violated(format!("Policy Condition failed: {condition}")));
            }
        }
        let names = form.fields().map(|(name, _)| name).chain(["bucket"]);
        for name in names.filter(|name| !is_exempt(name)) {
            let is_named = |condition: &Condition| condition.field() == Some(name);
            if !self.conditions.iter().any(is_named) {
                return Err(violated(format!("Extra input fields: {name}")));
            }
        }
        Ok(length)
    }
}

fn is_exempt(name: &str) -> bool {
    EXEMPT.contains(&name) || EXEMPT_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

impl Condition {
    fn read(value: &Value) -> Result<Self, Error> {
        match value {
            Value::Object(object) => {
                let mut entries = object.iter();
                match (entries.next(), entries.next()) {
                    (Some((name, Value::String(wanted))), None) => {
                        Ok(Self::Is(name.to_lowercase(), wanted.clone()))
                    }
                    _ => Err(invalid(
                        "Invalid Simple-Condition: Simple-Conditions must have exactly one property \
                         specified.",
                    )),
                }
            }
            Value::Array(list) => Self::read_list(list),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                Err(invalid("Invalid Condition: it is neither an object nor a list."))
            }
        }
    }

    fn read_list(list: &[Value]) -> Result<Self, Error> {
        let [Value::String(operator), first, second] = list else {
            return Err(invalid("Invalid Condition: a list has an operator and two values."));
        };
        match (operator.to_ascii_lowercase().as_str(), first, second) {
            ("content-length-range", min, max) => match (number(min), number(max)) {
                (Some(min), Some(max)) if min <= max => Ok(Self::Length(min, max)),
                _ => Err(invalid("Invalid Condition: content-length-range has two whole numbers.")),
            },
            (operator @ ("eq" | "starts-with"), Value::String(field), Value::String(wanted)) => {
                let field = field.strip_prefix('$').filter(|field| !field.is_empty());
                let field = field.ok_or_else(|| {
                    invalid("Invalid Condition: the name of a field begins with a '$'.")
                })?;
                let (field, wanted) = (field.to_lowercase(), wanted.clone());
                Ok(if operator == "eq" {
                    Self::Is(field, wanted)
                } else {
                    Self::Begins(field, wanted)
                })
            }
            _ => Err(invalid(format!("Invalid Condition: unknown operation '{operator}'."))),
        }
    }

    fn field(&self) -> Option<&str> {
        match self {
            Self::Is(field, _) | Self::Begins(field, _) => Some(field),
            Self::Length(..) => None,
        }
    }

    /// A field that is not there counts as an empty one.
    fn holds(&self, form: &Form, bucket: &BucketName) -> bool {
        let value = |field: &str| match field {
            "bucket" => bucket.as_str().to_owned(),
            _ => form.get(field).unwrap_or_default().to_owned(),
        };
        match self {
            Self::Is(field, wanted) => value(field) == *wanted,
            // Types with commas are a list, and each has to begin so.
            Self::Begins(field, wanted) if field == "content-type" => {
                value(field).split(',').all(|one| one.trim_start().starts_with(wanted.as_str()))
            }
            Self::Begins(field, wanted) => value(field).starts_with(wanted.as_str()),
            Self::Length(..) => true,
        }
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Is(field, wanted) => write!(out, "[\"eq\", \"${field}\", {wanted:?}]"),
            Self::Begins(field, wanted) => {
                write!(out, "[\"starts-with\", \"${field}\", {wanted:?}]")
            }
            Self::Length(min, max) => write!(out, "[\"content-length-range\", {min}, {max}]"),
        }
    }
}

/// A whole number, written as one or as its digits.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// A policy writes a dollar as `\$`, which JSON does not know.
fn dollars(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('$') => plain.push('$'),
            Some(other) => plain.extend(['\\', other]),
            None => plain.push('\\'),
        }
    }
    plain
}

/// `2007-12-01T12:00:00.000Z`, with or without a fraction.
fn moment(text: &str) -> Option<OffsetDateTime> {
    if !text.contains('T') || !text.ends_with('Z') {
        return None;
    }
    let moment = OffsetDateTime::parse(text, &Iso8601::PARSING).ok()?;
    moment.checked_to_offset(UtcOffset::UTC)
}

fn invalid(what: impl std::fmt::Display) -> Error {
    Error::new(Code::InvalidPolicyDocument).message(format!("Invalid Policy: {what}"))
}

fn violated(what: impl std::fmt::Display) -> Error {
    Error::new(Code::AccessDenied).message(format!("Invalid according to Policy: {what}"))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-22 06:00 UTC);

    fn form(fields: &[(&str, &str)]) -> Form {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Form(fields.collect())
    }

    fn parse(json: &str) -> Result<Policy, Error> {
        Policy::parse(&BASE64.encode(json.as_bytes()))
    }

    fn with(conditions: &str) -> String {
        format!("{{\"expiration\": \"2026-11-22T06:00:00Z\", \"conditions\": [{conditions}]}}")
    }

    fn check(conditions: &str, fields: &[(&str, &str)]) -> Result<(u64, u64), String> {
        let bucket = BucketName::parse("photos").unwrap();
        let conditions = format!("{{\"bucket\": \"photos\"}}, {conditions}");
        let policy = parse(&with(&conditions)).unwrap();
        policy.check(&form(fields), &bucket, NOW).map_err(|error| {
            assert_eq!(error.code(), Code::AccessDenied);
            error.text().to_owned()
        })
    }

    #[test]
    fn c38_each_condition_is_held() {
        let key = "[\"StArTs-WiTh\", \"$KeY\", \"up/\"]";
        assert_eq!(check(key, &[("key", "up/a")]), Ok((0, u64::MAX)));
        assert!(check(key, &[("key", "dn/a")]).unwrap_err().contains("starts-with"));
        let meta = "{\"key\": \"k\"}, [\"eq\", \"$x-amz-meta-a\", \"b\"]";
        assert!(check(meta, &[("key", "k"), ("x-amz-meta-a", "b")]).is_ok());
        assert!(check(meta, &[("key", "k"), ("x-amz-meta-a", "B")]).is_err());
        assert!(check(meta, &[("key", "k")]).is_err(), "it is not there");
        let types = "[\"starts-with\", \"$Content-Type\", \"image/\"]";
        assert!(check(types, &[("content-type", "image/png, image/gif")]).is_ok());
        assert!(check(types, &[("content-type", "image/png, text/html")]).is_err());
        let any = "[\"starts-with\", \"$success_action_redirect\", \"\"]";
        assert!(check(any, &[("success_action_redirect", "http://a.test")]).is_ok());
        assert!(check(any, &[]).is_ok());
    }

    #[test]
    fn c38_a_policy_for_one_bucket_is_for_no_other() {
        let victim = BucketName::parse("victim").unwrap();
        let policy = parse(&with("{\"bucket\": \"photos\"}, {\"key\": \"k\"}")).unwrap();
        for fields in [vec![("key", "k")], vec![("key", "k"), ("bucket", "photos")]] {
            assert!(policy.check(&form(&fields), &victim, NOW).is_err());
        }
        let none = parse(&with("{\"key\": \"k\"}")).unwrap();
        assert!(none.check(&form(&[("key", "k")]), &victim, NOW).is_err(), "no bucket is named");
    }

    #[test]
    fn c39_every_field_is_covered() {
        let key = "{\"key\": \"k\"}";
        let error = check(key, &[("key", "k"), ("acl", "public-read")]).unwrap_err();
        assert!(error.contains("Extra input fields: acl"), "{error}");
        let exempt = [
            ("key", "k"),
            ("policy", "p"),
            ("signature", "s"),
            ("awsaccesskeyid", "i"),
            ("x-amz-signature", "s"),
            ("x-ignore-me", "i"),
            ("x-amz-checksum-sha256", "c"),
        ];
        assert!(check(key, &exempt).is_ok());
        assert!(check(key, &[("key", "k"), ("x-amz-credential", "c")]).is_err());
    }

    #[test]
    fn c39_it_ends_when_it_says() {
        let bucket = BucketName::parse("photos").unwrap();
        let policy = parse(&with("{\"bucket\": \"photos\"}")).unwrap();
        assert!(policy.check(&form(&[]), &bucket, NOW).is_ok());
        let late = policy.check(&form(&[]), &bucket, NOW + time::Duration::SECOND);
        assert!(late.unwrap_err().text().contains("Policy expired."));
    }

    #[test]
    fn c37_ranges_of_length_meet() {
        let both = "[\"content-length-range\", 1, \"9\"], [\"content-length-range\", 0, 5]";
        assert_eq!(check(both, &[]), Ok((1, 5)));
    }

    #[test]
    fn c39_what_is_no_policy_is_refused() {
        let deep = format!("{}{}", "[".repeat(9000), "]".repeat(9000));
        let conditions = [
            "{}",
            "{\"acl\": \"a\", \"key\": \"b\"}",
            "{\"acl\": 1}",
            "[]",
            "1",
            "[\"eq\", \"$key\"]",
            "[\"eq\", \"key\", \"k\"]",
            "[\"eq\", \"$\", \"k\"]",
            "[\"in\", \"$key\", \"k\"]",
            "[\"content-length-range\", 0]",
            "[\"content-length-range\", -1, 0]",
            "[\"content-length-range\", 1.5, 2]",
            "[\"content-length-range\", 2, 1]",
            &deep,
        ];
        let mut documents: Vec<String> = conditions.into_iter().map(with).collect();
        documents.extend(
            [
                "",
                "{}",
                "{\"conditions\": []}",
                "{\"expiration\": \"2026-11-22T06:00:00Z\"}",
                "{\"EXPIRATION\": \"2026-11-22T06:00:00Z\", \"conditions\": []}",
                "{\"expiration\": \"2026-11-22T06:00:00Z\", \"CONDITIONS\": []}",
                "{\"expiration\": \"2026-11-22 06:00:00.1+00:00\", \"conditions\": []}",
                "{\"expiration\": \"tomorrow\", \"conditions\": []}",
                "{\"expiration\": \"2026-11-22T06:00:00Z\", \"conditions\": [], \"conditions\": []}",
            ]
            .map(str::to_owned),
        );
        for document in documents {
            let error = parse(&document).unwrap_err();
            assert_eq!(error.code(), Code::InvalidPolicyDocument, "{document}");
        }
        assert!(Policy::parse("*").is_err() && Policy::parse("/w==").is_err());
    }

    #[test]
    fn dates_and_dollars_are_read_as_aws_documents_them() {
        let wanted = datetime!(2026-11-22 06:00:00.5 UTC);
        assert_eq!(moment("2026-11-22T06:00:00.500Z"), Some(wanted));
        assert_eq!(dollars(r"a\$b \\$ \n"), r"a$b \\$ \n");
    }
}
