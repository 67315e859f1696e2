//! A gateway in this process, made from a configuration file as operators write it.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bluebucket::server::Shutdown;
use bluebucket::server::commands::Running;
use bluebucket::server::config::{self, Environment, Sources};
use tempfile::TempDir;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::{Client, Proxy, backend_endpoint, spawn, unique};

/// The users of every test gateway: id, access key id, secret, role.
pub(crate) const ADMIN: User = User { id: "admin", key: "AKADMIN", secret: "admin-secret-0000001" };
/// One who owns buckets.
pub(crate) const ALICE: User = User { id: "alice", key: "AKALICE", secret: "alice-secret-0000002" };
/// Another who owns buckets.
pub(crate) const BOB: User = User { id: "bob", key: "AKBOB", secret: "bob-secret-000000003" };
/// One who may do what [`LIMITED_POLICY`] says.
pub(crate) const LIMITED: User =
    User { id: "limited", key: "AKLIMITED", secret: "limited-secret-0004" };

/// One user.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User {
    /// The canonical id.
    pub(crate) id: &'static str,
    /// The access key id.
    pub(crate) key: &'static str,
    /// The secret.
    pub(crate) secret: &'static str,
}

/// How a test wants its gateway.
#[derive(Debug)]
pub(crate) struct Settings {
    /// The blob endpoint, account included.
    pub(crate) azure: String,
    /// The system container; replicas share one.
    pub(crate) system_container: String,
    /// More of the file, in front of the tables.
    pub(crate) top: String,
    /// More tables of the file.
    pub(crate) tables: String,
    /// The `policy` list of the limited user.
    pub(crate) policy: String,
    /// TLS with a certificate of our own.
    pub(crate) tls: bool,
    /// The environment of its process.
    pub(crate) environment: Vec<(String, String)>,
    /// How long facts of a bucket are believed. Some first times wait for so long, so it is short.
    pub(crate) cache_ttl: &'static str,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            azure: backend_endpoint(),
            system_container: unique("sys"),
            top: "domains = [\"s3.test\", \"localhost\"]".to_owned(),
            tables: String::new(),
            policy: "[]".to_owned(),
            tls: false,
            environment: Vec::new(),
            cache_ttl: "50ms",
        }
    }
}

/// A running gateway. It ends with its test.
#[derive(Debug)]
pub(crate) struct Gateway {
    /// The S3 port.
    pub(crate) address: SocketAddr,
    /// The admin port.
    pub(crate) admin: SocketAddr,
    /// Its system container.
    pub(crate) system_container: String,
    /// Its configuration file, and beside it what TLS needs.
    pub(crate) file: PathBuf,
    trust: Option<Arc<ClientConfig>>,
    shutdown: Shutdown,
    _folder: TempDir,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.shutdown.drain.cancel();
        self.shutdown.now.cancel();
    }
}

impl Gateway {
    /// One over the shared backend.
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// One behind a proxy.
    pub(crate) async fn behind(proxy: &Proxy) -> Self {
        Self::with(|settings| settings.azure = proxy.endpoint()).await
    }

    /// Another one over the same records.
    pub(crate) async fn replica(&self) -> Self {
        Self::with(|settings| settings.system_container.clone_from(&self.system_container)).await
    }

    /// One with settings of its own.
    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        change(&mut settings);
        let folder = tempfile::tempdir().unwrap();
        let tls = settings.tls.then(|| Tls::make(folder.path()));
        let file = folder.path().join("bluebucket.toml");
        fs::write(&file, settings.document(tls.as_ref())).unwrap();
        let environment = Environment::new(settings.environment);
        let sources = Sources { file: Some(file.clone()), environment, ..Sources::default() };
        let loaded = config::load(&sources).unwrap_or_else(|faults| panic!("{faults}"));
        let running = Running::start(loaded, sources, Box::new(Ok)).await.unwrap();
        let (address, admin) = (running.server().s3_address(), running.server().admin_address());
        let shutdown = Shutdown::new();
        spawn(running.run(shutdown.clone()));
        Self {
            address,
            admin,
            system_container: settings.system_container,
            file,
            trust: tls.map(|tls| tls.trust),
            shutdown,
            _folder: folder,
        }
    }

    /// Begins to end: what is open is finished, nothing new is taken.
    pub(crate) fn drain(&self) {
        self.shutdown.drain.cancel();
    }

    /// A client of one of its users.
    pub(crate) fn client(&self, user: User) -> Client {
        Client {
            address: self.address,
            host: self.address.to_string(),
            tls: self.trust.clone(),
            credentials: Some((user.key.to_owned(), user.secret.to_owned())),
        }
    }

    /// A client of the one who may do everything.
    pub(crate) fn admin(&self) -> Client {
        self.client(ADMIN)
    }
}

impl Settings {
    /// The file that says so.
    pub(crate) fn document(&self, tls: Option<&Tls>) -> String {
        let Self { azure, system_container, top, tables, policy, cache_ttl, .. } = self;
        let connection = bluebucket::server::azurite::connection_string(azure);
        let mut users = String::new();
        for (user, role) in
            [(ADMIN, "admin"), (ALICE, "owner"), (BOB, "owner"), (LIMITED, "limited")]
        {
            let policy =
                if role == "limited" { format!("policy = {policy}\n") } else { String::new() };
            users += &format!(
                "[[users]]\nid = {:?}\nname = \"The {}\"\nrole = {role:?}\n{policy}\
                 keys = [{{ access_key_id = {:?}, secret_access_key = {:?} }}]\n",
                user.id, user.id, user.key, user.secret
            );
        }
        let tls = tls.map_or_else(String::new, |tls| {
            format!("[tls]\ncertificate = {:?}\nkey = {:?}\n", tls.certificate, tls.key)
        });
        format!(
            "listen = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n\
             system_container = {system_container:?}\n{top}\n{tls}\
             [limits]\ncache_ttl = {cache_ttl:?}\n\
             [accounts.main]\nconnection_string = {connection:?}\n{users}{tables}\n"
        )
    }
}

/// A certificate for `localhost` and 127.0.0.1 from an authority of this test's own.
#[derive(Debug)]
pub(crate) struct Tls {
    /// The file of the certificate.
    pub(crate) certificate: PathBuf,
    /// The file of its key.
    pub(crate) key: PathBuf,
    trust: Arc<ClientConfig>,
}

/// The name of the authority's file beside the configuration.
pub(crate) const AUTHORITY: &str = "authority.pem";

impl Tls {
    /// What a client trusts that trusts its authority alone.
    pub(crate) fn trust(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.trust)
    }

    /// What a client trusts that trusts another authority, too: the one in this file.
    pub(crate) fn trust_also(&self, authority: &Path) -> Arc<ClientConfig> {
        let files = [self.certificate.with_file_name(AUTHORITY), authority.to_path_buf()];
        let mut roots = RootCertStore::empty();
        for file in files {
            roots.add(CertificateDer::from_pem_file(file).unwrap()).unwrap();
        }
        trusting(roots)
    }

    /// Makes its files in this folder.
    pub(crate) fn make(folder: &Path) -> Self {
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::new([]).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        authority.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
        authority.distinguished_name.push(rcgen::DnType::CommonName, "bluebucket tests");
        let authority_certificate = authority.self_signed(&authority_key).unwrap();
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let key = rcgen::KeyPair::generate().unwrap();
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let mut leaf = rcgen::CertificateParams::new(names).unwrap();
        leaf.distinguished_name.push(rcgen::DnType::CommonName, "localhost");
        leaf.use_authority_key_identifier_extension = true;
        let leaf = leaf.signed_by(&key, &issuer).unwrap();
        let at = |name: &str, text: String| {
            let path = folder.join(name);
            fs::write(&path, text).unwrap();
            path
        };
        at(AUTHORITY, authority_certificate.pem());
        let mut roots = RootCertStore::empty();
        roots.add(authority_certificate.der().clone()).unwrap();
        let secret = at("localhost.key", key.serialize_pem());
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        Self { certificate: at("localhost.pem", leaf.pem()), key: secret, trust: trusting(roots) }
    }
}

/// A client's side of TLS that trusts these authorities alone.
fn trusting(roots: RootCertStore) -> Arc<ClientConfig> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}
