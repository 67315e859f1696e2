//! The least that any gateway can cost: programs that take what comes on one connection and pass it on over
//! another. One does not look at it, and what it costs is the kernel's part of the work. The other reads and
//! writes HTTP by the library that the gateway has for it, hyper, and does nothing besides.

use std::io;
use std::net::SocketAddr;

use hyper::Request;
use hyper::body::Incoming;
use hyper::http::Uri;
use hyper::http::uri::{Authority, Scheme};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::Outcome;

/// How much is taken at once, in bytes.
const TAKEN_BYTES: usize = 252 * 1024;

/// What is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum What {
    /// Bytes, whatever they mean.
    Bytes,
    /// Requests and their answers.
    Http,
}

/// Takes connections at `here` and passes what comes on to `there`, until it is ended.
pub(crate) async fn run(what: What, here: SocketAddr, there: SocketAddr) -> Outcome {
    let listener = TcpListener::bind(here).await?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let backend = Client::builder(TokioExecutor::new()).build(connector);
    let authority = Authority::try_from(there.to_string())?;
    let mut tasks = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await?;
        client.set_nodelay(true)?;
        // A connection that breaks is missed by its client, who says so.
        while tasks.try_join_next().is_some() {}
        if what == What::Http {
            tasks.spawn(pass_requests_on(client, backend.clone(), authority.clone()));
            continue;
        }
        let backend = TcpStream::connect(there).await?;
        backend.set_nodelay(true)?;
        let (from_client, to_client) = client.into_split();
        let (from_backend, to_backend) = backend.into_split();
        tasks.spawn(pass_bytes_on(from_client, to_backend));
        tasks.spawn(pass_bytes_on(from_backend, to_client));
    }
}

async fn pass_bytes_on(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> Outcome {
    let mut buffer = Vec::with_capacity(TAKEN_BYTES);
    while from.read_buf(&mut buffer).await? > 0 {
        to.write_all(&buffer).await?;
        buffer.clear();
    }
    Ok(to.shutdown().await?)
}

async fn pass_requests_on(
    client: TcpStream,
    backend: Client<HttpConnector, Incoming>,
    there: Authority,
) -> Outcome {
    let service = service_fn(move |mut request: Request<Incoming>| {
        let mut uri = std::mem::take(request.uri_mut()).into_parts();
        (uri.scheme, uri.authority) = (Some(Scheme::HTTP), Some(there.clone()));
        let asked = Uri::from_parts(uri).map_err(io::Error::other).map(|uri| {
            *request.uri_mut() = uri;
            backend.request(request)
        });
        async { asked?.await.map_err(io::Error::other) }
    });
    Ok(http1::Builder::new().serve_connection(TokioIo::new(client), service).await?)
}
