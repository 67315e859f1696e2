//! Requests, signed beforehand and kept as bytes, so that sending one costs the load generator next
//! to nothing. A signature is good for fifteen minutes, and a run is shorter.

use std::fmt::Write as _;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use crc_fast::CrcAlgorithm;

use crate::Outcome;

/// The access key of every gateway that is measured.
pub(crate) const ACCESS_KEY: &str = "AKBENCH000000000";
/// Its secret.
pub(crate) const SECRET_KEY: &str = "bench-secret-key-0000000000000000";
/// Another user's, where a gateway has two.
pub(crate) const GREEDY_ACCESS_KEY: &str = "AKBENCHGREEDY000";
/// What stands behind the chunks.
const TRAILER: &str = "x-amz-checksum-crc32";
const REGION: &str = "us-east-1";

/// What a signature says of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// Its SHA-256, as most SDKs do it over plain HTTP.
    Signed,
    /// Nothing, as SDKs do it over TLS.
    Unsigned,
    /// Nothing, in chunks with a CRC32 behind them, as SDKs do it over TLS since 2025.
    Trailer,
}

/// The body in one chunk, and its CRC32 as the trailer.
fn with_trailer(body: &[u8]) -> Outcome<Bytes> {
    let mut framed = format!("{:x}\r\n", body.len()).into_bytes();
    framed.extend_from_slice(body);
    let sum = u32::try_from(crc_fast::checksum(CrcAlgorithm::Crc32IsoHdlc, body))?;
    let sum = data_encoding::BASE64.encode(&sum.to_be_bytes());
    framed.extend_from_slice(format!("\r\n0\r\n{TRAILER}:{sum}\r\n\r\n").as_bytes());
    Ok(framed.into())
}

/// Who signs. The secret is the same.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Identity {
    /// The user that every gateway has.
    Usual,
    /// The one who wants too much.
    Greedy,
}

impl Identity {
    const fn access_key(self) -> &'static str {
        match self {
            Self::Usual => ACCESS_KEY,
            Self::Greedy => GREEDY_ACCESS_KEY,
        }
    }
}

/// One request as it goes over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The head, its empty line included.
    pub(crate) head: Bytes,
    /// The body.
    pub(crate) body: Bytes,
    /// Whether the answer has a head alone.
    pub(crate) is_head: bool,
}

/// Signs for one endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    host: String,
    identity: Identity,
}

impl Signer {
    /// For the endpoint at `host`, port included.
    pub(crate) fn new(host: impl Into<String>, identity: Identity) -> Self {
        Self { host: host.into(), identity }
    }

    /// `target` is path and query.
    pub(crate) fn request(
        &self,
        method: &str,
        target: &str,
        body: Bytes,
        payload: Payload,
    ) -> Outcome<Request> {
        let url = format!("http://{}{target}", self.host);
        let body_said = match payload {
            Payload::Signed => SignableBody::Bytes(&body),
            Payload::Unsigned => SignableBody::UnsignedPayload,
            Payload::Trailer => SignableBody::StreamingUnsignedPayloadTrailer,
        };
        let length = body.len().to_string();
        let mut headers = vec![("host", self.host.as_str())];
        if payload == Payload::Trailer {
            headers.extend([
                ("content-encoding", "aws-chunked"),
                ("x-amz-decoded-content-length", &*length),
                ("x-amz-trailer", TRAILER),
            ]);
        }
        let signable = SignableRequest::new(method, &url, headers.iter().copied(), body_said)?;
        let key = self.identity.access_key();
        let identity = Credentials::new(key, SECRET_KEY, None, None, "bench").into();
        #[expect(clippy::disallowed_methods, reason = "a signature is of now")]
        let now = SystemTime::now();
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name("s3")
            .time(now)
            .settings(settings)
            .build()?
            .into();
        let (instructions, _) = sign(signable, &parameters)?.into_parts();
        let mut head = format!("{method} {target} HTTP/1.1\r\n");
        for (name, value) in headers.iter().copied().chain(instructions.headers()) {
            write!(head, "{name}: {value}\r\n")?;
        }
        let body = if payload == Payload::Trailer { with_trailer(&body)? } else { body };
        write!(head, "content-length: {}\r\n\r\n", body.len())?;
        Ok(Request { head: head.into(), body, is_head: method == "HEAD" })
    }
}

/// A request to the backend itself, which is asked without a signature.
pub(crate) fn bare(method: &str, host: &str, target: &str, extra: &str, body: Bytes) -> Request {
    let head = format!(
        "{method} {target} HTTP/1.1\r\nhost: {host}\r\nx-ms-version: 2026-02-06\r\n{extra}content-length: \
         {}\r\n\r\n",
        body.len()
    );
    Request { head: head.into(), body, is_head: method == "HEAD" }
}
