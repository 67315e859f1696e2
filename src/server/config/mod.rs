//! Command line, environment and file into one checked [`Config`]: defaults < file < environment <
//! flags. Every fault is reported at once, with its key and where it came from.
//!
//! Nothing else in the crate reads the environment: it comes in as [`Environment`].

pub mod accounts;
pub mod arguments;
mod assemble;
pub mod changes;
pub mod fault;
pub mod file;
mod import;
mod pass_through;
pub mod print;
pub mod reference;
pub mod secret;
pub mod settings;
pub mod tables;
pub mod traces;
pub mod users;
pub mod values;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use accounts::{AccountAccess, AccountConfig, CredentialConfig, RouteConfig};
pub use fault::{Faults, Origin};
pub use secret::{Environment, Secret};
pub use traces::TraceConfig;
pub use users::{KeyConfig, Role, StatementConfig, UserConfig};
pub use values::{Cidr, LogFormat};

use crate::azure;
use crate::server::config::assemble::{People, assemble};
use crate::server::config::file::{Document, Section};
use crate::server::config::secret::{Notes, WorldReadable};
use crate::server::config::settings::{Merged, SETTINGS};
use crate::server::config::tables::Said;
use crate::server::stores;

/// Everything that an operator can say, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address of the S3 port.
    pub listen: SocketAddr,
    /// Address of health and metrics.
    pub admin_listen: SocketAddr,
    /// Base domains of virtual-host buckets, in small letters.
    pub domains: Vec<String>,
    /// The region that buckets report.
    pub region: String,
    /// Whether a credential's region must be ours.
    pub strict_region: bool,
    /// Whether signatures of version 2 are accepted.
    pub allow_sigv2: bool,
    /// The container of the gateway's own records, one in each account.
    pub system_container: String,
    /// Whose `X-Forwarded-*` headers count.
    pub trusted_proxies: Vec<Cidr>,
    /// How the process ends.
    pub drain: DrainConfig,
    /// What is logged and how.
    pub log: LogConfig,
    /// Where traces go, if the environment says so (`OTEL_*`).
    pub traces: Option<TraceConfig>,
    /// The file of the access log, where one is wanted.
    pub access_log: Option<PathBuf>,
    /// TLS of the S3 port; none means plain HTTP.
    pub tls: Option<TlsConfig>,
    /// PEM: authorities that Azure and Entra ID are trusted by, besides those of the system.
    pub azure_ca_file: Option<PathBuf>,
    /// The HTTP proxy on the way to Azure and Entra ID.
    pub azure_proxy: Option<http::Uri>,
    /// The storage accounts by name.
    pub accounts: BTreeMap<String, AccountConfig>,
    /// The account of buckets without a route. `serve` requires one.
    pub default_account: Option<String>,
    /// Who may come, and with which keys.
    pub users: Vec<UserConfig>,
    /// Buckets that live elsewhere than under their own name in the default account; first match wins.
    pub routes: Vec<RouteConfig>,
    /// Every limit that has a name.
    pub limits: Limits,
    /// How long a lifecycle "day" is; tests shorten it.
    pub lifecycle_day: Duration,
    /// When an open multipart upload counts as abandoned.
    pub multipart_abandoned_after: Duration,
    /// How long lies between two searches for what uploads left behind.
    pub multipart_sweep_every: Duration,
    /// Who we are to Entra ID, for accounts without a key.
    pub entra: azure::EntraSettings,
}

impl Config {
    /// This configuration with all of `new` that takes effect without a restart.
    #[must_use]
    pub fn reloaded(&self, new: Self) -> Self {
        Self {
            accounts: new.accounts,
            default_account: new.default_account,
            users: new.users,
            routes: new.routes,
            entra: new.entra,
            azure_ca_file: new.azure_ca_file,
            // The port speaks TLS or it does not, for as long as it is open.
            tls: self.tls.as_ref().map(|files| new.tls.unwrap_or_else(|| files.clone())),
            ..self.clone()
        }
    }
}

/// How the process ends.
#[derive(Clone, Copy, Debug)]
pub struct DrainConfig {
    /// How long it goes on accepting while `/ready` already says no.
    pub delay: Duration,
    /// How long open requests may take.
    pub timeout: Duration,
}

/// What is logged and how.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// The filter, such as `info,bluebucket=debug`.
    pub filter: String,
    /// None: text on a terminal, else JSON.
    pub format: Option<LogFormat>,
}

/// The files of the certificate.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// PEM: the chain, leaf first.
    pub certificate: PathBuf,
    /// PEM: its key.
    pub key: PathBuf,
}

/// Every limit that has a name.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Object bytes held at once.
    pub memory_bytes: u64,
    /// Requests; above it 503 `SlowDown`.
    pub max_in_flight: usize,
    /// Requests of one user, or of all who are none; above it 503 `SlowDown`, too.
    pub max_in_flight_per_user: usize,
    /// Connections; above it 503 and close.
    pub max_connections: usize,
    /// How many threads serve requests.
    pub threads: usize,
    /// How long bucket facts and documents are believed.
    pub cache_ttl: Duration,
    /// For TLS's handshake, and for a whole head.
    pub header_timeout: Duration,
    /// For the next bytes of a request's body.
    pub body_timeout: Duration,
    /// For taking bytes of an answer.
    pub stall_timeout: Duration,
    /// Silence between two requests.
    pub idle_timeout: Duration,
}

/// Where a configuration comes from. The same sources are read again for a reload.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file, when one was named.
    pub file: Option<PathBuf>,
    /// The environment of the process.
    pub environment: Environment,
    /// The flags that were given, by the key of their setting.
    pub flags: BTreeMap<&'static str, String>,
    /// Other defaults than the built-in ones: what `dev` wants.
    pub dev_defaults: Vec<(&'static str, String)>,
    /// What the command cannot do without.
    pub need: Need,
}

/// What a command cannot do without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Need {
    /// Users and an account, or it refuses to start.
    #[default]
    Everything,
    /// Nothing: the command looks at the configuration itself, or brings users and account along.
    Nothing,
}

/// A configuration with what was noticed on the way.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is odd, but works.
    pub warnings: Vec<String>,
    /// The files that were read: a change of one of them means a reload.
    pub files: Vec<PathBuf>,
    /// Each single value with its origin, for `config print`.
    pub settings: Merged,
}

/// Reads and checks everything.
pub fn load(sources: &Sources) -> Result<Loaded, Faults> {
    let mut notes = Notes::default();
    let document = read_file(sources.file.as_deref(), &mut notes);
    let table = document.as_ref().map(|document| document.parse(&mut notes.faults));
    let mut top = document
        .as_ref()
        .zip(table.as_ref())
        .map(|(document, table)| Section::new(document, table.get_ref(), "", 0));

    let dev: Vec<_> =
        sources.dev_defaults.iter().map(|(key, text)| (*key, text.as_str())).collect();
    let mut settings = Merged::defaults(&dev);
    if let Some(top) = &mut top {
        settings.add_file(top, &mut notes.faults);
    }
    settings.add_environment(&sources.environment);
    settings.add_flags(&sources.flags);
    allow_world_readable(&settings, &mut notes);

    let said = Said::read(sources, &mut notes);
    let (accounts, default_account) =
        read_accounts((top.as_mut(), &said), &settings, sources, &mut notes);
    let faults_before = notes.faults.len();
    let mut users = read_users((top.as_mut(), &said), &settings, sources, &mut notes);
    users.extend(pass_through::user(&settings, &accounts, &mut notes));
    require_users(&users, sources, faults_before, &mut notes);
    let routes = said.table(tables::BUCKETS, top.as_mut(), &mut notes, accounts::routes);
    let routes = routes.unwrap_or_default();
    if let Some(top) = top {
        top.finish(&mut notes.faults);
    }
    warn_of_unknown_variables(&sources.environment, &mut notes.warnings);
    if let Some(path) = document.as_ref().and_then(Document::path) {
        warn_of_open_secrets(path, &users, &accounts, &mut notes);
    }

    let people = People { accounts, default_account, users, routes };
    let config = assemble(&settings, people, &sources.environment, &mut notes);
    if let Some(config) = &config {
        stores::check(config, &mut notes.faults);
    }
    match config {
        Some(config) if notes.faults.is_empty() => {
            Ok(Loaded { config, warnings: notes.warnings, files: notes.files, settings })
        }
        _ => Err(notes.faults),
    }
}

fn read_file(path: Option<&Path>, notes: &mut Notes) -> Option<Document> {
    let path = path?;
    notes.files.push(path.to_owned());
    match fs::read_to_string(path) {
        Ok(text) => Some(Document::new(path.to_owned(), text)),
        Err(error) => {
            let problem = format!("{} cannot be read: {error}", path.display());
            notes.faults.missing("the file", problem);
            None
        }
    }
}

fn allow_world_readable(settings: &Merged, notes: &mut Notes) {
    let allowed = settings.read("allow_world_readable_secrets", notes, values::truth);
    if allowed == Some(true) {
        notes.world_readable = WorldReadable::Allowed;
    }
}

/// The file, and what is said in the place of its tables.
type Sections<'a, 'b> = (Option<&'a mut Section<'b>>, &'a Said);

fn read_users(
    (top, said): Sections<'_, '_>,
    settings: &Merged,
    sources: &Sources,
    notes: &mut Notes,
) -> Vec<UserConfig> {
    let users = said.table(tables::USERS, top, notes, users::from_file);
    let mut users = users.unwrap_or_default();
    users.extend(users::from_environment(&sources.environment, notes));
    users.extend(import::users(settings, notes));
    users
}

/// Somebody, and nobody twice.
fn require_users(users: &[UserConfig], sources: &Sources, faults_before: usize, notes: &mut Notes) {
    users::require_distinct(users, &mut notes.faults);
    // A faulty user is no missing one.
    let none = users.is_empty() && notes.faults.len() == faults_before;
    if none && sources.need == Need::Everything {
        notes.faults.missing(
            "users",
            "there is no user: set BLUEBUCKET_ACCESS_KEY_ID and BLUEBUCKET_SECRET_ACCESS_KEY, \
             or write [[users]] into the file",
        );
    }
}

fn read_accounts(
    (top, said): Sections<'_, '_>,
    settings: &Merged,
    sources: &Sources,
    notes: &mut Notes,
) -> (BTreeMap<String, AccountConfig>, Option<String>) {
    let faults_before = notes.faults.len();
    let accounts = said.table(tables::ACCOUNTS, top, notes, accounts::from_file);
    let mut accounts = accounts.unwrap_or_default();
    let default = default_account(settings, &mut accounts, &sources.environment, notes);
    let none = accounts.is_empty() && notes.faults.len() == faults_before;
    if none && sources.need == Need::Everything {
        notes.faults.missing(
            "accounts",
            "there is no storage account: set AZURE_STORAGE_CONNECTION_STRING or \
             AZURE_STORAGE_ACCOUNT, or write [accounts.main] into the file",
        );
    }
    (accounts, default)
}

/// The environment's account takes the default account's name, because the environment stands above
/// the file. A sole account of the file is the default one unless the environment brings another.
fn default_account(
    settings: &Merged,
    accounts: &mut BTreeMap<String, AccountConfig>,
    environment: &Environment,
    notes: &mut Notes,
) -> Option<String> {
    let named = settings.read("default_account", notes, |name| Ok(name.to_owned()));
    if let Some(account) = accounts::from_environment(environment, notes) {
        let name = named.unwrap_or_else(|| accounts::ENVIRONMENT_ACCOUNT.to_owned());
        accounts.insert(name.clone(), account);
        return Some(name);
    }
    match (named, accounts.len()) {
        (Some(name), _) if accounts.contains_key(&name) => Some(name),
        (Some(name), _) => {
            let problem = format!("there is no account {name:?}");
            notes.faults.at("default_account", &settings.origin("default_account"), problem);
            None
        }
        (None, 1) => accounts.keys().next().cloned(),
        (None, 0) => None,
        (None, _) if accounts.contains_key(accounts::ENVIRONMENT_ACCOUNT) => {
            Some(accounts::ENVIRONMENT_ACCOUNT.to_owned())
        }
        (None, _) => {
            let problem = "is missing: it says which of the accounts takes unrouted buckets";
            notes.faults.missing("default_account", problem);
            None
        }
    }
}

/// A misspelt variable is easily overlooked. It is no fault: Kubernetes adds variables of its own for
/// a service of this name.
fn warn_of_unknown_variables(environment: &Environment, warnings: &mut Vec<String>) {
    const OTHERS: &[&str] = &[
        "BLUEBUCKET_CONFIG",
        "BLUEBUCKET_CACHE",
        "BLUEBUCKET_ACCESS_KEY_ID",
        "BLUEBUCKET_SECRET_ACCESS_KEY",
    ];
    let tables = tables::TABLES.map(|table| table.variable);
    let known: Vec<String> = SETTINGS.iter().map(settings::Setting::variable).collect();
    for name in environment.names().filter(|name| name.starts_with("BLUEBUCKET_")) {
        let base = name.strip_suffix("_FILE").unwrap_or(name);
        let of_kubernetes = name.contains("_PORT") || name.contains("_SERVICE_");
        if !known.iter().any(|known| known == name)
            && !OTHERS.contains(&base)
            && !tables.contains(&base)
            && !of_kubernetes
        {
            warnings.push(format!("{name} of the environment is no setting of bluebucket"));
        }
    }
}

/// Secrets may stand in the file itself, and then only its owner should read it. That is a warning
/// because a file is born readable; a file made for one secret has no such excuse.
fn warn_of_open_secrets(
    path: &Path,
    users: &[UserConfig],
    accounts: &BTreeMap<String, AccountConfig>,
    notes: &mut Notes,
) {
    let holds_some = !users.is_empty() || !accounts.is_empty();
    let open = fs::metadata(path).is_ok_and(|about| secret::is_world_readable(&about));
    if holds_some && open && notes.world_readable == WorldReadable::Refused {
        let path = path.display();
        notes.warnings.push(format!("everyone can read {path}, secrets included: chmod o= {path}"));
    }
}

#[cfg(test)]
mod tests;
