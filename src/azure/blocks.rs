//! Blocks: staged without being seen, listed, and made a blob by one list.

use http::Method;

use super::blobs::{PutOptions, Written};
use super::call::{Call, Effect};
use super::content::{Content, Guard};
use super::error::{BlobError, Kind};
use super::names::{AzureETag, BlobPath, BlockId};
use super::properties;
use super::source::Source;
use super::store::BlobStore;
use super::{documents, headers};

/// A block of the list that becomes a blob, and where Azure looks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockRef {
    /// Among the staged ones.
    Uncommitted(BlockId),
    /// Among those of the blob that is there.
    Committed(BlockId),
    /// Among the staged ones, else among those of the blob.
    Latest(BlockId),
}

/// A block that waits to be named by a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StagedBlock {
    /// CRC64 of its bytes, where Azure says it.
    pub crc64: Option<u64>,
}

/// Which blocks are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhichBlocks {
    /// Those of the blob.
    Committed,
    /// Those that wait.
    Uncommitted,
    /// Both.
    All,
}

/// The blocks of a blob, each with its length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockList {
    /// Those that it is made of, in order.
    pub committed: Vec<(BlockId, u64)>,
    /// Those that wait.
    pub uncommitted: Vec<(BlockId, u64)>,
    /// The blob's ETag; none while there are uncommitted blocks only.
    pub etag: Option<AzureETag>,
    /// The blob's length.
    pub content_length: Option<u64>,
}

impl BlobStore {
    /// Stages `content` as a block. `crc64` is compared by Azure; an answer that names another one is a
    /// `DigestMismatch`, and the block must not be made part of a blob.
    pub async fn put_block(
        &self,
        path: &BlobPath,
        id: &BlockId,
        content: &Content,
        crc64: u64,
    ) -> Result<StagedBlock, BlobError> {
        let mut call = stage("PutBlock", path, id);
        call.guard(Guard::Crc64(crc64))?;
        call.content = content.clone();
        let staged = self.staged(call).await?;
        if staged.crc64.is_some_and(|answered| answered != crc64) {
            self.changed_on_the_way("PutBlock");
            let why = "the block that came to Azure is another one";
            return Err(BlobError::refused_here(Kind::DigestMismatch, why));
        }
        Ok(staged)
    }

    /// Stages bytes `first` to `last` of `source` as a block, without moving them through here.
    pub async fn put_block_from_url(
        &self,
        path: &BlobPath,
        id: &BlockId,
        source: &Source,
        range: Option<(u64, u64)>,
    ) -> Result<StagedBlock, BlobError> {
        let mut call = stage("PutBlockFromUrl", path, id);
        if let Some((first, last)) = range {
            call.header("x-ms-source-range", &format!("bytes={first}-{last}"))?;
        }
        call.source = Some(source.clone());
        self.staged(call).await
    }

    async fn staged(&self, call: Call) -> Result<StagedBlock, BlobError> {
        let answer = self.send(call).await?;
        let crc64 = headers::text(answer.headers(), "x-ms-content-crc64")
            .and_then(properties::crc64_from_base64);
        Ok(StagedBlock { crc64 })
    }

    /// Makes the named blocks the blob at `path`, in this order; staged ones that are not named go.
    pub async fn put_block_list(
        &self,
        path: &BlobPath,
        blocks: &[BlockRef],
        options: &PutOptions,
    ) -> Result<Written, BlobError> {
        let mut call = Call::on_blob("PutBlockList", Method::PUT, path, Effect::Seen);
        call.query("comp", "blocklist");
        call.write_options(options)?;
        call.blob_md5(options.headers.content_md5)?;
        let document = documents::write_block_list(blocks);
        call.document(document)?;
        let mut written = Written::from_headers(self.send(call).await?.headers())?;
        // Those in the answer are of the list, not of the blob.
        written.content_md5 = None;
        written.crc64 = None;
        Ok(written)
    }

    /// The blocks of the blob at `path`.
    pub async fn block_list(
        &self,
        path: &BlobPath,
        which: WhichBlocks,
    ) -> Result<BlockList, BlobError> {
        let mut call = Call::on_blob("GetBlockList", Method::GET, path, Effect::None);
        call.query("comp", "blocklist");
        call.query(
            "blocklisttype",
            match which {
                WhichBlocks::Committed => "committed",
                WhichBlocks::Uncommitted => "uncommitted",
                WhichBlocks::All => "all",
            },
        );
        let answer = self.document(call).await?;
        let mut list = documents::read_block_list(answer.body())?;
        list.etag = headers::text(answer.headers(), "etag").map(AzureETag::new);
        list.content_length = headers::number(answer.headers(), "x-ms-blob-content-length");
        Ok(list)
    }
}

fn stage(op: &'static str, path: &BlobPath, id: &BlockId) -> Call {
    let mut call = Call::on_blob(op, Method::PUT, path, Effect::None);
    call.query("comp", "block");
    call.query("blockid", id.base64());
    call
}
