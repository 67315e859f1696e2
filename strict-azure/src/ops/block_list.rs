//! Put Block List, which makes a blob of blocks and lets all others go; and Get Block List.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-block-list>
//! <https://learn.microsoft.com/rest/api/storageservices/get-block-list>

use std::collections::HashMap;
use std::sync::Arc;

use data_encoding::BASE64;
use http::HeaderValue;

use crate::answer::{self, Outcome, name};
use crate::ask::Ask;
use crate::content::Content;
use crate::lease::Of;
use crate::metadata::{Metadata, Served};
use crate::ops::commit;
use crate::refusal::{self, Refusal};
use crate::service::Service;
use crate::staged;
use crate::state::{Blob, Entry, Kind, read};
use crate::upload::{Guards, Received, Upload};
use crate::xml::{self, Token};

const BLOCKS_MAX: usize = 50_000;

type Block = (Box<[u8]>, Content);

/// A line of a list.
struct Line {
    from: From,
    id: Box<[u8]>,
}

/// Where a block is looked for.
#[derive(Clone, Copy)]
enum From {
    Committed,
    Uncommitted,
    Latest,
}

impl Service {
    pub(crate) async fn put_block_list(&self, ask: &Ask, upload: &mut Upload) -> Outcome {
        let guards = Guards::of(ask)?;
        let metadata = Metadata::of(&ask.headers)?;
        let tier = commit::tier(ask)?;
        let document = upload.document(ask).await?;
        let content = Content::kept(document.clone());
        let crc64 = content.crc64().unwrap_or_default();
        let received = Received { md5: content.md5(), crc64, content };
        let strict = crate::options::Digests::Real;
        guards.check(&received, self.behaviour().capabilities, strict)?;
        let lines = read_list(&document)?;
        let now = self.now();
        let mut blob = Blob::new(Kind::Block, Content::empty(), self.etag(), now);
        blob.served = Served::of(&ask.headers);
        blob.metadata = metadata;
        blob.tier = tier;
        blob.md5 = guards.blob_md5;
        let mut answer = Self::made(&blob);
        self.container(ask)?.change(ask.name()?, now, |entry| {
            entry.may_be_made(ask, &blob, now)?;
            if entry.base.as_ref().is_some_and(|there| there.is_archived(now)) {
                return Err(refusal::BLOB_ARCHIVED.into());
            }
            let blocks = find(entry, lines)?;
            blob.content = Content::joined(blocks.iter().map(|(_, content)| content));
            blob.blocks = blocks.into();
            entry.commit(ask, blob, now)
        })?;
        // Of the list, not of the blob.
        match guards.md5 {
            Some(md5) => answer::put_md5(&mut answer, name::CONTENT_MD5, md5),
            None => answer::put_crc64(&mut answer, received.crc64),
        }
        Ok(answer)
    }

    pub(crate) fn get_block_list(&self, ask: &Ask) -> Outcome {
        let which = ask.query("blocklisttype").unwrap_or("committed");
        let (committed, uncommitted) = match which.to_ascii_lowercase().as_str() {
            "committed" => (true, false),
            "uncommitted" => (false, true),
            "all" => (true, true),
            _ => return Err(refusal::INVALID_QUERY_PARAMETER_VALUE.into()),
        };
        let now = self.now();
        let container = self.container(ask)?;
        let blobs = read(&container.blobs);
        let entry = blobs.get(ask.name()?).ok_or(refusal::BLOB_NOT_FOUND)?;
        entry.lease.allows_read(ask.lease(), Of::Blob, now)?;
        let staged = entry.staged.as_ref().filter(|staged| !staged.is_gone(now));
        let blob = shown(entry, ask)?;
        if blob.is_none() && staged.is_none() {
            return Err(refusal::BLOB_NOT_FOUND.into());
        }
        if blob.is_some_and(|blob| blob.kind != Kind::Block) {
            return Err(refusal::INVALID_BLOB_TYPE.into());
        }
        let mut text = String::from(xml::HEAD);
        text.push_str("<BlockList>");
        if committed {
            let blocks = blob.map(|blob| &*blob.blocks).unwrap_or_default();
            add(&mut text, "CommittedBlocks", blocks.iter().map(|(id, of)| (&**id, of)));
        }
        if uncommitted {
            let blocks = staged.iter().flat_map(|staged| staged.in_order());
            add(&mut text, "UncommittedBlocks", blocks);
        }
        text.push_str("</BlockList>");
        let mut answer = answer::document(text);
        if let Some(blob) = blob {
            answer::put_state(answer.headers_mut(), blob.etag, blob.last_modified);
            let length = HeaderValue::from(blob.content.length());
            answer::put(&mut answer, name::BLOB_CONTENT_LENGTH, length);
        }
        Ok(answer)
    }
}

/// The blob or the snapshot that is asked for.
fn shown<'a>(entry: &'a Entry, ask: &Ask) -> Result<Option<&'a Arc<Blob>>, Refusal> {
    let Some(snapshot) = ask.query("snapshot") else { return Ok(entry.base.as_ref()) };
    let time = crate::clock::Time::parse_iso(snapshot);
    let time = time.ok_or(refusal::INVALID_QUERY_PARAMETER_VALUE)?;
    entry.snapshot(time).map(Some).ok_or_else(|| refusal::BLOB_NOT_FOUND.into())
}

fn add<'a>(text: &mut String, tag: &str, blocks: impl Iterator<Item = (&'a [u8], &'a Content)>) {
    text.extend(["<", tag, ">"]);
    for (id, content) in blocks {
        text.extend(["<Block><Name>", &BASE64.encode(id), "</Name><Size>"]);
        text.push_str(&content.length().to_string());
        text.push_str("</Size></Block>");
    }
    text.extend(["</", tag, ">"]);
}

fn find(entry: &Entry, lines: Vec<Line>) -> Result<Vec<Block>, Refusal> {
    let committed: HashMap<&[u8], &Content> = entry
        .base
        .iter()
        .flat_map(|blob| blob.blocks.iter())
        .map(|(id, content)| (&**id, content))
        .collect();
    let block = |line: Line| {
        let waiting = entry.staged.as_ref().and_then(|staged| staged.get(&line.id));
        let there = committed.get(&*line.id).copied();
        let found = match line.from {
            From::Committed => there,
            From::Uncommitted => waiting,
            From::Latest => waiting.or(there),
        };
        let content = found.ok_or(refusal::INVALID_BLOCK_LIST)?.clone();
        Ok((line.id, content))
    };
    lines.into_iter().map(block).collect()
}

fn read_list(document: &[u8]) -> Result<Vec<Line>, Refusal> {
    let text = std::str::from_utf8(document).map_err(|_| refusal::INVALID_XML_DOCUMENT)?;
    let mut lines = Vec::new();
    let mut inside = false;
    for token in xml::tokens(text) {
        match token.ok_or(refusal::INVALID_XML_DOCUMENT)? {
            Token::Open("BlockList") if !inside => inside = true,
            Token::Element("BlockList", _) if !inside => return Ok(lines),
            Token::Element(..) if lines.len() >= BLOCKS_MAX => {
                return Err(refusal::BLOCK_LIST_TOO_LONG.into());
            }
            Token::Element(tag, id) if inside => lines.push(line(tag, id)?),
            Token::Close("BlockList") if inside => return Ok(lines),
            Token::Open(_) | Token::Element(..) | Token::Close(_) => break,
        }
    }
    Err(refusal::INVALID_XML_DOCUMENT.into())
}

fn line(tag: &str, id: &str) -> Result<Line, Refusal> {
    let from = match tag {
        "Committed" => From::Committed,
        "Uncommitted" => From::Uncommitted,
        "Latest" => From::Latest,
        _ => return Err(refusal::INVALID_XML_DOCUMENT.into()),
    };
    let id = staged::block_id(id.trim()).map_err(|_| refusal::INVALID_BLOCK_LIST)?;
    Ok(Line { from, id })
}
