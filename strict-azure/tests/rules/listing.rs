//! List Blobs: order, levels, markers, what comes along.

use strict_azure::{Pages, Seed};

use crate::client::{Client, list};

async fn all(client: &Client, query: &str) -> (Vec<String>, usize) {
    let (mut names, mut pages, mut marker) = (Vec::new(), 0, String::new());
    loop {
        let path = format!("/con?restype=container&comp=list{query}&marker={marker}");
        let page = client.get(&path).await;
        names.extend(page.all("Name").into_iter().map(str::to_owned));
        pages += 1;
        marker = page.all("NextMarker").first().copied().unwrap_or_default().replace('!', "%21");
        if marker.is_empty() {
            return (names, pages);
        }
    }
}

fn seed(client: &Client, names: &[&str]) {
    client.server.seed("con", names.iter().map(|name| (*name, Seed::bytes("x")))).unwrap();
}

#[tokio::test]
async fn names_come_in_the_order_of_utf16() {
    let client = Client::new();
    seed(&client, &["b", "a/b", "a", "\u{fb00}", "\u{1f388}", "a b", "A"]);
    let want = ["A", "a", "a b", "a/b", "b", "\u{1f388}", "\u{fb00}"];
    assert_eq!(all(&client, "").await, (want.map(str::to_owned).to_vec(), 1));
    assert_eq!(all(&client, "&maxresults=2").await, (want.map(str::to_owned).to_vec(), 4));
    assert_eq!(all(&client, "&prefix=a").await.0, ["a", "a b", "a/b"]);
}

#[tokio::test]
async fn levels_are_rolled_up_once() {
    let client = Client::new();
    let many: Vec<String> = (0..5000).map(|number| format!("dir/{number:05}")).collect();
    let seeds = many.iter().map(|name| (name.as_str(), Seed::bytes("")));
    client.server.seed("con", seeds).unwrap();
    seed(&client, &["dir", "dir/\u{ffff}x", "dir0", "e/f/g", "e/h", "z"]);
    let want = ["dir", "dir/", "dir0", "e/", "z"];
    assert_eq!(all(&client, "&delimiter=/").await, (want.map(str::to_owned).to_vec(), 1));
    assert_eq!(all(&client, "&delimiter=/&maxresults=1").await.0, want);
    assert_eq!(all(&client, "&delimiter=/&prefix=e/").await.0, ["e/f/", "e/h"]);
    assert_eq!(all(&client, "&delimiter=/&startFrom=dir/").await.0, want[1..]);
    assert_eq!(all(&client, "&delimiter=/&startFrom=dir0").await.0, want[2..]);
    assert_eq!(all(&client, "&startFrom=e/f/g").await.0, ["e/f/g", "e/h", "z"]);
    let deep = ("GET", "/con?restype=container&comp=list&delimiter=/&startFrom=dir/00001");
    client.refused(deep, &[], "", (400, "InvalidQueryParameterValue")).await;
}

#[tokio::test]
async fn a_marker_is_the_services_own() {
    let client = Client::new();
    seed(&client, &["a", "b"]);
    for (query, code) in [
        ("marker=a", "InvalidQueryParameterValue"),
        ("marker=2!4!YWJj", "InvalidQueryParameterValue"),
        ("maxresults=0", "OutOfRangeQueryParameterValue"),
        ("maxresults=x", "InvalidQueryParameterValue"),
        ("include=snapshots&delimiter=/", "InvalidQueryParameterValue"),
    ] {
        let path = format!("/con?restype=container&comp=list&{query}");
        client.refused(("GET", &path), &[], "", (400, code)).await;
    }
    let old = [("x-ms-version", "2025-11-05")];
    let path = ("GET", "/con?restype=container&comp=list&startFrom=a");
    client.refused(path, &old, "", (400, "UnsupportedQueryParameter")).await;
}

#[tokio::test]
async fn pages_may_be_short_and_empty() {
    let client = Client::new();
    seed(&client, &["a", "b", "c/1", "c/2", "d"]);
    let want = ["a", "b", "c/", "d"].map(str::to_owned).to_vec();
    client.server.behave(|behaviour| behaviour.pages = Pages::Short(3));
    assert_eq!(all(&client, "&delimiter=/").await, (want.clone(), 2));
    client.server.behave(|behaviour| behaviour.pages = Pages::Empty(2));
    assert_eq!(all(&client, "&delimiter=/").await, (want, 4));
}

#[tokio::test]
async fn what_xml_cannot_hold_is_encoded() {
    let client = Client::new();
    seed(&client, &["<&>\"'", "a\u{fffe}b%"]);
    let page = client.get("/con?restype=container&comp=list").await;
    assert!(page.text().contains("<Name>&lt;&amp;&gt;&quot;'</Name>"), "{}", page.text());
    assert!(page.text().contains("<Name Encoded=\"true\">a%EF%BF%BEb%25</Name>"));
}

#[tokio::test]
async fn snapshots_metadata_and_staged_names_come_when_asked_for() {
    let client = Client::new();
    let metadata = [crate::client::BLOCK, ("x-ms-meta-k", "a<b")];
    client.ok("PUT", "/con/a", &metadata, "1").await;
    client.ok("PUT", "/con/a?comp=snapshot", &[], "").await;
    client.ok("PUT", "/con/a?comp=snapshot", &[], "").await;
    client.put("/con/b", "1").await;
    client.stage("/con/s/1", "1", "x").await;
    assert_eq!(all(&client, "").await.0, ["a", "b"]);
    assert_eq!(all(&client, "&delimiter=/").await.0, ["a", "b"]);
    let with = "&include=snapshots,metadata,uncommittedblobs";
    assert_eq!(all(&client, with).await.0, ["a", "a", "a", "b", "s/1"]);
    let one_each = format!("{with}&maxresults=1");
    assert_eq!(
        all(&client, &one_each).await,
        (vec!["a", "a", "a", "b", "s/1"].into_iter().map(str::to_owned).collect(), 5)
    );
    let page = client.get(&format!("/con?restype=container&comp=list{with}")).await;
    assert_eq!(page.all("k"), ["a&lt;b"; 3]);
    let snapshots = page.all("Snapshot");
    assert!(snapshots.len() == 2 && snapshots[0] < snapshots[1], "oldest first: {snapshots:?}");
    client.ok("PUT", "/con/s/1?comp=blocklist", &[], list(&[("Latest", "1")])).await;
    assert_eq!(all(&client, "&delimiter=/").await.0, ["a", "b", "s/"]);
}
