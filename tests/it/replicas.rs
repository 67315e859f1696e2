//! Two gateways over one Azurite: whatever one of them did, the other one knows.

use crate::buckets::bucket;
use crate::harness::gateway::{ALICE, BOB};
use crate::harness::{Client, Gateway, path, spawn, unique};

/// A client of each of two gateways, and a bucket. The gateways live as long as the tuple.
async fn stand() -> (Gateway, Gateway, Client, Client, String) {
    let one = Gateway::start().await;
    let other = one.replica().await;
    let (first, second) = (one.client(ALICE), other.client(ALICE));
    let name = bucket(&first).await;
    (one, other, first, second, name)
}

#[tokio::test]
async fn what_one_wrote_the_other_reads_lists_copies_and_deletes() {
    let (_one, _other, first, second, bucket) = stand().await;
    let at = path(&bucket, "k");
    let put = first.put(&at).header("x-amz-meta-who", "first").body("value").ok().await;
    let got = second.get(&at).ok().await;
    assert_eq!(got.body, "value");
    assert_eq!(got.at("etag"), put.at("etag"));
    assert_eq!(got.at("x-amz-meta-who"), "first");
    let list = second.get(&format!("/{bucket}")).query("list-type", 2).ok().await.xml();
    assert_eq!(list.texts("Contents/Key"), ["k"]);
    let copy = second.put(&path(&bucket, "copy"));
    copy.header("x-amz-copy-source", format!("{bucket}/k")).ok().await;
    assert_eq!(first.get(&path(&bucket, "copy")).ok().await.body, "value");
    second.delete(&at).ok().await;
    first.get(&at).refused(404, "NoSuchKey").await;
    first.head(&at).refused(404, "").await;
}

#[tokio::test]
async fn a_listing_that_one_began_the_other_goes_on_with() {
    let (_one, _other, first, second, bucket) = stand().await;
    let keys: Vec<String> = (0..9).map(|number| format!("dir{}/{number}", number % 3)).collect();
    for key in &keys {
        first.put(&path(&bucket, key)).ok().await;
    }
    let mut found = Vec::new();
    let mut token = String::new();
    for client in [&first, &second].into_iter().cycle().take(20) {
        let page = client.get(&format!("/{bucket}")).query("list-type", 2).query("max-keys", 2);
        let page = if token.is_empty() { page } else { page.query("continuation-token", &token) };
        let page = page.ok().await.xml();
        found.extend(page.texts("Contents/Key"));
        match page.get("NextContinuationToken") {
            Some(next) => next.clone_into(&mut token),
            None => break,
        }
    }
    let mut sorted = keys;
    sorted.sort();
    assert_eq!(found, sorted);
}

#[tokio::test]
async fn a_bucket_that_one_made_or_deleted_the_other_makes_or_misses() {
    let (_one, _other, first, second, bucket) = stand().await;
    second.head(&format!("/{bucket}")).ok().await;
    first.delete(&format!("/{bucket}")).ok().await;
    second.head(&format!("/{bucket}")).refused(404, "").await;
    second.put(&path(&bucket, "k")).body("v").refused(404, "NoSuchBucket").await;
    let name = unique("b");
    second.put(&format!("/{name}")).ok().await;
    first.put(&path(&name, "k")).body("v").ok().await;
    assert_eq!(second.get(&path(&name, "k")).ok().await.body, "v");
}

#[tokio::test]
async fn f22_f23_of_many_racers_at_both_one_wins() {
    let (_one, _other, first, second, bucket) = stand().await;
    for round in 0..3 {
        let at = path(&bucket, format!("race-{round}"));
        let etag = race(&first, &second, &at, ("if-none-match", "*")).await;
        race(&first, &second, &at, ("if-match", &etag)).await;
    }
}

/// Twenty conditional writers at once, ten at each gateway; the ETag of the one that wins.
async fn race(first: &Client, second: &Client, at: &str, condition: (&str, &str)) -> String {
    let racers: Vec<_> = (0..20)
        .map(|number| {
            let client = if number % 2 == 0 { first } else { second };
            let put = client.put(at).header(condition.0, condition.1);
            spawn(put.body(format!("racer {number} {}", condition.0)).send())
        })
        .collect();
    let mut winners = Vec::new();
    for racer in racers {
        let answer = racer.await.unwrap();
        match answer.status {
            200 => winners.push(answer.at("etag").to_owned()),
            409 | 412 => {}
            other => panic!("{other}: {answer:?}"),
        }
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert_eq!(first.get(at).ok().await.at("etag"), winners[0]);
    winners.remove(0)
}

#[tokio::test]
async fn sixteen_plain_writers_of_one_key_all_succeed_whatever_their_size() {
    let (_one, _other, first, second, bucket) = stand().await;
    let at = path(&bucket, "busy");
    for size in [10, 17 << 20] {
        let writers: Vec<_> = (0..if size > 100 { 4 } else { 16 })
            .map(|number: u8| {
                let client = if number.is_multiple_of(2) { &first } else { &second };
                spawn(client.put(&at).body(vec![b'a' + number; size]).send())
            })
            .collect();
        for writer in writers {
            let answer = writer.await.unwrap();
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        let body = first.get(&at).ok().await.body;
        assert_eq!(body.len(), size);
        assert!(body.iter().all(|byte| *byte == body[0]), "bytes of two writers");
    }
}

/// A bucket deleted and made again elsewhere is a new one here.
#[tokio::test]
async fn a_bucket_that_changed_hands_is_noticed() {
    let first = Gateway::start().await;
    let second = first.replica().await;
    let (alice, bob) = (first.client(ALICE), second.client(BOB));
    let name = bucket(&alice).await;
    let at = path(&name, "k");
    alice.put(&at).body("alice").ok().await;
    // Through the other gateway it is deleted and made by somebody else.
    let elsewhere = second.client(ALICE);
    elsewhere.delete(&at).ok().await;
    elsewhere.delete(&format!("/{name}")).ok().await;
    until(|| async { alice.head(&format!("/{name}")).send().await.status == 404 }).await;
    alice.get(&at).refused(404, "NoSuchBucket").await;
    bob.put(&format!("/{name}")).ok().await;
    bob.put(&at).body("bob").ok().await;
    until(|| async { alice.get(&at).send().await.status == 403 }).await;
    alice.put(&at).body("alice").refused(403, "AccessDenied").await;
    assert_eq!(bob.get(&at).ok().await.text(), "bob");
}

/// Asks again until it is so: what replicas believe of a bucket lasts for the cache's time.
pub(crate) async fn until<F: Future<Output = bool>>(holds: impl Fn() -> F) {
    let waiting = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::harness::PATIENCE, waiting).await.expect("it comes to be so");
}

/// Both make one bucket at once: it is made once, by one owner.
#[tokio::test]
async fn a_bucket_is_made_once() {
    let first = Gateway::start().await;
    let second = first.replica().await;
    let name = unique("b");
    let at = format!("/{name}");
    let makers = (0..8).map(|maker| {
        let (gateway, user) = if maker % 2 == 0 { (&first, ALICE) } else { (&second, BOB) };
        spawn(gateway.client(user).put(&at).send())
    });
    let mut made = [false; 2];
    for (maker, answer) in makers.collect::<Vec<_>>().into_iter().enumerate() {
        let answer = answer.await.unwrap();
        assert!(matches!(answer.status, 200 | 409), "{answer:?}");
        made[maker % 2] |= answer.status == 200;
    }
    assert_ne!(made[0], made[1], "one owner has made it");
    let owner = if made[0] { ALICE } else { BOB };
    first.client(owner).put(&path(&name, "k")).body("v").ok().await;
    second.client(owner).get(&path(&name, "k")).ok().await;
}
