//! A bucket: first as a place that is there, then, with a grant, as a way to what is in it.

use std::sync::Arc;

use crate::access::{
    self, Acl, Action, Caller, Grant, Outcome, Question, Resource, Rules, Standing, Thing, Writes,
};
use crate::azure::{
    BlobError, BlobPath, BlobRead, BlobStore, Conditions, ContainerName, Kind, Properties,
    ReadOptions,
};
use crate::mapping::bucket_facts::BucketId;
use crate::mapping::errors;
use crate::mapping::metadata::ObjectFacts;
use crate::mapping::uploads::Files;
use crate::mapping::walk::WalkInput;
use crate::ops::accounts::{Account, Location};
use crate::ops::annex::{self, Missing};
use crate::ops::bucket_cache::Known;
use crate::ops::documents::{Document, Documents};
use crate::ops::listing::objects::Asked;
use crate::s3::names::{BucketName, ObjectKey};
use crate::s3::{Code, Error};

/// A bucket that is there. Nobody has been allowed anything yet: what is in it is out of reach.
#[derive(Debug)]
pub(in crate::ops) struct Place {
    pub(super) name: BucketName,
    pub(super) location: Location,
    pub(super) known: Arc<Known>,
    pub(super) documents: Arc<Documents>,
    pub(super) rules: Rules,
    pub(super) store: BlobStore,
}

impl Place {
    /// What a decision rests on.
    pub(super) fn standing(&self) -> Standing<'_> {
        Standing {
            owner: self.known.facts.as_ref().and_then(|facts| facts.owner.as_deref()),
            writes: if self.location.read_only { Writes::Refused } else { Writes::Allowed },
            rules: Some(&self.rules),
        }
    }

    /// May `caller` do this to it? `Depends`, where an object itself has to be looked at.
    pub(in crate::ops) fn ask(
        &self,
        caller: &Caller,
        action: Action,
        resource: Resource<'_>,
    ) -> Result<Outcome, Error> {
        access::authorise(&Question { caller, action, resource }, &self.standing())
    }

    /// May `caller` do this to an object that says this of itself?
    pub(super) fn settle(
        &self,
        caller: &Caller,
        action: Action,
        key: &ObjectKey,
        facts: &ObjectFacts,
    ) -> Result<Grant, Error> {
        let acl = object_acl(facts)?;
        let tags: Vec<_> =
            facts.tags.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let owner = facts.owner.as_deref();
        let thing = Thing { owner, acl: acl.as_ref(), tags: &tags, ..Thing::default() };
        let question = Question { caller, action, resource: Resource::Object(&self.name, key) };
        access::settle(&question, &self.standing(), &thing)
    }

    /// Looks at an object for somebody who may or may not do this to it.
    pub(super) async fn look(
        &self,
        caller: &Caller,
        action: Action,
        key: &ObjectKey,
    ) -> Result<(Grant, Properties), Unseen> {
        let properties = self.properties(key).await?;
        let facts = ObjectFacts::read(&properties);
        Ok((self.settle(caller, action, key, &facts)?, properties))
    }

    /// All that an object says of itself. Nobody has been allowed to know it yet.
    pub(super) async fn properties(&self, key: &ObjectKey) -> Result<Properties, Unseen> {
        for _ in 1..LOOKS_MAX {
            let path = self.path(key);
            let mut properties = self.store.properties(&path, &Conditions::default()).await?;
            match self.unfold(&mut properties).await {
                Ok(()) => return Ok(properties),
                // It names another record by now.
                Err(Missing::Gone) => {}
                Err(missing) => return Err(unknown(missing)),
            }
        }
        Err(unknown(Missing::Gone))
    }

    /// The bytes of an object, and all that it says of itself. Nobody has been allowed them yet.
    pub(super) async fn read(
        &self,
        key: &ObjectKey,
        options: &ReadOptions,
    ) -> Result<BlobRead, Unseen> {
        for _ in 1..LOOKS_MAX {
            let mut found = self.store.read(&self.path(key), options).await?;
            match self.unfold(&mut found.properties).await {
                Ok(()) => return Ok(found),
                Err(Missing::Gone) => {}
                Err(missing) => return Err(unknown(missing)),
            }
        }
        Err(unknown(Missing::Gone))
    }

    /// What an object says of itself outside of its blob becomes part of what its blob says.
    async fn unfold(&self, properties: &mut Properties) -> Result<(), Missing> {
        let files = || self.known.facts.as_ref().map(|facts| self.files(&facts.id));
        let system = &self.location.account.system;
        annex::unfold(&self.store, system, files, properties).await
    }

    /// Where the records of the bucket's uploads and objects are filed.
    pub(super) fn files(&self, id: &BucketId) -> Files {
        Files::new(id, self.location.keys.prefix())
    }

    /// May `caller` delete a key that nothing is under? Who may delete its own may: as at S3, it is
    /// told that there is nothing left of it.
    pub(super) fn settle_absent(
        &self,
        caller: &Caller,
        action: Action,
        key: &ObjectKey,
    ) -> Result<Grant, Error> {
        if !matches!(action, Action::DeleteObject | Action::DeleteObjectVersion) {
            return Err(Error::new(Code::AccessDenied));
        }
        let question = Question { caller, action, resource: Resource::Object(&self.name, key) };
        let thing = Thing { owner: caller.id(), own: true, ..Thing::default() };
        access::settle(&question, &self.standing(), &thing)
    }

    pub(super) fn path(&self, key: &ObjectKey) -> BlobPath {
        BlobPath::new(self.location.container.clone(), self.location.keys.blob_name(key))
    }

    /// May `caller` know that there is no such key? Only who may list it.
    pub(super) fn may_miss(&self, caller: &Caller, key: &ObjectKey) -> bool {
        let listing = caller.clone().listing(key.as_str());
        let resource = Resource::Listing(&self.name, key.as_str());
        matches!(self.ask(&listing, Action::ListBucket, resource), Ok(Outcome::Granted(_)))
    }
}

/// How often an object is looked at whose record has just been replaced.
const LOOKS_MAX: u32 = 4;

/// What is not known of an object might deny something: it is not shown to anybody.
fn unknown(missing: Missing) -> Unseen {
    let refuse = |cause| Unseen::Refused(Error::new(Code::InternalError).caused_by(cause));
    match missing {
        Missing::Gone => refuse("the record of an object's ACL and tags is not there"),
        Missing::Unreadable => {
            refuse("the record of an object's ACL and tags is of a form that is not known")
        }
        Missing::Azure(error) => Unseen::Refused(errors::on_service(error)),
    }
}

/// The ACL that an object carries. One that cannot be read gives nobody anything.
pub(in crate::ops) fn object_acl(facts: &ObjectFacts) -> Result<Option<Acl>, Error> {
    let Some(text) = &facts.acl else { return Ok(None) };
    Acl::parse(text).map(Some).ok_or_else(|| {
        Error::new(Code::InternalError)
            .caused_by("the ACL of an object is of a form that is not known")
    })
}

/// Why an object was not looked at.
#[derive(Debug)]
pub(in crate::ops) enum Unseen {
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
    pub(super) place: Arc<Place>,
}

impl Bucket {
    /// The bucket of `place`, for what was granted.
    pub(super) fn granted(grant: Grant, place: Arc<Place>) -> Self {
        Self { _grant: grant, place }
    }

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

    /// The configuration lets nobody change it.
    pub(in crate::ops) fn is_read_only(&self) -> bool {
        self.place.location.read_only
    }

    /// The configuration put it where it is.
    pub fn is_alias(&self) -> bool {
        self.place.location.alias
    }

    /// The canonical id of its owner.
    pub fn owner(&self) -> Option<&str> {
        self.place.known.facts.as_ref().and_then(|facts| facts.owner.as_deref())
    }

    /// What its documents say about who may do what.
    pub(in crate::ops) fn rules(&self) -> &Rules {
        &self.place.rules
    }

    /// May the caller do this to one more key?
    pub(in crate::ops) async fn allow(
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
                    self.place.settle_absent(caller, action, key).map(|_granted| ())
                }
                Err(Unseen::Azure(error)) => Err(errors::on_object(error, self.name(), key)),
            },
        }
    }

    /// May the caller do this to an object that it is about to make, and that will be `owner`'s?
    pub(in crate::ops) fn allow_new(
        &self,
        caller: &Caller,
        action: Action,
        key: &ObjectKey,
        owner: Option<&str>,
    ) -> Result<(), Error> {
        let thing = Thing { owner, own: caller.user().is_none(), ..Thing::default() };
        let resource = Resource::Object(self.name(), key);
        let question = Question { caller, action, resource };
        access::settle(&question, &self.place.standing(), &thing).map(|_granted| ())
    }

    /// The blob of a key.
    pub fn path(&self, key: &ObjectKey) -> BlobPath {
        self.place.path(key)
    }

    /// Its id; none while no gateway has written there.
    pub(in crate::ops) fn id(&self) -> Option<&BucketId> {
        self.place.known.facts.as_ref().map(|facts| &facts.id)
    }

    /// One of its documents, as it was within the time to live.
    pub(in crate::ops) fn document<D: Document>(&self) -> Result<Option<Arc<D>>, Error> {
        self.place.documents.get()
    }

    /// Does its container say that there may be documents?
    pub(in crate::ops) fn has_documents(&self) -> bool {
        self.place.known.facts.as_ref().is_some_and(|facts| facts.has_documents)
    }

    /// Where its documents are kept; nowhere while it has no id.
    pub(in crate::ops) fn documents_record(&self) -> Option<BlobPath> {
        self.id().map(|id| self.documents_record_under(id))
    }

    /// The same, of a bucket of that id.
    pub(in crate::ops) fn documents_record_under(&self, id: &BucketId) -> BlobPath {
        self.place.location.documents_record(id)
    }

    /// Where its uploads are filed; nowhere while it has no id.
    pub(in crate::ops) fn files(&self) -> Option<Files> {
        self.id().map(|id| self.files_under(id))
    }

    /// The same, of a bucket of that id.
    pub(in crate::ops) fn files_under(&self, id: &BucketId) -> Files {
        self.place.files(id)
    }

    /// The walk to a page of its keys.
    pub(in crate::ops) fn walk(&self, asked: &Asked, after: Option<String>) -> WalkInput {
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
