//! The one test binary: every test speaks to a gateway as its clients do, over HTTP.
#![allow(
    clippy::allow_attributes,
    clippy::excessive_nesting,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::similar_names,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and a table of cases is a loop in a loop"
)]

mod auth;
mod buckets;
mod clients;
mod copy;
mod entra;
mod errors;
mod faults;
mod harness;
mod image;
mod keys;
mod listing;
mod metadata;
mod multidelete;
mod multipart;
mod multipart_strict;
mod native;
mod objects;
mod presigned;
mod process;
mod replicas;
mod requests;
mod streaming;
mod strict;
mod tidy;
