//! One connection of HTTP/1.1. While nothing is asked, hyper's state and buffers are given back: a
//! connection at rest is a socket and its deadlines, so that ten thousand of them cost little.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::time::Instant;

use crate::azure::PACKET_BYTES;
use crate::server::connection::{Gate, Handler, Manner, Peer};
use crate::server::guarded::{Guarded, Shared};
use crate::server::head::HEAD_BYTES_MAX;
use crate::server::preface::Rewound;

/// What hyper buffers of a connection in each direction, in bytes, or twice as much; its own limit of 400 KiB
/// would be 400 MiB of slow readers. (See `docs/limits.md`.)
const BUFFER_BYTES_MAX: usize = PACKET_BYTES;
/// The same of a wide connection, in bytes: a large body in fewer and larger pieces costs less.
const WIDE_BYTES_MAX: usize = 4 * PACKET_BYTES;
/// How many connections of a listener are wide at once, of those that are not at rest.
pub(super) const WIDE_MAX: usize = 16;
/// How long a client is waited for that has its last answer, and how much is read that it sends.
const LINGER: Duration = Duration::from_secs(5);
/// In bytes.
const LINGER_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// hyper's own deadline for heads, behind ours, so that none of its states lasts for ever.
const HYPER_HEAD_DEADLINE: Duration = Duration::from_secs(75);

/// Serves one connection to its end.
pub(super) async fn serve<T, S>(io: T, since: Instant, peer: Peer, handler: S, manner: &Manner)
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Handler,
{
    let (io, shared) = Guarded::new(io, since, manner.deadlines, manner.metrics.clone());
    let mut io = Rewound::new(io);
    loop {
        let gate = Gate::of_requests(handler.clone(), Arc::clone(&shared), peer, manner);
        // Boxed, so that it is given back as a whole.
        let rest = match Box::pin(until_rest(io, gate, &shared, manner)).await {
            Ok(rest) => rest,
            Err(error) => {
                // Clients hang up all the time; what mattered is in the line of the request.
                tracing::debug!(%error, peer = %peer.address, "connection ended");
                None
            }
        };
        let Some(rest) = rest else { return };
        let Some(woken) = wake(rest, manner).await else { return };
        io = woken;
    }
}

type Connection<T, S> = http1::Connection<TokioIo<Rewound<Guarded<T>>>, Gate<S>>;

/// Lets hyper serve requests until the connection ends (none) or comes to rest.
async fn until_rest<T, S>(
    io: Rewound<Guarded<T>>,
    gate: Gate<S>,
    shared: &Shared,
    manner: &Manner,
) -> hyper::Result<Option<Guarded<T>>>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Handler,
{
    let wide = manner.wide.try_acquire().ok();
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HYPER_HEAD_DEADLINE)
        .max_header_size(HEAD_BYTES_MAX)
        // Its limit of headers is ours, as long as none is set; setting it costs every request.
        .max_buf_size(if wide.is_some() { WIDE_BYTES_MAX } else { BUFFER_BYTES_MAX })
        .serve_connection(TokioIo::new(io), gate);
    tokio::select! {
        ended = poll_fn(|context| poll(&mut connection, shared, context)) => {
            if let Some(ended) = ended {
                ended?;
                if shared.ends_early() {
                    linger(connection).await;
                }
                return Ok(None);
            }
        }
        () = manner.drain.cancelled() => {
            // hyper would wait for the first request of a connection that has had none.
            if shared.is_fresh() {
                return Ok(None);
            }
            // Who reads an answer still is waited for a little: what lies in the kernel when a container
            // ends goes with its network.
            let is_read = shared.is_busy();
            Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await?;
            if is_read {
                linger(connection).await;
            }
            return Ok(None);
        }
    }
    let parts = connection.into_parts();
    // Empty lines between requests mean nothing. Anything else would be what is left of a body, and never
    // to be read as a request.
    let nothing_left = parts.read_buf.iter().all(|byte| matches!(byte, b'\r' | b'\n'));
    Ok(nothing_left.then(|| parts.io.into_inner().into_inner()))
}

/// Waits until a client closes that has its last answer, and throws away what it still sends. To close with bytes
/// unread would reset it, and a reset can take the answer from a client that has not read it yet:
/// <https://www.rfc-editor.org/rfc/rfc9112#section-9.6>.
async fn linger<T, S>(connection: Connection<T, S>)
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Handler,
{
    let mut nowhere = tokio::io::sink();
    let io = connection.into_parts().io.into_inner().into_inner().into_inner();
    let mut rest = io.take(LINGER_BYTES_MAX);
    // However it ends, the connection does.
    drop(tokio::time::timeout(LINGER, tokio::io::copy(&mut rest, &mut nowhere)).await);
}

/// How the connection ended; none: it is at rest.
fn poll<T, S>(
    connection: &mut Connection<T, S>,
    shared: &Shared,
    context: &mut Context<'_>,
) -> Poll<Option<hyper::Result<()>>>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Handler,
{
    match Pin::new(connection).poll(context) {
        Poll::Ready(ended) => Poll::Ready(Some(ended)),
        Poll::Pending if shared.rests() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    }
}

/// Waits until something is asked again; none: nothing more will be.
async fn wake<T>(mut io: Guarded<T>, manner: &Manner) -> Option<Rewound<Guarded<T>>>
where
    T: AsyncRead + Unpin,
{
    let mut first = [0];
    let read = tokio::select! {
        read = io.read(&mut first) => read,
        () = manner.drain.cancelled() => return None,
    };
    match read {
        Ok(1..) => Some(Rewound::of(Bytes::copy_from_slice(&first), io)),
        // The client hung up, or the deadline for silence has passed.
        Ok(0) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::net::SocketAddr;

    use axum::body::Body;
    use http::{Request, Response};
    use http_body_util::BodyExt as _;
    use hyper::body::Incoming;
    use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::sync::Semaphore;
    use tokio::task::JoinSet;
    use tokio::time::sleep;
    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::server::connection::Scheme;
    use crate::server::guarded::Deadlines;
    use crate::server::metrics::Metrics;

    const IDLE: Duration = Duration::from_secs(20);
    const PEER: Peer = Peer {
        address: SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1),
        scheme: Scheme::Http,
        tls: None,
    };
    const REQUEST: &[u8] = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

    fn manner() -> Manner {
        let other = Duration::from_secs(5);
        Manner {
            deadlines: Deadlines { handshake: other, head: other, idle: IDLE, write: other },
            metrics: Metrics::new(),
            drain: CancellationToken::new(),
            tasks: TaskTracker::new(),
            wide: Arc::new(Semaphore::new(WIDE_MAX)),
        }
    }

    /// Answers after a while that is longer than what brings a connection to rest.
    async fn slow(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        sleep(Duration::from_secs(3)).await;
        Ok(Response::new(Body::from(request.uri().path().to_owned())))
    }

    async fn read_answer(client: &mut DuplexStream) {
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n/a") {
            assert_ne!(client.read_buf(&mut answer).await.unwrap(), 0, "{answer:?}");
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"));
    }

    /// Asks, with an empty line behind it, which asks nothing.
    async fn ask(client: &mut DuplexStream) {
        client.write_all(REQUEST).await.unwrap();
        read_answer(client).await;
        client.write_all(b"\r\n").await.unwrap();
    }

    /// Asks with silence before and inside of requests.
    async fn ask_slowly(client: &mut DuplexStream) {
        for (millis, cut) in [(0, 1), (900, 5), (1000, 1), (1001, 2), (5000, 0), (19_000, 1)] {
            sleep(Duration::from_millis(millis)).await;
            let (start, end) = REQUEST.split_at(cut);
            client.write_all(start).await.unwrap();
            sleep(Duration::from_secs(2)).await;
            client.write_all(end).await.unwrap();
            read_answer(client).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answered_connection_comes_to_rest_and_wakes() {
        let manner = manner();
        let handler = tower::service_fn(slow);
        let (mut client, server) = duplex(1024);
        let (io, shared) =
            Guarded::new(server, Instant::now(), manner.deadlines, manner.metrics.clone());
        let mut io = Rewound::new(io);
        for _ in 0..3 {
            let gate = Gate::of_requests(handler, Arc::clone(&shared), PEER, &manner);
            let (rest, ()) = tokio::join!(until_rest(io, gate, &shared, &manner), ask(&mut client));
            let rest = rest.unwrap().expect("it rests");
            // An empty line asks nothing, but wakes.
            let (woken, sent) = tokio::join!(wake(rest, &manner), client.write_all(b"\r\n"));
            sent.unwrap();
            io = woken.expect("it wakes");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_answered_whatever_silence_is_between_and_in_them() {
        let manner = manner();
        let (mut client, server) = duplex(1024);
        let connection = serve(server, Instant::now(), PEER, tower::service_fn(slow), &manner);
        let asks = async {
            ask_slowly(&mut client).await;
            let quiet = Instant::now();
            assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "nobody asks, and it ends");
            assert_eq!(quiet.elapsed().as_secs(), IDLE.as_secs());
        };
        tokio::join!(connection, asks);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_of_a_body_is_never_a_request() {
        let manner = manner();
        let (mut client, server) = duplex(1024);
        let never_reads = tower::service_fn(async |_: Request<Incoming>| {
            Ok::<_, Infallible>(Response::new(Body::from("/a")))
        });
        let connection = serve(server, Instant::now(), PEER, never_reads, &manner);
        let asks = async {
            let body = String::from_utf8_lossy(REQUEST);
            let put = format!("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 28\r\n\r\n{body}");
            client.write_all(put.as_bytes()).await.unwrap();
            let mut answers = Vec::new();
            client.read_to_end(&mut answers).await.unwrap();
            let answers = String::from_utf8_lossy(&answers);
            assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers}");
        };
        tokio::join!(connection, asks);
    }

    /// Answers the longest frame of the body.
    async fn longest(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let (mut body, mut longest) = (request.into_body(), 0);
        while let Some(Ok(frame)) = body.frame().await {
            longest = frame.data_ref().map_or(0, Bytes::len).max(longest);
        }
        Ok(Response::new(Body::from(format!(" longest {longest} "))))
    }

    /// Sends a body of megabytes; the longest frame in which the other end of the connection has it.
    async fn longest_frame(client: &mut DuplexStream) -> usize {
        let body = vec![b'x'; 4 * 1024 * 1024];
        let head = format!("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
        client.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b" ") {
            assert_ne!(client.read_buf(&mut answer).await.unwrap(), 0, "{answer:?}");
        }
        let answer = String::from_utf8(answer).unwrap();
        answer.trim_end().rsplit(' ').next().unwrap().parse().unwrap()
    }

    async fn serve_longest(io: DuplexStream, manner: Manner) {
        serve(io, Instant::now(), PEER, tower::service_fn(longest), &manner).await;
    }

    #[tokio::test(start_paused = true)]
    async fn large_pieces_are_for_few_connections_at_a_time() {
        let manner = manner();
        let (mut clients, mut connections) = (Vec::new(), JoinSet::new());
        for n in 0..=WIDE_MAX {
            let (mut client, server) = duplex(8 * 1024 * 1024);
            connections.spawn(serve_longest(server, manner.clone()));
            let longest = longest_frame(&mut client).await;
            let is_wide = longest > 2 * BUFFER_BYTES_MAX;
            assert_eq!(is_wide, n < WIDE_MAX, "{longest} for number {n}");
            assert!(longest <= 2 * WIDE_BYTES_MAX, "{longest}");
            clients.push(client);
        }
        // Those at rest give their right back.
        sleep(Duration::from_secs(5)).await;
        let last = clients.last_mut().unwrap();
        assert!(longest_frame(last).await > 2 * BUFFER_BYTES_MAX);
    }

    async fn refuse(_: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let answer = Response::builder().status(403).header("connection", "close");
        Ok(answer.body(Body::empty()).unwrap())
    }

    /// Sends so many bytes after it was refused; whether they were all taken.
    async fn sends_on(bytes: u64) -> bool {
        let manner = manner();
        let (mut client, server) = duplex(1024);
        let refuses = tower::service_fn(refuse);
        let connection = serve(server, Instant::now(), PEER, refuses, &manner);
        let asks = async {
            let put = format!("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n");
            client.write_all(put.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            client.read_to_end(&mut answer).await.unwrap();
            assert!(answer.starts_with(b"HTTP/1.1 403"), "{answer:?}");
            let body = vec![b'x'; usize::try_from(bytes).unwrap()];
            let sent = client.write_all(&body).await;
            drop(client);
            sent.is_ok()
        };
        tokio::join!(connection, asks).1
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_on_after_the_last_answer_is_read_for_a_while() {
        assert!(sends_on(64 * 1024).await);
        assert!(!sends_on(LINGER_BYTES_MAX + 64 * 1024).await);
        // Who neither sends nor closes is waited for, but not for long.
        let manner = manner();
        let (mut client, server) = duplex(1024);
        let begun = Instant::now();
        let connection = serve(server, begun, PEER, tower::service_fn(refuse), &manner);
        tokio::join!(connection, client.write_all(REQUEST)).1.unwrap();
        assert_eq!(begun.elapsed(), LINGER);
    }

    /// When a connection ends that is drained while it is asked, and whose client closes so long after it
    /// has its answer.
    async fn drained_at(closes_after: Duration) -> u64 {
        let manner = manner();
        let (mut client, server) = duplex(1024);
        let begun = Instant::now();
        let asks = async {
            client.write_all(REQUEST).await.unwrap();
            sleep(Duration::from_secs(1)).await;
            manner.drain.cancel();
            read_answer(&mut client).await;
            sleep(closes_after).await;
            drop(client);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = serve(server, begun, PEER, tower::service_fn(slow), &manner) => {}
            () = asks => {}
        }
        begun.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_waits_for_who_reads_its_answer_but_not_for_long() {
        assert_eq!(drained_at(Duration::from_secs(2)).await, 5);
        assert_eq!(drained_at(Duration::from_mins(1)).await, 8);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_at_rest_goes_with_the_drain() {
        let manner = manner();
        let (mut client, server) = duplex(1024);
        let begun = Instant::now();
        let connection = serve(server, begun, PEER, tower::service_fn(slow), &manner);
        let asks = async {
            ask(&mut client).await;
            sleep(Duration::from_secs(5)).await;
            manner.drain.cancel();
        };
        tokio::join!(connection, asks);
        assert_eq!(begun.elapsed().as_secs(), 8);
    }
}
