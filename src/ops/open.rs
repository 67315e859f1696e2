//! The way to a bucket: found, known, and allowed. There is no other.

use std::sync::Arc;

use http::HeaderName;
use time::OffsetDateTime;

use crate::access::{
    self, Acl, Action, BucketPolicy, Caller, Grant, Guess, Level, Outcome, Ownership,
    PublicAccessBlock, Question, Resource, Rules, Standing, Thing, Writes,
};
use crate::azure::{
    BlobError, BlobPath, BlobRead, BlobStore, Conditions, ContainerName, Kind, Properties,
    ReadOptions,
};
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

/// A bucket that is there. Nobody has been allowed anything yet: what is in it is out of reach.
#[derive(Debug)]
pub(super) struct Place {
    name: BucketName,
    location: Location,
    known: Arc<Known>,
    documents: Arc<Documents>,
    rules: Rules,
    store: BlobStore,
}

impl Place {
    /// What a decision rests on.
    fn standing(&self) -> Standing<'_> {
        Standing {
            owner: self.known.facts.as_ref().and_then(|facts| facts.owner.as_deref()),
            writes: if self.location.read_only { Writes::Refused } else { Writes::Allowed },
            rules: Some(&self.rules),
        }
    }

    /// May `caller` do this to it? `Depends`, where an object itself has to be looked at.
    pub(super) fn ask(
        &self,
        caller: &Caller,
        action: Action,
        resource: Resource<'_>,
    ) -> Result<Outcome, Error> {
        access::authorise(&Question { caller, action, resource }, &self.standing())
    }

    /// May `caller` do this to an object that says this of itself?
    fn settle(
        &self,
        caller: &Caller,
        action: Action,
        key: &ObjectKey,
        facts: &ObjectFacts,
    ) -> Result<Grant, Error> {
        let acl = object_acl(facts)?;
        let tags: Vec<_> =
            facts.tags.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let thing = Thing { owner: facts.owner.as_deref(), acl: acl.as_ref(), tags: &tags };
        let question = Question { caller, action, resource: Resource::Object(&self.name, key) };
        access::settle(&question, &self.standing(), &thing)
    }

    /// Looks at an object for somebody who may or may not do this to it.
    async fn look(
        &self,
        caller: &Caller,
        action: Action,
        key: &ObjectKey,
    ) -> Result<(Grant, Properties), Unseen> {
        let properties = self.store.properties(&self.path(key), &Conditions::default()).await?;
        let grant = self.settle(caller, action, key, &ObjectFacts::read(&properties))?;
        Ok((grant, properties))
    }

    fn path(&self, key: &ObjectKey) -> BlobPath {
        BlobPath::new(self.location.container.clone(), self.location.keys.blob_name(key))
    }

    /// May `caller` know that there is no such key? Only who may list it.
    fn may_miss(&self, caller: &Caller, key: &ObjectKey) -> bool {
        let listing = caller.clone().listing(key.as_str());
        let resource = Resource::Listing(&self.name, key.as_str());
        matches!(self.ask(&listing, Action::ListBucket, resource), Ok(Outcome::Granted(_)))
    }
}

/// The ACL that an object carries. One that cannot be read gives nobody anything.
pub(super) fn object_acl(facts: &ObjectFacts) -> Result<Option<Acl>, Error> {
    let Some(text) = &facts.acl else { return Ok(None) };
    Acl::parse(text).map(Some).ok_or_else(|| {
        Error::new(Code::InternalError)
            .caused_by("the ACL of an object is of a form that is not known")
    })
}

/// Why an object was not looked at.
#[derive(Debug)]
pub(super) enum Unseen {
    /// It may not be, or the request is at fault.
    Refused(Error),
    /// Azure did not show it.
    Azure(BlobError),
}

impl From<Error> for Unseen {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<BlobError> for Unseen {
    fn from(error: BlobError) -> Self {
        Self::Azure(error)
    }
}

/// A bucket that exists and that the caller was allowed to ask for.
#[derive(Clone, Debug)]
pub struct Bucket {
    _grant: Grant,
    place: Arc<Place>,
}

impl Bucket {
    /// Its S3 name.
    pub fn name(&self) -> &BucketName {
        &self.place.name
    }

    /// The way to its account, for this request.
    pub fn store(&self) -> &BlobStore {
        &self.place.store
    }

    /// Its account.
    pub fn account(&self) -> &Account {
        &self.place.location.account
    }

    /// Its container.
    pub fn container(&self) -> &ContainerName {
        &self.place.location.container
    }

    /// The configuration put it where it is.
    pub fn is_alias(&self) -> bool {
        self.place.location.alias
    }

    /// The configuration lets nobody change it.
    pub(super) fn is_read_only(&self) -> bool {
        self.place.location.read_only
    }

    /// The canonical id of its owner.
    pub fn owner(&self) -> Option<&str> {
        self.place.known.facts.as_ref().and_then(|facts| facts.owner.as_deref())
    }

    /// What its documents say about who may do what.
    pub(super) fn rules(&self) -> &Rules {
        &self.place.rules
    }

    /// May the caller do this to one more key?
    pub(super) async fn allow(
        &self,
        caller: &Caller,
        action: Action,
        key: &ObjectKey,
    ) -> Result<(), Error> {
        match self.place.ask(caller, action, Resource::Object(self.name(), key))? {
            Outcome::Granted(_) => Ok(()),
            Outcome::Depends(_) => match self.place.look(caller, action, key).await {
                Ok(_) => Ok(()),
                Err(Unseen::Refused(error)) => Err(error),
                // Who may not know what is there is told the same of what is not.
                Err(Unseen::Azure(error)) if error.kind() == Kind::NoSuchBlob => {
                    Err(Error::new(Code::AccessDenied))
                }
                Err(Unseen::Azure(error)) => Err(errors::on_object(error, self.name(), key)),
            },
        }
    }

    /// The blob of a key.
    pub fn path(&self, key: &ObjectKey) -> BlobPath {
        self.place.path(key)
    }

    /// Its id; none while no gateway has written there.
    pub(super) fn id(&self) -> Option<&BucketId> {
        self.place.known.facts.as_ref().map(|facts| &facts.id)
    }

    /// One of its documents, as it was within the time to live.
    pub(super) fn document<D: Document>(&self) -> Result<Option<Arc<D>>, Error> {
        self.place.documents.get()
    }

    /// Does its container say that there may be documents?
    pub(super) fn has_documents(&self) -> bool {
        self.place.known.facts.as_ref().is_some_and(|facts| facts.has_documents)
    }

    /// Where its documents are kept; nowhere while it has no id.
    pub(super) fn documents_record(&self) -> Option<BlobPath> {
        self.id().map(|id| self.documents_record_under(id))
    }

    /// The same, of a bucket of that id.
    pub(super) fn documents_record_under(&self, id: &BucketId) -> BlobPath {
        self.place.location.documents_record(id)
    }

    /// Where its uploads are filed; nowhere while it has no id.
    pub(super) fn files(&self) -> Option<Files> {
        self.id().map(|id| self.files_under(id))
    }

    /// The same, of a bucket of that id.
    pub(super) fn files_under(&self, id: &BucketId) -> Files {
        Files::new(id, self.place.location.keys.prefix())
    }

    /// The walk to a page of its keys.
    pub(super) fn walk(&self, asked: &Asked, after: Option<String>) -> WalkInput {
        let facts = self.place.known.facts.as_ref();
        WalkInput {
            space: self.place.location.keys.clone(),
            prefix: asked.prefix.clone(),
            after,
            delimiter: asked.delimiter.clone(),
            max_keys: asked.page_size(),
            has_reserved: facts.is_some_and(|facts| facts.has_reserved_keys),
        }
    }
}

/// An object that the caller may read, or that has to say so itself: there is no way past it to the
/// bytes.
#[derive(Debug)]
pub(super) struct Reader {
    place: Arc<Place>,
    caller: Caller,
    action: Action,
    key: ObjectKey,
    outcome: Outcome,
}

impl Reader {
    /// Its key.
    pub(super) fn key(&self) -> &ObjectKey {
        &self.key
    }

    /// What it is.
    pub(super) async fn look(&self, gateway: &Gateway) -> Result<(Bucket, Properties), Error> {
        match self.place.look(&self.caller, self.action, &self.key).await {
            Ok((grant, properties)) => Ok((self.bucket(grant), properties)),
            Err(Unseen::Refused(error)) => Err(error),
            Err(Unseen::Azure(error)) => Err(self.explain(gateway, error).await),
        }
    }

    /// Its bytes. Where it is likely that they may be read, they are asked for at once, and it is
    /// judged by the head of the answer; else it is looked at first.
    pub(super) async fn read(&self, options: &ReadOptions) -> Result<(Bucket, BlobRead), Unseen> {
        let mut options = options.clone();
        if self.outcome == Outcome::Depends(Guess::Unlikely)
            && options.conditions.if_match.is_none()
        {
            let (_granted, found) = self.place.look(&self.caller, self.action, &self.key).await?;
            options.conditions.if_match = Some(found.etag);
        }
        let found = self.place.store.read(&self.place.path(&self.key), &options).await?;
        let grant = match &self.outcome {
            Outcome::Granted(grant) => grant.clone(),
            Outcome::Depends(_) => {
                let facts = ObjectFacts::read(&found.properties);
                self.place.settle(&self.caller, self.action, &self.key, &facts)?
            }
        };
        Ok((self.bucket(grant), found))
    }

    /// The reader must be allowed to do this as well.
    pub(super) fn need(&self, action: Action, facts: &ObjectFacts) -> Result<(), Error> {
        self.place.settle(&self.caller, action, &self.key, facts).map(|_granted| ())
    }

    fn bucket(&self, grant: Grant) -> Bucket {
        Bucket { _grant: grant, place: Arc::clone(&self.place) }
    }

    /// What a failure at Azure means to the client. That there is no such key is told to those who
    /// may list it; to others it is as if it were there and not theirs.
    pub(super) async fn explain(&self, gateway: &Gateway, error: BlobError) -> Error {
        if error.kind() == Kind::NoSuchBlob && !self.place.may_miss(&self.caller, &self.key) {
            return Error::new(Code::AccessDenied);
        }
        gateway.notice(&self.place.location, &error).await;
        errors::on_object(error, &self.place.name, &self.key)
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
            // Each key is asked about again, see `allow`.
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
        let (name, key) = target_object(request)?;
        let bucket = self.open(request, action, Resource::Object(name, key), Freshness::Cached);
        Ok((bucket.await?, key.clone()))
    }

    /// The object that a request wants to read, or read about.
    pub(super) async fn open_reader(
        &self,
        request: &Request,
        action: Action,
    ) -> Result<Reader, Error> {
        let (name, key) = target_object(request)?;
        let place = self.place(request, name, Freshness::Cached).await?;
        let reader = reader(request, place, action, key)?;
        check_owner(request, &headers::EXPECTED_BUCKET_OWNER, &reader.place)?;
        Ok(reader)
    }

    /// A copy's source.
    pub(super) async fn open_source(
        &self,
        request: &Request,
        name: &BucketName,
        key: &ObjectKey,
    ) -> Result<Reader, Error> {
        let place = self.place(request, name, Freshness::Cached).await?;
        let reader = reader(request, place, Action::GetObject, key)?;
        check_owner(request, &headers::EXPECTED_SOURCE_BUCKET_OWNER, &reader.place)?;
        Ok(reader)
    }

    async fn open(
        &self,
        request: &Request,
        action: Action,
        resource: Resource<'_>,
        freshness: Freshness,
    ) -> Result<Bucket, Error> {
        let name = resource.bucket().ok_or_else(|| Error::new(Code::MethodNotAllowed))?;
        let place = self.place(request, name, freshness).await?;
        let bucket = match (place.ask(&request.caller, action, resource)?, resource) {
            (Outcome::Granted(grant), _) => Bucket { _grant: grant, place: Arc::new(place) },
            (Outcome::Depends(_), Resource::Object(_, key)) => {
                reader(request, place, action, key)?.look(self).await?.0
            }
            (Outcome::Depends(_), _) => return Err(Error::new(Code::AccessDenied)),
        };
        check_owner(request, &headers::EXPECTED_BUCKET_OWNER, &bucket.place)?;
        Ok(bucket)
    }

    /// Finds a bucket, whoever asks: S3 tells everybody that a bucket does not exist.
    async fn place(
        &self,
        request: &Request,
        name: &BucketName,
        freshness: Freshness,
    ) -> Result<Place, Error> {
        let absent = || Error::new(Code::NoSuchBucket).detail("BucketName", name.as_str());
        let Some(location) = self.accounts().locate(name) else {
            return Err(absent());
        };
        let known = match freshness {
            Freshness::Cached if request.caller.user().is_none() => {
                self.buckets.get_for_anybody(&location).await
            }
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
        let rules = rules_of(&documents)?;
        Ok(Place { name: name.clone(), location, known, documents, rules, store })
    }

    /// What a bucket that is there has been told, as it was within the time to live.
    pub(super) async fn documents_of(
        &self,
        store: &BlobStore,
        location: &Location,
        known: &Known,
    ) -> Result<Arc<Documents>, Error> {
        let Some(facts) = known.facts.as_ref().filter(|facts| facts.has_documents) else {
            return Ok(Arc::default());
        };
        let record = location.documents_record(&facts.id);
        let documents = self.documents.get(&location.account.name, store, &record).await;
        documents.map_err(Fault::answer)
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
        let standing = Standing { writes, ..Standing::default() };
        let resource = Resource::Bucket(name);
        let question = Question { caller: &request.caller, action, resource };
        let _granted = access::permit(&question, &standing)?;
        Ok((name.clone(), location.ok_or_else(taken)?))
    }

    /// What a failure at Azure means to a client that asked for an object.
    pub(super) async fn explain(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        error: BlobError,
    ) -> Error {
        self.notice(&bucket.place.location, &error).await;
        errors::on_object(error, bucket.name(), key)
    }

    /// What a failure at Azure means to a client that asked for a bucket.
    pub(super) async fn explain_bucket(&self, bucket: &Bucket, error: BlobError) -> Error {
        self.notice(&bucket.place.location, &error).await;
        errors::on_bucket(error, bucket.name())
    }

    /// A bucket that is gone is not believed in any longer.
    async fn notice(&self, location: &Location, error: &BlobError) {
        if matches!(error.kind(), Kind::NoSuchContainer | Kind::ContainerBeingDeleted) {
            self.buckets.forget(location).await;
        }
    }

    /// Drops what is believed of a bucket.
    pub(super) async fn forget(&self, bucket: &Bucket) {
        self.buckets.forget(&bucket.place.location).await;
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
        if bucket.place.location.keys.range_of(key) == Range::Plain
            || bucket.place.known.facts.as_ref().is_some_and(|facts| facts.has_reserved_keys)
        {
            return Ok(());
        }
        let known = self.buckets.fresh(&bucket.place.location).await.map_err(Fault::answer)?;
        if known.facts.as_ref().is_some_and(|facts| facts.has_reserved_keys) {
            // Another request has said so just now, and waits as well.
            tokio::time::sleep(self.buckets.ttl()).await;
            return Ok(());
        }
        let say = |facts: &mut BucketFacts| facts.has_reserved_keys = true;
        facts::change(bucket.store(), bucket.container(), say).await?;
        self.forget(bucket).await;
        // A replica that has just read the container believes what it read for so long.
        tokio::time::sleep(self.buckets.ttl()).await;
        Ok(())
    }
}

/// An object that somebody wants to read, if that is not refused already.
fn reader(
    request: &Request,
    place: Place,
    action: Action,
    key: &ObjectKey,
) -> Result<Reader, Error> {
    let outcome = place.ask(&request.caller, action, Resource::Object(&place.name, key))?;
    let (place, caller) = (Arc::new(place), request.caller.clone());
    Ok(Reader { place, caller, action, key: key.clone(), outcome })
}

fn rules_of(documents: &Documents) -> Result<Rules, Error> {
    Ok(Rules {
        policy: documents.get::<BucketPolicy>()?,
        acl: documents.get::<Acl>()?,
        block: documents.get::<PublicAccessBlock>()?.map_or_else(Default::default, |block| *block),
        ownership: documents.get::<Ownership>()?.map(|ownership| *ownership),
    })
}

/// May facts be believed, or have they to be asked for?
#[derive(Clone, Copy)]
enum Freshness {
    Cached,
    Now,
}

fn target_object(request: &Request) -> Result<(&BucketName, &ObjectKey), Error> {
    match &request.target {
        Target::Object(name, key) => Ok((name, key)),
        Target::Service | Target::Bucket(_) => Err(Error::new(Code::MethodNotAllowed)),
    }
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
fn check_owner(request: &Request, name: &HeaderName, place: &Place) -> Result<(), Error> {
    match headers::text(&request.headers, name)? {
        Some(expected) if Some(expected) != place.standing().owner => {
            Err(Error::new(Code::AccessDenied))
        }
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
