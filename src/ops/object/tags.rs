//! Tags of an object: brought with it, shown, changed. They are metadata of the blob, so that they
//! are written with its bytes; what is changed later shows in neither `Last-Modified` nor `ETag`.

use http::{Response, StatusCode, header};

use crate::access::{Action, Caller};
use crate::azure::{Conditions, Kind};
use crate::mapping::metadata::{self, ObjectFacts};
use crate::ops::annex;
use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::ops::object::get::refuse_version;
use crate::ops::open::Bucket;
use crate::s3::body::{self, Body};
use crate::s3::names::ObjectKey;
use crate::s3::tags::{Limit, Tags};
use crate::s3::{Code, Error};

/// Ten tags of the longest key and value, and their elements.
const BYTES_MAX: usize = 32 * 1024;
/// How often a change is tried that others have overtaken.
const TRIES_MAX: u32 = 10;

/// Who brings tags with an object must be allowed to set them. A list that lets anybody write knows
/// of no tags, so it lets them come along; a policy says what it means.
pub(in crate::ops) fn may_bring(
    bucket: &Bucket,
    caller: &Caller,
    key: &ObjectKey,
    (tags, owner): (&Tags, Option<&str>),
) -> Result<(), Error> {
    let by_list_alone = caller.user().is_none() && bucket.rules().policy.is_none();
    if tags.is_empty() || by_list_alone {
        return Ok(());
    }
    bucket.allow_new(caller, Action::PutObjectTagging, key, owner)
}

/// `GetObjectTagging`
pub(in crate::ops) async fn get(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    refuse_version(&request)?;
    let reader = gateway.open_reader(&request, Action::GetObjectTagging).await?;
    let (_, properties) = reader.look(gateway).await?;
    Response::builder()
        .status(StatusCode::OK)
        .header(header::CONTENT_TYPE, "application/xml")
        .body(body::full(ObjectFacts::read(&properties).tags.write()))
        .map_err(unanswerable)
}

/// `PutObjectTagging`
pub(in crate::ops) async fn put(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let (mut request, document) = request.document(BYTES_MAX).await?;
    let tags = match Tags::read(&document, Limit::Object) {
        Ok(tags) => tags,
        Err(malformed) => {
            // Who may not is told so first, whatever it sent.
            let reader = gateway.open_reader(&request, Action::PutObjectTagging).await?;
            reader.look(gateway).await?;
            return Err(malformed);
        }
    };
    let pairs = tags.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    request.caller = request.caller.tagging(pairs);
    change(gateway, &request, Action::PutObjectTagging, &tags).await?;
    Response::builder().status(StatusCode::OK).body(body::empty()).map_err(unanswerable)
}

/// `DeleteObjectTagging`
pub(in crate::ops) async fn delete(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    change(gateway, &request, Action::DeleteObjectTagging, &Tags::default()).await?;
    Response::builder().status(StatusCode::NO_CONTENT).body(body::empty()).map_err(unanswerable)
}

async fn change(
    gateway: &Gateway,
    request: &Request,
    action: Action,
    tags: &Tags,
) -> Result<(), Error> {
    refuse_version(request)?;
    let reader = gateway.open_reader(request, action).await?;
    for _ in 0..TRIES_MAX {
        let (bucket, now) = reader.look(gateway).await?;
        if ObjectFacts::read(&now).tags == *tags {
            return Ok(());
        }
        let metadata = metadata::with_tags(&now, tags);
        let metadata = annex::fold(gateway, &bucket, reader.key(), metadata).await?;
        let (path, pinned) = (bucket.path(reader.key()), Conditions::if_match(now.etag));
        match bucket.store().set_metadata(&path, &metadata, &pinned).await {
            Ok(_) => return Ok(()),
            // Whether it was replaced meanwhile, or the answer was lost: what is there now tells.
            Err(error) if error.kind() == Kind::ConditionNotMet || error.maybe_applied() => {}
            Err(error) => return Err(reader.explain(gateway, error).await),
        }
    }
    Err(Error::new(Code::OperationAborted))
}
