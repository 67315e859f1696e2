//! Our reading of a signature against AWS's own signer for Rust, over random requests.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use proptest::prelude::*;

use super::{KEY_ID, NOW, Request, SECRET};

/// A key or a name or a value of a query, as any client may have it.
fn any_text() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![
            4 => proptest::char::range('a', 'z'),
            2 => proptest::sample::select(" +%/~*'()!&=;:@$,?#[]\"<>\\^`{|}-._".chars().collect::<Vec<_>>()),
            1 => any::<char>(),
        ],
        0..24,
    )
    .prop_map(|characters| characters.into_iter().collect())
}

/// What stands in a header's value.
fn header_value() -> impl Strategy<Value = String> {
    "[ -~]{0,24}"
}

fn encode(text: &str, kept: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        let character = char::from(byte);
        if character.is_ascii_alphanumeric()
            || "-._~".contains(character)
            || kept.contains(character)
        {
            encoded.push(character);
        } else {
            write!(encoded, "%{byte:02X}").unwrap();
        }
    }
    encoded
}

#[derive(Debug, Clone)]
struct Plan {
    method: &'static str,
    key: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    location: SignatureLocation,
    body: Option<Vec<u8>>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let location =
        prop_oneof![Just(SignatureLocation::Headers), Just(SignatureLocation::QueryParams)];
    let header = ("(x-amz-meta-[a-z0-9-]{1,8}|content-type|range|x-[a-z]{1,8})", header_value());
    (
        proptest::sample::select(vec!["GET", "PUT", "POST", "DELETE", "HEAD"]),
        any_text(),
        proptest::collection::vec((any_text(), any_text()), 0..4),
        proptest::collection::vec(header, 0..5),
        location,
        proptest::option::of(proptest::collection::vec(any::<u8>(), 0..32)),
    )
        .prop_map(|(method, key, query, headers, location, body)| Plan {
            method,
            key,
            query,
            headers,
            location,
            body,
        })
}

impl Plan {
    /// The request, signed by AWS's signer.
    fn signed(&self) -> Request {
        let pairs: Vec<String> = self
            .query
            .iter()
            .filter(|(name, _)| !name.is_empty())
            .map(|(name, value)| format!("{}={}", encode(name, ""), encode(value, "")))
            .collect();
        let path = format!("/photos/{}", encode(&self.key, "/"));
        let target = if pairs.is_empty() { path } else { format!("{path}?{}", pairs.join("&")) };
        let mut request = Request::new(self.method, &target);
        for (name, value) in &self.headers {
            request = request.with(name, value.trim());
        }
        let uri = format!("http://photos.s3.example.com{target}");
        let headers: Vec<(&str, &str)> = request
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        let body = match &self.body {
            Some(body) if self.location == SignatureLocation::Headers => SignableBody::Bytes(body),
            Some(_) | None => SignableBody::UnsignedPayload,
        };
        let signable = SignableRequest::new(self.method, uri, headers.into_iter(), body).unwrap();
        let identity = Credentials::new(KEY_ID, SECRET, None, None, "test").into();
        let seconds = u64::try_from(NOW.unix_timestamp()).unwrap();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("s3")
            .time(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
            .settings(self.settings())
            .build()
            .unwrap()
            .into();
        let (instructions, _) = sign(signable, &params).unwrap().into_parts();
        let (headers, parameters) = instructions.into_parts();
        for header in headers {
            request = request.with(header.name(), header.value());
        }
        for (name, value) in parameters {
            request = request.with_parameter(&format!("{name}={}", encode(&value, "")));
        }
        request
    }

    fn settings(&self) -> SigningSettings {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.signature_location = self.location;
        if self.location == SignatureLocation::Headers {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        } else {
            settings.expires_in = Some(Duration::from_mins(10));
        }
        settings
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn c22_whatever_aws_signs_we_verify(plan in plan()) {
        let request = plan.signed();
        let answer = request.verify();
        prop_assert!(matches!(answer, Ok(Some(_))), "{answer:?} for {} ? {:?}", request.path, request.query);
    }

    #[test]
    fn c11_whatever_aws_signs_holds_for_no_other_path(plan in plan(), at in any::<prop::sample::Index>()) {
        let mut request = plan.signed();
        let position = at.index(request.path.len() + 1);
        if !request.path.is_char_boundary(position) {
            return Ok(());
        }
        request.path.insert(position, 'x');
        prop_assert!(request.verify().is_err());
    }
}
