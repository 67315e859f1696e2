//! The file of a form, as a body that streams: it ends cleanly only where the whole form does, and has
//! as many bytes as its policy wants.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt as _;

use super::part::{self, Found, PartHead};
use super::{FILE, malformed, one_file, too_much};
use crate::s3::body::{Body, BoxError};
use crate::s3::{Code, Error};

/// What may come behind the file and is ignored: the name of a button or two, in bytes.
const AFTER_BYTES_MAX: usize = 8 * 1024;

/// The file of a form, up to which everything else has been read.
#[derive(Debug)]
pub struct File {
    body: Body,
    /// What came of the body and has not been looked at.
    pending: Bytes,
    delimiter: Bytes,
    stage: Stage,
    length: u64,
    min: u64,
    max: u64,
}

#[derive(Debug)]
enum Stage {
    /// In the bytes of the file.
    Inside,
    /// Behind it, with what came so far.
    Behind(BytesMut),
    /// At the end of the form.
    Done,
}

impl File {
    pub(super) fn new(body: Body, pending: Bytes, delimiter: Bytes) -> Self {
        Self { body, pending, delimiter, stage: Stage::Inside, length: 0, min: 0, max: u64::MAX }
    }

    /// The same, if it has from `min` to `max` bytes; else it ends in `EntityTooSmall`, or at once in
    /// `EntityTooLarge`.
    #[must_use]
    pub fn limited(self, min: u64, max: u64) -> Self {
        Self { min, max, ..self }
    }

    /// As a body. It gives [`Error`]s, which a reader passes on as they are.
    pub fn into_body(self) -> Body {
        self.boxed_unsync()
    }

    /// The next bytes of the file that are at hand. None: more are needed, or it has ended.
    fn inside(&mut self) -> Result<Option<Bytes>, Error> {
        let data = match part::find(&self.pending, &self.delimiter) {
            Found::At(at) => {
                let data = self.pending.split_to(at);
                self.pending.advance(self.delimiter.len());
                let behind = std::mem::take(&mut self.pending);
                if behind.len() > AFTER_BYTES_MAX {
                    return Err(too_much());
                }
                self.stage = Stage::Behind(BytesMut::from(&*behind));
                data
            }
            Found::Partial(kept) => {
                let certain = self.pending.len().saturating_sub(kept);
                self.pending.split_to(certain)
            }
        };
        self.length = self.length.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        if self.length > self.max {
            return Err(Error::new(Code::EntityTooLarge)
                .detail("MaxSizeAllowed", self.max.to_string())
                .detail("ProposedSize", self.length.to_string()));
        }
        Ok((!data.is_empty()).then_some(data))
    }

    /// Takes in what came next.
    fn take(&mut self, data: Bytes) -> Result<(), Error> {
        match &mut self.stage {
            Stage::Inside if self.pending.is_empty() => self.pending = data,
            Stage::Inside => {
                // A few bytes that may be the start of the delimiter.
                let mut joined = BytesMut::from(&*self.pending);
                joined.extend_from_slice(&data);
                self.pending = joined.freeze();
            }
            Stage::Behind(buffer) => {
                buffer.extend_from_slice(&data);
                if buffer.len() > AFTER_BYTES_MAX {
                    return Err(too_much());
                }
            }
            Stage::Done => {}
        }
        Ok(())
    }

    /// Looks at what is behind the file. Is the form at its end?
    fn is_at_end(&self) -> Result<bool, Error> {
        let Stage::Behind(buffer) = &self.stage else { return Ok(false) };
        if !ends(buffer, &self.delimiter)? {
            return Ok(false);
        }
        if self.length < self.min {
            return Err(Error::new(Code::EntityTooSmall)
                .detail("MinSizeAllowed", self.min.to_string())
                .detail("ProposedSize", self.length.to_string()));
        }
        Ok(true)
    }

    /// The next step: bytes, the end, or a wish for more.
    fn step(&mut self) -> Result<Step, Error> {
        if matches!(self.stage, Stage::Inside)
            && let Some(data) = self.inside()?
        {
            return Ok(Step::Data(data));
        }
        if matches!(self.stage, Stage::Done) || self.is_at_end()? {
            self.stage = Stage::Done;
            return Ok(Step::End);
        }
        Ok(Step::More)
    }
}

enum Step {
    Data(Bytes),
    End,
    More,
}

/// Whether the parts behind the file are all there. There must be no second file among them.
fn ends(mut bytes: &[u8], delimiter: &[u8]) -> Result<bool, Error> {
    loop {
        let Some((next, rest)) = bytes.split_at_checked(2) else { return Ok(false) };
        match next {
            b"--" => return Ok(true),
            b"\r\n" => {}
            _ => return Err(malformed()),
        }
        let Found::At(at) = part::find(rest, b"\r\n\r\n") else { return Ok(false) };
        let (head, value) = rest.split_at(at);
        if PartHead::parse(head).ok_or_else(malformed)?.name == FILE {
            return Err(one_file());
        }
        let Found::At(at) = part::find(value, delimiter) else { return Ok(false) };
        bytes = value.get(at + delimiter.len()..).unwrap_or_default();
    }
}

impl HttpBody for File {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        loop {
            match this.step() {
                Ok(Step::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(Step::End) => return Poll::Ready(None),
                Ok(Step::More) => {}
                Err(refusal) => return Poll::Ready(Some(Err(refusal.into()))),
            }
            let Some(frame) = ready!(Pin::new(&mut this.body).poll_frame(context)) else {
                return Poll::Ready(Some(Err(malformed().into())));
            };
            let taken = frame.and_then(|frame| match frame.into_data() {
                Ok(data) => this.take(data).map_err(BoxError::from),
                Err(_trailers) => Ok(()),
            });
            if let Err(error) = taken {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }
}
