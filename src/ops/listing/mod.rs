//! Listings of what is in a bucket.

pub(super) mod objects;
pub(super) mod versions;
