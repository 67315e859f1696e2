//! aws-chunked from outside: every piece of it spoiled in turn. The old object stays each time.

use crate::harness::chunks::{Chunk, Frames};
use crate::harness::wire::Answer;
use crate::harness::{Client, Gateway, Payload, Request, Streaming, noise, path};
use crate::objects::stand;

/// An object that stays, and what is put over it in vain.
struct Target {
    _gateway: Gateway,
    client: Client,
    at: String,
    body: Vec<u8>,
}

const CRC32: &str = "x-amz-checksum-crc32";

impl Target {
    async fn build() -> Self {
        let (gateway, client, bucket) = stand().await;
        let at = path(&bucket, "k");
        client.put(&at).body("old").ok().await;
        Self { _gateway: gateway, client, at, body: noise(200_000) }
    }

    fn put(&self, kind: Streaming) -> Request {
        let put = self.client.put(&self.at).streaming(kind).body(&self.body);
        if kind.has_trailer() { put.trailer(CRC32, &crc32(&self.body)) } else { put }
    }

    /// The answer is one of these, and the object is as it was.
    async fn refused(&self, what: &str, answer: Answer, wanted: &[(u16, &str)]) {
        let code = answer.error();
        assert!(
            wanted.contains(&(answer.status, code.as_str())),
            "{what}: {} {code}, wanted {wanted:?}: {answer:?}",
            answer.status
        );
        assert_eq!(self.client.get(&self.at).ok().await.text(), "old", "{what}");
    }

    async fn accepted(&self, what: &str, request: Request) {
        let answer = request.send().await;
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        assert!(self.client.get(&self.at).ok().await.body == self.body, "{what}");
        self.client.put(&self.at).body("old").ok().await;
    }

    /// Sends what the request says, but less of it, and ends the connection's sending side.
    async fn cut(&self, request: Request, keep: impl Fn(&[u8]) -> usize) -> Option<Answer> {
        let prepared = request.prepare();
        let mut wire = self.client.wire().await;
        wire.send(prepared.head_bytes()).await.unwrap();
        wire.send(&prepared.body[..keep(&prepared.body)]).await.unwrap();
        wire.finish().await.unwrap();
        wire.answer("PUT").await.ok()
    }
}

fn crc32(bytes: &[u8]) -> String {
    let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, bytes);
    data_encoding::BASE64.encode(&u32::try_from(sum).unwrap().to_be_bytes())
}

const MISMATCH: &[(u16, &str)] = &[(403, "SignatureDoesNotMatch")];
const INCOMPLETE: &[(u16, &str)] = &[(400, "IncompleteBody")];

#[tokio::test]
async fn every_kind_of_streaming_is_taken() {
    let target = Target::build().await;
    for kind in Streaming::ALL {
        for size in [8192, 65_536, 70_001, 1_000_000] {
            target.accepted(&format!("{kind:?} {size}"), target.put(kind).chunk_size(size)).await;
        }
        // C35: nginx in front makes it chunked, without a length.
        target.accepted(&format!("c35 {kind:?}"), target.put(kind).chunked()).await;
    }
    let values = [
        ("x-amz-checksum-crc32c", crc_fast::CrcAlgorithm::Crc32Iscsi, 4),
        ("x-amz-checksum-crc64nvme", crc_fast::CrcAlgorithm::Crc64Nvme, 8),
    ];
    for (name, algorithm, bytes) in values {
        let sum = crc_fast::checksum(algorithm, &target.body).to_be_bytes();
        let sum = data_encoding::BASE64.encode(&sum[8 - bytes..]);
        for kind in [Streaming::SignedTrailer, Streaming::UnsignedTrailer] {
            let put = target.client.put(&target.at).streaming(kind).body(&target.body);
            target.accepted(name, put.trailer(name, &sum)).await;
        }
    }
}

/// C27
#[tokio::test]
async fn c27_no_chunk_can_be_changed_moved_or_dropped() {
    let target = Target::build().await;
    type Alter = fn(&mut Frames);
    let alterations: [(&str, Alter); 6] = [
        ("flip a byte", |frames| frames.chunks[1].bytes[7] ^= 1),
        ("flip a signature", |frames| {
            let head = &mut frames.chunks[1].head;
            let last = if head.ends_with('0') { '1' } else { '0' };
            head.pop();
            head.push(last);
        }),
        ("swap", |frames| frames.chunks.swap(0, 1)),
        ("repeat", |frames| {
            let again = frames.chunks[0].clone();
            frames.chunks.insert(0, again);
        }),
        ("drop", |frames| {
            frames.chunks.remove(1);
        }),
        ("cut short", |frames| {
            frames.chunks[1].bytes.truncate(100);
            let signature = frames.chunks[1].head.split_once(';').unwrap().1.to_owned();
            frames.chunks[1].head = format!("64;{signature}");
        }),
    ];
    for (what, alter) in alterations {
        for kind in [Streaming::Signed, Streaming::SignedTrailer] {
            let answer = target.put(kind).frames(alter).send().await;
            let wanted = [MISMATCH, INCOMPLETE, &[(400, "InvalidChunkSizeError")]].concat();
            target.refused(what, answer, &wanted).await;
        }
    }
    let unsigned =
        target.put(Streaming::UnsignedTrailer).frames(|frames| frames.chunks[1].bytes[7] ^= 1);
    target.refused("unsigned", unsigned.send().await, &[(400, "BadDigest")]).await;
}

/// C28, C29
#[tokio::test]
async fn c28_c29_a_body_that_ends_early_is_incomplete() {
    let target = Target::build().await;
    let signed = || target.put(Streaming::Signed);
    let no_end = signed().frames(|frames| {
        frames.chunks.pop();
        frames.end.clear();
    });
    target.refused("no last chunk", no_end.send().await, INCOMPLETE).await;
    let ends = [
        ("after a chunk", 65_536 + 91),
        ("in a header", 20),
        ("in a chunk", 30_000),
        ("before the end", usize::MAX),
    ];
    for (what, keep) in ends {
        let answer = target.cut(signed(), |body| keep.min(body.len() - 2)).await;
        if let Some(answer) = answer {
            target.refused(what, answer, INCOMPLETE).await;
        }
        assert_eq!(target.client.get(&target.at).ok().await.text(), "old", "{what}");
    }
    // C29: a chunk that says it is larger than all that comes.
    let large = |size: &'static str| {
        signed().frames(move |frames| {
            let signature = frames.chunks[0].head.split_once(';').unwrap().1.to_owned();
            frames.chunks[0].head = format!("{size};{signature}");
        })
    };
    for size in ["fffff", "ffffff", "7fffffff"] {
        let answer = large(size).send().await;
        let wanted =
            [INCOMPLETE, MISMATCH, &[(400, "InvalidRequest"), (400, "EntityTooLarge")]].concat();
        target.refused(size, answer, &wanted).await;
    }
    target.accepted("control", signed()).await;
}

/// C30, C31
#[tokio::test]
async fn c30_c31_sizes_of_chunks_are_numbers_with_a_limit() {
    let target = Target::build().await;
    let sizes = [
        "FFFFFFFFFFFFFFFFF",
        "-1",
        "0x10",
        "+5",
        "",
        " 5",
        "5 ",
        "1_000",
        "g",
        "10000000000000000",
        "180000000",
    ];
    for size in sizes {
        for kind in [Streaming::Signed, Streaming::UnsignedTrailer] {
            let put = target.put(kind).frames(move |frames| {
                let head = &frames.chunks[0].head;
                let rest = head.find(';').map_or("", |at| &head[at..]).to_owned();
                frames.chunks[0].head = format!("{size}{rest}");
            });
            let answer = put.send().await;
            assert_eq!(answer.status, 400, "{size}: {answer:?}");
            answer.error();
        }
    }
    let long = "x".repeat(1024 * 1024);
    for head in [format!("{long};chunk-signature=0"), format!("1;{long}"), long] {
        let put = target.put(Streaming::Signed);
        let answer = put.frames(move |frames| frames.chunks[0].head.clone_from(&head)).send().await;
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    assert_eq!(target.client.get(&target.at).ok().await.text(), "old");
}

/// C32
#[tokio::test]
async fn c32_the_decoded_length_is_told_and_true() {
    let target = Target::build().await;
    let name = "x-amz-decoded-content-length";
    for kind in Streaming::ALL {
        for wrong in ["199999", "200001", "0", "99999999"] {
            let answer = target.put(kind).header(name, wrong).send().await;
            target.refused(wrong, answer, INCOMPLETE).await;
        }
        for nonsense in ["-1", "x", "", "1e3", "99999999999999999999999"] {
            let answer = target.put(kind).header(name, nonsense).send().await;
            let wanted = &[
                (400, "InvalidArgument"),
                (400, "InvalidRequest"),
                (400, "IncompleteBody"),
                (411, "MissingContentLength"),
            ];
            target.refused(nonsense, answer, wanted).await;
        }
    }
    // Without the header; it is not among the signed ones then.
    let prepared = target.put(Streaming::Signed);
    let body = prepared.clone().prepare().body;
    let bare =
        target.client.put(&target.at).payload(Payload::Text(Streaming::Signed.name().to_owned()));
    let answer = bare.header("content-encoding", "aws-chunked").body(body).send().await;
    target.refused("missing", answer, &[(411, "MissingContentLength")]).await;
}

/// C33, C34
#[tokio::test]
async fn c33_c34_trailers_are_as_announced_and_true() {
    let target = Target::build().await;
    let malformed =
        &[(400, "MalformedTrailerError"), (400, "InvalidRequest"), (400, "IncompleteBody")][..];
    let signed = [malformed, MISMATCH].concat();
    type Alter = fn(&mut Frames);
    let alterations: [(&str, Alter); 7] = [
        ("missing", |frames| {
            frames.trailer.remove(0);
        }),
        ("other name", |frames| {
            frames.trailer[0] = frames.trailer[0].replace("crc32", "crc32c");
        }),
        ("undeclared", |frames| {
            frames.trailer.insert(0, "x-amz-checksum-sha1:L9ThxnotKPzthJ7hu3bnORuT6xI=".to_owned());
        }),
        ("twice", |frames| {
            let again = frames.trailer[0].clone();
            frames.trailer.insert(0, again);
        }),
        ("too long", |frames| frames.trailer[0] += &"A".repeat(100_000)),
        ("no value", |frames| frames.trailer[0] = "x-amz-checksum-crc32".to_owned()),
        ("bad base64", |frames| frames.trailer[0] = "x-amz-checksum-crc32:!!!!!!==".to_owned()),
    ];
    for (what, alter) in alterations {
        let answer = target.put(Streaming::UnsignedTrailer).frames(alter).send().await;
        target.refused(what, answer, malformed).await;
        let answer = target.put(Streaming::SignedTrailer).frames(alter).send().await;
        target.refused(what, answer, &signed).await;
    }
    // C34: well formed, and wrong.
    for kind in [Streaming::UnsignedTrailer, Streaming::SignedTrailer] {
        let put = target.client.put(&target.at).streaming(kind).body(&target.body);
        let answer = put.trailer(CRC32, &crc32(b"other")).send().await;
        target.refused("wrong checksum", answer, &[(400, "BadDigest")]).await;
    }
    let put = target.put(Streaming::SignedTrailer).frames(|frames| {
        let last = frames.trailer.last_mut().unwrap();
        *last = format!("x-amz-trailer-signature:{}", "0".repeat(64));
    });
    target.refused("wrong signature", put.send().await, MISMATCH).await;
    let put = target.put(Streaming::SignedTrailer).frames(|frames| {
        frames.trailer.pop();
    });
    target.refused("no signature", put.send().await, &signed).await;
    for kind in [Streaming::UnsignedTrailer, Streaming::SignedTrailer] {
        target.accepted("control", target.put(kind)).await;
    }
}

/// C36: what comes behind the end does not belong to the body.
#[tokio::test]
async fn c36_nothing_follows_the_end() {
    let target = Target::build().await;
    for kind in Streaming::ALL {
        let put = target.put(kind).frames(|frames| frames.end.extend_from_slice(b"more"));
        let answer = put.send().await;
        assert_eq!(answer.status, 400, "{kind:?}: {answer:?}");
        answer.error();
        assert_eq!(target.client.get(&target.at).ok().await.text(), "old");
    }
}

/// Small chunks that are not the last are refused, as AWS does.
#[tokio::test]
async fn signed_chunks_have_at_least_eight_kibibytes() {
    let target = Target::build().await;
    for kind in Streaming::ALL {
        let small = target.put(kind).chunk_size(1000);
        if kind.name().contains("UNSIGNED") {
            target.accepted("small", small).await;
        } else {
            let answer = small.send().await;
            target.refused("small", answer, &[(400, "InvalidChunkSizeError")]).await;
        }
        target.accepted("control", target.put(kind).chunk_size(8192)).await;
    }
}

/// Streaming is for objects; documents come whole.
#[tokio::test]
async fn documents_do_not_stream() {
    let (_gateway, client, bucket) = stand().await;
    client.put(&path(&bucket, "a")).body("v").ok().await;
    let document = "<Delete><Object><Key>a</Key></Object></Delete>";
    for kind in Streaming::ALL {
        let post =
            client.post(&format!("/{bucket}")).query("delete", "").streaming(kind).body(document);
        let post = if kind.has_trailer() {
            post.trailer(CRC32, &crc32(document.as_bytes()))
        } else {
            post
        };
        let answer = post.send().await;
        // Refused as AWS does, or read as what it is: never taken for a document with its framing.
        assert!(matches!(answer.status, 200 | 400), "{kind:?}: {answer:?}");
        if answer.status == 200 {
            client.put(&path(&bucket, "a")).body("v").ok().await;
        }
    }
}

/// C29: not one byte of a chunk that did not hold is seen, nor of the chunks before it.
#[tokio::test]
async fn c29_large_bodies_commit_nothing_when_a_late_chunk_is_wrong() {
    let (_gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    let body = noise(24 * 1024 * 1024);
    let put = client.put(&at).streaming(Streaming::Signed).chunk_size(1024 * 1024).body(&body);
    let wrong = put.clone().frames(|frames| {
        let late: &mut Chunk = &mut frames.chunks[22];
        late.bytes[5] ^= 1;
    });
    wrong.refused(403, "SignatureDoesNotMatch").await;
    client.head(&at).refused(404, "").await;
    assert!(crate::keys::listed(&client, &bucket).await.is_empty());
    put.ok().await;
    assert!(client.get(&at).ok().await.body == body);
}
