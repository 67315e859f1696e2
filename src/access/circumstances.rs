//! How somebody asks: what the conditions of a policy may look at.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use http::HeaderMap;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::s3::query::{Plus, Query, decode_with};

/// The other end of a request, as far as it can be trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    /// Where it comes from.
    pub source: Option<IpAddr>,
    /// It came encrypted all the way that we know of.
    pub secure: bool,
    /// The version of TLS, if it ended here: `1.2`.
    pub tls: Option<&'static str>,
}

/// How a request was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Where the signature stands.
    pub door: Door,
    /// By which algorithm.
    pub algorithm: &'static str,
    /// When, if it says so.
    pub signed_at: Option<OffsetDateTime>,
}

/// Where a signature stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// In the header.
    Header,
    /// In the query: a presigned URL.
    Query,
    /// In a form.
    Form,
}

impl Door {
    const fn name(self) -> &'static str {
        match self {
            Self::Header => "REST-HEADER",
            Self::Query => "REST-QUERY-STRING",
            Self::Form => "POST",
        }
    }
}

/// All that conditions may look at. It is looked at where a policy asks, which is seldom: until then nothing
/// of it is put into words.
#[derive(Clone, Debug, Default)]
pub struct Circumstances {
    of: Option<Asking>,
    /// The prefix that is listed, where that is not the parameter.
    prefix: Option<String>,
    /// The tags that a document brings, where they are not in a header.
    tags: Option<Vec<(String, String)>>,
    values: OnceLock<Vec<(&'static str, String)>>,
    request_tags: OnceLock<Vec<(String, String)>>,
}

/// A request, as far as conditions may look at it.
#[derive(Clone, Debug)]
struct Asking {
    headers: Arc<HeaderMap>,
    query: Query,
    connection: Connection,
    signature: Option<Signature>,
    now: OffsetDateTime,
}

/// Headers that are keys, and the keys.
const HEADERS: &[(&str, &str)] = &[
    ("referer", "aws:referer"),
    ("user-agent", "aws:useragent"),
    ("x-amz-acl", "s3:x-amz-acl"),
    ("x-amz-content-sha256", "s3:x-amz-content-sha256"),
    ("x-amz-grant-full-control", "s3:x-amz-grant-full-control"),
    ("x-amz-grant-read", "s3:x-amz-grant-read"),
    ("x-amz-grant-read-acp", "s3:x-amz-grant-read-acp"),
    ("x-amz-grant-write", "s3:x-amz-grant-write"),
    ("x-amz-grant-write-acp", "s3:x-amz-grant-write-acp"),
    ("x-amz-metadata-directive", "s3:x-amz-metadata-directive"),
    ("x-amz-object-ownership", "s3:x-amz-object-ownership"),
    ("x-amz-server-side-encryption", "s3:x-amz-server-side-encryption"),
    ("x-amz-storage-class", "s3:x-amz-storage-class"),
    ("x-amz-website-redirect-location", "s3:x-amz-website-redirect-location"),
];
/// Parameters that are keys, and the keys.
const PARAMETERS: &[(&str, &str)] = &[
    ("delimiter", "s3:delimiter"),
    ("max-keys", "s3:max-keys"),
    ("prefix", "s3:prefix"),
    ("versionId", "s3:versionid"),
];

impl Circumstances {
    /// Those of a request.
    pub fn read(
        headers: Arc<HeaderMap>,
        query: &Query,
        connection: Connection,
        signature: Option<Signature>,
        now: OffsetDateTime,
    ) -> Self {
        let of = Asking { headers, query: query.clone(), connection, signature, now };
        Self { of: Some(of), ..Self::default() }
    }

    /// The same of a request whose document names these tags.
    #[must_use]
    pub fn with_tags(self, request_tags: Vec<(String, String)>) -> Self {
        Self { tags: Some(request_tags), request_tags: OnceLock::new(), ..self }
    }

    /// The same of a request for the keys that begin so.
    pub(super) fn listing(&self, prefix: &str) -> Self {
        Self { prefix: Some(prefix.to_owned()), values: OnceLock::new(), ..self.clone() }
    }

    /// The values of a key, whose name is in lower case.
    pub(super) fn get<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        let values = self.values.get_or_init(|| self.values());
        values.iter().filter(move |(known, _)| *known == key).map(|(_, value)| value.as_str())
    }

    /// The tags that the request brings.
    pub(super) fn request_tags(&self) -> &[(String, String)] {
        self.request_tags.get_or_init(|| {
            let tags = || self.of.as_ref().map(|of| header_tags(&of.headers)).unwrap_or_default();
            self.tags.clone().unwrap_or_else(tags)
        })
    }

    /// All that is known, by the names of the keys in lower case.
    fn values(&self) -> Vec<(&'static str, String)> {
        let mut values = self.of.as_ref().map(Asking::values).unwrap_or_default();
        if let Some(prefix) = &self.prefix {
            values.retain(|(key, _)| *key != "s3:prefix");
            values.push(("s3:prefix", prefix.clone()));
        }
        values
    }
}

impl Asking {
    fn values(&self) -> Vec<(&'static str, String)> {
        let Self { headers, query, connection, signature, now } = self;
        let mut values = Vec::with_capacity(12);
        for (header, key) in HEADERS {
            for value in headers.get_all(*header) {
                values.push((*key, String::from_utf8_lossy(value.as_bytes()).into_owned()));
            }
        }
        for (parameter, key) in PARAMETERS {
            values.extend(query.get(parameter).map(|value| (*key, value.to_owned())));
        }
        values.extend(copy_source(headers).map(|source| ("s3:x-amz-copy-source", source)));
        values.push(("aws:securetransport", connection.secure.to_string()));
        values.extend(connection.tls.map(|version| ("s3:tlsversion", version.to_owned())));
        values.extend(connection.source.map(|source| ("aws:sourceip", source.to_string())));
        values.push(("aws:epochtime", now.unix_timestamp().to_string()));
        values.extend(now.format(&Rfc3339).ok().map(|now| ("aws:currenttime", now)));
        if let Some(Signature { door, algorithm, signed_at }) = signature {
            values.push(("s3:authtype", door.name().to_owned()));
            values.push(("s3:signatureversion", (*algorithm).to_owned()));
            let age = signed_at.map(|signed_at| (*now - signed_at).whole_milliseconds().max(0));
            values.extend(age.map(|age| ("s3:signatureage", age.to_string())));
        }
        values
    }
}

/// `x-amz-tagging`.
fn header_tags(headers: &HeaderMap) -> Vec<(String, String)> {
    let tags = headers.get("x-amz-tagging").and_then(|value| value.to_str().ok());
    tags.map(read_tags).unwrap_or_default()
}

/// Every key that is a header, a parameter, or comes with the connection.
pub(super) fn is_known(key: &str) -> bool {
    const OTHERS: &[&str] = &[
        "aws:currenttime",
        "aws:epochtime",
        "aws:securetransport",
        "aws:sourceip",
        "s3:authtype",
        "s3:signatureage",
        "s3:signatureversion",
        "s3:tlsversion",
        "s3:x-amz-copy-source",
    ];
    OTHERS.contains(&key) || HEADERS.iter().chain(PARAMETERS).any(|(_, known)| *known == key)
}

/// Bucket and key of a copy's source, however it was written: `/b/k`, `b/k` and `b%2Fk` are one, so
/// that no spelling slips past a policy that names it.
fn copy_source(headers: &HeaderMap) -> Option<String> {
    let source = headers.get("x-amz-copy-source")?.to_str().ok()?;
    let path = source.split_once('?').map_or(source, |(path, _)| path);
    let path = decode_with(path, Plus::IsPlus).ok()?;
    Some(path.strip_prefix('/').unwrap_or(&path).to_owned())
}

/// `x-amz-tagging`: tags in the form of a query.
fn read_tags(text: &str) -> Vec<(String, String)> {
    let decode = |text: &str| decode_with(text, Plus::IsBlank).unwrap_or_else(|_| text.to_owned());
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decode(key), decode(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};
    use time::macros::datetime;

    use super::{Circumstances, Connection, Door, HEADERS, PARAMETERS, Signature, is_known};
    use crate::s3::query::Query;

    fn read(headers: &[(&'static str, &str)], query: &str) -> Circumstances {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        let headers: HeaderMap = headers.iter().map(pair).collect();
        let connection =
            Connection { source: Some([192, 0, 2, 7].into()), secure: true, tls: Some("1.3") };
        let now = datetime!(2026-11-22 06:00:10 UTC);
        let signed_at = Some(datetime!(2026-11-22 06:00:00 UTC));
        let algorithm = "AWS4-HMAC-SHA256";
        let signature = Some(Signature { door: Door::Query, algorithm, signed_at });
        Circumstances::read(
            headers.into(),
            &Query::parse(query).unwrap(),
            connection,
            signature,
            now,
        )
    }

    #[test]
    fn every_key_has_its_value() {
        for (header, key) in HEADERS {
            let found = read(&[(header, "v")], "");
            assert_eq!(found.get(key).collect::<Vec<_>>(), ["v"], "{key}");
            assert!(is_known(key));
        }
        for (parameter, key) in PARAMETERS {
            let found = read(&[], &format!("{parameter}=v%2F"));
            assert_eq!(found.get(key).collect::<Vec<_>>(), ["v/"], "{key}");
        }
        for (key, value) in [
            ("aws:securetransport", "true"),
            ("aws:sourceip", "192.0.2.7"),
            ("aws:currenttime", "2026-11-22T06:00:10Z"),
            ("aws:epochtime", "1795327210"),
            ("s3:tlsversion", "1.3"),
            ("s3:authtype", "REST-QUERY-STRING"),
            ("s3:signatureversion", "AWS4-HMAC-SHA256"),
            ("s3:signatureage", "10000"),
        ] {
            assert_eq!(read(&[], "").get(key).collect::<Vec<_>>(), [value], "{key}");
            assert!(is_known(key));
        }
        assert_eq!(read(&[], "").get("s3:prefix").count(), 0);
        assert!(!is_known("aws:sourcevpc"));
    }

    #[test]
    fn a_copy_source_is_one_however_it_is_written() {
        for source in ["b/a/k", "/b/a/k", "b%2Fa%2fk", "%2Fb/a/k?versionId=null"] {
            let found = read(&[("x-amz-copy-source", source)], "");
            assert_eq!(
                found.get("s3:x-amz-copy-source").collect::<Vec<_>>(),
                ["b/a/k"],
                "{source}"
            );
        }
    }

    #[test]
    fn tags_of_a_request_are_a_query() {
        let found = read(&[("x-amz-tagging", "a=1&b%20c=d+e&f")], "");
        let tags = [("a", "1"), ("b c", "d e"), ("f", "")];
        let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(found.request_tags(), tags);
        assert!(found.with_tags(Vec::new()).request_tags().is_empty());
    }
}
