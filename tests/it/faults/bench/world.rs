//! What the bench runs in: gateways as processes of their own, each behind a proxy of its own, all over
//! one backend; the clock of its histories; and how its clients ask.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::history::History;
use crate::harness::client::Prepared;
use crate::harness::program::{Bluebucket, CANARY, Serving};
use crate::harness::wire::Wire;
use crate::harness::{Answer, Client, Proxy, unique};

/// When an answer is given up. A Complete waits for one that died until its claim is stale, for minutes.
const PATIENCE: Duration = Duration::from_mins(5);

/// How many faults are told in full.
const FAULTS_TOLD_MAX: usize = 20;

/// A gateway that can be killed and started again, and its own way to the backend.
pub(in crate::faults) struct Slot {
    /// The proxy.
    pub(in crate::faults) proxy: Proxy,
    system: String,
    serving: Mutex<Serving>,
    address: Mutex<SocketAddr>,
}

impl Slot {
    /// One with these records over a backend.
    pub(in crate::faults) async fn start(backend: SocketAddr, system: &str) -> Self {
        let proxy = Proxy::start(backend).await;
        let serving = serve(&proxy, system).await;
        let address = Mutex::new(serving.s3);
        Self { proxy, system: system.to_owned(), serving: Mutex::new(serving), address }
    }

    /// SIGKILL, and nothing else.
    pub(in crate::faults) async fn kill(&self) {
        self.serving.lock().await.kill().await;
    }

    /// A new process in the place of the old one.
    pub(in crate::faults) async fn restart(&self) {
        let new = serve(&self.proxy, &self.system).await;
        *self.address.lock().await = new.s3;
        *self.serving.lock().await = new;
    }

    /// A client of it as it is now.
    pub(in crate::faults) async fn client(&self) -> Client {
        Client::of(*self.address.lock().await, "AKENVIRONMENT", CANARY)
    }
}

async fn serve(proxy: &Proxy, system: &str) -> Serving {
    // Little memory, so that bodies of some MiB go in blocks.
    let program = Bluebucket::new().over(&proxy.endpoint(), system).user().quiet();
    program.env("BLUEBUCKET_LIMITS_MEMORY_BYTES", "33554432").serve().await
}

/// All that the clients of one run share.
pub(super) struct World {
    /// The gateways.
    pub(super) slots: Vec<Slot>,
    /// The bucket.
    pub(super) bucket: String,
    /// What was asked of the keys that all write.
    pub(super) shared: Vec<(String, Mutex<History>)>,
    clock: AtomicU64,
}

impl World {
    /// So many gateways over a backend, and a bucket; all is well so far.
    pub(super) async fn start(backend: SocketAddr, gateways: usize, shared: usize) -> Arc<Self> {
        let system = unique("sys");
        let mut slots = Vec::new();
        for _ in 0..gateways {
            slots.push(Slot::start(backend, &system).await);
        }
        let bucket = unique("bench");
        let client = slots[0].client().await;
        client.put(&format!("/{bucket}")).ok().await;
        let shared = (0..shared).map(|number| (format!("shared/{number}"), Mutex::default()));
        let shared = shared.collect();
        Arc::new(Self { slots, bucket, shared, clock: AtomicU64::new(0) })
    }

    /// The next tick of the clock.
    pub(super) fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    /// All is well again.
    pub(super) async fn calm(&self) {
        for slot in &self.slots {
            slot.proxy.clear().await;
        }
    }
}

/// What became of a request, as far as its client can tell.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A success.
    Done(Answer),
    /// It was answered that it is not done, and why.
    Refused(u16, String),
    /// No answer, half an answer, or one of the 500s.
    Unknown(Option<Answer>),
}

impl Outcome {
    /// In a word or two.
    pub(super) fn word(&self) -> String {
        match self {
            Self::Done(_) => "done".to_owned(),
            Self::Refused(status, code) => format!("{status} {code}"),
            Self::Unknown(_) => "unknown".to_owned(),
        }
    }
}

/// The connections of one client.
#[derive(Default)]
pub(super) struct Lines {
    open: HashMap<SocketAddr, Wire>,
    /// The longest wait for an answer.
    pub(super) slowest: Duration,
}

impl Lines {
    /// Sends a request and takes whatever comes.
    pub(super) async fn send(&mut self, to: SocketAddr, request: &Prepared) -> Outcome {
        let Ok(mut wire) = self.wire(to).await else { return Outcome::Unknown(None) };
        let bytes = request.bytes();
        let begun = Instant::now();
        let answer = tokio::time::timeout(PATIENCE, wire.exchange(&bytes, &request.method)).await;
        self.slowest = self.slowest.max(begun.elapsed());
        let answer = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(cut)) => return Outcome::Unknown(cut.answer),
            Err(_late) => {
                panic!("no answer within {PATIENCE:?}: {} {}", request.method, request.target)
            }
        };
        if answer.header("connection") != Some("close") {
            self.open.insert(to, wire);
        }
        outcome(answer)
    }

    async fn wire(&mut self, to: SocketAddr) -> std::io::Result<Wire> {
        match self.open.remove(&to) {
            Some(wire) => Ok(wire),
            None => Wire::connect(to).await,
        }
    }
}

/// Reads an answer. Complete and Copy may say in the document that they failed after all.
fn outcome(answer: Answer) -> Outcome {
    let is_error = answer.status == 200 && answer.text().contains("<Error>");
    match answer.status {
        200..=299 if !is_error => Outcome::Done(answer),
        400..=499 => {
            let code = if answer.body.is_empty() { String::new() } else { answer.error() };
            Outcome::Refused(answer.status, code)
        }
        200 => {
            let code = answer.xml().at("Code").to_owned();
            let ours = matches!(&*code, "InternalError" | "SlowDown" | "ServiceUnavailable");
            if ours { Outcome::Unknown(None) } else { Outcome::Refused(200, code) }
        }
        500..=599 => Outcome::Unknown(None),
        other => panic!("{other}: {answer:?}"),
    }
}

/// What came of it all.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Done, refused, unknown, by what was asked.
    pub(super) asked: BTreeMap<&'static str, [u64; 3]>,
    /// What must not be.
    pub(super) faults: Vec<String>,
    /// How many of those there were.
    pub(super) faulty: u64,
    /// Writes without an answer that came after later ones with one.
    pub(super) late: u64,
    /// The longest wait for an answer.
    pub(super) slowest: Duration,
}

impl Tally {
    pub(super) fn count(&mut self, what: &'static str, outcome: &Outcome) {
        let column = match outcome {
            Outcome::Done(_) => 0,
            Outcome::Refused(..) => 1,
            Outcome::Unknown(_) => 2,
        };
        self.asked.entry(what).or_default()[column] += 1;
    }

    /// Something that must not be.
    pub(super) fn fault(&mut self, what: String) {
        self.faulty += 1;
        if self.faults.len() < FAULTS_TOLD_MAX {
            self.faults.push(what);
        }
    }

    /// Adds another one.
    pub(super) fn add(&mut self, other: Self) {
        for (what, columns) in other.asked {
            let own = self.asked.entry(what).or_default();
            own.iter_mut().zip(columns).for_each(|(own, more)| *own += more);
        }
        self.faults.extend(other.faults);
        self.faulty += other.faulty;
        self.late += other.late;
        self.slowest = self.slowest.max(other.slowest);
    }

    /// How many requests there were.
    pub(super) fn operations(&self) -> u64 {
        self.asked.values().flatten().sum()
    }

    /// How many of them were answered with a success.
    pub(super) fn done(&self) -> u64 {
        self.asked.values().map(|columns| columns[0]).sum()
    }
}
