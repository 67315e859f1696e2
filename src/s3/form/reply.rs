//! How a form wants to be answered: `success_action_redirect`, `success_action_status`.

use http::{StatusCode, Uri};

use super::Form;
use crate::s3::Error;

/// The answer that a form asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// 200 or 204, without a document.
    Status(StatusCode),
    /// 201, with a document that says what was made.
    Created,
    /// The browser goes on to this address.
    Redirect(String),
}

impl Reply {
    /// Reads the wish of a form. An unknown status is 204, as AWS documents it; a redirect that is no
    /// address of the web is refused, before anything is stored.
    pub fn read(form: &Form) -> Result<Self, Error> {
        let redirect = form.get("success_action_redirect").or_else(|| form.get("redirect"));
        if let Some(address) = redirect.filter(|address| !address.is_empty()) {
            let uri = address.parse::<Uri>().ok();
            let is_web = uri.is_some_and(|uri| {
                matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
            });
            if !is_web || !address.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(Error::invalid_argument(
                    "success_action_redirect",
                    address,
                    "The redirect must be an absolute http or https URL.",
                ));
            }
            return Ok(Self::Redirect(address.to_owned()));
        }
        Ok(match form.get("success_action_status") {
            Some("200") => Self::Status(StatusCode::OK),
            Some("201") => Self::Created,
            Some(_) | None => Self::Status(StatusCode::NO_CONTENT),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Form, Reply, StatusCode};

    fn read(name: &str, value: &str) -> Option<Reply> {
        Reply::read(&Form(vec![(name.to_owned(), value.to_owned())])).ok()
    }

    #[test]
    fn c41_a_redirect_is_an_address_of_the_web() {
        let redirect = |address: &str| read("success_action_redirect", address);
        for address in ["http://a.test", "https://a.test:1/b?c=d"] {
            assert_eq!(redirect(address), Some(Reply::Redirect(address.to_owned())));
        }
        for address in [
            "javascript:alert(1)",
            "JavaScript://a.test/%0aalert(1)",
            "data:text/html,x",
            "//a.test",
            "/path",
            "http://",
            "http://a.test/\r\nset-cookie: a=b",
            "http://a.test/ b",
            "http://a.test/é",
        ] {
            assert_eq!(redirect(address), None, "{address}");
        }
    }

    #[test]
    fn a_status_is_one_of_three() {
        let status = |value: &str| read("success_action_status", value).unwrap();
        assert_eq!(status("200"), Reply::Status(StatusCode::OK));
        assert_eq!(status("201"), Reply::Created);
        assert_eq!(status("404"), Reply::Status(StatusCode::NO_CONTENT));
        assert_eq!(read("success_action_redirect", ""), read("other", ""));
    }
}
