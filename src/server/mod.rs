//! The shell: a process that listens.

pub mod azurite;
pub mod config;
pub mod tls;
