//! The bytes of an answer: counted, and never waited for without an end.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};

use super::error::{BlobError, Kind};

/// The bytes of a blob as they come. Fewer than were promised are an error, never an end.
pub struct BlobBody {
    incoming: Incoming,
    left: u64,
    idle: Idle,
    failed: bool,
    /// The right to large pieces.
    _wide: Option<OwnedSemaphorePermit>,
}

impl BlobBody {
    pub(super) fn new(
        incoming: Incoming,
        length: u64,
        idle: Duration,
        wide: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self { incoming, left: length, idle: Idle::new(idle), failed: false, _wide: wide }
    }

    /// Bytes still to come.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// All of it, if it is not longer than `limit` bytes: for the gateway's own documents.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, BlobError> {
        let length = usize::try_from(self.left).ok().filter(|length| *length <= limit);
        let Some(length) = length else {
            return Err(BlobError::refused_here(Kind::TooLarge, "longer than it may be"));
        };
        let mut all = BytesMut::with_capacity(length);
        while let Some(frame) = self.frame().await {
            if let Ok(piece) = frame?.into_data() {
                all.extend_from_slice(&piece);
            }
        }
        Ok(all.freeze())
    }

    fn poll_piece(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BlobError>>> {
        match ready!(self.idle.poll_frame(&mut self.incoming, context)) {
            None if self.left == 0 => Poll::Ready(None),
            None => Poll::Ready(Some(Err(BlobError::broken("the body ended too early")))),
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, |piece| piece.len() as u64);
                let left = self.left.checked_sub(length);
                self.left = left.unwrap_or_default();
                let more = || BlobError::broken("the body is longer than was said");
                Poll::Ready(Some(left.map(|_| frame).ok_or_else(more)))
            }
        }
    }
}

impl Body for BlobBody {
    type Data = Bytes;
    type Error = BlobError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BlobError>>> {
        if self.failed {
            return Poll::Ready(None);
        }
        let piece = ready!(self.poll_piece(context));
        self.failed = matches!(piece, Some(Err(_)));
        Poll::Ready(piece)
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

impl fmt::Debug for BlobBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobBody({} bytes to come)", self.left)
    }
}

/// Reads frames, each within a deadline that runs only while somebody waits for it.
pub(super) struct Idle {
    limit: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Idle {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, sleep: None, waiting: false }
    }

    pub(super) fn poll_frame(
        &mut self,
        incoming: &mut Incoming,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BlobError>>> {
        if let Poll::Ready(frame) = Pin::new(incoming).poll_frame(context) {
            self.waiting = false;
            return Poll::Ready(frame.map(|frame| frame.map_err(BlobError::broken)));
        }
        let until = Instant::now() + self.limit;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if !self.waiting {
            sleep.as_mut().reset(until);
            self.waiting = true;
        }
        ready!(sleep.as_mut().poll(context));
        Poll::Ready(Some(Err(BlobError::broken("no more of the body in time"))))
    }

    /// The whole body, if it is not longer than `limit` bytes.
    pub(super) async fn collect(
        mut self,
        mut incoming: Incoming,
        limit: usize,
    ) -> Result<Bytes, BlobError> {
        let announced =
            incoming.size_hint().exact().and_then(|length| usize::try_from(length).ok());
        let mut all = BytesMut::with_capacity(announced.unwrap_or_default().min(limit));
        loop {
            let frame = std::future::poll_fn(|context| self.poll_frame(&mut incoming, context));
            let Some(frame) = frame.await else { return Ok(all.freeze()) };
            let Ok(piece) = frame?.into_data() else { continue };
            if all.len() + piece.len() > limit {
                return Err(BlobError::broken("the document is longer than it may be"));
            }
            all.extend_from_slice(&piece);
        }
    }
}
