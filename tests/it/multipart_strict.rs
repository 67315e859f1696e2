//! Uploads in parts over strict Azure: what is asked of it, what discards blocks there, and limits that
//! no emulator reaches.

use std::time::Duration;

use strict_azure::{Action, Fault, Gate, Operation, Seed};

use crate::harness::gateway::ALICE;
use crate::harness::stand::{Stand, arrived};
use crate::harness::{md5_hex, noise, path, spawn};
use crate::multipart::{MIN, Part, Upload, check, composite, create};

/// A stand whose gateway has probed what its backend can do.
async fn stand(change: impl FnOnce(&mut strict_azure::Options)) -> Stand {
    let stand = Stand::open(change).await;
    create(&stand.client, &stand.bucket, "warm").await.put(&stand.client, 1, b"x").await;
    stand.azure.reset_counts();
    stand
}

impl Stand {
    /// An upload of two parts, and the bytes of its object.
    async fn upload(&self, key: &str) -> (Upload, Vec<Part>, Vec<u8>) {
        let upload = create(&self.client, &self.bucket, key).await;
        let one = upload.put(&self.client, 1, &noise(MIN)).await;
        let two = upload.put(&self.client, 2, b"x").await;
        (upload, vec![one, two], [&noise(MIN)[..], b"x"].concat())
    }
}

#[tokio::test]
async fn azure_is_asked_no_more_than_it_takes() {
    use Operation as Op;
    let stand = stand(|_| {}).await;
    let Stand { client, bucket, .. } = &stand;
    let upload = create(client, bucket, "k").await;
    assert_eq!(stand.asked(), [(Op::PutBlob, 1)]);
    let mut parts = Vec::new();
    for number in 1..=3 {
        parts.push(upload.put(client, number, &noise(MIN)).await);
        assert_eq!(stand.asked(), [(Op::PutBlob, 1)]);
    }
    // One of the largest that go at once, which is not completed.
    upload.put(client, 9, &noise(16 << 20)).await;
    assert_eq!(stand.asked(), [(Op::PutBlob, 1)]);
    upload.list(client).ok().await;
    assert_eq!(stand.asked(), [(Op::ListBlobs, 1), (Op::GetBlobProperties, 1)]);
    upload.complete(client, &parts).ok().await;
    // The list of parts, the outcome, a block a part, the commit; and one for all that goes.
    let mut asked = stand.asked();
    asked.sort_by_key(|(operation, _)| operation.name());
    let expected = [
        (Op::BlobBatch, 1),
        (Op::ListBlobs, 1),
        (Op::PutBlob, 1),
        (Op::PutBlockFromUrl, 3),
        (Op::PutBlockList, 1),
    ];
    let sub: Vec<_> =
        asked.into_iter().filter(|(operation, _)| *operation != Op::DeleteBlob).collect();
    assert_eq!(sub, expected);
    upload.complete(client, &parts).ok().await;
    assert_eq!(stand.asked(), [(Op::GetBlobProperties, 3)]);
    client.get(&upload.at).query("partNumber", 2).ok().await;
    assert_eq!(stand.asked(), [(Op::GetBlob, 1), (Op::GetBlobProperties, 1)]);
    client.get(&format!("/{bucket}")).query("uploads", "").ok().await;
    assert_eq!(stand.asked(), [(Op::ListBlobs, 1)]);
}

/// What an upload leaves goes 256 blobs a request: its record and 300 parts.
#[tokio::test]
async fn parts_are_deleted_in_batches() {
    let stand = stand(|_| {}).await;
    let upload = create(&stand.client, &stand.bucket, "k").await;
    for number in 1..=300 {
        upload.put(&stand.client, number, b"x").await;
    }
    stand.azure.reset_counts();
    stand.client.delete(&upload.at).query("uploadId", &upload.id).ok().await;
    assert_eq!(stand.azure.count(Operation::BlobBatch), 2);
    assert_eq!(stand.azure.count(Operation::DeleteBlob), 0);
    let left = stand.azure.names(&stand.gateway.system_container);
    // Only that it was aborted is still known.
    let left: Vec<_> = left.iter().filter(|name| name.contains(&upload.id)).collect();
    assert!(matches!(left.as_slice(), [name] if name.contains("/o/")), "{left:?}");
}

#[tokio::test]
async fn one_part_is_moved_at_once() {
    let stand = stand(|_| {}).await;
    let upload = create(&stand.client, &stand.bucket, "k").await;
    let body = noise(1000);
    let part = upload.put(&stand.client, 1, &body).await;
    stand.azure.reset_counts();
    let answer = upload.complete(&stand.client, &[part]).ok().await.xml();
    assert_eq!(answer.at("ETag"), composite(&[&body]));
    assert_eq!(stand.azure.count(Operation::PutBlobFromUrl), 1);
    assert_eq!(stand.azure.count(Operation::PutBlockList), 0);
    let read = check(&stand.client, &upload.at, &body).await;
    assert_eq!(read.at("etag"), composite(&[&body]));
    let part = stand.client.get(&upload.at).query("partNumber", 1).send().await;
    assert_eq!((part.status, part.at("x-amz-mp-parts-count")), (206, "1"));
}

/// F13, F16: a plain write while blocks are staged discards them, as the service does it.
#[tokio::test]
async fn f16_a_write_of_the_key_while_its_blocks_wait_does_no_harm() {
    let stand = stand(|_| {}).await;
    let (upload, parts, bytes) = stand.upload("k").await;
    let gate = Gate::new();
    stand
        .azure
        .set_fault(Fault::new(Action::Hold(gate.clone())).on(Operation::PutBlockList).times(1));
    let complete = spawn(upload.complete(&stand.client, &parts).send());
    arrived(&gate).await;
    stand.client.put(&upload.at).body("between").ok().await;
    gate.open();
    complete.await.unwrap().expect_success();
    check(&stand.client, &upload.at, &bytes).await;
}

/// F12: two uploads of one key, both complete at once: each discards the blocks of the other.
#[tokio::test]
async fn f12_completes_of_two_uploads_of_one_key_at_once_both_succeed() {
    let stand = stand(|_| {}).await;
    let (a, a_parts, bytes) = stand.upload("k").await;
    let (b, b_parts, _) = stand.upload("k").await;
    let other = stand.replica().await;
    let (one, two) = (
        spawn(a.complete(&stand.client, &a_parts).send()),
        spawn(b.complete(&other.client(ALICE), &b_parts).send()),
    );
    one.await.unwrap().expect_success();
    two.await.unwrap().expect_success();
    check(&stand.client, &a.at, &bytes).await;
}

/// F18, and the one who is at work being gone.
#[tokio::test]
async fn f18_what_was_done_before_a_crash_is_found() {
    let stand = stand(|_| {}).await;
    let (upload, parts, bytes) = stand.upload("k").await;
    // It is committed, and the deletion of the parts never comes about.
    stand.azure.set_fault(
        Fault::new(Action::Refuse(500, "InternalError".into())).on(Operation::BlobBatch).times(100),
    );
    let first = upload.complete(&stand.client, &parts).ok().await.xml();
    let again = upload.complete(&stand.client, &parts).ok().await.xml();
    assert_eq!(first.at("ETag"), again.at("ETag"));
    stand.azure.clear_faults();
    upload.complete(&stand.client, &parts).ok().await;
    check(&stand.client, &upload.at, &bytes).await;
    let left = stand.azure.names(&stand.gateway.system_container);
    assert_eq!(left.iter().filter(|name| name.contains(&upload.id)).count(), 1, "{left:?}");
    for action in [Action::CutAfterDoing, Action::TimedOutAfterDoing] {
        let (upload, parts, bytes) = stand.upload("lost").await;
        stand.azure.set_fault(Fault::new(action.clone()).on(Operation::PutBlockList));
        upload.complete(&stand.client, &parts).header("if-none-match", "\"x\"").ok().await;
        check(&stand.client, &upload.at, &bytes).await;
    }
}

/// F16: a key that others write all the time. The object is as good as written just before the last of
/// them, which is an order that S3 allows.
#[tokio::test]
async fn f16_a_complete_whose_key_is_written_again_and_again_is_overtaken() {
    const ATTEMPTS: usize = 4;
    let stand = stand(|_| {}).await;
    let (upload, parts, _) = stand.upload("k").await;
    let hold = || {
        let gate = Gate::new();
        let fault = Fault::new(Action::Hold(gate.clone())).on(Operation::PutBlockList);
        stand.azure.set_fault(fault.times(1));
        gate
    };
    let mut gate = hold();
    let complete = spawn(upload.complete(&stand.client, &parts).send());
    for attempt in 1..=ATTEMPTS {
        arrived(&gate).await;
        stand.client.put(&upload.at).body(format!("newer {attempt}")).ok().await;
        let next = hold();
        gate.open();
        gate = next;
    }
    stand.azure.clear_faults();
    let done = complete.await.unwrap().expect_success().xml();
    assert_eq!(done.at("ETag"), composite(&[&noise(MIN), b"x"]));
    check(&stand.client, &upload.at, b"newer 4").await;
    // It is ended: sent again, it has the same answer.
    upload.complete(&stand.client, &parts).ok().await;
    check(&stand.client, &upload.at, b"newer 4").await;
}

/// A Complete that failed leaves the upload open.
#[tokio::test]
async fn a_failed_complete_leaves_the_upload_open() {
    let stand = stand(|_| {}).await;
    let (upload, parts, bytes) = stand.upload("k").await;
    let refuse = Action::Refuse(409, "LeaseIdMissing".into());
    stand.azure.set_fault(Fault::new(refuse).on(Operation::PutBlockList));
    upload.complete(&stand.client, &parts).refused(409, "OperationAborted").await;
    stand.client.head(&upload.at).refused(404, "").await;
    upload.complete(&stand.client, &parts).ok().await;
    check(&stand.client, &upload.at, &bytes).await;
}

/// The connection is kept alive with white space, and may end in an error all the same.
#[tokio::test]
async fn f27_a_long_complete_keeps_its_client_waiting_awake() {
    let stand = stand(|_| {}).await;
    let (upload, parts, bytes) = stand.upload("k").await;
    for refusal in [Some(Action::Refuse(409, "LeaseIdMissing".into())), None] {
        let gate = Gate::new();
        stand.azure.set_fault(Fault::new(Action::Hold(gate.clone())).on(Operation::ListBlobs));
        if let Some(refusal) = refusal.clone() {
            stand.azure.set_fault(Fault::new(refusal).on(Operation::PutBlockList));
        }
        let complete = spawn(upload.complete(&stand.client, &parts).send());
        arrived(&gate).await;
        tokio::time::sleep(Duration::from_secs(21)).await;
        gate.open();
        let answer = complete.await.unwrap();
        assert_eq!(answer.status, 200);
        let text = answer.text();
        assert!(text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n <"), "{text}");
        let root = if refusal.is_some() { "Error" } else { "CompleteMultipartUploadResult" };
        assert_eq!(answer.xml().name, root);
    }
    check(&stand.client, &upload.at, &bytes).await;
}

/// F21: 10,000 parts, one of them of 5 GiB, in an object of 122 GiB.
#[tokio::test]
async fn f21_the_largest_upload_completes() {
    let stand = stand(|options| *options = options.clone().lengths_only()).await;
    let upload = create(&stand.client, &stand.bucket, "k").await;
    let system = &stand.gateway.system_container;
    let records = stand.azure.names(system);
    let record = records.iter().find(|name| name.ends_with(&upload.id)).unwrap();
    let base = record.split_once("/u/").unwrap().0;
    let length = |number: u64| if number == 77 { 5 << 30 } else { 12 << 20 };
    let etag = |number: u64| md5_hex(&number.to_be_bytes());
    let names: Vec<_> = (1..=10_000_u64)
        .map(|number| (format!("{base}/p/{}/{number:05}", upload.id), number))
        .collect();
    let seeds = names.iter().map(|(name, number)| {
        let seed = Seed::length(length(*number))
            .header("x-ms-meta-bluebucketlength", &length(*number).to_string())
            .header("x-ms-meta-bluebucketetag", &etag(*number));
        (name.as_str(), seed)
    });
    stand.azure.seed(system, seeds).unwrap();
    let parts: Vec<Part> = (1..=10_000).map(|number| (number, etag(u64::from(number)))).collect();
    let answer = upload.complete(&stand.client, &parts).send().await.expect_success();
    assert!(answer.xml().at("ETag").ends_with("-10000\""), "{}", answer.text());
    let total: u64 = (1..=10_000).map(length).sum();
    let head = stand.client.head(&path(&stand.bucket, "k")).ok().await;
    assert_eq!(head.at("content-length"), total.to_string());
    // Not all alike: the list of blocks tells of the parts.
    let head = stand.client.head(&upload.at).query("partNumber", 77).send().await;
    assert_eq!((head.status, head.at("content-length")), (206, &*length(77).to_string()));
    assert_eq!(head.at("x-amz-mp-parts-count"), "10000");
    assert_eq!(stand.azure.count(Operation::PutBlockFromUrl), 9_999 + 20);
    let left = stand.azure.names(system);
    assert_eq!(left.iter().filter(|name| name.contains(&upload.id)).count(), 1);
}
