//! TLS of the S3 port: the certificate from its files, replaceable while connections are open.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use crate::server::config::TlsConfig;
use crate::server::preface::Protocol;

/// Accepts TLS with the certificate that was read last.
#[derive(Clone, Debug)]
pub struct Tls {
    current: Arc<Current>,
    server: Arc<rustls::ServerConfig>,
}

impl Tls {
    /// Starts with the certificate in these files.
    pub fn new(files: &TlsConfig) -> Result<Self, String> {
        let current = Arc::new(Current(ArcSwap::from_pointee(read(files)?)));
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Current>::clone(&current);
        let mut server =
            rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| error.to_string())?
                .with_no_client_auth()
                .with_cert_resolver(resolver);
        server.alpn_protocols = vec![ALPN_HTTP2.to_vec(), b"http/1.1".to_vec()];
        Ok(Self { current, server: Arc::new(server) })
    }

    /// Takes the certificate that the files hold now; handshakes from here on show it.
    pub fn reload(&self, files: &TlsConfig) -> Result<(), String> {
        self.current.0.store(Arc::new(read(files)?));
        Ok(())
    }

    /// What makes a TLS stream of a connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.server))
    }
}

/// What a client that speaks HTTP/2 offers: <https://www.rfc-editor.org/rfc/rfc9113#section-3.1>.
const ALPN_HTTP2: &[u8] = b"h2";

/// What client and server have agreed upon; one that offers nothing speaks HTTP/1.1.
pub(super) fn protocol(connection: &rustls::ServerConnection) -> Protocol {
    if connection.alpn_protocol() == Some(ALPN_HTTP2) { Protocol::Http2 } else { Protocol::Http1 }
}

#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// The certificate and its key, checked to belong together.
pub fn read(files: &TlsConfig) -> Result<CertifiedKey, String> {
    let certificate = files.certificate.display();
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .map_err(|error| format!("{certificate}: {error}"))?;
    if chain.is_empty() {
        return Err(format!("{certificate} holds no certificate"));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| format!("{}: {error}", files.key.display()))?;
    CertifiedKey::from_der(chain, key, &ring::default_provider())
        .map_err(|error| format!("{certificate} and {}: {error}", files.key.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    /// Writes a certificate for `localhost` and its key.
    fn write_pair(folder: &Path) -> TlsConfig {
        let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let files = TlsConfig { certificate: folder.join("tls.crt"), key: folder.join("tls.key") };
        fs::write(&files.certificate, pair.cert.pem()).unwrap();
        fs::write(&files.key, pair.signing_key.serialize_pem()).unwrap();
        files
    }

    #[test]
    fn f41_a_broken_certificate_leaves_the_last_good_one() {
        let folder = tempfile::tempdir().unwrap();
        let files = write_pair(folder.path());
        let tls = Tls::new(&files).unwrap();
        let first = tls.current.0.load_full();
        fs::write(&files.certificate, "-----BEGIN CERTIFICATE-----\nAAAA").unwrap();
        assert!(tls.reload(&files).is_err());
        assert_eq!(tls.current.0.load_full().cert, first.cert);
        write_pair(folder.path());
        tls.reload(&files).unwrap();
        assert_ne!(tls.current.0.load_full().cert, first.cert);
    }

    #[test]
    fn f44_a_key_of_another_certificate_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let files = write_pair(folder.path());
        let other = tempfile::tempdir().unwrap();
        fs::copy(write_pair(other.path()).key, &files.key).unwrap();
        assert!(read(&files).is_err());
    }
}
