//! The gate: a signed request becomes [`Signed`], which nothing else can make.
//!
//! Signature Version 4, in the header or in the query, with S3's rules for the path: decoded once,
//! encoded once, never tidied. Who may do what is not known here.

mod credentials;
mod payload;

use http::{HeaderMap, Method};
use time::OffsetDateTime;

pub use credentials::{AccessKeyId, KeyRing, SecretKey};
pub use payload::{Payload, SignedChunks};

use crate::s3::Error;

/// What this gateway asks of signatures beyond AWS's rules.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The only region that a credential may name; none: any.
    pub region: Option<String>,
    /// Reserved: Signature Version 2 is refused either way for now.
    pub allow_sigv2: bool,
}

/// All of a request that a signature can cover, as it came.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path as sent, still encoded.
    pub raw_path: &'a str,
    /// The query as sent, still encoded, without its `?`.
    pub raw_query: Option<&'a str>,
    /// The headers as sent.
    pub headers: &'a HeaderMap,
}

/// How the signer read the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathReading {
    /// As RFC 3986 has it: a `+` is a plus.
    AsSent,
    /// As a form: the signature holds only if each raw `+` is a blank, so that is the key.
    PlusIsSpace,
}

/// The proof that a request was signed with a key that we know.
#[derive(Debug)]
pub struct Signed {
    key_id: AccessKeyId,
    payload: Payload,
    presigned: bool,
    path_reading: PathReading,
}

impl Signed {
    /// Whose key it was.
    pub fn key_id(&self) -> &AccessKeyId {
        &self.key_id
    }

    /// How the body has to be verified.
    pub fn payload(&self) -> Payload {
        self.payload.clone()
    }

    /// Whether the credentials came in the query.
    pub fn presigned(&self) -> bool {
        self.presigned
    }

    /// How the path has to be read to get the key that was signed.
    pub fn path_reading(&self) -> PathReading {
        self.path_reading
    }
}

/// Day keys derived before, a bounded number of them.
#[derive(Debug, Default)]
pub struct SigningKeys {}

/// Checks who signed this request. None: it carries no credentials at all.
pub fn verify(
    head: &RequestHead<'_>,
    keys: &dyn KeyRing,
    rules: &Rules,
    now: OffsetDateTime,
    cache: &SigningKeys,
) -> Result<Option<Signed>, Error> {
    let _ = (head, keys, rules, now, cache);
    todo!()
}
