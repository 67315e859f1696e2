//! bluebucket: the S3 API in front of Azure Blob Storage.
//!
//! The rooms, and who may know whom (`tests/it/tidy.rs` holds it):
//!
//! ```text
//! main ─▶ server ─▶ ops ─▶ mapping ─▶ s3      speaks S3: bucket, object, key, part
//!            │       │        └─────▶ azure   speaks Azure: container, blob, block
//!            │       ├─────▶ access ─▶ s3      users, policies, one authorise function
//!            │       ├─────▶ s3, azure
//!            └───────┴── builds the stores, reads requests; nothing else
//! ```

pub mod access;
pub mod azure;
pub mod mapping;
pub mod ops;
pub mod s3;
pub mod server;
