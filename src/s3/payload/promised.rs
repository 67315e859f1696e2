//! What a request promises about its body in headers: `Content-MD5`, `x-amz-checksum-*`,
//! `x-amz-sdk-checksum-algorithm`, `x-amz-trailer`.

use http::HeaderMap;

use crate::s3::Error;
use crate::s3::checksum::{Checksum, ChecksumAlgorithm};

/// What the head of a request says that its body will be.
#[derive(Clone, Debug, Default)]
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

impl Promised {
    /// Reads the promises of a request.
    pub fn read(headers: &HeaderMap) -> Result<Self, Error> {
        let _ = headers;
        todo!()
    }

    /// Reads the promises of a request whose headers may stand in the query, as JavaScript's presigner
    /// puts them.
    pub fn read_presigned(headers: &HeaderMap, raw_query: Option<&str>) -> Result<Self, Error> {
        let _ = (headers, raw_query);
        todo!()
    }

    /// Asks for a checksum by this algorithm where none was promised.
    #[must_use]
    pub fn or_compute(mut self, algorithm: ChecksumAlgorithm) -> Self {
        self.checksum.get_or_insert(Promise::Compute(algorithm));
        self
    }
}
