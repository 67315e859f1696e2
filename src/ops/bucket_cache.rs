//! The facts of buckets, believed for a short time.
//!
//! Many requests for one bucket ask Azure once. Correct when cold: what is not here is asked for; a
//! request that finds its bucket gone or changed says so, and what was believed is dropped.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use crate::azure::{BlobError, ContainerName, Kind};
use crate::mapping::bucket_facts::BucketFacts;
use crate::mapping::errors;
use crate::ops::accounts::Location;
use crate::s3::{Code, Error};

/// How many buckets are remembered.
const BUCKETS_MAX: u64 = 10_000;

type Key = (String, ContainerName);

/// What is known of a container that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What its metadata says; none if no gateway has written there.
    pub facts: Option<BucketFacts>,
    /// The last change of its metadata.
    pub last_modified: time::OffsetDateTime,
}

/// The facts of buckets.
#[derive(Debug)]
pub struct BucketCache {
    known: Cache<Key, Arc<Known>>,
    ttl: Duration,
}

impl BucketCache {
    /// Believes for `ttl`.
    pub fn new(ttl: Duration) -> Self {
        Self { known: Cache::builder().max_capacity(BUCKETS_MAX).time_to_live(ttl).build(), ttl }
    }

    /// How long facts are believed.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// What is known of the container at `location`, asked for if need be.
    pub async fn get(&self, location: &Location) -> Result<Arc<Known>, Arc<Fault>> {
        self.known.try_get_with(key(location), async { load(location).await.map(Arc::new) }).await
    }

    /// The same, asked for now.
    pub async fn fresh(&self, location: &Location) -> Result<Arc<Known>, Arc<Fault>> {
        self.forget(location).await;
        self.get(location).await
    }

    /// Drops all that is believed.
    pub fn clear(&self) {
        self.known.invalidate_all();
    }

    /// Drops what is believed.
    pub async fn forget(&self, location: &Location) {
        self.known.invalidate(&key(location)).await;
    }
}

fn key(location: &Location) -> Key {
    (location.account.name.clone(), location.container.clone())
}

/// Why the facts cannot be had; one answer for all who wait for it.
#[derive(Debug)]
pub enum Fault {
    /// The container is not there.
    Absent,
    /// Azure does not say.
    Azure(BlobError),
    /// A newer release wrote them.
    Unreadable(String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Absent => out.write_str("the container is not there"),
            Self::Azure(error) => error.fmt(out),
            Self::Unreadable(text) => out.write_str(text),
        }
    }
}

impl std::error::Error for Fault {}

impl Fault {
    /// What a client is told, who asked for a bucket.
    pub fn answer(self: Arc<Self>) -> Error {
        let error = match &*self {
            Self::Absent => Error::new(Code::NoSuchBucket),
            Self::Azure(error) => errors::later(error),
            Self::Unreadable(_) => Error::new(Code::InternalError),
        };
        error.caused_by(self)
    }
}

async fn load(location: &Location) -> Result<Known, Fault> {
    let found = location.account.store.container(&location.container).await;
    let properties = found.map_err(|error| {
        let gone = matches!(error.kind(), Kind::NoSuchContainer | Kind::ContainerBeingDeleted);
        if gone { Fault::Absent } else { Fault::Azure(error) }
    })?;
    let facts = BucketFacts::read(&properties.metadata)
        .map_err(|unreadable| Fault::Unreadable(unreadable.to_string()))?;
    Ok(Known { facts, last_modified: properties.last_modified })
}
