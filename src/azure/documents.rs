//! Azure's XML documents.

use super::blocks::{BlockList, BlockRef};
use super::containers::ContainerPage;
use super::error::BlobError;
use super::listing::BlobPage;

#[derive(Default)]
pub(super) struct ErrorDocument {
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
}

pub(super) fn read_error(_: &[u8]) -> ErrorDocument {
    ErrorDocument::default()
}

pub(super) fn write_block_list(_: &[BlockRef]) -> Vec<u8> {
    todo!()
}
pub(super) fn read_block_list(_: &[u8]) -> Result<BlockList, BlobError> {
    todo!()
}
pub(super) fn read_containers(_: &[u8]) -> Result<ContainerPage, BlobError> {
    todo!()
}
pub(super) fn read_blobs(_: &[u8]) -> Result<BlobPage, BlobError> {
    todo!()
}
