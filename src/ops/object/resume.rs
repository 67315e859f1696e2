//! The bytes of an object on their way to a client, gone on with where Azure cuts them.
//!
//! A connection to Azure that breaks in the middle of an answer is not the client's trouble: the
//! rest is asked for again, of the same blob. If that cannot be had, the body ends in an error, and
//! the client's connection is aborted: fewer bytes than were announced must never look like an end.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::azure::{
    AzureETag, BlobBody, BlobError, BlobPath, BlobStore, ByteRange, Conditions, Kind, Properties,
    ReadOptions,
};
use crate::mapping::commit_id::CommitId;
use crate::mapping::metadata::ObjectFacts;
use crate::ops::object::headers::Described;
use crate::ops::open::Bucket;
use crate::s3::body::BoxError;
use crate::s3::names::ObjectKey;

/// How often one answer is gone on with.
const RESUMPTIONS_MAX: u32 = 8;

type Reopening = Pin<Box<dyn Future<Output = Result<(BlobBody, AzureETag), BlobError>> + Send>>;

/// A blob whose bytes are being read, and what is needed to go on.
#[derive(Clone, Debug)]
pub(in crate::ops) struct Pinned {
    /// Where to ask.
    pub store: BlobStore,
    /// The blob.
    pub path: BlobPath,
    /// The state of the blob that is being read.
    pub etag: AzureETag,
    /// The write that made these bytes, if the gateway did; it outlives a change of metadata.
    pub commit: Option<CommitId>,
    /// Whether its bytes may come in large pieces.
    pub wide: bool,
}

/// The body of an answer: bytes `next` to `end`, the end not included.
pub(in crate::ops) struct ResumingBody {
    blob: Pinned,
    next: u64,
    end: u64,
    state: State,
    resumptions: u32,
}

enum State {
    Reading(BlobBody),
    Reopening(Reopening),
    Ended,
}

impl std::fmt::Debug for ResumingBody {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("ResumingBody")
            .field("next", &self.next)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

impl ResumingBody {
    /// The bytes from `first` on, `length` of them, of which `body` is the beginning.
    pub(in crate::ops) fn new(blob: Pinned, body: BlobBody, first: u64, length: u64) -> Self {
        let state = if length == 0 { State::Ended } else { State::Reading(body) };
        Self { blob, next: first, end: first.saturating_add(length), state, resumptions: 0 }
    }

    /// The byte that comes next, and where it ends.
    pub(in crate::ops) fn span(&self) -> (u64, u64) {
        (self.next, self.end)
    }

    fn none(blob: Pinned) -> Self {
        Self { blob, next: 0, end: 0, state: State::Ended, resumptions: 0 }
    }

    /// Takes a frame in; what is more than was announced is not passed on.
    fn take(&mut self, bytes: &Bytes) -> Option<Bytes> {
        let left = self.end.saturating_sub(self.next);
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX).min(left);
        self.next = self.next.saturating_add(length);
        if self.next == self.end {
            self.state = State::Ended;
        }
        let length = usize::try_from(length).ok().filter(|length| *length > 0)?;
        Some(bytes.slice(..length))
    }

    fn reopen(&mut self, cause: &BoxError) {
        self.resumptions += 1;
        tracing::warn!(%cause, at = self.next, "going on with a cut answer of Azure");
        let (blob, next, end) = (self.blob.clone(), self.next, self.end);
        self.state = State::Reopening(Box::pin(async move { blob.open(next, end).await }));
    }
}

/// The bytes of the blob from the first to the last of `span`, or all of them, as it was found.
pub(in crate::ops) async fn open(
    store: &BlobStore,
    path: &BlobPath,
    found: &Properties,
    span: Option<(u64, u64)>,
) -> Result<ResumingBody, BlobError> {
    let first = span.map_or(0, |(first, _)| first);
    let end = span.map_or(found.content_length, |(_, last)| last.saturating_add(1));
    Pinned::of(store, path, found).stream(first, end).await
}

impl Pinned {
    /// The blob as it was found.
    pub(in crate::ops) fn of(store: &BlobStore, path: &BlobPath, found: &Properties) -> Self {
        Self {
            store: store.clone(),
            path: path.clone(),
            etag: found.etag.clone(),
            commit: ObjectFacts::read(found).commit,
            wide: false,
        }
    }

    /// The same, where what was found has been read already.
    pub(in crate::ops) fn known(
        bucket: &Bucket,
        key: &ObjectKey,
        described: &Described,
        found: &Properties,
    ) -> Self {
        Self {
            store: bucket.store().clone(),
            path: bucket.path(key),
            etag: found.etag.clone(),
            commit: described.facts.commit,
            wide: false,
        }
    }

    /// The bytes from `first` to `end`, the end not included.
    pub(in crate::ops) async fn stream(
        self,
        first: u64,
        end: u64,
    ) -> Result<ResumingBody, BlobError> {
        if end <= first {
            return Ok(ResumingBody::none(self));
        }
        let (body, etag) = self.clone().open(first, end).await?;
        Ok(ResumingBody::new(Self { etag, ..self }, body, first, end - first))
    }

    /// The bytes from `next` to `end`, if the blob still holds the same ones.
    async fn open(mut self, next: u64, end: u64) -> Result<(BlobBody, AzureETag), BlobError> {
        loop {
            let options = ReadOptions {
                range: Some(ByteRange { first: next, last: end.checked_sub(1) }),
                conditions: Conditions::if_match(self.etag.clone()),
                wide: self.wide,
                ..ReadOptions::default()
            };
            match self.store.read(&self.path, &options).await {
                Ok(read) => return Ok((read.body, read.properties.etag)),
                Err(error) if error.kind() == Kind::ConditionNotMet => {
                    self.etag = self.same_bytes(error).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The blob's new ETag, if only its metadata has changed: the commit id tells.
    async fn same_bytes(&self, error: BlobError) -> Result<AzureETag, BlobError> {
        let now = self.store.properties(&self.path, &Conditions::default()).await?;
        let same = self.commit.is_some() && ObjectFacts::read(&now).commit == self.commit;
        if same && now.etag != self.etag { Ok(now.etag) } else { Err(error) }
    }
}

impl Body for ResumingBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        loop {
            match std::task::ready!(this.poll_step(context)) {
                Step::Frame(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Step::GoOn => {}
                Step::End => return Poll::Ready(None),
                Step::Cut(cause) if this.resumptions < RESUMPTIONS_MAX => this.reopen(&cause),
                Step::Cut(cause) | Step::Lost(cause) => {
                    return Poll::Ready(Some(Err(this.give_up(cause))));
                }
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

/// What came of one look at the bytes.
enum Step {
    Frame(Bytes),
    GoOn,
    End,
    /// Azure's answer broke off.
    Cut(BoxError),
    /// The rest cannot be had.
    Lost(BoxError),
}

impl ResumingBody {
    fn poll_step(&mut self, context: &mut Context<'_>) -> Poll<Step> {
        Poll::Ready(match &mut self.state {
            State::Ended => Step::End,
            State::Reading(body) => match std::task::ready!(Pin::new(body).poll_frame(context)) {
                Some(Ok(frame)) => {
                    let bytes = frame.into_data().ok().and_then(|bytes| self.take(&bytes));
                    bytes.map_or(Step::GoOn, Step::Frame)
                }
                Some(Err(error)) => Step::Cut(error.into()),
                None => Step::Cut("the answer ended before its length".into()),
            },
            State::Reopening(opening) => match std::task::ready!(opening.as_mut().poll(context)) {
                Ok((body, etag)) => {
                    self.blob.etag = etag;
                    self.state = State::Reading(body);
                    Step::GoOn
                }
                Err(error) => Step::Lost(error.into()),
            },
        })
    }

    fn give_up(&mut self, cause: BoxError) -> BoxError {
        self.state = State::Ended;
        tracing::error!(%cause, at = self.next, "a cut answer of Azure could not be gone on with");
        cause
    }
}
