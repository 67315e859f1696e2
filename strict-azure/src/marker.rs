//! Markers of listings: opaque, and good only where they came from.

use data_encoding::BASE64URL_NOPAD;

use crate::clock::Time;

/// Where a listing of blobs goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The next name or prefix.
    pub(crate) name: String,
    /// The next snapshot of it; [`BASE`] is the blob itself.
    pub(crate) snapshot: Time,
    /// An empty page has been answered here.
    pub(crate) rested: bool,
}

/// Behind all snapshots.
pub(crate) const BASE: Time = Time(u64::MAX);

impl Place {
    pub(crate) fn text(&self) -> String {
        let mut bytes = vec![u8::from(self.rested)];
        bytes.extend(self.snapshot.0.to_be_bytes());
        bytes.extend(self.name.as_bytes());
        seal(&bytes)
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = unseal(text)?;
        let (rested, rest) = bytes.split_first()?;
        let (snapshot, name) = rest.split_first_chunk::<8>()?;
        Some(Self {
            name: std::str::from_utf8(name).ok()?.to_owned(),
            snapshot: Time(u64::from_be_bytes(*snapshot)),
            rested: *rested == 1,
        })
    }
}

/// As the service's markers look: a version, a length, and what nobody should read.
pub(crate) fn seal(bytes: &[u8]) -> String {
    let mut all = check(bytes).to_vec();
    all.extend(bytes);
    let text = BASE64URL_NOPAD.encode(&all);
    format!("2!{}!{text}", text.len())
}

pub(crate) fn unseal(text: &str) -> Option<Vec<u8>> {
    let (length, text) = text.strip_prefix("2!")?.split_once('!')?;
    if length.parse() != Ok(text.len()) {
        return None;
    }
    let all = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    let (sum, bytes) = all.split_first_chunk::<8>()?;
    (*sum == check(bytes)).then(|| bytes.to_vec())
}

fn check(bytes: &[u8]) -> [u8; 8] {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_markers_are_read() {
        let place = Place { name: "a/\u{1f388}".to_owned(), snapshot: BASE, rested: true };
        assert_eq!(Place::parse(&place.text()), Some(place));
        for foreign in ["a", "", "2!4!YWJj", "a/key", "2!92!MDAwMDE0IXByZWZpeC9rZXkh"] {
            assert_eq!(Place::parse(foreign), None, "{foreign}");
        }
    }
}
