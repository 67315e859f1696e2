//! What a server is started with, and what can be changed while it runs.

use std::time::Duration;

/// The account that Azurite has too, so that one can stand in for the other.
pub const ACCOUNT: &str = "devstoreaccount1";

/// Its key, which Microsoft publishes.
pub const ACCOUNT_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// How a server is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// The account's name.
    pub account: String,
    /// The account's key, base64.
    pub key: String,
    /// Whether requests have to prove who they are.
    pub auth: Auth,
    /// A token that is accepted as Entra's, for requests and for sources of copies.
    pub bearer: Option<String>,
    /// How many threads answer.
    pub threads: usize,
    /// Bodies longer than this are hashed and counted, not kept: *lengths only*. What is read of them
    /// is [`crate::byte_at`].
    pub keep_bytes_max: u64,
    /// Whether MD5s are computed.
    pub digests: Digests,
    /// What can be changed later.
    pub behaviour: Behaviour,
}

/// Above this, *lengths only* keeps no bytes: records and small objects stay what they were.
pub const LENGTHS_ONLY_FROM: u64 = 64 * 1024;

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            account: ACCOUNT.to_owned(),
            key: ACCOUNT_KEY.to_owned(),
            auth: Auth::Check,
            bearer: None,
            threads: 1,
            keep_bytes_max: u64::MAX,
            digests: Digests::Real,
            behaviour: Behaviour::default(),
        }
    }
}

impl Options {
    /// Keeps no bytes of bodies above [`LENGTHS_ONLY_FROM`].
    #[must_use]
    pub fn lengths_only(self) -> Self {
        Self { keep_bytes_max: LENGTHS_ONLY_FROM, ..self }
    }
}

/// Whether requests have to prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Shared key, shared access signatures and the bearer token, as the service checks them.
    Check,
    /// Everybody may do everything: for benchmarks.
    Off,
}

/// Whether MD5s are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digests {
    /// As the service does.
    Real,
    /// An MD5 that was sent is believed, and where none was sent it is always the same: for benchmarks,
    /// where MD5 would be most of the work. CRC64 is real.
    FixedMd5,
}

/// How the service behaves; can be changed while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// What it can do.
    pub capabilities: Capabilities,
    /// How pages of listings come.
    pub pages: Pages,
    /// When a Copy Blob ends.
    pub copies: Copies,
    /// How long a deleted container's name is not free. The service takes 30 seconds and more.
    pub container_delete_time: Duration,
    /// How long every answer waits.
    pub delay: Duration,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            capabilities: Capabilities::default(),
            pages: Pages::default(),
            copies: Copies::AtOnce,
            container_delete_time: Duration::from_secs(30),
            delay: Duration::ZERO,
        }
    }
}

/// What the service can do; all of it by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that can be done or not")]
pub struct Capabilities {
    /// Put Blob From URL; Azurite answers 501.
    pub put_blob_from_url: bool,
    /// Put Block From URL; accounts behind a firewall answer 403.
    pub put_block_from_url: bool,
    /// Blob Batch.
    pub batch: bool,
    /// Put Blob with a CRC64 answers an MD5 too.
    pub answers_md5_beside_crc64: bool,
    /// And keeps it with the blob.
    pub keeps_md5_beside_crc64: bool,
    /// A wrong CRC64 is refused; Azurite takes it.
    pub checks_crc64: bool,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            put_blob_from_url: true,
            put_block_from_url: true,
            batch: true,
            answers_md5_beside_crc64: true,
            keeps_md5_beside_crc64: true,
            checks_crc64: true,
        }
    }
}

/// How pages of a listing of blobs come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pages {
    /// As full as was asked for.
    #[default]
    Full,
    /// At most so many entries each, whatever was asked for.
    Short(usize),
    /// At most so many entries each, and an empty page before every one that has any.
    Empty(usize),
}

/// When a Copy Blob ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copies {
    /// Before it is answered.
    AtOnce,
    /// When the test says so, or never.
    Pending,
}
