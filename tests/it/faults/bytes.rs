//! Bytes on their way: cut, ended early, of every size, and listed while others write.

use http::Method;
use strict_azure::{Pages, Seed};

use super::{MIB, stand};
use crate::harness::gateway::ALICE;
use crate::harness::{Action, Gateway, Payload, Rule, md5_hex, noise, path, spawn, strict_with};

/// F10: an end that looks clean and comes too early is no end.
#[tokio::test]
async fn f10_an_answer_that_ends_early_without_an_error_is_gone_on_with_or_aborted() {
    let (proxy, _gateway, client, bucket) = stand().await;
    let body = noise(3 * MIB);
    let at = path(&bucket, "ended");
    client.put(&at).body(&body).ok().await;
    for kept in [0, 1000, MIB, 3 * MIB - 1] {
        let early = Rule::new(Action::EndAnswer(kept)).method(Method::GET).path("ended").times(1);
        let rule = proxy.rule(early).await;
        // Whole, or not a success, or cut: never fewer bytes that look like all of them.
        match client.get(&at).prepare().try_send().await {
            Ok(answer) if answer.status == 200 => assert!(answer.body == body, "{kept}"),
            Ok(answer) => assert!(answer.status >= 500, "{kept}: {answer:?}"),
            Err(cut) => assert!(cut.answer.is_none_or(|answer| answer.body.len() < body.len())),
        }
        assert_eq!(rule.met(), 1, "{kept}");
        proxy.clear().await;
    }
    assert!(client.get(&at).ok().await.body == body);
}

/// F09: a client that asks for the checksum has what it takes to find out.
#[tokio::test]
async fn f09_a_changed_byte_does_not_fit_the_checksum_that_comes_with_it() {
    let (proxy, _gateway, client, bucket) = stand().await;
    let at = path(&bucket, "flipped");
    let put = client.put(&at).header("x-amz-checksum-algorithm", "SHA256").body("0123456789");
    let sum = "hNiYd/DUBB4WpjPB4dHFJqGnNQCqOJ3MHDwIN2NHSVg=";
    let digest = |bytes: &[u8]| {
        use sha2::Digest as _;
        data_encoding::BASE64.encode(&sha2::Sha256::digest(bytes))
    };
    assert_ne!(sum, digest(b"0123456789"), "a made up one is refused");
    put.clone().header("x-amz-checksum-sha256", sum).refused(400, "BadDigest").await;
    put.header("x-amz-checksum-sha256", digest(b"0123456789")).ok().await;
    proxy.rule(Rule::new(Action::FlipAnswerByte(4)).method(Method::GET).path("flipped")).await;
    let answer = client.get(&at).header("x-amz-checksum-mode", "ENABLED").ok().await;
    assert_eq!(answer.at("x-amz-checksum-sha256"), digest(b"0123456789"));
    assert_ne!(digest(&answer.body), digest(b"0123456789"));
    assert_ne!(answer.at("etag"), format!("\"{}\"", md5_hex(&answer.body)));
}

/// F33: around the sizes at which a body is held, begins to go in blocks, or fills one.
#[tokio::test]
async fn f33_bodies_around_the_size_of_a_block_are_exact() {
    let (_proxy, _gateway, client, bucket) = stand().await;
    let at = path(&bucket, "edge");
    let bytes = noise(16 * MIB + 1);
    for size in [8 * MIB, 16 * MIB] {
        for size in [size - 1, size, size + 1] {
            let body = &bytes[..size];
            let put = client.put(&at).payload(Payload::Unsigned).body(body);
            let put = if size < 15 * MIB { put.chunked() } else { put };
            assert_eq!(put.ok().await.at("etag"), format!("\"{}\"", md5_hex(body)), "{size}");
            assert!(client.get(&at).ok().await.body == body, "{size}");
        }
    }
    let large = client.put(&at).payload(Payload::Unsigned).prepare();
    let large = large.set("content-length", (5_u64 << 30) + 1);
    assert_eq!(large.send().await.error(), "EntityTooLarge");
}

/// F33: around 4 GiB, where 32 bits end, and the most that one PUT may have.
#[tokio::test]
#[ignore = "moves 17 GiB, which takes many minutes; bodies around the size of a block are always tested"]
async fn f33_the_largest_bodies_of_one_put() {
    let azure = strict_with(|options| *options = options.clone().lengths_only());
    let gateway = Gateway::with(|settings| settings.azure = azure.endpoint()).await;
    let client = gateway.client(ALICE);
    let bucket = crate::buckets::bucket(&client).await;
    let at = path(&bucket, "large");
    for size in [(4_u64 << 30) - 1, 4 << 30, (4 << 30) + 1, 5 << 30] {
        let put = client.put(&at).payload(Payload::Unsigned).prepare().set("content-length", size);
        let mut wire = client.wire().await;
        wire.send(put.head_bytes()).await.unwrap();
        let piece = vec![7; 8 * MIB];
        let mut left = size;
        while left > 0 {
            let length = left.min(piece.len() as u64);
            wire.send(&piece[..usize::try_from(length).unwrap()]).await.unwrap();
            left -= length;
        }
        assert_eq!(wire.answer("PUT").await.unwrap().status, 200, "{size}");
        let head = client.head(&at).ok().await;
        assert_eq!(head.at("content-length"), size.to_string());
        let last = client.get(&at).header("range", format!("bytes={}-", size - 1)).send().await;
        assert_eq!((last.status, last.body.len()), (206, 1), "{size}");
    }
}

/// F28: 5,000 keys in short and empty pages, while others come and go between them.
#[tokio::test]
async fn f28_five_thousand_keys_are_listed_once_each_while_others_come_and_go() {
    let azure = strict_with(|options| options.behaviour.pages = Pages::Empty(300));
    let gateway = Gateway::with(|settings| settings.azure = azure.endpoint()).await;
    let client = gateway.client(ALICE);
    let bucket = crate::buckets::bucket(&client).await;
    let names: Vec<_> = (0..5000).map(|number| format!("s{number:05}")).collect();
    let seeds = names.iter().map(|name| (name.as_str(), Seed::bytes("x")));
    azure.seed(&bucket, seeds).unwrap();
    let (writer, at) = (client.clone(), bucket.clone());
    let noise = spawn(async move {
        let mut dice = fastrand::Rng::with_seed(28);
        loop {
            let key = path(&at, format!("s{:05}x", dice.u16(..5000)));
            writer.put(&key).ok().await;
            writer.delete(&key).ok().await;
        }
    });
    for size in [1000, 700] {
        let (mut seen, mut token) = (Vec::new(), None::<String>);
        loop {
            let page = client.get(&format!("/{bucket}")).query("list-type", 2);
            let page = page.query("max-keys", size);
            let page = match &token {
                Some(token) => page.query("continuation-token", token),
                None => page,
            };
            let page = page.ok().await.xml();
            seen.extend(page.texts("Contents/Key"));
            token = page.get("NextContinuationToken").map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "in order, and none twice");
        assert!(seen.iter().filter(|key| key.len() == 6).eq(names.iter()));
    }
    noise.abort();
}
