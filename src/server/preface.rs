//! What a plain connection speaks, told from its first bytes: a client that knows that we speak HTTP/2
//! begins with the preface of RFC 9113, 3.4, which is no request of HTTP/1.1. Over TLS, ALPN has told.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

/// What every HTTP/2 connection begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// One request after the other.
    Http1,
    /// Streams of requests side by side.
    Http2,
}

/// Reads until it is known what the client speaks. Most say so with their first byte or two.
pub(super) async fn read<T>(mut io: T) -> io::Result<(Protocol, Rewound<T>)>
where
    T: AsyncRead + Unpin,
{
    let mut read = BytesMut::with_capacity(PREFACE.len());
    let protocol = loop {
        if !PREFACE.starts_with(&read) {
            break Protocol::Http1;
        }
        let left = PREFACE.len() - read.len();
        if left == 0 {
            break Protocol::Http2;
        }
        // No further than the preface: what follows need not come before we have said something.
        if (&mut io).take(left as u64).read_buf(&mut read).await? == 0 {
            break Protocol::Http1;
        }
    };
    Ok((protocol, Rewound { read: read.freeze(), io }))
}

/// A stream whose first bytes have been read, and come again.
#[derive(Debug)]
pub(super) struct Rewound<T> {
    read: Bytes,
    io: T,
}

impl<T> Rewound<T> {
    /// A stream of which nothing was read.
    pub(super) fn new(io: T) -> Self {
        Self { read: Bytes::new(), io }
    }

    /// A stream of which these bytes were read, and come again.
    pub(super) fn of(read: Bytes, io: T) -> Self {
        Self { read, io }
    }

    /// The stream itself. What was read of it and has not come again is lost.
    pub(super) fn into_inner(self) -> T {
        self.io
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Rewound<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.io).poll_read(context, buffer);
        }
        let count = self.read.len().min(buffer.remaining());
        buffer.put_slice(self.read.get(..count).unwrap_or_default());
        self.read.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Rewound<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What these bytes speak, sent in pieces of every size; they all come again.
    async fn check(bytes: &[u8], want: Protocol) {
        for size in 1..=bytes.len() {
            let (mut near, far) = tokio::io::duplex(size);
            let sent = bytes.to_vec();
            let client = async move {
                tokio::io::AsyncWriteExt::write_all(&mut near, &sent).await.unwrap();
                drop(near);
            };
            let server = async {
                let (protocol, mut io) = read(far).await.unwrap();
                let mut all = Vec::new();
                io.read_to_end(&mut all).await.unwrap();
                (protocol, all)
            };
            let ((), (protocol, all)) = tokio::join!(client, server);
            assert_eq!((protocol, all.as_slice()), (want, bytes), "in pieces of {size}");
        }
    }

    #[tokio::test]
    async fn the_first_bytes_tell() {
        check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", Protocol::Http2).await;
        check(b"PUT /a HTTP/1.1\r\n\r\n", Protocol::Http1).await;
        check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX", Protocol::Http1).await;
        check(b"PRI", Protocol::Http1).await;
        check(b"GET / HTTP/1.1\r\n\r\n", Protocol::Http1).await;
    }
}
