//! An upload as a request names it: of this bucket and this key, and no other.

use std::sync::Arc;

use crate::access::Action;
use crate::azure::{
    BlobError, BlobName, BlobPath, BlobStore, Conditions, Content, Kind, PutOptions, Written,
};
use crate::mapping::commit_id::CommitId;
use crate::mapping::errors;
use crate::mapping::uploads::{Files, Record, UploadId};
use crate::ops::facts;
use crate::ops::gateway::{Gateway, Request};
use crate::ops::object::write::Failure;
use crate::ops::open::Bucket;
use crate::ops::records;
use crate::s3::names::{ObjectKey, PartNumber};
use crate::s3::{Code, Error};

/// An upload that a request names. Whether it is open, its record says.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    /// The bucket, opened for what the request does.
    pub(super) bucket: Bucket,
    /// The key.
    pub(super) key: ObjectKey,
    /// The upload.
    pub(super) id: UploadId,
    /// Where the bucket's uploads are filed.
    pub(super) files: Files,
}

impl Upload {
    /// The upload that a request names, if the caller may do this to its key.
    pub(super) async fn named(
        gateway: &Gateway,
        request: &Request,
        action: Action,
    ) -> Result<Self, Error> {
        let text = request.query.get("uploadId").unwrap_or_default();
        let id = UploadId::parse(text);
        let (bucket, key) = gateway.open_upload(request, action, id.as_ref()).await?;
        let id = id.ok_or_else(|| no_such_upload(text))?;
        if let Some(files) = bucket.files() {
            return Ok(Self { bucket, key, id, files });
        }
        // Another replica may have given the bucket its id a moment ago.
        gateway.forget(&bucket).await;
        let (bucket, key) = gateway.open_upload(request, action, Some(&id)).await?;
        let files = bucket.files().ok_or_else(|| no_such_upload(text))?;
        Ok(Self { bucket, key, id, files })
    }

    /// The way to its blobs.
    pub(super) fn store(&self) -> &BlobStore {
        self.bucket.store()
    }

    /// The blob of that name among the gateway's own.
    pub(super) fn path(&self, name: BlobName) -> BlobPath {
        BlobPath::new(self.bucket.account().system.clone(), name)
    }

    /// The name of its record.
    pub(super) fn record_name(&self) -> BlobName {
        self.files.record(&self.key, &self.id)
    }

    /// One of its parts.
    pub(super) fn part(&self, number: PartNumber) -> BlobPath {
        self.path(self.files.part(&self.id, number))
    }

    /// Its outcome.
    pub(super) fn outcome(&self) -> BlobPath {
        self.path(self.files.outcome(&self.id))
    }

    /// What its Create said, as it was seconds ago; `NoSuchUpload` if it is not open.
    pub(super) async fn record(&self, gateway: &Gateway) -> Result<Arc<Record>, Error> {
        let known = gateway.uploads.get(&self.bucket.account().name, &self.record_name()).await;
        match known {
            Some(record) => Ok(record),
            None => self.record_now(gateway).await,
        }
    }

    /// What its Create said; `NoSuchUpload` if it is not open.
    pub(super) async fn record_now(&self, gateway: &Gateway) -> Result<Arc<Record>, Error> {
        let (account, name) = (&self.bucket.account().name, self.record_name());
        let found = self.store().properties(&self.path(name.clone()), &Conditions::default()).await;
        let properties = match found {
            Ok(properties) => properties,
            Err(error) if is_absent(&error) => {
                gateway.uploads.forget(account, &name).await;
                return Err(self.unknown());
            }
            Err(error) => return Err(errors::on_service(error)),
        };
        let record = Record::read(&properties).ok_or_else(unreadable)?;
        if record.key != self.key {
            return Err(self.unknown());
        }
        let record = Arc::new(record);
        gateway.uploads.keep(account, &name, Arc::clone(&record)).await;
        Ok(record)
    }

    /// The refusal of an upload that is not, or no longer, open.
    pub(super) fn unknown(&self) -> Error {
        no_such_upload(self.id.as_str())
    }

    /// No replica that asks us takes it to be open.
    pub(super) async fn forget(&self, gateway: &Gateway) {
        gateway.uploads.forget(&self.bucket.account().name, &self.record_name()).await;
    }
}

/// Is the blob not there, with or without its container?
pub(super) fn is_absent(error: &BlobError) -> bool {
    matches!(error.kind(), Kind::NoSuchBlob | Kind::NoSuchContainer)
}

/// What a newer release wrote is not guessed at.
pub(super) fn unreadable() -> Error {
    Error::new(Code::InternalError)
        .caused_by("a record of an upload is of a form that is not known")
}

fn no_such_upload(id: &str) -> Error {
    Error::new(Code::NoSuchUpload).detail("UploadId", id)
}

/// Writes an empty blob of the gateway's own, and finds out what became of it if the answer is lost.
pub(super) async fn put_empty(
    store: &BlobStore,
    path: &BlobPath,
    id: &CommitId,
    options: &PutOptions,
) -> Result<Written, Failure> {
    records::put(store, path, id, &Content::empty(), options).await
}

/// Where the uploads of a bucket are filed that is about to get one: it is given an id if it has none.
pub(in crate::ops) async fn files_of_new(
    gateway: &Gateway,
    bucket: &Bucket,
) -> Result<Files, Error> {
    if let Some(files) = bucket.files() {
        return Ok(files);
    }
    let facts = facts::change(bucket.store(), bucket.container(), |_| ()).await?;
    gateway.forget(bucket).await;
    Ok(bucket.files_under(&facts.id))
}
