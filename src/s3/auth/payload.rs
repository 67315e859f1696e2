//! `x-amz-content-sha256`: what a signature says about the body, as a value that the body's checker
//! takes over.

use http::HeaderMap;

use crate::s3::Error;

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
    /// No header at all. As with curl 7 the signature is over no body, and says nothing about one.
    Absent,
}

impl Payload {
    /// Whether the body comes as `aws-chunked`, which only `PutObject` and `UploadPart` take.
    pub fn is_streaming(&self) -> bool {
        matches!(self, Self::SignedChunks(_) | Self::UnsignedChunksWithTrailer)
    }

    /// What a request without credentials says of its body.
    pub fn of_anonymous(headers: &HeaderMap) -> Result<Self, Error> {
        let _ = headers;
        todo!()
    }
}

/// What the signatures of a chunked body hang on.
#[derive(Clone, Debug)]
pub struct SignedChunks;
