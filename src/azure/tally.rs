//! What one request of ours cost at Azure: counted by the wire for whoever is being served, wherever in
//! the rooms between the call is made.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use http::HeaderMap;

use super::headers;

tokio::task_local! {
    static CURRENT: Arc<Tally>;
}

/// How many calls of one request are kept one by one: a copy of a large object makes thousands.
const CALLS_MAX: usize = 128;

/// One request to Azure, an attempt of a call.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// What was asked.
    pub op: &'static str,
    /// The first is 1.
    pub number: u32,
    /// When it was sent.
    pub begun: Instant,
    /// Until the head of the answer, or until it was given up.
    pub elapsed: Duration,
    /// None where there was no answer.
    pub status: Option<u16>,
}

/// What one request cost so far.
#[derive(Default)]
pub struct Tally {
    attempts: AtomicU32,
    retries: AtomicU32,
    microseconds: AtomicU64,
    last_id: ArcSwapOption<String>,
    /// Each of them, for a trace.
    calls: Option<ArcSwap<Vec<Attempt>>>,
}

impl Tally {
    /// Counts for `tally` all that `work` asks of Azure itself, not in tasks that it starts.
    pub fn counting<T>(tally: Arc<Self>, work: impl Future<Output = T>) -> impl Future<Output = T> {
        CURRENT.scope(tally, work)
    }

    /// One that keeps each request by itself, too.
    pub fn keeping() -> Self {
        Self { calls: Some(ArcSwap::default()), ..Self::default() }
    }

    /// The requests to Azure, if they are kept.
    pub fn calls(&self) -> Arc<Vec<Attempt>> {
        self.calls.as_ref().map_or_else(Arc::default, ArcSwap::load_full)
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

/// An attempt has ended, with these headers or without an answer.
pub(super) fn count(attempt: Attempt, answer: Option<&HeaderMap>) {
    let count = |tally: &Arc<Tally>| {
        tally.attempts.fetch_add(1, Ordering::Relaxed);
        tally.retries.fetch_add(u32::from(attempt.number > 1), Ordering::Relaxed);
        let microseconds = u64::try_from(attempt.elapsed.as_micros()).unwrap_or(u64::MAX);
        tally.microseconds.fetch_add(microseconds, Ordering::Relaxed);
        if let Some(id) = answer.and_then(|headers| headers::owned(headers, "x-ms-request-id")) {
            tally.last_id.store(Some(Arc::new(id)));
        }
        if let Some(calls) = &tally.calls {
            calls.rcu(|known| {
                known.iter().copied().chain([attempt]).take(CALLS_MAX).collect::<Vec<_>>()
            });
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
        let tally = Arc::new(Tally::keeping());
        let attempt = |number, milliseconds| Attempt {
            op: "PutBlob",
            number,
            begun: Instant::now(),
            elapsed: Duration::from_millis(milliseconds),
            status: None,
        };
        count(attempt(1, 9000), None);
        let mut headers = HeaderMap::new();
        headers.insert("x-ms-request-id", http::HeaderValue::from_static("guid-1"));
        let work = async {
            count(attempt(1, 2), None);
            tokio::task::yield_now().await;
            count(attempt(2, 3), Some(&headers));
        };
        Tally::counting(Arc::clone(&tally), work).await;
        assert_eq!((tally.attempts(), tally.retries()), (2, 1));
        assert_eq!(tally.waited(), Duration::from_millis(5));
        assert_eq!(tally.calls().len(), 2);
        assert_eq!(tally.last_id().unwrap().as_str(), "guid-1");
    }
}
