//! `UploadPart`: a blob of its own, by the write path of every object.

use http::{Response, StatusCode, header};

use crate::access::Action;
use crate::azure::PutOptions;
use crate::mapping::errors;
use crate::mapping::metadata::ObjectFacts;
use crate::mapping::uploads::PartsChecksum;
use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::ops::multipart::files::Upload;
use crate::ops::object::carry;
use crate::ops::object::write::{self, Commit, Destination, Failure, Incoming};
use crate::ops::open::commit_id;
use crate::s3::body::{self, Body};
use crate::s3::names::PartNumber;
use crate::s3::payload::{Promised, Verified};
use crate::s3::{Code, Error};

pub(in crate::ops) async fn run(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let upload = Upload::named(gateway, &request, Action::PutObject).await?;
    let number = PartNumber::parse(request.query.get("partNumber").unwrap_or_default())?;
    let record = upload.record(gateway).await?;
    let Request { headers, body, payload, .. } = request;
    let promised = settle(Promised::read(&headers)?, record.checksum)?;
    let destination = Destination {
        store: upload.store().clone(),
        path: upload.part(number),
        capabilities: upload.bucket.account().capabilities().await,
    };
    let incoming = Incoming { body: body.into_inner(), payload, promised, headers: &headers };
    let stored = write::store(&destination, gateway.budget(), incoming, plan).await;
    let stored = stored.map_err(explain)?;
    let mut answer =
        Response::builder().status(StatusCode::OK).header(header::ETAG, stored.etag.quoted());
    if let Some(checksum) = stored.verified.checksum() {
        answer = answer.header(checksum.algorithm().header(), checksum.base64());
    }
    answer.body(body::empty()).map_err(unanswerable)
}

/// The checksum of a part is of the kind that the upload keeps. Where the client sends none, it is
/// computed, unless the object's is made of those that the client knows:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html>.
fn settle(promised: Promised, kept: Option<PartsChecksum>) -> Result<Promised, Error> {
    let Some(kept) = kept else { return Ok(promised) };
    let mismatch = |actual: &str| {
        Error::new(Code::InvalidRequest).message(format!(
            "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: \
             {actual}",
            kept.algorithm.name().to_ascii_lowercase(),
        ))
    };
    match promised.checksum.map(|promise| promise.algorithm()) {
        Some(actual) if actual != kept.algorithm => {
            Err(mismatch(&actual.name().to_ascii_lowercase()))
        }
        None if kept.composite => Err(mismatch("null")),
        Some(_) | None => Ok(promised.or_compute(kept.algorithm)),
    }
}

/// What a part's commit carries, once its body is proved.
pub(super) fn plan(verified: &Verified) -> Result<Commit, Error> {
    let id = commit_id()?;
    let checksum = carry::full_object(verified);
    let facts = ObjectFacts { commit: Some(id), checksum, ..ObjectFacts::default() };
    let options = PutOptions { metadata: facts.write(verified.length())?, ..PutOptions::default() };
    Ok(Commit { id, options })
}

/// What a client is told of a part that was not written.
pub(super) fn explain(failure: Failure) -> Error {
    match failure {
        Failure::Refused(error) => error,
        Failure::Azure(error) => errors::on_service(error),
    }
}
