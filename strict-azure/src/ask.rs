//! A request, read as far as every operation needs it: which name, which parameters.

use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;

use crate::names::{self, Name};
use crate::refusal::{self, Refusal};

/// A request without its body.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    /// As it was sent.
    pub(crate) path: Box<str>,
    pub(crate) query: Vec<(String, String)>,
    /// Empty: the account is asked.
    pub(crate) container: Box<str>,
    pub(crate) blob: Option<Name>,
}

impl Ask {
    pub(crate) fn new(
        method: Method,
        target: &str,
        headers: HeaderMap,
        account: &str,
    ) -> Result<Self, Refusal> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (container, blob) = resource(path, account)?;
        if !container.is_empty() {
            names::container(&container)?;
        }
        let blob = blob.as_deref().map(names::blob).transpose()?;
        Ok(Self { method, headers, path: path.into(), query: pairs(query)?, container, blob })
    }

    /// A parameter; one without a value is one that is not there.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A header of `true` or `false`.
    pub(crate) fn flag(&self, name: &str, default: bool) -> bool {
        self.header(name).map_or(default, |value| value.eq_ignore_ascii_case("true"))
    }

    pub(crate) fn name(&self) -> Result<&Name, Refusal> {
        self.blob.as_ref().ok_or_else(|| refusal::INVALID_URI.into())
    }

    pub(crate) fn lease(&self) -> Option<&str> {
        self.header("x-ms-lease-id")
    }
}

/// `/account/container/blob`, the blob decoded.
pub(crate) fn resource(path: &str, account: &str) -> Result<(Box<str>, Option<Box<str>>), Refusal> {
    let inside = path.strip_prefix('/').and_then(|path| path.strip_prefix(account));
    let Some(inside) = inside.filter(|rest| rest.is_empty() || rest.starts_with('/')) else {
        return Err(refusal::INVALID_URI.into());
    };
    let inside = inside.strip_prefix('/').unwrap_or(inside);
    let (container, blob) = match inside.split_once('/') {
        Some((container, "")) => (container, None),
        Some((container, blob)) => (container, Some(blob)),
        None => (inside, None),
    };
    let blob = blob.map(decode).transpose()?;
    Ok((decode(container)?, blob))
}

fn decode(text: &str) -> Result<Box<str>, Refusal> {
    if !text.contains('%') {
        return Ok(text.into());
    }
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| refusal::INVALID_URI)?;
    Ok(decoded.into())
}

/// The parameters of a query, decoded; `+` is a blank there.
pub(crate) fn pairs(query: &str) -> Result<Vec<(String, String)>, Refusal> {
    let decode = |text: &str| -> Result<String, Refusal> {
        let text = text.replace('+', " ");
        let decoded = percent_decode_str(&text).decode_utf8();
        Ok(decoded.map_err(|_| refusal::INVALID_QUERY_PARAMETER_VALUE)?.into_owned())
    };
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decode(name)?, decode(value)?))
    };
    query.split('&').filter(|text| !text.is_empty()).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(target: &str) -> Result<Ask, &'static str> {
        let asked = Ask::new(Method::GET, target, HeaderMap::new(), "acc");
        asked.map_err(|refusal| refusal.row.code)
    }

    #[test]
    fn a_name_is_everything_behind_the_container() {
        let name = |target: &str| ask(target).unwrap().blob.map(|name| name.0);
        assert_eq!(name("/acc/con/a%2Fb/c"), Some("a/b/c".into()));
        assert_eq!(name("/acc/con//a"), Some("/a".into()));
        assert_eq!(name("/acc/con/a%5Cb"), Some("a/b".into()));
        assert_eq!(name("/acc/con/a%20%2B+"), Some("a ++".into()));
        assert_eq!(name("/acc/con?restype=container"), None);
        assert_eq!(&*ask("/acc").unwrap().container, "");
        assert_eq!(ask("/other/con/a").unwrap_err(), "InvalidUri");
        assert_eq!(ask("/acc/con/%FF").unwrap_err(), "InvalidUri");
        assert_eq!(ask("/acc/c/a").unwrap_err(), "OutOfRangeInput");
    }

    #[test]
    fn parameters_are_decoded() {
        let ask = ask("/acc/con?Prefix=a%26b%20c&marker=&comp=list").unwrap();
        assert_eq!(ask.query("prefix"), Some("a&b c"));
        assert_eq!(ask.query("marker"), None);
        assert_eq!(ask.query("comp"), Some("list"));
    }
}
