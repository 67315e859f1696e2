//! Whose an object is, and what its ACL grants: when it is written, and afterwards.
//!
//! A list that says no more than that the owner has all rights is not kept: so nearly every object
//! has none. What is changed later is metadata of the blob, which shows in neither `Last-Modified`
//! nor `ETag`, because S3's are kept there as well.

use http::{Response, StatusCode, header};

use crate::access::{self, Acl, Action, Of, Ownership, Role, Rules};
use crate::azure::{Conditions, Kind};
use crate::mapping::metadata::{self, ObjectFacts};
use crate::ops::annex;
use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::ops::open::{Bucket, object_acl};
use crate::s3::body::{self, Body};
use crate::s3::{Code, Error, headers};

/// How often a change is tried that others have overtaken.
const TRIES_MAX: u32 = 10;

/// Owner and list of an object that a request writes.
pub(in crate::ops) fn of_write(
    gateway: &Gateway,
    bucket: &Bucket,
    request: &Request,
) -> Result<(Option<String>, Option<String>), Error> {
    let rules = bucket.rules();
    let canned = headers::text(&request.headers, &headers::ACL)?;
    let full_control = canned == Some("bucket-owner-full-control");
    let writer = request.caller.user().filter(|user| user.role() == Role::Owner);
    let owner = match (rules.ownership, writer) {
        (Some(Ownership::BucketOwnerEnforced), _) | (_, None) => bucket.owner(),
        (Some(Ownership::BucketOwnerPreferred), _) if full_control => bucket.owner(),
        (_, Some(writer)) => Some(writer.id()),
    };
    // What nobody owns is the one's who writes it, if anybody's.
    let owner = owner.or_else(|| request.caller.id()).map(str::to_owned);
    let id = owner.as_deref().unwrap_or_default();
    let Some(acl) = asked_for(gateway, request, id, Of::Object(bucket.owner()))? else {
        return Ok((owner, None));
    };
    if rules.has_no_acls() && !full_control {
        return Err(Error::new(Code::AccessControlListNotSupported));
    }
    let text = keep(&acl, id, rules)?;
    if text.is_some() && !full_control {
        // Who may write an object may not for that open it to everybody:
        // <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>.
        let key = request.target.key().ok_or_else(|| Error::new(Code::MethodNotAllowed))?;
        bucket.allow_new(&request.caller, Action::PutObjectAcl, key, owner.as_deref())?;
    }
    Ok((owner, text))
}

/// The list that the headers of a request ask for: canned, or granted.
pub(in crate::ops) fn asked_for(
    gateway: &Gateway,
    request: &Request,
    owner: &str,
    of: Of<'_>,
) -> Result<Option<Acl>, Error> {
    let canned = headers::text(&request.headers, &headers::ACL)?;
    let granted = Acl::granted(&request.headers, &gateway.users())?;
    match (canned, granted) {
        (Some(_), Some(_)) => Err(Error::new(Code::InvalidRequest)
            .message("Specifying both Canned ACLs and Header Grants is not allowed")),
        (Some(name), None) => Acl::canned(name, owner, of).map(Some),
        (None, granted) => Ok(granted),
    }
}

/// The list that a request sets: by headers, or by a document.
pub(in crate::ops) fn read(
    gateway: &Gateway,
    request: &Request,
    document: &[u8],
    owner: &str,
    of: Of<'_>,
) -> Result<Acl, Error> {
    let empty = document.iter().all(u8::is_ascii_whitespace);
    match asked_for(gateway, request, owner, of)? {
        Some(_) if !empty => Err(Error::new(Code::MalformedACLError)
            .message("This request does not support content with an ACL in headers.")),
        Some(acl) => Ok(acl),
        None if empty => Err(Error::new(Code::MissingRequestBodyError)),
        None => Acl::read(document, owner, &gateway.users()),
    }
}

/// The list as it is kept; nothing for what every owner has. Refused where the bucket blocks lists
/// that grant to everybody.
fn keep(acl: &Acl, owner: &str, rules: &Rules) -> Result<Option<String>, Error> {
    if acl.is_public() && rules.block.block_public_acls {
        return Err(Error::new(Code::AccessDenied));
    }
    if acl.is_private(owner) {
        return Ok(None);
    }
    Ok(Some(acl.text()))
}

/// `GetObjectAcl`
pub(in crate::ops) async fn get(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    super::get::refuse_version(&request)?;
    let reader = gateway.open_reader(&request, Action::GetObjectAcl).await?;
    let (bucket, properties) = reader.look(gateway).await?;
    let facts = ObjectFacts::read(&properties);
    let owner = owner_of(&bucket, &facts);
    let acl = object_acl(&facts)?.filter(|_| !bucket.rules().has_no_acls());
    let acl = acl.unwrap_or_else(|| Acl::private(owner));
    Response::builder()
        .status(StatusCode::OK)
        .header(header::CONTENT_TYPE, "application/xml")
        .body(body::full(acl.document(owner, &gateway.users())))
        .map_err(unanswerable)
}

/// Whose an object is: the bucket's owner's, where nobody has said anything else or it counts for
/// nothing.
fn owner_of<'a>(bucket: &'a Bucket, facts: &'a ObjectFacts) -> &'a str {
    let said = facts.owner.as_deref().filter(|_| !bucket.rules().has_no_acls());
    said.or_else(|| bucket.owner()).unwrap_or_default()
}

/// `PutObjectAcl`
pub(in crate::ops) async fn put(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    super::get::refuse_version(&request)?;
    let reader = gateway.open_reader(&request, Action::PutObjectAcl).await?;
    let (mut bucket, mut properties) = reader.look(gateway).await?;
    if bucket.rules().has_no_acls() {
        return Err(Error::new(Code::AccessControlListNotSupported));
    }
    let (request, document) = request.document(access::ACL_BYTES_MAX).await?;
    for _ in 0..TRIES_MAX {
        let facts = ObjectFacts::read(&properties);
        let owner = owner_of(&bucket, &facts);
        let of = Of::Object(bucket.owner());
        let acl = read(gateway, &request, &document, owner, of)?;
        let text = keep(&acl, owner, bucket.rules())?;
        if text == facts.acl {
            return done();
        }
        let metadata = metadata::with_acl(&properties, text);
        let metadata = annex::fold(gateway, &bucket, reader.key(), metadata).await?;
        let pinned = Conditions::if_match(properties.etag.clone());
        let path = bucket.path(reader.key());
        match bucket.store().set_metadata(&path, &metadata, &pinned).await {
            Ok(_) => return done(),
            // Whether it was replaced meanwhile, or the answer was lost: what is there now tells.
            Err(error) if error.kind() == Kind::ConditionNotMet || error.maybe_applied() => {
                (bucket, properties) = reader.look(gateway).await?;
            }
            Err(error) => return Err(reader.explain(gateway, error).await),
        }
    }
    Err(Error::new(Code::OperationAborted))
}

fn done() -> Result<Response<Body>, Error> {
    Response::builder().status(StatusCode::OK).body(body::empty()).map_err(unanswerable)
}
