//! The documents of a bucket that are put, shown and deleted as they are.
//!
//! What a document says is its type's business; here is only the way in and out.

use http::{Response, StatusCode, header};

use crate::access::{Acl, Action, BucketPolicy, Ownership, PublicAccessBlock};
use crate::mapping::documents::DocumentName;
use crate::ops::documents::{Document, Draft};
use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::ops::open::Bucket;
use crate::s3::body::{self, Body};
use crate::s3::{Code, Error};

/// A document that a client puts as a body and gets back as one.
pub(in crate::ops) trait Configuration: Document {
    /// What may be done: to read it, and to put or delete it.
    const ACTIONS: (Action, Action);
    /// The answer while there is none.
    const MISSING: Code;
    /// The longest body, in bytes.
    const BYTES_MAX: usize;

    /// Reads what a client sent; S3's own refusals.
    fn parse(document: &[u8]) -> Result<Self, Error>;

    /// May it be put beside the other documents of the bucket?
    fn check(&self, _beside: &Draft) -> Result<(), Error> {
        Ok(())
    }

    /// As a client gets it.
    fn show(&self) -> String;
}

/// Shows it as it is now, whatever this replica believes.
pub(in crate::ops) async fn get<C: Configuration>(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let bucket = gateway.open_bucket(&request, C::ACTIONS.0).await?;
    let found = gateway.document_now::<C>(&bucket).await?;
    let found = found.ok_or_else(|| missing(&bucket, C::MISSING))?;
    Response::builder()
        .status(StatusCode::OK)
        .header(header::CONTENT_TYPE, "application/xml")
        .body(body::full(found.show()))
        .map_err(unanswerable)
}

/// Puts it in the place of what was there.
pub(in crate::ops) async fn put<C: Configuration>(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let bucket = gateway.open_bucket(&request, C::ACTIONS.1).await?;
    let (_, document) = request.document(C::BYTES_MAX).await?;
    let new = C::parse(&document)?;
    let set = |draft: &mut Draft| {
        new.check(draft)?;
        draft.put(&new);
        Ok(())
    };
    gateway.change_documents(&bucket, set).await?;
    Response::builder().status(StatusCode::OK).body(body::empty()).map_err(unanswerable)
}

/// Deletes it.
pub(in crate::ops) async fn delete<C: Configuration>(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let bucket = gateway.open_bucket(&request, C::ACTIONS.1).await?;
    gateway.delete_document::<C>(&bucket).await?;
    Response::builder().status(StatusCode::NO_CONTENT).body(body::empty()).map_err(unanswerable)
}

/// The answer to who asks for a document that the bucket does not have.
pub(in crate::ops) fn missing(bucket: &Bucket, code: Code) -> Error {
    Error::new(code).detail("BucketName", bucket.name().as_str())
}

/// Four switches or one rule, with room for comments.
const SMALL_BYTES_MAX: usize = 16 * 1024;

impl Document for PublicAccessBlock {
    const NAME: DocumentName = DocumentName::PublicAccessBlock;

    fn read(text: &str) -> Result<Self, Error> {
        Self::read(text.as_bytes())
    }

    fn write(&self) -> String {
        Self::write(self)
    }
}

impl Configuration for PublicAccessBlock {
    const ACTIONS: (Action, Action) =
        (Action::GetBucketPublicAccessBlock, Action::PutBucketPublicAccessBlock);
    const MISSING: Code = Code::NoSuchPublicAccessBlockConfiguration;
    const BYTES_MAX: usize = SMALL_BYTES_MAX;

    fn parse(document: &[u8]) -> Result<Self, Error> {
        Self::read(document)
    }

    fn show(&self) -> String {
        Self::write(self)
    }
}

impl Document for Ownership {
    const NAME: DocumentName = DocumentName::OwnershipControls;

    fn read(text: &str) -> Result<Self, Error> {
        Self::read(text.as_bytes())
    }

    fn write(&self) -> String {
        Self::write(*self)
    }
}

impl Configuration for Ownership {
    const ACTIONS: (Action, Action) =
        (Action::GetBucketOwnershipControls, Action::PutBucketOwnershipControls);
    const MISSING: Code = Code::OwnershipControlsNotFoundError;
    const BYTES_MAX: usize = SMALL_BYTES_MAX;

    fn parse(document: &[u8]) -> Result<Self, Error> {
        Self::read(document)
    }

    fn check(&self, beside: &Draft) -> Result<(), Error> {
        // An ACL that gives others rights would be shown and count for nothing.
        match (self, beside.before::<Acl>()?) {
            (Self::BucketOwnerEnforced, Some(_)) => {
                Err(Error::new(Code::InvalidBucketAclWithObjectOwnership))
            }
            _ => Ok(()),
        }
    }

    fn show(&self) -> String {
        Self::write(*self)
    }
}

impl Document for BucketPolicy {
    const NAME: DocumentName = DocumentName::Policy;

    fn read(text: &str) -> Result<Self, Error> {
        Self::read(text)
    }

    fn write(&self) -> String {
        self.text().to_owned()
    }
}

impl Document for Acl {
    const NAME: DocumentName = DocumentName::Acl;

    fn read(text: &str) -> Result<Self, Error> {
        Self::parse(text).ok_or_else(|| Error::new(Code::MalformedACLError))
    }

    fn write(&self) -> String {
        self.text()
    }
}
