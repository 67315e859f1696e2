//! Room for requests: how many may run at once, in all and of one caller. Who finds none is told so at
//! once; nobody waits for it.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Callers that are remembered although nothing of theirs runs: those that a reload has taken away are
/// forgotten beyond it.
const REMEMBERED_CALLERS: usize = 1024;

/// The room that there is.
#[derive(Debug)]
pub(super) struct Room {
    all: Arc<Semaphore>,
    per_caller: usize,
    /// Each caller's own, by canonical id, which is nothing for strangers.
    callers: ArcSwap<HashMap<String, Arc<Semaphore>>>,
}

/// A request's place among those that run, until it is dropped.
#[derive(Debug)]
pub struct Place {
    _of_all: OwnedSemaphorePermit,
    of_caller: Option<OwnedSemaphorePermit>,
}

/// One caller has all the places that one may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Room {
    /// For so many requests, and for so many of one caller.
    pub(super) fn new(all: usize, per_caller: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(all.min(Semaphore::MAX_PERMITS))),
            per_caller: per_caller.min(Semaphore::MAX_PERMITS),
            callers: ArcSwap::default(),
        }
    }

    /// A place for somebody, if there is one.
    pub(super) fn enter(&self) -> Option<Place> {
        let permit = Arc::clone(&self.all).try_acquire_owned().ok()?;
        Some(Place { _of_all: permit, of_caller: None })
    }

    /// The place is this caller's from here on, by canonical id, and nobody else's; all strangers are one caller.
    ///
    /// # Errors
    ///
    /// The caller has as many as one may have; the place is nobody's then.
    pub(super) fn give(&self, place: &mut Place, caller: Option<&str>) -> Result<(), Full> {
        place.of_caller = None;
        let permit = self.of(caller.unwrap_or_default()).try_acquire_owned();
        place.of_caller = Some(permit.map_err(|_none_left| Full)?);
        Ok(())
    }

    fn of(&self, id: &str) -> Arc<Semaphore> {
        if let Some(own) = self.callers.load().get(id) {
            return Arc::clone(own);
        }
        let new = Arc::new(Semaphore::new(self.per_caller));
        // Of two who come for the first time at once, the second finds what the first has put here.
        self.callers.rcu(|callers| {
            let mut callers = HashMap::clone(callers);
            if callers.len() >= REMEMBERED_CALLERS {
                callers.retain(|_, own| own.available_permits() < self.per_caller);
            }
            callers.entry(id.to_owned()).or_insert_with(|| Arc::clone(&new));
            callers
        });
        self.callers.load().get(id).map_or(new, Arc::clone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(room: &Room, caller: Option<&str>) -> Option<Result<Place, Full>> {
        let mut place = room.enter()?;
        Some(room.give(&mut place, caller).map(|()| place))
    }

    #[test]
    fn nobody_has_more_than_a_share_and_there_is_no_more_than_there_is() {
        let room = Room::new(5, 3);
        let alice: Vec<_> = (0..3).map(|_| place(&room, Some("alice")).unwrap().unwrap()).collect();
        assert_eq!(place(&room, Some("alice")).unwrap().unwrap_err(), Full);
        let bob = place(&room, Some("bob")).unwrap().unwrap();
        let stranger = place(&room, None).unwrap().unwrap();
        assert!(place(&room, Some("carol")).is_none(), "five are inside");
        drop(alice);
        let more: Vec<_> = (0..2).map(|_| place(&room, None).unwrap().unwrap()).collect();
        assert_eq!(place(&room, None).unwrap().unwrap_err(), Full, "strangers are one caller");
        drop((bob, stranger, more));
        assert_eq!(room.all.available_permits(), 5);
    }

    #[test]
    fn a_place_changes_hands() {
        let room = Room::new(9, 1);
        let mut form = place(&room, None).unwrap().unwrap();
        room.give(&mut form, Some("alice")).unwrap();
        assert_eq!(place(&room, Some("alice")).unwrap().unwrap_err(), Full);
        let mut other = place(&room, None).unwrap().unwrap();
        assert_eq!(room.give(&mut other, Some("alice")), Err(Full));
        // Nobody's: it takes no stranger's place until it ends.
        drop(place(&room, None).unwrap().unwrap());
        room.give(&mut form, Some("alice")).expect("it had one, and gave it back");
    }

    #[test]
    fn callers_of_whom_nothing_runs_are_forgotten() {
        let room = Room::new(2 * REMEMBERED_CALLERS, 2);
        let kept = place(&room, Some("kept")).unwrap().unwrap();
        for number in 0..3 * REMEMBERED_CALLERS {
            drop(place(&room, Some(&number.to_string())).unwrap().unwrap());
        }
        assert!(room.callers.load().len() <= REMEMBERED_CALLERS + 1);
        drop(place(&room, Some("kept")).unwrap().unwrap());
        let _second = place(&room, Some("kept")).unwrap().unwrap();
        assert_eq!(place(&room, Some("kept")).unwrap().unwrap_err(), Full);
        drop(kept);
    }
}
