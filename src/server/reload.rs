//! Users, routes, accounts and certificates follow their files: on SIGHUP at once, on a change within
//! seconds.
//! A configuration with faults is reported and the last good one stays.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use crate::server::config::settings::{Merged, SETTINGS};
use crate::server::config::{self, Config, Loaded, Sources};
use crate::server::metrics::Metrics;

/// Two looks that agree come before a reload, so a change counts within three seconds.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The settings whose new value counts at once; the others wait for a restart.
const AT_ONCE: &[&str] = &[
    "default_account",
    "azure_ca_file",
    "allow_world_readable_secrets",
    "pass_through",
    "import.aws_credentials",
    "import.aws_role",
    "import.seaweedfs",
    "tls.certificate",
    "tls.key",
];

/// Puts a new configuration into effect, or says why that cannot be; then nothing has changed.
pub type Apply = Box<dyn Fn(Config) -> Result<(), String> + Send + Sync>;

/// Follows the files of a configuration.
pub struct Reloader {
    sources: Sources,
    apply: Apply,
    metrics: Metrics,
    files: Vec<PathBuf>,
    /// What the files were when they were last read.
    read: Stamps,
    /// What they were at the last look.
    seen: Stamps,
    settings: Merged,
}

impl std::fmt::Debug for Reloader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reloader").field("files", &self.files).finish_non_exhaustive()
    }
}

/// What tells one state of a file from the next. A file may be replaced or written in place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

type Stamps = BTreeMap<PathBuf, Option<Stamp>>;

impl Reloader {
    /// Follows the files that `loaded` was read from.
    pub async fn new(sources: Sources, loaded: Loaded, apply: Apply, metrics: Metrics) -> Self {
        let Loaded { files, settings, config: _, warnings: _ } = loaded;
        let read = stamps(&files).await;
        Self { sources, apply, metrics, files, seen: read.clone(), read, settings }
    }

    /// Follows them for as long as it is polled.
    pub async fn follow(mut self) -> io::Result<()> {
        let mut hang_up = signal(SignalKind::hangup())?;
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = looks.tick() => self.look().await,
                _ = hang_up.recv() => {
                    tracing::info!("asked to reload");
                    let now = stamps(&self.files).await;
                    self.reload(now).await;
                }
            }
        }
    }

    /// Reloads when the files have changed and have then been left alone for one look: who writes a
    /// file in place has it half written for a moment, and half a list of users is a list of users.
    async fn look(&mut self) {
        let now = stamps(&self.files).await;
        let settled = now == self.seen;
        self.seen.clone_from(&now);
        if settled && now != self.read {
            self.reload(now).await;
        }
    }

    async fn reload(&mut self, stamps_before: Stamps) {
        // Should they change while they are read, the next look sees it.
        self.read = stamps_before;
        let sources = self.sources.clone();
        let loaded = match tokio::task::spawn_blocking(move || config::load(&sources)).await {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(faults)) => {
                for fault in faults.iter() {
                    tracing::error!(%fault, "the configuration has a fault; the last good one stays");
                }
                return self.metrics.reload("failed");
            }
            Err(panicked) => {
                tracing::error!(%panicked, "the configuration could not be read");
                return self.metrics.reload("failed");
            }
        };
        let Loaded { config, warnings, files, settings } = loaded;
        if let Err(problem) = (self.apply)(config) {
            tracing::error!(problem, "the configuration does not work; the last good one stays");
            return self.metrics.reload("failed");
        }
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        self.mention_what_must_wait(&settings);
        self.settings = settings;
        if files != self.files {
            self.files = files;
            self.read = stamps(&self.files).await;
            self.seen = self.read.clone();
        }
        self.metrics.reload("ok");
        tracing::info!(
            "configuration reloaded: users, routes, accounts and certificates are the new ones"
        );
    }

    fn mention_what_must_wait(&self, new: &Merged) {
        for setting in SETTINGS.iter().filter(|setting| !AT_ONCE.contains(&setting.key)) {
            let value = |merged: &Merged| merged.raw(setting.key).map(|found| found.value.clone());
            if value(new) != value(&self.settings) {
                tracing::warn!(key = setting.key, "the new value counts from the next start on");
            }
        }
    }
}

async fn stamps(files: &[PathBuf]) -> Stamps {
    let mut stamps = Stamps::new();
    for file in files {
        let stamp = tokio::fs::metadata(file).await.ok().map(|about| Stamp {
            inode: about.ino(),
            length: about.len(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
        });
        stamps.insert(file.clone(), stamp);
    }
    stamps
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use arc_swap::ArcSwap;
    use tempfile::TempDir;

    use super::*;
    use crate::server::config::Need;

    /// A configuration in a folder, and what was put into effect last.
    struct Case {
        folder: TempDir,
        reloader: Reloader,
        current: Arc<ArcSwap<Vec<String>>>,
        metrics: Metrics,
    }

    const ONE: &str = "[[users]]\nid = \"one\"\nkeys = [{ access_key_id = \"AK1\", secret_access_key_file = \"FOLDER/secret\" }]\n";

    impl Case {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let sources = Sources {
                file: Some(folder.path().join("bb.toml")),
                need: Need::Nothing,
                ..Sources::default()
            };
            let metrics = Metrics::new();
            let current = Arc::new(ArcSwap::default());
            write(&folder, "secret", "canary-secret-1");
            write(&folder, "bb.toml", ONE);
            let loaded = config::load(&sources).unwrap();
            let shown = Arc::clone(&current);
            let apply: Apply = Box::new(move |config| {
                shown.store(Arc::new(secrets(&config)));
                Ok(())
            });
            let reloader = Reloader::new(sources, loaded, apply, metrics.clone()).await;
            Self { folder, reloader, current, metrics }
        }

        /// What is in effect after a few looks: as many as five seconds have room for, and one to spare.
        async fn after_looks(&mut self) -> Vec<String> {
            const LOOKS: u32 = 3;
            assert!(LOOK_EVERY * (LOOKS + 1) < Duration::from_secs(5));
            for _ in 0..LOOKS {
                self.reloader.look().await;
            }
            self.current.load().to_vec()
        }

        fn counted(&self, result: &str) -> bool {
            let series = format!("bluebucket_reloads_total{{result=\"{result}\"}} ");
            let text = self.metrics.text().unwrap();
            let count = text.lines().find_map(|line| line.strip_prefix(&series));
            count.expect("the series is there from the start") != "0"
        }
    }

    fn secrets(config: &Config) -> Vec<String> {
        let keys = config.users.iter().flat_map(|user| &user.keys);
        keys.map(|key| key.secret_access_key.expose().to_owned()).collect()
    }

    fn write(folder: &TempDir, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.path().join(name);
        fs::write(&path, text.replace("FOLDER", &folder.path().display().to_string())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    #[tokio::test]
    async fn f41_nothing_happens_while_nothing_changes() {
        let mut case = Case::new().await;
        assert!(case.after_looks().await.is_empty());
        assert!(!case.counted("ok") && !case.counted("failed"));
    }

    #[tokio::test]
    async fn f41_a_changed_secret_file_takes_effect() {
        let mut case = Case::new().await;
        write(&case.folder, "secret", "canary-secret-2");
        assert_eq!(case.after_looks().await, ["canary-secret-2"]);
        assert!(case.counted("ok"));
    }

    #[tokio::test]
    async fn f41_a_broken_file_leaves_what_was_and_its_repair_is_noticed() {
        let mut case = Case::new().await;
        write(&case.folder, "bb.toml", &format!("{ONE}\n[[users]"));
        assert!(case.after_looks().await.is_empty());
        assert!(case.counted("failed"));
        let two = ONE.replace("one", "two").replace("AK1", "AK2");
        write(&case.folder, "bb.toml", &format!("{ONE}{two}"));
        assert_eq!(case.after_looks().await.len(), 2);
    }

    #[tokio::test]
    async fn f41_a_file_that_is_being_written_is_left_alone() {
        let mut case = Case::new().await;
        for length in 0..4 {
            write(&case.folder, "bb.toml", &format!("{ONE}{}", "#".repeat(length)));
            case.reloader.look().await;
            assert!(case.current.load().is_empty(), "read while it changes");
        }
        case.reloader.look().await;
        assert_eq!(case.current.load().len(), 1);
    }

    #[tokio::test]
    async fn what_does_not_work_leaves_what_was() {
        let mut case = Case::new().await;
        case.reloader.apply = Box::new(|_| Err("no".to_owned()));
        write(&case.folder, "secret", "canary-secret-2");
        assert!(case.after_looks().await.is_empty());
        assert!(case.counted("failed"));
    }
}
