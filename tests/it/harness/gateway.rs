//! A gateway in this process, made from a configuration file as operators write it.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio_rustls::rustls::ClientConfig;

use super::{Client, Proxy, azurite, unique};

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
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            azure: azurite().blob_endpoint(),
            system_container: unique("sys"),
            top: "domains = [\"s3.test\", \"localhost\"]".to_owned(),
            tables: String::new(),
            policy: "[]".to_owned(),
            tls: false,
        }
    }
}

/// A running gateway. It ends with the runtime of its test.
#[derive(Debug)]
pub(crate) struct Gateway {
    /// The S3 port.
    pub(crate) address: SocketAddr,
    /// The admin port.
    pub(crate) admin: SocketAddr,
    /// How clients trust it, if it speaks TLS.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// Its system container.
    pub(crate) system_container: String,
}

impl Gateway {
    /// One over the shared Azurite.
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// One behind a proxy.
    pub(crate) async fn behind(proxy: &Proxy) -> Self {
        Self::with(|settings| settings.azure = proxy.endpoint()).await
    }

    /// One with settings of its own.
    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        change(&mut settings);
        let address: SocketAddr = super::environment("STANDIN").unwrap().parse().unwrap();
        Self { address, admin: address, tls: None, system_container: settings.system_container }
    }

    /// A client of one of its users.
    pub(crate) fn client(&self, user: User) -> Client {
        Client {
            address: self.address,
            host: self.address.to_string(),
            tls: self.tls.clone(),
            credentials: Some((user.key.to_owned(), user.secret.to_owned())),
        }
    }

    /// A client of the one who may do everything.
    pub(crate) fn admin(&self) -> Client {
        self.client(ADMIN)
    }
}
