//! One sweep of an account: page by page through what is filed for its buckets' uploads.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Interval;

use crate::azure::{
    BlobDeletion, BlobEntry, BlobError, BlobName, BlobPage, BlobPath, BlobStore, Conditions,
    ContainerName, DeleteOptions, Kind, ListBlobs, ListContainers, ListEntry,
};
use crate::mapping::bucket_facts::{BucketFacts, BucketId};
use crate::mapping::commit_id::CommitId;
use crate::mapping::metadata;
use crate::mapping::uploads::{End, Files, Outcome, Record, UploadId};
use crate::ops::accounts::Account;
use crate::ops::janitor::lease::Held;
use crate::ops::janitor::{Ages, Fault, Observer, Removed};
use crate::ops::multipart::ends::{self, Claim, STALE, Turn};
use crate::ops::object::together::{Deleted, delete_together, gone};
use crate::ops::open::commit_id;

/// Whoever writes a part or asks for an outcome has done so by then, whatever was retried.
const STRAY_AFTER: Duration = Duration::from_hours(24);
/// The ids of a bucket's open uploads are held while its parts are looked at. A bucket that has more is
/// not searched for parts without an upload.
const OPEN_UPLOADS_MAX: usize = 100_000;

/// A sweep at work.
pub(in crate::ops) struct Sweep<'a> {
    pub(in crate::ops) account: &'a Account,
    pub(in crate::ops) held: &'a Held,
    pub(in crate::ops) ages: Ages,
    pub(in crate::ops) observer: &'a dyn Observer,
    pub(in crate::ops) pace: Interval,
}

impl Sweep<'_> {
    /// Looks at everything that is filed, from where the last one stopped.
    pub(super) async fn all(&mut self) -> Result<(), Fault> {
        // Buckets first: one that has something filed has its container by now.
        let filed = self.filed().await?;
        if filed.is_empty() {
            return Ok(());
        }
        let known = self.buckets().await?;
        for base in filed {
            let Some((place, bucket)) = Files::read(&base) else { continue };
            self.pace.tick().await;
            self.held.mark(&base).await?;
            if let Some(container) = known.get(&bucket) {
                self.uploads(&place, container).await?;
            } else {
                self.remove_strays(&base, STRAY_AFTER, Removed::Stray).await?;
            }
        }
        Ok(())
    }

    /// Under which names something is filed.
    async fn filed(&mut self) -> Result<Vec<String>, Fault> {
        let from = self.held.from.clone();
        let mut pages = Pages::of(Files::ROOT).folders().with(|which| which.start_from = from);
        let mut filed = Vec::new();
        while let Some(page) = self.page(&mut pages).await? {
            filed.extend(page.entries.iter().map(|entry| entry.name().to_owned()));
        }
        Ok(filed)
    }

    /// The ids of all buckets of the account, and their containers.
    async fn buckets(&mut self) -> Result<HashMap<BucketId, ContainerName>, Fault> {
        let mut which = ListContainers { include_metadata: true, ..ListContainers::default() };
        let mut known = HashMap::new();
        loop {
            self.pace.tick().await;
            let page = self.account.store.list_containers(&which).await?;
            // What a newer release wrote has an id as well, which is not guessed at.
            for found in &page.containers {
                let facts = BucketFacts::read(&found.metadata).map_err(|_why| Fault::Unreadable)?;
                known.extend(facts.map(|facts| (facts.id, found.name.clone())));
            }
            which.marker = page.next_marker;
            if which.marker.is_none() {
                return Ok(known);
            }
        }
    }

    /// Ends the uploads of a bucket whose time has come, by key and when they began.
    pub(in crate::ops) async fn end_uploads(
        &mut self,
        files: &Files,
        is_due: impl Fn(&str, OffsetDateTime) -> bool,
    ) -> Result<(), Fault> {
        let mut pages = Pages::of(files.records()).with(|which| which.include.metadata = true);
        while let Some(page) = self.page(&mut pages).await? {
            let due = blobs(&page).filter_map(|blob| {
                let upload = files.read_record(&blob.name)?.upload;
                let key = Record::read(&blob.properties)?.key;
                is_due(key.as_str(), upload.initiated()).then_some((blob, upload))
            });
            for (blob, upload) in due {
                self.abandon(files, &upload, blob).await?;
            }
        }
        Ok(())
    }

    /// The uploads of one bucket, its parts, its outcomes, the records of its objects.
    async fn uploads(&mut self, files: &Files, container: &ContainerName) -> Result<(), Fault> {
        let mut named = HashSet::new();
        let Some(open) = self.records(files, &mut named).await? else {
            tracing::warn!("a bucket has more open uploads than the janitor counts");
            return Ok(());
        };
        let mut pages = Pages::of(files.all_parts()).folders();
        while let Some(page) = self.page(&mut pages).await? {
            let strays = page.entries.iter().map(ListEntry::name).filter(|prefix| {
                let upload = files.read_parts(prefix);
                upload.is_some_and(|upload| self.is_stray(&open, &upload))
            });
            for prefix in strays.collect::<Vec<_>>() {
                self.remove_strays(prefix, STRAY_AFTER, Removed::Stray).await?;
            }
        }
        let mut pages = Pages::of(files.outcomes());
        while let Some(page) = self.page(&mut pages).await? {
            let old = blobs(&page).filter(|blob| {
                let upload = files.read_outcome(&blob.name);
                upload.is_some_and(|upload| !open.contains(&upload))
                    && self.is_older(blob.properties.last_modified, STRAY_AFTER)
            });
            let old: Vec<_> = old.map(deletion).collect();
            self.remove(old, Removed::Outcome).await?;
        }
        self.annexes(files, container, &named).await
    }

    /// Is it long ago that the upload was created, and is it not open?
    fn is_stray(&self, open: &HashSet<UploadId>, upload: &UploadId) -> bool {
        !open.contains(upload) && self.is_older(upload.initiated(), STRAY_AFTER)
    }

    /// The uploads that are open, once those are gone that nobody goes on with; none: there are too many.
    /// `named` are the records that their objects are going to name.
    async fn records(
        &mut self,
        files: &Files,
        named: &mut HashSet<CommitId>,
    ) -> Result<Option<HashSet<UploadId>>, Fault> {
        let mut pages = Pages::of(files.records()).with(|which| which.include.metadata = true);
        let mut open = HashSet::new();
        while let Some(page) = self.page(&mut pages).await? {
            let listed =
                blobs(&page).filter_map(|blob| Some((blob, files.read_record(&blob.name)?.upload)));
            for (blob, upload) in listed {
                let gone =
                    self.is_abandoned(blob, &upload) && self.abandon(files, &upload, blob).await?;
                let counts = !gone && open.len() <= OPEN_UPLOADS_MAX;
                named.extend(metadata::annex_of(&blob.properties.metadata).filter(|_| counts));
                open.extend(counts.then_some(upload));
            }
        }
        Ok((open.len() <= OPEN_UPLOADS_MAX).then_some(open))
    }

    fn is_abandoned(&self, record: &BlobEntry, upload: &UploadId) -> bool {
        let after = self.ages.abandoned_after;
        self.is_older(upload.initiated(), after)
            && self.is_older(record.properties.last_modified, after)
    }

    /// Ends an upload as its abort would, unless somebody goes on with it. Was it ended?
    async fn abandon(
        &mut self,
        files: &Files,
        upload: &UploadId,
        record: &BlobEntry,
    ) -> Result<bool, Fault> {
        let Some(said) = Record::read(&record.properties) else { return Ok(false) };
        if self.idle_parts(files, upload).await?.is_none() {
            return Ok(false);
        }
        let Some(claim) = self.claim(files, upload, &said).await? else { return Ok(false) };
        // A part that came in between has an owner who goes on.
        let Some(parts) = self.idle_parts(files, upload).await? else {
            claim.release().await;
            return Ok(false);
        };
        let mut all = vec![deletion(record)];
        all.extend(parts);
        self.remove_quietly(all).await?;
        self.observer.removed(Removed::Upload, 1);
        tracing::info!(upload = upload.as_str(), "an abandoned upload was removed");
        Ok(true)
    }

    /// Makes the outcome of the upload, if nobody else ends it now.
    async fn claim(
        &mut self,
        files: &Files,
        upload: &UploadId,
        said: &Record,
    ) -> Result<Option<Claim>, Fault> {
        let path = self.path(files.outcome(upload));
        self.pace.tick().await;
        let over = match self.store().properties(&path, &Conditions::default()).await {
            Ok(now) if self.held.now() - now.last_modified <= STALE => return Ok(None),
            Ok(now) => Some(now.etag),
            Err(error) if error.kind() == Kind::NoSuchBlob => None,
            Err(error) => return Err(error.into()),
        };
        let outcome = Outcome::new(commit_id()?, End::Aborted, &said.key);
        self.pace.tick().await;
        match ends::claim_at(self.store(), path, &outcome, over).await? {
            Turn::Ours(claim) => Ok(Some(*claim)),
            Turn::Theirs => Ok(None),
        }
    }

    /// The parts of an upload; none if one of them is young.
    async fn idle_parts(
        &mut self,
        files: &Files,
        upload: &UploadId,
    ) -> Result<Option<Vec<BlobDeletion>>, Fault> {
        let mut pages = Pages::of(files.parts(upload));
        let mut parts = Vec::new();
        let age = self.ages.abandoned_after;
        while let Some(page) = self.page(&mut pages).await? {
            if blobs(&page).any(|part| !self.is_older(part.properties.last_modified, age)) {
                return Ok(None);
            }
            parts.extend(blobs(&page).map(deletion));
        }
        Ok(Some(parts))
    }

    /// Removes all blobs whose names begin so, and that are older than `age`.
    async fn remove_strays(
        &mut self,
        prefix: &str,
        age: Duration,
        what: Removed,
    ) -> Result<(), Fault> {
        let mut pages = Pages::of(prefix);
        while let Some(page) = self.page(&mut pages).await? {
            let old = blobs(&page).filter(|blob| self.is_older(blob.properties.last_modified, age));
            let old: Vec<_> = old.map(deletion).collect();
            self.remove(old, what).await?;
        }
        Ok(())
    }

    pub(super) async fn remove(
        &mut self,
        old: Vec<BlobDeletion>,
        what: Removed,
    ) -> Result<(), Fault> {
        let removed = self.remove_quietly(old).await?;
        if removed > 0 {
            self.observer.removed(what, removed);
            tracing::info!(?what, removed, "blobs of no use were removed");
        }
        Ok(())
    }

    /// How many went. One that was written again since it was listed stays.
    async fn remove_quietly(&mut self, old: Vec<BlobDeletion>) -> Result<u64, Fault> {
        let mut removed = 0;
        if old.is_empty() {
            return Ok(removed);
        }
        let batches = self.account.capabilities().await.delete_batch;
        let size = if batches { BlobStore::BATCH_MAX } else { 1 };
        for few in old.chunks(size) {
            self.pace.tick().await;
            removed += count(self.delete(few).await?)?;
        }
        Ok(removed)
    }

    async fn delete(&self, few: &[BlobDeletion]) -> Result<Deleted, BlobError> {
        if let [one] = few {
            let path = self.path(one.blob.clone());
            return Ok(vec![gone(self.store().delete(&path, &one.options).await)]);
        }
        delete_together(self.store(), &self.account.system, few).await
    }

    /// The next page; none behind the last one.
    pub(super) async fn page(&mut self, pages: &mut Pages) -> Result<Option<BlobPage>, BlobError> {
        let Some(which) = &mut pages.next else { return Ok(None) };
        self.pace.tick().await;
        let page = self.account.store.list_blobs(&self.account.system, which).await?;
        which.start_from = None;
        which.marker.clone_from(&page.next_marker);
        if which.marker.is_none() {
            pages.next = None;
        }
        Ok(Some(page))
    }

    pub(super) fn is_older(&self, at: OffsetDateTime, age: Duration) -> bool {
        self.held.now() - at >= age
    }

    pub(super) fn store(&self) -> &BlobStore {
        &self.account.store
    }

    fn path(&self, name: BlobName) -> BlobPath {
        BlobPath::new(self.account.system.clone(), name)
    }
}

/// The pages of a listing.
pub(super) struct Pages {
    /// What to ask for next; none behind the last page.
    next: Option<ListBlobs>,
}

impl Pages {
    /// Names that begin so.
    pub(super) fn of(prefix: impl Into<String>) -> Self {
        Self { next: Some(ListBlobs { prefix: Some(prefix.into()), ..ListBlobs::default() }) }
    }

    /// Changes what is asked for.
    pub(super) fn with(mut self, change: impl FnOnce(&mut ListBlobs)) -> Self {
        self.next.as_mut().map(change).unwrap_or_default();
        self
    }

    /// Only what stands before the next `/`.
    fn folders(self) -> Self {
        self.with(|which| which.delimiter = Some("/".to_owned()))
    }
}

/// How many went; one that was written again since stays, and that is no failure.
fn count(deleted: Deleted) -> Result<u64, Fault> {
    let mut count = 0;
    for answer in deleted {
        match answer {
            Ok(()) => count += 1,
            Err(error) if error.kind() == Kind::ConditionNotMet => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(count)
}

pub(super) fn blobs(page: &BlobPage) -> impl Iterator<Item = &BlobEntry> {
    page.entries.iter().filter_map(|entry| match entry {
        ListEntry::Blob(blob) => Some(&**blob),
        ListEntry::Prefix(_) => None,
    })
}

/// Of a blob as it was listed.
pub(super) fn deletion(blob: &BlobEntry) -> BlobDeletion {
    let conditions = Conditions::if_match(blob.properties.etag.clone());
    let options = DeleteOptions { conditions, ..DeleteOptions::default() };
    BlobDeletion { blob: BlobName::new(blob.name.clone()), options }
}
