//! The order in which the service sorts header names before it signs them: that of words in en-US, as
//! .NET compares them. Hyphens count only when all else is equal.
//!
//! After the comparer of Microsoft's JavaScript SDK, which has .NET's sort keys as tables; header names
//! need only the classes of them.
//! <https://github.com/Azure/azure-sdk-for-js/blob/main/sdk/storage/storage-common/src/utils/SharedKeyComparator.ts>

use std::cmp::Ordering;

/// Compares two header names in lower case.
pub(crate) fn compare(one: &str, other: &str) -> Ordering {
    let mut ones = one.bytes().filter_map(primary);
    let mut others = other.bytes().filter_map(primary);
    loop {
        match (ones.next(), others.next()) {
            (None, None) => return by_hyphens(one, other),
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(one), Some(other)) if one != other => return one.cmp(&other),
            (Some(_), Some(_)) => {}
        }
    }
}

/// Punctuation before digits before letters; a hyphen has no weight.
const fn primary(byte: u8) -> Option<u16> {
    match byte {
        b'-' => None,
        b'0'..=b'9' => Some(0xd00 + byte as u16),
        b'a'..=b'z' => Some(0xe00 + byte as u16),
        _ => Some(0x700 + byte as u16),
    }
}

/// Where one has a hyphen first, it comes later.
fn by_hyphens(one: &str, other: &str) -> Ordering {
    for (one, other) in one.bytes().zip(other.bytes()) {
        match (one == b'-', other == b'-') {
            (true, false) => return Ordering::Greater,
            (false, true) => return Ordering::Less,
            (true, true) | (false, false) => {}
        }
    }
    one.len().cmp(&other.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_not_bytes() {
        let sorted = [
            "x-ms-copy-source",
            "x-ms-copy-source-authorization",
            "x-ms-date",
            "x-ms-meta-foo_bar",
            "x-ms-meta-foo2_bar",
            "x-ms-meta-i",
            "x-ms-meta-i_",
            "x-ms-meta-i0",
            "x-ms-meta-ia",
            "x-ms-version",
        ];
        let mut names = sorted;
        names.reverse();
        names.sort_unstable_by(|one, other| compare(one, other));
        assert_eq!(names, sorted);
        assert_eq!(compare("a-bc", "ab-c"), Ordering::Greater);
        assert_eq!(compare("abc", "ab-c"), Ordering::Less);
    }
}
