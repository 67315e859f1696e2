//! Azurite, Microsoft's emulator of Azure Storage, as a child process: installed once by npm into a
//! cache folder, started on a port of its own, gone when its owner is gone. `bluebucket dev` and the
//! tests use the same one.
//!
//! Everything here blocks and uses no runtime, so that one Azurite may outlive the runtime of the test
//! that happened to start it; [`Azurite::start`] is the door from async code.

mod install;

use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use self::install::{installed, missing_or, require_node};
use crate::server::Scheme;
use crate::server::config::TlsConfig;

/// The one version that `dev` and the tests speak to.
pub const VERSION: &str = "3.37.0";

/// Azurite's account and key, published by Microsoft: no secret.
/// <https://learn.microsoft.com/azure/storage/common/storage-connect-azurite>
pub const ACCOUNT: &str = "devstoreaccount1";
/// The key of [`ACCOUNT`].
pub const ACCOUNT_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Node starts in a second; a loaded machine with two cores may need many.
const START_DEADLINE: Duration = Duration::from_mins(1);
/// After its word to stop, Azurite writes its index and ends.
const STOP_DEADLINE: Duration = Duration::from_secs(5);
/// What of a failed child's output goes into the error.
const OUTPUT_LINES_KEPT: usize = 20;
const ANSWER_POLL: Duration = Duration::from_millis(20);

/// Where Azurite keeps its blobs.
#[derive(Clone, Debug)]
pub enum Storage {
    /// Nothing is left when it ends.
    InMemory,
    /// A folder, made when it is missing.
    Folder(PathBuf),
}

/// How to start one.
#[derive(Clone)]
pub struct Options {
    /// The folder that holds the installed package; shared by everyone on this machine.
    pub cache: PathBuf,
    /// Where the blobs go.
    pub storage: Storage,
    /// A certificate and its key: it speaks TLS then, and takes tokens of Entra ID.
    pub tls: Option<TlsConfig>,
    /// Told in a few words what takes long (the installation).
    pub progress: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Options {
    /// In memory, without words: what a test wants.
    pub fn in_memory(cache: PathBuf) -> Self {
        Self { cache, storage: Storage::InMemory, tls: None, progress: Arc::new(|_| {}) }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("cache", &self.cache)
            .field("storage", &self.storage)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

/// Why there is no Azurite.
#[derive(Debug)]
pub enum Error {
    /// A program is missing; the text names its package.
    Missing(String),
    /// npm could not install it; what npm said.
    Install(String),
    /// It ended or said nothing; what it said.
    Start(String),
    /// A folder or file of ours could not be used.
    Io(PathBuf, io::Error),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(what) => write!(f, "{what}"),
            Self::Install(said) => write!(f, "npm could not install azurite {VERSION}: {said}"),
            Self::Start(said) => write!(f, "azurite did not start: {said}"),
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(_, error) => Some(error),
            Self::Missing(_) | Self::Install(_) | Self::Start(_) => None,
        }
    }
}

/// A running Azurite; dropping it ends it.
#[derive(Debug)]
pub struct Azurite {
    child: Child,
    /// Closing it is the word to stop.
    stdin: Option<ChildStdin>,
    port: u16,
    scheme: Scheme,
    storage: Storage,
}

impl Azurite {
    /// [`Azurite::start_blocking`] from async code.
    pub async fn start(options: Options) -> Result<Self, Error> {
        match tokio::task::spawn_blocking(move || Self::start_blocking(&options)).await {
            Ok(started) => started,
            Err(panicked) => Err(Error::Start(panicked.to_string())),
        }
    }

    /// Installs it where it is missing, starts it on a free port and returns when it answers.
    pub fn start_blocking(options: &Options) -> Result<Self, Error> {
        require_node()?;
        let package = installed(options)?;
        let mut child = command(&package, options)?
            .spawn()
            .map_err(|error| missing_or(error, "node", "nodejs"))?;
        let stdin = child.stdin.take();
        let lines = lines_of(&mut child);
        let scheme = if options.tls.is_some() { Scheme::Https } else { Scheme::Http };
        let storage = options.storage.clone();
        let mut azurite = Self { child, stdin, port: 0, scheme, storage };
        let deadline = Instant::now() + START_DEADLINE;
        azurite.port = listening_port(&lines, deadline)?;
        azurite.wait_for_an_answer(deadline)?;
        Ok(azurite)
    }

    /// The port of 127.0.0.1 that it answers on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The blob endpoint, account included.
    pub fn blob_endpoint(&self) -> String {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        format!("{scheme}://127.0.0.1:{}/{ACCOUNT}", self.port)
    }

    /// What every Azure tool takes to reach it.
    pub fn connection_string(&self) -> String {
        connection_string(&self.blob_endpoint())
    }

    /// Whether the process has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it and returns when it is gone. The same as dropping it, by name.
    pub fn stop(self) {
        drop(self);
    }

    /// It says that it listens a moment before its first answer.
    fn wait_for_an_answer(&mut self, deadline: Instant) -> Result<(), Error> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        while Instant::now() < deadline {
            if answers(address, self.scheme) {
                return Ok(());
            }
            if self.has_ended() {
                return Err(Error::Start("it ended at once".to_owned()));
            }
            thread::sleep(ANSWER_POLL);
        }
        Err(Error::Start(format!("no answer on {address} within {START_DEADLINE:?}")))
    }

    fn wait_until_gone(&mut self, deadline: Instant) {
        while !self.has_ended() && Instant::now() < deadline {
            thread::sleep(ANSWER_POLL);
        }
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // What is in memory needs no leave-taking; a folder's index is written on the way out.
        if matches!(self.storage, Storage::Folder(_)) {
            self.wait_until_gone(Instant::now() + STOP_DEADLINE);
        }
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            tracing::debug!(%error, "azurite was already gone");
        }
    }
}

/// The connection string of an Azurite whose blob endpoint (account included) is known.
pub fn connection_string(blob_endpoint: &str) -> String {
    format!(
        "DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};BlobEndpoint={blob_endpoint};"
    )
}

/// The folder for what is installed once: `BLUEBUCKET_CACHE`, or `bluebucket` in the user's cache folder.
pub fn cache_folder(environment: impl Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let named = |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    named("BLUEBUCKET_CACHE")
        .or_else(|| Some(named("XDG_CACHE_HOME")?.join("bluebucket")))
        .or_else(|| Some(named("HOME")?.join(".cache/bluebucket")))
}

fn last_lines<'a>(lines: impl DoubleEndedIterator<Item = &'a str>) -> String {
    let mut kept: Vec<&str> = lines.rev().take(OUTPUT_LINES_KEPT).collect();
    kept.reverse();
    kept.join("\n").trim().to_owned()
}

fn command(package: &Path, options: &Options) -> Result<Command, Error> {
    let mut command = Command::new("node");
    command
        .arg("--require")
        .arg(package.join("watchdog.js"))
        .arg(package.join("node_modules/azurite/dist/src/blob/main.js"))
        // Port 0: Azurite takes a free one and says which, so that nobody can take it in between.
        .args(["--blobHost", "127.0.0.1", "--blobPort", "0"])
        .args(["--skipApiVersionCheck", "--silent", "--disableTelemetry"])
        // Ctrl-C reaches every process of a terminal's group; this one ends after the gateway.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(tls) = &options.tls {
        command.args(["--oauth", "basic"]).arg("--cert").arg(&tls.certificate);
        command.arg("--key").arg(&tls.key);
    }
    match &options.storage {
        Storage::InMemory => command.arg("--inMemoryPersistence"),
        Storage::Folder(folder) => {
            fs::create_dir_all(folder).map_err(|error| Error::Io(folder.clone(), error))?;
            command.args([OsStr::new("--location"), folder.as_os_str()])
        }
    };
    Ok(command)
}

/// What the child says, line by line. Its pipes are read to their end, whoever listens: a full pipe
/// would stop it.
fn lines_of(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    let pipes: [Option<Box<dyn Read + Send>>; 2] = [
        child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
        child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>),
    ];
    for pipe in pipes.into_iter().flatten() {
        let sender = sender.clone();
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                // Nobody listens after the start; reading goes on.
                sender.send(line).unwrap_or_default();
            }
        });
    }
    receiver
}

/// The port in `Azurite Blob service successfully listens on http://127.0.0.1:41553`.
fn listening_port(lines: &Receiver<String>, deadline: Instant) -> Result<u16, Error> {
    let mut heard: Vec<String> = Vec::new();
    let heard_so_far = |heard: &[String]| last_lines(heard.iter().map(String::as_str));
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match lines.recv_timeout(left) {
            Ok(line) => match port_in(&line) {
                Some(port) => return Ok(port),
                None => heard.push(line),
            },
            Err(RecvTimeoutError::Timeout) => {
                let heard = heard_so_far(&heard);
                return Err(Error::Start(format!("silent for {START_DEADLINE:?}. {heard}")));
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::Start(heard_so_far(&heard)));
            }
        }
    }
}

fn port_in(line: &str) -> Option<u16> {
    let (_, url) = line.split_once("listens on http")?;
    url.trim().rsplit_once(':')?.1.parse().ok()
}

/// Whether it answers. Who speaks TLS hangs up on this question, and that is an answer, too.
fn answers(address: SocketAddr, scheme: Scheme) -> bool {
    let ask = || -> io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let request = format!("GET /{ACCOUNT}?comp=list HTTP/1.0\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut start = [0; 5];
        match (scheme, stream.read_exact(&mut start)) {
            (Scheme::Http, read) => read.map(|()| &start == b"HTTP/"),
            (Scheme::Https, Ok(())) => Ok(true),
            (Scheme::Https, Err(error)) => Ok(error.kind() != io::ErrorKind::WouldBlock),
        }
    };
    ask().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Option<String> {
        std::env::vars().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    #[test]
    fn two_start_at_once_and_each_goes_with_its_owner() {
        let options = Options::in_memory(cache_folder(environment).unwrap());
        let other = thread::spawn({
            let options = options.clone();
            move || Azurite::start_blocking(&options).unwrap()
        });
        let one = Azurite::start_blocking(&options).unwrap();
        let other = other.join().unwrap();
        assert_ne!(one.port(), other.port());
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, one.port()));
        assert!(answers(address, Scheme::Http));
        one.stop();
        assert!(!answers(address, Scheme::Http));
    }

    #[test]
    fn a_closed_pipe_ends_it_as_the_death_of_its_owner_would() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::in_memory(cache_folder(environment).unwrap());
        options.storage = Storage::Folder(folder.path().join("blobs"));
        let mut azurite = Azurite::start_blocking(&options).unwrap();
        drop(azurite.stdin.take());
        azurite.wait_until_gone(Instant::now() + Duration::from_secs(30));
        assert!(azurite.has_ended());
    }

    #[test]
    fn the_cache_folder_may_be_named() {
        let named = |name: &str| (name == "XDG_CACHE_HOME").then(|| "/x".to_owned());
        assert_eq!(cache_folder(named), Some(PathBuf::from("/x/bluebucket")));
        assert_eq!(cache_folder(|_| None), None);
    }

    #[test]
    fn the_port_is_read_from_what_azurite_says() {
        let line = "Azurite Blob service successfully listens on http://127.0.0.1:41553";
        assert_eq!(port_in(line), Some(41553));
        assert_eq!(port_in(&line.replace("http:", "https:")), Some(41553));
        assert_eq!(port_in("Azurite Blob service is starting on 127.0.0.1:0"), None);
    }

    #[test]
    fn a_child_that_ends_is_an_error_with_its_words() {
        let (sender, receiver) = mpsc::channel();
        sender.send("Error: cannot find module".to_owned()).unwrap();
        drop(sender);
        let error = listening_port(&receiver, Instant::now() + Duration::from_secs(5)).unwrap_err();
        assert!(error.to_string().contains("cannot find module"), "{error}");
    }
}
