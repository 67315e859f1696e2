//! Metadata, and the headers that a blob is served with.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/setting-and-retrieving-properties-and-metadata-for-blob-resources>

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::answer::name;
use crate::refusal::{self, Refusal};

const PREFIX: &str = "x-ms-meta-";

/// Names and values together.
const BYTES_MAX: usize = 8 * 1024;

/// Names (with `x-ms-meta-` in front) and values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metadata(Option<Arc<[(HeaderName, HeaderValue)]>>);

impl Metadata {
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut rows: Vec<(HeaderName, HeaderValue)> = Vec::new();
        let mut bytes = 0;
        for (name, value) in headers {
            let Some(own) = name.as_str().strip_prefix(PREFIX) else { continue };
            check(own, value)?;
            bytes += own.len() + value.len();
            match rows.last_mut() {
                Some((last, joined)) if last == name => *joined = join(joined, value)?,
                Some(_) | None => rows.push((name.clone(), value.clone())),
            }
        }
        if bytes > BYTES_MAX {
            return Err(refusal::METADATA_TOO_LARGE.into());
        }
        Ok(Self((!rows.is_empty()).then(|| rows.into())))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &(HeaderName, HeaderValue)> {
        self.0.iter().flat_map(|rows| rows.iter())
    }

    /// Without the prefix, for a listing.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rows().map(|(name, value)| {
            let own = name.as_str().strip_prefix(PREFIX).unwrap_or_default();
            (own, value.to_str().unwrap_or_default())
        })
    }

    pub(crate) fn put(&self, into: &mut HeaderMap) {
        for (name, value) in self.rows() {
            into.insert(name, value.clone());
        }
    }
}

fn check(own: &str, value: &HeaderValue) -> Result<(), Refusal> {
    let Some(first) = own.bytes().next() else { return Err(refusal::EMPTY_METADATA_KEY.into()) };
    let within = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let identifier = !first.is_ascii_digit() && own.bytes().all(within);
    let ascii = value.as_bytes().iter().all(|byte| (b' '..=b'~').contains(byte));
    if identifier && ascii { Ok(()) } else { Err(refusal::INVALID_METADATA.into()) }
}

fn join(one: &HeaderValue, other: &HeaderValue) -> Result<HeaderValue, Refusal> {
    let bytes = [one.as_bytes(), b",", other.as_bytes()].concat();
    HeaderValue::from_bytes(&bytes).map_err(|_| refusal::INVALID_METADATA.into())
}

/// The headers that a blob is served with, but its MD5.
#[derive(Clone, Debug, Default)]
pub(crate) struct Served {
    pub(crate) content_type: Option<HeaderValue>,
    /// Hardly any blob has more.
    more: Option<Arc<[(HeaderName, HeaderValue)]>>,
}

const MORE: [(&str, HeaderName); 4] = [
    ("x-ms-blob-content-encoding", name::CONTENT_ENCODING),
    ("x-ms-blob-content-language", name::CONTENT_LANGUAGE),
    ("x-ms-blob-cache-control", name::CACHE_CONTROL),
    ("x-ms-blob-content-disposition", name::CONTENT_DISPOSITION),
];

impl Served {
    /// From the `x-ms-blob-` headers.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let more: Vec<_> = MORE
            .iter()
            .filter_map(|(asked, name)| Some((name.clone(), headers.get(*asked)?.clone())))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let content_type = headers.get("x-ms-blob-content-type").filter(|value| !value.is_empty());
        Self { content_type: content_type.cloned(), more: (!more.is_empty()).then(|| more.into()) }
    }

    /// From those, else from the plain ones: only Put Blob reads them.
    pub(crate) fn of_put(headers: &HeaderMap) -> Self {
        let mut served = Self::of(headers);
        if served.content_type.is_none() {
            served.content_type = headers.get(name::CONTENT_TYPE).cloned();
        }
        if served.more.is_none() {
            let more: Vec<_> = MORE
                .iter()
                .filter_map(|(_, name)| Some((name.clone(), headers.get(name)?.clone())))
                .collect();
            served.more = (!more.is_empty()).then(|| more.into());
        }
        served
    }

    pub(crate) fn content_type(&self) -> HeaderValue {
        const DEFAULT: HeaderValue = HeaderValue::from_static("application/octet-stream");
        self.content_type.clone().unwrap_or(DEFAULT)
    }

    pub(crate) fn put(&self, into: &mut HeaderMap) {
        into.insert(name::CONTENT_TYPE, self.content_type());
        for (name, value) in self.more() {
            into.insert(name, value.clone());
        }
    }

    pub(crate) fn more(&self) -> impl Iterator<Item = &(HeaderName, HeaderValue)> {
        self.more.iter().flat_map(|rows| rows.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(name: &str, value: &str) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        let name = HeaderName::try_from(format!("x-ms-meta-{name}")).unwrap();
        headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        Metadata::of(&headers).err().map(|refusal| refusal.row.code)
    }

    #[test]
    fn names_are_identifiers_and_values_are_ascii() {
        assert_eq!(code("a_1", "two  blanks"), None);
        assert_eq!(code("", "x"), Some("EmptyMetadataKey"));
        for bad in ["1a", "a-b", "a.b"] {
            assert_eq!(code(bad, "x"), Some("InvalidMetadata"), "{bad}");
        }
        assert_eq!(code("a", "\u{e9}"), Some("InvalidMetadata"));
    }

    #[test]
    fn there_are_8_kib_of_it() {
        assert_eq!(code("a", &"x".repeat(8191)), None);
        assert_eq!(code("a", &"x".repeat(8192)), Some("MetadataTooLarge"));
    }
}
