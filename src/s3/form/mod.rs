//! POST object: an object as a browser's form sends it, `multipart/form-data` with the file behind
//! everything else. <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html>
//!
//! The fields are collected, within limits; the file is not: it streams on as a body of its own, and
//! ends cleanly only where the form does.

mod file;
mod part;
pub mod policy;
mod reply;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_body_util::BodyExt as _;

pub use file::File;
pub use reply::Reply;

use crate::s3::body::Body;
use crate::s3::payload::interrupted;
use crate::s3::tags::{Limit, Tags};
use crate::s3::{Code, Error};
use part::{Found, PartHead};

/// All that comes before the file, in bytes; AWS's limit.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTForms.html>
const FIELDS_BYTES_MAX: usize = 20 * 1024;
/// Far more fields than any form of S3's has.
const FIELDS_MAX: usize = 128;
/// The longest boundary: <https://www.rfc-editor.org/rfc/rfc2046#section-5.1.1>.
const BOUNDARY_BYTES_MAX: usize = 70;
/// The field that is the object; whatever comes behind it is ignored, as AWS documents it.
const FILE: &str = "file";
/// What stands for the name of the file in any field.
const FILENAME: &str = "${filename}";

/// The fields that came before the file.
#[derive(Debug, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads the fields of a form; the file goes on from there.
    pub async fn read(body: Body, headers: &HeaderMap) -> Result<(Self, File), Error> {
        let delimiter = delimiter(headers)?;
        let mut source = Source { body, buffer: BytesMut::from("\r\n"), taken: 0 };
        if !source.until(&delimiter).await?.trim_ascii().is_empty() {
            return Err(malformed());
        }
        let mut fields = Vec::new();
        loop {
            let next = source.take(2).await?;
            if &*next == b"--" {
                return Err(one_file());
            }
            if &*next != b"\r\n" {
                return Err(malformed());
            }
            let head = PartHead::parse(&source.until(b"\r\n\r\n").await?).ok_or_else(malformed)?;
            if head.name == FILE {
                let form = Self::new(fields, head.filename.as_deref().unwrap_or_default())?;
                let Source { body, buffer, .. } = source;
                return Ok((form, File::new(body, buffer.freeze(), delimiter)));
            }
            if fields.len() == FIELDS_MAX {
                return Err(too_much());
            }
            let value = source.until(&delimiter).await?;
            let value = String::from_utf8(value.into()).map_err(|_not_utf8| malformed())?;
            fields.push((head.name, value));
        }
    }

    /// Fields by name in lower case, each once, with the name of the file where it belongs.
    fn new(fields: Vec<(String, String)>, filename: &str) -> Result<Self, Error> {
        let mut form = Self::default();
        for (name, value) in fields {
            if form.get(&name).is_some() {
                return Err(Error::invalid_argument(
                    "POST",
                    name,
                    "A field of a form must not be given more than once.",
                ));
            }
            // What is signed is signed as it was sent.
            let is_credential = matches!(&*name, "policy" | "signature" | "x-amz-signature");
            let value = if is_credential { value } else { value.replace(FILENAME, filename) };
            form.0.push((name, value));
        }
        Ok(form)
    }

    /// The value of a field; `name` is in lower case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of a field that has to be there.
    pub fn need(&self, name: &'static str) -> Result<&str, Error> {
        self.get(name).ok_or_else(|| {
            Error::new(Code::InvalidArgument)
                .message(format!(
                    "Bucket POST must contain a field named '{name}'.  If it is specified, please \
                     check the order of the fields."
                ))
                .detail("ArgumentName", name)
        })
    }

    /// Names and values, in the order in which they came.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The headers that a PUT of the same object would have.
    pub fn headers(&self) -> Result<HeaderMap, Error> {
        let mut headers = HeaderMap::new();
        if let Some(document) = self.get("tagging") {
            let tags = Tags::read(document.as_bytes(), Limit::Object)?;
            if let Ok(value) = HeaderValue::from_str(&tags.text()) {
                headers.insert(crate::s3::headers::TAGGING, value);
            }
        }
        for (name, value) in self.fields() {
            let Some(header) = header_of(name) else { continue };
            let invalid = || {
                let name = header.as_str().to_owned();
                Error::new(Code::InvalidArgument)
                    .message("A field of the form is no valid header.")
                    .detail("ArgumentName", name)
            };
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_not_one| invalid())?;
            if headers.insert(header.clone(), value).is_some() {
                return Err(invalid());
            }
        }
        Ok(headers)
    }
}

/// The header that a field stands for. What belongs to the signature is none, and what S3 does not
/// know is ignored: a form may have fields for other readers.
fn header_of(name: &str) -> Option<HeaderName> {
    const PLAIN: [HeaderName; 7] = [
        header::CACHE_CONTROL,
        header::CONTENT_DISPOSITION,
        header::CONTENT_ENCODING,
        header::CONTENT_LANGUAGE,
        header::CONTENT_TYPE,
        header::EXPIRES,
        HeaderName::from_static("content-md5"),
    ];
    const OF_THE_SIGNATURE: [&str; 5] = [
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-security-token",
        "x-amz-signature",
    ];
    if let Some(plain) = PLAIN.into_iter().find(|plain| plain == name) {
        return Some(plain);
    }
    match name {
        "acl" => Some(crate::s3::headers::ACL),
        _ if name.starts_with("x-amz-") && !OF_THE_SIGNATURE.contains(&name) => {
            HeaderName::try_from(name).ok()
        }
        _ => None,
    }
}

/// A body that is taken apart from its start.
struct Source {
    body: Body,
    buffer: BytesMut,
    /// Bytes that have gone out of the buffer.
    taken: usize,
}

impl Source {
    /// The bytes up to `end`, which goes away with them.
    async fn until(&mut self, end: &[u8]) -> Result<Bytes, Error> {
        let mut from = 0;
        loop {
            let rest = self.buffer.get(from..).unwrap_or_default();
            match part::find(rest, end) {
                Found::At(at) => {
                    let bytes = self.take(from + at).await?;
                    self.take(end.len()).await?;
                    return Ok(bytes);
                }
                Found::Partial(kept) => from = self.buffer.len().saturating_sub(kept),
            }
            self.fill().await?;
        }
    }

    async fn take(&mut self, length: usize) -> Result<Bytes, Error> {
        while self.buffer.len() < length {
            self.fill().await?;
        }
        self.taken += length;
        if self.taken > FIELDS_BYTES_MAX {
            return Err(too_much());
        }
        Ok(self.buffer.split_to(length).freeze())
    }

    async fn fill(&mut self) -> Result<(), Error> {
        if self.taken + self.buffer.len() > FIELDS_BYTES_MAX {
            return Err(too_much());
        }
        let frame = self.body.frame().await.ok_or_else(malformed)?.map_err(interrupted)?;
        if let Ok(data) = frame.into_data() {
            self.buffer.extend_from_slice(&data);
        }
        Ok(())
    }
}

/// What stands between the parts of a form.
fn delimiter(headers: &HeaderMap) -> Result<Bytes, Error> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let parameters = value.unwrap_or_default().split(';').skip(1).map(str::trim);
    let boundary = parameters
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("boundary"))
        .map(|(_, boundary)| boundary.trim_matches('"'))
        .ok_or_else(malformed)?;
    let is_fine = !boundary.is_empty()
        && boundary.len() <= BOUNDARY_BYTES_MAX
        && boundary.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if !is_fine {
        return Err(malformed());
    }
    Ok(Bytes::from(format!("\r\n--{boundary}")))
}

fn malformed() -> Error {
    Error::new(Code::MalformedPOSTRequest)
}

fn too_much() -> Error {
    Error::new(Code::MaxPostPreDataLengthExceededError)
}

fn one_file() -> Error {
    Error::new(Code::InvalidArgument)
        .message("POST requires exactly one file upload per request.")
        .detail("ArgumentName", FILE)
        .detail("ArgumentValue", "0")
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use http_body::Frame;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;
    use crate::s3::body;

    /// A body of these frames.
    struct Frames(VecDeque<Bytes>);

    impl http_body::Body for Frames {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(|data| Ok(Frame::data(data))))
        }
    }

    fn in_frames(bytes: &[u8], size: usize) -> Body {
        let frames = bytes.chunks(size).map(Bytes::copy_from_slice).collect();
        Frames(frames).map_err(|never| match never {}).boxed_unsync()
    }

    fn of_boundary(boundary: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let value = format!("multipart/form-data; boundary={boundary}");
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(&value).unwrap());
        headers
    }

    fn form(parts: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (disposition, value) in parts {
            bytes.extend_from_slice(b"--b\r\nContent-Disposition: form-data; ");
            bytes.extend_from_slice(disposition.as_bytes());
            bytes.extend_from_slice(b"\r\n\r\n");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"--b--\r\n");
        bytes
    }

    #[tokio::main(flavor = "current_thread")]
    async fn read(bytes: &[u8], size: usize) -> Result<(Form, Vec<u8>), Error> {
        let (form, file) = Form::read(in_frames(bytes, size), &of_boundary("b")).await?;
        let file = file.limited(0, u64::MAX).into_body();
        let collected =
            file.collect().await.map_err(|error| *error.downcast::<Error>().unwrap())?;
        Ok((form, collected.to_bytes().to_vec()))
    }

    #[track_caller]
    fn check_refused(bytes: &[u8], code: Code) {
        for size in [1, 7, 1 << 20] {
            assert_eq!(read(bytes, size).unwrap_err().code(), code, "in frames of {size}");
        }
    }

    #[test]
    fn fields_and_file_come_apart_however_they_were_cut() {
        let file = b"\r\n--a\r\n--\r\r\n-- b\r\n--";
        let bytes = form(&[
            ("name=\"Key\"", b"up/${filename}".as_slice()),
            ("name=\"policy\"", b"${filename}"),
            ("name=\"file\"; filename=\"C:\\dir\\a b.txt\"", file),
            ("name=\"submit\"", b"ignored"),
        ]);
        for size in 1..bytes.len() {
            let (form, found) = read(&bytes, size).unwrap();
            assert_eq!(form.get("key"), Some("up/a b.txt"));
            assert_eq!(form.get("policy"), Some("${filename}"));
            assert_eq!(form.get("submit"), None);
            assert_eq!(found, file, "in frames of {size}");
        }
    }

    #[test]
    fn c40_a_form_that_is_none_is_refused() {
        let file = ("name=\"file\"", b"x".as_slice());
        check_refused(b"", Code::MalformedPOSTRequest);
        check_refused(b"no form", Code::MalformedPOSTRequest);
        check_refused(&form(&[("name=\"key\"", b"k")]), Code::InvalidArgument);
        check_refused(&form(&[file, file]), Code::InvalidArgument);
        check_refused(
            &form(&[("name=\"a\"", b"1"), ("name=\"A\"", b"2"), file]),
            Code::InvalidArgument,
        );
        check_refused(&form(&[("name=\"a\"", b"\xFF"), file]), Code::MalformedPOSTRequest);
        check_refused(&form(&[("nome=\"a\"", b""), file]), Code::MalformedPOSTRequest);
        let whole = form(&[file]);
        for cut in 1..whole.len() - 2 {
            check_refused(&whole[..cut], Code::MalformedPOSTRequest);
        }
    }

    #[test]
    fn c40_fields_are_bounded() {
        let file = ("name=\"file\"", b"x".as_slice());
        let large = "v".repeat(FIELDS_BYTES_MAX);
        let exceeded = Code::MaxPostPreDataLengthExceededError;
        check_refused(&form(&[("name=\"a\"", large.as_bytes()), file]), exceeded);
        let names: Vec<_> = (0..=FIELDS_MAX).map(|at| format!("name=\"{at}\"")).collect();
        let mut fields: Vec<_> = names.iter().map(|name| (&**name, b"".as_slice())).collect();
        fields.push(file);
        check_refused(&form(&fields), exceeded);
        check_refused(&form(&[file, ("name=\"a\"", large.as_bytes())]), exceeded);
        assert!(read(&form(&[("name=\"a\"", &large.as_bytes()[..19_000]), file]), 4096).is_ok());
    }

    #[test]
    fn c40_a_boundary_is_short_and_printable() {
        for boundary in ["", "\"\"", &"b".repeat(71), "a\tb"] {
            assert!(delimiter(&of_boundary(boundary)).is_err(), "{boundary}");
        }
        assert!(delimiter(&HeaderMap::new()).is_err());
        assert_eq!(delimiter(&of_boundary("\"a b\"; x=y")).unwrap(), "\r\n--a b");
    }

    #[test]
    fn fields_stand_for_headers() {
        let form = Form::new(
            [("acl", "private"), ("content-type", "a/b"), ("x-amz-meta-ü", "x"), ("key", "k")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            "",
        );
        let headers = form.unwrap().headers().unwrap();
        assert_eq!(headers.get("x-amz-acl").unwrap(), "private");
        assert_eq!(headers.get("content-type").unwrap(), "a/b");
        assert_eq!(headers.len(), 2);
        let bad = Form::new(vec![("content-type".into(), "a\r\nb".into())], "").unwrap();
        assert_eq!(bad.headers().unwrap_err().code(), Code::InvalidArgument);
        let twice =
            Form::new(vec![("acl".into(), "a".into()), ("x-amz-acl".into(), "b".into())], "");
        assert!(twice.unwrap().headers().is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_form_or_an_error(bytes in any::<Vec<u8>>(), size in 1_usize..64) {
            drop(read(&bytes, size));
            let whole = form(&[("name=\"file\"", &bytes)]);
            if !bytes.windows(5).any(|window| window == b"\r\n--b") {
                prop_assert_eq!(read(&whole, size).unwrap().1, bytes);
            }
        }
    }

    #[tokio::test]
    async fn a_body_that_breaks_is_no_form() {
        let (form, file) =
            Form::read(body::full(form(&[("name=\"file\"", b"abc")])), &of_boundary("b"))
                .await
                .unwrap();
        assert_eq!(form.fields().count(), 0);
        let limited = file.limited(0, 2).into_body();
        let refusal = limited.collect().await.unwrap_err().downcast::<Error>().unwrap();
        assert_eq!(refusal.code(), Code::EntityTooLarge);
    }
}
