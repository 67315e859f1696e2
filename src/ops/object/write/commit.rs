//! The one request that makes a write visible, and what became of it.

use std::time::Duration;

use crate::azure::{
    self, BlobError, BlobPath, BlobStore, BlockRef, Kind, Properties, WhichBlocks, Written,
};
use crate::mapping::commit_id::CommitId;
use crate::mapping::metadata::{self, ObjectFacts};
use crate::ops::object::write::Failure;
use crate::s3::{Code, Error};

/// How far the clocks of replicas and of Azure may be apart, its whole seconds included.
const CLOCKS_APART: Duration = Duration::from_secs(2);
/// How often a commit is sent whose answer was lost.
const COMMITS_MAX: u32 = 3;

/// Sends a commit until it is known what became of it.
///
/// An answer that was lost is decided by reading back the commit id: what has been done is a
/// success, and what has not is done again. With a condition, one that was replaced in between cannot
/// be told from one that lost, and the client is asked to try again. Without one, what was written
/// since may have replaced ours, and doing it again would take it back: nobody knows then.
pub(in crate::ops) async fn commit<F>(
    store: &BlobStore,
    path: &BlobPath,
    (ours, conditions): (&CommitId, &azure::Conditions),
    send: impl Fn() -> F,
) -> Result<Written, Failure>
where
    F: Future<Output = Result<Written, BlobError>>,
{
    let unconditional = azure::Conditions::default();
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
        // On the heap: hardly any answer is lost.
        let now = Box::pin(store.properties(path, &unconditional)).await;
        match now {
            Ok(now) if ObjectFacts::read(&now).commit.as_ref() == Some(ours) => {
                return Ok(written(now));
            }
            _ if is_condition(&error) => {
                return Err(Error::new(Code::ConditionalRequestConflict).caused_by(error).into());
            }
            Err(ref absent) if absent.kind() != Kind::NoSuchBlob => return Err(error.into()),
            Ok(ref now) if *conditions == unconditional && is_later(now, ours) => {
                return Err(error.into());
            }
            Ok(_) | Err(_) if error.maybe_applied() => {}
            Ok(_) | Err(_) => return Err(error.into()),
        }
    }
    Ok(send().await?)
}

/// May it have been written after the write `ours` began?
fn is_later(now: &Properties, ours: &CommitId) -> bool {
    metadata::last_modified(&ObjectFacts::read(now), now) + CLOCKS_APART >= ours.time()
}

fn is_condition(error: &BlobError) -> bool {
    matches!(error.kind(), Kind::ConditionNotMet | Kind::BlobExists)
}

/// What was written, as it was read back.
fn written(now: Properties) -> Written {
    Written {
        etag: now.etag,
        last_modified: now.last_modified,
        content_md5: now.headers.content_md5,
        crc64: None,
        request_id: String::new(),
    }
}

/// Decides a commit of which Azure misses blocks.
///
/// Where they are gone, another writer of the name has discarded them. Without a condition, ours is as
/// good as done just before that one, and replaced by it: that is an order that S3 allows for writes at
/// one time. With a condition the client is asked to try again. Where they all wait still, there is no
/// other writer: the list did not arrive as it was sent, and nothing was done.
pub(in crate::ops) async fn overtaken(
    (store, path): (&BlobStore, &BlobPath),
    staged: &[BlockRef],
    conditions: &azure::Conditions,
    error: BlobError,
) -> Result<(), Failure> {
    if *conditions != azure::Conditions::default() {
        return Err(Error::new(Code::ConditionalRequestConflict).caused_by(error).into());
    }
    let waiting = match store.block_list(path, WhichBlocks::Uncommitted).await {
        Ok(list) => list.uncommitted,
        Err(absent) if absent.kind() == Kind::NoSuchBlob => Vec::new(),
        Err(_) => return Err(Error::new(Code::SlowDown).caused_by(error).into()),
    };
    let waits = |block: &BlockRef| matches!(block, BlockRef::Uncommitted(id) if waiting.iter().any(|(known, _)| known == id));
    if staged.iter().all(waits) {
        return Err(Error::new(Code::SlowDown).caused_by(error).into());
    }
    Ok(())
}
