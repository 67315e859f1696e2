//! The worker that runs what the lifecycles of buckets say: objects go or move to a colder tier, and
//! uploads are given up.
//!
//! One gateway at a time works on an account, by the lease of a blob in its system container, as the
//! janitor does. The blob's metadata says which bucket is being worked on, so that whoever takes over
//! goes on there. Nothing is remembered of single objects: what is due is judged anew by each listing,
//! and each object goes by the ETag that it was listed with, so that one written since stays.

mod walk;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior};

use crate::azure::{ContainerEntry, ListContainers};
use crate::mapping::bucket_facts::{BucketFacts, BucketId};
use crate::mapping::documents::record_name;
use crate::mapping::names::{KeySpace, bucket_of};
use crate::mapping::uploads::Files;
use crate::ops::Gateway;
use crate::ops::accounts::Account;
use crate::ops::bucket_cache::Fault as Unknown;
use crate::ops::documents::load;
use crate::ops::janitor::lease::{self, Held, Turn};
use crate::ops::janitor::sweep::Sweep;
use crate::ops::janitor::{self, Ages, Fault, Removed, Swept};
use crate::s3::lifecycle::{Day, Lifecycle};

/// The blob whose lease says who works.
const BLOB: &str = "lifecycle";
/// Requests to Azure in a second at most: the work is never urgent.
const REQUESTS_PER_SECOND: u32 = 100;
/// How often in a day it is looked what is due.
const TIMES_A_DAY: u32 = 24;
/// Where days are short, it is not looked more often than that.
const EVERY_MIN: Duration = Duration::from_millis(500);

/// What was done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// It went.
    Expired,
    /// It moved to a colder tier.
    Moved,
    /// An upload was given up.
    GivenUp,
}

/// Told of what is done, for metrics.
pub trait Observer: fmt::Debug + Send + Sync {
    /// So many were done.
    fn done(&self, what: Done, count: u64);
    /// An account was worked on.
    fn worked(&self, how: Swept);
}

/// How long lies between two looks at what is due.
fn every(day: Day) -> Duration {
    (day.length().unsigned_abs() / TIMES_A_DAY).max(EVERY_MIN)
}

/// Works on all accounts again and again, until it is dropped.
pub async fn run(gateway: Arc<Gateway>, observer: Arc<dyn Observer>) {
    let every = every(gateway.settings().day);
    loop {
        tokio::time::sleep(every.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        for account in gateway.accounts().all() {
            let how = match work(&gateway, account, every, &*observer).await {
                Ok(how) => how,
                Err(cause) => {
                    tracing::warn!(account = account.name, %cause, "a lifecycle ended early");
                    Swept::Failed
                }
            };
            observer.worked(how);
        }
    }
}

/// Works on one account, if it is our turn.
async fn work(
    gateway: &Gateway,
    account: &Account,
    every: Duration,
    observer: &dyn Observer,
) -> Result<Swept, Fault> {
    let held = match lease::take(account, BLOB, every).await? {
        Turn::Ours(held) => held,
        Turn::Theirs => return Ok(Swept::Elsewhere),
    };
    let mut pace = tokio::time::interval(Duration::from_secs(1) / REQUESTS_PER_SECOND);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut worker =
        Worker { gateway, account, held: &held, observer, pace, day: gateway.settings().day };
    // Whichever comes first: without its lease the work is dropped where it stands.
    let ended = tokio::select! {
        ended = worker.all() => ended,
        lost = held.keep() => Err(lost),
    };
    match ended {
        Ok(()) => {
            held.done().await?;
            Ok(Swept::Done)
        }
        Err(cause) => {
            held.release().await;
            Err(cause)
        }
    }
}

/// One gateway at work on one account.
struct Worker<'a> {
    gateway: &'a Gateway,
    account: &'a Account,
    held: &'a Held,
    observer: &'a dyn Observer,
    pace: Interval,
    day: Day,
}

/// A bucket whose rules are run.
struct Subject {
    container: crate::azure::ContainerName,
    id: BucketId,
    space: KeySpace,
    has_reserved_keys: bool,
    lifecycle: Arc<Lifecycle>,
}

impl Worker<'_> {
    /// All buckets with rules, from the one where the last worker stopped.
    async fn all(&mut self) -> Result<(), Fault> {
        let from = self.held.from.clone();
        let mut which = ListContainers { include_metadata: true, ..ListContainers::default() };
        loop {
            self.pace.tick().await;
            let page = self.account.store.list_containers(&which).await?;
            let behind = |name: &str| from.as_deref().is_none_or(|from| name >= from);
            for container in page.containers.iter().filter(|one| behind(one.name.as_str())) {
                self.container(container).await?;
            }
            which.marker = page.next_marker;
            if which.marker.is_none() {
                return Ok(());
            }
        }
    }

    async fn container(&mut self, container: &ContainerEntry) -> Result<(), Fault> {
        // What a newer release wrote is left to it.
        let Ok(Some(facts)) = BucketFacts::read(&container.metadata) else { return Ok(()) };
        if !facts.has_documents || container.name == self.account.system {
            return Ok(());
        }
        let bucket = bucket_of(&container.name, &container.metadata);
        let accounts = self.gateway.accounts();
        for space in accounts.spaces(self.account, bucket.as_ref(), &container.name) {
            let Some(lifecycle) = self.lifecycle(&facts.id, &space).await? else { continue };
            self.held.mark(container.name.as_str()).await?;
            let subject = Subject {
                container: container.name.clone(),
                id: facts.id.clone(),
                space,
                has_reserved_keys: facts.has_reserved_keys,
                lifecycle,
            };
            self.bucket(&subject).await?;
        }
        Ok(())
    }

    /// The rules as they are now, not as some cache has them: what they let go is gone.
    async fn lifecycle(
        &mut self,
        id: &BucketId,
        space: &KeySpace,
    ) -> Result<Option<Arc<Lifecycle>>, Fault> {
        self.pace.tick().await;
        let name = record_name(id, space.prefix());
        let record = crate::azure::BlobPath::new(self.account.system.clone(), name);
        let documents = load(&self.account.store, &record).await.map_err(|fault| match fault {
            Unknown::Azure(error) => Fault::Azure(error),
            Unknown::Absent | Unknown::Unreadable(_) => Fault::Unreadable,
        })?;
        Ok(documents.get::<Lifecycle>()?)
    }

    async fn bucket(&mut self, subject: &Subject) -> Result<(), Fault> {
        if subject.lifecycle.acts_on_objects() {
            self.objects(subject).await?;
        }
        if subject.lifecycle.acts_on_uploads() {
            self.uploads(subject).await?;
        }
        Ok(())
    }

    /// Uploads end as the janitor ends those that nobody goes on with.
    async fn uploads(&mut self, subject: &Subject) -> Result<(), Fault> {
        let files = Files::new(&subject.id, subject.space.prefix());
        let (now, day, lifecycle) = (self.held.now(), self.day, &subject.lifecycle);
        let mut pace = tokio::time::interval(self.pace.period());
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ended = Uploads(self.observer);
        let mut sweep = Sweep {
            account: self.account,
            held: self.held,
            // Not when the last part came counts, but when the upload began.
            ages: Ages { abandoned_after: Duration::ZERO, every: Duration::ZERO },
            observer: &ended,
            pace,
        };
        sweep
            .end_uploads(&files, |key, began| {
                lifecycle.upload_ends(key, began, day).is_some_and(|(moment, _)| moment <= now)
            })
            .await
    }
}

/// Passes on that uploads were ended.
#[derive(Debug)]
struct Uploads<'a>(&'a dyn Observer);

impl janitor::Observer for Uploads<'_> {
    fn removed(&self, what: Removed, count: u64) {
        if what == Removed::Upload {
            self.0.done(Done::GivenUp, count);
        }
    }

    fn swept(&self, _how: Swept) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_looked_once_an_hour() {
        assert_eq!(every(Day::default()), Duration::from_hours(1));
        assert_eq!(every(Day::of_seconds(1)), EVERY_MIN);
    }
}
