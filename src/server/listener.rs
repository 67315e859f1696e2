//! A port: takes connections up to a limit, speaks TLS where it should, and serves each on a task of
//! its own that is tracked until its end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::rustls::ProtocolVersion;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::server::connection::{self, Handler, Manner, Peer, Scheme};
use crate::server::last_words;
use crate::server::threads::{Placed, Threads};
use crate::server::tls::{self, Tls};

/// Out of file descriptors, for example: others must end first, and asking at once would only spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The limits of one port.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) listener: TcpListener,
    pub(super) tls: Option<Tls>,
    pub(super) max_connections: usize,
    pub(super) threads: Arc<Threads>,
    pub(super) manner: Manner,
}

/// When what ends.
#[derive(Clone, Debug)]
pub(super) struct End {
    /// No further connection is taken.
    pub(super) accept: CancellationToken,
    /// Every connection is dropped as it stands.
    pub(super) now: CancellationToken,
}

/// Takes connections until `end.accept`.
pub(super) async fn accept<S: Handler>(port: Port, handler: S, tasks: TaskTracker, end: End) {
    let room = Arc::new(Semaphore::new(port.max_connections.min(Semaphore::MAX_PERMITS)));
    let manner = Arc::new(port.manner);
    loop {
        let accepted = tokio::select! {
            accepted = port.listener.accept() => accepted,
            () = end.accept.cancelled() => return,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "no connection could be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
            manner.metrics.shed("connections");
            refuse(&stream, port.tls.is_some());
            continue;
        };
        let task = Task { manner: Arc::clone(&manner), tls: port.tls.clone(), _permit: permit };
        let (handler, now) = (handler.clone(), end.now.clone());
        let thread = port.threads.least();
        let placed = thread.place(stream);
        let serve = async move {
            let (stream, _open) = match placed.and_then(Placed::arrive) {
                Ok(arrived) => arrived,
                Err(error) => return tracing::warn!(%error, "a connection was lost among threads"),
            };
            tokio::select! {
                () = task.run(stream, address, handler) => {}
                () = now.cancelled() => {}
            }
        };
        tasks.spawn_on(serve, &thread.runtime);
    }
}

/// One word, if it fits into the socket at once; a client without TLS understands it.
fn refuse(stream: &TcpStream, speaks_tls: bool) {
    if !speaks_tls && let Err(error) = stream.try_write(&last_words::no_room()) {
        tracing::debug!(%error, "a client without room heard nothing");
    }
}

struct Task {
    manner: Arc<Manner>,
    tls: Option<Tls>,
    _permit: OwnedSemaphorePermit,
}

impl Task {
    async fn run<S: Handler>(self, stream: TcpStream, address: SocketAddr, handler: S) {
        let _open = self.manner.metrics.connection();
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        let Some(tls) = &self.tls else {
            let peer = Peer { address, scheme: Scheme::Http, tls: None };
            return connection::serve(stream, None, peer, handler, &self.manner).await;
        };
        let handshake = tls.acceptor().accept(stream);
        match tokio::time::timeout(self.manner.deadlines.handshake, handshake).await {
            Ok(Ok(stream)) => {
                let session = stream.get_ref().1;
                let tls = version(session.protocol_version());
                let told = Some(tls::protocol(session));
                let peer = Peer { address, scheme: Scheme::Https, tls };
                connection::serve(stream, told, peer, handler, &self.manner).await;
            }
            Ok(Err(error)) => {
                self.manner.metrics.connection_cut("handshake");
                tracing::debug!(%error, peer = %address, "no TLS");
            }
            Err(_elapsed) => self.manner.metrics.connection_cut("handshake"),
        }
    }
}

/// As policies name it. No older version is spoken here.
fn version(spoken: Option<ProtocolVersion>) -> Option<&'static str> {
    if spoken == Some(ProtocolVersion::TLSv1_2) {
        Some("1.2")
    } else {
        spoken.filter(|spoken| *spoken == ProtocolVersion::TLSv1_3).map(|_| "1.3")
    }
}

/// Listens, and says on which address where that was left to the system.
pub(super) async fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}
