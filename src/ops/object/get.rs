//! `GetObject` and `HeadObject`: one answer, with and without a body.

use http::response::Builder;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt as _;

use crate::access::Action;
use crate::azure::{self, BlobError, BlobRead, Kind, Properties, ReadOptions};
use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::ops::object::headers::{self, Described};
use crate::ops::object::resume::{Pinned, ResumingBody};
use crate::ops::open::Bucket;
use crate::s3::body::{self, Body};
use crate::s3::conditions::{ByteRange, Conditions, Verdict, precondition_failed};
use crate::s3::names::ObjectKey;
use crate::s3::operation::Operation;
use crate::s3::{Code, Error};

/// What a read asks for.
struct Read {
    range: Option<ByteRange>,
    conditions: Conditions,
    overrides: Vec<(HeaderName, HeaderValue)>,
    headers: HeaderMap,
}

impl Read {
    fn of(request: &Request) -> Result<Self, Error> {
        refuse_version(request)?;
        refuse_part(request)?;
        Ok(Self {
            range: range(&request.headers),
            conditions: Conditions::read(&request.headers)?,
            overrides: headers::overrides(&request.query)?,
            headers: request.headers.clone(),
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

/// Every object is of one part, until uploads in parts are answered.
fn refuse_part(request: &Request) -> Result<(), Error> {
    match request.query.number("partNumber")? {
        None => Ok(()),
        Some(_) => Err(Error::new(Code::NotImplemented)
            .message("Reading an object by partNumber is not implemented.")),
    }
}

pub(in crate::ops) async fn run(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let (bucket, key) = gateway.open_object(&request, Action::GetObject).await?;
    let read = Read::of(&request)?;
    if request.operation == Operation::HeadObject {
        head(gateway, &bucket, &key, &read).await
    } else {
        get(gateway, &bucket, &key, &read).await
    }
}

async fn head(
    gateway: &Gateway,
    bucket: &Bucket,
    key: &ObjectKey,
    read: &Read,
) -> Result<Response<Body>, Error> {
    let properties = properties(gateway, bucket, key).await?;
    let described = Described::of(&properties);
    if let Some(answer) = judge(&read.conditions, &described)? {
        return Ok(answer);
    }
    let length = properties.content_length;
    let span = read.range.map(|range| range.resolve(length)).transpose()?;
    answer(&described, &properties, read, span).body(body::empty()).map_err(unanswerable)
}

async fn properties(
    gateway: &Gateway,
    bucket: &Bucket,
    key: &ObjectKey,
) -> Result<Properties, Error> {
    let found = bucket.store().properties(&bucket.path(key), &azure::Conditions::default()).await;
    match found {
        Ok(properties) => Ok(properties),
        Err(error) => Err(gateway.explain(bucket, key, error).await),
    }
}

/// Does the answer end here: 304, or 412?
fn judge(conditions: &Conditions, described: &Described) -> Result<Option<Response<Body>>, Error> {
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

async fn get(
    gateway: &Gateway,
    bucket: &Bucket,
    key: &ObjectKey,
    read: &Read,
) -> Result<Response<Body>, Error> {
    let mut options = ReadOptions::default();
    let mut range = read.range;
    // A client that says what it has is likely to have it: its condition is judged before bytes are
    // asked for. Azure knows no range from the end; its length has to be known first.
    let likely =
        read.conditions.if_none_match.is_some() || read.conditions.if_modified_since.is_some();
    if likely || matches!(range, Some(ByteRange::Last(_))) {
        let properties = properties(gateway, bucket, key).await?;
        let described = Described::of(&properties);
        if let Some(answer) = judge(&read.conditions, &described)? {
            return Ok(answer);
        }
        let span = range.map(|range| range.resolve(properties.content_length)).transpose()?;
        range = span.map(|(first, last)| ByteRange::FromTo(first, last));
        options.conditions = azure::Conditions::if_match(properties.etag);
    }
    options.range = range.map(azure_range);
    match bucket.store().read(&bucket.path(key), &options).await {
        Ok(found) => pass_on(bucket, key, read, found),
        Err(error) if error.kind() == Kind::RangeNotSatisfiable => {
            Err(out_of_range(gateway, bucket, key, read, error).await)
        }
        // It was replaced after it was looked at. What is there now is judged afresh by the client.
        Err(error) if error.kind() == Kind::ConditionNotMet => {
            Err(Error::new(Code::OperationAborted).caused_by(error))
        }
        Err(error) => Err(gateway.explain(bucket, key, error).await),
    }
}

fn azure_range(range: ByteRange) -> azure::ByteRange {
    match range {
        ByteRange::FromTo(first, last) => azure::ByteRange { first, last: Some(last) },
        ByteRange::From(first) => azure::ByteRange { first, last: None },
        // Resolved before.
        ByteRange::Last(_) => azure::ByteRange { first: 0, last: None },
    }
}

/// 416, unless a condition says something else: that is judged first.
async fn out_of_range(
    gateway: &Gateway,
    bucket: &Bucket,
    key: &ObjectKey,
    read: &Read,
    error: BlobError,
) -> Error {
    let found = match properties(gateway, bucket, key).await {
        Ok(found) => found,
        Err(gone) => return gone,
    };
    if let Err(failed) = judge(&read.conditions, &Described::of(&found)) {
        return failed;
    }
    match read.range {
        Some(range) => range.not_satisfiable(found.content_length).caused_by(error),
        None => Error::new(Code::InternalError).caused_by(error),
    }
}

/// Azure's answer as the client's.
fn pass_on(
    bucket: &Bucket,
    key: &ObjectKey,
    read: &Read,
    found: BlobRead,
) -> Result<Response<Body>, Error> {
    let BlobRead { properties, range, body } = found;
    let described = Described::of(&properties);
    if let Some(answer) = judge(&read.conditions, &described)? {
        return Ok(answer);
    }
    let span = range.map(|(first, last, _)| (first, last));
    if let (Some(range), Some((first, last))) = (read.range, span)
        && first > last
    {
        // Azurite answers 206 with no bytes where the service answers 416.
        return Err(range.not_satisfiable(properties.content_length));
    }
    let (first, end) = span
        .map_or((0, properties.content_length), |(first, last)| (first, last.saturating_add(1)));
    let pinned = Pinned {
        store: bucket.store().clone(),
        path: bucket.path(key),
        etag: properties.etag.clone(),
        commit: described.facts.commit.clone(),
    };
    let body = ResumingBody::new(pinned, body, first, end.saturating_sub(first));
    answer(&described, &properties, read, span).body(body.boxed_unsync()).map_err(unanswerable)
}

/// The head of an answer: 200 for the whole object, 206 for the bytes of `span`.
fn answer(
    described: &Described,
    properties: &Properties,
    read: &Read,
    span: Option<(u64, u64)>,
) -> Builder {
    let total = properties.content_length;
    let answer = match span {
        None => Response::builder().status(StatusCode::OK).header(header::CONTENT_LENGTH, total),
        Some((first, last)) => Response::builder()
            .status(StatusCode::PARTIAL_CONTENT)
            .header(header::CONTENT_LENGTH, last.saturating_sub(first).saturating_add(1))
            .header(header::CONTENT_RANGE, format!("bytes {first}-{last}/{total}")),
    };
    let mut answer = described.write(answer, properties);
    if span.is_none() {
        answer = described.write_checksum(answer, &read.headers);
    }
    if let Some(headers) = answer.headers_mut() {
        for (name, value) in &read.overrides {
            headers.insert(name, value.clone());
        }
    }
    answer
}
