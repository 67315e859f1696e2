//! More than the gateway can hold: everybody makes progress, nobody keeps what he does not use, and
//! who leaves takes everything with him.

use http::Method;

use crate::buckets::bucket;
use crate::deadlines::counted;
use crate::harness::gateway::ALICE;
use crate::harness::program::Bluebucket;
use crate::harness::wire::Wire;
use crate::harness::{
    Action, Gate, Gateway, PATIENCE, Proxy, Rule, md5_hex, noise, path, spawn, unique, until,
};

const MIB: usize = 1024 * 1024;

/// A gateway with the least memory that it takes, and no hurry.
async fn small() -> Gateway {
    Gateway::with(|settings| {
        for (name, value) in
            [("MEMORY_BYTES", (32 * MIB).to_string()), ("BODY_TIMEOUT", "1h".into())]
        {
            settings.environment.push((format!("BLUEBUCKET_LIMITS_{name}"), value));
        }
    })
    .await
}

/// F39: half sent and paused, they are more than the memory would hold whole; others pass by, and each
/// of them ends well.
#[tokio::test]
async fn f39_slow_writers_leave_room_and_all_make_progress() {
    let gateway = small().await;
    let client = gateway.client(ALICE);
    let bucket = bucket(&client).await;
    let body = noise(2 * MIB);
    let mut paused = Vec::new();
    for number in 0..40 {
        let put = client.put(&path(&bucket, format!("slow-{number}"))).body(&body).prepare();
        let mut wire = client.wire().await;
        wire.send(put.head_bytes()).await.unwrap();
        wire.send(&put.body[..MIB]).await.unwrap();
        paused.push((put, wire));
    }
    let large = noise(20 * MIB);
    let passing = client.put(&path(&bucket, "passing")).body(&large).send();
    let passing = tokio::time::timeout(PATIENCE, passing).await.expect("it passes by");
    assert_eq!(passing.expect_success().at("etag"), format!("\"{}\"", md5_hex(&large)));
    // The last one first: none waits for another.
    for (put, mut wire) in paused.into_iter().rev() {
        wire.send(&put.body[MIB..]).await.unwrap();
        let answer = tokio::time::timeout(PATIENCE, wire.answer("PUT")).await.unwrap().unwrap();
        assert_eq!(answer.expect_success().at("etag"), format!("\"{}\"", md5_hex(&body)));
    }
    for number in [0, 20, 39] {
        let read = client.get(&path(&bucket, format!("slow-{number}"))).ok().await;
        assert!(read.body == body, "{number}");
    }
    counted(&gateway, "bluebucket_held_bytes 0").await;
}

/// F40, in little: who leaves in the middle leaves nothing open, and is written down as one who left.
#[tokio::test]
async fn f40_requests_that_are_aborted_leave_nothing_open() {
    let program = Bluebucket::new().azure().user().env("BLUEBUCKET_LOG", "info");
    let mut running = program.serve().await;
    let client = running.client();
    let bucket = unique("aborted");
    client.put(&format!("/{bucket}")).ok().await;
    let at = path(&bucket, "k");
    let body = noise(9 * MIB);
    client.put(&at).body(&body).ok().await;
    let before = running.descriptors();
    for round in 0..10 {
        let mut tasks = Vec::new();
        for number in 0..30 {
            let request = match number % 3 {
                0 => client.get(&at).prepare(),
                _ => client.put(&path(&bucket, "other")).body(&body).prepare(),
            };
            let mut wire = client.wire().await;
            let sent =
                [0, 1, 100_000, body.len() - 1][(round + number) % 4].min(request.body.len());
            tasks.push(spawn(async move {
                wire.send(request.head_bytes()).await.unwrap();
                wire.send(&request.body[..sent]).await.ok();
                if request.method == "GET" {
                    wire.head().await.unwrap();
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    }
    // Azure's kept connections may be one for each request that ran at once.
    until("everything is closed", async || {
        let mut admin = Wire::connect(running.admin).await.unwrap();
        let request = "GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n";
        let text = admin.exchange(request.as_bytes(), "GET").await.unwrap().text();
        let at_rest = ["bluebucket_requests_in_flight 0", "bluebucket_held_bytes 0"];
        at_rest.iter().all(|line| text.contains(line)) && running.descriptors() <= before + 4
    })
    .await;
    assert!(client.get(&at).ok().await.body == body, "and it is as well as before");
    client.head(&path(&bucket, "other")).refused(404, "").await;
    running.terminate().await;
    assert_eq!(running.end().await, Some(0));
    let log = running.log().await;
    let has = |words: &[&str]| log.iter().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(has(&["\"op\":\"PutObject\"", "\"code\":\"IncompleteBody\""]), "{log:?}");
    assert!(has(&["\"op\":\"GetObject\"", "\"status\":200", "\"aborted\":true"]), "{log:?}");
    assert!(has(&["\"op\":\"GetObject\"", "\"status\":200", "\"aborted\":false"]), "{log:?}");
}

#[tokio::test]
async fn who_leaves_before_the_answer_is_written_down_as_such() {
    let proxy = Proxy::to_azurite().await;
    let gateway = Gateway::behind(&proxy).await;
    let client = gateway.client(ALICE);
    let bucket = bucket(&client).await;
    client.put(&path(&bucket, "warm")).ok().await;
    let gate = Gate::new();
    proxy.rule(Rule::new(Action::Hold(gate.clone())).method(Method::PUT).path("left")).await;
    let mut wire = client.wire().await;
    wire.send(client.put(&path(&bucket, "left")).body("x").prepare().bytes()).await.unwrap();
    gate.arrived().await;
    drop(wire);
    counted(&gateway, "requests_total{op=\"PutObject\",status=\"499\"} 1").await;
    gate.open();
}
