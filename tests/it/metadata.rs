//! What comes with an object: user metadata of any name and value, content headers, storage class.

use crate::harness::{Request, path};
use crate::objects::stand;

const NAMES: &[&str] = &[
    "plain",
    "a-b",
    "a.b",
    "1x",
    "class",
    "x",
    "a_b",
    "a__b",
    "_",
    "-",
    ".",
    "mtime",
    "s3cmd-attrs",
    "!#$%&'*+-.^_`|~",
    "0",
    "async",
    "int",
    "x-ms-blob-type",
    "x-ms-meta-a",
    "amz-meta-a",
    "commit",
    "bluebucket",
    "bluebucket_commit",
    "bb",
    "bb_commit",
    "etag",
    "hdi_isfolder",
    "content-type",
    "owner",
    "a-2db",
    "a_2db",
    "a2d",
    "u_",
    "_u",
    "a00",
    "s3",
    "s3_name",
    "id",
];

const VALUES: &[&str] = &[
    "v",
    "a b",
    "a  b",
    "a   b c",
    "\u{fc}",
    "\u{65e5}\u{672c}",
    "\u{1f600}",
    "a,b",
    "a;b=c",
    "\"q\"",
    "=?UTF-8?B?w7w=?=",
    "=?UTF-8?Q?=C3=BC?=",
    "%C3%BC",
    "%",
    "100%25",
    "a%20b",
    "{\"a\":1}",
    "\\",
    "'",
    "<x>&amp;",
    "~",
    "b64:dg==",
    "u8:v",
    "",
];

/// F29: names of every kind, values of every kind, the same from HEAD and GET.
#[tokio::test]
async fn f29_user_metadata_comes_back_as_it_was_sent() {
    let (_gateway, client, bucket) = stand().await;
    for (number, names) in NAMES.chunks(6).enumerate() {
        let at = path(&bucket, format!("names/{number}"));
        let mut put = client.put(&at);
        for (turn, name) in names.iter().enumerate() {
            let value = VALUES[(number + turn) % (VALUES.len() - 1)];
            put = put.header(&format!("x-amz-meta-{name}"), value);
        }
        put.ok().await;
        for method in ["HEAD", "GET"] {
            let answer = client.request(method, &at).ok().await;
            for (turn, name) in names.iter().enumerate() {
                let value = VALUES[(number + turn) % (VALUES.len() - 1)];
                assert_eq!(answer.at(&format!("x-amz-meta-{name}")), value, "{name}: {answer:?}");
            }
            let count =
                answer.headers.iter().filter(|(name, _)| name.starts_with("x-amz-meta-")).count();
            assert_eq!(count, names.len(), "nothing of our own shows: {answer:?}");
        }
    }
    for (number, value) in VALUES.iter().enumerate() {
        let at = path(&bucket, format!("values/{number}"));
        client.put(&at).header("x-amz-meta-v", value).header("x-amz-meta-w", "w").ok().await;
        let answer = client.head(&at).ok().await;
        assert_eq!(answer.header("x-amz-meta-v"), Some(*value), "{answer:?}");
        assert_eq!(answer.at("x-amz-meta-w"), "w");
    }
}

/// F29: two kilobytes are the limit, whatever Azure's is.
#[tokio::test]
async fn f29_metadata_holds_two_kilobytes() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    let put = |value: &str| client.put(&at).header("x-amz-meta-m", value).body("v");
    put(&"x".repeat(2047)).ok().await;
    assert_eq!(client.head(&at).ok().await.at("x-amz-meta-m").len(), 2047);
    let error = put(&"y".repeat(2048)).refused(400, "MetadataTooLarge").await.xml();
    assert_eq!(error.at("MaxSizeAllowed"), "2048");
    assert!(client.head(&at).ok().await.at("x-amz-meta-m").starts_with('x'));
    // 2 KB of characters that every escape makes longer.
    let wide = "\u{fc}".repeat(1023);
    put(&wide).ok().await;
    assert_eq!(client.head(&at).ok().await.at("x-amz-meta-m"), wide);
    // And of names: 60 of 32 characters with a value of one.
    let mut many = client.put(&at);
    for number in 0..60 {
        many = many.header(&format!("x-amz-meta-{number:02}-{}", "-.".repeat(14)), "v");
    }
    many.ok().await;
    let head = client.head(&at).ok().await;
    let found = head.headers.iter().filter(|(name, _)| name.starts_with("x-amz-meta-")).count();
    assert_eq!(found, 60);
}

#[tokio::test]
async fn headers_of_one_name_are_one_value() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    let put = client.put(&at).header("x-amz-meta-A", "1").header("X-Amz-Meta-a", "2");
    put.ok().await;
    let value = client.head(&at).ok().await.at("x-amz-meta-a").replace(' ', "");
    assert_eq!(value, "1,2");
}

#[tokio::test]
async fn content_headers_are_kept() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    let headers = [
        ("content-type", "text/html; charset=\"utf-8\""),
        ("content-encoding", "gzip"),
        ("content-disposition", "attachment; filename=\"a b.txt\"; filename*=UTF-8''%C3%BC"),
        ("content-language", "de, en"),
        ("cache-control", "max-age=60, public"),
        ("expires", "Thu, 01 Dec 2044 16:00:00 GMT"),
        ("x-amz-website-redirect-location", "/other"),
    ];
    let with = |mut request: Request| {
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request
    };
    with(client.put(&at)).body("v").ok().await;
    with(client.put(&path(&bucket, "large"))).body(vec![7; 17 * 1024 * 1024]).ok().await;
    let copy = client.put(&path(&bucket, "copy")).header("x-amz-copy-source", &at);
    copy.ok().await;
    for key in ["k", "large"] {
        for method in ["GET", "HEAD"] {
            let answer = client.request(method, &path(&bucket, key)).ok().await;
            for (name, value) in headers {
                assert_eq!(answer.at(name), value, "{method} {key} {name}");
            }
        }
    }
    let copied = client.head(&path(&bucket, "copy")).ok().await;
    for (name, value) in headers.iter().filter(|(name, _)| !name.starts_with("x-amz")) {
        assert_eq!(copied.at(name), *value, "{name}");
    }
    // What a client says twice or oddly stays what it said.
    let odd = client.put(&path(&bucket, "odd")).header("expires", "0");
    odd.header("content-type", "nonsense").ok().await;
    let head = client.head(&path(&bucket, "odd")).ok().await;
    assert_eq!((head.at("expires"), head.at("content-type")), ("0", "nonsense"));
}

/// A header that Azure would take for itself is a client's own business and goes nowhere.
#[tokio::test]
async fn storage_classes_are_kept_and_shown() {
    let (_gateway, client, bucket) = stand().await;
    for class in ["STANDARD", "STANDARD_IA", "GLACIER_IR"] {
        let at = path(&bucket, class);
        client.put(&at).header("x-amz-storage-class", class).body("v").ok().await;
        let head = client.head(&at).ok().await;
        let shown = head.header("x-amz-storage-class");
        assert_eq!(shown.unwrap_or("STANDARD"), class, "S3 shows STANDARD by silence");
    }
    let page = client.get(&format!("/{bucket}")).ok().await.xml();
    assert_eq!(page.texts("Contents/StorageClass"), page.texts("Contents/Key"));
    let wrong = client.put(&path(&bucket, "k")).header("x-amz-storage-class", "GOLD");
    wrong.refused(400, "InvalidStorageClass").await;
}

/// C36: `aws-chunked` is framing and no encoding of the object.
#[tokio::test]
async fn c36_aws_chunked_is_not_stored_as_an_encoding() {
    let (_gateway, client, bucket) = stand().await;
    for (sent, kept) in [
        ("aws-chunked", None),
        ("aws-chunked,gzip", Some("gzip")),
        ("gzip,aws-chunked", Some("gzip")),
        ("gzip, aws-chunked", Some("gzip")),
        ("aws-chunked, gzip, br", Some("gzip, br")),
    ] {
        let at = path(&bucket, "k");
        let put = client.put(&at).streaming(crate::harness::Streaming::Signed);
        put.header("content-encoding", sent).body("v").ok().await;
        let head = client.head(&at).ok().await;
        let found = head.header("content-encoding").map(|value| value.replace(", ", ","));
        assert_eq!(found, kept.map(|value| value.replace(", ", ",")), "{sent}");
        assert_eq!(client.get(&at).ok().await.text(), "v");
    }
}

/// C47: headers of the backend are no way past the gateway.
#[tokio::test]
async fn c47_azures_own_headers_do_not_pass() {
    let proxy = crate::harness::Proxy::to_backend().await;
    let gateway = crate::harness::Gateway::behind(&proxy).await;
    let client = gateway.client(crate::harness::gateway::ALICE);
    let bucket = crate::buckets::bucket(&client).await;
    proxy.calls().await;
    let at = path(&bucket, "k");
    let foreign = [
        ("x-ms-blob-type", "AppendBlob"),
        ("x-ms-copy-source", "http://169.254.169.254/"),
        ("x-ms-meta-owner", "bob"),
        ("x-ms-meta-evil", "evil"),
        ("x-ms-access-tier", "Archive"),
        ("x-ms-version", "2011-08-18"),
        ("x-ms-lease-id", "evil"),
        ("x-minio-source-etag", "evil"),
    ];
    let with = |mut request: Request| {
        for (name, value) in foreign {
            request = request.header(name, value);
        }
        request
    };
    with(client.put(&at)).body("v").ok().await;
    with(client.get(&at)).ok().await;
    with(client.head(&at)).ok().await;
    with(client.get(&format!("/{bucket}"))).ok().await;
    with(client.delete(&at)).ok().await;
    for call in proxy.calls().await {
        for (name, value) in &call.headers {
            assert!(!value.contains("evil"), "{name}: {value} in {call:?}");
            assert!(!value.contains("169.254"), "{name}: {value} in {call:?}");
            assert_ne!(value, "AppendBlob");
            assert_ne!(value, "2011-08-18");
        }
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html>: every object is
/// encrypted, and every answer about one says so.
#[tokio::test]
async fn every_object_is_said_to_be_encrypted() {
    use crate::multipart::create;
    const NAME: &str = "x-amz-server-side-encryption";
    let (_gateway, client, bucket) = stand().await;
    let (at, copy) = (path(&bucket, "k"), path(&bucket, "copy"));
    let source = format!("/{bucket}/k");
    let put = client.put(&at).header(NAME, "AES256").body("v").ok().await;
    assert_eq!(put.at(NAME), "AES256");
    for (what, request) in [
        ("put, not asked", client.put(&at).body("v")),
        ("head", client.head(&at)),
        ("get", client.get(&at)),
        ("range", client.get(&at).header("range", "bytes=0-0")),
        ("copy", client.put(&copy).header("x-amz-copy-source", &source)),
        ("create", client.post(&copy).query("uploads", "").header(NAME, "AES256")),
    ] {
        let answer = request.send().await;
        assert!(matches!(answer.status, 200 | 206), "{what}: {answer:?}");
        assert_eq!(answer.at(NAME), "AES256", "{what}");
    }
    let upload = create(&client, &bucket, "parts").await;
    let id = upload.id.as_str();
    let part = client.put(&upload.at).query("uploadId", id).query("partNumber", 1);
    let part = part.header("x-amz-copy-source", &source).ok().await;
    assert_eq!(part.at(NAME), "AES256", "copied part");
    let part = upload.put(&client, 1, b"v").await;
    let complete = upload.complete(&client, &[part]).ok().await;
    assert_eq!(complete.at(NAME), "AES256", "complete");
    assert_eq!(client.head(&upload.at).ok().await.at(NAME), "AES256");
    // What is about no object, or no success, says nothing of it.
    for answer in [
        client.get(&format!("/{bucket}")).send().await,
        client.get(&path(&bucket, "nothing")).send().await,
        client.delete(&at).send().await,
    ] {
        assert_eq!(answer.header(NAME), None, "{answer:?}");
    }
    // Other ciphers: one that S3 has and this gateway has not, and one that nobody has.
    let with = |value| client.put(&at).header(NAME, value).body("v");
    with("aws:kms").refused(501, "NotImplemented").await;
    with("aws:kms:dsse").refused(501, "NotImplemented").await;
    with("DES").refused(400, "InvalidArgument").await;
    // A read names no cipher: https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html.
    for reads in [client.get(&copy), client.head(&copy)] {
        assert_eq!(reads.header(NAME, "AES256").send().await.status, 400);
    }
    client.get(&at).refused(404, "NoSuchKey").await;
}
