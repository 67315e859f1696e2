//! `CreateBucket`: a container that carries a new bucket id and its owner.

use std::sync::Arc;

use http::{Response, StatusCode, header};

use crate::access::{self, Acl, Action, Of, Ownership, Question, Resource, Standing};
use crate::azure::{BlobError, BlobStore, Kind, Metadata};
use crate::mapping::bucket_facts::{BucketFacts, BucketId};
use crate::mapping::errors;
use crate::ops::accounts::Location;
use crate::ops::bucket_cache::Fault;
use crate::ops::documents::{self, Draft};
use crate::ops::facts::with_container_lease;
use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::ops::object::acl::asked_for;
use crate::ops::open::target_bucket;
use crate::s3::body::{self, Body};
use crate::s3::names::BucketName;
use crate::s3::xml;
use crate::s3::{Code, Error, headers};

/// A `CreateBucketConfiguration` with fifty tags is far shorter.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024;
/// With it an admin gives a container that an Azure tool made to a user.
const OWNER: &str = "x-bluebucket-owner";

pub(in crate::ops) async fn run(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let (name, location) = gateway.locate_new(&request, Action::CreateBucket)?;
    let (request, document) = request.document(DOCUMENT_BYTES_MAX).await?;
    check_location(gateway, &document)?;
    let owner = owner(gateway, &request)?;
    let mut facts = BucketFacts::created(new_id()?, &name, owner.clone(), request.now);
    let store = location.account.store.for_request(Arc::clone(&request.id));
    let told = Told::read(gateway, &request, &owner)?;
    if !told.is_nothing() {
        // Before the bucket: there is no moment in which it is there without them.
        documents::put_new(&store, &location, &facts.id, |draft| told.write(draft)).await?;
        facts.has_documents = true;
    }
    let mut metadata = Metadata::new();
    facts.write(&mut metadata);
    match make(gateway, &store, (&location, &facts.id), &metadata).await {
        Ok(Made::Ours) => {}
        Ok(Made::Another) => {
            if facts.has_documents {
                let record = location.documents_record(&facts.id);
                documents::discard(gateway, store, record);
            }
            again(gateway, &request, (&name, &location), facts, &told).await?;
        }
        Err(error) => return Err(errors::on_create(error, &name)),
    }
    gateway.buckets.forget(&location).await;
    Response::builder()
        .status(StatusCode::OK)
        .header(header::LOCATION, format!("/{name}"))
        .body(body::empty())
        .map_err(unanswerable)
}

/// What a bucket is told with its creation.
struct Told {
    ownership: Option<Ownership>,
    /// Other grants than that the owner has all rights.
    acl: Option<Acl>,
}

impl Told {
    fn read(gateway: &Gateway, request: &Request, owner: &str) -> Result<Self, Error> {
        let ownership = headers::text(&request.headers, &headers::OBJECT_OWNERSHIP)?;
        let ownership = ownership.map(Ownership::header).transpose()?;
        let acl = asked_for(gateway, request, owner, Of::Bucket)?;
        let acl = acl.filter(|acl| !acl.is_private(owner));
        if acl.is_some() && ownership == Some(Ownership::BucketOwnerEnforced) {
            return Err(Error::new(Code::InvalidBucketAclWithObjectOwnership));
        }
        // What comes with a bucket needs the rights that it would need afterwards:
        // <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>.
        for (said, action) in [
            (acl.is_some(), Action::PutBucketAcl),
            (ownership.is_some(), Action::PutBucketOwnershipControls),
        ] {
            if said {
                let resource = Resource::Bucket(target_bucket(request)?);
                let standing = Standing { owner: Some(owner), ..Standing::default() };
                let question = Question { caller: &request.caller, action, resource };
                let _granted = access::permit(&question, &standing)?;
            }
        }
        Ok(Self { ownership, acl })
    }

    fn is_nothing(&self) -> bool {
        self.ownership.is_none() && self.acl.is_none()
    }

    fn write(&self, draft: &mut Draft) {
        if let Some(ownership) = &self.ownership {
            draft.put(ownership);
        }
        if let Some(acl) = &self.acl {
            draft.put(acl);
        }
    }
}

/// Whose container is there now.
enum Made {
    /// The one of this request.
    Ours,
    /// One that was there before.
    Another,
}

/// Makes the container. Where the answer is lost, it is asked for again, and the bucket id in its
/// metadata tells whose is there.
async fn make(
    gateway: &Gateway,
    store: &BlobStore,
    (location, id): (&Location, &BucketId),
    metadata: &Metadata,
) -> Result<Made, BlobError> {
    let mut attempt = 1;
    loop {
        let Err(error) = store.create_container(&location.container, metadata).await else {
            return Ok(Made::Ours);
        };
        if error.kind() == Kind::ContainerExists {
            let known = if attempt > 1 { gateway.buckets.fresh(location).await.ok() } else { None };
            let there = known.and_then(|known| known.facts.as_ref().map(|facts| facts.id.clone()));
            return Ok(if there.as_ref() == Some(id) { Made::Ours } else { Made::Another });
        }
        if !error.maybe_applied() || !store.again(&error, attempt).await {
            return Err(error);
        }
        attempt += 1;
    }
}

pub(in crate::ops) fn new_id() -> Result<BucketId, Error> {
    let mut random = [0; 15];
    getrandom::fill(&mut random)
        .map_err(|cause| Error::new(Code::InternalError).caused_by(cause.to_string()))?;
    Ok(BucketId::new(random))
}

/// Whose the bucket will be: the caller's, or whose an admin says.
fn owner(gateway: &Gateway, request: &Request) -> Result<String, Error> {
    let caller = request.caller.id().ok_or_else(|| Error::new(Code::AccessDenied))?;
    let Some(owner) = request.headers.get(OWNER) else { return Ok(caller.to_owned()) };
    let owner = owner.to_str().unwrap_or_default();
    if !request.caller.is_admin() {
        return Err(Error::new(Code::AccessDenied));
    }
    if gateway.users().user(owner).is_none() {
        return Err(Error::invalid_argument(OWNER, owner, "Invalid id"));
    }
    Ok(owner.to_owned())
}

/// Any region will do, unless the configuration is strict.
fn check_location(gateway: &Gateway, document: &[u8]) -> Result<(), Error> {
    if document.iter().all(u8::is_ascii_whitespace) {
        return Ok(());
    }
    let document = xml::read(document, "CreateBucketConfiguration")?;
    for child in &document.children {
        if child.name != "LocationConstraint" {
            return Err(Error::new(Code::NotImplemented)
                .message(format!("CreateBucket with a {} is not implemented.", child.name)));
        }
    }
    let region = document.one("LocationConstraint")?.map_or("", |region| region.text.trim());
    let settings = gateway.settings();
    if settings.strict_region && !region.is_empty() && region != settings.region {
        return Err(
            Error::new(Code::InvalidLocationConstraint).detail("LocationConstraint", region)
        );
    }
    Ok(())
}

/// A bucket that is there already: harmless to its owner, taken for everybody else. An admin may
/// give one that nobody owns to somebody.
async fn again(
    gateway: &Gateway,
    request: &Request,
    (name, location): (&BucketName, &Location),
    new: BucketFacts,
    told: &Told,
) -> Result<(), Error> {
    let taken = || Error::new(Code::BucketAlreadyExists).detail("BucketName", name.as_str());
    let known = match gateway.buckets.fresh(location).await {
        Ok(known) => known,
        // It went in between, or is going: its name will be free again.
        Err(fault) if matches!(*fault, Fault::Absent) => {
            return Err(Error::new(Code::OperationAborted));
        }
        Err(fault) => return Err(fault.answer()),
    };
    let facts = known.facts.as_ref();
    if facts.is_some_and(|facts| facts.name != new.name && !location.alias) {
        return Err(taken());
    }
    match facts.and_then(|facts| facts.owner.as_deref()) {
        Some(owner) if Some(owner) == request.caller.id() => {
            let store = location.account.store.for_request(Arc::clone(&request.id));
            let documents = gateway.documents_of(&store, location, &known).await?;
            let same = documents.get::<Acl>()?.as_deref() == told.acl.as_ref();
            if same { Ok(()) } else { Err(taken()) }
        }
        None if request.caller.is_admin() && request.headers.contains_key(OWNER) => {
            claim(request, location, new).await
        }
        None if request.caller.is_admin() => Ok(()),
        _ => Err(taken()),
    }
}

/// Writes an owner, and an id where there is none, beside what Azure tools keep in the metadata.
async fn claim(request: &Request, location: &Location, new: BucketFacts) -> Result<(), Error> {
    let store = location.account.store.for_request(Arc::clone(&request.id));
    with_container_lease(&store, &location.container, |mut metadata: Metadata| {
        let old = BucketFacts::read(&metadata)
            .map_err(|unreadable| Error::new(Code::InternalError).caused_by(unreadable))?;
        let facts = match old {
            Some(old) if old.owner.is_some() => {
                return Err(Error::new(Code::BucketAlreadyExists));
            }
            Some(old) => BucketFacts { owner: new.owner.clone(), ..old },
            None => {
                BucketFacts { owner: new.owner.clone(), ..BucketFacts::adopted(new.id.clone()) }
            }
        };
        facts.write(&mut metadata);
        Ok(metadata)
    })
    .await
}
