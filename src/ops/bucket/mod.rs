//! Buckets: made, listed, deleted, what they have been told, and what they say of what nobody
//! has configured.

pub(super) mod acl;
pub(super) mod configuration;
pub(super) mod cors;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod fixed;
pub(super) mod lifecycle;
pub(super) mod list;
pub(super) mod policy;
pub(super) mod probes;
pub(super) mod tags;
