//! Objects whose ACL or tags are longer than their blob's metadata has room for: written beside the
//! blob before it names them, and read with it.

use crate::azure::{
    BlobError, BlobHeaders, BlobPath, Content, Kind, Metadata, Properties, PutOptions, ReadOptions,
};
use crate::azure::{BlobStore, ContainerName};
use crate::mapping::annex;
use crate::mapping::commit_id::CommitId;
use crate::mapping::errors;
use crate::mapping::metadata::{self, ObjectFacts};
use crate::mapping::uploads::Files;
use crate::ops::gateway::Gateway;
use crate::ops::multipart::files::files_of_new;
use crate::ops::object::write::Failure;
use crate::ops::open::{Bucket, commit_id};
use crate::ops::records;
use crate::s3::names::ObjectKey;
use crate::s3::{Code, Error};

/// Before an object is written: what its blob has no room for goes into a record, which `facts` name
/// from then on. `spare` bytes of metadata are left for what is not known yet.
pub(in crate::ops) async fn keep(
    gateway: &Gateway,
    bucket: &Bucket,
    key: &ObjectKey,
    facts: &mut ObjectFacts,
    spare: usize,
) -> Result<(), Error> {
    facts.annex = None;
    let rows = facts.movable();
    if rows.is_empty() || facts.fits(spare) {
        return Ok(());
    }
    facts.annex = Some(Box::pin(record(gateway, bucket, key, &rows)).await?);
    Ok(())
}

/// The same of the metadata of an object that is there already, and gets other rows.
pub(in crate::ops) async fn fold(
    gateway: &Gateway,
    bucket: &Bucket,
    key: &ObjectKey,
    mut metadata: Metadata,
) -> Result<Metadata, Error> {
    if let Some(rows) = metadata::take_movable(&mut metadata) {
        let id = record(gateway, bucket, key, &rows).await?;
        metadata::name_annex(&mut metadata, &id);
    }
    metadata::check_size(&metadata)?;
    Ok(metadata)
}

/// Writes a record.
async fn record(
    gateway: &Gateway,
    bucket: &Bucket,
    key: &ObjectKey,
    rows: &Metadata,
) -> Result<CommitId, Error> {
    let files = files_of_new(gateway, bucket).await?;
    let id = commit_id()?;
    let bytes =
        annex::write(rows).map_err(|fault| Error::new(Code::InternalError).caused_by(fault))?;
    if bytes.len() > annex::RECORD_BYTES_MAX {
        return Err(Error::new(Code::MetadataTooLarge));
    }
    let content = Content::from_chunks(vec![bytes.into()]);
    let facts = ObjectFacts { commit: Some(id), ..ObjectFacts::default() };
    let mut said = facts.write(content.len())?;
    annex::say_of(&mut said, &bucket.path(key).blob);
    let options = PutOptions {
        headers: BlobHeaders {
            content_type: Some("application/json".to_owned()),
            ..BlobHeaders::default()
        },
        metadata: said,
        ..PutOptions::default()
    };
    let path = BlobPath::new(bucket.account().system.clone(), files.annex(&id));
    match records::put(bucket.store(), &path, &id, &content, &options).await {
        Ok(_) => Ok(id),
        Err(Failure::Azure(error)) => Err(errors::on_service(error)),
        Err(Failure::Refused(error)) => Err(error),
    }
}

/// Why the rows of a record are not known.
#[derive(Debug)]
pub(in crate::ops) enum Missing {
    /// There is no such record: the blob has been changed since, or a tool has copied its metadata.
    Gone,
    /// It is of a form that this release does not know.
    Unreadable,
    /// Azure did not show it.
    Azure(BlobError),
}

/// After a blob was looked at: its metadata as if there had been room for all of it. `files` are asked for where
/// there was none.
pub(in crate::ops) async fn unfold(
    store: &BlobStore,
    system: &ContainerName,
    files: impl FnOnce() -> Option<Files>,
    properties: &mut Properties,
) -> Result<(), Missing> {
    let Some(id) = metadata::annex_of(&properties.metadata) else { return Ok(()) };
    let path = BlobPath::new(system.clone(), files().ok_or(Missing::Gone)?.annex(&id));
    // On the heap: hardly any object has one.
    let rows = Box::pin(rows(store, &path)).await?;
    metadata::put_movable(&mut properties.metadata, rows);
    Ok(())
}

/// What a record says.
async fn rows(store: &BlobStore, path: &BlobPath) -> Result<Metadata, Missing> {
    let found = match store.read(path, &ReadOptions::default()).await {
        Ok(found) => found,
        Err(error) if matches!(error.kind(), Kind::NoSuchBlob | Kind::NoSuchContainer) => {
            return Err(Missing::Gone);
        }
        Err(error) => return Err(Missing::Azure(error)),
    };
    let bytes = found.body.collect(annex::RECORD_BYTES_MAX).await.map_err(Missing::Azure)?;
    annex::read(&bytes).ok_or(Missing::Unreadable)
}
