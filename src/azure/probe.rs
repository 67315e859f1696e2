//! What this backend and this credential can do, found out by doing it once on a small blob.

use super::error::BlobError;
use super::names::ContainerName;
use super::store::BlobStore;

/// What this backend and this credential can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that can be done or not")]
pub struct Capabilities {
    /// Put Blob with a CRC64 answers an MD5 of the bytes.
    pub put_blob_answers_md5: bool,
    /// And keeps it with the blob.
    pub put_blob_keeps_md5: bool,
    /// Put Blob From URL works.
    pub put_blob_from_url: bool,
    /// Put Block From URL works.
    pub put_block_from_url: bool,
    /// The bytes are compared with the CRC64 that goes with them.
    pub crc64_is_checked: bool,
}

impl BlobStore {
    /// What can be done here, tried on a small blob of its own in `container`.
    pub async fn probe(&self, container: &ContainerName) -> Result<Capabilities, BlobError> {
        let _ = container;
        todo!()
    }
}
