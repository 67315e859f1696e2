//! ETags, the conditions of a request, and byte ranges.
//!
//! The order of evaluation is RFC 9110's, 13.2.2, with S3's two exceptions
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>): If-Match that holds
//! overrules If-Unmodified-Since, and If-None-Match that fails overrules If-Modified-Since.

use std::fmt;

use http::{HeaderMap, HeaderName, header};
use time::OffsetDateTime;

use crate::s3::error::{Code, Error};
use crate::s3::headers::{
    COPY_SOURCE_IF_MATCH, COPY_SOURCE_IF_MODIFIED_SINCE, COPY_SOURCE_IF_NONE_MATCH,
    COPY_SOURCE_IF_UNMODIFIED_SINCE, text,
};
use crate::s3::time::read_header;

/// An S3 ETag, without its quotes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ETag(String);

impl ETag {
    /// From the text between the quotes.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text between the quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As in a header: with quotes.
    pub fn quoted(&self) -> String {
        ["\"", &self.0, "\""].concat()
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "\"{}\"", self.0)
    }
}

/// What an If-Match or an If-None-Match names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matches {
    /// `*`: whatever is there.
    Any,
    /// One of these.
    Tags(Vec<ETag>),
}

impl Matches {
    /// Reads a list of ETags. Clients send them without quotes too, and as weak ones.
    pub fn parse(text: &str) -> Self {
        if text.trim() == "*" {
            return Self::Any;
        }
        let tags = text.split(',').map(|tag| {
            let tag = tag.trim();
            let tag = tag.strip_prefix("W/").unwrap_or(tag);
            ETag(tag.trim_matches('"').to_owned())
        });
        Self::Tags(tags.filter(|tag| !tag.0.is_empty()).collect())
    }

    /// Does it name `etag`?
    pub fn holds(&self, etag: &ETag) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.contains(etag),
        }
    }
}

/// The conditions of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// Go on only if the object is one of these.
    pub if_match: Option<Matches>,
    /// Go on only if the object is none of these.
    pub if_none_match: Option<Matches>,
    /// Go on only if the object has changed since.
    pub if_modified_since: Option<OffsetDateTime>,
    /// Go on only if the object has not changed since.
    pub if_unmodified_since: Option<OffsetDateTime>,
}

/// What became of the conditions of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They hold.
    Go,
    /// 304: the client has it already.
    NotModified,
    /// 412, and the header that says so.
    Failed(&'static str),
}

impl Conditions {
    /// The conditions on the object that the request names.
    pub fn read(headers: &HeaderMap) -> Result<Self, Error> {
        Self::of(
            headers,
            [
                &header::IF_MATCH,
                &header::IF_NONE_MATCH,
                &header::IF_MODIFIED_SINCE,
                &header::IF_UNMODIFIED_SINCE,
            ],
        )
    }

    /// The conditions on the source of a copy.
    pub fn read_copy_source(headers: &HeaderMap) -> Result<Self, Error> {
        Self::of(
            headers,
            [
                &COPY_SOURCE_IF_MATCH,
                &COPY_SOURCE_IF_NONE_MATCH,
                &COPY_SOURCE_IF_MODIFIED_SINCE,
                &COPY_SOURCE_IF_UNMODIFIED_SINCE,
            ],
        )
    }

    fn of(headers: &HeaderMap, names: [&HeaderName; 4]) -> Result<Self, Error> {
        let [matches, none, modified, unmodified] = names;
        Ok(Self {
            if_match: text(headers, matches)?.map(Matches::parse),
            if_none_match: text(headers, none)?.map(Matches::parse),
            // A date that cannot be read is as good as none (RFC 9110, 13.1.3).
            if_modified_since: text(headers, modified)?.and_then(read_header),
            if_unmodified_since: text(headers, unmodified)?.and_then(read_header),
        })
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Do they hold for an object of this ETag and time?
    pub fn judge(&self, etag: &ETag, modified: OffsetDateTime) -> Verdict {
        // Headers carry whole seconds, so that is what is compared.
        let second = modified.unix_timestamp();
        if let Some(matches) = &self.if_match {
            if !matches.holds(etag) {
                return Verdict::Failed("If-Match");
            }
        } else if self.if_unmodified_since.is_some_and(|since| second > since.unix_timestamp()) {
            return Verdict::Failed("If-Unmodified-Since");
        }
        if let Some(matches) = &self.if_none_match {
            if matches.holds(etag) {
                return Verdict::NotModified;
            }
        } else if self.if_modified_since.is_some_and(|since| second <= since.unix_timestamp()) {
            return Verdict::NotModified;
        }
        Verdict::Go
    }
}

/// 412, naming the condition as S3 does; some clients read it.
pub fn precondition_failed(condition: &'static str) -> Error {
    Error::new(Code::PreconditionFailed).detail("Condition", condition)
}

/// The bytes that a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// `a-b`: both ends included; the end may lie behind the object's.
    FromTo(u64, u64),
    /// `a-`
    From(u64),
    /// `-n`: the last `n`.
    Last(u64),
}

impl ByteRange {
    /// Reads a Range header. What S3 does not understand as one range is no range at all, and the
    /// whole object is answered.
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(header::RANGE)?.to_str().ok()?;
        Self::parse(text)
    }

    fn parse(text: &str) -> Option<Self> {
        let (unit, range) = text.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (first, last) = range.trim().split_once('-')?;
        match (first.trim(), last.trim()) {
            ("", count) => number(count).map(Self::Last),
            (first, "") => number(first).map(Self::From),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::FromTo(first, last))
            }
        }
    }

    /// The first and the last byte of an object of `length` bytes; `InvalidRange` if there is none.
    pub fn resolve(self, length: u64) -> Result<(u64, u64), Error> {
        let last = length.checked_sub(1);
        let found = match self {
            Self::FromTo(first, to) => {
                last.filter(|last| first <= *last).map(|last| (first, to.min(last)))
            }
            Self::From(first) => last.filter(|last| first <= *last).map(|last| (first, last)),
            Self::Last(0) => None,
            Self::Last(count) => last.map(|last| (length.saturating_sub(count), last)),
        };
        found.ok_or_else(|| self.not_satisfiable(length))
    }

    /// 416, with the range that was asked for and the object's size.
    pub fn not_satisfiable(self, length: u64) -> Error {
        Error::new(Code::InvalidRange)
            .detail("RangeRequested", self.to_string())
            .detail("ActualObjectSize", length.to_string())
    }
}

impl fmt::Display for ByteRange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FromTo(first, last) => write!(out, "bytes={first}-{last}"),
            Self::From(first) => write!(out, "bytes={first}-"),
            Self::Last(count) => write!(out, "bytes=-{count}"),
        }
    }
}

/// A number of digits only. One too large for 64 bits is the largest one.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::{ByteRange, Conditions, ETag, Matches, Verdict};

    fn check(conditions: &Conditions, want: Verdict) {
        let verdict = conditions.judge(&ETag::new("abc"), datetime!(2026-01-02 00:00:00.5 UTC));
        assert_eq!(verdict, want, "{conditions:?}");
    }

    #[test]
    fn conditions_in_s3s_order() {
        let some = |text| Some(Matches::parse(text));
        let before = Some(datetime!(2026-01-01 00:00 UTC));
        let then = Some(datetime!(2026-01-02 00:00 UTC));
        let none = Conditions::default;
        check(&none(), Verdict::Go);
        check(&Conditions { if_match: some("\"abc\""), ..none() }, Verdict::Go);
        check(&Conditions { if_match: some("x, abc"), ..none() }, Verdict::Go);
        check(&Conditions { if_match: some("*"), ..none() }, Verdict::Go);
        check(&Conditions { if_match: some("\"x\""), ..none() }, Verdict::Failed("If-Match"));
        check(&Conditions { if_none_match: some("W/\"abc\""), ..none() }, Verdict::NotModified);
        check(&Conditions { if_none_match: some("\"x\""), ..none() }, Verdict::Go);
        check(&Conditions { if_modified_since: then, ..none() }, Verdict::NotModified);
        check(&Conditions { if_modified_since: before, ..none() }, Verdict::Go);
        check(&Conditions { if_unmodified_since: then, ..none() }, Verdict::Go);
        check(
            &Conditions { if_unmodified_since: before, ..none() },
            Verdict::Failed("If-Unmodified-Since"),
        );
        check(
            &Conditions { if_match: some("abc"), if_unmodified_since: before, ..none() },
            Verdict::Go,
        );
        check(
            &Conditions { if_none_match: some("x"), if_modified_since: then, ..none() },
            Verdict::Go,
        );
    }

    #[test]
    fn ranges_that_are_understood() {
        for (text, want) in [
            ("bytes=0-0", Some(ByteRange::FromTo(0, 0))),
            ("bytes=5-", Some(ByteRange::From(5))),
            ("bytes=-5", Some(ByteRange::Last(5))),
            ("Bytes= 1-2", Some(ByteRange::FromTo(1, 2))),
            ("bytes=0-99999999999999999999", Some(ByteRange::FromTo(0, u64::MAX))),
            ("bytes=5-2", None),
            ("bytes=0-1,3-4", None),
            ("bytes=a-b", None),
            ("bytes=-", None),
            ("lines=0-1", None),
            ("bytes", None),
        ] {
            assert_eq!(ByteRange::parse(text), want, "{text}");
        }
    }

    #[test]
    fn f34_ranges_meet_the_object() {
        let range = |range: ByteRange, length| range.resolve(length).ok();
        assert_eq!(range(ByteRange::FromTo(0, 0), 10), Some((0, 0)));
        assert_eq!(range(ByteRange::FromTo(8, 20), 10), Some((8, 9)));
        assert_eq!(range(ByteRange::FromTo(10, 20), 10), None);
        assert_eq!(range(ByteRange::From(9), 10), Some((9, 9)));
        assert_eq!(range(ByteRange::From(0), 0), None);
        assert_eq!(range(ByteRange::Last(1), 10), Some((9, 9)));
        assert_eq!(range(ByteRange::Last(99), 10), Some((0, 9)));
        assert_eq!(range(ByteRange::Last(0), 10), None);
        assert_eq!(range(ByteRange::Last(1), 0), None);
    }
}
