//! HTTP/2 to a gateway: with prior knowledge over plain TCP, by ALPN over TLS; and frames by hand, for
//! what no client sends.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_util::sync::CancellationToken;

use super::client::Prepared;
use super::wire::Stream;
use super::{Answer, Client, spawn};

/// One connection of HTTP/2. A clone sends on the same one.
#[derive(Clone)]
pub(crate) struct Http2 {
    sender: SendRequest<Full<Bytes>>,
    scheme: &'static str,
    ended: CancellationToken,
}

impl Http2 {
    /// Connects as `client` would: over TLS if it does, where the gateway has to choose HTTP/2.
    pub(crate) async fn connect(client: &Client) -> Self {
        let stream = TcpStream::connect(client.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut scheme = "http";
        let stream: Box<dyn Stream> = match &client.tls {
            None => Box::new(stream),
            Some(config) => {
                scheme = "https";
                let mut config = (**config).clone();
                config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
                let name = ServerName::try_from("localhost").unwrap();
                let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
                let stream = stream.unwrap();
                assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
                Box::new(stream)
            }
        };
        let (sender, connection) =
            handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        let ended = CancellationToken::new();
        let end = ended.clone().drop_guard();
        spawn(async move {
            // How it ends is seen by the requests on it.
            connection.await.unwrap_or_default();
            drop(end);
        });
        Self { sender, scheme, ended }
    }

    /// Sends it, and takes any whole answer.
    pub(crate) async fn send(&self, request: Prepared) -> Result<Answer, hyper::Error> {
        let host = request.value("host").to_owned();
        let uri = format!("{}://{host}{}", self.scheme, request.target);
        let mut out = http::Request::builder().method(request.method.as_str()).uri(uri);
        for (name, value) in &request.headers {
            if !matches!(name.as_str(), "host" | "content-length") {
                out = out.header(name, value);
            }
        }
        let out = out.body(Full::from(request.body)).unwrap();
        let (head, body) = self.sender.clone().send_request(out).await?.into_parts();
        let headers = head.headers.iter().map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        let headers = headers.collect();
        let body = body.collect().await?.to_bytes();
        Ok(Answer { status: head.status.as_u16(), interim: Vec::new(), headers, body })
    }

    /// Waits until the connection has ended.
    pub(crate) async fn has_ended(&self) {
        let ended = tokio::time::timeout(super::PATIENCE, self.ended.cancelled()).await;
        ended.expect("the connection ends");
    }
}

/// The type of a frame: <https://www.rfc-editor.org/rfc/rfc9113#section-6>.
pub(crate) mod frame {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const CONTINUATION: u8 = 9;
}

/// `:method: GET`, `:scheme: http`, `:path: /-/live` and `:authority: a`, as HPACK has them.
pub(crate) const LIVE: &[u8] = b"\x82\x86\x04\x07/-/live\x01\x01a";

/// One connection of frames.
pub(crate) struct Frames {
    reader: OwnedReadHalf,
    writer: Option<OwnedWriteHalf>,
}

impl Frames {
    /// Connects and says the preface, with these settings: pairs of number and value.
    pub(crate) async fn connect(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        let (reader, writer) = stream.into_split();
        let mut frames = Self { reader, writer: Some(writer) };
        let settings: Vec<u8> = settings
            .iter()
            .flat_map(|(number, value)| [&number.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        frames.send(&frame_of(frame::SETTINGS, 0, 0, &settings)).await;
        frames
    }

    /// Sends bytes; that the other side has gone is seen when it is read.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let writer = self.writer.as_mut().expect("the writer is here");
        writer.write_all(bytes).await.unwrap_or_default();
    }

    /// Sends these bytes again and again from now on, for as long as they are taken.
    pub(crate) fn repeat(&mut self, bytes: Vec<u8>) {
        let mut writer = self.writer.take().expect("the writer is here");
        spawn(async move { while writer.write_all(&bytes).await.is_ok() {} });
    }

    /// The types of all frames up to the end of the connection.
    pub(crate) async fn rest(mut self) -> Vec<u8> {
        let mut kinds = Vec::new();
        while let Some((kind, _)) = self.next().await {
            kinds.push(kind);
        }
        kinds
    }

    /// The next frame: its type and its payload; none at the end.
    pub(crate) async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 9];
        self.reader.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.reader.read_exact(&mut payload).await.ok()?;
        Some((head[3], payload))
    }
}

/// The bytes of a frame.
pub(crate) fn frame_of(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}
