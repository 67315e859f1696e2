//! `DeleteObjects`: many keys, and a report on each.

use std::sync::Arc;

use http::{Response, StatusCode, header};
use tokio::sync::{AcquireError, Semaphore};
use tokio::task::JoinSet;

use crate::access::Action;
use crate::azure::{BlobStore, Kind};
use crate::mapping::errors;
use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::ops::object::delete::{SNAPSHOTS, Wanted, delete_if, read_size, read_time};
use crate::ops::object::together::{delete_together, deletion};
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
/// How many requests to Azure one of ours makes at once.
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
    let bucket = match gateway.open_bucket(&request, Action::DeleteObject).await {
        // Which of the keys are of a version, their document says.
        Err(denied) if denied.code() == Code::AccessDenied => {
            gateway.open_bucket(&request, Action::DeleteObjectVersion).await?
        }
        other => other?,
    };
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

/// What becomes of the keys at these places of the request.
type Settled = Vec<(usize, Result<(), Error>)>;

/// Deletes each key that the caller may delete; the report is in their order.
///
/// Keys without conditions go together, where the backend takes many deletions in one request. The others
/// have to be looked at first, each by itself.
async fn delete_all(
    bucket: &Bucket,
    request: &Request,
    doomed: Vec<Doomed>,
) -> Result<Vec<Outcome>, Error> {
    let (mut settled, mut together, mut alone): (Settled, Vec<_>, Vec<_>) = Default::default();
    for (place, one) in doomed.iter().enumerate() {
        match check(bucket, request, one).await {
            Err(refused) => settled.push((place, Err(refused))),
            Ok(()) if one.wanted.is_empty() => together.push((place, one.clone())),
            Ok(()) => alone.push((place, one.clone())),
        }
    }
    if together.len() < 2 || !bucket.account().capabilities().await.delete_batch {
        alone.append(&mut together);
    }
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks: JoinSet<Result<Settled, AcquireError>> = JoinSet::new();
    for few in together.chunks(BlobStore::BATCH_MAX) {
        let (bucket, slots, few) = (bucket.clone(), Arc::clone(&slots), few.to_vec());
        tasks.spawn(async move {
            let _slot = slots.acquire().await?;
            Ok(delete_few(&bucket, few).await)
        });
    }
    for (place, one) in alone {
        let (bucket, slots) = (bucket.clone(), Arc::clone(&slots));
        tasks.spawn(async move {
            let _slot = slots.acquire().await?;
            Ok(vec![(place, delete_one(&bucket, &one).await)])
        });
    }
    while let Some(done) = tasks.join_next().await {
        let done = done.map_err(|panic| Error::new(Code::InternalError).caused_by(panic))?;
        settled.extend(done.map_err(|end| Error::new(Code::InternalError).caused_by(end))?);
    }
    settled.sort_by_key(|(place, _)| *place);
    Ok(doomed.into_iter().zip(settled.into_iter().map(|(_, outcome)| outcome)).collect())
}

/// May this key be deleted at all?
async fn check(bucket: &Bucket, request: &Request, one: &Doomed) -> Result<(), Error> {
    let action = Action::DeleteObject;
    let action = if one.version.is_some() { action.of_version() } else { action };
    bucket.allow(&request.caller, action, &one.key).await?;
    match one.version.as_deref() {
        None | Some("null") => Ok(()),
        Some(_) => Err(Error::new(Code::NoSuchVersion)),
    }
}

/// Deletes keys without conditions by one request.
async fn delete_few(bucket: &Bucket, few: Vec<(usize, Doomed)>) -> Settled {
    let blobs = few.iter().map(|(_, one)| bucket.path(&one.key).blob);
    let deletions: Vec<_> = blobs.map(|blob| deletion(blob, SNAPSHOTS)).collect();
    match delete_together(bucket.store(), bucket.container(), &deletions).await {
        Ok(deleted) => few
            .into_iter()
            .zip(deleted)
            .map(|((place, one), answer)| {
                (place, answer.map_err(|error| errors::on_object(error, bucket.name(), &one.key)))
            })
            .collect(),
        Err(error) if error.kind() == Kind::NoSuchContainer => {
            let gone = || Error::new(Code::NoSuchBucket);
            few.into_iter().map(|(place, _)| (place, Err(gone()))).collect()
        }
        Err(cause) => {
            tracing::warn!(%cause, keys = few.len(), "a batch of deletions failed");
            few.into_iter().map(|(place, _)| (place, Err(errors::later(&cause)))).collect()
        }
    }
}

async fn delete_one(bucket: &Bucket, one: &Doomed) -> Result<(), Error> {
    delete_if(bucket, &one.key, &one.wanted).await.map_err(|failure| match failure {
        Failure::Refused(error) => error,
        Failure::Azure(error) => errors::on_object(error, bucket.name(), &one.key),
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
