//! How the door behaves on the wire: deadlines, retries, connections; and what it tells of it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use time::OffsetDateTime;

/// Deadlines, retries and connections. The defaults are for a data centre near by.
#[derive(Clone, Debug)]
pub struct WireSettings {
    /// TCP and TLS together.
    pub connect_deadline: Duration,
    /// From the last byte that Azure took to the first of its answer. Longer than the 30 seconds that
    /// Azure gives itself for small requests.
    pub answer_deadline: Duration,
    /// The same for requests without a body, which have sent all that they will at once.
    pub question_deadline: Duration,
    /// The same for copies from a URL, which Azure answers when the bytes have been moved.
    pub copy_deadline: Duration,
    /// Between two pieces of an answer's body.
    pub idle_deadline: Duration,
    /// How long an unused connection is kept; Azure closes them after some minutes.
    pub pool_idle: Duration,
    /// How many unused connections are kept, by each thread.
    pub pool_size: usize,
    /// How often and when something is asked again.
    pub retry: RetrySettings,
    /// A PEM file of certificates to trust besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// The HTTP proxy that https goes through, as `http://host:port`; none, directly.
    pub proxy: Option<http::Uri>,
    /// What we call ourselves.
    pub user_agent: String,
    /// The time that requests are signed with.
    pub clock: Clock,
    /// Whether an Entra token may go over plain HTTP to a loopback address: for tests.
    pub token_over_loopback_http: bool,
}

impl Default for WireSettings {
    fn default() -> Self {
        Self {
            connect_deadline: Duration::from_secs(10),
            answer_deadline: Duration::from_mins(1),
            question_deadline: Duration::from_secs(35),
            copy_deadline: Duration::from_mins(5),
            idle_deadline: Duration::from_mins(1),
            pool_idle: Duration::from_mins(1),
            pool_size: 512,
            retry: RetrySettings::default(),
            ca_file: None,
            proxy: None,
            user_agent: concat!("bluebucket/", env!("CARGO_PKG_VERSION")).to_owned(),
            clock: Clock::default(),
            token_over_loopback_http: false,
        }
    }
}

/// How often and when something is asked again.
#[derive(Clone, Debug)]
pub struct RetrySettings {
    /// Attempts of one call, the first included.
    pub attempts: u32,
    /// The wait before the second attempt, about; it doubles.
    pub wait: Duration,
    /// No wait is longer. Where Azure asks for more (Retry-After), the call fails at once.
    pub wait_max: Duration,
    /// Retries as a share of all calls, in thousandths, over all calls of the account.
    pub share_per_mille: u32,
    /// Retries that are there before any call was made, and at most saved up.
    pub reserve: u32,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            attempts: 4,
            wait: Duration::from_millis(100),
            wait_max: Duration::from_secs(5),
            share_per_mille: 100,
            reserve: 100,
        }
    }
}

/// Where the time comes from: each attempt is signed with its own.
#[derive(Clone, Copy)]
pub struct Clock(fn() -> OffsetDateTime);

impl Clock {
    /// The clock that `now` reads.
    pub const fn new(now: fn() -> OffsetDateTime) -> Self {
        Self(now)
    }

    pub(super) fn now(self) -> OffsetDateTime {
        (self.0)()
    }
}

impl Default for Clock {
    fn default() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "an attempt is signed when it is sent, which may be long after its request came"
        )]
        Self(OffsetDateTime::now_utc)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// Told of every request that went to Azure.
pub trait Observer: Send + Sync {
    /// One attempt of `op` ended: with `status`, or without an answer. The first attempt is 1.
    fn request(&self, op: &'static str, status: Option<u16>, elapsed: Duration, attempt: u32);

    /// The bytes that `op` sent are not those that came to Azure: it says so, or its answer shows it.
    fn changed_on_the_way(&self, op: &'static str);

    /// A new token was asked for, and was had or not.
    fn token(&self, fetched: bool);
}
