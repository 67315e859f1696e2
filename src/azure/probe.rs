//! What this backend and this credential can do, found out by doing it once on a small blob.

use super::batch::BlobDeletion;
use super::blobs::{DeleteOptions, PutOptions};
use super::conditions::Conditions;
use super::content::{Content, Guard};
use super::error::{BlobError, Kind};
use super::names::{BlobName, BlobPath, BlockId, ContainerName};
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
    /// Many blobs are deleted by one request.
    pub delete_batch: bool,
    /// The bytes are compared with the CRC64 that goes with them.
    pub crc64_is_checked: bool,
}

impl BlobStore {
    /// What can be done here, tried on two small blobs of its own in `container`, which it deletes.
    pub async fn probe(&self, container: &ContainerName) -> Result<Capabilities, BlobError> {
        let random = fastrand::u64(..);
        let blob = |what: &str| {
            BlobPath::new(container.clone(), BlobName::new(format!("probe-{random:016x}-{what}")))
        };
        let (source, target) = (blob("source"), blob("target"));
        let probed = self.try_out(&source, &target).await;
        // What stays behind is small, and its name says what it is.
        for path in [&source, &target] {
            drop(self.delete(path, &DeleteOptions::default()).await);
        }
        probed
    }

    async fn try_out(
        &self,
        source: &BlobPath,
        target: &BlobPath,
    ) -> Result<Capabilities, BlobError> {
        let content = Content::from("probe");
        let options = PutOptions::default();
        let guard = Guard::Crc64(content.crc64());
        let written = self.put_blob(source, &content, guard, &options).await?;
        let properties = self.properties(source, &Conditions::default()).await?;
        let wrong = Guard::Crc64(!content.crc64());
        let refused = self.to_try().put_blob(target, &content, wrong, &options).await;
        let from = self.source(source, None);
        let copied = self.put_blob_from_url(target, &from, &options).await;
        let Some(block) = BlockId::new(b"probe") else {
            return Err(BlobError::refused_here(Kind::Unexpected, "the probe's block has no id"));
        };
        let staged = self.put_block_from_url(target, &block, &from, None).await;
        let deletion =
            BlobDeletion { blob: target.blob.clone(), options: DeleteOptions::default() };
        let batch = self.delete_batch(&target.container, &[deletion]).await;
        Ok(Capabilities {
            put_blob_answers_md5: written.content_md5.is_some(),
            put_blob_keeps_md5: properties.headers.content_md5.is_some(),
            crc64_is_checked: refused.is_err_and(|error| error.kind() == Kind::DigestMismatch),
            put_blob_from_url: works(copied)?,
            put_block_from_url: works(staged)?,
            delete_batch: works(batch)?,
        })
    }
}

/// Whether the backend does it; an error that says neither yes nor no stays one.
fn works<T>(tried: Result<T, BlobError>) -> Result<bool, BlobError> {
    match tried.map_err(|error| (error.kind(), error)) {
        Ok(_) => Ok(true),
        Err((Kind::NotSupported | Kind::CannotVerifySource | Kind::Unauthorised, _)) => Ok(false),
        // Azurite's answer to what it does not do under an account SAS.
        Err((Kind::ServerFailed, error)) if error.azure_code().is_empty() => Ok(false),
        Err((_, error)) => Err(error),
    }
}
