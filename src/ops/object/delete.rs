//! `DeleteObject`: one key, gone or never there.

use http::{Response, StatusCode};

use crate::access::Action;
use crate::azure::{BlobError, Conditions as AzureConditions, DeleteOptions, Kind, Snapshots};
use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::ops::object::conditions::{self, Resolved};
use crate::ops::object::get::refuse_version;
use crate::ops::open::Bucket;
use crate::s3::Error;
use crate::s3::body::{self, Body};
use crate::s3::conditions::Conditions;
use crate::s3::names::ObjectKey;

pub(in crate::ops) async fn run(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let (bucket, key) = gateway.open_object(&request, Action::DeleteObject).await?;
    refuse_version(&request)?;
    let wanted = Conditions {
        if_match: Conditions::read(&request.headers)?.if_match,
        ..Conditions::default()
    };
    let path = bucket.path(&key);
    let pinned = match conditions::resolve(bucket.store(), &path, &key, &wanted).await {
        Ok(pinned) => pinned,
        Err(Resolved::Refused(error)) => return Err(error),
        Err(Resolved::Azure(error)) => return Err(gateway.explain(&bucket, &key, error).await),
    };
    match delete(&bucket, &key, pinned).await {
        Ok(()) => {}
        Err(error) if error.kind() == Kind::ConditionNotMet => {
            return Err(conditions::lost(bucket.store(), &path, &key, &wanted, error).await);
        }
        Err(error) => return Err(gateway.explain(&bucket, &key, error).await),
    }
    Response::builder().status(StatusCode::NO_CONTENT).body(body::empty()).map_err(unanswerable)
}

/// Deletes the blob of `key`; one that is not there is deleted.
pub(in crate::ops) async fn delete(
    bucket: &Bucket,
    key: &ObjectKey,
    conditions: AzureConditions,
) -> Result<(), BlobError> {
    // Snapshots that Azure tools took would keep the blob from being deleted. In a bucket without
    // versions a deleted object is gone whole, so they go with it.
    let options =
        DeleteOptions { conditions, snapshots: Snapshots::Include, ..DeleteOptions::default() };
    match bucket.store().delete(&bucket.path(key), &options).await {
        Err(error) if error.kind() == Kind::NoSuchBlob => Ok(()),
        other => other,
    }
}
