//! Uploads in parts, as blobs of the system container.
//!
//! | what | name | what it says |
//! |---|---|---|
//! | the record of an upload | `up/<bucket>/u/<key>!<upload>` | headers and metadata: what came with Create |
//! | a part | `up/<bucket>/p/<upload>/00001` | its bytes; ETag and checksum as of an object |
//! | the outcome of an upload | `up/<bucket>/o/<upload>` | who ends it, and what a Complete has answered |
//! | a long ACL, long tags | `up/<bucket>/a/<id>` | see [`super::annex`] |
//!
//! An upload is open while its record is there. Who ends it, Complete or Abort, first makes the
//! outcome, which only one can; then the record goes, and the outcome stays for a day, so that a
//! Complete that is sent again finds its answer.
//!
//! The blocks of an object that was made of parts are named by [`PartBlock`]s, so that its block
//! list tells of which parts it is.

mod block;
mod names;
mod outcome;
mod plan;
mod record;

pub use block::{NONCE_BYTES, PartBlock, parts_of};
pub use names::{Files, Listed, UploadId};
pub use outcome::{End, Outcome};
pub use plan::{Claimed, Part, Plan, Wanted};
pub use record::{PartsChecksum, Record};
