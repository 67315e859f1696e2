//! The executable as an operator has it, with an environment of its own.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::timeout;

use super::{Client, PATIENCE, azurite, spawn, unique};

/// A word that must stand in no output and no log.
pub(crate) const CANARY: &str = "canary-secret-0123456789";

/// Writes a file that only its owner can read.
pub(crate) fn write_private(file: &Path, text: &str) {
    fs::write(file, text).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A client of a key.
pub(crate) fn client(address: SocketAddr, id: &str, secret: &str) -> Client {
    Client {
        address,
        host: address.to_string(),
        tls: None,
        credentials: Some((id.to_owned(), secret.to_owned())),
    }
}

/// The executable, and the environment that it will see: nothing of ours but PATH.
pub(crate) struct Bluebucket {
    pub(crate) folder: TempDir,
    pub(crate) environment: Vec<(String, String)>,
}

impl Bluebucket {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), environment: Vec::new() }
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

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("bluebucket.toml")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bluebucket"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", crate::harness::environment("PATH").unwrap_or_default())
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
            let Ok(line) = serde_json::from_str::<serde_json::Value>(&line) else { continue };
            if line["message"] == "serving" {
                let at = |name: &str| line[name].as_str().unwrap().parse().unwrap();
                let (s3, admin) = (at("s3"), at("admin"));
                return Serving { s3, admin, started, log, _program: self };
            }
        }
    }
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// Panics if a secret is in it, in any form that the tests give it.
    pub(crate) fn keep_secrets(&self) {
        let encoded = data_encoding::BASE64.encode(CANARY.as_bytes());
        for secret in [CANARY, &encoded, azurite::ACCOUNT_KEY] {
            assert!(!self.out.contains(secret) && !self.err.contains(secret), "{self:?}");
        }
    }
}

/// A running command.
pub(crate) struct Started {
    pub(crate) child: Child,
    pub(crate) out: UnboundedReceiver<String>,
    pub(crate) err: UnboundedReceiver<String>,
}

impl Started {
    pub(crate) async fn out_line(&mut self) -> String {
        let line = timeout(PATIENCE, self.out.recv()).await.expect("it says something");
        let Some(line) = line else { panic!("it ended: {:?}", rest(&mut self.err).await) };
        line
    }

    pub(crate) async fn err_line(&mut self) -> String {
        let line = timeout(PATIENCE, self.err.recv()).await.expect("it says something");
        line.expect("it goes on running")
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
    pub(crate) s3: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) started: Started,
    pub(crate) log: Vec<String>,
    _program: Bluebucket,
}

impl Serving {
    /// A client of the user of the environment.
    pub(crate) fn client(&self) -> Client {
        client(self.s3, "AKENVIRONMENT", CANARY)
    }

    pub(crate) async fn terminate(&self) {
        self.started.terminate().await;
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

pub(crate) async fn rest(lines: &mut UnboundedReceiver<String>) -> Vec<String> {
    let mut all = Vec::new();
    while let Ok(Some(line)) = timeout(PATIENCE, lines.recv()).await {
        all.push(line);
    }
    all
}

/// Its lines as they come; read all the time, so that no writer waits.
pub(crate) fn lines(from: impl AsyncRead + Send + Unpin + 'static) -> UnboundedReceiver<String> {
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
