//! The credential and its scope: whose key, for which day, region and service.

use super::Rules;
use super::credentials::SecretKey;
use super::date::Stamp;
use super::signature::{SigningKey, TERMINATOR};
use crate::s3::{Code, Error};

/// The one service that is signed for here.
pub(super) const SERVICE: &str = "s3";
/// Far beyond the name of any region, and little to keep in a cache.
const REGION_BYTES_MAX: usize = 64;

/// Where the credentials came from, which decides how a fault in them is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// `Authorization`.
    Header,
    /// `X-Amz-*` in the query: a presigned URL.
    Query,
    /// `x-amz-*` fields of a form.
    Form,
}

impl Door {
    fn fault(self, what: &str) -> Error {
        match self {
            Self::Header => Error::new(Code::AuthorizationHeaderMalformed)
                .message(format!("The authorization header is malformed; {what}")),
            Self::Query => Error::new(Code::AuthorizationQueryParametersError)
                .message(format!("Error parsing the X-Amz-Credential parameter; {what}")),
            Self::Form => Error::new(Code::InvalidArgument)
                .message(format!("Error parsing the X-Amz-Credential field; {what}"))
                .detail("ArgumentName", "x-amz-credential"),
        }
    }
}

/// A credential in its parts: `AKID/20130524/us-east-1/s3/aws4_request`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    pub(super) key_id: &'a str,
    pub(super) day: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

impl<'a> Scope<'a> {
    /// Takes a credential apart and holds each part against what this endpoint is.
    pub(super) fn parse(
        credential: &'a str,
        door: Door,
        signed_at: &Stamp,
        rules: &Rules,
    ) -> Result<Self, Error> {
        let mut parts = credential.split('/');
        let mut part = || parts.next().ok_or_else(|| malformed(door));
        let (key_id, day, region) = (part()?, part()?, part()?);
        let (service, terminator) = (part()?, part()?);
        if key_id.is_empty() || region.len() > REGION_BYTES_MAX || parts.next().is_some() {
            return Err(malformed(door));
        }
        let scope = Self { key_id, day, region, service };
        scope.check(terminator, door, signed_at, rules)?;
        Ok(scope)
    }

    /// The key of this scope.
    pub(super) fn derive(&self, secret: &SecretKey) -> SigningKey {
        SigningKey::derive(secret.expose(), self.day, self.region, self.service)
    }

    fn check(
        &self,
        terminator: &str,
        door: Door,
        signed_at: &Stamp,
        rules: &Rules,
    ) -> Result<(), Error> {
        let Self { day, region, service, .. } = *self;
        if terminator != TERMINATOR {
            return Err(door.fault(&format!(
                "incorrect terminal {terminator:?}. This endpoint uses \"aws4_request\"."
            )));
        }
        if service != SERVICE {
            return Err(door.fault(&format!(
                "incorrect service {service:?}. This endpoint belongs to \"s3\"."
            )));
        }
        if let Some(expected) = rules.region.as_deref().filter(|expected| *expected != region) {
            let text = format!("the region {region:?} is wrong; expecting {expected:?}");
            return Err(door.fault(&text).detail("Region", expected));
        }
        if day.len() != 8 || !day.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(door.fault(&format!(
                "incorrect date format {day:?}. This date in the credential must be in the format \
                 \"yyyyMMdd\"."
            )));
        }
        if day != signed_at.day() {
            return Err(another_day(day, door, signed_at));
        }
        Ok(())
    }
}

fn malformed(door: Door) -> Error {
    door.fault(
        "the Credential is mal-formed; expecting \
         \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".",
    )
}

fn another_day(day: &str, door: Door, signed_at: &Stamp) -> Error {
    match door {
        Door::Header | Door::Form => {
            door.fault("Invalid credential date. Date is not the same as X-Amz-Date.")
        }
        Door::Query => Error::new(Code::AuthorizationQueryParametersError).message(format!(
            "Invalid credential date {day:?}. This date is not the same as X-Amz-Date: {:?}.",
            signed_at.day()
        )),
    }
}
