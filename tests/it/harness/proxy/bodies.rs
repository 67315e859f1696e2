//! Bodies that break off.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};

pub(super) type AnyError = Box<dyn std::error::Error + Send + Sync>;
pub(super) type Body = UnsyncBoxBody<Bytes, AnyError>;

pub(super) fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// The first `kept` bytes, and then an error.
pub(super) fn cut(bytes: &Bytes, kept: usize) -> Body {
    CutBody { kept: Some(bytes.slice(..kept.min(bytes.len()))), waited: false, clean: false }
        .boxed_unsync()
}

/// The first `kept` bytes, and then the end, in chunks: no length says that there should be more.
pub(super) fn ended(bytes: &Bytes, kept: usize) -> Body {
    CutBody { kept: Some(bytes.slice(..kept.min(bytes.len()))), waited: false, clean: true }
        .boxed_unsync()
}

/// The bytes with one of them changed.
pub(super) fn flip(bytes: &Bytes, at: usize) -> Bytes {
    let mut bytes = bytes.to_vec();
    if let Some(at) = at.checked_rem(bytes.len()) {
        bytes[at] ^= 0x20;
    }
    bytes.into()
}

/// A body that ends after its bytes were on their way, with an error or without.
struct CutBody {
    kept: Option<Bytes>,
    waited: bool,
    clean: bool,
}

impl HttpBody for CutBody {
    type Data = Bytes;
    type Error = AnyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnyError>>> {
        if let Some(kept) = self.kept.take().filter(|kept| !kept.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(kept))));
        }
        // One turn for the connection to flush what it has.
        if !self.waited {
            self.waited = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(if self.clean { None } else { Some(Err("cut by a rule".into())) })
    }
}
