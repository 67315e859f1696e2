//! Load: so many connections that send one request after the other, and what it took.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::Outcome;
use crate::request::Request;
use crate::wire::{Answer, At, Wire};

/// No request of a benchmark takes longer.
const PATIENCE: Duration = Duration::from_mins(2);

/// How long a load lasts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    /// So long; requests are sent again and again.
    Elapsed(Duration),
    /// Each request once.
    AllSent,
    /// So many, in turn.
    Sent(usize),
}

/// What a load took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    /// How long each request took, in ascending order.
    pub(crate) latencies: Vec<Duration>,
    /// Bytes of bodies, both ways.
    pub(crate) bytes: u64,
    /// From the first to the last.
    pub(crate) elapsed: Duration,
}

impl Taken {
    /// The latency that so much of all stays under; `share` is below 1.
    pub(crate) fn percentile(&self, share: f64) -> Duration {
        let count = self.latencies.len();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank among some millions"
        )]
        let rank = (count as f64 * share) as usize;
        self.latencies.get(rank.min(count.saturating_sub(1))).copied().unwrap_or_default()
    }
}

/// One request on a connection of its own; its answer must be a success.
pub(crate) async fn once(at: &At, request: &Request) -> Outcome<Answer> {
    let mut wire = Wire::connect(at).await?;
    checked(&mut wire, request).await
}

async fn checked(wire: &mut Wire, request: &Request) -> Outcome<Answer> {
    let answer = tokio::time::timeout(PATIENCE, wire.exchange(request)).await??;
    if (200..300).contains(&answer.status) {
        return Ok(answer);
    }
    let head = String::from_utf8_lossy(&request.head);
    let said = String::from_utf8_lossy(&answer.start).into_owned();
    Err(format!(
        "{} was answered {}: {said}",
        head.lines().next().unwrap_or_default(),
        answer.status
    )
    .into())
}

/// Sends `requests` in turn over `connections`.
pub(crate) async fn run(
    at: &At,
    requests: Arc<Vec<Request>>,
    connections: usize,
    until: Until,
) -> Outcome<Taken> {
    let mut wires = Vec::with_capacity(connections);
    for _ in 0..connections {
        wires.push(Wire::connect(at).await?);
    }
    let turn = Arc::new(AtomicUsize::new(0));
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for wire in wires {
        tasks.spawn(one(wire, Arc::clone(&requests), Arc::clone(&turn), until, begun));
    }
    let mut taken = Taken::default();
    while let Some(done) = tasks.join_next().await {
        let done = done??;
        taken.latencies.extend(done.latencies);
        taken.bytes += done.bytes;
    }
    taken.elapsed = begun.elapsed();
    taken.latencies.sort_unstable();
    Ok(taken)
}

async fn one(
    mut wire: Wire,
    requests: Arc<Vec<Request>>,
    turn: Arc<AtomicUsize>,
    until: Until,
    begun: Instant,
) -> Outcome<Taken> {
    let mut taken = Taken::default();
    loop {
        let mine = turn.fetch_add(1, Ordering::Relaxed);
        let request = match until {
            Until::Elapsed(limit) if begun.elapsed() >= limit => return Ok(taken),
            Until::AllSent => requests.get(mine),
            Until::Sent(count) if mine >= count => return Ok(taken),
            Until::Elapsed(_) | Until::Sent(_) => requests.get(mine % requests.len().max(1)),
        };
        let Some(request) = request else { return Ok(taken) };
        let sent = Instant::now();
        let answer = checked(&mut wire, request).await?;
        taken.latencies.push(sent.elapsed());
        let body = u64::try_from(request.body.len())?;
        taken.bytes += body + answer.length;
    }
}
