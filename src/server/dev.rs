//! `bluebucket dev`: the gateway over an Azurite that it starts itself, on loopback, with keys of its
//! own, for trying it out and for tests.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};

use crate::server::azurite::{self, Azurite, Options, Storage};
use crate::server::commands::{Failure, Prepare, Running};
use crate::server::config::arguments::DevFlags;
use crate::server::config::users::ENVIRONMENT_USER;
use crate::server::config::{
    self, AccountAccess, AccountConfig, Config, Environment, KeyConfig, Origin, Role, Secret,
    Sources, UserConfig,
};
use crate::server::{Shutdown, output, status, telemetry};

/// The account's name in the configuration that `dev` makes up.
const ACCOUNT: &str = "azurite";
/// Of the S3 port, where nobody says another.
const DEFAULT_PORT: u16 = 9000;
const AZURITE_POLL: Duration = Duration::from_secs(1);

/// Runs until a signal ends it, or Azurite's end does.
pub async fn run(flags: &DevFlags, sources: Sources) -> Result<(), Failure> {
    let sources = dev_sources(sources);
    let loaded = config::load(&sources)?;
    telemetry::start(&loaded.config.log)?;
    for address in [loaded.config.listen, loaded.config.admin_listen] {
        require_loopback(address)?;
    }
    let home = Home::open(flags, &sources.environment)?;
    let keys = if loaded.config.users.is_empty() { Some(home.keys()?) } else { None };
    let mut azurite = match &flags.with_azurite {
        Some(_) => None,
        None => Some(start_azurite(flags, &home, &sources.environment).await?),
    };
    let connection_string = match (&azurite, &flags.with_azurite) {
        (Some(azurite), _) => azurite.connection_string(),
        (None, Some(url)) => azurite::connection_string(&with_account(url)),
        (None, None) => return Err(Failure::Other("there is no azurite".to_owned())),
    };
    let running = Running::start(loaded, sources, preparing(connection_string, keys)).await?;
    let config = running.config();
    say_how_to_use_it(running.server().s3_address(), &config);

    let shutdown = Shutdown::new();
    let ended = tokio::select! {
        ended = running.run(shutdown) => ended,
        () = end_of(azurite.as_mut()) => Err(Failure::Other("azurite has ended".to_owned())),
    };
    if let Some(azurite) = azurite {
        // It writes its index on the way out, which blocks.
        tokio::task::spawn_blocking(|| azurite.stop()).await.map_err(|error| error.to_string())?;
    }
    ended
}

/// `dev`'s defaults, under file, environment and flags. What the environment says about Azure is not
/// for trying things out.
fn dev_sources(mut sources: Sources) -> Sources {
    sources.environment = sources.environment.filtered(|name| !name.starts_with("AZURE_"));
    let defaults = |admin: u16| {
        vec![
            ("admin_listen", format!("127.0.0.1:{admin}")),
            ("domains", "localhost".to_owned()),
            ("allow_sigv2", "true".to_owned()),
            ("log", "warn".to_owned()),
        ]
    };
    // The admin port is the one after the S3 port, wherever that one was said; any port where it is
    // any port. A configuration with faults tells them when it is loaded to be used.
    sources.dev_defaults = defaults(0);
    let listen = config::load(&sources).map_or(DEFAULT_PORT, |loaded| loaded.config.listen.port());
    sources.dev_defaults = defaults(if listen == 0 { 0 } else { listen.wrapping_add(1) });
    sources
}

fn require_loopback(address: SocketAddr) -> Result<(), String> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    Err(format!(
        "dev listens on loopback only, and {address} is not; `bluebucket serve` is for others"
    ))
}

/// The folder of `dev`, held by one process at a time unless the blobs are elsewhere.
#[derive(Debug)]
struct Home {
    folder: PathBuf,
    _lock: Option<File>,
}

impl Home {
    fn open(flags: &DevFlags, environment: &Environment) -> Result<Self, String> {
        let folder = flags.data.clone().or_else(|| default_folder(environment));
        let folder = folder.ok_or("there is no HOME: say where to keep data with --data DIR")?;
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        if flags.in_memory || flags.with_azurite.is_some() {
            return Ok(Self { folder, _lock: None });
        }
        let lock = File::create(folder.join("lock")).map_err(|error| error.to_string())?;
        lock.try_lock().map_err(|_taken| {
            format!(
                "another bluebucket dev uses {}: give this one --data DIR or --in-memory",
                folder.display()
            )
        })?;
        Ok(Self { folder, _lock: Some(lock) })
    }

    /// The keys, made when there are none.
    fn keys(&self) -> Result<KeyConfig, String> {
        let path = self.folder.join("keys");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(_missing) => {
                let (id, secret) = new_keys()?;
                let text = format!("{id}\n{secret}\n");
                write_private(&path, &text)?;
                text
            }
        };
        let mut lines = text.lines();
        match (lines.next(), lines.next()) {
            (Some(id), Some(secret)) if !id.is_empty() && !secret.is_empty() => Ok(KeyConfig {
                access_key_id: id.to_owned(),
                secret_access_key: Secret::new(secret),
            }),
            _ => Err(format!("{} holds no keys: delete it and new ones are made", path.display())),
        }
    }
}

fn default_folder(environment: &Environment) -> Option<PathBuf> {
    let named = |name: &str| environment.get(name).map(PathBuf::from);
    named("XDG_DATA_HOME")
        .or_else(|| Some(named("HOME")?.join(".local/share")))
        .map(|data| data.join("bluebucket/dev"))
}

fn new_keys() -> Result<(String, String), String> {
    let mut random = [0; 40];
    getrandom::fill(&mut random).map_err(|error| error.to_string())?;
    let (id, secret) = random.split_at(10);
    Ok((format!("DEV{}", BASE32_NOPAD.encode(id)), BASE64URL_NOPAD.encode(secret)))
}

/// Whole or not at all: two of `dev` may start at once.
fn write_private(path: &Path, text: &str) -> Result<(), String> {
    let write = || {
        let unfinished = path.with_extension(std::process::id().to_string());
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)?;
        file.write_all(text.as_bytes())?;
        fs::rename(&unfinished, path)
    };
    write().map_err(|error| format!("{}: {error}", path.display()))
}

async fn start_azurite(
    flags: &DevFlags,
    home: &Home,
    environment: &Environment,
) -> Result<Azurite, String> {
    let cache = flags
        .cache
        .clone()
        .or_else(|| azurite::cache_folder(|name| environment.get(name).map(str::to_owned)));
    let storage = if flags.in_memory {
        Storage::InMemory
    } else {
        Storage::Folder(home.folder.join("azurite"))
    };
    let options = Options {
        cache: cache.ok_or("there is no HOME: say where to install azurite with --cache DIR")?,
        storage,
        tls: None,
        progress: Arc::new(|words| output::complain(format!("bluebucket: {words}"))),
    };
    Azurite::start(options).await.map_err(|error| error.to_string())
}

/// An Azurite's address may be given with or without its account.
fn with_account(url: &str) -> String {
    let url = url.trim_end_matches('/');
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    if rest.contains('/') { url.to_owned() } else { format!("{url}/{}", azurite::ACCOUNT) }
}

/// Azurite as the default account, and a user of our own where no other is configured.
fn preparing(connection_string: String, keys: Option<KeyConfig>) -> Prepare {
    let connection_string = Secret::new(connection_string);
    Box::new(move |mut config| {
        let access = AccountAccess::ConnectionString(connection_string.clone());
        let account = AccountConfig { access, origin: Origin::Dev };
        config.accounts.insert(ACCOUNT.to_owned(), account);
        config.default_account = Some(ACCOUNT.to_owned());
        config.users.extend(keys.clone().filter(|_| config.users.is_empty()).map(|key| {
            UserConfig {
                id: ENVIRONMENT_USER.to_owned(),
                name: ENVIRONMENT_USER.to_owned(),
                email: None,
                keys: vec![key],
                role: Role::Admin,
                policy: Vec::new(),
                origin: Origin::Dev,
            }
        }));
        Ok(config)
    })
}

fn say_how_to_use_it(address: SocketAddr, config: &Config) {
    let endpoint = format!("http://{address}");
    output::say(format!("bluebucket dev answers on {endpoint}. Paste into a shell:\n"));
    for key in config.users.iter().flat_map(|user| &user.keys).take(1) {
        // Random, for loopback, and made to be pasted: the one secret that is printed.
        output::say(format!("export AWS_ACCESS_KEY_ID={}", key.access_key_id));
        output::say(format!("export AWS_SECRET_ACCESS_KEY={}\n", key.secret_access_key.expose()));
    }
    output::say(status::for_dev(&endpoint, &config.region));
    output::say("Ctrl-C ends it.");
}

async fn end_of(azurite: Option<&mut Azurite>) {
    let Some(azurite) = azurite else { return std::future::pending().await };
    while !azurite.has_ended() {
        tokio::time::sleep(AZURITE_POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::config::Need;

    fn flags(folder: &Path) -> DevFlags {
        DevFlags {
            data: Some(folder.to_owned()),
            in_memory: false,
            with_azurite: None,
            cache: None,
            settings: config::arguments::Flags::default(),
        }
    }

    fn sources(pairs: &[(&str, &str)]) -> Sources {
        let pairs = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
        let environment = Environment::new(pairs);
        dev_sources(Sources { environment, need: Need::Nothing, ..Sources::default() })
    }

    #[test]
    fn keys_are_random_and_stay() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(&flags(folder.path()), &Environment::default()).unwrap();
        let (first, again) = (home.keys().unwrap(), home.keys().unwrap());
        assert_eq!(first.access_key_id, again.access_key_id);
        assert_eq!(first.secret_access_key, again.secret_access_key);
        let other = tempfile::tempdir().unwrap();
        let other = Home::open(&flags(other.path()), &Environment::default()).unwrap();
        assert_ne!(first.secret_access_key, other.keys().unwrap().secret_access_key);
        let about = fs::metadata(folder.path().join("keys")).unwrap();
        assert!(!config::secret::is_world_readable(&about));
    }

    #[test]
    fn two_do_not_share_a_folder_of_blobs() {
        let folder = tempfile::tempdir().unwrap();
        let first = Home::open(&flags(folder.path()), &Environment::default()).unwrap();
        let refused = Home::open(&flags(folder.path()), &Environment::default()).unwrap_err();
        assert!(refused.contains("--data"), "{refused}");
        drop(first);
        Home::open(&flags(folder.path()), &Environment::default()).unwrap();
    }

    #[test]
    fn an_azure_of_the_environment_is_not_for_trying_things_out() {
        let sources = sources(&[("AZURE_STORAGE_ACCOUNT", "contoso")]);
        let config = config::load(&sources).unwrap().config;
        assert!(config.accounts.is_empty());
        assert_eq!(config.domains, ["localhost"]);
        assert!(config.allow_sigv2);
        let prepare = preparing("UseDevelopmentStorage=true".to_owned(), None);
        assert_eq!(prepare(config).unwrap().default_account.as_deref(), Some(ACCOUNT));
    }

    #[test]
    fn the_admin_port_follows_the_s3_port() {
        let admin = |listen: &str| {
            let sources = sources(&[("BLUEBUCKET_LISTEN", listen)]);
            config::load(&sources).unwrap().config.admin_listen.port()
        };
        assert_eq!(admin("127.0.0.1:7000"), 7001);
        assert_eq!(admin("127.0.0.1:0"), 0);
    }

    #[test]
    fn the_admin_port_follows_an_s3_port_that_stands_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bb.toml");
        fs::write(&file, "listen = \"127.0.0.1:7100\"").unwrap();
        let sources = Sources { file: Some(file), need: Need::Nothing, ..Sources::default() };
        let config = config::load(&dev_sources(sources)).unwrap().config;
        assert_eq!(config.admin_listen.port(), 7101);
    }

    #[test]
    fn only_loopback_is_listened_on() {
        assert!(require_loopback("127.0.0.1:1".parse().unwrap()).is_ok());
        assert!(require_loopback("[::1]:1".parse().unwrap()).is_ok());
        assert!(require_loopback("0.0.0.0:1".parse().unwrap()).is_err());
    }

    #[test]
    fn the_account_of_an_azurite_may_be_left_out() {
        let full = "http://127.0.0.1:10000/devstoreaccount1";
        assert_eq!(with_account("http://127.0.0.1:10000"), full);
        assert_eq!(with_account("http://127.0.0.1:10000/"), full);
        assert_eq!(with_account(full), full);
    }
}
