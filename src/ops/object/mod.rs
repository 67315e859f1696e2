//! Objects: written, read, copied, deleted.

pub(super) mod acl;
mod ahead;
pub(super) mod attributes;
pub(super) mod carry;
pub(super) mod conditions;
pub(super) mod copy;
pub(super) mod delete;
pub(super) mod delete_many;
pub(super) mod expiry;
mod fetch;
pub(super) mod get;
pub(super) mod headers;
pub(super) mod parts;
pub(super) mod post;
pub(super) mod put;
pub(super) mod restore;
pub(super) mod resume;
pub(super) mod tags;
pub(super) mod together;
pub(super) mod transfer;
pub(super) mod write;
