//! The protocol: S3 as it is on the wire. Knows no Azure, does no input or output of its own.

pub mod auth;
pub mod body;
pub mod checksum;
pub mod error;
pub mod names;
pub mod payload;

pub use error::{Code, Error};
