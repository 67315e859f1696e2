//! The records of uploads, believed for seconds: what a Create said does not change, but an upload
//! may end elsewhere meanwhile.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use crate::azure::BlobName;
use crate::mapping::uploads::Record;

/// How much memory records may take, in bytes.
const BYTES_MAX: u64 = 32 * 1024 * 1024;
/// How long an upload that has ended elsewhere may still be taken to be open.
const TTL_MAX: Duration = Duration::from_secs(10);

type Key = (String, BlobName);

/// The records of uploads that are open.
#[derive(Debug)]
pub(in crate::ops) struct UploadCache {
    records: Cache<Key, Arc<Record>>,
}

impl UploadCache {
    /// Believes for `ttl`, but for seconds only.
    pub(in crate::ops) fn new(ttl: Duration) -> Self {
        let weight =
            |_: &Key, record: &Arc<Record>| u32::try_from(record.weight()).unwrap_or(u32::MAX);
        let records = Cache::builder()
            .weigher(weight)
            .max_capacity(BYTES_MAX)
            .time_to_live(ttl.min(TTL_MAX))
            .build();
        Self { records }
    }

    /// The record of that name in that account.
    pub(in crate::ops) async fn get(&self, account: &str, name: &BlobName) -> Option<Arc<Record>> {
        self.records.get(&(account.to_owned(), name.clone())).await
    }

    /// Believes a record that was read or written.
    pub(in crate::ops) async fn keep(&self, account: &str, name: &BlobName, record: Arc<Record>) {
        self.records.insert((account.to_owned(), name.clone()), record).await;
    }

    /// Drops all that is believed.
    pub(in crate::ops) fn clear(&self) {
        self.records.invalidate_all();
    }

    /// Drops what is believed.
    pub(in crate::ops) async fn forget(&self, account: &str, name: &BlobName) {
        self.records.invalidate(&(account.to_owned(), name.clone())).await;
    }
}
