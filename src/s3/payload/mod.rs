//! Bodies that check themselves: framing, signatures of chunks, digests and lengths.
//!
//! Bytes pass through as they come, unproven; whoever commits something needs [`Verified`], which
//! only [`CheckedBody::finish`] makes.

mod promised;

use bytes::Bytes;
use http::HeaderMap;

pub use promised::{Promise, Promised};

use crate::s3::Error;
use crate::s3::auth::Payload;
use crate::s3::body::Body;
use crate::s3::checksum::Checksum;

/// Whether the caller wants the body's MD5. A promised `Content-MD5` is computed anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Md5 {
    /// Compute it.
    Compute,
    /// Do without.
    Skip,
}

/// A body that checks itself while it is read.
#[derive(Debug)]
pub struct CheckedBody {}

impl CheckedBody {
    /// Wraps a body with all that its request says of it.
    pub fn new(
        body: Body,
        payload: Payload,
        promised: Promised,
        headers: &HeaderMap,
        md5: Md5,
    ) -> Result<Self, Error> {
        let _ = (body, payload, promised, headers, md5);
        todo!()
    }

    /// How many bytes the body will give in all, if that is known.
    pub fn length(&self) -> Option<u64> {
        todo!()
    }

    /// The next bytes of the body without their framing. None: it is at its end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        todo!()
    }

    /// Checks what can only be checked at the end; only after [`Self::next`] gave none.
    pub fn finish(self) -> Result<Verified, Error> {
        todo!()
    }
}

/// The proof that a body came whole and was what its request said. Only [`CheckedBody::finish`]
/// makes one.
#[derive(Debug)]
pub struct Verified {
    length: u64,
    md5: Option<[u8; 16]>,
    content_md5_was_promised: bool,
    checksum: Option<Checksum>,
}

impl Verified {
    /// How many bytes the body had.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The MD5 of the body, if it was computed.
    pub fn md5(&self) -> Option<[u8; 16]> {
        self.md5
    }

    /// Whether the client sent a `Content-MD5`.
    pub fn content_md5_was_promised(&self) -> bool {
        self.content_md5_was_promised
    }

    /// The checksum that was promised or asked for.
    pub fn checksum(&self) -> Option<&Checksum> {
        self.checksum.as_ref()
    }
}

/// Reads a whole document of at most `limit` bytes, verified.
pub async fn read_document(body: CheckedBody, limit: usize) -> Result<Bytes, Error> {
    let _ = (body, limit);
    todo!()
}

/// `Content-Encoding` as it is to be stored: without `aws-chunked`, which is only the framing.
pub fn stored_content_encoding(headers: &HeaderMap) -> Option<String> {
    let _ = headers;
    todo!()
}
