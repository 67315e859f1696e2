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

use data_encoding::BASE64;
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
            encoded.push_str(&format!("_{byte:02x}"));
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
    while length > 0x7F {
        bytes.push((length & 0x7F) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push((length & 0x7F) as u8);
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
