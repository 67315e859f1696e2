//! Whose turn it is: the lease of one blob, and what stands in its metadata.

use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::azure::{
    BlobError, BlobLease, BlobName, BlobPath, BlobStore, Conditions, Content, Guard, Kind,
    Metadata, PutOptions,
};
use crate::ops::accounts::Account;
use crate::ops::janitor::Fault;

/// How long a lease lasts that nobody renews, in seconds: Azure's longest.
const LEASE_SECONDS: u32 = 60;
/// How often it is renewed: two renewals may fail before it is lost.
const RENEW_EVERY: Duration = Duration::from_secs(15);
/// Where the work stands: the names of this bucket's blobs are being looked at.
const AT: &str = "bluebucketat";
/// When it was done last.
const DONE: &str = "bluebucketdone";

/// Is it our turn?
pub(in crate::ops) enum Turn {
    /// Until the lease is lost.
    Ours(Held),
    /// No.
    Theirs,
}

/// The lease is ours.
pub(in crate::ops) struct Held {
    store: BlobStore,
    path: BlobPath,
    lease: BlobLease,
    /// Where somebody stopped.
    pub(in crate::ops) from: Option<String>,
}

/// Takes the lease of `blob` in the system container, if nobody has it and `every` has passed since
/// the work was done last.
pub(in crate::ops) async fn take(
    account: &Account,
    blob: &'static str,
    every: Duration,
) -> Result<Turn, BlobError> {
    let store = account.store.clone();
    let path = BlobPath::new(account.system.clone(), BlobName::new(blob));
    let lease = match acquire(&store, &path).await {
        Ok(lease) => lease,
        // Another one has it; or there has never been anything to sweep.
        Err(error) if matches!(error.kind(), Kind::LeaseConflict | Kind::NoSuchContainer) => {
            return Ok(Turn::Theirs);
        }
        Err(error) => return Err(error),
    };
    let mut held = Held { store, path, lease, from: None };
    let now = held.store.properties(&held.path, &Conditions::default()).await?;
    held.from = now.metadata.get(AT).cloned();
    let done = now.metadata.get(DONE).and_then(|at| OffsetDateTime::parse(at, &Rfc3339).ok());
    if held.from.is_none() && done.is_some_and(|done| held.now() - done < every) {
        held.release().await;
        return Ok(Turn::Theirs);
    }
    Ok(Turn::Ours(held))
}

async fn acquire(store: &BlobStore, path: &BlobPath) -> Result<BlobLease, BlobError> {
    match store.lease_blob(path, LEASE_SECONDS).await {
        Err(error) if error.kind() == Kind::NoSuchBlob => {}
        other => return other,
    }
    let empty = Content::empty();
    let options = PutOptions { conditions: Conditions::if_absent(), ..PutOptions::default() };
    match store.put_blob(path, &empty, Guard::Crc64(empty.crc64()), &options).await {
        Ok(_) => {}
        // Another gateway was as fast.
        Err(error) if matches!(error.kind(), Kind::BlobExists | Kind::ConditionNotMet) => {}
        Err(error) => return Err(error),
    }
    store.lease_blob(path, LEASE_SECONDS).await
}

impl Held {
    /// What time it was at Azure when the lease was given. Nothing looks older by it than it is.
    pub(in crate::ops) fn now(&self) -> OffsetDateTime {
        self.lease.at
    }

    /// Renews the lease for as long as that can be done; why it is lost.
    pub(in crate::ops) async fn keep(&self) -> Fault {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            // In good time before it runs out, not when an answer says that it has.
            let renewed = tokio::time::timeout(RENEWED_WITHIN, self.renew()).await;
            match renewed {
                Ok(Ok(())) => {}
                Ok(Err(lost)) => return lost.into(),
                Err(_elapsed) => return Fault::Late,
            }
        }
    }

    /// Renews it, until that is done, or is known not to be possible.
    async fn renew(&self) -> Result<(), BlobError> {
        while let Err(error) = self.store.renew_blob(&self.path, &self.lease.id).await {
            if error.kind() == Kind::LeaseConflict {
                return Err(error);
            }
            tracing::warn!(cause = %error, "the janitor's lease was not renewed");
            tokio::time::sleep(RENEW_PAUSE).await;
        }
        Ok(())
    }

    /// Says how far the work has come.
    pub(in crate::ops) async fn mark(&self, at: &str) -> Result<(), BlobError> {
        let metadata = Metadata::from([(AT.to_owned(), at.to_owned())]);
        self.store.set_metadata_of_leased(&self.path, &self.lease.id, &metadata).await
    }

    /// All is looked at: the next who come leave it alone for a while.
    pub(in crate::ops) async fn done(self) -> Result<(), BlobError> {
        let at = self.now().format(&Rfc3339).unwrap_or_default();
        let metadata = Metadata::from([(DONE.to_owned(), at)]);
        self.store.set_metadata_of_leased(&self.path, &self.lease.id, &metadata).await?;
        self.release().await;
        Ok(())
    }

    /// Gives the lease back; where that fails, it runs out.
    pub(in crate::ops) async fn release(self) {
        if let Err(cause) = self.store.release_blob(&self.path, &self.lease.id).await {
            tracing::debug!(%cause, "the janitor's lease runs out by itself");
        }
    }
}

/// Between two attempts to renew.
const RENEW_PAUSE: Duration = Duration::from_secs(1);
/// How long a renewal may take: what [`RENEW_EVERY`] leaves of the lease, less ten seconds, so that we
/// take it to be lost before Azure gives it to another.
const RENEWED_WITHIN: Duration = Duration::from_secs(35);
