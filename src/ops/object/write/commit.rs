//! The one request that makes a write visible, and what became of it.

use std::time::Duration;

use crate::azure::{self, BlobError, BlobPath, BlobStore, Kind, Written};
use crate::mapping::commit_id::CommitId;
use crate::mapping::metadata::{self, ObjectFacts};
use crate::ops::object::write::{Destination, Failure};
use crate::s3::{Code, Error};

/// Azure's times are whole seconds, cut off.
const AZURE_GRAIN: Duration = Duration::from_secs(1);
/// How often a commit is sent whose answer was lost.
const COMMITS_MAX: u32 = 3;

/// Sends a commit until it is known what became of it.
///
/// An answer that was lost is decided by reading back the commit id: what has been done is a
/// success, and what has not is done again. A write that another one replaced in between was done;
/// with a condition that cannot be told from one that lost, and the client is asked to try again.
pub(in crate::ops) async fn commit<F>(
    store: &BlobStore,
    path: &BlobPath,
    ours: &CommitId,
    send: impl Fn() -> F,
) -> Result<Written, Failure>
where
    F: Future<Output = Result<Written, BlobError>>,
{
    let mut lost = false;
    for _ in 1..COMMITS_MAX {
        let error = match send().await {
            Ok(written) => return Ok(written),
            Err(error) => error,
        };
        lost = lost || error.maybe_applied();
        if !lost {
            return Err(error.into());
        }
        let now = store.properties(path, &azure::Conditions::default()).await;
        match now {
            Ok(now) if ObjectFacts::read(&now).commit.as_ref() == Some(ours) => {
                return Ok(written(now));
            }
            _ if is_condition(&error) => {
                return Err(Error::new(Code::ConditionalRequestConflict).caused_by(error).into());
            }
            Err(ref absent) if absent.kind() != Kind::NoSuchBlob => return Err(error.into()),
            Ok(_) | Err(_) if error.maybe_applied() => {}
            Ok(_) | Err(_) => return Err(error.into()),
        }
    }
    Ok(send().await?)
}

fn is_condition(error: &BlobError) -> bool {
    matches!(error.kind(), Kind::ConditionNotMet | Kind::BlobExists)
}

/// What was written, as it was read back.
fn written(now: azure::Properties) -> Written {
    Written {
        etag: now.etag,
        last_modified: now.last_modified,
        content_md5: now.headers.content_md5,
        crc64: None,
        request_id: String::new(),
    }
}

/// Decides a commit whose blocks another writer of the name has discarded.
///
/// Without a condition, ours is as good as done just before the other, and replaced by it: that is
/// an order that S3 allows for writes at one time. It counts only if there is another: a blob of
/// another commit, or none any more. With a condition the client is asked to try again.
pub(super) async fn overtaken(
    destination: &Destination,
    conditions: &azure::Conditions,
    error: BlobError,
) -> Result<(), Failure> {
    if *conditions != azure::Conditions::default() {
        return Err(Error::new(Code::ConditionalRequestConflict).caused_by(error).into());
    }
    let Destination { store, path, started, .. } = destination;
    let done = match store.properties(path, &azure::Conditions::default()).await {
        Ok(now) => {
            metadata::last_modified(&ObjectFacts::read(&now), &now) + AZURE_GRAIN >= *started
        }
        Err(absent) => absent.kind() == Kind::NoSuchBlob,
    };
    if done { Ok(()) } else { Err(Error::new(Code::SlowDown).caused_by(error).into()) }
}
