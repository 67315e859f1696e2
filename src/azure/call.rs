//! One call to Azure before it is signed and sent.

use std::borrow::Cow;

use bytes::Bytes;
use data_encoding::BASE64;
use http::{HeaderMap, Method};
use md5::{Digest, Md5};

use super::content::{Content, Guard};
use super::error::BlobError;
use super::names::{BlobPath, ContainerName};
use super::source::Source;
use super::{encoding, headers, properties};

/// As many headers as most calls that write have: room for them is made at once.
const HEADERS: usize = 12;

/// A call as its operation describes it. Version, date, request id and authorisation come with each
/// attempt.
pub(super) struct Call {
    /// Its name, for metrics.
    pub(super) op: &'static str,
    pub(super) method: Method,
    /// Behind the endpoint, encoded: `/container/blob%2Fname`.
    pub(super) path: String,
    /// It is about a blob, not a container or the account.
    pub(super) on_blob: bool,
    /// Not encoded.
    pub(super) query: Vec<(&'static str, Cow<'static, str>)>,
    pub(super) headers: HeaderMap,
    pub(super) content: Content,
    pub(super) effect: Effect,
    /// What it copies from.
    pub(super) source: Option<Source>,
    /// Its answer comes in large pieces, which takes the right to it.
    pub(super) wide: bool,
}

/// What a call leaves behind, which decides whether it may be sent twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing, or something that nobody sees and that is the same the second time.
    None,
    /// Others see it.
    Seen,
}

impl Call {
    pub(super) fn on_account(op: &'static str, method: Method, effect: Effect) -> Self {
        let room = if method == Method::PUT { HEADERS } else { 0 };
        Self {
            op,
            method,
            path: "/".to_owned(),
            on_blob: false,
            query: Vec::new(),
            headers: HeaderMap::with_capacity(room),
            content: Content::empty(),
            effect,
            source: None,
            wide: false,
        }
    }

    pub(super) fn on_container(
        op: &'static str,
        method: Method,
        name: &ContainerName,
        effect: Effect,
    ) -> Self {
        let mut call = Self::on_account(op, method, effect);
        call.path.push_str(name.as_str());
        call.query("restype", "container");
        call
    }

    pub(super) fn on_blob(
        op: &'static str,
        method: Method,
        path: &BlobPath,
        effect: Effect,
    ) -> Self {
        let mut call = Self::on_account(op, method, effect);
        call.path = encoding::path_of(path);
        call.on_blob = true;
        call
    }

    pub(super) fn query(&mut self, name: &'static str, value: impl Into<Cow<'static, str>>) {
        self.query.push((name, value.into()));
    }

    /// An empty value says the same as none, and Azure refuses some empty ones.
    pub(super) fn query_some(&mut self, name: &'static str, value: Option<&str>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.query(name, value.to_owned());
        }
    }

    pub(super) fn header(&mut self, name: &'static str, value: &str) -> Result<(), BlobError> {
        headers::put(&mut self.headers, name, value)
    }

    /// What Azure compares the content with.
    pub(super) fn guard(&mut self, guard: Guard) -> Result<(), BlobError> {
        match guard {
            Guard::Crc64(crc) => {
                self.header("x-ms-content-crc64", &properties::crc64_to_base64(crc))
            }
            Guard::Md5(md5) => self.header("content-md5", &BASE64.encode(&md5)),
        }
    }

    /// The MD5 that Azure keeps with the blob and does not look at.
    pub(super) fn blob_md5(&mut self, md5: Option<[u8; 16]>) -> Result<(), BlobError> {
        let md5 = md5.map(|md5| BASE64.encode(&md5));
        headers::put_some(&mut self.headers, "x-ms-blob-content-md5", md5.as_deref())
    }

    /// An XML document as content. Its guard is an MD5: a CRC64 may not stand beside the blob's MD5.
    pub(super) fn document(&mut self, xml: Vec<u8>) -> Result<(), BlobError> {
        self.header("content-type", "application/xml")?;
        self.guard(Guard::Md5(Md5::digest(&xml).into()))?;
        self.content = Content::from(Bytes::from(xml));
        Ok(())
    }
}
