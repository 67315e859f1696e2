//! Objects: written, read, read in part, under conditions, deleted.

use crate::buckets::bucket;
use crate::harness::gateway::ALICE;
use crate::harness::{Client, Gateway, Payload, Streaming, md5_hex, noise, path};

/// A gateway, a client and a bucket.
pub(crate) async fn stand() -> (Gateway, Client, String) {
    let gateway = Gateway::start().await;
    let client = gateway.client(ALICE);
    let name = bucket(&client).await;
    (gateway, client, name)
}

fn quoted(body: &[u8]) -> String {
    format!("\"{}\"", md5_hex(body))
}

/// F32, F33: sizes around every boundary of the write path, with the same ETag everywhere.
#[tokio::test]
async fn f32_f33_what_is_written_is_read_whatever_its_size() {
    let (_gateway, client, bucket) = stand().await;
    const MIB: usize = 1024 * 1024;
    let sizes =
        [0, 1, 8191, 4 * MIB - 1, 4 * MIB + 1, 16 * MIB - 1, 16 * MIB, 16 * MIB + 1, 20 * MIB];
    for size in sizes {
        let body = noise(size);
        let at = path(&bucket, format!("size/{size}"));
        let written = client.put(&at).body(&body).ok().await;
        assert_eq!(written.at("etag"), quoted(&body), "{size}");
        let read = client.get(&at).ok().await;
        assert_eq!(read.status, 200);
        assert_eq!(read.body.len(), size);
        assert!(read.body == body, "{size}: the bytes differ");
        for answer in [&read, &client.head(&at).ok().await] {
            assert_eq!(answer.at("etag"), quoted(&body));
            assert_eq!(answer.at("content-length"), size.to_string());
            assert_eq!(answer.at("accept-ranges"), "bytes");
            assert_eq!(answer.at("content-type"), "binary/octet-stream");
            assert!(answer.at("last-modified").ends_with(" GMT"));
        }
    }
    let list = client.get(&format!("/{bucket}")).query("list-type", 2).ok().await.xml();
    for element in list.all("Contents") {
        let size: usize = element.at("Size").parse().unwrap();
        assert_eq!(element.at("ETag"), quoted(&noise(size)));
        assert_eq!(element.at("StorageClass"), "STANDARD");
    }
    assert_eq!(list.all("Contents").len(), sizes.len());
}

#[tokio::test]
async fn an_object_of_20_mib_goes_through_every_kind_of_payload() {
    let (_gateway, client, bucket) = stand().await;
    let body = noise(20 * 1024 * 1024 + 17);
    let at = path(&bucket, "large");
    let crc32 = data_encoding::BASE64.encode(&crc32_of(&body));
    let requests = [
        client.put(&at),
        client.put(&at).payload(Payload::Unsigned),
        client.put(&at).payload(Payload::NoHeader),
        client.put(&at).chunked(),
        client.put(&at).streaming(Streaming::Signed),
        client.put(&at).streaming(Streaming::Signed).chunked(),
        client.put(&at).streaming(Streaming::SignedTrailer).trailer("x-amz-checksum-crc32", &crc32),
        client
            .put(&at)
            .streaming(Streaming::UnsignedTrailer)
            .trailer("x-amz-checksum-crc32", &crc32)
            .chunked(),
    ];
    for request in requests {
        let written = request.body(&body).ok().await;
        assert_eq!(written.at("etag"), quoted(&body));
        let read = client.get(&at).ok().await;
        assert!(read.body == body, "the bytes differ");
        assert_eq!(read.header("content-encoding"), None);
        client.delete(&at).ok().await;
    }
}

fn crc32_of(body: &[u8]) -> [u8; 4] {
    let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, body);
    u32::try_from(sum).unwrap().to_be_bytes()
}

#[tokio::test]
async fn an_object_that_is_not_there_is_no_such_key() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "none");
    let error = client.get(&at).refused(404, "NoSuchKey").await.xml();
    assert_eq!(error.at("Key"), "none");
    assert_eq!(error.at("Resource"), at);
    client.head(&at).refused(404, "").await;
    let deleted = client.delete(&at).ok().await;
    assert_eq!(deleted.status, 204);
    let nowhere = path(&crate::harness::unique("none"), "k");
    client.get(&nowhere).refused(404, "NoSuchBucket").await;
    client.put(&nowhere).body("v").refused(404, "NoSuchBucket").await;
    client.delete(&nowhere).refused(404, "NoSuchBucket").await;
}

#[tokio::test]
async fn f34_ranges_are_answered_as_s3_answers_them() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "ten");
    client.put(&at).body("0123456789").ok().await;
    for (range, text, content_range) in [
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=7-99", "789", "bytes 7-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=-99", "0123456789", "bytes 0-9/10"),
        ("bytes=0-18446744073709551615", "0123456789", "bytes 0-9/10"),
    ] {
        let part = client.get(&at).header("range", range).ok().await;
        assert_eq!(part.status, 206, "{range}");
        assert_eq!((part.text().as_str(), part.at("content-range")), (text, content_range));
        assert_eq!(part.at("content-length"), text.len().to_string());
        assert_eq!(part.at("etag"), quoted(b"0123456789"));
        let head = client.head(&at).header("range", range).ok().await;
        assert_eq!((head.status, head.at("content-range")), (206, content_range));
        assert_eq!(head.at("content-length"), text.len().to_string());
    }
    // What is not one range of bytes is no range.
    for range in ["bytes=5-2", "bytes=a-b", "lines=1-2", "bytes=", "bytes=0-1,3-4"] {
        let whole = client.get(&at).header("range", range).ok().await;
        assert_eq!((whole.status, whole.text().as_str()), (200, "0123456789"), "{range}");
    }
    for range in ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=18446744073709551614-"] {
        let error = client.get(&at).header("range", range).refused(416, "InvalidRange").await;
        let error = error.xml();
        assert_eq!(error.at("RangeRequested"), range);
        assert_eq!(error.at("ActualObjectSize"), "10");
        client.head(&at).header("range", range).refused(416, "").await;
    }
    let empty = path(&bucket, "empty");
    client.put(&empty).ok().await;
    client.get(&empty).header("range", "bytes=0-0").refused(416, "InvalidRange").await;
    assert_eq!(client.get(&empty).header("range", "bytes=5-2").ok().await.status, 200);
}

#[tokio::test]
async fn a_range_of_a_large_object_is_that_range() {
    let (_gateway, client, bucket) = stand().await;
    let body = noise(18 * 1024 * 1024);
    let at = path(&bucket, "large");
    client.put(&at).body(&body).ok().await;
    let length = body.len();
    for (first, last) in [(0, 0), (4_194_303, 4_194_305), (1, length - 2), (length - 1, length - 1)]
    {
        let range = format!("bytes={first}-{last}");
        let part = client.get(&at).header("range", &range).ok().await;
        assert!(part.body == body[first..=last], "{range}");
    }
}

#[tokio::test]
async fn reads_obey_their_conditions() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    let etag = client.put(&at).body("v").ok().await.at("etag").to_owned();
    let bare = etag.trim_matches('"').to_owned();
    let modified = client.head(&at).ok().await.at("last-modified").to_owned();
    let (before, after) = ("Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT");
    let cases: &[(&[(&str, &str)], u16)] = &[
        (&[("if-match", &etag)], 200),
        (&[("if-match", &bare)], 200),
        (&[("if-match", "*")], 200),
        (&[("if-match", "\"0\"")], 412),
        (&[("if-none-match", &etag)], 304),
        (&[("if-none-match", &bare)], 304),
        (&[("if-none-match", "*")], 304),
        (&[("if-none-match", "\"0\"")], 200),
        (&[("if-modified-since", before)], 200),
        (&[("if-modified-since", &modified)], 304),
        (&[("if-modified-since", "nonsense")], 200),
        (&[("if-unmodified-since", before)], 412),
        (&[("if-unmodified-since", &modified)], 200),
        (&[("if-unmodified-since", after)], 200),
        (&[("if-match", &etag), ("if-unmodified-since", before)], 200),
        (&[("if-none-match", "\"0\""), ("if-modified-since", &modified)], 200),
        (&[("if-none-match", &etag), ("if-modified-since", before)], 304),
        (&[("if-match", &etag), ("range", "bytes=0-0")], 206),
        (&[("if-match", "\"0\""), ("range", "bytes=0-0")], 412),
    ];
    for (headers, status) in cases {
        for method in ["GET", "HEAD"] {
            let mut request = client.request(method, &at);
            for (name, value) in *headers {
                request = request.header(name, value);
            }
            let answer = request.send().await;
            assert_eq!(answer.status, *status, "{method} {headers:?}: {answer:?}");
            if *status == 304 {
                assert!(answer.body.is_empty());
                assert_eq!(answer.at("etag"), etag);
            } else if *status == 412 && method == "GET" {
                assert_eq!(answer.error(), "PreconditionFailed");
                let condition = answer.xml().at("Condition").to_ascii_lowercase();
                assert!(headers.iter().any(|(name, _)| *name == condition), "{answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn writes_obey_their_conditions() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    let put = |body: &str| client.put(&at).body(body);
    put("0").header("if-match", "\"0\"").refused(404, "NoSuchKey").await;
    put("0").header("if-match", "*").refused(404, "NoSuchKey").await;
    let etag = put("1").header("if-none-match", "*").ok().await.at("etag").to_owned();
    let refused = put("2").header("if-none-match", "*").refused(412, "PreconditionFailed").await;
    assert_eq!(refused.xml().at("Condition"), "If-None-Match");
    let refused = put("2").header("if-match", "\"0\"").refused(412, "PreconditionFailed").await;
    assert_eq!(refused.xml().at("Condition"), "If-Match");
    assert_eq!(client.get(&at).ok().await.text(), "1");
    let next = put("3").header("if-match", &etag).ok().await.at("etag").to_owned();
    put("4").header("if-match", &etag).refused(412, "PreconditionFailed").await;
    put("5").header("if-match", next.trim_matches('"')).ok().await;
    // AWS knows no other value than the star here; as Ceph does, the gateway takes ETags too.
    let now = client.head(&at).ok().await.at("etag").to_owned();
    put("6").header("if-none-match", &now).refused(412, "PreconditionFailed").await;
    put("5").header("if-none-match", &next).ok().await;
    assert_eq!(client.get(&at).ok().await.text(), "5");
    // Large bodies take another way and obey all the same.
    let large = noise(17 * 1024 * 1024);
    let refused = client.put(&at).body(&large).header("if-none-match", "*");
    refused.refused(412, "PreconditionFailed").await;
    let fresh = client.put(&path(&bucket, "l")).body(&large).header("if-none-match", "*");
    fresh.clone().ok().await;
    fresh.refused(412, "PreconditionFailed").await;
    assert_eq!(client.get(&at).ok().await.text(), "5");
}

#[tokio::test]
async fn deletes_obey_their_conditions() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    let etag = client.put(&at).body("v").ok().await.at("etag").to_owned();
    client.delete(&at).header("if-match", "\"0\"").refused(412, "PreconditionFailed").await;
    client.get(&at).ok().await;
    client.delete(&at).header("if-match", &etag).ok().await;
    client.get(&at).refused(404, "NoSuchKey").await;
}

/// F22, F23, small: one winner among racers, whether they want nothing there or this one.
#[tokio::test]
async fn f22_f23_among_racers_one_wins() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    let mut condition = ("if-none-match", "*".to_owned());
    for round in 0..2 {
        let racers = (0..12).map(|racer| {
            let request = client.put(&at).header(condition.0, &condition.1);
            crate::harness::spawn(request.body(format!("{round}/{racer}")).send())
        });
        let racers: Vec<_> = racers.collect();
        let mut winners = Vec::new();
        for (number, racer) in racers.into_iter().enumerate() {
            let answer = racer.await.unwrap();
            if answer.status == 200 {
                winners.push((number, answer.at("etag").to_owned()));
            } else {
                assert!(matches!(answer.status, 409 | 412), "{answer:?}");
            }
        }
        assert_eq!(winners.len(), 1, "{winners:?}");
        let (winner, etag) = winners.remove(0);
        assert_eq!(client.get(&at).ok().await.text(), format!("{round}/{winner}"));
        condition = ("if-match", etag);
    }
}

/// mapping.md, 3: parallel PUTs of one key all succeed, whatever their size.
#[tokio::test]
async fn parallel_puts_of_one_key_all_succeed() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    let bodies: Vec<_> = (0..8usize)
        .map(|number| {
            let mut body = noise(if number % 2 == 0 { 17 * 1024 * 1024 } else { 1000 });
            body[0] = u8::try_from(number).unwrap();
            body
        })
        .collect();
    let puts: Vec<_> = bodies
        .iter()
        .map(|body| crate::harness::spawn(client.put(&at).body(body).send()))
        .collect();
    for (put, body) in puts.into_iter().zip(&bodies) {
        let answer = put.await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.at("etag"), quoted(body));
    }
    let last = client.get(&at).ok().await;
    assert!(bodies.iter().any(|body| last.body == *body), "one of them, whole");
}

/// F30
#[tokio::test]
async fn f30_a_wrong_content_md5_leaves_the_old_object() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    let md5 = |body: &[u8]| {
        data_encoding::BASE64
            .encode(&data_encoding::HEXLOWER.decode(md5_hex(body).as_bytes()).unwrap())
    };
    client.put(&at).body("old").header("content-md5", md5(b"old")).ok().await;
    client
        .put(&at)
        .body("new")
        .header("content-md5", md5(b"other"))
        .refused(400, "BadDigest")
        .await;
    for nonsense in ["", "nonsense", "AAAA", &md5(b"new")[1..]] {
        let request = client.put(&at).body("new").header("content-md5", nonsense);
        request.refused(400, "InvalidDigest").await;
    }
    let large = noise(17 * 1024 * 1024);
    let request = client.put(&at).body(&large);
    request.clone().header("content-md5", md5(b"other")).refused(400, "BadDigest").await;
    assert_eq!(client.get(&at).ok().await.text(), "old");
    request.header("content-md5", md5(&large)).ok().await;
    assert_eq!(client.head(&at).ok().await.at("etag"), quoted(&large));
}

/// F31
#[tokio::test]
async fn f31_checksums_are_checked_and_given_back() {
    let (_gateway, client, bucket) = stand().await;
    let body = b"The quick brown fox jumps over the lazy dog";
    // Computed with Python: zlib, hashlib, and the two other CRCs bit by bit.
    let values = [
        ("crc32", "QU+jOQ=="),
        ("crc32c", "ImIEBA=="),
        ("crc64nvme", "12xUBUlUwUM="),
        ("sha1", "L9ThxnotKPzthJ7hu3bnORuT6xI="),
        ("sha256", "16j7swfXgJRpypq8sAguT41WUeRtPNt2LQLQvzfJ5ZI="),
    ];
    for (algorithm, value) in values {
        let name = format!("x-amz-checksum-{algorithm}");
        let at = path(&bucket, algorithm);
        client.put(&at).body("old").ok().await;
        let wrong = client.put(&at).body("other bytes").header(&name, value);
        wrong.refused(400, "BadDigest").await;
        let broken = client.put(&at).body(body).header(&name, "AAAA");
        broken.refused(400, "InvalidRequest").await;
        assert_eq!(client.get(&at).ok().await.text(), "old");
        let written = client.put(&at).body(body).header(&name, value).ok().await;
        assert_eq!(written.at(&name), value);
        let plain = client.get(&at).ok().await;
        assert_eq!(plain.header(&name), None, "not asked for");
        for method in ["GET", "HEAD"] {
            let asked = client.request(method, &at).header("x-amz-checksum-mode", "ENABLED");
            assert_eq!(asked.ok().await.at(&name), value);
        }
    }
    let two = client.put(&path(&bucket, "two")).body(body);
    let two = two.header("x-amz-checksum-crc32", values[0].1);
    two.header("x-amz-checksum-sha1", values[3].1).refused(400, "InvalidRequest").await;
}

#[tokio::test]
async fn an_answer_can_be_given_other_headers() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    client.put(&at).header("content-type", "text/plain").body("v").ok().await;
    let overrides = [
        ("response-content-type", "content-type", "text/html; charset=utf-8"),
        ("response-content-language", "content-language", "fr"),
        ("response-expires", "expires", "Thu, 01 Dec 1994 16:00:00 GMT"),
        ("response-cache-control", "cache-control", "no-cache"),
        ("response-content-disposition", "content-disposition", "attachment; filename=\"a b.txt\""),
        ("response-content-encoding", "content-encoding", "gzip"),
    ];
    let mut all = client.get(&at);
    for (parameter, header, value) in overrides {
        let read = client.get(&at).query(parameter, value).ok().await;
        assert_eq!(read.at(header), value);
        all = all.query(parameter, value);
    }
    let read = all.ok().await;
    for (_, header, value) in overrides {
        assert_eq!(read.at(header), value);
    }
    // Not for strangers: AWS wants a signature for it.
    let stranger = client.anonymous().get(&at).query("response-content-type", "text/html");
    let answer = stranger.send().await;
    assert!(matches!(answer.status, 400 | 403), "{answer:?}");
}

/// C58
#[tokio::test]
async fn c58_an_override_cannot_break_out_of_its_header() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    client.put(&at).body("v").ok().await;
    for value in ["text/html\r\nset-cookie: a=b", "a\nb", "a\0b"] {
        let request = client.get(&at).query("response-content-type", value);
        let answer = request.refused(400, "InvalidArgument").await;
        assert_eq!(answer.header("set-cookie"), None);
    }
}

#[tokio::test]
async fn keys_of_folders_are_objects_beside_what_is_in_them() {
    let (_gateway, client, bucket) = stand().await;
    for (key, body) in [("a", "file"), ("a/", ""), ("a/b", "inner"), ("a/b/", "x")] {
        client.put(&path(&bucket, key)).body(body).ok().await;
    }
    for (key, body) in [("a", "file"), ("a/", ""), ("a/b", "inner"), ("a/b/", "x")] {
        assert_eq!(client.get(&path(&bucket, key)).ok().await.text(), body);
    }
    client.delete(&path(&bucket, "a/")).ok().await;
    assert_eq!(client.get(&path(&bucket, "a")).ok().await.text(), "file");
    assert_eq!(client.get(&path(&bucket, "a/b")).ok().await.text(), "inner");
}

#[tokio::test]
async fn a_body_without_a_length_is_taken() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    for size in [0, 1, 100_000] {
        let body = noise(size);
        let written = client.put(&at).body(&body).chunked().ok().await;
        assert_eq!(written.at("etag"), quoted(&body));
        assert!(client.get(&at).ok().await.body == body);
    }
}

#[tokio::test]
async fn last_modified_is_the_time_of_the_write_everywhere() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    client.put(&at).body("v").ok().await;
    let head = client.head(&at).ok().await.at("last-modified").to_owned();
    assert_eq!(client.get(&at).ok().await.at("last-modified"), head);
    let list = client.get(&format!("/{bucket}")).ok().await.xml();
    let listed = list.at("Contents/LastModified").to_owned();
    // `2026-01-02T03:04:05.000Z` and `Fri, 02 Jan 2026 03:04:05 GMT`
    assert_eq!(listed[11..19], head[17..25], "{listed} and {head}");
    assert!(listed.ends_with('Z'));
}
