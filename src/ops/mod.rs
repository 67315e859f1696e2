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

mod bucket;
mod listing;
mod multipart;
mod object;
mod refusals;

pub use gateway::{Gateway, Request, Settings};

use std::sync::Arc;

use http::Response;

use crate::s3::body::Body;
use crate::s3::operation::Operation;
use crate::s3::{Code, Error};

impl Gateway {
    /// Runs an operation: one line for each that is answered.
    pub async fn dispatch(self: &Arc<Self>, request: Request) -> Result<Response<Body>, Error> {
        let operation = request.operation;
        if request.payload.is_streaming() && !operation.takes_object_bytes() {
            return Err(Error::new(Code::InvalidRequest)
                .message("aws-chunked encoding is not supported for this operation."));
        }
        refusals::check(&request)?;
        #[expect(clippy::wildcard_enum_match_arm, reason = "all that is refused is refused alike")]
        match operation {
            Operation::ListBuckets => bucket::list::run(self, request).await,
            Operation::CreateBucket => bucket::create::run(self, request).await,
            Operation::HeadBucket => bucket::probes::head_bucket(self, request).await,
            Operation::DeleteBucket => bucket::delete::run(self, request).await,
            Operation::ListObjects | Operation::ListObjectsV2 => {
                listing::objects::run(self, request).await
            }
            Operation::ListObjectVersions => listing::versions::run(self, request).await,
            Operation::PutObject => object::put::run(self, request).await,
            Operation::GetObject | Operation::HeadObject => object::get::run(self, request).await,
            Operation::DeleteObject => object::delete::run(self, request).await,
            Operation::DeleteObjects => object::delete_many::run(self, request).await,
            Operation::CopyObject => object::copy::run(self, request).await,
            Operation::CreateMultipartUpload => multipart::create::run(self, request).await,
            Operation::UploadPart => multipart::upload_part::run(self, request).await,
            Operation::UploadPartCopy => multipart::upload_part_copy::run(self, request).await,
            Operation::CompleteMultipartUpload => multipart::complete::run(self, request).await,
            Operation::AbortMultipartUpload => multipart::abort::run(self, request).await,
            Operation::ListParts => multipart::list_parts::run(self, request).await,
            Operation::ListMultipartUploads => multipart::list_uploads::run(self, request).await,
            Operation::CorsPreflight => Err(bucket::probes::no_cors()),
            other => match bucket::probes::answer(other) {
                Some(answer) => bucket::probes::run(self, request, answer).await,
                None => Err(other.refusal()),
            },
        }
    }
}
