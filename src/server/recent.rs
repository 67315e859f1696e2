//! The last minutes, for the status page: how many requests, how many failed, how long they took, and
//! what failed last. Counted in place, without a lock; a request that meets the change from one interval
//! to the next may be counted in neither, which a plot does not show.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

/// What one bar of a plot stands for, in seconds.
pub const INTERVAL_SECONDS: u64 = 10;
/// How many bars: ten minutes.
pub const INTERVALS: usize = 60;
/// How many faults are kept.
const FAULTS_MAX: usize = 20;

/// A request that ended badly by no fault of its client.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Its id, as the client and the log have it.
    pub id: String,
    /// What was asked.
    pub op: &'static str,
    /// What was answered.
    pub status: u16,
    /// S3's code, where there is one.
    pub code: Option<&'static str>,
    /// When it ended.
    pub at: Instant,
}

/// What was counted in an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Requests that ended.
    pub requests: u64,
    /// Those that we failed: 500 and above.
    pub failed: u64,
    /// What they took together, in milliseconds.
    pub milliseconds: u64,
}

#[derive(Debug, Default)]
struct Slot {
    /// The number of the interval since the process began, plus one; 0: never used.
    interval: AtomicU64,
    requests: AtomicU64,
    failed: AtomicU64,
    milliseconds: AtomicU64,
}

/// The last minutes.
#[derive(Debug)]
pub struct Recent {
    begun: Instant,
    slots: Vec<Slot>,
    faults: ArcSwap<Vec<Fault>>,
}

impl Recent {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            begun: Instant::now(),
            slots: std::iter::repeat_with(Slot::default).take(INTERVALS).collect(),
            faults: ArcSwap::default(),
        }
    }

    /// How long this has been counted: since the process began.
    pub fn since(&self) -> Duration {
        self.begun.elapsed()
    }

    /// A request has ended.
    pub fn request(&self, status: u16, elapsed: Duration) {
        self.count(self.now(), status, elapsed);
    }

    /// A request has ended badly.
    pub fn fault(&self, fault: &Fault) {
        self.faults.rcu(|known| {
            let kept = known.iter().take(FAULTS_MAX - 1).cloned();
            std::iter::once(fault.clone()).chain(kept).collect::<Vec<_>>()
        });
    }

    /// What failed last, the newest first.
    pub fn faults(&self) -> Arc<Vec<Fault>> {
        self.faults.load_full()
    }

    /// Each interval, the oldest first; the last one is still going on.
    pub fn counts(&self) -> Vec<Count> {
        self.counts_at(self.now())
    }

    fn now(&self) -> u64 {
        self.begun.elapsed().as_secs() / INTERVAL_SECONDS + 1
    }

    fn slot(&self, interval: u64) -> Option<&Slot> {
        let place = usize::try_from(interval).ok()? % INTERVALS;
        self.slots.get(place)
    }

    fn count(&self, interval: u64, status: u16, elapsed: Duration) {
        let Some(slot) = self.slot(interval) else { return };
        if slot.interval.swap(interval, Ordering::AcqRel) != interval {
            for old in [&slot.requests, &slot.failed, &slot.milliseconds] {
                old.store(0, Ordering::Release);
            }
        }
        slot.requests.fetch_add(1, Ordering::Relaxed);
        slot.failed.fetch_add(u64::from(status >= 500), Ordering::Relaxed);
        let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        slot.milliseconds.fetch_add(milliseconds, Ordering::Relaxed);
    }

    fn counts_at(&self, now: u64) -> Vec<Count> {
        let intervals = (0..INTERVALS as u64).rev().map(|back| now.checked_sub(back));
        let count = |interval: Option<u64>| {
            let slot = interval.and_then(|interval| Some((self.slot(interval)?, interval)));
            match slot {
                Some((slot, interval)) if slot.interval.load(Ordering::Acquire) == interval => {
                    Count {
                        requests: slot.requests.load(Ordering::Relaxed),
                        failed: slot.failed.load(Ordering::Relaxed),
                        milliseconds: slot.milliseconds.load(Ordering::Relaxed),
                    }
                }
                Some(_) | None => Count::default(),
            }
        };
        intervals.map(count).collect()
    }
}

impl Default for Recent {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_ten_minutes_is_forgotten() {
        let recent = Recent::new();
        recent.count(1, 200, Duration::from_millis(30));
        recent.count(1, 503, Duration::from_millis(20));
        recent.count(2, 404, Duration::from_millis(5));
        let counts = recent.counts_at(2);
        assert_eq!(counts.len(), INTERVALS);
        let one = Count { requests: 2, failed: 1, milliseconds: 50 };
        assert_eq!(counts[INTERVALS - 2], one);
        assert_eq!(counts[INTERVALS - 1].requests, 1);
        assert_eq!(recent.counts_at(60)[0], one);
        assert_eq!(recent.counts_at(61).iter().map(|count| count.requests).sum::<u64>(), 1);
        // Its place is taken by another.
        recent.count(61, 200, Duration::ZERO);
        let last = Count { requests: 1, failed: 0, milliseconds: 0 };
        assert_eq!(recent.counts_at(61)[INTERVALS - 1], last);
    }

    #[test]
    fn the_last_faults_are_kept_the_newest_first() {
        let recent = Recent::new();
        for number in 0..50 {
            let id = number.to_string();
            let at = Instant::now();
            recent.fault(&Fault { id, op: "GetObject", status: 503, code: Some("SlowDown"), at });
        }
        let ids: Vec<_> = recent.faults().iter().map(|fault| fault.id.clone()).collect();
        assert_eq!((ids.len(), ids[0].as_str(), ids[19].as_str()), (20, "49", "30"));
    }
}
