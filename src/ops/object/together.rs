//! Many blobs of one container deleted by few requests: Blob Batch, an answer for each blob.
//!
//! A deletion is the same when it is done twice (one with a condition finds its blob gone), so what failed
//! in passing, or whose answer was lost, is asked for again, within the retry rules of the door. What is left then is reported
//! as it is, never as deleted.

use crate::azure::{
    BlobDeletion, BlobError, BlobName, BlobPath, BlobStore, ContainerName, DeleteOptions, Kind,
    Snapshots,
};

/// What became of each blob, in their order.
pub(in crate::ops) type Deleted = Vec<Result<(), BlobError>>;

/// The deletion of a blob, whatever it is.
pub(in crate::ops) fn deletion(blob: BlobName, snapshots: Snapshots) -> BlobDeletion {
    BlobDeletion { blob, options: DeleteOptions { snapshots, ..DeleteOptions::default() } }
}

/// Makes at most [`BlobStore::BATCH_MAX`] deletions; a blob that is not there is deleted. An error of the
/// whole says that none of them has an answer.
pub(in crate::ops) async fn delete_together(
    store: &BlobStore,
    container: &ContainerName,
    deletions: &[BlobDeletion],
) -> Result<Deleted, BlobError> {
    let mut answers = Answers(deletions.iter().map(|_| None).collect());
    for attempt in 1.. {
        let open = answers.open();
        if open.is_empty() {
            break;
        }
        let left: Vec<_> = open.iter().filter_map(|place| deletions.get(*place)).cloned().collect();
        match store.delete_batch(container, &left).await {
            Ok(fresh) => {
                answers.take(&open, fresh);
                let Some(error) = answers.passing() else { break };
                if !store.again(error, attempt).await {
                    break;
                }
            }
            Err(error) if store.again(&error, attempt).await => {}
            // What they were answered before stands.
            Err(_) if answers.any() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(answers.0.into_iter().flatten().collect())
}

/// What is known of each deletion so far.
struct Answers(Vec<Option<Result<(), BlobError>>>);

impl Answers {
    /// The places of those that have no answer yet, or one that another attempt may change.
    fn open(&self) -> Vec<usize> {
        let open = |answer: &Option<Result<(), BlobError>>| match answer {
            None => true,
            Some(Ok(())) => false,
            Some(Err(error)) => is_passing(error),
        };
        (0..).zip(&self.0).filter(|(_, answer)| open(answer)).map(|(place, _)| place).collect()
    }

    /// Answers to the deletions at these places.
    fn take(&mut self, places: &[usize], fresh: Deleted) {
        for (place, answer) in places.iter().zip(fresh) {
            if let Some(known) = self.0.get_mut(*place) {
                *known = Some(gone(answer));
            }
        }
    }

    /// One of the failures that another attempt may change.
    fn passing(&self) -> Option<&BlobError> {
        let failures = self.0.iter().flatten().filter_map(|answer| answer.as_ref().err());
        failures.into_iter().find(|error| is_passing(error))
    }

    fn any(&self) -> bool {
        self.0.iter().any(Option::is_some)
    }
}

/// Deletes one blob without conditions; one that is not there is deleted.
pub(in crate::ops) async fn delete_alone(
    store: &BlobStore,
    path: &BlobPath,
    snapshots: Snapshots,
) -> Result<(), BlobError> {
    let options = DeleteOptions { snapshots, ..DeleteOptions::default() };
    for attempt in 1.. {
        match gone(store.delete(path, &options).await) {
            // The door has tried again whatever surely was not done.
            Err(error) if error.maybe_applied() && store.again(&error, attempt).await => {}
            other => return other,
        }
    }
    Ok(())
}

/// What is not there is deleted.
pub(in crate::ops) fn gone(answer: Result<(), BlobError>) -> Result<(), BlobError> {
    match answer {
        Err(error) if error.kind() == Kind::NoSuchBlob => Ok(()),
        other => other,
    }
}

/// What may be otherwise a moment later.
fn is_passing(error: &BlobError) -> bool {
    matches!(error.kind(), Kind::Throttled | Kind::ServerFailed | Kind::Unreachable | Kind::Broken)
}
