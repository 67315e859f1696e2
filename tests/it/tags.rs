//! Tags of objects: brought by every way in which an object is written, shown, changed, counted.

use crate::harness::gateway::BOB;
use crate::harness::{Client, md5_hex, path};
use crate::objects::stand;

async fn tags(client: &Client, at: &str) -> Vec<(String, String)> {
    let shown = client.get(at).query("tagging", "").ok().await.xml();
    let set = shown.find("TagSet").unwrap().all("Tag");
    set.iter().map(|tag| (tag.at("Key").to_owned(), tag.at("Value").to_owned())).collect()
}

fn pairs(tags: &[(&str, &str)]) -> Vec<(String, String)> {
    tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn document(tags: &[(&str, &str)]) -> String {
    let tags: String = tags
        .iter()
        .map(|(key, value)| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>"))
        .collect();
    format!("<Tagging><TagSet>{tags}</TagSet></Tagging>")
}

#[tokio::test]
async fn tags_come_with_an_object_and_are_counted() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    client.put(&at).header("x-amz-tagging", "b=2&a%20%C3%BC=%2B1&c").body("v").ok().await;
    let wanted = pairs(&[("a ü", "+1"), ("b", "2"), ("c", "")]);
    assert_eq!(tags(&client, &at).await, wanted);
    for request in [client.get(&at), client.head(&at)] {
        assert_eq!(request.ok().await.at("x-amz-tagging-count"), "3");
    }
    // A copy has them, too, unless it brings its own.
    let copy = path(&bucket, "copy");
    let source = format!("/{bucket}/k");
    let from = |directive: &str| {
        let request = client.put(&copy).header("x-amz-copy-source", &source);
        request.header("x-amz-tagging-directive", directive)
    };
    client.put(&copy).header("x-amz-copy-source", &source).ok().await;
    assert_eq!(tags(&client, &copy).await, wanted);
    from("REPLACE").header("x-amz-tagging", "x=y").ok().await;
    assert_eq!(tags(&client, &copy).await, pairs(&[("x", "y")]));
    from("COPY").header("x-amz-tagging", "x=y").refused(400, "InvalidRequest").await;
    from("OTHER").refused(400, "InvalidArgument").await;
    // And so has what is made of parts.
    let parts = path(&bucket, "parts");
    let started =
        client.post(&parts).query("uploads", "").header("x-amz-tagging", "p=q").ok().await;
    let upload = started.xml().at("UploadId").to_owned();
    let part = client.put(&parts).query("partNumber", 1).query("uploadId", &upload).body("v");
    let etag = part.ok().await.at("etag").to_owned();
    let list = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>\
         </CompleteMultipartUpload>"
    );
    client.post(&parts).query("uploadId", &upload).body(list).ok().await;
    assert_eq!(tags(&client, &parts).await, pairs(&[("p", "q")]));
    // What is overwritten without tags has none.
    client.put(&at).body("w").ok().await;
    assert!(tags(&client, &at).await.is_empty());
    assert_eq!(client.head(&at).ok().await.header("x-amz-tagging-count"), None);
}

#[tokio::test]
async fn a_change_of_tags_is_no_change_of_the_object() {
    let (gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    client.put(&at).header("x-amz-meta-a", "1").body("v").ok().await;
    let before = client.head(&at).ok().await;
    let put = |tags: &[(&str, &str)]| client.put(&at).query("tagging", "").body(document(tags));
    put(&[("a", "1"), ("ü", "+=")]).ok().await;
    assert_eq!(tags(&client, &at).await, pairs(&[("a", "1"), ("ü", "+=")]));
    let after = client.get(&at).ok().await;
    assert_eq!((after.text().as_str(), after.at("x-amz-meta-a")), ("v", "1"));
    for name in ["etag", "last-modified"] {
        assert_eq!(after.at(name), before.at(name));
    }
    assert_eq!(after.at("etag"), format!("\"{}\"", md5_hex(b"v")));
    // The ETag that a client has is still the one to write with.
    let list = client.get(&format!("/{bucket}")).ok().await.xml();
    assert_eq!(list.at("Contents/ETag"), before.at("etag"));
    client.put(&at).header("if-match", before.at("etag")).body("w").ok().await;
    put(&[("a", "2")]).ok().await;
    let many: Vec<_> = (0..11).map(|at| (at.to_string(), String::new())).collect();
    let many: Vec<_> = many.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    put(&many).refused(400, "InvalidTag").await;
    put(&[("k", &"v".repeat(257))]).refused(400, "InvalidTag").await;
    client.put(&at).query("tagging", "").body("<A/>").refused(400, "MalformedXML").await;
    client.put(&at).header("x-amz-tagging", "a=1&a=2").body("x").refused(400, "InvalidTag").await;
    assert_eq!(tags(&client, &at).await, pairs(&[("a", "2")]), "as they were");
    let bob = gateway.client(BOB);
    let his = bob.put(&at).query("tagging", "").body(document(&[]));
    his.refused(403, "AccessDenied").await;
    let deleted = client.delete(&at).query("tagging", "").ok().await;
    assert_eq!(deleted.status, 204);
    assert!(tags(&client, &at).await.is_empty());
    assert_eq!(client.get(&at).ok().await.text(), "w");
    let none = path(&bucket, "none");
    client.put(&none).query("tagging", "").body(document(&[])).refused(404, "NoSuchKey").await;
    client.get(&none).query("tagging", "").refused(404, "NoSuchKey").await;
}

/// The longest that S3 allows in letters that Azure keeps as they are. Longer ones: `annex`.
#[tokio::test]
async fn the_largest_tags_find_room() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    client.put(&at).header("x-amz-meta-a", "m".repeat(2000)).body("v").ok().await;
    let long: Vec<_> = (0..10).map(|at| (format!("{at:0128}"), "v".repeat(256))).collect();
    let long: Vec<_> = long.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    client.put(&at).query("tagging", "").body(document(&long)).ok().await;
    assert_eq!(tags(&client, &at).await, pairs(&long));
}
