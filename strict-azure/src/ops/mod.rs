//! The operations, by subject. Each takes a request that may do what it asks.

mod append;
mod batch;
mod block_list;
mod blocks;
mod change;
mod commit;
mod containers;
mod copy;
mod delete;
mod from_url;
mod lease;
mod list_blobs;
mod list_containers;
mod put_blob;
mod read;
