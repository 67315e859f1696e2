//! The policy of a bucket, and whether it is public.

use http::{Response, StatusCode, header};

use crate::access::{Acl, Action, BucketPolicy, POLICY_BYTES_MAX, PublicAccessBlock};
use crate::ops::bucket::configuration::missing;
use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::s3::body::{self, Body};
use crate::s3::xml::Writer;
use crate::s3::{Code, Error};

/// `GetBucketPolicy`: to the letter as it was put.
pub(in crate::ops) async fn get(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let bucket = gateway.open_bucket(&request, Action::GetBucketPolicy).await?;
    let policy = gateway.document_now::<BucketPolicy>(&bucket).await?;
    let policy = policy.ok_or_else(|| missing(&bucket, Code::NoSuchBucketPolicy))?;
    Response::builder()
        .status(StatusCode::OK)
        .header(header::CONTENT_TYPE, "application/json")
        .body(body::full(policy.text().to_owned()))
        .map_err(unanswerable)
}

/// `PutBucketPolicy`
pub(in crate::ops) async fn put(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let bucket = gateway.open_bucket(&request, Action::PutBucketPolicy).await?;
    let (_, document) = request.document(POLICY_BYTES_MAX).await?;
    let text = std::str::from_utf8(&document)
        .map_err(|not_utf8| Error::new(Code::MalformedPolicy).caused_by(not_utf8))?;
    let policy = BucketPolicy::put(text, bucket.name(), &gateway.users())?;
    let set = |draft: &mut crate::ops::documents::Draft| {
        let block = draft.before::<PublicAccessBlock>()?;
        if policy.is_public() && block.is_some_and(|block| block.block_public_policy) {
            return Err(Error::new(Code::AccessDenied));
        }
        draft.put(&policy);
        Ok(())
    };
    gateway.change_documents(&bucket, set).await?;
    Response::builder().status(StatusCode::NO_CONTENT).body(body::empty()).map_err(unanswerable)
}

/// `DeleteBucketPolicy`
pub(in crate::ops) async fn delete(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let bucket = gateway.open_bucket(&request, Action::DeleteBucketPolicy).await?;
    gateway.delete_document::<BucketPolicy>(&bucket).await?;
    Response::builder().status(StatusCode::NO_CONTENT).body(body::empty()).map_err(unanswerable)
}

/// `GetBucketPolicyStatus`: is the bucket public, by its policy or by its ACL?
pub(in crate::ops) async fn status(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let bucket = gateway.open_bucket(&request, Action::GetBucketPolicyStatus).await?;
    let block = gateway.document_now::<PublicAccessBlock>(&bucket).await?;
    let block = block.map_or_else(PublicAccessBlock::default, |block| *block);
    let policy = gateway.document_now::<BucketPolicy>(&bucket).await?;
    let acl = gateway.document_now::<Acl>(&bucket).await?;
    let by_policy = policy.is_some_and(|policy| policy.is_public());
    let by_acl = acl.is_some_and(|acl| acl.is_public())
        && !block.ignore_public_acls
        && !bucket.rules().has_no_acls();
    let mut document = Writer::document("PolicyStatus");
    let is_public = by_acl || (by_policy && !block.restrict_public_buckets);
    document.flag("IsPublic", is_public);
    Response::builder()
        .status(StatusCode::OK)
        .header(header::CONTENT_TYPE, "application/xml")
        .body(body::full(document.finish("PolicyStatus")))
        .map_err(unanswerable)
}
