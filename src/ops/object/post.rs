//! `PostObject`: a PUT that came as a form, answered as the form asks.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use percent_encoding::utf8_percent_encode;

use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::ops::object::headers::{URL_PARAMETER, location};
use crate::ops::object::put;
use crate::s3::body::{self, Body};
use crate::s3::form::Reply;
use crate::s3::target::Target;
use crate::s3::xml::Writer;
use crate::s3::{Code, Error};

pub(in crate::ops) async fn run(
    gateway: &Gateway,
    mut request: Request,
) -> Result<Response<Body>, Error> {
    let Target::Object(bucket, key) = request.target.clone() else {
        return Err(Error::new(Code::MethodNotAllowed));
    };
    let reply = request.reply.take().unwrap_or(Reply::Status(StatusCode::NO_CONTENT));
    let at = location(&request.bucket_url, &key);
    let (mut written, _) = put::run(gateway, request).await?.into_parts();
    let etag = text(&written.headers, &header::ETAG);
    let names = [bucket.as_str(), key.as_str(), etag.as_str()];
    let (status, at, document) = match reply {
        Reply::Status(status) => (status, at, None),
        Reply::Created => (StatusCode::CREATED, at.clone(), Some(created(&at, names))),
        Reply::Redirect(address) => (StatusCode::SEE_OTHER, told(&address, names), None),
    };
    written.status = status;
    let invalid = |fault: header::InvalidHeaderValue| unanswerable(fault.into());
    written.headers.insert(header::LOCATION, HeaderValue::from_str(&at).map_err(invalid)?);
    let Some(document) = document else {
        return Ok(Response::from_parts(written, body::empty()));
    };
    let xml = HeaderValue::from_static("application/xml");
    written.headers.insert(header::CONTENT_TYPE, xml);
    Ok(Response::from_parts(written, body::full(document)))
}

fn text(headers: &HeaderMap, name: &header::HeaderName) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

fn created(at: &str, [bucket, key, etag]: [&str; 3]) -> String {
    let mut document = Writer::bare("PostResponse");
    document.text("Location", at).text("Bucket", bucket).text("Key", key).text("ETag", etag);
    document.finish("PostResponse")
}

/// The address that a browser goes on to, told what was made.
fn told(address: &str, [bucket, key, etag]: [&str; 3]) -> String {
    let (address, fragment) = match address.split_once('#') {
        Some((address, fragment)) => (address, format!("#{fragment}")),
        None => (address, String::new()),
    };
    let joint = if address.contains('?') { '&' } else { '?' };
    let [bucket, key, etag] =
        [bucket, key, etag].map(|part| utf8_percent_encode(part, URL_PARAMETER));
    format!("{address}{joint}bucket={bucket}&key={key}&etag={etag}{fragment}")
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn c41_nothing_of_a_key_reaches_an_address_as_it_is() {
        let names = ["photos", "a b/é\r\nx: y&z=#", "\"0\""];
        assert_eq!(
            told("http://a.test/b?c=d#e", names),
            "http://a.test/b?c=d&bucket=photos&key=a%20b%2F%C3%A9%0D%0Ax%3A%20y%26z%3D%23\
             &etag=%220%22#e"
        );
        assert_eq!(
            told("http://a.test/", ["p", "k", "\"0\""]),
            "http://a.test/?bucket=p&key=k&etag=%220%22"
        );
    }
}
