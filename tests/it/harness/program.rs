//! The executable as a process of its own: its commands, and a gateway that can be asked to end or be
//! killed.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use bluebucket::server::azurite::{ACCOUNT_KEY, connection_string};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::timeout;

use super::{Client, PATIENCE, azurite, spawn, unique};

/// A word that must stand in no output and no log.
pub(crate) const CANARY: &str = "canary-secret-0123456789";

/// In the place of a line, once there are no more.
const ENDED: &str = "it has ended";

/// Writes a file that others may not read.
pub(crate) fn write_private(file: &Path, text: &str) {
    fs::write(file, text).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

/// The executable, and the environment that it will see: nothing of ours but PATH. It is the one of this
/// build, or the one that `BLUEBUCKET_PROGRAM` names: a long run may be about a release.
pub(crate) struct Bluebucket {
    folder: TempDir,
    environment: Vec<(String, String)>,
    files_max: Option<u32>,
}

impl Bluebucket {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), environment: Vec::new(), files_max: None }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Over the Azurite of the tests.
    pub(crate) fn azure(self) -> Self {
        let connection = azurite().connection_string();
        self.env("AZURE_STORAGE_CONNECTION_STRING", &connection)
            .env("BLUEBUCKET_SYSTEM_CONTAINER", &unique("sys"))
    }

    /// Over any backend with Azurite's account, by its endpoint; replicas share the system container.
    pub(crate) fn over(self, endpoint: &str, system_container: &str) -> Self {
        let connection = connection_string(endpoint);
        self.env("AZURE_STORAGE_CONNECTION_STRING", &connection)
            .env("BLUEBUCKET_SYSTEM_CONTAINER", system_container)
    }

    /// Saying no more than that it serves, and what goes wrong.
    pub(crate) fn quiet(self) -> Self {
        self.env("BLUEBUCKET_LOG", "error,bluebucket::server::commands=info")
    }

    /// With so many file descriptors at most.
    pub(crate) fn files_max(mut self, files: u32) -> Self {
        self.files_max = Some(files);
        self
    }

    /// With the one user of the environment, whose secret is the canary.
    pub(crate) fn user(self) -> Self {
        self.env("BLUEBUCKET_ACCESS_KEY_ID", "AKENVIRONMENT")
            .env("BLUEBUCKET_SECRET_ACCESS_KEY", CANARY)
    }

    /// With a configuration file.
    pub(crate) fn file(self, text: &str) -> Self {
        write_private(&self.config(), text);
        let path = self.config().to_str().unwrap().to_owned();
        self.env("BLUEBUCKET_CONFIG", &path)
    }

    /// Its home.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("bluebucket.toml")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let program = super::environment("BLUEBUCKET_PROGRAM");
        let program = program.unwrap_or_else(|| env!("CARGO_BIN_EXE_bluebucket").to_owned());
        let mut command = match self.files_max {
            None => Command::new(program),
            Some(files) => {
                let mut shell = Command::new("sh");
                let word = format!("ulimit -n {files}; exec \"$0\" \"$@\"");
                shell.args(["-c", &word, &program]);
                shell
            }
        };
        command
            .args(arguments)
            .env_clear()
            .env("PATH", super::environment("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Said {
        let output = timeout(PATIENCE, self.command(arguments).output());
        let output = output.await.expect("the command ends").unwrap();
        Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Starts a command that does not end by itself.
    pub(crate) fn start(&self, arguments: &[&str]) -> Started {
        let mut child = self.command(arguments).spawn().unwrap();
        let out = lines(child.stdout.take().unwrap());
        let err = lines(child.stderr.take().unwrap());
        Started { child, out, err }
    }

    /// Serves on free ports; returns when it does.
    pub(crate) async fn serve(self) -> Serving {
        let any = "127.0.0.1:0";
        let mut started = self.start(&["serve", "--listen", any, "--admin-listen", any]);
        let mut log = Vec::new();
        loop {
            let line = started.err_line().await;
            log.push(line.clone());
            assert!(line != ENDED, "{log:?}");
            if let Some((s3, admin)) = serving(&line) {
                return Serving { s3, admin, started, log, _program: self };
            }
        }
    }
}

/// The two addresses, if this line of the log says them; in either of its forms.
pub(crate) fn serving(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    if let Ok(line) = serde_json::from_str::<serde_json::Value>(line) {
        let at = |name: &str| line[name].as_str()?.parse().ok();
        return (line["message"] == "serving").then(|| at("s3").zip(at("admin"))).flatten();
    }
    let at = |name: &str| line.split(name).nth(1)?.split_whitespace().next()?.parse().ok();
    line.contains(": serving ").then(|| at(" s3=").zip(at(" admin="))).flatten()
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    /// The exit code; -1 after a signal.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Said {
    /// Panics if a secret is in it, in any form that the tests give it.
    pub(crate) fn keep_secrets(&self) {
        let encoded = data_encoding::BASE64.encode(CANARY.as_bytes());
        for secret in [CANARY, &encoded, ACCOUNT_KEY] {
            assert!(!self.out.contains(secret) && !self.err.contains(secret), "{self:?}");
        }
    }
}

/// A running command.
pub(crate) struct Started {
    child: Child,
    out: UnboundedReceiver<String>,
    err: UnboundedReceiver<String>,
}

impl Started {
    pub(crate) async fn out_line(&mut self) -> String {
        let line = timeout(PATIENCE, self.out.recv()).await.expect("it says something");
        let Some(line) = line else { panic!("it ended: {:?}", rest(&mut self.err).await) };
        line
    }

    pub(crate) async fn err_line(&mut self) -> String {
        let line = timeout(PATIENCE, self.err.recv()).await.expect("it says something");
        line.unwrap_or_else(|| ENDED.to_owned())
    }

    /// SIGTERM.
    pub(crate) async fn terminate(&self) {
        // The shell's own: a machine may have no `kill` in its path.
        let word = format!("kill -TERM {}", self.child.id().expect("it runs"));
        assert!(Command::new("sh").arg("-c").arg(word).status().await.unwrap().success());
    }

    /// Its exit code, once it has ended by itself; none after a signal.
    pub(crate) async fn end(&mut self) -> Option<i32> {
        timeout(PATIENCE, self.child.wait()).await.expect("it ends").unwrap().code()
    }
}

/// A running gateway.
pub(crate) struct Serving {
    /// The S3 port.
    pub(crate) s3: SocketAddr,
    /// The admin port.
    pub(crate) admin: SocketAddr,
    started: Started,
    log: Vec<String>,
    _program: Bluebucket,
}

impl Serving {
    /// A client of the user of the environment.
    pub(crate) fn client(&self) -> Client {
        Client::of(self.s3, "AKENVIRONMENT", CANARY)
    }

    pub(crate) async fn terminate(&self) {
        self.started.terminate().await;
    }

    /// SIGKILL, and gone.
    pub(crate) async fn kill(&mut self) {
        self.started.child.kill().await.expect("it ran");
    }

    /// The most memory that it has had so far, in KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().strip_suffix(" kB").unwrap().trim().parse().unwrap()
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.started.child.id().expect("it runs")
    }

    pub(crate) async fn end(&mut self) -> Option<i32> {
        self.started.end().await
    }

    /// All that it logged, once it has ended.
    pub(crate) async fn log(mut self) -> Vec<String> {
        self.log.extend(rest(&mut self.started.err).await);
        self.log
    }
}

async fn rest(lines: &mut UnboundedReceiver<String>) -> Vec<String> {
    let mut all = Vec::new();
    while let Ok(Some(line)) = timeout(PATIENCE, lines.recv()).await {
        all.push(line);
    }
    all
}

/// Its lines as they come; read all the time, so that no writer waits.
fn lines(from: impl AsyncRead + Send + Unpin + 'static) -> UnboundedReceiver<String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    spawn(async move {
        let mut lines = BufReader::new(from).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
