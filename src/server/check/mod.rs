//! `bluebucket check`: is everything right? From the inside out: configuration, names and certificates,
//! then each account: name, credential, clock, kind, rights, settings, and a round trip in the system
//! container. One line a finding, with what helps.

mod account;
mod finding;
mod host;

use time::OffsetDateTime;

pub use finding::{Finding, Weight};

use crate::server::config::{Config, Faults};
use crate::server::metrics::Metrics;
use crate::server::stores;

/// Looks at everything; tells of each finding as it comes. Whether nothing is broken.
pub async fn run(
    config: &Config,
    now: impl Fn() -> OffsetDateTime,
    mut tell: impl FnMut(Finding),
) -> Result<bool, Faults> {
    let mut works = true;
    let mut note = |finding: Finding| {
        works &= finding.weight != Weight::Broken;
        tell(finding);
    };
    configuration(config).into_iter().for_each(&mut note);
    host::domains(&config.domains).await.into_iter().for_each(&mut note);
    if let Some(files) = &config.tls {
        host::certificate(files, &config.domains, now()).into_iter().for_each(&mut note);
    }
    for (name, store) in stores::open(config, &Metrics::new())? {
        let findings = account::look(&store, &name, &config.system_container).await;
        findings.into_iter().for_each(&mut note);
    }
    Ok(works)
}

fn configuration(config: &Config) -> Vec<Finding> {
    let (users, accounts) = (config.users.len(), config.accounts.len());
    let mut findings =
        vec![Finding::fine("configuration", format!("{accounts} accounts, {users} users"))];
    if users == 0 {
        let remedy = "Set BLUEBUCKET_ACCESS_KEY_ID and BLUEBUCKET_SECRET_ACCESS_KEY";
        findings.push(Finding::broken("users", "there is none: serve will not start", remedy));
    }
    if config.default_account.is_none() {
        let remedy = "Set AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_ACCOUNT";
        findings.push(Finding::broken("accounts", "there is none", remedy));
    }
    if config.tls.is_none() && !config.listen.ip().is_loopback() {
        let text = format!("{} is plain HTTP: keys do not travel, but objects do", config.listen);
        let remedy = "Set tls.certificate and tls.key, or keep a proxy with TLS in front";
        findings.push(Finding::odd("listen", text, remedy));
    }
    if !config.admin_listen.ip().is_loopback() {
        let text = format!("{} can be asked from outside, without a password", config.admin_listen);
        let remedy = "Let only probers and the scraper reach it";
        findings.push(Finding::odd("admin_listen", text, remedy));
    }
    findings
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
        assert!(!works && lines.contains("Is the way open"), "{lines}");
        assert!(!lines.contains("canary") && !lines.contains(azurite::ACCOUNT_KEY), "{lines}");
    }
}
