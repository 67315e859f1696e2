//! What a walk has been told of Azure's listing: spans of it, each without a gap.

use std::cmp::Ordering;

use super::Found;
use super::bounds::order;
use super::course::{Leg, Shape};

/// One entry of a listing that may be shown.
#[derive(Debug)]
pub(super) struct Slot<T> {
    /// Its name, or its prefix, with Azure, until it is taken.
    name: String,
    /// The key or common prefix that it is shown as, where that is not its name.
    key: Option<String>,
    /// Taken when it is shown.
    of: Option<Of<T>>,
}

/// What an entry is shown as.
#[derive(Debug)]
pub(super) enum Of<T> {
    /// An object, with its blob.
    Object(T),
    CommonPrefix,
}

impl<T> Slot<T> {
    pub(super) fn new(name: String, key: Option<String>, of: Of<T>) -> Self {
        Self { name, key, of: Some(of) }
    }

    /// The key or common prefix that it is shown as.
    pub(super) fn shown(&self) -> &str {
        self.key.as_ref().unwrap_or(&self.name)
    }

    /// Takes it, to show it.
    pub(super) fn take(&mut self) -> Option<Found<T>> {
        let of = self.of.take()?;
        let name = std::mem::take(&mut self.name);
        let key = self.key.take().unwrap_or(name);
        Some(match of {
            Of::Object(blob) => Found::Object { key, blob },
            Of::CommonPrefix => Found::CommonPrefix(key),
        })
    }
}

/// How to hear what comes behind a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resume {
    /// Azure has said how.
    Marker(String),
    /// From this name on.
    From(String),
    /// Not needed: the span goes to the end.
    Never,
}

/// A stretch of Azure's order of which everything is known.
#[derive(Debug)]
pub(super) struct Span<T> {
    pub(super) shape: Shape,
    /// The name that it begins at; the first of all if there is none.
    pub(super) from: Option<String>,
    /// The name that it ends before, unless [`Resume::Never`].
    pub(super) reach: String,
    pub(super) resume: Resume,
    /// In Azure's order.
    pub(super) slots: Vec<Slot<T>>,
}

impl<T> Span<T> {
    /// A span of which nothing is known yet.
    pub(super) fn new(shape: Shape, from: Option<String>) -> Self {
        let reach = from.clone().unwrap_or_default();
        Self { shape, resume: Resume::From(reach.clone()), from, reach, slots: Vec::new() }
    }

    /// Can what is known of `leg` be found here, or behind the end of this?
    pub(super) fn serves(&self, leg: &Leg) -> bool {
        let start = leg.start.name();
        let begins = match (&self.from, start) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(from), Some(start)) => order(from, start) != Ordering::Greater,
        };
        let reaches = self.resume == Resume::Never
            || order(start.unwrap_or_default(), &self.reach) != Ordering::Greater;
        self.shape == leg.shape && begins && reaches
    }

    /// Is all of `leg` known?
    pub(super) fn completes(&self, leg: &Leg) -> bool {
        let stop = leg.stop.as_deref();
        self.resume == Resume::Never
            || stop.is_some_and(|stop| order(stop, &self.reach) != Ordering::Greater)
    }

    /// What is known of `leg` and has not been shown.
    pub(super) fn slots_of(&mut self, leg: &Leg) -> impl DoubleEndedIterator<Item = &mut Slot<T>> {
        let is_in = |name: &str| {
            let behind_start =
                leg.start.name().is_none_or(|start| order(name, start) != Ordering::Less);
            behind_start
                && leg.stop.as_deref().is_none_or(|stop| order(name, stop) == Ordering::Less)
        };
        self.slots.iter_mut().filter(move |slot| slot.of.is_some() && is_in(&slot.name))
    }
}
