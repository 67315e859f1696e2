//! Uploads in parts on bad days: Completes that die or are not answered, uploads of one key, copies.

use http::Method;

use super::bench::world::Slot;
use super::stand;
use crate::buckets::bucket;
use crate::harness::azure::{Ask, Azure};
use crate::harness::gateway::ALICE;
use crate::harness::{
    Action, Answer, Client, Gate, Gateway, Proxy, Rule, backend_address, noise, path, spawn, unique,
};
use crate::multipart::{MIN, Part, Upload, check, composite, create};

/// F18: parts that are gone because they are an object by now are nobody's fault; who cannot find out
/// says so.
#[tokio::test]
async fn f18_parts_that_went_with_their_upload_are_not_the_clients_fault() {
    let proxy = Proxy::to_backend().await;
    let believing = Gateway::with(|settings| {
        settings.azure = proxy.endpoint();
        settings.cache_ttl = "1m";
    });
    let gateway = believing.await;
    let elsewhere = gateway.replica().await;
    let client = gateway.client(ALICE);
    let bucket = bucket(&client).await;
    let upload = create(&client, &bucket, "k").await;
    let parts = [upload.put(&client, 1, b"value").await];
    upload.complete(&elsewhere.client(ALICE), &parts).ok().await;
    // This gateway still believes in the upload, and cannot see what became of it.
    let blind = Rule::new(Action::Answer(503, "ServerBusy", Some(0))).method(Method::HEAD);
    let rule = proxy.rule(blind.path("%2Fo%2F")).await;
    upload.complete(&client, &parts).refused(503, "SlowDown").await;
    assert!(rule.met() > 0);
    proxy.clear().await;
    let again = upload.complete(&client, &parts).ok().await.xml();
    assert_eq!(again.at("ETag"), composite(&[b"value"]));
}

/// F16: a part that is gone is said to be so, once and for all, and nothing is made of the rest.
#[tokio::test]
async fn f16_a_part_whose_blob_is_gone_is_an_invalid_part() {
    let (_proxy, gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    client.put(&at).body("old").ok().await;
    let upload = create(&client, &bucket, "k").await;
    let parts = [upload.put(&client, 1, &noise(MIN)).await, upload.put(&client, 2, b"value").await];
    let azure = Azure::default();
    let blobs = azure.blobs(&gateway.system_container).await;
    let part = blobs.iter().find(|name| name.ends_with(&format!("{}/00002", upload.id)));
    azure.ok(Ask::blob("DELETE", &gateway.system_container, part.unwrap())).await;
    for _ in 0..2 {
        upload.complete(&client, &parts).refused(400, "InvalidPart").await;
    }
    check(&client, &at, b"old").await;
    upload.complete(&client, &parts[..1]).ok().await;
    check(&client, &at, &noise(MIN)).await;
}

/// A Complete that stands before its commit.
struct Held {
    upload: Upload,
    parts: [Part; 2],
    /// Where it stands.
    gate: Gate,
    answer: tokio::task::JoinHandle<Answer>,
}

/// One of two parts: `one`, and `value`.
async fn held(proxy: &Proxy, client: &Client, bucket: &str, one: &[u8]) -> Held {
    let upload = create(client, bucket, "k").await;
    let parts = [upload.put(client, 1, one).await, upload.put(client, 2, b"value").await];
    let gate = Gate::new();
    let commit = Rule::new(Action::Hold(gate.clone())).method(Method::PUT).comp("blocklist");
    proxy.rule(commit.times(1)).await;
    let answer = spawn(upload.complete(client, &parts).send());
    gate.arrived().await;
    Held { upload, parts, gate, answer }
}

/// F18, F02: the claim of a Complete that died goes stale, and the next one takes over; should the first
/// be alive after all, it finds that the work is done.
#[tokio::test]
async fn f18_a_complete_takes_over_from_one_that_is_gone() {
    let (proxy, gateway, client, bucket) = stand().await;
    let later = Proxy::to_backend().await;
    let second = Gateway::with(|settings| {
        settings.azure = later.endpoint();
        settings.system_container.clone_from(&gateway.system_container);
    });
    let second_gateway = second.await;
    let second = second_gateway.client(ALICE);
    let one = noise(MIN);
    let Held { upload, parts, gate, answer: first } = held(&proxy, &client, &bucket, &one).await;
    // For the second gateway, minutes have passed.
    let past = Action::Restate("last-modified", "Sat, 01 Jan 2022 00:00:00 GMT");
    let rule = later.rule(Rule::new(past).method(Method::HEAD).path("%2Fo%2F")).await;
    let done = upload.complete(&second, &parts).ok().await.xml();
    assert!(rule.met() > 0);
    let etag = composite(&[&one, b"value"]);
    assert_eq!(done.at("ETag"), etag);
    let whole = [&one[..], b"value"].concat();
    check(&second, &upload.at, &whole).await;
    gate.open();
    let first = first.await.unwrap().expect_success().xml();
    assert_eq!((first.name.as_str(), first.at("ETag")), ("CompleteMultipartUploadResult", &*etag));
    check(&client, &upload.at, &whole).await;
}

/// A part that comes while its upload is completed changes nothing of what is completed.
#[tokio::test]
async fn f17_a_part_that_comes_during_the_complete_is_not_in_the_object() {
    let (proxy, gateway, client, bucket) = stand().await;
    let direct_gateway = gateway.replica().await;
    let direct = direct_gateway.client(ALICE);
    let one = noise(MIN);
    let Held { upload, gate, answer: complete, .. } = held(&proxy, &client, &bucket, &one).await;
    let late = upload.part(&direct, 2).body("other").send().await;
    assert!(matches!(late.status, 200 | 404), "{late:?}");
    gate.open();
    let done = complete.await.unwrap().expect_success().xml();
    assert_eq!(done.at("ETag"), composite(&[&one, b"value"]));
    check(&client, &upload.at, &[&one[..], b"value"].concat()).await;
}

/// F17, F02: a part was sent twice, because the first time was not answered, and the first one comes to
/// Azure late, in the middle of the Complete. It has the same bytes, so nobody is to blame.
#[tokio::test]
async fn f17_a_part_that_is_written_again_while_it_is_copied_is_copied_again() {
    let (proxy, gateway, client, bucket) = stand().await;
    let direct_gateway = gateway.replica().await;
    let direct = direct_gateway.client(ALICE);
    let upload = create(&client, &bucket, "k").await;
    let hold = |gate: &Gate| Rule::new(Action::Hold(gate.clone())).method(Method::PUT).times(1);
    let (late, copy) = (Gate::new(), Gate::new());
    proxy.rule(hold(&late).path("%2Fp%2F")).await;
    let first = spawn(upload.part(&client, 1).body("value").send());
    late.arrived().await;
    let parts = [upload.put(&direct, 1, b"value").await];
    proxy.rule(hold(&copy).path("/k")).await;
    let complete = spawn(upload.complete(&client, &parts).send());
    copy.arrived().await;
    late.open();
    first.await.unwrap().expect_success();
    copy.open();
    let done = complete.await.unwrap().expect_success().xml();
    assert_eq!(done.at("ETag"), composite(&[b"value"]));
    check(&client, &upload.at, b"value").await;
}

/// F25: copies are answered when they are done; one that fails, or whose source changes under it, leaves
/// the destination as it was.
#[tokio::test]
async fn f25_a_copy_that_fails_leaves_its_destination() {
    let (proxy, gateway, client, bucket) = stand().await;
    let direct = gateway.replica().await;
    let direct = (direct.client(ALICE), direct);
    let (from, to) = (path(&bucket, "from"), path(&bucket, "to"));
    client.put(&from).body("source").ok().await;
    client.put(&to).body("old").ok().await;
    let copy = || client.put(&to).header("x-amz-copy-source", &from);
    let all = || Rule::new(Action::Answer(500, "OperationTimedOut", None)).method(Method::PUT);
    proxy.rule(all().path("/to")).await;
    let answer = copy().send().await;
    assert!(answer.status >= 500, "{answer:?}");
    proxy.clear().await;
    check(&client, &to, b"old").await;
    // Replaced between the look at it and its copy.
    let gate = Gate::new();
    proxy
        .rule(Rule::new(Action::Hold(gate.clone())).method(Method::PUT).path("/to").times(1))
        .await;
    let copying = spawn(copy().send());
    gate.arrived().await;
    direct.0.put(&from).body("another").ok().await;
    gate.open();
    let answer = copying.await.unwrap();
    assert!(matches!(answer.status, 409 | 412 | 500 | 503), "{answer:?}");
    check(&client, &to, b"old").await;
    copy().ok().await;
    check(&client, &to, b"another").await;
}

/// F26: whatever becomes of a copy onto itself, the bytes stay.
#[tokio::test]
async fn f26_a_copy_onto_itself_loses_nothing_when_its_gateway_dies() {
    let slot = Slot::start(backend_address(), &unique("sys")).await;
    let client = slot.client().await;
    let bucket = unique("b");
    client.put(&format!("/{bucket}")).ok().await;
    let at = path(&bucket, "k");
    let body = noise(100_000);
    client.put(&at).header("x-amz-meta-a", "old").body(&body).ok().await;
    let hold: [fn(Gate) -> Action; 2] = [Action::Hold, Action::HoldAnswer];
    for (comp, hold) in
        ["", "block", "blocklist"].into_iter().flat_map(|comp| hold.map(|hold| (comp, hold)))
    {
        let gate = Gate::new();
        slot.proxy
            .rule(Rule::new(hold(gate.clone())).method(Method::PUT).comp(comp).path("/k"))
            .await;
        let copy = slot.client().await.put(&at).header("x-amz-copy-source", &at);
        let copy = copy.header("x-amz-metadata-directive", "REPLACE").header("x-amz-meta-a", "new");
        let copying = spawn(copy.prepare().try_send());
        // Which requests a copy is made of, the backend decides.
        let done = tokio::select! {
            () = gate.arrived() => false,
            ended = copying => ended.unwrap().is_ok_and(|answer| answer.status == 200),
        };
        if !done {
            slot.kill().await;
            slot.restart().await;
        }
        slot.proxy.clear().await;
        let read = check(&slot.client().await, &at, &body).await;
        assert!(matches!(read.at("x-amz-meta-a"), "old" | "new"), "{read:?}");
    }
}
