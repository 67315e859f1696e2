//! The query of a request: decoded once, every name at most once.

use crate::s3::error::{Code, Error};

/// The parameters of a query, decoded, in the order in which they came.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

/// More parameters than any S3 operation knows; a bound on the work that a request can ask for.
const PARAMETERS_MAX: usize = 64;

impl Query {
    /// Decodes `raw`, the text behind the question mark.
    ///
    /// A name that comes twice is refused: a signature covers both values and a reader would take
    /// one of them, which is how one request is signed and another one is run.
    pub fn parse(raw: &str) -> Result<Self, Error> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name)?;
            if parameters.iter().any(|(known, _)| *known == name) {
                return Err(Error::invalid_argument(
                    "query",
                    name,
                    "A query parameter must not be given more than once.",
                ));
            }
            if parameters.len() == PARAMETERS_MAX {
                return Err(Error::new(Code::InvalidURI));
            }
            parameters.push((name, decode(value)?));
        }
        Ok(Self(parameters))
    }

    /// The value of `name`, if the query has it; empty where nothing follows the name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of `name`, if the query has one that is not empty.
    pub fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Is `name` among the parameters, with or without a value?
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The names, in the order in which they came.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The value of `name` as a whole number from 0 to 2^31 - 1; `InvalidArgument` otherwise.
    pub fn number(&self, name: &'static str) -> Result<Option<u32>, Error> {
        let Some(text) = self.filled(name) else { return Ok(None) };
        let number = text.parse::<u32>().ok().filter(|number| i32::try_from(*number).is_ok());
        number.map(Some).ok_or_else(|| {
            Error::invalid_argument(
                name,
                text,
                format!("Provided {name} not an integer or within integer range"),
            )
        })
    }
}

/// Decodes a name or a value: `%XX`, and `+` for a blank, as S3 reads a query.
fn decode(text: &str) -> Result<String, Error> {
    decode_with(text, Plus::IsBlank)
}

/// How a raw `+` is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plus {
    /// As itself, as in a path.
    IsPlus,
    /// As a blank, as in a form.
    IsBlank,
}

/// Decodes `%XX` in `text`; `InvalidURI` for a broken escape or what is not UTF-8.
pub fn decode_with(text: &str, plus: Plus) -> Result<String, Error> {
    let invalid = || Error::new(Code::InvalidURI);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let (Some(high), Some(low)) = (high, low) else { return Err(invalid()) };
                u8::try_from(high * 16 + low).map_err(|_overflow| invalid())?
            }
            b'+' if plus == Plus::IsBlank => b' ',
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_not_text| invalid())
}

#[cfg(test)]
mod tests {
    use super::{Plus, Query, decode_with};

    #[test]
    fn values_are_decoded_once() {
        let query = Query::parse("prefix=a%2Fb%2525&delimiter=&acl&x=a+b").unwrap();
        assert_eq!(query.get("prefix"), Some("a/b%25"));
        assert_eq!(query.get("delimiter"), Some(""));
        assert_eq!(query.filled("delimiter"), None);
        assert!(query.has("acl"));
        assert_eq!(query.get("x"), Some("a b"));
    }

    #[test]
    fn c12_a_name_that_comes_twice_is_refused() {
        assert!(Query::parse("prefix=a&prefix=b").is_err());
        assert!(Query::parse("uploadId=a&upload%49d=b").is_err());
        assert!(Query::parse("prefix=a&Prefix=b").is_ok());
    }

    #[test]
    fn broken_escapes_and_bad_utf8_are_refused() {
        for raw in ["a=%", "a=%4", "a=%zz", "a=%FF", "%C3=1"] {
            assert!(Query::parse(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn a_plus_in_a_path_is_a_plus() {
        assert_eq!(decode_with("a+b%2Bc", Plus::IsPlus).unwrap(), "a+b+c");
        assert_eq!(decode_with("a+b%2Bc", Plus::IsBlank).unwrap(), "a b+c");
    }

    #[test]
    fn numbers_are_whole_and_not_negative() {
        let query = Query::parse("a=12&b=-1&c=x&d=&e=2147483648").unwrap();
        assert_eq!(query.number("a").unwrap(), Some(12));
        assert!(query.number("b").is_err());
        assert!(query.number("c").is_err());
        assert_eq!(query.number("d").unwrap(), None);
        assert!(query.number("e").is_err());
        assert_eq!(query.number("missing").unwrap(), None);
    }
}
