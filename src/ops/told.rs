//! One line for each operation by which a bucket or an object is told something, and for forms.

use http::Response;

use crate::ops::bucket::configuration::{delete, get, put};
use crate::ops::bucket::{fixed, lifecycle};
use crate::ops::gateway::{Gateway, Request};
use crate::ops::object;
use crate::s3::Error;
use crate::s3::body::Body;
use crate::s3::cors::Cors;
use crate::s3::operation::Operation;
use crate::s3::tags::Tags;

impl Gateway {
    /// What a bucket or an object may be told; all else goes on.
    pub(super) async fn tell(&self, request: Request) -> Result<Response<Body>, Error> {
        if let Some(document) = fixed::row(request.operation) {
            return fixed::put(self, request, document).await;
        }
        #[expect(clippy::wildcard_enum_match_arm, reason = "all others go on")]
        match request.operation {
            Operation::GetBucketCors => get::<Cors>(self, request).await,
            Operation::PutBucketCors => put::<Cors>(self, request).await,
            Operation::DeleteBucketCors => delete::<Cors>(self, request).await,
            Operation::GetBucketTagging => get::<Tags>(self, request).await,
            Operation::PutBucketTagging => put::<Tags>(self, request).await,
            Operation::DeleteBucketTagging => delete::<Tags>(self, request).await,
            Operation::GetBucketLifecycleConfiguration => lifecycle::get(self, request).await,
            Operation::PutBucketLifecycleConfiguration => lifecycle::put(self, request).await,
            Operation::DeleteBucketLifecycle => lifecycle::delete(self, request).await,
            _ => self.tell_object(request).await,
        }
    }

    /// What an object may be told, and what holds of every bucket.
    async fn tell_object(&self, request: Request) -> Result<Response<Body>, Error> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "all others go on")]
        match request.operation {
            Operation::PostObject => object::post::run(self, request).await,
            Operation::GetObjectTagging => object::tags::get(self, request).await,
            Operation::PutObjectTagging => object::tags::put(self, request).await,
            Operation::DeleteObjectTagging => object::tags::delete(self, request).await,
            Operation::RestoreObject => object::restore::run(self, request).await,
            Operation::GetBucketEncryption => fixed::get_encryption(self, request).await,
            Operation::DeleteBucketEncryption => fixed::delete_encryption(self, request).await,
            _ => self.configure(request).await,
        }
    }
}
