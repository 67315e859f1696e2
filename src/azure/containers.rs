//! Containers: made, looked at, leased, deleted, listed.

use http::Method;
use time::OffsetDateTime;

use super::call::{Call, Effect};
use super::error::BlobError;
use super::names::{AzureETag, ContainerName, LeaseId};
use super::properties::{ContainerProperties, Metadata};
use super::store::BlobStore;
use super::{documents, headers};

/// Which containers are listed.
#[derive(Clone, Debug, Default)]
pub struct ListContainers {
    /// Those whose names begin so.
    pub prefix: Option<String>,
    /// Where the page before ended.
    pub marker: Option<String>,
    /// At most so many; Azure's 5,000 without.
    pub max_results: Option<u32>,
    /// With their metadata.
    pub include_metadata: bool,
}

/// A page of containers, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerPage {
    /// Those on it.
    pub containers: Vec<ContainerEntry>,
    /// Where the next page begins, if there is one.
    pub next_marker: Option<String>,
}

/// A container in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerEntry {
    /// Its name.
    pub name: ContainerName,
    /// The last change of its metadata.
    pub last_modified: OffsetDateTime,
    /// Its ETag.
    pub etag: AzureETag,
    /// Its metadata, if asked for.
    pub metadata: Metadata,
}

impl BlobStore {
    /// Makes a container that nobody but us can read.
    pub async fn create_container(
        &self,
        name: &ContainerName,
        metadata: &Metadata,
    ) -> Result<ContainerProperties, BlobError> {
        let mut call = Call::on_container("CreateContainer", Method::PUT, name, Effect::Seen);
        headers::put_metadata(&mut call.headers, metadata)?;
        ContainerProperties::from_headers(self.send(call).await?.headers())
    }

    /// What Azure says of a container.
    pub async fn container(&self, name: &ContainerName) -> Result<ContainerProperties, BlobError> {
        let call = Call::on_container("GetContainerProperties", Method::HEAD, name, Effect::None);
        ContainerProperties::from_headers(self.send(call).await?.headers())
    }

    /// Replaces all metadata of the container. Azure has no condition on the ETag here: who must not
    /// lose another's change takes a lease, reads, and writes under it.
    pub async fn set_container_metadata(
        &self,
        name: &ContainerName,
        metadata: &Metadata,
        lease: Option<&LeaseId>,
    ) -> Result<ContainerProperties, BlobError> {
        let mut call = Call::on_container("SetContainerMetadata", Method::PUT, name, Effect::Seen);
        call.query("comp", "metadata");
        headers::put_metadata(&mut call.headers, metadata)?;
        headers::put_some(&mut call.headers, "x-ms-lease-id", lease.map(LeaseId::as_str))?;
        ContainerProperties::from_headers(self.send(call).await?.headers())
    }

    /// Leases the container for 15 to 60 seconds.
    pub async fn lease_container(
        &self,
        name: &ContainerName,
        seconds: u32,
    ) -> Result<LeaseId, BlobError> {
        let mut call = Call::on_container("LeaseContainer", Method::PUT, name, Effect::Seen);
        call.query("comp", "lease");
        call.header("x-ms-lease-action", "acquire")?;
        call.header("x-ms-lease-duration", &seconds.to_string())?;
        let answer = self.send(call).await?;
        headers::owned(answer.headers(), "x-ms-lease-id")
            .map(LeaseId::new)
            .ok_or_else(|| BlobError::broken("no id of the lease").but_done())
    }

    /// Gives a lease back.
    pub async fn release_container(
        &self,
        name: &ContainerName,
        lease: &LeaseId,
    ) -> Result<(), BlobError> {
        let mut call = Call::on_container("ReleaseContainer", Method::PUT, name, Effect::Seen);
        call.query("comp", "lease");
        call.header("x-ms-lease-action", "release")?;
        call.header("x-ms-lease-id", lease.as_str())?;
        self.send(call).await.map(|_| ())
    }

    /// Deletes the container with all that is in it: Azure knows no "if empty".
    pub async fn delete_container(
        &self,
        name: &ContainerName,
        lease: Option<&LeaseId>,
    ) -> Result<(), BlobError> {
        let mut call = Call::on_container("DeleteContainer", Method::DELETE, name, Effect::Seen);
        headers::put_some(&mut call.headers, "x-ms-lease-id", lease.map(LeaseId::as_str))?;
        self.send(call).await.map(|_| ())
    }

    /// One page of the account's containers.
    pub async fn list_containers(
        &self,
        which: &ListContainers,
    ) -> Result<ContainerPage, BlobError> {
        let mut call = Call::on_account("ListContainers", Method::GET, Effect::None);
        call.query("comp", "list");
        call.query_some("prefix", which.prefix.as_deref());
        call.query_some("marker", which.marker.as_deref());
        call.query_some("maxresults", which.max_results.map(|max| max.to_string()).as_deref());
        call.query_some("include", which.include_metadata.then_some("metadata"));
        documents::read_containers(self.document(call).await?.body())
    }
}
