//! The listing of a container's blobs: one page, in Azure's order.

use http::Method;

use super::call::{Call, Effect};
use super::error::BlobError;
use super::names::ContainerName;
use super::page::ListingPage;
use super::properties::Properties;
use super::store::BlobStore;

/// Which blobs are listed.
#[derive(Clone, Debug, Default)]
pub struct ListBlobs {
    /// Those whose names begin so.
    pub prefix: Option<String>,
    /// Names are rolled up at this text after the prefix.
    pub delimiter: Option<String>,
    /// From this name on, itself included. Not together with a marker.
    pub start_from: Option<String>,
    /// Where the page before ended, as Azure said it.
    pub marker: Option<String>,
    /// At most so many entries, blobs and prefixes; Azure's 5,000 when 0.
    pub max_results: u32,
    /// What comes along.
    pub include: Include,
}

/// What comes along in a listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one word of one query parameter")]
pub struct Include {
    /// Metadata of the blobs.
    pub metadata: bool,
    /// Snapshots; not with a delimiter.
    pub snapshots: bool,
    /// Names that have staged blocks only.
    pub uncommitted: bool,
    /// Blobs that were deleted and are kept a while.
    pub deleted: bool,
}

impl Include {
    fn text(self) -> Option<String> {
        let words = [
            (self.snapshots, "snapshots"),
            (self.metadata, "metadata"),
            (self.uncommitted, "uncommittedblobs"),
            (self.deleted, "deleted"),
        ];
        let words: Vec<&str> = words.iter().filter(|row| row.0).map(|row| row.1).collect();
        (!words.is_empty()).then(|| words.join(","))
    }
}

/// A page of a container's blobs. It may be short or empty and still have a next one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlobPage {
    /// In Azure's order: blobs and prefixes together, by UTF-16 code units.
    pub entries: Vec<ListEntry>,
    /// Where the next page begins, if there is one.
    pub next_marker: Option<String>,
}

/// A line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListEntry {
    /// A blob, or a snapshot of one.
    Blob(Box<BlobEntry>),
    /// Names that begin so, the delimiter included.
    Prefix(String),
}

impl ListEntry {
    /// The name or the prefix.
    pub fn name(&self) -> &str {
        match self {
            Self::Blob(blob) => &blob.name,
            Self::Prefix(prefix) => prefix,
        }
    }
}

/// A blob in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobEntry {
    /// Its name.
    pub name: String,
    /// Which snapshot this is; none for the blob itself.
    pub snapshot: Option<String>,
    /// It has been deleted and is kept a while.
    pub deleted: bool,
    /// It has staged blocks only, and can be neither read nor looked at.
    pub uncommitted: bool,
    /// What Azure says of it.
    pub properties: Properties,
}

impl BlobStore {
    /// One page of the blobs in `container`.
    pub async fn list_blobs(
        &self,
        container: &ContainerName,
        which: &ListBlobs,
    ) -> Result<BlobPage, BlobError> {
        self.list_page(container, which).await?.entries()
    }

    /// The same as it came, for those who keep little of it.
    pub async fn list_page(
        &self,
        container: &ContainerName,
        which: &ListBlobs,
    ) -> Result<ListingPage, BlobError> {
        let mut call = Call::on_container("ListBlobs", Method::GET, container, Effect::None);
        call.query("comp", "list");
        call.query_some("prefix", which.prefix.as_deref());
        call.query_some("delimiter", which.delimiter.as_deref());
        call.query_some("startFrom", which.start_from.as_deref());
        call.query_some("marker", which.marker.as_deref());
        if which.max_results > 0 {
            call.query("maxresults", which.max_results.to_string());
        }
        call.query_some("include", which.include.text().as_deref());
        Ok(ListingPage::new(self.document(call).await?.into_body()))
    }
}
