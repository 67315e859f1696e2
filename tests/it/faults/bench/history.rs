//! What was asked of one key by many at once, and whether there is an order of it all that explains
//! every answer (the key is a linearisable register).
//!
//! Each value is written once, so every read names its write, and an order exists exactly if the zones
//! of the writes allow one (Gibbons, Korach: Testing Shared Memories, 1997, the case of known reads).

use std::collections::BTreeMap;

use super::values::Value;

/// What became of a write, as its client knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It was answered with a success.
    Acknowledged,
    /// It was answered that it is not done.
    Refused,
    /// Nobody knows: it may be done, at any time from its beginning on.
    Unknown,
}

#[derive(Clone, Copy, Debug)]
struct Write {
    begun: u64,
    ended: u64,
    end: End,
}

#[derive(Clone, Copy, Debug)]
struct Read {
    value: Value,
    begun: u64,
    ended: u64,
}

/// All that was asked of one key. Times are ticks of one clock.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    writes: BTreeMap<Value, Write>,
    reads: Vec<Read>,
}

/// From the first end to the last beginning among a write and its reads, or the other way round.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "whose it is, is for whoever reads the fault")]
struct Zone {
    of: Value,
    from: u64,
    to: u64,
}

impl History {
    /// A write that lasted from `begun` to `ended`.
    pub(super) fn wrote(&mut self, value: Value, (begun, ended): (u64, u64), end: End) {
        self.writes.insert(value, Write { begun, ended, end });
    }

    /// A read that found `value`.
    pub(super) fn read(&mut self, value: Value, (begun, ended): (u64, u64)) {
        self.reads.push(Read { value, begun, ended });
    }

    /// Everything that no order explains.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut reads: BTreeMap<Value, Vec<Read>> = BTreeMap::new();
        for read in &self.reads {
            match self.writes.get(&read.value) {
                None => faults.push(format!("MADE UP: nobody wrote {:?}", read.value)),
                Some(write) if write.end == End::Refused => {
                    faults.push(format!("FALSE REFUSAL: {:?} was read: {read:?}", read.value));
                }
                Some(write) if read.ended < write.begun => {
                    faults.push(format!("MADE UP: {read:?} was read before it was written"));
                }
                Some(_) => reads.entry(read.value).or_default().push(*read),
            }
        }
        let (mut forward, mut backward) = (Vec::new(), Vec::new());
        for (value, write) in &self.writes {
            let reads = reads.remove(value).unwrap_or_default();
            if write.end == End::Refused || (write.end == End::Unknown && reads.is_empty()) {
                continue;
            }
            let known = if write.end == End::Unknown { u64::MAX } else { write.ended };
            let first_end = reads.iter().map(|read| read.ended).fold(known, u64::min);
            let last_begin = reads.iter().map(|read| read.begun).fold(write.begun, u64::max);
            if first_end < last_begin {
                forward.push(Zone { of: *value, from: first_end, to: last_begin });
            } else {
                backward.push(Zone { of: *value, from: last_begin, to: first_end });
            }
        }
        forward.sort_by_key(|zone| zone.from);
        for pair in forward.windows(2) {
            if pair[1].from < pair[0].to {
                faults.push(format!("LOST: {:?} and {:?} were there in turns", pair[0], pair[1]));
            }
        }
        for zone in backward {
            let over = |other: &&Zone| other.from < zone.from && zone.to < other.to;
            if let Some(other) = forward.iter().find(over) {
                faults.push(format!("LOST: {zone:?}, while {other:?} was there"));
            }
        }
        faults
    }
}

#[cfg(test)]
fn value(number: u32) -> Value {
    Value { client: 1, number, length: 64 }
}

#[cfg(test)]
fn history(writes: &[(u32, (u64, u64), End)], reads: &[(u32, (u64, u64))]) -> History {
    let mut history = History::default();
    for (number, when, end) in writes {
        history.wrote(value(*number), *when, *end);
    }
    for (number, when) in reads {
        history.read(value(*number), *when);
    }
    history
}

#[test]
fn what_has_an_order_is_no_fault() {
    use End::{Acknowledged as Yes, Refused, Unknown};
    for (writes, reads) in [
        // One after the other, and reads between.
        (vec![(1, (1, 2), Yes), (2, (5, 6), Yes)], vec![(1, (3, 4)), (2, (7, 8))]),
        // At one time: either comes last, and a read within may see both.
        (vec![(1, (1, 9), Yes), (2, (2, 8), Yes)], vec![(2, (3, 4)), (1, (5, 6)), (1, (10, 11))]),
        // Overtaken at once, and never seen.
        (vec![(1, (1, 9), Yes), (2, (2, 3), Yes)], vec![(2, (10, 11))]),
        // Of unknown end: never done, done at once, done late.
        (vec![(1, (1, 2), Yes), (2, (3, 4), Unknown)], vec![(1, (5, 6))]),
        (vec![(1, (1, 2), Yes), (2, (3, 4), Unknown)], vec![(1, (5, 6)), (2, (7, 8))]),
        (vec![(1, (1, 2), Yes), (2, (3, 4), Refused)], vec![(1, (5, 6))]),
    ] {
        assert_eq!(history(&writes, &reads).faults(), Vec::<String>::new());
    }
}

#[test]
fn what_has_no_order_is_a_fault() {
    use End::{Acknowledged as Yes, Refused, Unknown};
    for (what, writes, reads) in [
        ("LOST", vec![(1, (1, 2), Yes), (2, (3, 4), Yes)], vec![(1, (5, 6))]),
        // An older one comes back.
        (
            "LOST",
            vec![(1, (1, 20), Unknown), (2, (5, 6), Yes)],
            vec![(1, (3, 4)), (2, (7, 8)), (1, (9, 10))],
        ),
        // Two that are seen in turns.
        (
            "LOST",
            vec![(1, (1, 20), Yes), (2, (2, 19), Yes)],
            vec![(1, (3, 4)), (2, (5, 6)), (1, (7, 8)), (2, (9, 10))],
        ),
        ("MADE UP", vec![(1, (1, 2), Yes)], vec![(2, (3, 4))]),
        ("MADE UP", vec![(1, (5, 6), Yes)], vec![(1, (1, 2))]),
        ("FALSE REFUSAL", vec![(1, (1, 2), Yes), (2, (3, 4), Refused)], vec![(2, (5, 6))]),
    ] {
        let faults = history(&writes, &reads).faults();
        assert!(faults.iter().any(|fault| fault.starts_with(what)), "{what}: {faults:?}");
    }
}
