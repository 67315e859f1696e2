//! The rules, asked for through the port as any client does.
#![allow(
    clippy::allow_attributes,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod blocks;
mod client;
mod containers;
mod copies;
mod faults;
mod listing;
mod reads;
mod writes;
