//! Tests of the gate as a whole, and the small signer that they share. The signer uses our own
//! canonical form, which `vectors` and `differential` hold against AWS's.

mod cases;
mod differential;
mod presigned;
pub(in crate::s3) mod vectors;
mod version_2;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use super::date::Stamp;
use super::signature::{ALGORITHM, CanonicalQuery, CanonicalRequest, SigningKey};
use super::{
    AccessKeyId, KeyRing, Payload, RequestHead, Rules, SHA256_OF_NOTHING, SecretKey, Signed,
    SignedChunks, SigningKeys, encoding, verify,
};
use crate::s3::query::Plus;
use crate::s3::{Code, Error};

const NOW: OffsetDateTime = datetime!(2026-11-21 16:44:27 UTC);
const KEY_ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// What the chunks of a body signed with the secret above hang on, and the key for signing them.
pub(in crate::s3) fn chunks(trailer: bool) -> SignedChunks {
    let key = SigningKey::derive(SECRET, "20261121", "us-east-1", "s3");
    let context = "20261121T164427Z\n20261121/us-east-1/s3/aws4_request\n".into();
    SignedChunks { key, context, seed: [b'5'; 64], trailer }
}

/// A ring of one key.
struct Ring(&'static str, &'static str);

impl KeyRing for Ring {
    fn secret(&self, id: &AccessKeyId) -> Option<SecretKey> {
        (id.as_str() == self.0).then(|| SecretKey::new(self.1))
    }
}

/// A request, as it is built and then tampered with.
#[derive(Clone)]
struct Request {
    method: Method,
    path: String,
    query: Option<String>,
    headers: HeaderMap,
}

/// How a request is signed; each test changes what it is about.
#[derive(Clone)]
struct Signer {
    credential: String,
    secret: &'static str,
    at: OffsetDateTime,
    algorithm: &'static str,
    expires: &'static str,
    /// Instead of all headers that the request has.
    signed_headers: Option<String>,
    payload: &'static str,
}

impl Default for Signer {
    fn default() -> Self {
        Self {
            credential: format!("{KEY_ID}/20261121/us-east-1/s3/aws4_request"),
            secret: SECRET,
            at: NOW,
            algorithm: ALGORITHM,
            expires: "600",
            signed_headers: None,
            payload: "UNSIGNED-PAYLOAD",
        }
    }
}

impl Request {
    fn new(method: &str, target: &str) -> Self {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        let method = method.parse().unwrap();
        let request = Self { method, path: path.to_owned(), query, headers: HeaderMap::new() };
        request.with("host", "photos.s3.example.com")
    }

    /// Adds a header line.
    fn with(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().unwrap();
        self.headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    fn with_parameter(mut self, parameter: &str) -> Self {
        let query = self.query.take().filter(|query| !query.is_empty());
        self.query = Some(
            query.map_or_else(|| parameter.to_owned(), |query| format!("{query}&{parameter}")),
        );
        self
    }

    /// Replaces text in the query.
    fn edit_query(mut self, from: &str, to: &str) -> Self {
        let query = self.query.take().unwrap();
        assert!(query.contains(from), "{from} in {query}");
        self.query = Some(query.replacen(from, to, 1));
        self
    }

    fn edit_authorization(mut self, from: &str, to: &str) -> Self {
        let header = self.headers.remove("authorization").unwrap();
        let header = header.to_str().unwrap();
        assert!(header.contains(from), "{from} in {header}");
        self.with("authorization", &header.replacen(from, to, 1))
    }

    /// Signs in the header, as of now, all headers that there are.
    fn sign(self) -> Self {
        self.sign_by(&Signer::default())
    }

    fn sign_by(mut self, signer: &Signer) -> Self {
        if !self.headers.contains_key("x-amz-date") && !self.headers.contains_key("date") {
            self = self.with("x-amz-date", Stamp::of(signer.at).as_str());
        }
        if !self.headers.contains_key("x-amz-content-sha256") {
            self = self.with("x-amz-content-sha256", SHA256_OF_NOTHING);
        }
        let payload = self.headers["x-amz-content-sha256"].to_str().unwrap().to_owned();
        self.sign_header(signer, &payload)
    }

    fn sign_header(self, signer: &Signer, payload: &str) -> Self {
        let names = signer.signed_headers.clone().unwrap_or_else(|| self.names());
        let signature = self.signature(signer, &names, payload);
        let Signer { algorithm, credential, .. } = signer;
        self.with(
            "authorization",
            &format!(
                "{algorithm} Credential={credential}, SignedHeaders={names}, Signature={signature}"
            ),
        )
    }

    /// Signs in the query, as of now, all headers that there are.
    fn presign(self) -> Self {
        self.presign_by(&Signer::default())
    }

    fn presign_by(self, signer: &Signer) -> Self {
        let names = signer.signed_headers.clone().unwrap_or_else(|| self.names());
        let request = self.with_parameter(&format!(
            "X-Amz-Algorithm={}&X-Amz-Credential={}&X-Amz-Date={}&X-Amz-Expires={}&X-Amz-SignedHeaders={}",
            signer.algorithm,
            signer.credential.replace('/', "%2F"),
            Stamp::of(signer.at).as_str(),
            signer.expires,
            names.replace(';', "%3B"),
        ));
        let signature = request.signature(signer, &names, signer.payload);
        request.with_parameter(&format!("X-Amz-Signature={signature}"))
    }

    fn names(&self) -> String {
        let mut names: Vec<&str> = self.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names.join(";")
    }

    fn signature(&self, signer: &Signer, names: &str, payload: &str) -> String {
        let query = CanonicalQuery::read(self.query.as_deref()).unwrap();
        let digest = CanonicalRequest {
            method: self.method.as_str(),
            path: &encoding::canonical_path(&self.path, Plus::IsPlus).unwrap(),
            query: &query,
            headers: &self.headers,
            signed_headers: names,
            payload,
        }
        .digest();
        let scope = signer.credential.split_once('/').unwrap().1;
        let part = |at: usize| scope.split('/').nth(at).unwrap_or_default();
        let key = SigningKey::derive(signer.secret, part(0), part(1), part(2));
        let stamp = Stamp::of(signer.at);
        let head = format!("{ALGORITHM}\n{}\n{scope}\n", stamp.as_str());
        String::from_utf8(key.sign([head.as_bytes(), &digest]).to_vec()).unwrap()
    }

    fn verify(&self) -> Result<Option<Signed>, Error> {
        self.verify_at(NOW)
    }

    fn verify_at(&self, now: OffsetDateTime) -> Result<Option<Signed>, Error> {
        self.verify_with(&Rules::default(), now, &SigningKeys::default())
    }

    fn verify_with(
        &self,
        rules: &Rules,
        now: OffsetDateTime,
        cache: &SigningKeys,
    ) -> Result<Option<Signed>, Error> {
        let head = RequestHead {
            method: &self.method,
            virtual_bucket: None,
            raw_path: &self.path,
            raw_query: self.query.as_deref(),
            headers: &self.headers,
        };
        verify(&head, &Ring(KEY_ID, SECRET), rules, now, cache)
    }

    /// The positive control.
    #[track_caller]
    fn accepted(&self) -> Signed {
        let signed = self.verify().expect("accepted").expect("not anonymous");
        assert_eq!(signed.key_id().as_str(), KEY_ID);
        signed
    }

    #[track_caller]
    fn refused(&self, code: Code) -> Error {
        refused(self.verify(), code)
    }
}

#[track_caller]
fn refused(answer: Result<Option<Signed>, Error>, code: Code) -> Error {
    let error = answer.expect_err("refused");
    assert_eq!(error.code(), code, "{error}");
    error
}

#[track_caller]
fn detail<'e>(error: &'e Error, element: &str) -> &'e str {
    let found = error.details().iter().find(|(name, _)| *name == element);
    &found.unwrap_or_else(|| panic!("{element} in {error:?}")).1
}

fn minutes(minutes: i64, seconds: i64) -> Duration {
    Duration::minutes(minutes) + Duration::seconds(seconds)
}
