//! A signed S3 client of our own: every part of a request is a test's to choose, also the wrong ones.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio_rustls::rustls::ClientConfig;

use super::chunks::{Frames, Streaming};
use super::signer::{Canonical, Signer, amz_date, encode, encode_key, sha256_hex};
use super::wire::{Answer, Cut, Wire};
use super::xml::Element;
use super::{PATIENCE, now};

/// One who sends requests: where to, and as whom.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// The gateway.
    pub(crate) address: SocketAddr,
    /// The Host header.
    pub(crate) host: String,
    /// Over TLS, and whom to trust.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// Access key id and secret; none: anonymous.
    pub(crate) credentials: Option<(String, String)>,
}

/// What `x-amz-content-sha256` says, and what follows from it.
#[derive(Clone, Debug)]
pub(crate) enum Payload {
    /// The hash of the body.
    Hash,
    /// `UNSIGNED-PAYLOAD`
    Unsigned,
    /// The header is missing; the hash of nothing is signed, as `curl --aws-sigv4 -T` does.
    NoHeader,
    /// Any text.
    Text(String),
    /// aws-chunked.
    Streaming(Streaming),
}

/// A request that is not yet signed.
#[derive(Clone)]
pub(crate) struct Request {
    client: Client,
    method: String,
    path: String,
    canonical_path: Option<String>,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    payload: Payload,
    signer: Option<Signer>,
    signed: Option<Vec<String>>,
    chunk_size: usize,
    trailers: Vec<(String, String)>,
    alter: Option<Alter>,
    length: Length,
}

type Alter = Arc<dyn Fn(&mut Frames) + Send + Sync>;

/// How the length of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// `Content-Length`
    Told,
    /// `Transfer-Encoding: chunked`
    Chunked,
}

impl Client {
    /// One who knows these keys, at a gateway without TLS.
    pub(crate) fn of(address: SocketAddr, id: &str, secret: &str) -> Self {
        Self {
            address,
            host: address.to_string(),
            tls: None,
            credentials: Some((id.to_owned(), secret.to_owned())),
        }
    }

    /// A request for a path that is sent as it is.
    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        let signer = self.credentials.as_ref().map(|(id, secret)| Signer::new(id, secret, now()));
        Request {
            client: self.clone(),
            method: method.to_owned(),
            path: path.to_owned(),
            canonical_path: None,
            query: Vec::new(),
            headers: Vec::new(),
            body: Vec::new(),
            payload: Payload::Hash,
            signer,
            signed: None,
            chunk_size: 64 * 1024,
            trailers: Vec::new(),
            alter: None,
            length: Length::Told,
        }
    }

    pub(crate) fn get(&self, path: &str) -> Request {
        self.request("GET", path)
    }

    pub(crate) fn head(&self, path: &str) -> Request {
        self.request("HEAD", path)
    }

    pub(crate) fn put(&self, path: &str) -> Request {
        self.request("PUT", path)
    }

    pub(crate) fn post(&self, path: &str) -> Request {
        self.request("POST", path)
    }

    pub(crate) fn delete(&self, path: &str) -> Request {
        self.request("DELETE", path)
    }

    /// The same client under another Host header.
    pub(crate) fn host(&self, host: &str) -> Self {
        Self { host: host.to_owned(), ..self.clone() }
    }

    /// The same client without credentials.
    pub(crate) fn anonymous(&self) -> Self {
        Self { credentials: None, ..self.clone() }
    }

    /// The same client with other credentials.
    pub(crate) fn with(&self, id: &str, secret: &str) -> Self {
        Self { credentials: Some((id.to_owned(), secret.to_owned())), ..self.clone() }
    }

    /// A connection of its own.
    pub(crate) async fn wire(&self) -> Wire {
        let wire = match &self.tls {
            Some(tls) => Wire::connect_tls(self.address, Arc::clone(tls)).await,
            None => Wire::connect(self.address).await,
        };
        wire.expect("the gateway takes connections")
    }
}

/// The path of an object.
pub(crate) fn path(bucket: &str, key: impl AsRef<[u8]>) -> String {
    format!("/{bucket}/{}", encode_key(key))
}

impl Request {
    /// Adds a parameter to the query.
    pub(crate) fn query(mut self, name: &str, value: impl ToString) -> Self {
        self.query.push((name.to_owned(), value.to_string()));
        self
    }

    /// Adds a header, which will be signed if it is an `x-amz-*` one.
    pub(crate) fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// Sets the body.
    pub(crate) fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// Sets what `x-amz-content-sha256` says.
    pub(crate) fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }

    /// Sends the body as aws-chunked.
    pub(crate) fn streaming(self, kind: Streaming) -> Self {
        self.payload(Payload::Streaming(kind))
    }

    /// The size of the chunks of aws-chunked.
    pub(crate) fn chunk_size(mut self, bytes: usize) -> Self {
        self.chunk_size = bytes;
        self
    }

    /// Adds a trailer, announced and sent.
    pub(crate) fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Changes the pieces of an aws-chunked body after they were signed.
    pub(crate) fn frames(mut self, alter: impl Fn(&mut Frames) + Send + Sync + 'static) -> Self {
        self.alter = Some(Arc::new(alter));
        self
    }

    /// Sends the body without saying how long it is.
    pub(crate) fn chunked(mut self) -> Self {
        self.length = Length::Chunked;
        self
    }

    /// Changes the signer.
    pub(crate) fn sign(mut self, change: impl FnOnce(&mut Signer)) -> Self {
        change(self.signer.as_mut().expect("an anonymous request has no signer"));
        self
    }

    /// Names the signed headers; otherwise: host, content-type, content-md5 and all `x-amz-*`.
    pub(crate) fn signed(mut self, names: &[&str]) -> Self {
        self.signed = Some(names.iter().map(|name| (*name).to_owned()).collect());
        self
    }

    /// The path as the signature has it, where that is not the path as S3 reads it.
    pub(crate) fn canonical_path(mut self, path: &str) -> Self {
        self.canonical_path = Some(path.to_owned());
        self
    }

    /// Signs it in the Authorization header.
    pub(crate) fn prepare(mut self) -> Prepared {
        let Some(signer) = self.signer.take() else { return self.unsigned() };
        let payload = self.payload_line();
        let mut headers = self.common_headers();
        headers.push(("x-amz-date".to_owned(), amz_date(signer.time)));
        if !matches!(self.payload, Payload::NoHeader) {
            headers.push(("x-amz-content-sha256".to_owned(), payload.clone()));
        }
        let signed = self.signed_names(&headers);
        let signature = signer.sign_request(&self.canonical(&headers, &signed, &payload));
        headers.push((
            "authorization".to_owned(),
            format!(
                "AWS4-HMAC-SHA256 Credential={}, SignedHeaders={}, Signature={signature}",
                signer.credential(),
                signed.join(";")
            ),
        ));
        let body = self.framed(&signer, &signature);
        self.prepared(headers, body)
    }

    /// Signs it in the query: a presigned request.
    pub(crate) fn presign(mut self, expires: impl ToString) -> Prepared {
        let signer = self.signer.take().expect("an anonymous request is not signed");
        let mut headers = self.headers.clone();
        headers.insert(0, ("host".to_owned(), self.client.host.clone()));
        let mut signed = self.signed_names(&headers);
        if self.signed.is_none() {
            signed.retain(|name| name == "host" || name.starts_with("x-amz-"));
        }
        for (name, value) in [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256".to_owned()),
            ("X-Amz-Credential", signer.credential()),
            ("X-Amz-Date", amz_date(signer.time)),
            ("X-Amz-Expires", expires.to_string()),
            ("X-Amz-SignedHeaders", signed.join(";")),
        ] {
            self.query.push((name.to_owned(), value));
        }
        let payload = match &self.payload {
            Payload::Hash | Payload::NoHeader | Payload::Unsigned => "UNSIGNED-PAYLOAD".to_owned(),
            Payload::Text(text) => text.clone(),
            Payload::Streaming(kind) => kind.name().to_owned(),
        };
        let signature = signer.sign_request(&self.canonical(&headers, &signed, &payload));
        self.query.push(("X-Amz-Signature".to_owned(), signature));
        let body = self.body.clone();
        self.prepared(headers, body)
    }

    /// Signs it in the header and sends it.
    pub(crate) async fn send(self) -> Answer {
        self.prepare().send().await
    }

    /// As [`Request::send`]; panics unless the answer is a success.
    pub(crate) async fn ok(self) -> Answer {
        self.prepare().send().await.expect_success()
    }

    /// As [`Request::send`]; panics unless the answer is this error.
    pub(crate) async fn refused(self, status: u16, code: &str) -> Answer {
        self.prepare().refused(status, code).await
    }

    fn unsigned(self) -> Prepared {
        let headers = self.common_headers();
        let body = self.body.clone();
        self.prepared(headers, body)
    }

    fn payload_line(&self) -> String {
        match &self.payload {
            Payload::Hash => sha256_hex(&self.body),
            Payload::NoHeader => sha256_hex(b""),
            Payload::Unsigned => "UNSIGNED-PAYLOAD".to_owned(),
            Payload::Text(text) => text.clone(),
            Payload::Streaming(kind) => kind.name().to_owned(),
        }
    }

    fn common_headers(&self) -> Vec<(String, String)> {
        let mut headers = self.headers.clone();
        let has = |headers: &[(String, String)], name: &str| {
            headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
        };
        if !has(&headers, "host") {
            headers.insert(0, ("host".to_owned(), self.client.host.clone()));
        }
        if let Payload::Streaming(kind) = &self.payload {
            let mut add = |name: &str, value: String| {
                if !has(&headers, name) {
                    headers.push((name.to_owned(), value));
                }
            };
            add("content-encoding", "aws-chunked".to_owned());
            add("x-amz-decoded-content-length", self.body.len().to_string());
            if kind.has_trailer() {
                let names: Vec<_> = self.trailers.iter().map(|(name, _)| name.as_str()).collect();
                add("x-amz-trailer", names.join(","));
            }
        }
        headers
    }

    fn signed_names(&self, headers: &[(String, String)]) -> Vec<String> {
        if let Some(signed) = &self.signed {
            return signed.clone();
        }
        let mut names: Vec<_> = headers
            .iter()
            .map(|(name, _)| name.to_ascii_lowercase())
            .filter(|name| {
                name.starts_with("x-amz-")
                    || matches!(name.as_str(), "host" | "content-type" | "content-md5")
            })
            .collect();
        names.sort();
        names.dedup();
        names
    }

    fn canonical(&self, headers: &[(String, String)], signed: &[String], payload: &str) -> String {
        let path = self.canonical_path.clone().unwrap_or_else(|| encode_key(decode(&self.path)));
        Canonical {
            method: &self.method,
            path: &path,
            query: &self.query,
            headers,
            signed,
            payload,
        }
        .text()
    }

    fn framed(&self, signer: &Signer, seed: &str) -> Vec<u8> {
        let Payload::Streaming(kind) = &self.payload else { return self.body.clone() };
        let body = (self.body.as_slice(), self.chunk_size);
        let mut frames = Frames::new(*kind, signer, seed, body, &self.trailers);
        if let Some(alter) = &self.alter {
            alter(&mut frames);
        }
        frames.bytes()
    }

    fn prepared(self, mut headers: Vec<(String, String)>, body: Vec<u8>) -> Prepared {
        let mut target = self.path;
        let query: Vec<_> = self
            .query
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect();
        if !query.is_empty() {
            target += &format!("?{}", query.join("&"));
        }
        let has_body = !body.is_empty() || matches!(self.method.as_str(), "PUT" | "POST");
        match self.length {
            Length::Told if has_body => {
                headers.push(("content-length".to_owned(), body.len().to_string()));
            }
            Length::Told => {}
            Length::Chunked => {
                headers.push(("transfer-encoding".to_owned(), "chunked".to_owned()));
            }
        }
        Prepared {
            client: self.client,
            method: self.method,
            target,
            headers,
            body,
            length: self.length,
        }
    }
}

/// Undoes percent-encoding; what is no escape stays.
fn decode(path: &str) -> Vec<u8> {
    percent_encoding::percent_decode_str(path).collect()
}

/// A request as it goes out; what is changed now is not signed.
#[derive(Clone)]
pub(crate) struct Prepared {
    client: Client,
    /// GET, PUT, ...
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// The headers.
    pub(crate) headers: Vec<(String, String)>,
    /// The body, framed.
    pub(crate) body: Vec<u8>,
    length: Length,
}

impl Prepared {
    /// Adds a header, or one more of its name.
    pub(crate) fn add(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// Takes a header away.
    pub(crate) fn remove(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// Replaces the value of a header.
    pub(crate) fn set(self, name: &str, value: impl ToString) -> Self {
        self.remove(name).add(name, value)
    }

    /// The value of a header.
    pub(crate) fn value(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str()).expect("the header is there")
    }

    /// Replaces the body and says its new length.
    pub(crate) fn with_body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        let length = self.body.len();
        self.set("content-length", length)
    }

    /// Another method, path or query: `change` gets both.
    pub(crate) fn change(mut self, change: impl FnOnce(&mut String, &mut String)) -> Self {
        change(&mut self.method, &mut self.target);
        self
    }

    /// Makes the signature wrong, wherever it stands.
    pub(crate) fn bad_signature(mut self) -> Self {
        let zeros = "0".repeat(64);
        for (name, value) in &mut self.headers {
            if name == "authorization" {
                let at = value.find("Signature=").unwrap() + "Signature=".len();
                value.replace_range(at.., &zeros);
            }
        }
        if let Some(at) = self.target.find("X-Amz-Signature=") {
            let at = at + "X-Amz-Signature=".len();
            self.target.replace_range(at..at + 64, &zeros);
        }
        self
    }

    /// Where it goes.
    pub(crate) fn address(&self) -> SocketAddr {
        self.client.address
    }

    /// The bytes of the head.
    pub(crate) fn head_bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        (head + "\r\n").into_bytes()
    }

    /// The bytes of the whole request.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head_bytes();
        if self.length == Length::Told {
            bytes.extend_from_slice(&self.body);
            return bytes;
        }
        // Pieces that share no boundary with any framing inside.
        for piece in self.body.chunks(10_007) {
            bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            bytes.extend_from_slice(piece);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        bytes
    }

    /// Sends it on a connection of its own.
    pub(crate) async fn try_send(self) -> Result<Answer, Cut> {
        let mut wire = self.client.wire().await;
        let bytes = self.bytes();
        let answer = wire.exchange(&bytes, &self.method);
        tokio::time::timeout(PATIENCE, answer).await.unwrap_or_else(|_late| {
            Err(Cut { answer: None, why: format!("no answer within {PATIENCE:?}") })
        })
    }

    /// Sends it and wants a whole answer.
    pub(crate) async fn send(self) -> Answer {
        let what = format!("{} {}", self.method, self.target);
        self.try_send().await.unwrap_or_else(|cut| panic!("{what}: {cut:?}"))
    }

    /// Sends it and wants this error, in the shape that every error of S3 has.
    pub(crate) async fn refused(self, status: u16, code: &str) -> Answer {
        let what = format!("{} {}", self.method, self.target);
        let head = self.method == "HEAD";
        let answer = self.send().await;
        assert_eq!(answer.status, status, "{what} wants {code}: {answer:?}");
        assert!(answer.header("x-amz-request-id").is_some(), "{what}: {answer:?}");
        if head || status == 304 {
            assert!(answer.body.is_empty(), "{what}: {answer:?}");
        } else {
            assert_eq!(answer.error(), code, "{what}: {answer:?}");
        }
        answer
    }
}

impl Answer {
    /// Itself, if it is a success.
    #[track_caller]
    pub(crate) fn expect_success(self) -> Self {
        assert!((200..300).contains(&self.status), "{self:?}");
        self
    }

    /// The document in it.
    #[track_caller]
    pub(crate) fn xml(&self) -> Element {
        Element::parse(&self.body)
    }

    /// The code of the error document in it; its whole shape is checked.
    #[track_caller]
    pub(crate) fn error(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/xml"), "{self:?}");
        let error = self.xml();
        assert_eq!(error.name, "Error", "{self:?}");
        assert_eq!(error.namespace, None, "{self:?}");
        assert!(!error.at("Message").is_empty(), "{self:?}");
        assert_eq!(Some(error.at("RequestId")), self.header("x-amz-request-id"), "{self:?}");
        error.at("Code").to_owned()
    }

    /// The value of a header that has to be there.
    #[track_caller]
    pub(crate) fn at(&self, name: &str) -> &str {
        self.header(name).unwrap_or_else(|| panic!("no {name}: {self:?}"))
    }
}
