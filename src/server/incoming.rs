//! The body of a request on its way in: cut when the client is silent for too long, and handed back
//! when the operation did not want it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body as AxumBody;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};

use crate::s3::body::{Body, BoxError, Stalled};

/// How much of a body is read that nobody wanted, in bytes.
const DRAIN_BYTES_MAX: usize = 2 * 1024 * 1024;
/// How long that may take.
const DRAIN_DEADLINE: Duration = Duration::from_secs(2);

/// What a client has to send for its patience to begin anew, in bytes: one byte now and then would hold
/// memory and a connection for ever.
const ENOUGH_BYTES: usize = 1024;

/// What is left of a body when the operation is done; none: there was no body.
#[derive(Debug)]
pub struct Unread(Option<oneshot::Receiver<Rest>>);

#[derive(Debug)]
struct Rest {
    body: AxumBody,
    touched: bool,
}

impl Unread {
    /// May the connection be used again? What nobody read is read a little, so that a client that is
    /// still sending gets to read its answer. One that `waits_to_send` until it is told to go on, and
    /// was not told, sends nothing.
    pub async fn settle(self, waits_to_send: bool) -> bool {
        let rest = self.0.and_then(|mut rest| rest.try_recv().ok());
        let Some(Rest { mut body, touched }) = rest else { return true };
        if body.is_end_stream() {
            return true;
        }
        if waits_to_send && !touched {
            return false;
        }
        let drained = drain(&mut body);
        tokio::time::timeout(DRAIN_DEADLINE, drained).await.unwrap_or(false)
    }
}

/// Reads to the end, if that is not far. Was it reached?
async fn drain(body: &mut AxumBody) -> bool {
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > DRAIN_BYTES_MAX {
            return false;
        }
    }
    true
}

/// A body whose client is waited for at most `patience` for as little as a kilobyte, and what is left
/// of it.
pub fn body(body: AxumBody, patience: Duration) -> (Body, Unread) {
    if body.is_end_stream() {
        return (crate::s3::body::empty(), Unread(None));
    }
    let (sender, receiver) = oneshot::channel();
    let watched = Watched {
        body: Some(body),
        patience,
        waited: Duration::ZERO,
        come: 0,
        since: None,
        silence: Box::pin(tokio::time::sleep(patience)),
        touched: false,
        back: Some(sender),
    };
    (watched.boxed_unsync(), Unread(Some(receiver)))
}

/// A body that is watched.
struct Watched {
    /// None once it has ended.
    body: Option<AxumBody>,
    patience: Duration,
    /// How long the client was waited for since it last sent enough.
    waited: Duration,
    /// How many bytes came since.
    come: usize,
    /// Since when the next frame is waited for. The time that a frame takes us does not count.
    since: Option<Instant>,
    silence: Pin<Box<Sleep>>,
    touched: bool,
    back: Option<oneshot::Sender<Rest>>,
}

impl Watched {
    fn came(&mut self, bytes: usize) {
        self.waited += self.since.take().map_or(Duration::ZERO, |since| since.elapsed());
        self.come = self.come.saturating_add(bytes);
        if self.come >= ENOUGH_BYTES {
            self.waited = Duration::ZERO;
            self.come = 0;
        }
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        this.touched = true;
        match Pin::new(body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                this.came(frame.data_ref().map_or(0, Bytes::len));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(fault))) => {
                this.body = None;
                Poll::Ready(Some(Err(fault.into())))
            }
            Poll::Ready(None) => {
                this.body = None;
                Poll::Ready(None)
            }
            Poll::Pending => {
                if this.since.is_none() {
                    let now = Instant::now();
                    this.since = Some(now);
                    let left = this.patience.saturating_sub(this.waited);
                    this.silence.as_mut().reset(now + left);
                }
                std::task::ready!(this.silence.as_mut().poll(context));
                this.body = None;
                Poll::Ready(Some(Err(Box::new(Stalled))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if let (Some(body), Some(back)) = (self.body.take(), self.back.take()) {
            // Where nobody waits for it any more, the connection is gone as well.
            drop(back.send(Rest { body, touched: self.touched }));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Interval, MissedTickBehavior, interval};

    use super::*;

    /// Sends so many bytes at each tick, for ever.
    struct Drip(Interval, usize);

    impl HttpBody for Drip {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            std::task::ready!(self.0.poll_tick(context));
            Poll::Ready(Some(Ok(Frame::data(vec![b'x'; self.1].into()))))
        }
    }

    /// How long a body is borne that sends so many bytes every so many seconds, with `busy` seconds of
    /// our own after each frame; none: for longer than an hour.
    async fn borne(bytes: usize, every: u64, busy: u64) -> Option<u64> {
        let mut ticks = interval(Duration::from_secs(every));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let drip = AxumBody::new(Drip(ticks, bytes));
        let (mut body, _unread) = body(drip, Duration::from_secs(30));
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_hours(1) {
            if let Some(Err(error)) = body.frame().await {
                assert!(error.is::<Stalled>());
                return Some(begun.elapsed().as_secs());
            }
            tokio::time::sleep(Duration::from_secs(busy)).await;
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn c61_a_body_that_drips_is_cut_and_a_slow_one_is_not() {
        assert_eq!(borne(1, 10, 0).await, Some(30));
        assert_eq!(borne(1, 31, 0).await, Some(30));
        assert_eq!(borne(1024, 29, 0).await, None);
        assert_eq!(borne(100, 2, 0).await, None);
        assert_eq!(borne(1, 1, 600).await, None, "it is we who are slow");
    }
}
