//! Pages of a listing in S3's order, planned over a listing in Azure's. Pure: a [`Walk`] says which
//! page of Azure it wants next, is told the answer, and ends with a page of S3's.
//!
//! What differs, and where it is dealt with:
//!
//! - S3 sorts keys by UTF-8 bytes, Azure names by UTF-16 units: characters above U+FFFF come before
//!   those from U+E001 to U+FFFD. Where a listing meets both at one place, it is walked in pieces
//!   ([`course`]: which piece is next; [`stream`]: what of a page is safe to show).
//! - S3 goes on after any key, Azure from any name on (`startFrom`, inclusive) or after its own
//!   marker. Both sides of a page's end are told by the last key alone; no marker of Azure leaves
//!   the walk ([`bounds`]).
//! - S3 rolls up at any text. Azure's own roll-up is used where it means the same; every entry is
//!   rolled up here again, and a common prefix that fills a page is jumped over.
//! - Keys that Azure cannot keep are a second listing, merged in ([`crate::mapping::names::Range`]).
//!
//! One page of S3's is one page of Azure's wherever none of the first, the last, and an `after`
//! inside a common prefix is met.

mod bounds;
mod course;
mod known;
#[cfg(test)]
mod model;
mod stream;

use crate::azure;
use crate::mapping::names::{KeySpace, Range};
use crate::s3::names::KEY_BYTES_MAX;

use course::{Course, Listing};
use stream::Stream;

/// The most entries of a page of Azure's.
/// <https://learn.microsoft.com/rest/api/storageservices/list-blobs>
const RESULTS_MAX: usize = 5000;

/// What is to be listed.
#[derive(Clone, Debug)]
pub struct WalkInput {
    /// Where the bucket's keys are.
    pub space: KeySpace,
    /// Only keys that begin so.
    pub prefix: String,
    /// Only what comes after: a key, or a common prefix and all that it stands for.
    pub after: Option<String>,
    /// Keys are rolled up at this text. Empty is none.
    pub delimiter: Option<String>,
    /// At most so many keys and common prefixes. For 0 nothing is asked.
    pub max_keys: usize,
    /// Does the container say that keys live in the reserved range?
    pub has_reserved: bool,
}

/// A page that the walk wants from Azure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Of which range of names.
    pub range: Range,
    /// Names that begin so.
    pub prefix: String,
    /// Rolled up by Azure at this text.
    pub delimiter: Option<String>,
    /// From this name on. Never together with a marker.
    pub start_from: Option<String>,
    /// Where Azure said that its page before ended.
    pub marker: Option<String>,
    /// At most so many entries, 1 to 5,000.
    pub max_results: u32,
}

impl Ask {
    /// The request for it.
    pub fn list_blobs(&self, include: azure::Include) -> azure::ListBlobs {
        azure::ListBlobs {
            prefix: (!self.prefix.is_empty()).then(|| self.prefix.clone()),
            delimiter: self.delimiter.clone(),
            start_from: self.start_from.clone(),
            marker: self.marker.clone(),
            max_results: self.max_results,
            include,
        }
    }
}

/// A page of Azure's, entries in any order.
#[derive(Clone, Debug)]
pub struct Answer<T> {
    /// Blobs and prefixes.
    pub entries: Vec<Listed<T>>,
    /// Where the next page begins, if there is one.
    pub next_marker: Option<String>,
}

/// An entry of a page of Azure's.
#[derive(Clone, Debug)]
pub enum Listed<T> {
    /// A blob.
    Blob {
        /// Its name.
        name: String,
        /// What else is known of it.
        blob: T,
    },
    /// Names that begin so.
    Prefix(String),
}

impl<T> Listed<T> {
    /// The name or the prefix.
    pub fn name(&self) -> &str {
        match self {
            Self::Blob { name, .. } => name,
            Self::Prefix(prefix) => prefix,
        }
    }
}

/// An entry of a page of S3's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<T> {
    /// An object.
    Object {
        /// Its key.
        key: String,
        /// Its blob.
        blob: T,
    },
    /// Keys that begin so.
    CommonPrefix(String),
}

impl<T> Found<T> {
    /// The key or the common prefix.
    pub fn text(&self) -> &str {
        match self {
            Self::Object { key, .. } => key,
            Self::CommonPrefix(prefix) => prefix,
        }
    }
}

/// A page of S3's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// Keys and common prefixes, by their UTF-8 bytes.
    pub found: Vec<Found<T>>,
    /// There is more.
    pub truncated: bool,
}

impl<T> Page<T> {
    /// The last key or common prefix: the next page's `after`.
    pub fn last(&self) -> Option<&str> {
        self.found.last().map(Found::text)
    }
}

/// What a walk wants next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<T> {
    /// This page of Azure; [`Walk::feed`] takes it.
    Ask(Ask),
    /// Nothing: here is the page.
    Done(Page<T>),
}

/// The way to one page of S3's.
#[derive(Debug)]
pub struct Walk<T> {
    streams: Vec<Stream<T>>,
    found: Vec<Found<T>>,
    max_keys: usize,
    asked: Option<usize>,
}

impl<T> Walk<T> {
    /// The way to the page that `input` asks for.
    pub fn new(input: WalkInput) -> Self {
        let WalkInput { space, prefix, after, delimiter, max_keys, has_reserved } = input;
        let room_for_prefix = prefix.len() <= KEY_BYTES_MAX;
        let listing = Listing::new(space, prefix, delimiter);
        let start = (max_keys > 0).then(|| listing.start(after)).flatten();
        let plain = Course::plain(listing.clone());
        let packed = (has_reserved && room_for_prefix).then(|| Course::packed(listing));
        let courses = plain.into_iter().chain(packed);
        let streams = courses.map(|course| Stream::new(course, start.clone())).collect();
        Self { streams, found: Vec::new(), max_keys, asked: None }
    }

    /// What is wanted next.
    pub fn step(&mut self) -> Step<T> {
        while self.found.len() <= self.max_keys {
            let wanted = (self.max_keys - self.found.len()).saturating_add(1).min(RESULTS_MAX);
            if let Some(ask) = self.advance(wanted) {
                return Step::Ask(ask);
            }
            let room = self.max_keys.saturating_add(1) - self.found.len();
            let any = match &mut *self.streams {
                // Nothing has to be merged in.
                [only] => only.pop_into(&mut self.found, room),
                _ => self.least().map(|least| self.found.push(least)).is_some(),
            };
            if !any {
                break;
            }
        }
        let truncated = self.found.len() > self.max_keys && self.max_keys > 0;
        self.found.truncate(self.max_keys);
        Step::Done(Page { found: std::mem::take(&mut self.found), truncated })
    }

    /// Takes Azure's answer to what [`Walk::step`] asked for last.
    pub fn feed(&mut self, answer: Answer<T>) {
        let asked = self.asked.take().and_then(|which| self.streams.get_mut(which));
        if let Some(stream) = asked {
            stream.feed(answer);
        }
    }

    /// Brings every stream to where it has something ready, or its end.
    fn advance(&mut self, wanted: usize) -> Option<Ask> {
        let mut asks = self.streams.iter_mut().map(|stream| stream.advance(wanted)).enumerate();
        let (which, ask) = asks.find_map(|(which, ask)| Some((which, ask?)))?;
        self.asked = Some(which);
        Some(ask)
    }

    /// The first of what the streams have ready; both may have the same common prefix.
    fn least(&mut self) -> Option<Found<T>> {
        let ready = self.streams.iter().enumerate();
        let ready = ready.filter_map(|(which, stream)| Some((stream.ready()?, which)));
        // Of two that are the same, the first: none of the second comes before it then.
        let (_, which) = ready.min()?;
        let least = self.streams.get_mut(which).and_then(Stream::pop)?;
        for other in self.streams.iter_mut().skip(which + 1) {
            if other.ready() == Some(least.text()) {
                drop(other.pop());
            }
        }
        Some(least)
    }
}
