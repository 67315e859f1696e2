//! Names of containers and blobs: which ones the service takes, and the order of blobs.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata>

use std::cmp::Ordering;

use crate::refusal::{self, Row};

/// A blob's name. Ordered by UTF-16 code units, as the service lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(pub(crate) Box<str>);

impl Name {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// UTF-8 sorts as code points do; UTF-16 differs from it only where a character above U+FFFF meets
/// one of U+E000 to U+FFFF.
pub(crate) fn compare(one: &str, other: &str) -> Ordering {
    let differ = one.bytes().zip(other.bytes()).find(|(one, other)| one != other);
    match differ {
        None => one.len().cmp(&other.len()),
        Some((one @ 0xf0.., other @ 0xee..=0xef) | (one @ 0xee..=0xef, other @ 0xf0..)) => {
            other.cmp(&one)
        }
        Some((one, other)) => one.cmp(&other),
    }
}

const SEGMENTS_MAX: usize = 254;
const CHARACTERS_MAX: usize = 1024;

/// The name that `text` becomes, if it becomes one.
pub(crate) fn blob(text: &str) -> Result<Name, &'static Row> {
    let name = text.replace('\\', "/");
    if name.is_empty() || name.encode_utf16().count() > CHARACTERS_MAX {
        return Err(refusal::OUT_OF_RANGE_INPUT);
    }
    if name.chars().any(is_refused) {
        return Err(refusal::INVALID_URI);
    }
    let dots = |segment: &str| matches!(segment, "." | "..");
    if name.ends_with('.') || name.split('/').any(dots) {
        return Err(refusal::INVALID_URI);
    }
    if name.split('/').count() > SEGMENTS_MAX {
        return Err(refusal::INVALID_URI);
    }
    Ok(Name(name.into()))
}

fn is_refused(character: char) -> bool {
    matches!(character, '\0'..='\u{1f}' | '\u{7f}' | '\u{81}' | '\u{e000}')
}

/// Whether a container may have this name.
pub(crate) fn container(text: &str) -> Result<(), &'static Row> {
    if ["$root", "$web", "$logs", "$blobchangefeed"].contains(&text) {
        return Ok(());
    }
    if !(3..=63).contains(&text.len()) {
        return Err(refusal::OUT_OF_RANGE_INPUT);
    }
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let hyphens = text.starts_with('-') || text.ends_with('-') || text.contains("--");
    if hyphens || !text.bytes().all(allowed) {
        return Err(refusal::INVALID_RESOURCE_NAME);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_utf16_does() {
        let names = [
            "a",
            "a/",
            "a/b",
            "ab",
            "b",
            "",
            "\u{ff}",
            "\u{d7ff}",
            "\u{e000}",
            "\u{fffd}",
            "\u{ffff}",
            "\u{10000}",
            "\u{1f388}",
            "\u{10ffff}",
            "a\u{fb00}",
            "a\u{1f388}",
        ];
        for one in names {
            for other in names {
                let want = one.encode_utf16().cmp(other.encode_utf16());
                assert_eq!(compare(one, other), want, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_blob_has_a_name_that_the_service_keeps() {
        let code = |text: &str| blob(text).map_err(|row| row.code);
        for good in ["a", "a//b", "/a", "a/", " ", "a./b", "\u{fffe}", &"x".repeat(1024)] {
            assert_eq!(code(good).as_ref().map(Name::as_str), Ok(good));
        }
        assert_eq!(blob("a\\b").unwrap().as_str(), "a/b");
        for bad in ["a\tb", "a\u{7f}", "a.", "a/.", "../a", "\u{81}", "\u{e000}", &"/".repeat(254)]
        {
            assert_eq!(code(bad), Err("InvalidUri"), "{bad:?}");
        }
        assert_eq!(code(&"x".repeat(1025)), Err("OutOfRangeInput"));
        assert!(blob(&"/".repeat(253)).is_ok());
    }
}
