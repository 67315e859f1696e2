//! The least that any gateway can cost: a program that takes bytes on one connection and passes them on over
//! another, and does not look at them. What it costs is the kernel's part of the work.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How much is taken at once, in bytes.
const TAKEN_BYTES: usize = 252 * 1024;

/// Takes connections at `here` and has one to `there` for each, until it is ended.
pub(crate) async fn run(here: SocketAddr, there: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(here).await?;
    let mut tasks = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await?;
        let backend = TcpStream::connect(there).await?;
        client.set_nodelay(true)?;
        backend.set_nodelay(true)?;
        let (from_client, to_client) = client.into_split();
        let (from_backend, to_backend) = backend.into_split();
        while tasks.try_join_next().is_some() {}
        // A connection that breaks is missed by its client, who says so.
        tasks.spawn(pass_on(from_client, to_backend));
        tasks.spawn(pass_on(from_backend, to_client));
    }
}

async fn pass_on(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(TAKEN_BYTES);
    while from.read_buf(&mut buffer).await? > 0 {
        to.write_all(&buffer).await?;
        buffer.clear();
    }
    to.shutdown().await
}
