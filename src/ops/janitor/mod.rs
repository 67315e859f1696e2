//! The janitor: removes what uploads left behind, in every account, by one gateway at a time.
//!
//! Who works holds the lease of one blob in the system container, and stops at once when it is lost. The
//! blob's metadata says how far the work has come, so that whoever takes over goes on there, and when it
//! was done last, so that not every gateway does it again. Ages are judged by Azure's clock, which is the
//! one of every Last-Modified.
//!
//! What it removes:
//! - uploads that were created, and last got a part, longer ago than the configuration says;
//! - parts of no upload (one that was written behind an abort);
//! - outcomes that are older than a client's last retry;
//! - records of long ACLs and tags that no object names;
//! - all that was filed for a bucket that is no more.

mod annexes;
pub(super) mod lease;
pub(super) mod sweep;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::azure::BlobError;
use crate::ops::Gateway;
use crate::ops::accounts::Account;
use crate::ops::janitor::lease::Turn;
use crate::ops::janitor::sweep::Sweep;
use crate::s3::Error;

/// The blob whose lease says who works.
const BLOB: &str = "janitor";
/// Requests to Azure in a second at most: the work is never urgent.
const REQUESTS_PER_SECOND: u32 = 20;

/// What was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// Uploads that nobody went on with.
    Upload,
    /// Blobs of no upload, or of no bucket.
    Stray,
    /// Outcomes that nobody asks for any more.
    Outcome,
}

/// How a sweep of an account ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swept {
    /// All of it was looked at.
    Done,
    /// Another gateway does it, or has just done it.
    Elsewhere,
    /// Azure failed, or the lease was lost; the next sweep goes on from there.
    Failed,
}

/// Told of what is done, for metrics.
pub trait Observer: fmt::Debug + Send + Sync {
    /// So many were removed.
    fn removed(&self, what: Removed, count: u64);
    /// An account was swept.
    fn swept(&self, how: Swept);
}

/// When what is to go.
#[derive(Clone, Copy, Debug)]
pub struct Ages {
    /// An upload that nobody goes on with.
    pub abandoned_after: Duration,
    /// How long lies between two sweeps.
    pub every: Duration,
}

/// Sweeps all accounts again and again, until it is dropped. The first sweep comes after a part of the
/// time between two, another part in each gateway.
pub async fn run(gateway: Arc<Gateway>, ages: impl Fn() -> Ages, observer: Arc<dyn Observer>) {
    tokio::time::sleep(ages().every.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
    loop {
        for account in gateway.accounts().all() {
            let how = match sweep(account, ages(), &*observer).await {
                Ok(how) => how,
                Err(cause) => {
                    tracing::warn!(account = account.name, %cause, "a sweep ended early");
                    Swept::Failed
                }
            };
            observer.swept(how);
        }
        tokio::time::sleep(ages().every).await;
    }
}

/// Why a sweep ended early.
#[derive(Debug)]
pub(super) enum Fault {
    /// Azure failed.
    Azure(BlobError),
    /// What it made of it.
    Refused(Error),
    /// Another release has written what this one cannot read, and may have filed what it cannot see.
    Unreadable,
    /// The lease could not be renewed in time.
    Late,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Azure(error) => error.fmt(out),
            Self::Refused(error) => error.fmt(out),
            Self::Unreadable => out.write_str("a bucket is of a form that is not known"),
            Self::Late => out.write_str("the lease could not be renewed in time"),
        }
    }
}

impl From<BlobError> for Fault {
    fn from(error: BlobError) -> Self {
        Self::Azure(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// Sweeps one account, if it is our turn.
async fn sweep(account: &Account, ages: Ages, observer: &dyn Observer) -> Result<Swept, Fault> {
    let held = match lease::take(account, BLOB, ages.every).await? {
        Turn::Ours(held) => held,
        Turn::Theirs => return Ok(Swept::Elsewhere),
    };
    let mut pace = tokio::time::interval(Duration::from_secs(1) / REQUESTS_PER_SECOND);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sweep = Sweep { account, held: &held, ages, observer, pace };
    // Whichever comes first: without its lease the work is dropped where it stands.
    let ended = tokio::select! {
        ended = sweep.all() => ended.map(|()| Swept::Done),
        lost = held.keep() => Err(lost),
    };
    match ended {
        Ok(how) => {
            held.done().await?;
            Ok(how)
        }
        Err(cause) => {
            held.release().await;
            Err(cause)
        }
    }
}
