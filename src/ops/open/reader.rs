//! An object that somebody wants to read, and that may have to say itself whether it may be read.

use std::sync::Arc;

use crate::access::{Action, Caller, Grant, Guess, Outcome, Resource};
use crate::azure::{BlobError, BlobRead, Kind, Properties, ReadOptions};
use crate::mapping::errors;
use crate::mapping::metadata::ObjectFacts;
use crate::ops::gateway::{Gateway, Request};
use crate::ops::open::place::{Bucket, Place, Unseen};
use crate::s3::names::ObjectKey;
use crate::s3::{Code, Error};

/// An object that the caller may read, or that has to say so itself: there is no way past it to the
/// bytes.
#[derive(Debug)]
pub(in crate::ops) struct Reader {
    pub(super) place: Arc<Place>,
    caller: Caller,
    action: Action,
    key: ObjectKey,
    outcome: Outcome,
}

impl Reader {
    /// Of an object that a request wants to read, if that is not refused already.
    pub(super) fn of(
        request: &Request,
        place: Place,
        action: Action,
        key: &ObjectKey,
    ) -> Result<Self, Error> {
        let outcome = place.ask(&request.caller, action, Resource::Object(&place.name, key))?;
        let (place, caller) = (Arc::new(place), request.caller.clone());
        Ok(Self { place, caller, action, key: key.clone(), outcome })
    }

    /// Its key.
    pub(in crate::ops) fn key(&self) -> &ObjectKey {
        &self.key
    }

    /// What it is.
    pub(in crate::ops) async fn look(
        &self,
        gateway: &Gateway,
    ) -> Result<(Bucket, Properties), Error> {
        match self.found().await {
            Ok(found) => Ok(found),
            Err(Unseen::Refused(error)) => Err(error),
            Err(Unseen::Azure(error)) => Err(self.explain(gateway, error).await),
        }
    }

    async fn found(&self) -> Result<(Bucket, Properties), Unseen> {
        let properties = self.place.properties(&self.key).await?;
        let grant = self.granted(&properties)?;
        Ok((self.bucket(grant), properties))
    }

    /// The permission, which is the object's own to give where the bucket has not said enough.
    fn granted(&self, found: &Properties) -> Result<Grant, Error> {
        match &self.outcome {
            Outcome::Granted(grant) => Ok(grant.clone()),
            Outcome::Depends(_) => {
                let facts = ObjectFacts::read(found);
                self.place.settle(&self.caller, self.action, &self.key, &facts)
            }
        }
    }

    /// The bucket, if the object says that the caller may do this to it.
    pub(super) async fn permit(&self, gateway: &Gateway) -> Result<Bucket, Error> {
        match self.place.look(&self.caller, self.action, &self.key).await {
            Ok((grant, _)) => Ok(self.bucket(grant)),
            Err(Unseen::Refused(error)) => Err(error),
            Err(Unseen::Azure(error)) => {
                let absent = error.kind() == Kind::NoSuchBlob;
                match self.place.settle_absent(&self.caller, self.action, &self.key) {
                    Ok(grant) if absent => Ok(self.bucket(grant)),
                    _ => Err(self.explain(gateway, error).await),
                }
            }
        }
    }

    /// May the caller do this as well to what it has looked at?
    pub(in crate::ops) fn also(&self, action: Action, found: &Properties) -> Result<(), Error> {
        let facts = ObjectFacts::read(found);
        let versioned = self.action == Action::GetObjectVersion;
        let action = if versioned { action.of_version() } else { action };
        self.place.settle(&self.caller, action, &self.key, &facts).map(|_granted| ())
    }

    /// Its bytes. Where it is likely that they may be read, they are asked for at once, and it is
    /// judged by the head of the answer; else it is looked at first.
    pub(in crate::ops) async fn read(
        &self,
        options: &ReadOptions,
    ) -> Result<(Bucket, BlobRead), Unseen> {
        let mut options = options.clone();
        if self.outcome == Outcome::Depends(Guess::Unlikely)
            && options.conditions.if_match.is_none()
        {
            let (_granted, found) = self.place.look(&self.caller, self.action, &self.key).await?;
            options.conditions.if_match = Some(found.etag);
        }
        let found = self.place.read(&self.key, &options).await?;
        let grant = self.granted(&found.properties)?;
        Ok((self.bucket(grant), found))
    }

    fn bucket(&self, grant: Grant) -> Bucket {
        Bucket::granted(grant, Arc::clone(&self.place))
    }

    /// What a failure at Azure means to the client. That there is no such key is told to those who
    /// may list it; to others it is as if it were there and not theirs.
    pub(in crate::ops) async fn explain(&self, gateway: &Gateway, error: BlobError) -> Error {
        if error.kind() == Kind::NoSuchBlob && !self.place.may_miss(&self.caller, &self.key) {
            return Error::new(Code::AccessDenied);
        }
        gateway.notice(&self.place.location, &error).await;
        errors::on_object(error, &self.place.name, &self.key)
    }
}
