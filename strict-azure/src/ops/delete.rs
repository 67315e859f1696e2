//! Delete Blob: the blob, one snapshot, or all of them. What waits to be committed goes too.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/delete-blob>

use http::StatusCode;

use crate::answer::{self, Outcome, name};
use crate::ask::Ask;
use crate::clock::Time;
use crate::conditions::Conditions;
use crate::lease::Lease;
use crate::refusal::{self, Refusal};
use crate::service::Service;
use crate::state::Entry;

impl Service {
    pub(crate) fn delete_blob(&self, ask: &Ask) -> Outcome {
        let now = self.now();
        self.container(ask)?.change(ask.name()?, now, |entry| match ask.query("snapshot") {
            Some(snapshot) => delete_snapshot(entry, ask, snapshot),
            None => delete_base(entry, ask, now),
        })?;
        let mut answer = answer::plain(StatusCode::ACCEPTED);
        answer::put_text(&mut answer, name::DELETE_TYPE_PERMANENT, "true");
        Ok(answer)
    }
}

fn delete_snapshot(entry: &mut Entry, ask: &Ask, snapshot: &str) -> Result<(), Refusal> {
    if ask.headers.contains_key("x-ms-delete-snapshots") {
        return Err(refusal::INVALID_HEADER_VALUE.into());
    }
    let time = Time::parse_iso(snapshot).ok_or(refusal::INVALID_QUERY_PARAMETER_VALUE)?;
    let blob = entry.snapshot(time).ok_or(refusal::BLOB_NOT_FOUND)?;
    Conditions::of(ask)?.for_changing(blob)?;
    entry.snapshots.retain(|(of, _)| *of != time);
    Ok(())
}

fn delete_base(entry: &mut Entry, ask: &Ask, now: Time) -> Result<(), Refusal> {
    // Staged blocks alone are no blob; Azurite answers 202.
    entry.to_change(ask, now)?;
    match ask.header("x-ms-delete-snapshots") {
        Some("only") => {
            entry.snapshots.clear();
            return Ok(());
        }
        Some("include") => entry.snapshots.clear(),
        Some(_) => return Err(refusal::INVALID_HEADER_VALUE.into()),
        None if !entry.snapshots.is_empty() => return Err(refusal::SNAPSHOTS_PRESENT.into()),
        None => {}
    }
    entry.base = None;
    entry.staged = None;
    entry.lease = Lease::Available;
    Ok(())
}
