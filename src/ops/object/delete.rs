//! `DeleteObject`: one key, gone or never there.

use http::{HeaderMap, HeaderName, Response, StatusCode};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::access::Action;
use crate::azure::{
    BlobError, Conditions as AzureConditions, DeleteOptions, Kind, Properties, Snapshots,
};
use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::ops::object::get::refuse_version;
use crate::ops::object::headers::Described;
use crate::ops::object::together::delete_alone;
use crate::ops::object::write::Failure;
use crate::ops::open::Bucket;
use crate::s3::body::{self, Body};
use crate::s3::conditions::{Conditions, Matches, precondition_failed};
use crate::s3::names::ObjectKey;
use crate::s3::time::read_header;
use crate::s3::{Code, Error, headers};

pub(in crate::ops) async fn run(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let (bucket, key) = gateway.open_object(&request, Action::DeleteObject).await?;
    refuse_version(&request)?;
    let wanted = Wanted::read(&request.headers)?;
    match delete_if(&bucket, &key, &wanted).await {
        Ok(()) => {}
        Err(Failure::Refused(error)) => return Err(error),
        Err(Failure::Azure(error)) => return Err(gateway.explain(&bucket, &key, error).await),
    }
    Response::builder().status(StatusCode::NO_CONTENT).body(body::empty()).map_err(unanswerable)
}

/// What a deletion may rest on: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObject.html>.
#[derive(Clone, Debug, Default)]
pub(in crate::ops) struct Wanted {
    /// The object is one of these.
    pub etag: Option<Matches>,
    /// It was written in this second.
    pub modified: Option<OffsetDateTime>,
    /// It has so many bytes.
    pub size: Option<u64>,
}

impl Wanted {
    fn read(from: &HeaderMap) -> Result<Self, Error> {
        let text = |name| headers::text(from, &HeaderName::from_static(name));
        Ok(Self {
            etag: Conditions::read(from)?.if_match,
            modified: text(IF_MODIFIED_AT)?.map(read_time).transpose()?,
            size: text(IF_SIZE)?.map(read_size).transpose()?,
        })
    }

    /// Nothing is wanted of it.
    pub(in crate::ops) fn is_empty(&self) -> bool {
        self.etag.is_none() && self.modified.is_none() && self.size.is_none()
    }

    /// Does it hold for what is there?
    fn judge(&self, found: &Properties) -> Result<(), Error> {
        let described = Described::of(found);
        if self.etag.as_ref().is_some_and(|etag| !etag.holds(&described.etag)) {
            return Err(precondition_failed("If-Match"));
        }
        let second = described.modified.unix_timestamp();
        if self.modified.is_some_and(|modified| modified.unix_timestamp() != second) {
            return Err(precondition_failed(IF_MODIFIED_AT));
        }
        if self.size.is_some_and(|size| size != found.content_length) {
            return Err(precondition_failed(IF_SIZE));
        }
        Ok(())
    }
}

const IF_MODIFIED_AT: &str = "x-amz-if-match-last-modified-time";
const IF_SIZE: &str = "x-amz-if-match-size";

/// A time as headers and documents have it.
pub(in crate::ops) fn read_time(text: &str) -> Result<OffsetDateTime, Error> {
    read_header(text)
        .or_else(|| OffsetDateTime::parse(text, &Rfc3339).ok())
        .ok_or_else(|| Error::invalid_argument(IF_MODIFIED_AT, text, "The time cannot be read."))
}

/// A number of bytes.
pub(in crate::ops) fn read_size(text: &str) -> Result<u64, Error> {
    text.parse()
        .map_err(|_no_number| Error::invalid_argument(IF_SIZE, text, "The size is no number."))
}

/// Deletes the blob of `key` if it is as `wanted`; one that is not there is deleted already, whatever
/// was wanted of it. The state that was looked at is the one that Azure deletes.
pub(in crate::ops) async fn delete_if(
    bucket: &Bucket,
    key: &ObjectKey,
    wanted: &Wanted,
) -> Result<(), Failure> {
    let (store, path) = (bucket.store(), bucket.path(key));
    if wanted.is_empty() {
        return Ok(delete_alone(store, &path, SNAPSHOTS).await?);
    }
    let mut lost: Option<BlobError> = None;
    for look in 1..=LOOKS_MAX {
        let found = store.properties(&path, &AzureConditions::default()).await;
        let found = match found {
            Err(error) if error.kind() == Kind::NoSuchBlob => return Ok(()),
            other => other?,
        };
        match wanted.judge(&found) {
            // Ours may have been done before another wrote what is there now.
            Err(refused) if lost.is_some() => {
                let conflict = Error::new(Code::ConditionalRequestConflict);
                return Err(conflict.caused_by(refused).into());
            }
            verdict => verdict?,
        }
        let conditions = AzureConditions::if_match(found.etag);
        let options =
            DeleteOptions { conditions, snapshots: SNAPSHOTS, ..DeleteOptions::default() };
        match store.delete(&path, &options).await {
            // Azure's ETag also moves where S3's does not: what is there is looked at once more.
            Err(error) if error.kind() == Kind::ConditionNotMet => {}
            Err(error) if error.kind() == Kind::NoSuchBlob => return Ok(()),
            Err(error) if error.maybe_applied() && store.again(&error, look).await => {
                lost = Some(error);
            }
            other => return Ok(other?),
        }
    }
    Err(lost.map_or_else(|| Error::new(Code::ConditionalRequestConflict).into(), Failure::Azure))
}

/// How often a condition is judged afresh that another writer has overtaken.
const LOOKS_MAX: u32 = 3;

/// Snapshots that Azure tools took would keep the blob from being deleted. In a bucket without versions
/// a deleted object is gone whole, so they go with it.
pub(in crate::ops) const SNAPSHOTS: Snapshots = Snapshots::Include;
