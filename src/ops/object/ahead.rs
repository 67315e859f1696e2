//! The body of a large answer: bytes as Azure sends them, and where the client keeps up, read ahead in
//! ranges at once.
//!
//! A client that takes its bytes slower than Azure sends them is read for on one connection, whose
//! buffers are all that it costs. One that waits for Azure gets ranges fetched ahead: each within the
//! memory budget, which is never waited for, all of one state of the blob, and as many at once as it
//! takes until it waits no more. Where the gateway's own threads have little time to spare, ranges would only cost
//! more of it: then the next stream is opened before the one that is read has ended, and nothing else is done
//! ahead.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::task::JoinSet;

use crate::azure::BlobError;
use crate::ops::budget::{Budget, Reserved};
use crate::ops::cores::Cores;
use crate::ops::gateway::Gateway;
use crate::ops::object::resume::{Pinned, ResumingBody};
use crate::s3::body::BoxError;

/// How much of an object the first request asks for, in bytes. What is not longer is one request.
pub(in crate::ops) const FIRST_BYTES: u64 = 16 * 1024 * 1024;
/// The size of a range that is fetched ahead, in bytes.
const RANGE_BYTES: u64 = 4 * 1024 * 1024;
/// How many of them one answer has at most.
const RANGES_MAX: usize = 4;
/// How much is asked for on one connection where nothing is fetched ahead; after so much it is looked
/// again whether the client keeps up.
const STREAM_BYTES: u64 = 64 * 1024 * 1024;
/// So many bytes before the end of a stream what comes next is asked for: they take longer than Azure's first
/// answer, also at a gigabyte a second.
const NEAR_BYTES: u64 = 8 * 1024 * 1024;
/// A client that takes so many bytes a second is fast: large pieces do not lie here for long.
const FAST_BYTES_A_SECOND: u64 = 100_000_000;

type Fetched = (u64, Result<Range, BoxError>);

/// The body of an answer: bytes `next` to `end`, the end not included.
pub(in crate::ops) struct AheadBody {
    blob: Pinned,
    budget: Budget,
    cores: Arc<Cores>,
    state: State,
    /// The byte that the client gets next.
    next: u64,
    /// All before it has been asked for.
    asked: u64,
    end: u64,
    /// How many ranges may be ahead.
    window: usize,
    tasks: JoinSet<Fetched>,
    /// The stream that comes next, where it has been asked for.
    opening: JoinSet<Result<ResumingBody, BlobError>>,
    ready: BTreeMap<u64, Range>,
    pace: Pace,
}

enum State {
    /// Bytes as they come.
    Streaming(ResumingBody),
    /// Bytes that were fetched ahead.
    Handing(Range),
    /// The next bytes have not come.
    Between,
    /// They have been asked for as a stream.
    Opening,
    Ended,
}

/// Bytes that were fetched ahead.
struct Range {
    frames: VecDeque<Bytes>,
    /// How long they took.
    took: Duration,
    _reserved: Reserved,
}

/// Who waits for whom.
#[derive(Default)]
struct Pace {
    /// How long the client has taken for what it was given.
    client: Duration,
    /// How long Azure was waited for.
    azure: Duration,
    /// How many bytes the client was given.
    bytes: u64,
    handed: Option<Instant>,
    waiting: Option<Instant>,
}

impl Pace {
    /// The client asks for more.
    fn asked(&mut self) {
        self.client += self.handed.take().map_or(Duration::ZERO, |since| since.elapsed());
    }

    /// There is nothing yet.
    fn waits(&mut self) {
        self.waiting.get_or_insert_with(Instant::now);
    }

    /// The client is given something.
    fn hands(&mut self, bytes: &Bytes) {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        self.azure += self.waiting.take().map_or(Duration::ZERO, |since| since.elapsed());
        self.handed = Some(Instant::now());
    }

    fn client_keeps_up(&self) -> bool {
        self.client < self.azure
    }

    fn client_is_fast(&self) -> bool {
        let at_most = Duration::from_secs(1).as_micros() * u128::from(self.bytes);
        self.client.as_micros() * u128::from(FAST_BYTES_A_SECOND) < at_most
    }

    fn begin_anew(&mut self) {
        (self.client, self.azure, self.bytes) = (Duration::ZERO, Duration::ZERO, 0);
    }
}

impl std::fmt::Debug for AheadBody {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("AheadBody")
            .field("next", &self.next)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl AheadBody {
    /// The bytes up to `end` of the blob that `first` begins.
    pub(in crate::ops) fn new(
        gateway: &Gateway,
        blob: Pinned,
        first: ResumingBody,
        end: u64,
    ) -> Self {
        let (budget, cores) = (gateway.budget().clone(), Arc::clone(gateway.cores()));
        let (next, asked) = first.span();
        // So that it is known when it counts.
        cores.are_busy();
        Self {
            blob,
            budget,
            cores,
            state: State::Streaming(first),
            next,
            asked,
            end,
            window: 0,
            tasks: JoinSet::new(),
            opening: JoinSet::new(),
            ready: BTreeMap::new(),
            pace: Pace::default(),
        }
    }

    fn hand(&mut self, bytes: Bytes) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.next = self.next.saturating_add(bytes.len() as u64);
        self.pace.hands(&bytes);
        match self.state {
            // So that there is no gap at its end.
            State::Streaming(_) if self.asked.saturating_sub(self.next) <= NEAR_BYTES => {
                let keeps_up = self.pace.client_keeps_up();
                let fast = self.pace.client_is_fast();
                self.window = if keeps_up { self.window.max(1) } else { 0 };
                self.top_up();
                if (keeps_up || fast) && self.asked < self.end && self.tasks.is_empty() {
                    self.open(fast);
                }
            }
            State::Handing(_) => self.top_up(),
            State::Streaming(_) | State::Between | State::Opening | State::Ended => {}
        }
        if self.next == self.end {
            self.state = State::Ended;
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    /// Fetches ranges ahead, as many as may be and as there is memory for now.
    fn top_up(&mut self) {
        if self.window > 0 && self.cores.are_busy() {
            self.window = 0;
        }
        while self.tasks.len() + self.ready.len() < self.window && self.asked < self.end {
            let first = self.asked;
            let end = self.end.min(first.saturating_add(RANGE_BYTES));
            let Some(reserved) = self.budget.try_hold(end - first) else { return };
            self.asked = end;
            let blob = Pinned { wide: true, ..self.blob.clone() };
            self.tasks.spawn(async move { (first, fetch(blob, (first, end), reserved).await) });
        }
    }

    /// Asks for what has not been asked for, as one stream, in large pieces or not.
    fn open(&mut self, wide: bool) {
        let (blob, first) = (Pinned { wide, ..self.blob.clone() }, self.asked);
        self.asked = self.end.min(first.saturating_add(STREAM_BYTES));
        let end = self.asked;
        self.opening.spawn(async move { blob.stream(first, end).await });
    }

    /// What comes after what the client has.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let fast = self.pace.client_is_fast();
        if self.asked == self.next {
            self.pace.begin_anew();
            self.top_up();
        }
        if self.asked == self.next {
            self.open(fast);
        }
        if !self.opening.is_empty() {
            self.state = State::Opening;
            return Poll::Ready(Ok(()));
        }
        while !self.ready.contains_key(&self.next) {
            let Poll::Ready(fetched) = self.tasks.poll_join_next(context) else {
                self.wait_for_more();
                return Poll::Pending;
            };
            match fetched {
                Some(Ok((first, Ok(range)))) => drop(self.ready.insert(first, range)),
                Some(Ok((_, Err(error)))) => return Poll::Ready(Err(error)),
                Some(Err(panic)) => return Poll::Ready(Err(panic.into())),
                None => return Poll::Ready(Err("a range was lost".into())),
            }
        }
        if let Some(range) = self.ready.remove(&self.next) {
            self.pace.begin_anew();
            self.state = State::Handing(range);
        }
        Poll::Ready(Ok(()))
    }

    /// The client waits for what was asked for ahead: one more at once.
    fn wait_for_more(&mut self) {
        if self.pace.waiting.is_none() {
            self.window = RANGES_MAX.min(self.window + 1);
            self.top_up();
        }
        self.pace.waits();
    }

    /// The next bytes of a stream, or none where it has ended.
    fn poll_stream(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        let State::Streaming(body) = &mut self.state else { return Poll::Ready(None) };
        let Poll::Ready(frame) = Pin::new(body).poll_frame(context) else {
            self.pace.waits();
            return Poll::Pending;
        };
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.into_data().unwrap_or_default())))
    }

    /// The next bytes of what was fetched ahead, or none where all of it has been handed out.
    fn take_fetched(&mut self) -> Option<Bytes> {
        let State::Handing(range) = &mut self.state else { return None };
        let bytes = range.frames.pop_front();
        if bytes.is_none() && self.pace.client > range.took {
            // One connection alone is faster than this client.
            self.window = self.window.saturating_sub(1);
        }
        bytes
    }
}

/// Reads a range to its end.
async fn fetch(blob: Pinned, (first, end): (u64, u64), held: Reserved) -> Result<Range, BoxError> {
    let begun = Instant::now();
    let mut body = blob.stream(first, end).await?;
    let mut frames = VecDeque::new();
    while let Some(frame) = body.frame().await {
        frames.extend(frame?.into_data());
    }
    Ok(Range { frames, took: begun.elapsed(), _reserved: held })
}

impl Body for AheadBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        this.pace.asked();
        loop {
            match &mut this.state {
                State::Ended => return Poll::Ready(None),
                State::Streaming(_) => match ready!(this.poll_stream(context)) {
                    Some(Ok(bytes)) => return this.hand(bytes),
                    Some(Err(error)) => return this.give_up(error),
                    None => this.state = State::Between,
                },
                State::Handing(_) => match this.take_fetched() {
                    Some(bytes) => return this.hand(bytes),
                    None => this.state = State::Between,
                },
                State::Between => match ready!(this.poll_next(context)) {
                    Ok(()) => {}
                    Err(error) => return this.give_up(error),
                },
                State::Opening => match this.opening.poll_join_next(context) {
                    Poll::Ready(Some(Ok(Ok(body)))) => this.state = State::Streaming(body),
                    Poll::Ready(Some(Ok(Err(error)))) => return this.give_up(error.into()),
                    Poll::Ready(Some(Err(panic))) => return this.give_up(panic.into()),
                    Poll::Ready(None) => return this.give_up("a stream was lost".into()),
                    Poll::Pending => {
                        this.pace.waits();
                        return Poll::Pending;
                    }
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.end.saturating_sub(self.next))
    }
}

impl AheadBody {
    fn give_up(&mut self, error: BoxError) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.state = State::Ended;
        self.tasks.abort_all();
        self.opening.abort_all();
        self.ready.clear();
        Poll::Ready(Some(Err(error)))
    }
}
