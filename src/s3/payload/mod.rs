//! Bodies that check themselves: framing, signatures of chunks, digests and lengths.
//!
//! Bytes pass through as they come, unproven; whoever commits something needs [`Verified`], which
//! only [`CheckedBody::finish`] makes.

mod chunked;
mod digests;
mod promised;
#[cfg(test)]
mod tests;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use md5_lanes::Hashed;

pub use digests::Verified;
pub use promised::{Promise, Promised};

use crate::s3::auth::Payload;
use crate::s3::body::{self, Body, BoxError};
use crate::s3::{Code, Error};
use chunked::Decoder;
use digests::Digests;

/// Whether the caller wants the body's MD5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Md5 {
    /// Compute it.
    Compute,
    /// Do without, unless a `Content-MD5` was promised.
    Skip,
    /// The caller computes it, for [`CheckedBody::finish_with`].
    Given,
}

/// A body that checks itself while it is read.
#[derive(Debug)]
pub struct CheckedBody {
    body: Body,
    /// The framing inside the body, and what of the last frame is still inside of it.
    chunks: Option<(Box<Decoder>, Bytes)>,
    length: Option<u64>,
    received: u64,
    is_at_end: bool,
    digests: Digests,
}

impl CheckedBody {
    /// Wraps a body with all that its request says of it.
    pub fn new(
        body: Body,
        payload: Payload,
        promised: Promised,
        headers: &HeaderMap,
        md5: Md5,
    ) -> Result<Self, Error> {
        let digests = Digests::new(&payload, promised, md5);
        let mut checked =
            Self { body, chunks: None, length: None, received: 0, is_at_end: false, digests };
        let signed = match payload {
            Payload::SignedChunks(signed) => Some(signed),
            Payload::UnsignedChunksWithTrailer => None,
            Payload::Sha256(_) | Payload::Unsigned | Payload::Absent => {
                checked.length =
                    content_length(headers)?.or_else(|| checked.body.size_hint().exact());
                return Ok(checked);
            }
        };
        let length = decoded_length(headers)?;
        let decoder = Decoder::new(length, signed, checked.digests.algorithm_in_trailer());
        checked.length = Some(length);
        checked.chunks = Some((Box::new(decoder), Bytes::new()));
        Ok(checked)
    }

    /// How many bytes the body will give in all, if that is known.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// The next bytes of the body without their framing. None: it is at its end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        while !self.is_at_end {
            if let Some(data) = self.next_of_frame()? {
                self.received = self.received.saturating_add(data.len() as u64);
                self.digests.update(&data);
                return Ok(Some(data));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => match (frame.into_data(), &mut self.chunks) {
                    (Ok(data), Some((_, rest))) => *rest = data,
                    (Ok(data), None) if data.is_empty() => {}
                    (Ok(data), None) => return self.plain(data).map(Some),
                    (Err(frame), None) => self.take_trailers(frame.trailers_ref()),
                    // The trailers of aws-chunked are inside of it, and these are not signed.
                    (Err(_), Some(_)) => {}
                },
                Some(Err(error)) => return Err(interrupted(error)),
                None => self.end()?,
            }
        }
        Ok(None)
    }

    /// Checks what can only be checked at the end; only after [`Self::next`] gave none.
    pub fn finish(self) -> Result<Verified, Error> {
        self.verify(None)
    }

    /// The same with the MD5 of all bytes that it gave.
    pub fn finish_with(self, hashed: Hashed) -> Result<Verified, Error> {
        self.verify(Some(hashed))
    }

    fn verify(self, hashed: Option<Hashed>) -> Result<Verified, Error> {
        if !self.is_at_end {
            return Err(
                Error::new(Code::IncompleteBody).caused_by("the body was not read to its end")
            );
        }
        self.digests.verify(self.received, hashed)
    }

    fn next_of_frame(&mut self) -> Result<Option<Bytes>, Error> {
        self.chunks.as_mut().map_or(Ok(None), |(decoder, rest)| decoder.next(rest))
    }

    fn plain(&mut self, data: Bytes) -> Result<Bytes, Error> {
        self.received = self.received.saturating_add(data.len() as u64);
        if self.length.is_some_and(|length| self.received > length) {
            return Err(Error::new(Code::IncompleteBody));
        }
        self.digests.update(&data);
        Ok(data)
    }

    fn take_trailers(&mut self, trailers: Option<&HeaderMap>) {
        let Some(algorithm) = self.digests.algorithm_in_trailer() else { return };
        if let Some(value) = trailers.and_then(|all| all.get(algorithm.header())) {
            self.digests.take_trailer(value.as_bytes());
        }
    }

    fn end(&mut self) -> Result<(), Error> {
        if let Some((decoder, _)) = &self.chunks {
            if !decoder.is_at_end() {
                return Err(Error::new(Code::IncompleteBody));
            }
            if let Some(value) = decoder.trailer() {
                self.digests.take_trailer(value);
            }
        }
        if self.length.is_some_and(|length| self.received != length) {
            return Err(Error::new(Code::IncompleteBody));
        }
        self.is_at_end = true;
        Ok(())
    }
}

/// Reads a whole document of at most `limit` bytes, verified.
pub async fn read_document(mut body: CheckedBody, limit: usize) -> Result<Bytes, Error> {
    let fits = |length: u64| usize::try_from(length).is_ok_and(|length| length <= limit);
    let expected = body.length().unwrap_or(0);
    if !fits(expected) {
        return Err(Error::new(Code::MaxMessageLengthExceeded));
    }
    let mut document = BytesMut::new();
    while let Some(data) = body.next().await? {
        if document.len().saturating_add(data.len()) > limit {
            return Err(Error::new(Code::MaxMessageLengthExceeded));
        }
        document.extend_from_slice(&data);
    }
    body.finish()?;
    Ok(document.freeze())
}

/// `Content-Encoding` as it is to be stored: without `aws-chunked`, which is only the framing.
pub fn stored_content_encoding(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(http::header::CONTENT_ENCODING).iter();
    let values: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    let sent = values.join(", ");
    let codings = || sent.split(',').map(str::trim).filter(|coding| !coding.is_empty());
    let framing = |coding: &str| coding.eq_ignore_ascii_case("aws-chunked");
    if !codings().any(framing) {
        // As it was written, blanks and all.
        return codings().next().is_some().then_some(sent);
    }
    let rest: Vec<&str> = codings().filter(|coding| !framing(coding)).collect();
    (!rest.is_empty()).then(|| rest.join(", "))
}

fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Error> {
    let Some(length) = headers.get(http::header::CONTENT_LENGTH) else { return Ok(None) };
    parse_length(length).map(Some).ok_or_else(|| Error::new(Code::IncompleteBody))
}

fn decoded_length(headers: &HeaderMap) -> Result<u64, Error> {
    let mut lengths = headers.get_all("x-amz-decoded-content-length").iter();
    let length = lengths.next().ok_or_else(|| Error::new(Code::MissingContentLength))?;
    if lengths.next().is_some() {
        return Err(Error::new(Code::InvalidRequest)
            .message("The header x-amz-decoded-content-length may be given only once."));
    }
    parse_length(length).ok_or_else(|| Error::new(Code::IncompleteBody))
}

fn parse_length(length: &http::HeaderValue) -> Option<u64> {
    let digits = length.to_str().ok()?.trim();
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Why a body could not be read to its end, for the client. A body that refuses says so itself.
pub(in crate::s3) fn interrupted(error: BoxError) -> Error {
    let error = match error.downcast::<Error>() {
        Ok(refusal) => return *refusal,
        Err(error) => error,
    };
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&*error);
    while let Some(inner) = cause {
        if inner.is::<body::Stalled>() {
            return Error::new(Code::RequestTimeout).caused_by(error);
        }
        cause = inner.source();
    }
    Error::new(Code::IncompleteBody).caused_by(error)
}
