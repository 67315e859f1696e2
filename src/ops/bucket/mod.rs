//! Buckets: made, listed, deleted, and what they say of what nobody has configured.

pub(super) mod create;
pub(super) mod delete;
pub(super) mod list;
pub(super) mod probes;
