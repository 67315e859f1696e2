//! An upload that somebody wants to look at or to end: whoever began it may.

use std::sync::Arc;

use crate::access::{self, Action, Outcome, Question, Resource, Thing};
use crate::azure::{BlobPath, Conditions, Kind};
use crate::mapping::errors;
use crate::mapping::uploads::{Record, UploadId};
use crate::ops::gateway::{Gateway, Request};
use crate::ops::open::place::{Bucket, Place};
use crate::ops::open::{Freshness, check_owner, target_object};
use crate::s3::names::ObjectKey;
use crate::s3::{Error, headers};

impl Gateway {
    /// The bucket and the key that a request is aimed at, for what it does to an upload there. The
    /// record of the upload is asked for only where nothing else allows it.
    pub(in crate::ops) async fn open_upload(
        &self,
        request: &Request,
        action: Action,
        upload: Option<&UploadId>,
    ) -> Result<(Bucket, ObjectKey), Error> {
        let (name, key) = target_object(request)?;
        let place = self.place(request, name, Freshness::Cached).await?;
        let resource = Resource::Object(name, key);
        let grant = match place.ask(&request.caller, action, resource)? {
            Outcome::Granted(grant) => grant,
            Outcome::Depends(_) => {
                let initiator = match upload {
                    Some(upload) => place.initiator(key, upload).await?,
                    None => None,
                };
                let question = Question { caller: &request.caller, action, resource };
                let thing = Thing { initiator: initiator.as_deref(), ..Thing::default() };
                access::settle(&question, &place.standing(), &thing)?
            }
        };
        let bucket = Bucket::granted(grant, Arc::new(place));
        check_owner(request, &headers::EXPECTED_BUCKET_OWNER, &bucket.place)?;
        Ok((bucket, key.clone()))
    }
}

impl Place {
    /// Who began an upload to `key`; nobody where it is not open.
    async fn initiator(&self, key: &ObjectKey, upload: &UploadId) -> Result<Option<String>, Error> {
        let Some(facts) = &self.known.facts else { return Ok(None) };
        let files = self.files(&facts.id);
        let system = self.location.account.system.clone();
        let path = BlobPath::new(system, files.record(key, upload));
        match self.store.properties(&path, &Conditions::default()).await {
            Ok(found) => {
                let record = Record::read(&found).filter(|record| record.key == *key);
                Ok(record.and_then(|record| record.initiator))
            }
            Err(error) if matches!(error.kind(), Kind::NoSuchBlob | Kind::NoSuchContainer) => {
                Ok(None)
            }
            Err(error) => Err(errors::on_service(error)),
        }
    }
}
