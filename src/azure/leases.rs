//! The lease of a blob: who has it is the one of many that works.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/lease-blob>

use http::{HeaderMap, Method};
use time::OffsetDateTime;

use super::call::{Call, Effect};
use super::error::BlobError;
use super::names::{BlobPath, LeaseId};
use super::properties::Metadata;
use super::store::BlobStore;
use super::{dates, headers};

/// A lease that was given, or lasts on.
#[derive(Clone, Debug)]
pub struct BlobLease {
    /// What shows that it is ours.
    pub id: LeaseId,
    /// What time it was at Azure when it said so: the clock of every Last-Modified.
    pub at: OffsetDateTime,
}

impl BlobLease {
    fn read(from: &HeaderMap) -> Result<Self, BlobError> {
        let id = headers::owned(from, "x-ms-lease-id").map(LeaseId::new);
        let at = headers::text(from, "date").and_then(dates::parse);
        match (id, at) {
            (Some(id), Some(at)) => Ok(Self { id, at }),
            _ => Err(BlobError::broken("no id or no date of the lease").but_done()),
        }
    }
}

impl BlobStore {
    /// Leases the blob for 15 to 60 seconds.
    pub async fn lease_blob(&self, path: &BlobPath, seconds: u32) -> Result<BlobLease, BlobError> {
        let mut call = lease_call("LeaseBlob", path, "acquire")?;
        call.header("x-ms-lease-duration", &seconds.to_string())?;
        BlobLease::read(self.send(call).await?.headers())
    }

    /// The lease begins anew, as long as it is ours.
    pub async fn renew_blob(
        &self,
        path: &BlobPath,
        lease: &LeaseId,
    ) -> Result<BlobLease, BlobError> {
        let mut call = lease_call("RenewBlob", path, "renew")?;
        call.header("x-ms-lease-id", lease.as_str())?;
        BlobLease::read(self.send(call).await?.headers())
    }

    /// Gives a lease back.
    pub async fn release_blob(&self, path: &BlobPath, lease: &LeaseId) -> Result<(), BlobError> {
        let mut call = lease_call("ReleaseBlob", path, "release")?;
        call.header("x-ms-lease-id", lease.as_str())?;
        self.send(call).await.map(|_| ())
    }

    /// Replaces all metadata of a blob whose lease is ours; nobody else can.
    pub async fn set_metadata_of_leased(
        &self,
        path: &BlobPath,
        lease: &LeaseId,
        metadata: &Metadata,
    ) -> Result<(), BlobError> {
        let mut call = Call::on_blob("SetBlobMetadata", Method::PUT, path, Effect::None);
        call.query("comp", "metadata");
        headers::put_metadata(&mut call.headers, metadata)?;
        call.header("x-ms-lease-id", lease.as_str())?;
        self.send(call).await.map(|_| ())
    }
}

fn lease_call(op: &'static str, path: &BlobPath, action: &str) -> Result<Call, BlobError> {
    let mut call = Call::on_blob(op, Method::PUT, path, Effect::Seen);
    call.query("comp", "lease");
    call.header("x-ms-lease-action", action)?;
    Ok(call)
}
