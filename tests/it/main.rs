//! The one test binary: every test speaks to a gateway as its clients do, over HTTP.
#![allow(
    clippy::allow_attributes,
    clippy::cloned_ref_to_slice_refs,
    clippy::cognitive_complexity,
    clippy::excessive_nesting,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::or_fun_call,
    clippy::panic,
    clippy::pedantic,
    clippy::string_slice,
    clippy::unwrap_used,
    clippy::use_self,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and is a table of cases rather than a piece of the product"
)]

mod access;
mod alias;
mod annex;
mod auth;
mod buckets;
mod check;
mod checksums;
mod clients;
mod copy;
mod copy_strict;
mod cors;
mod deadlines;
mod docs;
mod documents;
mod entra;
mod errors;
mod faults;
mod forms;
mod harness;
mod hosts;
mod http2;
mod image;
mod janitor;
mod keys;
mod lifecycle;
mod listing;
mod metadata;
mod multidelete;
mod multidelete_strict;
mod multipart;
mod multipart_strict;
mod native;
mod objects;
mod observed;
mod operate;
mod presigned;
mod pressure;
mod probes;
mod process;
mod proxies;
mod reading;
mod recipes;
mod reloads;
mod replicas;
mod requests;
mod rights;
mod status;
mod streaming;
mod strict;
mod tags;
mod tidy;
mod told;
mod traces;
