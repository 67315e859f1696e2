//! What a bucket says to browsers about other origins.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html>

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::s3::xml::{self, Element, Writer};
use crate::s3::{Code, Error};

/// The outermost element.
const ROOT: &str = "CORSConfiguration";
/// How many rules a bucket may have.
const RULES_MAX: usize = 100;
/// The longest id of a rule, in characters.
const ID_MAX: usize = 255;
/// What a rule may name.
const METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "HEAD"];

/// The rules of a bucket, in their order: the first that fits counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors(Vec<Rule>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rule {
    id: Option<String>,
    headers: Vec<String>,
    methods: Vec<String>,
    origins: Vec<String>,
    exposed: Vec<String>,
    max_age: Option<u32>,
}

/// What a browser wants to know.
#[derive(Debug)]
pub struct Question<'a> {
    origin: &'a str,
    method: &'a str,
    /// In lower case, of a preflight.
    headers: Vec<String>,
    is_preflight: bool,
}

impl<'a> Question<'a> {
    /// What a request asks. None: it comes from no browser's other origin.
    pub fn of(method: &'a Method, headers: &'a HeaderMap) -> Option<Self> {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let origin = text(ORIGIN)?;
        let is_preflight = method == Method::OPTIONS;
        // A request that says what it will be is taken at its word, as S3 does it.
        let asked = text(ACCESS_CONTROL_REQUEST_METHOD);
        let method = if is_preflight { asked? } else { asked.unwrap_or(method.as_str()) };
        let wanted = text(ACCESS_CONTROL_REQUEST_HEADERS).filter(|_| is_preflight);
        let names = wanted.unwrap_or_default().split(',').map(str::trim);
        let headers = names.filter(|name| !name.is_empty()).map(str::to_ascii_lowercase).collect();
        Some(Self { origin, method, headers, is_preflight })
    }
}

impl Cors {
    /// Reads a `CORSConfiguration`; S3's refusals.
    pub fn read(document: &[u8]) -> Result<Self, Error> {
        let document = xml::read(document, ROOT)?;
        if document.children.iter().any(|child| child.name != "CORSRule")
            || document.children.is_empty()
        {
            return Err(xml::malformed());
        }
        if document.children.len() > RULES_MAX {
            return Err(Error::new(Code::InvalidRequest).message(
                "The number of CORS rules should not exceed allowed limit of 100 rules.",
            ));
        }
        document.children.iter().map(Rule::read).collect::<Result<_, _>>().map(Self)
    }

    /// As a document.
    pub fn write(&self) -> String {
        let mut document = Writer::document(ROOT);
        for rule in &self.0 {
            rule.write(&mut document);
        }
        document.finish(ROOT)
    }

    /// The headers of the answer. None: no rule fits.
    pub fn answer(&self, question: &Question<'_>) -> Option<HeaderMap> {
        self.0.iter().find_map(|rule| rule.answer(question))
    }
}

/// An answer depends on these, whatever it is: caches have to know.
pub fn varies(headers: &mut HeaderMap) {
    let names = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";
    headers.append(VARY, HeaderValue::from_static(names));
}

impl Rule {
    fn read(element: &Element) -> Result<Self, Error> {
        let mut rule = Self::default();
        for child in &element.children {
            let text = child.text.trim().to_owned();
            match child.name.as_str() {
                "ID" if rule.id.is_none() => rule.id = Some(text),
                "AllowedHeader" => rule.headers.push(text),
                "AllowedMethod" => rule.methods.push(text),
                "AllowedOrigin" => rule.origins.push(text),
                "ExposeHeader" => rule.exposed.push(text),
                "MaxAgeSeconds" if rule.max_age.is_none() => {
                    let seconds = text.parse::<u32>().map_err(|_no_number| xml::malformed())?;
                    rule.max_age = Some(seconds);
                }
                _ => return Err(xml::malformed()),
            }
        }
        rule.check()?;
        Ok(rule)
    }

    fn write(&self, document: &mut Writer) {
        document.open("CORSRule");
        document.maybe("ID", self.id.as_deref());
        let mut all = |name: &str, values: &[String]| {
            for value in values {
                document.text(name, value);
            }
        };
        all("AllowedMethod", &self.methods);
        all("AllowedOrigin", &self.origins);
        all("AllowedHeader", &self.headers);
        all("ExposeHeader", &self.exposed);
        document.maybe("MaxAgeSeconds", self.max_age.map(|seconds| seconds.to_string()));
        document.close("CORSRule");
    }

    fn check(&self) -> Result<(), Error> {
        if self.methods.is_empty() || self.origins.is_empty() {
            return Err(xml::malformed());
        }
        if self.id.as_ref().is_some_and(|id| id.chars().count() > ID_MAX) {
            return Err(invalid("The ID of a CORS rule is too long."));
        }
        for method in &self.methods {
            if !METHODS.contains(&method.as_str()) {
                return Err(invalid(format!(
                    "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
                )));
            }
        }
        self.origins.iter().try_for_each(|origin| check_pattern("AllowedOrigin", origin))?;
        self.headers.iter().try_for_each(|header| check_pattern("AllowedHeader", header))?;
        for name in &self.exposed {
            if name.contains('*') {
                return Err(invalid(format!(
                    "ExposeHeader \"{name}\" contains wildcard. We currently do not support \
                     wildcard for ExposeHeader."
                )));
            }
            if name.parse::<HeaderName>().is_err() {
                return Err(invalid(format!("ExposeHeader {name:?} is not valid.")));
            }
        }
        Ok(())
    }

    fn answer(&self, question: &Question<'_>) -> Option<HeaderMap> {
        let origin = self.origins.iter().find(|pattern| fits(pattern, question.origin))?;
        let wants = |name: &String| {
            let patterns = self.headers.iter();
            patterns.map(|pattern| pattern.to_ascii_lowercase()).any(|pattern| fits(&pattern, name))
        };
        if !self.methods.iter().any(|method| method == question.method)
            || !question.headers.iter().all(wants)
        {
            return None;
        }
        let mut headers = HeaderMap::new();
        let mut put = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        if origin == "*" {
            put(ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        } else {
            put(ACCESS_CONTROL_ALLOW_ORIGIN, question.origin);
        }
        if !origin.contains('*') {
            // Only who is named in full may come with what the browser keeps for the user.
            put(ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        }
        put(ACCESS_CONTROL_ALLOW_METHODS, &self.methods.join(", "));
        if !self.exposed.is_empty() {
            put(ACCESS_CONTROL_EXPOSE_HEADERS, &self.exposed.join(", "));
        }
        if question.is_preflight && !question.headers.is_empty() {
            put(ACCESS_CONTROL_ALLOW_HEADERS, &question.headers.join(", "));
        }
        if let Some(seconds) = self.max_age {
            put(ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
        }
        Some(headers)
    }
}

/// A pattern has one wildcard at most.
fn check_pattern(name: &str, pattern: &str) -> Result<(), Error> {
    if pattern.matches('*').count() > 1 {
        return Err(invalid(format!("{name} \"{pattern}\" can not have more than one wildcard.")));
    }
    if pattern.is_empty() || !pattern.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(invalid(format!("{name} {pattern:?} is not valid.")));
    }
    Ok(())
}

/// Whether a text fits a pattern with at most one `*`.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => {
            text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end)
        }
    }
}

fn invalid(what: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Code::InvalidRequest).message(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(rules: &str) -> Result<Cors, Error> {
        Cors::read(format!("<CORSConfiguration>{rules}</CORSConfiguration>").as_bytes())
    }

    fn rule(inner: &str) -> Result<Cors, Error> {
        rules(&format!("<CORSRule>{inner}</CORSRule>"))
    }

    const FULL: &str = "<CORSRule><ID>a</ID><AllowedMethod>PUT</AllowedMethod>\
        <AllowedMethod>GET</AllowedMethod><AllowedOrigin>https://*.a.test</AllowedOrigin>\
        <AllowedOrigin>https://b.test</AllowedOrigin><AllowedHeader>X-Amz-*</AllowedHeader>\
        <ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule>\
        <CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>";

    fn ask(method: &str, headers: &[(HeaderName, &str)]) -> Option<HeaderMap> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
            .collect();
        let method = method.parse().unwrap();
        rules(FULL).unwrap().answer(&Question::of(&method, &headers)?)
    }

    #[test]
    fn a_configuration_comes_back() {
        let cors = rules(FULL).unwrap();
        assert_eq!(Cors::read(cors.write().as_bytes()).unwrap(), cors);
    }

    #[test]
    fn the_first_rule_that_fits_answers() {
        let plain = ask("GET", &[(ORIGIN, "https://x.a.test")]).unwrap();
        assert_eq!(plain[ACCESS_CONTROL_ALLOW_ORIGIN], "https://x.a.test");
        assert_eq!(plain[ACCESS_CONTROL_ALLOW_METHODS], "PUT, GET");
        assert_eq!(plain[ACCESS_CONTROL_EXPOSE_HEADERS], "ETag");
        let other = ask("GET", &[(ORIGIN, "https://evil.test")]).unwrap();
        assert_eq!(other[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(ask("PUT", &[(ORIGIN, "https://evil.test")]).is_none());
        assert!(ask("GET", &[]).is_none());
        assert!(ask("OPTIONS", &[(ORIGIN, "https://b.test")]).is_none());
    }

    #[test]
    fn c58_no_origin_comes_back_with_credentials_that_was_not_named() {
        let credentials = |origin: &str| {
            let answer = ask("GET", &[(ORIGIN, origin)]).unwrap();
            answer.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS)
        };
        assert!(credentials("https://b.test"));
        assert!(!credentials("https://x.a.test"));
        assert!(!credentials("https://evil.test"));
    }

    #[test]
    fn a_preflight_names_its_headers() {
        let preflight = |method: &str, names: &str| {
            ask(
                "OPTIONS",
                &[
                    (ORIGIN, "https://b.test"),
                    (ACCESS_CONTROL_REQUEST_METHOD, method),
                    (ACCESS_CONTROL_REQUEST_HEADERS, names),
                ],
            )
        };
        let answer = preflight("PUT", "x-amz-date, X-AMZ-Meta-a").unwrap();
        assert_eq!(answer[ACCESS_CONTROL_ALLOW_HEADERS], "x-amz-date, x-amz-meta-a");
        assert_eq!(answer[ACCESS_CONTROL_MAX_AGE], "60");
        assert!(preflight("PUT", "x-amz-date, x-other").is_none());
        assert!(preflight("DELETE", "").is_none());
        assert!(preflight("get", "").is_none(), "methods have a case");
    }

    #[test]
    fn c58_what_is_no_configuration_is_refused() {
        let (get, all) = ("<AllowedMethod>GET</AllowedMethod>", "<AllowedOrigin>*</AllowedOrigin>");
        let with = |more: &str| rule(&format!("{get}{all}{more}")).map_err(|error| error.code());
        assert!(with("").is_ok());
        for (inner, code) in [
            ("<Other/>", Code::MalformedXML),
            ("<ID>a</ID><ID>b</ID>", Code::MalformedXML),
            ("<MaxAgeSeconds>-1</MaxAgeSeconds>", Code::MalformedXML),
            ("<AllowedMethod>PATCH</AllowedMethod>", Code::InvalidRequest),
            ("<AllowedOrigin>*.*</AllowedOrigin>", Code::InvalidRequest),
            ("<AllowedOrigin>a\r\nb</AllowedOrigin>", Code::InvalidRequest),
            ("<AllowedHeader>**</AllowedHeader>", Code::InvalidRequest),
            ("<ExposeHeader>x-*</ExposeHeader>", Code::InvalidRequest),
            ("<ExposeHeader>a\r\nSet-Cookie: b</ExposeHeader>", Code::InvalidRequest),
        ] {
            assert_eq!(with(inner).unwrap_err(), code, "{inner}");
        }
        assert_eq!(rule(get).unwrap_err().code(), Code::MalformedXML);
        assert_eq!(rule(all).unwrap_err().code(), Code::MalformedXML);
        assert_eq!(rules("").unwrap_err().code(), Code::MalformedXML);
        let one = format!("<CORSRule>{get}{all}</CORSRule>");
        assert!(rules(&one.repeat(100)).is_ok());
        assert_eq!(rules(&one.repeat(101)).unwrap_err().code(), Code::InvalidRequest);
    }
}
