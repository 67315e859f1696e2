//! Azure's own tools beside the gateway: what they wrote is readable, what we wrote they read.
//!
//! The tools are the official client (`azure_storage_blob`, which needs a container SAS here: it knows
//! no account key) and requests in Azure's words that a test signs itself.

use crate::harness::azure::Azure;

/// Makes a container as an Azure tool does.
pub(crate) async fn create_container(name: &str) {
    Azure::default().create_container(name).await;
}
