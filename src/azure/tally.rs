//! What one request of ours cost at Azure: counted by the wire for whoever is being served, wherever in
//! the rooms between the call is made.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::HeaderMap;

use super::headers;

tokio::task_local! {
    static CURRENT: Arc<Tally>;
}

/// What one request cost so far.
#[derive(Default)]
pub struct Tally {
    attempts: AtomicU32,
    retries: AtomicU32,
    microseconds: AtomicU64,
    last_id: ArcSwapOption<String>,
}

impl Tally {
    /// Counts for `tally` all that `work` asks of Azure itself, not in tasks that it starts.
    pub async fn counting<T>(tally: Arc<Self>, work: impl Future<Output = T>) -> T {
        CURRENT.scope(tally, work).await
    }

    /// Requests that went to Azure, those that went again included.
    pub fn attempts(&self) -> u32 {
        self.attempts.load(Ordering::Relaxed)
    }

    /// Those of them that went again.
    pub fn retries(&self) -> u32 {
        self.retries.load(Ordering::Relaxed)
    }

    /// From each request to the head of its answer, together; some may have gone at one time.
    pub fn waited(&self) -> Duration {
        Duration::from_micros(self.microseconds.load(Ordering::Relaxed))
    }

    /// Azure's id of the last request that was answered, for its support.
    pub fn last_id(&self) -> Option<Arc<String>> {
        self.last_id.load_full()
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tally({} attempts)", self.attempts())
    }
}

/// One attempt has ended, with these headers or without an answer.
pub(super) fn attempt(number: u32, elapsed: Duration, answer: Option<&HeaderMap>) {
    let count = |tally: &Arc<Tally>| {
        tally.attempts.fetch_add(1, Ordering::Relaxed);
        tally.retries.fetch_add(u32::from(number > 1), Ordering::Relaxed);
        let microseconds = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        tally.microseconds.fetch_add(microseconds, Ordering::Relaxed);
        if let Some(id) = answer.and_then(|headers| headers::owned(headers, "x-ms-request-id")) {
            tally.last_id.store(Some(Arc::new(id)));
        }
    };
    // Nobody is being served: the janitor, a probe.
    CURRENT.try_with(count).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_asked_is_counted_for_whom_it_is_asked() {
        let tally = Arc::new(Tally::default());
        attempt(1, Duration::from_secs(9), None);
        let mut headers = HeaderMap::new();
        headers.insert("x-ms-request-id", http::HeaderValue::from_static("guid-1"));
        let work = async {
            attempt(1, Duration::from_millis(2), None);
            tokio::task::yield_now().await;
            attempt(2, Duration::from_millis(3), Some(&headers));
        };
        Tally::counting(Arc::clone(&tally), work).await;
        assert_eq!((tally.attempts(), tally.retries()), (2, 1));
        assert_eq!(tally.waited(), Duration::from_millis(5));
        assert_eq!(tally.last_id().unwrap().as_str(), "guid-1");
    }
}
