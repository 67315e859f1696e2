//! Whether the threads that serve requests have time to spare.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::azure::PerRuntime;

/// How long a look back is at least.
const SPAN: Duration = Duration::from_millis(100);
/// From so many hundredths of their time on, threads are busy: what is done ahead could not make twice as much
/// of them, and each byte that comes so costs more.
const BUSY_PERCENT: u64 = 50;

/// What is known of them: of each runtime by itself, since what is done ahead is done on the same one.
#[derive(Debug)]
pub(in crate::ops) struct Cores(PerRuntime<Watch>);

impl Cores {
    /// Nothing yet.
    pub(in crate::ops) fn new() -> Self {
        Self(PerRuntime::new(Watch::new))
    }

    /// Whether the threads of this runtime have had little time to spare since they were last looked at, or it is not
    /// known: what is done ahead of time then only makes others wait.
    pub(in crate::ops) fn are_busy(&self) -> bool {
        self.0.here().are_busy()
    }
}

/// A watch on the threads of one runtime; it is one in a gateway, and others in tests.
#[derive(Debug)]
struct Watch {
    beginning: Instant,
    /// When it was last looked, since the beginning, and how long the threads had been busy by then, both
    /// in microseconds.
    looked: AtomicU64,
    busy: AtomicU64,
    are_busy: AtomicBool,
}

impl Watch {
    /// From now on: what the threads had done before is long ago.
    fn new() -> Self {
        let (_, busy) = threads_and_busy();
        let (looked, busy) = (AtomicU64::new(0), AtomicU64::new(busy));
        Self { beginning: Instant::now(), looked, busy, are_busy: AtomicBool::new(true) }
    }

    /// A look that goes back far says little of this moment, but the next one is soon.
    fn are_busy(&self) -> bool {
        let now = micros(self.beginning.elapsed());
        let looked = self.looked.load(Ordering::Relaxed);
        let span = now.saturating_sub(looked);
        // Of those who come at the same time, one looks.
        let order = Ordering::Relaxed;
        if span >= micros(SPAN) && self.looked.compare_exchange(looked, now, order, order).is_ok() {
            self.are_busy.store(self.look(span), order);
        }
        self.are_busy.load(order)
    }

    /// Whether they were busy in the last `span` microseconds.
    fn look(&self, span: u64) -> bool {
        let (threads, busy) = threads_and_busy();
        let lately = busy.saturating_sub(self.busy.swap(busy, Ordering::Relaxed));
        let all = span.saturating_mul(u64::try_from(threads).unwrap_or(u64::MAX));
        lately.saturating_mul(100) >= all.saturating_mul(BUSY_PERCENT)
    }
}

/// How many threads this runtime has, and how long they have been busy in all, in microseconds.
fn threads_and_busy() -> (usize, u64) {
    let metrics = Handle::current().metrics();
    let threads = metrics.num_workers();
    let busy = (0..threads).map(|thread| metrics.worker_total_busy_duration(thread)).sum();
    (threads, micros(busy))
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Cores, SPAN};

    async fn works() {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(5) {
            std::hint::spin_loop();
        }
        tokio::task::yield_now().await;
    }

    async fn waits() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    /// Whether it sees what it should while something is done, some spans later at most.
    async fn sees(cores: &Cores, expected: bool, mut doing: impl AsyncFnMut()) -> bool {
        let begun = Instant::now();
        while cores.are_busy() != expected && begun.elapsed() < 40 * SPAN {
            doing().await;
        }
        cores.are_busy() == expected
    }

    #[tokio::test]
    async fn threads_that_work_are_busy_and_those_that_wait_are_not() {
        let cores = Cores::new();
        assert!(cores.are_busy(), "what is not known yet is taken for busy, so they wait first");
        assert!(sees(&cores, false, waits).await);
        assert!(sees(&cores, true, works).await);
        assert!(sees(&cores, false, waits).await);
    }
}
