//! What changes a blob but not its bytes: Set Blob Metadata, Set Blob Properties, Set Blob Tier; and
//! Snapshot Blob.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/set-blob-metadata>
//! <https://learn.microsoft.com/rest/api/storageservices/set-blob-properties>
//! <https://learn.microsoft.com/rest/api/storageservices/set-blob-tier>
//! <https://learn.microsoft.com/rest/api/storageservices/snapshot-blob>

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

use crate::answer::{self, Outcome, name};
use crate::ask::Ask;
use crate::clock::Time;
use crate::conditions::Conditions;
use crate::lease::Of;
use crate::metadata::{Metadata, Served};
use crate::ops::commit;
use crate::refusal::{self, Refusal};
use crate::service::Service;
use crate::state::{Blob, Kind, Tier};
use crate::upload::Guards;

/// Standard priority takes up to 15 hours.
const REHYDRATION: Duration = Duration::from_hours(15);

impl Service {
    pub(crate) fn set_blob_metadata(&self, ask: &Ask) -> Outcome {
        let metadata = Metadata::of(&ask.headers)?;
        self.change_blob(ask, |there| Blob { metadata, ..there.clone() })
    }

    pub(crate) fn set_blob_properties(&self, ask: &Ask) -> Outcome {
        let served = Served::of(&ask.headers);
        let md5 = Guards::of(ask)?.blob_md5;
        self.change_blob(ask, |there| Blob { served, md5, ..there.clone() })
    }

    fn change_blob(&self, ask: &Ask, change: impl FnOnce(&Blob) -> Blob) -> Outcome {
        commit::not_a_snapshot(ask)?;
        let now = self.now();
        self.container(ask)?.change(ask.name()?, now, |entry| {
            let there = entry.to_change(ask, now)?;
            if there.is_archived(now) {
                return Err(refusal::BLOB_ARCHIVED.into());
            }
            let blob = Blob { etag: self.etag(), last_modified: now, ..change(there) };
            let mut answer = Self::made(&blob);
            *answer.status_mut() = StatusCode::OK;
            entry.base = Some(Arc::new(blob));
            Ok(answer)
        })
    }

    /// Changes neither ETag nor Last-Modified.
    pub(crate) fn set_blob_tier(&self, ask: &Ask) -> Outcome {
        commit::not_a_snapshot(ask)?;
        let tier = commit::tier(ask)?.ok_or(refusal::MISSING_REQUIRED_HEADER)?;
        let now = self.now();
        self.container(ask)?.change(ask.name()?, now, |entry| {
            let there = entry.base.as_ref().ok_or(refusal::BLOB_NOT_FOUND)?;
            entry.lease.allows_read(ask.lease(), Of::Blob, now)?;
            if there.kind != Kind::Block {
                return Err(refusal::INVALID_BLOB_TYPE.into());
            }
            let blob = moved(there, tier, now)?;
            let waits = blob.rehydrating.is_some();
            entry.base = Some(Arc::new(blob));
            Ok(answer::plain(if waits { StatusCode::ACCEPTED } else { StatusCode::OK }))
        })
    }

    pub(crate) fn snapshot_blob(&self, ask: &Ask) -> Outcome {
        commit::not_a_snapshot(ask)?;
        let metadata = Metadata::of(&ask.headers)?;
        let now = self.now();
        self.container(ask)?.change(ask.name()?, now, |entry| {
            let there = entry.base.as_ref().ok_or(refusal::BLOB_NOT_FOUND)?;
            if entry.pending.is_some() {
                return Err(refusal::PENDING_COPY_OPERATION.into());
            }
            entry.lease.allows_read(ask.lease(), Of::Blob, now)?;
            Conditions::of(ask)?.for_changing(there)?;
            if there.is_archived(now) {
                return Err(refusal::BLOB_ARCHIVED.into());
            }
            let blob = if metadata.is_empty() {
                Arc::clone(there)
            } else {
                let etag = self.etag();
                Arc::new(Blob { metadata, etag, last_modified: now, ..Blob::clone(there) })
            };
            // Snapshots of one blob never share a time.
            let last = entry.snapshots.last().map(|(time, _)| Time(time.0 + 1));
            let time = last.map_or(now, |next| next.max(now));
            let mut answer = Self::made(&blob);
            answer::put_text(&mut answer, name::SNAPSHOT, &time.iso());
            entry.snapshots.push((time, blob));
            Ok(answer)
        })
    }
}

fn moved(there: &Blob, tier: Tier, now: Time) -> Result<Blob, Refusal> {
    let mut blob = there.clone();
    if there.is_archived(now) && tier != Tier::Archive {
        if there.rehydrating.is_some_and(|(to, _)| to != tier) {
            return Err(refusal::BLOB_BEING_REHYDRATED.into());
        }
        blob.rehydrating = there.rehydrating.or_else(|| Some((tier, now.after(REHYDRATION))));
        blob.tier = Some(Tier::Archive);
    } else {
        blob.rehydrating = None;
        blob.tier = Some(tier);
    }
    Ok(blob)
}
