//! A plain HTTP client, and a server of its own for each test.

use bytes::Bytes;
use data_encoding::BASE64;
use http::{HeaderMap, Request, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use md5::Digest as _;
use strict_azure::{Auth, Options, StrictAzure};

pub(crate) const BLOCK: (&str, &str) = ("x-ms-blob-type", "BlockBlob");
pub(crate) const APPEND: (&str, &str) = ("x-ms-blob-type", "AppendBlob");

pub(crate) struct Client {
    pub(crate) server: StrictAzure,
    http: legacy::Client<HttpConnector, Full<Bytes>>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn etag(&self) -> String {
        self.header("etag").to_owned()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The texts of all elements of that name.
    pub(crate) fn all(&self, tag: &str) -> Vec<&str> {
        let open = format!("<{tag}>");
        let parts = self.text().split(&open).skip(1);
        parts.map(|part| part.split("</").next().unwrap()).collect()
    }
}

impl Client {
    pub(crate) fn new() -> Self {
        Self::with(Options { auth: Auth::Off, ..Options::default() })
    }

    /// With a container `con`.
    pub(crate) fn with(options: Options) -> Self {
        let server = StrictAzure::start(options).unwrap();
        server.seed_container("con").unwrap();
        let http = legacy::Client::builder(TokioExecutor::new()).build_http();
        Self { server, http }
    }

    pub(crate) async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, String> {
        let uri: Uri = format!("{}{path}", self.server.endpoint()).parse().unwrap();
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body: Bytes = body.into();
        if method == "PUT" || method == "POST" {
            request = request.header("content-length", body.len());
        }
        let request = request.body(Full::new(body)).unwrap();
        let answer = self.http.request(request).await.map_err(|error| format!("{error:?}"))?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(|error| format!("{error:?}"))?.to_bytes();
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        self.try_send(method, path, headers, body).await.unwrap()
    }

    /// Sends and wants a success.
    pub(crate) async fn ok(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let answer = self.send(method, path, headers, body).await;
        assert!(answer.status < 300, "{method} {path}: {} {}", answer.status, answer.text());
        answer
    }

    /// Sends and wants this refusal.
    pub(crate) async fn refused(
        &self,
        request: (&str, &str),
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
        (status, code): (u16, &str),
    ) -> Answer {
        let (method, path) = request;
        let answer = self.send(method, path, headers, body).await;
        let said = (answer.status, answer.header("x-ms-error-code"));
        assert_eq!(said, (status, code), "{method} {path}: {}", answer.text());
        answer
    }

    pub(crate) async fn put(&self, path: &str, body: &'static str) -> Answer {
        self.ok("PUT", path, &[BLOCK], body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ok("GET", path, &[], "").await
    }

    pub(crate) async fn stage(&self, path: &str, id: &str, body: &'static str) -> Answer {
        let path = format!("{path}?comp=block&blockid={}", id_text(id));
        self.ok("PUT", &path, &[], body).await
    }
}

/// An id as it stands in a query.
pub(crate) fn id_text(id: &str) -> String {
    BASE64.encode(id.as_bytes()).replace('+', "%2B").replace('=', "%3D")
}

pub(crate) fn list(lines: &[(&str, &str)]) -> String {
    let lines =
        lines.iter().map(|(tag, id)| format!("<{tag}>{}</{tag}>", BASE64.encode(id.as_bytes())));
    format!("<?xml version=\"1.0\"?><BlockList>{}</BlockList>", lines.collect::<String>())
}

pub(crate) fn md5(bytes: &[u8]) -> String {
    BASE64.encode(&md5::Md5::digest(bytes))
}

pub(crate) fn crc64(bytes: &[u8]) -> String {
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes);
    BASE64.encode(&crc.to_le_bytes())
}
