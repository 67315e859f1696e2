//! CopyObject: what comes along, what is replaced, under which conditions, and from where never.

use crate::buckets::bucket;
use crate::harness::gateway::{ALICE, BOB, LIMITED};
use crate::harness::{Gateway, md5_hex, noise, path};
use crate::objects::stand;

const SOURCE: &str = "x-amz-copy-source";

#[tokio::test]
async fn a_copy_is_the_same_with_all_that_belongs_to_it() {
    let (_gateway, client, bucket) = stand().await;
    let from = path(&bucket, "from");
    let put = client.put(&from).body("v").header("x-amz-meta-a-b", "\u{fc}");
    let put = put.header("content-type", "text/plain").header("x-amz-checksum-sha256", SHA256_OF_V);
    let etag = put.ok().await.at("etag").to_owned();
    for source in [from.clone(), from.trim_start_matches('/').to_owned()] {
        let to = path(&bucket, "to");
        let copied = client.put(&to).header(SOURCE, &source).ok().await.xml();
        assert_eq!(copied.name, "CopyObjectResult");
        assert_eq!(copied.at("ETag"), etag);
        assert!(copied.at("LastModified").ends_with('Z'));
        let read = client.get(&to).header("x-amz-checksum-mode", "ENABLED").ok().await;
        assert_eq!(read.text(), "v");
        assert_eq!(read.at("etag"), etag);
        assert_eq!(read.at("x-amz-meta-a-b"), "\u{fc}");
        assert_eq!(read.at("content-type"), "text/plain");
        assert_eq!(read.at("x-amz-checksum-sha256"), SHA256_OF_V);
    }
    assert_eq!(client.get(&from).ok().await.text(), "v");
}

const SHA256_OF_V: &str = "TJRIXgwhrmxBzh3+e2v6zupato5AokdvUCCOUm9QYIA=";

#[tokio::test]
async fn replace_takes_what_the_request_says_and_nothing_else() {
    let (_gateway, client, bucket) = stand().await;
    let (from, to) = (path(&bucket, "from"), path(&bucket, "to"));
    let put = client.put(&from).body("v").header("x-amz-meta-old", "o");
    put.header("content-type", "text/plain").header("cache-control", "no-cache").ok().await;
    let copy = |directive: &str| {
        let copy = client.put(&to).header(SOURCE, &from).header("x-amz-meta-new", "n");
        copy.header("content-type", "text/html").header("x-amz-metadata-directive", directive)
    };
    copy("REPLACE").ok().await;
    let head = client.head(&to).ok().await;
    assert_eq!((head.header("x-amz-meta-old"), head.header("x-amz-meta-new")), (None, Some("n")));
    assert_eq!((head.at("content-type"), head.header("cache-control")), ("text/html", None));
    copy("COPY").ok().await;
    let head = client.head(&to).ok().await;
    assert_eq!((head.header("x-amz-meta-old"), head.header("x-amz-meta-new")), (Some("o"), None));
    assert_eq!(head.at("content-type"), "text/plain");
    copy("OTHER").refused(400, "InvalidArgument").await;
}

/// F26, without the kill: nothing is deleted first.
#[tokio::test]
async fn f26_a_copy_onto_itself_changes_its_metadata_only() {
    let (_gateway, client, bucket) = stand().await;
    for (key, size) in [("small", 10), ("large", 17 * 1024 * 1024)] {
        let at = path(&bucket, key);
        let body = noise(size);
        client.put(&at).body(&body).header("x-amz-meta-a", "1").ok().await;
        let plain = client.put(&at).header(SOURCE, &at);
        let error = plain.clone().refused(400, "InvalidRequest").await.xml();
        assert!(error.at("Message").starts_with("This copy request is illegal because"));
        let replace = plain.header("x-amz-metadata-directive", "REPLACE");
        replace.header("x-amz-meta-a", "2").ok().await;
        let read = client.get(&at).ok().await;
        assert!(read.body == body);
        assert_eq!(read.at("x-amz-meta-a"), "2");
        assert_eq!(read.at("etag"), format!("\"{}\"", md5_hex(&body)));
    }
}

#[tokio::test]
async fn a_copy_obeys_the_conditions_on_its_source() {
    let (_gateway, client, bucket) = stand().await;
    let (from, to) = (path(&bucket, "from"), path(&bucket, "to"));
    let etag = client.put(&from).body("v").ok().await.at("etag").to_owned();
    let bare = etag.trim_matches('"').to_owned();
    let (before, after) = ("Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT");
    for (name, value, status) in [
        ("x-amz-copy-source-if-match", etag.as_str(), 200),
        ("x-amz-copy-source-if-match", &bare, 200),
        ("x-amz-copy-source-if-match", "\"0\"", 412),
        ("x-amz-copy-source-if-none-match", &etag, 412),
        ("x-amz-copy-source-if-none-match", "\"0\"", 200),
        ("x-amz-copy-source-if-modified-since", before, 200),
        ("x-amz-copy-source-if-unmodified-since", before, 412),
        ("x-amz-copy-source-if-unmodified-since", after, 200),
    ] {
        client.delete(&to).ok().await;
        let copy = client.put(&to).header(SOURCE, &from).header(name, value).send().await;
        assert_eq!(copy.status, status, "{name}: {value}: {copy:?}");
        if status == 412 {
            assert_eq!(copy.error(), "PreconditionFailed");
            client.head(&to).refused(404, "").await;
        }
    }
    // Those on the destination hold as for a PUT.
    client.put(&to).body("old").ok().await;
    let copy = client.put(&to).header(SOURCE, &from);
    copy.header("if-none-match", "*").refused(412, "PreconditionFailed").await;
    let copy = client.put(&to).header(SOURCE, &from);
    copy.header("if-match", &etag).refused(412, "PreconditionFailed").await;
    assert_eq!(client.get(&to).ok().await.text(), "old");
}

/// C43: a source is a bucket and a key, never an address.
#[tokio::test]
async fn c43_a_source_that_is_none_is_refused() {
    let gateway = Gateway::start().await;
    let (alice, bob) = (gateway.client(ALICE), gateway.client(BOB));
    let (mine, victim) = (bucket(&alice).await, bucket(&bob).await);
    bob.put(&path(&victim, "k")).body("secret").ok().await;
    let to = path(&mine, "to");
    for source in [
        String::new(),
        "/".to_owned(),
        "//".to_owned(),
        mine.clone(),
        format!("/{mine}"),
        format!("/{mine}/"),
        format!("{mine}/none"),
        format!("{mine}/../{victim}/k"),
        format!("{mine}/%2e%2e/{victim}/k"),
        format!("{mine}%2F..%2F{victim}%2Fk"),
        format!("..%2F{victim}%2Fk"),
        format!("../{victim}/k"),
        format!("{mine}\\..\\{victim}\\k"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "https://example.com/a/b".to_owned(),
        format!("{mine}/k?versionId="),
        format!("{mine}/k?versionId=nonsense"),
        format!("{mine}/k?versionId=a&b=c"),
        format!("{mine}/%FF"),
        format!("{mine}/%zz"),
        "$root/x".to_owned(),
        format!("{}/x", gateway.system_container),
        format!("{mine}/{}", "k".repeat(1025)),
        "arn:aws:s3:us-east-1:123456789012:accesspoint/a/object/k".to_owned(),
    ] {
        let answer = alice.put(&to).header(SOURCE, &source).send().await;
        assert!(matches!(answer.status, 400 | 403 | 404), "{source:?}: {answer:?}");
        answer.error();
        alice.head(&to).refused(404, "").await;
    }
    // Positive control.
    alice.put(&path(&mine, "k")).body("v").ok().await;
    alice.put(&to).header(SOURCE, path(&mine, "k")).ok().await;
}

/// C42: who may not read the source may not copy it; who may not write the target neither.
#[tokio::test]
async fn c42_a_copy_needs_both_rights() {
    let gateway = Gateway::with(|settings| {
        settings.policy = "[\
            { actions = [\"s3:PutObject\"], buckets = [\"*\"], prefixes = [\"in/\"] },\
            { actions = [\"s3:GetObject\"], buckets = [\"*\"], prefixes = [\"out/\"] }]"
            .to_owned();
    })
    .await;
    let (alice, limited) = (gateway.client(ALICE), gateway.client(LIMITED));
    let bucket = bucket(&alice).await;
    for key in ["secret", "out/k"] {
        alice.put(&path(&bucket, key)).body(key).ok().await;
    }
    let copy =
        |from: &str, to: &str| limited.put(&path(&bucket, to)).header(SOURCE, path(&bucket, from));
    copy("secret", "in/k").refused(403, "AccessDenied").await;
    copy("out/k", "else/k").refused(403, "AccessDenied").await;
    copy("none", "in/k").refused(403, "AccessDenied").await;
    alice.head(&path(&bucket, "in/k")).refused(404, "").await;
    copy("out/k", "in/k").ok().await;
    assert_eq!(alice.get(&path(&bucket, "in/k")).ok().await.text(), "out/k");
    // Between owners: a right on one side is not enough.
    let bob = gateway.client(BOB);
    let his = crate::buckets::bucket(&bob).await;
    let steal = bob.put(&path(&his, "k")).header(SOURCE, path(&bucket, "secret"));
    steal.refused(403, "AccessDenied").await;
    bob.head(&path(&his, "k")).refused(404, "").await;
}

#[tokio::test]
async fn large_objects_are_copied_too() {
    let (_gateway, client, bucket) = stand().await;
    let other = crate::buckets::bucket(&client).await;
    let body = noise(21 * 1024 * 1024);
    let (from, to) = (path(&bucket, "from +\u{fc}"), path(&other, "to"));
    client.put(&from).body(&body).ok().await;
    client.put(&to).header(SOURCE, &from).ok().await;
    let read = client.get(&to).ok().await;
    assert!(read.body == body);
    assert_eq!(read.at("etag"), format!("\"{}\"", md5_hex(&body)));
}

#[tokio::test]
async fn a_copy_can_have_another_storage_class() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    client.put(&at).body("v").header("x-amz-meta-a", "1").ok().await;
    let change = client.put(&at).header(SOURCE, &at).header("x-amz-storage-class", "STANDARD_IA");
    change.ok().await;
    let head = client.head(&at).ok().await;
    assert_eq!(head.at("x-amz-storage-class"), "STANDARD_IA");
    assert_eq!(head.at("x-amz-meta-a"), "1");
}
