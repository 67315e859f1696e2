//! Azure on a bad day: answers that are lost, throttled, cut or changed on the way. docs/faults.md has
//! the cases and which test shows each.

mod bench;
mod bytes;
mod pressure;
mod processes;
mod uploads;

use http::Method;

use crate::checksums::{checksum, header};
use crate::deadlines::counted;
use crate::harness::gateway::{ALICE, BOB};
use crate::harness::stand::behind_a_proxy as stand;
use crate::harness::{Action, Gate, Gateway, Payload, Rule, md5_hex, noise, path, spawn, unique};

const MIB: usize = 1024 * 1024;

fn put_blob(key: &str, action: Action) -> Rule {
    Rule::new(action).method(Method::PUT).comp("").path(key)
}

#[tokio::test]
async fn f05_f07_a_lost_answer_of_a_commit_is_decided_by_reading_back() {
    let (proxy, _gateway, client, bucket) = stand().await;
    let lost = [Action::DropAnswer, Action::DoAndAnswer(500, "OperationTimedOut")];
    for (number, action) in lost.into_iter().enumerate() {
        for condition in [None, Some(("if-none-match", "*"))] {
            let key = format!("lost-{number}-{}", condition.is_some());
            let rule = proxy.rule(put_blob(&key, action.clone()).times(1)).await;
            let mut put = client.put(&path(&bucket, &key)).body("value");
            if let Some((name, value)) = condition {
                put = put.header(name, value);
            }
            let answer = put.ok().await;
            assert_eq!(rule.met(), 1, "{key}");
            assert_eq!(answer.at("etag"), format!("\"{}\"", md5_hex(b"value")));
            assert_eq!(client.get(&path(&bucket, &key)).ok().await.body, "value");
        }
    }
}

#[tokio::test]
async fn f05_a_lost_answer_of_a_block_list_is_decided_as_well() {
    let (proxy, _gateway, client, bucket) = stand().await;
    let body = noise(20 * MIB);
    let rule = Rule::new(Action::DropAnswer).method(Method::PUT).comp("blocklist").times(1);
    let rule = proxy.rule(rule).await;
    let at = path(&bucket, "large");
    client.put(&at).header("if-none-match", "*").body(&body).ok().await;
    assert_eq!(rule.met(), 1);
    assert!(client.get(&at).ok().await.body == body);
}

#[tokio::test]
async fn f05_f24_who_lost_is_told_so_even_where_the_answer_was_lost() {
    let (proxy, _gateway, client, bucket) = stand().await;
    let at = path(&bucket, "taken");
    client.put(&at).body("first").ok().await;
    proxy.rule(put_blob("taken", Action::DropAnswer).times(1)).await;
    let answer = client.put(&at).header("if-none-match", "*").body("second").send().await;
    assert!(matches!(answer.status, 409 | 412), "{answer:?}");
    assert_eq!(client.get(&at).ok().await.body, "first");
}

#[tokio::test]
async fn f03_a_block_whose_connection_broke_is_sent_again() {
    let (proxy, _gateway, client, bucket) = stand().await;
    let body = noise(20 * MIB);
    // The first one, which is sent alone, and the last one, which is shorter.
    for nth in [0, 2] {
        let rule = Rule::new(Action::ResetBefore).method(Method::PUT).comp("block").skip(nth);
        let rule = proxy.rule(rule.times(1)).await;
        let at = path(&bucket, "large");
        let answer = client.put(&at).body(&body).ok().await;
        assert_eq!(rule.met(), 1);
        assert_eq!(answer.at("etag"), format!("\"{}\"", md5_hex(&body)));
        assert!(client.get(&at).ok().await.body == body);
        proxy.clear().await;
    }
}

#[tokio::test]
async fn f06_throttling_is_waited_out_and_passed_on_when_it_lasts() {
    let (proxy, _gateway, client, bucket) = stand().await;
    let rule = proxy.rule(put_blob("a", Action::Answer(503, "ServerBusy", Some(0))).times(2)).await;
    client.put(&path(&bucket, "a")).body("v").ok().await;
    assert_eq!(rule.met(), 2);
    proxy.clear().await;
    let rule = proxy.rule(put_blob("b", Action::Answer(503, "ServerBusy", Some(0)))).await;
    let answer = client.put(&path(&bucket, "b")).body("v").refused(503, "SlowDown").await;
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    assert!(rule.met() <= 4, "{} attempts", rule.met());
    client.get(&path(&bucket, "b")).refused(404, "NoSuchKey").await;
}

#[tokio::test]
async fn f08_a_byte_that_changed_on_the_way_to_azure_is_never_committed() {
    let (proxy, gateway, client, bucket) = stand().await;
    let at = path(&bucket, "old");
    let large = noise(20 * MIB);
    let crc64 = checksum("CRC64NVME", &large);
    client.put(&at).body("the old value").ok().await;
    counted(&gateway, "integrity_failures_total{reason=\"to_azure\"} 0").await;
    let block = || Rule::new(Action::FlipRequestByte(MIB)).method(Method::PUT).comp("block");
    let small = || put_blob("old", Action::FlipRequestByte(3));
    let mut met = 0;
    // For ever: an error, and nothing is written.
    for (rule, body) in [(small(), &b"the new value"[..]), (block(), &*large)] {
        let rule = proxy.rule(rule).await;
        let answer = client.put(&at).body(body).send().await;
        assert!(answer.status >= 500, "{answer:?}");
        assert!(rule.met() > 1, "tried again");
        met += rule.met();
        proxy.clear().await;
        assert_eq!(client.get(&at).ok().await.body, "the old value");
    }
    // Once: sent again, and the client never knows.
    for (rule, body) in [(small(), &b"the new value"[..]), (block(), &*large)] {
        let rule = proxy.rule(rule.times(1)).await;
        let told = checksum("CRC64NVME", body);
        client.put(&at).body(body).header(&header("CRC64NVME"), told).ok().await;
        assert_eq!(rule.met(), 1);
        met += 1;
        proxy.clear().await;
        assert!(client.get(&at).ok().await.body == body);
    }
    let read = client.head(&at).header("x-amz-checksum-mode", "ENABLED").ok().await;
    assert_eq!(read.at(&header("CRC64NVME")), crc64);
    counted(&gateway, &format!("integrity_failures_total{{reason=\"to_azure\"}} {met}")).await;
}

#[tokio::test]
async fn f10_a_cut_answer_is_gone_on_with() {
    let (proxy, _gateway, client, bucket) = stand().await;
    let body = noise(6 * MIB + 1);
    let at = path(&bucket, "cut");
    client.put(&at).body(&body).ok().await;
    let get = |cut| Rule::new(Action::CutAnswer(cut)).method(Method::GET).path("cut").times(2);
    let rule = proxy.rule(get(MIB + 7)).await;
    assert!(client.get(&at).ok().await.body == body);
    assert_eq!(rule.met(), 2);
    proxy.clear().await;
    proxy.rule(get(1000)).await;
    let answer = client.get(&at).header("range", "bytes=5-5000000").ok().await;
    assert!(answer.body == body[5..=5_000_000]);
}

#[tokio::test]
async fn f10_an_answer_that_cannot_be_gone_on_with_aborts_the_connection() {
    let (proxy, _gateway, client, bucket) = stand().await;
    let body = noise(3 * MIB);
    let at = path(&bucket, "cut");
    client.put(&at).body(&body).ok().await;
    proxy.rule(Rule::new(Action::CutAnswer(0)).method(Method::GET).path("cut")).await;
    let cut = client.get(&at).prepare().try_send().await.expect_err("the answer must not end well");
    let answer = cut.answer.expect("a head");
    assert_eq!(answer.status, 200);
    assert!(answer.body.len() < body.len());
}

#[tokio::test]
async fn f11_an_object_that_is_replaced_while_it_is_read_is_never_mixed() {
    let (proxy, gateway, client, bucket) = stand().await;
    let direct = Gateway::with(|settings| {
        settings.system_container.clone_from(&gateway.system_container);
    });
    let direct = direct.await;
    let direct_client = direct.client(ALICE);
    let at = path(&bucket, "replaced");
    let body = vec![b'a'; 4 * MIB];
    client.put(&at).body(&body).ok().await;
    proxy
        .rule(Rule::new(Action::CutAnswer(MIB)).method(Method::GET).path("replaced").times(1))
        .await;
    let gate = Gate::new();
    proxy.rule(Rule::new(Action::Hold(gate.clone())).method(Method::GET).path("replaced")).await;
    let reading = spawn(client.get(&at).prepare().try_send());
    gate.arrived().await;
    direct_client.put(&at).body(vec![b'b'; 4 * MIB]).ok().await;
    gate.open();
    let cut = reading.await.unwrap().expect_err("the rest of another object must not follow");
    let answer = cut.answer.expect("a head");
    assert!(answer.body.iter().all(|byte| *byte == b'a'), "bytes of two objects in one answer");
}

#[tokio::test]
async fn f35_i22_a_refused_credential_of_ours_is_never_the_clients_fault() {
    let (proxy, _gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    client.put(&at).body("v").ok().await;
    proxy.rule(Rule::new(Action::Answer(403, "AuthenticationFailed", None)).path("/k")).await;
    client.get(&at).refused(503, "ServiceUnavailable").await;
    client.put(&at).body("w").refused(503, "ServiceUnavailable").await;
    proxy.clear().await;
    assert_eq!(client.get(&at).ok().await.body, "v");
}

#[tokio::test]
async fn f09_bytes_that_changed_on_the_way_from_azure_fail_the_clients_checksum() {
    let (proxy, _gateway, client, bucket) = stand().await;
    let at = path(&bucket, "flipped");
    client.put(&at).body("0123456789").ok().await;
    proxy.rule(Rule::new(Action::FlipAnswerByte(4)).method(Method::GET).path("flipped")).await;
    // Azure sends no digest of a whole blob that the gateway could compare as bytes pass; what it has
    // is the ETag, which the client compares.
    let answer = client.get(&at).ok().await;
    assert_ne!(answer.at("etag"), format!("\"{}\"", md5_hex(&answer.body)));
}

/// F05: what lost answers of other operations come to.
#[tokio::test]
async fn f05_lost_answers_of_buckets_and_deletions() {
    let (proxy, gateway, client, bucket) = stand().await;
    let lost = || Rule::new(Action::DropAnswer).times(1);
    let at = path(&bucket, "warm");
    let rule = proxy.rule(lost().method(Method::DELETE).path(&at)).await;
    client.delete(&at).ok().await;
    assert_eq!(rule.met(), 1);
    client.get(&at).refused(404, "NoSuchKey").await;

    let name = unique("b");
    let rule = proxy.rule(lost().method(Method::PUT).path(&name)).await;
    client.put(&format!("/{name}")).header("x-amz-object-ownership", "ObjectWriter").ok().await;
    assert_eq!(rule.met(), 1);
    let told = client.get(&format!("/{name}")).query("ownershipControls", "").ok().await.xml();
    assert_eq!(told.at("Rule/ObjectOwnership"), "ObjectWriter", "its documents are its own");
    // One that loses its answer and finds another's bucket is told so.
    let other = unique("b");
    let gate = Gate::new();
    proxy.rule(Rule::new(Action::ResetBefore).times(1).method(Method::PUT).path(&other)).await;
    proxy
        .rule(Rule::new(Action::Hold(gate.clone())).times(1).method(Method::PUT).path(&other))
        .await;
    let late = spawn(client.put(&format!("/{other}")).send());
    gate.arrived().await;
    gateway.client(BOB).put(&format!("/{other}")).ok().await;
    gate.open();
    assert_eq!(late.await.unwrap().error(), "BucketAlreadyExists");
    client.put(&format!("/{name}")).ok().await;
    client.put(&path(&name, "k")).body("v").ok().await;
    client.delete(&path(&name, "k")).ok().await;
    let rule = proxy.rule(lost().method(Method::DELETE).path(&name)).await;
    client.delete(&format!("/{name}")).ok().await;
    assert_eq!(rule.met(), 1);
    let again = client.head(&format!("/{name}")).send().await;
    assert!(matches!(again.status, 404 | 503), "{again:?}");
}

/// F05 with If-Match, F04: whatever was done is not done twice nor taken for refused.
#[tokio::test]
async fn f04_f05_lost_answers_of_blocks_and_of_guarded_writes() {
    let (proxy, _gateway, client, bucket) = stand().await;
    for (key, comp, action) in [
        ("lost", "block", Action::DropAnswer),
        ("busy", "block", Action::Answer(503, "ServerBusy", None)),
        ("late", "block", Action::DoAndAnswer(500, "OperationTimedOut")),
        ("guarded", "blocklist", Action::DropAnswer),
        ("guarded late", "blocklist", Action::DoAndAnswer(500, "OperationTimedOut")),
    ] {
        let at = path(&bucket, key);
        let old = client.put(&at).body("old").ok().await;
        let rule = Rule::new(action).method(Method::PUT).comp(comp).path(&at).times(1);
        let rule = proxy.rule(rule).await;
        let body = noise(20 * MIB);
        client.put(&at).header("if-match", old.at("etag")).body(&body).ok().await;
        assert_eq!(rule.met(), 1, "{key}");
        assert!(client.get(&at).ok().await.body == body, "{key}");
    }
}

/// F37, small: nobody answers, and then somebody does.
#[tokio::test]
async fn f37_an_azure_that_does_not_answer_is_503() {
    let (proxy, _gateway, client, bucket) = stand().await;
    let at = path(&bucket, "warm");
    proxy.rule(Rule::new(Action::ResetBefore)).await;
    for request in [client.get(&at), client.put(&at).body("new"), client.delete(&at)] {
        let answer = request.send().await;
        assert!(matches!(answer.status, 500 | 503), "{answer:?}");
        answer.error();
    }
    proxy.clear().await;
    assert_eq!(client.get(&at).ok().await.text(), "warm");
    client.put(&at).body("new").ok().await;
    assert_eq!(client.get(&at).ok().await.text(), "new");
}

/// F01: a client that leaves in the middle leaves nothing behind.
#[tokio::test]
async fn f01_half_a_body_is_no_object() {
    let (_proxy, _gateway, client, bucket) = stand().await;
    for size in [100_000, 20 * MIB] {
        let body = noise(size);
        for sent in [0, 1, size / 2, size - 1] {
            for key in ["warm", "new"] {
                let put = client.put(&path(&bucket, key)).body(&body).prepare();
                let mut wire = client.wire().await;
                wire.send(put.head_bytes()).await.unwrap();
                wire.send(&put.body[..sent]).await.unwrap();
                wire.finish().await.unwrap();
                // It is refused, or the connection ends; both mean that the gateway is done with it.
                if let Ok(answer) = wire.answer("PUT").await {
                    assert_eq!(answer.error(), "IncompleteBody", "{sent} of {size}");
                }
            }
        }
        assert_eq!(client.get(&path(&bucket, "warm")).ok().await.text(), "warm");
        assert_eq!(crate::keys::listed(&client, &bucket).await, ["warm"]);
    }
}

/// F08: a list of blocks that came changed is no sign of another writer. Azurite looks at no digest of
/// it and misses a block; what Azure itself says of a wrong digest is said in its place.
#[tokio::test]
async fn f08_a_changed_list_of_blocks_commits_nothing_and_is_no_success() {
    let (proxy, _gateway, client, bucket) = stand().await;
    for (key, old) in [("new", None), ("old", Some("the old value"))] {
        let at = path(&bucket, key);
        if let Some(old) = old {
            client.put(&at).body(old).ok().await;
        }
        // Inside an id, whose place depends on nothing.
        let flip = Rule::new(Action::FlipRequestByte(70)).method(Method::PUT).comp("blocklist");
        let rule = proxy.rule(flip).await;
        let put = client.put(&at).payload(Payload::Unsigned).body(noise(17 * MIB));
        let answer = put.chunked().send().await;
        assert!(answer.status >= 500, "{key}: {answer:?}");
        assert!(rule.met() > 0);
        proxy.clear().await;
        let answer = client.get(&at).send().await;
        assert_eq!((answer.status == 200).then(|| answer.text()).as_deref(), old, "{answer:?}");
    }
}

/// F05: who is overtaken after an answer was lost does not come back over the one who came later.
#[tokio::test]
async fn f05_a_lost_answer_is_not_made_good_over_a_later_write() {
    let (proxy, gateway, client, bucket) = stand().await;
    let direct = Gateway::with(|settings| {
        settings.system_container.clone_from(&gateway.system_container);
    });
    let direct_gateway = direct.await;
    let direct = direct_gateway.client(ALICE);
    let at = path(&bucket, "twice");
    proxy.rule(put_blob("twice", Action::DropAnswer).times(1)).await;
    let gate = Gate::new();
    let look = Rule::new(Action::Hold(gate.clone())).method(Method::HEAD).path("twice").times(1);
    proxy.rule(look).await;
    let first = spawn(client.put(&at).body("first").send());
    gate.arrived().await;
    // It is there, it is seen, and another one follows it.
    assert_eq!(direct.get(&at).ok().await.text(), "first");
    direct.put(&at).body("second").ok().await;
    gate.open();
    let answer = first.await.unwrap();
    assert!(matches!(answer.status, 200 | 503), "{answer:?}");
    assert_eq!(direct.get(&at).ok().await.text(), "second", "the first has come back");
}

/// The tests that docs/faults.md names are there, and none of its cases is missing.
#[test]
fn every_case_has_a_test() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut tests, mut folders) = (String::new(), vec![root.join("tests/it")]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                tests += &std::fs::read_to_string(path).unwrap();
            }
        }
    }
    let document = std::fs::read_to_string(root.join("docs/faults.md")).unwrap();
    let rows: Vec<_> = document.lines().filter(|line| line.starts_with("| F")).collect();
    for row in &rows {
        let named: Vec<_> =
            row.split('`').skip(1).step_by(2).filter(|name| name.contains('_')).collect();
        assert!(!named.is_empty(), "{row}");
        for name in named {
            assert!(tests.contains(&format!("fn {name}(")), "there is no {name}");
        }
    }
    for case in (1..=34).chain(38..=40) {
        let case = format!("F{case:02}");
        assert!(rows.iter().any(|row| row.split('|').nth(1).unwrap().contains(&case)), "{case}");
    }
}
