//! Get Blob: ranges, conditions, snapshots; Delete Blob with those.

use crate::client::{BLOCK, Client, md5};

#[tokio::test]
async fn a_range_is_absolute() {
    let client = Client::new();
    client.put("/con/a", "0123456789").await;
    let whole = client.get("/con/a").await;
    assert_eq!((whole.status, whole.header("content-md5")), (200, md5(b"0123456789").as_str()));
    for (range, text, said) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=8-100", "89", "bytes 8-9/10"),
    ] {
        for name in ["x-ms-range", "range"] {
            let part = client.ok("GET", "/con/a", &[(name, range)], "").await;
            assert_eq!((part.status, part.text(), part.header("content-range")), (206, text, said));
            assert_eq!(part.header("x-ms-blob-content-md5"), md5(b"0123456789"));
            assert_eq!(part.header("content-md5"), "");
        }
    }
    let past = ("x-ms-range", "bytes=10-");
    let past = client.refused(("GET", "/con/a"), &[past], "", (416, "InvalidRange")).await;
    assert_eq!(past.header("content-range"), "bytes */10");
    for bad in
        ["bytes=-3", "bytes=4-2", "bytes=0-9223372036854775808", "bytes=0-1,3-4", "items=0-1"]
    {
        let bad = [("x-ms-range", bad)];
        client.refused(("GET", "/con/a"), &bad, "", (400, "InvalidHeaderValue")).await;
    }
    client.put("/con/empty", "").await;
    let any = [("range", "bytes=0-")];
    client.refused(("GET", "/con/empty"), &any, "", (416, "InvalidRange")).await;
}

#[tokio::test]
async fn conditions_say_304_or_412() {
    let client = Client::new();
    let etag = client.put("/con/a", "1").await.etag();
    let at = ("GET", "/con/a");
    let same = [("if-none-match", etag.as_str())];
    let answer = client.refused(at, &same, "", (304, "ConditionNotMet")).await;
    assert!(answer.body.is_empty());
    client.refused(at, &[("if-match", "\"0x1\"")], "", (412, "ConditionNotMet")).await;
    client.refused(at, &[("if-none-match", "*")], "", (400, "UnsatisfiableCondition")).await;
    let future = [("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT")];
    client.refused(("HEAD", "/con/a"), &future, "", (304, "ConditionNotMet")).await;
    client.refused(("GET", "/con/b"), &[], "", (404, "BlobNotFound")).await;
    client.refused(("GET", "/nocon/b"), &[], "", (404, "ContainerNotFound")).await;
    let head = client.refused(("HEAD", "/con/b"), &[], "", (404, "BlobNotFound")).await;
    assert!(head.body.is_empty());
}

#[tokio::test]
async fn get_blob_does_not_say_the_tier() {
    let client = Client::new();
    client.ok("PUT", "/con/a", &[BLOCK, ("x-ms-access-tier", "Cool")], "1").await;
    assert_eq!(client.get("/con/a").await.header("x-ms-access-tier"), "");
    let head = client.ok("HEAD", "/con/a", &[], "").await;
    assert_eq!(head.header("x-ms-access-tier"), "Cool");
    let unknown = [BLOCK, ("x-ms-access-tier", "Tepid")];
    client.refused(("PUT", "/con/a"), &unknown, "", (400, "InvalidHeaderValue")).await;
}

#[tokio::test]
async fn a_snapshot_stays_what_it_was() {
    let client = Client::new();
    let etag = client.put("/con/a", "old").await.etag();
    let snapshot = client.ok("PUT", "/con/a?comp=snapshot", &[], "").await;
    assert_eq!(snapshot.etag(), etag);
    let one = snapshot.header("x-ms-snapshot").to_owned();
    let two = client.ok("PUT", "/con/a?comp=snapshot", &[], "").await;
    assert!(two.header("x-ms-snapshot") > one.as_str());
    client.put("/con/a", "new").await;
    let at = format!("/con/a?snapshot={one}");
    assert_eq!(client.get(&at).await.text(), "old");
    client.refused(("DELETE", "/con/a"), &[], "", (409, "SnapshotsPresent")).await;
    client.ok("DELETE", &at, &[], "").await;
    client.refused(("GET", &at), &[], "", (404, "BlobNotFound")).await;
    client.ok("DELETE", "/con/a", &[("x-ms-delete-snapshots", "only")], "").await;
    assert_eq!(client.get("/con/a").await.text(), "new");
    client.ok("PUT", "/con/a?comp=snapshot", &[], "").await;
    client.ok("DELETE", "/con/a", &[("x-ms-delete-snapshots", "include")], "").await;
    assert!(client.server.names("con").is_empty());
}

#[tokio::test]
async fn nothing_has_tags() {
    let client = Client::new();
    client.put("/con/a", "1").await;
    let none = client.get("/con/a?comp=tags").await;
    assert_eq!((none.text().contains("<TagSet />"), none.all("Tag").len()), (true, 0));
    client.refused(("GET", "/con/b?comp=tags"), &[], "", (404, "BlobNotFound")).await;
    let tagged = [BLOCK, ("x-ms-tags", "a=1")];
    client.refused(("PUT", "/con/a"), &tagged, "2", (501, "APINotImplemented")).await;
    assert_eq!(client.get("/con/a").await.text(), "1");
}
