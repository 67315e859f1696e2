//! Percent-encoding as signatures want it: each byte decoded once and encoded once, so that every
//! spelling of one key has the same canonical form. Nothing is tidied.

use std::borrow::Cow;

use crate::s3::query::{Plus, decode_with};
use crate::s3::{Code, Error};

/// The canonical form of a path: all but unreserved characters and `/` encoded.
pub(super) fn canonical_path(raw: &str, plus: Plus) -> Result<Cow<'_, str>, Error> {
    canonical(raw, plus, b"/")
}

/// The canonical form of the name or the value of a query parameter.
pub(super) fn canonical_parameter(raw: &str) -> Result<Cow<'_, str>, Error> {
    canonical(raw, Plus::IsBlank, b"")
}

/// The text of the name or the value of a query parameter.
pub(super) fn decode_parameter(raw: &str) -> Result<Cow<'_, str>, Error> {
    if !raw.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Ok(Cow::Borrowed(raw));
    }
    decode_with(raw, Plus::IsBlank).map(Cow::Owned)
}

fn canonical<'a>(raw: &'a str, plus: Plus, kept: &[u8]) -> Result<Cow<'a, str>, Error> {
    if raw.bytes().all(|byte| is_unreserved(byte) || kept.contains(&byte)) {
        return Ok(Cow::Borrowed(raw));
    }
    let mut text = String::with_capacity(raw.len() + 16);
    for byte in Decoded::new(raw, plus) {
        let Some(byte) = byte else { return Err(Error::new(Code::InvalidURI)) };
        if is_unreserved(byte) || kept.contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push(upper_hex_digit(byte >> 4));
            text.push(upper_hex_digit(byte & 0xF));
        }
    }
    Ok(Cow::Owned(text))
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

const fn upper_hex_digit(nibble: u8) -> char {
    (if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 }) as char
}

/// The bytes that a percent-encoded text stands for; `None` in place of a broken escape.
struct Decoded<'a> {
    rest: std::str::Bytes<'a>,
    plus: Plus,
}

impl<'a> Decoded<'a> {
    fn new(raw: &'a str, plus: Plus) -> Self {
        Self { rest: raw.bytes(), plus }
    }

    fn hex_digit(&mut self) -> Option<u8> {
        let value = char::from(self.rest.next()?).to_digit(16)?;
        u8::try_from(value).ok()
    }
}

impl Iterator for Decoded<'_> {
    type Item = Option<u8>;

    fn next(&mut self) -> Option<Self::Item> {
        match (self.rest.next()?, self.plus) {
            (b'%', _) => {
                let (high, low) = (self.hex_digit(), self.hex_digit());
                Some(high.zip(low).map(|(high, low)| high << 4 | low))
            }
            (b'+', Plus::IsBlank) => Some(Some(b' ')),
            (byte, _) => Some(Some(byte)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Plus, canonical_parameter, canonical_path, decode_parameter};

    #[test]
    fn c22_each_byte_of_a_key_is_encoded_once_however_it_was_spelled() {
        let check = |raw: &str, expected: &str| {
            assert_eq!(canonical_path(raw, Plus::IsPlus).unwrap(), expected, "{raw}");
        };
        check("/b/plain-._~", "/b/plain-._~");
        check("/b/%7e%7E~", "/b/~~~");
        check("/b/%2b+%2B", "/b/%2B%2B%2B");
        check("/b/a%20b", "/b/a%20b");
        check("/b/%25", "/b/%25");
        check("/b/a%252Fb", "/b/a%252Fb");
        check("/b/*'(!)", "/b/%2A%27%28%21%29");
        check("/b/ü%C3%BC😀", "/b/%C3%BC%C3%BC%F0%9F%98%80");
        check("/b/%e4", "/b/%E4");
    }

    #[test]
    fn c22_an_encoded_slash_is_a_slash_of_the_key() {
        assert_eq!(canonical_path("/b/a%2Fb", Plus::IsPlus).unwrap(), "/b/a/b");
    }

    #[test]
    fn c23_a_path_is_not_normalised() {
        for path in ["//k", "/b/k//", "/b/a/./b", "/b/a/../b", "/b/k/"] {
            assert_eq!(canonical_path(path, Plus::IsPlus).unwrap(), path);
        }
    }

    #[test]
    fn a_broken_escape_is_refused() {
        for raw in ["%", "%4", "%zz", "a%4g", "%+1", "%-1"] {
            assert!(canonical_path(raw, Plus::IsPlus).is_err(), "{raw}");
            assert!(decode_parameter(raw).is_err(), "{raw}");
        }
        assert!(decode_parameter("%FF").is_err(), "not UTF-8");
    }

    #[test]
    fn a_plus_is_a_blank_in_a_query() {
        assert_eq!(canonical_parameter("a+b%2Bc/d").unwrap(), "a%20b%2Bc%2Fd");
        assert_eq!(decode_parameter("a+b%2Bc/d").unwrap(), "a b+c/d");
    }
}
