//! Shared key: the text that a request is boiled down to, and its signature. Pure.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key>

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, Method, header};

use super::collation;
use super::credential::AccountKey;

/// The headers that have lines of their own.
static STANDARD: [Option<HeaderName>; 11] = [
    Some(header::CONTENT_ENCODING),
    Some(header::CONTENT_LANGUAGE),
    Some(header::CONTENT_LENGTH),
    Some(HeaderName::from_static("content-md5")),
    Some(header::CONTENT_TYPE),
    // The date is in `x-ms-date`, so this line stays empty.
    None,
    Some(header::IF_MODIFIED_SINCE),
    Some(header::IF_MATCH),
    Some(header::IF_NONE_MATCH),
    Some(header::IF_UNMODIFIED_SINCE),
    Some(header::RANGE),
];

/// A request as it will be sent.
pub(super) struct ToSign<'a> {
    pub(super) account: &'a str,
    pub(super) method: &'a Method,
    /// The whole path, encoded as it is sent.
    pub(super) path: &'a str,
    /// Not encoded, no name twice.
    pub(super) query: &'a [(&'static str, Cow<'static, str>)],
    pub(super) headers: &'a HeaderMap,
}

impl ToSign<'_> {
    /// The value of the header `Authorization`.
    pub(super) fn authorization(&self, key: &AccountKey) -> String {
        ["SharedKey ", self.account, ":", &key.sign(&self.text())].concat()
    }

    fn text(&self) -> String {
        let mut text = String::with_capacity(512);
        text.push_str(self.method.as_str());
        text.push('\n');
        for name in &STANDARD {
            let value = name.as_ref().map_or("", |name| self.header(name));
            // A length of zero is an empty line since version 2015-02-21.
            let is_no_length = value == "0" && *name == Some(header::CONTENT_LENGTH);
            text.push_str(if is_no_length { "" } else { value });
            text.push('\n');
        }
        self.add_headers(&mut text);
        self.add_resource(&mut text);
        text
    }

    fn header(&self, name: &HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn add_headers(&self, text: &mut String) {
        let ours = |name: &str| name.starts_with("x-ms-");
        let rows = self.headers.iter().map(|(name, value)| (name.as_str(), value));
        let mut rows: Vec<_> = rows.filter(|(name, _)| ours(name)).collect();
        rows.sort_unstable_by(|(one, _), (other, _)| collation::compare(one, other));
        for (name, value) in rows {
            text.push_str(name);
            text.push(':');
            text.push_str(value.to_str().unwrap_or_default());
            text.push('\n');
        }
    }

    fn add_resource(&self, text: &mut String) {
        text.push('/');
        text.push_str(self.account);
        text.push_str(self.path);
        let mut query: Vec<(String, &str)> =
            self.query.iter().map(|(name, value)| (name.to_ascii_lowercase(), &**value)).collect();
        query.sort_unstable();
        for (name, value) in query {
            text.push('\n');
            text.push_str(&name);
            text.push(':');
            text.push_str(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(rows: &[(&'static str, &'static str)]) -> HeaderMap {
        rows.iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn the_text_is_the_one_of_the_documentation() {
        // "Get Container Metadata" in Microsoft's page, with its values.
        let request = ToSign {
            account: "myaccount",
            method: &Method::GET,
            path: "/mycontainer",
            query: &[("restype", Cow::Borrowed("container")), ("comp", Cow::Borrowed("metadata"))],
            headers: &headers(&[
                ("x-ms-version", "2015-02-21"),
                ("x-ms-date", "Fri, 26 Jun 2015 23:39:12 GMT"),
                ("user-agent", "not signed"),
            ]),
        };
        assert_eq!(
            request.text(),
            "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\n\
             x-ms-version:2015-02-21\n/myaccount/mycontainer\ncomp:metadata\nrestype:container"
        );
    }

    #[test]
    fn every_signed_header_has_its_line() {
        let request = ToSign {
            account: "dev",
            method: &Method::PUT,
            path: "/dev/c/a%2Fb%2520",
            query: &[("startFrom", Cow::Borrowed("a b&c"))],
            headers: &headers(&[
                ("content-length", "11"),
                ("content-md5", "bWQ1"),
                ("content-type", "text/plain"),
                ("if-match", "\"0x1\""),
                ("if-none-match", "*"),
                ("x-ms-meta-i0", "digit"),
                ("x-ms-meta-i_", ""),
                ("x-ms-meta-b", "two  blanks"),
            ]),
        };
        assert_eq!(
            request.text(),
            "PUT\n\n\n11\nbWQ1\ntext/plain\n\n\n\"0x1\"\n*\n\n\nx-ms-meta-b:two  blanks\n\
             x-ms-meta-i_:\nx-ms-meta-i0:digit\n/dev/dev/c/a%2Fb%2520\nstartfrom:a b&c"
        );
    }

    #[test]
    fn nothing_to_send_has_no_length_to_sign() {
        let request = ToSign {
            account: "a",
            method: &Method::PUT,
            path: "/c",
            query: &[],
            headers: &headers(&[("content-length", "0")]),
        };
        assert_eq!(request.text(), "PUT\n\n\n\n\n\n\n\n\n\n\n\n/a/c");
    }

    #[test]
    fn the_signature_is_the_one_that_openssl_makes() {
        // printf 'PUT\n\n\n\n\n\n\n\n\n\n\n\n/a/c' | openssl dgst -sha256 -hmac key -binary | base64
        let key = AccountKey::from_base64("a2V5").unwrap();
        let request = ToSign {
            account: "a",
            method: &Method::PUT,
            path: "/c",
            query: &[],
            headers: &HeaderMap::new(),
        };
        assert_eq!(
            request.authorization(&key),
            "SharedKey a:P9KnpS5LFqEqdHfP9HMuIKHUcWfi94H9we78LqSU++4="
        );
    }
}
