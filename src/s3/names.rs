//! The names that S3 gives to things, valid once made.
//!
//! Bucket names by <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>,
//! keys by <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>.

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::s3::error::{Code, Error};

/// The shortest bucket name, in bytes.
const BUCKET_BYTES_MIN: usize = 3;
/// The longest bucket name, in bytes.
const BUCKET_BYTES_MAX: usize = 63;
/// The longest key, in bytes of UTF-8.
pub const KEY_BYTES_MAX: usize = 1024;

/// The name of a bucket: 3 to 63 lower-case letters, digits, dots and hyphens, by S3's rules.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketName(Arc<str>);

impl BucketName {
    /// Takes `name` if S3 would; else `InvalidBucketName`.
    pub fn parse(name: &str) -> Result<Self, Error> {
        if is_bucket_name(name) {
            Ok(Self(name.into()))
        } else {
            Err(Error::new(Code::InvalidBucketName).detail("BucketName", name))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

fn is_bucket_name(name: &str) -> bool {
    let ends_well = |byte: Option<&u8>| {
        byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let bytes = name.as_bytes();
    (BUCKET_BYTES_MIN..=BUCKET_BYTES_MAX).contains(&bytes.len())
        && ends_well(bytes.first())
        && ends_well(bytes.last())
        && bytes.iter().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-')
        })
        && !bytes.windows(2).any(|pair| matches!(pair, b".." | b".-" | b"-."))
        && name.parse::<Ipv4Addr>().is_err()
        && !name.starts_with("xn--")
        && !name.ends_with("-s3alias")
}

/// The key of an object: 1 to 1,024 bytes of UTF-8, any characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(Arc<str>);

impl ObjectKey {
    /// Takes `key` if it is not too long; else `KeyTooLongError`.
    pub fn parse(key: &str) -> Result<Self, Error> {
        if key.is_empty() {
            return Err(Error::invalid_argument("key", "", "The key must not be empty"));
        }
        if key.len() > KEY_BYTES_MAX {
            return Err(Error::new(Code::KeyTooLongError)
                .detail("Size", key.len().to_string())
                .detail("MaxSizeAllowed", KEY_BYTES_MAX.to_string()));
        }
        Ok(Self(key.into()))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The number of a part: 1 to 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartNumber(u16);

impl PartNumber {
    /// The last one, and how many parts an upload has at most.
    pub const MAX: u16 = 10_000;

    /// Takes `number` if a part can have it.
    pub const fn new(number: u16) -> Option<Self> {
        if number >= 1 && number <= Self::MAX { Some(Self(number)) } else { None }
    }

    /// Reads a number; `InvalidArgument` if no part can have it.
    pub fn parse(text: &str) -> Result<Self, Error> {
        text.parse().ok().and_then(Self::new).ok_or_else(|| {
            let message = "Part number must be an integer between 1 and 10000, inclusive";
            Error::invalid_argument("partNumber", text, message)
        })
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{BucketName, ObjectKey, PartNumber};

    #[test]
    fn f19_a_part_has_a_number_from_1_to_10000() {
        for good in ["1", "10000"] {
            assert!(PartNumber::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "0", "10001", "-1", "1.0", "a", "70000"] {
            assert!(PartNumber::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bucket_names_that_s3_takes() {
        for name in ["abc", "a-b", "a.b.c", "a--b", "1bucket", "my.bucket-1", &"a".repeat(63)] {
            assert!(BucketName::parse(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn bucket_names_that_s3_refuses() {
        let long = "a".repeat(64);
        for name in [
            "",
            "ab",
            &long,
            "Abc",
            "a_b",
            "-ab",
            "ab-",
            ".ab",
            "ab.",
            "a..b",
            "a.-b",
            "a-.b",
            "192.168.1.1",
            "$root",
            "a/b",
            "a b",
            "xn--abc",
            "abc-s3alias",
            "ab\u{e9}",
        ] {
            assert!(BucketName::parse(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_key_holds_1024_bytes_and_no_more() {
        assert!(ObjectKey::parse(&"k".repeat(1024)).is_ok());
        assert!(ObjectKey::parse(&"k".repeat(1025)).is_err());
        assert!(ObjectKey::parse(&"\u{1F980}".repeat(256)).is_ok());
        assert!(ObjectKey::parse(&"\u{1F980}".repeat(257)).is_err());
        assert!(ObjectKey::parse("").is_err());
    }
}
