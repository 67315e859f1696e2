//! One part of an object, by its number: where its bytes are.

use http::HeaderMap;
use http::response::Builder;

use crate::azure::{BlobError, BlobPath, BlobStore, Properties, WhichBlocks};
use crate::mapping::metadata::{ChecksumKind, ObjectFacts, PartTable};
use crate::mapping::uploads::{PartBlock, parts_of};
use crate::s3::checksum::Checksum;
use crate::s3::names::PartNumber;
use crate::s3::{Code, Error, headers};

/// A part of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ops) struct PartView {
    /// Its first and its last byte; none where the whole object has no bytes.
    pub span: Option<(u64, u64)>,
    /// How many parts there are, where the object was uploaded in parts.
    count: Option<u32>,
    /// Its checksum and the kind of the object's, where that was asked for and is known.
    checksum: Option<(Checksum, &'static str)>,
}

/// Why there is no part to be seen.
#[derive(Debug)]
pub(in crate::ops) enum Unseen {
    /// There is no such part.
    Refused(Error),
    /// Azure does not say.
    Azure(BlobError),
}

impl From<BlobError> for Unseen {
    fn from(error: BlobError) -> Self {
        Self::Azure(error)
    }
}

/// The part of that number. Parts are counted from one on, whatever numbers they were uploaded with.
pub(in crate::ops) async fn view(
    store: &BlobStore,
    path: &BlobPath,
    properties: &Properties,
    number: PartNumber,
    request: &HeaderMap,
) -> Result<PartView, Unseen> {
    let facts = ObjectFacts::read(properties);
    let total = properties.content_length;
    let Some(PartTable { count, size }) = facts.parts else {
        return whole(&facts, total, number, request).map_err(Unseen::Refused);
    };
    if u32::from(number.get()) > count {
        return Err(Unseen::Refused(no_such_part(number, count)));
    }
    let asked = facts.checksum.is_some() && headers::wants_checksum(request);
    let parts = if asked || size.is_none() { table(store, path).await? } else { None };
    let at = usize::from(number.get()).saturating_sub(1);
    let part = parts.as_ref().and_then(|parts| parts.get(at));
    let checksum = match part {
        // The object is its only part, and has no blocks.
        None if count == 1 => whole_checksum(&facts),
        part => part.and_then(|(part, _)| Some((part.checksum?, facts.checksum?.kind.name()))),
    };
    let checksum = checksum.filter(|_| asked);
    let (first, length) = match (size, &parts) {
        (Some(size), _) => {
            let first = size.saturating_mul(u64::try_from(at).unwrap_or(u64::MAX));
            (first, size.min(total.saturating_sub(first)))
        }
        (None, Some(parts)) => {
            let first = parts.iter().take(at).map(|(_, length)| length).sum();
            (first, part.map_or(0, |(_, length)| *length))
        }
        // The blocks have other names: another tool's stood in the way of ours.
        (None, None) => {
            return Err(Unseen::Refused(
                Error::new(Code::NotImplemented).message("The parts of this object are not known."),
            ));
        }
    };
    let span = first.checked_add(length).and_then(|end| end.checked_sub(1)).filter(|_| length > 0);
    if span.is_none() && total > 0 {
        // A part of no bytes has no range.
        return Err(Unseen::Refused(no_such_part(number, count)));
    }
    Ok(PartView { span: span.map(|last| (first, last)), count: Some(count), checksum })
}

/// An object that was not uploaded in parts is its only one.
fn whole(
    facts: &ObjectFacts,
    total: u64,
    number: PartNumber,
    request: &HeaderMap,
) -> Result<PartView, Error> {
    if number.get() > 1 {
        return Err(no_such_part(number, 1));
    }
    let span = total.checked_sub(1).map(|last| (0, last));
    let checksum = whole_checksum(facts).filter(|_| headers::wants_checksum(request));
    Ok(PartView { span, count: None, checksum })
}

fn whole_checksum(facts: &ObjectFacts) -> Option<(Checksum, &'static str)> {
    let checksum = facts.checksum?;
    (checksum.kind == ChecksumKind::FullObject).then(|| (checksum.value, checksum.kind.name()))
}

fn no_such_part(number: PartNumber, count: u32) -> Error {
    Error::new(Code::InvalidPartNumber)
        .detail("PartNumberRequested", number.get().to_string())
        .detail("ActualPartCount", count.to_string())
}

/// The parts that the blob's blocks tell of.
pub(in crate::ops) async fn table(
    store: &BlobStore,
    path: &BlobPath,
) -> Result<Option<Vec<(PartBlock, u64)>>, BlobError> {
    let list = store.block_list(path, WhichBlocks::Committed).await?;
    Ok(parts_of(&list.committed).filter(|parts| !parts.is_empty()))
}

/// A part as it is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ops) struct Sized {
    /// How many bytes it has.
    pub length: u64,
    /// Its checksum, where it is known.
    pub checksum: Option<Checksum>,
}

/// All parts of an object, in order; nothing if it was not uploaded in parts, or if its blocks do
/// not tell of them.
pub(in crate::ops) async fn all(
    store: &BlobStore,
    path: &BlobPath,
    properties: &Properties,
) -> Result<Option<Vec<Sized>>, BlobError> {
    let facts = ObjectFacts::read(properties);
    let Some(PartTable { count, size }) = facts.parts else { return Ok(None) };
    let asked = size.is_none() || facts.checksum.is_some();
    if let Some(parts) = if asked { table(store, path).await? } else { None } {
        let sized = parts
            .into_iter()
            .map(|(part, length)| Sized { length, checksum: part.checksum })
            .collect();
        return Ok(Some(sized));
    }
    Ok(size.map(|size| uniform(count, size, properties.content_length)))
}

/// Parts of one size, of which the last may be shorter.
fn uniform(count: u32, size: u64, total: u64) -> Vec<Sized> {
    let starts = (0..u64::from(count.min(u32::from(PartNumber::MAX)))).map(|at| size * at);
    starts
        .map(|start| Sized { length: size.min(total.saturating_sub(start)), checksum: None })
        .collect()
}

impl PartView {
    /// What an answer says of the part; the object's own checksum is not the part's.
    pub(in crate::ops) fn write(&self, mut answer: Builder) -> Builder {
        if let Some(count) = self.count {
            answer = answer.header(headers::MP_PARTS_COUNT, count);
        }
        match &self.checksum {
            Some((checksum, kind)) => answer
                .header(checksum.algorithm().header(), checksum.base64())
                .header(headers::CHECKSUM_TYPE, *kind),
            None => answer,
        }
    }
}
