//! Records of long ACLs and tags that nothing names: their object was replaced, changed or deleted, or
//! never written.

use std::collections::HashSet;
use std::time::Duration;

use crate::azure::{BlobEntry, BlobName, BlobPath, Conditions, ContainerName, Kind};
use crate::mapping::annex;
use crate::mapping::commit_id::CommitId;
use crate::mapping::metadata;
use crate::mapping::uploads::Files;
use crate::ops::janitor::sweep::{Pages, Sweep, blobs, deletion};
use crate::ops::janitor::{Fault, Removed};

/// A record is written before its object, whose body may come slowly; an object is made of blocks, which
/// Azure drops after so long. What does not name its record by then never will.
const UNNAMED_AFTER: Duration = Duration::from_hours(7 * 24);

impl Sweep<'_> {
    /// Removes the records of a bucket that neither their object nor an open upload names.
    pub(super) async fn annexes(
        &mut self,
        files: &Files,
        container: &ContainerName,
        named: &HashSet<CommitId>,
    ) -> Result<(), Fault> {
        let mut pages = Pages::of(files.annexes()).with(|which| which.include.metadata = true);
        while let Some(page) = self.page(&mut pages).await? {
            let mut unnamed = Vec::new();
            let old = blobs(&page)
                .filter(|blob| self.is_older(blob.properties.last_modified, UNNAMED_AFTER));
            for (blob, id, object) in old.filter_map(|blob| read(files, blob)).collect::<Vec<_>>() {
                let is_named = named.contains(&id) || self.names(container, object, &id).await?;
                unnamed.extend((!is_named).then(|| deletion(blob)));
            }
            self.remove(unnamed, Removed::Stray).await?;
        }
        Ok(())
    }

    /// Does the object name this record?
    async fn names(
        &mut self,
        container: &ContainerName,
        object: BlobName,
        id: &CommitId,
    ) -> Result<bool, Fault> {
        self.pace.tick().await;
        let path = BlobPath::new(container.clone(), object);
        match self.store().properties(&path, &Conditions::default()).await {
            Ok(found) => Ok(metadata::annex_of(&found.metadata).as_ref() == Some(id)),
            Err(error) if error.kind() == Kind::NoSuchBlob => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// A record, its id, and the blob of its object.
fn read<'a>(files: &Files, blob: &'a BlobEntry) -> Option<(&'a BlobEntry, CommitId, BlobName)> {
    Some((blob, files.read_annex(&blob.name)?, annex::is_of(&blob.properties.metadata)?))
}
