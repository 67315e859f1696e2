//! The bytes of `GetObject`: which requests to Azure bring them.
//!
//! - An object of at most [`FIRST_BYTES`], or so much of it, is one request: the first one asks for that
//!   much and tells the length. Of what is longer, [`AheadBody`] fetches the rest. A range is asked for
//!   in any case: with the whole blob Azurite answers an MD5 of the bytes that no blob has, and GET
//!   would say another ETag than HEAD.
//! - A client that says what it has is likely to have it: its condition is judged before bytes are
//!   asked for. A part is looked up first as well.
//! - Azure documents no range from the end: a little of the beginning is asked for, which is all of a
//!   small object, and tells the length of a large one.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt as _;

use crate::azure::{self, BlobError, BlobRead, Kind, ReadOptions};
use crate::ops::gateway::{Gateway, unanswerable};
use crate::ops::object::ahead::{AheadBody, FIRST_BYTES};
use crate::ops::object::get::{Read, answer, judge, out_of_range, tell, view};
use crate::ops::object::headers::Described;
use crate::ops::object::parts::PartView;
use crate::ops::object::resume::{Pinned, ResumingBody};
use crate::ops::open::{Bucket, Reader, Unseen};
use crate::s3::body::{self, Body};
use crate::s3::conditions::ByteRange;
use crate::s3::{Code, Error};

/// How much of an object is asked for when its end is wanted and its length is not known, in bytes.
const TAIL_BYTES: u64 = 64 * 1024;

/// What a GET is about.
struct Fetch<'a> {
    gateway: &'a Gateway,
    reader: &'a Reader,
    read: &'a Read,
    /// The part that is asked for.
    part: Option<PartView>,
}

pub(super) async fn run(
    gateway: &Gateway,
    reader: &Reader,
    read: &Read,
) -> Result<Response<Body>, Error> {
    let mut fetch = Fetch { gateway, reader, read, part: None };
    let likely =
        read.conditions.if_none_match.is_some() || read.conditions.if_modified_since.is_some();
    // On the heap is what most requests do without.
    if likely || read.part.is_some() {
        Box::pin(fetch.looked_up()).await
    } else if let Some(ByteRange::Last(count)) = read.range {
        Box::pin(fetch.tail(count)).await
    } else {
        fetch.bytes(read.range, azure::Conditions::default()).await
    }
}

impl Fetch<'_> {
    /// Of an object that is looked at first.
    async fn looked_up(&mut self) -> Result<Response<Body>, Error> {
        let Self { gateway, reader, read, .. } = *self;
        let (bucket, found) = reader.look(gateway).await?;
        let described = Described::of(&found);
        if let Some(answer) = judge(&read.conditions, &described)? {
            return Ok(answer);
        }
        self.part = view(gateway, &bucket, reader.key(), read, &found).await?;
        let span = match &self.part {
            Some(part) => part.span,
            None => read.range.map(|range| range.resolve(found.content_length)).transpose()?,
        };
        let range = span.map(|(first, last)| ByteRange::FromTo(first, last));
        self.bytes(range, azure::Conditions::if_match(found.etag)).await
    }

    /// The last `count` bytes.
    async fn tail(&self, count: u64) -> Result<Response<Body>, Error> {
        let beginning = Some(azure::ByteRange { first: 0, last: Some(TAIL_BYTES - 1) });
        let (bucket, found) = match self.ask(beginning, azure::Conditions::default()).await {
            Ok(found) => found,
            Err(unseen) => return Err(self.explain(unseen).await),
        };
        let (total, etag) = (found.properties.content_length, found.properties.etag.clone());
        let described = Described::of(&found.properties);
        if let Some(answer) = judge(&self.read.conditions, &described)? {
            return Ok(answer);
        }
        let (first, last) = ByteRange::Last(count).resolve(total)?;
        if total > TAIL_BYTES {
            // Read to its end, so that its connection can be used again; it is no loss if it fails.
            drop(found.body.collect(usize::try_from(TAIL_BYTES).unwrap_or_default()).await);
            let range = Some(ByteRange::FromTo(first, last));
            return self.bytes(range, azure::Conditions::if_match(etag)).await;
        }
        let BlobRead { properties, body, .. } = found;
        let pinned = Pinned::known(&bucket, self.reader.key(), &described, &properties);
        let whole = ResumingBody::new(pinned, body, 0, total).collect().await;
        let whole = whole.map_err(|cut| Error::new(Code::SlowDown).caused_by(cut))?.to_bytes();
        let wanted = usize::try_from(first).ok().filter(|first| *first <= whole.len());
        let wanted = wanted.map_or_else(Bytes::new, |first| whole.slice(first..));
        let answer = answer(&described, &properties, self.read, Some((first, last)), None);
        let answer = tell(answer, self.gateway, (&bucket, self.reader), (&described, &properties));
        answer.body(body::full(wanted)).map_err(unanswerable)
    }

    /// The bytes of an absolute range, or all.
    async fn bytes(
        &self,
        range: Option<ByteRange>,
        conditions: azure::Conditions,
    ) -> Result<Response<Body>, Error> {
        let asked = Instant::now();
        match self.ask(Some(beginning(range)), conditions).await {
            Ok((bucket, found)) => self.pass_on(&bucket, range, (found, asked.elapsed())),
            // Of no bytes there is no range.
            Err(Unseen::Azure(error))
                if error.kind() == Kind::RangeNotSatisfiable && range.is_none() =>
            {
                Box::pin(self.empty(error)).await
            }
            Err(unseen) => Err(Box::pin(self.explain(unseen)).await),
        }
    }

    async fn ask(
        &self,
        range: Option<azure::ByteRange>,
        conditions: azure::Conditions,
    ) -> Result<(Bucket, BlobRead), Unseen> {
        let options = ReadOptions { range, conditions, wide: true, ..ReadOptions::default() };
        self.reader.read(&options).await
    }

    async fn explain(&self, unseen: Unseen) -> Error {
        let Self { gateway, reader, read, .. } = self;
        let error = match unseen {
            Unseen::Refused(error) => return error,
            Unseen::Azure(error) => error,
        };
        if error.kind() == Kind::RangeNotSatisfiable {
            return out_of_range(gateway, reader, read, error).await;
        }
        if error.kind() == Kind::ConditionNotMet {
            // It was replaced after it was looked at. What is there now the client judges afresh.
            return Error::new(Code::OperationAborted).caused_by(error);
        }
        reader.explain(gateway, error).await
    }

    /// An object without bytes.
    async fn empty(&self, error: BlobError) -> Result<Response<Body>, Error> {
        let Self { gateway, reader, read, .. } = *self;
        let (bucket, found) = reader.look(gateway).await?;
        let described = Described::of(&found);
        if let Some(answer) = judge(&read.conditions, &described)? {
            return Ok(answer);
        }
        if found.content_length > 0 {
            return Err(Error::new(Code::OperationAborted).caused_by(error));
        }
        let answer = answer(&described, &found, read, None, self.part.as_ref());
        let answer = tell(answer, gateway, (&bucket, reader), (&described, &found));
        answer.body(body::empty()).map_err(unanswerable)
    }

    /// Azure's answer, and how long it was waited for, as the client's.
    fn pass_on(
        &self,
        bucket: &Bucket,
        range: Option<ByteRange>,
        (found, wait): (BlobRead, Duration),
    ) -> Result<Response<Body>, Error> {
        let BlobRead { properties, range: got, body } = found;
        let described = Described::of(&properties);
        if let Some(answer) = judge(&self.read.conditions, &described)? {
            return Ok(answer);
        }
        let total = properties.content_length;
        // Azurite answers no bytes where the service answers 416.
        let span = range.map(|range| range.resolve(total)).transpose()?;
        let (first, end) = span.map_or((0, total), |(first, last)| (first, last.saturating_add(1)));
        let (got, got_end) =
            got.map_or((0, total), |(first, last, _)| (first, last.saturating_add(1)));
        if got != first && first < end {
            let what = "Azure answered another range than the one it was asked for";
            return Err(Error::new(Code::InternalError).caused_by(what));
        }
        let pinned = Pinned::known(bucket, self.reader.key(), &described, &properties);
        let here = got_end.min(end).saturating_sub(first);
        let stream = ResumingBody::new(pinned.clone(), body, first, here);
        let body = if first.saturating_add(here) < end {
            AheadBody::new(self.gateway, pinned, (stream, wait), end).boxed_unsync()
        } else {
            stream.boxed_unsync()
        };
        let answer = answer(&described, &properties, self.read, span, self.part.as_ref());
        let answer = tell(answer, self.gateway, (bucket, self.reader), (&described, &properties));
        answer.body(body).map_err(unanswerable)
    }
}

/// How the bytes of a range begin. Azure counts in signed numbers and takes a larger one for no range: an
/// end beyond all objects is none, and a beginning beyond them is answered 416 in any case.
fn beginning(range: Option<ByteRange>) -> azure::ByteRange {
    let (first, last) = match range {
        Some(ByteRange::FromTo(first, last)) => (first, last),
        Some(ByteRange::From(first)) => (first, u64::MAX),
        // A range from the end is made absolute first.
        Some(ByteRange::Last(_)) | None => (0, u64::MAX),
    };
    let countable = |number: u64| i64::try_from(number).is_ok();
    let first = if countable(first) { first } else { i64::MAX.unsigned_abs() };
    let last = last.min(first.saturating_add(FIRST_BYTES - 1));
    azure::ByteRange { first, last: Some(last).filter(|last| countable(*last)) }
}

#[cfg(test)]
mod tests {
    use super::beginning;
    use crate::azure;
    use crate::ops::object::ahead::FIRST_BYTES;
    use crate::s3::conditions::ByteRange::{From, FromTo};

    #[test]
    fn a_beginning_is_bounded_and_countable() {
        let max = i64::MAX.unsigned_abs();
        for (range, first, last) in [
            (None, 0, Some(FIRST_BYTES - 1)),
            (Some(From(7)), 7, Some(FIRST_BYTES + 6)),
            (Some(FromTo(7, 9)), 7, Some(9)),
            (Some(FromTo(0, u64::MAX)), 0, Some(FIRST_BYTES - 1)),
            (Some(FromTo(max, u64::MAX)), max, None),
            (Some(From(u64::MAX)), max, None),
        ] {
            assert_eq!(beginning(range), azure::ByteRange { first, last }, "{range:?}");
        }
    }
}
