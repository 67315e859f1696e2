//! What tests stand on: one Azurite for the process (with `BACKEND=strict` one strict Azure in its
//! place), gateways over it on free ports, a proxy that has bad days between the two, and clients that
//! can say every wrong thing.
//!
//! Each gateway has a system container of its own and each test names buckets of its own, so tests run
//! side by side over the one Azurite.

pub(crate) mod authority;
pub(crate) mod azure;
pub(crate) mod chunks;
pub(crate) mod client;
pub(crate) mod gateway;
pub(crate) mod http2;
pub(crate) mod program;
pub(crate) mod proxy;
pub(crate) mod signer;
pub(crate) mod stand;
pub(crate) mod wire;
pub(crate) mod xml;

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::OnceLock;

use bluebucket::server::azurite::{self, Azurite};
use strict_azure::StrictAzure;
use time::OffsetDateTime;

pub(crate) use chunks::Streaming;
pub(crate) use client::{Client, Payload, Request, path};
pub(crate) use gateway::Gateway;
pub(crate) use proxy::{Action, Gate, Proxy, Rule};
pub(crate) use wire::Answer;

/// When a test that waits for something is given up: long enough for the slowest machine.
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_mins(2);

/// The same for what installs something at its first run, on a loaded machine.
pub(crate) const INSTALL_PATIENCE: std::time::Duration = std::time::Duration::from_mins(15);

/// How often something that takes its time is asked about.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(50);

/// Asks again and again until it holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = now() + PATIENCE;
    while !holds().await {
        assert!(now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The clock of the tests.
#[expect(clippy::disallowed_methods, reason = "a client has a clock of its own")]
pub(crate) fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

/// A task that ends with the runtime of its test.
#[expect(clippy::disallowed_methods, reason = "a test's tasks end with its runtime")]
pub(crate) fn spawn<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::spawn(task)
}

/// One variable of the environment.
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::vars().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// The folder for what tests install once.
pub(crate) fn cache_folder() -> PathBuf {
    azurite::cache_folder(environment).expect("HOME or BLUEBUCKET_CACHE names a folder")
}

/// The Azurite of this process: started by whoever asks first, gone with the process.
pub(crate) fn azurite() -> &'static Azurite {
    static AZURITE: OnceLock<Azurite> = OnceLock::new();
    AZURITE.get_or_init(|| {
        let options = azurite::Options::in_memory(cache_folder());
        Azurite::start_blocking(&options).unwrap_or_else(|error| panic!("{error}"))
    })
}

/// Where it listens.
pub(crate) fn azurite_address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, azurite().port()))
}

/// The strict Azure of this process. It has Azurite's account and key.
pub(crate) fn strict() -> &'static StrictAzure {
    static STRICT: OnceLock<StrictAzure> = OnceLock::new();
    STRICT.get_or_init(|| strict_with(|_| {}))
}

/// A strict Azure of one's own: faults, time and counts are not shared. Deleted buckets' names are
/// free at once, unless the test wants it otherwise.
pub(crate) fn strict_with(change: impl FnOnce(&mut strict_azure::Options)) -> StrictAzure {
    let mut options = strict_azure::Options::default();
    options.behaviour.container_delete_time = std::time::Duration::ZERO;
    change(&mut options);
    StrictAzure::start(options).unwrap()
}

/// What this run's gateways stand on: Azurite, or strict Azure where `BACKEND=strict`.
fn is_strict() -> bool {
    static IS_STRICT: OnceLock<bool> = OnceLock::new();
    *IS_STRICT.get_or_init(|| environment("BACKEND").as_deref() == Some("strict"))
}

/// Where it listens.
pub(crate) fn backend_address() -> SocketAddr {
    if is_strict() { strict().address() } else { azurite_address() }
}

/// Its blob endpoint, account included.
pub(crate) fn backend_endpoint() -> String {
    if is_strict() { strict().endpoint() } else { azurite().blob_endpoint() }
}

/// A name that nobody else has: lower case, good for a bucket.
pub(crate) fn unique(start: &str) -> String {
    format!("{start}-{:012x}", fastrand::u64(..) & 0xffff_ffff_ffff)
}

/// The MD5 of bytes in hex, as an ETag has it.
pub(crate) fn md5_hex(bytes: &[u8]) -> String {
    use md5::Digest as _;
    data_encoding::HEXLOWER.encode(&md5::Md5::digest(bytes))
}

/// Bytes that no two places of repeat.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(length as u64);
    std::iter::repeat_with(|| random.u8(..)).take(length).collect()
}
