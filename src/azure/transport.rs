//! Connections: TCP and TLS under one deadline, HTTP/1.1, kept a while. No redirect is followed.

use std::error::Error as _;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::Service;

use super::content::Sending;
use super::per_runtime::PerRuntime;
use super::proxied::Proxied;
use super::settings::WireSettings;
use super::store::SetupError;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Blobs of other tools may have hundreds of metadata, each a header. hyper has room for 100 at hand, which
/// costs nothing, and room for more costs every answer a twentieth of what a small request takes.
const HEADERS_MAX: usize = 1024;

/// What the kernel sends as one packet, in bytes, whatever the network's own are: 64 KiB with its headers. What is
/// sent in pieces that are not longer needs no packet for a little rest, which costs as much as a full one.
pub(crate) const PACKET_BYTES: usize = 63 * 1024;

/// What hyper buffers of an answer, in bytes, or twice as much: for a client that takes none, that is what lies
/// here. The heads of answers fit in it, too: 8 KiB of metadata in headers of their own.
pub(super) const BUFFER_BYTES_MAX: usize = PACKET_BYTES;

/// The same of a wide answer, in bytes: fewer and larger pieces cost less.
pub(super) const WIDE_BYTES_MAX: usize = 4 * PACKET_BYTES;

/// How many wide answers a store reads at once. What comes while there are so many comes as all else does, so
/// that a crowd costs little.
pub(super) const WIDE_MAX: usize = 16;

/// What sends requests and keeps connections.
pub(super) type HttpClient = Client<Connector, Sending>;

/// The connections of a store. Each runtime has its own: a request and what it asks of Azure stay on one thread.
pub(super) struct Transport {
    clients: PerRuntime<Clients>,
    /// Who may use a wide client.
    wide_left: Arc<Semaphore>,
}

impl Transport {
    /// That of a store. Nothing is connected yet.
    pub(super) fn new(settings: &WireSettings) -> Result<Self, SetupError> {
        let connector = connector(settings)?;
        let builder = builder(settings);
        let clients = PerRuntime::new(move || Clients::new(&builder, &connector));
        Ok(Self { clients, wide_left: Arc::new(Semaphore::new(WIDE_MAX)) })
    }

    /// The clients of the runtime that this is called on.
    pub(super) fn here(&self) -> Arc<Clients> {
        self.clients.here()
    }

    /// The right to one wide answer, for as long as it is kept, if there is one left.
    pub(super) fn try_wide(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.wide_left).try_acquire_owned().ok()
    }
}

/// The clients of a runtime, each with connections of its own.
pub(super) struct Clients {
    /// For all that is asked first.
    pub(super) usual: HttpClient,
    /// For what was answered with more headers than the other takes.
    pub(super) roomy: HttpClient,
    /// For answers that are long, and whose client is not known to be slow.
    pub(super) wide: HttpClient,
}

impl Clients {
    fn new(builder: &legacy::Builder, connector: &Connector) -> Self {
        let build = |builder: &legacy::Builder| builder.build(connector.clone());
        Self {
            usual: build(builder),
            roomy: build(builder.clone().http1_max_headers(HEADERS_MAX)),
            wide: build(builder.clone().http1_max_buf_size(WIDE_BYTES_MAX)),
        }
    }
}

/// A client with its own connections.
pub(super) fn client(settings: &WireSettings) -> Result<HttpClient, SetupError> {
    Ok(builder(settings).build(connector(settings)?))
}

/// Was the head of an answer longer than the client takes?
pub(super) fn is_too_large(error: &legacy::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<hyper::Error>());
    cause.is_some_and(hyper::Error::is_parse_too_large)
}

fn connector(settings: &WireSettings) -> Result<Connector, SetupError> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_keepalive(Some(Duration::from_secs(30)));
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(client_tls(settings.ca_file.as_deref())?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(Proxied::new(http, settings.proxy.as_ref()));
    Ok(Connector { https, deadline: settings.connect_deadline })
}

fn builder(settings: &WireSettings) -> legacy::Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .http1_max_buf_size(BUFFER_BYTES_MAX)
        .pool_idle_timeout(settings.pool_idle)
        .pool_max_idle_per_host(settings.pool_size);
    builder
}

/// What a client of ours trusts: the system's certificates, and those of `ca_file`.
pub fn client_tls(ca_file: Option<&Path>) -> Result<ClientConfig, SetupError> {
    let mut roots = RootCertStore::empty();
    // A system with some broken certificates is common, one without any may still have its own CA.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        add_own(&mut roots, path)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|cause| SetupError::new(cause.to_string()))?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}

/// Whether the file holds certificates that can be trusted, and nothing else in their place.
pub fn check_ca_file(path: &Path) -> Result<(), SetupError> {
    add_own(&mut RootCertStore::empty(), path)
}

fn add_own(roots: &mut RootCertStore, path: &Path) -> Result<(), SetupError> {
    let wrong = |cause: &dyn std::fmt::Display| {
        SetupError::new(format!("the certificates in {}: {cause}", path.display()))
    };
    let before = roots.len();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|cause| wrong(&cause))? {
        let certificate = certificate.map_err(|cause| wrong(&cause))?;
        roots.add(certificate).map_err(|cause| wrong(&cause))?;
    }
    if roots.len() == before { Err(wrong(&"there is none")) } else { Ok(()) }
}

/// Connects within a deadline that covers name, TCP and TLS.
#[derive(Clone)]
pub(super) struct Connector {
    https: HttpsConnector<Proxied>,
    deadline: Duration,
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<TcpStream>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.https.call(uri);
        let deadline = self.deadline;
        Box::pin(async move {
            tokio::time::timeout(deadline, connecting)
                .await
                .unwrap_or_else(|_| Err("no connection in time".into()))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;

    use rustls::pki_types::PrivatePkcs8KeyDer;
    use rustls::{ServerConfig, ServerConnection, StreamOwned};

    use crate::azure::{
        Account, BlobName, BlobPath, BlobStore, Conditions, ContainerName, Credential, Kind,
        WireSettings,
    };

    const ANSWER: &[u8] = b"HTTP/1.1 404 X\r\nx-ms-error-code: BlobNotFound\r\n\r\n";

    /// Answers every request with 404, over TLS with a certificate of its own: address and certificate.
    fn serve() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        std::thread::spawn(move || {
            listener.incoming().for_each(|connection| refuse(connection.unwrap(), &config));
        });
        (endpoint, made.cert.pem())
    }

    fn refuse(connection: TcpStream, config: &Arc<ServerConfig>) {
        let session = ServerConnection::new(Arc::clone(config)).unwrap();
        let mut stream = StreamOwned::new(session, connection);
        // A client that does not trust us leaves during the handshake.
        if stream.read(&mut [0; 4096]).is_ok() {
            stream.write_all(ANSWER).ok();
        }
    }

    async fn ask(endpoint: &str, settings: WireSettings) -> Kind {
        let account = Account::named("acc", Credential::Anonymous).at(endpoint);
        let store = BlobStore::new(account, settings).unwrap();
        let container = ContainerName::parse("photos").unwrap();
        let path = BlobPath::new(container, BlobName::new("a"));
        store.properties(&path, &Conditions::default()).await.unwrap_err().kind()
    }

    fn settings() -> WireSettings {
        let mut settings = WireSettings::default();
        settings.retry.attempts = 1;
        settings
    }

    #[tokio::test]
    async fn a_certificate_is_trusted_when_the_operator_says_so() {
        let (endpoint, pem) = serve();
        assert_eq!(ask(&endpoint, settings()).await, Kind::Unreachable);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), pem).unwrap();
        let ca_file = Some(file.path().to_owned());
        let trusting = WireSettings { ca_file, ..settings() };
        assert_eq!(ask(&endpoint, trusting.clone()).await, Kind::NoSuchBlob);
        let elsewhere = endpoint.replace("localhost", "127.0.0.1");
        assert_eq!(ask(&elsewhere, trusting).await, Kind::Unreachable, "another name");
    }

    #[test]
    fn a_file_without_certificates_is_a_fault() {
        for text in ["", "no PEM"] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            assert!(super::client_tls(Some(file.path())).is_err(), "{text:?}");
        }
        assert!(super::client_tls(Some("/not/there".as_ref())).is_err());
    }

    #[tokio::test]
    async fn a_peer_that_never_shakes_hands_is_given_up() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("https://{}", silent.local_addr().unwrap());
        let deadline = std::time::Duration::from_millis(100);
        let begun = std::time::Instant::now();
        let impatient = WireSettings { connect_deadline: deadline, ..settings() };
        assert_eq!(ask(&endpoint, impatient).await, Kind::Unreachable);
        assert!(begun.elapsed() < std::time::Duration::from_secs(5));
    }

    /// Answers one CONNECT, then passes bytes; the line that it was asked with.
    fn proxy() -> (http::Uri, std::sync::mpsc::Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let (told, asked) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                client.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            let line = String::from_utf8(head).unwrap().lines().next().unwrap().to_owned();
            let target = line.split(' ').nth(1).unwrap().to_owned();
            told.send(line).unwrap();
            let mut server = TcpStream::connect(target).unwrap();
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            std::io::copy(&mut client, &mut server).ok();
        });
        (uri, asked)
    }

    #[tokio::test]
    async fn https_goes_through_a_proxy_that_was_configured() {
        let (endpoint, pem) = serve();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), pem).unwrap();
        let (proxy, asked) = proxy();
        let ca_file = Some(file.path().to_owned());
        let settings = WireSettings { ca_file, proxy: Some(proxy), ..settings() };
        assert_eq!(ask(&endpoint, settings).await, Kind::NoSuchBlob);
        let authority = endpoint.strip_prefix("https://").unwrap();
        assert_eq!(asked.recv().unwrap(), format!("CONNECT {authority} HTTP/1.1"));
    }
}
