//! The door to Azure Blob Storage: all that the gateway ever asks of it, in Azure's words.
//!
//! It speaks Azure's wire itself, over hyper, and knows nothing of S3. No type of an Azure SDK but
//! `TokenCredential` leaves it.
//!
//! Invariants:
//! - A name goes out exactly as it is; the request's target is built as text.
//! - What changes something that others see is sent again only if Azure surely has not done it; where
//!   the answer was lost, the error says [`BlobError::maybe_applied`], and the caller looks.
//! - A body that is cut is an error, never an end.
//! - A secret neither prints nor goes over plain HTTP by a token.

mod account;
mod batch;
mod blobs;
mod blocks;
mod body;
mod call;
mod collation;
mod conditions;
mod connection_string;
mod containers;
mod content;
mod credential;
mod dates;
mod deadline;
mod documents;
mod encoding;
mod endpoint;
mod entra;
mod entra_http;
mod entra_kept;
mod error;
mod features;
mod headers;
mod leases;
mod listing;
mod names;
mod page;
mod per_runtime;
mod probe;
mod properties;
mod proxied;
mod retry;
mod sas;
mod settings;
mod signer;
mod source;
mod store;
mod tally;
mod transport;
mod wire;
mod xml;

#[cfg(test)]
mod scripted;

pub use account::{AccountInformation, CLOCK_SKEW_MAX};
pub use batch::BlobDeletion;
pub use blobs::{
    BlobRead, ByteRange, DeleteOptions, Priority, PutOptions, ReadOptions, Snapshots, Written,
};
pub use blocks::{BlockList, BlockRef, StagedBlock, WhichBlocks};
pub use body::BlobBody;
pub use conditions::{Conditions, IfNoneMatch};
pub use connection_string::{from_connection_string, shared_key};
pub use containers::{ContainerEntry, ContainerPage, ListContainers};
pub use content::{Content, Guard};
pub use credential::{Account, AccountKey, Credential, SasToken};
pub use entra::{EntraSettings, entra};
pub use error::{BlobError, Kind};
pub use features::{Immutability, ServiceProperties};
pub use leases::BlobLease;
pub use listing::{BlobEntry, BlobPage, Include, ListBlobs, ListEntry};
pub use names::{AzureETag, BlobName, BlobPath, BlockId, ContainerName, LeaseId};
pub use page::{Listed, ListedBlob, ListedProperties, ListingPage};
pub(crate) use per_runtime::PerRuntime;
pub use probe::Capabilities;
pub use properties::{BlobHeaders, BlobKind, ContainerProperties, Metadata, Properties, Tier};
pub use settings::{Clock, Observer, RetrySettings, WireSettings};
pub use source::Source;
pub use store::{BlobStore, SetupError};
pub use tally::{Attempt, Tally};
pub(crate) use transport::PACKET_BYTES;
pub use transport::{check_ca_file, client_tls};

/// The version of Azure's REST API that is spoken: the first that lists from a name on (`startFrom`).
pub const API_VERSION: &str = "2026-02-06";
