//! Bytes that come from another blob.

use strict_azure::{Auth, Copies, Options, Seed};

use crate::client::{BLOCK, Client, crc64, list};

fn source(client: &Client, rest: &str) -> String {
    format!("{}/con/{rest}", client.server.endpoint())
}

#[tokio::test]
async fn put_blob_from_url_takes_properties_unless_told_not_to() {
    let client = Client::new();
    let set = [BLOCK, ("x-ms-blob-content-type", "t/t"), ("x-ms-meta-a", "1")];
    client.ok("PUT", "/con/s", &set, "hello").await;
    let from = source(&client, "s");
    let answer = client.ok("PUT", "/con/a", &[BLOCK, ("x-ms-copy-source", &from)], "").await;
    assert_eq!((answer.status, answer.header("content-md5")), (201, ""));
    let get = client.get("/con/a").await;
    assert_eq!((get.text(), get.header("content-type")), ("hello", "t/t"));
    assert_eq!((get.header("x-ms-meta-a"), get.header("content-md5").len()), ("1", 24));
    let not = [BLOCK, ("x-ms-copy-source", &from), ("x-ms-copy-source-blob-properties", "false")];
    client.ok("PUT", "/con/a", &not, "").await;
    let get = client.get("/con/a").await;
    assert_eq!(get.header("content-type"), "application/octet-stream");
    assert_eq!((get.header("x-ms-meta-a"), get.header("content-md5")), ("", ""));
    client.server.behave(|behaviour| behaviour.capabilities.put_blob_from_url = false);
    client.refused(("PUT", "/con/a"), &not, "", (501, "APINotImplemented")).await;
}

#[tokio::test]
async fn blocks_come_in_ranges_and_under_conditions() {
    let client = Client::new();
    let etag = client.put("/con/s", "0123456789").await.etag();
    let from = source(&client, "s");
    let at = ("PUT", "/con/a?comp=block&blockid=MQ%3D%3D");
    let of = ("x-ms-copy-source", from.as_str());
    let part = [of, ("x-ms-source-range", "bytes=2-4"), ("x-ms-source-if-match", &etag)];
    let answer = client.ok(at.0, at.1, &part, "").await;
    assert_eq!(answer.header("x-ms-content-crc64"), crc64(b"234"));
    client.ok("PUT", "/con/a?comp=blocklist", &[], list(&[("Latest", "1")])).await;
    assert_eq!(client.get("/con/a").await.text(), "234");
    let other = [of, ("x-ms-source-if-match", "\"0x8DE000000000000\"")];
    client.refused(at, &other, "", (412, "SourceConditionNotMet")).await;
    let behind = [of, ("x-ms-source-range", "bytes=10-12")];
    client.refused(at, &behind, "", (416, "InvalidRange")).await;
    let gone = source(&client, "gone");
    let gone = [("x-ms-copy-source", gone.as_str())];
    client.refused(at, &gone, "", (404, "CannotVerifyCopySource")).await;
    let long = source(&client, &"x".repeat(2048));
    let long = [("x-ms-copy-source", long.as_str())];
    client.refused(at, &long, "", (400, "InvalidHeaderValue")).await;
}

#[tokio::test]
async fn a_source_may_be_in_another_server_of_this_process() {
    let client = Client::new();
    let other = Client::with(Options {
        account: "other".to_owned(),
        auth: Auth::Off,
        ..Options::default()
    });
    other.put("/con/s", "far").await;
    let from = source(&other, "s");
    client.ok("PUT", "/con/a", &[BLOCK, ("x-ms-copy-source", &from)], "").await;
    assert_eq!(client.get("/con/a").await.text(), "far");
}

#[tokio::test]
async fn huge_sources_are_copied_without_memory() {
    let client = Client::new();
    client.server.seed("con", [("s", Seed::length(20 << 30))]).unwrap();
    let from = source(&client, "s");
    let of = ("x-ms-copy-source", from.as_str());
    client.refused(("PUT", "/con/a"), &[BLOCK, of], "", (413, "RequestBodyTooLarge")).await;
    let at = ("PUT", "/con/a?comp=block&blockid=MQ%3D%3D");
    client.refused(at, &[of], "", (413, "RequestBodyTooLarge")).await;
    let range = ("x-ms-source-range", "bytes=0-4194303999");
    client.ok(at.0, at.1, &[of, range], "").await;
    client.ok("PUT", "/con/a?comp=blocklist", &[], list(&[("Latest", "1"); 1])).await;
    let head = client.ok("HEAD", "/con/a", &[], "").await;
    assert_eq!(head.header("content-length"), "4194304000");
}

#[tokio::test]
async fn a_copy_may_stay_pending() {
    let client = Client::new();
    client.put("/con/s", "hello").await;
    let from = source(&client, "s");
    let of = [("x-ms-copy-source", from.as_str())];
    let copied = client.ok("PUT", "/con/a", &of, "").await;
    assert_eq!((copied.status, copied.header("x-ms-copy-status")), (202, "success"));
    client.server.behave(|behaviour| behaviour.copies = Copies::Pending);
    let copied = client.ok("PUT", "/con/b", &of, "").await;
    assert_eq!(copied.header("x-ms-copy-status"), "pending");
    let head = client.ok("HEAD", "/con/b", &[], "").await;
    assert_eq!((head.header("content-length"), head.header("x-ms-copy-progress")), ("0", "0/5"));
    client.refused(("PUT", "/con/b"), &[BLOCK], "x", (409, "PendingCopyOperation")).await;
    assert_eq!(client.server.finish_copies(), 1);
    let get = client.get("/con/b").await;
    assert_eq!((get.text(), get.header("x-ms-copy-status")), ("hello", "success"));
    let copied = client.ok("PUT", "/con/c", &of, "").await;
    let path = format!("/con/c?comp=copy&copyid={}", copied.header("x-ms-copy-id"));
    let abort = [("x-ms-copy-action", "abort")];
    client.ok("PUT", &path, &abort, "").await;
    client.refused(("PUT", &path), &abort, "", (409, "NoPendingCopyOperation")).await;
    assert_eq!(client.get("/con/c").await.text(), "");
}
