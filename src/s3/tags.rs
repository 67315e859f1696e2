//! Tags of buckets and objects: as a document, as `x-amz-tagging`, and what S3 allows in them.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html>

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::s3::query::{Plus, decode_with};
use crate::s3::xml::{self, Element, Writer};
use crate::s3::{Code, Error};

/// The longest key, in characters.
const KEY_MAX: usize = 128;
/// The longest value, in characters.
const VALUE_MAX: usize = 256;
/// The outermost element.
const ROOT: &str = "Tagging";
/// What stays as it is in `x-amz-tagging`.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How many tags something may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Ten.
    Object,
    /// Fifty.
    Bucket,
}

impl Limit {
    const fn count(self) -> usize {
        match self {
            Self::Object => 10,
            Self::Bucket => 50,
        }
    }
}

/// Tags in the order of their keys, as S3 shows them, each key once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(Vec<(String, String)>);

impl Tags {
    /// Reads a `Tagging` document; `MalformedXML`, `InvalidTag`.
    pub fn read(document: &[u8], limit: Limit) -> Result<Self, Error> {
        let document = xml::read(document, ROOT)?;
        let set = only(&document, "TagSet")?;
        let mut tags = Vec::new();
        for tag in &set.children {
            if tag.name != "Tag" || tag.children.len() != 2 {
                return Err(xml::malformed());
            }
            tags.push((tag.need("Key")?.to_owned(), tag.need("Value")?.to_owned()));
        }
        Self::new(tags, limit)
    }

    /// Reads `x-amz-tagging`: `key=value&...`, as in a query.
    pub fn parse(text: &str, limit: Limit) -> Result<Self, Error> {
        let mut tags = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            tags.push((decode(key)?, decode(value)?));
        }
        Self::new(tags, limit)
    }

    /// Takes tags that S3 allows.
    pub fn new(mut tags: Vec<(String, String)>, limit: Limit) -> Result<Self, Error> {
        if tags.len() > limit.count() {
            let what = if limit == Limit::Object { "Object tags" } else { "Bucket tag count" };
            let most = limit.count();
            return Err(invalid(format!("{what} cannot be greater than {most}")));
        }
        tags.sort_unstable();
        let mut before = None;
        for (key, value) in &tags {
            check(key, value)?;
            if before.replace(key) == Some(key) {
                let twice = invalid("Cannot provide multiple Tags with the same key");
                return Err(twice.detail("TagKey", key));
            }
        }
        Ok(Self(tags))
    }

    /// As a document.
    pub fn write(&self) -> String {
        let mut document = Writer::document(ROOT);
        document.open("TagSet");
        for (key, value) in &self.0 {
            document.open("Tag").text("Key", key).text("Value", value).close("Tag");
        }
        document.close("TagSet");
        document.finish(ROOT)
    }

    /// As in `x-amz-tagging`.
    pub fn text(&self) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, KEPT).to_string();
        let pairs: Vec<String> = self
            .iter()
            .map(|(key, value)| format!("{}={}", encoded(key), encoded(value)))
            .collect();
        pairs.join("&")
    }

    /// Keys and values.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Checks one tag: lengths, characters, and that it is not one of AWS's own.
pub fn check(key: &str, value: &str) -> Result<(), Error> {
    let length = key.chars().count();
    if length == 0 || length > KEY_MAX || !key.chars().all(is_allowed) {
        return Err(invalid("The TagKey you have provided is invalid").detail("TagKey", key));
    }
    if value.chars().count() > VALUE_MAX || !value.chars().all(is_allowed) {
        return Err(invalid("The TagValue you have provided is invalid")
            .detail("TagKey", key)
            .detail("TagValue", value));
    }
    if key.starts_with("aws:") {
        return Err(invalid("System tags cannot be added/updated by requester"));
    }
    Ok(())
}

/// One half of a pair in `x-amz-tagging`.
fn decode(text: &str) -> Result<String, Error> {
    decode_with(text, Plus::IsBlank).map_err(|_broken| {
        let what = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query \
                    parameters without tag name duplicates.";
        Error::invalid_argument("x-amz-tagging", text, what)
    })
}

/// Letters, digits and blanks of any script, and `+ - = . _ : / @`.
fn is_allowed(character: char) -> bool {
    let blank = character.is_whitespace() && !character.is_control();
    character.is_alphanumeric() || blank || "+-=._:/@".contains(character)
}

/// The one child, which has that name.
fn only<'a>(element: &'a Element, name: &str) -> Result<&'a Element, Error> {
    match element.children.as_slice() {
        [child] if child.name == name => Ok(child),
        _ => Err(xml::malformed()),
    }
}

fn invalid(what: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Code::InvalidTag).message(what)
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_map;
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    fn document(tags: &str) -> Result<Tags, Error> {
        let document = format!("<Tagging><TagSet>{tags}</TagSet></Tagging>");
        Tags::read(document.as_bytes(), Limit::Object)
    }

    fn tag(key: &str, value: &str) -> String {
        format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>")
    }

    #[track_caller]
    fn check_refused(tags: Result<Tags, Error>, code: Code) {
        assert_eq!(tags.unwrap_err().code(), code);
    }

    #[test]
    fn limits_are_s3s() {
        let key = |length: usize| "ü".repeat(length);
        assert_eq!(document(&tag(&key(128), &key(256))).unwrap().len(), 1);
        check_refused(document(&tag(&key(129), "")), Code::InvalidTag);
        check_refused(document(&tag("", "a")), Code::InvalidTag);
        check_refused(document(&tag("a", &key(257))), Code::InvalidTag);
        check_refused(document(&tag("aws:a", "")), Code::InvalidTag);
        check_refused(document(&tag("a&lt;b", "")), Code::InvalidTag);
        check_refused(document(&tag("a", "b&#xD;c")), Code::InvalidTag);
        check_refused(document(&(tag("a", "1") + &tag("a", "2"))), Code::InvalidTag);
        let many = |count: usize| (0..count).map(|at| tag(&at.to_string(), "")).collect::<String>();
        assert_eq!(document(&many(10)).unwrap().len(), 10);
        check_refused(document(&many(11)), Code::InvalidTag);
        let of_bucket = format!("<Tagging><TagSet>{}</TagSet></Tagging>", many(50));
        assert_eq!(Tags::read(of_bucket.as_bytes(), Limit::Bucket).unwrap().len(), 50);
        assert!(document("").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for text in [
            "",
            "<Tagging/>",
            "<Tagging><TagSet/><TagSet/></Tagging>",
            "<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>",
            "<Tagging><TagSet><Other/></TagSet></Tagging>",
            "<Tagging><TagSet><Tag><Key>a</Key><Value/><Value/></Tag></TagSet></Tagging>",
        ] {
            check_refused(Tags::read(text.as_bytes(), Limit::Object), Code::MalformedXML);
        }
    }

    #[test]
    fn the_header_is_read_as_a_query() {
        let parse = |text: &str| Tags::parse(text, Limit::Object);
        let tags = parse("foo=bar&bar&a+b=c%2Bd%C3%A9&").unwrap();
        let pairs: Vec<_> = tags.iter().collect();
        assert_eq!(pairs, [("a b", "c+dé"), ("bar", ""), ("foo", "bar")]);
        assert_eq!(tags.get("bar"), Some(""));
        check_refused(parse("a=%FF"), Code::InvalidArgument);
        check_refused(parse("a=1&a=2"), Code::InvalidTag);
        check_refused(parse("=1"), Code::InvalidTag);
        assert!(parse("").unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn tags_come_back(tags in btree_map("[\\p{L}\\p{N} +=._:/@-]{1,20}", "[\\p{L}\\p{N} +=._:/@-]{0,40}", 0..=10)) {
            let tags = Tags::new(tags.into_iter().filter(|(key, _)| !key.starts_with("aws:")).collect(), Limit::Object);
            let tags = tags.unwrap();
            prop_assert_eq!(&Tags::parse(&tags.text(), Limit::Object).unwrap(), &tags);
            prop_assert_eq!(&Tags::read(tags.write().as_bytes(), Limit::Object).unwrap(), &tags);
        }
    }
}
