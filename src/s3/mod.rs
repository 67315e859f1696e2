//! The protocol: S3 as it is on the wire. Knows no Azure, does no input or output of its own.

pub mod auth;
pub mod body;
pub mod checksum;
pub mod conditions;
pub mod cors;
pub mod encryption;
pub mod error;
pub mod form;
pub mod headers;
pub mod lifecycle;
pub mod names;
pub mod operation;
pub mod payload;
pub mod query;
pub mod tags;
pub mod target;
pub mod time;
pub mod xml;

pub use error::{Code, Error};
