//! Where an account is: an address, taken apart once. Pure.

use http::Uri;

use super::store::SetupError;

/// The blob endpoint of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// `https://name.blob.core.windows.net`
    pub(super) origin: String,
    /// What comes before each path: nothing, or `/name` where the account is in the path (Azurite).
    pub(super) root: String,
    pub(super) https: bool,
    /// The address is this machine itself.
    pub(super) loopback: bool,
}

impl Endpoint {
    pub(super) fn parse(text: &str) -> Result<Self, SetupError> {
        let wrong = |why: &str| SetupError::new(format!("the endpoint {text:?} {why}"));
        let uri: Uri = text.parse().map_err(|cause| wrong(&format!("is no address: {cause}")))?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("begins with neither https:// nor http://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("names no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("carries a user"));
        }
        if uri.query().is_some() || text.contains('#') {
            return Err(wrong("carries a query"));
        }
        let root = uri.path().trim_end_matches('/').to_owned();
        if root.contains("//") || root.split('/').any(|part| matches!(part, "." | "..")) {
            return Err(wrong("has a path that is none"));
        }
        let scheme = if https { "https" } else { "http" };
        let host = authority.host().trim_matches(['[', ']']);
        let loopback = host == "localhost"
            || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        Ok(Self { origin: format!("{scheme}://{authority}"), root, https, loopback })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_taken_apart() {
        let azure = Endpoint::parse("https://a.blob.core.windows.net/").unwrap();
        assert_eq!(
            (azure.origin.as_str(), azure.root.as_str()),
            ("https://a.blob.core.windows.net", "")
        );
        assert!(azure.https && !azure.loopback);
        let azurite = Endpoint::parse("http://127.0.0.1:10000/devstoreaccount1").unwrap();
        assert_eq!(azurite.origin, "http://127.0.0.1:10000");
        assert_eq!(azurite.root, "/devstoreaccount1");
        assert!(!azurite.https && azurite.loopback);
        assert!(Endpoint::parse("http://[::1]:1/a").unwrap().loopback);
        assert!(!Endpoint::parse("http://localhost.example.com").unwrap().loopback);
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        for bad in [
            "",
            "a.b",
            "ftp://a",
            "https://",
            "https://u:p@a",
            "https://a/?sig=1",
            "/a",
            "https://a/../b",
        ] {
            assert!(Endpoint::parse(bad).is_err(), "{bad}");
        }
    }
}
