//! Bytes of a body that wait to be sent, with the CRC that guards them on their way to Azure: computed
//! while they are at hand, not in a second pass.

use bytes::{Bytes, BytesMut};

use crate::azure::Content;
use crate::s3::checksum::{Checksum, ChecksumAlgorithm, Hasher};

/// Frames shorter than this are copied together, so that a body of many small frames does not pin
/// a read buffer with each of them.
const FRAME_BYTES_MIN: usize = 32 * 1024;

/// Chunks of bytes, small frames copied together.
#[derive(Debug)]
pub(super) struct Rope {
    chunks: Vec<Bytes>,
    /// How many of them [`Rope::fresh`] has given.
    given: usize,
    small: BytesMut,
    crc64: Hasher,
    length: u64,
}

impl Default for Rope {
    fn default() -> Self {
        let crc64 = Hasher::new(ChecksumAlgorithm::Crc64Nvme);
        Self { chunks: Vec::new(), given: 0, small: BytesMut::new(), crc64, length: 0 }
    }
}

impl Rope {
    /// How many bytes wait.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Takes bytes in.
    pub(super) fn push(&mut self, bytes: Bytes) {
        self.length = self.length.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.crc64.update(&bytes);
        if bytes.len() < FRAME_BYTES_MIN {
            self.small.extend_from_slice(&bytes);
            if self.small.len() >= FRAME_BYTES_MIN {
                self.chunks.push(self.small.split().freeze());
            }
        } else {
            self.flush();
            self.chunks.push(bytes);
        }
    }

    /// The chunks that have been completed since this was last asked.
    pub(super) fn fresh(&mut self) -> &[Bytes] {
        let fresh = self.chunks.get(self.given..).unwrap_or_default();
        self.given = self.chunks.len();
        fresh
    }

    /// Completes the last chunk.
    pub(super) fn flush(&mut self) {
        if !self.small.is_empty() {
            self.chunks.push(self.small.split().freeze());
        }
    }

    /// The bytes to send, and their CRC-64/NVME.
    pub(super) fn take(&mut self) -> (Content, Checksum) {
        self.flush();
        let Self { chunks, crc64, .. } = std::mem::take(self);
        let crc64 = crc64.finish();
        (Content::with_crc64(chunks, crc64.number()), crc64)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{FRAME_BYTES_MIN, Rope};
    use crate::azure::Content;

    #[test]
    fn what_is_taken_is_what_came_with_its_crc() {
        let mut rope = Rope::default();
        let frames = [1, FRAME_BYTES_MIN - 1, 5, FRAME_BYTES_MIN, 0, FRAME_BYTES_MIN * 3, 7];
        let mut all = Vec::new();
        for (frame, length) in (1_u8..).zip(frames) {
            let bytes = vec![frame; length];
            all.extend_from_slice(&bytes);
            rope.push(Bytes::from(bytes));
        }
        assert_eq!(rope.length(), all.len() as u64);
        let (mut fresh, mut again) = (rope.fresh().concat(), rope.fresh().len());
        rope.flush();
        fresh.extend(rope.fresh().concat());
        again += rope.fresh().len();
        assert_eq!((fresh, again), (all.clone(), 0));
        let (content, crc64) = rope.take();
        assert_eq!(content.chunks().concat(), all);
        assert_eq!(content.crc64(), Content::from(all).crc64());
        assert_eq!(crc64.number(), content.crc64());
        assert_eq!((rope.length(), rope.take().0.len()), (0, 0));
    }
}
