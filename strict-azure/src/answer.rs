//! What goes back: answers, their headers and their bodies.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use data_encoding::BASE64;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::{Frame, SizeHint};

use crate::clock::Time;
use crate::content::Content;
use crate::refusal::Refusal;
use crate::state::ETag;

/// What an operation comes to.
pub(crate) type Outcome = Result<Response<Body>, Refusal>;

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Body {
    /// Nothing.
    Empty,
    /// A document.
    Whole(Bytes),
    /// Bytes of a blob.
    Range(Range),
    /// Bytes of which so many come; then the connection is cut.
    Cut(Box<Self>, u64),
    /// They have come, and the connection is cut when it is asked for more.
    Ending(u64),
}

/// Bytes of a blob on their way.
#[derive(Debug)]
pub(crate) struct Range {
    content: Content,
    position: u64,
    end: u64,
}

/// The connection is cut: a test wanted it.
#[derive(Debug)]
pub(crate) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut as scripted")
    }
}

impl std::error::Error for Cut {}

impl Body {
    pub(crate) fn range(content: Content, first: u64, end: u64) -> Self {
        Self::Range(Range { content, position: first, end })
    }

    fn left(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Range(range) => range.end - range.position,
            Self::Cut(body, _) => body.left(),
            Self::Ending(left) => *left,
        }
    }

    fn next(&mut self) -> Option<Bytes> {
        match self {
            Self::Empty | Self::Ending(_) => None,
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Some(bytes)
            }
            Self::Range(range) => {
                let frame = range.content.frame(range.position, range.end)?;
                range.position += frame.len() as u64;
                Some(frame)
            }
            Self::Cut(body, _) => body.next(),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if let Self::Ending(_) = &*self {
            return Poll::Ready(Some(Err(Cut)));
        }
        let left = self.left();
        let frame = self.next();
        let Self::Cut(_, until) = &mut *self else {
            return Poll::Ready(frame.map(|frame| Ok(Frame::data(frame))));
        };
        let allowed = usize::try_from(*until).unwrap_or(usize::MAX);
        let Some(mut frame) = frame.filter(|_| allowed > 0) else {
            // Waits once, so that what was written before goes out before the cut.
            *self = Self::Ending(left);
            context.waker().wake_by_ref();
            return Poll::Pending;
        };
        frame.truncate(allowed);
        *until -= frame.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        !matches!(self, Self::Cut(..) | Self::Ending(_)) && self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}

/// An answer without a body.
pub(crate) fn plain(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(Body::Empty);
    *answer.status_mut() = status;
    answer
}

/// An answer that is a document.
pub(crate) fn document(xml: String) -> Response<Body> {
    let mut answer = Response::new(Body::Whole(Bytes::from(xml)));
    put(&mut answer, name::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    answer
}

pub(crate) fn put(answer: &mut Response<Body>, name: HeaderName, value: HeaderValue) {
    answer.headers_mut().insert(name, value);
}

/// A header whose value is made of ASCII here.
pub(crate) fn put_text(answer: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        answer.headers_mut().insert(name, value);
    }
}

pub(crate) fn put_state(into: &mut HeaderMap, etag: ETag, last_modified: Time) {
    into.insert(name::ETAG, etag.quoted());
    if let Ok(date) = HeaderValue::try_from(last_modified.http_date()) {
        into.insert(name::LAST_MODIFIED, date);
    }
}

pub(crate) fn put_md5(answer: &mut Response<Body>, name: HeaderName, md5: [u8; 16]) {
    put_text(answer, name, &BASE64.encode(&md5));
}

/// CRC64 as Azure writes it: the number's bytes, the least first.
pub(crate) fn put_crc64(answer: &mut Response<Body>, crc64: u64) {
    put_text(answer, name::CRC64, &BASE64.encode(&crc64.to_le_bytes()));
}

/// The names of headers.
pub(crate) mod name {
    use http::HeaderName;
    pub(crate) use http::header::{
        CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LAST_MODIFIED,
    };

    macro_rules! names {
        ($($name:ident = $text:literal;)*) => {
            $(pub(crate) const $name: HeaderName = HeaderName::from_static($text);)*
        };
    }

    names! {
        ACCEPT_RANGES = "accept-ranges";
        ACCESS_TIER = "x-ms-access-tier";
        ACCESS_TIER_INFERRED = "x-ms-access-tier-inferred";
        ACCOUNT_KIND = "x-ms-account-kind";
        APPEND_OFFSET = "x-ms-blob-append-offset";
        ARCHIVE_STATUS = "x-ms-archive-status";
        BLOB_CONTENT_LENGTH = "x-ms-blob-content-length";
        BLOB_CONTENT_MD5 = "x-ms-blob-content-md5";
        BLOB_TYPE = "x-ms-blob-type";
        CACHE_CONTROL = "cache-control";
        CLIENT_REQUEST_ID = "x-ms-client-request-id";
        COMMITTED_BLOCK_COUNT = "x-ms-blob-committed-block-count";
        CONTENT_DISPOSITION = "content-disposition";
        CONTENT_ENCODING = "content-encoding";
        CONTENT_LANGUAGE = "content-language";
        CONTENT_MD5 = "content-md5";
        COPY_ID = "x-ms-copy-id";
        COPY_PROGRESS = "x-ms-copy-progress";
        COPY_SOURCE = "x-ms-copy-source";
        COPY_STATUS = "x-ms-copy-status";
        CRC64 = "x-ms-content-crc64";
        CREATION_TIME = "x-ms-creation-time";
        DATE = "date";
        DELETE_TYPE_PERMANENT = "x-ms-delete-type-permanent";
        ERROR_CODE = "x-ms-error-code";
        HAS_IMMUTABILITY_POLICY = "x-ms-has-immutability-policy";
        HAS_LEGAL_HOLD = "x-ms-has-legal-hold";
        IS_HNS_ENABLED = "x-ms-is-hns-enabled";
        LEASE_DURATION = "x-ms-lease-duration";
        LEASE_ID = "x-ms-lease-id";
        LEASE_STATE = "x-ms-lease-state";
        LEASE_STATUS = "x-ms-lease-status";
        LEASE_TIME = "x-ms-lease-time";
        REQUEST_ID = "x-ms-request-id";
        REQUEST_SERVER_ENCRYPTED = "x-ms-request-server-encrypted";
        SERVER = "server";
        SERVER_ENCRYPTED = "x-ms-server-encrypted";
        SKU_NAME = "x-ms-sku-name";
        SNAPSHOT = "x-ms-snapshot";
        VERSION = "x-ms-version";
    }
}
