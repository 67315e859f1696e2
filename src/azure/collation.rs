//! The order in which the service sorts header names before it signs them.
//!
//! It is not the order of bytes but that of words in US English: hyphens do not count, and `_` comes
//! before digits before letters. Two metadata names that differ at a `_` are enough to fail with 403
//! otherwise. The order is what the comparer of the JavaScript SDK has:
//! <https://github.com/Azure/azure-sdk-for-js/blob/main/sdk/storage/storage-common/src/utils/SharedKeyComparator.ts>

use std::cmp::Ordering;

/// Compares two header names in lower case.
pub(super) fn compare(one: &str, other: &str) -> Ordering {
    // What they begin with in common decides nothing, and is most of them.
    let same = one.bytes().zip(other.bytes()).take_while(|(one, other)| one == other).count();
    let (one, other) = (one.get(same..).unwrap_or(one), other.get(same..).unwrap_or(other));
    weights(one).cmp(weights(other)).then_with(|| {
        // The same but for hyphens: the earlier a hyphen stands, the later the name comes.
        hyphens(other).cmp(hyphens(one))
    })
}

fn weights(name: &str) -> impl Iterator<Item = u16> + '_ {
    name.bytes().filter(|byte| *byte != b'-').map(weight)
}

fn weight(byte: u8) -> u16 {
    let group: u16 = match byte {
        b'0'..=b'9' => 1,
        b'a'..=b'z' => 2,
        _ => 0,
    };
    group << 8 | u16::from(byte)
}

fn hyphens(name: &str) -> impl Iterator<Item = usize> + '_ {
    let hyphens = name.bytes().enumerate().filter(|(_, byte)| *byte == b'-').map(|(at, _)| at);
    hyphens.chain(std::iter::once(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted<'a>(names: &[&'a str]) -> Vec<&'a str> {
        let mut names = names.to_vec();
        names.sort_unstable_by(|one, other| compare(one, other));
        names
    }

    #[test]
    fn an_underscore_comes_before_digits_and_digits_before_letters() {
        let right = ["x-ms-meta-i", "x-ms-meta-i_", "x-ms-meta-i0", "x-ms-meta-ia"];
        let mut names = right;
        names.reverse();
        assert_eq!(sorted(&names), right);
        assert_eq!(
            sorted(&["x-ms-meta-foo2_bar", "x-ms-meta-foo_bar"]),
            ["x-ms-meta-foo_bar", "x-ms-meta-foo2_bar"]
        );
    }

    #[test]
    fn a_hyphen_does_not_count() {
        assert_eq!(sorted(&["x-ms-ab", "x-ms-a-c"]), ["x-ms-ab", "x-ms-a-c"]);
        assert_eq!(sorted(&["a-bc", "ab-c", "abc"]), ["abc", "ab-c", "a-bc"]);
    }

    #[test]
    fn what_is_a_beginning_comes_first() {
        assert_eq!(
            sorted(&["x-ms-copy-source-authorization", "x-ms-copy-source"]),
            ["x-ms-copy-source", "x-ms-copy-source-authorization"]
        );
    }
}
