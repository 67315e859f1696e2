//! Uploads in parts. Each part is a blob of its own in the system container, so that nothing that is
//! done to the key meanwhile can touch it; Complete lets Azure build the object of them.
//!
//! Invariants:
//! - An upload is open while its record is there. Who ends it makes its outcome first, and only one can.
//! - Nothing is staged on the key's own name but by a Complete, and with ids that are its own.
//! - No replica knows anything of an upload that is not in Azure, but for seconds.

mod abort;
mod alive;
mod assemble;
pub(super) mod cache;
mod complete;
mod create;
pub(super) mod ends;
pub(in crate::ops) mod files;
mod found;
mod list_parts;
mod list_uploads;
pub(super) mod sweep;
mod upload_part;
mod upload_part_copy;

use std::sync::Arc;

use crate::ops::gateway::{Gateway, Request};
use crate::ops::{Work, begun};
use crate::s3::operation::Operation;

/// Is it one of the operations on uploads in parts?
pub(super) fn is_of(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::CreateMultipartUpload
            | Operation::UploadPart
            | Operation::UploadPartCopy
            | Operation::CompleteMultipartUpload
            | Operation::AbortMultipartUpload
            | Operation::ListParts
            | Operation::ListMultipartUploads
    )
}

/// Runs one of them.
pub(super) fn run(gateway: &Arc<Gateway>, request: Request) -> Work<'_> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "no other comes here")]
    match request.operation {
        Operation::CreateMultipartUpload => begun(|| create::run(gateway, request)),
        Operation::UploadPart => begun(|| upload_part::run(gateway, request)),
        Operation::UploadPartCopy => begun(|| upload_part_copy::run(gateway, request)),
        Operation::CompleteMultipartUpload => begun(|| complete::run(gateway, request)),
        Operation::AbortMultipartUpload => begun(|| abort::run(gateway, request)),
        Operation::ListParts => begun(|| list_parts::run(gateway, request)),
        Operation::ListMultipartUploads => begun(|| list_uploads::run(gateway, request)),
        other => Box::pin(std::future::ready(Err(other.refusal()))),
    }
}
