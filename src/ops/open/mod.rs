//! The way to a bucket: found, known, and allowed. There is no other.

mod place;
mod reader;
mod upload;

use std::sync::Arc;

use http::HeaderName;
use time::OffsetDateTime;

use crate::access::{
    self, Acl, Action, BucketPolicy, Level, Outcome, Ownership, PublicAccessBlock, Question,
    Resource, Rules, Standing, Writes,
};
use crate::azure::{BlobError, BlobStore, Kind};
use crate::mapping::bucket_facts::BucketFacts;
use crate::mapping::commit_id::{CommitId, RANDOM_BYTES};
use crate::mapping::errors;
use crate::mapping::names::Range;
use crate::ops::accounts::Location;
use crate::ops::bucket_cache::{Fault, Known};
use crate::ops::documents::{Document, Documents};
use crate::ops::facts;
use crate::ops::gateway::{Gateway, Request};
use crate::s3::names::{BucketName, ObjectKey};
use crate::s3::target::Target;
use crate::s3::{Code, Error, headers};

pub use place::Bucket;
pub(in crate::ops) use place::{Place, Unseen, object_acl};
pub(in crate::ops) use reader::Reader;

impl Gateway {
    /// The bucket that a request is aimed at.
    pub(in crate::ops) async fn open_bucket(
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
    pub(in crate::ops) async fn open_fresh(
        &self,
        request: &Request,
        action: Action,
    ) -> Result<Bucket, Error> {
        let name = target_bucket(request)?;
        self.open(request, action, Resource::SomeKeys(name), Freshness::Now).await
    }

    /// The bucket and the key that a request is aimed at.
    pub(in crate::ops) async fn open_object(
        &self,
        request: &Request,
        action: Action,
    ) -> Result<(Bucket, ObjectKey), Error> {
        let (name, key) = target_object(request)?;
        let action = of_version(request, action);
        let bucket = self.open(request, action, Resource::Object(name, key), Freshness::Cached);
        Ok((bucket.await?, key.clone()))
    }

    /// The object that a request wants to read, or read about.
    pub(in crate::ops) async fn open_reader(
        &self,
        request: &Request,
        action: Action,
    ) -> Result<Reader, Error> {
        let (name, key) = target_object(request)?;
        let place = self.place(request, name, Freshness::Cached).await?;
        let reader = Reader::of(request, place, of_version(request, action), key)?;
        check_owner(request, &headers::EXPECTED_BUCKET_OWNER, &reader.place)?;
        Ok(reader)
    }

    /// A copy's source, to be read as `action` says.
    pub(in crate::ops) async fn open_source(
        &self,
        request: &Request,
        action: Action,
        (name, key): (&BucketName, &ObjectKey),
    ) -> Result<Reader, Error> {
        let place = self.place(request, name, Freshness::Cached).await?;
        let reader = Reader::of(request, place, action, key)?;
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
            (Outcome::Granted(grant), _) => Bucket::granted(grant, Arc::new(place)),
            (Outcome::Depends(_), Resource::Object(_, key)) => {
                Reader::of(request, place, action, key)?.permit(self).await?
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
            Freshness::Now => Box::pin(self.buckets.fresh(&location)).await,
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
    pub(in crate::ops) async fn documents_of(
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
    pub(in crate::ops) async fn told_to_all<D: Document>(
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
    pub(in crate::ops) fn locate_new(
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
    pub(in crate::ops) async fn explain(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        error: BlobError,
    ) -> Error {
        self.notice(&bucket.place.location, &error).await;
        errors::on_object(error, bucket.name(), key)
    }

    /// What a failure at Azure means to a client that asked for a bucket.
    pub(in crate::ops) async fn explain_bucket(&self, bucket: &Bucket, error: BlobError) -> Error {
        self.notice(&bucket.place.location, &error).await;
        errors::on_bucket(error, bucket.name())
    }

    /// A bucket that is gone is not believed in any longer.
    async fn notice(&self, location: &Location, error: &BlobError) {
        if matches!(error.kind(), Kind::NoSuchContainer | Kind::ContainerBeingDeleted) {
            Box::pin(self.buckets.forget(location)).await;
        }
    }

    /// Drops what is believed of a bucket.
    pub(in crate::ops) async fn forget(&self, bucket: &Bucket) {
        self.buckets.forget(&bucket.place.location).await;
    }

    /// Id and display name of an owner; a user who is no longer known is named by the id.
    pub(in crate::ops) fn owner(&self, id: &str) -> (String, String) {
        let users = self.users();
        let name = users.user(id).map_or_else(|| id.to_owned(), |user| user.name().to_owned());
        (id.to_owned(), name)
    }

    /// Before the first key of the reserved range is written, the container says that there are
    /// such keys, and every replica has had time to hear of it.
    pub(in crate::ops) async fn make_room(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
    ) -> Result<(), Error> {
        if bucket.place.location.keys.range_of(key) == Range::Plain
            || bucket.place.known.facts.as_ref().is_some_and(|facts| facts.has_reserved_keys)
        {
            return Ok(());
        }
        Box::pin(self.say_reserved(bucket)).await
    }

    /// Has the container say so, if it does not yet, and waits.
    async fn say_reserved(&self, bucket: &Bucket) -> Result<(), Error> {
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

/// What is done where a request names a version, `null` as well.
fn of_version(request: &Request, action: Action) -> Action {
    if request.query.filled("versionId").is_some() { action.of_version() } else { action }
}

fn target_object(request: &Request) -> Result<(&BucketName, &ObjectKey), Error> {
    match &request.target {
        Target::Object(name, key) => Ok((name, key)),
        Target::Service | Target::Bucket(_) => Err(Error::new(Code::MethodNotAllowed)),
    }
}

pub(in crate::ops) fn target_bucket(request: &Request) -> Result<&BucketName, Error> {
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
pub(in crate::ops) fn commit_id() -> Result<CommitId, Error> {
    let mut random = [0; RANDOM_BYTES];
    getrandom::fill(&mut random)
        .map_err(|cause| Error::new(Code::InternalError).caused_by(cause.to_string()))?;
    Ok(CommitId::new(now(), random))
}

#[expect(clippy::disallowed_methods, reason = "the time of a commit is its own, not its request's")]
pub(in crate::ops) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
