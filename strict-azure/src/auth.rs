//! Whether a request may do what it asks: shared key, shared access signature, bearer token.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key>

use std::time::Duration;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use sha2::Sha256;

use crate::ask::Ask;
use crate::clock::{Clock, Time};
use crate::collation;
use crate::names::Name;
use crate::operation::Operation;
use crate::options::Auth;
use crate::refusal::{self, Refusal};
use crate::sas::{self, Wanted};
use crate::service::Service;

const SKEW_MAX: Duration = Duration::from_mins(15);

/// The account's key, ready to sign.
#[derive(Clone)]
pub(crate) struct Key(Hmac<Sha256>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    pub(crate) fn from_base64(text: &str) -> Option<Self> {
        let bytes = BASE64.decode(text.as_bytes()).ok()?;
        Hmac::new_from_slice(&bytes).ok().map(Self)
    }

    /// Whether `signature` is that of `text`.
    pub(crate) fn signed(&self, text: &str, signature: &str) -> bool {
        let mut mac = self.0.clone();
        mac.update(text.as_bytes());
        BASE64.decode(signature.as_bytes()).is_ok_and(|bytes| mac.verify_slice(&bytes).is_ok())
    }
}

impl Service {
    pub(crate) fn authorise(&self, ask: &Ask, operation: Operation) -> Result<(), Refusal> {
        if self.options.auth == Auth::Off {
            return Ok(());
        }
        if let Some(header) = ask.header("authorization") {
            return match header.split_once(' ') {
                Some(("SharedKey", claim)) => self.shared_key(ask, claim),
                Some(("Bearer", token)) => self.bearer(token),
                Some(_) | None => Err(refusal::INVALID_AUTHENTICATION_INFO.into()),
            };
        }
        if ask.query("sig").is_none() {
            return Err(refusal::NO_AUTHENTICATION_INFORMATION.into());
        }
        let wanted = Wanted {
            container: &ask.container,
            blob: ask.blob.as_ref().map(Name::as_str),
            snapshot: ask.query("snapshot"),
            operation,
        };
        sas::check(&self.key, &self.options.account, &ask.query, &wanted)
    }

    /// Whether the source of a copy may be read.
    pub(crate) fn authorise_source(
        &self,
        bearer: Option<&str>,
        query: &[(String, String)],
        wanted: &Wanted<'_>,
    ) -> Result<(), Refusal> {
        if self.options.auth == Auth::Off {
            return Ok(());
        }
        if let Some(token) = bearer.and_then(|header| header.strip_prefix("Bearer ")) {
            return self.bearer(token).map_err(|_| refusal::SOURCE_FORBIDDEN.into());
        }
        if !query.iter().any(|(name, _)| name == "sig") {
            return Err(refusal::SOURCE_UNAUTHORISED.into());
        }
        let checked = sas::check(&self.key, &self.options.account, query, wanted);
        checked.map_err(|_| refusal::SOURCE_FORBIDDEN.into())
    }

    fn bearer(&self, token: &str) -> Result<(), Refusal> {
        if self.options.bearer.as_deref() == Some(token) {
            Ok(())
        } else {
            Err(Refusal { row: refusal::AUTHENTICATION_FAILED, header: None })
        }
    }

    fn shared_key(&self, ask: &Ask, claim: &str) -> Result<(), Refusal> {
        let (account, signature) =
            claim.split_once(':').ok_or(refusal::INVALID_AUTHENTICATION_INFO)?;
        let date = ask.header("x-ms-date").or_else(|| ask.header("date"));
        let date = date.ok_or(refusal::MISSING_REQUIRED_HEADER)?;
        let date = Time::parse_http(date).ok_or(refusal::AUTHENTICATION_FAILED)?;
        let now = Clock::real_now();
        let skewed = date.since(now) > SKEW_MAX || now.since(date) > SKEW_MAX;
        if skewed || account != self.options.account {
            return Err(refusal::AUTHENTICATION_FAILED.into());
        }
        if self.key.signed(&to_sign(ask, account), signature) {
            Ok(())
        } else {
            Err(refusal::AUTHENTICATION_FAILED.into())
        }
    }
}

fn to_sign(ask: &Ask, account: &str) -> String {
    let headers = &ask.headers;
    let mut text = String::with_capacity(768);
    text.push_str(ask.method.as_str());
    text.push('\n');
    for name in [
        "content-encoding",
        "content-language",
        "content-length",
        "content-md5",
        "content-type",
        "date",
        "if-modified-since",
        "if-match",
        "if-none-match",
        "if-unmodified-since",
        "range",
    ] {
        // The date is that of x-ms-date where it is there, and a length of 0 is none.
        let left_out = name == "date" && headers.contains_key("x-ms-date");
        let value = if left_out { "" } else { value(headers, name) };
        text.push_str(if name == "content-length" && value == "0" { "" } else { value });
        text.push('\n');
    }
    add_headers(&mut text, headers);
    text.extend(["/", account, &ask.path]);
    add_query(&mut text, &ask.query);
    text
}

fn value<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn add_headers(text: &mut String, headers: &HeaderMap) {
    let mut names: Vec<&str> = headers
        .keys()
        .map(http::HeaderName::as_str)
        .filter(|name| name.starts_with("x-ms-"))
        .collect();
    names.sort_unstable_by(|one, other| collation::compare(one, other));
    for name in names {
        text.push_str(name);
        for (at, value) in headers.get_all(name).iter().enumerate() {
            text.push(if at == 0 { ':' } else { ',' });
            text.push_str(value.to_str().unwrap_or_default());
        }
        text.push('\n');
    }
}

fn add_query(text: &mut String, query: &[(String, String)]) {
    let mut pairs: Vec<(String, &str)> =
        query.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.as_str())).collect();
    pairs.sort_unstable();
    let mut last: Option<&str> = None;
    for (name, value) in &pairs {
        if last == Some(name.as_str()) {
            text.extend([",", value]);
        } else {
            text.extend(["\n", name, ":", value]);
        }
        last = Some(name);
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue, Method};

    use super::*;

    #[test]
    fn the_text_is_the_one_of_the_documentation() {
        // "List Blobs" in Microsoft's page, with its values.
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-ms-date", "Fri, 26 Jun 2015 23:39:12 GMT"),
            ("x-ms-version", "2015-02-21"),
            ("content-length", "0"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let target = "/myaccount/mycontainer?restype=container&comp=list&include=snapshots\
                      &include=metadata&include=uncommittedblobs";
        let ask = Ask::new(Method::GET, target, headers, "myaccount").unwrap();
        assert_eq!(
            to_sign(&ask, "myaccount"),
            "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\n\
             x-ms-version:2015-02-21\n/myaccount/myaccount/mycontainer\ncomp:list\n\
             include:metadata,snapshots,uncommittedblobs\nrestype:container"
        );
    }

    #[test]
    fn a_signature_is_that_of_one_text() {
        // printf 'PUT\n\n\n\n\n\n\n\n\n\n\n\n/a/c' | openssl dgst -sha256 -hmac key -binary | base64
        let key = Key::from_base64("a2V5").unwrap();
        let signature = "P9KnpS5LFqEqdHfP9HMuIKHUcWfi94H9we78LqSU++4=";
        assert!(key.signed("PUT\n\n\n\n\n\n\n\n\n\n\n\n/a/c", signature));
        assert!(!key.signed("PUT\n\n\n\n\n\n\n\n\n\n\n\n/a/d", signature));
        assert!(!key.signed("", "no base64"));
    }
}
