//! From the configuration to what answers: accounts, routes, users, and the gateway over them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::access::{Directory, NewKey, NewStatement, NewUser, Role};
use crate::azure::{BlobStore, ContainerName};
use crate::mapping::names::KeySpace;
use crate::ops::accounts::{Account, Accounts, Route};
use crate::ops::{Gateway, Settings};
use crate::s3::auth::Rules;
use crate::s3::lifecycle::Day;
use crate::s3::target::Domains;
use crate::server::config::{self, Config, Faults, Limits, RouteConfig, UserConfig};
use crate::server::guarded::Deadlines;
use crate::server::health::Health;
use crate::server::metrics::Metrics;
use crate::server::router::Front;

/// The gateway of a configuration, over these stores.
pub fn gateway(config: &Config, stores: &BTreeMap<String, BlobStore>) -> Result<Gateway, Faults> {
    let (accounts, users) = state(config, stores, &[])?;
    let settings = Settings {
        region: config.region.clone(),
        strict_region: config.strict_region,
        memory_bytes: config.limits.memory_bytes,
        cache_ttl: config.limits.cache_ttl,
        day: Day::of(config.lifecycle_day),
    };
    Ok(Gateway::new(settings, accounts, users))
}

/// What a reload replaces: accounts with their routes, and users. An account of `before` with the same
/// store stays, with what was found out about it.
pub fn state(
    config: &Config,
    stores: &BTreeMap<String, BlobStore>,
    before: &[Arc<Account>],
) -> Result<(Accounts, Directory), Faults> {
    let mut faults = Faults::default();
    let known = |name: &str, store: &BlobStore| {
        let mut known = before.iter();
        known.find(|account| account.name == name && account.store.is(store)).cloned()
    };
    let accounts = accounts(config, stores, known, &mut faults);
    let users = users(config, &mut faults);
    match (accounts, users) {
        (Some(accounts), Some(users)) if faults.is_empty() => Ok((accounts, users)),
        _ => Err(faults),
    }
}

/// The S3 port's view of a configuration.
pub fn front(config: &Config, gateway: Arc<Gateway>, metrics: Metrics, health: Health) -> Front {
    let held = Arc::clone(&gateway);
    metrics.watch_held_bytes(move || held.budget().held());
    Front {
        gateway,
        rules: Rules {
            region: config.strict_region.then(|| config.region.clone()),
            allow_sigv2: config.allow_sigv2,
        },
        domains: Domains::new(config.domains.iter().cloned()),
        metrics,
        health,
        traces: None,
        access_log: None,
        trusted_proxies: config.trusted_proxies.clone(),
        max_in_flight: config.limits.max_in_flight,
        max_in_flight_per_user: config.limits.max_in_flight_per_user,
        body_timeout: config.limits.body_timeout,
    }
}

/// How long a client may keep a connection waiting.
pub fn deadlines(limits: &Limits) -> Deadlines {
    Deadlines {
        handshake: limits.header_timeout,
        head: limits.header_timeout,
        idle: limits.idle_timeout,
        write: limits.stall_timeout,
    }
}

fn accounts(
    config: &Config,
    stores: &BTreeMap<String, BlobStore>,
    known: impl Fn(&str, &BlobStore) -> Option<Arc<Account>>,
    faults: &mut Faults,
) -> Option<Accounts> {
    let Some(system) = ContainerName::parse(&config.system_container) else {
        faults.missing("system_container", "is not a name that Azure takes for a container");
        return None;
    };
    let accounts: BTreeMap<&str, Arc<Account>> = stores
        .iter()
        .map(|(name, store)| {
            let new = || Arc::new(Account::new(name.clone(), store.clone(), system.clone()));
            (name.as_str(), known(name, store).unwrap_or_else(new))
        })
        .collect();
    let name = config.default_account.as_deref()?;
    let default = Arc::clone(accounts.get(name)?);
    let routes = config.routes.iter().filter_map(|config| {
        let account = config.account.as_deref().unwrap_or(name);
        let account = Arc::clone(accounts.get(account)?);
        route(config, account, faults)
    });
    let routes = routes.collect();
    let others = accounts.into_iter().filter(|(other, _)| *other != name);
    let others = others.map(|(_, account)| account).collect();
    Some(Accounts::new(default, others, routes))
}

fn route(config: &RouteConfig, account: Arc<Account>, faults: &mut Faults) -> Option<Route> {
    let keys = KeySpace::under(&config.prefix).map_err(|problem| {
        faults.at("buckets.prefix".to_owned(), &config.origin, problem.to_string());
    });
    let container = config.container.as_deref().map(|name| {
        ContainerName::parse(name).ok_or_else(|| {
            let problem = format!("{name:?} is not a name that Azure takes for a container");
            faults.at("buckets.container".to_owned(), &config.origin, problem);
        })
    });
    let container = container.transpose().ok()?;
    Some(Route {
        pattern: config.name.clone(),
        account,
        container,
        keys: keys.ok()?,
        read_only: config.read_only,
    })
}

fn users(config: &Config, faults: &mut Faults) -> Option<Directory> {
    match Directory::new(config.users.iter().map(user)) {
        Ok(users) => Some(users),
        Err(found) => {
            for fault in found {
                faults.missing(fault.place, fault.problem);
            }
            None
        }
    }
}

fn user(config: &UserConfig) -> NewUser {
    NewUser {
        id: config.id.clone(),
        name: Some(config.name.clone()),
        email: config.email.clone(),
        role: match config.role {
            config::Role::Admin => Role::Admin,
            config::Role::Owner => Role::Owner,
            config::Role::Limited => Role::Limited,
        },
        keys: config
            .keys
            .iter()
            .map(|key| NewKey {
                access_key_id: key.access_key_id.clone(),
                secret_access_key: key.secret_access_key.expose().to_owned(),
            })
            .collect(),
        policy: config
            .policy
            .iter()
            .map(|statement| NewStatement {
                actions: statement.actions.clone(),
                buckets: statement.buckets.clone(),
                prefixes: statement.prefixes.clone(),
            })
            .collect(),
    }
}
