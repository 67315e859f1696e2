//! Changes of what a container says of its bucket, made while no other gateway makes one.

use std::time::Duration;

use crate::azure::{BlobStore, ContainerName, Kind, LeaseId, Metadata};
use crate::mapping::bucket_facts::BucketFacts;
use crate::mapping::errors;
use crate::ops::bucket::create::new_id;
use crate::s3::{Code, Error};

/// How long a change of a container's metadata may take, in seconds; Azure's shortest lease.
const LEASE_SECONDS: u32 = 15;
/// How long to wait for a lease that another gateway has, give or take a half.
const LEASE_WAIT: Duration = Duration::from_millis(200);
/// How often: longer than the lease of one that was lost.
const LEASE_TRIES: u32 = 100;

/// The lease of a container, waited for while another gateway has it.
async fn lease(store: &BlobStore, container: &ContainerName) -> Result<LeaseId, Error> {
    let mut tries = 0;
    loop {
        match store.lease_container(container, LEASE_SECONDS).await {
            Ok(lease) => return Ok(lease),
            Err(error) if error.kind() == Kind::LeaseConflict && tries < LEASE_TRIES => {
                tries += 1;
                let wait = LEASE_WAIT.mul_f64(0.5 + fastrand::f64());
                tokio::time::sleep(wait).await;
            }
            Err(error) if error.kind() == Kind::LeaseConflict => {
                return Err(Error::new(Code::OperationAborted).caused_by(error));
            }
            Err(error) => return Err(errors::on_service(error)),
        }
    }
}

/// Changes a container's metadata while no other gateway does.
///
/// Azure knows no If-Match on Set Container Metadata; a lease keeps others of us out, and is given
/// back or runs out: <https://learn.microsoft.com/rest/api/storageservices/lease-container>.
pub(super) async fn with_container_lease(
    store: &BlobStore,
    container: &ContainerName,
    change: impl FnOnce(Metadata) -> Result<Metadata, Error>,
) -> Result<(), Error> {
    let lease = lease(store, container).await?;
    let changed = async {
        let now = store.container(container).await.map_err(errors::on_service)?;
        let metadata = change(now.metadata)?;
        store
            .set_container_metadata(container, &metadata, Some(&lease))
            .await
            .map_err(errors::on_service)
    }
    .await;
    if let Err(cause) = store.release_container(container, &lease).await {
        tracing::warn!(%cause, "a lease could not be given back; it runs out by itself");
    }
    changed.map(|_| ())
}

/// Changes the facts of a bucket, and says what they are then. One that an Azure tool made is given
/// an id.
pub(super) async fn change(
    store: &BlobStore,
    container: &ContainerName,
    change: impl FnOnce(&mut BucketFacts),
) -> Result<BucketFacts, Error> {
    let mut facts = BucketFacts::adopted(new_id()?);
    with_container_lease(store, container, |mut metadata| {
        let known = BucketFacts::read(&metadata)
            .map_err(|unreadable| Error::new(Code::InternalError).caused_by(unreadable))?;
        if let Some(known) = known {
            facts = known;
        }
        change(&mut facts);
        facts.write(&mut metadata);
        Ok(metadata)
    })
    .await?;
    Ok(facts)
}
