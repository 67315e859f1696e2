//! What is left of the uploads of a bucket that is gone.

use crate::azure::{BlobName, Kind, ListBlobs, ListEntry};
use crate::ops::gateway::Gateway;
use crate::ops::multipart::ends::delete_all;
use crate::ops::open::Bucket;

/// How many pages of names one sweep goes through; more is for the next.
const PAGES_MAX: u32 = 100;

/// Deletes all blobs of a deleted bucket's uploads, behind its client's back. They are filed under
/// the id of the bucket, which no other bucket ever has, so that it does not matter when.
pub(in crate::ops) fn after_deletion(gateway: &Gateway, bucket: &Bucket) {
    let Some(files) = bucket.files() else { return };
    let bucket = bucket.clone();
    gateway.tasks().spawn(async move {
        if let Err(cause) = sweep(&bucket, files.all()).await {
            tracing::warn!(%cause, "uploads of a deleted bucket stay behind");
        }
    });
}

async fn sweep(bucket: &Bucket, prefix: &str) -> Result<(), crate::azure::BlobError> {
    let (store, account) = (bucket.store(), bucket.account());
    let mut which = ListBlobs { prefix: Some(prefix.to_owned()), ..ListBlobs::default() };
    for _ in 0..PAGES_MAX {
        let page = match store.list_blobs(&account.system, &which).await {
            Err(error) if error.kind() == Kind::NoSuchContainer => return Ok(()),
            page => page?,
        };
        let names: Vec<BlobName> = page
            .entries
            .iter()
            .filter(|entry| matches!(entry, ListEntry::Blob(_)))
            .map(|entry| BlobName::new(entry.name()))
            .collect();
        if !names.is_empty() {
            let batches = account.capabilities().await.delete_batch;
            delete_all(store, &account.system, names, batches).await?;
        }
        which.marker = page.next_marker;
        if which.marker.is_none() {
            break;
        }
    }
    Ok(())
}
