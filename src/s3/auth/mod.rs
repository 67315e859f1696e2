//! The gate: a signed request becomes [`Signed`], which nothing else can make.
//!
//! Signature Version 4, in the header or in the query, with S3's rules for the path: decoded once,
//! encoded once, never tidied; and Version 2, where it is switched on. Who may do what is not known
//! here.

mod claim;
mod credentials;
mod date;
mod encoding;
mod form;
mod keys;
mod payload;
mod presign;
mod query;
mod scope;
mod signature;
#[cfg(test)]
pub(super) mod tests;
mod version_2;

use std::sync::{Arc, LazyLock};

use http::{HeaderMap, Method};
use time::OffsetDateTime;

pub use credentials::{AccessKeyId, KeyRing, SecretKey};
pub use form::verify_form;
pub use keys::SigningKeys;
pub(crate) use payload::SHA256_OF_NOTHING;
pub use payload::{Payload, SignedChunks};
pub use presign::{Presign, presign};
pub(crate) use signature::{Hex, SigningKey, hex, same};

use crate::s3::query::Plus;
use crate::s3::{Code, Error};
use claim::Claim;
use payload::Declared;
use query::QueryCredentials;
use scope::{Door, Scope};
use signature::{ALGORITHM, CanonicalQuery, CanonicalRequest, TERMINATOR};

/// What this gateway asks of signatures beyond AWS's rules.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The only region that a credential may name; none: any.
    pub region: Option<String>,
    /// Whether signatures of Version 2 count, which cover less and are made with SHA-1.
    pub allow_sigv2: bool,
}

/// All of a request that a signature can cover, as it came.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The bucket that the host names, in lower case; none: the path names it.
    pub virtual_bucket: Option<&'a str>,
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
    time: Option<OffsetDateTime>,
    algorithm: &'static str,
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

    /// When it was signed, where the signature says so.
    pub fn signed_at(&self) -> Option<OffsetDateTime> {
        self.time
    }

    /// By which algorithm, as policies name it.
    pub fn algorithm(&self) -> &'static str {
        self.algorithm
    }

    /// How the path has to be read to get the key that was signed.
    pub fn path_reading(&self) -> PathReading {
        self.path_reading
    }
}

/// Checks who signed this request. None: it carries no credentials at all.
///
/// The order is AWS's, so that each fault has its code: form, date, scope, key, signature, and only
/// then what the signature left out.
pub fn verify(
    head: &RequestHead<'_>,
    keys: &dyn KeyRing,
    rules: &Rules,
    now: OffsetDateTime,
    cache: &SigningKeys,
) -> Result<Option<Signed>, Error> {
    refuse_repeated_headers(head.headers)?;
    let query = QueryCredentials::read(head.raw_query)?;
    if let Some(signed) = version_2::verify(head, &query, keys, rules, now)? {
        return Ok(Some(signed));
    }
    let Some(claim) = Claim::read(head.headers, &query)? else { return Ok(None) };
    let (payload_line, declared) = Declared::read(&claim, head.headers, &query)?;
    if !head.headers.contains_key(http::header::HOST) {
        return Err(Error::new(Code::InvalidRequest)
            .message("Missing required header for this request: host"));
    }
    claim.check_time(now)?;
    let scope = Scope::parse(&claim.credential, claim.door, &claim.stamp, rules)?;
    if query.token || head.headers.contains_key("x-amz-security-token") {
        return Err(Error::new(Code::InvalidToken));
    }
    let attempt = Attempt { head, claim: &claim, scope, payload_line: &payload_line };
    let (key_id, key, path_reading) = attempt.prove(keys, cache, declared.is_none())?;
    attempt.refuse_unsigned_headers()?;
    let presigned = claim.door == Door::Query;
    if presigned && declared.is_some_and(Declared::is_streaming) {
        return Err(payload::streaming_where_it_may_not_be());
    }
    let payload = match declared {
        None => Payload::Absent,
        Some(Declared::Unsigned) => Payload::Unsigned,
        Some(Declared::Sha256(hash)) => Payload::Sha256(hash),
        Some(Declared::UnsignedChunks) => Payload::UnsignedChunksWithTrailer,
        Some(Declared::SignedChunks { trailer }) => {
            Payload::SignedChunks(attempt.chunks(key, trailer)?)
        }
    };
    let (time, algorithm) = (Some(claim.signed_at()), ALGORITHM);
    Ok(Some(Signed { key_id, payload, presigned, time, algorithm, path_reading }))
}

/// In place of the secret of a key that we do not know.
static NOBODY: LazyLock<SecretKey> = LazyLock::new(|| SecretKey::new("nobody"));

/// A claim about a request, on its way to be proven.
struct Attempt<'a> {
    head: &'a RequestHead<'a>,
    claim: &'a Claim<'a>,
    scope: Scope<'a>,
    payload_line: &'a str,
}

impl Attempt<'_> {
    /// Holds the signature against the key that the credential names. A key that we do not know
    /// costs the same work as a wrong secret.
    fn prove(
        &self,
        keys: &dyn KeyRing,
        cache: &SigningKeys,
        payload_was_guessed: bool,
    ) -> Result<(AccessKeyId, SigningKey, PathReading), Error> {
        let id = AccessKeyId::new(self.scope.key_id);
        let secret = keys.secret(&id);
        let cached = secret.as_ref().and_then(|secret| cache.find(&self.scope, secret));
        let is_new = cached.is_none();
        let key = cached.unwrap_or_else(|| self.scope.derive(secret.as_ref().unwrap_or(&NOBODY)));
        let reading = self.reading_that_holds(&key)?;
        let Some(secret) = secret else {
            return Err(Error::new(Code::InvalidAccessKeyId).detail("AWSAccessKeyId", id.as_str()));
        };
        let Some(reading) = reading else {
            if !is_new {
                // Every refusal costs one derivation, so that time does not tell who was here today.
                std::hint::black_box(self.scope.derive(&secret));
            }
            return Err(self.does_not_match(&id, payload_was_guessed));
        };
        if is_new {
            cache.keep(&self.scope, &secret, &key);
        }
        Ok((id, key, reading))
    }

    /// With which reading of the path the signature is right, if with any.
    fn reading_that_holds(&self, key: &SigningKey) -> Result<Option<PathReading>, Error> {
        let query = CanonicalQuery::read(self.head.raw_query)?;
        if self.holds(key, &query, Plus::IsPlus)? {
            return Ok(Some(PathReading::AsSent));
        }
        // aws4fetch sends a raw plus and signs a blank: https://github.com/mhart/aws4fetch
        if self.head.raw_path.contains('+') && self.holds(key, &query, Plus::IsBlank)? {
            return Ok(Some(PathReading::PlusIsSpace));
        }
        Ok(None)
    }

    fn holds(
        &self,
        key: &SigningKey,
        query: &CanonicalQuery<'_>,
        plus: Plus,
    ) -> Result<bool, Error> {
        let request = CanonicalRequest {
            method: self.head.method.as_str(),
            path: &encoding::canonical_path(self.head.raw_path, plus)?,
            query,
            headers: self.head.headers,
            signed_headers: &self.claim.signed_headers,
            payload: self.payload_line,
        };
        let signature = self.sign(key, &request.digest());
        let all_are_there = self.signed_headers().all(|name| self.head.headers.contains_key(name));
        Ok(same(&signature, self.claim.signature.as_bytes()) && all_are_there)
    }

    fn sign(&self, key: &SigningKey, digest: &Hex) -> Hex {
        let Scope { day, region, service, .. } = self.scope;
        let stamp = self.claim.stamp.as_str();
        let text =
            [ALGORITHM, "\n", stamp, "\n", day, "/", region, "/", service, "/", TERMINATOR, "\n"];
        key.sign(text.into_iter().map(str::as_bytes).chain([digest.as_slice()]))
    }

    fn does_not_match(&self, id: &AccessKeyId, payload_was_guessed: bool) -> Error {
        let headers = self.head.headers;
        let has_body = headers.contains_key(http::header::TRANSFER_ENCODING)
            || headers.get(http::header::CONTENT_LENGTH).is_some_and(|length| length != "0");
        if payload_was_guessed && has_body {
            // The signer knew the body's hash and did not say it, as curl 7 with `--data`.
            return Error::new(Code::InvalidRequest)
                .message("Missing required header for this request: x-amz-content-sha256");
        }
        Error::new(Code::SignatureDoesNotMatch).detail("AWSAccessKeyId", id.as_str())
    }

    /// S3 acts on `x-amz-*` headers, so one that was added on the way must not count.
    fn refuse_unsigned_headers(&self) -> Result<(), Error> {
        let is_signed = |name: &str| self.signed_headers().any(|signed| signed == name);
        // Its value is part of what was signed, wherever it stood.
        let is_exempt =
            |name: &str| self.claim.door == Door::Query && name == "x-amz-content-sha256";
        let unsigned: Vec<&str> = self
            .head
            .headers
            .keys()
            .map(http::HeaderName::as_str)
            .filter(|name| name.starts_with("x-amz-") && !is_exempt(name))
            .chain(["host"])
            .filter(|name| !is_signed(name))
            .collect();
        if unsigned.is_empty() {
            return Ok(());
        }
        Err(Error::new(Code::AccessDenied)
            .message("There were headers present in the request which were not signed")
            .detail("HeadersNotSigned", unsigned.join(", ")))
    }

    fn signed_headers(&self) -> impl Iterator<Item = &str> {
        self.claim.signed_headers.split(';')
    }

    /// What the chunks' signatures hang on. The request's own signature has been proven here.
    fn chunks(&self, key: SigningKey, trailer: bool) -> Result<SignedChunks, Error> {
        let Scope { day, region, service, .. } = self.scope;
        let stamp = self.claim.stamp.as_str();
        let seed = Hex::try_from(self.claim.signature.as_bytes())
            .map_err(|error| Error::new(Code::SignatureDoesNotMatch).caused_by(error))?;
        let context = format!("{stamp}\n{day}/{region}/{service}/{TERMINATOR}\n");
        Ok(SignedChunks { key, context: Arc::from(context), seed, trailer })
    }
}

/// Two values of one of these would leave open which of them was meant.
fn refuse_repeated_headers(headers: &HeaderMap) -> Result<(), Error> {
    if headers.keys_len() == headers.len() {
        return Ok(());
    }
    let once = ["authorization", "host", "date", "x-amz-date", "x-amz-content-sha256"];
    for name in once {
        if headers.get_all(name).iter().nth(1).is_some() {
            return Err(Error::new(Code::InvalidRequest)
                .message(format!("The header {name} may be given only once.")));
        }
    }
    Ok(())
}
