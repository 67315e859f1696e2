//! The shell: a process that listens.

pub mod azurite;
