//! DeleteObjects: many keys, an answer for each.

use crate::buckets::bucket;
use crate::harness::gateway::{ALICE, BOB, LIMITED};
use crate::harness::{Client, Gateway, Request, md5_hex, path};
use crate::keys::listed;
use crate::objects::stand;

/// The request, with the Content-MD5 that S3 wants of it.
pub(crate) fn request(client: &Client, bucket: &str, document: &str) -> Request {
    let md5 = data_encoding::HEXLOWER.decode(md5_hex(document.as_bytes()).as_bytes()).unwrap();
    client
        .post(&format!("/{bucket}"))
        .query("delete", "")
        .header("content-md5", data_encoding::BASE64.encode(&md5))
        .body(document)
}

pub(crate) fn document(keys: &[&str]) -> String {
    let objects: String =
        keys.iter().map(|key| format!("<Object><Key>{key}</Key></Object>")).collect();
    format!("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{objects}</Delete>")
}

#[tokio::test]
async fn many_keys_are_deleted_at_once() {
    let (_gateway, client, bucket) = stand().await;
    for key in ["a", "b", "c", "d/e", "stays"] {
        client.put(&path(&bucket, key)).body(key).ok().await;
    }
    let answer = request(&client, &bucket, &document(&["a", "b", "never-there", "d/e"]));
    let answer = answer.ok().await.xml();
    assert_eq!(answer.name, "DeleteResult");
    assert_eq!(answer.texts("Deleted/Key"), ["a", "b", "never-there", "d/e"]);
    assert!(answer.all("Error").is_empty());
    assert_eq!(listed(&client, &bucket).await, ["c", "stays"]);
    let quiet = document(&["c"]).replace("<Object>", "<Quiet>true</Quiet><Object>");
    let answer = request(&client, &bucket, &quiet).ok().await.xml();
    assert!(answer.children.is_empty(), "{answer:?}");
    assert_eq!(listed(&client, &bucket).await, ["stays"]);
}

#[tokio::test]
async fn a_thousand_keys_go_and_a_thousand_and_one_do_not() {
    let (_gateway, client, bucket) = stand().await;
    let keys: Vec<_> = (0..1001).map(|number| format!("k{number:04}")).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    for key in ["k0000", "k0500", "k1000"] {
        client.put(&path(&bucket, key)).ok().await;
    }
    request(&client, &bucket, &document(&keys)).refused(400, "MalformedXML").await;
    assert_eq!(listed(&client, &bucket).await, ["k0000", "k0500", "k1000"]);
    let answer = request(&client, &bucket, &document(&keys[..1000])).ok().await.xml();
    assert_eq!(answer.all("Deleted").len(), 1000);
    assert_eq!(listed(&client, &bucket).await, ["k1000"]);
}

/// C54, C55, C56
#[tokio::test]
async fn c54_c55_c56_documents_that_are_none_are_refused() {
    let (_gateway, client, bucket) = stand().await;
    client.put(&path(&bucket, "a")).body("v").ok().await;
    let laughs = "<!DOCTYPE x [<!ENTITY a \"a\"><!ENTITY b \"&a;&a;\">]><Delete><Object><Key>&b;</Key></Object></Delete>";
    let file = "<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><Delete><Object><Key>&a;</Key></Object></Delete>";
    let attributes: String = (0..100_000).map(|number| format!(" a{number}=\"\"")).collect();
    let namespaces: String = (0..10_000).map(|number| format!(" xmlns:a{number}=\"u\"")).collect();
    let deep = "<a>".repeat(100_000);
    for text in [
        "",
        "nonsense",
        "<Delete>",
        "<Delete></Delete>",
        "<Other><Object><Key>a</Key></Object></Other>",
        "<Delete><Object></Object></Delete>",
        "<Delete><Object><Key>a</Key></Object></Delete><Delete/>",
        "<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>",
        laughs,
        file,
        &format!("<Delete{attributes}><Object><Key>a</Key></Object></Delete>"),
        &format!("<Delete{namespaces}><Object><Key>a</Key></Object></Delete>"),
        &format!("<Delete>{deep}"),
    ] {
        let answer = request(&client, &bucket, text).send().await;
        assert_eq!(answer.status, 400, "{:.200}: {answer:?}", text);
        let code = answer.error();
        let known = ["MalformedXML", "MissingRequestBodyError", "MaxMessageLengthExceeded"];
        assert!(known.contains(&code.as_str()), "{:.200}: {code}", text);
    }
    // UTF-16, and more than any document has.
    let utf16: Vec<u8> = "\u{feff}<Delete><Object><Key>a</Key></Object></Delete>"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let post = || client.post(&format!("/{bucket}")).query("delete", "");
    post().body(utf16).refused(400, "MalformedXML").await;
    let huge = format!("<Delete>{}</Delete>", " ".repeat(8 * 1024 * 1024));
    let answer = post().body(huge).send().await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(listed(&client, &bucket).await, ["a"], "nothing was deleted");
}

#[tokio::test]
async fn what_the_document_says_is_verified_before_it_is_done() {
    let (_gateway, client, bucket) = stand().await;
    client.put(&path(&bucket, "a")).body("v").ok().await;
    let document = document(&["a"]);
    let wrong = client.post(&format!("/{bucket}")).query("delete", "").body(&document);
    let wrong = wrong.header("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==");
    wrong.refused(400, "BadDigest").await;
    let changed = request(&client, &bucket, &document).prepare();
    let other = document.replace(">a<", ">b<");
    let answer = changed.with_body(&other).send().await;
    assert_eq!(answer.status, 400, "{answer:?}");
    let crc = client.post(&format!("/{bucket}")).query("delete", "").body(&document);
    crc.header("x-amz-checksum-crc32", "AAAAAA==").refused(400, "BadDigest").await;
    assert_eq!(listed(&client, &bucket).await, ["a"]);
}

/// C44: each key is asked for, not only the first. C45: a scope ends where its name does.
#[tokio::test]
async fn c44_c45_each_key_is_authorised() {
    let gateway = Gateway::with(|settings| {
        settings.policy =
            "[{ actions = [\"s3:DeleteObject\"], buckets = [\"*\"], prefixes = [\"mine/\"] }]"
                .to_owned();
    })
    .await;
    let alice = gateway.client(ALICE);
    let bucket = bucket(&alice).await;
    for key in ["mine/a", "other/b", "mine/c", "minefield"] {
        alice.put(&path(&bucket, key)).body(key).ok().await;
    }
    let all = document(&["mine/a", "other/b", "mine/c", "minefield"]);
    let answer = request(&gateway.client(LIMITED), &bucket, &all).ok().await.xml();
    assert_eq!(answer.texts("Deleted/Key"), ["mine/a", "mine/c"]);
    assert_eq!(answer.texts("Error/Key"), ["other/b", "minefield"]);
    assert_eq!(answer.texts("Error/Code"), ["AccessDenied", "AccessDenied"]);
    assert_eq!(listed(&alice, &bucket).await, ["minefield", "other/b"]);
    // One who may delete nothing here hears it for each, or for all.
    let answer = request(&gateway.client(BOB), &bucket, &all).send().await;
    if answer.status == 200 {
        assert_eq!(answer.xml().all("Error").len(), 4);
    } else {
        assert_eq!((answer.status, answer.error().as_str()), (403, "AccessDenied"));
    }
    assert_eq!(listed(&alice, &bucket).await, ["minefield", "other/b"]);
}

/// Each condition is one key's own: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ObjectIdentifier.html>.
#[tokio::test]
async fn a_condition_is_judged_for_its_own_key() {
    let (_gateway, client, bucket) = stand().await;
    for key in ["plain", "same", "other", "long", "short", "late"] {
        client.put(&path(&bucket, key)).body(key).ok().await;
    }
    let same = md5_hex(b"same");
    let rows = [
        ("plain", String::new()),
        ("same", format!("<ETag>{same}</ETag>")),
        ("other", format!("<ETag>{same}</ETag>")),
        ("long", "<Size>4</Size>".to_owned()),
        ("short", "<Size>4</Size>".to_owned()),
        ("late", "<LastModifiedTime>Wed, 21 Oct 2015 07:28:00 GMT</LastModifiedTime>".to_owned()),
        ("never-there", format!("<ETag>{same}</ETag>")),
    ];
    let objects: String = rows
        .iter()
        .map(|(key, wanted)| format!("<Object><Key>{key}</Key>{wanted}</Object>"))
        .collect();
    let document = format!("<Delete>{objects}</Delete>");
    let answer = request(&client, &bucket, &document).ok().await.xml();
    assert_eq!(answer.texts("Deleted/Key"), ["plain", "same", "long", "never-there"]);
    assert_eq!(answer.texts("Error/Key"), ["other", "short", "late"]);
    assert_eq!(answer.texts("Error/Code"), ["PreconditionFailed"; 3]);
    assert_eq!(listed(&client, &bucket).await, ["late", "other", "short"]);
}

/// Keys whose blobs have other names go with the rest, and no neighbour goes with them.
#[tokio::test]
async fn keys_that_azure_cannot_keep_are_deleted_together() {
    let (_gateway, client, bucket) = stand().await;
    let keys =
        ["a b", "a+b", "a%20b", "back\\slash", "dot.", "..", "tab\tkey", "f\u{fc}r/\u{1f600}"];
    for key in keys.iter().copied().chain(["ab", "a/b", "dot", "tabkey"]) {
        client.put(&path(&bucket, key)).body(key).ok().await;
    }
    let answer = request(&client, &bucket, &document(&keys)).ok().await.xml();
    assert_eq!(answer.texts("Deleted/Key"), keys);
    assert_eq!(listed(&client, &bucket).await, ["a/b", "ab", "dot", "tabkey"]);
}

#[tokio::test]
async fn a_key_named_twice_or_too_long_harms_no_other() {
    let (_gateway, client, bucket) = stand().await;
    for key in ["a", "b"] {
        client.put(&path(&bucket, key)).ok().await;
    }
    let long = "x".repeat(1025);
    let answer = request(&client, &bucket, &document(&["a", "a", &long, "b"])).send().await;
    if answer.status == 200 {
        assert_eq!(answer.xml().texts("Error/Key"), [long]);
        assert!(listed(&client, &bucket).await.is_empty());
    } else {
        assert_eq!(answer.status, 400);
        assert_eq!(listed(&client, &bucket).await, ["a", "b"]);
    }
}
