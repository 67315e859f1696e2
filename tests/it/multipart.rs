//! Uploads in parts: isolated from each other and from the key, the same through every replica, and
//! ended once.

use http::Method;

use crate::buckets::bucket;
use crate::checksums::checksum;
use crate::harness::azure::{Ask, Azure};
use crate::harness::gateway::{ALICE, BOB, LIMITED};
use crate::harness::proxy::Gate;
use crate::harness::{
    Action, Answer, Client, Gateway, Proxy, Request, Rule, md5_hex, noise, path, spawn,
};
use crate::keys::listed;
use crate::objects::stand;

/// The least that a part has which is not the last.
pub(crate) const MIN: usize = 5 * 1024 * 1024;

/// One upload in a test.
#[derive(Clone)]
pub(crate) struct Upload {
    /// The path of the object.
    pub(crate) at: String,
    /// The upload id.
    pub(crate) id: String,
}

/// A part that has been uploaded: number and ETag.
pub(crate) type Part = (u32, String);

pub(crate) async fn create(client: &Client, bucket: &str, key: &str) -> Upload {
    create_with(client.post(&path(bucket, key)), &path(bucket, key)).await
}

pub(crate) async fn create_with(request: Request, at: &str) -> Upload {
    let answer = request.query("uploads", "").ok().await.xml();
    assert_eq!(answer.name, "InitiateMultipartUploadResult");
    Upload { at: at.to_owned(), id: answer.at("UploadId").to_owned() }
}

impl Upload {
    pub(crate) fn part(&self, client: &Client, number: u32) -> Request {
        client.put(&self.at).query("partNumber", number).query("uploadId", &self.id)
    }

    pub(crate) async fn put(&self, client: &Client, number: u32, body: &[u8]) -> Part {
        let answer = self.part(client, number).body(body).ok().await;
        assert_eq!(answer.at("etag"), format!("\"{}\"", md5_hex(body)));
        (number, answer.at("etag").to_owned())
    }

    pub(crate) fn complete(&self, client: &Client, parts: &[Part]) -> Request {
        let mut listed = String::new();
        for (number, etag) in parts {
            listed.extend(["<Part><PartNumber>", &number.to_string(), "</PartNumber><ETag>", etag]);
            listed.push_str("</ETag></Part>");
        }
        let document = format!(
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{listed}\
             </CompleteMultipartUpload>"
        );
        client.post(&self.at).query("uploadId", &self.id).body(document)
    }

    pub(crate) fn abort(&self, client: &Client) -> Request {
        client.delete(&self.at).query("uploadId", &self.id)
    }

    pub(crate) fn list(&self, client: &Client) -> Request {
        client.get(&self.at).query("uploadId", &self.id)
    }
}

/// What S3 makes of the ETags of parts.
pub(crate) fn composite(bodies: &[&[u8]]) -> String {
    let all: Vec<u8> = bodies
        .iter()
        .flat_map(|body| data_encoding::HEXLOWER.decode(md5_hex(body).as_bytes()).unwrap())
        .collect();
    format!("\"{}-{}\"", md5_hex(&all), bodies.len())
}

/// Are the bytes of the key these, and no others?
pub(crate) async fn check(client: &Client, at: &str, bytes: &[u8]) -> Answer {
    let read = client.get(at).ok().await;
    assert!(read.body == bytes, "{} bytes, {} expected", read.body.len(), bytes.len());
    read
}

#[tokio::test]
async fn parts_become_an_object_with_all_that_create_said() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    let request = client.post(&at).header("content-type", "text/plain");
    let request = request.header("x-amz-meta-a-b", "\u{fc}").header("cache-control", "no-cache");
    let request = request.header("x-amz-storage-class", "STANDARD_IA");
    let upload = create_with(request, &at).await;
    let (one, two, last) = (noise(MIN), noise(MIN + 1), noise(7));
    let mut parts = Vec::new();
    for (number, body) in [(1, &one), (2, &two), (9, &last)] {
        parts.push(upload.put(&client, number, body).await);
    }
    client.head(&at).refused(404, "").await;
    let done = upload.complete(&client, &parts).ok().await.xml();
    let etag = composite(&[&one, &two, &last]);
    assert_eq!((done.name.as_str(), done.at("ETag")), ("CompleteMultipartUploadResult", &*etag));
    assert!(done.at("Location").ends_with(&at));
    let read = check(&client, &at, &[&*one, &*two, &*last].concat()).await;
    assert_eq!(read.at("etag"), etag);
    assert_eq!(read.at("content-type"), "text/plain");
    assert_eq!(read.at("cache-control"), "no-cache");
    assert_eq!(read.at("x-amz-meta-a-b"), "\u{fc}");
    assert_eq!(client.head(&at).ok().await.at("x-amz-storage-class"), "STANDARD_IA");
    let contents = client.get(&format!("/{bucket}")).query("list-type", 2).ok().await.xml();
    assert_eq!(contents.texts("Contents/ETag"), [etag]);
}

/// F12, F13, F14, F15
#[tokio::test]
async fn f12_f13_f14_f15_uploads_and_writes_of_one_key_do_not_touch_each_other() {
    let (gateway, client, bucket) = stand().await;
    let replica = gateway.replica().await;
    let other = replica.client(ALICE);
    let at = path(&bucket, "k");
    let (a, b, doomed) = (
        create(&client, &bucket, "k").await,
        create(&other, &bucket, "k").await,
        create(&client, &bucket, "k").await,
    );
    let body = |seed: u8| -> Vec<u8> { noise(MIN).iter().map(|byte| byte ^ seed).collect() };
    let a1 = a.put(&client, 1, &body(1)).await;
    let b1 = b.put(&client, 1, &body(2)).await;
    doomed.put(&client, 1, &body(3)).await;
    client.put(&at).body("between").ok().await;
    let a2 = a.put(&other, 2, &body(4)).await;
    client.delete(&at).ok().await;
    client.put(&at).body(noise(17 * 1024 * 1024)).ok().await;
    let b2 = b.put(&other, 2, &body(5)).await;
    doomed.abort(&other).ok().await;
    check(&client, &at, &noise(17 * 1024 * 1024)).await;
    // A restart: what comes now has never heard of these uploads.
    let restarted = gateway.replica().await;
    let fresh = restarted.client(ALICE);
    a.complete(&fresh, &[a1, a2]).ok().await;
    check(&client, &at, &[body(1), body(4)].concat()).await;
    b.complete(&fresh, &[b1, b2]).ok().await;
    check(&other, &at, &[body(2), body(5)].concat()).await;
    doomed.abort(&fresh).refused(404, "NoSuchUpload").await;
    doomed.list(&fresh).refused(404, "NoSuchUpload").await;
    doomed.complete(&fresh, &[(1, "x".to_owned())]).refused(404, "NoSuchUpload").await;
}

/// F18
#[tokio::test]
async fn f18_complete_again_and_at_once_gives_one_object_and_one_answer() {
    let (gateway, client, bucket) = stand().await;
    let replica = gateway.replica().await;
    let upload = create(&client, &bucket, "k").await;
    let (one, two) = (noise(MIN), noise(3));
    let parts = [upload.put(&client, 1, &one).await, upload.put(&client, 2, &two).await];
    let etag = composite(&[&one, &two]);
    let mut tasks = Vec::new();
    for number in 0..6 {
        let client = if number % 2 == 0 { client.clone() } else { replica.client(ALICE) };
        tasks.push(spawn(upload.complete(&client, &parts).send()));
    }
    for task in tasks {
        let answer = task.await.unwrap().expect_success();
        assert_eq!(answer.xml().at("ETag"), etag);
    }
    let modified = check(&client, &upload.at, &[one, two].concat()).await;
    // Also when the object is another one by now, and one that is gone.
    client.put(&upload.at).body("newer").ok().await;
    assert_eq!(upload.complete(&client, &parts).ok().await.xml().at("ETag"), etag);
    check(&client, &upload.at, b"newer").await;
    client.delete(&upload.at).ok().await;
    assert_eq!(upload.complete(&replica.client(ALICE), &parts).ok().await.xml().at("ETag"), etag);
    client.get(&upload.at).refused(404, "NoSuchKey").await;
    assert!(modified.header("last-modified").is_some());
    // Nothing is left of it but its outcome.
    let left = Azure::default().blobs(&gateway.system_container).await;
    let left: Vec<_> = left.iter().filter(|name| name.contains(&upload.id)).collect();
    assert!(left.len() == 1 && left[0].contains("/o/"), "{left:?}");
}

#[tokio::test]
async fn abort_and_complete_at_once_exclude_each_other() {
    let (gateway, client, bucket) = stand().await;
    for round in 0..6 {
        let upload = create(&client, &bucket, &format!("k{round}")).await;
        let part = upload.put(&client, 1, b"x").await;
        let other = gateway.client(ALICE);
        let complete = spawn(upload.complete(&client, &[part]).send());
        let abort = spawn(upload.abort(&other).send());
        let (complete, abort) = (complete.await.unwrap(), abort.await.unwrap());
        let there = client.head(&upload.at).send().await.status == 200;
        assert_eq!(there, complete.status == 200, "{} {}", complete.text(), abort.text());
        assert!(!(there && abort.status == 204), "both");
    }
}

/// F17, F19
#[tokio::test]
async fn f17_f19_lists_that_do_not_fit_are_refused_and_the_upload_stays_open() {
    let (_gateway, client, bucket) = stand().await;
    let upload = create(&client, &bucket, "k").await;
    let old = upload.put(&client, 1, &noise(MIN)).await;
    let one = upload.put(&client, 1, &noise(MIN + 5)).await;
    let two = upload.put(&client, 2, b"small").await;
    let three = upload.put(&client, 3, b"last").await;
    let refused = async |parts: &[&Part], code: &str| {
        let parts: Vec<Part> = parts.iter().map(|part| (*part).clone()).collect();
        upload.complete(&client, &parts).refused(400, code).await;
    };
    refused(&[&old], "InvalidPart").await;
    refused(&[&one, &(4, three.1.clone())], "InvalidPart").await;
    refused(&[&two, &one], "InvalidPartOrder").await;
    refused(&[&one, &one], "InvalidPartOrder").await;
    refused(&[&one, &two, &three], "EntityTooSmall").await;
    refused(&[], "MalformedXML").await;
    refused(&[&(0, one.1.clone())], "InvalidArgument").await;
    refused(&[&(10_001, one.1.clone())], "InvalidArgument").await;
    for number in [0, 10_001] {
        upload.part(&client, number).body("x").refused(400, "InvalidArgument").await;
    }
    let sized =
        upload.complete(&client, std::slice::from_ref(&one)).header("x-amz-mp-object-size", 5);
    sized.refused(400, "InvalidRequest").await;
    client.head(&upload.at).refused(404, "").await;
    // A wrong body leaves the part as it was.
    let wrong =
        upload.part(&client, 3).body("other").header("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==");
    wrong.refused(400, "BadDigest").await;
    // A subset will do.
    upload.complete(&client, &[one, three]).ok().await;
    check(&client, &upload.at, &[&noise(MIN + 5)[..], b"last"].concat()).await;
}

/// C46
#[tokio::test]
async fn c46_an_upload_belongs_to_its_key_its_bucket_and_those_who_may() {
    let (gateway, client, name) = stand().await;
    let another = bucket(&client).await;
    let upload = create(&client, &name, "k").await;
    let part = upload.put(&client, 1, b"x").await;
    let long = "l".repeat(1024);
    let of_long = create(&client, &name, &long).await;
    let moved =
        |bucket: &str, key: &str, id: &str| Upload { at: path(bucket, key), id: id.to_owned() };
    let forged = "0".repeat(32);
    for wrong in [
        moved(&name, "other", &upload.id),
        moved(&another, "k", &upload.id),
        moved(&name, "k", &forged),
        moved(&name, "k", "../../x"),
        moved(&name, "k", ""),
        moved(&name, &("l".repeat(1023) + "m"), &of_long.id),
    ] {
        wrong.part(&client, 1).body("y").refused(404, "NoSuchUpload").await;
        wrong.list(&client).refused(404, "NoSuchUpload").await;
        wrong.abort(&client).refused(404, "NoSuchUpload").await;
        wrong.complete(&client, std::slice::from_ref(&part)).refused(404, "NoSuchUpload").await;
    }
    for stranger in [gateway.client(BOB), gateway.client(LIMITED)] {
        upload.part(&stranger, 1).body("y").refused(403, "AccessDenied").await;
        upload.list(&stranger).refused(403, "AccessDenied").await;
        upload.abort(&stranger).refused(403, "AccessDenied").await;
        upload.complete(&stranger, std::slice::from_ref(&part)).refused(403, "AccessDenied").await;
        let uploads = stranger.get(&format!("/{name}")).query("uploads", "");
        uploads.refused(403, "AccessDenied").await;
    }
    upload.complete(&client, std::slice::from_ref(&part)).ok().await;
    // An outcome is its key's, too.
    moved(&name, "other", &upload.id).complete(&client, &[part]).refused(404, "NoSuchUpload").await;
    of_long.abort(&client).ok().await;
}

#[tokio::test]
async fn empty_parts_make_no_blocks() {
    let (_gateway, client, bucket) = stand().await;
    let upload = create(&client, &bucket, "empty").await;
    let only = upload.put(&client, 1, b"").await;
    upload.complete(&client, &[only]).ok().await;
    let read = check(&client, &upload.at, b"").await;
    assert_eq!(read.at("etag"), composite(&[b""]));
    let upload = create(&client, &bucket, "last").await;
    let parts = [upload.put(&client, 1, &noise(MIN)).await, upload.put(&client, 2, b"").await];
    upload.complete(&client, &parts).ok().await;
    check(&client, &upload.at, &noise(MIN)).await;
}

#[tokio::test]
async fn parts_are_copied_with_ranges_and_conditions() {
    let (gateway, client, name) = stand().await;
    let source = noise(MIN + 100);
    let from = path(&name, "a b+c");
    let etag = client.put(&from).body(&source).ok().await.at("etag").to_owned();
    for algorithm in ["", "CRC32", "SHA256"] {
        let at = path(&name, "k");
        let mut request = client.post(&at);
        if !algorithm.is_empty() {
            request = request.header("x-amz-checksum-algorithm", algorithm);
        }
        let upload = create_with(request, &at).await;
        let copy = |number: u32| upload.part(&client, number).header("x-amz-copy-source", &from);
        let whole = copy(1).ok().await.xml();
        assert_eq!((whole.name.as_str(), whole.at("ETag")), ("CopyPartResult", &*etag));
        let range = copy(2).header("x-amz-copy-source-range", "bytes=3-12").ok().await.xml();
        let parts = [(1, etag.clone()), (2, range.at("ETag").to_owned())];
        let told = upload.list(&client).ok().await.xml();
        assert_eq!(told.texts("Part/ETag"), [&*parts[0].1, &*parts[1].1]);
        assert_eq!(told.texts("Part/Size"), [(MIN + 100).to_string(), "10".to_owned()]);
        let named = if algorithm.is_empty() {
            parts.map(|part| (part, None)).to_vec()
        } else {
            let values = told.texts(&format!("Part/Checksum{algorithm}"));
            parts
                .into_iter()
                .zip(values)
                .map(|(part, value)| (part, Some((algorithm, value))))
                .collect()
        };
        upload.complete_with(&client, &named).ok().await;
        check(&client, &upload.at, &[&source[..], &source[3..13]].concat()).await;
    }
    let upload = create(&client, &name, "k2").await;
    let copy = |number: u32| upload.part(&client, number).header("x-amz-copy-source", &from);
    copy(1).header("x-amz-copy-source-if-match", "\"x\"").refused(412, "PreconditionFailed").await;
    copy(1)
        .header("x-amz-copy-source-if-none-match", &etag)
        .refused(412, "PreconditionFailed")
        .await;
    let beyond = format!("bytes=0-{}", source.len());
    copy(1).header("x-amz-copy-source-range", beyond).refused(416, "InvalidRange").await;
    copy(1).header("x-amz-copy-source-range", "0-3").refused(400, "InvalidArgument").await;
    // C42: the source is asked for, too.
    let bobs = gateway.client(BOB);
    let foreign = bucket(&bobs).await;
    let his = create(&bobs, &foreign, "k").await;
    his.part(&bobs, 1).header("x-amz-copy-source", &from).refused(403, "AccessDenied").await;
}

#[tokio::test]
async fn an_object_is_read_by_its_parts() {
    let (_gateway, client, bucket) = stand().await;
    for (key, sizes) in [("alike", [MIN, MIN, 7]), ("not-alike", [MIN, MIN + 3, 7])] {
        let at = path(&bucket, key);
        let request = client.post(&at).header("x-amz-checksum-algorithm", "CRC32C");
        let upload = create_with(request, &at).await;
        let mut parts = Vec::new();
        for (number, size) in (1..).zip(sizes) {
            let body = noise(size);
            let part = upload.put_with(&client, number * 3, ("CRC32C", &body)).await;
            parts.push((part, Some(("CRC32C", checksum("CRC32C", &body)))));
        }
        upload.complete_with(&client, &parts).ok().await;
        for (number, size) in (1..).zip(sizes) {
            let get = client.get(&at).query("partNumber", number);
            let read = get.header("x-amz-checksum-mode", "ENABLED").send().await;
            assert_eq!(
                (read.status, read.at("x-amz-mp-parts-count")),
                (206, "3"),
                "{key} {number}"
            );
            assert!(read.body == noise(size));
            assert!(!read.at("x-amz-checksum-crc32c").contains('-'));
            assert_eq!(read.at("x-amz-checksum-type"), "COMPOSITE");
            let head = client.head(&at).query("partNumber", number).send().await;
            assert_eq!((head.status, head.at("content-length")), (206, &*size.to_string()));
            assert_eq!(head.at("content-range"), read.at("content-range"));
        }
        client.get(&at).query("partNumber", 4).refused(416, "InvalidPartNumber").await;
        client.get(&at).query("partNumber", 0).refused(400, "InvalidArgument").await;
        let both = client.get(&at).query("partNumber", 1).header("range", "bytes=0-1");
        both.refused(400, "InvalidRequest").await;
        let whole = client.get(&at).header("x-amz-checksum-mode", "ENABLED").ok().await;
        assert!(whole.at("x-amz-checksum-crc32c").ends_with("-3"));
    }
    let at = path(&bucket, "plain");
    client.put(&at).body("plain").ok().await;
    let read = client.get(&at).query("partNumber", 1).send().await;
    assert_eq!((read.status, read.text().as_str()), (206, "plain"));
    assert_eq!(read.header("x-amz-mp-parts-count"), None);
    client.get(&at).query("partNumber", 2).refused(416, "InvalidPartNumber").await;
}

#[tokio::test]
async fn parts_are_listed_in_pages() {
    let (_gateway, client, bucket) = stand().await;
    let upload = create(&client, &bucket, "k").await;
    for number in [1, 2, 10, 9_999, 10_000] {
        upload.put(&client, number, format!("part {number}").as_bytes()).await;
    }
    let page = upload.list(&client).ok().await.xml();
    assert_eq!(page.texts("Part/PartNumber"), ["1", "2", "10", "9999", "10000"]);
    assert_eq!((page.at("IsTruncated"), page.at("MaxParts")), ("false", "1000"));
    assert_eq!((page.at("Initiator/ID"), page.at("Owner/ID")), (ALICE.id, ALICE.id));
    assert_eq!(page.at("StorageClass"), "STANDARD");
    let (mut seen, mut marker) = (Vec::new(), "0".to_owned());
    let mut truncated = true;
    while truncated {
        let list = upload.list(&client).query("max-parts", 2).query("part-number-marker", &marker);
        let page = list.ok().await.xml();
        assert_eq!(page.at("PartNumberMarker"), marker);
        seen.extend(page.texts("Part/PartNumber"));
        marker = page.at("NextPartNumberMarker").to_owned();
        truncated = page.at("IsTruncated") == "true";
    }
    assert_eq!(seen, ["1", "2", "10", "9999", "10000"]);
    let none = upload.list(&client).query("max-parts", 0).ok().await.xml();
    assert!(none.all("Part").is_empty());
}

/// All uploads, in pages of that size.
async fn walked(client: &Client, bucket: &str, size: u32) -> Vec<(String, String)> {
    let (mut told, mut after) = (Vec::new(), (String::new(), String::new()));
    loop {
        let list =
            client.get(&format!("/{bucket}")).query("uploads", "").query("max-uploads", size);
        let list = list.query("key-marker", &after.0).query("upload-id-marker", &after.1);
        let page = list.ok().await.xml();
        told.extend(page.texts("Upload/Key").into_iter().zip(page.texts("Upload/UploadId")));
        assert!(page.texts("Upload/Initiated").iter().all(|at| at.ends_with('Z')));
        if page.at("IsTruncated") == "false" {
            return told;
        }
        after = (page.at("NextKeyMarker").to_owned(), page.at("NextUploadIdMarker").to_owned());
    }
}

#[tokio::test]
async fn uploads_are_listed_by_key_and_time_with_prefix_delimiter_and_markers() {
    let (gateway, client, bucket) = stand().await;
    let long = |end: &str| "l".repeat(1000) + end;
    let keys = [
        "a",
        "a",
        "a!",
        "a/1",
        "a/2",
        "a/2/x",
        "b\u{e9}",
        "b\u{1F980}",
        &long("1"),
        &long("2"),
        "z",
    ];
    let mut made = Vec::new();
    for key in keys {
        made.push((key.to_owned(), create(&client, &bucket, key).await.id));
    }
    made.sort();
    assert_eq!(walked(&client, &bucket, 1000).await, made);
    for size in 1..=3 {
        assert_eq!(walked(&client, &bucket, size).await, made, "{size}");
    }
    let list = |queries: &[(&str, &str)]| {
        let request = client.get(&format!("/{bucket}")).query("uploads", "");
        queries.iter().fold(request, |request, (name, value)| request.query(name, value))
    };
    let page = list(&[("prefix", "a"), ("delimiter", "/")]).ok().await.xml();
    assert_eq!(page.texts("Upload/Key"), ["a", "a", "a!"]);
    assert_eq!(page.texts("CommonPrefixes/Prefix"), ["a/"]);
    let page = list(&[("prefix", "a/"), ("delimiter", "/")]).ok().await.xml();
    assert_eq!(page.texts("Upload/Key"), ["a/1", "a/2"]);
    assert_eq!(page.texts("CommonPrefixes/Prefix"), ["a/2/"]);
    let page = list(&[("delimiter", "/"), ("key-marker", "a/")]).ok().await.xml();
    assert_eq!(page.texts("Upload/Key").first().map(String::as_str), Some("b\u{e9}"));
    let page = list(&[("prefix", "b"), ("encoding-type", "url")]).ok().await.xml();
    assert_eq!(page.texts("Upload/Key"), ["b%C3%A9", "b%F0%9F%A6%80"]);
    // None of this is a bucket's business to anybody else, nor in its way.
    assert!(listed(&client, &bucket).await.is_empty());
    client.delete(&format!("/{bucket}")).ok().await;
    let azure = Azure::default();
    for _ in 0..100 {
        let left = azure.blobs(&gateway.system_container).await;
        if !left.iter().any(|name| made.iter().any(|(_, id)| name.contains(id))) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("records of the deleted bucket stay");
}

#[tokio::test]
async fn a_complete_obeys_its_conditions() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    let old = client.put(&at).body("old").ok().await.at("etag").to_owned();
    let upload = create(&client, &bucket, "k").await;
    let parts = [upload.put(&client, 1, &noise(MIN)).await, upload.put(&client, 2, b"x").await];
    let complete = || upload.complete(&client, &parts);
    complete().header("if-none-match", "*").refused(412, "PreconditionFailed").await;
    complete().header("if-match", "\"x\"").refused(412, "PreconditionFailed").await;
    check(&client, &at, b"old").await;
    complete().header("if-match", &old).ok().await;
    // Sent again, it is the same answer, whatever the condition says by now.
    complete().header("if-match", &old).ok().await;
    client.delete(&at).ok().await;
    let upload = create(&client, &bucket, "k").await;
    let parts = [upload.put(&client, 1, &noise(MIN)).await, upload.put(&client, 2, b"x").await];
    upload.complete(&client, &parts).header("if-none-match", "*").ok().await;
}

/// F16: the blocks are discarded by a plain write in between; the parts are still there.
#[tokio::test]
async fn f16_a_write_between_blocks_and_list_makes_complete_begin_again() {
    let proxy = Proxy::to_backend().await;
    let gateway = Gateway::behind(&proxy).await;
    let client = gateway.client(ALICE);
    let bucket = bucket(&client).await;
    let upload = create(&client, &bucket, "k").await;
    let parts = [upload.put(&client, 1, &noise(MIN)).await, upload.put(&client, 2, b"x").await];
    let lost = Action::Answer(400, "InvalidBlockList", None);
    let rule = proxy.rule(Rule::new(lost).method(Method::PUT).comp("blocklist").times(2)).await;
    upload.complete(&client, &parts).ok().await;
    assert_eq!(rule.met(), 2);
    check(&client, &upload.at, &[&noise(MIN)[..], b"x"].concat()).await;
}

/// F18: Azure has done it, and its answer is lost.
#[tokio::test]
async fn f18_a_lost_answer_of_the_commit_is_a_success() {
    let proxy = Proxy::to_backend().await;
    let gateway = Gateway::behind(&proxy).await;
    let client = gateway.client(ALICE);
    let bucket = bucket(&client).await;
    let upload = create(&client, &bucket, "k").await;
    let parts = [upload.put(&client, 1, &noise(MIN)).await, upload.put(&client, 2, b"x").await];
    let rule = Rule::new(Action::DropAnswer).method(Method::PUT).comp("blocklist").times(1);
    let rule = proxy.rule(rule).await;
    upload.complete(&client, &parts).header("if-none-match", "*").ok().await;
    assert_eq!(rule.met(), 1);
    check(&client, &upload.at, &[&noise(MIN)[..], b"x"].concat()).await;
}

/// The client hangs up; the Complete goes on.
#[tokio::test]
async fn a_complete_goes_on_without_its_client() {
    let proxy = Proxy::to_backend().await;
    let gateway = Gateway::behind(&proxy).await;
    let client = gateway.client(ALICE);
    let bucket = bucket(&client).await;
    let upload = create(&client, &bucket, "k").await;
    let parts = [upload.put(&client, 1, &noise(MIN)).await, upload.put(&client, 2, b"x").await];
    let gate = Gate::new();
    let rule = Rule::new(Action::Hold(gate.clone())).method(Method::PUT).comp("blocklist");
    proxy.rule(rule.times(1)).await;
    let mut wire = client.wire().await;
    wire.send(upload.complete(&client, &parts).prepare().bytes()).await.unwrap();
    gate.arrived().await;
    drop(wire);
    gate.open();
    // The same Complete again waits for the one at work, and has its answer.
    let again = upload.complete(&client, &parts).ok().await.xml();
    assert_eq!(again.at("ETag"), composite(&[&noise(MIN), b"x"]));
    check(&client, &upload.at, &[&noise(MIN)[..], b"x"].concat()).await;
}

/// F20
#[tokio::test]
async fn f20_blocks_of_another_tool_on_the_key_do_no_harm() {
    let (_gateway, client, bucket) = stand().await;
    let upload = create(&client, &bucket, "k").await;
    let parts = [upload.put(&client, 1, &noise(MIN)).await, upload.put(&client, 2, b"x").await];
    let block = Ask::blob("PUT", &bucket, "k").query("comp", "block");
    let id = data_encoding::BASE64.encode(b"foreign-block-1");
    Azure::default().ok(block.query("blockid", &id).body("foreign")).await;
    upload.complete(&client, &parts).ok().await;
    check(&client, &upload.at, &[&noise(MIN)[..], b"x"].concat()).await;
    let read = client.get(&upload.at).query("partNumber", 2).send().await;
    assert_eq!((read.status, read.text().as_str()), (206, "x"));
}

#[tokio::test]
async fn a_container_of_an_azure_tool_takes_uploads() {
    let gateway = Gateway::start().await;
    let client = gateway.admin();
    let name = crate::harness::unique("native");
    Azure::default().create_container(&name).await;
    let replica = gateway.replica().await;
    // The replica has looked at the bucket when it had no id yet.
    replica.admin().get(&format!("/{name}")).ok().await;
    let upload = create(&client, &name, "k").await;
    let part = upload.put(&replica.admin(), 1, b"x").await;
    upload.complete(&replica.admin(), &[part]).ok().await;
    check(&client, &upload.at, b"x").await;
}
