//! What a key may hold that only one client writes, one request after the other: one state, or several
//! after answers that did not come.

use std::collections::{HashSet, VecDeque};

use super::values::Value;

/// How many notes are kept of a key.
const NOTES: usize = 24;

/// An object as its writer knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Object {
    /// Its bytes.
    pub(super) value: Value,
    /// Its ETag, quoted.
    pub(super) etag: String,
}

#[derive(Clone, Debug)]
struct Possible {
    object: Option<Object>,
    /// Its write was never answered.
    pending: bool,
}

/// What a key may hold.
#[derive(Clone, Debug)]
pub(super) struct Own {
    /// The key.
    pub(super) key: String,
    possible: Vec<Possible>,
    /// Writes without an answer that a later one has followed. A set: keys that are copied to and fro give
    /// each other theirs.
    late: HashSet<Option<Object>>,
    /// What was learned last, for who has to find out how a fault came about.
    diary: VecDeque<String>,
}

/// How what was seen goes with what may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It may be there.
    Expected,
    /// A write without an answer came after one that was answered.
    Late,
    /// It cannot be there.
    Impossible,
}

impl Own {
    /// A key that was never written.
    pub(super) fn new(key: String) -> Self {
        let nothing = Possible { object: None, pending: false };
        Self { key, possible: vec![nothing], late: HashSet::new(), diary: VecDeque::new() }
    }

    /// What was learned last, the oldest first.
    pub(super) fn diary(&self) -> impl Iterator<Item = &String> {
        self.diary.iter()
    }

    /// Notes what was learned.
    pub(super) fn note(&mut self, what: &str, object: Option<&Object>) {
        if self.diary.len() == NOTES {
            self.diary.pop_front();
        }
        self.diary.push_back(match object {
            Some(object) => format!("{what} {}", object.value.label()),
            None => format!("{what} nothing"),
        });
    }

    /// A write was answered with a success.
    pub(super) fn acknowledged(&mut self, object: Option<Object>) {
        self.note("acknowledged", object.as_ref());
        self.settle(Possible { object, pending: false });
    }

    /// A write was not answered.
    pub(super) fn unknown(&mut self, object: Option<Object>) {
        self.note("unknown", object.as_ref());
        self.possible.push(Possible { object, pending: true });
    }

    /// All that may be there.
    pub(super) fn may_be(&self) -> impl Iterator<Item = Option<&Object>> {
        self.possible.iter().map(|possible| possible.object.as_ref())
    }

    /// What is there, if that is certain.
    pub(super) fn certain(&self) -> Option<&Object> {
        match self.possible.as_slice() {
            [only] => only.object.as_ref(),
            _ => None,
        }
    }

    /// Writes that may come still.
    pub(super) fn late(&self) -> HashSet<Option<Object>> {
        self.late.clone()
    }

    /// These may come, too.
    pub(super) fn may_come(&mut self, late: HashSet<Option<Object>>) {
        self.late.extend(late);
    }

    /// It was found to hold this.
    pub(super) fn saw(&mut self, object: Option<&Object>) -> Seen {
        self.note("saw", object);
        let found = self.possible.iter().find(|possible| possible.object.as_ref() == object);
        if let Some(found) = found.cloned() {
            self.settle(Possible { pending: false, ..found });
            return Seen::Expected;
        }
        if self.late.contains(&object.cloned()) {
            self.settle(Possible { object: object.cloned(), pending: false });
            return Seen::Late;
        }
        Seen::Impossible
    }

    /// It was found to be one of those for which `holds`.
    pub(super) fn narrow(&mut self, holds: impl Fn(Option<&Object>) -> bool) -> Seen {
        let (kept, gone): (Vec<_>, Vec<_>) =
            self.possible.drain(..).partition(|possible| holds(possible.object.as_ref()));
        if kept.is_empty() {
            self.note("nothing fits that may be there", None);
            let late = self.late.iter().filter(|late| holds(late.as_ref()));
            let late = late.map(|late| Possible { object: late.clone(), pending: false });
            self.possible = late.collect();
            if self.possible.is_empty() {
                self.possible = gone;
                return Seen::Impossible;
            }
            return Seen::Late;
        }
        for one in &gone {
            self.note("ruled out", one.object.as_ref());
        }
        self.possible = kept;
        self.late.extend(gone.into_iter().filter(|one| one.pending).map(|one| one.object));
        Seen::Expected
    }

    fn settle(&mut self, now: Possible) {
        let before = std::mem::take(&mut self.possible).into_iter();
        let others = before.filter(|one| one.pending && one.object != now.object);
        self.late.extend(others.map(|one| one.object));
        self.possible = vec![now];
    }
}

#[test]
fn what_may_be_there_follows_from_what_was_answered() {
    let object = |number| {
        let value = Value { client: 1, number, length: 64 };
        Object { value, etag: value.etag() }
    };
    let mut own = Own::new("k".to_owned());
    assert_eq!(own.saw(Some(&object(1))), Seen::Impossible);
    own.acknowledged(Some(object(1)));
    assert_eq!((own.saw(None), own.certain()), (Seen::Impossible, Some(&object(1))));
    own.unknown(Some(object(2)));
    own.unknown(None);
    assert_eq!((own.certain(), own.may_be().count()), (None, 3));
    assert_eq!(own.narrow(|object| object.is_some()), Seen::Expected);
    assert_eq!(own.saw(Some(&object(2))), Seen::Expected);
    assert_eq!(own.saw(Some(&object(1))), Seen::Impossible, "what was replaced is gone");
    assert_eq!(own.saw(None), Seen::Late, "a deletion without an answer may come late");
    own.acknowledged(Some(object(3)));
    assert_eq!(own.narrow(|found| found == Some(&object(4))), Seen::Impossible);
    assert_eq!(own.saw(Some(&object(3))), Seen::Expected);
    assert_eq!(own.narrow(|object| object.is_none()), Seen::Late, "and that shows in a condition");
    assert_eq!(own.certain(), None);
    let mut other = Own::new("l".to_owned());
    for _ in 0..64 {
        other.may_come(own.late());
        own.may_come(other.late());
    }
    assert_eq!(own.late().len(), 1, "what is given to and fro stays one");
}
