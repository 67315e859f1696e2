//! What a write checks, answers and leaves behind.

use std::time::Duration;

use strict_azure::{Auth, Options, Seed};

use crate::client::{APPEND, BLOCK, Client, crc64, md5};

const HELLO: &[u8] = b"hello";

#[tokio::test]
async fn put_blob_answers_both_digests_and_compares_either() {
    let client = Client::new();
    let put = client.put("/con/a", "hello").await;
    assert_eq!((put.status, put.header("content-md5")), (201, md5(HELLO).as_str()));
    assert_eq!(put.header("x-ms-content-crc64"), crc64(HELLO));
    let (right, wrong) = (crc64(HELLO), crc64(b"other"));
    let put = client.ok("PUT", "/con/a", &[BLOCK, ("x-ms-content-crc64", &right)], "hello").await;
    assert_eq!(put.header("content-md5"), md5(HELLO));
    let at = ("PUT", "/con/a");
    let header = ("x-ms-content-crc64", wrong.as_str());
    client.refused(at, &[BLOCK, header], "hello", (400, "Crc64Mismatch")).await;
    let (right_md5, wrong_md5) = (md5(HELLO), md5(b"other"));
    client.refused(at, &[BLOCK, ("content-md5", &wrong_md5)], "hello", (400, "Md5Mismatch")).await;
    client.refused(at, &[BLOCK, ("content-md5", "abc")], "hello", (400, "InvalidMd5")).await;
    for name in ["content-md5", "x-ms-blob-content-md5"] {
        let both = [BLOCK, ("x-ms-content-crc64", right.as_str()), (name, right_md5.as_str())];
        client.refused(at, &both, "hello", (400, "BothCrc64AndMd5HeaderPresent")).await;
    }
}

#[tokio::test]
async fn what_is_said_of_md5_beside_a_crc_can_be_switched() {
    let client = Client::new();
    client.server.behave(|behaviour| {
        behaviour.capabilities.answers_md5_beside_crc64 = false;
        behaviour.capabilities.keeps_md5_beside_crc64 = false;
    });
    let crc = crc64(HELLO);
    let put = client.ok("PUT", "/con/a", &[BLOCK, ("x-ms-content-crc64", &crc)], "hello").await;
    assert_eq!(put.header("content-md5"), "");
    assert_eq!(client.get("/con/a").await.header("content-md5"), "");
    client.put("/con/a", "hello").await;
    assert_eq!(client.get("/con/a").await.header("content-md5"), md5(HELLO));
}

#[tokio::test]
async fn every_change_changes_the_etag_but_a_tier_and_a_lease_do_not() {
    let client = Client::new();
    let first = client.put("/con/a", "1").await.etag();
    let second = client.put("/con/a", "1").await.etag();
    let third = client.ok("PUT", "/con/a?comp=metadata", &[("x-ms-meta-a", "1")], "").await.etag();
    let fourth =
        client.ok("PUT", "/con/a?comp=properties", &[("x-ms-blob-content-type", "t/t")], "").await;
    let etags = [first, second, third, fourth.etag()];
    let unique: std::collections::HashSet<_> = etags.iter().collect();
    assert_eq!(unique.len(), 4, "{etags:?}");
    client.ok("PUT", "/con/a?comp=tier", &[("x-ms-access-tier", "Cool")], "").await;
    let lease = [("x-ms-lease-action", "acquire"), ("x-ms-lease-duration", "-1")];
    client.ok("PUT", "/con/a?comp=lease", &lease, "").await;
    let head = client.ok("HEAD", "/con/a", &[], "").await;
    assert_eq!(head.etag(), etags[3]);
    assert_eq!(head.header("x-ms-access-tier"), "Cool");
    assert_eq!(head.header("x-ms-lease-state"), "leased");
    assert_eq!(head.header("content-type"), "t/t");
    assert_eq!(head.header("x-ms-meta-a"), "1");
}

#[tokio::test]
async fn metadata_has_a_limit_and_names_of_its_own() {
    let client = Client::new();
    let at = ("PUT", "/con/a");
    let long = "x".repeat(8192);
    let large = [BLOCK, ("x-ms-meta-a", long.as_str())];
    client.refused(at, &large, "", (400, "MetadataTooLarge")).await;
    client.refused(at, &[BLOCK, ("x-ms-meta-a-b", "")], "", (400, "InvalidMetadata")).await;
    client.refused(at, &[BLOCK, ("x-ms-meta-1", "")], "", (400, "InvalidMetadata")).await;
    client.refused(at, &[BLOCK, ("x-ms-meta-", "")], "", (400, "EmptyMetadataKey")).await;
    assert!(client.server.names("con").is_empty());
}

#[tokio::test]
async fn names_that_the_service_would_not_keep_are_refused() {
    let client = Client::new();
    for name in ["a%09", "a%7F", "a.", "..%2Fvictim", "a%C2%81", "%FF", &"a/".repeat(255)] {
        let path = format!("/con/{name}");
        client.refused(("PUT", &path), &[BLOCK], "", (400, "InvalidUri")).await;
    }
    let long = format!("/con/{}", "x".repeat(1025));
    client.refused(("PUT", &long), &[BLOCK], "", (400, "OutOfRangeInput")).await;
    client.put("/con/a%5Cb%2Fc//d", "").await;
    assert_eq!(client.server.names("con"), ["a/b/c//d"]);
}

#[tokio::test]
async fn conditions_are_kept() {
    let client = Client::new();
    let at = ("PUT", "/con/a");
    let any = ("if-none-match", "*");
    client.refused(at, &[BLOCK, ("if-match", "*")], "", (412, "ConditionNotMet")).await;
    client.stage("/con/a", "1", "x").await;
    // Staged blocks alone are no blob: Azurite says 409.
    client.ok("PUT", "/con/a", &[BLOCK, any], "1").await;
    client.refused(at, &[BLOCK, any], "2", (409, "BlobAlreadyExists")).await;
    let etag = client.get("/con/a").await.etag();
    client.ok("PUT", "/con/a", &[BLOCK, ("if-match", &etag)], "2").await;
    client.refused(at, &[BLOCK, ("if-match", &etag)], "3", (412, "ConditionNotMet")).await;
    client
        .refused(("DELETE", "/con/a"), &[("if-match", &etag)], "", (412, "ConditionNotMet"))
        .await;
    assert_eq!(client.get("/con/a").await.text(), "2");
}

#[tokio::test]
async fn one_of_many_writers_wins() {
    let client = std::sync::Arc::new(Client::new());
    let writers =
        (0..32).map(|_| {
            let client = std::sync::Arc::clone(&client);
            async move {
                client.send("PUT", "/con/a", &[BLOCK, ("if-none-match", "*")], "x").await.status
            }
        });
    let mut all = Vec::new();
    let mut set: tokio::task::JoinSet<u16> = writers.collect();
    while let Some(status) = set.join_next().await {
        all.push(status.unwrap());
    }
    assert_eq!(all.iter().filter(|status| **status == 201).count(), 1, "{all:?}");
    assert_eq!(all.iter().filter(|status| **status == 409).count(), 31);
}

#[tokio::test]
async fn another_kind_of_blob_is_in_the_way() {
    let client = Client::new();
    client.ok("PUT", "/con/a", &[APPEND], "").await;
    let append = client.ok("PUT", "/con/a?comp=appendblock", &[], "log").await;
    assert_eq!(append.header("x-ms-blob-append-offset"), "0");
    client.ok("PUT", "/con/a?comp=appendblock", &[], "ged").await;
    let get = client.get("/con/a").await;
    assert_eq!((get.text(), get.header("x-ms-blob-committed-block-count")), ("logged", "2"));
    assert_eq!(get.header("content-md5"), "");
    client.refused(("PUT", "/con/a"), &[BLOCK], "x", (409, "InvalidBlobType")).await;
    let block = ("PUT", "/con/a?comp=block&blockid=YQ%3D%3D");
    client.refused(block, &[], "x", (409, "InvalidBlobType")).await;
    let page = [("x-ms-blob-type", "PageBlob"), ("x-ms-blob-content-length", "1024")];
    client.ok("PUT", "/con/p", &page, "").await;
    let range = [("x-ms-range", "bytes=512-1023"), ("x-ms-page-write", "update")];
    client.ok("PUT", "/con/p?comp=page", &range, vec![7; 512]).await;
    assert_eq!(client.get("/con/p").await.body, [vec![0; 512], vec![7; 512]].concat());
}

#[tokio::test]
async fn a_leased_blob_wants_its_lease() {
    let client = Client::new();
    client.put("/con/a", "1").await;
    let acquire = [("x-ms-lease-action", "acquire"), ("x-ms-lease-duration", "15")];
    let lease = client.ok("PUT", "/con/a?comp=lease", &acquire, "").await;
    let lease = lease.header("x-ms-lease-id");
    client.refused(("PUT", "/con/a"), &[BLOCK], "2", (412, "LeaseIdMissing")).await;
    client.refused(("DELETE", "/con/a"), &[], "", (412, "LeaseIdMissing")).await;
    client.refused(("PUT", "/con/a?comp=lease"), &acquire, "", (409, "LeaseAlreadyPresent")).await;
    let other = [BLOCK, ("x-ms-lease-id", "11111111-1111-1111-1111-111111111111")];
    let mismatch = (412, "LeaseIdMismatchWithBlobOperation");
    client.refused(("PUT", "/con/a"), &other, "2", mismatch).await;
    client.ok("PUT", "/con/a", &[BLOCK, ("x-ms-lease-id", lease)], "2").await;
    client.server.advance_clock(Duration::from_secs(16));
    client.put("/con/a", "3").await;
}

#[tokio::test]
async fn the_archive_is_off_line() {
    let client = Client::new();
    client.put("/con/a", "1").await;
    let archive = [("x-ms-access-tier", "Archive")];
    client.ok("PUT", "/con/a?comp=tier", &archive, "").await;
    for request in [
        ("GET", "/con/a"),
        ("PUT", "/con/a?comp=snapshot"),
        ("PUT", "/con/a?comp=metadata"),
        ("PUT", "/con/a?comp=block&blockid=YQ%3D%3D"),
    ] {
        client.refused(request, &[], "x", (409, "BlobArchived")).await;
    }
    client.ok("HEAD", "/con/a", &[], "").await;
    let back = client.ok("PUT", "/con/a?comp=tier", &[("x-ms-access-tier", "Hot")], "").await;
    assert_eq!(back.status, 202);
    let head = client.ok("HEAD", "/con/a", &[], "").await;
    assert_eq!(head.header("x-ms-archive-status"), "rehydrate-pending-to-hot");
    client.server.advance_clock(Duration::from_hours(16));
    assert_eq!(client.get("/con/a").await.text(), "1");
}

#[tokio::test]
async fn large_bodies_are_only_counted_where_that_is_wanted() {
    let client = Client::with(Options { auth: Auth::Off, ..Options::default() }.lengths_only());
    let body = vec![7_u8; 3_000_000];
    let put = client.ok("PUT", "/con/a", &[BLOCK], body.clone()).await;
    assert_eq!(put.header("content-md5"), md5(&body));
    assert_eq!(put.header("x-ms-content-crc64"), crc64(&body));
    let read = client.ok("GET", "/con/a", &[("x-ms-range", "bytes=1500000-2500000")], "").await;
    let want: Vec<u8> = (1_500_000..=2_500_000).map(strict_azure::byte_at).collect();
    assert!(read.body == want);
    client.put("/con/small", "kept").await;
    assert_eq!(client.get("/con/small").await.text(), "kept");
    client.server.seed("con", [("huge", Seed::length(100 << 30))]).unwrap();
    let head = client.ok("HEAD", "/con/huge", &[], "").await;
    assert_eq!(head.header("content-length"), (100_u64 << 30).to_string());
}

#[tokio::test]
async fn nobody_gets_in_without_a_signature() {
    let client = Client::with(Options::default());
    client.refused(("GET", "/con/a"), &[], "", (401, "NoAuthenticationInformation")).await;
    let wrong = [
        ("authorization", "SharedKey devstoreaccount1:AAAA"),
        ("x-ms-date", "Sun, 22 Nov 2020 03:05:08 GMT"),
        ("x-ms-version", "2026-02-06"),
    ];
    client.refused(("GET", "/con/a"), &wrong, "", (403, "AuthenticationFailed")).await;
    let answer = client.send("GET", "/con/a", &[("x-ms-client-request-id", "mine")], "").await;
    assert_eq!(answer.header("x-ms-client-request-id"), "mine");
    assert!(answer.text().contains("<Code>NoAuthenticationInformation</Code>"));
    assert!(!answer.header("x-ms-request-id").is_empty() && !answer.header("date").is_empty());
}
