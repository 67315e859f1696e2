//! The translation: one operation, one place. Each reads its request, asks Azure, and writes its
//! answer.
//!
//! Invariants:
//! - Nothing reaches a bucket but through [`open`], which asks [`crate::access::authorise`] first.
//! - All state is Azure's. What is kept here is a cache with a time to live, correct when cold.
//! - A write becomes visible by one last request that carries everything.

pub mod accounts;
pub mod bucket_cache;
pub mod budget;
pub mod gateway;
pub mod open;

mod conditions;
mod copy;
mod copy_object;
mod create_bucket;
mod delete_bucket;
mod delete_object;
mod delete_objects;
mod get_object;
mod list_buckets;
mod list_objects;
mod list_versions;
mod object_headers;
mod probes;
mod put_object;
mod refusals;
mod resume;
mod write;

pub use gateway::{Gateway, Request, Settings};

use http::Response;

use crate::s3::body::Body;
use crate::s3::operation::Operation;
use crate::s3::{Error, error::Code};

impl Gateway {
    /// Runs an operation: one line for each that is answered.
    pub async fn dispatch(&self, request: Request) -> Result<Response<Body>, Error> {
        let operation = request.operation;
        if request.payload.is_streaming() && !operation.takes_object_bytes() {
            return Err(Error::new(Code::InvalidRequest)
                .message("aws-chunked encoding is not supported for this operation."));
        }
        refusals::check(&request)?;
        #[expect(clippy::wildcard_enum_match_arm, reason = "all that is refused is refused alike")]
        match operation {
            Operation::ListBuckets => list_buckets::run(self, request).await,
            Operation::CreateBucket => create_bucket::run(self, request).await,
            Operation::HeadBucket => probes::head_bucket(self, request).await,
            Operation::DeleteBucket => delete_bucket::run(self, request).await,
            Operation::ListObjects | Operation::ListObjectsV2 => {
                list_objects::run(self, request).await
            }
            Operation::ListObjectVersions => list_versions::run(self, request).await,
            Operation::PutObject => put_object::run(self, request).await,
            Operation::GetObject | Operation::HeadObject => get_object::run(self, request).await,
            Operation::DeleteObject => delete_object::run(self, request).await,
            Operation::DeleteObjects => delete_objects::run(self, request).await,
            Operation::CopyObject => copy_object::run(self, request).await,
            Operation::CorsPreflight => Err(probes::no_cors()),
            other => match probes::answer(other) {
                Some(answer) => probes::run(self, request, answer).await,
                None => Err(other.refusal()),
            },
        }
    }
}
