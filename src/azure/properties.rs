//! What Azure says of a blob or a container, read from the headers of an answer.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use http::{HeaderMap, HeaderValue};
use time::OffsetDateTime;

use super::error::BlobError;
use super::names::AzureETag;
use super::{dates, headers};

/// Names and values that a blob or container carries. Azure's names are C# identifiers and compared
/// without case; they are lower-case here. Values are ASCII.
pub type Metadata = BTreeMap<String, String>;

/// The headers that a blob is served with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlobHeaders {
    /// Content-Type; Azure makes it `application/octet-stream` when there is none.
    pub content_type: Option<String>,
    /// Content-Encoding.
    pub content_encoding: Option<String>,
    /// Content-Language.
    pub content_language: Option<String>,
    /// Content-Disposition.
    pub content_disposition: Option<String>,
    /// Cache-Control.
    pub cache_control: Option<String>,
    /// MD5 of the whole blob, as it was computed or said.
    pub content_md5: Option<[u8; 16]>,
}

/// What a blob is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobKind {
    /// Of blocks, or put at once.
    Block,
    /// Something appends to it.
    Append,
    /// A disk.
    Page,
}

/// Where Azure keeps a blob's bytes, and what they cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Read often.
    Hot,
    /// Read seldom.
    Cool,
    /// Read hardly ever.
    Cold,
    /// Off line: has to be brought back first.
    Archive,
    /// One that this gateway does not know.
    Other(String),
}

impl Tier {
    /// As Azure writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Hot => "Hot",
            Self::Cool => "Cool",
            Self::Cold => "Cold",
            Self::Archive => "Archive",
            Self::Other(name) => name,
        }
    }

    /// The tier of that name.
    pub fn parse(text: &str) -> Self {
        match text {
            "Hot" => Self::Hot,
            "Cool" => Self::Cool,
            "Cold" => Self::Cold,
            "Archive" => Self::Archive,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// What Azure says of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Properties {
    /// Changes with every change of the blob, its metadata included.
    pub etag: AzureETag,
    /// Of the last change, to the second.
    pub last_modified: OffsetDateTime,
    /// Bytes of the whole blob.
    pub content_length: u64,
    /// What it is served with.
    pub headers: BlobHeaders,
    /// Empty in a listing that did not ask for it.
    pub metadata: Metadata,
    /// What it is made of.
    pub kind: BlobKind,
    /// Where it is kept.
    pub tier: Option<Tier>,
    /// On its way back from the archive: `rehydrate-pending-to-hot` and the like.
    pub archive_status: Option<String>,
    /// Whether some tool has leased it.
    pub leased: bool,
}

impl Properties {
    /// From the headers of Get Blob (`ranged`: the answer was 206) or Get Blob Properties.
    ///
    /// They are gone through once: there are more of them that say something than that do not.
    pub(super) fn from_headers(
        from: &HeaderMap,
        length: u64,
        ranged: bool,
    ) -> Result<Self, BlobError> {
        let (mut etag, mut last_modified) = (None, None);
        let (mut blob_md5, mut content_md5) = (None, None);
        let mut of = BlobHeaders::default();
        let mut metadata = Metadata::new();
        let (mut kind, mut tier) = (BlobKind::Block, None);
        let (mut archive_status, mut leased) = (None, false);
        for (name, value) in from {
            // Of several values of one name, the first counts.
            match name.as_str() {
                "etag" => etag = etag.or_else(|| value.to_str().ok().map(AzureETag::new)),
                "last-modified" => {
                    last_modified =
                        last_modified.or_else(|| value.to_str().ok().and_then(dates::parse));
                }
                "content-type" => first(&mut of.content_type, value),
                "content-encoding" => first(&mut of.content_encoding, value),
                "content-language" => first(&mut of.content_language, value),
                "content-disposition" => first(&mut of.content_disposition, value),
                "cache-control" => first(&mut of.cache_control, value),
                "content-md5" => content_md5 = content_md5.or_else(|| md5_of(value)),
                "x-ms-blob-content-md5" => blob_md5 = blob_md5.or_else(|| md5_of(value)),
                "x-ms-blob-type" => kind = value.to_str().map_or(kind, kind_of),
                "x-ms-access-tier" => tier = value.to_str().ok().map(Tier::parse),
                "x-ms-archive-status" => first(&mut archive_status, value),
                "x-ms-lease-status" => leased = value.as_bytes() == b"locked",
                other => headers::add_metadata(&mut metadata, other, value),
            }
        }
        // With a range it would be the digest of the range.
        let content_md5 = content_md5.filter(|_| !ranged);
        Ok(Self {
            etag: etag.ok_or_else(headers::no_etag)?,
            last_modified: last_modified.ok_or_else(headers::no_last_modified)?,
            content_length: length,
            headers: BlobHeaders { content_md5: blob_md5.or(content_md5), ..of },
            metadata,
            kind,
            tier,
            archive_status,
            leased,
        })
    }
}

fn md5_of(value: &HeaderValue) -> Option<[u8; 16]> {
    value.to_str().ok().and_then(md5_from_base64)
}

/// Keeps a value, if there is none yet. What is no ASCII comes from other tools; it is kept as well as text
/// can.
fn first(kept: &mut Option<String>, value: &HeaderValue) {
    if kept.is_none() {
        *kept = Some(String::from_utf8_lossy(value.as_bytes()).into_owned());
    }
}

/// What Azure says of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerProperties {
    /// Changes with its metadata, not with its blobs.
    pub etag: AzureETag,
    /// The last change of its metadata, to the second.
    pub last_modified: OffsetDateTime,
    /// Empty in the answer to its creation.
    pub metadata: Metadata,
}

impl ContainerProperties {
    pub(super) fn from_headers(from: &HeaderMap) -> Result<Self, BlobError> {
        Ok(Self {
            etag: headers::etag(from)?,
            last_modified: headers::last_modified(from)?,
            metadata: headers::metadata(from),
        })
    }
}

pub(super) fn kind_of(text: &str) -> BlobKind {
    match text {
        "AppendBlob" => BlobKind::Append,
        "PageBlob" => BlobKind::Page,
        _ => BlobKind::Block,
    }
}

pub(super) fn md5_from_base64(text: &str) -> Option<[u8; 16]> {
    // Three bytes of room for each four characters; more are of no MD5.
    let mut bytes = [0; 18];
    let room = bytes.get_mut(..BASE64.decode_len(text.len()).ok()?)?;
    let length = BASE64.decode_mut(text.as_bytes(), room).ok()?;
    bytes.get(..length)?.try_into().ok()
}

/// CRC64 as Azure writes it: base64 of the number's bytes, the least first.
pub(super) fn crc64_to_base64(crc: u64) -> String {
    BASE64.encode(&crc.to_le_bytes())
}

pub(super) fn crc64_from_base64(text: &str) -> Option<u64> {
    let bytes = BASE64.decode(text.as_bytes()).ok()?;
    bytes.try_into().ok().map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn answer(rows: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut all = HeaderMap::new();
        all.insert("etag", HeaderValue::from_static("\"0x1\""));
        all.insert("last-modified", HeaderValue::from_static("Sun, 22 Nov 2026 03:05:08 GMT"));
        for (name, value) in rows {
            all.insert(*name, HeaderValue::from_static(value));
        }
        all
    }

    #[test]
    fn the_digest_of_a_range_is_not_the_blobs() {
        let rows = [("content-md5", "XUFAKrxLKna5cZ2REBfFkg==")];
        let whole = Properties::from_headers(&answer(&rows), 5, false).unwrap();
        let range = Properties::from_headers(&answer(&rows), 5, true).unwrap();
        assert!(whole.headers.content_md5.is_some());
        assert!(range.headers.content_md5.is_none());
    }

    #[test]
    fn metadata_is_lower_case_and_keeps_empty_values() {
        let all = answer(&[("x-ms-meta-one", "1"), ("x-ms-meta-two_2", "")]);
        let read = Properties::from_headers(&all, 0, false).unwrap();
        let expected = [("one", "1"), ("two_2", "")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(read.metadata, Metadata::from(expected));
    }

    #[test]
    fn an_answer_without_an_etag_is_broken() {
        let mut all = answer(&[]);
        all.remove("etag");
        let error = Properties::from_headers(&all, 0, false).unwrap_err();
        assert_eq!(error.kind(), crate::azure::Kind::Broken);
    }

    #[test]
    fn a_crc_is_written_with_its_least_byte_first() {
        assert_eq!(crc64_to_base64(1), "AQAAAAAAAAA=");
        assert_eq!(crc64_from_base64("AQAAAAAAAAA="), Some(1));
        assert_eq!(crc64_from_base64("AQ=="), None);
    }
}
