//! The body of a request on its way in: counted, hashed, and kept if it is to be kept. What guards it
//! is compared here.

use bytes::{Bytes, BytesMut};
use crc_fast::{CrcAlgorithm, Digest};
use data_encoding::BASE64;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use md5::{Digest as _, Md5};

use crate::ask::Ask;
use crate::content::{Content, Piece};
use crate::options::{Capabilities, Digests};
use crate::refusal::{self, Refusal};

const MIB: u64 = 1024 * 1024;

/// Put Blob. <https://learn.microsoft.com/azure/storage/blobs/scalability-targets>
pub(crate) const BLOB_MAX: u64 = 5_000 * MIB;
/// Put Block.
pub(crate) const BLOCK_MAX: u64 = 4_000 * MIB;
/// Append Block.
pub(crate) const APPEND_MAX: u64 = 100 * MIB;
/// 50,000 blocks' list.
const DOCUMENT_MAX: u64 = 16 * MIB;
/// What is kept stands in runs of this length.
const RUN: u64 = MIB;
/// After a refusal, so much is read that the connection may live on.
const DRAIN_MAX: u64 = 64 * MIB;

/// The body of a request; none inside a batch.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    body: Option<Incoming>,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) content: Content,
    /// If it was wanted.
    pub(crate) md5: Option<[u8; 16]>,
    pub(crate) crc64: u64,
}

/// How a body is taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taking {
    pub(crate) bytes_max: u64,
    pub(crate) keep_max: u64,
    pub(crate) md5: bool,
}

impl Upload {
    pub(crate) fn new(body: Incoming) -> Self {
        Self { body: Some(body) }
    }

    pub(crate) async fn take(&mut self, ask: &Ask, taking: Taking) -> Result<Received, Refusal> {
        let length = content_length(ask)?;
        if length > taking.bytes_max {
            return Err(refusal::REQUEST_BODY_TOO_LARGE.into());
        }
        let keep = length <= taking.keep_max;
        let mut crc = Digest::new(CrcAlgorithm::Crc64Nvme);
        let mut md5 = taking.md5.then(Md5::new);
        let mut kept = Kept::new(if keep { length } else { 0 });
        let mut received = 0;
        while let Some(bytes) = self.frame().await? {
            crc.update(&bytes);
            if let Some(md5) = &mut md5 {
                md5.update(&bytes);
            }
            received += bytes.len() as u64;
            if keep {
                kept.add(&bytes);
            }
        }
        if received != length {
            return Err(refusal::REQUEST_BODY_CUT.into());
        }
        let crc64 = crc.finalize();
        let pieces = if keep { kept.finish() } else { vec![Piece::Counted(length)] };
        Ok(Received {
            content: Content::new(pieces, Some(crc64)),
            md5: md5.map(|md5| md5.finalize().into()),
            crc64,
        })
    }

    /// All of a document.
    pub(crate) async fn document(&mut self, ask: &Ask) -> Result<Bytes, Refusal> {
        if content_length(ask)? > DOCUMENT_MAX {
            return Err(refusal::REQUEST_BODY_TOO_LARGE.into());
        }
        let Some(body) = self.body.take() else { return Ok(Bytes::new()) };
        let read = body.collect().await.map_err(|_| refusal::REQUEST_BODY_CUT)?;
        Ok(read.to_bytes())
    }

    /// Reads what nobody wanted.
    pub(crate) async fn drain(&mut self) {
        let mut left = DRAIN_MAX;
        while let Ok(Some(bytes)) = self.frame().await {
            left = left.saturating_sub(bytes.len() as u64);
            if left == 0 {
                return;
            }
        }
    }

    async fn frame(&mut self) -> Result<Option<Bytes>, Refusal> {
        loop {
            let Some(body) = &mut self.body else { return Ok(None) };
            match body.frame().await {
                None => self.body = None,
                Some(Err(_)) => return Err(refusal::REQUEST_BODY_CUT.into()),
                Some(Ok(frame)) if frame.is_data() => return Ok(frame.into_data().ok()),
                // Trailers.
                Some(Ok(_)) => {}
            }
        }
    }
}

fn content_length(ask: &Ask) -> Result<u64, Refusal> {
    let text = ask.header("content-length").ok_or(refusal::MISSING_CONTENT_LENGTH)?;
    text.parse().map_err(|_| refusal::INVALID_HEADER_VALUE.into())
}

/// Copied out of the connection's buffers, which would be pinned whole otherwise.
struct Kept {
    run: BytesMut,
    pieces: Vec<Piece>,
}

impl Kept {
    fn new(length: u64) -> Self {
        let first = usize::try_from(length.min(RUN)).unwrap_or_default();
        Self { run: BytesMut::with_capacity(first), pieces: Vec::new() }
    }

    fn add(&mut self, bytes: &[u8]) {
        if self.run.len() + bytes.len() > usize::try_from(RUN).unwrap_or(usize::MAX)
            && !self.run.is_empty()
        {
            let next = BytesMut::with_capacity(usize::try_from(RUN).unwrap_or_default());
            let run = std::mem::replace(&mut self.run, next);
            self.pieces.push(Piece::Kept(run.freeze()));
        }
        self.run.extend_from_slice(bytes);
    }

    fn finish(mut self) -> Vec<Piece> {
        if !self.run.is_empty() {
            self.pieces.push(Piece::Kept(self.run.freeze()));
        }
        self.pieces
    }
}

/// What a body has to be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Guards {
    pub(crate) md5: Option<[u8; 16]>,
    pub(crate) crc64: Option<u64>,
    /// What the blob's MD5 is said to be.
    pub(crate) blob_md5: Option<[u8; 16]>,
}

impl Guards {
    pub(crate) fn of(ask: &Ask) -> Result<Self, Refusal> {
        let read = Self {
            md5: md5(ask, "content-md5")?,
            crc64: crc64(ask, "x-ms-content-crc64")?,
            blob_md5: md5(ask, "x-ms-blob-content-md5")?,
        };
        if read.crc64.is_some() && (read.md5.is_some() || read.blob_md5.is_some()) {
            return Err(refusal::BOTH_CRC64_AND_MD5.into());
        }
        Ok(read)
    }

    pub(crate) fn check(
        &self,
        received: &Received,
        can: Capabilities,
        digests: Digests,
    ) -> Result<(), Refusal> {
        let believed = digests == Digests::FixedMd5;
        if !believed && self.md5.is_some_and(|md5| received.md5 != Some(md5)) {
            return Err(refusal::MD5_MISMATCH.into());
        }
        if can.checks_crc64 && self.crc64.is_some_and(|crc64| received.crc64 != crc64) {
            return Err(refusal::CRC64_MISMATCH.into());
        }
        Ok(())
    }
}

pub(crate) fn md5(ask: &Ask, name: &str) -> Result<Option<[u8; 16]>, Refusal> {
    decoded(ask, name).map_err(|()| refusal::INVALID_MD5.into())
}

pub(crate) fn crc64(ask: &Ask, name: &str) -> Result<Option<u64>, Refusal> {
    let bytes = decoded(ask, name).map_err(|()| refusal::INVALID_CRC64)?;
    Ok(bytes.map(u64::from_le_bytes))
}

fn decoded<const N: usize>(ask: &Ask, name: &str) -> Result<Option<[u8; N]>, ()> {
    let Some(value) = ask.headers.get(name) else { return Ok(None) };
    let bytes = BASE64.decode(value.as_bytes()).map_err(|_| ())?;
    bytes.try_into().map(Some).map_err(|_| ())
}
