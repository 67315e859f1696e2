//! `DeleteBucket`: only of a bucket that is empty.
//!
//! Azure's Delete Container takes the blobs with it and knows no "if empty", so the container is
//! listed right before. A blob that is written between the two requests goes with the container:
//! the window is named in ARCHITECTURE.md, with container soft delete as the remedy.

use http::{Response, StatusCode};

use crate::access::Action;
use crate::azure::{BlobError, Include, Kind, ListBlobs};
use crate::ops::documents;
use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::ops::multipart::sweep;
use crate::ops::open::Bucket;
use crate::s3::body::{self, Body};
use crate::s3::{Code, Error};

pub(in crate::ops) async fn run(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let bucket = gateway.open_bucket(&request, Action::DeleteBucket).await?;
    if bucket.is_alias() {
        // The container may hold more than the bucket, and is the operator's.
        return Err(Error::new(Code::AccessDenied)
            .message("The bucket is a route of the configuration and cannot be deleted here."));
    }
    let deleted = delete(&bucket).await;
    gateway.forget(&bucket).await;
    match deleted {
        Ok(true) => {}
        Ok(false) => {
            let name = bucket.name().as_str();
            return Err(Error::new(Code::BucketNotEmpty).detail("BucketName", name));
        }
        Err(error) => return Err(gateway.explain_bucket(&bucket, error).await),
    }
    sweep::after_deletion(gateway, &bucket);
    documents::after_deletion(gateway, &bucket);
    Response::builder().status(StatusCode::NO_CONTENT).body(body::empty()).map_err(unanswerable)
}

/// Deletes the container, if it is empty. Where the answer is lost, what is there is looked at again: a
/// container that is gone, or going, is deleted. (Its name is free again after half a minute at the
/// earliest, so that it is no other one.)
async fn delete(bucket: &Bucket) -> Result<bool, BlobError> {
    let store = bucket.store();
    let mut attempt = 1;
    loop {
        match is_empty(bucket).await {
            Ok(true) => {}
            Err(error) if attempt > 1 && is_gone(&error) => return Ok(true),
            other => return other,
        }
        match store.delete_container(bucket.container(), None).await {
            Ok(()) => return Ok(true),
            Err(error) if error.kind() == Kind::ContainerBeingDeleted => return Ok(true),
            Err(error) if attempt > 1 && is_gone(&error) => return Ok(true),
            Err(error) if error.maybe_applied() && store.again(&error, attempt).await => {
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

fn is_gone(error: &BlobError) -> bool {
    matches!(error.kind(), Kind::NoSuchContainer | Kind::ContainerBeingDeleted)
}

/// Is there no blob, no snapshot? Blocks of uploads that were never committed do not count, as
/// they do not at S3: nobody has been told that they are kept.
async fn is_empty(bucket: &Bucket) -> Result<bool, BlobError> {
    let mut which = ListBlobs {
        max_results: 1,
        include: Include { snapshots: true, ..Include::default() },
        ..ListBlobs::default()
    };
    loop {
        let page = bucket.store().list_blobs(bucket.container(), &which).await?;
        if !page.entries.is_empty() {
            return Ok(false);
        }
        match page.next_marker {
            // Azure may answer an empty page and go on.
            Some(marker) => which.marker = Some(marker),
            None => return Ok(true),
        }
    }
}
