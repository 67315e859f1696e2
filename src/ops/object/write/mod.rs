//! The one way in which bytes of a client become a blob: verified, then committed.
//!
//! A body that fits is held whole, verified, and sent as one Put Blob. A larger one, or one of
//! unknown length, or one for which memory is short, goes as blocks that nobody sees, and one Put
//! Block List makes them the blob. Either way the commit is one request, carries everything that
//! belongs to the object, and takes the proof that the body was what its request said.

mod blocks;
mod commit;
mod held;
mod ids;
mod rope;

use http::HeaderMap;

pub(in crate::ops) use commit::{commit, overtaken};
pub(in crate::ops) use ids::BlockIds;

use crate::azure::{BlobError, BlobPath, BlobStore, Capabilities, PutOptions};
use crate::mapping::commit_id::CommitId;
use crate::ops::budget::Budget;
use crate::s3::auth::Payload;
use crate::s3::body::Body;
use crate::s3::checksum::{Checksum, ChecksumAlgorithm};
use crate::s3::conditions::ETag;
use crate::s3::payload::{CheckedBody, Md5, Promised, Verified};
use crate::s3::{Code, Error};

/// The largest body that is held whole, in bytes (mapping: "the write path").
const HELD_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The largest object of one PUT: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html>.
pub(in crate::ops) const PUT_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;
/// Where the bytes go, and what is known of the backend.
#[derive(Clone, Debug)]
pub(in crate::ops) struct Destination {
    /// The account.
    pub store: BlobStore,
    /// The blob.
    pub path: BlobPath,
    /// What the backend does.
    pub capabilities: Capabilities,
}

/// A body that has not been read yet, with all that its request says of it.
pub(in crate::ops) struct Incoming<'a> {
    /// The bytes as they come.
    pub body: Body,
    /// How the signature covers them.
    pub payload: Payload,
    /// What headers promise of them.
    pub promised: Promised,
    /// The headers of the request.
    pub headers: &'a HeaderMap,
}

impl std::fmt::Debug for Incoming<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Incoming").field("promised", &self.promised).finish_non_exhaustive()
    }
}

/// What a commit carries.
#[derive(Clone, Debug)]
pub(in crate::ops) struct Commit {
    /// The id of this write, which is in the metadata, too: a lost answer is decided by it.
    pub id: CommitId,
    /// All that belongs to the object.
    pub options: PutOptions,
}

/// What a write has made.
#[derive(Debug)]
pub(in crate::ops) struct Stored {
    /// The object's ETag: the MD5 of its bytes.
    pub etag: ETag,
    /// The proof of what was stored.
    pub verified: Verified,
}

/// Why a write was not done.
#[derive(Debug)]
pub(in crate::ops) enum Failure {
    /// The request is at fault, or the gateway refuses.
    Refused(Error),
    /// Azure did not do it. `overtaken`: the blocks were discarded by another writer.
    Azure(BlobError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<BlobError> for Failure {
    fn from(error: BlobError) -> Self {
        Self::Azure(error)
    }
}

/// Stores a body as the blob of `destination`.
///
/// `plan` says what belongs to the blob, once the body is proved.
pub(in crate::ops) async fn store(
    destination: &Destination,
    budget: &Budget,
    incoming: Incoming<'_>,
    plan: impl FnOnce(&Verified) -> Result<Commit, Error>,
) -> Result<Stored, Failure> {
    let length = declared_length(&incoming);
    if length.is_some_and(|length| length > PUT_BYTES_MAX) {
        return Err(too_large(length).into());
    }
    let held = length.filter(|length| *length <= HELD_BYTES_MAX);
    let held = held.and_then(|length| budget.try_hold(length));
    let Capabilities { put_blob_answers_md5, put_blob_keeps_md5, .. } = destination.capabilities;
    let from_azure = put_blob_answers_md5 && put_blob_keeps_md5;
    let md5 = match &held {
        Some(_) if from_azure => Md5::Skip,
        Some(_) => Md5::Compute,
        None => Md5::Given,
    };
    let Incoming { body, payload, promised, headers } = incoming;
    let body = CheckedBody::new(body, payload, promised, headers, md5)?;
    match held {
        Some(reserved) => held::put(destination, body, reserved, plan).await,
        // On the heap: small bodies do without all that it keeps.
        None => Box::pin(blocks::put(destination, budget, body, plan)).await,
    }
}

/// How many bytes of the object will come, if the request says so.
fn declared_length(incoming: &Incoming<'_>) -> Option<u64> {
    let name = if incoming.payload.is_streaming() {
        "x-amz-decoded-content-length"
    } else {
        "content-length"
    };
    incoming.headers.get(name)?.to_str().ok()?.parse().ok()
}

fn too_large(length: Option<u64>) -> Error {
    Error::new(Code::EntityTooLarge)
        .detail("MaxSizeAllowed", PUT_BYTES_MAX.to_string())
        .detail("ProposedSize", length.unwrap_or(PUT_BYTES_MAX + 1).to_string())
}

/// The CRC-64/NVME that the client said, which is Azure's CRC64.
fn said_crc64(verified: &Verified) -> Option<Checksum> {
    verified
        .checksum()
        .copied()
        .filter(|checksum| checksum.algorithm() == ChecksumAlgorithm::Crc64Nvme)
}

/// The ETag of a single PUT.
fn etag_of(md5: Option<[u8; 16]>) -> Result<ETag, Error> {
    let md5 = md5.ok_or_else(|| {
        Error::new(Code::InternalError).caused_by("Azure answered no MD5 for a Put Blob")
    })?;
    Ok(ETag::new(data_encoding::HEXLOWER.encode(&md5)))
}
