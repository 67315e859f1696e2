//! Whether the process lives and whether it is of use: `/live` and `/ready`, on both ports.
//!
//! Ready means that at least one account answers. Every replica has the same accounts, so an account
//! that fails would take all replicas out of rotation, and with them the buckets of the accounts that
//! are well. Its own buckets answer 503 meanwhile; status page, metrics and an alert name it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::azure::{BlobError, CLOCK_SKEW_MAX, Kind};
use crate::ops::accounts::Account;

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
    probes: ArcSwap<Probes>,
    last: Mutex<Option<Asked>>,
}

type Probes = Vec<(String, Arc<dyn Probe>)>;

/// What some accounts answered, and when.
struct Asked {
    at: Instant,
    probes: Arc<Probes>,
    states: Vec<AccountState>,
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Health").field("draining", &self.is_draining()).finish_non_exhaustive()
    }
}

impl Health {
    /// Ready when one of these accounts answers.
    pub fn new<P: Probe + 'static>(accounts: impl IntoIterator<Item = (String, P)>) -> Self {
        Self(Arc::new(Inner {
            draining: AtomicBool::new(false),
            probes: ArcSwap::from_pointee(probes(accounts)),
            last: Mutex::new(None),
        }))
    }

    /// Asks these accounts from now on: the configuration has changed.
    pub fn watch<P: Probe + 'static>(&self, accounts: impl IntoIterator<Item = (String, P)>) {
        self.0.probes.store(Arc::new(probes(accounts)));
    }

    /// Not ready any more, whatever Azure says.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the end has begun.
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Relaxed)
    }

    /// Whether requests would be answered, or why not.
    pub async fn ready(&self) -> Result<(), String> {
        if self.is_draining() {
            return Err("draining".to_owned());
        }
        let states = self.accounts().await;
        if states.iter().any(|state| state.answer.is_ok()) {
            return Ok(());
        }
        Err(states.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }

    /// Every account with its state. Azure is asked at most every few seconds, however many ask here.
    pub async fn accounts(&self) -> Vec<AccountState> {
        let probes = self.0.probes.load_full();
        let mut last = self.0.last.lock().await;
        if let Some(asked) = last.as_ref()
            && asked.at.elapsed() < BELIEVED
            && Arc::ptr_eq(&asked.probes, &probes)
        {
            return asked.states.clone();
        }
        let states = Self::ask(&probes).await;
        *last = Some(Asked { at: Instant::now(), probes, states: states.clone() });
        drop(last);
        states
    }

    /// Asks all at once: one that is silent makes nobody else late.
    async fn ask(probes: &Probes) -> Vec<AccountState> {
        let mut asked = JoinSet::new();
        for (account, probe) in probes {
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

impl std::fmt::Display for AccountState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.answer {
            Ok(()) => write!(f, "account {}: answers", self.account),
            Err(cause) => write!(f, "account {}: {cause}", self.account),
        }
    }
}

fn probes<P: Probe + 'static>(accounts: impl IntoIterator<Item = (String, P)>) -> Probes {
    let shared = |(name, probe)| {
        let probe: Arc<dyn Probe> = Arc::new(probe);
        (name, probe)
    };
    accounts.into_iter().map(shared).collect()
}

/// What kind of account it is can be asked cheaply and needs the credential. A role for data only, as
/// Storage Blob Data Contributor, does not cover that question; then the system container is looked at.
/// <https://learn.microsoft.com/rest/api/storageservices/get-account-information#permissions>
#[async_trait]
impl Probe for Arc<Account> {
    async fn probe(&self) -> Result<(), String> {
        let skew = match self.store.account_information().await {
            Ok(information) => information.clock_skew,
            Err(error) if error.lacks_a_right() => match self.store.container(&self.system).await {
                Ok(_) => None,
                Err(error) if error.kind() == Kind::NoSuchContainer => error.clock_skew(),
                Err(error) => return Err(explained(&error)),
            },
            Err(error) => return Err(explained(&error)),
        };
        skew.and_then(clock_fault).map_or(Ok(()), Err)
    }
}

/// A clock that is off is what Azure refuses, though it says that the signature is wrong.
fn explained(error: &BlobError) -> String {
    error.clock_skew().and_then(clock_fault).unwrap_or_else(|| error.to_string())
}

/// What is wrong with a clock that is so far from Azure's.
fn clock_fault(skew: time::Duration) -> Option<String> {
    let way = if skew.is_negative() { "behind" } else { "ahead of" };
    (skew.abs() >= CLOCK_SKEW_MAX).then(|| {
        let seconds = skew.whole_seconds().abs();
        format!("this machine's clock is {seconds} s {way} Azure's: set it (NTP)")
    })
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
        assert_eq!(health.ready().await, Ok(()), "one account that answers is of use");
        assert_eq!(begun.elapsed(), PROBE_DEADLINE, "all at once");
        let states = health.accounts().await;
        let fine = states.iter().map(|state| (state.account.as_str(), state.answer.is_ok()));
        assert_eq!(fine.collect::<Vec<_>>(), [("a", false), ("b", true), ("c", false)]);
    }

    #[tokio::test(start_paused = true)]
    async fn f37_nobody_is_ready_over_accounts_that_are_all_silent() {
        let health = Health::new([("b".to_owned(), Silent), ("a".to_owned(), Silent)]);
        let why = health.ready().await.unwrap_err();
        assert!(why.starts_with("account a: no answer within"), "{why}");
        assert!(why.contains("; account b: no answer within"), "{why}");
    }

    #[tokio::test(start_paused = true)]
    async fn accounts_that_a_reload_brings_are_asked_at_once() {
        let (old, new) = (Scripted::default(), Scripted::default());
        old.broken.store(true, Ordering::Relaxed);
        let health = Health::new([("a".to_owned(), old.clone())]);
        assert!(health.ready().await.is_err());
        health.watch([("b".to_owned(), new.clone())]);
        assert_eq!(health.ready().await, Ok(()));
        assert_eq!(old.asked.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn f36_a_clock_that_is_off_is_named() {
        let fault = |minutes| clock_fault(time::Duration::minutes(minutes));
        assert_eq!(fault(14), None);
        assert_eq!(fault(-14), None);
        assert!(fault(20).unwrap().contains("1200 s ahead of Azure's"));
        assert!(fault(-20).unwrap().contains("1200 s behind Azure's"));
    }
}
