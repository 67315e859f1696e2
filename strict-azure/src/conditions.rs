//! What must be true for a request to be done, looked at together with doing it.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations>

use crate::ask::Ask;
use crate::clock::Time;
use crate::refusal::{self, Refusal, Row};
use crate::state::Blob;

/// The conditions of a request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Conditions<'a> {
    matches: Option<&'a str>,
    none_match: Option<&'a str>,
    modified_since: Option<Time>,
    unmodified_since: Option<Time>,
}

impl<'a> Conditions<'a> {
    pub(crate) fn of(ask: &'a Ask) -> Result<Self, Refusal> {
        Self::read(ask, ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"])
    }

    pub(crate) fn of_source(ask: &'a Ask) -> Result<Self, Refusal> {
        Self::read(
            ask,
            [
                "x-ms-source-if-match",
                "x-ms-source-if-none-match",
                "x-ms-source-if-modified-since",
                "x-ms-source-if-unmodified-since",
            ],
        )
    }

    fn read(ask: &'a Ask, names: [&str; 4]) -> Result<Self, Refusal> {
        let [matches, none_match, modified, unmodified] = names;
        let date = |name: &str| match ask.header(name) {
            None => Ok(None),
            Some(text) => Time::parse_http(text).map(Some).ok_or(refusal::INVALID_HEADER_VALUE),
        };
        let read = Self {
            matches: ask.header(matches),
            none_match: ask.header(none_match),
            modified_since: date(modified)?,
            unmodified_since: date(unmodified)?,
        };
        // One ETag, or any.
        if [read.matches, read.none_match].iter().flatten().any(|text| text.contains(',')) {
            return Err(refusal::INVALID_HEADER_VALUE.into());
        }
        Ok(read)
    }

    /// For what makes a blob, whether one is there or not.
    pub(crate) fn for_making(&self, there: Option<&Blob>) -> Result<(), Refusal> {
        match there {
            Some(_) if self.none_match == Some("*") => Err(refusal::BLOB_ALREADY_EXISTS.into()),
            Some(blob) => self.for_changing(blob),
            None if self.matches.is_some() => Err(refusal::CONDITION_NOT_MET.into()),
            None => Ok(()),
        }
    }

    /// For what changes a blob that is there.
    pub(crate) fn for_changing(&self, blob: &Blob) -> Result<(), Refusal> {
        self.for_any(blob, refusal::CONDITION_NOT_MET, refusal::CONDITION_NOT_MET)
    }

    pub(crate) fn for_reading(&self, blob: &Blob) -> Result<(), Refusal> {
        if self.none_match == Some("*") {
            return Err(refusal::UNSATISFIABLE_CONDITION.into());
        }
        self.for_any(blob, refusal::CONDITION_NOT_MET, refusal::NOT_MODIFIED)
    }

    pub(crate) fn for_source(&self, blob: &Blob) -> Result<(), Refusal> {
        self.for_any(blob, refusal::SOURCE_CONDITION_NOT_MET, refusal::SOURCE_CONDITION_NOT_MET)
    }

    fn for_any(
        &self,
        blob: &Blob,
        changed: &'static Row,
        unchanged: &'static Row,
    ) -> Result<(), Refusal> {
        let is = |text: &str| text == "*" || blob.etag.is(text);
        if self.matches.is_some_and(|text| !is(text)) {
            return Err(changed.into());
        }
        if self.none_match.is_some_and(is) {
            return Err(unchanged.into());
        }
        let modified = blob.last_modified.seconds();
        if self.modified_since.is_some_and(|since| modified <= since.seconds()) {
            return Err(unchanged.into());
        }
        if self.unmodified_since.is_some_and(|since| modified > since.seconds()) {
            return Err(changed.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method};

    use super::*;
    use crate::content::Content;
    use crate::state::{ETag, Kind};

    fn ask(rows: &[(&'static str, &'static str)]) -> Ask {
        let mut headers = HeaderMap::new();
        for (name, value) in rows {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        Ask::new(Method::GET, "/a/con/b", headers, "a").unwrap()
    }

    fn made(rows: &[(&'static str, &'static str)], there: Option<&Blob>) -> u16 {
        let ask = ask(rows);
        let made = Conditions::of(&ask).and_then(|conditions| conditions.for_making(there));
        made.map_or_else(|refusal| refusal.row.status, |()| 201)
    }

    #[test]
    fn a_write_says_409_for_a_blob_that_is_there_and_412_for_another_one() {
        let time = Time::parse_http("Sun, 22 Nov 2026 03:05:08 GMT").unwrap();
        let blob = Blob::new(Kind::Block, Content::empty(), ETag(0x8DD_0000_0000_0001), time);
        assert_eq!(made(&[("if-none-match", "*")], None), 201);
        assert_eq!(made(&[("if-none-match", "*")], Some(&blob)), 409);
        assert_eq!(made(&[("if-match", "\"0x8DD000000000001\"")], Some(&blob)), 201);
        assert_eq!(made(&[("if-match", "\"0x8DD000000000002\"")], Some(&blob)), 412);
        assert_eq!(made(&[("if-match", "*")], None), 412);
        assert_eq!(made(&[("if-none-match", "\"0x8DD000000000001\"")], Some(&blob)), 412);
        assert_eq!(made(&[("if-match", "\"a\", \"b\"")], Some(&blob)), 400);
        let since = [("if-unmodified-since", "Sun, 22 Nov 2026 03:05:08 GMT")];
        assert_eq!(made(&since, Some(&blob)), 201);
        let since = [("if-modified-since", "Sun, 22 Nov 2026 03:05:08 GMT")];
        assert_eq!(made(&since, Some(&blob)), 412);
        let read = ask(&since);
        let read = Conditions::of(&read).unwrap().for_reading(&blob).unwrap_err();
        assert_eq!((read.row.status, read.row.code), (304, "ConditionNotMet"));
    }
}
