//! The source of a server-side copy, and what lets Azure read it.

use super::error::BlobError;
use super::names::{AzureETag, BlobPath};
use super::store::BlobStore;

/// A blob, or a snapshot of one, that Azure is to copy from. The store that it came from authorises it,
/// at the time of the copy.
#[derive(Clone, Debug)]
pub struct Source {
    pub(super) store: BlobStore,
    pub(super) path: BlobPath,
    pub(super) snapshot: Option<String>,
    pub(super) if_match: Option<AzureETag>,
}

impl Source {
    /// The same, but only while it has this ETag.
    #[must_use]
    pub fn if_match(mut self, etag: AzureETag) -> Self {
        self.if_match = Some(etag);
        self
    }
}

impl BlobStore {
    /// The blob at `path` as the source of a copy, here or in another account.
    pub fn source(&self, path: &BlobPath, snapshot: Option<&str>) -> Result<Source, BlobError> {
        let _ = self;
        Ok(Source {
            store: self.clone(),
            path: path.clone(),
            snapshot: snapshot.map(str::to_owned),
            if_match: None,
        })
    }
}
