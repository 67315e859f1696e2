//! Values that say who wrote them: any piece of one tells client, number, length and place, so a read
//! shows whether it is one write, whole, or bytes of two, or bytes of none.

use std::fmt;

use crate::harness::md5_hex;

/// Each cell of a value names it: `client number length index`.
pub(super) const CELL: usize = 32;
/// What the index takes at the end of a cell, line feed included.
const INDEX: usize = 9;

/// One write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Value {
    /// Who wrote it.
    pub(super) client: u16,
    /// Which of its writes it is.
    pub(super) number: u32,
    /// How many bytes it has; at least one cell.
    pub(super) length: u32,
}

/// Why bytes are not those of one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// They name no write at all.
    Nameless,
    /// There are fewer than there should be.
    Partial(Value),
    /// Bytes of two writes.
    Mixed(Value, Value),
    /// A byte that nobody wrote.
    Changed(Value, usize),
}

impl fmt::Display for Wrong {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nameless => write!(out, "CHANGED: bytes of no write"),
            Self::Partial(value) => write!(out, "PARTIAL: {value:?}"),
            Self::Mixed(one, other) => write!(out, "MIXED: {one:?} and {other:?}"),
            Self::Changed(value, at) => write!(out, "CHANGED: {value:?} at {at}"),
        }
    }
}

impl Value {
    fn name(self) -> String {
        format!("{:04x} {:08x} {:08x} ", self.client, self.number, self.length)
    }

    /// Its bytes.
    pub(super) fn bytes(self) -> Vec<u8> {
        let length = self.length as usize;
        let name = self.name();
        let mut bytes = Vec::with_capacity(length + CELL);
        for index in 0..length.div_ceil(CELL) {
            bytes.extend_from_slice(name.as_bytes());
            for digit in (0..INDEX - 1).rev() {
                bytes.push(b"0123456789abcdef"[(index >> (4 * digit)) & 15]);
            }
            bytes.push(b'\n');
        }
        bytes.truncate(length);
        bytes
    }

    /// As metadata says it.
    pub(super) fn label(self) -> String {
        format!("{}-{}", self.client, self.number)
    }

    /// The ETag of one PUT of it.
    pub(super) fn etag(self) -> String {
        format!("\"{}\"", md5_hex(&self.bytes()))
    }

    /// The write that a cell names, and the cell's index.
    fn of_cell(cell: &[u8]) -> Option<(Self, usize)> {
        let text = std::str::from_utf8(cell.get(..CELL)?).ok()?;
        let mut words = text.strip_suffix('\n')?.split(' ');
        let mut word = || u32::from_str_radix(words.next()?, 16).ok();
        let (client, number, length, index) = (word()?, word()?, word()?, word()?);
        Some((Self { client: u16::try_from(client).ok()?, number, length }, index as usize))
    }

    /// The write that a whole object is.
    pub(super) fn of_whole(bytes: &[u8]) -> Result<Self, Wrong> {
        let (value, _) = Self::of_cell(bytes).ok_or(Wrong::Nameless)?;
        value.check(bytes, 0, value.length as usize)?;
        Ok(value)
    }

    /// The write that these bytes from `first` on, a multiple of a cell, are a piece of.
    pub(super) fn of_piece(bytes: &[u8], first: usize, length: usize) -> Result<Self, Wrong> {
        let (value, _) = Self::of_cell(bytes).ok_or(Wrong::Nameless)?;
        value.check(bytes, first, length)?;
        Ok(value)
    }

    /// Are these its bytes from `first` on, `length` of them?
    fn check(self, bytes: &[u8], first: usize, length: usize) -> Result<(), Wrong> {
        let whole = self.bytes();
        let due = whole.get(first..(first + length).min(whole.len())).unwrap_or_default();
        if bytes == due {
            return Ok(());
        }
        let same = bytes.iter().zip(due).take_while(|(one, other)| one == other).count();
        if same == bytes.len() {
            return Err(Wrong::Partial(self));
        }
        let cell = bytes.get(same / CELL * CELL..).and_then(Self::of_cell);
        Err(match cell {
            Some((other, _)) if other != self => Wrong::Mixed(self, other),
            _ => Wrong::Changed(self, first + same),
        })
    }
}

#[test]
fn a_value_tells_whose_it_is_and_what_is_wrong_with_it() {
    let value = Value { client: 3, number: 17, length: 200 };
    let other = Value { number: 18, ..value };
    let bytes = value.bytes();
    assert_eq!(bytes.len(), 200);
    assert_eq!(Value::of_whole(&bytes), Ok(value));
    assert_eq!(Value::of_piece(&bytes[64..100], 64, 36), Ok(value));
    assert_eq!(Value::of_whole(&bytes[..199]), Err(Wrong::Partial(value)));
    assert_eq!(Value::of_whole(b"short"), Err(Wrong::Nameless));
    let mixed = [&bytes[..96], &other.bytes()[96..]].concat();
    assert_eq!(Value::of_whole(&mixed), Err(Wrong::Mixed(value, other)));
    // The right cells in the wrong places are no value either.
    let moved = [&bytes[..64], &bytes[96..128], &bytes[96..]].concat();
    assert_eq!(Value::of_whole(&moved), Err(Wrong::Changed(value, 64 + 30)));
    let mut changed = bytes;
    changed[150] ^= 0x20;
    assert_eq!(Value::of_whole(&changed), Err(Wrong::Changed(value, 150)));
}
