//! The checksums of `x-amz-checksum-*`: their names, their values, and how they are computed.
//! Who promised one and whether the promise holds is for `payload` to say.

use std::fmt;

use crc_fast::CrcAlgorithm;
use data_encoding::BASE64;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// A checksum algorithm that S3 has and that this gateway computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChecksumAlgorithm {
    /// CRC-32 as in zip and Ethernet.
    Crc32,
    /// CRC-32C, Castagnoli's.
    Crc32c,
    /// CRC-64/NVME.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl ChecksumAlgorithm {
    /// All of them, in the order in which S3 lists them.
    pub const ALL: [Self; 5] =
        [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// The name as in `x-amz-checksum-algorithm` and in documents.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The header that carries a value of it.
    pub const fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// How many bytes a value has.
    pub const fn length(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// Can the checksums of two pieces be made one of both, without the bytes?
    pub const fn combines(self) -> bool {
        self.crc().is_some()
    }

    const fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            Self::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            Self::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            Self::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            Self::Sha1 | Self::Sha256 => None,
        }
    }

    /// The algorithm of that name, in either case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// The algorithm whose values come in that header, in either case.
    pub fn of_header(header: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.header().eq_ignore_ascii_case(header))
    }
}

impl fmt::Display for ChecksumAlgorithm {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// The value of a checksum, of the length that its algorithm has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Checksum {
    algorithm: ChecksumAlgorithm,
    value: [u8; 32],
}

impl Checksum {
    /// A value of just the length that the algorithm has.
    pub fn new(algorithm: ChecksumAlgorithm, value: &[u8]) -> Option<Self> {
        let mut padded = [0; 32];
        let filled = padded.get_mut(..value.len())?;
        filled.copy_from_slice(value);
        (value.len() == algorithm.length()).then_some(Self { algorithm, value: padded })
    }

    /// Reads the base64 text of a header, a trailer or a document.
    pub fn from_base64(algorithm: ChecksumAlgorithm, text: &[u8]) -> Option<Self> {
        // Four characters are at most three bytes, and the longest value has 32.
        let mut value = [0; 33];
        let room = value.get_mut(..BASE64.decode_len(text.len()).ok()?)?;
        let length = BASE64.decode_mut(text, room).ok()?;
        Self::new(algorithm, value.get(..length)?)
    }

    /// The checksum of the bytes of this one followed by `length` bytes of the other; nothing if they
    /// are by different algorithms, or by a hash.
    pub fn followed_by(&self, other: &Self, length: u64) -> Option<Self> {
        let crc = self.algorithm.crc().filter(|_| self.algorithm == other.algorithm)?;
        let both = crc_fast::checksum_combine(crc, self.number(), other.number(), length);
        Some(Self::of_crc(self.algorithm, both))
    }

    /// The value of a CRC as a number; of a hash, its last eight bytes.
    pub fn number(&self) -> u64 {
        self.value().iter().fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }

    /// A CRC as a value: a CRC-32 is the lower half of the word.
    fn of_crc(algorithm: ChecksumAlgorithm, crc: u64) -> Self {
        let mut value = [0; 32];
        let all = crc.to_be_bytes();
        let used = all.iter().skip(all.len() - algorithm.length());
        value.iter_mut().zip(used).for_each(|(to, from)| *to = *from);
        Self { algorithm, value }
    }

    /// By what it was computed.
    pub const fn algorithm(&self) -> ChecksumAlgorithm {
        self.algorithm
    }

    /// The bytes of the value, most significant first.
    pub fn value(&self) -> &[u8] {
        self.value.get(..self.algorithm.length()).unwrap_or(&self.value)
    }

    /// The value as headers and documents have it.
    pub fn base64(&self) -> String {
        BASE64.encode(self.value())
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.algorithm, self.base64())
    }
}

/// A checksum in the making.
pub struct Hasher {
    algorithm: ChecksumAlgorithm,
    state: State,
}

enum State {
    Crc(crc_fast::Digest),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Hasher {
    /// Of no bytes yet.
    pub fn new(algorithm: ChecksumAlgorithm) -> Self {
        let state = match (algorithm.crc(), algorithm) {
            (Some(crc), _) => State::Crc(crc_fast::Digest::new(crc)),
            (None, ChecksumAlgorithm::Sha1) => State::Sha1(Sha1::new()),
            (None, _) => State::Sha256(Sha256::new()),
        };
        Self { algorithm, state }
    }

    /// Takes the next bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Crc(crc) => crc.update(bytes),
            State::Sha1(sha1) => sha1.update(bytes),
            State::Sha256(sha256) => sha256.update(bytes),
        }
    }

    /// The checksum of all bytes taken in.
    pub fn finish(self) -> Checksum {
        let mut value = [0; 32];
        match self.state {
            State::Crc(crc) => return Checksum::of_crc(self.algorithm, crc.finalize()),
            State::Sha1(sha1) => {
                value.iter_mut().zip(sha1.finalize()).for_each(|(to, from)| *to = from);
            }
            State::Sha256(sha256) => value = sha256.finalize().into(),
        }
        Checksum { algorithm: self.algorithm, value }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Hasher({})", self.algorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::{Checksum, ChecksumAlgorithm, Hasher};

    fn check(algorithm: ChecksumAlgorithm, expected: &str) {
        // The check input of the catalogue of CRCs, https://reveng.sourceforge.io/crc-catalogue/all.htm
        let mut hasher = Hasher::new(algorithm);
        hasher.update(b"1234");
        hasher.update(b"56789");
        let checksum = hasher.finish();
        let value = data_encoding::HEXLOWER.encode(checksum.value());
        assert_eq!(value, expected, "{algorithm}");
        let again = Checksum::from_base64(algorithm, checksum.base64().as_bytes());
        assert_eq!(again, Some(checksum));
    }

    #[test]
    fn every_algorithm_gives_its_published_check_value() {
        check(ChecksumAlgorithm::Crc32, "cbf43926");
        check(ChecksumAlgorithm::Crc32c, "e3069283");
        check(ChecksumAlgorithm::Crc64Nvme, "ae8b14860a799888");
        check(ChecksumAlgorithm::Sha1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441");
        check(
            ChecksumAlgorithm::Sha256,
            "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
        );
    }

    #[test]
    fn crcs_of_pieces_combine_and_hashes_do_not() {
        for algorithm in ChecksumAlgorithm::ALL {
            let of = |bytes: &[u8]| {
                let mut hasher = Hasher::new(algorithm);
                hasher.update(bytes);
                hasher.finish()
            };
            let combined = of(b"12345").followed_by(&of(b"6789"), 4);
            assert_eq!(combined, algorithm.combines().then(|| of(b"123456789")), "{algorithm}");
            assert_eq!(of(b"").followed_by(&of(b"6789"), 4).is_some(), algorithm.combines());
        }
    }

    #[test]
    fn names_and_headers_read_back() {
        for algorithm in ChecksumAlgorithm::ALL {
            assert_eq!(ChecksumAlgorithm::parse(algorithm.name()), Some(algorithm));
            assert_eq!(ChecksumAlgorithm::of_header(algorithm.header()), Some(algorithm));
        }
        assert_eq!(ChecksumAlgorithm::parse("SHA512"), None);
    }

    #[test]
    fn a_value_of_another_length_is_none() {
        assert_eq!(Checksum::from_base64(ChecksumAlgorithm::Crc32, b"AAAAAAA="), None);
        assert_eq!(Checksum::from_base64(ChecksumAlgorithm::Crc32, b"AAAA"), None);
        assert_eq!(Checksum::from_base64(ChecksumAlgorithm::Crc32, b"AAAAA==="), None);
        assert_eq!(Checksum::from_base64(ChecksumAlgorithm::Sha256, &[b'A'; 4000]), None);
        assert!(Checksum::from_base64(ChecksumAlgorithm::Crc32, b"AAAAAA==").is_some());
    }
}
