//! The way to a bucket: found, known, and allowed. There is no other.

use std::sync::Arc;

use http::HeaderName;
use time::OffsetDateTime;

use crate::access::{self, Action, Caller, Grant, Level, Resource, Role, Standing, Writes};
use crate::azure::{BlobError, BlobPath, BlobStore, ContainerName, Kind, Properties};
use crate::mapping::bucket_facts::{BucketFacts, BucketId};
use crate::mapping::commit_id::{CommitId, RANDOM_BYTES};
use crate::mapping::errors;
use crate::mapping::metadata::ObjectFacts;
use crate::mapping::names::Range;
use crate::mapping::uploads::Files;
use crate::mapping::walk::WalkInput;
use crate::ops::accounts::{Account, Location};
use crate::ops::bucket_cache::{Fault, Known};
use crate::ops::documents::{Document, Documents};
use crate::ops::facts;
use crate::ops::gateway::{Gateway, Request};
use crate::ops::listing::objects::{Asked, Owner};
use crate::s3::names::{BucketName, ObjectKey};
use crate::s3::target::Target;
use crate::s3::{Code, Error, headers};

/// A bucket that exists and that the caller was allowed to ask for.
#[derive(Clone, Debug)]
pub struct Bucket {
    _grant: Grant,
    name: BucketName,
    location: Location,
    known: Arc<Known>,
    documents: Arc<Documents>,
    store: BlobStore,
}

impl Bucket {
    /// Its S3 name.
    pub fn name(&self) -> &BucketName {
        &self.name
    }

    /// The way to its account, for this request.
    pub fn store(&self) -> &BlobStore {
        &self.store
    }

    /// Its account.
    pub fn account(&self) -> &Account {
        &self.location.account
    }

    /// Its container.
    pub fn container(&self) -> &ContainerName {
        &self.location.container
    }

    /// The configuration put it where it is.
    pub fn is_alias(&self) -> bool {
        self.location.alias
    }

    /// The canonical id of its owner.
    pub fn owner(&self) -> Option<&str> {
        self.known.facts.as_ref().and_then(|facts| facts.owner.as_deref())
    }

    /// May the caller do this to one more key?
    pub(super) fn allow(
        &self,
        caller: &Caller,
        action: Action,
        key: &ObjectKey,
    ) -> Result<(), Error> {
        let standing = standing(&self.known, &self.location);
        access::authorise(caller, action, &Resource::Object(&self.name, key), &standing)
            .map(|_granted| ())
    }

    /// The blob of a key.
    pub fn path(&self, key: &ObjectKey) -> BlobPath {
        BlobPath::new(self.location.container.clone(), self.location.keys.blob_name(key))
    }

    /// Its id; none while no gateway has written there.
    pub(super) fn id(&self) -> Option<&BucketId> {
        self.known.facts.as_ref().map(|facts| &facts.id)
    }

    #[expect(dead_code, reason = "who decides by a document asks so")]
    /// One of its documents, as it was within the time to live.
    pub(super) fn document<D: Document>(&self) -> Result<Option<Arc<D>>, Error> {
        self.documents.get()
    }

    /// Does its container say that there may be documents?
    pub(super) fn has_documents(&self) -> bool {
        self.known.facts.as_ref().is_some_and(|facts| facts.has_documents)
    }

    /// Where its documents are kept; nowhere while it has no id.
    pub(super) fn documents_record(&self) -> Option<BlobPath> {
        self.id().map(|id| self.documents_record_under(id))
    }

    /// The same, of a bucket of that id.
    pub(super) fn documents_record_under(&self, id: &BucketId) -> BlobPath {
        self.location.documents_record(id)
    }

    /// Where its uploads are filed; nowhere while it has no id.
    pub(super) fn files(&self) -> Option<Files> {
        self.id().map(|id| self.files_under(id))
    }

    /// The same, of a bucket of that id.
    pub(super) fn files_under(&self, id: &BucketId) -> Files {
        Files::new(id, self.location.keys.prefix())
    }

    /// The walk to a page of its keys.
    pub(super) fn walk(&self, asked: &Asked, after: Option<String>) -> WalkInput {
        WalkInput {
            space: self.location.keys.clone(),
            prefix: asked.prefix.clone(),
            after,
            delimiter: asked.delimiter.clone(),
            max_keys: asked.page_size(),
            has_reserved: self.known.facts.as_ref().is_some_and(|facts| facts.has_reserved_keys),
        }
    }
}

impl Gateway {
    /// The bucket that a request is aimed at.
    pub(super) async fn open_bucket(
        &self,
        request: &Request,
        action: Action,
    ) -> Result<Bucket, Error> {
        let name = target_bucket(request)?;
        let resource = match action.level() {
            Level::Listing => {
                Resource::Listing(name, request.query.get("prefix").unwrap_or_default())
            }
            // Each key is asked about again, see `allow_key`.
            Level::Object => Resource::SomeKeys(name),
            Level::Service | Level::Bucket => Resource::Bucket(name),
        };
        self.open(request, action, resource, Freshness::Cached).await
    }

    /// The same, as it is now.
    pub(super) async fn open_fresh(
        &self,
        request: &Request,
        action: Action,
    ) -> Result<Bucket, Error> {
        let name = target_bucket(request)?;
        self.open(request, action, Resource::SomeKeys(name), Freshness::Now).await
    }

    /// The bucket and the key that a request is aimed at.
    pub(super) async fn open_object(
        &self,
        request: &Request,
        action: Action,
    ) -> Result<(Bucket, ObjectKey), Error> {
        let Target::Object(name, key) = &request.target else {
            return Err(Error::new(Code::MethodNotAllowed));
        };
        let resource = Resource::Object(name, key);
        let bucket = self.open(request, action, resource, Freshness::Cached).await?;
        Ok((bucket, key.clone()))
    }

    /// The bucket of a copy's source.
    pub(super) async fn open_source(
        &self,
        request: &Request,
        name: &BucketName,
        key: &ObjectKey,
    ) -> Result<Bucket, Error> {
        let resource = Resource::Object(name, key);
        let bucket = self.locate(request, Action::GetObject, resource, Freshness::Cached).await?;
        check_owner(request, &headers::EXPECTED_SOURCE_BUCKET_OWNER, &bucket)?;
        Ok(bucket)
    }

    async fn open(
        &self,
        request: &Request,
        action: Action,
        resource: Resource<'_>,
        freshness: Freshness,
    ) -> Result<Bucket, Error> {
        let bucket = self.locate(request, action, resource, freshness).await?;
        check_owner(request, &headers::EXPECTED_BUCKET_OWNER, &bucket)?;
        Ok(bucket)
    }

    /// Finds the bucket and asks whether the caller may. Who may not is not told whether it exists.
    async fn locate(
        &self,
        request: &Request,
        action: Action,
        resource: Resource<'_>,
        freshness: Freshness,
    ) -> Result<Bucket, Error> {
        let name = resource.bucket().ok_or_else(|| Error::new(Code::MethodNotAllowed))?;
        // Who needs no owner to be allowed, or can be by no owner, is judged before Azure is asked.
        if !request.caller.user().is_some_and(|user| user.role() == Role::Owner) {
            let _granted =
                access::authorise(&request.caller, action, &resource, &Standing::default())?;
        }
        let absent = || Error::new(Code::NoSuchBucket).detail("BucketName", name.as_str());
        let Some(location) = self.accounts().locate(name) else {
            return Err(absent());
        };
        let known = match freshness {
            Freshness::Cached => self.buckets.get(&location).await,
            Freshness::Now => self.buckets.fresh(&location).await,
        };
        let known = match known {
            Ok(known) if belongs(&known, name, &location) => known,
            Err(fault) if !matches!(*fault, Fault::Absent) => return Err(fault.answer()),
            Ok(_) | Err(_) => return Err(absent()),
        };
        let store = location.account.store.for_request(Arc::clone(&request.id));
        let documents = self.documents_of(&store, &location, &known).await?;
        let standing = standing(&known, &location);
        let grant = access::authorise(&request.caller, action, &resource, &standing)?;
        Ok(Bucket { _grant: grant, name: name.clone(), location, known, documents, store })
    }

    /// What a bucket that is there has been told, as it was within the time to live.
    async fn documents_of(
        &self,
        store: &BlobStore,
        location: &Location,
        known: &Known,
    ) -> Result<Arc<Documents>, Error> {
        let Some(facts) = known.facts.as_ref().filter(|facts| facts.has_documents) else {
            return Ok(Arc::default());
        };
        let record = location.documents_record(&facts.id);
        self.documents.get(&location.account.name, store, &record).await.map_err(Fault::answer)
    }

    /// A document of a bucket that is for everybody, whoever asks; none where there is no such bucket.
    pub(super) async fn told_to_all<D: Document>(
        &self,
        name: &BucketName,
    ) -> Result<Option<Arc<D>>, Error> {
        let Some(location) = self.accounts().locate(name) else { return Ok(None) };
        let known = match self.buckets.get(&location).await {
            Ok(known) if belongs(&known, name, &location) => known,
            Err(fault) if !matches!(*fault, Fault::Absent) => return Err(fault.answer()),
            Ok(_) | Err(_) => return Ok(None),
        };
        self.documents_of(&location.account.store, &location, &known).await?.get()
    }

    /// Where a bucket will be that the caller may create.
    pub(super) fn locate_new(
        &self,
        request: &Request,
        action: Action,
    ) -> Result<(BucketName, Location), Error> {
        let name = target_bucket(request)?;
        let taken = || Error::new(Code::BucketAlreadyExists).detail("BucketName", name.as_str());
        let location = self.accounts().locate(name);
        let read_only = location.as_ref().is_some_and(|location| location.read_only);
        let writes = if read_only { Writes::Refused } else { Writes::Allowed };
        let standing = Standing { owner: None, writes };
        let _granted =
            access::authorise(&request.caller, action, &Resource::Bucket(name), &standing)?;
        Ok((name.clone(), location.ok_or_else(taken)?))
    }

    /// What a failure at Azure means to a client that asked for an object.
    pub(super) async fn explain(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        error: BlobError,
    ) -> Error {
        self.notice(bucket, &error).await;
        errors::on_object(error, &bucket.name, key)
    }

    /// What a failure at Azure means to a client that asked for a bucket.
    pub(super) async fn explain_bucket(&self, bucket: &Bucket, error: BlobError) -> Error {
        self.notice(bucket, &error).await;
        errors::on_bucket(error, &bucket.name)
    }

    /// A bucket that is gone is not believed in any longer.
    async fn notice(&self, bucket: &Bucket, error: &BlobError) {
        if matches!(error.kind(), Kind::NoSuchContainer | Kind::ContainerBeingDeleted) {
            self.forget(bucket).await;
        }
    }

    /// Drops what is believed of a bucket.
    pub(super) async fn forget(&self, bucket: &Bucket) {
        self.buckets.forget(&bucket.location).await;
    }

    /// Id and display name of an owner; a user who is no longer known is named by the id.
    pub(super) fn owner(&self, id: &str) -> Owner {
        let users = self.users();
        let name = users.user(id).map_or_else(|| id.to_owned(), |user| user.name().to_owned());
        (id.to_owned(), name)
    }

    /// The owner of an object; none for a blob that no gateway wrote.
    pub(super) fn owner_of(&self, properties: &Properties) -> Option<Owner> {
        ObjectFacts::read(properties).owner.map(|id| self.owner(&id))
    }

    /// Before the first key of the reserved range is written, the container says that there are
    /// such keys, and every replica has had time to hear of it.
    pub(super) async fn make_room(&self, bucket: &Bucket, key: &ObjectKey) -> Result<(), Error> {
        if bucket.location.keys.range_of(key) == Range::Plain
            || bucket.known.facts.as_ref().is_some_and(|facts| facts.has_reserved_keys)
        {
            return Ok(());
        }
        let known = self.buckets.fresh(&bucket.location).await.map_err(Fault::answer)?;
        if known.facts.as_ref().is_some_and(|facts| facts.has_reserved_keys) {
            // Another request has said so just now, and waits as well.
            tokio::time::sleep(self.buckets.ttl()).await;
            return Ok(());
        }
        let say = |facts: &mut BucketFacts| facts.has_reserved_keys = true;
        facts::change(&bucket.store, bucket.container(), say).await?;
        self.forget(bucket).await;
        // A replica that has just read the container believes what it read for so long.
        tokio::time::sleep(self.buckets.ttl()).await;
        Ok(())
    }
}

/// What the decision rests on, of a bucket that is there.
fn standing<'a>(known: &'a Known, location: &Location) -> Standing<'a> {
    Standing {
        owner: known.facts.as_ref().and_then(|facts| facts.owner.as_deref()),
        writes: if location.read_only { Writes::Refused } else { Writes::Allowed },
    }
}

/// May facts be believed, or have they to be asked for?
#[derive(Clone, Copy)]
enum Freshness {
    Cached,
    Now,
}

fn target_bucket(request: &Request) -> Result<&BucketName, Error> {
    request.target.bucket().ok_or_else(|| Error::new(Code::MethodNotAllowed))
}

/// Is the container this bucket's? One that is named by a hash says whose it is.
fn belongs(known: &Known, name: &BucketName, location: &Location) -> bool {
    let said = known.facts.as_ref().and_then(|facts| facts.name.as_ref());
    let same = location.container.as_str() == name.as_str();
    location.alias || said == Some(name) || (said.is_none() && same)
}

/// `x-amz-expected-bucket-owner`:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html>.
fn check_owner(request: &Request, name: &HeaderName, bucket: &Bucket) -> Result<(), Error> {
    match headers::text(&request.headers, name)? {
        Some(expected) if Some(expected) != bucket.owner() => Err(Error::new(Code::AccessDenied)),
        _ => Ok(()),
    }
}

/// The id of a new write.
///
/// The clock is read when the commit is made, not when the request came: a large body may take
/// hours, and the write counts from its end.
pub(super) fn commit_id() -> Result<CommitId, Error> {
    let mut random = [0; RANDOM_BYTES];
    getrandom::fill(&mut random)
        .map_err(|cause| Error::new(Code::InternalError).caused_by(cause.to_string()))?;
    Ok(CommitId::new(now(), random))
}

#[expect(clippy::disallowed_methods, reason = "the time of a commit is its own, not its request's")]
pub(super) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
