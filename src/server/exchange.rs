//! What a reload exchanges in a running gateway: accounts, routes, users, certificates. All of it is
//! checked and opened first, so that a refusal changes nothing.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::ops::Gateway;
use crate::ops::accounts::{Account, Accounts};
use crate::server::config::Config;
use crate::server::config::changes::changes;
use crate::server::health::Health;
use crate::server::metrics::Metrics;
use crate::server::tls::Tls;
use crate::server::{stores, wiring};

/// The parts of a running gateway that follow its configuration.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) gateway: Arc<Gateway>,
    pub(super) health: Health,
    pub(super) metrics: Metrics,
    pub(super) tls: Option<Tls>,
    pub(super) running: Arc<ArcSwap<Config>>,
}

impl Exchange {
    /// Puts `new` into effect as far as that goes without a restart, or says why that cannot be.
    pub(super) fn with(&self, new: Config) -> Result<(), String> {
        let (before, open) = (self.running.load_full(), self.gateway.accounts());
        let config = before.reloaded(new);
        let stores = stores::reopen(&config, (&before, &open), &self.metrics);
        let stores = stores.map_err(|faults| faults.to_string())?;
        let (accounts, users) =
            wiring::state(&config, &stores, open.all()).map_err(|faults| faults.to_string())?;
        if let (Some(tls), Some(files)) = (&self.tls, &config.tls) {
            tls.reload(files)?;
        }
        self.health.watch(probed(&accounts));
        self.gateway.reload(accounts, users);
        for change in changes(&before, &config) {
            tracing::info!(target: "audit", event = "configuration", change);
        }
        self.running.store(Arc::new(config));
        Ok(())
    }
}

/// The accounts by name, as `/ready` asks them.
pub(super) fn probed(accounts: &Accounts) -> impl Iterator<Item = (String, Arc<Account>)> + '_ {
    accounts.all().iter().map(|account| (account.name.clone(), Arc::clone(account)))
}
