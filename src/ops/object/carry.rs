//! A copy whose checksum nobody knows: the bytes pass through the gateway, which computes it.

use http::{HeaderMap, HeaderValue, header};
use http_body_util::BodyExt as _;

use crate::azure::{BlobPath, BlobStore, Properties, PutOptions};
use crate::mapping::commit_id::CommitId;
use crate::mapping::metadata::{ChecksumKind, ObjectChecksum, ObjectFacts};
use crate::ops::budget::Budget;
use crate::ops::object::resume;
use crate::ops::object::write::{self, Commit, Destination, Failure, Incoming};
use crate::s3::auth::Payload;
use crate::s3::checksum::ChecksumAlgorithm;
use crate::s3::payload::{Promised, Verified};
use crate::s3::{Code, Error, headers};

/// What is carried.
#[derive(Debug)]
pub(in crate::ops) struct Source<'a> {
    /// The account.
    pub store: &'a BlobStore,
    /// The blob.
    pub path: &'a BlobPath,
    /// The blob as it was looked at; no other state of it is read.
    pub found: &'a Properties,
    /// First and last byte; without, all of it.
    pub span: Option<(u64, u64)>,
}

impl Source<'_> {
    fn length(&self) -> u64 {
        self.span.map_or(self.found.content_length, |(first, last)| last - first + 1)
    }
}

/// The algorithm that a copy is to have a checksum by: `x-amz-checksum-algorithm`.
pub(in crate::ops) fn asked(headers: &HeaderMap) -> Result<Option<ChecksumAlgorithm>, Error> {
    let Some(name) = headers::text(headers, &headers::CHECKSUM_ALGORITHM)? else { return Ok(None) };
    ChecksumAlgorithm::parse(name).map(Some).ok_or_else(|| {
        Error::new(Code::InvalidRequest).message(
            "Checksum algorithm provided is unsupported. Please try again with any of the valid \
             types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
        )
    })
}

/// Writes the bytes of `source` as the blob of `to`, with the checksum that `algorithm` gives.
pub(in crate::ops) async fn run(
    source: &Source<'_>,
    to: &Destination,
    budget: &Budget,
    algorithm: ChecksumAlgorithm,
    plan: impl FnOnce(&Verified) -> Result<Commit, Error>,
) -> Result<write::Stored, Failure> {
    let mut said = HeaderMap::new();
    said.insert(header::CONTENT_LENGTH, HeaderValue::from(source.length()));
    let body = resume::open(source.store, source.path, source.found, source.span).await?;
    let incoming = Incoming {
        body: body.boxed_unsync(),
        payload: Payload::Unsigned,
        promised: Promised::default().or_compute(algorithm),
        headers: &said,
    };
    write::store(to, budget, incoming, plan).await
}

/// The commit of a copied object: what belongs to it is known, but for its checksum.
pub(in crate::ops) fn commit(
    mut options: PutOptions,
    facts: ObjectFacts,
    id: CommitId,
    verified: &Verified,
) -> Result<Commit, Error> {
    let facts = ObjectFacts { checksum: full_object(verified), ..facts };
    options.metadata = facts.write(verified.length())?;
    Ok(Commit { id, options })
}

/// The checksum of a body, as an object has it.
pub(in crate::ops) fn full_object(verified: &Verified) -> Option<ObjectChecksum> {
    let value = verified.checksum()?;
    Some(ObjectChecksum { value: *value, kind: ChecksumKind::FullObject })
}
