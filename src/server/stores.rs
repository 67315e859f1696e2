//! The ways to the storage accounts, as the configuration describes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::azure::{self, AccountKey, BlobStore, Credential, SasToken, WireSettings};
use crate::ops::accounts::Accounts;
use crate::server::config::{AccountAccess, AccountConfig, Config, CredentialConfig, Faults};
use crate::server::metrics::Metrics;

/// A store for each account, by its name in the configuration. Nothing is sent yet.
pub fn open(config: &Config, metrics: &Metrics) -> Result<BTreeMap<String, BlobStore>, Faults> {
    open_beside(config, &BTreeMap::new(), metrics)
}

/// The same for a configuration that takes another's place: an account that is what it was keeps its
/// connections and tokens.
pub fn reopen(
    config: &Config,
    running: (&Config, &Accounts),
    metrics: &Metrics,
) -> Result<BTreeMap<String, BlobStore>, Faults> {
    let (before, accounts) = running;
    let mut kept = BTreeMap::new();
    if config.entra == before.entra && config.azure_ca_file == before.azure_ca_file {
        let same = |name: &str| {
            let access = |config: &Config| config.accounts.get(name).map(|it| it.access.clone());
            access(config) == access(before)
        };
        let open = accounts.all().iter().filter(|account| same(&account.name));
        kept.extend(open.map(|account| (account.name.clone(), account.store.clone())));
    }
    open_beside(config, &kept, metrics)
}

fn open_beside(
    config: &Config,
    kept: &BTreeMap<String, BlobStore>,
    metrics: &Metrics,
) -> Result<BTreeMap<String, BlobStore>, Faults> {
    let mut faults = Faults::default();
    let mut stores = BTreeMap::new();
    for (name, account) in &config.accounts {
        if let Some(store) = kept.get(name) {
            stores.insert(name.clone(), store.clone());
            continue;
        }
        let wire = wire(config);
        let store = account_of(account, config, &wire).and_then(|account| {
            BlobStore::new(account, wire.clone()).map_err(|error| error.to_string())
        });
        match store {
            Ok(store) => {
                let observer: Arc<dyn azure::Observer> = Arc::new(metrics.clone());
                stores.insert(name.clone(), store.with_observer(observer));
            }
            Err(problem) => faults.at(format!("accounts.{name}"), &account.origin, problem),
        }
    }
    if faults.is_empty() { Ok(stores) } else { Err(faults) }
}

/// Notes what is wrong with the accounts, without opening any.
pub(super) fn check(config: &Config, faults: &mut Faults) {
    for (name, account) in &config.accounts {
        if let Err(problem) = account_of(account, config, &wire(config)) {
            faults.at(format!("accounts.{name}"), &account.origin, problem);
        }
    }
}

/// How Azure is spoken to, by every account and for every token.
fn wire(config: &Config) -> WireSettings {
    WireSettings {
        ca_file: config.azure_ca_file.clone(),
        proxy: config.azure_proxy.clone(),
        ..WireSettings::default()
    }
}

fn account_of(
    account: &AccountConfig,
    config: &Config,
    wire: &WireSettings,
) -> Result<azure::Account, String> {
    match &account.access {
        AccountAccess::ConnectionString(text) => {
            azure::from_connection_string(text.expose()).map_err(|error| error.to_string())
        }
        AccountAccess::Named { account, endpoint, credential } => {
            let account = azure::Account::named(account, proof(credential, config, wire)?);
            Ok(match endpoint {
                Some(endpoint) => account.at(endpoint),
                None => account,
            })
        }
    }
}

fn proof(
    credential: &CredentialConfig,
    config: &Config,
    wire: &WireSettings,
) -> Result<Credential, String> {
    match credential {
        CredentialConfig::Key(key) => AccountKey::from_base64(key.expose())
            .map(Credential::SharedKey)
            .ok_or_else(|| "the account key is not base64".to_owned()),
        CredentialConfig::SasToken(token) => SasToken::parse(token.expose())
            .map(Credential::Sas)
            .ok_or_else(|| "the SAS token is none: it has no signature (sig=)".to_owned()),
        CredentialConfig::Entra => {
            azure::entra(&config.entra, wire).map_err(|error| error.to_string())
        }
    }
}
