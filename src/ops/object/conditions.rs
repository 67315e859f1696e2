//! The conditions of writes: what a client says of S3's ETags, said to Azure in Azure's.
//!
//! Azure judges them, on the one request that commits, so that of any number of racers one wins.

use crate::azure::{self, AzureETag, BlobError, BlobPath, BlobStore, IfNoneMatch, Kind};
use crate::mapping::metadata;
use crate::ops::gateway::Gateway;
use crate::ops::open::Bucket;
use crate::s3::conditions::{Conditions, ETag, Matches, precondition_failed};
use crate::s3::names::ObjectKey;
use crate::s3::{Code, Error};

/// What a write may rest on: `If-Match` and `If-None-Match` alone, as S3 has it.
pub(in crate::ops) fn of_write(conditions: Conditions) -> Conditions {
    Conditions { if_modified_since: None, if_unmodified_since: None, ..conditions }
}

/// Says `wanted` in Azure's words; reads the object first where an ETag is named.
pub(in crate::ops) async fn resolve(
    store: &BlobStore,
    path: &BlobPath,
    key: &ObjectKey,
    wanted: &Conditions,
) -> Result<azure::Conditions, Resolved> {
    match (&wanted.if_match, &wanted.if_none_match) {
        (None, None) => Ok(azure::Conditions::default()),
        (None, Some(Matches::Any)) => Ok(azure::Conditions {
            if_none_match: Some(IfNoneMatch::Any),
            ..azure::Conditions::default()
        }),
        _ => {
            let now = look(store, path).await.map_err(Resolved::Azure)?;
            judge(wanted, key, now.as_ref()).map_err(Resolved::Refused)?;
            Ok(match now {
                Some((_, etag)) => azure::Conditions::if_match(etag),
                None => azure::Conditions::if_absent(),
            })
        }
    }
}

/// [`resolve`], with the refusal that a client is told.
pub(in crate::ops) async fn pin(
    gateway: &Gateway,
    bucket: &Bucket,
    key: &ObjectKey,
    wanted: &Conditions,
) -> Result<azure::Conditions, Error> {
    match resolve(bucket.store(), &bucket.path(key), key, wanted).await {
        Ok(pinned) => Ok(pinned),
        Err(Resolved::Refused(error)) => Err(error),
        Err(Resolved::Azure(error)) => Err(gateway.explain(bucket, key, error).await),
    }
}

/// Why conditions could not be said, or do not hold.
#[derive(Debug)]
pub(in crate::ops) enum Resolved {
    /// They do not hold.
    Refused(Error),
    /// Azure does not say.
    Azure(BlobError),
}

/// The ETags of what is there, S3's and Azure's.
async fn look(store: &BlobStore, path: &BlobPath) -> Result<Option<(ETag, AzureETag)>, BlobError> {
    match store.properties(path, &azure::Conditions::default()).await {
        Ok(found) => Ok(Some((ETag::new(metadata::etag(&found)), found.etag))),
        Err(error) if error.kind() == Kind::NoSuchBlob => Ok(None),
        Err(error) => Err(error),
    }
}

/// Do the conditions hold for what is there?
fn judge(
    wanted: &Conditions,
    key: &ObjectKey,
    now: Option<&(ETag, AzureETag)>,
) -> Result<(), Error> {
    let there = now.map(|(etag, _)| etag);
    if let Some(matches) = &wanted.if_match {
        match there {
            None => return Err(Error::new(Code::NoSuchKey).detail("Key", key.as_str())),
            Some(etag) if !matches.holds(etag) => return Err(precondition_failed("If-Match")),
            Some(_) => {}
        }
    }
    match (&wanted.if_none_match, there) {
        (Some(matches), Some(etag)) if matches.holds(etag) => {
            Err(precondition_failed("If-None-Match"))
        }
        _ => Ok(()),
    }
}

/// What a client is told when Azure says that its condition does not hold: Azure's ETag also moves
/// where S3's does not, so what is there is looked at once more.
pub(in crate::ops) async fn lost(
    store: &BlobStore,
    path: &BlobPath,
    key: &ObjectKey,
    wanted: &Conditions,
    error: BlobError,
) -> Error {
    let verdict = match look(store, path).await {
        Ok(now) => judge(wanted, key, now.as_ref()),
        Err(_) => Ok(()),
    };
    match verdict {
        Err(refused) => refused.caused_by(error),
        // The condition holds again, or still: another writer was at work. SDKs try again.
        Ok(()) => Error::new(Code::ConditionalRequestConflict).caused_by(error),
    }
}
