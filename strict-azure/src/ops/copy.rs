//! Copy Blob, which may go on after its answer; Copy Blob From URL, which does not; Abort Copy Blob.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/copy-blob>
//! <https://learn.microsoft.com/rest/api/storageservices/abort-copy-blob>

use std::sync::Arc;

use http::{HeaderValue, StatusCode};

use crate::answer::{self, Outcome, name};
use crate::ask::Ask;
use crate::clock::Time;
use crate::content::Content;
use crate::lease::Of;
use crate::metadata::Metadata;
use crate::operation::Operation;
use crate::ops::commit;
use crate::ops::from_url::OwnAccount;
use crate::options::Copies;
use crate::refusal;
use crate::service::Service;
use crate::state::{Blob, Container, CopyStatus, Copying, read, write};

/// Copy Blob From URL. <https://learn.microsoft.com/rest/api/storageservices/copy-blob-from-url>
const AT_ONCE_MAX: u64 = 256 * 1024 * 1024;

impl Service {
    pub(crate) fn copy_blob(&self, ask: &Ask, operation: Operation) -> Outcome {
        let metadata = Metadata::of(&ask.headers)?;
        let tier = commit::tier(ask)?;
        let at_once = operation == Operation::CopyBlobFromUrl;
        let own = if at_once { OwnAccount::NotEnough } else { OwnAccount::Enough };
        let source = self.source(ask, own)?;
        if at_once && source.content.length() > AT_ONCE_MAX {
            return Err(refusal::REQUEST_BODY_TOO_LARGE.into());
        }
        let now = self.now();
        let address = ask.headers.get("x-ms-copy-source").cloned();
        let mut copy = Copying {
            id: self.guid(),
            status: CopyStatus::Success,
            source: without_query(address.as_ref()),
            total: source.content.length(),
        };
        let mut made = Blob::clone(&source);
        made.etag = self.etag();
        made.last_modified = now;
        made.created = now;
        made.tier = tier;
        made.rehydrating = None;
        if !metadata.is_empty() {
            made.metadata = metadata;
        }
        made.copy = Some(copy.clone());
        let pending = !at_once && self.behaviour().copies == Copies::Pending;
        let mut answer = Self::made(&made);
        *answer.status_mut() = StatusCode::ACCEPTED;
        if pending {
            copy.status = CopyStatus::Pending;
        }
        answer::put_text(&mut answer, name::COPY_ID, &copy.id);
        answer::put_text(&mut answer, name::COPY_STATUS, copy.status.text());
        self.container(ask)?.change(ask.name()?, now, |entry| {
            if !pending {
                return entry.commit(ask, made, now);
            }
            // An empty blob stands there until the copy ends.
            let mut empty = Blob { content: Content::empty(), md5: None, ..made.clone() };
            empty.blocks = Arc::new([]);
            empty.copy = Some(copy);
            entry.commit(ask, empty, now)?;
            entry.pending = Some(Arc::new(made));
            Ok(())
        })?;
        Ok(answer)
    }

    pub(crate) fn abort_copy(&self, ask: &Ask) -> Outcome {
        if ask.header("x-ms-copy-action") != Some("abort") {
            return Err(refusal::INVALID_HEADER_VALUE.into());
        }
        let id = ask.query("copyid").ok_or(refusal::MISSING_REQUIRED_QUERY_PARAMETER)?;
        let now = self.now();
        self.container(ask)?.change(ask.name()?, now, |entry| {
            let there = entry.base.as_ref().ok_or(refusal::BLOB_NOT_FOUND)?;
            entry.lease.allows(ask.lease(), Of::Blob, now)?;
            let copy = there.copy.as_ref().filter(|_| entry.pending.is_some());
            let copy = copy.ok_or(refusal::NO_PENDING_COPY_OPERATION)?;
            if copy.id != id {
                return Err(refusal::COPY_ID_MISMATCH.into());
            }
            let copy = Some(Copying { status: CopyStatus::Aborted, ..copy.clone() });
            let (etag, last_modified) = (self.etag(), now);
            entry.base = Some(Arc::new(Blob { etag, last_modified, copy, ..Blob::clone(there) }));
            entry.pending = None;
            Ok(())
        })?;
        Ok(answer::plain(StatusCode::NO_CONTENT))
    }

    /// Ends all copies that are on their way; how many they were.
    pub(crate) fn finish_copies(&self) -> usize {
        let now = self.now();
        let containers = read(&self.store.containers);
        containers.values().map(|container| self.finish_copies_in(container, now)).sum()
    }

    fn finish_copies_in(&self, container: &Container, now: Time) -> usize {
        let mut count = 0;
        for entry in write(&container.blobs).values_mut() {
            if let Some(made) = entry.pending.take() {
                let (etag, last_modified) = (self.etag(), now);
                entry.base = Some(Arc::new(Blob { etag, last_modified, ..Blob::clone(&made) }));
                count += 1;
            }
        }
        count
    }
}

/// A SAS is not shown.
fn without_query(address: Option<&HeaderValue>) -> HeaderValue {
    let text = address.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let text = text.split('?').next().unwrap_or_default();
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
