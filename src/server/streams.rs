//! One connection of HTTP/2: its limits, and the deadlines that hyper leaves to us.
//!
//! A stream of HTTP/2 can keep us waiting in ways that the socket does not show: a client that opens no
//! window takes no answer while it takes everything else. So each answer is watched by itself. A client
//! that has nothing to ask is told to leave (GOAWAY), so that no request is lost on the way.

use std::sync::{Arc, Weak};
use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::task::TaskTracker;

use crate::server::connection::{Gate, Handler, Manner, Peer};
use crate::server::guarded::{Deadlines, Guarded, Shared, Taking};
use crate::server::head::HEAD_BYTES_MAX;

/// Requests of one connection at once.
const STREAMS_MAX: u32 = 200;
/// Bytes of one request's body that may come before they are wanted, and of all of a connection's.
const WINDOW_BYTES: u32 = 1024 * 1024;
/// Bytes of an answer that wait for the client's window.
const SEND_BUFFER_BYTES_MAX: usize = 256 * 1024;
/// A frame's payload; more holds up the other streams.
const FRAME_BYTES_MAX: u32 = 16 * 1024;
/// Requests that were taken back before we looked at them: more is an attack (CVE-2023-44487), and ends
/// the connection.
const PENDING_RESETS_MAX: usize = 20;
/// Streams that we reset because the client broke the rules: more ends the connection (RUSTSEC-2024-0003).
const OUR_RESETS_MAX: usize = 1024;
/// How long a client that was told to leave may take to do so.
const LEAVE_GRACE: Duration = Duration::from_secs(5);
/// How many looks at a connection fit into its shortest deadline.
const LOOKS: u32 = 4;

/// Serves one connection to its end.
pub(super) async fn serve<T, S>(io: T, peer: Peer, handler: S, manner: &Manner)
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Handler,
{
    let (io, shared) = Guarded::of_streams(io, manner.deadlines, manner.metrics.clone());
    let (answers, coming) = mpsc::unbounded_channel();
    let gate = Gate::of_streams(handler, Arc::clone(&shared), peer, manner, answers);
    let connection = http2::Builder::new(Tracked(manner.tasks.clone()))
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_local_error_reset_streams(OUR_RESETS_MAX)
        .serve_connection(TokioIo::new(io), gate);
    let mut connection = std::pin::pin!(connection);
    let mut watch = Watch::new(shared, manner.deadlines, coming);
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    // Clients hang up all the time; what mattered is in the line of the request.
                    tracing::debug!(%error, peer = %peer.address, "connection ended");
                }
                return;
            }
            () = manner.drain.cancelled(), if !watch.is_leaving() => {
                if watch.shared.is_fresh() {
                    return;
                }
                watch.leave();
                connection.as_mut().graceful_shutdown();
            }
            verdict = watch.look() => match verdict {
                Verdict::Leave(reason) => {
                    manner.metrics.connection_cut(reason);
                    connection.as_mut().graceful_shutdown();
                }
                Verdict::Cut(reason) => return manner.metrics.connection_cut(reason),
                Verdict::Gone => return,
            }
        }
    }
}

/// Runs what hyper wants to run beside a connection, known to the drain.
#[derive(Clone)]
struct Tracked(TaskTracker);

impl<F> hyper::rt::Executor<F> for Tracked
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, future: F) {
        // It ends with its stream, and that with the connection.
        drop(self.0.spawn(future));
    }
}

/// What is to be done about a connection.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It has nothing to ask.
    Leave(&'static str),
    /// It keeps us waiting.
    Cut(&'static str),
    /// It was told to leave, and did not.
    Gone,
}

/// Looks at a connection from time to time.
struct Watch {
    shared: Arc<Shared>,
    deadlines: Deadlines,
    ticks: tokio::time::Interval,
    coming: mpsc::UnboundedReceiver<Weak<Taking>>,
    answers: Vec<Weak<Taking>>,
    leaving: Option<Instant>,
}

impl Watch {
    fn new(
        shared: Arc<Shared>,
        deadlines: Deadlines,
        coming: mpsc::UnboundedReceiver<Weak<Taking>>,
    ) -> Self {
        let shortest = deadlines.head.min(deadlines.idle).min(deadlines.write).min(LEAVE_GRACE);
        let mut ticks = tokio::time::interval(shortest / LOOKS);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { shared, deadlines, ticks, coming, answers: Vec::new(), leaving: None }
    }

    fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    fn leave(&mut self) {
        self.leaving = Some(Instant::now());
    }

    /// Returns when something is to be done.
    async fn look(&mut self) -> Verdict {
        loop {
            tokio::select! {
                Some(answer) = self.coming.recv() => {
                    if self.answers.len() >= 2 * STREAMS_MAX as usize {
                        self.answers.retain(|answer| answer.strong_count() > 0);
                    }
                    self.answers.push(answer);
                }
                _tick = self.ticks.tick() => {
                    if let Some(verdict) = self.judge() {
                        return verdict;
                    }
                }
            }
        }
    }

    fn judge(&mut self) -> Option<Verdict> {
        self.answers.retain(|answer| answer.strong_count() > 0);
        let longest = self.answers.iter().filter_map(Weak::upgrade).map(|answer| answer.waits());
        if longest.max().is_some_and(|waits| waits >= self.deadlines.write) {
            return Some(Verdict::Cut("write"));
        }
        let quiet = self.shared.quiet()?;
        if let Some(since) = self.leaving {
            return (since.elapsed().min(quiet) >= LEAVE_GRACE).then_some(Verdict::Gone);
        }
        if self.shared.is_fresh() {
            return (quiet >= self.deadlines.head).then_some(Verdict::Cut("head"));
        }
        if quiet >= self.deadlines.idle {
            self.leave();
            return Some(Verdict::Leave("idle"));
        }
        None
    }
}
