//! Patterns as IAM has them: `*` is any text, `?` any one character.

/// Does `text` match `glob`? In linear space and at most quadratic time, whatever the glob.
pub(super) fn matches(glob: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    let mut star = None;
    while from < text.len() {
        match glob.get(at) {
            Some(b'*') => {
                star = Some((at, from));
                at += 1;
            }
            Some(expected) if *expected == b'?' || Some(expected) == text.get(from) => {
                at += 1;
                from += 1;
            }
            _ => {
                let Some((last, taken)) = star else { return false };
                star = Some((last, taken + 1));
                at = last + 1;
                from = taken + 1;
            }
        }
    }
    glob.get(at..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

/// Is there a text that begins with `start` and matches `glob`?
pub(super) fn may_begin(glob: &[u8], start: &[u8]) -> bool {
    // Up to the first star each byte stands for one; behind it, anything goes.
    for (at, byte) in start.iter().enumerate() {
        match glob.get(at) {
            Some(b'*') => return true,
            Some(expected) if *expected == b'?' || expected == byte => {}
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::{matches, may_begin};

    /// As it is defined.
    pub(in crate::access) fn slowly(glob: &[u8], text: &[u8]) -> bool {
        match (glob.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => (0..=text.len()).any(|taken| slowly(rest, &text[taken..])),
            (Some((one, glob)), Some((other, text))) => {
                (*one == b'?' || one == other) && slowly(glob, text)
            }
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    proptest! {
        #[test]
        fn globs_match_as_they_are_defined(glob in "[ab*?]{0,6}", text in "[ab]{0,8}") {
            let (glob, text) = (glob.as_bytes(), text.as_bytes());
            prop_assert_eq!(matches(glob, text), slowly(glob, text));
        }

        #[test]
        fn what_matches_may_begin(glob in "[ab*?]{0,6}", start in "[ab]{0,4}", rest in "[ab]{0,4}") {
            let text = format!("{start}{rest}");
            if matches(glob.as_bytes(), text.as_bytes()) {
                prop_assert!(may_begin(glob.as_bytes(), start.as_bytes()));
            }
        }
    }

    #[test]
    fn what_can_not_begin_so_does_not() {
        for (glob, start, may) in [
            ("photos/*", "photos/", true),
            ("photos*", "photos/", true),
            ("*", "photos/", true),
            ("photos", "photos/", false),
            ("photo/*", "photos/", false),
            ("photos2/*", "photos/", false),
            ("?hotos?x", "photos/", true),
        ] {
            assert_eq!(may_begin(glob.as_bytes(), start.as_bytes()), may, "{glob}");
        }
    }
}
