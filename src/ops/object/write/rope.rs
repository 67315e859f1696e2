//! Bytes of a body that wait to be sent.

use bytes::{Bytes, BytesMut};

use crate::azure::Content;

/// Frames shorter than this are copied together, so that a body of many small frames does not pin
/// a read buffer with each of them.
const FRAME_BYTES_MIN: usize = 32 * 1024;

/// Chunks of bytes, small frames copied together.
#[derive(Default)]
pub(super) struct Rope {
    chunks: Vec<Bytes>,
    small: BytesMut,
    /// How many bytes wait.
    pub(super) length: u64,
}

impl Rope {
    pub(super) fn push(&mut self, bytes: Bytes) {
        self.length = self.length.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
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

    fn flush(&mut self) {
        if !self.small.is_empty() {
            self.chunks.push(self.small.split().freeze());
        }
    }

    pub(super) fn take(&mut self) -> Content {
        self.flush();
        self.length = 0;
        Content::from_chunks(std::mem::take(&mut self.chunks))
    }
}
