//! Listings of what is in a bucket.

mod lines;
pub(super) mod objects;
pub(super) mod versions;
