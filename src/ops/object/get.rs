//! `GetObject` and `HeadObject`: one answer, with and without a body.

use std::sync::Arc;

use http::response::Builder;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use crate::access::Action;
use crate::azure::{BlobError, Properties};
use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::ops::object::headers::{self, Described};
use crate::ops::object::parts::{self, PartView};
use crate::ops::object::{expiry, fetch};
use crate::ops::open::{Bucket, Reader};
use crate::s3::body::{self, Body};
use crate::s3::conditions::{ByteRange, Conditions, Verdict, precondition_failed};
use crate::s3::lifecycle::Subject;
use crate::s3::names::{ObjectKey, PartNumber};
use crate::s3::{Code, Error};

/// What a read asks for.
pub(super) struct Read {
    /// `Range`
    pub(super) range: Option<ByteRange>,
    /// `partNumber`
    pub(super) part: Option<PartNumber>,
    /// `If-*`
    pub(super) conditions: Conditions,
    overrides: Vec<(HeaderName, HeaderValue)>,
    headers: Arc<HeaderMap>,
}

impl Read {
    fn of(request: &Request) -> Result<Self, Error> {
        refuse_version(request)?;
        let part = request.query.filled("partNumber").map(PartNumber::parse).transpose()?;
        let range = range(&request.headers);
        if part.is_some() && range.is_some() {
            return Err(Error::new(Code::InvalidRequest)
                .message("Cannot specify both Range header and partNumber query parameter."));
        }
        Ok(Self {
            range,
            part,
            conditions: Conditions::read(&request.headers)?,
            overrides: headers::overrides(&request.query)?,
            headers: Arc::clone(&request.headers),
        })
    }
}

/// The range that is asked for. With an If-Range of dates or ETags the whole object is answered,
/// which RFC 9110, 13.1.5, allows always; S3 does not document the header.
fn range(headers: &HeaderMap) -> Option<ByteRange> {
    if headers.contains_key(header::IF_RANGE) {
        return None;
    }
    ByteRange::read(headers)
}

/// A bucket without versions has the version `null` of each object, and no other.
pub(in crate::ops) fn refuse_version(request: &Request) -> Result<(), Error> {
    match request.query.filled("versionId") {
        None | Some("null") => Ok(()),
        Some(version) => {
            let key = request.target.key().map_or("", ObjectKey::as_str);
            Err(Error::new(Code::NoSuchVersion).detail("Key", key).detail("VersionId", version))
        }
    }
}

pub(in crate::ops) async fn run(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let reader = gateway.open_reader(&request, Action::GetObject).await?;
    let read = Read::of(&request)?;
    fetch::run(gateway, &reader, &read).await
}

/// `HeadObject`: what a GET would say.
pub(in crate::ops) async fn head(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let reader = gateway.open_reader(&request, Action::GetObject).await?;
    let read = Read::of(&request)?;
    let (bucket, properties) = reader.look(gateway).await?;
    let described = Described::of(&properties);
    if let Some(answer) = judge(&read.conditions, &described)? {
        return Ok(answer);
    }
    let length = properties.content_length;
    let view = view(gateway, &bucket, reader.key(), &read, &properties).await?;
    let span = match &view {
        Some(view) => view.span,
        None => read.range.map(|range| range.resolve(length)).transpose()?,
    };
    let answer = answer(&described, &properties, &read, span, view.as_ref());
    let answer = tell(answer, gateway, (&bucket, &reader), (&described, &properties));
    answer.body(body::empty()).map_err(unanswerable)
}

/// The part that is asked for, if one is.
pub(super) async fn view(
    gateway: &Gateway,
    bucket: &Bucket,
    key: &ObjectKey,
    read: &Read,
    properties: &Properties,
) -> Result<Option<PartView>, Error> {
    let Some(number) = read.part else { return Ok(None) };
    let (store, path) = (bucket.store(), bucket.path(key));
    match parts::view(store, &path, properties, number, &read.headers).await {
        Ok(view) => Ok(Some(view)),
        Err(parts::Unseen::Refused(error)) => Err(error),
        Err(parts::Unseen::Azure(error)) => Err(gateway.explain(bucket, key, error).await),
    }
}

/// Does the answer end here: 304, or 412?
pub(super) fn judge(
    conditions: &Conditions,
    described: &Described,
) -> Result<Option<Response<Body>>, Error> {
    match conditions.judge(&described.etag, described.modified) {
        Verdict::Go => Ok(None),
        Verdict::Failed(condition) => {
            let [etag, modified] = described.validators();
            Err(precondition_failed(condition)
                .header(etag.0, etag.1)
                .header(modified.0, modified.1))
        }
        Verdict::NotModified => {
            let mut answer = Response::builder().status(StatusCode::NOT_MODIFIED);
            for (name, value) in described.validators() {
                answer = answer.header(name, value);
            }
            answer.body(body::empty()).map(Some).map_err(unanswerable)
        }
    }
}

/// 416, unless a condition says something else: that is judged first.
pub(super) async fn out_of_range(
    gateway: &Gateway,
    reader: &Reader,
    read: &Read,
    error: BlobError,
) -> Error {
    let found = match reader.look(gateway).await {
        Ok((_, found)) => found,
        Err(gone) => return gone,
    };
    if let Err(failed) = judge(&read.conditions, &Described::of(&found)) {
        return failed;
    }
    match read.range {
        Some(range) => range.not_satisfiable(found.content_length).caused_by(error),
        // It was empty a moment ago.
        None => Error::new(Code::OperationAborted).caused_by(error),
    }
}

/// What the bucket's rules say of the object; how many tags it has is for those who may see them.
pub(super) fn tell(
    answer: Builder,
    gateway: &Gateway,
    (bucket, reader): (&Bucket, &Reader),
    (described, found): (&Described, &Properties),
) -> Builder {
    let Described { facts, modified, .. } = described;
    let (key, modified, size) = (reader.key().as_str(), *modified, found.content_length);
    let subject = Subject { key, modified, size, tags: &facts.tags };
    let mut answer = expiry::announce(answer, gateway, bucket, &subject);
    if !facts.tags.is_empty()
        && reader.also(Action::GetObjectTagging, found).is_err()
        && let Some(headers) = answer.headers_mut()
    {
        headers.remove(crate::s3::headers::TAGGING_COUNT);
    }
    answer
}

/// As many headers as most answers have: room for them is made at once.
const HEADERS: usize = 16;

/// The head of an answer: 200 for the whole object, 206 for the bytes of `span`.
pub(super) fn answer(
    described: &Described,
    properties: &Properties,
    read: &Read,
    span: Option<(u64, u64)>,
    part: Option<&PartView>,
) -> Builder {
    let total = properties.content_length;
    let mut answer = Response::builder();
    if let Some(headers) = answer.headers_mut() {
        headers.reserve(HEADERS);
    }
    let answer = match span {
        None => answer.status(StatusCode::OK).header(header::CONTENT_LENGTH, total),
        Some((first, last)) => answer
            .status(StatusCode::PARTIAL_CONTENT)
            .header(header::CONTENT_LENGTH, last.saturating_sub(first).saturating_add(1))
            .header(header::CONTENT_RANGE, format!("bytes {first}-{last}/{total}")),
    };
    let mut answer = described.write(answer, properties);
    if let Some(part) = part {
        answer = part.write(answer);
    } else if span.is_none() {
        answer = described.write_checksum(answer, &read.headers);
    }
    if let Some(headers) = answer.headers_mut() {
        for (name, value) in &read.overrides {
            headers.insert(name, value.clone());
        }
    }
    answer
}
