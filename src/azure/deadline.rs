//! Deadlines of a request, one for each of its phases, and none for the whole: an upload may last
//! hours as long as it moves.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// When something last moved.
pub(super) struct Progress {
    since: Instant,
    millis: AtomicU64,
}

impl Default for Progress {
    fn default() -> Self {
        Self { since: Instant::now(), millis: AtomicU64::new(0) }
    }
}

impl Progress {
    /// Something moved now.
    pub(super) fn note(&self) {
        let millis = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.millis.store(millis, Ordering::Relaxed);
    }

    fn last(&self) -> Instant {
        self.since + Duration::from_millis(self.millis.load(Ordering::Relaxed))
    }

    /// Ends when nothing has moved for `limit`.
    pub(super) async fn stalled(&self, limit: Duration) {
        loop {
            let until = self.last() + limit;
            tokio::time::sleep_until(until).await;
            if self.last() + limit <= until {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn move_five_times(progress: &Progress) {
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(60)).await;
            progress.note();
        }
    }

    #[tokio::test]
    async fn what_moves_is_not_stalled() {
        let progress = Progress::default();
        let begun = Instant::now();
        tokio::join!(move_five_times(&progress), progress.stalled(Duration::from_millis(200)));
        assert!(begun.elapsed() >= Duration::from_millis(490), "{:?}", begun.elapsed());
    }
}
