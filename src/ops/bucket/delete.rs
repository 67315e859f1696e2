//! `DeleteBucket`: only of a bucket that is empty.
//!
//! Azure's Delete Container takes the blobs with it and knows no "if empty", so the container is
//! listed right before. A blob that is written between the two requests goes with the container:
//! the window is named in ARCHITECTURE.md, with container soft delete as the remedy.

use http::{Response, StatusCode};

use crate::access::Action;
use crate::azure::{Include, Kind, ListBlobs};
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
    if !is_empty(gateway, &bucket).await? {
        return Err(Error::new(Code::BucketNotEmpty).detail("BucketName", bucket.name().as_str()));
    }
    let deleted = bucket.store().delete_container(bucket.container(), None).await;
    gateway.forget(&bucket).await;
    match deleted {
        Ok(()) => {}
        // An answer that was lost, and asked for again: it is gone, as was wanted.
        Err(error) if error.kind() == Kind::ContainerBeingDeleted => {}
        Err(error) => return Err(gateway.explain_bucket(&bucket, error).await),
    }
    sweep::after_deletion(gateway, &bucket);
    documents::after_deletion(gateway, &bucket);
    Response::builder().status(StatusCode::NO_CONTENT).body(body::empty()).map_err(unanswerable)
}

/// Is there no blob, no snapshot? Blocks of uploads that were never committed do not count, as
/// they do not at S3: nobody has been told that they are kept.
async fn is_empty(gateway: &Gateway, bucket: &Bucket) -> Result<bool, Error> {
    let mut which = ListBlobs {
        max_results: 1,
        include: Include { snapshots: true, ..Include::default() },
        ..ListBlobs::default()
    };
    loop {
        let page = match bucket.store().list_blobs(bucket.container(), &which).await {
            Ok(page) => page,
            Err(error) => return Err(gateway.explain_bucket(bucket, error).await),
        };
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
