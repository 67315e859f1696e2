//! `Authorization` or the query of a presigned URL into one [`Claim`]: who says to have signed, when,
//! and over what. Nothing here is proven yet.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::{AUTHORIZATION, DATE};
use time::{Duration, OffsetDateTime};

use super::date::{self, Stamp};
use super::query::QueryCredentials;
use super::scope::Door;
use super::signature::ALGORITHM;
use crate::s3::{Code, Error};

/// How far a client's clock may be off. <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html>
const CLOCK_SKEW_MAX: Duration = Duration::minutes(15);
/// How long a presigned URL may live: a week.
pub(super) const EXPIRES_SECONDS_MAX: i64 = 604_800;

/// What a request says about its own signature.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    pub(super) door: Door,
    pub(super) credential: Cow<'a, str>,
    pub(super) signed_headers: Cow<'a, str>,
    pub(super) signature: Cow<'a, str>,
    pub(super) stamp: Stamp,
    signed_at: OffsetDateTime,
    expires: Option<Duration>,
}

impl<'a> Claim<'a> {
    /// Reads the claim of a request. None: it makes no claim, and is anonymous.
    pub(super) fn read(
        headers: &'a HeaderMap,
        query: &QueryCredentials<'a>,
    ) -> Result<Option<Self>, Error> {
        let claim = match headers.get(AUTHORIZATION) {
            Some(_) if query.are_v4() => return Err(two_mechanisms()),
            Some(header) => Self::of_header(header, headers)?,
            None if query.are_v4() => Self::of_query(query)?,
            None => return Ok(None),
        };
        check_signed_headers(&claim.signed_headers, claim.door)?;
        Ok(Some(claim))
    }

    /// When it was signed.
    pub(super) fn signed_at(&self) -> OffsetDateTime {
        self.signed_at
    }

    /// Holds the moment of signing against the clock.
    pub(super) fn check_time(&self, now: OffsetDateTime) -> Result<(), Error> {
        let Some(expires) = self.expires else { return check_skew(self.signed_at, now) };
        if self.signed_at - now > CLOCK_SKEW_MAX {
            return Err(Error::new(Code::AccessDenied).message("Request is not valid yet"));
        }
        let ends = self.signed_at.saturating_add(expires);
        if now > ends {
            return Err(Error::new(Code::AccessDenied)
                .message("Request has expired")
                .detail("X-Amz-Expires", expires.whole_seconds().to_string())
                .detail("Expires", iso(ends))
                .detail("ServerTime", iso(now)));
        }
        Ok(())
    }

    fn of_header(header: &'a http::HeaderValue, headers: &HeaderMap) -> Result<Self, Error> {
        let Some((scheme, fields)) =
            header.to_str().ok().and_then(|header| header.trim().split_once(' '))
        else {
            return Err(Error::new(Code::InvalidArgument)
                .message(
                    "Authorization header is invalid -- one and only one ' ' (space) required.",
                )
                .detail("ArgumentName", "Authorization"));
        };
        if scheme != ALGORITHM {
            let text = "Unsupported Authorization Type";
            return Err(Error::invalid_argument("Authorization", scheme, text));
        }
        let fields = HeaderFields::parse(fields)?;
        let signed_at = signed_at(headers).ok_or_else(no_date)?;
        Ok(Self {
            door: Door::Header,
            credential: Cow::Borrowed(fields.credential),
            signed_headers: Cow::Borrowed(fields.signed_headers),
            signature: Cow::Borrowed(fields.signature),
            stamp: Stamp::of(signed_at),
            signed_at,
            expires: None,
        })
    }

    fn of_query(query: &QueryCredentials<'a>) -> Result<Self, Error> {
        let given = |parameter: &Option<Cow<'a, str>>| {
            parameter.clone().filter(|value| !value.is_empty()).ok_or_else(|| {
                query_fault(
                    "Query-string authentication version 4 requires the X-Amz-Algorithm, \
                     X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and \
                     X-Amz-Expires parameters.",
                )
            })
        };
        let (algorithm, credential) = (given(&query.algorithm)?, given(&query.credential)?);
        let (date, expires) = (given(&query.date)?, given(&query.expires)?);
        let (signed_headers, signature) = (given(&query.signed_headers)?, given(&query.signature)?);
        if algorithm != ALGORITHM {
            return Err(query_fault("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\""));
        }
        let signed_at = date::parse_basic(&date).ok_or_else(|| {
            query_fault("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
        })?;
        Ok(Self {
            door: Door::Query,
            credential,
            signed_headers,
            signature,
            stamp: Stamp::of(signed_at),
            signed_at,
            expires: Some(lifetime(&expires)?),
        })
    }
}

/// Holds the moment of signing against the clock, for a signature in the header.
pub(super) fn check_skew(signed_at: OffsetDateTime, now: OffsetDateTime) -> Result<(), Error> {
    if (signed_at - now).abs() <= CLOCK_SKEW_MAX {
        return Ok(());
    }
    Err(Error::new(Code::RequestTimeTooSkewed)
        .detail("RequestTime", Stamp::of(signed_at).as_str())
        .detail("ServerTime", iso(now))
        .detail("MaxAllowedSkewMilliseconds", CLOCK_SKEW_MAX.whole_milliseconds().to_string()))
}

/// The three fields of an `Authorization` header.
struct HeaderFields<'a> {
    credential: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl<'a> HeaderFields<'a> {
    fn parse(fields: &'a str) -> Result<Self, Error> {
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for field in fields.split(',').map(str::trim) {
            let slot = match field.split_once('=') {
                Some(("Credential", value)) => Some((&mut credential, value)),
                Some(("SignedHeaders", value)) => Some((&mut signed_headers, value)),
                Some(("Signature", value)) => Some((&mut signature, value)),
                Some(_) | None => None,
            };
            match slot {
                Some((slot @ None, value)) => *slot = Some(value),
                Some((Some(_), _)) | None => return Err(malformed_component()),
            }
        }
        let given = |field: Option<&'a str>, name: &str| {
            field
                .filter(|value| !value.is_empty())
                .ok_or_else(|| header_fault(&format!("missing {name}.")))
        };
        Ok(Self {
            credential: given(credential, "Credential")?,
            signed_headers: given(signed_headers, "SignedHeaders")?,
            signature: given(signature, "Signature")?,
        })
    }
}

/// When the header's signature was made: `x-amz-date` if there is one, else `Date`.
pub(super) fn signed_at(headers: &HeaderMap) -> Option<OffsetDateTime> {
    let header = headers.get("x-amz-date").or_else(|| headers.get(DATE))?;
    date::parse(header.to_str().ok()?.trim())
}

fn lifetime(seconds: &str) -> Result<Duration, Error> {
    let digits = seconds.strip_prefix('-').unwrap_or(seconds);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(query_fault("X-Amz-Expires should be a number"));
    }
    if digits.len() < seconds.len() {
        return Err(query_fault("X-Amz-Expires must be non-negative"));
    }
    match digits.parse::<i64>() {
        Ok(seconds @ ..=EXPIRES_SECONDS_MAX) => Ok(Duration::seconds(seconds)),
        Ok(_) | Err(_) => Err(query_fault(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given \
             X-Amz-Expires must be less than 604800 seconds",
        )),
    }
}

/// Names of headers in lower case, each once, sorted: anything else could be read in two ways.
fn check_signed_headers(names: &str, door: Door) -> Result<(), Error> {
    let mut before = "";
    for name in names.split(';') {
        if name <= before || !name.bytes().all(is_name_byte) {
            return Err(match door {
                Door::Header | Door::Form => header_fault(
                    "SignedHeaders must name headers in lower case, sorted, each once.",
                ),
                Door::Query => query_fault(
                    "X-Amz-SignedHeaders must name headers in lower case, sorted, each once.",
                ),
            });
        }
        before = name;
    }
    Ok(())
}

const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase()
        || byte.is_ascii_digit()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

pub(super) fn iso(moment: OffsetDateTime) -> String {
    let moment = moment.to_offset(time::UtcOffset::UTC);
    let (hour, minute, second) = moment.to_hms();
    format!("{}T{hour:02}:{minute:02}:{second:02}Z", moment.date())
}

fn header_fault(what: &str) -> Error {
    Error::new(Code::AuthorizationHeaderMalformed)
        .message(format!("The authorization header is malformed; {what}"))
}

fn malformed_component() -> Error {
    header_fault(
        "the authorization header requires three components: Credential, SignedHeaders, and \
         Signature.",
    )
}

fn query_fault(what: &'static str) -> Error {
    Error::new(Code::AuthorizationQueryParametersError).message(what)
}

pub(super) fn no_date() -> Error {
    Error::new(Code::AccessDenied)
        .message("AWS authentication requires a valid Date or x-amz-date header.")
}

pub(super) fn two_mechanisms() -> Error {
    Error::new(Code::InvalidArgument)
        .message(
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature \
             query string parameter or the Authorization header should be specified",
        )
        .detail("ArgumentName", "Authorization")
}
