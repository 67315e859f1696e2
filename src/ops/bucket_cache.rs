//! The facts of buckets, believed for a short time.
//!
//! Many requests for one bucket ask Azure once. Correct when cold: what is not here is asked for; a
//! request that finds its bucket gone or changed says so, and what was believed is dropped.

use std::hash::Hash;
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

/// For how long a bucket that is not there is not asked for again by people without credentials.
const ABSENT_TTL: Duration = Duration::from_secs(1);

/// The facts of buckets.
#[derive(Debug)]
pub struct BucketCache {
    known: Cache<Key, Arc<Known>>,
    absent: Cache<Key, ()>,
    ttl: Duration,
}

impl BucketCache {
    /// Believes for `ttl`.
    pub fn new(ttl: Duration) -> Self {
        let known = Cache::builder().max_capacity(BUCKETS_MAX).time_to_live(ttl).build();
        let absent = Cache::builder().max_capacity(BUCKETS_MAX);
        let absent = absent.time_to_live(ttl.min(ABSENT_TTL)).build();
        Self { known, absent, ttl }
    }

    /// How long facts are believed.
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// What is known of the container at `location`, asked for if need be.
    pub async fn get(&self, location: &Location) -> Result<Arc<Known>, Arc<Fault>> {
        known_or_loaded(&self.known, key(location), || load(location)).await
    }

    /// The same for somebody whom nobody knows: that a bucket is not there is believed as well, so
    /// that strangers who guess at names cost no request each.
    pub async fn get_for_anybody(&self, location: &Location) -> Result<Arc<Known>, Arc<Fault>> {
        let key = key(location);
        if self.absent.contains_key(&key) {
            return Err(Arc::new(Fault::Absent));
        }
        let found = self.get(location).await;
        if found.as_ref().is_err_and(|fault| matches!(**fault, Fault::Absent)) {
            self.absent.insert(key, ()).await;
        }
        found
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
        self.absent.invalidate(&key(location)).await;
    }
}

/// What a cache has under `key`, loaded if need be; by one request, however many want it.
pub(in crate::ops) async fn known_or_loaded<K, V, F>(
    cache: &Cache<K, Arc<V>>,
    key: K,
    load: impl FnOnce() -> F,
) -> Result<Arc<V>, Arc<Fault>>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    F: Future<Output = Result<V, Fault>>,
{
    if let Some(known) = cache.get(&key).await {
        return Ok(known);
    }
    // On the heap: what loads it is larger than all else that a request is made of.
    Box::pin(cache.try_get_with(key, async { load().await.map(Arc::new) })).await
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
