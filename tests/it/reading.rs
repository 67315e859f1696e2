//! What a read costs at Azure: one request where one will do, several at once where the client keeps
//! up, and none ahead where it does not.

use http::Method;

use crate::buckets::bucket;
use crate::deadlines::counted;
use crate::harness::gateway::ALICE;
use crate::harness::stand::behind_a_proxy as stand;
use crate::harness::{Action, Gate, Gateway, Proxy, Rule, noise, path, spawn};

const MIB: usize = 1024 * 1024;

/// The requests on blobs since the last look.
async fn asked(proxy: &Proxy, key: &str) -> Vec<Method> {
    let calls = proxy.calls().await.into_iter().filter(|call| call.path.ends_with(key));
    calls.map(|call| call.method).collect()
}

#[tokio::test]
async fn a_read_is_one_request_where_one_will_do() {
    let (proxy, _gateway, client, bucket) = stand().await;
    for (key, length) in [("small", 1000), ("middle", 200_000), ("large", 16 * MIB)] {
        let (at, body) = (path(&bucket, key), noise(length));
        client.put(&at).body(&body).ok().await;
        client.head(&at).ok().await;
        asked(&proxy, key).await;
        let whole = client.get(&at).ok().await;
        assert!(whole.body == body && whole.status == 200);
        assert_eq!(asked(&proxy, key).await, [Method::GET], "{key}");
        for (range, from) in [("bytes=10-", 10), ("bytes=-17", length - 17)] {
            let read = client.get(&at).header("range", range).ok().await;
            assert!(read.body == body[from..], "{key} {range}");
            assert_eq!(read.at("content-range"), format!("bytes {from}-{}/{length}", length - 1));
            let requests = if range == "bytes=-17" && length > 64 * 1024 { 2 } else { 1 };
            assert_eq!(asked(&proxy, key).await, vec![Method::GET; requests], "{key} {range}");
        }
    }
    let at = path(&bucket, "empty");
    client.put(&at).ok().await;
    let read = client.get(&at).query("partNumber", 1).send().await;
    assert_eq!((read.status, read.body.len()), (200, 0));
    let read = client.get(&at).ok().await;
    assert_eq!((read.status, read.at("content-length")), (200, "0"));
    client.get(&at).header("range", "bytes=-5").refused(416, "InvalidRange").await;
    client.get(&at).header("if-match", "\"x\"").refused(412, "PreconditionFailed").await;
}

/// Makes Azure slower than the client, once the reading of `key` is begun: its first answer is cut, and what
/// is gone on with stands at the first gate; all that is asked for then, at the second.
async fn slow(proxy: &Proxy, key: &str) -> (Gate, Gate) {
    let get = |action| Rule::new(action).method(Method::GET).path(key);
    let (pause, gate) = (Gate::new(), Gate::new());
    proxy.rule(get(Action::CutAnswer(MIB)).times(1)).await;
    proxy.rule(get(Action::Hold(pause.clone())).times(1)).await;
    proxy.rule(get(Action::Hold(gate.clone()))).await;
    proxy.calls().await;
    (pause, gate)
}

/// Opens the first gate after longer than the client takes for what it has.
async fn waits_at(pause: &Gate) {
    pause.arrived().await;
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    pause.open();
}

/// Azure is the slower one (its answers stand at a gate): ranges are asked for at once, pinned to one
/// state of the blob, and come out in order.
#[tokio::test]
async fn a_client_that_waits_gets_ranges_ahead() {
    let (proxy, gateway, client, bucket) = stand().await;
    let (at, body) = (path(&bucket, "ahead"), noise(40 * MIB));
    client.put(&at).body(&body).ok().await;
    let (pause, gate) = slow(&proxy, "ahead").await;
    let reading = spawn(client.get(&at).send());
    waits_at(&pause).await;
    // Two at once, before either is answered; more when those were too few. Were they one stream, the second to
    // come would be that one again, when Azure had not answered for its deadline.
    let soon = std::time::Duration::from_secs(10);
    assert!(gate.arrived_within(soon).await && gate.arrived_within(soon).await);
    for _ in 0..40 {
        gate.open();
    }
    let read = reading.await.unwrap().expect_success();
    assert!(read.body == body, "{} bytes", read.body.len());
    let calls = proxy.calls().await;
    let reads: Vec<_> = calls.iter().filter(|call| call.method == Method::GET).collect();
    let pinned =
        reads.iter().filter(|call| call.headers.iter().any(|(name, _)| name == "if-match"));
    assert_eq!(pinned.count(), reads.len() - 1, "all but the first");
    counted(&gateway, "bluebucket_held_bytes 0").await;
}

/// Where there is no memory to hold a range, a stream is asked for in its place, and nothing is held.
#[tokio::test]
async fn without_memory_a_client_that_waits_gets_streams() {
    let proxy = Proxy::to_backend().await;
    let gateway = Gateway::with(|settings| {
        settings.azure = proxy.endpoint();
        let memory = ("BLUEBUCKET_LIMITS_MEMORY_BYTES".to_owned(), (32 * MIB).to_string());
        settings.environment.push(memory);
    })
    .await;
    let client = gateway.client(ALICE);
    let bucket = bucket(&client).await;
    let (at, body) = (path(&bucket, "next"), noise(40 * MIB));
    client.put(&at).body(&body).ok().await;
    // An upload that stands still has all that may be held whole: half of the memory.
    let put = client.put(&path(&bucket, "still")).body(noise(16 * MIB)).prepare();
    let mut still = client.wire().await;
    still.send(put.head_bytes()).await.unwrap();
    still.send(&put.body[..1]).await.unwrap();
    counted(&gateway, &format!("bluebucket_held_bytes {}", 16 * MIB)).await;
    let (pause, gate) = slow(&proxy, "next").await;
    let reading = spawn(client.get(&at).send());
    waits_at(&pause).await;
    gate.arrived().await;
    counted(&gateway, &format!("bluebucket_held_bytes {}", 16 * MIB)).await;
    gate.open();
    let read = reading.await.unwrap().expect_success();
    assert!(read.body == body, "{} bytes", read.body.len());
    let asked = asked(&proxy, "next").await;
    assert_eq!(asked, vec![Method::GET; 3], "the first part, what was cut of it, all the rest");
    drop(still);
    counted(&gateway, "bluebucket_held_bytes 0").await;
}

/// F11: also where ranges are read ahead, the bytes are of one state.
#[tokio::test]
async fn f11_ranges_ahead_of_a_replaced_object_are_never_mixed() {
    let (proxy, gateway, client, bucket) = stand().await;
    let (at, body) = (path(&bucket, "replaced"), noise(40 * MIB));
    client.put(&at).body(&body).ok().await;
    let (pause, gate) = slow(&proxy, "replaced").await;
    let reading = spawn(client.get(&at).prepare().try_send());
    waits_at(&pause).await;
    gate.arrived().await;
    client.put(&at).body(vec![0; 40 * MIB]).ok().await;
    for _ in 0..40 {
        gate.open();
    }
    let cut = reading.await.unwrap().expect_err("the rest of another object must not follow");
    let answer = cut.answer.expect("a head");
    assert!(body.starts_with(&answer.body), "and what came is of the first one");
    counted(&gateway, "bluebucket_held_bytes 0").await;
}

/// For a client that is slower than Azure one request follows the other.
#[tokio::test]
async fn nothing_is_read_ahead_for_a_client_that_does_not_keep_up() {
    let (proxy, gateway, client, bucket) = stand().await;
    let (at, body) = (path(&bucket, "slow"), noise(40 * MIB));
    client.put(&at).body(&body).ok().await;
    proxy.calls().await;
    let mut wire = client.wire().await;
    wire.send(client.get(&at).prepare().bytes()).await.unwrap();
    let head = wire.head().await.unwrap();
    assert_eq!(head.at("content-length"), body.len().to_string());
    // Azure could have sent all of it meanwhile.
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    let mut taken = 0;
    while taken < body.len() {
        taken += wire.read_some().await.expect("more");
    }
    assert_eq!(asked(&proxy, "slow").await, [Method::GET, Method::GET], "the first part, the rest");
    counted(&gateway, "bluebucket_held_bytes 0").await;
}
