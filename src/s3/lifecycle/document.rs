//! The document of a lifecycle: read with S3's refusals, and written as it is shown.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html>

use std::collections::BTreeSet;

use time::format_description::well_known::{Iso8601, Rfc3339};
use time::macros::format_description;
use time::{Date, OffsetDateTime, Time, UtcOffset};

use super::{
    Class, Expiration, Filter, FilterForm, Lifecycle, Noncurrent, Rule, Transition,
    TransitionMinimum, When,
};
use crate::s3::tags::{self, Limit, Tags};
use crate::s3::xml::{self, Element, Writer};
use crate::s3::{Code, Error};

/// The outermost element.
const ROOT: &str = "LifecycleConfiguration";
/// How many rules a bucket may have.
const RULES_MAX: usize = 1000;
/// The longest id, in characters.
const ID_MAX: usize = 255;
/// The longest prefix, in bytes: that of a key.
const PREFIX_MAX: usize = 1024;
/// How many newer versions a rule may keep.
const NEWER_MAX: u32 = 100;

impl Lifecycle {
    /// Reads a `LifecycleConfiguration`. `new_id` makes the id of a rule that has none.
    pub fn read(document: &[u8], new_id: impl Fn(usize) -> String) -> Result<Self, Error> {
        let document = xml::read(document, ROOT)?;
        allow(&document, &["Rule"])?;
        if document.children.is_empty() || document.children.len() > RULES_MAX {
            return Err(xml::malformed());
        }
        let mut rules = Vec::new();
        let mut ids = BTreeSet::new();
        for (at, element) in document.children.iter().enumerate() {
            let rule = read_rule(element, || new_id(at))?;
            if !ids.insert(rule.id.clone()) {
                return Err(argument(format!(
                    "Rule ID must be unique. Found same ID for more than one rule: {}",
                    rule.id
                )));
            }
            rules.push(rule);
        }
        Ok(Self { rules, minimum: TransitionMinimum::default() })
    }

    /// As a document.
    pub fn write(&self) -> String {
        let mut document = Writer::document(ROOT);
        for rule in &self.rules {
            write_rule(&mut document, rule);
        }
        document.finish(ROOT)
    }
}

fn read_rule(element: &Element, new_id: impl FnOnce() -> String) -> Result<Rule, Error> {
    allow(
        element,
        &[
            "ID",
            "Status",
            "Prefix",
            "Filter",
            "Expiration",
            "Transition",
            "NoncurrentVersionExpiration",
            "NoncurrentVersionTransition",
            "AbortIncompleteMultipartUpload",
        ],
    )?;
    let id = element.one("ID")?.map(|id| id.text.trim().to_owned()).filter(|id| !id.is_empty());
    if id.as_ref().is_some_and(|id| id.chars().count() > ID_MAX) {
        return Err(argument("ID length should not exceed allowed limit of 255"));
    }
    let enabled = match element.need("Status")?.trim() {
        "Enabled" => true,
        "Disabled" => false,
        _ => return Err(xml::malformed()),
    };
    let (filter, form) = read_scope(element)?;
    let rule = Rule {
        id: id.unwrap_or_else(new_id),
        enabled,
        filter,
        form,
        expiration: element.one("Expiration")?.map(read_expiration).transpose()?,
        transitions: element.all("Transition").map(read_transition).collect::<Result<_, _>>()?,
        noncurrent_expiration: element
            .one("NoncurrentVersionExpiration")?
            .map(|found| read_noncurrent(found, &["NoncurrentDays", "NewerNoncurrentVersions"], 1))
            .transpose()?,
        noncurrent_transitions: element
            .all("NoncurrentVersionTransition")
            .map(read_noncurrent_transition)
            .collect::<Result<_, _>>()?,
        abort_uploads_after: element
            .one("AbortIncompleteMultipartUpload")?
            .map(|abort| {
                allow(abort, &["DaysAfterInitiation"])?;
                days(abort.need("DaysAfterInitiation")?, 1)
            })
            .transpose()?,
    };
    check(&rule)?;
    Ok(rule)
}

/// What the parts of a rule must be to each other.
fn check(rule: &Rule) -> Result<(), Error> {
    let acts = rule.expiration.is_some()
        || !rule.transitions.is_empty()
        || rule.noncurrent_expiration.is_some()
        || !rule.noncurrent_transitions.is_empty()
        || rule.abort_uploads_after.is_some();
    if !acts {
        return Err(invalid("At least one action needs to be specified in a rule."));
    }
    let filter = &rule.filter;
    if rule.abort_uploads_after.is_some() && !filter.tags.is_empty() {
        return Err(invalid("AbortIncompleteMultipartUpload cannot be specified with Tags."));
    }
    let sizes = filter.larger_than.is_some() || filter.smaller_than.is_some();
    if rule.abort_uploads_after.is_some() && sizes {
        return Err(invalid(
            "AbortIncompleteMultipartUpload cannot be specified with Object Size.",
        ));
    }
    if rule.expiration == Some(Expiration::DeleteMarker) && !filter.tags.is_empty() {
        return Err(invalid("ExpiredObjectDeleteMarker cannot be specified with Tags."));
    }
    if let (Some(larger), Some(smaller)) = (filter.larger_than, filter.smaller_than)
        && larger >= smaller
    {
        return Err(invalid("ObjectSizeLessThan has to be greater than ObjectSizeGreaterThan."));
    }
    check_transitions(rule)
}

fn check_transitions(rule: &Rule) -> Result<(), Error> {
    let mut classes = BTreeSet::new();
    for transition in &rule.transitions {
        if !classes.insert(transition.class) {
            return Err(invalid("StorageClass must be unique within the transitions of a rule."));
        }
    }
    let mut whens: Vec<When> = rule.transitions.iter().map(|transition| transition.when).collect();
    if let Some(Expiration::When(when)) = rule.expiration {
        whens.push(when);
    }
    let dates = whens.iter().filter(|when| matches!(when, When::Date(_))).count();
    if dates != 0 && dates != whens.len() {
        return Err(invalid("Found mixed 'Date' and 'Days' based actions in lifecycle rule."));
    }
    let Some(Expiration::When(goes)) = rule.expiration else { return Ok(()) };
    for transition in &rule.transitions {
        let is_before = match (transition.when, goes) {
            (When::Days(moves), When::Days(goes)) => moves < goes,
            (When::Date(moves), When::Date(goes)) => moves < goes,
            (When::Days(_) | When::Date(_), _) => true,
        };
        if !is_before {
            return Err(argument(
                "'Days' in the Expiration action for a rule must be greater than \
                                 'Days' in the Transition action",
            ));
        }
    }
    Ok(())
}

fn read_scope(rule: &Element) -> Result<(Filter, FilterForm), Error> {
    match (rule.one("Prefix")?, rule.one("Filter")?) {
        (Some(prefix), None) => {
            let prefix = Some(read_prefix(prefix)?);
            Ok((Filter { prefix, ..Filter::default() }, FilterForm::Prefix))
        }
        (None, Some(filter)) => read_filter(filter),
        // AWS wants one of them; no more than one.
        (None, None) | (Some(_), Some(_)) => Err(xml::malformed()),
    }
}

fn read_filter(filter: &Element) -> Result<(Filter, FilterForm), Error> {
    match filter.children.as_slice() {
        [] => Ok((Filter::default(), FilterForm::Single)),
        [and] if and.name == "And" => {
            let found = read_conditions(and, "Tag")?;
            let sizes = [found.larger_than, found.smaller_than].iter().flatten().count();
            let count = usize::from(found.prefix.is_some()) + found.tags.len() + sizes;
            // AWS wants several in an And; a single one does no harm, and SDKs write it.
            if count == 0 {
                return Err(xml::malformed());
            }
            Ok((found, FilterForm::And))
        }
        [_] => Ok((read_conditions(filter, "Tag")?, FilterForm::Single)),
        _ => Err(xml::malformed()),
    }
}

fn read_conditions(element: &Element, tag: &str) -> Result<Filter, Error> {
    allow(element, &["Prefix", tag, "ObjectSizeGreaterThan", "ObjectSizeLessThan"])?;
    let mut pairs = Vec::new();
    for tag in element.all(tag) {
        allow(tag, &["Key", "Value"])?;
        let (key, value) = (tag.need("Key")?.to_owned(), tag.need("Value")?.to_owned());
        tags::check(&key, &value)?;
        pairs.push((key, value));
    }
    let bytes = |name: &'static str| {
        let found = element.one(name)?;
        found
            .map(|size| size.text.trim().parse::<u64>())
            .transpose()
            .map_err(|_no_number| xml::malformed())
    };
    Ok(Filter {
        prefix: element.one("Prefix")?.map(read_prefix).transpose()?,
        tags: Tags::new(pairs, Limit::Object)?,
        larger_than: bytes("ObjectSizeGreaterThan")?,
        smaller_than: bytes("ObjectSizeLessThan")?,
    })
}

fn read_prefix(prefix: &Element) -> Result<String, Error> {
    if prefix.text.len() > PREFIX_MAX {
        return Err(invalid("The maximum size of a prefix is 1024."));
    }
    Ok(prefix.text.clone())
}

fn read_expiration(expiration: &Element) -> Result<Expiration, Error> {
    allow(expiration, &["Days", "Date", "ExpiredObjectDeleteMarker"])?;
    match expiration.children.as_slice() {
        [marker] if marker.name == "ExpiredObjectDeleteMarker" => match marker.text.trim() {
            "true" => Ok(Expiration::DeleteMarker),
            _ => Err(xml::malformed()),
        },
        [_] => Ok(Expiration::When(read_when(expiration, 1)?)),
        _ => Err(xml::malformed()),
    }
}

fn read_transition(transition: &Element) -> Result<Transition, Error> {
    allow(transition, &["Days", "Date", "StorageClass"])?;
    Ok(Transition { when: read_when(transition, 0)?, class: read_class(transition)? })
}

fn read_class(element: &Element) -> Result<Class, Error> {
    match element.need("StorageClass")?.trim() {
        // Azure moves blobs by access in no way that a request could ask for.
        "INTELLIGENT_TIERING" => Err(Error::new(Code::NotImplemented)
            .message("Transitions to INTELLIGENT_TIERING are not implemented.")),
        name => Class::parse(name).ok_or_else(xml::malformed),
    }
}

fn read_noncurrent(element: &Element, names: &[&str], least: u32) -> Result<Noncurrent, Error> {
    allow(element, names)?;
    let newer = element
        .one("NewerNoncurrentVersions")?
        .map(|newer| match newer.text.trim().parse::<u32>() {
            Ok(newer @ 1..=NEWER_MAX) => Ok(newer),
            Ok(_) => Err(argument("'NewerNoncurrentVersions' must be from 1 to 100")),
            Err(_no_number) => Err(xml::malformed()),
        })
        .transpose()?;
    Ok(Noncurrent { days: days(element.need("NoncurrentDays")?, least)?, newer })
}

fn read_noncurrent_transition(element: &Element) -> Result<(Noncurrent, Class), Error> {
    let names = ["NoncurrentDays", "NewerNoncurrentVersions", "StorageClass"];
    Ok((read_noncurrent(element, &names, 0)?, read_class(element)?))
}

/// `Days` or `Date`, and not both.
fn read_when(element: &Element, least: u32) -> Result<When, Error> {
    match (element.one("Days")?, element.one("Date")?) {
        (Some(count), None) => Ok(When::Days(days(&count.text, least)?)),
        (None, Some(date)) => Ok(When::Date(midnight(date.text.trim())?)),
        (None, None) | (Some(_), Some(_)) => Err(xml::malformed()),
    }
}

fn days(text: &str, least: u32) -> Result<u32, Error> {
    let days = text.trim().parse::<i64>().map_err(|_no_number| xml::malformed())?;
    let days = u32::try_from(days).ok().filter(|days| i32::try_from(*days).is_ok());
    days.filter(|days| *days >= least).ok_or_else(|| {
        let kind = if least == 0 { "non-negative" } else { "positive" };
        argument(format!("'Days' for a lifecycle action must be a {kind} integer"))
    })
}

/// A date of ISO 8601, which has to be midnight in UTC.
fn midnight(text: &str) -> Result<OffsetDateTime, Error> {
    let day = format_description!("[year]-[month]-[day]");
    let moment = match Date::parse(text, &day) {
        Ok(date) => date.with_time(Time::MIDNIGHT).assume_utc(),
        Err(_with_a_time) => OffsetDateTime::parse(text, &Iso8601::PARSING)
            .ok()
            .and_then(|moment| moment.checked_to_offset(UtcOffset::UTC))
            .ok_or_else(xml::malformed)?,
    };
    if moment.time() == Time::MIDNIGHT {
        Ok(moment)
    } else {
        Err(argument("'Date' must be at midnight GMT"))
    }
}

/// Children of these names only: what is not known cannot be run, and is not ignored.
fn allow(element: &Element, names: &[&str]) -> Result<(), Error> {
    let known = |child: &Element| names.contains(&child.name.as_str());
    if element.children.iter().all(known) { Ok(()) } else { Err(xml::malformed()) }
}

fn argument(what: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Code::InvalidArgument).message(what)
}

fn invalid(what: &'static str) -> Error {
    Error::new(Code::InvalidRequest).message(what)
}

fn write_rule(document: &mut Writer, rule: &Rule) {
    document.open("Rule").text("ID", &rule.id);
    write_scope(document, rule);
    document.text("Status", if rule.enabled { "Enabled" } else { "Disabled" });
    match rule.expiration {
        Some(Expiration::When(when)) => {
            document.open("Expiration");
            write_when(document, when);
            document.close("Expiration");
        }
        Some(Expiration::DeleteMarker) => {
            document.open("Expiration").flag("ExpiredObjectDeleteMarker", true).close("Expiration");
        }
        None => {}
    }
    for transition in &rule.transitions {
        document.open("Transition");
        write_when(document, transition.when);
        document.text("StorageClass", transition.class.name()).close("Transition");
    }
    if let Some(noncurrent) = rule.noncurrent_expiration {
        document.open("NoncurrentVersionExpiration");
        write_noncurrent(document, noncurrent);
        document.close("NoncurrentVersionExpiration");
    }
    for (noncurrent, class) in &rule.noncurrent_transitions {
        document.open("NoncurrentVersionTransition");
        write_noncurrent(document, *noncurrent);
        document.text("StorageClass", class.name()).close("NoncurrentVersionTransition");
    }
    if let Some(days) = rule.abort_uploads_after {
        document.open("AbortIncompleteMultipartUpload");
        document.number("DaysAfterInitiation", days.into());
        document.close("AbortIncompleteMultipartUpload");
    }
    document.close("Rule");
}

fn write_scope(document: &mut Writer, rule: &Rule) {
    let Filter { prefix, tags, larger_than, smaller_than } = &rule.filter;
    if rule.form == FilterForm::Prefix {
        document.maybe("Prefix", prefix.as_deref());
        return;
    }
    document.open("Filter");
    if rule.form == FilterForm::And {
        document.open("And");
    }
    document.maybe("Prefix", prefix.as_deref());
    for (key, value) in tags.iter() {
        document.open("Tag").text("Key", key).text("Value", value).close("Tag");
    }
    document.maybe("ObjectSizeGreaterThan", larger_than.map(|bytes| bytes.to_string()));
    document.maybe("ObjectSizeLessThan", smaller_than.map(|bytes| bytes.to_string()));
    if rule.form == FilterForm::And {
        document.close("And");
    }
    document.close("Filter");
}

fn write_when(document: &mut Writer, when: When) {
    match when {
        When::Days(days) => document.number("Days", days.into()),
        // A date of four digits was read, so it can be written.
        When::Date(date) => document.text("Date", date.format(&Rfc3339).unwrap_or_default()),
    };
}

fn write_noncurrent(document: &mut Writer, Noncurrent { days, newer }: Noncurrent) {
    document.number("NoncurrentDays", days.into());
    document.maybe("NewerNoncurrentVersions", newer.map(|newer| newer.to_string()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rules: &str) -> Result<Lifecycle, Error> {
        let document = format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>");
        Lifecycle::read(document.as_bytes(), |at| format!("made-{at}"))
    }

    fn rule(inner: &str) -> Result<Lifecycle, Error> {
        read(&format!("<Rule><Status>Enabled</Status>{inner}</Rule>"))
    }

    fn with(inner: &str) -> Result<Lifecycle, Error> {
        rule(&format!("<Filter/>{inner}"))
    }

    const EXPIRES: &str = "<Expiration><Days>1</Days></Expiration>";

    #[test]
    fn every_kind_of_rule_comes_back() {
        let actions = "<Expiration><Days>400</Days></Expiration>\
            <Transition><Days>0</Days><StorageClass>STANDARD_IA</StorageClass></Transition>\
            <Transition><Days>90</Days><StorageClass>DEEP_ARCHIVE</StorageClass></Transition>\
            <NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>\
            <NewerNoncurrentVersions>5</NewerNoncurrentVersions></NoncurrentVersionExpiration>\
            <NoncurrentVersionTransition><NoncurrentDays>0</NoncurrentDays>\
            <StorageClass>GLACIER</StorageClass></NoncurrentVersionTransition>";
        let tag = "<Tag><Key>a</Key><Value>b</Value></Tag>";
        for inner in [
            format!("<ID>x</ID><Prefix>logs/</Prefix>{actions}"),
            format!("<Prefix/>{EXPIRES}"),
            format!("<Filter/>{actions}"),
            format!("<Filter><Prefix></Prefix></Filter>{EXPIRES}"),
            format!("<Filter>{tag}</Filter>{EXPIRES}"),
            format!("<Filter><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></Filter>{EXPIRES}"),
            format!(
                "<Filter><And><Prefix>a&lt;</Prefix>{tag}<ObjectSizeGreaterThan>1\
                 </ObjectSizeGreaterThan><ObjectSizeLessThan>9</ObjectSizeLessThan></And></Filter>\
                 {EXPIRES}"
            ),
            "<Filter/><Expiration><Date>2030-01-01</Date></Expiration>".to_owned(),
            "<Filter/><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker>\
             </Expiration>"
                .to_owned(),
            "<Filter/><AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation>\
             </AbortIncompleteMultipartUpload>"
                .to_owned(),
        ] {
            let lifecycle = rule(&inner).unwrap();
            let again = Lifecycle::read(lifecycle.write().as_bytes(), |_| "new".to_owned());
            assert_eq!(again.unwrap(), lifecycle, "{inner}");
        }
        assert_eq!(with(EXPIRES).unwrap().rules[0].id, "made-0");
        let disabled = format!("<Rule><Status>Disabled</Status><Filter/>{EXPIRES}</Rule>");
        assert!(!read(&disabled).unwrap().rules[0].enabled);
    }

    #[test]
    fn dates_are_midnights() {
        let date = |text: &str| with(&format!("<Expiration><Date>{text}</Date></Expiration>"));
        for text in ["2030-01-01", "2030-01-01T00:00:00Z", "2030-01-01T00:00:00.000Z"] {
            assert!(date(text).unwrap().write().contains("<Date>2030-01-01T00:00:00Z</Date>"));
        }
        assert_eq!(date("2030-01-01T01:00:00Z").unwrap_err().code(), Code::InvalidArgument);
        for text in ["20300101", "tomorrow", ""] {
            assert_eq!(date(text).unwrap_err().code(), Code::MalformedXML, "{text}");
        }
    }

    #[test]
    fn what_s3_refuses_is_refused() {
        use Code::{InvalidArgument, InvalidRequest, MalformedXML, NotImplemented};
        let long = format!("<ID>{}</ID><Filter/>{EXPIRES}", "i".repeat(256));
        assert_eq!(rule(&long).unwrap_err().code(), InvalidArgument);
        let same = format!("<Rule><ID>a</ID><Status>Enabled</Status><Filter/>{EXPIRES}</Rule>");
        assert_eq!(read(&same.repeat(2)).unwrap_err().code(), InvalidArgument);
        let many = format!("<Rule><Status>Enabled</Status><Filter/>{EXPIRES}</Rule>");
        assert!(read(&many.repeat(1000)).is_ok());
        assert_eq!(read(&many.repeat(1001)).unwrap_err().code(), MalformedXML);
        let transition = |days: u32, class: &str| {
            format!(
                "<Transition><Days>{days}</Days><StorageClass>{class}</StorageClass></Transition>"
            )
        };
        let tag = "<Tag><Key>a</Key><Value>b</Value></Tag>";
        let abort = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>2</DaysAfterInitiation>\
                     </AbortIncompleteMultipartUpload>";
        for (inner, code) in [
            (format!("<Filter/>{}", ""), InvalidRequest),
            ("<Filter/><Expiration><Days>0</Days></Expiration>".to_owned(), InvalidArgument),
            ("<Filter/><Expiration><Days>-1</Days></Expiration>".to_owned(), InvalidArgument),
            ("<Filter/><Expiration><Days>x</Days></Expiration>".to_owned(), MalformedXML),
            ("<Filter/><Expiration/>".to_owned(), MalformedXML),
            (EXPIRES.to_owned(), MalformedXML),
            (format!("<Prefix/><Filter/>{EXPIRES}"), MalformedXML),
            (format!("<Filter><Prefix/>{tag}</Filter>{EXPIRES}"), MalformedXML),
            (format!("<Filter><And/></Filter>{EXPIRES}"), MalformedXML),
            (format!("<Filter/>{EXPIRES}<Other/>"), MalformedXML),
            (format!("<Filter/>{EXPIRES}{EXPIRES}"), MalformedXML),
            (format!("<Filter/>{}", transition(1, "STANDARD")), MalformedXML),
            (format!("<Filter/>{}", transition(1, "INTELLIGENT_TIERING")), NotImplemented),
            (format!("<Filter/>{EXPIRES}{}", transition(1, "GLACIER")), InvalidArgument),
            (format!("<Filter/>{}", transition(1, "GLACIER").repeat(2)), InvalidRequest),
            (format!("<Filter>{tag}</Filter>{abort}"), InvalidRequest),
            (
                format!(
                    "<Filter/><Expiration><Date>2030-01-01</Date></Expiration>{}",
                    transition(1, "GLACIER")
                ),
                InvalidRequest,
            ),
        ] {
            assert_eq!(rule(&inner).unwrap_err().code(), code, "{inner}");
        }
        let status = format!("<Rule><Status>enabled</Status><Filter/>{EXPIRES}</Rule>");
        assert_eq!(read(&status).unwrap_err().code(), MalformedXML);
        assert_eq!(read("").unwrap_err().code(), MalformedXML);
    }
}
