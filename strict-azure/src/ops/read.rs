//! Get Blob, Get Blob Properties, Get Blob Metadata, Get Blob Tags.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/get-blob>

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, StatusCode};

use crate::answer::{self, Body, Outcome, name};
use crate::ask::Ask;
use crate::clock::Time;
use crate::conditions::Conditions;
use crate::lease::{Lease, Of, State};
use crate::refusal::{self, Refusal};
use crate::service::Service;
use crate::state::{Blob, Kind, Tier, read};
use crate::xml;

/// A blob and who has leased it.
struct Seen {
    blob: Arc<Blob>,
    /// Snapshots have none.
    lease: Option<(State, bool)>,
    now: Time,
}

impl Service {
    pub(crate) fn get_blob(&self, ask: &Ask) -> Outcome {
        let seen = self.see(ask)?;
        let blob = &seen.blob;
        if blob.is_archived(seen.now) {
            let rehydrating = blob.rehydrating.is_some();
            let row =
                if rehydrating { refusal::BLOB_BEING_REHYDRATED } else { refusal::BLOB_ARCHIVED };
            return Err(row.into());
        }
        let length = blob.content.length();
        let range = range(ask, length)?;
        let (first, end) = range.unwrap_or((0, length));
        let mut answer = answer::plain(StatusCode::OK);
        let headers = answer.headers_mut();
        seen.put(headers);
        headers.insert(name::CONTENT_LENGTH, HeaderValue::from(end - first));
        if range.is_some() {
            *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
            let text = format!("bytes {first}-{}/{length}", end - 1);
            answer::put_text(&mut answer, name::CONTENT_RANGE, &text);
        }
        if let Some(md5) = blob.md5 {
            let of = if range.is_some() { name::BLOB_CONTENT_MD5 } else { name::CONTENT_MD5 };
            answer::put_md5(&mut answer, of, md5);
        }
        if end > first {
            *answer.body_mut() = Body::range(blob.content.clone(), first, end);
        }
        Ok(answer)
    }

    pub(crate) fn blob_properties(&self, ask: &Ask) -> Outcome {
        let seen = self.see(ask)?;
        let blob = &seen.blob;
        let mut answer = answer::plain(StatusCode::OK);
        let headers = answer.headers_mut();
        seen.put(headers);
        seen.put_tier(headers);
        headers.insert(name::CONTENT_LENGTH, HeaderValue::from(blob.content.length()));
        if let Some(md5) = blob.md5 {
            answer::put_md5(&mut answer, name::CONTENT_MD5, md5);
        }
        Ok(answer)
    }

    pub(crate) fn blob_metadata(&self, ask: &Ask) -> Outcome {
        let seen = self.see(ask)?;
        let mut answer = answer::plain(StatusCode::OK);
        seen.blob.metadata.put(answer.headers_mut());
        answer::put_state(answer.headers_mut(), seen.blob.etag, seen.blob.last_modified);
        Ok(answer)
    }

    /// None, since no write gives a blob any.
    pub(crate) fn blob_tags(&self, ask: &Ask) -> Outcome {
        self.see(ask)?;
        Ok(answer::document(format!("{}<Tags><TagSet /></Tags>", xml::HEAD)))
    }

    /// What is there, if the request may see it.
    fn see(&self, ask: &Ask) -> Result<Seen, Refusal> {
        let now = self.now();
        let container = self.container(ask)?;
        let seen = {
            let blobs = read(&container.blobs);
            let entry = blobs.get(ask.name()?).ok_or(refusal::BLOB_NOT_FOUND)?;
            if let Some(snapshot) = ask.query("snapshot") {
                let time =
                    Time::parse_iso(snapshot).ok_or(refusal::INVALID_QUERY_PARAMETER_VALUE)?;
                let blob = entry.snapshot(time).ok_or(refusal::BLOB_NOT_FOUND)?;
                Seen { blob: Arc::clone(blob), lease: None, now }
            } else {
                // Staged blocks alone are no blob.
                let blob = entry.base.as_ref().ok_or(refusal::BLOB_NOT_FOUND)?;
                entry.lease.allows_read(ask.lease(), Of::Blob, now)?;
                let lease = Some((entry.lease.state(now), entry.lease.is_infinite()));
                Seen { blob: Arc::clone(blob), lease, now }
            }
        };
        Conditions::of(ask)?.for_reading(&seen.blob)?;
        Ok(seen)
    }
}

impl Seen {
    /// What Get Blob and Get Blob Properties both say.
    fn put(&self, into: &mut HeaderMap) {
        let blob = &*self.blob;
        answer::put_state(into, blob.etag, blob.last_modified);
        blob.served.put(into);
        blob.metadata.put(into);
        into.insert(name::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        into.insert(name::BLOB_TYPE, HeaderValue::from_static(blob.kind.text()));
        into.insert(name::SERVER_ENCRYPTED, HeaderValue::from_static("true"));
        if let Ok(created) = HeaderValue::try_from(blob.created.http_date()) {
            into.insert(name::CREATION_TIME, created);
        }
        if let Some((state, infinite)) = self.lease {
            put_lease(into, state, infinite);
        }
        if blob.kind == Kind::Append {
            into.insert(name::COMMITTED_BLOCK_COUNT, HeaderValue::from(blob.appended));
        }
        self.put_copy(into);
    }

    fn put_copy(&self, into: &mut HeaderMap) {
        let Some(copy) = &self.blob.copy else { return };
        let done = if copy.status == crate::state::CopyStatus::Success { copy.total } else { 0 };
        into.insert(name::COPY_STATUS, HeaderValue::from_static(copy.status.text()));
        into.insert(name::COPY_SOURCE, copy.source.clone());
        for (name, text) in [
            (name::COPY_ID, copy.id.clone()),
            (name::COPY_PROGRESS, format!("{done}/{}", copy.total)),
        ] {
            if let Ok(value) = HeaderValue::try_from(text) {
                into.insert(name, value);
            }
        }
    }

    /// Only Get Blob Properties says it: the answer to Get Blob has no such header.
    /// <https://learn.microsoft.com/rest/api/storageservices/get-blob-properties#response-headers>
    fn put_tier(&self, into: &mut HeaderMap) {
        let blob = &*self.blob;
        if blob.kind != Kind::Block {
            return;
        }
        let tier = blob.tier_at(self.now);
        into.insert(name::ACCESS_TIER, HeaderValue::from_static(tier.text()));
        if blob.tier.is_none() {
            into.insert(name::ACCESS_TIER_INFERRED, HeaderValue::from_static("true"));
        }
        if let Some(status) = archive_status(blob, self.now) {
            into.insert(name::ARCHIVE_STATUS, HeaderValue::from_static(status));
        }
    }
}

/// What is said of a blob on its way back from the archive.
pub(crate) fn archive_status(blob: &Blob, now: Time) -> Option<&'static str> {
    let (tier, there) = blob.rehydrating?;
    (there > now).then_some(match tier {
        Tier::Hot => "rehydrate-pending-to-hot",
        Tier::Cool => "rehydrate-pending-to-cool",
        Tier::Cold => "rehydrate-pending-to-cold",
        Tier::Archive => "",
    })
}

pub(crate) fn put_lease(into: &mut HeaderMap, state: State, infinite: bool) {
    into.insert(name::LEASE_STATE, HeaderValue::from_static(state.text()));
    into.insert(name::LEASE_STATUS, HeaderValue::from_static(state.status()));
    if state == State::Leased {
        let text = if infinite { "infinite" } else { "fixed" };
        into.insert(name::LEASE_DURATION, HeaderValue::from_static(text));
    }
}

pub(crate) fn put_lease_of(into: &mut HeaderMap, lease: &Lease, now: Time) {
    put_lease(into, lease.state(now), lease.is_infinite());
}

/// First byte and the one behind the last, of a range that is asked for. There is no documented way to
/// ask for the last bytes.
fn range(ask: &Ask, length: u64) -> Result<Option<(u64, u64)>, Refusal> {
    let Some(text) = ask.header("x-ms-range").or_else(|| ask.header("range")) else {
        return Ok(None);
    };
    let (first, end) = parse_range(text)?;
    if first >= length {
        let header = format!("bytes */{length}");
        return Err(Refusal::with(refusal::INVALID_RANGE, "content-range", &header));
    }
    Ok(Some((first, end.min(length))))
}

/// `bytes=first-last` or `bytes=first-`, of signed 64-bit numbers.
pub(crate) fn parse_range(text: &str) -> Result<(u64, u64), Refusal> {
    let read = || {
        let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
        let number = |text: &str| u64::try_from(text.parse::<i64>().ok()?).ok();
        let first = number(first)?;
        let end = if last.is_empty() { u64::MAX } else { number(last)? + 1 };
        (first < end).then_some((first, end))
    };
    read().ok_or_else(|| refusal::INVALID_HEADER_VALUE.into())
}
