//! HTTP/1.1 by hand: requests go out byte for byte as a test wrote them, answers come back with all
//! that was on the wire. Libraries tidy what they send; tests of refusals need what they tidy away.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

/// How much is read at once, at most.
const READ_BYTES: usize = 64 * 1024;

/// What a connection runs over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// One answer, headers in the order of the wire, names in lower case.
#[derive(Clone)]
pub(crate) struct Answer {
    /// The status of the final answer.
    pub(crate) status: u16,
    /// The statuses of the interim answers before it, such as 100.
    pub(crate) interim: Vec<u16>,
    /// Its headers.
    pub(crate) headers: Vec<(String, String)>,
    /// Its body, freed from its framing.
    pub(crate) body: Bytes,
}

impl Answer {
    /// The value of the header `name`, if it is there.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = self.text().chars().take(2000).collect();
        write!(out, "{} {:?}\n{text}", self.status, self.headers)
    }
}

/// An answer that did not come, or not whole.
#[derive(Debug)]
pub(crate) struct Cut {
    /// The head, if that much came.
    pub(crate) answer: Option<Answer>,
    /// What went wrong.
    pub(crate) why: String,
}

impl Cut {
    fn new(why: impl fmt::Display) -> Self {
        Self { answer: None, why: why.to_string() }
    }
}

impl From<io::Error> for Cut {
    fn from(error: io::Error) -> Self {
        Self::new(error)
    }
}

/// One connection.
pub(crate) struct Wire {
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    buffer: BytesMut,
}

impl Wire {
    /// Connects without TLS.
    pub(crate) async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self::over(Box::new(stream)))
    }

    /// Connects with TLS to a server whose certificate says `localhost`.
    pub(crate) async fn connect_tls(
        address: SocketAddr,
        config: Arc<ClientConfig>,
    ) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let stream = TlsConnector::from(config).connect(name, stream).await?;
        Ok(Self::over(Box::new(stream)))
    }

    fn over(stream: Box<dyn Stream>) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self { reader, writer, buffer: BytesMut::new() }
    }

    /// Sends bytes as they are.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.writer.write_all(bytes.as_ref()).await?;
        self.writer.flush().await
    }

    /// Says that nothing more comes.
    pub(crate) async fn finish(&mut self) -> io::Result<()> {
        self.writer.shutdown().await
    }

    /// Sends `request` while it reads the answer: a server may answer before it has read all.
    pub(crate) async fn exchange(&mut self, request: &[u8], method: &str) -> Result<Answer, Cut> {
        let Self { reader, writer, buffer } = self;
        let send = async {
            // A server that has refused may close before it has read all; its answer counts.
            if writer.write_all(request).await.is_ok() {
                writer.flush().await.unwrap_or_default();
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            answer = read_answer(reader, buffer, method) => answer,
            () = send => unreachable_after_pending(),
        }
    }

    /// Reads one answer to a request of `method`, interim ones included.
    pub(crate) async fn answer(&mut self, method: &str) -> Result<Answer, Cut> {
        read_answer(&mut self.reader, &mut self.buffer, method).await
    }

    /// Reads the next head, also that of an interim answer.
    pub(crate) async fn head(&mut self) -> Result<Answer, Cut> {
        read_head(&mut self.reader, &mut self.buffer).await
    }

    /// Throws away what is there or comes next: how much, and nothing at the end.
    pub(crate) async fn read_some(&mut self) -> Option<usize> {
        self.buffer.reserve(READ_BYTES);
        if self.buffer.is_empty()
            && !matches!(self.reader.read_buf(&mut self.buffer).await, Ok(1..))
        {
            return None;
        }
        Some(self.buffer.split().len())
    }

    /// Has the server closed the connection, with nothing left to read? Waits until it is known.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.buffer.is_empty()
            && matches!(self.reader.read_buf(&mut self.buffer).await, Ok(0) | Err(_))
    }
}

fn unreachable_after_pending() -> Result<Answer, Cut> {
    Err(Cut::new("the sender ended"))
}

type Reader = ReadHalf<Box<dyn Stream>>;

async fn read_answer(
    reader: &mut Reader,
    buffer: &mut BytesMut,
    method: &str,
) -> Result<Answer, Cut> {
    let mut interim = Vec::new();
    loop {
        let mut answer = read_head(reader, buffer).await?;
        if (100..200).contains(&answer.status) {
            interim.push(answer.status);
            continue;
        }
        answer.interim = interim;
        return match read_body(reader, buffer, method, &mut answer).await {
            Ok(()) => Ok(answer),
            Err(cut) => Err(Cut { answer: Some(answer), why: cut.why }),
        };
    }
}

async fn more(reader: &mut Reader, buffer: &mut BytesMut) -> Result<(), Cut> {
    match reader.read_buf(buffer).await? {
        0 => Err(Cut::new("the connection was closed")),
        _ => Ok(()),
    }
}

async fn read_line(reader: &mut Reader, buffer: &mut BytesMut) -> Result<String, Cut> {
    loop {
        if let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line = buffer.split_to(end + 1);
            let line = line.strip_suffix(b"\r\n").unwrap_or(&line[..end]);
            return Ok(String::from_utf8_lossy(line).into_owned());
        }
        more(reader, buffer).await?;
    }
}

async fn read_head(reader: &mut Reader, buffer: &mut BytesMut) -> Result<Answer, Cut> {
    let line = read_line(reader, buffer).await?;
    let status = line
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1))
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| Cut::new(format!("no status line: {line:?}")))?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(reader, buffer).await?;
        if line.is_empty() {
            break;
        }
        let (name, value) =
            line.split_once(':').ok_or_else(|| Cut::new(format!("no header: {line:?}")))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Ok(Answer { status, interim: Vec::new(), headers, body: Bytes::new() })
}

/// Reads the body by RFC 9112, 6.3; what came before a cut stays in `answer`.
async fn read_body(
    reader: &mut Reader,
    buffer: &mut BytesMut,
    method: &str,
    answer: &mut Answer,
) -> Result<(), Cut> {
    if method == "HEAD" || matches!(answer.status, 204 | 304) {
        return Ok(());
    }
    if answer.header("transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        return read_chunks(reader, buffer, answer).await;
    }
    let Some(length) = answer.header("content-length") else {
        let mut body = std::mem::take(buffer);
        while reader.read_buf(&mut body).await? > 0 {}
        answer.body = body.freeze();
        return Ok(());
    };
    let length: usize = length.parse().map_err(Cut::new)?;
    while buffer.len() < length {
        if let Err(cut) = more(reader, buffer).await {
            answer.body = std::mem::take(buffer).freeze();
            return Err(cut);
        }
    }
    answer.body = buffer.split_to(length).freeze();
    Ok(())
}

async fn read_chunks(
    reader: &mut Reader,
    buffer: &mut BytesMut,
    answer: &mut Answer,
) -> Result<(), Cut> {
    let mut body = BytesMut::new();
    loop {
        let line = read_line(reader, buffer).await?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(Cut::new)?;
        while buffer.len() < size + 2 {
            if let Err(cut) = more(reader, buffer).await {
                answer.body = body.freeze();
                return Err(cut);
            }
        }
        body.extend_from_slice(&buffer.split_to(size));
        let end = buffer.split_to(2);
        if size == 0 {
            answer.body = body.freeze();
            return if &end[..] == b"\r\n" { Ok(()) } else { Err(Cut::new("trailers")) };
        }
    }
}
