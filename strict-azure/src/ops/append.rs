//! Append Block and Put Page: what the tools of others do to blobs that are not of blocks.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/append-block>
//! <https://learn.microsoft.com/rest/api/storageservices/put-page>

use std::sync::Arc;

use http::{HeaderValue, Response, StatusCode};

use crate::answer::{self, Body, Outcome, name};
use crate::ask::Ask;
use crate::content::Content;
use crate::refusal::{self, Refusal};
use crate::service::Service;
use crate::state::{Blob, Kind};
use crate::upload::{APPEND_MAX, Guards, Upload};

const APPENDS_MAX: u32 = 50_000;
const PAGE: u64 = 512;
const PAGES_MAX: u64 = 4 * 1024 * 1024;

impl Service {
    pub(crate) async fn append_block(&self, ask: &Ask, upload: &mut Upload) -> Outcome {
        let guards = Guards::of(ask)?;
        let received = upload.take(ask, self.taking(APPEND_MAX, guards.md5.is_some())).await?;
        guards.check(&received, self.behaviour().capabilities, self.options.digests)?;
        if received.content.length() == 0 {
            return Err(refusal::INVALID_HEADER_VALUE.into());
        }
        let (mut answer, before) = self.grow(ask, Kind::Append, |there| {
            let length = there.content.length();
            exactly(
                ask,
                "x-ms-blob-condition-appendpos",
                length,
                refusal::APPEND_POSITION_NOT_MET,
            )?;
            let after = length + received.content.length();
            at_least(ask, "x-ms-blob-condition-maxsize", after, refusal::MAX_SIZE_NOT_MET)?;
            if there.appended >= APPENDS_MAX {
                return Err(refusal::BLOCK_COUNT_EXCEEDS_LIMIT.into());
            }
            Ok(Content::joined([&there.content, &received.content].into_iter()))
        })?;
        answer::put(&mut answer, name::APPEND_OFFSET, HeaderValue::from(before.content.length()));
        let count = before.appended + 1;
        answer::put(&mut answer, name::COMMITTED_BLOCK_COUNT, HeaderValue::from(count));
        answer::put_crc64(&mut answer, received.crc64);
        Ok(answer)
    }

    pub(crate) async fn put_page(&self, ask: &Ask, upload: &mut Upload) -> Outcome {
        let range = ask.header("x-ms-range").or_else(|| ask.header("range"));
        let range = range.and_then(|text| text.strip_prefix("bytes=")?.split_once('-'));
        let (first, last) = range.ok_or(refusal::MISSING_REQUIRED_HEADER)?;
        let first: u64 = first.parse().map_err(|_| refusal::INVALID_PAGE_RANGE)?;
        let last: u64 = last.parse().map_err(|_| refusal::INVALID_PAGE_RANGE)?;
        let end = last.saturating_add(1);
        if !first.is_multiple_of(PAGE) || !end.is_multiple_of(PAGE) || end <= first {
            return Err(refusal::INVALID_PAGE_RANGE.into());
        }
        let guards = Guards::of(ask)?;
        let received = upload.take(ask, self.taking(PAGES_MAX, guards.md5.is_some())).await?;
        guards.check(&received, self.behaviour().capabilities, self.options.digests)?;
        let update = ask.header("x-ms-page-write") == Some("update");
        if !update || received.content.length() != end - first {
            return Err(refusal::INVALID_HEADER_VALUE.into());
        }
        let (mut answer, _) = self.grow(ask, Kind::Page, |there| {
            let length = there.content.length();
            if end > length {
                return Err(refusal::INVALID_PAGE_RANGE.into());
            }
            let (before, after) = (there.content.range(0, first), there.content.range(end, length));
            Ok(Content::joined([&before, &received.content, &after].into_iter()))
        })?;
        answer::put_crc64(&mut answer, received.crc64);
        Ok(answer)
    }

    /// Changes the bytes of a blob that is there; the answer, and what was there before.
    fn grow(
        &self,
        ask: &Ask,
        kind: Kind,
        change: impl FnOnce(&Blob) -> Result<Content, Refusal>,
    ) -> Result<(Response<Body>, Arc<Blob>), Refusal> {
        let now = self.now();
        self.container(ask)?.change(ask.name()?, now, |entry| {
            let there = entry.to_change(ask, now)?;
            if there.kind != kind {
                return Err(refusal::INVALID_BLOB_TYPE.into());
            }
            let there = Arc::clone(there);
            let mut blob = Blob { content: change(&there)?, ..Blob::clone(&there) };
            blob.etag = self.etag();
            blob.last_modified = now;
            blob.appended += 1;
            let mut answer = Self::made(&blob);
            *answer.status_mut() = StatusCode::CREATED;
            entry.base = Some(Arc::new(blob));
            Ok((answer, there))
        })
    }
}

fn number(ask: &Ask, name: &str) -> Result<Option<u64>, Refusal> {
    let text = ask.header(name);
    text.map(|text| text.parse().map_err(|_| refusal::INVALID_HEADER_VALUE.into())).transpose()
}

fn exactly(
    ask: &Ask,
    name: &str,
    there: u64,
    otherwise: &'static refusal::Row,
) -> Result<(), Refusal> {
    match number(ask, name)? {
        Some(wanted) if wanted != there => Err(otherwise.into()),
        Some(_) | None => Ok(()),
    }
}

fn at_least(
    ask: &Ask,
    name: &str,
    needed: u64,
    otherwise: &'static refusal::Row,
) -> Result<(), Refusal> {
    match number(ask, name)? {
        Some(allowed) if allowed < needed => Err(otherwise.into()),
        Some(_) | None => Ok(()),
    }
}
