//! What a failure at Azure means to an S3 client, given what was asked.
//!
//! A failure gets its meaning once, here. What is wrong between the gateway and Azure (our
//! credential, a throttled account, an unreachable endpoint) is never the client's fault: it is
//! answered 500 or 503, never 403 or 404.

use http::{HeaderValue, header};

use crate::azure::{BlobError, Kind};
use crate::s3::names::{BucketName, ObjectKey};
use crate::s3::{Code, Error};

/// How long a client is told to wait when Azure did not say, in seconds.
const RETRY_SECONDS: u64 = 1;
/// Azure keeps the name of a deleted container for at least 30 seconds:
/// <https://learn.microsoft.com/rest/api/storageservices/delete-container>.
const DELETED_SECONDS: u64 = 30;

/// A failure of a question about a bucket.
pub fn on_bucket(error: BlobError, bucket: &BucketName) -> Error {
    let code = code_of(error.kind());
    let named = matches!(code, Code::NoSuchBucket | Code::BucketAlreadyExists);
    let found = explain(code, error);
    if named { found.detail("BucketName", bucket.as_str()) } else { found }
}

/// A failure to make a bucket.
pub fn on_create(error: BlobError, bucket: &BucketName) -> Error {
    if error.kind() == Kind::ContainerBeingDeleted {
        return explain(Code::SlowDown, error);
    }
    on_bucket(error, bucket)
}

/// A failure of a question about an object.
pub fn on_object(error: BlobError, bucket: &BucketName, key: &ObjectKey) -> Error {
    if error.kind() == Kind::NoSuchBlob {
        return explain(Code::NoSuchKey, error).detail("Key", key.as_str());
    }
    on_bucket(error, bucket)
}

/// A failure that has nothing to do with what a client named.
pub fn on_service(error: BlobError) -> Error {
    later(&error).caused_by(error)
}

/// The answer to a client that may ask again later, where the failure is none of its own.
pub fn later(error: &BlobError) -> Error {
    let code = code_of(error.kind());
    let passing = matches!(code, Code::SlowDown | Code::ServiceUnavailable);
    answer(if passing { code } else { Code::InternalError }, error)
}

/// The code of each kind.
fn code_of(kind: Kind) -> Code {
    match kind {
        // Only who wants to make the bucket again has to wait for the end of the old one.
        Kind::NoSuchContainer | Kind::ContainerBeingDeleted => Code::NoSuchBucket,
        Kind::ContainerExists => Code::BucketAlreadyExists,
        Kind::NoSuchBlob => Code::NoSuchKey,
        Kind::BlobExists | Kind::ConditionNotMet => Code::PreconditionFailed,
        Kind::NotModified => Code::NotModified,
        Kind::RangeNotSatisfiable => Code::InvalidRange,
        // Another writer discarded the blocks, or replaced the source of a copy that was pinned, or
        // blocks of another tool wait on the name. A lease
        // of another tool is 412 at Azure, which would be an untrue answer here.
        Kind::InvalidBlockList
        | Kind::SourceConditionNotMet
        | Kind::InvalidBlobOrBlock
        | Kind::TooManyBlocks
        | Kind::LeaseConflict
        | Kind::HasSnapshots => Code::OperationAborted,
        Kind::InvalidBlobType | Kind::Archived => Code::InvalidObjectState,
        Kind::Immutable => Code::AccessDenied,
        Kind::TooLarge => Code::EntityTooLarge,
        Kind::Throttled | Kind::ServerFailed => Code::SlowDown,
        Kind::Unauthorised | Kind::Unreachable => Code::ServiceUnavailable,
        // A digest that does not match here is one of ours: bytes changed on the way to Azure.
        Kind::DigestMismatch
        | Kind::InvalidName
        | Kind::InvalidMetadata
        | Kind::InvalidHeader
        | Kind::CannotVerifySource
        | Kind::NotSupported
        | Kind::Broken
        | Kind::Unexpected => Code::InternalError,
    }
}

fn explain(code: Code, error: BlobError) -> Error {
    answer(code, &error).caused_by(error)
}

fn answer(code: Code, error: &BlobError) -> Error {
    if !matches!(code, Code::SlowDown | Code::ServiceUnavailable) {
        return Error::new(code);
    }
    let asked = error.retry_after().map_or(RETRY_SECONDS, |wait| wait.as_secs().max(1));
    let deleted = error.kind() == Kind::ContainerBeingDeleted;
    let seconds = if deleted { DELETED_SECONDS } else { asked };
    Error::new(code).header(header::RETRY_AFTER, HeaderValue::from(seconds))
}
