//! Presigned URLs that carry headers in their query, where SDKs put them: they count, and they are
//! signed.

use crate::harness::{Gateway, Request, path};
use crate::objects::stand;

/// CRC32 of `v`, in base64.
const CRC32_OF_V: &str = "a2Q7hA==";

/// A presigned PUT of `v` whose headers stand in the query, named as `spell` does it.
fn put(request: Request, spell: impl Fn(&str) -> String) -> Request {
    request
        .body("v")
        .query(&spell("x-amz-meta-colour"), "gr\u{fc}n & blau")
        .query(&spell("x-amz-storage-class"), "STANDARD_IA")
        .query(&spell("x-amz-checksum-crc32"), CRC32_OF_V)
        .query(&spell("x-amz-sdk-checksum-algorithm"), "CRC32")
}

fn small(name: &str) -> String {
    name.to_owned()
}

/// As Go writes the names of headers.
fn canonical(name: &str) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

#[tokio::test]
async fn headers_in_the_query_of_a_presigned_put_are_stored() {
    let (_gateway, client, bucket) = stand().await;
    for (key, spell) in [("js", small as fn(&str) -> String), ("go", canonical)] {
        let at = path(&bucket, key);
        put(client.put(&at), spell).presign(60).send().await.expect_success();
        let read = client.get(&at).header("x-amz-checksum-mode", "ENABLED").ok().await;
        assert_eq!(read.text(), "v");
        assert_eq!(read.at("x-amz-meta-colour"), "gr\u{fc}n & blau", "{key}");
        let head = client.head(&at).ok().await;
        assert_eq!(head.at("x-amz-storage-class"), "STANDARD_IA", "{key}");
        assert_eq!(read.at("x-amz-checksum-crc32"), CRC32_OF_V, "{key}");
        for name in ["x-amz-meta-", "x-amz-date", "x-amz-expires", "x-amz-credential"] {
            assert_eq!(read.header(name), None, "{key}");
        }
    }
}

#[tokio::test]
async fn headers_in_the_query_are_checked_like_any_other() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    client.put(&at).body("old").ok().await;
    let other = put(client.put(&at), small).body("w").presign(60);
    other.refused(400, "BadDigest").await;
    let twice =
        put(client.put(&at), small).query("x-amz-checksum-sha1", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    twice.presign(60).refused(400, "InvalidRequest").await;
    let class = client.put(&at).body("v").query("x-amz-storage-class", "CHEAP").presign(60);
    class.refused(400, "InvalidStorageClass").await;
    let acl = client.put(&at).body("v");
    let in_header = acl.clone().header("x-amz-acl", "aws-exec-read").send().await;
    let in_query = acl.query("x-amz-acl", "aws-exec-read").presign(60).send().await;
    assert_eq!((in_query.status, in_query.error()), (in_header.status, in_header.error()));
    assert_eq!(client.get(&at).ok().await.text(), "old");
}

#[tokio::test]
async fn headers_in_the_query_cannot_be_changed_added_or_left_out() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    client.put(&at).body("old").ok().await;
    let honest = put(client.put(&at), small).presign(60);
    let edits: [(&str, &str); 6] = [
        ("STANDARD_IA", "STANDARD"),
        ("x-amz-meta-colour=gr", "x-amz-meta-colour=br"),
        ("x-amz-meta-colour=", "X-Amz-Meta-Colour="),
        ("a2Q7hA", "AAAAAA"),
        ("&x-amz-sdk-checksum-algorithm=CRC32", ""),
        ("&X-Amz-Expires", "&x-amz-meta-more=1&X-Amz-Expires"),
    ];
    for (from, to) in edits {
        let edited = honest.clone().change(|_, target| {
            assert!(target.contains(from), "{from} is in {target}");
            *target = target.replacen(from, to, 1);
        });
        edited.refused(403, "SignatureDoesNotMatch").await;
    }
    // Not even as a header beside the query: every `x-amz-*` header has to be signed.
    let beside = honest.clone().add("x-amz-meta-colour", "red");
    beside.refused(403, "AccessDenied").await;
    assert_eq!(client.get(&at).ok().await.text(), "old");
    honest.send().await.expect_success();
    assert_eq!(client.get(&at).ok().await.text(), "v");
}

#[tokio::test]
async fn a_query_signed_in_the_header_carries_no_headers() {
    let gateway = Gateway::start().await;
    let client = gateway.admin();
    let at = path(&crate::buckets::bucket(&client).await, "k");
    client.put(&at).body("v").query("x-amz-meta-a", "1").ok().await;
    assert_eq!(client.head(&at).ok().await.header("x-amz-meta-a"), None);
}
