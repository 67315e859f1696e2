//! The lifecycle of a bucket: kept and shown; [`crate::ops::lifecycle`] runs it.

use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use crate::access::Action;
use crate::mapping::documents::DocumentName;
use crate::ops::bucket::configuration::missing;
use crate::ops::documents::Document;
use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::s3::body::{self, Body};
use crate::s3::lifecycle::{Lifecycle, TransitionMinimum};
use crate::s3::{Code, Error, headers, xml};

/// A thousand rules with long filters.
const BYTES_MAX: usize = 2 * 1024 * 1024;
const MINIMUM: HeaderName = HeaderName::from_static("x-amz-transition-default-minimum-object-size");

/// As it is kept: what the header said on a line of its own, and the document as it is shown.
impl Document for Lifecycle {
    const NAME: DocumentName = DocumentName::Lifecycle;

    fn read(text: &str) -> Result<Self, Error> {
        let (minimum, document) = text.split_once('\n').ok_or_else(xml::malformed)?;
        let minimum = TransitionMinimum::parse(minimum).ok_or_else(xml::malformed)?;
        Ok(Self { minimum, ..Self::read(document.as_bytes(), |_| String::new())? })
    }

    fn write(&self) -> String {
        format!("{}\n{}", self.minimum.name(), Self::write(self))
    }
}

pub(in crate::ops) async fn get(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let bucket = gateway.open_bucket(&request, Action::GetLifecycleConfiguration).await?;
    let found = gateway.document_now::<Lifecycle>(&bucket).await?;
    let found = found.ok_or_else(|| missing(&bucket, Code::NoSuchLifecycleConfiguration))?;
    Response::builder()
        .status(StatusCode::OK)
        .header(header::CONTENT_TYPE, "application/xml")
        .header(MINIMUM, found.minimum.name())
        .body(body::full(Lifecycle::write(&found)))
        .map_err(unanswerable)
}

pub(in crate::ops) async fn put(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let bucket = gateway.open_bucket(&request, Action::PutLifecycleConfiguration).await?;
    let minimum = match headers::text(&request.headers, &MINIMUM)? {
        None => TransitionMinimum::default(),
        Some(name) => TransitionMinimum::parse(name).ok_or_else(|| {
            let text = "The transition default minimum object size is not valid.";
            Error::invalid_argument("x-amz-transition-default-minimum-object-size", name, text)
        })?,
    };
    let (_, document) = request.document(BYTES_MAX).await?;
    let lifecycle = Lifecycle { minimum, ..Lifecycle::read(&document, new_id)? };
    gateway.put_document(&bucket, &lifecycle).await?;
    Response::builder()
        .status(StatusCode::OK)
        .header(MINIMUM, HeaderValue::from_static(minimum.name()))
        .body(body::empty())
        .map_err(unanswerable)
}

pub(in crate::ops) async fn delete(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let bucket = gateway.open_bucket(&request, Action::PutLifecycleConfiguration).await?;
    gateway.delete_document::<Lifecycle>(&bucket).await?;
    Response::builder().status(StatusCode::NO_CONTENT).body(body::empty()).map_err(unanswerable)
}

/// The id of a rule that came without one.
fn new_id(at: usize) -> String {
    format!("{:016x}{:016x}-{at}", fastrand::u64(..), fastrand::u64(..))
}
