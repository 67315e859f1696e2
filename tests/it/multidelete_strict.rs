//! DeleteObjects over strict Azure: what it costs, and what becomes of a batch on a bad day.

use strict_azure::{Action, Fault, Operation, Seed};

use crate::harness::gateway::ALICE;
use crate::harness::stand::Stand;
use crate::harness::{md5_hex, path};
use crate::keys::listed;
use crate::multidelete::{document, request};

/// Keys that are there, in a bucket of a gateway that knows what its backend can do.
async fn stand(count: usize) -> (Stand, Vec<String>) {
    let stand = Stand::open(|_| {}).await;
    stand.client.put(&path(&stand.bucket, "warm")).ok().await;
    stand.client.delete(&path(&stand.bucket, "warm")).ok().await;
    let keys: Vec<_> = (0..count).map(|number| format!("k{number:04}")).collect();
    let seeds = keys.iter().map(|key| (key.as_str(), Seed::bytes("v")));
    stand.azure.seed(&stand.bucket, seeds).unwrap();
    stand.azure.reset_counts();
    (stand, keys)
}

fn all(keys: &[String]) -> String {
    document(&keys.iter().map(String::as_str).collect::<Vec<_>>())
}

#[tokio::test]
async fn a_thousand_keys_are_four_requests() {
    let (stand, keys) = stand(1000).await;
    let answer = request(&stand.client, &stand.bucket, &all(&keys)).ok().await.xml();
    assert_eq!(stand.asked(), [(Operation::BlobBatch, 4)]);
    assert_eq!(answer.texts("Deleted/Key"), keys, "in the order of the request");
    assert!(answer.all("Error").is_empty());
    assert!(stand.azure.names(&stand.bucket).is_empty());
    // All of them again: they are gone, which is what was asked for.
    let answer = request(&stand.client, &stand.bucket, &all(&keys)).ok().await.xml();
    assert_eq!(answer.all("Deleted").len(), 1000);
    assert_eq!(stand.asked(), [(Operation::BlobBatch, 4)]);
}

#[tokio::test]
async fn without_batches_each_key_is_a_request() {
    let (stand, keys) = stand(40).await;
    stand.azure.behave(|behaviour| behaviour.capabilities.batch = false);
    let replica = stand.replica().await;
    let client = replica.client(ALICE);
    let answer = request(&client, &stand.bucket, &all(&keys)).ok().await.xml();
    assert_eq!(answer.texts("Deleted/Key"), keys);
    assert_eq!(stand.azure.count(Operation::DeleteBlob), 40 + PROBE_BLOBS);
    assert!(stand.azure.names(&stand.bucket).is_empty());
}

/// What a gateway deletes that finds out what its backend can do.
const PROBE_BLOBS: u64 = 2;

/// A request of a batch that says no for now is asked again; one that says no for good is reported.
#[tokio::test]
async fn each_answer_of_a_batch_is_its_own() {
    let (stand, keys) = stand(10).await;
    let fault = |action, key: &str, times| {
        let fault = Fault::new(action).on(Operation::DeleteBlob).named(key).times(times);
        stand.azure.set_fault(fault);
    };
    let refuse = |status, code: &str| Action::Refuse(status, code.to_owned());
    fault(Action::Busy(None), "k0001", 1);
    fault(Action::TimedOut, "k0002", 1);
    fault(Action::TimedOutAfterDoing, "k0003", 1);
    fault(refuse(403, "AuthorizationPermissionMismatch"), "k0004", 1);
    fault(refuse(412, "LeaseIdMissing"), "k0005", 1);
    fault(refuse(409, "BlobImmutableDueToPolicy"), "k0006", 1);
    // Busy for longer than anybody waits.
    fault(Action::Busy(None), "k0007", 100);
    fault(Action::TimedOut, "k0008", 100);
    let answer = request(&stand.client, &stand.bucket, &all(&keys)).ok().await.xml();
    assert_eq!(
        answer.texts("Deleted/Key"),
        ["k0000", "k0001", "k0002", "k0003", "k0009"],
        "{answer:?}"
    );
    assert_eq!(answer.texts("Error/Key"), ["k0004", "k0005", "k0006", "k0007", "k0008"]);
    assert_eq!(
        answer.texts("Error/Code"),
        ["ServiceUnavailable", "OperationAborted", "AccessDenied", "SlowDown", "SlowDown"]
    );
    stand.azure.clear_faults();
    let left = ["k0004", "k0005", "k0006", "k0007", "k0008"];
    assert_eq!(listed(&stand.client, &stand.bucket).await, left);
}

/// An answer that is lost, whole or in part, is asked for again.
#[tokio::test]
async fn a_batch_whose_answer_is_lost_is_made_again() {
    for action in [
        Action::CutAfterDoing,
        Action::Cut,
        Action::CutBody(300),
        Action::TimedOut,
        Action::TimedOutAfterDoing,
        Action::Busy(None),
    ] {
        let (stand, keys) = stand(5).await;
        stand.azure.set_fault(Fault::new(action.clone()).on(Operation::BlobBatch));
        let answer = request(&stand.client, &stand.bucket, &all(&keys)).ok().await.xml();
        assert_eq!(answer.texts("Deleted/Key"), keys, "{action:?}");
        assert_eq!(stand.azure.count(Operation::BlobBatch), 2, "{action:?}");
        assert!(stand.azure.names(&stand.bucket).is_empty(), "{action:?}");
    }
}

/// While no batch comes through, no key is called deleted.
#[tokio::test]
async fn a_backend_that_stays_busy_is_reported_for_each_key() {
    let (stand, keys) = stand(5).await;
    stand.azure.set_fault(Fault::new(Action::Busy(None)).on(Operation::BlobBatch).times(100));
    let answer = request(&stand.client, &stand.bucket, &all(&keys)).ok().await.xml();
    assert!(answer.all("Deleted").is_empty());
    assert_eq!(answer.texts("Error/Key"), keys);
    assert_eq!(answer.texts("Error/Code"), ["SlowDown"; 5]);
    stand.azure.clear_faults();
    assert_eq!(listed(&stand.client, &stand.bucket).await, keys);
}

/// A single deletion whose answer is lost is made again as well, and one with a condition is not taken for
/// refused because it was done.
#[tokio::test]
async fn a_deletion_whose_answer_is_lost_is_decided() {
    let (stand, _) = stand(0).await;
    let at = path(&stand.bucket, "k");
    for condition in [None, Some(md5_hex(b"v"))] {
        stand.client.put(&at).body("v").ok().await;
        stand.azure.set_fault(Fault::new(Action::CutAfterDoing).on(Operation::DeleteBlob));
        let mut delete = stand.client.delete(&at);
        if let Some(etag) = &condition {
            delete = delete.header("if-match", format!("\"{etag}\""));
        }
        assert_eq!(delete.send().await.status, 204, "{condition:?}");
        stand.client.get(&at).refused(404, "NoSuchKey").await;
        assert_eq!(stand.azure.faults_left(), 0);
    }
}
