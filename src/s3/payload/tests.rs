//! Tests of bodies that check themselves: the cases of our security page, each with a positive
//! control, and random bodies in random frames.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use data_encoding::BASE64;
use http::HeaderMap;
use http_body::Frame;
use http_body_util::BodyExt as _;
use md5::Digest as _;
use md5_lanes::{Hashed, Lanes, State, Stream};
use proptest::prelude::*;

use super::{CheckedBody, Md5, Promised, Verified, read_document, stored_content_encoding};
use crate::s3::auth::tests::{chunks, vectors::example};
use crate::s3::auth::{Hex, Payload, SHA256_OF_NOTHING, SignedChunks, hex};
use crate::s3::body::{self, BoxError};
use crate::s3::checksum::{Checksum, ChecksumAlgorithm, Hasher};
use crate::s3::{Code, Error};

/// A body in frames as the network cuts them.
struct Frames(VecDeque<Result<Frame<Bytes>, BoxError>>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(self.0.pop_front())
    }
}

/// An error with a cause, as the layers around a body make them.
#[derive(Debug)]
struct Around(body::Stalled);

impl std::fmt::Display for Around {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("could not read the body")
    }
}

impl std::error::Error for Around {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// An upload, as it is built and then tampered with.
#[derive(Clone, Debug)]
struct Upload {
    payload: Payload,
    headers: HeaderMap,
    body: Vec<u8>,
    frame_bytes: usize,
    md5: Md5,
}

type Answer = Result<(Vec<u8>, Verified), Error>;

impl Upload {
    fn new(payload: Payload, body: impl Into<Vec<u8>>) -> Self {
        let headers = HeaderMap::new();
        Self { payload, headers, body: body.into(), frame_bytes: usize::MAX, md5: Md5::Skip }
    }

    /// With `aws-chunked` around it, signed if the payload is.
    fn chunked(payload: Payload, data: &[u8], sizes: &[usize], trailers: &[&str]) -> Self {
        let body = match &payload {
            Payload::SignedChunks(signed) => frame_signed(signed, data, sizes, trailers),
            Payload::Sha256(_)
            | Payload::Unsigned
            | Payload::UnsignedChunksWithTrailer
            | Payload::Absent => frame_unsigned(data, sizes, trailers),
        };
        Self::new(payload, body).with("x-amz-decoded-content-length", &data.len().to_string())
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    fn body(mut self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        change(&mut self.body);
        self
    }

    /// The body with text in it replaced, which has to be there.
    fn edit(self, from: &str, to: &str) -> Self {
        self.body(|body| {
            let at = body.windows(from.len()).position(|window| window == from.as_bytes());
            let at = at.unwrap_or_else(|| panic!("no {from:?}"));
            body.splice(at..at + from.len(), to.bytes());
        })
    }

    fn frames(mut self, bytes: usize) -> Self {
        self.frame_bytes = bytes;
        self
    }

    fn read(&self) -> Answer {
        let frame_bytes = self.frame_bytes.min(self.body.len().max(1));
        let frames = self.body.chunks(frame_bytes).map(<[u8]>::to_vec).collect::<Vec<_>>();
        self.read_frames(frames.into_iter().map(|frame| Ok(Frame::data(frame.into()))).collect())
    }

    fn read_frames(&self, frames: VecDeque<Result<Frame<Bytes>, BoxError>>) -> Answer {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let body = Frames(frames).boxed_unsync();
            let promised = Promised::read(&self.headers)?;
            let payload = self.payload.clone();
            let mut body = CheckedBody::new(body, payload, promised, &self.headers, self.md5)?;
            let mut data = Vec::new();
            while let Some(bytes) = body.next().await? {
                assert!(!bytes.is_empty());
                data.extend_from_slice(&bytes);
            }
            Ok((data, body.finish()?))
        })
    }

    /// The positive control.
    #[track_caller]
    fn accepted(&self, data: &[u8]) -> Verified {
        let (read, verified) = self.read().expect("accepted");
        assert!(read == data, "{} bytes instead of {}", read.len(), data.len());
        assert_eq!(verified.length(), data.len() as u64);
        verified
    }

    #[track_caller]
    fn refused(&self, code: Code) -> Error {
        let error = self.read().expect_err("refused");
        assert_eq!(error.code(), code, "{error}");
        error
    }
}

fn frame_unsigned(data: &[u8], sizes: &[usize], trailers: &[&str]) -> Vec<u8> {
    let (mut body, mut rest) = (Vec::new(), data);
    for size in sizes {
        let (chunk, after) = rest.split_at(*size);
        body.extend_from_slice(format!("{size:x}\r\n").as_bytes());
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
        rest = after;
    }
    assert!(rest.is_empty());
    body.extend_from_slice(b"0\r\n");
    body.extend(trailers.iter().flat_map(|line| [line.as_bytes(), b"\r\n"].concat()));
    body.extend_from_slice(b"\r\n");
    body
}

fn frame_signed(signed: &SignedChunks, data: &[u8], sizes: &[usize], trailers: &[&str]) -> Vec<u8> {
    let (mut body, mut rest, mut previous) = (Vec::new(), data, signed.seed);
    for size in sizes.iter().chain(&[0]) {
        let (chunk, after) = rest.split_at(*size);
        previous = sign_chunk(signed, &previous, chunk);
        let signature = String::from_utf8_lossy(&previous);
        body.extend_from_slice(format!("{size:x};chunk-signature={signature}\r\n").as_bytes());
        body.extend_from_slice(chunk);
        if *size > 0 {
            body.extend_from_slice(b"\r\n");
        }
        rest = after;
    }
    assert!(rest.is_empty());
    if signed.trailer {
        let lines: Vec<u8> =
            trailers.iter().flat_map(|line| [line.as_bytes(), b"\n"].concat()).collect();
        let digest = hex(&sha2::Sha256::digest(&lines).into());
        let signature = signed.key.sign([
            b"AWS4-HMAC-SHA256-TRAILER\n",
            signed.context.as_bytes(),
            &previous,
            b"\n",
            &digest,
        ]);
        body.extend(trailers.iter().flat_map(|line| [line.as_bytes(), b"\r\n"].concat()));
        let signature = String::from_utf8_lossy(&signature);
        body.extend_from_slice(format!("x-amz-trailer-signature:{signature}\r\n").as_bytes());
    }
    body.extend_from_slice(b"\r\n");
    body
}

fn sign_chunk(signed: &SignedChunks, previous: &Hex, chunk: &[u8]) -> Hex {
    signed.key.sign([
        b"AWS4-HMAC-SHA256-PAYLOAD\n",
        signed.context.as_bytes(),
        previous,
        b"\n",
        SHA256_OF_NOTHING.as_bytes(),
        b"\n",
        &hex(&sha2::Sha256::digest(chunk).into()),
    ])
}

fn signed() -> Payload {
    Payload::SignedChunks(chunks(false))
}

fn signed_with_trailer() -> Payload {
    Payload::SignedChunks(chunks(true))
}

fn checksum_of(algorithm: ChecksumAlgorithm, data: &[u8]) -> String {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(data);
    hasher.finish().base64()
}

/// Some bytes that are not all the same.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect()
}

/// The two uploads of the tests below: three signed chunks, and two unsigned with a trailer.
fn signed_upload() -> (Upload, Vec<u8>) {
    let data = bytes(8192 + 8192 + 100);
    (Upload::chunked(signed(), &data, &[8192, 8192, 100], &[]), data)
}

fn trailer_upload(payload: Payload) -> (Upload, Vec<u8>) {
    let data = bytes(8192 + 100);
    let trailer = format!("x-amz-checksum-crc32:{}", checksum_of(ChecksumAlgorithm::Crc32, &data));
    let upload = Upload::chunked(payload, &data, &[8192, 100], &[&trailer]);
    (upload.with("x-amz-trailer", "x-amz-checksum-crc32"), data)
}

#[test]
fn c25_the_chunked_examples_of_the_documentation_verify() {
    for name in ["streaming", "streaming-trailer"] {
        let example = example(name);
        let mut body = Vec::new();
        for line in example.body.lines() {
            body.extend_from_slice(format!("{line}\r\n").as_bytes());
            if let Some((size, _)) = line.split_once(";chunk-signature=") {
                let size = usize::from_str_radix(size, 16).unwrap();
                body.resize(body.len() + size, b'a');
                body.extend_from_slice(&b"\r\n"[..size.min(2)]);
            }
        }
        body.extend_from_slice(b"\r\n");
        if let Some(length) = example.headers.get("content-length") {
            assert_eq!(length.to_str().unwrap(), body.len().to_string());
        }
        let mut upload = Upload::new(example.signed.payload(), body);
        upload.headers = example.headers;
        for frame_bytes in [usize::MAX, 1000, 97, 3, 1] {
            let verified = upload.clone().frames(frame_bytes).accepted(&vec![b'a'; 66_560]);
            let checksum = verified.checksum().map(Checksum::base64);
            assert_eq!(checksum.is_some(), name == "streaming-trailer");
            assert!(checksum.is_none_or(|checksum| checksum == "sOO8/Q=="));
        }
    }
}

#[test]
fn c25_a_trailer_line_may_end_as_in_the_documentation() {
    for payload in [signed_with_trailer(), Payload::UnsignedChunksWithTrailer] {
        let (upload, data) = trailer_upload(payload);
        upload.accepted(&data);
        let value = checksum_of(ChecksumAlgorithm::Crc32, &data);
        upload.edit(&format!("{value}\r\n"), &format!("{value}\n\r\n")).accepted(&data);
    }
}

#[test]
fn c27_chunks_cannot_be_changed_swapped_repeated_or_dropped() {
    let (upload, data) = signed_upload();
    upload.accepted(&data);
    let chunk = |number: usize| 8192 * number..8192 * (number + 1);
    let line = "2000;chunk-signature=".len() + 64 + 2;
    let whole = line + 8192 + 2;
    for at in [line, line + 8191, whole + line, 2 * whole + line] {
        upload.clone().body(|body| body[at] ^= 1).refused(Code::SignatureDoesNotMatch);
    }
    for start in [0, whole, 2 * whole] {
        let at = start + "2000;chunk-signature=".len() + 5;
        let flipped =
            upload.clone().body(|body| body[at] = if body[at] == b'0' { b'1' } else { b'0' });
        flipped.refused(Code::SignatureDoesNotMatch);
    }
    let swapped = upload.clone().body(|body| {
        let first: Vec<u8> = body.drain(..whole).collect();
        body.splice(whole..whole, first);
    });
    swapped.refused(Code::SignatureDoesNotMatch);
    let repeated = upload.clone().body(|body| body.copy_within(..whole, whole));
    repeated.refused(Code::SignatureDoesNotMatch);
    let dropped = upload.clone().body(|body| drop(body.drain(..whole)));
    dropped.refused(Code::SignatureDoesNotMatch);
    let last = upload.body(|body| drop(body.drain(2 * whole..2 * whole + line + 100)));
    last.refused(Code::IncompleteBody);
    let mut shorter = [&data[chunk(0)], &data[chunk(1)]].concat();
    shorter.push(0);
    Upload::chunked(signed(), &shorter, &[8192, 8192, 1], &[]).accepted(&shorter);
}

#[test]
fn c28_a_body_that_ends_early_is_incomplete() {
    for (upload, data) in [
        signed_upload(),
        trailer_upload(signed_with_trailer()),
        trailer_upload(Payload::UnsignedChunksWithTrailer),
    ] {
        upload.accepted(&data);
        let whole = upload.body.len();
        let near = (0..200).chain(8150..8500).chain(whole - 300..whole);
        for length in near.filter(|length| *length < whole) {
            let cut = upload.clone().body(|body| body.truncate(length));
            assert_eq!(cut.read().unwrap_err().code(), Code::IncompleteBody, "{length} of {whole}");
        }
    }
}

#[test]
fn c29_a_chunk_that_says_more_than_it_sends_proves_nothing() {
    for payload in [signed(), Payload::UnsignedChunksWithTrailer] {
        let line = match payload {
            Payload::SignedChunks(_) => format!("100000;chunk-signature={}\r\n", "0".repeat(64)),
            Payload::Sha256(_)
            | Payload::Unsigned
            | Payload::UnsignedChunksWithTrailer
            | Payload::Absent => "100000\r\n".to_owned(),
        };
        let upload = Upload::new(payload, [line.as_bytes(), &bytes(5000)].concat());
        upload.with("x-amz-decoded-content-length", "1048576").refused(Code::IncompleteBody);
    }
}

#[test]
fn c30_sizes_that_are_none_are_refused_in_bounded_memory() {
    let check = |line: &str| {
        let upload = Upload::new(Payload::UnsignedChunksWithTrailer, format!("{line}\r\nabc\r\n"));
        let upload = upload.with("x-amz-decoded-content-length", "3");
        upload.refused(Code::IncompleteBody);
        upload.frames(1).refused(Code::IncompleteBody);
        let tail = format!(";chunk-signature={}", "0".repeat(64));
        let upload = Upload::new(signed(), format!("{line}{tail}\r\nabc\r\n"));
        upload.with("x-amz-decoded-content-length", "3").refused(Code::IncompleteBody);
    };
    for line in ["FFFFFFFFFFFFFFFFF", "-1", "0x10", "+5", "", " 3", "3 ", "g", "3\n"] {
        check(line);
    }
    check(&"0".repeat(1024 * 1024));
    check(&format!("3;{}", "a".repeat(1024 * 1024)));
    let most = Upload::new(Payload::UnsignedChunksWithTrailer, "FFFFFFFFFFFFFFFF\r\nabc\r\n");
    most.with("x-amz-decoded-content-length", "3").refused(Code::IncompleteBody);
    let three = Upload::new(Payload::UnsignedChunksWithTrailer, "3\r\nabc\r\n0\r\n\r\n");
    let three = three.with("x-amz-decoded-content-length", "3");
    three.accepted(b"abc");
    three.edit("3\r\n", "0003\r\n").accepted(b"abc");
    let unsigned = Upload::new(signed(), "3\r\nabc\r\n0\r\n\r\n");
    unsigned.with("x-amz-decoded-content-length", "3").refused(Code::IncompleteBody);
}

#[test]
fn c31_a_huge_signed_chunk_is_refused_at_its_first_line() {
    let line = format!("180000000;chunk-signature={}\r\n", "0".repeat(64));
    let upload = Upload::new(signed(), line);
    let upload = upload.with("x-amz-decoded-content-length", "6442450944");
    let error = upload.refused(Code::InvalidRequest);
    assert!(error.text().contains("16777216"), "{error}");
    let most = format!("1000000;chunk-signature={}\r\n", "0".repeat(64));
    let upload = Upload::new(signed(), most);
    upload.with("x-amz-decoded-content-length", "16777216").refused(Code::IncompleteBody);
}

#[test]
fn c31_an_unsigned_chunk_may_be_as_large_as_the_body() {
    // The SDK for Go sends a body of known length as one chunk.
    let data = bytes(20 * 1024 * 1024);
    let upload = Upload::chunked(Payload::UnsignedChunksWithTrailer, &data, &[data.len()], &[]);
    upload.frames(65_536).accepted(&data);
}

#[test]
fn c32_the_decoded_length_has_to_be_there_and_right() {
    for (upload, data) in [signed_upload(), trailer_upload(Payload::UnsignedChunksWithTrailer)] {
        upload.accepted(&data);
        let with = |length: &str| upload.clone().with("x-amz-decoded-content-length", length);
        let mut none = upload.clone();
        none.headers.remove("x-amz-decoded-content-length");
        none.refused(Code::MissingContentLength);
        none.with("content-length", "9000").refused(Code::MissingContentLength);
        for wrong in [data.len() - 1, data.len() + 1, 0] {
            with(&wrong.to_string()).refused(Code::IncompleteBody);
        }
        for wrong in ["-1", "+5", "a", "", "18446744073709551616"] {
            with(wrong).refused(Code::IncompleteBody);
        }
    }
}

#[test]
fn c33_a_trailer_is_as_declared_and_small() {
    for payload in [signed_with_trailer(), Payload::UnsignedChunksWithTrailer] {
        let (upload, data) = trailer_upload(payload);
        upload.accepted(&data);
        let line =
            format!("x-amz-checksum-crc32:{}\r\n", checksum_of(ChecksumAlgorithm::Crc32, &data));
        let check = |to: &str| {
            let edited = upload.clone().edit(&line, to);
            edited.refused(Code::MalformedTrailerError);
            edited.frames(1).refused(Code::MalformedTrailerError);
        };
        check("");
        check(&line.replace("crc32", "crc32c"));
        check(&line.replace("x-amz-checksum-crc32", "x-amz-meta-a"));
        check(&line.replace(':', "="));
        check(&format!("{line}{line}"));
        check(&format!("{line}x-amz-meta-a:b\r\n"));
        check(&format!("x-amz-checksum-crc32:{}\r\n", "A".repeat(100_000)));
        check(&"x-amz-meta-a:b\r\n".repeat(10_000));
        let upper = line.replace("x-amz-checksum-crc32", "X-Amz-Checksum-CRC32");
        upload.clone().edit(&line, &upper).accepted(&data);
    }
    let (upload, data) = trailer_upload(Payload::UnsignedChunksWithTrailer);
    let value = checksum_of(ChecksumAlgorithm::Crc32, &data);
    let error = upload.edit(&value, "no base64").refused(Code::InvalidRequest);
    assert_eq!(error.text(), "Value for x-amz-checksum-crc32 trailing header is invalid.");
}

#[test]
fn c33_a_trailer_that_was_not_declared_is_refused() {
    for payload in [signed_with_trailer(), Payload::UnsignedChunksWithTrailer] {
        let (mut upload, _) = trailer_upload(payload.clone());
        upload.headers.remove("x-amz-trailer");
        upload.refused(Code::MalformedTrailerError);
        Upload::chunked(payload, b"abc", &[3], &[]).accepted(b"abc");
    }
    let unasked = Upload::chunked(signed(), b"abc", &[3], &[]);
    unasked.accepted(b"abc");
    let (trailer, _) = trailer_upload(signed());
    trailer.refused(Code::MalformedTrailerError);
}

#[test]
fn c34_a_wrong_trailer_is_refused() {
    for payload in [signed_with_trailer(), Payload::UnsignedChunksWithTrailer] {
        let data = bytes(100);
        let wrong = ["x-amz-checksum-crc32:AAAAAA=="];
        let upload = Upload::chunked(payload, &data, &[100], &wrong);
        let error = upload.with("x-amz-trailer", "x-amz-checksum-crc32").refused(Code::BadDigest);
        assert_eq!(error.text(), "The CRC32 you specified did not match the calculated checksum.");
    }
    let (upload, data) = trailer_upload(signed_with_trailer());
    upload.accepted(&data);
    let value = checksum_of(ChecksumAlgorithm::Crc32, &data);
    upload.clone().edit(&value, "AAAAAA==").refused(Code::SignatureDoesNotMatch);
    let zeros = format!("x-amz-trailer-signature:{}\r\n", "0".repeat(64));
    let at = upload.body.len() - zeros.len() - 2;
    let replace = |text: &str| {
        upload.clone().body(|body| drop(body.splice(at..at + zeros.len(), text.bytes())))
    };
    replace(&zeros).refused(Code::SignatureDoesNotMatch);
    replace("").refused(Code::MalformedTrailerError);
    replace("x-amz-trailer-signature:abc\r\n").refused(Code::MalformedTrailerError);
}

#[test]
fn c35_aws_chunked_needs_no_content_length() {
    let (upload, data) = trailer_upload(Payload::UnsignedChunksWithTrailer);
    assert!(!upload.headers.contains_key("content-length"));
    upload.with("transfer-encoding", "chunked").accepted(&data);
    for payload in [signed(), Payload::UnsignedChunksWithTrailer] {
        Upload::chunked(payload, b"", &[], &[]).accepted(b"");
    }
}

#[test]
fn c35_a_plain_body_needs_no_content_length() {
    Upload::new(Payload::Unsigned, "abc").with("transfer-encoding", "chunked").accepted(b"abc");
    let body = CheckedBody::new(
        Frames(VecDeque::new()).boxed_unsync(),
        Payload::Unsigned,
        Promised::default(),
        &HeaderMap::new(),
        Md5::Skip,
    );
    assert_eq!(body.unwrap().length(), None);
    let body = CheckedBody::new(
        body::full("abc"),
        Payload::Unsigned,
        Promised::default(),
        &HeaderMap::new(),
        Md5::Skip,
    );
    assert_eq!(body.unwrap().length(), Some(3));
}

#[test]
fn c36_nothing_comes_after_the_end() {
    for (upload, data) in [
        signed_upload(),
        trailer_upload(signed_with_trailer()),
        trailer_upload(Payload::UnsignedChunksWithTrailer),
    ] {
        upload.accepted(&data);
        let longer = upload.body(|body| body.push(b'a'));
        longer.refused(Code::IncompleteBody);
        longer.frames(1).refused(Code::IncompleteBody);
    }
}

#[test]
fn c36_aws_chunked_is_not_stored() {
    let stored = |values: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("content-encoding", value.parse().unwrap());
        }
        stored_content_encoding(&headers)
    };
    assert_eq!(stored(&["aws-chunked,gzip"]).as_deref(), Some("gzip"));
    assert_eq!(stored(&["gzip, AWS-chunked"]).as_deref(), Some("gzip"));
    assert_eq!(stored(&["gzip", "aws-chunked"]).as_deref(), Some("gzip"));
    assert_eq!(stored(&["gzip,br"]).as_deref(), Some("gzip,br"));
    assert_eq!(stored(&["aws-chunked"]), None);
    assert_eq!(stored(&[""]), None);
    assert_eq!(stored(&[]), None);
}

#[test]
fn only_the_last_signed_chunk_may_be_small() {
    let data = bytes(8191 + 1);
    let small = |payload| Upload::chunked(payload, &data, &[8191, 1], &[]);
    let error = small(signed()).refused(Code::InvalidChunkSizeError);
    assert_eq!(error.text(), "Only the last chunk is allowed to have a size less than 8192 bytes");
    small(Payload::UnsignedChunksWithTrailer).accepted(&data);
    let data = bytes(8192 + 1);
    Upload::chunked(signed(), &data, &[8192, 1], &[]).accepted(&data);
}

#[test]
fn c21_a_body_with_another_hash_is_refused() {
    let hash: [u8; 32] = sha2::Sha256::digest(b"abc").into();
    Upload::new(Payload::Sha256(hash), "abc").accepted(b"abc");
    let error = Upload::new(Payload::Sha256(hash), "abd").refused(Code::XAmzContentSHA256Mismatch);
    let names: Vec<&str> = error.details().iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["ClientComputedContentSHA256", "S3ComputedContentSHA256"]);
    Upload::new(Payload::Sha256(hash), "").refused(Code::XAmzContentSHA256Mismatch);
}

#[test]
fn f30_a_wrong_content_md5_is_refused() {
    let md5 = BASE64.encode(&md5::Md5::digest(b"abc"));
    for payload in [Payload::Unsigned, Payload::Absent] {
        let upload = Upload::new(payload, "abc").with("content-md5", &md5);
        let verified = upload.accepted(b"abc");
        assert!(verified.content_md5_was_promised() && verified.md5().is_some());
        let error = upload.body(|body| body[0] = b'x').refused(Code::BadDigest);
        assert_eq!(error.details()[0], ("ExpectedDigest", md5.clone()));
    }
    let (upload, data) = trailer_upload(Payload::UnsignedChunksWithTrailer);
    let md5 = BASE64.encode(&md5::Md5::digest(&data));
    upload.clone().with("content-md5", &md5).accepted(&data);
    upload.with("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==").refused(Code::BadDigest);
}

#[test]
fn f31_every_checksum_is_computed_and_compared() {
    for algorithm in ChecksumAlgorithm::ALL {
        let value = checksum_of(algorithm, b"abc");
        for payload in [Payload::Unsigned, Payload::Sha256(sha2::Sha256::digest(b"abc").into())] {
            let upload = Upload::new(payload, "abc").with(algorithm.header(), &value);
            assert_eq!(upload.accepted(b"abc").checksum().unwrap().base64(), value);
            let other = checksum_of(algorithm, b"abd");
            let error = upload.with(algorithm.header(), &other).refused(Code::BadDigest);
            assert!(error.text().starts_with(&format!("The {algorithm} you specified")), "{error}");
        }
        let trailer = format!("{}:{value}", algorithm.header());
        for payload in [signed_with_trailer(), Payload::UnsignedChunksWithTrailer] {
            let upload = Upload::chunked(payload, b"abc", &[3], &[&trailer]);
            let verified = upload.with("x-amz-trailer", algorithm.header()).accepted(b"abc");
            assert_eq!(verified.checksum().unwrap().base64(), value);
        }
    }
}

#[test]
fn digests_are_computed_only_where_somebody_asked() {
    let mut upload = Upload::new(Payload::Unsigned, "abc");
    let verified = upload.accepted(b"abc");
    assert!(verified.md5().is_none() && verified.checksum().is_none());
    upload.md5 = Md5::Compute;
    let verified = upload.accepted(b"abc");
    assert_eq!(verified.md5(), Some(md5::Md5::digest(b"abc").into()));
    assert!(!verified.content_md5_was_promised());
    let asked = Promised::default().or_compute(ChecksumAlgorithm::Crc32);
    let asked = asked.or_compute(ChecksumAlgorithm::Sha1);
    assert_eq!(asked.checksum.unwrap().algorithm(), ChecksumAlgorithm::Crc32);
}

/// The MD5 of `text`, computed elsewhere.
fn hashed(text: &'static [u8]) -> Hashed {
    let mut stream = [Stream::new(State::default(), [Bytes::from_static(text)])];
    Lanes::new().digest(&mut stream, usize::MAX);
    let [stream] = stream;
    stream.into_state().finish()
}

/// A body of `abc` whose MD5 is given, and what its headers promise.
async fn abc_with(content_md5: Option<&[u8]>) -> CheckedBody {
    let mut headers = HeaderMap::new();
    if let Some(of) = content_md5 {
        let md5 = BASE64.encode(&md5::Md5::digest(of));
        headers.insert("content-md5", md5.parse().unwrap());
    }
    let promised = Promised::read(&headers).unwrap();
    let body = body::full("abc");
    let mut body =
        CheckedBody::new(body, Payload::Unsigned, promised, &headers, Md5::Given).unwrap();
    while body.next().await.unwrap().is_some() {}
    body
}

#[tokio::test]
async fn an_md5_that_is_given_is_held_against_what_was_promised() {
    for promised in [None, Some(&b"abc"[..])] {
        let verified = abc_with(promised).await.finish_with(hashed(b"abc")).unwrap();
        assert_eq!(verified.md5(), Some(hashed(b"abc").md5()));
    }
    let wrong = abc_with(Some(b"abd")).await.finish_with(hashed(b"abc"));
    assert_eq!(wrong.unwrap_err().code(), Code::BadDigest);
}

#[tokio::test]
async fn an_md5_that_is_not_given_or_of_other_bytes_proves_nothing() {
    assert_eq!(abc_with(None).await.finish().unwrap_err().code(), Code::InternalError);
    let shorter = abc_with(None).await.finish_with(hashed(b"ab"));
    assert_eq!(shorter.unwrap_err().code(), Code::InternalError);
    for of in [&b"ab"[..], b"abc"] {
        let body = body::full("abc");
        let promised = Promised::default();
        let headers = HeaderMap::new();
        let body = CheckedBody::new(body, Payload::Unsigned, promised, &headers, Md5::Skip);
        let mut body = body.unwrap();
        while body.next().await.unwrap().is_some() {}
        let unasked = body.finish_with(hashed(of));
        assert_eq!(unasked.unwrap_err().code(), Code::InternalError);
    }
}

#[test]
fn f01_a_plain_body_that_is_cut_proves_nothing() {
    let upload = Upload::new(Payload::Unsigned, "abc").with("content-length", "3");
    upload.accepted(b"abc");
    upload.clone().body(|body| body.truncate(2)).refused(Code::IncompleteBody);
    upload.clone().body(|body| body.push(b'd')).refused(Code::IncompleteBody);
    let frames = |error: BoxError| VecDeque::from([Ok(Frame::data(Bytes::from("ab"))), Err(error)]);
    let error = upload.read_frames(frames("connection reset".into())).unwrap_err();
    assert_eq!(error.code(), Code::IncompleteBody);
    let error = upload.read_frames(frames(Box::new(body::Stalled))).unwrap_err();
    assert_eq!(error.code(), Code::RequestTimeout);
    let error = upload.read_frames(frames(Box::new(Around(body::Stalled)))).unwrap_err();
    assert_eq!(error.code(), Code::RequestTimeout);
}

#[test]
fn a_body_that_was_not_read_to_its_end_proves_nothing() {
    let upload = Upload::new(Payload::Unsigned, "abc");
    let body = CheckedBody::new(
        body::full("abc"),
        Payload::Unsigned,
        Promised::default(),
        &upload.headers,
        Md5::Skip,
    );
    assert_eq!(body.unwrap().finish().unwrap_err().code(), Code::IncompleteBody);
}

#[test]
fn a_checksum_may_come_in_trailers_of_http() {
    let value = checksum_of(ChecksumAlgorithm::Crc32, b"abc");
    let upload = Upload::new(Payload::Unsigned, "").with("x-amz-trailer", "x-amz-checksum-crc32");
    let read = |value: &str| {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-amz-checksum-crc32", value.parse().unwrap());
        let frames = [Ok(Frame::data(Bytes::from("abc"))), Ok(Frame::trailers(trailers))];
        upload.read_frames(frames.into())
    };
    assert!(read(&value).is_ok());
    assert_eq!(read("AAAAAA==").unwrap_err().code(), Code::BadDigest);
    upload.refused(Code::MalformedTrailerError);
}

#[tokio::test]
async fn c56_a_document_is_read_to_its_limit() {
    let read = async |limit: usize, length: Option<&str>| {
        let mut headers = HeaderMap::new();
        if let Some(length) = length {
            headers.insert("content-length", length.parse().unwrap());
        }
        let frames = ["abc", "def"].map(|text| Ok(Frame::data(Bytes::from(text))));
        let body = Frames(frames.into()).boxed_unsync();
        let promised = Promised::default();
        let body = CheckedBody::new(body, Payload::Unsigned, promised, &headers, Md5::Skip)?;
        read_document(body, limit).await
    };
    assert_eq!(read(6, None).await.unwrap(), "abcdef");
    assert_eq!(read(6, Some("6")).await.unwrap(), "abcdef");
    for (limit, length) in [(5, None), (5, Some("6")), (5, Some("18446744073709551615"))] {
        let error = read(limit, length).await.unwrap_err();
        assert_eq!(error.code(), Code::MaxMessageLengthExceeded);
    }
    assert_eq!(read(100, Some("7")).await.unwrap_err().code(), Code::IncompleteBody);
}

/// An upload in chunks of any allowed sizes, of any chunked kind.
fn any_upload() -> impl Strategy<Value = (Upload, Vec<u8>)> {
    let sizes = (proptest::collection::vec(8192_usize..20_000, 0..4), 0_usize..9000);
    (sizes, 0..3, any::<u8>()).prop_map(|((mut sizes, last), kind, seed)| {
        if last > 0 {
            sizes.push(last);
        }
        let mut data = bytes(sizes.iter().sum());
        for byte in &mut data {
            *byte ^= seed;
        }
        if kind == 0 {
            return (Upload::chunked(signed(), &data, &sizes, &[]), data);
        }
        let payload =
            if kind == 1 { signed_with_trailer() } else { Payload::UnsignedChunksWithTrailer };
        let value = checksum_of(ChecksumAlgorithm::Crc64Nvme, &data);
        let trailer = format!("x-amz-checksum-crc64nvme:{value}");
        let upload = Upload::chunked(payload, &data, &sizes, &[&trailer]);
        (upload.with("x-amz-trailer", "x-amz-checksum-crc64nvme"), data)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn however_the_network_cuts_it_a_body_is_the_same(
        (upload, data) in any_upload(),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(upload.body.len())).collect();
        cuts.sort_unstable();
        let mut rest = Bytes::from(upload.body.clone());
        let mut frames = VecDeque::new();
        let mut before = 0;
        for cut in cuts {
            frames.push_back(Ok(Frame::data(rest.split_to(cut - before))));
            before = cut;
        }
        frames.push_back(Ok(Frame::data(rest)));
        let (read, verified) = upload.read_frames(frames).expect("accepted");
        prop_assert!(read == data);
        prop_assert_eq!(verified.length(), data.len() as u64);
    }

    #[test]
    fn c27_one_changed_byte_anywhere_never_proves_other_bytes(
        (upload, data) in any_upload(),
        at in any::<prop::sample::Index>(),
        flip in 1_u8..,
        frame_bytes in 1_usize..5000,
    ) {
        let at = at.index(upload.body.len());
        let changed = upload.frames(frame_bytes).body(|body| body[at] ^= flip);
        if let Ok((read, _)) = changed.read() {
            prop_assert!(read == data);
        }
    }

    #[test]
    fn c57_no_bytes_make_the_decoder_panic(
        body in proptest::collection::vec(proptest::sample::select(b"0123aF;\r\n:x-=".to_vec()), 0..200),
        kind in 0_usize..3,
    ) {
        let payload = [signed(), signed_with_trailer(), Payload::UnsignedChunksWithTrailer][kind].clone();
        let upload = Upload::new(payload, body).with("x-amz-decoded-content-length", "3");
        if let Ok((read, _)) = upload.frames(3).read() {
            prop_assert_eq!(read.len(), 3);
        }
    }
}
