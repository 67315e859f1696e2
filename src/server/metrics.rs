//! What is counted, in Prometheus' form. Every label has a closed set of values: operations, statuses
//! and reasons that stand in the source, never a bucket, a key, a user or an address, so that no
//! stranger makes a series.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::azure;
use crate::ops::janitor::{self, Removed, Swept};
use crate::ops::lifecycle::{self, Done};
use crate::server::recent::{Fault, Recent};

/// Seconds; from a cached answer to a build of a large object.
const SECONDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0];

/// Bytes changed between us and Azure.
pub const TO_AZURE: &str = "to_azure";
/// An answer ended before its length.
pub const ANSWER_CUT: &str = "answer_cut";

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Operation {
    op: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Answered {
    op: &'static str,
    status: u32,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Asked {
    op: &'static str,
    /// `none` where Azure did not answer.
    status: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfAccount {
    /// Its name in the configuration, which strangers do not write.
    account: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

/// All counters; a clone counts into the same ones.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    requests: Family<Answered, Counter>,
    request_seconds: Family<Operation, Histogram>,
    first_byte_seconds: Family<Operation, Histogram>,
    in_flight: Gauge,
    shed: Family<Reason, Counter>,
    connections: Gauge,
    connections_cut: Family<Reason, Counter>,
    received_bytes: Counter,
    sent_bytes: Counter,
    held_bytes: Gauge<u64, AtomicU64>,
    held: OnceLock<Box<dyn Fn() -> u64 + Send + Sync>>,
    integrity_failures: Family<Reason, Counter>,
    auth_failures: Family<Reason, Counter>,
    azure_requests: Family<Asked, Counter>,
    azure_seconds: Family<Operation, Histogram>,
    azure_retries: Family<Operation, Counter>,
    azure_throttled: Counter,
    token_refreshes: Family<Outcome, Counter>,
    memory_bytes: Gauge<u64, AtomicU64>,
    uploads_open: Gauge<u64, AtomicU64>,
    accounts_up: Family<OfAccount, Gauge>,
    access_log_lost: Counter,
    start_time_seconds: Gauge,
    recent: Recent,
    reloads: Family<Outcome, Counter>,
    sweeps: Family<Outcome, Counter>,
    swept_blobs: Family<Kind, Counter>,
    lifecycles: Family<Outcome, Counter>,
    lifecycle_actions: Family<Kind, Counter>,
}

impl Metrics {
    /// All at nothing.
    pub fn new() -> Self {
        let seconds: fn() -> Histogram = || Histogram::new(SECONDS);
        let mut inner = Inner {
            registry: Registry::with_prefix("bluebucket"),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(seconds),
            first_byte_seconds: Family::new_with_constructor(seconds),
            in_flight: Gauge::default(),
            shed: Family::default(),
            connections: Gauge::default(),
            connections_cut: Family::default(),
            received_bytes: Counter::default(),
            sent_bytes: Counter::default(),
            held_bytes: Gauge::default(),
            held: OnceLock::new(),
            integrity_failures: Family::default(),
            auth_failures: Family::default(),
            azure_requests: Family::default(),
            azure_seconds: Family::new_with_constructor(seconds),
            azure_retries: Family::default(),
            azure_throttled: Counter::default(),
            token_refreshes: Family::default(),
            memory_bytes: Gauge::default(),
            uploads_open: Gauge::default(),
            accounts_up: Family::default(),
            access_log_lost: Counter::default(),
            start_time_seconds: Gauge::default(),
            recent: Recent::new(),
            reloads: Family::default(),
            sweeps: Family::default(),
            swept_blobs: Family::default(),
            lifecycles: Family::default(),
            lifecycle_actions: Family::default(),
        };
        inner.begin_at_nothing();
        inner.register_our_side();
        inner.register_the_inside();
        inner.register_the_state();
        Self(Arc::new(inner))
    }

    /// A request was answered.
    pub fn request(&self, op: &'static str, status: u16, elapsed: Duration) {
        self.0.recent.request(status, elapsed);
        self.0.requests.get_or_create(&Answered { op, status: status.into() }).inc();
        self.0.request_seconds.get_or_create(&Operation { op }).observe(elapsed.as_secs_f64());
    }

    /// The answer to a request begins.
    pub fn first_byte(&self, op: &'static str, elapsed: Duration) {
        self.0.first_byte_seconds.get_or_create(&Operation { op }).observe(elapsed.as_secs_f64());
    }

    /// A request ended badly, by no fault of its client.
    pub fn fault(&self, fault: &Fault) {
        self.0.recent.fault(fault);
    }

    /// The last minutes.
    pub fn recent(&self) -> &Recent {
        &self.0.recent
    }

    /// When the process began, in seconds since 1970, and what its objects may take in memory.
    pub fn begun(&self, start_time_seconds: i64, memory_bytes: u64) {
        self.0.start_time_seconds.set(start_time_seconds);
        self.0.memory_bytes.set(memory_bytes);
    }

    /// Whether each account answers; those that are not named are gone.
    pub fn accounts<'a>(&self, states: impl IntoIterator<Item = (&'a str, bool)>) {
        self.0.accounts_up.clear();
        for (account, up) in states {
            let account = OfAccount { account: account.to_owned() };
            self.0.accounts_up.get_or_create(&account).set(i64::from(up));
        }
    }

    /// How many uploads in parts are open.
    pub fn uploads_open(&self, count: u64) {
        self.0.uploads_open.set(count);
    }

    /// A line of the access log found no room.
    pub fn access_log_lost(&self) {
        self.0.access_log_lost.inc();
    }

    /// Bytes of objects held now, and what they may take.
    pub fn memory(&self) -> (u64, u64) {
        (self.0.held.get().map_or(0, |held| held()), self.0.memory_bytes.get())
    }

    /// A request has come; it counts as in flight until this is dropped.
    #[must_use]
    pub fn in_flight(&self) -> Open {
        Open::new(&self.0.in_flight)
    }

    /// A request was refused for want of room; `reason` is a word such as `in_flight`.
    pub fn shed(&self, reason: &'static str) {
        self.0.shed.get_or_create(&Reason { reason }).inc();
    }

    /// A connection was opened; it counts until this is dropped.
    #[must_use]
    pub fn connection(&self) -> Open {
        Open::new(&self.0.connections)
    }

    /// A connection was closed by us before its time; why, in a word.
    pub fn connection_cut(&self, reason: &'static str) {
        self.0.connections_cut.get_or_create(&Reason { reason }).inc();
    }

    /// Bytes came in on the S3 port.
    pub fn received(&self, bytes: usize) {
        self.0.received_bytes.inc_by(u64::try_from(bytes).unwrap_or_default());
    }

    /// Bytes went out on the S3 port.
    pub fn sent(&self, bytes: usize) {
        self.0.sent_bytes.inc_by(u64::try_from(bytes).unwrap_or_default());
    }

    /// Says where the bytes held are known; asked whenever the metrics are read. The first one stays.
    pub fn watch_held_bytes(&self, held: impl Fn() -> u64 + Send + Sync + 'static) {
        if self.0.held.set(Box::new(held)).is_err() {
            tracing::debug!("the bytes held are watched already");
        }
    }

    /// Bytes were not what they should be; where it was noticed, in a word. Every one is an alert.
    pub fn integrity_failure(&self, reason: &'static str) {
        self.0.integrity_failures.get_or_create(&Reason { reason }).inc();
    }

    /// A caller was not who it said; `reason` is the code on the wire.
    pub fn auth_failure(&self, reason: &'static str) {
        self.0.auth_failures.get_or_create(&Reason { reason }).inc();
    }

    /// The configuration was read again, `ok` or `failed`.
    pub(super) fn reload(&self, result: &'static str) {
        self.0.reloads.get_or_create(&Outcome { result }).inc();
    }

    /// What Prometheus reads.
    pub fn text(&self) -> Result<String, fmt::Error> {
        if let Some(held) = self.0.held.get() {
            self.0.held_bytes.set(held());
        }
        let mut out = String::new();
        text::encode(&mut out, &self.0.registry)?;
        Ok(out)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl azure::Observer for Metrics {
    fn request(&self, op: &'static str, status: Option<u16>, elapsed: Duration, attempt: u32) {
        // <https://learn.microsoft.com/azure/storage/blobs/scalability-targets>
        if matches!(status, Some(429 | 503)) {
            self.0.azure_throttled.inc();
        }
        let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        self.0.azure_requests.get_or_create(&Asked { op, status }).inc();
        self.0.azure_seconds.get_or_create(&Operation { op }).observe(elapsed.as_secs_f64());
        if attempt > 1 {
            self.0.azure_retries.get_or_create(&Operation { op }).inc();
        }
    }

    fn changed_on_the_way(&self, _: &'static str) {
        self.integrity_failure(TO_AZURE);
    }

    fn token(&self, fetched: bool) {
        let result = if fetched { OK } else { FAILED };
        self.0.token_refreshes.get_or_create(&Outcome { result }).inc();
    }
}

impl janitor::Observer for Metrics {
    fn removed(&self, what: Removed, count: u64) {
        let kind = match what {
            Removed::Upload => UPLOAD,
            Removed::Stray => STRAY,
            Removed::Outcome => OUTCOME,
        };
        self.0.swept_blobs.get_or_create(&Kind { kind }).inc_by(count);
    }

    fn swept(&self, how: Swept) {
        self.0.sweeps.get_or_create(&result(how)).inc();
    }
}

impl lifecycle::Observer for Metrics {
    fn done(&self, what: Done, count: u64) {
        let kind = match what {
            Done::Expired => EXPIRED,
            Done::Moved => MOVED,
            Done::GivenUp => UPLOAD,
        };
        self.0.lifecycle_actions.get_or_create(&Kind { kind }).inc_by(count);
    }

    fn worked(&self, how: Swept) {
        self.0.lifecycles.get_or_create(&result(how)).inc();
    }
}

fn result(how: Swept) -> Outcome {
    let result = match how {
        Swept::Done => OK,
        Swept::Elsewhere => "elsewhere",
        Swept::Failed => FAILED,
    };
    Outcome { result }
}

/// How a reload, a token or a sweep ended.
const OK: &str = "ok";
const FAILED: &str = "failed";

/// What janitor and lifecycles work on.
const UPLOAD: &str = "upload";
const STRAY: &str = "stray";
const OUTCOME: &str = "outcome";
const EXPIRED: &str = "expired";
const MOVED: &str = "moved";

impl Inner {
    /// What an alert asks about is there before it first happens: the step from no series to 1 is none.
    fn begin_at_nothing(&self) {
        for result in [OK, FAILED] {
            drop(self.reloads.get_or_create(&Outcome { result }));
            drop(self.token_refreshes.get_or_create(&Outcome { result }));
            drop(self.sweeps.get_or_create(&Outcome { result }));
            drop(self.lifecycles.get_or_create(&Outcome { result }));
        }
        for kind in [UPLOAD, STRAY, OUTCOME] {
            drop(self.swept_blobs.get_or_create(&Kind { kind }));
        }
        for kind in [EXPIRED, MOVED, UPLOAD] {
            drop(self.lifecycle_actions.get_or_create(&Kind { kind }));
        }
        for reason in ["in_flight", "in_flight_of_user", "connections"] {
            drop(self.shed.get_or_create(&Reason { reason }));
        }
        for reason in [TO_AZURE, ANSWER_CUT] {
            drop(self.integrity_failures.get_or_create(&Reason { reason }));
        }
    }

    fn register_our_side(&mut self) {
        let registry = &mut self.registry;
        let build = Info::new(Build { version: env!("CARGO_PKG_VERSION") });
        registry.register("build", "The version that runs", build);
        registry.register("requests", "Requests answered", self.requests.clone());
        let seconds = self.request_seconds.clone();
        registry.register("request_seconds", "From the head to the end of the answer", seconds);
        let first = self.first_byte_seconds.clone();
        registry.register("first_byte_seconds", "From the head to the answer's head", first);
        registry.register("requests_in_flight", "Requests open", self.in_flight.clone());
        registry.register("shed", "Requests and connections without room", self.shed.clone());
        registry.register("connections", "Connections of the S3 port", self.connections.clone());
        let cut = self.connections_cut.clone();
        registry.register("connections_cut", "Connections that we gave up", cut);
        registry.register("received_bytes", "Bytes of the S3 port", self.received_bytes.clone());
        registry.register("sent_bytes", "Bytes of the S3 port", self.sent_bytes.clone());
    }

    fn register_the_inside(&mut self) {
        let registry = &mut self.registry;
        registry.register("held_bytes", "Object bytes held in memory", self.held_bytes.clone());
        let integrity = self.integrity_failures.clone();
        registry.register("integrity_failures", "Bytes that were not what they should", integrity);
        let auth = self.auth_failures.clone();
        registry.register("auth_failures", "Callers who were not let in", auth);
        let azure_requests = self.azure_requests.clone();
        registry.register("azure_requests", "Requests to Azure, retries included", azure_requests);
        let azure_seconds = self.azure_seconds.clone();
        registry.register(
            "azure_request_seconds",
            "Until the head of Azure's answer",
            azure_seconds,
        );
        registry.register("azure_retries", "Requests sent again", self.azure_retries.clone());
        registry.register("reloads", "Configurations read again", self.reloads.clone());
        registry.register("sweeps", "Searches for what uploads left", self.sweeps.clone());
        registry.register("swept", "What was found and removed", self.swept_blobs.clone());
        registry.register(
            "lifecycles",
            "Looks at what is due by lifecycles",
            self.lifecycles.clone(),
        );
        let actions = self.lifecycle_actions.clone();
        registry.register("lifecycle_actions", "What lifecycles did", actions);
    }

    fn register_the_state(&mut self) {
        let registry = &mut self.registry;
        let throttled = self.azure_throttled.clone();
        registry.register("azure_throttled", "Azure's answers 503 and 429", throttled);
        let tokens = self.token_refreshes.clone();
        registry.register("token_refreshes", "Tokens of Entra ID asked for", tokens);
        let memory = self.memory_bytes.clone();
        registry.register("memory_bytes", "Object bytes that may be held", memory);
        let uploads = self.uploads_open.clone();
        registry.register("uploads_open", "Uploads in parts, as last counted", uploads);
        registry.register("account_up", "Whether an account answers", self.accounts_up.clone());
        let lost = self.access_log_lost.clone();
        registry.register("access_log_lost_lines", "Lines that found no room", lost);
        let start = self.start_time_seconds.clone();
        registry.register("start_time_seconds", "When the process began, since 1970", start);
    }
}

/// Something that is open and counts until it is dropped.
#[derive(Debug)]
pub struct Open(Gauge);

impl Open {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_can_be_read() {
        let metrics = Metrics::new();
        metrics.request("PutObject", 200, Duration::from_millis(3));
        metrics.shed("in_flight");
        metrics.watch_held_bytes(|| 42);
        azure::Observer::request(&metrics, "put_block", None, Duration::ZERO, 2);
        let open = metrics.in_flight();
        let text = metrics.text().unwrap();
        for line in [
            "bluebucket_requests_total{op=\"PutObject\",status=\"200\"} 1",
            "bluebucket_shed_total{reason=\"in_flight\"} 1",
            "bluebucket_held_bytes 42",
            "bluebucket_azure_requests_total{op=\"put_block\",status=\"none\"} 1",
            "bluebucket_azure_retries_total{op=\"put_block\"} 1",
            "bluebucket_requests_in_flight 1",
            "bluebucket_build_info{version=",
        ] {
            assert!(text.contains(line), "{line} is not in:\n{text}");
        }
        drop(open);
        assert!(metrics.text().unwrap().contains("bluebucket_requests_in_flight 0"));
    }
}
