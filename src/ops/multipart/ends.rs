//! The end of an upload: one of all who want to end it makes its outcome; the others see whose it is
//! and wait for it, or take over from one who is gone.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::azure::{
    AzureETag, BlobError, BlobName, BlobPath, BlobStore, Conditions, ContainerName, DeleteOptions,
    Kind, PutOptions, Snapshots,
};
use crate::mapping::errors;
use crate::mapping::metadata::ObjectFacts;
use crate::mapping::uploads::{End, Outcome};
use crate::ops::gateway::Gateway;
use crate::ops::multipart::files::{Upload, is_absent, put_empty, unreadable};
use crate::ops::object::together::{delete_alone, delete_together, deletion};
use crate::ops::object::write::Failure;
use crate::ops::open::now;
use crate::s3::{Code, Error};

/// An outcome that nobody has touched for so long is of somebody who is gone: who is at work touches
/// it every [`BEAT`]. Long enough for clocks that disagree.
pub(in crate::ops) const STALE: time::Duration = time::Duration::minutes(2);
/// How often who is at work says so.
pub(super) const BEAT: Duration = Duration::from_secs(30);
/// How long is waited between two looks: at first, and at most.
const LOOKS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// How many blobs are deleted at once where that takes a request each.
const DELETIONS_AT_ONCE: usize = 16;

/// The outcome is ours.
#[derive(Debug)]
pub(in crate::ops) struct Claim {
    store: BlobStore,
    path: BlobPath,
    options: PutOptions,
    etag: AzureETag,
}

/// Who ends the upload.
#[derive(Debug)]
pub(in crate::ops) enum Turn {
    /// We do.
    Ours(Box<Claim>),
    /// Somebody else does, or has done.
    Theirs,
}

/// Makes the outcome, or replaces `over`, which is stale.
pub(super) async fn claim(
    upload: &Upload,
    outcome: &Outcome,
    over: Option<AzureETag>,
) -> Result<Turn, Error> {
    claim_at(upload.store(), upload.outcome(), outcome, over).await
}

/// The same of an upload whose outcome is there.
pub(in crate::ops) async fn claim_at(
    store: &BlobStore,
    path: BlobPath,
    outcome: &Outcome,
    over: Option<AzureETag>,
) -> Result<Turn, Error> {
    let conditions = over.map_or_else(Conditions::if_absent, Conditions::if_match);
    let options = PutOptions { metadata: outcome.write()?, conditions, ..PutOptions::default() };
    let store = store.clone();
    match put_empty(&store, &path, &outcome.commit, &options).await {
        Ok(written) => {
            let etag = written.etag;
            Ok(Turn::Ours(Box::new(Claim { store, path, options, etag })))
        }
        Err(Failure::Azure(error))
            if matches!(error.kind(), Kind::BlobExists | Kind::ConditionNotMet) =>
        {
            Ok(Turn::Theirs)
        }
        Err(Failure::Azure(error)) => Err(errors::on_service(error)),
        // An answer was lost, and the outcome that is there is not the one that was sent.
        Err(Failure::Refused(error)) if error.code() == Code::ConditionalRequestConflict => {
            Ok(Turn::Theirs)
        }
        Err(Failure::Refused(error)) => Err(error),
    }
}

impl Claim {
    /// Says that somebody is at work. `OperationAborted`: somebody has taken over.
    pub(super) async fn beat(&mut self) -> Result<(), Error> {
        let pinned = Conditions::if_match(self.etag.clone());
        match self.store.set_metadata(&self.path, &self.options.metadata, &pinned).await {
            Ok(written) => self.etag = written.etag,
            Err(error) if error.kind() == Kind::ConditionNotMet => {
                return Err(Error::new(Code::OperationAborted).caused_by(error));
            }
            // The next one may succeed; there is time.
            Err(cause) => tracing::warn!(%cause, "an outcome could not be touched"),
        }
        Ok(())
    }

    /// Gives it back: the upload is open as before.
    pub(in crate::ops) async fn release(self) {
        let conditions = Conditions::if_match(self.etag);
        let options = DeleteOptions { conditions, ..DeleteOptions::default() };
        if let Err(cause) = self.store.delete(&self.path, &options).await {
            tracing::warn!(%cause, "an outcome could not be given back; it goes stale");
        }
    }
}

/// What has become of an upload that somebody ends or has ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// It is an object, and this is what a Complete answers.
    Completed(Outcome),
    /// It is gone.
    Gone,
    /// Nobody ends it: it is open.
    Open,
    /// Somebody began to, and is gone.
    Abandoned(AzureETag),
    /// Somebody is at work still.
    Busy,
}

/// Waits until an upload has ended, but only for so long.
pub(super) async fn wait(
    gateway: &Gateway,
    upload: &Upload,
    patience: Duration,
) -> Result<Ended, Error> {
    let (mut pause, most) = LOOKS;
    let mut left = patience;
    loop {
        let ended = look(upload).await?;
        match &ended {
            Ended::Busy if !left.is_zero() => {}
            Ended::Completed(_) | Ended::Gone => {
                upload.forget(gateway).await;
                return Ok(ended);
            }
            Ended::Open | Ended::Abandoned(_) | Ended::Busy => return Ok(ended),
        }
        let now = pause.min(left);
        tokio::time::sleep(now).await;
        left = left.saturating_sub(now);
        pause = most.min(pause * 2);
    }
}

async fn look(upload: &Upload) -> Result<Ended, Error> {
    let always = Conditions::default();
    let found = match upload.store().properties(&upload.outcome(), &always).await {
        Ok(found) => found,
        Err(error) if is_absent(&error) => {
            return Ok(if is_open(upload).await? { Ended::Open } else { Ended::Gone });
        }
        Err(error) => return Err(errors::on_service(error)),
    };
    let outcome = Outcome::read(&found).ok_or_else(unreadable)?;
    if !outcome.is_of(&upload.key) || outcome.end == End::Aborted {
        return Ok(Ended::Gone);
    }
    if !is_open(upload).await? {
        return Ok(Ended::Completed(outcome));
    }
    // Its object may be there, and only the tidying up be missing.
    if is_written(upload, &outcome).await? {
        finish(upload, &all_parts(upload).await?).await;
        return Ok(Ended::Completed(outcome));
    }
    let stale = now() - found.last_modified > STALE;
    Ok(if stale { Ended::Abandoned(found.etag) } else { Ended::Busy })
}

async fn is_open(upload: &Upload) -> Result<bool, Error> {
    let path = upload.path(upload.record_name());
    match upload.store().properties(&path, &Conditions::default()).await {
        Ok(_) => Ok(true),
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(errors::on_service(error)),
    }
}

/// Is the object of the key the one that this Complete makes?
async fn is_written(upload: &Upload, outcome: &Outcome) -> Result<bool, Error> {
    let path = upload.bucket.path(&upload.key);
    match upload.store().properties(&path, &Conditions::default()).await {
        Ok(now) => Ok(ObjectFacts::read(&now).commit.as_ref() == Some(&outcome.commit)),
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(errors::on_bucket(error, upload.bucket.name())),
    }
}

/// The names of all parts.
pub(super) async fn all_parts(upload: &Upload) -> Result<Vec<BlobName>, Error> {
    let parts = super::found::all(upload).await?;
    Ok(parts.iter().map(|part| upload.files.part(&upload.id, part.number)).collect())
}

/// Ends an upload whose outcome is made: the record goes, and the parts with it. What stays behind
/// belongs to no upload and is swept up later.
pub(super) async fn finish(upload: &Upload, parts: &[BlobName]) {
    let mut names = vec![upload.record_name()];
    names.extend_from_slice(parts);
    let batches = upload.bucket.account().capabilities().await.delete_batch;
    let (store, container) = (upload.store(), &upload.bucket.account().system);
    if let Err(cause) = delete_all(store, container, names, batches).await {
        tracing::warn!(%cause, upload = upload.id.as_str(), "parts stay behind");
    }
}

/// Deletes blobs of one container; those that are not there are deleted. The first failure is told, and
/// keeps none of the others from being tried.
pub(super) async fn delete_all(
    store: &BlobStore,
    container: &ContainerName,
    names: Vec<BlobName>,
    batches: bool,
) -> Result<(), BlobError> {
    let mut outcome = Ok(());
    if batches && names.len() > 1 {
        for names in names.chunks(BlobStore::BATCH_MAX) {
            let deletions: Vec<_> =
                names.iter().map(|name| deletion(name.clone(), Snapshots::Refuse)).collect();
            let deleted = delete_together(store, container, &deletions).await;
            let deleted = deleted.and_then(|all| all.into_iter().collect());
            outcome = outcome.and(deleted);
        }
        return outcome;
    }
    let mut tasks = JoinSet::new();
    for blob in names {
        if tasks.len() == DELETIONS_AT_ONCE
            && let Some(Ok(deleted)) = tasks.join_next().await
        {
            outcome = outcome.and(deleted);
        }
        let (store, path) = (store.clone(), BlobPath::new(container.clone(), blob));
        tasks.spawn(async move { delete_alone(&store, &path, Snapshots::Refuse).await });
    }
    while let Some(deleted) = tasks.join_next().await {
        outcome = outcome.and(deleted.unwrap_or(Ok(())));
    }
    outcome
}
