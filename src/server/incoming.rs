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

/// What is left of a body when the operation is done.
#[derive(Debug)]
pub struct Unread(oneshot::Receiver<Rest>);

#[derive(Debug)]
struct Rest {
    body: AxumBody,
    touched: bool,
}

impl Unread {
    /// May the connection be used again? What nobody read is read a little, so that a client that is
    /// still sending gets to read its answer. One that `waits_to_send` until it is told to go on, and
    /// was not told, sends nothing.
    pub async fn settle(mut self, waits_to_send: bool) -> bool {
        let Ok(Rest { mut body, touched }) = self.0.try_recv() else { return true };
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

/// A body that stalls for at most `idle`, and what is left of it.
pub fn body(body: AxumBody, idle: Duration) -> (Body, Unread) {
    let (sender, receiver) = oneshot::channel();
    let watched = Watched {
        body: Some(body),
        idle,
        silence: Box::pin(tokio::time::sleep(idle)),
        waiting: false,
        touched: false,
        back: Some(sender),
    };
    (watched.boxed_unsync(), Unread(receiver))
}

/// A body that is watched.
struct Watched {
    /// None once it has ended.
    body: Option<AxumBody>,
    idle: Duration,
    silence: Pin<Box<Sleep>>,
    /// Is the client's next frame being waited for?
    waiting: bool,
    touched: bool,
    back: Option<oneshot::Sender<Rest>>,
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
                this.waiting = false;
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
                // Only the client's silence counts, not the time that a frame takes us.
                if !this.waiting {
                    this.waiting = true;
                    this.silence.as_mut().reset(Instant::now() + this.idle);
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
