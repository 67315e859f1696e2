//! Azure's XML documents but for pages of blobs: containers and lists of blocks, read in one pass; and
//! errors.

use std::borrow::Cow;

use super::blocks::{BlockList, BlockRef};
use super::containers::{ContainerEntry, ContainerPage};
use super::error::BlobError;
use super::names::{AzureETag, BlockId, ContainerName};
use super::page::{Before, ListedProperties};
use super::properties::Metadata;
use super::xml::Walk;

/// What an error's document says, as far as it can be read.
#[derive(Default)]
pub(super) struct ErrorDocument {
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
}

pub(super) fn read_error(document: &[u8]) -> ErrorDocument {
    let mut read = ErrorDocument::default();
    // What makes no sense after all is no reason to lose the status.
    fill_error(document, &mut read).unwrap_or_default();
    read
}

fn fill_error(document: &[u8], read: &mut ErrorDocument) -> Result<(), BlobError> {
    if document.is_empty() {
        return Ok(());
    }
    let mut walk = Walk::into_root(document, "Error")?;
    while let Some(tag) = walk.child()? {
        match tag.name() {
            "Code" => read.code = Some(walk.text()?.into_owned()),
            "Message" => read.message = Some(walk.text()?.into_owned()),
            _ => walk.skip()?,
        }
    }
    Ok(())
}

pub(super) fn write_block_list(blocks: &[BlockRef]) -> Vec<u8> {
    // An id is base64, which needs no escape.
    let mut text = String::with_capacity(64 + blocks.len() * 120);
    text.push_str("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
    for block in blocks {
        let (tag, id) = match block {
            BlockRef::Uncommitted(id) => ("Uncommitted", id),
            BlockRef::Committed(id) => ("Committed", id),
            BlockRef::Latest(id) => ("Latest", id),
        };
        text.extend(["<", tag, ">", &id.base64(), "</", tag, ">"]);
    }
    text.push_str("</BlockList>");
    text.into_bytes()
}

pub(super) fn read_block_list(document: &[u8]) -> Result<BlockList, BlobError> {
    let mut list = BlockList::default();
    let mut walk = Walk::into_root(document, "BlockList")?;
    while let Some(tag) = walk.child()? {
        match tag.name() {
            "CommittedBlocks" => list.committed = read_blocks(&mut walk)?,
            "UncommittedBlocks" => list.uncommitted = read_blocks(&mut walk)?,
            _ => walk.skip()?,
        }
    }
    Ok(list)
}

fn read_blocks(walk: &mut Walk<'_>) -> Result<Vec<(BlockId, u64)>, BlobError> {
    let mut blocks = Vec::new();
    while let Some(block) = walk.child()? {
        if block.name() == "Block" {
            blocks.push(read_block(walk)?);
        } else {
            walk.skip()?;
        }
    }
    Ok(blocks)
}

fn read_block(walk: &mut Walk<'_>) -> Result<(BlockId, u64), BlobError> {
    let (mut id, mut size) = (None, None);
    while let Some(tag) = walk.child()? {
        match tag.name() {
            "Name" => id = BlockId::from_base64(&walk.text()?),
            "Size" => size = walk.text()?.parse().ok(),
            _ => walk.skip()?,
        }
    }
    id.zip(size).ok_or_else(|| BlobError::broken("a block without id or size"))
}

pub(super) fn read_containers(document: &[u8]) -> Result<ContainerPage, BlobError> {
    let mut page = ContainerPage::default();
    let mut walk = Walk::into_root(document, "EnumerationResults")?;
    while let Some(tag) = walk.child()? {
        match tag.name() {
            "Containers" => {
                while let Some(tag) = walk.child()? {
                    match tag.name() {
                        "Container" => page.containers.extend(read_container(&mut walk)?),
                        _ => walk.skip()?,
                    }
                }
            }
            "NextMarker" => page.next_marker = some(walk.text()?),
            _ => walk.skip()?,
        }
    }
    Ok(page)
}

/// None: a name that no container has, so there is nothing that could be asked of it.
fn read_container(walk: &mut Walk<'_>) -> Result<Option<ContainerEntry>, BlobError> {
    let mut name = None;
    let mut metadata = Metadata::new();
    let mut properties = ListedProperties::default();
    while let Some(tag) = walk.child()? {
        match tag.name() {
            "Name" => name = ContainerName::parse(&walk.text()?),
            "Properties" => properties.read(walk, &mut Before::default())?,
            "Metadata" => metadata = read_metadata(walk)?,
            _ => walk.skip()?,
        }
    }
    let broken = |what: &'static str| move || BlobError::broken(what);
    let etag = Some(properties.etag).filter(|etag| !etag.is_empty());
    let etag = etag.ok_or_else(broken("no Etag in the listing"))?;
    let last_modified = properties.last_modified;
    let last_modified = last_modified.ok_or_else(broken("no Last-Modified in the listing"))?;
    let etag = AzureETag::new(&etag);
    Ok(name.map(|name| ContainerEntry { name, last_modified, etag, metadata }))
}

fn read_metadata(walk: &mut Walk<'_>) -> Result<Metadata, BlobError> {
    let mut metadata = Metadata::new();
    while let Some((name, value)) = walk.leaf()? {
        metadata.insert(name.to_ascii_lowercase(), value.into_owned());
    }
    Ok(metadata)
}

fn some(text: Cow<'_, str>) -> Option<String> {
    (!text.is_empty()).then(|| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_read() {
        let document = "<EnumerationResults><Containers><Container><Name>$logs</Name><Properties>\
            <Last-Modified>Sun, 22 Nov 2026 03:05:08 GMT</Last-Modified><Etag>\"0x1\"</Etag>\
            </Properties><Metadata><A>1</A></Metadata></Container></Containers>\
            <NextMarker>/acc/next</NextMarker></EnumerationResults>";
        let page = read_containers(document.as_bytes()).unwrap();
        assert_eq!(page.next_marker.as_deref(), Some("/acc/next"));
        let entry = &page.containers[0];
        assert_eq!((entry.name.as_str(), entry.etag.as_str()), ("$logs", "\"0x1\""));
        assert_eq!(entry.metadata.get("a").map(String::as_str), Some("1"));
    }

    #[test]
    fn a_list_of_blocks_is_written_in_order_and_read() {
        let id = |text: &str| BlockId::new(text.as_bytes()).unwrap();
        let blocks = [
            BlockRef::Latest(id("b")),
            BlockRef::Committed(id("a")),
            BlockRef::Uncommitted(id("c")),
        ];
        let written = String::from_utf8(write_block_list(&blocks)).unwrap();
        assert_eq!(
            written,
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList><Latest>Yg==</Latest>\
             <Committed>YQ==</Committed><Uncommitted>Yw==</Uncommitted></BlockList>"
        );
        let read = read_block_list(
            b"<BlockList><CommittedBlocks><Block><Name>YQ==</Name><Size>5</Size></Block>\
              </CommittedBlocks><UncommittedBlocks /></BlockList>",
        )
        .unwrap();
        assert_eq!((read.committed, read.uncommitted), (vec![(id("a"), 5)], vec![]));
    }
}
