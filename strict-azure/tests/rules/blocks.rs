//! Blocks: staged, discarded, committed.

use std::time::Duration;

use crate::client::{BLOCK, Client, id_text, list, md5};

const LIST: &str = "/con/a?comp=blocklist";

#[tokio::test]
async fn a_list_makes_the_blob_and_lets_all_other_blocks_go() {
    let client = Client::new();
    for (id, body) in [("b", "B"), ("a", "A"), ("c", "C")] {
        client.stage("/con/a", id, body).await;
    }
    client.refused(("GET", "/con/a"), &[], "", (404, "BlobNotFound")).await;
    let set = [("x-ms-blob-content-md5", "XUFAKrxLKna5cZ2REBfFkg=="), ("x-ms-meta-m", "1")];
    client
        .ok("PUT", LIST, &set, list(&[("Latest", "a"), ("Uncommitted", "b"), ("Latest", "a")]))
        .await;
    let get = client.get("/con/a").await;
    assert_eq!((get.text(), get.header("x-ms-meta-m")), ("ABA", "1"));
    assert_eq!(get.header("content-md5"), "XUFAKrxLKna5cZ2REBfFkg==");
    assert_eq!(client.server.staged("con", "a"), 0);
    // Staged and committed blocks of one id are two.
    client.stage("/con/a", "a", "new").await;
    let both = list(&[("Committed", "a"), ("Latest", "a"), ("Committed", "b")]);
    client.ok("PUT", LIST, &[], both).await;
    assert_eq!(client.get("/con/a").await.text(), "AnewB");
    let gone = list(&[("Uncommitted", "a")]);
    client.refused(("PUT", LIST), &[], gone, (400, "InvalidBlockList")).await;
    client.refused(("PUT", LIST), &[], list(&[("Latest", "c")]), (400, "InvalidBlockList")).await;
    client.refused(("PUT", LIST), &[], "<x/>", (400, "InvalidXmlDocument")).await;
}

#[tokio::test]
async fn every_plain_write_discards_staged_blocks() {
    let client = Client::new();
    client.put("/con/source", "s").await;
    let source = format!("{}/con/source", client.server.endpoint());
    let from_url = [BLOCK, ("x-ms-copy-source", source.as_str())];
    let writes: [(&str, &[(&str, &str)]); 3] =
        [("PUT", &[BLOCK]), ("PUT", &from_url), ("DELETE", &[])];
    for (method, headers) in writes {
        client.put("/con/a", "x").await;
        client.stage("/con/a", "1", "x").await;
        assert_eq!(client.server.staged("con", "a"), 1);
        client.ok(method, "/con/a", headers, "").await;
        assert_eq!(client.server.staged("con", "a"), 0, "{method}");
        client
            .refused(("PUT", LIST), &[], list(&[("Latest", "1")]), (400, "InvalidBlockList"))
            .await;
    }
}

#[tokio::test]
async fn a_blob_of_staged_blocks_only_cannot_be_deleted() {
    let client = Client::new();
    client.stage("/con/a", "1", "x").await;
    client.refused(("DELETE", "/con/a"), &[], "", (404, "BlobNotFound")).await;
    assert_eq!(client.server.staged("con", "a"), 1);
}

#[tokio::test]
async fn what_a_block_may_be() {
    let client = Client::new();
    let at = |id: &str| format!("/con/a?comp=block&blockid={}", id_text(id));
    client.refused(("PUT", &at("1")), &[], "", (400, "InvalidHeaderValue")).await;
    client.stage("/con/a", "12", "x").await;
    client.refused(("PUT", &at("123")), &[], "x", (400, "InvalidBlobOrBlock")).await;
    let long = "x".repeat(65);
    client.refused(("PUT", &at(&long)), &[], "x", (400, "OutOfRangeQueryParameterValue")).await;
    client
        .refused(
            ("PUT", "/con/a?comp=block&blockid=%3F"),
            &[],
            "x",
            (400, "InvalidQueryParameterValue"),
        )
        .await;
    let wrong = md5(b"y");
    client.refused(("PUT", &at("12")), &[("content-md5", &wrong)], "x", (400, "Md5Mismatch")).await;
    // Committed ids of another length do no harm.
    client.ok("PUT", LIST, &[], list(&[("Latest", "12")])).await;
    client.stage("/con/a", "123", "y").await;
    client.ok("PUT", LIST, &[], list(&[("Committed", "12"), ("Latest", "123")])).await;
    assert_eq!(client.get("/con/a").await.text(), "xy");
}

#[tokio::test]
async fn staged_blocks_are_gone_after_a_week() {
    let client = Client::new();
    client.stage("/con/a", "1", "x").await;
    client.server.advance_clock(Duration::from_hours(6 * 24));
    client.stage("/con/a", "2", "y").await;
    client.server.advance_clock(Duration::from_hours(6 * 24));
    assert_eq!(client.server.staged("con", "a"), 2);
    client.server.advance_clock(Duration::from_hours(24));
    assert_eq!(client.server.staged("con", "a"), 0);
    client.refused(("PUT", LIST), &[], list(&[("Latest", "1")]), (400, "InvalidBlockList")).await;
}

#[tokio::test]
async fn a_list_has_50_000_blocks_at_most() {
    let client = Client::new();
    client.stage("/con/a", "1", "x").await;
    let most = vec![("Latest", "1"); 50_000];
    client.ok("PUT", LIST, &[], list(&most)).await;
    let head = client.ok("HEAD", "/con/a", &[], "").await;
    assert_eq!(head.header("content-length"), "50000");
    let more = vec![("Committed", "1"); 50_001];
    client.refused(("PUT", LIST), &[], list(&more), (400, "BlockListTooLong")).await;
}

#[tokio::test]
async fn the_lists_are_shown() {
    let client = Client::new();
    client.stage("/con/a", "b", "BB").await;
    client.stage("/con/a", "a", "A").await;
    let get = client.get("/con/a?comp=blocklist&blocklisttype=all").await;
    assert_eq!((get.all("Name"), get.all("Size")), (vec!["Yg==", "YQ=="], vec!["2", "1"]));
    assert_eq!(get.etag(), "");
    client.ok("PUT", LIST, &[], list(&[("Latest", "a"), ("Latest", "b")])).await;
    client.stage("/con/a", "c", "CCC").await;
    let get = client.get("/con/a?comp=blocklist").await;
    assert_eq!(get.all("Name"), ["YQ==", "Yg=="]);
    assert_eq!(get.header("x-ms-blob-content-length"), "3");
    let get = client.get("/con/a?comp=blocklist&blocklisttype=uncommitted").await;
    assert_eq!(get.all("Size"), ["3"]);
    // Put Blob leaves no list.
    client.put("/con/a", "x").await;
    assert!(client.get("/con/a?comp=blocklist&blocklisttype=all").await.all("Name").is_empty());
}
