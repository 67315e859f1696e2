//! MD5 of several streams at once (<https://www.rfc-editor.org/rfc/rfc1321>).
//!
//! Each step of MD5 needs the one before it, so that one stream leaves most of a core idle. Streams have
//! nothing to do with each other, so that one in each lane of a vector takes hardly longer than one alone:
//! with eight lanes, five times as many bytes a second. What needs an MD5 of a text takes the crate `md-5`.

mod steps;

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes};
use fearless_simd::{Level, Simd, SimdBase as _, dispatch, u32x4, u32x8, u32x16};

use steps::{BLOCK_BYTES, Block, Vector, Words, compress, compress_lanes};

/// No vector has more lanes of 32 bits.
const LANES_MAX: usize = 16;

/// The MD5 of what has been seen of a stream.
#[derive(Clone, Debug)]
pub struct State {
    words: [u32; 4],
    length: u64,
    /// What came since the last whole block: `length % 64` bytes.
    rest: Block,
}

/// The MD5 of a whole stream. Only [`State::finish`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hashed {
    length: u64,
    md5: [u8; 16],
}

impl Hashed {
    /// How many bytes it is of.
    pub fn length(self) -> u64 {
        self.length
    }

    /// The digest.
    pub fn md5(self) -> [u8; 16] {
        self.md5
    }
}

impl Default for State {
    fn default() -> Self {
        let words = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
        Self { words, length: 0, rest: [0; BLOCK_BYTES] }
    }
}

impl State {
    /// Takes in bytes that complete no block, or complete one: how many of `bytes` were taken.
    fn fill(&mut self, bytes: &[u8]) -> usize {
        let rest = usize::try_from(self.length % BLOCK_BYTES as u64).unwrap_or_default();
        let room = self.rest.get_mut(rest..).unwrap_or_default();
        let taken = room.len().min(bytes.len());
        room.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        self.length += taken as u64;
        if rest + taken == BLOCK_BYTES {
            let block = self.rest;
            self.absorb(&[block]);
        }
        taken
    }

    fn is_between_blocks(&self) -> bool {
        self.length.is_multiple_of(BLOCK_BYTES as u64)
    }

    fn absorb(&mut self, blocks: &[Block]) {
        for block in blocks {
            let mut message = [0; 16];
            for (word, bytes) in message.iter_mut().zip(block.as_chunks().0) {
                *word = u32::from_le_bytes(*bytes);
            }
            self.words = compress(self.words, &message);
        }
    }

    /// The digest of all that was seen.
    pub fn finish(mut self) -> Hashed {
        let length = self.length;
        let bits = length.wrapping_mul(8).to_le_bytes();
        let mut end = [0; 2 * BLOCK_BYTES];
        if let Some(first) = end.first_mut() {
            *first = 0x80;
        }
        // As many zeros as leave room for the length, and no more.
        let used = usize::try_from(length % BLOCK_BYTES as u64).unwrap_or_default() + 1;
        let zeros = (2 * BLOCK_BYTES - used - bits.len()) % BLOCK_BYTES;
        let mut padding = end.get(..=zeros).unwrap_or_default();
        while !padding.is_empty() {
            padding = padding.get(self.fill(padding)..).unwrap_or_default();
        }
        self.fill(&bits);
        let mut md5 = [0; 16];
        for (to, word) in md5.as_chunks_mut().0.iter_mut().zip(self.words) {
            *to = word.to_le_bytes();
        }
        Hashed { length, md5 }
    }
}

/// A stream, and bytes of it that have not been digested.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    state: State,
    now: Bytes,
    next: VecDeque<Bytes>,
}

impl Stream {
    /// Bytes that follow what `state` has seen.
    pub fn new(state: State, bytes: impl IntoIterator<Item = Bytes>) -> Self {
        Self { state, now: Bytes::new(), next: bytes.into_iter().collect() }
    }

    /// Bytes that follow.
    pub fn push(&mut self, bytes: Bytes) {
        self.next.push_back(bytes);
    }

    /// How many bytes have been digested.
    pub fn digested(&self) -> u64 {
        self.state.length
    }

    /// Whether all of it has been digested.
    pub fn is_done(&self) -> bool {
        self.now.is_empty() && self.next.is_empty()
    }

    /// The state, once it is done.
    pub fn into_state(self) -> State {
        self.state
    }

    /// Takes in what is not a whole block where it lies; false: there is nothing left.
    fn seek(&mut self) -> bool {
        while !self.state.is_between_blocks() || self.now.len() < BLOCK_BYTES {
            let taken = self.state.fill(&self.now);
            self.now.advance(taken);
            if self.now.is_empty() && !self.goes_on() {
                return false;
            }
        }
        true
    }

    fn goes_on(&mut self) -> bool {
        let next = self.next.pop_front();
        next.map(|next| self.now = next).is_some()
    }

    fn blocks(&self) -> &[Block] {
        self.now.as_chunks().0
    }

    /// Digests `count` blocks.
    fn take(&mut self, count: usize) {
        self.state.absorb(self.now.as_chunks().0.get(..count).unwrap_or_default());
        self.has_taken(count);
    }

    /// `count` of the blocks have been digested.
    fn has_taken(&mut self, count: usize) {
        let bytes = count * BLOCK_BYTES;
        self.now.advance(bytes);
        self.state.length += bytes as u64;
    }
}

/// What this machine's vectors are.
#[derive(Clone, Copy, Debug)]
pub struct Lanes {
    level: Level,
    count: usize,
}

impl Lanes {
    /// Looks what there is.
    pub fn new() -> Self {
        Self::of(Level::new())
    }

    fn of(level: Level) -> Self {
        Self { level, count: dispatch!(level, simd => lanes_of(simd)) }
    }

    /// How many streams it pays to digest together.
    pub fn count(self) -> usize {
        self.count
    }

    /// Digests about `bytes` of each stream, or less where there is no more.
    pub fn digest<'a>(self, streams: impl IntoIterator<Item = &'a mut Stream>, bytes: usize) {
        self.digest_all(streams.into_iter().collect(), bytes);
    }

    // What is generic is compiled where it is called, and so without vectors where that is not optimised.
    fn digest_all(self, mut streams: Vec<&mut Stream>, bytes: usize) {
        let mut left = bytes / BLOCK_BYTES;
        while left > 0 {
            streams.retain_mut(|stream| stream.seek());
            let lengths = streams.iter().map(|stream| stream.blocks().len());
            let Some(count) = lengths.min().map(|count| count.min(left)) else { return };
            for together in streams.chunks_mut(self.count) {
                match together {
                    [alone] => alone.take(count),
                    several => dispatch!(self.level, simd => take(simd, several, count)),
                }
            }
            left -= count;
        }
    }
}

impl Default for Lanes {
    fn default() -> Self {
        Self::new()
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "see below")]
fn lanes_of<S: Simd>(_: S) -> usize {
    S::u32s::LEN
}

/// In a vector that is no wider than they need: lanes of nobody would be filled, too.
#[inline(always)]
#[expect(clippy::inline_always, reason = "see below")]
fn take<S: Simd>(simd: S, streams: &mut [&mut Stream], count: usize) {
    match streams.len() {
        0..=4 => take_together::<S, u32x4<S>>(simd, streams, count),
        5..=8 => take_together::<S, u32x8<S>>(simd, streams, count),
        _ => take_together::<S, u32x16<S>>(simd, streams, count),
    }
}

/// Digests `count` blocks of each stream. A lane that has none goes along with the first.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "what is not inlined is compiled for the least of all machines"
)]
#[expect(clippy::indexing_slicing, reason = "there are streams, and `count` blocks in each")]
fn take_together<S: Simd, V: Vector<S>>(simd: S, streams: &mut [&mut Stream], count: usize) {
    let mut lanes: [&[Block]; LANES_MAX] = [&[]; LANES_MAX];
    let all = streams.iter().chain(std::iter::repeat(&streams[0]));
    for (lane, stream) in lanes.iter_mut().zip(all) {
        *lane = &stream.blocks()[..count];
    }
    let word = |at: usize| {
        let of = |lane| streams.get(lane).map_or(0, |stream: &&mut Stream| stream.state.words[at]);
        Words::<S, V>::of_lanes(simd, of)
    };
    let mut state = [word(0), word(1), word(2), word(3)];
    for at in 0..count {
        let blocks = lanes.map(|blocks| &blocks[at]);
        state = compress_lanes(simd, state, &blocks);
    }
    for (lane, stream) in streams.iter_mut().enumerate() {
        stream.state.words = state.map(|word| word.lane(lane));
        stream.has_taken(count);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use fearless_simd::Level;
    use md5::{Digest as _, Md5};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{Lanes, State, Stream};

    /// Those of this machine, and others that it has, too.
    fn all_lanes() -> Vec<Lanes> {
        let mut levels = vec![Level::new(), Level::baseline()];
        #[cfg(target_arch = "x86_64")]
        levels.extend(Level::new().as_avx2().map(fearless_simd::Simd::level));
        levels.into_iter().map(Lanes::of).collect()
    }

    /// What each stream has become, `at_once` bytes at a time.
    fn hashed(lanes: Lanes, mut streams: Vec<Stream>, at_once: usize) -> Vec<[u8; 16]> {
        while !streams.iter().all(Stream::is_done) {
            lanes.digest(&mut streams, at_once);
        }
        streams.into_iter().map(|stream| stream.into_state().finish().md5()).collect()
    }

    fn stream(state: State, chunks: &[Vec<u8>]) -> Stream {
        Stream::new(state, chunks.iter().cloned().map(Bytes::from))
    }

    fn md5_of(bytes: &[u8]) -> [u8; 16] {
        Md5::digest(bytes).into()
    }

    #[test]
    fn rfc_1321_a_5() {
        for (text, md5) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            (
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                "57edf4a22be3c955ac49da2e2107b67a",
            ),
        ] {
            let one = stream(State::default(), &[text.as_bytes().to_vec()]);
            let found = hashed(Lanes::new(), vec![one], 1024);
            let [found] = found[..] else { panic!("{} streams", found.len()) };
            assert_eq!(data_encoding::HEXLOWER.encode(&found), md5, "{text}");
        }
    }

    #[test]
    fn padding_ends_where_it_should() {
        for length in 0..200_u8 {
            let bytes: Vec<u8> = (0..length).collect();
            let one = stream(State::default(), std::slice::from_ref(&bytes));
            assert_eq!(hashed(Lanes::new(), vec![one], 64), [md5_of(&bytes)], "{length} bytes");
        }
    }

    proptest! {
        /// Any number of streams, each cut as it likes, in vectors of every width.
        #[test]
        fn every_stream_has_the_md5_of_its_bytes(
            streams in vec(vec(vec(any::<u8>(), 0..300), 0..6), 0..20),
            at_once in 64_usize..700,
        ) {
            let expected: Vec<_> = streams.iter().map(|chunks| md5_of(&chunks.concat())).collect();
            for lanes in all_lanes() {
                let all = streams.iter().map(|chunks| stream(State::default(), chunks)).collect();
                prop_assert_eq!(&hashed(lanes, all, at_once), &expected);
            }
        }

        #[test]
        fn a_stream_goes_on_where_it_stopped(chunks in vec(vec(any::<u8>(), 0..200), 0..6)) {
            let mut state = State::default();
            for chunk in &chunks {
                let mut one = [stream(state, std::slice::from_ref(chunk))];
                Lanes::new().digest(&mut one, usize::MAX);
                let [one] = one;
                state = one.into_state();
            }
            let hashed = state.finish();
            prop_assert_eq!(hashed.md5(), md5_of(&chunks.concat()));
            prop_assert_eq!(hashed.length(), chunks.concat().len() as u64);
        }
    }
}
