//! Whether the process lives and whether it is of use: `/live` and `/ready`, on both ports.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::azure::BlobStore;

/// How long an answer of Azure is believed: probes come every second, from several probers.
const BELIEVED: Duration = Duration::from_secs(3);
/// Orchestrators give a probe a few seconds.
const PROBE_DEADLINE: Duration = Duration::from_secs(5);

/// Asks whether Azure answers with our credential.
#[async_trait]
pub trait Probe: Send + Sync {
    /// The first thing that is wrong.
    async fn probe(&self) -> Result<(), String>;
}

/// Whether the process is of use. A clone knows the same.
#[derive(Clone)]
pub struct Health(Arc<Inner>);

struct Inner {
    draining: AtomicBool,
    probe: Box<dyn Probe>,
    last: Mutex<Option<(Instant, Result<(), String>)>>,
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Health").field("draining", &self.is_draining()).finish_non_exhaustive()
    }
}

impl Health {
    /// Ready when `probe` says so.
    pub fn new(probe: impl Probe + 'static) -> Self {
        Self(Arc::new(Inner {
            draining: AtomicBool::new(false),
            probe: Box::new(probe),
            last: Mutex::new(None),
        }))
    }

    /// Not ready any more, whatever Azure says.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the end has begun.
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Relaxed)
    }

    /// Whether requests would be answered, or why not. Azure is asked at most every few seconds,
    /// however many ask here.
    pub async fn ready(&self) -> Result<(), String> {
        if self.is_draining() {
            return Err("draining".to_owned());
        }
        let mut last = self.0.last.lock().await;
        if let Some((at, answer)) = last.as_ref()
            && at.elapsed() < BELIEVED
        {
            return answer.clone();
        }
        let answer = match tokio::time::timeout(PROBE_DEADLINE, self.0.probe.probe()).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(format!("Azure did not answer within {PROBE_DEADLINE:?}")),
        };
        *last = Some((Instant::now(), answer.clone()));
        drop(last);
        answer
    }
}

/// Asks every account what it is, which is cheap and needs the credential.
#[derive(Debug)]
pub struct StoresProbe(Vec<(String, BlobStore)>);

impl StoresProbe {
    /// Over these accounts, by name.
    pub fn new(stores: impl IntoIterator<Item = (String, BlobStore)>) -> Self {
        Self(stores.into_iter().collect())
    }
}

#[async_trait]
impl Probe for StoresProbe {
    async fn probe(&self) -> Result<(), String> {
        for (name, store) in &self.0 {
            let answer = store.account_information().await;
            answer.map_err(|error| format!("account {name}: {error}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Answers as it is told and counts.
    #[derive(Clone, Default)]
    pub(crate) struct Scripted {
        pub(crate) broken: Arc<AtomicBool>,
        pub(crate) asked: Arc<AtomicUsize>,
    }

    #[async_trait]
    impl Probe for Scripted {
        async fn probe(&self) -> Result<(), String> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            if self.broken.load(Ordering::Relaxed) { Err("broken".to_owned()) } else { Ok(()) }
        }
    }

    /// Never answers.
    struct Silent;

    #[async_trait]
    impl Probe for Silent {
        async fn probe(&self) -> Result<(), String> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn azure_is_asked_once_in_a_while() {
        let probe = Scripted::default();
        let health = Health::new(probe.clone());
        assert_eq!(health.ready().await, Ok(()));
        probe.broken.store(true, Ordering::Relaxed);
        assert_eq!(health.ready().await, Ok(()));
        assert_eq!(probe.asked.load(Ordering::Relaxed), 1);
        tokio::time::advance(BELIEVED).await;
        assert_eq!(health.ready().await, Err("broken".to_owned()));
        probe.broken.store(false, Ordering::Relaxed);
        tokio::time::advance(BELIEVED).await;
        assert_eq!(health.ready().await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn who_drains_is_not_ready_and_asks_nobody() {
        let probe = Scripted::default();
        let health = Health::new(probe.clone());
        health.drain();
        assert_eq!(health.ready().await, Err("draining".to_owned()));
        assert_eq!(probe.asked.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn f37_an_azure_that_does_not_answer_is_not_waited_for() {
        assert!(Health::new(Silent).ready().await.unwrap_err().contains("did not answer"));
    }
}
