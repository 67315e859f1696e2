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
/// So many bytes before the end of a stream what comes next is asked for, at the latest.
const NEAR_BYTES: u64 = 8 * 1024 * 1024;
/// After so many bytes it is known how fast the client takes them: the first lie in the kernel's buffers, which any
/// client seems to take at once.
const PACE_BYTES: u64 = 4 * 1024 * 1024;
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
    /// How long Azure took to begin its last answer.
    wait: Duration,
    tasks: JoinSet<Fetched>,
    /// The stream that comes next, where it has been asked for.
    opening: JoinSet<Result<(ResumingBody, Duration), BlobError>>,
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

/// What is asked for ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Nothing,
    Ranges,
    Stream,
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

    /// How many bytes the client gets in that time, as far as is known: so long before it needs more it has to be
    /// asked for.
    fn goes_in(&self, time: Duration) -> u64 {
        if self.bytes < PACE_BYTES {
            return 0;
        }
        let taken = self.client.saturating_add(self.azure).as_micros();
        let goes = u128::from(self.bytes).saturating_mul(time.as_micros());
        u64::try_from(goes / taken.max(1)).unwrap_or(u64::MAX)
    }

    /// What is to be asked for now, where so many bytes are left of a stream, an answer of Azure's takes so long to
    /// begin, and the threads are busy or not.
    fn next(&self, left: u64, wait: Duration, busy: bool) -> Next {
        let (keeps_up, fast) = (self.client_keeps_up(), self.client_is_fast());
        if left <= NEAR_BYTES {
            if keeps_up && !busy {
                Next::Ranges
            } else if keeps_up || fast {
                Next::Stream
            } else {
                Next::Nothing
            }
        } else if fast && (busy || !keeps_up) && left <= self.goes_in(wait) {
            // A stream will do, and at this pace its first bytes come when those before them have gone.
            Next::Stream
        } else {
            Next::Nothing
        }
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
    /// The bytes up to `end` of the blob that `first` begins, for which Azure was waited for so long.
    pub(in crate::ops) fn new(
        gateway: &Gateway,
        blob: Pinned,
        (first, wait): (ResumingBody, Duration),
        end: u64,
    ) -> Self {
        let (budget, cores) = (gateway.budget().clone(), Arc::clone(gateway.cores()));
        let (next, asked) = first.span();
        Self {
            blob,
            budget,
            cores,
            state: State::Streaming(first),
            next,
            asked,
            end,
            window: 0,
            wait,
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
            State::Streaming(_) => self.look_ahead(),
            State::Handing(_) => self.top_up(),
            State::Between | State::Opening | State::Ended => {}
        }
        if self.next == self.end {
            self.state = State::Ended;
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    /// Asks for what follows the stream that is read, so early that there is no gap at its end.
    fn look_ahead(&mut self) {
        // Looked at with each piece, so that it is of this moment when it counts.
        let busy = self.cores.are_busy();
        // Of streams there is never more than one ahead: their bytes would come in any order.
        if self.asked == self.end || !self.opening.is_empty() {
            return;
        }
        let next = self.pace.next(self.asked.saturating_sub(self.next), self.wait, busy);
        self.window = if next == Next::Ranges { self.window.max(1) } else { 0 };
        self.top_up();
        if next != Next::Nothing && self.asked < self.end && self.tasks.is_empty() {
            self.open(self.pace.client_is_fast());
        }
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
        let begun = Instant::now();
        self.opening.spawn(async move {
            blob.stream(first, end).await.map(|body| (body, begun.elapsed()))
        });
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
                    Poll::Ready(Some(Ok(Ok((body, wait))))) => {
                        (this.state, this.wait) = (State::Streaming(body), wait);
                    }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{NEAR_BYTES, Next, PACE_BYTES, Pace};

    const MIB: u64 = 1024 * 1024;

    /// Of one that has given so many bytes, and waited so many milliseconds for the client and for Azure.
    fn pace(bytes: u64, client: u64, azure: u64) -> Pace {
        let (client, azure) = (Duration::from_millis(client), Duration::from_millis(azure));
        Pace { client, azure, bytes, ..Pace::default() }
    }

    #[test]
    fn near_the_end_it_counts_who_waits_and_who_has_time() {
        let wait = Duration::from_millis(5);
        for (client, azure, busy, next) in [
            (10, 100, false, Next::Ranges),
            (10, 100, true, Next::Stream),
            (100, 10, false, Next::Stream),
            (100, 10, true, Next::Stream),
            (10_000, 10, false, Next::Nothing),
            (10_000, 10, true, Next::Nothing),
            (10_000, 20_000, false, Next::Ranges),
        ] {
            let pace = pace(64 * MIB, client, azure);
            assert_eq!(pace.next(NEAR_BYTES, wait, busy), next, "{client} {azure} {busy}");
        }
    }

    #[test]
    fn the_longer_an_answer_takes_the_earlier_it_is_asked_for() {
        // A thousand MiB a second.
        let fast = pace(8 * MIB, 6, 2);
        for (left, wait, next) in [
            (16 * MIB, 16, Next::Stream),
            (16 * MIB, 15, Next::Nothing),
            (40 * MIB, 40, Next::Stream),
            (40 * MIB, 39, Next::Nothing),
            (NEAR_BYTES + 1, 0, Next::Nothing),
        ] {
            let wait = Duration::from_millis(wait);
            assert_eq!(fast.next(left, wait, false), next, "{left} {wait:?}");
        }
        let long = Duration::from_secs(1);
        let waits_for_azure = pace(8 * MIB, 2, 6);
        assert_eq!(waits_for_azure.next(16 * MIB, long, false), Next::Nothing, "ranges, soon");
        assert_eq!(waits_for_azure.next(16 * MIB, long, true), Next::Stream);
        assert_eq!(pace(8 * MIB, 800, 2).next(9 * MIB, long, false), Next::Nothing, "it is slow");
        let unknown = pace(PACE_BYTES - 1, 0, 0);
        assert_eq!(unknown.next(9 * MIB, long, false), Next::Nothing, "not known yet");
    }
}
