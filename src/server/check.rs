//! `bluebucket check`: is everything right? Configuration, reachability, credential, clock, kind of
//! account, and a round trip in the system container; one line a finding, with what helps.

use std::collections::BTreeMap;
use std::fmt;

use time::{Duration, OffsetDateTime};

use crate::azure::{
    AccountInformation, BlobError, BlobName, BlobPath, BlobStore, CLOCK_SKEW_MAX, Conditions,
    ContainerName, Content, DeleteOptions, Guard, Kind, ListBlobs, PutOptions, ReadOptions,
};
use crate::server::config::{Config, Faults};
use crate::server::metrics::Metrics;
use crate::server::stores;

/// More than this and the clock is not kept.
const SKEW_ODD: Duration = Duration::minutes(1);
/// What the round trip writes.
const PROBE_TEXT: &[u8] = b"bluebucket check";
const PROBE_BYTES_MAX: usize = 1024;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// As it should be.
    Fine,
    /// Works, but look at it.
    Odd,
    /// Does not work.
    Broken,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub weight: Weight,
    /// What was looked at.
    pub what: String,
    /// What was found, and what helps.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weight = match self.weight {
            Weight::Fine => "ok    ",
            Weight::Odd => "odd   ",
            Weight::Broken => "BROKEN",
        };
        write!(f, "{weight} {}: {}", self.what, self.text)
    }
}

/// Looks at everything; tells of each finding as it comes. Whether nothing is broken.
pub async fn run(
    config: &Config,
    _now: impl Fn() -> OffsetDateTime,
    mut tell: impl FnMut(Finding),
) -> Result<bool, Faults> {
    let mut works = true;
    let mut note = |weight, what: &str, text: String| {
        works &= weight != Weight::Broken;
        tell(Finding { weight, what: what.to_owned(), text });
    };
    let (users, accounts) = (config.users.len(), config.accounts.len());
    note(Weight::Fine, "configuration", format!("{accounts} accounts, {users} users"));
    if users == 0 {
        let text = "there is none: serve will not start. Set BLUEBUCKET_ACCESS_KEY_ID and \
                    BLUEBUCKET_SECRET_ACCESS_KEY";
        note(Weight::Broken, "users", text.to_owned());
    }
    if config.default_account.is_none() {
        let text = "there is none: set AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_ACCOUNT";
        note(Weight::Broken, "accounts", text.to_owned());
    }
    for (name, store) in stores::open(config, &Metrics::new())? {
        let what = format!("account {name}");
        for (weight, text) in account(&store, &config.system_container).await {
            note(weight, &what, text);
        }
    }
    Ok(works)
}

async fn account(store: &BlobStore, system: &str) -> Vec<(Weight, String)> {
    let information = match store.account_information().await {
        Ok(information) => information,
        Err(error) => return vec![(Weight::Broken, with_remedy("does not answer", &error))],
    };
    let mut findings = vec![kind_of(&information)];
    findings.extend(information.clock_skew.map(clock));
    let trip = match ContainerName::parse(system) {
        Some(system) => round_trip(store, &system).await,
        None => return findings,
    };
    findings.push(match trip {
        Ok(()) => {
            (Weight::Fine, format!("wrote, read, listed and deleted a blob in container {system}"))
        }
        Err((step, error)) => (Weight::Broken, with_remedy(step, &error)),
    });
    findings
}

fn kind_of(information: &AccountInformation) -> (Weight, String) {
    let AccountInformation { kind, sku, .. } = information;
    if information.hierarchical {
        let text = format!(
            "{kind}, {sku}, with a hierarchical namespace: keys such as a//b or a/../b have no \
             place there; use an account without one"
        );
        return (Weight::Odd, text);
    }
    match kind.as_str() {
        "StorageV2" | "BlockBlobStorage" => (Weight::Fine, format!("answers: {kind}, {sku}")),
        _ => {
            let text = format!("answers: {kind}, {sku}; made for StorageV2 and BlockBlobStorage");
            (Weight::Odd, text)
        }
    }
}

fn clock(skew: Duration) -> (Weight, String) {
    let skew = skew.abs();
    let seconds = skew.whole_seconds();
    if skew >= CLOCK_SKEW_MAX {
        let text = "signatures will be refused. Set this machine's clock (NTP)";
        (Weight::Broken, format!("the clock is {seconds} seconds off: {text}"))
    } else if skew >= SKEW_ODD {
        (Weight::Odd, format!("the clock is {seconds} seconds off: is NTP running?"))
    } else {
        (Weight::Fine, "the clock is right".to_owned())
    }
}

async fn round_trip(
    store: &BlobStore,
    system: &ContainerName,
) -> Result<(), (&'static str, BlobError)> {
    match store.create_container(system, &BTreeMap::new()).await {
        Err(error) if error.kind() != Kind::ContainerExists => {
            return Err(("the system container cannot be made", error));
        }
        _ => {}
    }
    let name = format!("check/{:016x}", fastrand::u64(..));
    let path = BlobPath { container: system.clone(), blob: BlobName::new(name.clone()) };
    let content = Content::from(bytes::Bytes::from_static(PROBE_TEXT));
    let guard = Guard::Crc64(content.crc64());
    let put = store.put_blob(&path, &content, guard, &PutOptions::default()).await;
    put.map_err(|error| ("a blob cannot be written", error))?;
    let read = look_again(store, &path, name).await;
    let deleted = store.delete(&path, &DeleteOptions::default()).await;
    read?;
    deleted.map_err(|error| ("a blob cannot be deleted", error))
}

async fn look_again(
    store: &BlobStore,
    path: &BlobPath,
    name: String,
) -> Result<(), (&'static str, BlobError)> {
    let reading = |error| ("a blob cannot be read", error);
    let read = store.read(path, &ReadOptions::default()).await.map_err(reading)?;
    read.body.collect(PROBE_BYTES_MAX).await.map_err(reading)?;
    let asked = ListBlobs { prefix: Some(name), max_results: 1, ..ListBlobs::default() };
    let listed = store.list_blobs(&path.container, &asked).await;
    listed.map_err(|error| ("blobs cannot be listed", error))?;
    let properties = store.properties(path, &Conditions::default()).await;
    properties.map(drop).map_err(reading)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the rest has no remedy that fits a line")]
fn with_remedy(what: &str, error: &BlobError) -> String {
    let remedy = match error.kind() {
        Kind::Unreachable => {
            "Is the account's name right, does its DNS name resolve, is the way open (firewall, \
             private endpoint)?"
        }
        Kind::Unauthorised => {
            "Is the key current? With Entra the identity needs the role Storage Blob Data \
             Contributor; with a SAS, permissions rwdlac on containers and objects"
        }
        Kind::Throttled => "Azure is busy: try again",
        Kind::ContainerBeingDeleted => "Somebody deletes the system container: wait a minute",
        Kind::InvalidName => "Is system_container a name that Azure takes?",
        _ => return format!("{what}: {error}"),
    };
    format!("{what}: {error}. {remedy}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::azurite::{self, Azurite, Options};
    use crate::server::config;

    /// What is found at this account, as lines, and whether it works.
    async fn findings(connection_string: &str) -> (bool, String) {
        let pairs = [
            ("AZURE_STORAGE_CONNECTION_STRING", connection_string),
            ("BLUEBUCKET_ACCESS_KEY_ID", "AK1"),
            ("BLUEBUCKET_SECRET_ACCESS_KEY", "canary-secret-1"),
        ];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let environment = config::Environment::new(pairs);
        let sources = config::Sources { environment, ..config::Sources::default() };
        let loaded = config::load(&sources).unwrap();
        let mut lines = Vec::new();
        let tell = |finding: Finding| lines.push(finding.to_string());
        #[expect(clippy::disallowed_methods, reason = "Azurite's clock is this machine's")]
        let works = run(&loaded.config, OffsetDateTime::now_utc, tell).await.unwrap();
        (works, lines.join("\n"))
    }

    #[tokio::test]
    async fn an_account_is_looked_at_from_the_outside_in() {
        let cache = azurite::cache_folder(|name| {
            std::env::vars().find(|(key, _)| key == name).map(|(_, value)| value)
        });
        let azurite = Azurite::start(Options::in_memory(cache.unwrap())).await.unwrap();
        let right = azurite.connection_string();
        let (works, lines) = findings(&right).await;
        assert!(works && lines.contains("wrote, read, listed and deleted"), "{lines}");
        let (works, lines) = findings(&right.replace("AccountKey=Eby8", "AccountKey=Eby9")).await;
        assert!(!works && lines.contains("Is the key current?"), "{lines}");
        azurite.stop();
        let (works, lines) = findings(&right).await;
        assert!(!works && lines.contains("Is the account's name right"), "{lines}");
        assert!(!lines.contains("canary") && !lines.contains(azurite::ACCOUNT_KEY), "{lines}");
    }

    #[test]
    fn f36_a_clock_that_is_off_is_noticed() {
        let check = |seconds: i64, weight: Weight| {
            assert_eq!(clock(Duration::seconds(seconds)).0, weight, "{seconds}");
            assert_eq!(clock(Duration::seconds(-seconds)).0, weight, "-{seconds}");
        };
        check(5, Weight::Fine);
        check(90, Weight::Odd);
        check(1200, Weight::Broken);
    }

    #[test]
    fn an_account_with_folders_is_odd() {
        let mut information = AccountInformation {
            kind: "StorageV2".to_owned(),
            sku: "Standard_LRS".to_owned(),
            hierarchical: false,
            clock_skew: None,
            api_version: None,
        };
        assert_eq!(kind_of(&information).0, Weight::Fine);
        information.hierarchical = true;
        assert_eq!(kind_of(&information).0, Weight::Odd);
    }
}
