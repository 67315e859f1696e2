//! The documents of buckets, believed for a short time.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use tokio::sync::{Mutex, MutexGuard};

use crate::azure::{BlobPath, BlobStore, Kind, ReadOptions};
use crate::mapping::documents::{RECORD_BYTES_MAX, Sheet};
use crate::ops::bucket_cache::{Fault, known_or_loaded};
use crate::ops::documents::Documents;
use crate::ops::open::Bucket;
use crate::s3::{Code, Error};

/// How much memory documents may take, in bytes.
const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// So many records are changed at once by this replica.
const TURNS: usize = 64;
/// How long a change waits for those before it.
const TURN_WAIT: Duration = Duration::from_secs(30);

/// Account and record.
type Key = (String, BlobPath);

/// The documents of buckets.
#[derive(Debug)]
pub(in crate::ops) struct DocumentCache {
    known: Cache<Key, Arc<Documents>>,
    /// Changes of one record by this replica go one after the other, so that of many that come at
    /// once each is done at its first try. By a hash of the record.
    turns: Vec<Mutex<()>>,
}

impl DocumentCache {
    /// Believes for `ttl`.
    pub(in crate::ops) fn new(ttl: Duration) -> Self {
        let known = Cache::builder()
            .weigher(|_: &Key, documents: &Arc<Documents>| documents.weight())
            .max_capacity(BYTES_MAX)
            .time_to_live(ttl)
            .build();
        Self { known, turns: (0..TURNS).map(|_| Mutex::new(())).collect() }
    }

    /// The documents of a record, asked for if need be; by one request, however many want them.
    pub(in crate::ops) async fn get(
        &self,
        account: &str,
        store: &BlobStore,
        record: &BlobPath,
    ) -> Result<Arc<Documents>, Arc<Fault>> {
        let key = (account.to_owned(), record.clone());
        known_or_loaded(&self.known, key, || load(store, record)).await
    }

    /// Believes what has just been read or written.
    pub(super) async fn keep(&self, bucket: &Bucket, record: &BlobPath, now: Arc<Documents>) {
        self.known.insert((bucket.account().name.clone(), record.clone()), now).await;
    }

    /// A turn to change a record.
    pub(super) async fn turn(&self, record: &BlobPath) -> Result<MutexGuard<'_, ()>, Error> {
        let busy = || Error::new(Code::SlowDown).caused_by("many changes of the bucket wait");
        let hash = record
            .blob
            .as_str()
            .bytes()
            .fold(0_usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(usize::from(byte)));
        let turn = self.turns.get(hash % TURNS).ok_or_else(busy)?;
        tokio::time::timeout(TURN_WAIT, turn.lock()).await.map_err(|_elapsed| busy())
    }
}

/// What the record says now.
pub(in crate::ops) async fn load(store: &BlobStore, record: &BlobPath) -> Result<Documents, Fault> {
    let found = store.read(record, &ReadOptions::default()).await;
    let found = match found {
        Ok(found) => found,
        Err(error) if matches!(error.kind(), Kind::NoSuchBlob | Kind::NoSuchContainer) => {
            return Ok(Documents::default());
        }
        Err(error) => return Err(Fault::Azure(error)),
    };
    let etag = found.properties.etag.clone();
    let bytes = found.body.collect(RECORD_BYTES_MAX).await.map_err(Fault::Azure)?;
    let sheet =
        Sheet::read(&bytes).map_err(|unreadable| Fault::Unreadable(unreadable.to_string()))?;
    Ok(Documents::new(etag, sheet))
}
