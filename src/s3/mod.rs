//! The protocol: S3 as it is on the wire. Knows no Azure, does no input or output of its own.

pub mod body;
pub mod error;
pub mod names;

pub use error::{Code, Error};
