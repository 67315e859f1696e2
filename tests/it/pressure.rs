//! More than the gateway can hold: everybody makes progress, nobody keeps what he does not use, and
//! who leaves takes everything with him.

use http::Method;

use crate::buckets::bucket;
use crate::deadlines::counted;
use crate::harness::gateway::ALICE;
use crate::harness::{Action, Gate, Gateway, PATIENCE, Proxy, Rule, md5_hex, noise, path};

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

#[tokio::test]
async fn who_leaves_before_the_answer_is_written_down_as_such() {
    let proxy = Proxy::to_backend().await;
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
