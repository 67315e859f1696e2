//! Does one part of a request again and again, for `bench/parts`, which counts the instructions.
//!
//! `parts NAME TIMES`, where NAME is one of
//! - `signature`: the signature of AWS's own example of a GET is checked, its signing key known;
//! - `operation`: a path, a query and headers become an operation on an object;
//! - `chunks`: a body of 1 MiB in `aws-chunked` frames of 64 KiB, with a CRC32 after it, is taken apart and checked;
//! - `md5`: 8 MiB of one stream are digested;
//! - `md5-together`: 1 MiB of each of eight streams is.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a tool for who works on it, which says so where it cannot"
)]

use std::env;
use std::hint::black_box;

use bluebucket::s3::auth::{
    AccessKeyId, KeyRing, Payload, RequestHead, Rules, SecretKey, SigningKeys, verify,
};
use bluebucket::s3::body;
use bluebucket::s3::checksum::{ChecksumAlgorithm, Hasher};
use bluebucket::s3::operation::Operation;
use bluebucket::s3::payload::{CheckedBody, Md5, Promised};
use bluebucket::s3::query::{Plus, Query};
use bluebucket::s3::target::{self, Domains};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use md5_lanes::{Lanes, State, Stream};
use time::macros::datetime;

const MIB: usize = 1024 * 1024;
const CHUNK_BYTES: usize = 64 * 1024;

fn main() {
    let mut arguments = env::args().skip(1);
    let (name, times) = (arguments.next(), arguments.next().and_then(|text| text.parse().ok()));
    let (Some(name), Some(times)) = (name, times) else { panic!("parts NAME TIMES") };
    match name.as_str() {
        "signature" => signature(times),
        "operation" => operation(times),
        "chunks" => chunks(times),
        "md5" => md5(times, 1, 8 * MIB),
        "md5-together" => md5(times, 8, MIB),
        _ => panic!("{name} is none of the parts"),
    }
}

fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
    let value = |text: &str| HeaderValue::from_str(text).expect("a value");
    all.iter().map(|(name, text)| (HeaderName::from_static(name), value(text))).collect()
}

/// The only key there is.
struct Example;

impl KeyRing for Example {
    fn secret(&self, _: &AccessKeyId) -> Option<SecretKey> {
        Some(SecretKey::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"))
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>, "GET Object".
fn signature(times: usize) {
    let headers = headers(&[
        ("host", "examplebucket.s3.amazonaws.com"),
        ("range", "bytes=0-9"),
        ("x-amz-date", "20130524T000000Z"),
        (
            "x-amz-content-sha256",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
    ]);
    let head = RequestHead {
        method: &Method::GET,
        virtual_bucket: None,
        raw_path: "/test.txt",
        raw_query: None,
        headers: &headers,
    };
    let (rules, keys, now) =
        (Rules::default(), SigningKeys::default(), datetime!(2013-05-24 00:00:00 UTC));
    for _ in 0..times {
        let signed = verify(black_box(&head), &Example, &rules, now, &keys);
        assert!(matches!(signed, Ok(Some(_))), "the example's signature is right");
    }
}

fn operation(times: usize) {
    let headers = headers(&[("host", "localhost:9000"), ("x-amz-date", "20130524T000000Z")]);
    let domains = Domains::default();
    for _ in 0..times {
        let target =
            target::read("localhost:9000", black_box("/photos/a%20b/c"), &domains, Plus::IsPlus);
        let query = Query::parse(black_box("partNumber=7&uploadId=abc")).expect("a query");
        let read = Operation::read(&Method::PUT, &target.expect("a target"), &query, &headers);
        assert!(matches!(read, Ok(Operation::UploadPart)), "it is a part");
    }
}

fn chunks(times: usize) {
    let data = vec![7; CHUNK_BYTES];
    let mut hasher = Hasher::new(ChecksumAlgorithm::Crc32);
    let mut sent = Vec::new();
    for _ in 0..MIB / CHUNK_BYTES {
        hasher.update(&data);
        sent.extend_from_slice(format!("{CHUNK_BYTES:x}\r\n").as_bytes());
        sent.extend_from_slice(&data);
        sent.extend_from_slice(b"\r\n");
    }
    let checksum = hasher.finish().base64();
    sent.extend_from_slice(format!("0\r\nx-amz-checksum-crc32:{checksum}\r\n\r\n").as_bytes());
    let sent = Bytes::from(sent);
    let length = MIB.to_string();
    let headers = headers(&[
        ("x-amz-decoded-content-length", &length),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
    ]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for _ in 0..times {
        let promised = Promised::read(&headers).expect("promises");
        let (body, payload) = (body::full(sent.clone()), Payload::UnsignedChunksWithTrailer);
        let body = CheckedBody::new(body, payload, promised, &headers, Md5::Skip);
        let mut body = body.expect("a body");
        runtime.block_on(async { while body.next().await.expect("bytes").is_some() {} });
        assert!(body.finish().is_ok(), "it is what was promised");
    }
}

fn md5(times: usize, streams: usize, bytes: usize) {
    let (data, lanes) = (Bytes::from(vec![7; bytes]), Lanes::new());
    for _ in 0..times {
        let one = || Stream::new(State::default(), [data.clone()]);
        let mut all: Vec<_> = (0..streams).map(|_| one()).collect();
        lanes.digest(&mut all, usize::MAX);
        assert!(all.iter().all(Stream::is_done), "nothing is left");
    }
}
