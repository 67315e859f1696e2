//! Azure Blob Storage's own words, signed with the account key by the tests themselves: what Azure's
//! tools do to the same containers, and what they see.
//! <https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key>

use std::net::SocketAddr;

use bluebucket::server::azurite::{ACCOUNT, ACCOUNT_KEY};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use time::macros::format_description;

use super::signer::encode;
use super::wire::{Answer, Wire};
use super::{backend_address, now};

/// One who speaks to the backend directly.
#[derive(Clone, Debug)]
pub(crate) struct Azure {
    address: SocketAddr,
}

impl Default for Azure {
    fn default() -> Self {
        Self { address: backend_address() }
    }
}

/// One request in Azure's words.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    method: String,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Ask {
    /// About a container.
    pub(crate) fn container(method: &str, container: &str) -> Self {
        Self::new(method, format!("/{ACCOUNT}/{container}")).query("restype", "container")
    }

    /// About a blob; its name is encoded whole.
    pub(crate) fn blob(method: &str, container: &str, blob: &str) -> Self {
        Self::new(method, format!("/{ACCOUNT}/{container}/{}", encode(blob)))
    }

    fn new(method: &str, path: String) -> Self {
        Self {
            method: method.to_owned(),
            path,
            query: Vec::new(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Adds a parameter.
    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the body.
    pub(crate) fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    fn value(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    fn string_to_sign(&self) -> String {
        let length = if self.body.is_empty() { String::new() } else { self.body.len().to_string() };
        let mut lines = vec![self.method.clone()];
        for name in [
            "content-encoding",
            "content-language",
            "content-length",
            "content-md5",
            "content-type",
            "date",
            "if-modified-since",
            "if-match",
            "if-none-match",
            "if-unmodified-since",
            "range",
        ] {
            let value = if name == "content-length" { &length } else { self.value(name) };
            lines.push(value.to_owned());
        }
        let mut own: Vec<_> =
            self.headers.iter().filter(|(name, _)| name.starts_with("x-ms-")).collect();
        own.sort();
        lines.extend(own.iter().map(|(name, value)| format!("{name}:{value}")));
        // The account stands twice: in front, and in the path as the emulator has it.
        lines.push(format!("/{ACCOUNT}{}", self.path));
        let mut query = self.query.clone();
        query.sort();
        lines.extend(query.iter().map(|(name, value)| format!("{name}:{value}")));
        lines.join("\n")
    }
}

/// The account key's signature, as Azure has it.
fn sign(text: &str) -> String {
    let key = data_encoding::BASE64.decode(ACCOUNT_KEY.as_bytes()).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(text.as_bytes());
    data_encoding::BASE64.encode(&mac.finalize().into_bytes())
}

impl Azure {
    /// One who speaks to another backend of the same account.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Asks and takes any answer.
    pub(crate) async fn send(&self, ask: Ask) -> Answer {
        let date = now()
            .format(format_description!(
                "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
            ))
            .unwrap();
        let ask = ask.header("x-ms-date", &date).header("x-ms-version", "2026-02-06");
        let signature = sign(&ask.string_to_sign());
        let query: Vec<_> =
            ask.query.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        let mut request = format!("{} {}{query} HTTP/1.1\r\n", ask.method, ask.path);
        request += &format!("host: {}\r\ncontent-length: {}\r\n", self.address, ask.body.len());
        request += &format!("authorization: SharedKey {ACCOUNT}:{signature}\r\n");
        for (name, value) in &ask.headers {
            request += &format!("{name}: {value}\r\n");
        }
        let mut request = (request + "\r\n").into_bytes();
        request.extend_from_slice(&ask.body);
        let mut wire = Wire::connect(self.address).await.unwrap();
        wire.exchange(&request, &ask.method).await.unwrap()
    }

    /// Asks and wants a success.
    pub(crate) async fn ok(&self, ask: Ask) -> Answer {
        self.send(ask).await.expect_success()
    }

    /// A token for all blobs of a container, as the query of a URL.
    /// <https://learn.microsoft.com/rest/api/storageservices/create-service-sas>
    pub(crate) fn sas(container: &str) -> String {
        let expiry = (now() + time::Duration::hours(1))
            .format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z"))
            .unwrap();
        let text = format!(
            "racwdl\n\n{expiry}\n/blob/{ACCOUNT}/{container}\n\n\n\n2020-12-06\nc\n\n\n\n\n\n\n"
        );
        let signature = encode(sign(&text));
        format!("sv=2020-12-06&se={}&sr=c&sp=racwdl&sig={signature}", encode(expiry))
    }

    /// Makes a container.
    pub(crate) async fn create_container(&self, name: &str) {
        self.ok(Ask::container("PUT", name)).await;
    }

    /// The names of all blobs in a container, in Azure's order.
    pub(crate) async fn blobs(&self, container: &str) -> Vec<String> {
        let list = self.ok(Ask::container("GET", container).query("comp", "list")).await;
        let text = list.text();
        let document = super::xml::Element::parse(text.trim_start_matches('\u{feff}').as_bytes());
        document.find("Blobs").map(|blobs| blobs.texts("Blob/Name")).unwrap_or_default()
    }
}
