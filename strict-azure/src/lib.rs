#![doc = include_str!("../RULES.md")]
#![expect(clippy::map_err_ignore, reason = "the service says a code, not a cause")]

mod answer;
mod ask;
mod auth;
mod clock;
mod collation;
mod conditions;
mod content;
mod faults;
mod handle;
mod lease;
mod marker;
mod metadata;
mod names;
mod operation;
mod ops;
mod options;
mod refusal;
mod sas;
mod server;
mod service;
mod staged;
mod state;
mod upload;
mod xml;

pub use content::byte_at;
pub use faults::{Action, Fault, Gate};
pub use handle::{Seed, StrictAzure};
pub use operation::Operation;
pub use options::{
    ACCOUNT, ACCOUNT_KEY, Auth, Behaviour, Capabilities, Copies, Digests, LENGTHS_ONLY_FROM,
    Options, Pages,
};
