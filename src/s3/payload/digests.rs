//! The digests of a body, computed as it passes, and held against what was promised at its end.

use data_encoding::BASE64;
use md5::Md5 as Md5State;
use md5_lanes::Hashed;
use sha2::{Digest as _, Sha256};

use super::Md5;
use super::promised::{Promise, Promised};
use crate::s3::auth::{Payload, hex};
use crate::s3::checksum::{Checksum, ChecksumAlgorithm, Hasher};
use crate::s3::{Code, Error};

/// All digests that somebody promised or asked for, in the making, and no others.
#[derive(Debug)]
pub(super) struct Digests {
    sha256: Option<(Sha256, [u8; 32])>,
    md5: Option<Md5State>,
    /// The MD5 is computed elsewhere.
    md5_is_given: bool,
    content_md5: Option<[u8; 16]>,
    /// Without a hasher where the checksum is the hash that was signed, which is computed anyway.
    checksum: Option<(Option<Hasher>, Promise)>,
    trailer: Option<Vec<u8>>,
}

impl Digests {
    pub(super) fn new(payload: &Payload, promised: Promised, md5: Md5) -> Self {
        let signed = if let Payload::Sha256(hash) = payload { Some(*hash) } else { None };
        let hasher = |algorithm: ChecksumAlgorithm| {
            let is_signed = algorithm == ChecksumAlgorithm::Sha256 && signed.is_some();
            (!is_signed).then(|| Hasher::new(algorithm))
        };
        let with_md5 = match md5 {
            Md5::Compute => true,
            Md5::Skip => promised.content_md5.is_some(),
            Md5::Given => false,
        };
        Self {
            sha256: signed.map(|hash| (Sha256::new(), hash)),
            md5: with_md5.then(Md5State::new),
            md5_is_given: md5 == Md5::Given,
            content_md5: promised.content_md5,
            checksum: promised.checksum.map(|promise| (hasher(promise.algorithm()), promise)),
            trailer: None,
        }
    }

    /// The checksum whose value is to come after the body.
    pub(super) fn algorithm_in_trailer(&self) -> Option<ChecksumAlgorithm> {
        match self.checksum {
            Some((_, Promise::Trailer(algorithm))) => Some(algorithm),
            Some((_, Promise::Value(_) | Promise::Compute(_))) | None => None,
        }
    }

    /// Takes the value that came after the body.
    pub(super) fn take_trailer(&mut self, value: &[u8]) {
        self.trailer = Some(value.to_vec());
    }

    /// Takes the next bytes in.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        if let Some((sha256, _)) = &mut self.sha256 {
            sha256.update(bytes);
        }
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        if let Some((Some(hasher), _)) = &mut self.checksum {
            hasher.update(bytes);
        }
    }

    /// Holds every promise against the bytes that came. `given` is their MD5 where it was computed
    /// elsewhere.
    pub(super) fn verify(self, length: u64, given: Option<Hashed>) -> Result<Verified, Error> {
        if given.map(Hashed::length) != self.md5_is_given.then_some(length) {
            let what = "the MD5 is not that of the body";
            return Err(Error::new(Code::InternalError).caused_by(what));
        }
        let sha256 = self.sha256.map(|(sha256, signed)| (sha256.finalize().into(), signed));
        if let Some((computed, signed)) = sha256.filter(|(computed, signed)| computed != signed) {
            return Err(another_sha256(&signed, &computed));
        }
        let computed = self.md5.map(|md5| <[u8; 16]>::from(md5.finalize()));
        let md5 = computed.or_else(|| given.map(Hashed::md5));
        if let (Some(computed), Some(promised)) = (md5, self.content_md5)
            && computed != promised
        {
            return Err(Error::new(Code::BadDigest)
                .detail("ExpectedDigest", BASE64.encode(&promised))
                .detail("CalculatedDigest", BASE64.encode(&computed)));
        }
        let checksum = match self.checksum {
            Some((hasher, promise)) => {
                Some(check(hasher, promise, sha256.map(|(computed, _)| computed), self.trailer)?)
            }
            None => None,
        };
        let content_md5_was_promised = self.content_md5.is_some();
        Ok(Verified { length, md5, content_md5_was_promised, checksum })
    }
}

fn check(
    hasher: Option<Hasher>,
    promise: Promise,
    sha256: Option<[u8; 32]>,
    trailer: Option<Vec<u8>>,
) -> Result<Checksum, Error> {
    let algorithm = promise.algorithm();
    let computed = match hasher {
        Some(hasher) => Some(hasher.finish()),
        None => sha256.and_then(|hash| Checksum::new(algorithm, &hash)),
    };
    let computed = computed.ok_or_else(|| Error::new(Code::InternalError))?;
    let promised = match promise {
        Promise::Compute(_) => return Ok(computed),
        Promise::Value(value) => value,
        Promise::Trailer(_) => {
            let text = trailer.ok_or_else(|| Error::new(Code::MalformedTrailerError))?;
            Checksum::from_base64(algorithm, text.trim_ascii()).ok_or_else(|| {
                Error::new(Code::InvalidRequest).message(format!(
                    "Value for {} trailing header is invalid.",
                    algorithm.header()
                ))
            })?
        }
    };
    if computed == promised {
        return Ok(computed);
    }
    Err(Error::new(Code::BadDigest)
        .message(format!("The {algorithm} you specified did not match the calculated checksum.")))
}

fn another_sha256(signed: &[u8; 32], computed: &[u8; 32]) -> Error {
    let text = |hash: &[u8; 32]| String::from_utf8_lossy(&hex(hash)).into_owned();
    Error::new(Code::XAmzContentSHA256Mismatch)
        .detail("ClientComputedContentSHA256", text(signed))
        .detail("S3ComputedContentSHA256", text(computed))
}

/// The proof that a body came whole and was what its request said. Only
/// [`super::CheckedBody::finish`] makes one.
#[derive(Debug)]
pub struct Verified {
    length: u64,
    md5: Option<[u8; 16]>,
    content_md5_was_promised: bool,
    checksum: Option<Checksum>,
}

impl Verified {
    /// How many bytes the body had.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The MD5 of the body, if it was computed.
    pub fn md5(&self) -> Option<[u8; 16]> {
        self.md5
    }

    /// Whether the client sent a `Content-MD5`.
    pub fn content_md5_was_promised(&self) -> bool {
        self.content_md5_was_promised
    }

    /// The checksum that was promised or asked for.
    pub fn checksum(&self) -> Option<&Checksum> {
        self.checksum.as_ref()
    }
}
