//! What a caller notices of others who are too many, who know no key, and who ask for ten times what one
//! caller may have: case C62, measured. The caller's latency alone is what the rest is compared with.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

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
const STRANGERS_PER_SECOND: u32 = 2_000;
const STRANGERS: u32 = 20;
/// What a client waits that is told to slow down.
const PAUSE: Duration = Duration::from_millis(100);
/// Longer, nobody of the crowd waits for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);
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

/// One of the crowd that sends the same again and again.
struct Member {
    wire: Wire,
    request: Request,
    counts: Arc<Counts>,
    over: Arc<AtomicBool>,
}

/// What there was while the caller asked beside some crowd.
struct Seen {
    /// The caller's requests a second.
    requests: f64,
    /// The caller's latency at the median and at 99 %, in milliseconds.
    p50: f64,
    p99: f64,
    /// What the crowd had done a second, what was refused for want of room, and for its signature.
    crowd: Rates,
    /// What the gateway holds, in MiB.
    held: u64,
}

struct Rates {
    done: f64,
    shed: f64,
    strangers: f64,
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
    load::once(&subject.at, &subject.object("PUT", "k", value, Payload::Signed)?).await?;
    start.stub.behave(|behaviour| behaviour.delay = BACKEND_DELAY);
    let mut crowd = Crowd::default();
    let mut rows = vec![("nobody".to_owned(), crowd.watch(&subject, time).await?)];
    start.stub.behave(|behaviour| behaviour.delay = Duration::ZERO);
    crowd.idle(&subject).await?;
    start.stub.behave(|behaviour| behaviour.delay = BACKEND_DELAY);
    let name = format!("{IDLE_CONNECTIONS} idle connections");
    rows.push((name, crowd.watch(&subject, time).await?));
    crowd.strangers(&subject).await?;
    let name = format!("and {STRANGERS_PER_SECOND} wrong signatures a second");
    rows.push((name, crowd.watch(&subject, time).await?));
    crowd.insatiable(&subject).await?;
    let name = format!("and one key over {} connections", IN_FLIGHT_PER_USER * 10);
    rows.push((name, crowd.watch(&subject, time).await?));
    crowd.leave().await?;
    start.stub.behave(|behaviour| behaviour.delay = Duration::ZERO);
    written(&rows)
}

fn written(rows: &[(String, Seen)]) -> Outcome<String> {
    let mut text =
        "| beside | requests/s | p50 ms | p99 ms | × alone | crowd done/s | crowd 503/s | \
                    wrong 403/s | MiB |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n"
            .to_owned();
    let alone = rows.first().map_or(f64::NAN, |(_, seen)| seen.p99);
    for (name, seen) in rows {
        let Seen { requests, p50, p99, crowd, held } = seen;
        let Rates { done, shed, strangers } = crowd;
        let growth = p99 / alone;
        writeln!(
            text,
            "| {name} | {requests:.0} | {p50:.1} | {p99:.1} | {growth:.2} | {done:.0} | {shed:.0} | \
             {strangers:.0} | {held} |"
        )?;
    }
    if rows.iter().any(|(_, seen)| seen.p99 > alone * GROWTH_MAX) {
        return Err(format!("the caller is kept waiting\n{text}").into());
    }
    Ok(text)
}

impl Crowd {
    /// Lets the caller ask beside the crowd. A refusal of the caller is an error.
    async fn watch(&self, subject: &Subject, time: Duration) -> Outcome<Seen> {
        let get = Arc::new(vec![subject.object("GET", "k", Bytes::new(), Payload::Signed)?]);
        let counts = &self.counts;
        let all = [&counts.done, &counts.shed, &counts.strangers];
        let before = all.map(|count| count.load(Ordering::Relaxed));
        let until = Until::Elapsed(time);
        let taken = load::run(&subject.at, get, CALLER_CONNECTIONS, until).await?;
        let seconds = taken.elapsed.as_secs_f64();
        let [done_before, shed_before, strangers_before] = before;
        let since =
            |count: &AtomicU64, before| rate(count.load(Ordering::Relaxed) - before, seconds);
        Ok(Seen {
            requests: rate(u64::try_from(taken.latencies.len())?, seconds),
            p50: taken.percentile(0.5).as_secs_f64() * 1e3,
            p99: taken.percentile(0.99).as_secs_f64() * 1e3,
            crowd: Rates {
                done: since(&counts.done, done_before),
                shed: since(&counts.shed, shed_before),
                strangers: since(&counts.strangers, strangers_before),
            },
            held: subject.program().ok_or("no program")?.memory()?.0 / 1024,
        })
    }

    async fn idle(&mut self, subject: &Subject) -> Outcome {
        let head = subject.request("HEAD", "", Bytes::new(), Payload::Signed)?;
        while self.idle.len() < IDLE_CONNECTIONS {
            let mut wire = Wire::connect(&subject.at).await?;
            wire.exchange(&head).await?;
            self.idle.push(wire);
        }
        Ok(())
    }

    /// Who has no key, at a steady pace.
    async fn strangers(&mut self, subject: &Subject) -> Outcome {
        let get = spoilt(&subject.object("GET", "k", Bytes::new(), Payload::Signed)?)?;
        for _ in 0..STRANGERS {
            let member = self.member(subject, &get).await?;
            self.tasks.spawn(member.guess());
        }
        Ok(())
    }

    /// One key that asks over ten times as many connections as it may have requests.
    async fn insatiable(&mut self, subject: &Subject) -> Outcome {
        let signer = Signer::new(subject.at.to_string(), Identity::Greedy);
        let at = format!("/{}/k", subject.bucket);
        let get = signer.request("GET", &at, Bytes::new(), Payload::Signed)?;
        for _ in 0..IN_FLIGHT_PER_USER * 10 {
            let member = self.member(subject, &get).await?;
            self.tasks.spawn(member.want());
        }
        Ok(())
    }

    async fn member(&self, subject: &Subject, request: &Request) -> Outcome<Member> {
        Ok(Member {
            wire: Wire::connect(&subject.at).await?,
            request: request.clone(),
            counts: Arc::clone(&self.counts),
            over: Arc::clone(&self.over),
        })
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

impl Member {
    /// Sends once, and says what the answer was.
    async fn send(&mut self) -> Outcome<u16> {
        let answer = self.wire.exchange(&self.request);
        Ok(tokio::time::timeout(ANSWER_MAX, answer).await??.status)
    }

    async fn guess(mut self) -> Outcome {
        let mut turn =
            tokio::time::interval(Duration::from_secs(1) * STRANGERS / STRANGERS_PER_SECOND);
        while !self.over.load(Ordering::Relaxed) {
            turn.tick().await;
            let count = match self.send().await? {
                403 => &self.counts.strangers,
                503 => &self.counts.shed,
                status => return Err(format!("a stranger was answered {status}").into()),
            };
            count.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    async fn want(mut self) -> Outcome {
        while !self.over.load(Ordering::Relaxed) {
            match self.send().await? {
                200 => {
                    self.counts.done.fetch_add(1, Ordering::Relaxed);
                }
                503 => {
                    self.counts.shed.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(PAUSE).await;
                }
                status => return Err(format!("one of the crowd was answered {status}").into()),
            }
        }
        Ok(())
    }
}

/// The same with a signature that is wrong by its first digit.
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
