//! The id of one write: unique, ordered by time, and later the version id that S3 shows.

use std::fmt;

use data_encoding::BASE32HEX_NOPAD;
use time::OffsetDateTime;

/// Random bytes in an id: 2^48 writes within one nanosecond before two are likely to meet.
pub const RANDOM_BYTES: usize = 12;
const TIME_BYTES: usize = 8;
const BYTES: usize = TIME_BYTES + RANDOM_BYTES;
/// Of a second.
const NANOSECONDS: u64 = 1_000_000_000;
/// All of them in base32.
const TEXT_BYTES: usize = 32;
/// Digits that stand for 60 of the 64 bits of the time; the next has the last four, and a random one.
const WHOLE_DIGITS: usize = 12;

/// The id of a write: 32 lower-case letters and digits, whose order is that of time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommitId([u8; TEXT_BYTES]);

impl CommitId {
    /// The id of a write at `now`. Years before 1970 and after 2554 are cut to those.
    pub fn new(now: OffsetDateTime, random: [u8; RANDOM_BYTES]) -> Self {
        let nanoseconds = now.unix_timestamp_nanos().max(0);
        let nanoseconds = u64::try_from(nanoseconds).unwrap_or(u64::MAX);
        let mut bytes = [0; BYTES];
        let (time, rest) = bytes.split_at_mut(TIME_BYTES);
        time.copy_from_slice(&nanoseconds.to_be_bytes());
        rest.copy_from_slice(&random);
        let mut text = [0; TEXT_BYTES];
        BASE32HEX_NOPAD.encode_mut(&bytes, &mut text);
        text.make_ascii_lowercase();
        Self(text)
    }

    /// Takes `text` if it is an id.
    pub fn parse(text: &str) -> Option<Self> {
        let text: [u8; TEXT_BYTES] = text.as_bytes().try_into().ok()?;
        // Each stands for five bits, and there are no bits left over: so all texts of these are ids.
        text.iter().all(|byte| digit(*byte).is_some()).then_some(Self(text))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// When the write was.
    pub fn time(&self) -> OffsetDateTime {
        let mut digits = self.0.iter().filter_map(|byte| digit(*byte)).map(u64::from);
        let most = digits.by_ref().take(WHOLE_DIGITS).fold(0, |bits, digit| bits << 5 | digit);
        let nanoseconds = most << 4 | digits.next().unwrap_or_default() >> 1;
        // Not by `from_unix_timestamp_nanos`, which divides numbers of 128 bits.
        let second =
            i64::try_from(nanoseconds / NANOSECONDS).map(OffsetDateTime::from_unix_timestamp);
        let within = u32::try_from(nanoseconds % NANOSECONDS).unwrap_or_default();
        let at = second.ok().and_then(Result::ok).and_then(|at| at.replace_nanosecond(within).ok());
        at.unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

/// The number that a digit of base32 stands for.
fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'v' => Some(byte - b'a' + 10),
        _ => None,
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "CommitId({})", self.as_str())
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use time::{Duration, OffsetDateTime};

    use super::CommitId;

    #[test]
    fn other_texts_are_no_ids() {
        let id = CommitId::new(OffsetDateTime::UNIX_EPOCH, [7; 12]);
        assert_eq!(id.as_str(), "00000000000001o70s3ge1o70s3ge1o7");
        assert_eq!(CommitId::parse(id.as_str()), Some(id));
        for bad in ["", "null", &"0".repeat(31), &"0".repeat(33), &"A".repeat(32), &"z".repeat(32)]
        {
            assert_eq!(CommitId::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn an_id_tells_its_time_and_sorts_by_it(
            first in any::<u32>(), nanos in 0..2_000_000_000_i64,
            later in 1..9_000_000_000_i64, one in any::<[u8; 12]>(), two in any::<[u8; 12]>(),
        ) {
            let at = OffsetDateTime::UNIX_EPOCH
                + Duration::seconds(i64::from(first)) + Duration::nanoseconds(nanos);
            let id = CommitId::new(at, one);
            prop_assert_eq!(id.time(), at);
            prop_assert_eq!(CommitId::parse(id.as_str()), Some(id));
            prop_assert!(id < CommitId::new(at + Duration::nanoseconds(later), two));
        }
    }
}
