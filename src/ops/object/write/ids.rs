//! The ids of blocks that are staged and belong to nobody else.

use crate::azure::{BlobError, BlobPath, BlobStore, BlockId, WhichBlocks};
use crate::s3::{Code, Error};

/// The ids of the blocks of one body: all of one length, and of no other body.
#[derive(Clone, Debug)]
pub(in crate::ops) struct BlockIds {
    nonce: [u8; 16],
    length: usize,
}

impl BlockIds {
    /// All ids that the gateway makes have this length, because the blocks that wait on one name
    /// must: <https://learn.microsoft.com/rest/api/storageservices/put-block>.
    const LENGTH: usize = BlockId::BYTES_MAX;
    /// Shorter ids of another tool leave no room for ours.
    const LENGTH_MIN: usize = 8;

    /// The ids of a new attempt.
    pub(in crate::ops) fn new() -> Result<Self, Error> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce)
            .map_err(|cause| Error::new(Code::InternalError).caused_by(cause.to_string()))?;
        Ok(Self { nonce, length: Self::LENGTH })
    }

    /// The id of the block at `index`: the index, the nonce, and nought up to the length.
    pub(in crate::ops) fn id(&self, index: usize) -> Result<BlockId, Error> {
        let index = u32::try_from(index).map_err(|_too_many| Error::new(Code::EntityTooLarge))?;
        let mut bytes = [0; Self::LENGTH];
        let parts = index.to_be_bytes().into_iter().chain(self.nonce);
        for (to, from) in bytes.iter_mut().zip(parts) {
            *to = from;
        }
        bytes
            .get(..self.length)
            .and_then(BlockId::new)
            .ok_or_else(|| Error::new(Code::InternalError).caused_by("a block id of no length"))
    }

    /// The same ids, as long as those that wait on the name already.
    pub(in crate::ops) async fn adopt(
        &mut self,
        store: &BlobStore,
        path: &BlobPath,
    ) -> Result<(), BlobError> {
        let list = store.block_list(path, WhichBlocks::Uncommitted).await?;
        let foreign = list.uncommitted.first().map_or(Self::LENGTH, |(id, _)| id.bytes().len());
        if foreign >= Self::LENGTH_MIN {
            self.length = foreign;
        }
        Ok(())
    }
}
