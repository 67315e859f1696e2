//! AWS's own numbers, from `tests/vectors`: its signing suite and the examples of S3's documentation.

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest as _, Sha256};
use time::macros::datetime;

use super::{Payload, Plus, RequestHead, Ring, Rules, Signed, SigningKeys, verify};
use crate::s3::auth::encoding::canonical_path;
use crate::s3::auth::query::QueryCredentials;
use crate::s3::auth::signature::{CanonicalQuery, CanonicalRequest, SigningKey, tests::text};

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A request as a text: its head with lines that may go on, and its body.
struct Message {
    method: http::Method,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
    body: String,
}

impl Message {
    fn parse(message: &str) -> Self {
        let (head, body) = message.split_once("\n\n").unwrap_or((message, ""));
        let mut lines = head.lines();
        let start = lines.next().unwrap().strip_suffix(" HTTP/1.1").unwrap();
        let (method, target) = start.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').map_or((target, None), |(p, q)| (p, Some(q)));
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in lines {
            if line.starts_with(' ') {
                fields.last_mut().unwrap().1.push_str(line);
            } else {
                let (name, value) = line.split_once(':').unwrap();
                fields.push((name.to_lowercase(), value.trim().to_owned()));
            }
        }
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Self {
            method: method.parse().unwrap(),
            path: path.to_owned(),
            query: query.map(str::to_owned),
            headers,
            body: body.to_owned(),
        }
    }
}

/// What generic Signature Version 4 does to a path and S3 does not; only for the suite.
fn normalise(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let end = if path.ends_with('/') && !segments.is_empty() { "/" } else { "" };
    format!("/{}{end}", segments.join("/"))
}

struct Case {
    folder: PathBuf,
    context: serde_json::Value,
}

impl Case {
    fn load(folder: PathBuf) -> Self {
        let context = serde_json::from_str(&read(&folder.join("context.json"))).unwrap();
        Self { folder, context }
    }

    fn file(&self, name: &str) -> String {
        read(&self.folder.join(name))
    }

    fn secret(&self) -> &str {
        self.context["credentials"]["secret_access_key"].as_str().unwrap()
    }

    fn check(&self, door: &str) {
        let mut message = Message::parse(&self.file(&format!("{door}-signed-request.txt")));
        if self.context["omit_session_token"] == true
            && let Some(query) = &mut message.query
        {
            let kept = query.split('&').filter(|name| !name.starts_with("X-Amz-Security-Token"));
            *query = kept.collect::<Vec<_>>().join("&");
        }
        let names = signed_headers(&message);
        let path = if self.context["normalize"] == true {
            normalise(&message.path)
        } else {
            message.path.clone()
        };
        let payload = HEXLOWER.encode(&Sha256::digest(&message.body));
        let query = CanonicalQuery::read(message.query.as_deref()).unwrap();
        let canonical = CanonicalRequest {
            method: message.method.as_str(),
            path: &canonical_path(&path, Plus::IsPlus).unwrap(),
            query: &query,
            headers: &message.headers,
            signed_headers: &names,
            payload: &payload,
        };
        let case = format!("{} {door}", self.folder.display());
        let expected = self.file(&format!("{door}-canonical-request.txt"));
        assert_eq!(text(&canonical), expected, "{case}");
        let string_to_sign = format!(
            "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/service/aws4_request\n{}",
            String::from_utf8_lossy(&canonical.digest())
        );
        assert_eq!(string_to_sign, self.file(&format!("{door}-string-to-sign.txt")), "{case}");
        let key = SigningKey::derive(self.secret(), "20150830", "us-east-1", "service");
        let signature = key.sign([string_to_sign.as_bytes()]);
        let expected = self.file(&format!("{door}-signature.txt"));
        assert_eq!(String::from_utf8_lossy(&signature), expected.trim_end(), "{case}");
    }
}

fn signed_headers(message: &Message) -> String {
    if let Some(header) = message.headers.get("authorization") {
        let header = header.to_str().unwrap();
        let (_, rest) = header.split_once("SignedHeaders=").unwrap();
        return rest.split_once(',').unwrap().0.to_owned();
    }
    let query = QueryCredentials::read(message.query.as_deref()).unwrap();
    query.signed_headers.unwrap().into_owned()
}

/// An example of the documentation, verified.
pub(in crate::s3) struct Example {
    pub(in crate::s3) signed: Signed,
    pub(in crate::s3) headers: HeaderMap,
    /// What stands after the head in its file.
    pub(in crate::s3) body: String,
}

pub(in crate::s3) fn example(name: &str) -> Example {
    let message = Message::parse(&read(&vectors().join(format!("aws-s3-examples/{name}.http"))));
    let head = RequestHead {
        method: &message.method,
        virtual_bucket: None,
        raw_path: &message.path,
        raw_query: message.query.as_deref(),
        headers: &message.headers,
    };
    let ring = Ring("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    let now = datetime!(2013-05-24 00:00:00 UTC);
    let answer = verify(&head, &ring, &Rules::default(), now, &SigningKeys::default());
    let signed = answer.unwrap_or_else(|error| panic!("{name}: {error}")).unwrap();
    Example { signed, headers: message.headers, body: message.body }
}

#[test]
fn c25_the_signing_suite_is_met_in_header_and_query() {
    let folders = std::fs::read_dir(vectors().join("aws-signing-suite")).unwrap();
    let cases: Vec<Case> = folders.map(|folder| Case::load(folder.unwrap().path())).collect();
    assert_eq!(cases.len(), 38);
    for case in &cases {
        case.check("header");
        case.check("query");
    }
}

#[test]
fn c25_the_examples_of_the_documentation_verify() {
    let names = [
        "get-object",
        "put-object",
        "get-bucket-lifecycle",
        "list-objects",
        "presigned-get-object",
        "streaming",
        "streaming-trailer",
    ];
    for name in names {
        let Example { signed, body, .. } = example(name);
        assert_eq!(signed.presigned(), name.starts_with("presigned"), "{name}");
        assert_eq!(signed.payload().is_streaming(), name.starts_with("streaming"), "{name}");
        if name == "put-object" {
            let body: [u8; 32] = Sha256::digest(body.trim_end()).into();
            assert!(matches!(signed.payload(), Payload::Sha256(hash) if hash == body));
        }
    }
}
