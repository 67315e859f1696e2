//! Refusals: their shape, their names, and an answer for every operation that S3 has.

use bluebucket::s3::operation::{Operation as Op, Support};

use crate::harness::xml::Element;
use crate::harness::{Client, Request, path, unique};
use crate::objects::stand;

/// A request that means one operation.
#[derive(Clone)]
pub(crate) struct Meant {
    pub(crate) operation: Op,
    pub(crate) request: Request,
}

/// One request for each operation. A new one without a row does not compile.
#[expect(clippy::too_many_lines, reason = "a table")]
const fn row(operation: Op) -> &'static str {
    match operation {
        Op::ListBuckets => "GET /",
        Op::CreateBucket => "PUT /b",
        Op::HeadBucket => "HEAD /b",
        Op::DeleteBucket => "DELETE /b",
        Op::GetBucketLocation => "GET /b?location",
        Op::GetBucketVersioning => "GET /b?versioning",
        Op::ListObjects => "GET /b",
        Op::ListObjectsV2 => "GET /b?list-type=2",
        Op::ListObjectVersions => "GET /b?versions",
        Op::PutObject => "PUT /b/k",
        Op::GetObject => "GET /b/k",
        Op::HeadObject => "HEAD /b/k",
        Op::DeleteObject => "DELETE /b/k",
        Op::DeleteObjects => "POST /b?delete",
        Op::CopyObject => "PUT /b/k + x-amz-copy-source: /b/k",
        Op::CreateMultipartUpload => "POST /b/k?uploads",
        Op::UploadPart => "PUT /b/k?partNumber=1&uploadId=x",
        Op::UploadPartCopy => "PUT /b/k?partNumber=1&uploadId=x + x-amz-copy-source: /b/k",
        Op::CompleteMultipartUpload => "POST /b/k?uploadId=x",
        Op::AbortMultipartUpload => "DELETE /b/k?uploadId=x",
        Op::ListParts => "GET /b/k?uploadId=x",
        Op::ListMultipartUploads => "GET /b?uploads",
        Op::GetBucketAcl => "GET /b?acl",
        Op::GetBucketPolicy => "GET /b?policy",
        Op::GetBucketPolicyStatus => "GET /b?policyStatus",
        Op::GetBucketCors => "GET /b?cors",
        Op::GetBucketLifecycleConfiguration => "GET /b?lifecycle",
        Op::GetBucketTagging => "GET /b?tagging",
        Op::GetBucketEncryption => "GET /b?encryption",
        Op::GetBucketWebsite => "GET /b?website",
        Op::GetBucketReplication => "GET /b?replication",
        Op::GetPublicAccessBlock => "GET /b?publicAccessBlock",
        Op::GetBucketOwnershipControls => "GET /b?ownershipControls",
        Op::GetBucketRequestPayment => "GET /b?requestPayment",
        Op::GetBucketLogging => "GET /b?logging",
        Op::GetBucketNotificationConfiguration => "GET /b?notification",
        Op::GetBucketAccelerateConfiguration => "GET /b?accelerate",
        Op::GetObjectLockConfiguration => "GET /b?object-lock",
        Op::GetObjectAcl => "GET /b/k?acl",
        Op::GetObjectTagging => "GET /b/k?tagging",
        Op::CorsPreflight => "OPTIONS /b/k",
        Op::PutBucketAcl => "PUT /b?acl",
        Op::PutBucketPolicy => "PUT /b?policy",
        Op::DeleteBucketPolicy => "DELETE /b?policy",
        Op::PutBucketCors => "PUT /b?cors",
        Op::DeleteBucketCors => "DELETE /b?cors",
        Op::PutBucketLifecycleConfiguration => "PUT /b?lifecycle",
        Op::DeleteBucketLifecycle => "DELETE /b?lifecycle",
        Op::PutBucketTagging => "PUT /b?tagging",
        Op::DeleteBucketTagging => "DELETE /b?tagging",
        Op::PutBucketEncryption => "PUT /b?encryption",
        Op::DeleteBucketEncryption => "DELETE /b?encryption",
        Op::PutBucketWebsite => "PUT /b?website",
        Op::DeleteBucketWebsite => "DELETE /b?website",
        Op::PutBucketReplication => "PUT /b?replication",
        Op::DeleteBucketReplication => "DELETE /b?replication",
        Op::PutPublicAccessBlock => "PUT /b?publicAccessBlock",
        Op::DeletePublicAccessBlock => "DELETE /b?publicAccessBlock",
        Op::PutBucketOwnershipControls => "PUT /b?ownershipControls",
        Op::DeleteBucketOwnershipControls => "DELETE /b?ownershipControls",
        Op::PutBucketRequestPayment => "PUT /b?requestPayment",
        Op::PutBucketLogging => "PUT /b?logging",
        Op::PutBucketNotificationConfiguration => "PUT /b?notification",
        Op::PutBucketAccelerateConfiguration => "PUT /b?accelerate",
        Op::PutBucketVersioning => "PUT /b?versioning",
        Op::PutObjectLockConfiguration => "PUT /b?object-lock",
        Op::GetBucketAnalyticsConfiguration => "GET /b?analytics&id=1",
        Op::PutBucketAnalyticsConfiguration => "PUT /b?analytics&id=1",
        Op::DeleteBucketAnalyticsConfiguration => "DELETE /b?analytics&id=1",
        Op::ListBucketAnalyticsConfigurations => "GET /b?analytics",
        Op::GetBucketIntelligentTieringConfiguration => "GET /b?intelligent-tiering&id=1",
        Op::PutBucketIntelligentTieringConfiguration => "PUT /b?intelligent-tiering&id=1",
        Op::DeleteBucketIntelligentTieringConfiguration => "DELETE /b?intelligent-tiering&id=1",
        Op::ListBucketIntelligentTieringConfigurations => "GET /b?intelligent-tiering",
        Op::GetBucketInventoryConfiguration => "GET /b?inventory&id=1",
        Op::PutBucketInventoryConfiguration => "PUT /b?inventory&id=1",
        Op::DeleteBucketInventoryConfiguration => "DELETE /b?inventory&id=1",
        Op::ListBucketInventoryConfigurations => "GET /b?inventory",
        Op::GetBucketMetricsConfiguration => "GET /b?metrics&id=1",
        Op::PutBucketMetricsConfiguration => "PUT /b?metrics&id=1",
        Op::DeleteBucketMetricsConfiguration => "DELETE /b?metrics&id=1",
        Op::ListBucketMetricsConfigurations => "GET /b?metrics",
        Op::GetBucketMetadataTableConfiguration => "GET /b?metadataTable",
        Op::CreateBucketMetadataTableConfiguration => "POST /b?metadataTable",
        Op::DeleteBucketMetadataTableConfiguration => "DELETE /b?metadataTable",
        Op::GetBucketMetadataConfiguration => "GET /b?metadataConfiguration",
        Op::CreateBucketMetadataConfiguration => "POST /b?metadataConfiguration",
        Op::DeleteBucketMetadataConfiguration => "DELETE /b?metadataConfiguration",
        Op::UpdateBucketMetadataInventoryTableConfiguration => "PUT /b?metadataInventoryTable",
        Op::UpdateBucketMetadataJournalTableConfiguration => "PUT /b?metadataJournalTable",
        Op::UpdateBucketMetadataAnnotationTableConfiguration => "PUT /b?metadataAnnotationTable",
        Op::GetBucketAbac => "GET /b?abac",
        Op::PutBucketAbac => "PUT /b?abac",
        Op::CreateSession => "GET /b?session",
        Op::PutObjectAcl => "PUT /b/k?acl",
        Op::PutObjectTagging => "PUT /b/k?tagging",
        Op::DeleteObjectTagging => "DELETE /b/k?tagging",
        Op::GetObjectAttributes => "GET /b/k?attributes",
        Op::GetObjectLegalHold => "GET /b/k?legal-hold",
        Op::PutObjectLegalHold => "PUT /b/k?legal-hold",
        Op::GetObjectRetention => "GET /b/k?retention",
        Op::PutObjectRetention => "PUT /b/k?retention",
        Op::GetObjectAnnotation => "GET /b/k?annotation&annotationName=n",
        Op::PutObjectAnnotation => "PUT /b/k?annotation&annotationName=n",
        Op::DeleteObjectAnnotation => "DELETE /b/k?annotation&annotationName=n",
        Op::ListObjectAnnotations => "GET /b/k?annotation",
        Op::GetObjectTorrent => "GET /b/k?torrent",
        Op::RestoreObject => "POST /b/k?restore",
        Op::SelectObjectContent => "POST /b/k?select&select-type=2",
        Op::RenameObject => "PUT /b/k?renameObject",
        Op::UpdateObjectEncryption => "PUT /b/k?encryption",
        Op::PostObject => "POST /b + content-type: multipart/form-data; boundary=x",
        Op::WriteGetObjectResponse => "POST /WriteGetObjectResponse",
    }
}

/// A request for every operation on a bucket that can come as a signed request.
pub(crate) fn every_operation(client: &Client, bucket: &str) -> Vec<Meant> {
    // A preflight carries no signature, and the last one is sent to a host of its own.
    let unsigned = [Op::CorsPreflight, Op::WriteGetObjectResponse];
    let operations = Op::ALL.iter().filter(|operation| !unsigned.contains(operation));
    operations.map(|operation| meant(client, bucket, *operation)).collect()
}

fn meant(client: &Client, bucket: &str, operation: Op) -> Meant {
    let (line, header) = row(operation).split_once(" + ").unwrap_or((row(operation), ""));
    let (method, target) = line.split_once(' ').unwrap();
    let (at, query) = target.split_once('?').unwrap_or((target, ""));
    let at = at.replacen("/b", &format!("/{bucket}"), 1);
    let mut request = client.request(method, &at);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        request = request.query(name, value);
    }
    if let Some((name, value)) = header.split_once(": ") {
        request = request.header(name, value.replacen("/b", &format!("/{bucket}"), 1));
    }
    if operation == Op::PostObject {
        let field = |name: &str, value: &str| {
            format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        request = request.body(field("key", "k") + &field("file", "new") + "--x--\r\n");
    } else if matches!(method, "PUT" | "POST") {
        request = request.body("<not><a>document</a></not>");
    }
    Meant { operation, request }
}

/// What is not built is refused by its name, whatever the bucket and the body, and does nothing.
#[tokio::test]
async fn every_operation_that_is_not_built_is_refused_by_name() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    client.put(&at).header("x-amz-meta-a", "1").body("old").ok().await;
    let mut refused = Vec::new();
    for Meant { operation, request } in every_operation(&client, &bucket) {
        if operation.support() == Support::Answered {
            continue;
        }
        let answer = request.refused(501, "NotImplemented").await;
        let error = answer.xml();
        assert!(error.at("Message").contains(operation.name()), "{operation:?}: {error:?}");
        let read = client.get(&at).ok().await;
        assert_eq!((read.text().as_str(), read.at("x-amz-meta-a")), ("old", "1"), "{operation:?}");
        refused.push(operation);
    }
    let unbuilt = Op::ALL.iter().filter(|operation| operation.support() == Support::Refused);
    let missed: Vec<_> = unbuilt.filter(|operation| !refused.contains(operation)).collect();
    // That one is asked of an endpoint of its own, which is none of a bucket's.
    assert_eq!(missed, [&Op::WriteGetObjectResponse], "no request means these");
    client.head(&format!("/{bucket}")).ok().await;
}

/// Headers that ask for what is not built are not ignored either.
#[tokio::test]
async fn headers_of_what_is_not_built_are_refused() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    client.put(&at).body("old").ok().await;
    for (name, value) in [
        ("x-amz-object-lock-mode", "GOVERNANCE"),
        ("x-amz-object-lock-legal-hold", "ON"),
        ("x-amz-object-lock-event-hold", "ON"),
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-acl", "aws-exec-read"),
        ("x-amz-grant-read", "id=nobody"),
    ] {
        let answer = client.put(&at).header(name, value).body("new").send().await;
        assert!(matches!(answer.status, 400 | 501), "{name}: {answer:?}");
        answer.error();
        assert_eq!(client.get(&at).ok().await.text(), "old", "{name}");
    }
    let upload = crate::multipart::create(&client, &bucket, "k").await;
    let when = "Sun, 22 Nov 2026 09:00:00 GMT";
    let abort = upload.abort(&client).header("x-amz-if-match-initiated-time", when);
    abort.refused(501, "NotImplemented").await;
    upload.list(&client).ok().await;
    let other = client.put(&format!("/{}", unique("namespace")));
    let other = other.header("x-amz-bucket-namespace", "account-regional");
    other.refused(501, "NotImplemented").await;
    // Those that say what is so anyway.
    for (name, value) in [("x-amz-acl", "private"), ("x-amz-request-payer", "requester")] {
        client.put(&at).header(name, value).body("old").ok().await;
    }
}

#[tokio::test]
async fn an_error_names_its_resource_and_request() {
    let (_gateway, client, bucket) = stand().await;
    let missing = path(&bucket, "a b/\u{fc}&<x>");
    let answer = client.get(&missing).refused(404, "NoSuchKey").await;
    assert!(answer.body.starts_with(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>"), "{answer:?}");
    let error = answer.xml();
    assert_eq!(error.at("Key"), "a b/\u{fc}&<x>");
    assert_eq!(error.at("Message"), "The specified key does not exist.");
    assert!(error.at("Resource").contains(&bucket), "{error:?}");
    let none = unique("none");
    let error = client.get(&format!("/{none}")).refused(404, "NoSuchBucket").await.xml();
    assert_eq!(error.at("BucketName"), none);
    // Every answer has its own id, errors and successes.
    let mut ids: Vec<String> = Vec::new();
    for at in [&missing, &format!("/{bucket}"), &missing] {
        let answer = client.get(at).header("x-amz-request-id", "mine").send().await;
        assert!(answer.header("x-amz-id-2").is_some(), "{answer:?}");
        ids.push(answer.at("x-amz-request-id").to_owned());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    assert!(!ids.contains(&"mine".to_owned()));
}

/// A connection outlives refusals where its framing allows it.
#[tokio::test]
async fn a_connection_goes_on_after_a_refusal() {
    let (_gateway, client, bucket) = stand().await;
    let mut wire = client.wire().await;
    for turn in 0..3 {
        let missing = client.head(&path(&bucket, "none")).prepare();
        let head = wire.exchange(&missing.bytes(), "HEAD").await.unwrap();
        assert_eq!((head.status, head.body.len()), (404, 0), "{turn}");
        let missing = client.get(&path(&bucket, "none")).prepare();
        assert_eq!(wire.exchange(&missing.bytes(), "GET").await.unwrap().error(), "NoSuchKey");
        let refused = client.put(&path(&bucket, "k")).body("x").prepare().bad_signature();
        let answer = wire.exchange(&refused.bytes(), "PUT").await.unwrap();
        assert_eq!(answer.error(), "SignatureDoesNotMatch");
        if answer.header("connection").is_some_and(|value| value == "close") {
            wire = client.wire().await;
        }
        let fine = client.put(&path(&bucket, "k")).body("v").prepare();
        assert_eq!(wire.exchange(&fine.bytes(), "PUT").await.unwrap().status, 200, "{turn}");
        let get = client.get(&path(&bucket, "k")).prepare();
        assert_eq!(wire.exchange(&get.bytes(), "GET").await.unwrap().text(), "v");
    }
}

/// C59
#[tokio::test]
async fn c59_framing_that_can_be_read_in_two_ways_is_refused() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    client.put(&at).body("old").ok().await;
    let honest = client.put(&at).payload(crate::harness::Payload::Unsigned).body("new").prepare();
    let head = String::from_utf8(honest.head_bytes()).unwrap();
    let without = head.replace("content-length: 3\r\n", "");
    let smuggled = client.delete(&at).prepare().bytes();
    let smuggled = String::from_utf8(smuggled).unwrap();
    let chunks = format!("3\r\nnew\r\n0\r\n\r\n{smuggled}");
    for (what, request) in [
        (
            "length and coding",
            head.replace("\r\n\r\n", "\r\ntransfer-encoding: chunked\r\n\r\n") + &chunks,
        ),
        (
            "two lengths",
            head.replace("\r\n\r\n", "\r\ncontent-length: 4\r\n\r\n") + "newx" + &smuggled,
        ),
        ("signed length", head.replace("length: 3", "length: +3") + "new" + &smuggled),
        ("negative", head.replace("length: 3", "length: -3") + "new" + &smuggled),
        ("folded", head.replace("\r\n\r\n", "\r\nx-a: b\r\n c\r\n\r\n") + "new"),
        ("nul", head.replace("\r\n\r\n", "\r\nx-a: b\0c\r\n\r\n") + "new"),
        ("blank in a name", head.replace("\r\n\r\n", "\r\nx-a : b\r\n\r\n") + "new"),
        (
            "unknown coding",
            without.replace("\r\n\r\n", "\r\ntransfer-encoding: xchunked\r\n\r\n") + &chunks,
        ),
        (
            "coding twice",
            without.replace("\r\n\r\n", "\r\ntransfer-encoding: chunked, gzip\r\n\r\n") + &chunks,
        ),
        ("no protocol", head.replace(" HTTP/1.1", "") + "new"),
        ("nonsense", "nonsense\r\n\r\n".to_owned()),
        ("TLS", "\u{16}\u{3}\u{1}\0\u{5}hello\r\n\r\n".to_owned()),
    ] {
        let mut wire = client.wire().await;
        let answer = wire.exchange(request.as_bytes(), "PUT").await;
        if let Ok(answer) = &answer {
            assert!(matches!(answer.status, 400..=417 | 501), "{what}: {answer:?}");
            // Whoever refuses it, it has S3's form and an id.
            assert!(!answer.error().is_empty(), "{what}");
        }
        assert!(wire.is_closed().await, "{what}: no second answer, {answer:?}");
        assert_eq!(client.get(&at).ok().await.text(), "old", "{what}");
    }
    // Pipelining is fine as long as nothing is wrong.
    let mut wire = client.wire().await;
    wire.send([client.get(&at).prepare().bytes(), client.get(&at).prepare().bytes()].concat())
        .await
        .unwrap();
    for _ in 0..2 {
        assert_eq!(wire.answer("GET").await.unwrap().text(), "old");
    }
}

/// C60
#[tokio::test]
async fn c60_heads_have_a_limit() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    client.put(&at).body("old").ok().await;
    let many = (0..150).fold(client.get(&at).prepare(), |prepared, number| {
        prepared.add(&format!("x-a-{number}"), "b")
    });
    for (what, prepared) in [
        ("header", client.get(&at).prepare().add("x-large", "x".repeat(40 * 1024))),
        ("headers", many),
        ("target", client.get(&at).query("prefix", "x".repeat(70 * 1024)).prepare()),
    ] {
        let mut wire = client.wire().await;
        let answer = wire.exchange(&prepared.bytes(), "GET").await.unwrap();
        assert!(matches!(answer.status, 400 | 414 | 431), "{what}: {answer:?}");
        assert!(!answer.error().is_empty(), "{what}");
        assert!(wire.is_closed().await, "{what}");
    }
    assert_eq!(client.get(&at).ok().await.text(), "old");
}

/// C57: nothing of the inside shows, whatever comes.
#[tokio::test]
async fn c57_strange_requests_are_no_errors_of_ours() {
    let (gateway, client, bucket) = stand().await;
    let requests = ["BREW", "PATCH", "TRACE", "CONNECT", "PROPFIND"]
        .map(|method| client.request(method, &path(&bucket, "k")));
    for request in requests {
        let answer = request.send().await;
        assert!((400..500).contains(&answer.status), "{answer:?}");
    }
    for target in ["*", "//", "/%", "/?", "/?&&&=", "/?a=%zz", "/%00/%00", "/b?=x", "/-/nothing"] {
        let answer = client.anonymous().get(target).send().await;
        assert!((400..500).contains(&answer.status), "{target}: {answer:?}");
        let text = answer.text();
        for word in ["devstoreaccount1", "panicked", "src/", "127.0.0.1:", "Azure"] {
            assert!(!text.contains(word), "{target}: {text}");
        }
    }
    let version = client.get(&path(&bucket, "k")).query("versionId", "nonsense").send().await;
    assert!(matches!(version.status, 400 | 404), "{version:?}");
    drop(gateway);
}

/// A preflight for a bucket without rules is refused as S3 refuses it, and no origin is reflected.
#[tokio::test]
async fn c58_no_origin_is_reflected() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    client.put(&at).body("v").ok().await;
    let stranger = client.anonymous();
    let preflight = stranger.request("OPTIONS", &at).header("origin", "https://evil.example");
    let preflight = preflight.header("access-control-request-method", "PUT").send().await;
    assert_eq!(preflight.status, 403, "{preflight:?}");
    assert_eq!(preflight.xml().at("Code"), "AccessForbidden");
    let get = client.get(&at).header("origin", "https://evil.example").ok().await;
    for answer in [&preflight, &get] {
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

/// The answer of an error in its parts, for whoever adds a code.
#[test]
fn the_reader_of_these_tests_reads_escapes() {
    let error = Element::parse(b"<Error><Code>a&amp;b&#x1;&#10;</Code></Error>");
    assert_eq!(error.at("Code"), "a&b\u{1}\n");
}
