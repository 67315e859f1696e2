//! More than the gateway can hold: everybody makes progress, nobody keeps what he does not use, and
//! who leaves takes everything with him.

use http::Method;
use strict_azure::Operation;

use crate::buckets::bucket;
use crate::deadlines::counted;
use crate::harness::gateway::{ALICE, BOB};
use crate::harness::wire::Wire;
use crate::harness::{
    Action, Gate, Gateway, PATIENCE, Proxy, Rule, md5_hex, noise, path, spawn, strict_with,
};
use crate::operate::plain;

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

/// Nor does a client wait for the first block of its own body.
#[tokio::test]
async fn a_large_body_is_read_on_while_its_first_block_is_on_its_way() {
    let azure = strict_with(|_| {});
    let gateway = Gateway::with(|settings| settings.azure = azure.endpoint()).await;
    let client = gateway.client(ALICE);
    let at = path(&bucket(&client).await, "k");
    let gate = strict_azure::Gate::new();
    let hold = strict_azure::Action::Hold(gate.clone());
    azure.set_fault(strict_azure::Fault::new(hold).on(Operation::PutBlock));
    let body = noise(20 * MIB);
    let put = spawn(client.put(&at).body(&body).send());
    // The first block, and the second, which has not been sent.
    counted(&gateway, &format!("bluebucket_held_bytes {}", 16 * MIB)).await;
    assert_eq!(azure.count(Operation::PutBlock), 1, "{:?}", azure.counts());
    gate.open();
    let etag = put.await.unwrap().expect_success().at("etag").to_owned();
    assert_eq!(etag, format!("\"{}\"", md5_hex(&body)));
    assert!(client.get(&at).ok().await.body == body);
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

/// C62: beyond the room there is, in all or for one user, everybody is told at once, and nothing waits in a
/// queue: not one of them reaches Azure. Who is inside is not disturbed, nor are other users, and who asks
/// how it is gets an answer.
#[tokio::test]
async fn c62_requests_without_room_are_told_to_slow_down_and_never_queue() {
    const ROOM: usize = 8;
    const OF_ONE: usize = 6;
    let azure = strict_with(|_| {});
    let gateway = Gateway::with(|settings| {
        settings.azure = azure.endpoint();
        // One user's is three quarters of it.
        let name = "BLUEBUCKET_LIMITS_MAX_IN_FLIGHT".to_owned();
        settings.environment.push((name, ROOM.to_string()));
    })
    .await;
    let (alice, bob) = (gateway.client(ALICE), gateway.client(BOB));
    let buckets = [bucket(&alice).await, bucket(&bob).await];
    let [hers, his] = buckets.map(|bucket| path(&bucket, "k"));
    alice.put(&hers).body("hers").ok().await;
    bob.put(&his).body("his").ok().await;
    let gate = strict_azure::Gate::new();
    let hold = strict_azure::Action::Hold(gate.clone());
    azure.set_fault(strict_azure::Fault::new(hold).on(Operation::GetBlob).times(u32::MAX));
    azure.reset_counts();
    let mut inside: Vec<_> = (0..OF_ONE).map(|_| spawn(alice.get(&hers).send())).collect();
    counted(&gateway, &format!("bluebucket_requests_in_flight {OF_ONE}")).await;
    // Ten times as many, of one key: and another user is served all the while.
    for number in 0..10 * OF_ONE {
        let answer = alice.get(&hers).refused(503, "SlowDown").await;
        assert!(answer.header("retry-after").is_some(), "{number}: {answer:?}");
        bob.head(&his).ok().await;
    }
    let shed = format!("bluebucket_shed_total{{reason=\"in_flight_of_user\"}} {}", 10 * OF_ONE);
    counted(&gateway, &shed).await;
    inside.extend((OF_ONE..ROOM).map(|_| spawn(bob.get(&his).send())));
    counted(&gateway, &format!("bluebucket_requests_in_flight {ROOM}")).await;
    for client in [&alice, &bob, &bob.anonymous()] {
        client.get(&his).refused(503, "SlowDown").await;
    }
    assert!(azure.count(Operation::GetBlob) <= ROOM as u64, "{:?}", azure.counts());
    counted(&gateway, "bluebucket_shed_total{reason=\"in_flight\"} 3").await;
    for (address, live) in [(gateway.address, "/-/live"), (gateway.admin, "/live")] {
        assert_eq!(plain(address, live).await.status, 200, "it lives, and says so");
    }
    azure.clear_faults();
    gate.open();
    for (number, get) in inside.into_iter().enumerate() {
        let value = if number < OF_ONE { "hers" } else { "his" };
        assert_eq!(get.await.unwrap().expect_success().text(), value);
    }
    alice.get(&hers).ok().await;
}

/// C62: only who has signed takes of a user's room: with her key's name alone, nobody keeps her out.
#[tokio::test]
async fn c62_a_key_that_others_name_is_not_kept_out() {
    let azure = strict_with(|_| {});
    let gateway = Gateway::with(|settings| {
        settings.azure = azure.endpoint();
        let name = "BLUEBUCKET_LIMITS_MAX_IN_FLIGHT_PER_USER".to_owned();
        settings.environment.push((name, "1".to_owned()));
    })
    .await;
    let alice = gateway.client(ALICE);
    let bucket = bucket(&alice).await;
    let at = path(&bucket, "k");
    alice.put(&at).body("value").ok().await;
    let series = "bluebucket_requests_in_flight 1";
    // A stranger in the middle of a form, for which nobody has signed yet.
    let boundary = "multipart/form-data; boundary=b";
    let form = gateway.client(ALICE).anonymous().post(&format!("/{bucket}"));
    let form = form.header("content-type", boundary).body(noise(64)).prepare();
    let mut wire = alice.wire().await;
    wire.send(form.head_bytes()).await.unwrap();
    counted(&gateway, series).await;
    assert_eq!(alice.get(&at).ok().await.text(), "value");
    alice.anonymous().get(&at).refused(503, "SlowDown").await;
    let wrong = alice.get(&at).prepare().bad_signature();
    wrong.refused(403, "SignatureDoesNotMatch").await;
    drop(wire);
    counted(&gateway, "bluebucket_requests_in_flight 0").await;
    alice.anonymous().get(&at).refused(403, "AccessDenied").await;
}

/// C62: whoever knows no key costs Azure nothing, and those who do are served all the while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c62_bad_signatures_cost_azure_nothing_and_hinder_nobody() {
    const STRANGERS: usize = 8;
    const EACH: usize = 250;
    let azure = strict_with(|_| {});
    let gateway = Gateway::with(|settings| {
        settings.azure = azure.endpoint();
        settings.cache_ttl = "1h";
    })
    .await;
    let client = gateway.client(ALICE);
    let bucket = bucket(&client).await;
    let at = path(&bucket, "k");
    client.put(&at).body("value").ok().await;
    client.get(&at).ok().await;
    azure.reset_counts();
    let strangers: Vec<_> = (0..STRANGERS)
        .map(|_| {
            let (client, at) = (client.clone(), at.clone());
            spawn(async move {
                let mut wire = client.wire().await;
                for _ in 0..EACH {
                    let put = client.put(&at).body("stranger").prepare().bad_signature();
                    let answer = wire.exchange(&put.bytes(), "PUT").await.unwrap();
                    assert_eq!(answer.status, 403, "{answer:?}");
                    if answer.header("connection") == Some("close") {
                        wire = client.wire().await;
                    }
                }
            })
        })
        .collect();
    let mut served = 0;
    while !strangers.iter().all(tokio::task::JoinHandle::is_finished) {
        assert_eq!(client.get(&at).ok().await.text(), "value");
        served += 1;
    }
    for stranger in strangers {
        stranger.await.unwrap();
    }
    assert!(served > 0);
    let asked: u64 = azure.counts().into_iter().map(|(_, count)| count).sum();
    assert_eq!(asked, served, "one question for each of ours: {:?}", azure.counts());
    let failures = format!("{{reason=\"SignatureDoesNotMatch\"}} {}", STRANGERS * EACH);
    counted(&gateway, &failures).await;
}

/// C62: a crowd of connections that say nothing takes what connections there are, and no more; who is
/// connected is served, and when the crowd goes there is room again.
#[tokio::test]
async fn c62_a_crowd_of_silent_connections_hinders_nobody_who_is_inside() {
    const ROOM: usize = 100;
    let gateway = Gateway::with(|settings| {
        for (name, value) in
            [("MAX_CONNECTIONS", ROOM.to_string()), ("HEADER_TIMEOUT", "1h".into())]
        {
            settings.environment.push((format!("BLUEBUCKET_LIMITS_{name}"), value));
        }
    })
    .await;
    let client = gateway.client(ALICE);
    let bucket = bucket(&client).await;
    let at = path(&bucket, "k");
    client.put(&at).body("value").ok().await;
    let mut inside = client.wire().await;
    let mut ask = async || {
        let get = client.get(&at).prepare().bytes();
        inside.exchange(&get, "GET").await.unwrap().expect_success().text()
    };
    assert_eq!(ask().await, "value");
    let mut crowd = Vec::new();
    for _ in 0..3 * ROOM {
        crowd.push(Wire::connect(gateway.address).await.unwrap());
    }
    // One too many is told so, and let go.
    let told = crowd.last_mut().unwrap().answer("GET").await.unwrap();
    assert_eq!((told.status, told.error().as_str()), (503, "SlowDown"));
    counted(&gateway, &format!("bluebucket_connections {ROOM}")).await;
    for _ in 0..20 {
        assert_eq!(ask().await, "value");
    }
    drop(crowd);
    counted(&gateway, "bluebucket_connections 1").await;
    assert_eq!(client.get(&at).ok().await.text(), "value");
}
