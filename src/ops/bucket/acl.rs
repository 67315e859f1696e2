//! The ACL of a bucket.

use http::{Response, StatusCode, header};

use crate::access::{self, Acl, Action, Of, Ownership, PublicAccessBlock};
use crate::ops::documents::Draft;
use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::ops::object::acl::read;
use crate::s3::body::{self, Body};
use crate::s3::{Code, Error};

/// `GetBucketAcl`
pub(in crate::ops) async fn get(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let bucket = gateway.open_bucket(&request, Action::GetBucketAcl).await?;
    let owner = bucket.owner().unwrap_or_default();
    let acl = gateway.document_now::<Acl>(&bucket).await?;
    let document = match acl {
        Some(acl) => acl.document(owner, &gateway.users()),
        None => Acl::private(owner).document(owner, &gateway.users()),
    };
    Response::builder()
        .status(StatusCode::OK)
        .header(header::CONTENT_TYPE, "application/xml")
        .body(body::full(document))
        .map_err(unanswerable)
}

/// `PutBucketAcl`
pub(in crate::ops) async fn put(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let bucket = gateway.open_bucket(&request, Action::PutBucketAcl).await?;
    let (request, document) = request.document(access::ACL_BYTES_MAX).await?;
    let owner = bucket.owner().unwrap_or_default();
    // Before the list is read: who may have none is told so, whatever it is.
    check_ownership(bucket.rules().ownership)?;
    let acl = read(gateway, &request, &document, owner, Of::Bucket)?;
    gateway.change_documents(&bucket, |draft| set(draft, &acl, owner)).await?;
    Response::builder().status(StatusCode::OK).body(body::empty()).map_err(unanswerable)
}

/// Puts a list, judged by what holds in the same moment.
fn set(draft: &mut Draft, acl: &Acl, owner: &str) -> Result<(), Error> {
    check_ownership(draft.before::<Ownership>()?.map(|ownership| *ownership))?;
    let block = draft.before::<PublicAccessBlock>()?;
    if acl.is_public() && block.is_some_and(|block| block.block_public_acls) {
        return Err(Error::new(Code::AccessDenied));
    }
    if acl.is_private(owner) {
        draft.remove::<Acl>();
    } else {
        draft.put(acl);
    }
    Ok(())
}

/// Where ownership is enforced, no list is set.
fn check_ownership(ownership: Option<Ownership>) -> Result<(), Error> {
    match ownership {
        Some(Ownership::BucketOwnerEnforced) => {
            Err(Error::new(Code::AccessControlListNotSupported))
        }
        Some(Ownership::BucketOwnerPreferred | Ownership::ObjectWriter) | None => Ok(()),
    }
}
