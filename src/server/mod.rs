//! The shell: a process that listens.

pub mod azurite;
pub mod config;
pub mod connection;
pub mod guarded;
mod head;
pub mod metrics;
pub mod tls;
