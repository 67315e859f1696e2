//! `PutObject`: bytes in, checked as they flow, committed as a blob.

use http::{Response, StatusCode, header};

use crate::access::Action;
use crate::azure::{self, Kind, PutOptions};
use crate::mapping::metadata::{ChecksumKind, ObjectFacts};
use crate::mapping::storage_class::StorageClass;
use crate::ops::annex;
use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::ops::object::acl;
use crate::ops::object::carry;
use crate::ops::object::conditions;
use crate::ops::object::headers as object_headers;
use crate::ops::object::write::{self, Commit, Destination, Failure, Incoming};
use crate::ops::object::{expiry, tags};
use crate::ops::open::{Bucket, commit_id, now};
use crate::s3::body::{self, Body};
use crate::s3::conditions::Conditions;
use crate::s3::lifecycle::Subject;
use crate::s3::names::ObjectKey;
use crate::s3::payload::{Promised, Verified};
use crate::s3::{Error, headers};

pub(in crate::ops) async fn run(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let (bucket, key) = gateway.open_object(&request, Action::PutObject).await?;
    let (owner, acl) = acl::of_write(gateway, &bucket, &request)?;
    let Request { headers, body, payload, caller, .. } = request;
    let (blob_headers, facts) = object_headers::read(&headers)?;
    tags::may_bring(&bucket, &caller, &key, (&facts.tags, owner.as_deref()))?;
    let mut facts = ObjectFacts { owner, acl, ..facts };
    let tags = facts.tags.clone();
    let wanted = conditions::of_write(Conditions::read(&headers)?);
    let promised = Promised::read(&headers)?;
    gateway.make_room(&bucket, &key).await?;
    let path = bucket.path(&key);
    let pinned = conditions::pin(gateway, &bucket, &key, &wanted).await?;
    annex::keep(gateway, &bucket, &key, &mut facts, SPARE).await?;
    let destination = Destination {
        store: bucket.store().clone(),
        path,
        capabilities: bucket.account().capabilities().await,
    };
    let incoming = Incoming { body: body.into_inner(), payload, promised, headers: &headers };
    let plan = |verified: &Verified| {
        plan(
            PutOptions { headers: blob_headers, conditions: pinned, ..PutOptions::default() },
            facts,
            verified,
        )
    };
    let stored = match write::store(&destination, gateway.budget(), incoming, plan).await {
        Ok(stored) => stored,
        Err(failure) => {
            return Err(explain(gateway, &bucket, &key, &wanted, failure).await);
        }
    };
    let mut answer =
        Response::builder().status(StatusCode::OK).header(header::ETAG, stored.etag.quoted());
    let subject =
        Subject { key: key.as_str(), modified: now(), size: stored.verified.length(), tags: &tags };
    answer = expiry::announce(answer, gateway, &bucket, &subject);
    if let Some(checksum) = stored.verified.checksum() {
        answer = answer
            .header(checksum.algorithm().header(), checksum.base64())
            .header(headers::CHECKSUM_TYPE, ChecksumKind::FullObject.name());
    }
    answer.body(body::empty()).map_err(unanswerable)
}

/// Metadata that is left for what a body tells of itself, and for the ids of its commit, in bytes.
pub(in crate::ops) const SPARE: usize = 512;

/// What the commit carries, once the body is proved.
fn plan(
    mut options: PutOptions,
    mut facts: ObjectFacts,
    verified: &Verified,
) -> Result<Commit, Error> {
    let id = commit_id()?;
    facts.commit = Some(id);
    facts.checksum = carry::full_object(verified);
    options.tier = tier(facts.storage_class);
    options.metadata = facts.write(verified.length())?;
    Ok(Commit { id, options })
}

/// The tier to ask Azure for: none for the standard class, which is wherever the account puts it.
pub(in crate::ops) fn tier(class: StorageClass) -> Option<azure::Tier> {
    (class != StorageClass::Standard).then(|| class.tier())
}

/// What a client is told of a write that was not done.
pub(in crate::ops) async fn explain(
    gateway: &Gateway,
    bucket: &Bucket,
    key: &ObjectKey,
    wanted: &Conditions,
    failure: Failure,
) -> Error {
    match failure {
        Failure::Refused(error) => error,
        Failure::Azure(error)
            if matches!(error.kind(), Kind::ConditionNotMet | Kind::BlobExists)
                && !wanted.is_empty() =>
        {
            conditions::lost(bucket.store(), &bucket.path(key), key, wanted, error).await
        }
        Failure::Azure(error) => gateway.explain(bucket, key, error).await,
    }
}
