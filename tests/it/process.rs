//! The executable as an operator has it: what its commands print, their exit codes, its signals, its
//! files. Everything else is tested through gateways in the process of the tests.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::timeout;

use crate::harness::wire::Wire;
use crate::harness::{
    Answer, Client, PATIENCE, azurite, azurite_address, noise, now, path, spawn, unique,
};

/// A word that must stand in no output and no log.
const CANARY: &str = "canary-secret-0123456789";
/// How often something that takes its time is asked about.
const LOOK_EVERY: Duration = Duration::from_millis(50);

#[tokio::test]
async fn serve_refuses_to_start_without_a_user() {
    let said = Bluebucket::new().azure().run(&["serve"]).await;
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("user") && said.err.contains("BLUEBUCKET_ACCESS_KEY_ID"), "{said:?}");
}

#[tokio::test]
async fn serve_refuses_to_start_without_an_account() {
    let said = Bluebucket::new().user().run(&["serve"]).await;
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("AZURE_STORAGE"), "{said:?}");
}

#[tokio::test]
async fn every_fault_is_told_at_once_with_its_origin() {
    let file = "listne = \"127.0.0.1:0\"\nregion = 7\n[limits]\nmemory_bytes = \"many\"\n\
                [tls]\ncertificate = \"/nowhere/tls.crt\"\n\
                [[users]]\nid = \"one\"\nrole = \"king\"\n";
    let program = Bluebucket::new().azure().file(file).env("BLUEBUCKET_ADMIN_LISTEN", "somewhere");
    let said = program.run(&["serve", "--drain-timeout", "soon"]).await;
    assert_eq!(said.code, 2, "{said:?}");
    for fault in [
        "listne",
        "region",
        "memory_bytes",
        "tls",
        "king",
        "BLUEBUCKET_ADMIN_LISTEN",
        "--drain-timeout",
    ] {
        assert!(said.err.contains(fault), "no word of {fault}: {said:?}");
    }
    let line = said.err.lines().find(|line| line.contains("listne")).unwrap();
    assert!(line.contains("bluebucket.toml:1"), "{line}");
    assert!(said.out.is_empty(), "{said:?}");
}

#[tokio::test]
async fn config_print_masks_secrets_and_names_origins() {
    let file = format!(
        "domains = [\"s3.example.com\"]\ndefault_account = \"main\"\n\
         [accounts.main]\nconnection_string = \"DefaultEndpointsProtocol=https;AccountName=contoso;\
         AccountKey={};EndpointSuffix=core.windows.net\"\n\
         [accounts.archive]\naccount = \"archive\"\nkey = \"{}\"\n\
         [accounts.shared]\naccount = \"shared\"\nsas_token = \"sv=2026-02-06&ss=b&srt=sco&sp=r&sig={CANARY}\"\n\
         [[users]]\nid = \"alice\"\nrole = \"owner\"\n\
         keys = [{{ access_key_id = \"AKALICE\", secret_access_key = \"{CANARY}\" }}]\n",
        data_encoding::BASE64.encode(CANARY.as_bytes()),
        data_encoding::BASE64.encode(CANARY.as_bytes()),
    );
    let program = Bluebucket::new().file(&file).user().env("BLUEBUCKET_REGION", "eu-central-1");
    let said = program.run(&["config", "print", "--listen", "127.0.0.1:7000"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let line = |start: &str| {
        let found = said.out.lines().find(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("no line {start:?} in {said:?}")).to_owned()
    };
    assert!(line("listen = \"127.0.0.1:7000\"").contains("--listen"), "{said:?}");
    assert!(line("region = \"eu-central-1\"").contains("BLUEBUCKET_REGION"), "{said:?}");
    assert!(line("domains = [\"s3.example.com\"]").contains("bluebucket.toml:1"), "{said:?}");
    assert!(line("drain_timeout = \"30s\"").contains("default"), "{said:?}");
    for name in ["alice", "AKALICE", "AKENVIRONMENT", "archive", "shared"] {
        assert!(said.out.contains(name), "no {name}: {said:?}");
    }
    said.keep_secrets();
}

#[tokio::test]
async fn dev_prints_lines_that_work() {
    let program = Bluebucket::new();
    let url = format!("http://{}", azurite_address());
    let data = program.folder.path().join("data");
    let dev = [
        "dev",
        "--with-azurite",
        &url,
        "--listen",
        "127.0.0.1:0",
        "--data",
        data.to_str().unwrap(),
    ];
    let mut running = program.start(&dev);
    let mut pasted = String::new();
    while !pasted.contains("Ctrl-C") {
        pasted += &(running.out_line().await + "\n");
    }
    let after = |start: &str| {
        let rest = pasted.split_once(start).unwrap_or_else(|| panic!("no {start:?} in {pasted}")).1;
        rest.split_whitespace().next().unwrap().to_owned()
    };
    let endpoint = after("AWS_ENDPOINT_URL_S3=");
    let (id, secret) = (after("AWS_ACCESS_KEY_ID="), after("AWS_SECRET_ACCESS_KEY="));
    for remedy in
        ["aws configure set default.s3.signature_version s3v4", "signature_version=\"s3v4\""]
    {
        assert!(pasted.contains(remedy), "{pasted}");
    }
    let address = endpoint.strip_prefix("http://").unwrap().parse().unwrap();
    let client = client(address, &id, &secret);
    round_trip(&client).await;
    // Its base domain is localhost.
    let bucket = unique("dev");
    client.put(&format!("/{bucket}")).ok().await;
    client.host(&format!("{bucket}.localhost:{}", address.port())).put("/a").body("b").ok().await;
    assert_eq!(client.get(&path(&bucket, "a")).ok().await.text(), "b");
    running.terminate().await;
    assert_eq!(running.end().await, Some(0));

    // The keys stay the same, so that what was pasted goes on working.
    let mut again = program.start(&dev);
    while !again.out_line().await.contains(&format!("AWS_SECRET_ACCESS_KEY={secret}")) {}
    again.terminate().await;
    assert_eq!(again.end().await, Some(0));
}

#[tokio::test]
async fn dev_listens_on_loopback_only() {
    let url = format!("http://{}", azurite_address());
    let said =
        Bluebucket::new().run(&["dev", "--with-azurite", &url, "--listen", "0.0.0.0:0"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("loopback"), "{said:?}");
}

#[tokio::test]
async fn healthcheck_says_whether_the_gateway_lives() {
    let mut running = Bluebucket::new().azure().user().serve().await;
    let admin = running.admin.to_string();
    let said = Bluebucket::new().run(&["healthcheck", "--admin-listen", &admin]).await;
    assert_eq!(said.code, 0, "{said:?}");
    running.terminate().await;
    assert_eq!(running.end().await, Some(0));
    let said = Bluebucket::new().run(&["healthcheck", "--admin-listen", &admin]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains(&admin), "{said:?}");
}

#[tokio::test]
async fn check_says_what_is_right() {
    let said = Bluebucket::new().azure().user().run(&["check"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.out.contains("wrote, read, listed and deleted"), "{said:?}");
    assert!(!said.out.contains("BROKEN"), "{said:?}");
    said.keep_secrets();
}

#[tokio::test]
async fn check_says_what_is_wrong_and_what_helps() {
    let right = azurite().connection_string();
    let wrong_key = right.replace("AccountKey=Eby8", "AccountKey=Eby9");
    let nobody = free_address();
    let unreachable = right.replace(&azurite_address().to_string(), &nobody.to_string());
    for (connection, remedy) in
        [(wrong_key, "Is the key current?"), (unreachable, "Is the account's name right")]
    {
        let program = Bluebucket::new().user();
        let said =
            program.env("AZURE_STORAGE_CONNECTION_STRING", &connection).run(&["check"]).await;
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.out.contains("BROKEN") && said.out.contains(remedy), "{said:?}");
        said.keep_secrets();
    }
    let said = Bluebucket::new().run(&["check"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.out.contains("BLUEBUCKET_ACCESS_KEY_ID"), "{said:?}");
    assert!(said.out.contains("AZURE_STORAGE_ACCOUNT"), "{said:?}");
}

#[tokio::test]
async fn a_request_in_flight_ends_after_sigterm() {
    let mut running = Bluebucket::new().azure().user().serve().await;
    let client = running.client();
    let bucket = unique("drain");
    client.put(&format!("/{bucket}")).ok().await;
    let body = noise(300_000);
    let put =
        client.put(&path(&bucket, "late")).body(&body).prepare().add("expect", "100-continue");
    let mut wire = client.wire().await;
    wire.send(put.head_bytes()).await.unwrap();
    // It is inside now, and waits for the body.
    assert_eq!(wire.head().await.unwrap().status, 100);
    running.terminate().await;
    until("new connections are refused", async || match Wire::connect(running.s3).await {
        Err(_refused) => true,
        Ok(mut wire) => wire.is_closed().await,
    })
    .await;
    let answer = wire.exchange(&put.body, "PUT").await.unwrap().expect_success();
    assert_eq!(answer.at("etag"), format!("\"{}\"", crate::harness::md5_hex(&body)));
    assert_eq!(running.end().await, Some(0));

    let other = Bluebucket::new().azure().user().serve().await;
    let read = other.client().get(&path(&bucket, "late")).ok().await;
    assert!(read.body == body, "the object is whole");
}

#[tokio::test]
async fn users_come_and_go_without_a_restart() {
    let one = ("one", "AKONE", "one-secret-000000001");
    let two = ("two", "AKTWO", "two-secret-000000002");
    let program = Bluebucket::new().azure().file(&users(&[one]));
    let file = program.config();
    let running = program.serve().await;
    let status = async |(_, id, secret): (&str, &str, &str)| {
        client(running.s3, id, secret).get("/").send().await.status
    };
    assert_eq!(status(one).await, 200);
    assert_eq!(status(two).await, 403);

    replace(&file, &users(&[one, two]));
    until("the new user is known", async || status(two).await == 200).await;
    assert_eq!(status(one).await, 200);

    replace(&file, "this is no TOML");
    until("the broken file is counted", async || {
        let metrics = plain(running.admin, "/metrics").await.text();
        metrics.contains("bluebucket_reloads_total{result=\"failed\"} 1")
    })
    .await;
    assert_eq!(status(two).await, 200, "the last good file stays");

    replace(&file, &users(&[two]));
    until("the old user is gone", async || status(one).await == 403).await;
    assert_eq!(status(two).await, 200);
}

#[tokio::test]
async fn both_ports_tell_how_it_is() {
    let mut running = Bluebucket::new().azure().user().serve().await;
    for (address, live, ready) in
        [(running.s3, "/-/live", "/-/ready"), (running.admin, "/live", "/ready")]
    {
        assert_eq!(plain(address, live).await.status, 200);
        assert_eq!(plain(address, ready).await.status, 200);
    }
    let client = running.client();
    let bucket = round_trip(&client).await;
    client.get(&path(&bucket, "missing")).refused(404, "NoSuchKey").await;
    let stranger = client.with("AKNOBODY", "nobody-secret-0000001");
    stranger.get("/").refused(403, "InvalidAccessKeyId").await;
    let wrong = client.put(&path(&bucket, "b")).body("b").header("content-md5", md5_of(b"a"));
    wrong.refused(400, "BadDigest").await;

    let metrics = plain(running.admin, "/metrics").await;
    assert_eq!(metrics.status, 200);
    assert!(metrics.at("content-type").starts_with("application/openmetrics-text"), "{metrics:?}");
    for line in [
        "bluebucket_requests_total{op=\"CreateBucket\",status=\"200\"} 1",
        "bluebucket_requests_total{op=\"PutObject\",status=\"200\"} 1",
        "bluebucket_requests_total{op=\"GetObject\",status=\"200\"} 1",
        "bluebucket_requests_total{op=\"GetObject\",status=\"404\"} 1",
        "bluebucket_requests_total{op=\"PutObject\",status=\"400\"} 1",
        "bluebucket_auth_failures_total{reason=\"InvalidAccessKeyId\"} 1",
        "bluebucket_azure_requests_total{op=\"PutBlob\",status=\"201\"}",
        "bluebucket_held_bytes 0",
        "# EOF",
    ] {
        assert!(metrics.text().contains(line), "no {line}:\n{}", metrics.text());
    }
    let page = plain(running.admin, "/").await.text();
    assert!(page.contains("signature_version s3v4"), "{page}");
    for told in [&metrics.text(), &page] {
        assert!(!told.contains(CANARY) && !told.contains(bucket.as_str()), "{told}");
    }

    running.terminate().await;
    assert_eq!(running.end().await, Some(0));
    let log = running.log().await;
    let puts: Vec<_> = log.iter().filter(|line| line.contains("\"PutObject\"")).collect();
    assert_eq!(puts.len(), 2, "one line a request: {puts:?}");
    let put: serde_json::Value = serde_json::from_str(puts[0]).unwrap();
    assert_eq!(put["status"], 200, "{put}");
    assert!(log.iter().all(|line| !line.contains(CANARY)), "a secret in the log");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let running = Bluebucket::new().azure().user().serve().await;
    let taken = running.s3.to_string();
    let said = Bluebucket::new().azure().user().run(&["serve", "--listen", &taken]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains(&taken), "{said:?}");
}

/// Writes an object into a bucket of its own and reads it back.
async fn round_trip(client: &Client) -> String {
    let bucket = unique("process");
    client.put(&format!("/{bucket}")).ok().await;
    client.put(&path(&bucket, "a b+c")).body("hello").ok().await;
    assert_eq!(client.get(&path(&bucket, "a b+c")).ok().await.text(), "hello");
    bucket
}

/// A configuration with these users.
fn users(users: &[(&str, &str, &str)]) -> String {
    let tables = users.iter().map(|(id, key, secret)| {
        format!(
            "[[users]]\nid = {id:?}\nrole = \"owner\"\n\
             keys = [{{ access_key_id = {key:?}, secret_access_key = {secret:?} }}]\n"
        )
    });
    tables.collect()
}

/// Another file in the place of this one, as deployments do it.
fn replace(file: &Path, text: &str) {
    let new = file.with_extension("new");
    write_private(&new, text);
    fs::rename(new, file).unwrap();
}

fn write_private(file: &Path, text: &str) {
    fs::write(file, text).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Asks again and again until it holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = now() + PATIENCE;
    while !holds().await {
        assert!(now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// An address at which nobody listens.
fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn client(address: SocketAddr, id: &str, secret: &str) -> Client {
    Client {
        address,
        host: address.to_string(),
        tls: None,
        credentials: Some((id.to_owned(), secret.to_owned())),
    }
}

/// As Content-MD5 has it.
fn md5_of(bytes: &[u8]) -> String {
    use md5::Digest as _;
    data_encoding::BASE64.encode(&md5::Md5::digest(bytes))
}

/// What a prober asks.
async fn plain(address: SocketAddr, path: &str) -> Answer {
    let mut wire = Wire::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    wire.exchange(request.as_bytes(), "GET").await.unwrap()
}

/// The executable, and the environment that it will see: nothing of ours but PATH.
pub(crate) struct Bluebucket {
    folder: TempDir,
    environment: Vec<(String, String)>,
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
    fn file(self, text: &str) -> Self {
        write_private(&self.config(), text);
        let path = self.config().to_str().unwrap().to_owned();
        self.env("BLUEBUCKET_CONFIG", &path)
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("bluebucket.toml")
    }

    fn command(&self, arguments: &[&str]) -> Command {
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
    async fn run(&self, arguments: &[&str]) -> Said {
        let output = timeout(PATIENCE, self.command(arguments).output());
        let output = output.await.expect("the command ends").unwrap();
        Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Starts a command that does not end by itself.
    fn start(&self, arguments: &[&str]) -> Started {
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
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    /// Panics if a secret is in it, in any form that the tests give it.
    fn keep_secrets(&self) {
        let encoded = data_encoding::BASE64.encode(CANARY.as_bytes());
        for secret in [CANARY, &encoded, bluebucket::server::azurite::ACCOUNT_KEY] {
            assert!(!self.out.contains(secret) && !self.err.contains(secret), "{self:?}");
        }
    }
}

/// A running command.
struct Started {
    child: Child,
    out: UnboundedReceiver<String>,
    err: UnboundedReceiver<String>,
}

impl Started {
    async fn out_line(&mut self) -> String {
        let line = timeout(PATIENCE, self.out.recv()).await.expect("it says something");
        let Some(line) = line else { panic!("it ended: {:?}", rest(&mut self.err).await) };
        line
    }

    async fn err_line(&mut self) -> String {
        let line = timeout(PATIENCE, self.err.recv()).await.expect("it says something");
        line.expect("it goes on running")
    }

    /// SIGTERM.
    async fn terminate(&self) {
        // The shell's own: a machine may have no `kill` in its path.
        let word = format!("kill -TERM {}", self.child.id().expect("it runs"));
        assert!(Command::new("sh").arg("-c").arg(word).status().await.unwrap().success());
    }

    /// Its exit code, once it has ended by itself; none after a signal.
    async fn end(&mut self) -> Option<i32> {
        timeout(PATIENCE, self.child.wait()).await.expect("it ends").unwrap().code()
    }
}

/// A running gateway.
pub(crate) struct Serving {
    pub(crate) s3: SocketAddr,
    pub(crate) admin: SocketAddr,
    started: Started,
    log: Vec<String>,
    _program: Bluebucket,
}

impl Serving {
    /// How many file descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        let id = self.started.child.id().expect("it runs");
        fs::read_dir(format!("/proc/{id}/fd")).unwrap().count()
    }

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
