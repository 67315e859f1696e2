//! How the gateway writes a blob of its own: its answer is known, and its container is there.

use crate::azure::{BlobPath, BlobStore, Content, Guard, Kind, Metadata, PutOptions, Written};
use crate::mapping::commit_id::CommitId;
use crate::ops::object::write::{self, Failure};

/// Writes a blob of the gateway's own, whose metadata carries `id`, and finds out what became of it
/// if the answer is lost. The system container is made for the first one.
pub(super) async fn put(
    store: &BlobStore,
    path: &BlobPath,
    id: &CommitId,
    content: &Content,
    options: &PutOptions,
) -> Result<Written, Failure> {
    let put = || store.put_blob(path, content, Guard::Crc64(content.crc64()), options);
    match write::commit(store, path, (id, &options.conditions), put).await {
        Err(Failure::Azure(error)) if error.kind() == Kind::NoSuchContainer => {
            match store.create_container(&path.container, &Metadata::new()).await {
                Ok(_) => {}
                Err(error) if error.kind() == Kind::ContainerExists => {}
                Err(error) => return Err(error.into()),
            }
            write::commit(store, path, (id, &options.conditions), put).await
        }
        other => other,
    }
}
