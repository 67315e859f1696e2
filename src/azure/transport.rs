//! Connections: TCP and TLS under one deadline, HTTP/1.1, kept a while. No redirect is followed and no
//! proxy of the environment is asked.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tower::Service;

use super::content::Sending;
use super::settings::WireSettings;
use super::store::SetupError;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What sends requests and keeps connections.
pub(super) type HttpClient = Client<Connector, Sending>;

/// A client with its own connections.
pub(super) fn client(settings: &WireSettings) -> Result<HttpClient, SetupError> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_keepalive(Some(Duration::from_secs(30)));
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(tls(settings.ca_file.as_deref())?)
        .https_or_http()
        .enable_http1()
        .wrap_connector(http);
    let connector = Connector { https, deadline: settings.connect_deadline };
    Ok(Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .pool_idle_timeout(settings.pool_idle)
        .pool_max_idle_per_host(settings.pool_size)
        .build(connector))
}

fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, SetupError> {
    let mut roots = RootCertStore::empty();
    // A system with some broken certificates is common, one without any may still have its own CA.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        let wrong = |cause: &dyn std::fmt::Display| {
            SetupError::new(format!("the certificates in {}: {cause}", path.display()))
        };
        let before = roots.len();
        for certificate in CertificateDer::pem_file_iter(path).map_err(|cause| wrong(&cause))? {
            let certificate = certificate.map_err(|cause| wrong(&cause))?;
            roots.add(certificate).map_err(|cause| wrong(&cause))?;
        }
        if roots.len() == before {
            return Err(wrong(&"there is none"));
        }
    }
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|cause| SetupError::new(cause.to_string()))?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}

/// Connects within a deadline that covers name, TCP and TLS.
#[derive(Clone)]
pub(super) struct Connector {
    https: HttpsConnector<HttpConnector>,
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
