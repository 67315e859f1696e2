//! Uploads in parts. Each part is a blob of its own in the system container, so that nothing that is
//! done to the key meanwhile can touch it; Complete lets Azure build the object of them.
//!
//! Invariants:
//! - An upload is open while its record is there. Who ends it makes its outcome first, and only one can.
//! - Nothing is staged on the key's own name but by a Complete, and with ids that are its own.
//! - No replica knows anything of an upload that is not in Azure, but for seconds.

pub(super) mod abort;
mod alive;
mod assemble;
pub(super) mod cache;
pub(super) mod complete;
pub(super) mod create;
mod ends;
mod files;
mod found;
pub(super) mod list_parts;
pub(super) mod list_uploads;
pub(super) mod sweep;
pub(super) mod upload_part;
pub(super) mod upload_part_copy;
