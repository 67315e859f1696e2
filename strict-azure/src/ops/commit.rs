//! The step that makes a blob, which all writes share: everything is looked at and done under one lock,
//! and uncommitted blocks of the name go.

use std::sync::Arc;

use crate::answer::{self, Outcome};
use crate::ask::Ask;
use crate::clock::Time;
use crate::conditions::Conditions;
use crate::lease::Of;
use crate::names::Name;
use crate::refusal::{self, Refusal};
use crate::service::Service;
use crate::state::{Blob, Container, Entry, Tier, write};
use http::StatusCode;

impl Container {
    /// Does something to what `name` has; an entry with nothing in it does not stay.
    pub(crate) fn change<T>(
        &self,
        name: &Name,
        now: Time,
        change: impl FnOnce(&mut Entry) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut blobs = write(&self.blobs);
        let Some(entry) = blobs.get_mut(name) else {
            let mut entry = Entry::default();
            let changed = change(&mut entry)?;
            if !entry.is_empty() {
                blobs.insert(name.clone(), entry);
            }
            return Ok(changed);
        };
        entry.staged.take_if(|staged| staged.is_gone(now));
        let changed = change(entry);
        if entry.is_empty() {
            blobs.remove(name);
        }
        changed
    }
}

impl Entry {
    /// Makes `blob` what is there, if all that the request says of it holds.
    pub(crate) fn commit(&mut self, ask: &Ask, mut blob: Blob, now: Time) -> Result<(), Refusal> {
        self.may_be_made(ask, &blob, now)?;
        if let Some(there) = &self.base {
            blob.created = there.created;
        }
        self.base = Some(Arc::new(blob));
        self.staged = None;
        Ok(())
    }

    /// Looks at all that a commit looks at.
    pub(crate) fn may_be_made(&self, ask: &Ask, blob: &Blob, now: Time) -> Result<(), Refusal> {
        if self.pending.is_some() {
            return Err(refusal::PENDING_COPY_OPERATION.into());
        }
        // Tags are not built: none are lost in silence.
        if ask.header("x-ms-tags").is_some_and(|tags| !tags.is_empty()) {
            return Err(refusal::API_NOT_IMPLEMENTED.into());
        }
        self.lease.allows(ask.lease(), Of::Blob, now)?;
        let there = self.base.as_deref();
        Conditions::of(ask)?.for_making(there)?;
        if there.is_some_and(|there| there.kind != blob.kind) {
            return Err(refusal::INVALID_BLOB_TYPE.into());
        }
        Ok(())
    }

    /// The blob that is there, for a change of it.
    pub(crate) fn to_change(&self, ask: &Ask, now: Time) -> Result<&Arc<Blob>, Refusal> {
        let there = self.base.as_ref().ok_or(refusal::BLOB_NOT_FOUND)?;
        if self.pending.is_some() {
            return Err(refusal::PENDING_COPY_OPERATION.into());
        }
        self.lease.allows(ask.lease(), Of::Blob, now)?;
        Conditions::of(ask)?.for_changing(there)?;
        Ok(there)
    }
}

impl Service {
    /// 201 with the state of what was made.
    pub(crate) fn made(blob: &Blob) -> http::Response<answer::Body> {
        let mut answer = answer::plain(StatusCode::CREATED);
        answer::put_state(answer.headers_mut(), blob.etag, blob.last_modified);
        answer::put_text(&mut answer, answer::name::REQUEST_SERVER_ENCRYPTED, "true");
        answer
    }

    /// Commits and says so.
    pub(crate) fn commit(&self, ask: &Ask, blob: Blob, now: Time) -> Outcome {
        let answer = Self::made(&blob);
        self.container(ask)?.change(ask.name()?, now, |entry| entry.commit(ask, blob, now))?;
        Ok(answer)
    }
}

/// The tier that is asked for.
pub(crate) fn tier(ask: &Ask) -> Result<Option<Tier>, Refusal> {
    let Some(text) = ask.header("x-ms-access-tier") else { return Ok(None) };
    Tier::parse(text).map(Some).ok_or_else(|| refusal::INVALID_HEADER_VALUE.into())
}

/// A snapshot can be read and deleted, and nothing else.
pub(crate) fn not_a_snapshot(ask: &Ask) -> Result<(), Refusal> {
    if ask.query("snapshot").is_some() { Err(refusal::SNAPSHOT_OPERATION.into()) } else { Ok(()) }
}
