//! Listings: both of ListObjects and ListObjectVersions, against a model of sorted keys.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::harness::gateway::ALICE;
use crate::harness::xml::Element;
use crate::harness::{Client, Gateway, path, spawn};
use crate::keys::decoded;
use crate::objects::stand;

/// What a page lists, in its order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    Key(String),
    CommonPrefix(String),
}

impl Found {
    fn text(&self) -> &str {
        match self {
            Self::Key(text) | Self::CommonPrefix(text) => text,
        }
    }
}

/// Which of the three operations asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    V1,
    V2,
    Versions,
}

/// What is asked.
#[derive(Clone, Debug)]
struct Question {
    form: Form,
    prefix: String,
    delimiter: String,
    after: String,
    max_keys: usize,
    url: bool,
}

/// The answer, all pages of it, as S3 defines it.
fn model(keys: &BTreeSet<String>, question: &Question) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for key in keys {
        if !key.starts_with(&question.prefix) || *key <= question.after {
            continue;
        }
        let rest = &key[question.prefix.len()..];
        let end = (!question.delimiter.is_empty())
            .then(|| rest.find(&question.delimiter))
            .flatten()
            .map(|at| question.prefix.len() + at + question.delimiter.len());
        let one = match end {
            // A marker that is itself a common prefix stands behind all of it; one deeper inside
            // still shows it.
            Some(end) if question.after == key[..end] => continue,
            Some(end) => Found::CommonPrefix(key[..end].to_owned()),
            None => Found::Key(key.clone()),
        };
        if found.last() != Some(&one) {
            found.push(one);
        }
    }
    found
}

async fn page(client: &Client, bucket: &str, question: &Question, next: Option<&Next>) -> Element {
    let mut request = client.get(&format!("/{bucket}")).query("max-keys", question.max_keys);
    if !question.prefix.is_empty() {
        request = request.query("prefix", &question.prefix);
    }
    if !question.delimiter.is_empty() {
        request = request.query("delimiter", &question.delimiter);
    }
    if question.url {
        request = request.query("encoding-type", "url");
    }
    request = match question.form {
        Form::V1 => request,
        Form::V2 => request.query("list-type", 2),
        Form::Versions => request.query("versions", ""),
    };
    let after = match question.form {
        Form::V1 => "marker",
        Form::V2 => "start-after",
        Form::Versions => "key-marker",
    };
    request = match next {
        Some(Next::Token(token)) => request.query("continuation-token", token),
        Some(Next::Marker(marker)) => request.query(after, marker),
        None if question.after.is_empty() => request,
        None => request.query(after, &question.after),
    };
    request.ok().await.xml()
}

enum Next {
    Token(String),
    Marker(String),
}

/// All pages, and how many entries each had.
async fn walk(client: &Client, bucket: &str, question: &Question) -> (Vec<Found>, Vec<usize>) {
    let read = |text: &str| if question.url { decoded(text) } else { text.to_owned() };
    let entries = if question.form == Form::Versions { "Version" } else { "Contents" };
    let (mut all, mut sizes) = (Vec::new(), Vec::new());
    let mut next = None;
    loop {
        let page = page(client, bucket, question, next.as_ref()).await;
        let keys = page.all(entries).into_iter().map(|entry| Found::Key(read(entry.at("Key"))));
        let prefixes = page.all("CommonPrefixes");
        let prefixes =
            prefixes.into_iter().map(|entry| Found::CommonPrefix(read(entry.at("Prefix"))));
        let mut found: Vec<_> = keys.chain(prefixes).collect();
        found.sort_by(|one, other| one.text().cmp(other.text()));
        sizes.push(found.len());
        all.extend(found);
        if question.form == Form::V2 {
            let count: usize = page.at("KeyCount").parse().unwrap();
            assert_eq!(Some(&count), sizes.last());
        }
        if page.at("IsTruncated") == "false" {
            return (all, sizes);
        }
        assert!(sizes.len() < 500, "it ends: {question:?}");
        next = Some(match question.form {
            Form::V2 => Next::Token(page.at("NextContinuationToken").to_owned()),
            Form::Versions => Next::Marker(read(page.at("NextKeyMarker"))),
            // S3 gives a NextMarker only with a delimiter; without one the last key is it.
            Form::V1 => Next::Marker(
                page.get("NextMarker").map_or_else(|| all.last().unwrap().text().to_owned(), read),
            ),
        });
    }
}

async fn check(client: &Client, bucket: &str, keys: &BTreeSet<String>, question: &Question) {
    let (found, sizes) = walk(client, bucket, question).await;
    let want = model(keys, question);
    assert_eq!(found, want, "{question:?} over {keys:?}");
    let (last, full) = sizes.split_last().unwrap();
    assert!(full.iter().all(|size| *size == question.max_keys), "{sizes:?} {question:?}");
    assert!(*last <= question.max_keys, "{sizes:?} {question:?}");
}

/// Puts keys, some at a time.
pub(crate) async fn put_all(client: &Client, bucket: &str, keys: &BTreeSet<String>) {
    let mut puts: Vec<_> = Vec::new();
    // Keys that Azure cannot hold need a word in the container first; what happens when several are
    // the first at once is a test of its own.
    let strange = |character: char| character.is_control() || character >= '\u{d7ff}';
    if keys.iter().any(|key| key.chars().any(strange)) {
        client.put(&path(bucket, "\n")).ok().await;
        client.delete(&path(bucket, "\n")).ok().await;
    }
    for key in keys {
        puts.push(spawn(client.put(&path(bucket, key)).ok()));
        if puts.len() == 8 {
            for put in puts.drain(..) {
                put.await.unwrap();
            }
        }
    }
    for put in puts {
        put.await.unwrap();
    }
}

fn alphabet() -> impl Strategy<Value = String> {
    let pieces = [
        "a",
        "b",
        "/",
        "/",
        "//",
        ".",
        "..",
        "-",
        "\\",
        "[",
        "~",
        " ",
        "+",
        "%",
        "\u{7f}",
        "\t",
        "\n",
        "\u{e9}",
        "\u{d7ff}",
        "\u{e000}",
        "\u{fffc}",
        "\u{fffd}",
        "\u{ffff}",
        "\u{1f600}",
        "\u{10ffff}",
        "0",
        "2E",
        "5C",
        "A",
        "&",
        "<",
    ];
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 1..6)
        .prop_map(|pieces| pieces.concat())
}

fn delimiters() -> impl Strategy<Value = String> {
    let delimiters = [
        "",
        "",
        "/",
        "/",
        "/",
        "//",
        "a",
        ".",
        "b/",
        "-",
        "\\",
        "\u{1f600}",
        "\u{fffd}",
        "2E",
        " ",
    ];
    proptest::sample::select(delimiters.to_vec()).prop_map(str::to_owned)
}

/// A set of keys with several questions about it.
fn worlds() -> impl Strategy<Value = (BTreeSet<String>, Vec<Question>)> {
    let keys = proptest::collection::btree_set(alphabet(), 1..25);
    keys.prop_flat_map(|keys| {
        let some: Vec<_> = keys.iter().cloned().collect();
        // Prefixes and markers that are keys, beginnings of keys, or neither.
        let text = || {
            prop_oneof![
                2 => Just(String::new()),
                2 => (proptest::sample::select(some.clone()), any::<prop::sample::Index>()).prop_map(
                    |(key, at)| {
                        let ends: Vec<_> = key.char_indices().map(|(at, _)| at).collect();
                        key[..*at.get(&ends)].to_owned()
                    }
                ),
                1 => proptest::sample::select(some.clone()),
                1 => alphabet(),
            ]
        };
        let form = proptest::sample::select(vec![Form::V1, Form::V2, Form::Versions]);
        let question = (form, text(), delimiters(), text(), 1..9usize).prop_map(
            |(form, prefix, delimiter, after, max_keys)| Question {
                form,
                prefix,
                delimiter,
                after,
                max_keys,
                url: true,
            },
        );
        (Just(keys), proptest::collection::vec(question, 6))
    })
}

/// Random sets of keys, prefixes, delimiters, markers and page sizes: what S3 would say, exactly.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listings_are_what_the_model_says() {
    let gateway = Gateway::start().await;
    let client = gateway.client(ALICE);
    let handle = tokio::runtime::Handle::current();
    let run = move || {
        let config = Config {
            cases: 24,
            max_shrink_iters: 60,
            failure_persistence: None,
            ..Config::default()
        };
        TestRunner::new(config).run(&worlds(), |(keys, questions)| {
            let result = handle.block_on(async {
                let (client, keys) = (client.clone(), keys.clone());
                spawn(async move {
                    let bucket = crate::buckets::bucket(&client).await;
                    put_all(&client, &bucket, &keys).await;
                    for question in &questions {
                        check(&client, &bucket, &keys, question).await;
                    }
                })
                .await
            });
            result.map_err(|panic| TestCaseError::fail(panic_text(panic)))
        })
    };
    let outcome = tokio::task::spawn_blocking(run).await.unwrap();
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

fn panic_text(error: tokio::task::JoinError) -> String {
    let panic = error.into_panic();
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(_) => "a panic without words".to_owned(),
    }
}

fn ask(form: Form, prefix: &str, delimiter: &str, after: &str, max_keys: usize) -> Question {
    let (prefix, delimiter, after) = (prefix.to_owned(), delimiter.to_owned(), after.to_owned());
    Question { form, prefix, delimiter, after, max_keys, url: false }
}

/// A table of the cases that implementations get wrong, so that they are asked in every run.
#[tokio::test]
async fn known_traps_of_listings() {
    let (_gateway, client, bucket) = stand().await;
    let keys: BTreeSet<String> = [
        "a",
        "a/",
        "a/b",
        "a/b/c",
        "a/b/d",
        "a/c",
        "a//x",
        "a b/file",
        "a.b",
        "a0",
        "b",
        "b/",
        "b/b",
        "c-1",
        "c-2",
        "c.1",
        "d/1/2/3",
        "d/1/2/4",
        "z\u{e000}",
        "z\u{1f600}",
        "z\u{ffff}",
        "z\u{e9}",
    ]
    .map(str::to_owned)
    .into();
    put_all(&client, &bucket, &keys).await;
    for form in [Form::V1, Form::V2, Form::Versions] {
        for max_keys in [1, 2, 3, 1000] {
            for (prefix, delimiter, after) in [
                ("", "", ""),
                ("", "/", ""),
                ("a", "/", ""),
                ("a/", "/", ""),
                ("a/b", "/", ""),
                ("", "", "a b/file"),
                ("", "/", "a/"),
                ("", "/", "a/b"),
                ("", "/", "a/zzz"),
                ("", "/", "b/"),
                ("d/", "/", "d/1/2/3"),
                ("d/", "/", "d/1/"),
                ("", "-", ""),
                ("c", "-", "c-"),
                ("", "b/", ""),
                ("nothing", "/", ""),
                ("", "nothing", ""),
                ("z", "", "z\u{e000}"),
                ("z", "", "z\u{1f600}"),
                ("b", "/", "a"),
                ("a/", "", "zzz"),
            ] {
                check(&client, &bucket, &keys, &ask(form, prefix, delimiter, after, max_keys))
                    .await;
            }
        }
    }
}

#[tokio::test]
async fn a_listing_says_what_it_was_asked() {
    let (_gateway, client, bucket) = stand().await;
    for key in ["a b/1", "a b/2", "k"] {
        client.put(&path(&bucket, key)).body("v").ok().await;
    }
    let at = format!("/{bucket}");
    let page = client.get(&at).query("delimiter", "/").query("max-keys", 1);
    let page = page.query("marker", "A").query("prefix", "").ok().await.xml();
    assert_eq!(page.name, "ListBucketResult");
    assert_eq!(page.namespace.as_deref(), Some("http://s3.amazonaws.com/doc/2006-03-01/"));
    for (name, value) in [
        ("Name", bucket.as_str()),
        ("Prefix", ""),
        ("Marker", "A"),
        ("NextMarker", "a b/"),
        ("Delimiter", "/"),
        ("MaxKeys", "1"),
        ("IsTruncated", "true"),
    ] {
        assert_eq!(page.at(name), value, "{name}");
    }
    assert_eq!(page.get("KeyCount"), None);
    let page = client.get(&at).query("list-type", 2).query("start-after", "a b/2");
    let page = page.query("encoding-type", "url").query("fetch-owner", true).ok().await.xml();
    assert_eq!(page.at("StartAfter").replace('+', "%20"), "a%20b%2F2".replace("%2F", "/"));
    assert_eq!(page.at("EncodingType"), "url");
    assert_eq!((page.at("KeyCount"), page.get("Marker")), ("1", None));
    assert_eq!(page.at("Contents/Owner/ID"), "alice");
    let page = client.get(&at).query("list-type", 2).ok().await.xml();
    assert!(page.find("Contents/Owner").is_none(), "only when asked");
    let page = client.get(&at).ok().await.xml();
    assert_eq!(page.at("Contents/Owner/ID"), "alice", "V1 always says it");
}

#[tokio::test]
async fn versions_of_a_bucket_without_versions_are_null() {
    let (_gateway, client, bucket) = stand().await;
    client.put(&path(&bucket, "a/b")).body("v").ok().await;
    client.put(&path(&bucket, "k")).body("v").ok().await;
    let at = format!("/{bucket}");
    let page = client.get(&at).query("versions", "").query("delimiter", "/").ok().await.xml();
    assert_eq!(page.name, "ListVersionsResult");
    let version = page.find("Version").unwrap();
    for (name, value) in [("Key", "k"), ("VersionId", "null"), ("IsLatest", "true"), ("Size", "1")]
    {
        assert_eq!(version.at(name), value, "{name}");
    }
    assert_eq!(version.at("Owner/ID"), "alice");
    assert_eq!(page.texts("CommonPrefixes/Prefix"), ["a/"]);
    // That id names the object as it is.
    let object = path(&bucket, "k");
    assert_eq!(client.get(&object).query("versionId", "null").ok().await.text(), "v");
    client.head(&object).query("versionId", "null").ok().await;
    client.delete(&object).query("versionId", "null").ok().await;
    client.get(&object).refused(404, "NoSuchKey").await;
}

#[tokio::test]
async fn max_keys_has_its_limits() {
    let (_gateway, client, bucket) = stand().await;
    let keys: BTreeSet<String> = (0..1003).map(|number| format!("k{number:04}")).collect();
    put_all(&client, &bucket, &keys).await;
    let at = format!("/{bucket}");
    for form in ["1", "2"] {
        let get = || client.get(&at).query("list-type", form);
        for max in ["5000", "1000", "2147483647", ""] {
            let page = get().query("max-keys", max).ok().await.xml();
            assert_eq!(page.all("Contents").len(), 1000, "{max}");
            assert_eq!(page.at("IsTruncated"), "true");
        }
        let page = get().query("max-keys", 0).ok().await.xml();
        assert_eq!((page.all("Contents").len(), page.at("IsTruncated")), (0, "false"));
        assert_eq!(page.at("MaxKeys"), "0");
        for wrong in ["-1", "x", "1.5", "2147483648", "99999999999999999999"] {
            get().query("max-keys", wrong).refused(400, "InvalidArgument").await;
        }
    }
    let get = || client.get(&at).query("list-type", 2);
    for wrong in ["nonsense", "AAAA", "=", "\u{fc}"] {
        get().query("continuation-token", wrong).refused(400, "InvalidArgument").await;
    }
    get().query("encoding-type", "base64").refused(400, "InvalidArgument").await;
}

/// F28, small: what is there throughout is listed exactly once while others come and go.
#[tokio::test]
async fn f28_a_listing_holds_while_others_write() {
    let (_gateway, client, bucket) = stand().await;
    let stable: BTreeSet<String> = (0..60).map(|number| format!("s{number:03}")).collect();
    put_all(&client, &bucket, &stable).await;
    let (writer, at) = (client.clone(), bucket.clone());
    let noise = spawn(async move {
        for round in 0..60 {
            let key = format!("s{:03}x", (round * 37) % 60);
            writer.put(&path(&at, &key)).ok().await;
            writer.delete(&path(&at, &key)).ok().await;
        }
    });
    while !noise.is_finished() {
        let (found, _) = walk(&client, &bucket, &ask(Form::V2, "", "", "", 7)).await;
        let found: Vec<_> = found.iter().map(Found::text).collect();
        assert!(found.windows(2).all(|pair| pair[0] < pair[1]), "{found:?}");
        assert_eq!(found.iter().filter(|key| key.len() == 4).count(), stable.len());
    }
    noise.await.unwrap();
}
