//! The course of a listing: which piece of Azure's order comes next in S3's.
//!
//! S3 has, at every place of a key, low characters, then high ones (U+E001 to U+FFFF), then pairs
//! (above U+FFFF); Azure has low, pairs, high. Of what comes after some key `K`, Azure's order has
//! everything in one piece behind `K`, as long as `K` has only low characters. Else let `P` be what
//! stands before the last character of `K` that is not low:
//!
//! - it is high: next is the rest below `P` (its high characters), *then* its pairs, which stand
//!   before `K` with Azure, then all behind `P`;
//! - it is a pair: next are the other pairs below `P`, *then* all behind `P`, without its high
//!   characters, which have been.
//!
//! So the place in a listing is told by a [`Cursor`], and a cursor tells the [`Leg`] to walk and the
//! cursor behind that leg. No leg mixes what the page before had and what it had not, and a key
//! alone is enough to go on after it.

use std::borrow::Cow;
use std::cmp::Ordering;

use memchr::{memchr, memmem};

use crate::mapping::names::{KeySpace, NAME_UNITS_MAX, Range, units};
use crate::mapping::{escape, packing};

use super::bounds::{
    HIGH_BYTES, HIGH_FIRST, HIGH_LAST, Kind, PAIR_BYTES, PAIR_FIRST, behind, fit, kind, next, order,
};

/// A place in the order of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cursor {
    /// Before all keys.
    Start,
    /// Behind this key.
    After(String),
    /// Behind all keys that begin so. With [`HIGH_LAST`] at the end: before the pairs there.
    Past(String),
    /// Before the high characters behind this text, and behind the low ones.
    High(String),
}

/// What is listed, and where.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    space: KeySpace,
    prefix: String,
    delimiter: Option<String>,
}

/// How Azure is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// For all names.
    Flat,
    /// For those of one level, rolled up.
    Level,
}

/// Where a leg begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// At the first name of all.
    First,
    /// At this name, or the first behind it.
    At(String),
    /// Behind the last name of all: there is nothing in it.
    Nowhere,
}

impl Start {
    fn at(name: Option<String>) -> Self {
        name.and_then(fit).map_or(Self::Nowhere, Self::At)
    }

    /// The name, if there is one.
    pub(super) fn name(&self) -> Option<&str> {
        match self {
            Self::At(name) => Some(name),
            Self::First | Self::Nowhere => None,
        }
    }
}

/// A piece of Azure's order whose keys come next, all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leg {
    pub(super) shape: Shape,
    /// Where it begins.
    pub(super) start: Start,
    /// The name that it ends before; none: it goes to the end of the container.
    pub(super) stop: Option<String>,
    /// Up to this byte of its keys, the two orders cannot differ any more.
    pub(super) settled: usize,
    /// What comes behind it.
    pub(super) then: Option<Cursor>,
    /// Most likely there is little or nothing: ask for one entry first.
    pub(super) is_detour: bool,
    /// The common prefix that it is within: one key is enough to show it.
    pub(super) within: Option<String>,
}

/// The course through one range of names.
#[derive(Clone, Debug)]
pub(super) struct Course {
    listing: Listing,
    range: Range,
    prefix: String,
    levels: bool,
}

impl Listing {
    pub(super) fn new(space: KeySpace, prefix: String, delimiter: Option<String>) -> Self {
        Self { space, prefix, delimiter: delimiter.filter(|text| !text.is_empty()) }
    }

    /// Where to begin, after `after`; nothing if no key is there.
    pub(super) fn start(&self, after: Option<String>) -> Option<Cursor> {
        let Some(after) = after else { return Some(Cursor::Start) };
        if after.starts_with(&self.prefix) {
            let is_common = self.common_prefix(&after) == Some(&after);
            return Some(if is_common { Cursor::Past(after) } else { Cursor::After(after) });
        }
        (after < self.prefix).then_some(Cursor::Start)
    }

    /// The common prefix that `key` is rolled up into.
    pub(super) fn common_prefix<'a>(&self, key: &'a str) -> Option<&'a str> {
        let delimiter = self.delimiter.as_deref()?;
        let rest = key.strip_prefix(&self.prefix)?;
        let at = match delimiter.as_bytes() {
            [byte] => memchr(*byte, rest.as_bytes())?,
            longer => memmem::find(rest.as_bytes(), longer)?,
        };
        let end = self.prefix.len() + at + delimiter.len();
        key.get(..end)
    }

    /// Does Azure find the delimiter in names where it is in keys, and nowhere else?
    ///
    /// What it misses is rolled up here. It must not find it in escapes; and not in the blank that
    /// [`next`] adds, because below its level `startFrom` is of no use.
    fn has_levels(&self) -> bool {
        let means_the_same = |character: char| {
            character.is_ascii_graphic()
                && !matches!(character, '0'..='9' | 'A'..='F' | '\\')
                && !escape::is_stem(character)
        };
        // Azurite cuts after the first character of a longer one, and then keys would be missed.
        let one = |text: &str| text.chars().count() == 1;
        self.delimiter.as_deref().is_some_and(|text| one(text) && text.chars().all(means_the_same))
    }
}

impl Course {
    /// Through the names that read like their keys; nothing if no such key begins with the prefix.
    pub(super) fn plain(listing: Listing) -> Option<Self> {
        let mut prefix =
            format!("{}{}", listing.space.prefix(), escape::open(&listing.prefix).ok()?);
        if units(&prefix) > NAME_UNITS_MAX {
            return None;
        }
        if listing.prefix.ends_with('.') {
            // A key that ends here has this dot escaped.
            prefix.pop();
        }
        let levels = listing.has_levels();
        Some(Self { listing, range: Range::Plain, prefix, levels })
    }

    /// Through the names that keys are packed into.
    pub(super) fn packed(listing: Listing) -> Self {
        let prefix = format!("{}{}", listing.space.prefix(), packing::stem(&listing.prefix));
        Self { listing, range: Range::Reserved, prefix, levels: false }
    }

    pub(super) fn listing(&self) -> &Listing {
        &self.listing
    }

    pub(super) fn range(&self) -> Range {
        self.range
    }

    /// What all names of the listing begin with.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn delimiter(&self, shape: Shape) -> Option<&str> {
        match shape {
            Shape::Flat => None,
            Shape::Level => self.listing.delimiter.as_deref(),
        }
    }

    /// The key that a blob has, if it is one of this listing.
    pub(super) fn key_of<'a>(&self, name: &'a str) -> Option<Cow<'a, str>> {
        let key = match self.range {
            Range::Plain => self.listing.space.plain_key(name),
            Range::Reserved => self.listing.space.packed_key(name).map(Cow::Owned),
        };
        key.filter(|key| key.starts_with(&self.listing.prefix))
    }

    /// What the keys below a prefix of Azure's begin with, if they are in this listing.
    pub(super) fn prefix_of<'a>(&self, start: &'a str) -> Option<Cow<'a, str>> {
        let prefix = escape::prefix_of(start.strip_prefix(self.listing.space.prefix())?)?;
        Some(prefix).filter(|prefix| prefix.starts_with(&self.listing.prefix))
    }

    /// The names that are no business of this range, in the middle of it: the first behind them.
    pub(super) fn skip(&self, name: &str) -> Option<String> {
        let home = self.listing.space.prefix();
        let packed = name.strip_prefix(home)?.starts_with(packing::LEAD);
        (packed && self.range == Range::Plain).then(|| format!("{home}{}", packing::LEAD_END))
    }

    /// The leg that comes next at `cursor`; nothing at the end of the listing.
    pub(super) fn leg(&self, cursor: &Cursor) -> Option<Leg> {
        match self.range {
            Range::Plain => {
                let (parent, leg) = self.plain_leg(&settle(cursor))?;
                Some(self.within(cursor, parent, leg))
            }
            Range::Reserved => self.packed_leg(cursor),
        }
    }

    /// Where to go on when `last` is the last of a piece of `leg` that is known, and which keys of the
    /// piece have to wait: those that S3 has behind others that are not known yet.
    pub(super) fn resume_after(&self, last: &str, leg: &Leg) -> (Cursor, Held) {
        let mut held = Held::default();
        let unsettled = last.char_indices().skip_while(|(at, _)| *at < leg.settled);
        for (at, character) in unsettled {
            let parent = last.get(..at).unwrap_or_default();
            match kind(character) {
                Kind::Low => {}
                // Azure had the pairs behind `parent` before: S3 has more high ones in between.
                Kind::High => held.parents.push(parent.to_owned()),
                Kind::Pair => {
                    held.parents.push(parent.to_owned());
                    return (Cursor::High(parent.to_owned()), held);
                }
            }
        }
        let is_common = self.listing.common_prefix(last) == Some(last);
        let last = last.to_owned();
        (if is_common { Cursor::Past(last) } else { Cursor::After(last) }, held)
    }

    /// The leg at `cursor`, and how many bytes the text has below which it is.
    fn plain_leg(&self, cursor: &Cursor) -> Option<(usize, Leg)> {
        let from = self.listing.prefix.len();
        let (text, start) = match cursor {
            Cursor::Start => return Some((from, self.whole(self.first()))),
            Cursor::High(parent) => return Some((parent.len(), self.high(parent))),
            Cursor::Past(text) if text.len() <= from => return None,
            Cursor::Past(text) => {
                if let Some(parent) = text.strip_suffix(HIGH_LAST) {
                    return Some((parent.len(), self.pairs(parent)));
                }
                (text, Start::at(self.end(text)))
            }
            Cursor::After(text) => (text, Start::at(Some(next(&self.name(text))))),
        };
        let last = text.char_indices().rev().take_while(|(at, _)| *at >= from);
        let last = last.map(|(at, character)| (at, kind(character)));
        let (at, leg) = match last.into_iter().find(|(_, kind)| *kind != Kind::Low) {
            None => (from, self.whole(start)),
            Some((at, found)) => {
                let parent = text.get(..at).unwrap_or_default();
                let leg = if found == Kind::High { self.high(parent) } else { self.pairs(parent) };
                (at, Leg { start, is_detour: false, ..leg })
            }
        };
        Some((at, leg))
    }

    /// All that is listed, from `start` on.
    fn whole(&self, start: Start) -> Leg {
        Leg {
            shape: if self.levels { Shape::Level } else { Shape::Flat },
            start,
            stop: self.end(&self.listing.prefix),
            settled: self.listing.prefix.len(),
            then: None,
            is_detour: false,
            within: None,
        }
    }

    /// The high characters behind `parent`.
    fn high(&self, parent: &str) -> Leg {
        Leg {
            stop: self.end(parent),
            settled: parent.len() + HIGH_BYTES,
            then: Some(Cursor::Past(format!("{parent}{HIGH_LAST}"))),
            is_detour: true,
            ..self.whole(Start::at(Some(format!("{}{HIGH_FIRST}", self.open(parent)))))
        }
    }

    /// The pairs behind `parent`.
    fn pairs(&self, parent: &str) -> Leg {
        let open = self.open(parent);
        Leg {
            stop: Some(format!("{open}{HIGH_FIRST}")),
            settled: parent.len() + PAIR_BYTES,
            then: Some(Cursor::Past(parent.to_owned())),
            is_detour: true,
            ..self.whole(Start::at(Some(format!("{open}{PAIR_FIRST}"))))
        }
    }

    /// `leg`, which is below the first `parent` bytes of its cursor, cut to the common prefix that
    /// the cursor is inside of. There Azure cannot be asked by levels: `startFrom` is of one level.
    fn within(&self, cursor: &Cursor, parent: usize, leg: Leg) -> Leg {
        let high;
        let text = match cursor {
            Cursor::Start => return leg,
            Cursor::After(text) | Cursor::Past(text) => text,
            Cursor::High(parent) => {
                high = format!("{parent}{HIGH_FIRST}");
                &high
            }
        };
        // Below one that is no beginning of a name, there is nothing.
        let is_above = |common: &&str| common.len() < text.len() && escape::open(common).is_ok();
        let Some(common) = self.listing.common_prefix(text).filter(is_above) else { return leg };
        let deeper = parent >= common.len();
        Leg {
            shape: Shape::Flat,
            stop: if deeper { leg.stop } else { self.end(common) },
            then: if deeper { leg.then } else { Some(Cursor::Past(common.to_owned())) },
            is_detour: true,
            within: Some(common.to_owned()),
            ..leg
        }
    }

    fn packed_leg(&self, cursor: &Cursor) -> Option<Leg> {
        let prefix = &self.listing.prefix;
        let start = match cursor {
            Cursor::Start | Cursor::High(_) => packing::name(prefix),
            Cursor::After(key) => next(&packing::name(key)),
            Cursor::Past(text) if text.len() <= prefix.len() => return None,
            Cursor::Past(text) => packing::end(text),
        };
        let home = self.listing.space.prefix();
        Some(Leg {
            shape: Shape::Flat,
            start: Start::at(Some(format!("{home}{start}"))),
            stop: Some(format!("{home}{}", packing::end(prefix))),
            settled: usize::MAX,
            then: None,
            is_detour: false,
            within: None,
        })
    }

    /// Where the listing begins.
    fn first(&self) -> Start {
        let prefix = &self.listing.prefix;
        if prefix.ends_with('.') { Start::at(Some(self.name(prefix))) } else { Start::First }
    }

    /// What the names of the keys begin with that begin with `text` and go on.
    fn open(&self, text: &str) -> String {
        let open = escape::open(text).unwrap_or_default();
        format!("{}{open}", self.listing.space.prefix())
    }

    fn name(&self, key: &str) -> String {
        let name = escape::close(key).unwrap_or_default();
        format!("{}{name}", self.listing.space.prefix())
    }

    /// The least name behind those of all keys that begin with `text`; nothing if none is.
    fn end(&self, text: &str) -> Option<String> {
        let open = self.open(text);
        if text.ends_with(escape::is_stem) {
            // What an escape makes of the next character is no key that begins so.
            return Some(format!("{open}{}", escape::MARK));
        }
        behind(&open)
    }
}

/// Keys that have to wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// The keys with a pair behind one of these.
    parents: Vec<String>,
}

impl Held {
    /// Does this key or common prefix have to wait?
    pub(super) fn holds(&self, text: &str) -> bool {
        let is_pair = |rest: &str| rest.chars().next().map(kind) == Some(Kind::Pair);
        self.parents.iter().any(|parent| text.strip_prefix(parent.as_str()).is_some_and(is_pair))
    }
}

impl Leg {
    /// Is nothing between its ends?
    pub(super) fn is_empty(&self) -> bool {
        match (&self.start, &self.stop) {
            (Start::First, _) | (Start::At(_), None) => false,
            (Start::At(start), Some(stop)) => order(start, stop) != Ordering::Less,
            (Start::Nowhere, _) => true,
        }
    }
}

/// `cursor`, without what no key has that is a name: the same place among those keys.
fn settle(cursor: &Cursor) -> Cursor {
    let (Cursor::After(text) | Cursor::Past(text)) = cursor else { return cursor.clone() };
    let Err(escape::Unstorable { at }) = escape::open(text) else { return cursor.clone() };
    let kept = text.get(..at).unwrap_or_default();
    let found = text.get(at..).and_then(|rest| rest.chars().next());
    if found.is_some_and(|found| found > ' ') {
        // U+FFFE and U+FFFF are behind all other high characters.
        Cursor::Past(format!("{kept}{HIGH_LAST}"))
    } else if kept.is_empty() {
        Cursor::Start
    } else {
        Cursor::After(kept.to_owned())
    }
}
