//! User metadata, `x-amz-meta-*`, as metadata of a blob.
//!
//! Azure's names are C# identifiers without case, its values visible ASCII. A name and a value that
//! are that already stand as they are, so that Azure tools read and write them; the rest is escaped:
//!
//! - a name as `bluebucketm_` and the name with `_xx` for what no identifier has;
//! - a value as `UTF-8''` and its bytes percent-encoded, in the form of RFC 8187 (the label names
//!   the usual case; other bytes come back as well);
//! - all of them as one field, when they would take more than their share of what Azure has room for.

use std::collections::BTreeMap;

use data_encoding::{BASE64, HEXLOWER};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use crate::azure;
use crate::s3::{Code, Error};

/// What S3 lets a user's names and values have, in bytes.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html>
pub const USER_BYTES_MAX: usize = 2048;

/// What begins the names that are the gateway's own; no other name begins so.
pub(super) const OURS: &str = "bluebucket";
const ESCAPED_NAME: &str = "bluebucketm_";
const ESCAPED_VALUE: &str = "UTF-8''";
const PACKED: &str = "bluebucketpacked";
/// What a field takes on the wire beside name and value: `x-ms-meta-`, a colon, a blank, a line end.
pub(super) const FIELD_OVERHEAD: usize = 14;

/// What RFC 8187 leaves as it is.
const KEPT_IN_VALUES: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The metadata that a user gave an object: names in lower case, values of any bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserMetadata(BTreeMap<String, Vec<u8>>);

impl UserMetadata {
    /// Takes names (without `x-amz-meta-`) and values if S3 would; else `MetadataTooLarge`. Several
    /// values of one name become one, with commas between.
    pub fn new(pairs: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<Self, Error> {
        let mut all = BTreeMap::<String, Vec<u8>>::new();
        for (name, value) in pairs {
            match all.entry(name.to_ascii_lowercase()) {
                std::collections::btree_map::Entry::Vacant(free) => drop(free.insert(value)),
                std::collections::btree_map::Entry::Occupied(mut taken) => {
                    taken.get_mut().push(b',');
                    taken.get_mut().extend(value);
                }
            }
        }
        let bytes: usize = all.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > USER_BYTES_MAX {
            return Err(Error::new(Code::MetadataTooLarge)
                .detail("Size", bytes.to_string())
                .detail("MaxSizeAllowed", USER_BYTES_MAX.to_string()));
        }
        Ok(Self(all))
    }

    /// Names and values, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(Vec::as_slice)
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a blob's metadata says of it. Metadata that an Azure tool wrote is user metadata, too.
    pub(super) fn read(metadata: &azure::Metadata) -> Self {
        let mut all = metadata.get(PACKED).and_then(|text| unpack(text)).unwrap_or_default();
        for (name, value) in metadata {
            if let Some(name) = decode_name(name) {
                all.insert(name, decode_value(value));
            }
        }
        Self(all)
    }

    /// As fields of a blob's metadata that take at most `budget` bytes; nothing if they cannot.
    pub(super) fn write(&self, budget: usize) -> Option<azure::Metadata> {
        let plain: azure::Metadata =
            self.iter().map(|(name, value)| (encode_name(name), encode_value(value))).collect();
        if size(&plain) <= budget {
            return Some(plain);
        }
        let packed = azure::Metadata::from([(PACKED.to_owned(), self.pack())]);
        (size(&packed) <= budget).then_some(packed)
    }

    fn pack(&self) -> String {
        let mut bytes = Vec::new();
        for (name, value) in self.iter() {
            for part in [name.as_bytes(), value] {
                push_length(&mut bytes, part.len());
                bytes.extend(part);
            }
        }
        BASE64.encode(&bytes)
    }
}

/// What `metadata` takes of the room that Azure has for it.
pub(super) fn size(metadata: &azure::Metadata) -> usize {
    metadata.iter().map(|(name, value)| name.len() + value.len() + FIELD_OVERHEAD).sum()
}

fn encode_name(name: &str) -> String {
    if is_identifier(name) && !name.starts_with(OURS) {
        return name.to_owned();
    }
    let mut encoded = ESCAPED_NAME.to_owned();
    for byte in name.bytes() {
        if byte.is_ascii_lowercase() || byte.is_ascii_digit() {
            encoded.push(char::from(byte));
        } else {
            encoded.push('_');
            HEXLOWER.encode_append(&[byte], &mut encoded);
        }
    }
    encoded
}

/// The user's name that `name` is; nothing for one of the gateway's own.
fn decode_name(name: &str) -> Option<String> {
    if !name.starts_with(OURS) {
        return Some(name.to_owned());
    }
    let mut bytes = name.strip_prefix(ESCAPED_NAME)?.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte == b'_' {
            let digits = [bytes.next()?, bytes.next()?];
            decoded.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

fn is_identifier(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    name.bytes().next().is_some_and(letter)
        && name.bytes().all(|byte| letter(byte) || byte.is_ascii_digit())
}

/// A value as Azure keeps it.
pub(super) fn encode_value(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) if is_plain_value(text) => text.to_owned(),
        _ => format!("{ESCAPED_VALUE}{}", percent_encode(value, KEPT_IN_VALUES)),
    }
}

/// The value that `value` was made of. One that an Azure tool wrote is what it is.
pub(super) fn decode_value(value: &str) -> Vec<u8> {
    match value.strip_prefix(ESCAPED_VALUE) {
        Some(encoded) => percent_decode_str(encoded).collect(),
        None => value.as_bytes().to_vec(),
    }
}

/// Azure trims values, and signatures fold blanks: only single blanks inside are safe.
fn is_plain_value(value: &str) -> bool {
    !value.is_empty()
        && value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
        && !value.starts_with(' ')
        && !value.ends_with(' ')
        && !value.contains("  ")
        && !value.starts_with(ESCAPED_VALUE)
}

/// A length in groups of seven bits, the least first: most take one byte.
fn push_length(bytes: &mut Vec<u8>, mut length: usize) {
    loop {
        let [low, ..] = (length & 0x7F).to_le_bytes();
        length >>= 7;
        if length == 0 {
            return bytes.push(low);
        }
        bytes.push(low | 0x80);
    }
}

fn unpack(text: &str) -> Option<BTreeMap<String, Vec<u8>>> {
    let bytes = BASE64.decode(text.as_bytes()).ok()?;
    let mut rest = bytes.as_slice();
    let mut all = BTreeMap::new();
    while !rest.is_empty() {
        let name = take(&mut rest)?.to_vec();
        all.insert(String::from_utf8(name).ok()?, take(&mut rest)?.to_vec());
    }
    Some(all)
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut length = 0;
    for shift in [0, 7, 14] {
        let byte = *rest.split_off_first()?;
        length |= usize::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return rest.split_off(..length);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

    use super::{USER_BYTES_MAX, UserMetadata, decode_value, encode_value, size};
    use crate::azure::Metadata;
    use crate::s3::Code;

    fn of(pairs: &[(&str, &[u8])]) -> UserMetadata {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec()));
        UserMetadata::new(pairs).unwrap()
    }

    fn written(pairs: &[(&str, &[u8])]) -> Vec<(String, String)> {
        of(pairs).write(6144).unwrap().into_iter().collect()
    }

    #[test]
    fn plain_names_and_values_are_their_own() {
        for (name, value) in [("a", "1"), ("class", "x y"), ("a_b", "%41"), ("_1", "UTF-8'x")] {
            let expected = (name.to_owned(), value.to_owned());
            assert_eq!(written(&[(name, value.as_bytes())]), [expected]);
        }
    }

    /// F29 of the security cases.
    #[test]
    fn names_that_azure_refuses_are_escaped() {
        for (name, expected) in [
            ("a-b", "bluebucketm_a_2db"),
            ("a.b", "bluebucketm_a_2eb"),
            ("1x", "bluebucketm_1x"),
            ("CLASS", "class"),
            ("bluebucketetag", "bluebucketm_bluebucketetag"),
            ("bluebucketm_a", "bluebucketm_bluebucketm_5fa"),
            ("!#$%&'*+^`|~", "bluebucketm__21_23_24_25_26_27_2a_2b_5e_60_7c_7e"),
        ] {
            assert_eq!(written(&[(name, b"v")]), [(expected.to_owned(), "v".to_owned())]);
        }
    }

    #[test]
    fn values_that_azure_would_change_are_escaped() {
        for (value, expected) in [
            (&b""[..], "UTF-8''"),
            (b" a", "UTF-8''%20a"),
            (b"a ", "UTF-8''a%20"),
            (b"a  b", "UTF-8''a%20%20b"),
            (b"a\tb", "UTF-8''a%09b"),
            ("€".as_bytes(), "UTF-8''%E2%82%AC"),
            (b"\xFF\x00", "UTF-8''%FF%00"),
            (b"UTF-8''x", "UTF-8''UTF-8%27%27x"),
        ] {
            assert_eq!(encode_value(value), expected);
            assert_eq!(decode_value(expected), value);
        }
    }

    #[test]
    fn what_an_azure_tool_wrote_is_user_metadata() {
        let pairs = [("team", "red"), ("note", "UTF-8''50%"), ("bluebucketother", "x")];
        let metadata: Metadata =
            pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let read = UserMetadata::read(&metadata);
        let read: Vec<_> = read.iter().collect();
        assert_eq!(read, [("note", &b"50%"[..]), ("team", b"red")]);
    }

    #[test]
    fn two_values_of_a_name_are_one() {
        let pairs = [("X".to_owned(), b"1".to_vec()), ("x".to_owned(), b"2".to_vec())];
        assert_eq!(UserMetadata::new(pairs).unwrap(), of(&[("x", b"1,2")]));
    }

    #[test]
    fn two_kilobytes_are_enough_for_everybody() {
        let of_bytes = |bytes: usize| UserMetadata::new([("ab".to_owned(), vec![b'v'; bytes - 2])]);
        assert!(of_bytes(USER_BYTES_MAX).is_ok());
        assert_eq!(of_bytes(USER_BYTES_MAX + 1).unwrap_err().code(), Code::MetadataTooLarge);
    }

    /// As many names as there can be, none of them an identifier.
    #[test]
    fn whatever_s3_allows_finds_room() {
        let tokens = b"!#$%&'*+-.^`|~0123456789";
        let ones = tokens.iter().map(|one| vec![*one]);
        let twos = tokens.iter().flat_map(|one| tokens.iter().map(|other| vec![*one, *other]));
        let threes =
            twos.clone().flat_map(|two| tokens.iter().map(move |one| [&two[..], &[*one]].concat()));
        let mut left = USER_BYTES_MAX;
        let names = ones.chain(twos).chain(threes).take_while(|name| {
            let fits = left >= name.len();
            left = left.saturating_sub(name.len());
            fits
        });
        let all =
            UserMetadata::new(names.map(|n| (String::from_utf8(n).unwrap(), vec![]))).unwrap();
        assert!(all.iter().count() > 700);
        let metadata = all.write(6144).unwrap();
        assert_eq!(metadata.len(), 1);
        assert_eq!(UserMetadata::read(&metadata), all);
    }

    fn metadata() -> impl Strategy<Value = UserMetadata> {
        let name = prop_oneof![
            "[a-z_][a-z0-9_]{0,9}",
            "[!#$%&'*+.^_`|~0-9a-z-]{1,12}",
            "bluebucket[a-z_-]{0,4}"
        ];
        let value = prop_oneof![
            "[a-z ]{0,12}".prop_map(String::into_bytes),
            any::<String>().prop_map(String::into_bytes),
            vec(any::<u8>(), 0..300),
        ];
        btree_map(name, value, 0..20)
            .prop_filter_map("too large", |pairs| UserMetadata::new(pairs).ok())
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(user in metadata(), budget in 6144..8000_usize) {
            let written = user.write(budget).unwrap();
            prop_assert!(size(&written) <= budget);
            for (name, value) in &written {
                let identifier = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
                prop_assert!(name.bytes().all(identifier) && !name.starts_with(|c: char| c.is_ascii_digit()));
                prop_assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
                prop_assert!(!value.is_empty() && value.trim() == value && !value.contains("  "));
            }
            prop_assert_eq!(UserMetadata::read(&written), user);
        }
    }
}
