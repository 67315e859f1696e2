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
pub mod census;
pub mod compatibility;
pub mod gateway;
pub mod janitor;
pub mod lifecycle;
pub mod open;

mod annex;
mod bucket;
mod cores;
mod documents;
mod facts;
mod hashing;
mod listing;
mod multipart;
mod object;
mod records;
mod refusals;
mod told;

pub use gateway::{Gateway, Request, Settings};

use std::pin::Pin;
use std::sync::Arc;

use http::{HeaderValue, Response};

use crate::access::Action;
use crate::s3::body::Body;
use crate::s3::operation::Operation;
use crate::s3::{Error, headers};

/// What an operation does: on the heap, and no larger than that operation. As parts of one future they would
/// all be as large as the largest, and each request would be moved about at that size.
type Work<'a> = Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send + 'a>>;

/// The future that `begin` begins, made where it stays: to be moved there, as `Box::pin` does, it would be copied as
/// large as it may become, and most of that is not there yet.
pub(crate) fn begun<F: Future>(begin: impl FnOnce() -> F) -> Pin<Box<F>> {
    let place = Box::new_uninit();
    Box::into_pin(Box::write(place, begin()))
}

impl Gateway {
    /// Runs an operation.
    pub async fn dispatch(self: &Arc<Self>, request: Request) -> Result<Response<Body>, Error> {
        let operation = request.operation;
        if let Err(refusal) = refusals::check(&request) {
            // Who may not is told so first, whatever the request asks for.
            Box::pin(self.may_at_all(&request)).await?;
            return Err(refusal);
        }
        let mut answer = if multipart::is_of(operation) {
            multipart::run(self, request).await?
        } else {
            self.run(request).await?
        };
        // Azure encrypts every blob with AES-256, and whoever wants another cipher has been refused. S3
        // says so of every object, asked or not:
        // https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html
        if operation.says_encryption() && answer.status().is_success() {
            answer
                .headers_mut()
                .insert(headers::SERVER_SIDE_ENCRYPTION, HeaderValue::from_static("AES256"));
        }
        Ok(answer)
    }

    /// May the caller do to the object what a request for its bytes does at least?
    async fn may_at_all(&self, request: &Request) -> Result<(), Error> {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "others are refused before anybody is asked"
        )]
        match request.operation {
            Operation::PutObject | Operation::CopyObject | Operation::CreateMultipartUpload => {
                self.open_object(request, Action::PutObject).await.map(|_granted| ())
            }
            Operation::GetObject | Operation::HeadObject => {
                self.open_reader(request, Action::GetObject).await.map(|_granted| ())
            }
            _ => Ok(()),
        }
    }

    /// One line for each operation on buckets and whole objects that is answered.
    fn run(&self, request: Request) -> Work<'_> {
        let operation = request.operation;
        #[expect(clippy::wildcard_enum_match_arm, reason = "all that is refused is refused alike")]
        match operation {
            Operation::ListBuckets => begun(|| bucket::list::run(self, request)),
            Operation::CreateBucket => begun(|| bucket::create::run(self, request)),
            Operation::HeadBucket => begun(|| bucket::probes::head_bucket(self, request)),
            Operation::DeleteBucket => begun(|| bucket::delete::run(self, request)),
            Operation::ListObjects | Operation::ListObjectsV2 => {
                begun(|| listing::objects::run(self, request))
            }
            Operation::ListObjectVersions => begun(|| listing::versions::run(self, request)),
            Operation::PutObject => begun(|| object::put::run(self, request)),
            Operation::GetObject => begun(|| object::get::run(self, request)),
            Operation::HeadObject => begun(|| object::get::head(self, request)),
            Operation::GetObjectAttributes => begun(|| object::attributes::run(self, request)),
            Operation::DeleteObject => begun(|| object::delete::run(self, request)),
            Operation::DeleteObjects => begun(|| object::delete_many::run(self, request)),
            Operation::CopyObject => begun(|| object::copy::run(self, request)),
            _ => Box::pin(self.tell(request)),
        }
    }

    /// Who may do what.
    async fn configure(&self, request: Request) -> Result<Response<Body>, Error> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "all others are told elsewhere")]
        match request.operation {
            Operation::GetBucketAcl => bucket::acl::get(self, request).await,
            Operation::PutBucketAcl => bucket::acl::put(self, request).await,
            Operation::GetObjectAcl => object::acl::get(self, request).await,
            Operation::PutObjectAcl => object::acl::put(self, request).await,
            Operation::GetBucketPolicy => bucket::policy::get(self, request).await,
            Operation::PutBucketPolicy => bucket::policy::put(self, request).await,
            Operation::DeleteBucketPolicy => bucket::policy::delete(self, request).await,
            Operation::GetBucketPolicyStatus => bucket::policy::status(self, request).await,
            _ => self.document(request).await,
        }
    }

    /// What a bucket may be told as a document that is shown as it was put.
    async fn document(&self, request: Request) -> Result<Response<Body>, Error> {
        use crate::access::{Ownership, PublicAccessBlock};
        use bucket::configuration::{delete, get, put};
        #[expect(clippy::wildcard_enum_match_arm, reason = "all others are probes, or refused")]
        match request.operation {
            Operation::GetPublicAccessBlock => get::<PublicAccessBlock>(self, request).await,
            Operation::PutPublicAccessBlock => put::<PublicAccessBlock>(self, request).await,
            Operation::DeletePublicAccessBlock => delete::<PublicAccessBlock>(self, request).await,
            Operation::GetBucketOwnershipControls => get::<Ownership>(self, request).await,
            Operation::PutBucketOwnershipControls => put::<Ownership>(self, request).await,
            Operation::DeleteBucketOwnershipControls => delete::<Ownership>(self, request).await,
            _ => self.probe(request).await,
        }
    }

    /// What is answered of what nobody has configured; all else is refused by name.
    async fn probe(&self, request: Request) -> Result<Response<Body>, Error> {
        match bucket::probes::answer(request.operation) {
            Some(answer) => bucket::probes::run(self, request, answer).await,
            None => Err(request.operation.refusal()),
        }
    }
}
