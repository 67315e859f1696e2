//! The other side of the gate: a URL that its holder may use, signed with a key of ours.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, header};
use time::OffsetDateTime;

use super::claim::EXPIRES_SECONDS_MAX;
use super::date::Stamp;
use super::encoding::{canonical_parameter, canonical_path};
use super::payload::UNSIGNED;
use super::scope::SERVICE;
use super::signature::{
    ALGORITHM, CanonicalQuery, CanonicalRequest, SIGNATURE_PARAMETER, SigningKey, TERMINATOR,
};
use crate::s3::query::Plus;
use crate::s3::{Code, Error};

/// What a URL shall allow.
#[derive(Clone, Copy, Debug)]
pub struct Presign<'a> {
    /// The method.
    pub method: &'a str,
    /// The host as the client will name it, with its port where that is not the scheme's own.
    pub host: &'a str,
    /// The path, percent-encoded.
    pub raw_path: &'a str,
    /// More parameters, percent-encoded and with `&` between: `versionId`, `response-content-type`.
    pub raw_query: &'a str,
    /// Whose right it is.
    pub key_id: &'a str,
    /// The region of the scope.
    pub region: &'a str,
    /// For how long, in seconds; a week at most.
    pub expires_seconds: i64,
}

/// Path and query of the URL, signed with `secret` at `now`.
///
/// `InvalidArgument` for a time that no URL may have, `InvalidURI` for a path that is none.
pub fn presign(asked: &Presign<'_>, secret: &str, now: OffsetDateTime) -> Result<String, Error> {
    let Presign { method, host, raw_path, raw_query, key_id, region, expires_seconds } = *asked;
    if !(1..=EXPIRES_SECONDS_MAX).contains(&expires_seconds) {
        let why = format!("A presigned URL lasts 1 to {EXPIRES_SECONDS_MAX} seconds.");
        return Err(Error::invalid_argument("X-Amz-Expires", expires_seconds.to_string(), why));
    }
    let stamp = Stamp::of(now);
    let scope = format!("{}/{region}/{SERVICE}/{TERMINATOR}", stamp.day());
    let credential = encoded(&format!("{key_id}/{scope}"));
    let mut query = format!(
        "X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={credential}&X-Amz-Date={}\
         &X-Amz-Expires={expires_seconds}&X-Amz-SignedHeaders=host",
        stamp.as_str()
    );
    if !raw_query.is_empty() {
        query = format!("{raw_query}&{query}");
    }
    let mut headers = HeaderMap::new();
    let host = HeaderValue::from_str(host).map_err(|_none| Error::new(Code::InvalidURI))?;
    headers.insert(header::HOST, host);
    let path: Cow<'_, str> = canonical_path(raw_path, Plus::IsPlus)?;
    let digest = CanonicalRequest {
        method,
        path: &path,
        query: &CanonicalQuery::read(Some(&query))?,
        headers: &headers,
        signed_headers: "host",
        payload: UNSIGNED,
    }
    .digest();
    let text = format!("{ALGORITHM}\n{}\n{scope}\n", stamp.as_str());
    let key = SigningKey::derive(secret, stamp.day(), region, SERVICE);
    let signature = key.sign([text.as_bytes(), digest.as_slice()]);
    let signature = String::from_utf8_lossy(&signature).into_owned();
    Ok(format!("{path}?{query}&{SIGNATURE_PARAMETER}={signature}"))
}

/// One value of a query.
fn encoded(text: &str) -> String {
    // A key id has none of the characters that this could refuse (`%`, `+`).
    canonical_parameter(text).map_or_else(|_| String::new(), Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AWS's published example.
    const EXAMPLE: Presign<'_> = Presign {
        method: "GET",
        host: "examplebucket.s3.amazonaws.com",
        raw_path: "/test.txt",
        raw_query: "",
        key_id: "AKIAIOSFODNN7EXAMPLE",
        region: "us-east-1",
        expires_seconds: 86400,
    };
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const NOW: OffsetDateTime = time::macros::datetime!(2013-05-24 00:00 UTC);

    #[test]
    fn the_url_is_the_one_of_the_documentation() {
        let url = presign(&EXAMPLE, SECRET, NOW).unwrap();
        let signature = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
        assert!(url.starts_with("/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="));
        assert!(url.ends_with(&format!("&X-Amz-Signature={signature}")), "{url}");
    }

    #[test]
    fn a_url_lasts_a_week_at_most() {
        for (expires_seconds, fits) in [(0, false), (1, true), (604_800, true), (604_801, false)] {
            let asked = Presign { expires_seconds, ..EXAMPLE };
            assert_eq!(presign(&asked, SECRET, NOW).is_ok(), fits, "{expires_seconds}");
        }
    }
}
