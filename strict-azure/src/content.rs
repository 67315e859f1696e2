//! The bytes of a blob or block: kept, or only counted. Ranges of them, joined without a copy, and
//! their way out.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

/// A run of bytes.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Kept(Bytes),
    /// So many, of which nothing else is known.
    Counted(u64),
}

impl Piece {
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Kept(bytes) => bytes.len() as u64,
            Self::Counted(length) => *length,
        }
    }

    fn part(&self, from: u64, to: u64) -> Self {
        match self {
            Self::Kept(bytes) => Self::Kept(bytes.slice(index(from)..index(to).min(bytes.len()))),
            Self::Counted(_) => Self::Counted(to - from),
        }
    }
}

/// An index into memory; what is longer than memory is not kept.
fn index(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}

/// Bytes as a rope. A clone shares them.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    rope: Arc<[Placed]>,
    length: u64,
    /// Of the whole, where it was computed.
    crc64: Option<u64>,
}

#[derive(Clone, Debug)]
struct Placed {
    end: u64,
    piece: Piece,
}

impl Content {
    pub(crate) fn empty() -> Self {
        Self::new(Vec::new(), Some(0))
    }

    pub(crate) fn new(pieces: Vec<Piece>, crc64: Option<u64>) -> Self {
        let mut end = 0;
        let rope: Arc<[Placed]> = pieces
            .into_iter()
            .filter(|piece| piece.length() > 0)
            .map(|piece| {
                end += piece.length();
                Placed { end, piece }
            })
            .collect();
        Self { rope, length: end, crc64 }
    }

    pub(crate) fn kept(bytes: Bytes) -> Self {
        Self::new(vec![Piece::Kept(bytes)], None)
    }

    pub(crate) fn joined<'a>(parts: impl Iterator<Item = &'a Self>) -> Self {
        let pieces = parts.flat_map(|part| part.rope.iter().map(|placed| placed.piece.clone()));
        Self::new(pieces.collect(), None)
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// The bytes `first..end`.
    pub(crate) fn range(&self, first: u64, end: u64) -> Self {
        let end = end.min(self.length);
        if first == 0 && end == self.length {
            return self.clone();
        }
        let mut position = first;
        let mut pieces = Vec::new();
        while let Some(piece) = self.next_piece(position, end) {
            position += piece.length();
            pieces.push(piece);
        }
        Self::new(pieces, None)
    }

    /// What stands at `position`, as far as it stands together and before `end`.
    fn next_piece(&self, position: u64, end: u64) -> Option<Piece> {
        if position >= end {
            return None;
        }
        let at = self.rope.partition_point(|placed| placed.end <= position);
        let placed = self.rope.get(at)?;
        let begin = placed.end - placed.piece.length();
        Some(placed.piece.part(position - begin, end.min(placed.end) - begin))
    }

    /// CRC-64/NVME, if the bytes are known or it was computed when they came.
    pub(crate) fn crc64(&self) -> Option<u64> {
        if self.crc64.is_some() {
            return self.crc64;
        }
        let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme);
        for placed in &*self.rope {
            match &placed.piece {
                Piece::Kept(bytes) => digest.update(bytes),
                Piece::Counted(_) => return None,
            }
        }
        Some(digest.finalize())
    }

    /// MD5, if the bytes are known.
    pub(crate) fn md5(&self) -> Option<[u8; 16]> {
        use md5::Digest as _;
        let mut digest = md5::Md5::new();
        for placed in &*self.rope {
            match &placed.piece {
                Piece::Kept(bytes) => digest.update(bytes),
                Piece::Counted(_) => return None,
            }
        }
        Some(digest.finalize().into())
    }

    /// The next frame of a body that has got to `position` of `end`.
    pub(crate) fn frame(&self, position: u64, end: u64) -> Option<Bytes> {
        Some(match self.next_piece(position, end.min(position.saturating_add(FRAME_MAX)))? {
            Piece::Kept(bytes) => bytes,
            Piece::Counted(length) => pattern_from(position, length),
        })
    }
}

/// How much is handed to a connection at once.
const FRAME_MAX: u64 = 512 * 1024;

/// A prime, so that bytes of a wrong place are wrong bytes wherever ranges are cut.
const PATTERN_LENGTH: usize = 1_000_003;

/// What is read at `position` of a blob whose bytes were only counted.
pub fn byte_at(position: u64) -> u8 {
    // A multiplier of Knuth's spreads neighbours.
    let place = position % PATTERN_LENGTH as u64;
    u8::try_from((place.wrapping_mul(2_654_435_761) >> 13) & 0xff).unwrap_or_default()
}

fn pattern_from(position: u64, length: u64) -> Bytes {
    static PATTERN: OnceLock<Bytes> = OnceLock::new();
    let pattern = PATTERN.get_or_init(|| (0..PATTERN_LENGTH as u64).map(byte_at).collect());
    let from = index(position % PATTERN_LENGTH as u64);
    pattern.slice(from..from.saturating_add(index(length)).min(PATTERN_LENGTH))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(content: &Content, first: u64, end: u64) -> Vec<u8> {
        let mut read = Vec::new();
        while let Some(frame) = content.frame(first + read.len() as u64, end) {
            read.extend_from_slice(&frame);
        }
        read
    }

    #[test]
    fn ranges_go_across_pieces() {
        let part = |text: &'static str| Content::kept(Bytes::from(text));
        let parts = [part("abc"), part(""), part("defg"), part("h")];
        let joined = Content::joined(parts.iter());
        assert_eq!((joined.length(), bytes(&joined, 0, 8)), (8, b"abcdefgh".to_vec()));
        for first in 0..8 {
            for end in first..=8 {
                let want =
                    &b"abcdefgh"[usize::try_from(first).unwrap()..usize::try_from(end).unwrap()];
                assert_eq!(bytes(&joined, first, end), want);
                let range = joined.range(first, end);
                assert_eq!(bytes(&range, 0, range.length()), want);
            }
        }
        assert_eq!(joined.range(2, 5).crc64(), part("cde").crc64());
    }

    #[test]
    fn what_was_counted_reads_the_same_in_any_ranges() {
        let content = Content::new(vec![Piece::Counted(1 << 40), Piece::Counted(5)], None);
        let at = (1 << 40) - 2_000_000;
        let read = bytes(&content, at, at + 1_500_000);
        assert_eq!(read.len(), 1_500_000);
        assert!(read.iter().zip(at..).all(|(byte, place)| *byte == byte_at(place)));
        assert_eq!(content.crc64(), None);
    }
}
