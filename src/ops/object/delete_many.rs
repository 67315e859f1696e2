//! `DeleteObjects`: many keys, and a report on each.

use std::sync::Arc;

use http::{Response, StatusCode, header};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::access::{Action, Caller};
use crate::mapping::errors;
use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::ops::object::delete::{Wanted, delete_if, read_size, read_time};
use crate::ops::object::write::Failure;
use crate::ops::open::Bucket;
use crate::s3::body::{self, Body};
use crate::s3::conditions::Matches;
use crate::s3::names::ObjectKey;
use crate::s3::xml::{self, Element, Writer, malformed};
use crate::s3::{Code, Error};

/// The most keys of one request:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>.
const KEYS_MAX: usize = 1000;
/// 1,000 keys of 1,024 bytes, every byte of them written as a reference of six.
const DOCUMENT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How many keys of one request are deleted at once.
const AT_ONCE: usize = 32;

/// One object of the request.
#[derive(Clone, Debug)]
struct Doomed {
    key: ObjectKey,
    version: Option<String>,
    wanted: Wanted,
}

pub(in crate::ops) async fn run(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let bucket = gateway.open_bucket(&request, Action::DeleteObject).await?;
    let (request, document) = request.document(DOCUMENT_BYTES_MAX).await?;
    let delete = xml::read(&document, "Delete")?;
    let quiet = delete.one("Quiet")?.is_some_and(|quiet| quiet.text.trim() == "true");
    let doomed: Vec<Doomed> = delete.all("Object").map(read).collect::<Result<_, _>>()?;
    if doomed.is_empty() || doomed.len() > KEYS_MAX {
        return Err(malformed());
    }
    let outcomes = delete_all(&bucket, &request, doomed).await?;
    let gone = outcomes.iter().any(|(_, outcome)| {
        outcome.as_ref().is_err_and(|error| error.code() == Code::NoSuchBucket)
    });
    if gone {
        gateway.forget(&bucket).await;
        return Err(Error::new(Code::NoSuchBucket).detail("BucketName", bucket.name().as_str()));
    }
    Response::builder()
        .status(StatusCode::OK)
        .header(header::CONTENT_TYPE, "application/xml")
        .body(body::full(write(&outcomes, quiet)))
        .map_err(unanswerable)
}

fn read(object: &Element) -> Result<Doomed, Error> {
    let version = object.one("VersionId")?.map(|version| version.text.clone());
    let text = |name: &str| object.one(name).map(|child| child.map(|child| child.text.trim()));
    let wanted = Wanted {
        etag: text("ETag")?.map(Matches::parse),
        modified: text("LastModifiedTime")?.map(read_time).transpose()?,
        size: text("Size")?.map(read_size).transpose()?,
    };
    let key = object.need("Key")?;
    if key.is_empty() {
        return Err(malformed());
    }
    Ok(Doomed { key: ObjectKey::parse(key)?, version: version.filter(|v| !v.is_empty()), wanted })
}

type Outcome = (Doomed, Result<(), Error>);

/// Deletes each key that the caller may delete, some at once; the report is in their order.
async fn delete_all(
    bucket: &Bucket,
    request: &Request,
    doomed: Vec<Doomed>,
) -> Result<Vec<Outcome>, Error> {
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    let mut outcomes: Vec<Option<Outcome>> = Vec::new();
    for (index, doomed) in doomed.into_iter().enumerate() {
        outcomes.push(None);
        let (bucket, slots) = (bucket.clone(), Arc::clone(&slots));
        let caller = request.caller.clone();
        tasks.spawn(async move {
            let outcome = match slots.acquire().await {
                Ok(_slot) => delete_one(&bucket, &caller, &doomed).await,
                Err(closed) => Err(Error::new(Code::InternalError).caused_by(closed)),
            };
            (index, (doomed, outcome))
        });
    }
    while let Some(done) = tasks.join_next().await {
        let (index, outcome) =
            done.map_err(|panic| Error::new(Code::InternalError).caused_by(panic))?;
        if let Some(place) = outcomes.get_mut(index) {
            *place = Some(outcome);
        }
    }
    Ok(outcomes.into_iter().flatten().collect())
}

async fn delete_one(bucket: &Bucket, caller: &Caller, doomed: &Doomed) -> Result<(), Error> {
    let Doomed { key, version, wanted } = doomed;
    bucket.allow(caller, Action::DeleteObject, key).await?;
    if version.as_deref().is_some_and(|version| version != "null") {
        return Err(Error::new(Code::NoSuchVersion));
    }
    delete_if(bucket, key, wanted).await.map_err(|failure| match failure {
        Failure::Refused(error) => error,
        Failure::Azure(error) => errors::on_object(error, bucket.name(), key),
    })
}

fn write(outcomes: &[Outcome], quiet: bool) -> String {
    let mut document = Writer::document("DeleteResult");
    for (doomed, outcome) in outcomes {
        match outcome {
            Ok(()) if quiet => {}
            Ok(()) => {
                document.open("Deleted").text("Key", doomed.key.as_str());
                document.maybe("VersionId", doomed.version.as_deref()).close("Deleted");
            }
            Err(error) => {
                document.open("Error").text("Key", doomed.key.as_str());
                document.maybe("VersionId", doomed.version.as_deref());
                document.text("Code", error.code().name()).text("Message", error.text());
                document.close("Error");
            }
        }
    }
    document.finish("DeleteResult")
}
