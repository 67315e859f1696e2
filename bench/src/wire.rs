//! HTTP/1.1 with as little work as an honest answer allows: the head is parsed, the body is counted and
//! thrown away.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::request::Request;

/// How much is read at once, in bytes.
const READ_BYTES: usize = 256 * 1024;
/// Longer heads are a fault, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// What is kept of an answer's body, for those who read it.
const KEPT_BYTES: usize = 16 * 1024;

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// The ETag, quotes included.
    pub(crate) etag: Option<String>,
    /// How long its body was, in bytes.
    pub(crate) length: u64,
    /// The beginning of the body.
    pub(crate) start: Vec<u8>,
}

/// Where somebody listens, and how to speak TLS there.
#[derive(Clone)]
pub(crate) struct At {
    address: SocketAddr,
    tls: Option<TlsConnector>,
}

impl At {
    pub(crate) fn new(address: SocketAddr, tls: Option<TlsConnector>) -> Self {
        Self { address, tls }
    }
}

/// The address, as a Host header has it.
impl fmt::Display for At {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(out)
    }
}

impl fmt::Debug for At {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self}")
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// One connection.
pub(crate) struct Wire {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Wire").finish_non_exhaustive()
    }
}

enum Framing {
    Length(u64),
    Chunked,
}

impl Wire {
    pub(crate) async fn connect(at: &At) -> io::Result<Self> {
        let stream = TcpStream::connect(at.address).await?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &at.tls {
            Some(tls) => Box::new(tls.connect(at.address.ip().into(), stream).await?),
            None => Box::new(stream),
        };
        Ok(Self { stream, buffer: Vec::with_capacity(READ_BYTES) })
    }

    /// Sends and waits for the whole answer.
    pub(crate) async fn exchange(&mut self, request: &Request) -> io::Result<Answer> {
        self.send(request).await?;
        self.answer(request.is_head).await
    }

    /// Sends, and waits for nothing.
    pub(crate) async fn send(&mut self, request: &Request) -> io::Result<()> {
        if request.body.len() < HEAD_BYTES_MAX {
            // One segment for both, as real clients do it.
            let whole = [&request.head[..], &request.body[..]].concat();
            return self.write(&whole).await;
        }
        self.stream.write_all(&request.head).await?;
        self.write(&request.body).await
    }

    /// Sends more of a body.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        // TLS keeps what it has not sent.
        self.stream.flush().await
    }

    /// Waits for the answer to what was sent.
    pub(crate) async fn read(&mut self) -> io::Result<Answer> {
        self.answer(false).await
    }

    /// Reads so much of whatever has come; how much that was.
    pub(crate) async fn sip(&mut self, bytes: usize) -> io::Result<usize> {
        self.buffer.resize(bytes, 0);
        self.stream.read(&mut self.buffer).await
    }

    async fn answer(&mut self, is_head: bool) -> io::Result<Answer> {
        self.buffer.clear();
        let (mut answer, framing) = self.head().await?;
        let has_none = is_head || answer.status == 204 || answer.status == 304;
        match framing {
            _ if has_none => {}
            Framing::Length(length) => self.body(length, &mut answer).await?,
            Framing::Chunked => self.chunks(&mut answer).await?,
        }
        Ok(answer)
    }

    /// Reads a head; what came behind it stays in the buffer.
    async fn head(&mut self) -> io::Result<(Answer, Framing)> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut head = httparse::Response::new(&mut headers);
            let parsed = head.parse(&self.buffer).map_err(io::Error::other)?;
            if let httparse::Status::Complete(length) = parsed {
                let status = head.code.unwrap_or_default();
                let read = (status != 100).then(|| read_head(status, head.headers));
                self.buffer.drain(..length);
                match read {
                    Some(read) => return read,
                    None => continue,
                }
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(io::Error::other("the answer's head is too long"));
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    async fn body(&mut self, length: u64, answer: &mut Answer) -> io::Result<()> {
        let mut left = length;
        loop {
            let here = u64::try_from(self.buffer.len()).unwrap_or(u64::MAX).min(left);
            let count = usize::try_from(here).map_err(io::Error::other)?;
            let room = KEPT_BYTES.saturating_sub(answer.start.len());
            answer.start.extend(self.buffer.iter().take(count.min(room)));
            answer.length += here;
            left -= here;
            if left == 0 {
                self.buffer.drain(..count);
                return Ok(());
            }
            self.buffer.clear();
            self.more().await?;
        }
    }

    async fn chunks(&mut self, answer: &mut Answer) -> io::Result<()> {
        loop {
            let line = self.line().await?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(io::Error::other)?;
            if size > 0 {
                self.body(size, answer).await?;
                self.line().await?;
                continue;
            }
            while !self.line().await?.is_empty() {}
            return Ok(());
        }
    }

    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8_lossy(self.buffer.get(..end).unwrap_or_default());
                let line = line.into_owned();
                self.buffer.drain(..end + 2);
                return Ok(line);
            }
            self.more().await?;
        }
    }
}

fn read_head(status: u16, headers: &[httparse::Header<'_>]) -> io::Result<(Answer, Framing)> {
    let value = |wanted: &str| {
        let found = headers.iter().find(|header| header.name.eq_ignore_ascii_case(wanted));
        found.map(|header| String::from_utf8_lossy(header.value).into_owned())
    };
    let framing = match (value("content-length"), value("transfer-encoding")) {
        (Some(length), _) => Framing::Length(length.parse().map_err(io::Error::other)?),
        (None, Some(_)) => Framing::Chunked,
        (None, None) => Framing::Length(0),
    };
    Ok((Answer { status, etag: value("etag"), length: 0, start: Vec::new() }, framing))
}
