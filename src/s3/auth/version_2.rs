//! Signature Version 2, in the header and in the query, for those who switch it on: old tools sign so,
//! and boto3 presigns so by default.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html>
//!
//! It covers the method, the path as sent, every `x-amz-*` header, the sub-resources, and of the other
//! headers only `Content-MD5`, `Content-Type` and `Date`. So that nobody can make another operation of
//! a signed URL, every sub-resource that the gateway knows counts, also those younger than AWS's list.

use std::borrow::Cow;
use std::collections::BTreeMap;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE};
use http::{HeaderMap, HeaderValue};
use sha1::Sha1;
use subtle::ConstantTimeEq as _;
use time::OffsetDateTime;

use super::claim::{self, signed_at, two_mechanisms};
use super::encoding::decode_parameter;
use super::query::QueryCredentials;
use super::scope::Door;
use super::{
    AccessKeyId, KeyRing, NOBODY, PathReading, Payload, RequestHead, Rules, SecretKey, Signed,
};
use crate::s3::operation::is_subresource;
use crate::s3::{Code, Error};

/// What an `Authorization` header of this version begins with.
const SCHEME: &str = "AWS";

/// Parameters that belong to the resource besides the sub-resources.
const OF_THE_RESOURCE: [&str; 4] = ["partNumber", "select-type", "uploadId", "versionId"];
/// The parameters that overrule headers of the answer begin so.
const OVERRIDE: &str = "response-";

/// The HMAC-SHA1 of a text.
pub(super) fn tag(secret: &SecretKey, text: &[u8]) -> [u8; 20] {
    // HMAC takes a key of any length, so there is nothing to go wrong.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret.expose().as_bytes()) else {
        return [0; 20];
    };
    mac.update(text);
    mac.finalize().into_bytes().into()
}

/// Whether a signature as sent is this one, in a time that does not tell where they differ.
pub(super) fn same(calculated: &[u8; 20], given: &str) -> bool {
    bool::from(BASE64.encode(calculated).as_bytes().ct_eq(given.as_bytes()))
}

/// Its name in policies.
pub(super) const ALGORITHM: &str = "AWS";

/// Checks who signed this request by Version 2. None: it does not say that anybody did.
pub(super) fn verify(
    head: &RequestHead<'_>,
    query: &QueryCredentials<'_>,
    keys: &dyn KeyRing,
    rules: &Rules,
    now: OffsetDateTime,
) -> Result<Option<Signed>, Error> {
    if !is_claimed(head.headers, query)? {
        return Ok(None);
    }
    if !rules.allow_sigv2 {
        return Err(refused());
    }
    let claim = Claim::read(head.headers, query)?;
    let payload = Payload::of_unsigned(head.headers)?;
    claim.check_time(head.headers, now)?;
    if head.headers.contains_key("x-amz-security-token") {
        return Err(Error::new(Code::InvalidToken));
    }
    let key_id = AccessKeyId::new(&*claim.key_id);
    let secret = keys.secret(&key_id);
    // A key that we do not know costs the same work as a wrong signature.
    let holds = claim.holds(head, secret.as_ref().unwrap_or(&NOBODY))?;
    if secret.is_none() {
        return Err(Error::new(Code::InvalidAccessKeyId).detail("AWSAccessKeyId", key_id.as_str()));
    }
    if !holds {
        let error = Error::new(Code::SignatureDoesNotMatch);
        return Err(error.detail("AWSAccessKeyId", key_id.as_str()));
    }
    let presigned = claim.door == Door::Query;
    let (time, path_reading) = (None, PathReading::AsSent);
    Ok(Some(Signed { key_id, payload, presigned, time, algorithm: ALGORITHM, path_reading }))
}

/// Whether a request says that it is signed so; `InvalidArgument` if it says that in two ways.
fn is_claimed(headers: &HeaderMap, query: &QueryCredentials<'_>) -> Result<bool, Error> {
    if query.are_v2() && (query.are_v4() || headers.contains_key(AUTHORIZATION)) {
        return Err(two_mechanisms());
    }
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let scheme = header.map(str::trim).and_then(|value| value.split(' ').next());
    if scheme == Some(SCHEME) && query.are_v4() {
        return Err(two_mechanisms());
    }
    Ok(query.are_v2() || scheme == Some(SCHEME))
}

/// What a request says about its own signature.
struct Claim<'a> {
    door: Door,
    key_id: Cow<'a, str>,
    signature: Cow<'a, str>,
    /// In the query: the second after which it does not hold, as it was written.
    expires: Option<Cow<'a, str>>,
}

impl<'a> Claim<'a> {
    fn read(headers: &'a HeaderMap, query: &QueryCredentials<'a>) -> Result<Self, Error> {
        if query.are_v2() {
            return Self::of_query(query);
        }
        let invalid = || {
            Error::new(Code::InvalidArgument)
                .message("AWS authorization header is invalid.  Expected AwsAccessKeyId:signature")
                .detail("ArgumentName", "Authorization")
        };
        let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let credential = header.and_then(|value| value.trim().split_once(' '));
        let (key_id, signature) =
            credential.and_then(|(_, pair)| pair.rsplit_once(':')).ok_or_else(invalid)?;
        if key_id.is_empty() || signature.is_empty() || key_id.contains(' ') {
            return Err(invalid());
        }
        Ok(Self {
            door: Door::Header,
            key_id: Cow::Borrowed(key_id),
            signature: Cow::Borrowed(signature),
            expires: None,
        })
    }

    fn of_query(query: &QueryCredentials<'a>) -> Result<Self, Error> {
        let given = |parameter: &Option<Cow<'a, str>>| {
            parameter.clone().filter(|value| !value.is_empty()).ok_or_else(|| {
                Error::new(Code::AccessDenied).message(
                    "Query-string authentication requires the Signature, Expires and \
                     AWSAccessKeyId parameters",
                )
            })
        };
        Ok(Self {
            door: Door::Query,
            key_id: given(&query.access_key_id)?,
            signature: given(&query.version_2_signature)?,
            expires: Some(given(&query.ends)?),
        })
    }

    /// Holds the moment of signing, or the one after which it ends, against the clock.
    fn check_time(&self, headers: &HeaderMap, now: OffsetDateTime) -> Result<(), Error> {
        let Some(expires) = &self.expires else {
            let signed_at = signed_at(headers)
                .filter(|moment| *moment >= OffsetDateTime::UNIX_EPOCH)
                .ok_or_else(claim::no_date)?;
            return claim::check_skew(signed_at, now);
        };
        let digits = expires.bytes().all(|byte| byte.is_ascii_digit());
        let ends = expires.parse::<i64>().ok().filter(|_| digits).ok_or_else(|| {
            Error::new(Code::AccessDenied)
                .message(format!("Invalid date (should be seconds since epoch): {expires}"))
        })?;
        if now.unix_timestamp() > ends {
            return Err(Error::new(Code::AccessDenied)
                .message("Request has expired")
                .detail("Expires", expires.to_string())
                .detail("ServerTime", claim::iso(now)));
        }
        Ok(())
    }

    /// Whether the signature is right. `?acl=` and `?acl` mean the same, and signers write either; so
    /// do `/bucket` and `/bucket/`, and botocore sends the one and signs the other.
    fn holds(&self, head: &RequestHead<'_>, secret: &SecretKey) -> Result<bool, Error> {
        let start = self.start(head)?;
        let mut holds = false;
        let is_bucket = head.virtual_bucket.is_none() && head.raw_path.rfind('/') == Some(0);
        let slashes = if is_bucket && head.raw_path.len() > 1 { &["", "/"][..] } else { &[""] };
        for slash in slashes {
            for empty in [EmptyValue::LeftOut, EmptyValue::Kept] {
                let text = [start.as_slice(), resource(head, slash, empty)?.as_bytes()].concat();
                holds |= same(&tag(secret, &text), &self.signature);
            }
        }
        Ok(holds)
    }

    /// The string to sign, up to the resource.
    fn start(&self, head: &RequestHead<'_>) -> Result<Vec<u8>, Error> {
        let value = |name: &str| head.headers.get(name).map_or(&b""[..], trimmed);
        let date = match &self.expires {
            Some(expires) => expires.as_bytes(),
            None if head.headers.contains_key("x-amz-date") => b"",
            None => value(DATE.as_str()),
        };
        let method = head.method.as_str().as_bytes();
        let lines = [method, value("content-md5"), value(CONTENT_TYPE.as_str()), date];
        let mut text = Vec::with_capacity(256);
        for line in lines {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        for (name, value) in self.amazon_headers(head)? {
            text.extend_from_slice(name.as_bytes());
            text.push(b':');
            text.extend_from_slice(&value);
            text.push(b'\n');
        }
        Ok(text)
    }

    /// All `x-amz-*` headers, and those that a presigner put into the query, by name.
    fn amazon_headers(&self, head: &RequestHead<'_>) -> Result<BTreeMap<String, Vec<u8>>, Error> {
        let query = head.raw_query.filter(|_| self.door == Door::Query);
        let mut found = BTreeMap::new();
        for (name, value) in parameters(query) {
            let name = decode_parameter(name)?.to_ascii_lowercase();
            if name.starts_with("x-amz-") {
                found.insert(name, decode_parameter(value.unwrap_or(""))?.as_bytes().to_vec());
            }
        }
        let names = head.headers.keys().map(http::HeaderName::as_str);
        for name in names.filter(|name| name.starts_with("x-amz-")) {
            let values: Vec<&[u8]> = head.headers.get_all(name).iter().map(trimmed).collect();
            found.insert(name.to_owned(), values.join(&b","[..]));
        }
        Ok(found)
    }
}

fn trimmed(value: &HeaderValue) -> &[u8] {
    value.as_bytes().trim_ascii()
}

/// The parameters of a query as sent: name, and value if there is a `=`.
fn parameters(raw: Option<&str>) -> impl Iterator<Item = (&str, Option<&str>)> {
    let pairs = raw.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| match pair.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (pair, None),
    })
}

/// How a parameter is signed that has no value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum EmptyValue {
    /// `acl`, however it was sent.
    LeftOut,
    /// `acl=`, if it was sent so.
    Kept,
}

/// Bucket of a virtual host, path as sent, and the sub-resources in the order of their names.
fn resource(head: &RequestHead<'_>, slash: &str, empty: EmptyValue) -> Result<String, Error> {
    let mut text = String::with_capacity(128);
    if let Some(bucket) = head.virtual_bucket {
        text.push('/');
        text.push_str(bucket);
    }
    text.push_str(head.raw_path);
    text.push_str(slash);
    let mut signed = Vec::new();
    for (name, value) in parameters(head.raw_query) {
        let name = decode_parameter(name)?;
        if belongs_to_the_resource(&name) {
            let value = value.map(decode_parameter).transpose()?;
            signed
                .push((name, value.filter(|value| empty == EmptyValue::Kept || !value.is_empty())));
        }
    }
    signed.sort_unstable();
    for (position, (name, value)) in signed.into_iter().enumerate() {
        text.push(if position == 0 { '?' } else { '&' });
        text.push_str(&name);
        if let Some(value) = value {
            text.push('=');
            text.push_str(&value);
        }
    }
    Ok(text)
}

fn belongs_to_the_resource(name: &str) -> bool {
    is_subresource(name) || OF_THE_RESOURCE.contains(&name) || name.starts_with(OVERRIDE)
}

/// Where it is not switched on, it helps to say what to change.
pub(super) fn refused() -> Error {
    Error::new(Code::InvalidRequest).message(
        "The authorization mechanism you have provided is not supported. Please use \
         AWS4-HMAC-SHA256. (aws cli: `aws configure set default.s3.signature_version s3v4`; boto3: \
         `Config(signature_version='s3v4')`)",
    )
}
