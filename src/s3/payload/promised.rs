//! What a request promises about its body in headers: `Content-MD5`, `x-amz-checksum-*`,
//! `x-amz-sdk-checksum-algorithm`, `x-amz-trailer`.

use data_encoding::BASE64;
use http::HeaderMap;

use crate::s3::checksum::{Checksum, ChecksumAlgorithm};
use crate::s3::{Code, Error};

const CHECKSUM_PREFIX: &str = "x-amz-checksum-";
const SDK_ALGORITHM: &str = "x-amz-sdk-checksum-algorithm";

/// What the head of a request says that its body will be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Promised {
    /// `Content-MD5`.
    pub content_md5: Option<[u8; 16]>,
    /// The checksum, or where it will come.
    pub checksum: Option<Promise>,
    /// `x-amz-sdk-checksum-algorithm`.
    pub algorithm: Option<ChecksumAlgorithm>,
}

/// A checksum that was promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// The value itself.
    Value(Checksum),
    /// The value comes in the trailer.
    Trailer(ChecksumAlgorithm),
    /// Nothing was promised; it is to be computed all the same.
    Compute(ChecksumAlgorithm),
}

impl Promise {
    /// By what the checksum is to be computed.
    pub const fn algorithm(&self) -> ChecksumAlgorithm {
        match self {
            Self::Value(checksum) => checksum.algorithm(),
            Self::Trailer(algorithm) | Self::Compute(algorithm) => *algorithm,
        }
    }
}

impl Promised {
    /// Reads the promises of a request.
    pub fn read(headers: &HeaderMap) -> Result<Self, Error> {
        let mut promised = Self::default();
        for (name, value) in headers {
            promised.take(name.as_str(), value.as_bytes())?;
        }
        promised.check_algorithm()?;
        Ok(promised)
    }

    /// Asks for a checksum by this algorithm where none was promised.
    #[must_use]
    pub fn or_compute(mut self, algorithm: ChecksumAlgorithm) -> Self {
        self.checksum.get_or_insert(Promise::Compute(algorithm));
        self
    }

    /// Takes one header in; `name` is in lower case.
    fn take(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        match name {
            "content-md5" => self.take_md5(value),
            "x-amz-trailer" => self.take_trailer(value),
            SDK_ALGORITHM => self.take_algorithm(value),
            "x-amz-checksum-algorithm" | "x-amz-checksum-mode" | "x-amz-checksum-type" => Ok(()),
            _ if name.starts_with(CHECKSUM_PREFIX) => {
                let algorithm = algorithm_of(name)?;
                let value = Checksum::from_base64(algorithm, value.trim_ascii())
                    .ok_or_else(|| invalid_value(name))?;
                self.promise(Promise::Value(value))
            }
            _ => Ok(()),
        }
    }

    fn take_md5(&mut self, value: &[u8]) -> Result<(), Error> {
        let invalid = || {
            let shown = String::from_utf8_lossy(value);
            Error::new(Code::InvalidDigest).detail("Content-MD5", shown)
        };
        let value = value.trim_ascii();
        // 16 bytes are 24 characters; nothing longer has to be decoded to be refused.
        if value.len() != 24 || self.content_md5.is_some() {
            return Err(invalid());
        }
        let md5 = BASE64.decode(value).ok().and_then(|md5| md5.try_into().ok());
        self.content_md5 = Some(md5.ok_or_else(invalid)?);
        Ok(())
    }

    fn take_trailer(&mut self, value: &[u8]) -> Result<(), Error> {
        for name in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            if !name.starts_with(CHECKSUM_PREFIX) {
                return Err(Error::new(Code::InvalidRequest)
                    .message("The value specified in the x-amz-trailer header is not supported"));
            }
            self.promise(Promise::Trailer(algorithm_of(&name)?))?;
        }
        Ok(())
    }

    fn take_algorithm(&mut self, value: &[u8]) -> Result<(), Error> {
        let name = String::from_utf8_lossy(value.trim_ascii());
        let algorithm = ChecksumAlgorithm::parse(&name).ok_or_else(|| unsupported(&name))?;
        match self.algorithm.replace(algorithm) {
            Some(before) if before != algorithm => Err(invalid_value(SDK_ALGORITHM)),
            Some(_) | None => Ok(()),
        }
    }

    fn promise(&mut self, promise: Promise) -> Result<(), Error> {
        if self.checksum.replace(promise).is_some() {
            return Err(Error::new(Code::InvalidRequest).message(
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
            ));
        }
        Ok(())
    }

    fn check_algorithm(&self) -> Result<(), Error> {
        match (self.algorithm, &self.checksum) {
            (Some(_), None) => Err(Error::new(Code::InvalidRequest).message(
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or \
                 x-amz-trailer headers were found.",
            )),
            (Some(said), Some(promise)) if said != promise.algorithm() => {
                Err(invalid_value(SDK_ALGORITHM))
            }
            (Some(_), Some(_)) | (None, _) => Ok(()),
        }
    }
}

fn algorithm_of(header: &str) -> Result<ChecksumAlgorithm, Error> {
    let name = header.strip_prefix(CHECKSUM_PREFIX).unwrap_or(header);
    ChecksumAlgorithm::of_header(header).ok_or_else(|| unsupported(&name.to_ascii_uppercase()))
}

/// Newer SDKs know algorithms that we do not; to ignore one would be to store unchecked bytes.
fn unsupported(name: &str) -> Error {
    Error::new(Code::InvalidRequest).message(format!(
        "Checksum algorithm provided is unsupported. Please try again with any of the valid types: \
         [CRC32, CRC32C, CRC64NVME, SHA1, SHA256] ({name} is none of them)"
    ))
}

fn invalid_value(header: &str) -> Error {
    Error::new(Code::InvalidRequest).message(format!("Value for {header} header is invalid."))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::{Promise, Promised};
    use crate::s3::checksum::ChecksumAlgorithm;
    use crate::s3::{Code, Error};

    fn read(headers: &[(&'static str, &str)]) -> Result<Promised, Error> {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .fold(HeaderMap::new(), |mut map, (name, value): (http::HeaderName, _)| {
                map.append(name, value);
                map
            });
        Promised::read(&headers)
    }

    fn check_refused(headers: &[(&'static str, &str)], code: Code, words: &str) {
        let error = read(headers).unwrap_err();
        assert_eq!(error.code(), code, "{headers:?}");
        assert!(error.text().contains(words), "{headers:?}: {}", error.text());
    }

    #[test]
    fn every_kind_of_promise_is_read() {
        let none = read(&[("content-type", "text/plain")]).unwrap();
        assert!(none.checksum.is_none() && none.content_md5.is_none());
        let md5 = read(&[("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")]).unwrap();
        assert_eq!(md5.content_md5.unwrap()[..2], [0xd4, 0x1d]);
        let header = read(&[
            ("x-amz-checksum-crc32", "AAAAAA=="),
            ("x-amz-sdk-checksum-algorithm", "CRC32"),
            ("x-amz-checksum-type", "FULL_OBJECT"),
        ])
        .unwrap();
        assert!(matches!(header.checksum, Some(Promise::Value(_))));
        let trailer = read(&[
            ("x-amz-trailer", "x-amz-checksum-crc64nvme"),
            ("x-amz-sdk-checksum-algorithm", "crc64nvme"),
        ])
        .unwrap();
        assert_eq!(trailer.checksum, Some(Promise::Trailer(ChecksumAlgorithm::Crc64Nvme)));
    }

    #[test]
    fn f30_a_malformed_content_md5_is_refused() {
        for md5 in ["", "1B2M2Y8AsgTpgAmY7PhCfg", "1B2M2Y8AsgTpgAmY7PhCfg=!", "AAAAAA=="] {
            check_refused(&[("content-md5", md5)], Code::InvalidDigest, "Content-MD5");
        }
        let md5 = ("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==");
        check_refused(&[md5, md5], Code::InvalidDigest, "Content-MD5");
    }

    #[test]
    fn algorithms_that_we_do_not_have_are_refused_by_name() {
        for name in ["SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128"] {
            let header: &'static str =
                Box::leak(format!("x-amz-checksum-{}", name.to_lowercase()).into_boxed_str());
            check_refused(&[(header, "AAAAAA==")], Code::InvalidRequest, name);
            check_refused(&[("x-amz-trailer", header)], Code::InvalidRequest, name);
            let sdk = ("x-amz-sdk-checksum-algorithm", name);
            check_refused(&[sdk], Code::InvalidRequest, name);
        }
    }

    #[test]
    fn f31_two_checksums_or_a_bad_one_are_refused() {
        let (crc32, sha1) = (
            ("x-amz-checksum-crc32", "AAAAAA=="),
            ("x-amz-checksum-sha1", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        );
        check_refused(&[crc32, sha1], Code::InvalidRequest, "Multiple");
        check_refused(&[crc32, crc32], Code::InvalidRequest, "Multiple");
        let trailer = ("x-amz-trailer", "x-amz-checksum-crc32");
        check_refused(&[crc32, trailer], Code::InvalidRequest, "Multiple");
        let bad = ("x-amz-checksum-crc32", "AAAA");
        check_refused(&[bad], Code::InvalidRequest, "Value for x-amz-checksum-crc32");
        let sdk = ("x-amz-sdk-checksum-algorithm", "SHA256");
        check_refused(&[crc32, sdk], Code::InvalidRequest, "Value for x-amz-sdk-checksum");
        check_refused(&[sdk], Code::InvalidRequest, "no corresponding");
        let other = ("x-amz-trailer", "x-amz-meta-a");
        check_refused(&[other], Code::InvalidRequest, "x-amz-trailer");
    }
}
