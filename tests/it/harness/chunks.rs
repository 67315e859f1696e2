//! aws-chunked bodies, chunk by chunk, so that a test can spoil any piece of one.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html>

use super::signer::Signer;

/// The three kinds of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Streaming {
    /// Each chunk is signed.
    Signed,
    /// Each chunk and the trailer are signed.
    SignedTrailer,
    /// Nothing is signed but the head; a checksum follows.
    UnsignedTrailer,
}

impl Streaming {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Signed, Self::SignedTrailer, Self::UnsignedTrailer];

    /// The value of `x-amz-content-sha256`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Signed => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            Self::SignedTrailer => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            Self::UnsignedTrailer => "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        }
    }

    /// Does a trailer follow?
    pub(crate) fn has_trailer(self) -> bool {
        self != Self::Signed
    }

    fn signs(self) -> bool {
        self != Self::UnsignedTrailer
    }
}

/// One chunk on the wire: `size;chunk-signature=..`, its bytes, and what ends it.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    /// The line before the bytes, without its end.
    pub(crate) head: String,
    /// The bytes.
    pub(crate) bytes: Vec<u8>,
    /// What follows the bytes.
    pub(crate) end: &'static str,
}

/// A body in pieces.
#[derive(Clone, Debug)]
pub(crate) struct Frames {
    /// The chunks, the empty one at the end included.
    pub(crate) chunks: Vec<Chunk>,
    /// The lines behind them, without their ends.
    pub(crate) trailer: Vec<String>,
    /// What ends the body.
    pub(crate) end: Vec<u8>,
}

impl Frames {
    /// Cuts `body` into chunks of `size` bytes and signs them from the seed signature on.
    pub(crate) fn new(
        kind: Streaming,
        signer: &Signer,
        seed: &str,
        (body, size): (&[u8], usize),
        trailers: &[(String, String)],
    ) -> Self {
        let mut previous = seed.to_owned();
        let mut chunks = Vec::new();
        for bytes in body.chunks(size.max(1)).chain([&[][..]]) {
            let mut head = format!("{:x}", bytes.len());
            if kind.signs() {
                previous = signer.sign_chunk(&previous, bytes);
                head += &format!(";chunk-signature={previous}");
            }
            // The empty chunk is followed by the trailer, not by an end of its own.
            let end = if bytes.is_empty() { "" } else { "\r\n" };
            chunks.push(Chunk { head, bytes: bytes.to_vec(), end });
        }
        let mut trailer = Vec::new();
        if kind.has_trailer() {
            let lines: Vec<_> =
                trailers.iter().map(|(name, value)| format!("{name}:{value}")).collect();
            let canonical: String = lines.iter().map(|line| format!("{line}\n")).collect();
            trailer = lines;
            if kind.signs() {
                let signature = signer.sign_trailer(&previous, &canonical);
                trailer.push(format!("x-amz-trailer-signature:{signature}"));
            }
        }
        Self { chunks, trailer, end: b"\r\n".to_vec() }
    }

    /// The body as it goes over the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for chunk in &self.chunks {
            out.extend_from_slice(chunk.head.as_bytes());
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(&chunk.bytes);
            out.extend_from_slice(chunk.end.as_bytes());
        }
        for line in &self.trailer {
            out.extend_from_slice(line.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(&self.end);
        out
    }
}
