//! Whether the process lives and whether it is of use: `/live` and `/ready`, on both ports.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::azure::BlobStore;

/// How long an answer of Azure is believed: probes come every second, from several probers.
const BELIEVED: Duration = Duration::from_secs(3);
/// Orchestrators give a probe a few seconds.
const PROBE_DEADLINE: Duration = Duration::from_secs(5);

/// Asks whether an account answers with our credential.
#[async_trait]
pub trait Probe: Send + Sync {
    /// What is wrong.
    async fn probe(&self) -> Result<(), String>;
}

/// An account and what it last answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountState {
    /// Its name in the configuration.
    pub account: String,
    /// Or what is wrong.
    pub answer: Result<(), String>,
}

/// Whether the process is of use. A clone knows the same.
#[derive(Clone)]
pub struct Health(Arc<Inner>);

struct Inner {
    draining: AtomicBool,
    probes: Vec<(String, Arc<dyn Probe>)>,
    last: Mutex<Option<(Instant, Vec<AccountState>)>>,
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Health").field("draining", &self.is_draining()).finish_non_exhaustive()
    }
}

impl Health {
    /// Ready when every account answers.
    pub fn new<P: Probe + 'static>(accounts: impl IntoIterator<Item = (String, P)>) -> Self {
        let probes = accounts.into_iter().map(|(name, probe)| {
            let probe: Arc<dyn Probe> = Arc::new(probe);
            (name, probe)
        });
        Self(Arc::new(Inner {
            draining: AtomicBool::new(false),
            probes: probes.collect(),
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

    /// Whether requests would be answered, or the first reason why not.
    pub async fn ready(&self) -> Result<(), String> {
        if self.is_draining() {
            return Err("draining".to_owned());
        }
        for AccountState { account, answer } in self.accounts().await {
            answer.map_err(|cause| format!("account {account}: {cause}"))?;
        }
        Ok(())
    }

    /// Every account with its state. Azure is asked at most every few seconds, however many ask here.
    pub async fn accounts(&self) -> Vec<AccountState> {
        let mut last = self.0.last.lock().await;
        if let Some((at, states)) = last.as_ref()
            && at.elapsed() < BELIEVED
        {
            return states.clone();
        }
        let states = self.ask().await;
        *last = Some((Instant::now(), states.clone()));
        drop(last);
        states
    }

    /// Asks all at once: one that is silent makes nobody else late.
    async fn ask(&self) -> Vec<AccountState> {
        let mut asked = JoinSet::new();
        for (account, probe) in &self.0.probes {
            let (account, probe) = (account.clone(), Arc::clone(probe));
            asked.spawn(async move {
                let answer = tokio::time::timeout(PROBE_DEADLINE, probe.probe()).await;
                let late = |_elapsed| Err(format!("no answer within {PROBE_DEADLINE:?}"));
                AccountState { account, answer: answer.unwrap_or_else(late) }
            });
        }
        let mut states = asked.join_all().await;
        states.sort_by(|one, other| one.account.cmp(&other.account));
        states
    }
}

/// What kind of account it is can be asked cheaply and needs the credential.
#[async_trait]
impl Probe for BlobStore {
    async fn probe(&self) -> Result<(), String> {
        self.account_information().await.map(drop).map_err(|error| error.to_string())
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

    #[async_trait]
    impl Probe for Box<dyn Probe> {
        async fn probe(&self) -> Result<(), String> {
            (**self).probe().await
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
        let health = Health::new([("a".to_owned(), probe.clone())]);
        assert_eq!(health.ready().await, Ok(()));
        probe.broken.store(true, Ordering::Relaxed);
        assert_eq!(health.ready().await, Ok(()));
        assert_eq!(probe.asked.load(Ordering::Relaxed), 1);
        tokio::time::advance(BELIEVED).await;
        assert_eq!(health.ready().await, Err("account a: broken".to_owned()));
        probe.broken.store(false, Ordering::Relaxed);
        tokio::time::advance(BELIEVED).await;
        assert_eq!(health.ready().await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn who_drains_is_not_ready_and_asks_nobody() {
        let probe = Scripted::default();
        let health = Health::new([("a".to_owned(), probe.clone())]);
        health.drain();
        assert_eq!(health.ready().await, Err("draining".to_owned()));
        assert_eq!(probe.asked.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn f37_an_azure_that_does_not_answer_is_not_waited_for() {
        let probes: [(&str, Box<dyn Probe>); 3] = [
            ("c", Box::new(Silent)),
            ("a", Box::new(Silent)),
            ("b", Box::new(Scripted::default())),
        ];
        let health = Health::new(probes.map(|(name, probe)| (name.to_owned(), probe)));
        let begun = Instant::now();
        assert!(health.ready().await.unwrap_err().starts_with("account a: no answer within"));
        assert_eq!(begun.elapsed(), PROBE_DEADLINE, "all at once");
        let states = health.accounts().await;
        let fine = states.iter().map(|state| (state.account.as_str(), state.answer.is_ok()));
        assert_eq!(fine.collect::<Vec<_>>(), [("a", false), ("b", true), ("c", false)]);
    }
}
