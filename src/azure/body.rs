//! The bytes of an answer.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::body::Incoming;

use super::error::BlobError;

/// The bytes of a blob as they come. Fewer than were promised are an error, never an end.
#[derive(Debug)]
pub struct BlobBody {
    incoming: Incoming,
}

impl BlobBody {
    pub(super) fn new(incoming: Incoming, length: u64, idle: Duration) -> Self {
        let _ = (length, idle);
        Self { incoming }
    }

    /// All of it, if it is not longer than `limit` bytes; for the gateway's own documents.
    pub async fn collect(self, limit: usize) -> Result<Bytes, BlobError> {
        let _ = limit;
        todo!()
    }
}

impl Body for BlobBody {
    type Data = Bytes;
    type Error = BlobError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BlobError>>> {
        Pin::new(&mut self.incoming).poll_frame(context).map_err(BlobError::broken)
    }
}
