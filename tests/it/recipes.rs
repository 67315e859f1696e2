//! The recipes of docs/clients, and docs/moving.md: what a page says to paste is taken from the page and run against a gateway,
//! in a home of its own, and what it left in the bucket is looked at. A fence says what becomes of its block:
//! `sh run` is a part of the page's script, `python run`, `js run`, `go run` and `java run` are a program that
//! the script calls, `file=PATH` is a file of the home.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use crate::buckets::bucket;
use crate::docs::{Block, blocks};
use crate::harness::gateway::{ALICE, AUTHORITY};
use crate::harness::{Client, Gateway, cache_folder, environment, noise, path};

/// A first run installs its clients, on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(30);

/// What the pages call the endpoint, the keys and the bucket; and those of the store that is left.
const ENDPOINTS: [&str; 2] = ["s3.example.com", "old.example.com"];
const KEYS: [&str; 2] = ["AKEXAMPLE", "AKOLD"];
const SECRETS: [&str; 2] = ["SECRETEXAMPLE", "SECRETOLD"];
const BUCKET: &str = "my-bucket";
const OLD_BUCKET: &str = "old-bucket";

/// Where a page's clients come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// A kind of `compat/clients/environment`.
    Made(&'static str),
    /// Whoever runs the lane has installed them.
    Machine,
}

/// What a page leaves behind.
#[derive(Clone, Copy, Debug)]
enum Left {
    /// An object with the bytes of a file of the home.
    Object(&'static str, &'static str),
    /// At least so many objects under a prefix.
    Keys(&'static str, usize),
    /// A folder of the home that is like `photos`.
    Restored(&'static str),
}

/// One page and what it needs.
pub(crate) struct Lane {
    name: &'static str,
    from: Source,
    /// The page's `https` as it stands; else plain `http`, where the client cannot be told of an authority.
    over: &'static str,
    left: &'static [Left],
}

impl Lane {
    /// The page's path under the root.
    pub(crate) fn page(&self) -> String {
        match self.name {
            "moving" => "docs/moving.md".to_owned(),
            client => format!("docs/clients/{client}.md"),
        }
    }
}

macro_rules! lanes {
    ($($(#[$ignored:meta])? $test:ident: $name:literal, $from:expr, $over:literal, $left:expr;)+) => {
        /// Every page that is run.
        pub(crate) const LANES: &[Lane] =
            &[$(Lane { name: $name, from: $from, over: $over, left: $left },)+];

        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            $(#[$ignored])?
            async fn $test() {
                check(LANES.iter().find(|lane| lane.name == $name).unwrap()).await;
            }
        )+
    };
}

const PYTHON: Source = Source::Made("python");
const DATA: Source = Source::Made("data");
const DEBIAN: Source = Source::Made("debian");

use Left::{Keys, Object, Restored};

lanes! {
    aws_cli: "aws-cli", PYTHON, "https",
        &[Object("photos/one.jpg", "photos/one.jpg"), Object("large.bin", "large.bin"), Restored("back")];
    boto3: "boto3", PYTHON, "https", &[Object("large.bin", "large.bin")];
    rclone: "rclone", PYTHON, "https", &[Object("photos/one.jpg", "photos/one.jpg"), Restored("back")];
    s3cmd: "s3cmd", PYTHON, "https", &[Object("photos/one.jpg", "photos/one.jpg"), Restored("back")];
    s5cmd: "s5cmd", PYTHON, "https", &[Object("photos/one.jpg", "photos/one.jpg"), Restored("back")];
    javascript: "javascript", Source::Made("node"), "https", &[Object("large.bin", "large.bin")];
    moving: "moving", PYTHON, "https", &[Object("photos/one.jpg", "photos/one.jpg"), Keys("photos/", 2)];
    #[ignore = "installs Debian's packages"]
    restic: "restic", DEBIAN, "https", &[Keys("data/", 1), Keys("snapshots/", 1), Restored("back/photos")];
    #[ignore = "installs Debian's packages"]
    duplicity: "duplicity", DEBIAN, "https", &[Keys("backup/duplicity-full", 3), Restored("back")];
    #[ignore = "installs Debian's packages, and mounts a file system"]
    s3fs: "s3fs", DEBIAN, "https", &[Object("photos/one.jpg", "photos/one.jpg"), Restored("back")];
    #[ignore = "compiles a program of Go"]
    go: "go", Source::Made("go"), "https", &[Object("large.bin", "large.bin")];
    #[ignore = "compiles a program of Go"]
    minio_go: "minio-go", Source::Made("go"), "https", &[Object("large.bin", "large.bin")];
    #[ignore = "fetches libraries of Java"]
    java: "java", Source::Made("java"), "https", &[Object("large.bin", "large.bin")];
    #[ignore = "installs a gigabyte of Python packages"]
    pyarrow: "pyarrow", DATA, "http", &[Keys("trips/", 2)];
    #[ignore = "installs a gigabyte of Python packages"]
    polars: "polars", DATA, "https", &[Keys("trips.parquet", 1)];
    #[ignore = "installs a gigabyte of Python packages"]
    duckdb: "duckdb", DATA, "http", &[Keys("trips/", 2)];
    #[ignore = "installs a gigabyte of Python packages"]
    delta: "delta", DATA, "https", &[Keys("trips/_delta_log/", 2)];
    #[ignore = "installs a gigabyte of Python packages"]
    iceberg: "iceberg", DATA, "http", &[Keys("warehouse/", 3)];
    #[ignore = "installs a gigabyte of Python packages"]
    juicefs: "juicefs", DATA, "https", &[Keys("myjfs/", 1)];
    #[ignore = "installs Debian's packages"]
    docker_registry: "docker-registry", DEBIAN, "https", &[Keys("docker/registry/v2/", 1)];
    #[ignore = "wants Terraform, which no registry of packages has: install it first"]
    terraform: "terraform", Source::Machine, "https", &[Keys("terraform.tfstate", 1)];
    #[ignore = "fetches libraries of Java"]
    spark: "spark", Source::Made("hadoop"), "http", &[Object("photos/one.jpg", "photos/one.jpg"), Restored("back")];
}

/// Runs a page against a gateway of its own.
async fn check(lane: &Lane) {
    let gateway = Gateway::with(|settings| settings.tls = lane.over == "https").await;
    let client = gateway.client(ALICE);
    let bucket = bucket(&client).await;
    let home = home();
    let old = old(&client, home.path()).await;
    let scene = Scene { lane, gateway: &gateway, bucket: &bucket, old: &old, home: home.path() };
    scene.run().await;
    for left in lane.left {
        scene.look(&client, *left).await;
    }
}

/// A home with something to upload.
fn home() -> TempDir {
    let home = tempfile::tempdir().unwrap();
    let photos = home.path().join("photos/sub");
    fs::create_dir_all(&photos).unwrap();
    fs::write(photos.join("two three.jpg"), noise(100_000)).unwrap();
    fs::write(home.path().join("photos/one.jpg"), noise(3000)).unwrap();
    fs::write(home.path().join("large.bin"), noise(20 << 20)).unwrap();
    home
}

/// A bucket with the photos in it.
async fn old(client: &Client, home: &Path) -> String {
    let name = bucket(client).await;
    for key in ["photos/one.jpg", "photos/sub/two three.jpg"] {
        client.put(&path(&name, key)).body(fs::read(home.join(key)).unwrap()).ok().await;
    }
    name
}

struct Scene<'a> {
    lane: &'a Lane,
    gateway: &'a Gateway,
    bucket: &'a str,
    old: &'a str,
    home: &'a Path,
}

impl Scene<'_> {
    /// A block with what is true here in the place of what the pages have.
    fn text(&self, block: &Block) -> String {
        let address = format!("localhost:{}", self.gateway.address.port());
        let over = self.lane.over;
        let mut text = block.text.replace(BUCKET, self.bucket).replace(OLD_BUCKET, self.old);
        for endpoint in ENDPOINTS {
            text = text.replace(&format!("https://{endpoint}"), &format!("{over}://{address}"));
            text = text.replace(endpoint, &address);
        }
        for (names, value) in [(KEYS, ALICE.key), (SECRETS, ALICE.secret)] {
            text = names.iter().fold(text, |text, name| text.replace(name, value));
        }
        if over == "https" { text } else { text.replace("USE_SSL true", "USE_SSL false") }
    }

    /// Lays the page's files out, and makes one script of what it runs.
    fn script(&self) -> String {
        let mut script = String::new();
        for (number, block) in blocks(&self.lane.page()).iter().enumerate() {
            let text = self.text(block);
            let write = |name: &str| {
                let file = self.home.join(name);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, &text).unwrap();
            };
            if let Some(name) = block.value("file") {
                write(name);
            } else if block.is("run") {
                let (name, call) = match block.language.as_str() {
                    "sh" => {
                        writeln!(script, "{text}").unwrap();
                        continue;
                    }
                    "python" => (format!("snippet{number}.py"), "python"),
                    "js" => (format!("snippet{number}.mjs"), "node"),
                    "go" => (format!("snippet{number}.go"), "go run"),
                    "java" => (format!("Snippet{number}.java"), "java"),
                    other => panic!("{}: nobody runs {other}", self.lane.page()),
                };
                write(&name);
                writeln!(script, "{call} {name}").unwrap();
            }
        }
        assert!(!script.is_empty(), "{} runs nothing", self.lane.page());
        // What a page leaves to its reader, such as a push to a registry that it started.
        let more = Path::new(env!("CARGO_MANIFEST_DIR")).join("compat/recipes");
        let more = fs::read_to_string(more.join(format!("{}.sh", self.lane.name)));
        script.push_str(&more.unwrap_or_default());
        script
    }

    async fn run(&self) {
        let mut path = environment("PATH").unwrap_or_default();
        let mut more = Vec::new();
        if let Source::Made(kind) = self.lane.from {
            let folder = made(kind).await;
            for bin in ["usr/bin", "bin"] {
                path = format!("{}:{path}", folder.join(bin).display());
            }
            more = surroundings(kind, &folder, self.home);
        }
        let prelude = "set -euxo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || :' EXIT\n";
        let script = format!("{prelude}{}", self.script());
        let authority = self.gateway.file.with_file_name(AUTHORITY);
        // Nothing of the user's own configuration is read, and only this gateway's authority is trusted.
        let mut command = Command::new("bash");
        command
            .args(["-c", &script])
            .current_dir(self.home)
            .env_clear()
            .envs([("PATH", path.as_str()), ("LC_ALL", "C.UTF-8"), ("NO_PROXY", "*")])
            .env("HOME", self.home)
            .envs(more);
        if self.lane.over == "https" {
            let trust =
                ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "CURL_CA_BUNDLE"];
            command.envs(trust.map(|name| (name, authority.as_path())));
            if self.lane.from == Source::Made("java") {
                command.env("JAVA_TOOL_OPTIONS", trusted_by_java(&authority, self.home).await);
            }
        }
        let run = command.stdin(Stdio::null()).kill_on_drop(true).output();
        let output = timeout(PATIENCE, run).await.expect("the page ends").unwrap();
        let [out, err] = [&output.stdout, &output.stderr].map(|said| String::from_utf8_lossy(said));
        assert!(output.status.success(), "{}: {}\n{out}\n{err}", self.lane.page(), output.status);
    }

    async fn look(&self, client: &Client, left: Left) {
        match left {
            Object(key, file) => {
                let bytes = fs::read(self.home.join(file)).unwrap();
                let got = client.get(&path(self.bucket, key)).ok().await;
                assert!(got.body == bytes, "{key} is not {file}");
            }
            Keys(prefix, least) => {
                let list = client.get(&format!("/{}", self.bucket)).query("list-type", 2);
                let found = list.query("prefix", prefix).ok().await.xml();
                let found = found.all("Contents").len();
                assert!(found >= least, "{found} objects under {prefix}");
            }
            Restored(folder) => {
                let (one, other) = (self.home.join("photos"), self.home.join(folder));
                for file in ["one.jpg", "sub/two three.jpg"] {
                    let bytes = [&one, &other].map(|folder| fs::read(folder.join(file)).unwrap());
                    assert!(bytes[0] == bytes[1], "{folder}/{file} came back otherwise");
                }
            }
        }
    }
}

/// The folder of an environment; made once.
pub(crate) async fn made(kind: &str) -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("compat/clients/environment");
    let mut command = Command::new(script);
    let run = command.arg(kind).env("BLUEBUCKET_CACHE", cache_folder()).kill_on_drop(true).output();
    let output = timeout(PATIENCE, run).await.expect("it ends").unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{kind}: {said}");
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

/// A store of Java with the authority in it, and the option that names it.
async fn trusted_by_java(authority: &Path, home: &Path) -> String {
    let store = home.join("trust.p12");
    let mut command = Command::new("keytool");
    command.args(["-importcert", "-noprompt", "-alias", "tests", "-storepass", "changeit"]).args([
        Path::new("-keystore"),
        &store,
        Path::new("-file"),
        authority,
    ]);
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let at = format!("-Djavax.net.ssl.trustStore={}", store.display());
    format!("{at} -Djavax.net.ssl.trustStorePassword=changeit")
}

/// What the programs of an environment want to find around them.
fn surroundings(kind: &str, folder: &Path, home: &Path) -> Vec<(&'static str, String)> {
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    match kind {
        "node" => {
            symlink(folder.join("node_modules"), home.join("node_modules")).unwrap();
            Vec::new()
        }
        "go" => {
            for name in ["go.mod", "go.sum"] {
                fs::copy(folder.join(name), home.join(name)).unwrap();
            }
            vec![
                ("GOPATH", at("path")),
                ("GOCACHE", at("build")),
                ("GOFLAGS", "-mod=mod".to_owned()),
                ("GOPROXY", "off".to_owned()),
                ("GOTOOLCHAIN", "local".to_owned()),
            ]
        }
        "java" | "hadoop" => vec![("CLASSPATH", format!(".:{}/*", at("lib")))],
        "debian" => vec![
            ("PYTHONPATH", at("usr/lib/python3/dist-packages")),
            (
                "LD_LIBRARY_PATH",
                format!("{}:{}", at("usr/lib/x86_64-linux-gnu"), at("lib/x86_64-linux-gnu")),
            ),
        ],
        _ => Vec::new(),
    }
}
