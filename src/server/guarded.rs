//! A connection's stream with the deadlines that hyper lacks: for a head, for silence between requests,
//! and for a client that takes no bytes. (hyper's own header deadline begins when the connection falls
//! idle, so it cannot be short and leave idle connections alone.) It also hands what it reads to
//! [`head::Tracker`](crate::server::head).
//!
//! A body that stands still is the router's to cut: it can still answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::server::head::{Phase, Tracker};
use crate::server::last_words;
use crate::server::metrics::Metrics;

/// After this much silence between two requests a connection comes to rest.
const REST_AFTER: Duration = Duration::from_secs(1);

/// How long a connection may keep us waiting for what.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// TLS's handshake.
    pub handshake: Duration,
    /// A whole head, from its first byte; the first one from the start of the connection.
    pub head: Duration,
    /// Silence between two requests.
    pub idle: Duration,
    /// Taking bytes of an answer.
    pub write: Duration,
}

/// What the stream and the service of one connection know of each other.
#[derive(Debug)]
pub(super) struct Shared {
    /// When the connection began.
    started: Instant,
    /// When the last answer ended, in milliseconds since then.
    quiet_since: AtomicU64,
    /// Heads that came in without anything to object to.
    clear_heads: AtomicU64,
    /// Requests that hyper handed on.
    requests: AtomicU64,
    /// Those whose answer has not been written yet.
    in_flight: AtomicU64,
    /// Nothing has been asked for a while, and nothing waits to be written.
    silent: AtomicBool,
    /// An answer ends the connection.
    last_answered: AtomicBool,
}

impl Shared {
    fn new() -> Self {
        Self {
            started: Instant::now(),
            quiet_since: AtomicU64::new(0),
            clear_heads: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            silent: AtomicBool::new(false),
            last_answered: AtomicBool::new(false),
        }
    }

    /// Whether the connection is at rest: every head that came was handed on, every answer is on the
    /// wire, and then there was silence for a while.
    pub(super) fn rests(&self) -> bool {
        let heads = self.clear_heads.load(Ordering::Relaxed);
        self.silent.load(Ordering::Relaxed)
            && !self.is_busy()
            && self.requests.load(Ordering::Relaxed) == heads
    }

    /// Heads have come in without anything to object to.
    pub(super) fn count_clear(&self, heads: u64) {
        self.clear_heads.fetch_add(heads, Ordering::Relaxed);
    }

    /// How long there has been no request, unless there is one.
    pub(super) fn quiet(&self) -> Option<Duration> {
        let since = Duration::from_millis(self.quiet_since.load(Ordering::Relaxed));
        (!self.is_busy()).then(|| self.started.elapsed().saturating_sub(since))
    }

    /// Counts the request that hyper hands on now; whether its head was clear.
    pub(super) fn next_is_clear(&self) -> bool {
        let before = self.requests.fetch_add(1, Ordering::Relaxed);
        before < self.clear_heads.load(Ordering::Relaxed)
    }

    /// Whether no request has come yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.clear_heads.load(Ordering::Relaxed) == 0
    }

    /// The answer that is made now ends the connection, whatever the client has still to send.
    pub(super) fn answers_last(&self) {
        self.last_answered.store(true, Ordering::Relaxed);
    }

    /// Whether the connection ended by an answer that might have left something unread.
    pub(super) fn ends_early(&self) -> bool {
        self.last_answered.load(Ordering::Relaxed)
    }

    /// Whether a request has not been answered to its end.
    pub(super) fn is_busy(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) > 0
    }

    /// While it lives, silence is not held against the client.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }
}

/// A request whose answer has not been written yet.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Shared>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.quiet_since.store(millis(self.0.started.elapsed()), Ordering::Relaxed);
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Whether the client of one answer takes it.
#[derive(Debug)]
pub(super) struct Taking {
    started: Instant,
    /// Since when the client has not asked for more, in milliseconds; [`Taking::WANTED`] while it is we
    /// who are waited for.
    since: AtomicU64,
}

impl Taking {
    const WANTED: u64 = u64::MAX;

    /// An answer that we are still waited for.
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), since: AtomicU64::new(Self::WANTED) }
    }

    /// The client takes more.
    pub(super) fn is_wanted(&self) {
        self.since.store(Self::WANTED, Ordering::Relaxed);
    }

    /// It was given more.
    pub(super) fn was_given(&self) {
        self.since.store(millis(self.started.elapsed()), Ordering::Relaxed);
    }

    /// How long the client has been waited for.
    pub(super) fn waits(&self) -> Duration {
        match self.since.load(Ordering::Relaxed) {
            Self::WANTED => Duration::ZERO,
            since => self.started.elapsed().saturating_sub(Duration::from_millis(since)),
        }
    }
}

/// What the client is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    FirstHead,
    Head,
    /// The next request, which may come at once.
    Next,
    /// The next request, after a while.
    Idle,
}

impl Waiting {
    fn word(self) -> &'static str {
        match self {
            Self::FirstHead | Self::Head => "head",
            Self::Next | Self::Idle => "idle",
        }
    }
}

/// The stream.
#[derive(Debug)]
pub(super) struct Guarded<T> {
    io: T,
    /// Follows the heads of HTTP/1.1; streams of HTTP/2 have their own watch.
    tracker: Option<Tracker>,
    shared: Arc<Shared>,
    deadlines: Deadlines,
    metrics: Metrics,
    waiting: Option<Waiting>,
    silence: Pin<Box<Sleep>>,
    /// Bytes were given to us that may not be on the wire yet.
    unflushed: bool,
    write_stalls: bool,
    stall: Pin<Box<Sleep>>,
    /// What is said in place of hyper's own refusal, as far as it is not on the wire.
    last_words: Vec<u8>,
}

impl<T> Guarded<T> {
    /// The stream of a connection that began at `since` and speaks HTTP/1.1.
    pub(super) fn new(
        io: T,
        since: Instant,
        deadlines: Deadlines,
        metrics: Metrics,
    ) -> (Self, Arc<Shared>) {
        let (mut guarded, shared) = Self::of_streams(io, deadlines, metrics);
        guarded.tracker = Some(Tracker::new());
        guarded.silence = Box::pin(tokio::time::sleep_until(since + deadlines.head));
        (guarded, shared)
    }

    /// The stream of a connection that speaks HTTP/2: only its writing is watched here.
    pub(super) fn of_streams(io: T, deadlines: Deadlines, metrics: Metrics) -> (Self, Arc<Shared>) {
        let shared = Arc::new(Shared::new());
        let guarded = Self {
            io,
            tracker: None,
            shared: Arc::clone(&shared),
            deadlines,
            metrics,
            // Runs from the start of the connection.
            waiting: Some(Waiting::FirstHead),
            silence: Box::pin(tokio::time::sleep(deadlines.head)),
            unflushed: false,
            write_stalls: false,
            stall: Box::pin(tokio::time::sleep(deadlines.write)),
            last_words: Vec::new(),
        };
        (guarded, shared)
    }

    /// The stream alone.
    pub(super) fn into_inner(self) -> T {
        self.io
    }

    fn took(&mut self, bytes: &[u8]) {
        self.metrics.received(bytes.len());
        self.shared.silent.store(false, Ordering::Relaxed);
        let Some(tracker) = &mut self.tracker else { return };
        let clear = tracker.feed(bytes);
        self.shared.count_clear(clear);
        // A head that goes on keeps the time that it has; after its end, whatever comes has its own.
        if clear > 0 || self.awaited() != self.waiting {
            self.waiting = None;
        }
    }

    fn awaited(&self) -> Option<Waiting> {
        if self.shared.is_busy() {
            return None;
        }
        match self.tracker.as_ref()?.phase() {
            Phase::Idle | Phase::Head if self.waiting == Some(Waiting::FirstHead) => self.waiting,
            Phase::Head => Some(Waiting::Head),
            Phase::Idle | Phase::Body | Phase::Lost if self.waiting == Some(Waiting::Idle) => {
                self.waiting
            }
            Phase::Idle | Phase::Body | Phase::Lost => Some(Waiting::Next),
        }
    }

    /// Nothing came: is it time to give up?
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let awaited = self.awaited();
        if self.waiting != awaited {
            let time = match awaited {
                Some(Waiting::FirstHead | Waiting::Head) => self.deadlines.head,
                Some(Waiting::Next | Waiting::Idle) => self.deadlines.idle.min(REST_AFTER),
                None => Duration::ZERO,
            };
            self.await_for(awaited, time);
        }
        let Some(mut waiting) = awaited else { return Poll::Pending };
        ready!(self.silence.as_mut().poll(context));
        if waiting == Waiting::Next && self.deadlines.idle > REST_AFTER {
            let at_rest = self.tracker.as_ref().is_some_and(|heads| heads.phase() == Phase::Idle);
            self.shared.silent.store(at_rest && !self.unflushed, Ordering::Relaxed);
            waiting = Waiting::Idle;
            self.await_for(Some(waiting), self.deadlines.idle.saturating_sub(REST_AFTER));
            ready!(self.silence.as_mut().poll(context));
        }
        self.metrics.connection_cut(waiting.word());
        Poll::Ready(io::Error::from(io::ErrorKind::TimedOut))
    }

    fn await_for(&mut self, waiting: Option<Waiting>, time: Duration) {
        self.waiting = waiting;
        if waiting.is_some() {
            self.silence.as_mut().reset(Instant::now() + time);
        }
    }

    fn guard_write<R>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.write_stalls = false;
            return written;
        }
        if !self.write_stalls {
            self.write_stalls = true;
            self.stall.as_mut().reset(Instant::now() + self.deadlines.write);
        }
        ready!(self.stall.as_mut().poll(context));
        self.metrics.connection_cut("write");
        Poll::Ready(Err(io::Error::from(io::ErrorKind::TimedOut)))
    }

    /// Keeps back a refusal that hyper makes by itself, and says it as S3 does. Such a one is all that is
    /// written while no request is open, and is written at once.
    fn keeps_back(&mut self, bytes: &[u8]) -> bool {
        if self.tracker.is_none() || self.shared.is_busy() {
            return false;
        }
        let Some((status, words)) = last_words::in_place_of(bytes) else { return false };
        self.metrics.connection_cut("refused_head");
        tracing::info!(status = status.as_u16(), "a head was refused");
        self.last_words = words;
        true
    }

    fn guard_count(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        self.unflushed = true;
        if let Poll::Ready(Ok(count)) = &written {
            self.metrics.sent(*count);
        }
        self.guard_write(context, written)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Guarded<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        match Pin::new(&mut this.io).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => {
                this.took(buffer.filled().get(before..).unwrap_or_default());
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => this.poll_silence(context).map(Err),
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Guarded<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.keeps_back(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut this.io).poll_write(context, bytes);
        this.guard_count(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let mut full = slices.iter().filter(|slice| !slice.is_empty());
        if let (Some(bytes), None) = (full.next(), full.next())
            && this.keeps_back(bytes)
        {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut this.io).poll_write_vectored(context, slices);
        this.guard_count(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while !this.last_words.is_empty() {
            let written = Pin::new(&mut this.io).poll_write(context, &this.last_words);
            let written = ready!(this.guard_count(context, written))?;
            this.last_words.drain(..written.min(this.last_words.len()));
        }
        let flushed = Pin::new(&mut this.io).poll_flush(context);
        this.unflushed = flushed.is_pending();
        this.guard_write(context, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let shut = Pin::new(&mut this.io).poll_shutdown(context);
        this.guard_write(context, shut)
    }
}
