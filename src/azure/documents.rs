//! Azure's XML documents: listings and lists of blocks, read in one pass; and errors.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use time::OffsetDateTime;

use super::blocks::{BlockList, BlockRef};
use super::containers::{ContainerEntry, ContainerPage};
use super::dates;
use super::error::BlobError;
use super::listing::{BlobEntry, BlobPage, ListEntry};
use super::names::{AzureETag, BlockId, ContainerName};
use super::properties::{self, BlobHeaders, BlobKind, Metadata, Properties, Tier};
use super::xml::{Tag, Walk};

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
    let mut read = Read::default();
    while let Some(tag) = walk.child()? {
        match tag.name() {
            "Name" => name = ContainerName::parse(&walk.text()?),
            "Properties" => read.fill(walk)?,
            "Metadata" => metadata = read_metadata(walk)?,
            _ => walk.skip()?,
        }
    }
    let (last_modified, etag) = (read.last_modified()?, read.etag()?);
    Ok(name.map(|name| ContainerEntry { name, last_modified, etag, metadata }))
}

pub(super) fn read_blobs(document: &[u8]) -> Result<BlobPage, BlobError> {
    let mut page = BlobPage::default();
    let mut walk = Walk::into_root(document, "EnumerationResults")?;
    while let Some(tag) = walk.child()? {
        match tag.name() {
            "Blobs" => page.entries = in_order(read_entries(&mut walk)?),
            "NextMarker" => page.next_marker = some(walk.text()?),
            _ => walk.skip()?,
        }
    }
    Ok(page)
}

fn read_entries(walk: &mut Walk<'_>) -> Result<Vec<ListEntry>, BlobError> {
    let mut entries = Vec::new();
    while let Some(tag) = walk.child()? {
        match tag.name() {
            "Blob" => entries.push(ListEntry::Blob(Box::new(read_blob(walk)?))),
            "BlobPrefix" => entries.push(ListEntry::Prefix(read_prefix(walk)?)),
            _ => walk.skip()?,
        }
    }
    Ok(entries)
}

/// Azure mixes blobs and prefixes by name; Azurite lists the prefixes of a page first. What has one
/// name (a blob and its snapshots) keeps its order.
fn in_order(mut entries: Vec<ListEntry>) -> Vec<ListEntry> {
    let mixed = entries.iter().any(|entry| matches!(entry, ListEntry::Prefix(_)));
    let compare = |one: &ListEntry, other: &ListEntry| {
        one.name().encode_utf16().cmp(other.name().encode_utf16())
    };
    if mixed && !entries.is_sorted_by(|one, other| compare(one, other).is_le()) {
        entries.sort_by(compare);
    }
    entries
}

fn read_prefix(walk: &mut Walk<'_>) -> Result<String, BlobError> {
    let mut prefix = None;
    while let Some(tag) = walk.child()? {
        match tag.name() {
            "Name" => prefix = Some(read_name(walk, &tag)?),
            _ => walk.skip()?,
        }
    }
    prefix.ok_or_else(|| BlobError::broken("a prefix without a name"))
}

fn read_blob(walk: &mut Walk<'_>) -> Result<BlobEntry, BlobError> {
    let (mut name, mut snapshot, mut deleted) = (None, None, false);
    let mut metadata = Metadata::new();
    let mut read = Read::default();
    while let Some(tag) = walk.child()? {
        match tag.name() {
            "Name" => name = Some(read_name(walk, &tag)?),
            "Snapshot" => snapshot = some(walk.text()?),
            "Deleted" => deleted = walk.text()? == "true",
            "Properties" => read.fill(walk)?,
            "Metadata" => metadata = read_metadata(walk)?,
            _ => walk.skip()?,
        }
    }
    let name = name.ok_or_else(|| BlobError::broken("a blob without a name"))?;
    let uncommitted = read.is_uncommitted();
    let properties = if uncommitted { read.of_uncommitted() } else { read.finish(metadata)? };
    Ok(BlobEntry { name, snapshot, deleted, uncommitted, properties })
}

/// A name that XML cannot hold is percent-encoded, and says so.
fn read_name(walk: &mut Walk<'_>, tag: &Tag<'_>) -> Result<String, BlobError> {
    let text = walk.text()?;
    if !tag.says("Encoded", "true") {
        return Ok(text.into_owned());
    }
    let decoded = percent_decode_str(&text).decode_utf8().map_err(BlobError::broken)?;
    Ok(decoded.into_owned())
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

/// `<Properties>` as far as they have come.
#[derive(Default)]
struct Read {
    etag: Option<AzureETag>,
    last_modified: Option<OffsetDateTime>,
    content_length: Option<u64>,
    headers: BlobHeaders,
    kind: Option<BlobKind>,
    tier: Option<Tier>,
    archive_status: Option<String>,
    leased: bool,
}

impl Read {
    fn fill(&mut self, walk: &mut Walk<'_>) -> Result<(), BlobError> {
        while let Some((name, text)) = walk.leaf()? {
            if !text.is_empty() {
                self.set(name, text);
            }
        }
        Ok(())
    }

    fn set(&mut self, name: &str, text: Cow<'_, str>) {
        let headers = &mut self.headers;
        match name {
            "Etag" => self.etag = Some(AzureETag::new(&text)),
            "Last-Modified" => self.last_modified = dates::parse(&text),
            "Content-Length" => self.content_length = text.parse().ok(),
            "Content-Type" => headers.content_type = Some(text.into_owned()),
            "Content-Encoding" => headers.content_encoding = Some(text.into_owned()),
            "Content-Language" => headers.content_language = Some(text.into_owned()),
            "Content-Disposition" => headers.content_disposition = Some(text.into_owned()),
            "Cache-Control" => headers.cache_control = Some(text.into_owned()),
            "Content-MD5" => headers.content_md5 = properties::md5_from_base64(&text),
            "BlobType" => self.kind = Some(properties::kind_of(&text)),
            "AccessTier" => self.tier = Some(Tier::parse(&text)),
            "ArchiveStatus" => self.archive_status = Some(text.into_owned()),
            "LeaseStatus" => self.leased = text == "locked",
            _ => {}
        }
    }

    /// A name with staged blocks only has no state of its own yet; Azurite gives it an ETag and a
    /// time. What was committed has a type, by default too.
    fn is_uncommitted(&self) -> bool {
        let untyped = self.headers.content_type.is_none() && self.content_length == Some(0);
        self.etag.is_none() || self.last_modified.is_none() || untyped
    }

    fn of_uncommitted(self) -> Properties {
        Properties {
            etag: self.etag.unwrap_or_else(|| AzureETag::new("")),
            last_modified: self.last_modified.unwrap_or(OffsetDateTime::UNIX_EPOCH),
            content_length: self.content_length.unwrap_or_default(),
            headers: self.headers,
            metadata: Metadata::new(),
            kind: BlobKind::Block,
            tier: None,
            archive_status: None,
            leased: false,
        }
    }

    fn etag(&self) -> Result<AzureETag, BlobError> {
        self.etag.clone().ok_or_else(|| BlobError::broken("no Etag in the listing"))
    }

    fn last_modified(&self) -> Result<OffsetDateTime, BlobError> {
        self.last_modified.ok_or_else(|| BlobError::broken("no Last-Modified in the listing"))
    }

    fn finish(self, metadata: Metadata) -> Result<Properties, BlobError> {
        let length = self.content_length;
        Ok(Properties {
            etag: self.etag()?,
            last_modified: self.last_modified()?,
            content_length: length.ok_or_else(|| BlobError::broken("a blob without a length"))?,
            headers: self.headers,
            metadata,
            kind: self.kind.unwrap_or(BlobKind::Block),
            tier: self.tier,
            archive_status: self.archive_status,
            leased: self.leased,
        })
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn page(blobs: &str) -> String {
        format!(
            "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults \
             ServiceEndpoint=\"http://x/\" ContainerName=\"c\"><Prefix>p</Prefix>\
             <MaxResults>5</MaxResults><Blobs>{blobs}</Blobs><NextMarker /></EnumerationResults>"
        )
    }

    const PROPERTIES: &str = "<Properties><Creation-Time>Sun, 22 Nov 2026 03:05:07 GMT</Creation-Time>\
        <Last-Modified>Sun, 22 Nov 2026 03:05:08 GMT</Last-Modified><Etag>0x8D</Etag>\
        <Content-Length>7</Content-Length><Content-Type>text/plain</Content-Type><Content-Encoding />\
        <Content-MD5>XUFAKrxLKna5cZ2REBfFkg==</Content-MD5><BlobType>BlockBlob</BlobType>\
        <AccessTier>Cool</AccessTier><LeaseStatus>locked</LeaseStatus><New>x</New></Properties>";

    fn named(name: &str) -> String {
        format!("<Blob>{name}{PROPERTIES}<OrMetadata/></Blob>")
    }

    fn names(document: &str) -> Vec<String> {
        let page = read_blobs(document.as_bytes()).unwrap();
        page.entries.iter().map(|entry| entry.name().to_owned()).collect()
    }

    #[test]
    fn a_blob_is_read_with_all_that_is_said() {
        let blob = format!(
            "<Blob><Name>a/b</Name><Snapshot>2026-11-22T03:05:08.1234567Z</Snapshot>\
             <Deleted>true</Deleted>{PROPERTIES}<Metadata><Foo_Bar>1 &lt; 2</Foo_Bar><e/></Metadata></Blob>"
        );
        let read = read_blobs(page(&blob).as_bytes()).unwrap();
        assert_eq!(read.next_marker, None);
        let [ListEntry::Blob(blob)] = read.entries.as_slice() else { panic!("{read:?}") };
        assert_eq!(blob.snapshot.as_deref(), Some("2026-11-22T03:05:08.1234567Z"));
        assert!(blob.deleted && !blob.uncommitted);
        let of = &blob.properties;
        assert_eq!(of.etag, AzureETag::new("\"0x8D\""));
        assert_eq!(of.last_modified, datetime!(2026-11-22 03:05:08 UTC));
        assert_eq!((of.content_length, of.leased), (7, true));
        assert_eq!(of.headers.content_type.as_deref(), Some("text/plain"));
        assert_eq!(of.headers.content_encoding, None);
        assert!(of.headers.content_md5.is_some());
        assert_eq!(of.tier, Some(Tier::Cool));
        let metadata = [("e", ""), ("foo_bar", "1 < 2")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(of.metadata, Metadata::from(metadata));
    }

    #[test]
    fn names_are_exact() {
        let blobs: String = [
            "<Name> </Name>",
            "<Name>  x  </Name>",
            "<Name>&lt;&amp;&gt;&quot;&apos;&#x9;&#13;</Name>",
            "<Name Encoded=\"true\">a%EF%BF%BEb%2525</Name>",
            "<Name Encoded=\"false\">a%20b</Name>",
            "<Name>a%20b</Name>",
            "<Name><![CDATA[<c>]]></Name>",
        ]
        .map(named)
        .concat();
        assert_eq!(
            names(&page(&blobs)),
            [" ", "  x  ", "<&>\"'\t\r", "a\u{fffe}b%25", "a%20b", "a%20b", "<c>"]
        );
    }

    #[test]
    fn prefixes_and_blobs_keep_their_order() {
        let prefix = |name: &str| format!("<BlobPrefix><Name>{name}</Name></BlobPrefix>");
        let blobs = [prefix("a/"), named("<Name>b</Name>"), prefix("c/")].concat();
        let read = read_blobs(page(&blobs).as_bytes()).unwrap();
        let kinds: Vec<bool> =
            read.entries.iter().map(|entry| matches!(entry, ListEntry::Prefix(_))).collect();
        assert_eq!(kinds, [true, false, true]);
        assert_eq!(names(&page(&blobs)), ["a/", "b", "c/"]);
    }

    #[test]
    fn a_page_of_azurite_is_put_in_azures_order() {
        let prefix = |name: &str| format!("<BlobPrefix><Name>{name}</Name></BlobPrefix>");
        let blobs = [
            prefix("a/"),
            prefix("c/"),
            prefix("\u{1f388}/"),
            named("<Name>b</Name>"),
            named("<Name>d</Name>"),
            named("<Name>\u{fb00}</Name>"),
        ]
        .concat();
        assert_eq!(names(&page(&blobs)), ["a/", "b", "c/", "d", "\u{1f388}/", "\u{fb00}"]);
    }

    #[test]
    fn a_name_with_staged_blocks_only_is_said_to_be_one() {
        let blob = "<Blob><Name>u</Name><Properties><Content-Length>0</Content-Length>\
                    </Properties></Blob>";
        let read = read_blobs(page(blob).as_bytes()).unwrap();
        assert!(matches!(read.entries.as_slice(), [ListEntry::Blob(blob)] if blob.uncommitted));
    }

    #[test]
    fn a_document_that_is_cut_or_wrong_is_broken() {
        let whole = page(&named("<Name>a</Name>"));
        for end in [10, 100, 200, whole.len() - 1] {
            assert!(read_blobs(&whole.as_bytes()[..end]).is_err(), "{end}");
        }
        let length = PROPERTIES.replace("<Content-Length>7</Content-Length>", "");
        for bad in [
            "<Other/>".to_owned(),
            "<!DOCTYPE x [<!ENTITY e \"v\">]><EnumerationResults/>".to_owned(),
            page("<Blob><Name>&e;</Name></Blob>"),
            page("<Blob><Name Encoded=\"true\">%FF</Name></Blob>"),
            page(&format!("<Blob>{PROPERTIES}</Blob>")),
            page(&format!("<Blob><Name>a</Name>{length}</Blob>")),
        ] {
            assert!(read_blobs(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(read_blobs(b"\xff").is_err());
    }

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
