//! The 64 steps of MD5 (<https://www.rfc-editor.org/rfc/rfc1321>), of one stream or of one in each lane of
//! a vector.
#![expect(
    clippy::inline_always,
    reason = "what is not inlined is compiled for the least of all machines"
)]
#![expect(
    clippy::indexing_slicing,
    reason = "every index is a constant, below the length in the type"
)]

use std::array;
use std::hint::black_box;
use std::marker::PhantomData;

use fearless_simd::{Simd, SimdBase as _, SimdInt, u32x4, u32x8, u32x16};

/// What is digested at once, in bytes.
pub(super) const BLOCK_BYTES: usize = 64;

pub(super) type Block = [u8; BLOCK_BYTES];

/// A word of 32 bits, or one in each lane.
pub(super) trait Word: Copy {
    fn add(self, other: Self) -> Self;
    fn add_constant(self, constant: u32) -> Self;
    fn and(self, other: Self) -> Self;
    fn or(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    fn not(self) -> Self;
    fn turned(self, bits: u32) -> Self;
}

impl Word for u32 {
    fn add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    fn add_constant(self, constant: u32) -> Self {
        self.wrapping_add(constant)
    }

    fn and(self, other: Self) -> Self {
        self & other
    }

    fn or(self, other: Self) -> Self {
        self | other
    }

    fn xor(self, other: Self) -> Self {
        self ^ other
    }

    fn not(self) -> Self {
        !self
    }

    fn turned(self, bits: u32) -> Self {
        self.rotate_left(bits)
    }
}

/// A word in each lane of a vector.
#[derive(Clone, Copy)]
pub(super) struct Words<S, V>(V, PhantomData<S>);

impl<S: Simd, V: SimdInt<S, Element = u32>> Words<S, V> {
    /// The word that `of` says of each lane.
    #[inline(always)]
    pub(super) fn of_lanes(simd: S, of: impl FnMut(usize) -> u32) -> Self {
        Self(V::from_fn(simd, of), PhantomData)
    }

    /// What is in a lane.
    #[inline(always)]
    pub(super) fn lane(self, lane: usize) -> u32 {
        self.0[lane]
    }
}

impl<S: Simd, V: SimdInt<S, Element = u32>> Word for Words<S, V> {
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0, PhantomData)
    }

    #[inline(always)]
    fn add_constant(self, constant: u32) -> Self {
        Self(self.0 + constant, PhantomData)
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        Self(self.0 & other.0, PhantomData)
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        Self(self.0 | other.0, PhantomData)
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Self(self.0 ^ other.0, PhantomData)
    }

    #[inline(always)]
    fn not(self) -> Self {
        Self(!self.0, PhantomData)
    }

    #[inline(always)]
    fn turned(self, bits: u32) -> Self {
        Self((self.0 << bits) | (self.0 >> (u32::BITS - bits)), PhantomData)
    }
}

/// A vector of words.
pub(super) trait Vector<S: Simd>: SimdInt<S, Element = u32> {
    /// The words of a block of each lane: the first of each, the second of each, and so on.
    fn words_of(simd: S, blocks: &[&Block]) -> [Self; 16];
}

impl<S: Simd> Vector<S> for u32x4<S> {
    #[inline(always)]
    fn words_of(simd: S, blocks: &[&Block]) -> [Self; 16] {
        let quarter = |of: usize, at: usize| {
            let words = blocks[of].as_chunks::<4>().0;
            Self::from_fn(simd, |word| u32::from_le_bytes(words[4 * at + word]))
        };
        let mut words = [Self::splat(simd, 0); 16];
        for (at, words) in words.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let [a, b, c, d] = array::from_fn(|of| quarter(of, at));
            let (ac, bd) = ([a.zip_low(c), a.zip_high(c)], [b.zip_low(d), b.zip_high(d)]);
            *words = [
                ac[0].zip_low(bd[0]),
                ac[0].zip_high(bd[0]),
                ac[1].zip_low(bd[1]),
                ac[1].zip_high(bd[1]),
            ];
        }
        words
    }
}

impl<S: Simd> Vector<S> for u32x8<S> {
    #[inline(always)]
    fn words_of(simd: S, blocks: &[&Block]) -> [Self; 16] {
        let (low, high) = blocks.split_at(4);
        let (low, high) = (u32x4::words_of(simd, low), u32x4::words_of(simd, high));
        array::from_fn(|word| simd.combine_u32x4(low[word], high[word]))
    }
}

impl<S: Simd> Vector<S> for u32x16<S> {
    #[inline(always)]
    fn words_of(simd: S, blocks: &[&Block]) -> [Self; 16] {
        let (low, high) = blocks.split_at(8);
        let (low, high) = (u32x8::words_of(simd, low), u32x8::words_of(simd, high));
        array::from_fn(|word| simd.combine_u32x8(low[word], high[word]))
    }
}

/// What a block of each lane makes of the states in them.
#[inline(always)]
pub(super) fn compress_lanes<S: Simd, V: Vector<S>>(
    simd: S,
    before: [Words<S, V>; 4],
    blocks: &[&Block],
) -> [Words<S, V>; 4] {
    let message = V::words_of(simd, blocks).map(|word| Words(word, PhantomData));
    compress(before, &message)
}

/// What a block makes of a state.
#[inline(always)]
pub(super) fn compress<W: Word>(before: [W; 4], message: &[W; 16]) -> [W; 4] {
    // Numbers that the compiler knows it adds last, to what the next step waits for, which takes a fifth longer.
    let constants = *black_box(&CONSTANTS);
    // A loop over the steps would look up at each turn what each of them knows.
    macro_rules! steps {
        ($state:ident: $($step:literal)*) => {
            $($state = step::<$step, W>($state, message, &constants);)*
        };
    }
    let mut state = before;
    steps! { state:
        0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15
        16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
        32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47
        48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63
    }
    array::from_fn(|word| before[word].add(state[word]))
}

/// The integer part of 2^32 times |sin(n)|, n from 1.
static CONSTANTS: [u32; 64] = [
    0xd76a_a478,
    0xe8c7_b756,
    0x2420_70db,
    0xc1bd_ceee,
    0xf57c_0faf,
    0x4787_c62a,
    0xa830_4613,
    0xfd46_9501,
    0x6980_98d8,
    0x8b44_f7af,
    0xffff_5bb1,
    0x895c_d7be,
    0x6b90_1122,
    0xfd98_7193,
    0xa679_438e,
    0x49b4_0821,
    0xf61e_2562,
    0xc040_b340,
    0x265e_5a51,
    0xe9b6_c7aa,
    0xd62f_105d,
    0x0244_1453,
    0xd8a1_e681,
    0xe7d3_fbc8,
    0x21e1_cde6,
    0xc337_07d6,
    0xf4d5_0d87,
    0x455a_14ed,
    0xa9e3_e905,
    0xfcef_a3f8,
    0x676f_02d9,
    0x8d2a_4c8a,
    0xfffa_3942,
    0x8771_f681,
    0x6d9d_6122,
    0xfde5_380c,
    0xa4be_ea44,
    0x4bde_cfa9,
    0xf6bb_4b60,
    0xbebf_bc70,
    0x289b_7ec6,
    0xeaa1_27fa,
    0xd4ef_3085,
    0x0488_1d05,
    0xd9d4_d039,
    0xe6db_99e5,
    0x1fa2_7cf8,
    0xc4ac_5665,
    0xf429_2244,
    0x432a_ff97,
    0xab94_23a7,
    0xfc93_a039,
    0x655b_59c3,
    0x8f0c_cc92,
    0xffef_f47d,
    0x8584_5dd1,
    0x6fa8_7e4f,
    0xfe2c_e6e0,
    0xa301_4314,
    0x4e08_11a1,
    0xf753_7e82,
    0xbd3a_f235,
    0x2ad7_d2bb,
    0xeb86_d391,
];

/// By how many bits a step turns, in each of the four rounds.
const TURNS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// Step `I` of the 64.
#[inline(always)]
fn step<const I: usize, W: Word>(
    [a, b, c, d]: [W; 4],
    message: &[W; 16],
    constants: &[u32; 64],
) -> [W; 4] {
    let rest = |word: usize| a.add(message[word % 16].add_constant(constants[I]));
    let sum = match I / 16 {
        0 => rest(I).add(d.xor(b.and(c.xor(d)))),
        // Bits that do not meet may be added one after the other: a sum that has those of c does not wait for b with
        // them. Added to each other first, the compiler would see that they do not meet, and mix them as above.
        1 => rest(5 * I + 1).add(c.and(d.not())).add(b.and(d)),
        2 => rest(3 * I + 5).add(b.xor(c.xor(d))),
        _ => rest(7 * I).add(c.xor(b.or(d.not()))),
    };
    [d, b.add(sum.turned(TURNS[I / 16][I % 4])), b, c]
}
