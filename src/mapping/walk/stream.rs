//! The keys of one range of names, in S3's order, as far as Azure's answers tell them.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::bounds::{behind, next, order};
use super::course::{Course, Cursor, Held, Leg};
use super::known::{Of, Resume, Slot, Span};
use super::{Answer, Ask, Found, Listed};

/// A course, how far it has been walked, and what has been found and not been taken.
#[derive(Debug)]
pub(super) struct Stream<T> {
    course: Course,
    cursor: Option<Cursor>,
    spans: Vec<Span<T>>,
    asked: Option<usize>,
    ready: VecDeque<Found<T>>,
}

impl<T> Stream<T> {
    pub(super) fn new(course: Course, cursor: Option<Cursor>) -> Self {
        Self { course, cursor, spans: Vec::new(), asked: None, ready: VecDeque::new() }
    }

    /// The next key or common prefix, if it is known.
    pub(super) fn ready(&self) -> Option<&str> {
        self.ready.front().map(Found::text)
    }

    /// Takes it.
    pub(super) fn pop(&mut self) -> Option<Found<T>> {
        self.ready.pop_front()
    }

    /// Takes all that is known, but no more than `room`; false: nothing is.
    pub(super) fn pop_into(&mut self, found: &mut Vec<Found<T>>, room: usize) -> bool {
        let many = self.ready.len().min(room);
        if found.is_empty() && many == self.ready.len() {
            *found = std::mem::take(&mut self.ready).into();
        } else {
            found.extend(self.ready.drain(..many));
        }
        many > 0
    }

    /// Walks until something is ready or the end is reached; what has to be asked for that, if
    /// anything has.
    pub(super) fn advance(&mut self, wanted: usize) -> Option<Ask> {
        while self.ready.is_empty() {
            let cursor = self.cursor.as_ref()?;
            let ask = match self.course.leg(cursor) {
                None => {
                    self.cursor = None;
                    None
                }
                Some(leg) if leg.is_empty() => {
                    self.cursor = leg.then;
                    None
                }
                Some(leg) => self.walk(leg, wanted),
            };
            if ask.is_some() {
                return ask;
            }
        }
        None
    }

    /// Shows what is known of `leg` and moves on; what has to be asked first, if nothing is known.
    fn walk(&mut self, leg: Leg, wanted: usize) -> Option<Ask> {
        let Some(which) = self.spans.iter().position(|span| span.serves(&leg)) else {
            self.spans.push(Span::new(leg.shape, leg.start.name().map(str::to_owned)));
            return self.ask(self.spans.len() - 1, if leg.is_detour { 1 } else { wanted });
        };
        let span = self.spans.get_mut(which)?;
        let complete = span.completes(&leg);
        let last = span.slots_of(&leg).next_back().map(|slot| slot.shown().to_owned());
        let (cursor, held) = match last {
            None if !complete => return self.ask(which, wanted),
            Some(last) if !complete => {
                let (cursor, held) = self.course.resume_after(&last, &leg);
                (Some(cursor), held)
            }
            None | Some(_) => (leg.then.clone(), Held::default()),
        };
        let mut shown = Vec::with_capacity(span.slots.len());
        let not_held = span.slots_of(&leg).filter(|slot| !held.holds(slot.shown()));
        shown.extend(not_held.filter_map(Slot::take));
        if !shown.is_sorted_by(|one, other| one.text() < other.text()) {
            shown.sort_by(|one, other| one.text().cmp(other.text()));
            shown.dedup_by(|one, other| one.text() == other.text());
        }
        self.cursor = match leg.within {
            Some(common) if !shown.is_empty() => Some(Cursor::Past(common)),
            _ => cursor,
        };
        self.ready = shown.into();
        None
    }

    fn ask(&mut self, which: usize, wanted: usize) -> Option<Ask> {
        let span = self.spans.get(which)?;
        let (start_from, marker) = match &span.resume {
            Resume::Never => return None,
            Resume::Marker(marker) => (None, Some(marker.clone())),
            Resume::From(name) => (Some(name.clone()).filter(|name| !name.is_empty()), None),
        };
        self.asked = Some(which);
        Some(Ask {
            range: self.course.range(),
            prefix: self.course.prefix().to_owned(),
            delimiter: self.course.delimiter(span.shape).map(str::to_owned),
            start_from,
            marker,
            max_results: u32::try_from(wanted).unwrap_or(u32::MAX),
        })
    }

    /// Takes the answer to what was asked last.
    pub(super) fn feed(&mut self, answer: Answer<T>) {
        let Some(span) = self.asked.take().and_then(|which| self.spans.get_mut(which)) else {
            return;
        };
        let Answer { mut entries, next_marker } = answer;
        // Azure has blobs and prefixes in one order, Azurite one behind the other.
        entries.sort_by(|one, other| order(one.name(), other.name()));
        let end = entries.last().and_then(|last| match last {
            Listed::Blob { name, .. } => Some(next(name)),
            Listed::Prefix(prefix) => behind(prefix),
        });
        let skip = entries.last().and_then(|last| self.course.skip(last.name()));
        span.resume = next_marker.map_or(Resume::Never, Resume::Marker);
        if let (Resume::Marker(_), Some(skip)) = (&span.resume, skip) {
            span.resume = Resume::From(skip);
        }
        span.reach = end.unwrap_or_else(|| std::mem::take(&mut span.reach));
        span.slots.reserve(entries.len());
        span.slots.extend(entries.into_iter().filter_map(|entry| slot(&self.course, entry)));
    }
}

/// `entry` as it is shown; nothing if it is not of this listing.
fn slot<T>(course: &Course, entry: Listed<T>) -> Option<Slot<T>> {
    let (name, key, blob) = match entry {
        Listed::Blob { name, blob } => {
            let key = other_than(&name, course.key_of(&name)?);
            (name, key, Some(blob))
        }
        Listed::Prefix(prefix) => {
            let key = other_than(&prefix, course.prefix_of(&prefix)?);
            (prefix, key, None)
        }
    };
    let text = key.as_ref().unwrap_or(&name);
    let (key, of) = match (course.listing().common_prefix(text), blob) {
        (Some(common), _) => (other_than(&name, Cow::Borrowed(common)), Of::CommonPrefix),
        (None, Some(blob)) => (key, Of::Object(blob)),
        // A prefix of Azure's has the delimiter.
        (None, None) => return None,
    };
    Some(Slot::new(name, key, of))
}

/// `key`, unless it is `name` itself: most keys are.
fn other_than(name: &str, key: Cow<'_, str>) -> Option<String> {
    (key != name).then(|| key.into_owned())
}
