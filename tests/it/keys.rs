//! Keys that nobody expects, through every operation: each stays itself, no two ever meet, and
//! listings have them in the order of their bytes.

use std::collections::BTreeSet;

use crate::buckets::bucket;
use crate::harness::gateway::ALICE;
use crate::harness::signer::{encode, encode_key};
use crate::harness::{Client, Gateway, md5_hex, path, spawn, unique, xml};
use crate::objects::stand;

/// Requests at a time.
const LANES: usize = 8;

/// C49, C50, C51 and mapping.md, 2: every one of them is a key of its own.
pub(crate) fn nasty() -> Vec<String> {
    let ascii = (0..128u8).map(char::from);
    let mut keys: BTreeSet<String> =
        ascii.flat_map(|character| [character.to_string(), format!("a{character}b")]).collect();
    keys.extend(WORDS.iter().map(|word| (*word).to_owned()));
    keys.extend(long());
    keys.into_iter().collect()
}

const WORDS: &[&str] = &[
    // Dots and slashes.
    ".",
    "..",
    "...",
    "....",
    "./",
    "../",
    "./a",
    "../a",
    "../victim/x",
    "a/.",
    "a/..",
    "a/./b",
    "a/../b",
    "a/.../b",
    "a/./",
    "a/../",
    "a/../../victim/x",
    "a.",
    "a..",
    "a./b",
    "a../b",
    "..a",
    ".a",
    "a",
    "a/",
    "/a",
    "a//b",
    "a/b",
    "a//",
    "//a",
    "//",
    "///",
    "/",
    "/.",
    "/..",
    "a/b/",
    "a.b",
    "a./",
    ".hidden",
    "a/.hidden",
    // What somebody takes for something else.
    "a\\",
    "\\a",
    "a\\\\b",
    "a\\..\\b",
    "a\\.",
    "..\\victim\\x",
    "ab",
    "A",
    "aB",
    "a%2Fb",
    "a%252Fb",
    "%2e%2e/x",
    "%",
    "%%",
    "%4",
    "%41",
    "%zz",
    "%C3%BC",
    "%5C",
    "a%00b",
    "a?b=c",
    "a#b",
    "a&b;c",
    "a&amp;b",
    "<script>alert(1)</script>",
    "]]>",
    "<![CDATA[x]]>",
    "a+b c",
    "urn:oid:123",
    "~",
    "$root",
    "$web",
    "a=b",
    "a;b",
    "a,b",
    "*.txt",
    "(a)",
    "'a'",
    "\"a\"",
    "{a}",
    "[a]",
    "a|b",
    "^",
    // Blanks and controls.
    " ",
    "  ",
    " a",
    "a ",
    "a  b",
    "\t",
    "\ta",
    "a\t",
    "a\nb\n",
    "\r\n",
    "a\r\nset-cookie: x",
    "\0",
    "\0\0",
    "a\0",
    "\u{1}a",
    "\u{1f}/\u{1f}",
    "a/\n/b",
    "\u{7f}",
    "a\u{7f}",
    "a\u{7f}b/c",
    "\u{80}",
    "a\u{81}",
    "a\u{81}b",
    "\u{85}",
    "\u{9f}",
    "\u{a0}",
    "\u{ad}",
    "\u{2028}",
    "\u{3000}",
    // Letters of the world, both forms.
    "\u{fc}",
    "u\u{308}",
    "a\u{fc}b",
    "au\u{308}b",
    "\u{e9}",
    "e\u{301}",
    "\u{65e5}\u{672c}\u{8a9e}",
    "\u{1f600}",
    "a\u{1f600}b",
    "\u{1f469}\u{200d}\u{1f4bb}",
    "\u{202e}rtl",
    "\u{200b}",
    "\u{feff}",
    "\u{feff}a",
    "\u{df}",
    "\u{130}",
    "\u{17f}",
    "\u{212a}",
    "\u{ac00}",
    "\u{1100}\u{1161}",
    // The edges of UTF-16 and of escapes.
    "\u{d7ff}",
    "\u{e000}",
    "a\u{e000}",
    "\u{e001}",
    "\u{f8ff}",
    "\u{fffc}",
    "\u{fffd}",
    "\u{fffe}",
    "\u{ffff}",
    "\u{10000}",
    "\u{10ffff}",
    "a\u{fffd}",
    "a\u{fffd}5C",
    "a[\u{fffd}5C",
    "a[",
    "a[b",
    "a[z",
    "a]",
    "a-\u{fffd}2E",
    "a\u{fffd}2E",
    "~\u{fffd}7F",
    "\u{fffd}\u{4e00}",
    "\u{fffd}\u{fffd}",
    "a\u{fffd}5Cb",
    "a[\u{fffd}5Cb",
    "a-\u{fffd}2E/b",
    "\u{fffd}\u{4e00}\u{4e00}",
];

/// As long as a key can be, in every way.
fn long() -> Vec<String> {
    let mut keys: Vec<_> =
        ["k", "/", ".", "\\", " ", "%", "\u{1}", "\u{7f}"].map(|text| text.repeat(1024)).into();
    keys.extend(["\u{1f980}".repeat(256), "\u{fc}".repeat(512), "\u{20ac}".repeat(341) + "x"]);
    keys.extend(["\u{fffd}".repeat(341), "\u{e000}".repeat(341), "\u{10ffff}".repeat(256)]);
    keys.extend(["/".repeat(300), "a/".repeat(300), "a/".repeat(512), "./".repeat(512)]);
    keys.extend(["../".repeat(341), "a/".repeat(253) + "a", "a/".repeat(254), "a/".repeat(255)]);
    keys.extend(["x".repeat(1023) + ".", "y".repeat(1000) + "\n", "z/".repeat(511) + ".."]);
    keys
}

/// Does `act` for every key, some at a time.
async fn each<F, T>(keys: &[String], act: F)
where
    F: Fn(String) -> T + Clone + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let lanes = (0..LANES).map(|lane| {
        let keys: Vec<_> = keys.iter().skip(lane).step_by(LANES).cloned().collect();
        let act = act.clone();
        spawn(async move {
            for key in keys {
                act(key).await;
            }
        })
    });
    for lane in lanes.collect::<Vec<_>>() {
        lane.await.unwrap();
    }
}

/// All keys of a bucket, page by page, as they come.
pub(crate) async fn listed(client: &Client, bucket: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let mut request = client.get(&format!("/{bucket}")).query("list-type", 2);
        request = request.query("encoding-type", "url").query("max-keys", 97);
        if let Some(token) = &token {
            request = request.query("continuation-token", token);
        }
        let page = request.ok().await.xml();
        found.extend(page.texts("Contents/Key").iter().map(|key| decoded(key)));
        token = page.get("NextContinuationToken").map(str::to_owned);
        assert_eq!(page.at("IsTruncated"), if token.is_some() { "true" } else { "false" });
        if token.is_none() {
            return found;
        }
    }
}

/// What `encoding-type=url` stands for.
pub(crate) fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_encoding::percent_decode_str(&text).decode_utf8().unwrap().into_owned()
}

/// Each key through put, get, head, copy and delete, and through listings on the way.
#[tokio::test]
async fn c49_c50_c51_every_key_is_itself_through_every_operation() {
    let (_gateway, client, first) = stand().await;
    let second = bucket(&client).await;
    let keys = nasty();

    for bucket in [&first, &second] {
        client.put(&path(bucket, "\0")).body("\0").ok().await;
    }
    let (at, by) = (first.clone(), client.clone());
    each(&keys, move |key| {
        let put = by.put(&path(&at, &key)).body(&key);
        async move {
            assert_eq!(put.ok().await.at("etag"), format!("\"{}\"", md5_hex(key.as_bytes())));
        }
    })
    .await;
    assert_eq!(listed(&client, &first).await, keys, "all of them, in the order of their bytes");

    let (from, to, by) = (first.clone(), second.clone(), client.clone());
    each(&keys, move |key| {
        let (get, head) = (by.get(&path(&from, &key)), by.head(&path(&from, &key)));
        let copy = by
            .put(&path(&to, &key))
            .header("x-amz-copy-source", format!("/{from}/{}", encode_key(&key)));
        let copied = by.get(&path(&to, &key));
        async move {
            assert_eq!(get.ok().await.text(), key);
            assert_eq!(head.ok().await.at("content-length"), key.len().to_string());
            copy.ok().await;
            assert_eq!(copied.ok().await.text(), key);
        }
    })
    .await;
    assert_eq!(listed(&client, &second).await, keys);

    let (at, by) = (first.clone(), client.clone());
    each(&keys, move |key| {
        let (delete, head) = (by.delete(&path(&at, &key)), by.head(&path(&at, &key)));
        async move {
            delete.ok().await;
            head.refused(404, "").await;
        }
    })
    .await;
    assert!(listed(&client, &first).await.is_empty());
    assert_eq!(listed(&client, &second).await, keys, "the other bucket is as it was");
    delete_all(&client, &second, &keys).await;
    assert!(listed(&client, &second).await.is_empty());
    client.delete(&format!("/{second}")).ok().await;
}

/// A multi-delete of keys that XML can say.
async fn delete_all(client: &Client, bucket: &str, keys: &[String]) {
    let objects: String = keys
        .iter()
        .map(|key| format!("<Object><Key>{}</Key></Object>", xml::escape(key)))
        .collect();
    // XML 1.0 has no way to write these, so they are deleted one by one.
    let unspeakable = |key: &&String| {
        key.chars().any(|character| {
            (character < ' ' && !"\t\n\r".contains(character))
                || matches!(character, '\u{fffe}' | '\u{ffff}')
        })
    };
    let (one_by_one, speakable): (Vec<_>, Vec<_>) = keys.iter().partition(unspeakable);
    assert!(objects.len() > speakable.len());
    for chunk in speakable.chunks(1000) {
        let objects: String = chunk
            .iter()
            .map(|key| format!("<Object><Key>{}</Key></Object>", xml::escape(key)))
            .collect();
        let body = format!("<Delete>{objects}</Delete>");
        let answer = crate::multidelete::request(client, bucket, &body).ok().await.xml();
        assert!(answer.all("Error").is_empty(), "{answer:?}");
        assert_eq!(answer.all("Deleted").len(), chunk.len());
    }
    for key in one_by_one {
        client.delete(&path(bucket, key)).ok().await;
    }
}

/// Without an encoding-type XML says what it can, and what it cannot say is told as S3 tells it.
#[tokio::test]
async fn keys_stand_in_xml_as_they_are() {
    let (_gateway, client, bucket) = stand().await;
    let keys = ["a b", "a&b", "<a>", "\"'", "]]>", "\u{1f600}", "u\u{308}", "%41", "a+b", "\ta\n"];
    for key in keys {
        client.put(&path(&bucket, key)).ok().await;
    }
    let page = client.get(&format!("/{bucket}")).ok().await.xml();
    let mut want: Vec<_> = keys.map(str::to_owned).into();
    want.sort();
    assert_eq!(page.texts("Contents/Key"), want);
}

/// Keys that Azure cannot hold need a word in the container before the first of them is written: who
/// comes at the same time waits for it.
#[tokio::test]
async fn the_first_strange_keys_may_come_at_once() {
    let (gateway, client, bucket) = stand().await;
    let replica = gateway.replica().await;
    let other = replica.client(ALICE);
    let keys: Vec<_> = (0..12).map(|number| format!("a\n{number:02}")).collect();
    let puts = keys.iter().enumerate().map(|(number, key)| {
        let client = if number % 2 == 0 { &client } else { &other };
        spawn(client.put(&path(&bucket, key)).body(key).send())
    });
    for put in puts.collect::<Vec<_>>() {
        put.await.unwrap().expect_success();
    }
    assert_eq!(listed(&client, &bucket).await, keys);
    assert_eq!(listed(&other, &bucket).await, keys);
}

/// Each of them alone: what is written under one is not there under the other.
#[tokio::test]
async fn c50_no_two_keys_are_one() {
    let (_gateway, client, bucket) = stand().await;
    for (one, other) in [
        ("a\tb", "ab"),
        ("a\nb", "ab"),
        ("a//b", "a/b"),
        ("/a", "a"),
        ("a", "a/"),
        ("a.", "a"),
        ("A", "a"),
        ("\u{fc}", "u\u{308}"),
        ("a%2Fb", "a/b"),
        ("a\\b", "a/b"),
        (".", ".."),
        ("a/./b", "a/b"),
        ("a/../b", "b"),
        ("a ", "a"),
        (" a", "a"),
        ("a+b", "a b"),
        ("a\0b", "ab"),
        ("a\u{feff}", "a"),
    ] {
        client.put(&path(&bucket, one)).body("one").ok().await;
        client.head(&path(&bucket, other)).refused(404, "").await;
        client.put(&path(&bucket, other)).body("other").ok().await;
        assert_eq!(client.get(&path(&bucket, one)).ok().await.text(), "one", "{one:?} {other:?}");
        client.delete(&path(&bucket, one)).ok().await;
        assert_eq!(client.get(&path(&bucket, other)).ok().await.text(), "other");
        client.delete(&path(&bucket, other)).ok().await;
    }
}

/// C49: a neighbour's container is out of every key's reach.
#[tokio::test]
async fn c49_no_key_reaches_another_bucket() {
    let gateway = Gateway::start().await;
    let (alice, bob) = (gateway.client(ALICE), gateway.client(crate::harness::gateway::BOB));
    let (mine, victim) = (bucket(&alice).await, bucket(&bob).await);
    bob.put(&path(&victim, "x")).body("secret").ok().await;
    let raw = [
        format!("/{mine}/../{victim}/x"),
        format!("/{mine}/%2e%2e/{victim}/x"),
        format!("/{mine}/..%2F{victim}%2Fx"),
        format!("/{mine}/a/../../{victim}/x"),
        format!("/{mine}/..%5C{victim}%5Cx"),
        format!("/{mine}/.%2e/{victim}/x"),
    ];
    for at in &raw {
        alice.get(at).refused(404, "NoSuchKey").await;
        alice.put(at).body("mine").ok().await;
        assert_eq!(alice.get(at).ok().await.text(), "mine");
        alice.put(&path(&mine, "copy")).header("x-amz-copy-source", at).ok().await;
        assert_eq!(alice.get(&path(&mine, "copy")).ok().await.text(), "mine");
        alice.delete(at).ok().await;
        assert_eq!(bob.get(&path(&victim, "x")).ok().await.text(), "secret");
    }
    assert_eq!(listed(&bob, &victim).await, ["x"]);
}

/// C51
#[tokio::test]
async fn c51_keys_that_cannot_be_are_refused_by_name() {
    let (_gateway, client, bucket) = stand().await;
    for long in ["k".repeat(1025), "\u{1f980}".repeat(256) + "x", "\u{1}".repeat(1025)] {
        let at = path(&bucket, &long);
        let error = client.put(&at).body("v").refused(400, "KeyTooLongError").await.xml();
        assert_eq!(error.at("MaxSizeAllowed"), "1024");
        client.get(&at).refused(400, "KeyTooLongError").await;
        client.head(&at).refused(400, "").await;
        client.delete(&at).refused(400, "KeyTooLongError").await;
    }
    for broken in ["%FF", "a%C3", "%C3%28", "%ED%A0%80", "%F5%80%80%80", "%zz", "%4"] {
        let at = format!("/{bucket}/{broken}");
        for method in ["GET", "PUT", "DELETE"] {
            client.request(method, &at).refused(400, "InvalidURI").await;
        }
    }
    assert!(listed(&client, &bucket).await.is_empty());
}

/// C22, C23: one key, however its path was written.
#[tokio::test]
async fn c22_a_path_may_be_encoded_more_than_it_has_to_be() {
    let (_gateway, client, bucket) = stand().await;
    for (key, raws) in [
        ("a~b", &["a~b", "a%7Eb", "a%7eb"][..]),
        ("a(b)*'!", &["a(b)*'!", "a%28b%29%2A%27%21"]),
        ("a/b", &["a/b", "a%2Fb", "%61/%62"]),
        ("a+b", &["a%2Bb", "a%2bb", "a+b"]),
        ("a b", &["a%20b"]),
        ("a=b&c", &["a=b&c", "a%3Db%26c"]),
        ("\u{fc}", &["%C3%BC", "%c3%bc"]),
    ] {
        client.put(&path(&bucket, key)).body(key).ok().await;
        for raw in raws {
            assert_eq!(client.get(&format!("/{bucket}/{raw}")).ok().await.text(), key, "{raw}");
        }
    }
    // Raw bytes above 0x7F, as curl and a browser's address bar would not send them.
    let read = client.get(&format!("/{bucket}/\u{fc}")).send().await;
    assert!(matches!(read.status, 200 | 400), "{read:?}");
}

/// The exception for aws4fetch: it signs a raw `+` as a blank, and then it was a blank.
#[tokio::test]
async fn a_plus_that_was_signed_as_a_blank_is_a_blank() {
    let (_gateway, client, bucket) = stand().await;
    client.put(&path(&bucket, "a+b")).body("plus").ok().await;
    client.put(&path(&bucket, "a b")).body("blank").ok().await;
    let raw = format!("/{bucket}/a+b");
    assert_eq!(client.get(&raw).ok().await.text(), "plus");
    let signed_as_blank = client.get(&raw).canonical_path(&format!("/{bucket}/a%20b"));
    assert_eq!(signed_as_blank.ok().await.text(), "blank");
    let wrong = client.get(&raw).canonical_path(&format!("/{bucket}/a%21b"));
    wrong.refused(403, "SignatureDoesNotMatch").await;
}

/// A key that looks like one of the gateway's own names for another.
#[tokio::test]
async fn every_stored_name_is_a_key_of_its_own_again() {
    let (_gateway, client, bucket) = stand().await;
    let keys = ["a\\", "a.", "a\u{7f}", "a\nb", "..", "a/./b", "\u{e000}"];
    for key in keys {
        client.put(&path(&bucket, key)).body("first").ok().await;
    }
    // The names of the blobs behind them, taken as keys.
    let names = crate::harness::azure::Azure::default().blobs(&bucket).await;
    assert_eq!(names.len(), keys.len(), "{names:?}");
    for name in &names {
        client.put(&path(&bucket, name)).body("second").ok().await;
    }
    for key in keys {
        assert_eq!(client.get(&path(&bucket, key)).ok().await.text(), "first", "{key:?}");
    }
    let mut want: BTreeSet<String> = names.into_iter().collect();
    want.extend(keys.map(str::to_owned));
    assert_eq!(listed(&client, &bucket).await, want.into_iter().collect::<Vec<_>>());
}

/// The name is short, the query long: all of it is signed.
#[tokio::test]
async fn a_prefix_may_be_any_key() {
    let (_gateway, client, bucket) = stand().await;
    for key in
        ["\\x", "a\\b", "a\nb", "..", "a.", "a./b", "\u{1f600}/x", "a//b", "a+b", "%41", "\0"]
    {
        client.put(&path(&bucket, key)).ok().await;
        let list = client.get(&format!("/{bucket}")).query("list-type", 2).query("prefix", key);
        let page = list.query("encoding-type", "url").ok().await.xml();
        let found: Vec<_> = page.texts("Contents/Key").iter().map(|key| decoded(key)).collect();
        assert!(found.contains(&key.to_owned()), "{key:?}: {found:?}");
        assert!(found.iter().all(|found| found.starts_with(key)), "{key:?}: {found:?}");
        assert_eq!(decoded(page.at("Prefix")), key);
        assert!(page.at("Prefix").is_ascii(), "{}", encode(key));
    }
    let none = unique("none");
    let page = client.get(&format!("/{bucket}")).query("prefix", &none).ok().await.xml();
    assert!(page.all("Contents").is_empty());
}
