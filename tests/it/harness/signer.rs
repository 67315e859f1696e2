//! Signature Version 4 from the client's side, written apart from the gateway's own and with a knob
//! for every way to get it wrong. A test holds it against `aws-sigv4`.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use time::macros::format_description;

/// The hash of a body, as `x-amz-content-sha256` has it.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key does");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// A signature of Version 2.
pub(crate) fn sign_version_2(secret: &str, text: &str) -> String {
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(secret.as_bytes()).expect("any key does");
    mac.update(text.as_bytes());
    data_encoding::BASE64.encode(&mac.finalize().into_bytes())
}

/// `20130524T000000Z`
pub(crate) fn amz_date(time: OffsetDateTime) -> String {
    time.format(format_description!("[year][month][day]T[hour][minute][second]Z")).unwrap()
}

/// Percent-encodes all but the unreserved characters.
pub(crate) fn encode(text: impl AsRef<[u8]>) -> String {
    let mut out = String::new();
    for byte in text.as_ref() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(*byte));
            }
            other => out += &format!("%{other:02X}"),
        }
    }
    out
}

/// Percent-encodes a key, its slashes kept.
pub(crate) fn encode_key(key: impl AsRef<[u8]>) -> String {
    key.as_ref().split(|byte| *byte == b'/').map(encode).collect::<Vec<_>>().join("/")
}

/// Who signs, for what, when.
#[derive(Clone, Debug)]
pub(crate) struct Signer {
    /// The access key id.
    pub(crate) id: String,
    /// Its secret.
    pub(crate) secret: String,
    /// The region of the scope.
    pub(crate) region: String,
    /// The service of the scope.
    pub(crate) service: String,
    /// The last part of the scope.
    pub(crate) terminator: String,
    /// The day of the scope, where it is not that of `time`.
    pub(crate) day: Option<String>,
    /// When.
    pub(crate) time: OffsetDateTime,
}

impl Signer {
    /// An honest signer.
    pub(crate) fn new(id: &str, secret: &str, time: OffsetDateTime) -> Self {
        Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
            region: "us-east-1".to_owned(),
            service: "s3".to_owned(),
            terminator: "aws4_request".to_owned(),
            day: None,
            time,
        }
    }

    fn day(&self) -> String {
        self.day.clone().unwrap_or_else(|| amz_date(self.time)[..8].to_owned())
    }

    /// `day/region/service/aws4_request`
    pub(crate) fn scope(&self) -> String {
        [&self.day(), &self.region, &self.service, &self.terminator].map(String::as_str).join("/")
    }

    /// What `Credential=` names.
    pub(crate) fn credential(&self) -> String {
        format!("{}/{}", self.id, self.scope())
    }

    fn key(&self) -> Vec<u8> {
        let key = hmac(format!("AWS4{}", self.secret).as_bytes(), &self.day());
        let key = hmac(&key, &self.region);
        let key = hmac(&key, &self.service);
        hmac(&key, &self.terminator)
    }

    /// The signature of a string to sign, whatever it says.
    fn sign(&self, string_to_sign: &str) -> String {
        HEXLOWER.encode(&hmac(&self.key(), string_to_sign))
    }

    /// The signature of the policy of a form.
    pub(crate) fn sign_policy(&self, policy: &str) -> String {
        self.sign(policy)
    }

    /// The signature of a request.
    pub(crate) fn sign_request(&self, canonical_request: &str) -> String {
        let hash = sha256_hex(canonical_request.as_bytes());
        let date = amz_date(self.time);
        self.sign(&format!("AWS4-HMAC-SHA256\n{date}\n{}\n{hash}", self.scope()))
    }

    /// The signature of a chunk of aws-chunked, after the signature `previous`.
    pub(crate) fn sign_chunk(&self, previous: &str, chunk: &[u8]) -> String {
        let date = amz_date(self.time);
        let (empty, hash) = (sha256_hex(b""), sha256_hex(chunk));
        let scope = self.scope();
        self.sign(&format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{date}\n{scope}\n{previous}\n{empty}\n{hash}"
        ))
    }

    /// The signature of trailers, after the signature `previous`: `name:value\n` for each.
    pub(crate) fn sign_trailer(&self, previous: &str, trailers: &str) -> String {
        let date = amz_date(self.time);
        let hash = sha256_hex(trailers.as_bytes());
        self.sign(&format!(
            "AWS4-HMAC-SHA256-TRAILER\n{date}\n{}\n{previous}\n{hash}",
            self.scope()
        ))
    }
}

/// What is signed of a request.
#[derive(Debug)]
pub(crate) struct Canonical<'a> {
    /// GET, PUT, ...
    pub(crate) method: &'a str,
    /// The path, encoded as the signature has it.
    pub(crate) path: &'a str,
    /// The query, decoded.
    pub(crate) query: &'a [(String, String)],
    /// All headers of the request.
    pub(crate) headers: &'a [(String, String)],
    /// The names of those that are signed.
    pub(crate) signed: &'a [String],
    /// `x-amz-content-sha256`
    pub(crate) payload: &'a str,
}

impl Canonical<'_> {
    /// The canonical request.
    pub(crate) fn text(&self) -> String {
        let mut query: Vec<_> =
            self.query.iter().map(|(name, value)| (encode(name), encode(value))).collect();
        query.sort();
        let query: Vec<_> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let headers: String = self.signed.iter().map(|name| self.header_line(name)).collect();
        [self.method, self.path, &query.join("&"), &headers, &self.signed.join(";"), self.payload]
            .join("\n")
    }

    fn header_line(&self, name: &str) -> String {
        let name = name.to_ascii_lowercase();
        let values: Vec<String> = self
            .headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(&name))
            .map(|(_, value)| value.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        format!("{name}:{}\n", values.join(","))
    }
}
