//! Signatures as pure functions: the canonical request, the string to sign, the comparison.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>

use std::borrow::Cow;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::encoding::canonical_parameter;
use crate::s3::Error;

/// The one algorithm.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The last part of every scope.
pub(super) const TERMINATOR: &str = "aws4_request";
/// The only query parameter that a signature does not cover.
pub(super) const SIGNATURE_PARAMETER: &str = "X-Amz-Signature";

/// A digest or a signature in lower-case hexadecimal.
pub(crate) type Hex = [u8; 64];

/// Writes 32 bytes as 64 digits, on the stack.
pub(crate) fn hex(bytes: &[u8; 32]) -> Hex {
    let mut text = [0; 64];
    HEXLOWER.encode_mut(bytes, &mut text);
    text
}

/// Whether two signatures are the same, in a time that tells nothing of where they differ.
pub(crate) fn same(calculated: &Hex, given: &[u8]) -> bool {
    bool::from(calculated.as_slice().ct_eq(given))
}

/// The key of a day, a region and a service, ready to sign with. It does not print.
#[derive(Clone)]
pub(crate) struct SigningKey(Hmac<Sha256>);

impl SigningKey {
    /// Derives it from a secret; four rounds, so the answer is worth keeping.
    pub(super) fn derive(secret: &str, day: &str, region: &str, service: &str) -> Self {
        let secret = [b"AWS4", secret.as_bytes()].concat();
        [day, region, service, TERMINATOR].iter().fold(Self::from_bytes(&secret), |key, part| {
            Self::from_bytes(&key.tag([part.as_bytes()]))
        })
    }

    /// Signs the concatenation of `parts`.
    pub(crate) fn sign<'p>(&self, parts: impl IntoIterator<Item = &'p [u8]>) -> Hex {
        hex(&self.tag(parts))
    }

    fn tag<'p>(&self, parts: impl IntoIterator<Item = &'p [u8]>) -> [u8; 32] {
        #[cfg(test)]
        tests::HMACS.with(|count| count.set(count.get() + 1));
        let mut mac = self.0.clone();
        parts.into_iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }

    fn from_bytes(key: &[u8]) -> Self {
        // RFC 2104: a key longer than a block is hashed, and any other is filled up with zeros.
        let mut block = [0; 64];
        if let Some(start) = block.get_mut(..key.len()) {
            start.copy_from_slice(key);
        } else {
            block.iter_mut().zip(Sha256::digest(key)).for_each(|(to, from)| *to = from);
        }
        Self(Hmac::new(&block.into()))
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("SigningKey(..)")
    }
}

/// The query in canonical form: encoded names and values, sorted, all but the signature.
#[derive(Debug, Default)]
pub(super) struct CanonicalQuery<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> CanonicalQuery<'a> {
    /// Reads a query as sent.
    pub(super) fn read(raw: Option<&'a str>) -> Result<Self, Error> {
        let mut parameters = raw
            .unwrap_or_default()
            .split('&')
            .filter(|parameter| !parameter.is_empty())
            .map(|parameter| {
                let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
                Ok((canonical_parameter(name)?, canonical_parameter(value)?))
            })
            .filter(|read| !matches!(read, Ok((name, _)) if name == SIGNATURE_PARAMETER))
            .collect::<Result<Vec<_>, Error>>()?;
        parameters.sort_unstable();
        Ok(Self(parameters))
    }
}

/// What a signature covers, in parts.
pub(super) struct CanonicalRequest<'a> {
    pub(super) method: &'a str,
    /// In canonical form already.
    pub(super) path: &'a str,
    pub(super) query: &'a CanonicalQuery<'a>,
    pub(super) headers: &'a HeaderMap,
    /// Names in lower case, sorted, with `;` between.
    pub(super) signed_headers: &'a str,
    /// The value of `x-amz-content-sha256`, or what stands in for it.
    pub(super) payload: &'a str,
}

impl CanonicalRequest<'_> {
    /// Its SHA-256, for the string to sign. Nothing of it is ever held as a text.
    pub(super) fn digest(&self) -> Hex {
        let mut hash = Sha256::new();
        self.write(&mut |part| hash.update(part));
        hex(&hash.finalize().into())
    }

    fn write(&self, out: &mut impl FnMut(&[u8])) {
        out(self.method.as_bytes());
        out(b"\n");
        out(self.path.as_bytes());
        out(b"\n");
        for (position, (name, value)) in self.query.0.iter().enumerate() {
            if position > 0 {
                out(b"&");
            }
            out(name.as_bytes());
            out(b"=");
            out(value.as_bytes());
        }
        out(b"\n");
        for name in self.signed_headers.split(';') {
            out(name.as_bytes());
            out(b":");
            self.write_values(name, out);
            out(b"\n");
        }
        out(b"\n");
        out(self.signed_headers.as_bytes());
        out(b"\n");
        out(self.payload.as_bytes());
    }

    fn write_values(&self, name: &str, out: &mut impl FnMut(&[u8])) {
        for (position, value) in self.headers.get_all(name).iter().enumerate() {
            if position > 0 {
                out(b",");
            }
            write_trimmed(value.as_bytes(), out);
        }
    }
}

/// A header's value without blanks at its ends, and with one for each run of them inside. S3 takes no
/// notice of tabs: <https://github.com/smithy-lang/smithy-rs>, `trim_all` in `aws-sigv4`.
fn write_trimmed(value: &[u8], out: &mut impl FnMut(&[u8])) {
    let mut words = value.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    if let Some(first) = words.next() {
        out(first);
    }
    for word in words {
        out(b" ");
        out(word);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::Cell;

    use super::{CanonicalRequest, SigningKey};

    thread_local! {
        /// How many HMACs this thread has calculated.
        pub(in crate::s3::auth) static HMACS: Cell<u32> = const { Cell::new(0) };
    }

    /// The canonical request as a text, for comparison with published ones.
    pub(in crate::s3::auth) fn text(request: &CanonicalRequest<'_>) -> String {
        let mut text = Vec::new();
        request.write(&mut |part| text.extend_from_slice(part));
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_signing_key_does_not_print() {
        let key = SigningKey::derive("secret", "20130524", "us-east-1", "s3");
        assert_eq!(format!("{key:?}"), "SigningKey(..)");
    }

    #[test]
    fn a_secret_longer_than_a_block_is_hashed_first() {
        use hmac::{Hmac, KeyInit as _, Mac as _};
        for length in [1, 59, 60, 61, 200] {
            let secret = "s".repeat(length);
            let mut mac =
                Hmac::<sha2::Sha256>::new_from_slice(format!("AWS4{secret}").as_bytes()).unwrap();
            mac.update(b"data");
            let expected: [u8; 32] = mac.finalize().into_bytes().into();
            let key = SigningKey::from_bytes(format!("AWS4{secret}").as_bytes());
            assert_eq!(key.tag([b"da".as_slice(), b"ta"]), expected, "{length}");
        }
    }
}
