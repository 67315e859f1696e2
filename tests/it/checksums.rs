//! Checksums: kept with objects and parts, checked wherever a client names one, and told in every place
//! that S3 tells them.

use crc_fast::CrcAlgorithm;
use data_encoding::BASE64;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::harness::client::Request;
use crate::harness::{Client, noise, path};
use crate::multipart::{MIN, Part, Upload, create_with};
use crate::objects::stand;

const ALL: [&str; 5] = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"];

/// A checksum as headers and documents have it.
pub(crate) fn checksum(algorithm: &str, bytes: &[u8]) -> String {
    let crc = |algorithm, length: usize| {
        crc_fast::checksum(algorithm, bytes).to_be_bytes()[8 - length..].to_vec()
    };
    BASE64.encode(&match algorithm {
        "CRC32" => crc(CrcAlgorithm::Crc32IsoHdlc, 4),
        "CRC32C" => crc(CrcAlgorithm::Crc32Iscsi, 4),
        "CRC64NVME" => crc(CrcAlgorithm::Crc64Nvme, 8),
        "SHA1" => Sha1::digest(bytes).to_vec(),
        "SHA256" => Sha256::digest(bytes).to_vec(),
        other => panic!("{other}"),
    })
}

/// What S3 makes of the checksums of parts.
fn composite(algorithm: &str, bodies: &[&[u8]]) -> String {
    let all: Vec<u8> = bodies
        .iter()
        .flat_map(|body| BASE64.decode(checksum(algorithm, body).as_bytes()).unwrap())
        .collect();
    format!("{}-{}", checksum(algorithm, &all), bodies.len())
}

pub(crate) fn header(algorithm: &str) -> String {
    format!("x-amz-checksum-{}", algorithm.to_lowercase())
}

async fn begin(client: &Client, at: &str, algorithm: &str, kind: &str) -> Upload {
    let mut request = client.post(at).header("x-amz-checksum-algorithm", algorithm);
    if !kind.is_empty() {
        request = request.header("x-amz-checksum-type", kind);
    }
    create_with(request, at).await
}

impl Upload {
    /// A part with its checksum.
    pub(crate) async fn put_with(
        &self,
        client: &Client,
        number: u32,
        (algorithm, body): (&str, &[u8]),
    ) -> Part {
        let told = checksum(algorithm, body);
        let request = self.part(client, number).body(body).header(&header(algorithm), &told);
        let answer = request.ok().await;
        assert_eq!(answer.at(&header(algorithm)), told);
        (number, answer.at("etag").to_owned())
    }

    /// A Complete whose list names checksums, where there are any.
    pub(crate) fn complete_with(
        &self,
        client: &Client,
        parts: &[(Part, Option<(&str, String)>)],
    ) -> Request {
        let mut listed = String::new();
        for ((number, etag), checksum) in parts {
            let checksum = checksum.as_ref().map(|(algorithm, value)| {
                format!("<Checksum{algorithm}>{value}</Checksum{algorithm}>")
            });
            listed += &format!(
                "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>{}</Part>",
                checksum.unwrap_or_default()
            );
        }
        let document = format!("<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>");
        client.post(&self.at).query("uploadId", &self.id).body(document)
    }
}

fn attributes(client: &Client, at: &str) -> Request {
    let all = "ETag,Checksum,ObjectParts,StorageClass,ObjectSize";
    client.get(at).query("attributes", "").header("x-amz-object-attributes", all)
}

/// F31: every algorithm and both kinds, through parts, listings, completion, reads and attributes.
#[tokio::test]
async fn f31_checksums_of_parts_make_those_of_the_object() {
    let (_gateway, client, bucket) = stand().await;
    let (one, two) = (noise(MIN), noise(99));
    let all = [&*one, &*two].concat();
    for (algorithm, kind) in [
        ("CRC32", "COMPOSITE"),
        ("CRC32", "FULL_OBJECT"),
        ("CRC32C", ""),
        ("CRC32C", "FULL_OBJECT"),
        ("CRC64NVME", ""),
        ("SHA1", ""),
        ("SHA256", "COMPOSITE"),
    ] {
        let at = path(&bucket, format!("{algorithm}{kind}"));
        let upload = begin(&client, &at, algorithm, kind).await;
        let mut parts = Vec::new();
        for (number, body) in [(1, &one), (2, &two)] {
            let part = upload.put_with(&client, number, (algorithm, body)).await;
            parts.push((part, Some((algorithm, checksum(algorithm, body)))));
        }
        let told = upload.list(&client).ok().await.xml();
        let element = format!("Checksum{algorithm}");
        let of_parts = [checksum(algorithm, &one), checksum(algorithm, &two)];
        assert_eq!(told.texts(&format!("Part/{element}")), of_parts);
        let full = kind == "FULL_OBJECT" || algorithm == "CRC64NVME";
        let (kind, want) = if full {
            ("FULL_OBJECT", checksum(algorithm, &all))
        } else {
            ("COMPOSITE", composite(algorithm, &[&one, &two]))
        };
        assert_eq!(told.at("ChecksumType"), kind);
        let wrong = upload.complete_with(&client, &parts).header(&header(algorithm), {
            let other = checksum(algorithm, b"other");
            if full { other } else { format!("{other}-2") }
        });
        wrong.refused(400, "BadDigest").await;
        let sized = upload.complete_with(&client, &parts).header("x-amz-mp-object-size", 7);
        sized.refused(400, "InvalidRequest").await;
        client.head(&at).refused(404, "").await;
        let request = upload.complete_with(&client, &parts).header(&header(algorithm), &want);
        let request = request.header("x-amz-checksum-type", kind);
        let request = request.header("x-amz-mp-object-size", all.len());
        let done = request.ok().await.xml();
        assert_eq!((done.at(&element), done.at("ChecksumType")), (&*want, kind));
        for method in ["GET", "HEAD"] {
            let read = client.request(method, &at).header("x-amz-checksum-mode", "ENABLED");
            let read = read.ok().await;
            assert_eq!(read.at(&header(algorithm)), want);
            assert_eq!(read.at("x-amz-checksum-type"), kind);
        }
        let told = attributes(&client, &at).ok().await.xml();
        assert_eq!(told.at(&format!("Checksum/{element}")), want);
        assert_eq!(told.at("Checksum/ChecksumType"), kind);
        let parts = told.find("ObjectParts").unwrap();
        assert_eq!(parts.texts(&format!("Part/{element}")), of_parts);
    }
}

/// F31: what a Complete has to name, and what it must not.
#[tokio::test]
async fn f31_a_complete_names_the_checksums_of_its_parts() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    let upload = begin(&client, &at, "SHA256", "").await;
    upload.part(&client, 1).body("x").refused(400, "InvalidRequest").await;
    let sha1 = checksum("SHA1", b"x");
    let other = upload.part(&client, 1).body("x").header(&header("SHA1"), &sha1);
    other.refused(400, "InvalidRequest").await;
    let part = upload.put_with(&client, 1, ("SHA256", b"x")).await;
    let complete = |checksum: Option<(&'static str, String)>| {
        upload.complete_with(&client, &[(part.clone(), checksum)])
    };
    complete(Some(("SHA1", sha1))).refused(400, "BadDigest").await;
    complete(Some(("SHA256", checksum("SHA256", b"y")))).refused(400, "InvalidPart").await;
    let right = Some(("SHA256", checksum("SHA256", b"x")));
    let kind = complete(right.clone()).header("x-amz-checksum-type", "FULL_OBJECT");
    kind.refused(400, "InvalidRequest").await;
    client.head(&at).refused(404, "").await;
    complete(right).ok().await;
    // Without: the ETag says which part is meant.
    let upload = begin(&client, &at, "SHA256", "").await;
    let part = upload.put_with(&client, 1, ("SHA256", b"x")).await;
    let done = upload.complete(&client, &[part]).ok().await.xml();
    assert_eq!(done.at("ChecksumSHA256"), composite("SHA256", &[b"x"]));
    // A part without a checksum cannot be the one that is meant.
    let upload = crate::multipart::create(&client, &bucket, "k").await;
    let part = upload.put(&client, 1, b"x").await;
    let named = Some(("CRC32", checksum("CRC32", b"x")));
    upload.complete_with(&client, &[(part.clone(), named)]).refused(400, "InvalidPart").await;
    upload.complete_with(&client, &[(part, None)]).ok().await;
}

#[tokio::test]
async fn a_copy_keeps_its_checksum_or_gets_the_one_that_is_asked_for() {
    let (_gateway, client, bucket) = stand().await;
    for length in [0, 12_345, 17 * 1024 * 1024] {
        let body = noise(length);
        let from = path(&bucket, "from");
        let crc = checksum("CRC32C", &body);
        let put = client.put(&from).body(&body).header(&header("CRC32C"), &crc);
        let etag = put.header("x-amz-meta-a", "b").ok().await.at("etag").to_owned();
        for algorithm in ["", "CRC32C", "SHA256", "CRC64NVME"] {
            let to = path(&bucket, format!("to{algorithm}"));
            let mut copy = client.put(&to).header("x-amz-copy-source", &from);
            if !algorithm.is_empty() {
                copy = copy.header("x-amz-checksum-algorithm", algorithm);
            }
            let algorithm = if algorithm.is_empty() { "CRC32C" } else { algorithm };
            let want = checksum(algorithm, &body);
            let copied = copy.ok().await.xml();
            assert_eq!(copied.at(&format!("Checksum{algorithm}")), want);
            assert_eq!((copied.at("ChecksumType"), copied.at("ETag")), ("FULL_OBJECT", &*etag));
            let read = client.get(&to).header("x-amz-checksum-mode", "ENABLED").ok().await;
            assert!(read.body == body, "{algorithm} {length}");
            assert_eq!((read.at(&header(algorithm)), read.at("etag")), (&*want, &*etag));
            assert_eq!(read.at("x-amz-meta-a"), "b");
        }
    }
    let to = path(&bucket, "to");
    let copy = client.put(&to).header("x-amz-copy-source", path(&bucket, "from"));
    let unknown = copy.clone().header("x-amz-checksum-algorithm", "SHA512");
    unknown.refused(400, "InvalidRequest").await;
    // Onto itself, for the checksum alone.
    let itself =
        client.put(&path(&bucket, "from")).header("x-amz-copy-source", path(&bucket, "from"));
    itself.clone().refused(400, "InvalidRequest").await;
    let copied = itself.header("x-amz-checksum-algorithm", "SHA1").ok().await.xml();
    assert_eq!(copied.at("ChecksumSHA1"), checksum("SHA1", &noise(17 * 1024 * 1024)));
}

/// CRC64NVME is Azure's own checksum, too: one that is wrong never comes that far.
#[tokio::test]
async fn f30_f31_a_large_body_with_a_wrong_digest_leaves_the_old_object() {
    let (_gateway, client, bucket) = stand().await;
    let body = noise(21 * 1024 * 1024);
    let at = path(&bucket, "k");
    client.put(&at).body("old").ok().await;
    for algorithm in ALL {
        let wrong =
            client.put(&at).body(&body).header(&header(algorithm), checksum(algorithm, b""));
        wrong.refused(400, "BadDigest").await;
        assert_eq!(client.get(&at).ok().await.text(), "old");
    }
    for algorithm in ALL {
        let told = checksum(algorithm, &body);
        let put = client.put(&at).body(&body).header(&header(algorithm), &told).ok().await;
        assert_eq!(put.at(&header(algorithm)), told);
    }
    let read = client.get(&at).header("x-amz-checksum-mode", "ENABLED").ok().await;
    assert_eq!(read.at("x-amz-checksum-sha256"), checksum("SHA256", &body));
    assert!(read.body == body);
}

#[tokio::test]
async fn attributes_tell_of_parts_page_by_page() {
    let (_gateway, client, bucket) = stand().await;
    for (key, sizes) in [("alike", [MIN, MIN, 7]), ("not-alike", [MIN, MIN + 3, 7])] {
        let upload = crate::multipart::create(&client, &bucket, key).await;
        let mut parts = Vec::new();
        for (number, size) in (1..).zip(sizes) {
            parts.push(upload.put(&client, number, &noise(size)).await);
        }
        let done = upload.complete(&client, &parts).ok().await.xml();
        let told = attributes(&client, &upload.at).ok().await;
        assert_eq!(
            told.at("last-modified"),
            client.head(&upload.at).ok().await.at("last-modified")
        );
        let told = told.xml();
        assert_eq!(told.name, "GetObjectAttributesResponse");
        assert_eq!(told.at("ETag"), done.at("ETag").trim_matches('"'));
        assert_eq!(told.at("StorageClass"), "STANDARD");
        assert_eq!(told.at("ObjectSize"), sizes.iter().sum::<usize>().to_string());
        assert_eq!(told.texts("Checksum"), [""; 0]);
        assert_eq!(told.at("ObjectParts/PartsCount"), "3");
        assert_eq!(told.at("ObjectParts/IsTruncated"), "false");
        let parts = told.find("ObjectParts").unwrap();
        assert_eq!(parts.texts("Part/Size"), sizes.map(|size| size.to_string()));
        let page = attributes(&client, &upload.at).header("x-amz-max-parts", 1);
        let page = page.header("x-amz-part-number-marker", 1).ok().await.xml();
        assert_eq!(page.find("ObjectParts").unwrap().texts("Part/PartNumber"), ["2"]);
        assert_eq!(page.at("ObjectParts/NextPartNumberMarker"), "2");
        assert_eq!(page.at("ObjectParts/IsTruncated"), "true");
    }
    let at = path(&bucket, "plain");
    let crc = checksum("CRC32", b"plain");
    client.put(&at).body("plain").header("x-amz-checksum-crc32", &crc).ok().await;
    let told = attributes(&client, &at).ok().await.xml();
    assert_eq!((told.at("Checksum/ChecksumCRC32"), told.at("ObjectSize")), (&*crc, "5"));
    assert_eq!(told.texts("ObjectParts"), [""; 0]);
    let one = client.get(&at).query("attributes", "");
    one.clone().refused(400, "InvalidRequest").await;
    one.clone().header("x-amz-object-attributes", "Nonsense").refused(400, "InvalidArgument").await;
    let told = one.header("x-amz-object-attributes", "ObjectSize").ok().await;
    assert_eq!(told.xml().texts("ETag"), [""; 0]);
    let bad = attributes(&client, &at).header("x-amz-max-parts", "x");
    bad.refused(400, "InvalidArgument").await;
    attributes(&client, &at).header("if-match", "\"x\"").refused(412, "PreconditionFailed").await;
    attributes(&client, &path(&bucket, "none")).refused(404, "NoSuchKey").await;
}
