//! The headers of objects: read from a request into what is stored, and written from what is stored
//! into an answer.

use http::header::{self, HeaderName};
use http::response::Builder;
use http::{HeaderMap, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::azure::{BlobHeaders, Properties};
use crate::mapping::metadata::{self, ObjectFacts};
use crate::mapping::storage_class::StorageClass;
use crate::mapping::user_metadata::UserMetadata;
use crate::s3::conditions::ETag;
use crate::s3::names::ObjectKey;
use crate::s3::payload::stored_content_encoding;
use crate::s3::query::Query;
use crate::s3::tags::{Limit, Tags};
use crate::s3::{Error, headers, time};

/// What S3 says of an object that came without a type.
const CONTENT_TYPE_DEFAULT: &str = "binary/octet-stream";

/// What a request says of the object that it writes: its headers for Azure, its facts for us.
pub(in crate::ops) fn read(headers: &HeaderMap) -> Result<(BlobHeaders, ObjectFacts), Error> {
    let text =
        |name: &HeaderName| headers::text(headers, name).map(|value| value.map(str::to_owned));
    let blob = BlobHeaders {
        content_type: Some(
            text(&header::CONTENT_TYPE)?
                .filter(|value| !value.is_empty())
                .unwrap_or_else(|| CONTENT_TYPE_DEFAULT.to_owned()),
        ),
        content_encoding: stored_content_encoding(headers),
        content_language: text(&header::CONTENT_LANGUAGE)?,
        content_disposition: text(&header::CONTENT_DISPOSITION)?,
        cache_control: text(&header::CACHE_CONTROL)?,
        content_md5: None,
    };
    let facts = ObjectFacts {
        expires: text(&header::EXPIRES)?,
        storage_class: storage_class(headers)?.unwrap_or_default(),
        redirect: text(&headers::WEBSITE_REDIRECT_LOCATION)?,
        tags: tags(headers)?,
        user: UserMetadata::new(headers::user_metadata(headers))?,
        ..ObjectFacts::default()
    };
    Ok((blob, facts))
}

/// The tags that a request gives to the object that it writes.
pub(in crate::ops) fn tags(headers: &HeaderMap) -> Result<Tags, Error> {
    let text = headers::text(headers, &headers::TAGGING)?.unwrap_or_default();
    Tags::parse(text, Limit::Object)
}

/// The storage class that a request asks for.
pub(in crate::ops) fn storage_class(headers: &HeaderMap) -> Result<Option<StorageClass>, Error> {
    headers::text(headers, &headers::STORAGE_CLASS)?.map(StorageClass::parse).transpose()
}

/// What a parameter keeps in a URL.
pub(in crate::ops) const URL_PARAMETER: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What a key keeps in a URL.
const URL_KEY: &AsciiSet = &URL_PARAMETER.remove(b'/');

/// Where an object is, for a client that reaches its bucket at `bucket_url`.
pub(in crate::ops) fn location(bucket_url: &str, key: &ObjectKey) -> String {
    format!("{bucket_url}/{}", utf8_percent_encode(key.as_str(), URL_KEY))
}

/// An object as an answer describes it.
#[derive(Debug)]
pub(in crate::ops) struct Described {
    /// What its write said of it.
    pub facts: ObjectFacts,
    /// Its S3 ETag.
    pub etag: ETag,
    /// When it was written.
    pub modified: ::time::OffsetDateTime,
}

impl Described {
    /// From what Azure says.
    pub(in crate::ops) fn of(properties: &Properties) -> Self {
        let facts = ObjectFacts::read(properties);
        let etag = ETag::new(metadata::etag_of(&facts, properties));
        let modified = metadata::last_modified(&facts, properties);
        Self { facts, etag, modified }
    }

    /// ETag and Last-Modified, which stand in 304 and 412 as well.
    pub(in crate::ops) fn validators(&self) -> [(HeaderName, HeaderValue); 2] {
        let value = |text: String| {
            HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
        };
        [
            (header::ETAG, value(self.etag.quoted())),
            (header::LAST_MODIFIED, value(time::header(self.modified))),
        ]
    }

    /// All headers of a whole object.
    pub(in crate::ops) fn write(&self, mut answer: Builder, properties: &Properties) -> Builder {
        for (name, value) in self.validators() {
            answer = answer.header(name, value);
        }
        answer = answer.header(header::ACCEPT_RANGES, "bytes");
        let stored = &properties.headers;
        let rows = [
            (header::CONTENT_TYPE, &stored.content_type),
            (header::CONTENT_ENCODING, &stored.content_encoding),
            (header::CONTENT_LANGUAGE, &stored.content_language),
            (header::CONTENT_DISPOSITION, &stored.content_disposition),
            (header::CACHE_CONTROL, &stored.cache_control),
            (header::EXPIRES, &self.facts.expires),
            (headers::WEBSITE_REDIRECT_LOCATION, &self.facts.redirect),
        ];
        for (name, value) in rows {
            if let Some(value) = value {
                answer = put(answer, name, value.as_bytes());
            }
        }
        if self.facts.storage_class != StorageClass::Standard {
            answer = answer.header(headers::STORAGE_CLASS, self.facts.storage_class.as_str());
        }
        if !self.facts.tags.is_empty() {
            answer = answer.header(headers::TAGGING_COUNT, self.facts.tags.len());
        }
        if properties.archive_status.is_some() {
            answer = answer.header(headers::RESTORE, "ongoing-request=\"true\"");
        } else if metadata::is_restored(properties) {
            answer = answer.header(headers::RESTORE, "ongoing-request=\"false\"");
        }
        for (name, value) in self.facts.user.iter() {
            let name = format!("{}{name}", headers::META_PREFIX);
            if let Ok(name) = HeaderName::try_from(name) {
                answer = put(answer, name, value);
            }
        }
        answer
    }

    /// The checksum, for those who ask. It is that of the whole object, and never goes with a range:
    /// SDKs compare it with the bytes that came.
    pub(in crate::ops) fn write_checksum(&self, answer: Builder, request: &HeaderMap) -> Builder {
        match (&self.facts.checksum, headers::wants_checksum(request)) {
            (Some(checksum), true) => answer
                .header(checksum.value.algorithm().header(), checksum.text())
                .header(headers::CHECKSUM_TYPE, checksum.kind.name()),
            _ => answer,
        }
    }
}

/// Adds a header, if its value is one.
fn put(answer: Builder, name: HeaderName, value: &[u8]) -> Builder {
    match HeaderValue::from_bytes(value) {
        Ok(value) => answer.header(name, value),
        // Azure keeps nothing that could not be sent to it in a header either.
        Err(_) => answer,
    }
}

/// The headers that a GET may overrule, and by which parameters:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>.
const OVERRIDES: [(&str, HeaderName); 6] = [
    ("response-cache-control", header::CACHE_CONTROL),
    ("response-content-disposition", header::CONTENT_DISPOSITION),
    ("response-content-encoding", header::CONTENT_ENCODING),
    ("response-content-language", header::CONTENT_LANGUAGE),
    ("response-content-type", header::CONTENT_TYPE),
    ("response-expires", header::EXPIRES),
];

/// Which headers the query overrules; `InvalidArgument` for a value that is no header's.
pub(in crate::ops) fn overrides(query: &Query) -> Result<Vec<(HeaderName, HeaderValue)>, Error> {
    let mut found = Vec::new();
    for (parameter, name) in OVERRIDES {
        if let Some(text) = query.get(parameter) {
            let value = HeaderValue::from_str(text).map_err(|_not_a_value| {
                Error::invalid_argument(parameter, text, "Header value cannot be represented.")
            })?;
            found.push((name, value));
        }
    }
    Ok(found)
}
