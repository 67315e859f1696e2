//! Typed reads of the headers of Azure's answers, and writes of those of our requests.

use http::{HeaderMap, HeaderName, HeaderValue};
use time::OffsetDateTime;

use super::dates;
use super::error::{BlobError, Kind};
use super::names::AzureETag;
use super::properties::Metadata;

const METADATA_PREFIX: &str = "x-ms-meta-";

pub(super) fn text<'a>(from: &'a HeaderMap, name: &str) -> Option<&'a str> {
    from.get(name).and_then(|value| value.to_str().ok())
}

pub(super) fn owned(from: &HeaderMap, name: &str) -> Option<String> {
    // Values that are no ASCII come from other tools; they are kept as well as text can.
    from.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

pub(super) fn number(from: &HeaderMap, name: &str) -> Option<u64> {
    text(from, name).and_then(|value| value.trim().parse().ok())
}

pub(super) fn etag(from: &HeaderMap) -> Result<AzureETag, BlobError> {
    text(from, "etag").map(AzureETag::new).ok_or_else(no_etag)
}

pub(super) fn no_etag() -> BlobError {
    BlobError::broken("no ETag in the answer")
}

pub(super) fn last_modified(from: &HeaderMap) -> Result<OffsetDateTime, BlobError> {
    text(from, "last-modified").and_then(dates::parse).ok_or_else(no_last_modified)
}

pub(super) fn no_last_modified() -> BlobError {
    BlobError::broken("no Last-Modified in the answer")
}

pub(super) fn metadata(from: &HeaderMap) -> Metadata {
    let mut metadata = Metadata::new();
    for (name, value) in from {
        add_metadata(&mut metadata, name.as_str(), value);
    }
    metadata
}

/// Adds what a header says, if that is metadata.
pub(super) fn add_metadata(metadata: &mut Metadata, name: &str, value: &HeaderValue) {
    if let Some(name) = name.strip_prefix(METADATA_PREFIX) {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        metadata.insert(name.to_owned(), value);
    }
}

/// `bytes first-last/total` as three numbers.
pub(super) fn content_range(from: &HeaderMap) -> Option<(u64, u64, u64)> {
    let (range, total) = text(from, "content-range")?.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?, total.parse().ok()?))
}

/// Puts `value` under `name`; what cannot be in a header is refused before anything is sent.
pub(super) fn put(into: &mut HeaderMap, name: &'static str, value: &str) -> Result<(), BlobError> {
    into.insert(HeaderName::from_static(name), value_of(value, Kind::InvalidHeader)?);
    Ok(())
}

/// Puts `value` under `name` if there is one.
pub(super) fn put_some(
    into: &mut HeaderMap,
    name: &'static str,
    value: Option<&str>,
) -> Result<(), BlobError> {
    value.map_or(Ok(()), |value| put(into, name, value))
}

pub(super) fn put_metadata(into: &mut HeaderMap, metadata: &Metadata) -> Result<(), BlobError> {
    for (name, value) in metadata {
        let name = HeaderName::try_from(format!("{METADATA_PREFIX}{name}"))
            .map_err(|cause| BlobError::refused_here(Kind::InvalidMetadata, cause))?;
        into.insert(name, value_of(value, Kind::InvalidMetadata)?);
    }
    Ok(())
}

/// Visible ASCII and blanks: what is signed has to arrive as it was signed, and Azure trims.
fn value_of(text: &str, kind: Kind) -> Result<HeaderValue, BlobError> {
    let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if !printable || text.trim_matches(' ').len() != text.len() {
        return Err(BlobError::refused_here(kind, "a header's value is trimmed ASCII"));
    }
    HeaderValue::from_str(text).map_err(|cause| BlobError::refused_here(kind, cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_three_numbers() {
        let mut all = HeaderMap::new();
        all.insert("content-range", HeaderValue::from_static("bytes 5-9/10"));
        assert_eq!(content_range(&all), Some((5, 9, 10)));
        all.insert("content-range", HeaderValue::from_static("bytes */10"));
        assert_eq!(content_range(&all), None);
    }

    #[test]
    fn what_would_not_arrive_as_it_was_signed_is_refused() {
        let kind = |value: &str| {
            let metadata = Metadata::from([("a".to_owned(), value.to_owned())]);
            put_metadata(&mut HeaderMap::new(), &metadata).map_err(|error| error.kind())
        };
        assert_eq!(kind("two  blanks inside"), Ok(()));
        assert_eq!(kind(""), Ok(()));
        for bad in [" a", "a ", "\u{e9}", "a\r\nx-ms-meta-b: c", "a\tb"] {
            assert_eq!(kind(bad), Err(Kind::InvalidMetadata), "{bad:?}");
        }
    }
}
