//! The query as far as authentication reads it: the `X-Amz-*` parameters of a presigned URL, and those
//! of Version 2, each at most once.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::encoding::decode_parameter;
use super::signature::SIGNATURE_PARAMETER;
use crate::s3::{Code, Error};

/// The parameters of a presigned URL, as far as they are there.
#[derive(Debug, Default)]
pub(super) struct QueryCredentials<'a> {
    pub(super) algorithm: Option<Cow<'a, str>>,
    pub(super) credential: Option<Cow<'a, str>>,
    pub(super) date: Option<Cow<'a, str>>,
    pub(super) expires: Option<Cow<'a, str>>,
    pub(super) signed_headers: Option<Cow<'a, str>>,
    pub(super) signature: Option<Cow<'a, str>>,
    /// Not a credential itself, but a signer may put it here instead of into a header.
    pub(super) content_sha256: Option<Cow<'a, str>>,
    pub(super) token: bool,
    /// `AWSAccessKeyId`, of Version 2 as the next two are.
    pub(super) access_key_id: Option<Cow<'a, str>>,
    /// `Signature`.
    pub(super) version_2_signature: Option<Cow<'a, str>>,
    /// `Expires`.
    pub(super) ends: Option<Cow<'a, str>>,
    is_v4: bool,
}

impl<'a> QueryCredentials<'a> {
    /// Reads a query as sent.
    pub(super) fn read(raw: Option<&'a str>) -> Result<Self, Error> {
        let mut found = Self::default();
        let mut seen = BTreeSet::new();
        for parameter in raw.unwrap_or_default().split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let name = decode_parameter(name)?;
            if found.keep_version_2(&name, value)? {
                refuse_second(&name, &mut seen)?;
            } else if is_amazons(&name) {
                refuse_second(&name, &mut seen)?;
                found.keep(&name, value)?;
            }
        }
        Ok(found)
    }

    /// Whether there is anything of Signature Version 4 here, complete or not.
    pub(super) fn are_v4(&self) -> bool {
        self.is_v4
    }

    /// Whether there is something of Signature Version 2 here; `Expires` alone is no credential.
    pub(super) fn are_v2(&self) -> bool {
        self.access_key_id.is_some() || self.version_2_signature.is_some()
    }

    /// Keeps a parameter of Version 2, if it is one.
    fn keep_version_2(&mut self, name: &str, value: &'a str) -> Result<bool, Error> {
        let slot = match name {
            "AWSAccessKeyId" => &mut self.access_key_id,
            "Signature" => &mut self.version_2_signature,
            "Expires" => &mut self.ends,
            _ => return Ok(false),
        };
        *slot = Some(decode_parameter(value)?);
        Ok(true)
    }

    fn keep(&mut self, name: &str, value: &'a str) -> Result<(), Error> {
        let slot = match name {
            "X-Amz-Algorithm" => &mut self.algorithm,
            "X-Amz-Credential" => &mut self.credential,
            "X-Amz-Date" => &mut self.date,
            "X-Amz-Expires" => &mut self.expires,
            "X-Amz-SignedHeaders" => &mut self.signed_headers,
            SIGNATURE_PARAMETER => &mut self.signature,
            _ => return self.keep_other(name, value),
        };
        *slot = Some(decode_parameter(value)?);
        self.is_v4 = true;
        Ok(())
    }

    fn keep_other(&mut self, name: &str, value: &'a str) -> Result<(), Error> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("X-Amz-Content-Sha256") {
            self.content_sha256 = Some(decode_parameter(value)?);
        } else if is("X-Amz-Security-Token") {
            self.token = true;
            self.is_v4 = true;
        } else if CREDENTIALS.into_iter().any(is) {
            // In another case it is no credential, yet the request must not pass as anonymous.
            self.is_v4 = true;
        }
        Ok(())
    }
}

const CREDENTIALS: [&str; 6] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    SIGNATURE_PARAMETER,
];

/// Whether this parameter is one of a signature, or a header that a presigner put into the query.
fn is_amazons(name: &str) -> bool {
    name.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("x-amz-"))
}

/// A signature covers both of two parameters of one name while a reader takes one of them.
fn refuse_second(name: &str, seen: &mut BTreeSet<String>) -> Result<(), Error> {
    let name = name.to_ascii_lowercase();
    if seen.contains(&name) {
        return Err(Error::new(Code::InvalidArgument)
            .message(format!("The query parameter {name} may be given only once."))
            .detail("ArgumentName", name));
    }
    seen.insert(name);
    Ok(())
}
