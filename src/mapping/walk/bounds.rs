//! Where names are in Azure's order, and the names at which a listing has to begin or end.

use std::cmp::Ordering;

use crate::mapping::names::{NAME_UNITS_MAX, units};

/// The first and the last character of those that Azure sorts behind the ones above U+FFFF, and S3
/// before. U+E000 is none: its escape begins with U+D7FF.
const HIGH: std::ops::RangeInclusive<char> = '\u{E001}'..='\u{FFFF}';
/// The least of them.
pub(super) const HIGH_FIRST: char = '\u{E001}';
/// No key that is a name has it: behind all of them, and before those above U+FFFF.
pub(super) const HIGH_LAST: char = '\u{FFFF}';
/// The least character of two units.
pub(super) const PAIR_FIRST: char = '\u{10000}';
/// Bytes of each high character in UTF-8.
pub(super) const HIGH_BYTES: usize = 3;
/// Bytes of each character of two units in UTF-8.
pub(super) const PAIR_BYTES: usize = 4;

/// What the two orders make of a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Before all others, to both.
    Low,
    /// S3 has it second, Azure last.
    High,
    /// Two units in UTF-16. Azure has it second, S3 last.
    Pair,
}

/// What the two orders make of `character`.
pub(super) fn kind(character: char) -> Kind {
    if character >= PAIR_FIRST {
        Kind::Pair
    } else if HIGH.contains(&character) {
        Kind::High
    } else {
        Kind::Low
    }
}

/// The first byte of U+E000 in UTF-8; those of pairs are above it.
const HIGH_LEAD: u8 = 0xEE;

/// Azure's order of names.
pub(super) fn order(one: &str, other: &str) -> Ordering {
    // The two orders differ only where a lead byte of a pair meets one of U+E000 to U+FFFF.
    let same = same_words(one.as_bytes(), other.as_bytes());
    let differing = one.bytes().zip(other.bytes()).skip(same).find(|(one, other)| one != other);
    match differing {
        None => one.len().cmp(&other.len()),
        Some((one, other)) if one < HIGH_LEAD && other < HIGH_LEAD => one.cmp(&other),
        Some(_) => one.encode_utf16().cmp(other.encode_utf16()),
    }
}

/// How many bytes the two begin with that are the same, in steps of eight: names of one listing have much
/// in common.
fn same_words(one: &[u8], other: &[u8]) -> usize {
    let (one, other) = (one.as_chunks::<8>().0, other.as_chunks::<8>().0);
    one.iter().zip(other).take_while(|(one, other)| one == other).count() * 8
}

/// The least name behind `name`: no name has a character before the blank.
pub(super) fn next(name: &str) -> String {
    format!("{name} ")
}

/// The least text behind all that begins with `name`; nothing if that is everything.
pub(super) fn behind(name: &str) -> Option<String> {
    let mut text = name.to_owned();
    while let Some(last) = text.pop() {
        if let Some(next) = next_character(last) {
            text.push(next);
            return Some(text);
        }
    }
    None
}

/// The character behind `character` in Azure's order, of those that names have.
fn next_character(character: char) -> Option<char> {
    match character {
        // These have nothing of their own behind them: escapes are in their places.
        '[' => Some(']'),
        '~' => Some('\u{80}'),
        '\u{80}' => Some('\u{82}'),
        '\u{D7FF}' => Some(PAIR_FIRST),
        '\u{10FFFF}' => Some(HIGH_FIRST),
        '\u{FFFD}'..=HIGH_LAST => None,
        _ => char::from_u32(u32::from(character) + 1),
    }
}

/// The least text that is no longer than a name and has the same names from it on as `bound` has;
/// nothing if there are none. Azure is not asked for longer ones.
pub(super) fn fit(bound: String) -> Option<String> {
    if units(&bound) <= NAME_UNITS_MAX {
        return Some(bound);
    }
    let mut kept = String::new();
    let mut length = 0;
    for character in bound.chars() {
        length += character.len_utf16();
        if length > NAME_UNITS_MAX {
            break;
        }
        kept.push(character);
    }
    if units(&kept) < NAME_UNITS_MAX {
        // Half of a pair had room: what is behind it there is what is behind all pairs.
        kept.push(HIGH_FIRST);
        return Some(kept);
    }
    // Behind U+D7FF is a pair, which may be too long by one.
    behind(&kept).and_then(fit)
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering::Less;

    use super::{Kind, behind, fit, kind, next, order};

    #[test]
    fn behind_all_that_begins_so_is_a_text_that_azure_takes() {
        for (name, expected) in [
            ("a/", "a0"),
            ("a[", "a]"),
            ("a~", "a\u{80}"),
            ("\u{80}", "\u{82}"),
            ("\u{D7FF}", "\u{10000}"),
            ("\u{10FFFF}", "\u{E001}"),
            ("a\u{FFFD}\u{FFFD}", "b"),
            ("\u{FFFC}", "\u{FFFD}"),
        ] {
            assert_eq!(behind(name).as_deref(), Some(expected), "{name:?}");
            let last = format!("{name}\u{FFFD}\u{FFFD}");
            assert_eq!((order(name, &last), order(&last, expected)), (Less, Less));
        }
        assert_eq!((behind(""), behind("\u{FFFD}")), (None, None));
        assert_eq!(order("a", &next("a")), Less);
    }

    #[test]
    fn a_bound_that_is_too_long_is_the_next_that_is_not() {
        let long = "a".repeat(1023);
        assert_eq!(fit(format!("{long}b")), Some(format!("{long}b")));
        assert_eq!(fit(format!("{long}bc")), Some(format!("{long}c")));
        // Half of a pair had room.
        assert_eq!(fit(format!("{long}\u{10000}")), Some(format!("{long}\u{E001}")));
        assert_eq!(fit(format!("{long}\u{D7FF}b")), Some(format!("{long}\u{E001}")));
        assert_eq!(fit("\u{FFFD}".repeat(1025)), None);
    }

    #[test]
    fn the_orders_differ_by_kinds() {
        let kinds = ['a', '\u{D7FF}', '\u{E000}', '\u{E001}', '\u{FFFF}', '\u{10000}'].map(kind);
        assert_eq!(kinds, [Kind::Low, Kind::Low, Kind::Low, Kind::High, Kind::High, Kind::Pair]);
    }
}
