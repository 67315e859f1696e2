//! Changes of a bucket's documents: read, changed, and written if nobody was faster.

use std::sync::Arc;
use std::time::Duration;

use crate::azure::{
    BlobError, BlobHeaders, BlobPath, BlobStore, Conditions, Content, DeleteOptions, Kind,
    PutOptions, Written,
};
use crate::mapping::bucket_facts::{BucketFacts, BucketId};
use crate::mapping::documents::{RECORD_BYTES_MAX, Sheet, record_name};
use crate::mapping::errors;
use crate::mapping::metadata::ObjectFacts;
use crate::ops::accounts::Location;
use crate::ops::bucket_cache::Fault;
use crate::ops::documents::cache::load;
use crate::ops::documents::{Document, Documents};
use crate::ops::gateway::Gateway;
use crate::ops::object::write::Failure;
use crate::ops::open::{Bucket, commit_id};
use crate::ops::{facts, records};
use crate::s3::{Code, Error};

/// How often a change is tried that other replicas have overtaken.
const TRIES_MAX: u32 = 20;
/// How long is waited before the next try, at most, times the number of the try.
const WAIT: Duration = Duration::from_millis(20);

/// The documents of a bucket while they are changed.
#[derive(Debug)]
pub(in crate::ops) struct Draft {
    before: Arc<Documents>,
    sheet: Sheet,
}

impl Draft {
    fn of(before: Arc<Documents>) -> Self {
        Self { sheet: before.sheet.clone(), before }
    }

    /// What one of them was before the change.
    pub(in crate::ops) fn before<D: Document>(&self) -> Result<Option<Arc<D>>, Error> {
        self.before.get()
    }

    /// Puts a document in the place of what was there.
    pub(in crate::ops) fn put<D: Document>(&mut self, document: &D) {
        self.sheet.set(D::NAME, document.write());
    }

    /// Takes a document away.
    pub(in crate::ops) fn remove<D: Document>(&mut self) {
        self.sheet.remove(D::NAME);
    }
}

impl Gateway {
    /// One document of a bucket as it is now.
    pub(in crate::ops) async fn document_now<D: Document>(
        &self,
        bucket: &Bucket,
    ) -> Result<Option<Arc<D>>, Error> {
        // That there are documents at all is believed as long as other facts of a bucket.
        let Some(record) = bucket.documents_record().filter(|_| bucket.has_documents()) else {
            return Ok(None);
        };
        self.documents_now(bucket, &record).await?.get()
    }

    /// Puts a document that depends on no other.
    pub(in crate::ops) async fn put_document<D: Document>(
        &self,
        bucket: &Bucket,
        document: &D,
    ) -> Result<(), Error> {
        self.change_documents(bucket, |draft| {
            draft.put(document);
            Ok(())
        })
        .await
    }

    /// Takes a document away; one that is not there is as good as taken.
    pub(in crate::ops) async fn delete_document<D: Document>(
        &self,
        bucket: &Bucket,
    ) -> Result<(), Error> {
        self.change_documents(bucket, |draft| {
            draft.remove::<D>();
            Ok(())
        })
        .await
    }

    /// Changes documents of a bucket. `change` may be called several times; what it refuses is not
    /// done. When this returns, the change is in Azure; each replica knows of it within the time
    /// to live.
    pub(in crate::ops) async fn change_documents(
        &self,
        bucket: &Bucket,
        change: impl Fn(&mut Draft) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let record = if let Some(record) = bucket.documents_record() {
            record
        } else {
            let mut draft = Draft::of(Arc::default());
            change(&mut draft)?;
            if draft.sheet == draft.before.sheet {
                return Ok(());
            }
            let facts = self.announce(bucket).await?;
            bucket.documents_record_under(&facts.id)
        };
        let _turn = self.documents.turn(&record).await?;
        for attempt in 1..=TRIES_MAX {
            if self.try_change(bucket, &record, &change).await? {
                return Ok(());
            }
            tokio::time::sleep(WAIT.mul_f64(f64::from(attempt) * fastrand::f64())).await;
        }
        Err(Error::new(Code::OperationAborted)
            .caused_by("other replicas changed the documents of the bucket all the time"))
    }

    /// False: somebody else was faster.
    async fn try_change(
        &self,
        bucket: &Bucket,
        record: &BlobPath,
        change: &impl Fn(&mut Draft) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        let mut draft = Draft::of(self.documents_now(bucket, record).await?);
        change(&mut draft)?;
        let Draft { before, sheet } = draft;
        if sheet == before.sheet {
            return Ok(true);
        }
        if !bucket.has_documents() {
            self.announce(bucket).await?;
        }
        let conditions =
            before.etag.clone().map_or_else(Conditions::if_absent, Conditions::if_match);
        match write(bucket.store(), record, &sheet, conditions).await {
            Ok(written) => {
                let now = Arc::new(Documents::new(written.etag, sheet));
                self.documents.keep(bucket, record, now).await;
                Ok(true)
            }
            Err(Failure::Azure(error)) if is_overtaken(&error) => Ok(false),
            // The answer was lost: the next look tells whether it was done.
            Err(Failure::Refused(error)) if error.code() == Code::ConditionalRequestConflict => {
                Ok(false)
            }
            Err(Failure::Azure(error)) => Err(errors::on_service(error)),
            Err(Failure::Refused(error)) => Err(error),
        }
    }

    async fn documents_now(
        &self,
        bucket: &Bucket,
        record: &BlobPath,
    ) -> Result<Arc<Documents>, Error> {
        let now = load(bucket.store(), record).await;
        let now = now.map_err(|fault| Fault::answer(Arc::new(fault)))?;
        Ok(Arc::new(now))
    }

    /// The container says that there are documents before the first is written, so that no replica
    /// that reads it later than that can miss them.
    async fn announce(&self, bucket: &Bucket) -> Result<BucketFacts, Error> {
        let say = |facts: &mut BucketFacts| facts.has_documents = true;
        let now = facts::change(bucket.store(), bucket.container(), say).await?;
        self.forget(bucket).await;
        if bucket.id().is_some_and(|id| *id != now.id) {
            // Deleted and made again meanwhile: what was allowed was allowed in another bucket.
            return Err(Error::new(Code::OperationAborted));
        }
        Ok(now)
    }
}

fn is_overtaken(error: &BlobError) -> bool {
    matches!(error.kind(), Kind::ConditionNotMet | Kind::BlobExists)
}

/// Writes the documents of a bucket that is about to be made under this id.
pub(in crate::ops) async fn put_new(
    store: &BlobStore,
    location: &Location,
    id: &BucketId,
    fill: impl FnOnce(&mut Draft),
) -> Result<(), Error> {
    let mut draft = Draft::of(Arc::default());
    fill(&mut draft);
    let record = location.documents_record(id);
    match write(store, &record, &draft.sheet, Conditions::if_absent()).await {
        Ok(_) => Ok(()),
        Err(Failure::Azure(error)) => Err(errors::on_service(error)),
        Err(Failure::Refused(error)) => Err(error),
    }
}

async fn write(
    store: &BlobStore,
    record: &BlobPath,
    sheet: &Sheet,
    conditions: Conditions,
) -> Result<Written, Failure> {
    let bytes = sheet.write().map_err(|fault| Error::new(Code::InternalError).caused_by(fault))?;
    if bytes.len() > RECORD_BYTES_MAX {
        return Err(Error::new(Code::EntityTooLarge)
            .message("The configurations of the bucket are larger together than can be kept.")
            .into());
    }
    let id = commit_id()?;
    let facts = ObjectFacts { commit: Some(id), ..ObjectFacts::default() };
    let content = Content::from_chunks(vec![bytes.into()]);
    let options = PutOptions {
        headers: BlobHeaders {
            content_type: Some("application/json".to_owned()),
            ..BlobHeaders::default()
        },
        metadata: facts.write(content.len())?,
        conditions,
        ..PutOptions::default()
    };
    records::put(store, record, &id, &content, &options).await
}

/// Deletes the documents of a bucket that is gone, behind its client's back. No other bucket will
/// ever have its id, so that it does not matter when.
pub(in crate::ops) fn after_deletion(gateway: &Gateway, bucket: &Bucket) {
    let Some(record) = bucket.documents_record().filter(|_| bucket.has_documents()) else {
        return;
    };
    discard(gateway, bucket.store().clone(), record);
}

/// Deletes a record that no bucket has, or will have.
pub(in crate::ops) fn discard(gateway: &Gateway, store: BlobStore, record: BlobPath) {
    gateway.tasks().spawn(async move {
        match store.delete(&record, &DeleteOptions::default()).await {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), Kind::NoSuchBlob | Kind::NoSuchContainer) => {}
            Err(cause) => tracing::warn!(%cause, "documents of no bucket stay behind"),
        }
    });
}

impl Location {
    /// The record of the documents of the bucket of that id that lives here.
    pub(in crate::ops) fn documents_record(&self, id: &BucketId) -> BlobPath {
        BlobPath::new(self.account.system.clone(), record_name(id, self.keys.prefix()))
    }
}
