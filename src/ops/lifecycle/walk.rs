//! The walk through the objects of one bucket: page by page, each judged by its bucket's rules.

use crate::azure::{
    BlobDeletion, BlobEntry, BlobName, BlobPath, BlobStore, Conditions, DeleteOptions, Kind,
    ListBlobs, ListEntry, Priority, Tier,
};
use crate::mapping::metadata::{self, ObjectFacts};
use crate::mapping::storage_class::StorageClass;
use crate::mapping::uploads::Files;
use crate::ops::accounts::Account;
use crate::ops::annex::{self, Missing};
use crate::ops::janitor::Fault;
use crate::ops::lifecycle::{Done, Subject, Worker};
use crate::ops::object::delete::SNAPSHOTS;
use crate::ops::object::together::{Deleted, delete_together, gone};
use crate::s3::lifecycle::{Class, Due, Subject as Object};
use crate::s3::tags::Tags;

/// Blobs of one page; few enough that a page with all its metadata is no burden on memory.
const PAGE: u32 = 1000;

impl Worker<'_> {
    /// All objects of a bucket that its rules are about.
    pub(super) async fn objects(&mut self, subject: &Subject) -> Result<(), Fault> {
        for prefix in prefixes(subject) {
            let prefix = Some(prefix).filter(|prefix| !prefix.is_empty());
            let mut which = ListBlobs { prefix, max_results: PAGE, ..ListBlobs::default() };
            which.include.metadata = true;
            while self.next(subject, &mut which).await? {}
        }
        Ok(())
    }

    /// One page; is there another?
    async fn next(&mut self, subject: &Subject, which: &mut ListBlobs) -> Result<bool, Fault> {
        self.pace.tick().await;
        let page = match self.account.store.list_blobs(&subject.container, which).await {
            Ok(page) => page,
            Err(error) if is_gone(error.kind()) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        self.page(subject, &page.entries).await?;
        which.marker = page.next_marker;
        Ok(which.marker.is_some())
    }

    async fn page(&mut self, subject: &Subject, entries: &[ListEntry]) -> Result<(), Fault> {
        let mut doomed = Vec::new();
        for entry in entries {
            let ListEntry::Blob(blob) = entry else { continue };
            match self.due(subject, blob).await? {
                Some(Due::Expire) => doomed.push(deletion(blob)),
                Some(Due::Move(class)) => self.move_to(subject, blob, class).await?,
                None => {}
            }
        }
        let batches = self.account.capabilities().await.delete_batch;
        let size = if batches { BlobStore::BATCH_MAX } else { 1 };
        for few in doomed.chunks(size) {
            self.expire(subject, few).await?;
        }
        Ok(())
    }

    /// What is due for a blob; nothing for one that is no object.
    async fn due(&mut self, subject: &Subject, blob: &BlobEntry) -> Result<Option<Due>, Fault> {
        let Some(key) = subject.space.key_of(&blob.name) else { return Ok(None) };
        let facts = ObjectFacts::read(&blob.properties);
        let tags = match &facts.annex {
            Some(_) if subject.lifecycle.asks_for_tags() => {
                let Some(tags) = self.tags(subject, blob).await? else { return Ok(None) };
                tags
            }
            _ => facts.tags.clone(),
        };
        let object = Object {
            key: &key,
            modified: metadata::last_modified(&facts, &blob.properties),
            size: blob.properties.content_length,
            tags: &tags,
        };
        Ok(subject.lifecycle.due(&object, self.held.now(), self.day))
    }

    /// Tags that the blob had no room for; nothing where they cannot be read: then nothing is done.
    async fn tags(&mut self, subject: &Subject, blob: &BlobEntry) -> Result<Option<Tags>, Fault> {
        let files = || Some(Files::new(&subject.id, subject.space.prefix()));
        let mut properties = blob.properties.clone();
        self.pace.tick().await;
        let Account { store, system, .. } = self.account;
        match annex::unfold(store, system, files, &mut properties).await {
            Ok(()) => Ok(Some(ObjectFacts::read(&properties).tags)),
            Err(Missing::Azure(error)) => Err(error.into()),
            Err(Missing::Gone | Missing::Unreadable) => {
                let container = subject.container.as_str();
                tracing::warn!(container, "the tags of an object cannot be read");
                Ok(None)
            }
        }
    }

    /// Objects go as they were listed: one that was written since stays.
    async fn expire(&mut self, subject: &Subject, few: &[BlobDeletion]) -> Result<(), Fault> {
        self.pace.tick().await;
        let mut expired = 0;
        for answer in self.delete(subject, few).await? {
            match answer {
                Ok(()) => expired += 1,
                Err(error) if error.kind() == Kind::ConditionNotMet => {}
                Err(cause) => tracing::warn!(%cause, "an expired object could not be deleted"),
            }
        }
        if expired > 0 {
            self.observer.done(Done::Expired, expired);
            let container = subject.container.as_str();
            tracing::info!(container, expired, "objects expired");
        }
        Ok(())
    }

    async fn delete(&self, subject: &Subject, few: &[BlobDeletion]) -> Result<Deleted, Fault> {
        if let [one] = few {
            let path = BlobPath::new(subject.container.clone(), one.blob.clone());
            return Ok(vec![gone(self.account.store.delete(&path, &one.options).await)]);
        }
        Ok(delete_together(&self.account.store, &subject.container, few).await?)
    }

    /// Moves an object to the tier of its new class, unless it is there or beyond.
    ///
    /// The class is kept first. Where the gateway ends between the two requests, the tier still says
    /// what is so, and the next look does the rest.
    async fn move_to(
        &mut self,
        subject: &Subject,
        blob: &BlobEntry,
        class: Class,
    ) -> Result<(), Fault> {
        let class = storage_class(class);
        let now = &blob.properties;
        if rank(now.tier.as_ref()) >= rank(Some(&class.tier())) {
            return Ok(());
        }
        let store = &self.account.store;
        let path = BlobPath::new(subject.container.clone(), BlobName::new(blob.name.clone()));
        let Ok(kept) = metadata::with_class(now, class) else {
            tracing::warn!(container = subject.container.as_str(), "no room to keep a class");
            return Ok(());
        };
        self.pace.tick().await;
        let pinned = Conditions::if_match(now.etag.clone());
        match store.set_metadata(&path, &kept, &pinned).await {
            Ok(_) => {}
            Err(error) if error.kind() == Kind::ConditionNotMet || is_gone(error.kind()) => {
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        self.pace.tick().await;
        match store.set_tier(&path, &class.tier(), Priority::Standard).await {
            Ok(()) => self.observer.done(Done::Moved, 1),
            Err(error) if is_gone(error.kind()) => {}
            Err(cause) => tracing::warn!(%cause, "an object could not be moved to another tier"),
        }
        Ok(())
    }
}

/// What the names of the blobs begin with that rules are about. Names are not always as keys are, and
/// packed ones say nothing of theirs: then all are looked at.
fn prefixes(subject: &Subject) -> Vec<String> {
    let space = subject.space.prefix();
    let prefixes = subject.lifecycle.prefixes();
    let plain = |prefix: &String| {
        prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_'))
            && !prefix.starts_with('/')
            && !prefix.contains("//")
    };
    if subject.has_reserved_keys || !prefixes.iter().all(plain) {
        return vec![space.to_owned()];
    }
    prefixes.into_iter().map(|prefix| format!("{space}{prefix}")).collect()
}

fn is_gone(kind: Kind) -> bool {
    matches!(kind, Kind::NoSuchBlob | Kind::NoSuchContainer | Kind::ContainerBeingDeleted)
}

/// Of a blob as it was listed.
fn deletion(blob: &BlobEntry) -> BlobDeletion {
    let conditions = Conditions::if_match(blob.properties.etag.clone());
    let options = DeleteOptions { conditions, snapshots: SNAPSHOTS, ..DeleteOptions::default() };
    BlobDeletion { blob: BlobName::new(blob.name.clone()), options }
}

/// How cold a tier is. One that the gateway does not know is left alone.
fn rank(tier: Option<&Tier>) -> u8 {
    match tier {
        None | Some(Tier::Hot) => 0,
        Some(Tier::Cool) => 1,
        Some(Tier::Cold) => 2,
        Some(Tier::Archive) => 3,
        Some(Tier::Other(_)) => u8::MAX,
    }
}

const fn storage_class(class: Class) -> StorageClass {
    match class {
        Class::StandardIa => StorageClass::StandardIa,
        Class::OneZoneIa => StorageClass::OneZoneIa,
        Class::GlacierIr => StorageClass::GlacierIr,
        Class::Glacier => StorageClass::Glacier,
        Class::DeepArchive => StorageClass::DeepArchive,
    }
}
