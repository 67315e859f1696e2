//! What a caller notices of others who are too many, who know no key, and who ask for ten times what one
//! caller may have: case C62, measured. The caller's latency alone is what the rest is compared with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::JoinSet;

use crate::Outcome;
use crate::load::{self, Until};
use crate::request::{Identity, Payload, Request, Signer};
use crate::subject::{Start, Subject};
use crate::wire::Wire;

/// What each answer of the stub waits: that of a storage account nearby.
const BACKEND_DELAY: Duration = Duration::from_millis(20);
/// Requests that the gateway takes at once.
const IN_FLIGHT: usize = 64;
/// Those of one user.
const IN_FLIGHT_PER_USER: usize = 24;
/// Connections of the caller who is watched.
const CALLER_CONNECTIONS: usize = 8;
/// Connections that were used once and then say nothing.
const IDLE_CONNECTIONS: usize = 10_000;
/// Requests a second with a signature that is wrong, and over how many connections.
const STRANGERS_PER_SECOND: u64 = 2_000;
const STRANGERS: u64 = 20;
/// What a client waits that is told to slow down.
const PAUSE: Duration = Duration::from_millis(100);
/// The most that the caller's latency at 99 % may grow by.
const GROWTH_MAX: f64 = 2.0;

/// What the crowd got.
#[derive(Debug, Default)]
struct Counts {
    done: AtomicU64,
    shed: AtomicU64,
    strangers: AtomicU64,
}

/// Everybody who besieges; they leave when it is dropped.
#[derive(Debug, Default)]
struct Crowd {
    tasks: JoinSet<Outcome>,
    idle: Vec<Wire>,
    counts: Arc<Counts>,
    over: Arc<AtomicBool>,
}

/// The table: one row a phase, each with more of the crowd.
pub(crate) async fn table(start: Start<'_>, time: Duration) -> Outcome<String> {
    let limits = [
        ("BLUEBUCKET_LIMITS_MAX_IN_FLIGHT", IN_FLIGHT),
        ("BLUEBUCKET_LIMITS_MAX_IN_FLIGHT_PER_USER", IN_FLIGHT_PER_USER),
        ("BLUEBUCKET_LIMITS_MAX_CONNECTIONS", IDLE_CONNECTIONS + 1_000),
    ];
    let subject = Subject::besieged(start, &limits).await?;
    let value = Bytes::from(vec![b'v'; 1024]);
    load::once(subject.address, &subject.object("PUT", "k", value, Payload::Signed)?).await?;
    start.stub.behave(|behaviour| behaviour.delay = BACKEND_DELAY);
    let mut crowd = Crowd::default();
    let mut text = "| beside | requests/s | p50 ms | p99 ms | × alone | crowd done/s | crowd 503/s | \
                    wrong 403/s | MiB |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n"
        .to_owned();
    let alone = crowd.row("nobody", &subject, time, None, &mut text).await?;
    crowd.idle(&subject).await?;
    let name = format!("{IDLE_CONNECTIONS} idle connections");
    let mut worst = crowd.row(&name, &subject, time, Some(alone), &mut text).await?;
    crowd.strangers(&subject)?;
    let name = format!("and {STRANGERS_PER_SECOND} wrong signatures a second");
    worst = worst.max(crowd.row(&name, &subject, time, Some(alone), &mut text).await?);
    crowd.insatiable(&subject)?;
    let name = format!("and a key with {} connections, its limit 10 times", IN_FLIGHT_PER_USER * 10);
    worst = worst.max(crowd.row(&name, &subject, time, Some(alone), &mut text).await?);
    crowd.leave().await?;
    start.stub.behave(|behaviour| behaviour.delay = Duration::ZERO);
    if worst > alone * GROWTH_MAX {
        return Err(format!("{text}\nthe caller's p99 grew from {alone} to {worst} ms").into());
    }
    Ok(text)
}

impl Crowd {
    /// Lets the caller ask beside the crowd; its latency at 99 %, in milliseconds.
    async fn row(
        &self,
        name: &str,
        subject: &Subject,
        time: Duration,
        alone: Option<f64>,
        text: &mut String,
    ) -> Outcome<f64> {
        use std::fmt::Write as _;
        let get = subject.object("GET", "k", Bytes::new(), Payload::Signed)?;
        let before = self.counts.all();
        // None of the caller's is refused: a load ends with an error then.
        let until = Until::Elapsed(time);
        let taken =
            load::run(subject.address, Arc::new(vec![get]), CALLER_CONNECTIONS, until).await?;
        let seconds = taken.elapsed.as_secs_f64();
        let after = self.counts.all();
        let [p50, p99] = [0.5, 0.99].map(|share| taken.percentile(share).as_secs_f64() * 1e3);
        let rates = [0, 1, 2].map(|which| rate(after[which] - before[which], seconds));
        let held = subject.program().ok_or("no program")?.memory()?.0 / 1024;
        writeln!(
            text,
            "| {name} | {:.0} | {p50:.1} | {p99:.1} | {:.2} | {:.0} | {:.0} | {:.0} | {held} |",
            rate(u64::try_from(taken.latencies.len())?, seconds),
            p99 / alone.unwrap_or(p99),
            rates[0],
            rates[1],
            rates[2],
        )?;
        Ok(p99)
    }

    async fn idle(&mut self, subject: &Subject) -> Outcome {
        let head = subject.request("HEAD", "", Bytes::new(), Payload::Signed)?;
        while self.idle.len() < IDLE_CONNECTIONS {
            let mut wire = Wire::connect(subject.address).await?;
            wire.exchange(&head).await?;
            self.idle.push(wire);
        }
        Ok(())
    }

    /// Who has no key, at a steady pace.
    fn strangers(&mut self, subject: &Subject) -> Outcome {
        let get = spoilt(&subject.object("GET", "k", Bytes::new(), Payload::Signed)?)?;
        for _ in 0..STRANGERS {
            let (address, get) = (subject.address, get.clone());
            let (counts, over) = (Arc::clone(&self.counts), Arc::clone(&self.over));
            self.tasks.spawn(async move {
                let mut wire = Wire::connect(address).await?;
                let mut turn =
                    tokio::time::interval(Duration::from_secs(1) * 20 / u32::try_from(STRANGERS_PER_SECOND)?);
                while !over.load(Ordering::Relaxed) {
                    turn.tick().await;
                    match wire.exchange(&get).await?.status {
                        403 => counts.strangers.fetch_add(1, Ordering::Relaxed),
                        503 => counts.shed.fetch_add(1, Ordering::Relaxed),
                        status => return Err(format!("a stranger was answered {status}").into()),
                    };
                }
                Ok(())
            });
        }
        Ok(())
    }

    /// One key that asks over ten times as many connections as it may have requests.
    fn insatiable(&mut self, subject: &Subject) -> Outcome {
        let signer = Signer::new(subject.address.to_string(), Identity::Greedy);
        let at = format!("/{}/k", subject.bucket);
        let get = signer.request("GET", &at, Bytes::new(), Payload::Signed)?;
        for _ in 0..IN_FLIGHT_PER_USER * 10 {
            let (address, get) = (subject.address, get.clone());
            let (counts, over) = (Arc::clone(&self.counts), Arc::clone(&self.over));
            self.tasks.spawn(async move {
                let mut wire = Wire::connect(address).await?;
                while !over.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    let status = wire.exchange(&get).await?.status;
                    if status == 200 {
                        counts.done.fetch_add(1, Ordering::Relaxed);
                        continue;
                    }
                    if status != 503 || begun.elapsed() > Duration::from_secs(5) {
                        return Err(format!("{status} after {:?}", begun.elapsed()).into());
                    }
                    counts.shed.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(())
            });
        }
        Ok(())
    }

    /// All go; whoever met something unexpected says so.
    async fn leave(mut self) -> Outcome {
        self.over.store(true, Ordering::Relaxed);
        while let Some(left) = self.tasks.join_next().await {
            left??;
        }
        Ok(())
    }
}

impl Counts {
    fn all(&self) -> [u64; 3] {
        [&self.done, &self.shed, &self.strangers].map(|count| count.load(Ordering::Relaxed))
    }
}

/// The same with a signature that is wrong by its last digit.
fn spoilt(request: &Request) -> Outcome<Request> {
    let head = String::from_utf8(request.head.to_vec())?;
    let at = head.find("Signature=").ok_or("no signature")? + "Signature=".len();
    let (before, signature) = head.split_at(at);
    let other = if signature.starts_with('0') { "1" } else { "0" };
    let rest = signature.get(1..).ok_or("no signature")?;
    Ok(Request { head: format!("{before}{other}{rest}").into(), ..request.clone() })
}

#[expect(clippy::cast_precision_loss, reason = "some thousands")]
fn rate(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds
}
