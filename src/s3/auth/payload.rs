//! `x-amz-content-sha256`: what a signature says about the body, as a value that the body's checker
//! takes over.

use std::borrow::Cow;
use std::sync::Arc;

use data_encoding::HEXLOWER_PERMISSIVE;
use http::HeaderMap;

use super::claim::Claim;
use super::query::QueryCredentials;
use super::scope::Door;
use super::signature::{Hex, SigningKey};
use crate::s3::{Code, Error};

const HEADER: &str = "x-amz-content-sha256";
pub(super) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
/// The SHA-256 of no bytes.
pub(crate) const SHA256_OF_NOTHING: &str =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// How the body has to be verified.
#[derive(Clone, Debug)]
pub enum Payload {
    /// The body's SHA-256 was signed.
    Sha256([u8; 32]),
    /// `UNSIGNED-PAYLOAD`: the signature says nothing about the body.
    Unsigned,
    /// `aws-chunked`, with a signature for each chunk, chained from the request's own.
    SignedChunks(SignedChunks),
    /// `aws-chunked` without signatures, with a checksum in the trailer.
    UnsignedChunksWithTrailer,
    /// No header at all. The signature is over a body of no bytes and curl 7 then sends one with
    /// bytes all the same, so it says nothing about the body.
    Absent,
}

impl Payload {
    /// Whether the body comes as `aws-chunked`, which only `PutObject` and `UploadPart` take.
    pub fn is_streaming(&self) -> bool {
        matches!(self, Self::SignedChunks(_) | Self::UnsignedChunksWithTrailer)
    }

    /// Refuses `aws-chunked`, for all that do not take it.
    pub fn require_whole(&self) -> Result<(), Error> {
        if self.is_streaming() { Err(streaming_where_it_may_not_be()) } else { Ok(()) }
    }

    /// What a request says of its body that is not signed, or signed by Version 2, which knows of no
    /// signed chunks.
    pub fn of_unsigned(headers: &HeaderMap) -> Result<Self, Error> {
        match Declared::of_header(headers)? {
            None if is_aws_chunked(headers) => Ok(Self::UnsignedChunksWithTrailer),
            None | Some((_, Declared::Unsigned)) => Ok(Self::Unsigned),
            Some((_, Declared::Sha256(hash))) => Ok(Self::Sha256(hash)),
            Some((_, Declared::UnsignedChunks)) => Ok(Self::UnsignedChunksWithTrailer),
            Some((_, Declared::SignedChunks { .. })) => Err(Error::new(Code::InvalidRequest)
                .message(
                    "Requests that are not signed by AWS4-HMAC-SHA256 don't support this x-amz-content-sha256 value. Please use \
                     UNSIGNED-PAYLOAD or STREAMING-UNSIGNED-PAYLOAD-TRAILER.",
                )),
        }
    }
}

/// An SDK that signs nothing frames its body all the same, and then says so only here.
fn is_aws_chunked(headers: &HeaderMap) -> bool {
    headers.contains_key("x-amz-decoded-content-length")
        && headers.get_all(http::header::CONTENT_ENCODING).iter().any(|value| {
            value
                .as_bytes()
                .split(|byte| *byte == b',')
                .any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"aws-chunked"))
        })
}

/// What the signatures of a chunked body hang on.
#[derive(Clone, Debug)]
pub struct SignedChunks {
    pub(crate) key: SigningKey,
    /// The moment and the scope, as lines of each string to sign.
    pub(crate) context: Arc<str>,
    /// The signature of the request, which the first chunk's is chained to.
    pub(crate) seed: Hex,
    pub(crate) trailer: bool,
}

impl SignedChunks {
    /// Whether a signed trailer comes after the last chunk.
    pub fn has_trailer(&self) -> bool {
        self.trailer
    }
}

/// What a request declares its body to be, before its signature is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Declared {
    Sha256([u8; 32]),
    Unsigned,
    SignedChunks { trailer: bool },
    UnsignedChunks,
}

impl Declared {
    /// What a signed request declares, and the text that its signature covers.
    pub(super) fn read<'a>(
        claim: &Claim<'_>,
        headers: &'a HeaderMap,
        query: &QueryCredentials<'a>,
    ) -> Result<(Cow<'a, str>, Option<Self>), Error> {
        let header = Self::of_header(headers)?;
        if claim.door == Door::Header {
            return Ok(match header {
                Some((text, declared)) => (Cow::Borrowed(text), Some(declared)),
                None => (Cow::Borrowed(SHA256_OF_NOTHING), None),
            });
        }
        match (header, query.content_sha256.clone()) {
            (Some((text, declared)), None) => Ok((Cow::Borrowed(text), Some(declared))),
            (Some((text, declared)), Some(other)) if text == other => Ok((other, Some(declared))),
            (Some((text, _)), Some(_)) => Err(nonsense(text)),
            (None, Some(text)) => {
                let declared = Self::parse(&text).ok_or_else(|| nonsense(&text))?;
                Ok((text, Some(declared)))
            }
            (None, None) => Ok((Cow::Borrowed(UNSIGNED), Some(Self::Unsigned))),
        }
    }

    /// Whether the body is to come as `aws-chunked`.
    pub(super) const fn is_streaming(self) -> bool {
        matches!(self, Self::SignedChunks { .. } | Self::UnsignedChunks)
    }

    fn of_header(headers: &HeaderMap) -> Result<Option<(&str, Self)>, Error> {
        let Some(value) = headers.get(HEADER) else { return Ok(None) };
        let text = value.to_str().map_err(|error| nonsense("").caused_by(error))?.trim();
        let declared = Self::parse(text).ok_or_else(|| nonsense(text))?;
        Ok(Some((text, declared)))
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            UNSIGNED => Some(Self::Unsigned),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Some(Self::SignedChunks { trailer: false }),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => {
                Some(Self::SignedChunks { trailer: true })
            }
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Some(Self::UnsignedChunks),
            _ if text.len() == 64 => {
                let mut hash = [0; 32];
                HEXLOWER_PERMISSIVE.decode_mut(text.as_bytes(), &mut hash).ok()?;
                Some(Self::Sha256(hash))
            }
            _ => None,
        }
    }
}

pub(super) fn streaming_where_it_may_not_be() -> Error {
    Error::new(Code::InvalidRequest).message("The value of x-amz-content-sha256 header is invalid.")
}

fn nonsense(text: &str) -> Error {
    Error::invalid_argument(
        HEADER,
        text,
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
         STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid \
         sha256 value.",
    )
}
