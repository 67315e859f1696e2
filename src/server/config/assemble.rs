//! From single values, each understood by its own function, to the whole [`Config`].

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::azure;
use crate::server::config::accounts::{self, AccountConfig, RouteConfig};
use crate::server::config::secret::{Environment, Notes};
use crate::server::config::settings::Merged;
use crate::server::config::traces;
use crate::server::config::users::UserConfig;
use crate::server::config::{Config, DrainConfig, Limits, LogConfig, TlsConfig, values};
use crate::server::tls;

/// What has more than one value: it was read before.
pub(super) struct People {
    pub(super) accounts: BTreeMap<String, AccountConfig>,
    pub(super) default_account: Option<String>,
    pub(super) users: Vec<UserConfig>,
    pub(super) routes: Vec<RouteConfig>,
}

/// The whole of it; none when a value is a fault, which is then noted.
pub(super) fn assemble(
    settings: &Merged,
    people: People,
    environment: &Environment,
    notes: &mut Notes,
) -> Option<Config> {
    let listen = settings.read("listen", notes, values::address);
    let admin_listen = settings.read("admin_listen", notes, values::address);
    let domains = settings.read_list("domains", notes, values::domain);
    let region = settings.read("region", notes, values::region);
    let strict_region = settings.read("strict_region", notes, values::truth);
    let allow_sigv2 = settings.read("allow_sigv2", notes, values::truth);
    let system_container = settings.read("system_container", notes, values::container);
    let trusted_proxies = settings.read_list("trusted_proxies", notes, values::cidr);
    let drain = drain(settings, notes);
    let log = log(settings, notes);
    let tls = tls_files(settings, notes);
    let azure_ca_file = settings.read("azure_ca_file", notes, authorities);
    let access_log = settings.read("access_log", notes, |path| Ok(PathBuf::from(path)));
    let azure_proxy = settings.read("azure_proxy", notes, values::proxy);
    let limits = limits(settings, notes);
    let day_seconds = settings.read("lifecycle.day_seconds", notes, values::at_least(1));
    let abandoned_after = settings.read("multipart.abandoned_after", notes, values::some_time);
    let sweep_every = settings.read("multipart.sweep_every", notes, values::some_time);
    let entra = entra(environment, notes);
    let traces = traces::traces(environment, notes);
    let system_container = system_container?;
    let People { accounts, default_account, users, routes } = people;
    accounts::check_routes(&routes, &accounts, &system_container, &mut notes.faults);
    if let (Some(listen), Some(admin_listen)) = (listen, admin_listen)
        && listen == admin_listen
        && listen.port() != 0
    {
        let problem = "is the S3 port's address: the two need ports of their own";
        notes.faults.at("admin_listen", &settings.origin("admin_listen"), problem);
    }
    Some(Config {
        listen: listen?,
        admin_listen: admin_listen?,
        domains,
        region: region?,
        strict_region: strict_region?,
        allow_sigv2: allow_sigv2?,
        system_container,
        trusted_proxies,
        drain: drain?,
        log: log?,
        traces,
        access_log,
        tls,
        azure_ca_file,
        azure_proxy,
        accounts,
        default_account,
        users,
        routes,
        limits: limits?,
        lifecycle_day: Duration::from_secs(day_seconds?),
        multipart_abandoned_after: abandoned_after?,
        multipart_sweep_every: sweep_every?,
        entra,
    })
}

/// <https://learn.microsoft.com/dotnet/api/azure.identity.environmentcredential>
fn entra(environment: &Environment, notes: &mut Notes) -> azure::EntraSettings {
    let text = |name: &str| environment.get(name).map(str::to_owned);
    let secret = notes.environment_secret(environment, "AZURE_CLIENT_SECRET");
    azure::EntraSettings {
        tenant_id: text("AZURE_TENANT_ID"),
        client_id: text("AZURE_CLIENT_ID"),
        client_secret: secret.map(|secret| secret.value.expose().to_owned()),
        federated_token_file: text("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from),
        authority_host: text("AZURE_AUTHORITY_HOST"),
    }
}

fn drain(settings: &Merged, notes: &mut Notes) -> Option<DrainConfig> {
    let delay = settings.read("drain_delay", notes, values::duration);
    let timeout = settings.read("drain_timeout", notes, values::duration);
    Some(DrainConfig { delay: delay?, timeout: timeout? })
}

fn log(settings: &Merged, notes: &mut Notes) -> Option<LogConfig> {
    let filter = settings.read("log", notes, values::log_filter);
    let format = settings.read("log_format", notes, values::log_format);
    Some(LogConfig { filter: filter?, format })
}

fn limits(settings: &Merged, notes: &mut Notes) -> Option<Limits> {
    /// Less than a few blocks and no upload could move.
    const MEMORY_BYTES_MIN: u64 = 32 * 1024 * 1024;
    let count = |text: &str| {
        values::at_least(1)(text).map(|count| usize::try_from(count).unwrap_or(usize::MAX))
    };
    let memory_bytes =
        settings.read("limits.memory_bytes", notes, values::at_least(MEMORY_BYTES_MIN));
    let max_in_flight = settings.read("limits.max_in_flight", notes, count);
    // What one user leaves to the others, unless told otherwise, is a quarter.
    let max_in_flight_per_user = if settings.raw("limits.max_in_flight_per_user").is_some() {
        settings.read("limits.max_in_flight_per_user", notes, count)
    } else {
        max_in_flight.map(|all| all - all / 4)
    };
    let max_connections = settings.read("limits.max_connections", notes, count);
    let threads = if settings.raw("limits.threads").is_some() {
        settings.read("limits.threads", notes, count)
    } else {
        // Of a container's share of the cores as well.
        Some(thread::available_parallelism().map_or(1, usize::from))
    };
    let cache_ttl = settings.read("limits.cache_ttl", notes, values::duration);
    let mut time = |key| settings.read(key, notes, values::some_time);
    let header_timeout = time("limits.header_timeout");
    let body_timeout = time("limits.body_timeout");
    let stall_timeout = time("limits.stall_timeout");
    let idle_timeout = time("limits.idle_timeout");
    Some(Limits {
        memory_bytes: memory_bytes?,
        max_in_flight: max_in_flight?,
        max_in_flight_per_user: max_in_flight_per_user?,
        max_connections: max_connections?,
        threads: threads?,
        cache_ttl: cache_ttl?,
        header_timeout: header_timeout?,
        body_timeout: body_timeout?,
        stall_timeout: stall_timeout?,
        idle_timeout: idle_timeout?,
    })
}

/// Read now, because a connection that fails for it fails at the first request.
fn authorities(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    azure::check_ca_file(&path).map_err(|error| error.to_string())?;
    Ok(path)
}

fn tls_files(settings: &Merged, notes: &mut Notes) -> Option<TlsConfig> {
    let path = |text: &str| Ok(PathBuf::from(text));
    let certificate = settings.read("tls.certificate", notes, path);
    let key = settings.read("tls.key", notes, path);
    let (present, absent) = match (certificate, key) {
        (None, None) => return None,
        (Some(certificate), Some(key)) => {
            let origin = settings.origin("tls.key");
            notes.require_private("tls.key", &key, &origin);
            let files = TlsConfig { certificate, key };
            if let Err(problem) = tls::read(&files) {
                notes.faults.at("tls", &settings.origin("tls.certificate"), problem);
            }
            notes.files.extend([files.certificate.clone(), files.key.clone()]);
            return Some(files);
        }
        (Some(_), None) => ("tls.certificate", "tls.key"),
        (None, Some(_)) => ("tls.key", "tls.certificate"),
    };
    notes.faults.at(absent, &settings.origin(present), format!("is missing beside {present}"));
    None
}
