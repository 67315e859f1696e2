//! The bytes of a request: held in memory as they came, sent without a copy, and sent again when an
//! attempt failed. What guards them on their way is here too.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, Digest};
use http_body::{Body, Frame, SizeHint};

use super::transport::PACKET_BYTES;

/// Bytes to send, as a rope of what they came in. A clone shares them.
#[derive(Clone, Default)]
pub struct Content {
    rope: Arc<Rope>,
}

#[derive(Default)]
struct Rope {
    chunks: Vec<Bytes>,
    length: u64,
    crc64: OnceLock<u64>,
}

impl Content {
    /// No bytes.
    pub fn empty() -> Self {
        Self::default()
    }

    /// `chunks`, one after the other.
    pub fn from_chunks(chunks: Vec<Bytes>) -> Self {
        let length = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        Self { rope: Arc::new(Rope { chunks, length, crc64: OnceLock::new() }) }
    }

    /// `chunks`, whose CRC-64/NVME is known from when they came.
    pub fn with_crc64(chunks: Vec<Bytes>, crc64: u64) -> Self {
        let length = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        Self { rope: Arc::new(Rope { chunks, length, crc64: OnceLock::from(crc64) }) }
    }

    /// How many bytes.
    pub fn len(&self) -> u64 {
        self.rope.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What they came in.
    pub fn chunks(&self) -> &[Bytes] {
        &self.rope.chunks
    }

    /// Their CRC-64/NVME, which is Azure's CRC64. Computed once.
    pub fn crc64(&self) -> u64 {
        *self.rope.crc64.get_or_init(|| {
            let mut digest = Digest::new(CrcAlgorithm::Crc64Nvme);
            self.rope.chunks.iter().for_each(|chunk| digest.update(chunk));
            digest.finalize()
        })
    }
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Self::from_chunks(vec![bytes])
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from(Bytes::from(bytes))
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::from(Bytes::from(text))
    }
}

impl From<&'static str> for Content {
    fn from(text: &'static str) -> Self {
        Self::from(Bytes::from_static(text.as_bytes()))
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} bytes)", self.len())
    }
}

/// What Azure compares the bytes with before it keeps them. Never both on one request: Azure answers
/// 400 `BothCrc64AndMd5HeaderPresent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// CRC-64/NVME of the bytes.
    Crc64(u64),
    /// MD5 of the bytes; Azure keeps it with the blob.
    Md5([u8; 16]),
}

/// One sending of a [`Content`].
pub(super) struct Sending {
    content: Content,
    next: usize,
    offset: usize,
    left: u64,
    /// Called for each frame that the connection takes: the peer is reading.
    progress: Arc<super::deadline::Progress>,
}

/// How much goes to the connection at once. Smaller than a chunk may be, so that a slow upload is seen
/// to move.
const FRAME_BYTES_MAX: usize = 4 * PACKET_BYTES;

impl Sending {
    pub(super) fn new(content: Content, progress: Arc<super::deadline::Progress>) -> Self {
        let left = content.len();
        Self { content, next: 0, offset: 0, left, progress }
    }

    fn take(&mut self) -> Option<Bytes> {
        loop {
            let chunk = self.content.rope.chunks.get(self.next)?;
            let end = chunk.len().min(self.offset.saturating_add(FRAME_BYTES_MAX));
            if self.offset == end {
                self.next += 1;
                self.offset = 0;
                continue;
            }
            let frame = chunk.slice(self.offset..end);
            self.offset = end;
            return Some(frame);
        }
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.progress.note();
        let frame = self.take();
        if let Some(frame) = &frame {
            self.left = self.left.saturating_sub(frame.len() as u64);
        }
        Poll::Ready(frame.map(|frame| Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[test]
    fn the_crc_is_the_one_of_the_published_check() {
        // The check value of CRC-64/NVME in the catalogue of parametrised CRC algorithms.
        let content = Content::from_chunks(vec![Bytes::from("1234"), Bytes::from("56789")]);
        assert_eq!(content.crc64(), 0xae8b_1486_0a79_9888);
    }

    #[tokio::test]
    async fn what_is_sent_is_what_came_twice() {
        let big = Bytes::from(vec![7; FRAME_BYTES_MAX * 2 + 3]);
        let content =
            Content::from_chunks(vec![Bytes::new(), big, Bytes::from("end"), Bytes::new()]);
        for _ in 0..2 {
            let sending = Sending::new(content.clone(), Arc::default());
            assert_eq!(sending.size_hint().exact(), Some(content.len()));
            let sent = sending.collect().await.unwrap().to_bytes();
            assert_eq!(sent, content.chunks().concat());
        }
    }
}
