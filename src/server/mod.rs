//! The shell: a process that listens.
//!
//! [`commands`] is the way in from `main`. [`Server`] has the two ports and the drain; what answers on
//! the S3 port is a [`Handler`]: [`router`], over the gateway that [`wiring`] builds.

pub mod access_log;
pub mod admin;
pub mod answer;
pub mod azurite;
pub mod check;
pub mod commands;
pub mod config;
pub mod connection;
pub mod dev;
mod exchange;
pub mod form;
pub mod guarded;
mod head;
pub mod health;
pub mod healthcheck;
pub mod incoming;
mod last_words;
mod listener;
pub mod metrics;
mod origin;
pub mod output;
mod preface;
pub mod presign;
pub mod recent;
pub mod reload;
mod requests;
mod room;
pub mod router;
pub mod shutdown;
pub mod status;
pub mod stores;
mod streams;
pub mod telemetry;
mod threads;
pub mod tls;
pub mod traces;
pub mod wiring;

#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

pub use connection::{Handler, Peer, Scheme};
pub use guarded::Deadlines;
pub use metrics::Metrics;
pub use shutdown::{Shutdown, Signals};

use crate::server::admin::Admin;
use crate::server::config::Config;
use crate::server::connection::Manner;
use crate::server::listener::{End, Port};
use crate::server::threads::Threads;
use crate::server::tls::Tls;

/// The admin port is for probers and one scraper.
const ADMIN_CONNECTIONS_MAX: usize = 100;
/// What is dropped needs a moment to be gone.
const ABORT_GRACE: Duration = Duration::from_secs(1);

/// The two ports, taken but not served yet.
#[derive(Debug)]
pub struct Server {
    s3: TcpListener,
    admin: TcpListener,
    s3_address: SocketAddr,
    admin_address: SocketAddr,
    threads: Threads,
}

/// What the ports are served with.
#[derive(Debug)]
pub struct Parts {
    /// What the admin port shows.
    pub admin: Admin,
    /// TLS of the S3 port.
    pub tls: Option<Tls>,
    /// How long a client may keep us waiting.
    pub deadlines: Deadlines,
    /// Tasks that outlive their request; the drain waits for them.
    pub background: TaskTracker,
}

impl Server {
    /// Takes both ports, and starts the threads that serve besides the one that this is called on.
    pub async fn bind(config: &Config) -> io::Result<Self> {
        let (s3, s3_address) = listener::bind(config.listen).await?;
        let (admin, admin_address) = listener::bind(config.admin_listen).await?;
        let threads = Threads::start(config.limits.threads)?;
        Ok(Self { s3, admin, s3_address, admin_address, threads })
    }

    /// Where the S3 port is.
    pub fn s3_address(&self) -> SocketAddr {
        self.s3_address
    }

    /// Where the admin port is.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// Serves until `shutdown`, then drains. Returns when everything has ended.
    pub async fn run<S: Handler>(self, handler: S, parts: Parts, shutdown: Shutdown) {
        let Parts { admin, tls, deadlines, background } = parts;
        let (config, health) = (admin.config.load_full(), admin.health.clone());
        let connections = TaskTracker::new();
        let listeners = TaskTracker::new();
        let drain = CancellationToken::new();
        let end = End { accept: CancellationToken::new(), now: CancellationToken::new() };
        let manner = |metrics: Metrics, drain, tasks| {
            let wide = Arc::new(Semaphore::new(requests::WIDE_MAX));
            Manner { deadlines, metrics, drain, tasks, wide }
        };

        // They serve until the end of this function.
        let threads = Arc::new(self.threads);
        let s3 = Port {
            listener: self.s3,
            tls,
            max_connections: config.limits.max_connections,
            threads: Arc::clone(&threads),
            manner: manner(admin.metrics.clone(), drain.clone(), connections.clone()),
        };
        listeners.spawn(listener::accept(s3, handler, connections.clone(), end.clone()));

        // It answers to the last: not being ready is news, too. Its traffic is not counted as S3's.
        let admin_end = End { accept: CancellationToken::new(), now: CancellationToken::new() };
        let admin_port = Port {
            listener: self.admin,
            tls: None,
            max_connections: ADMIN_CONNECTIONS_MAX,
            threads: Arc::new(Threads::here()),
            manner: manner(Metrics::new(), CancellationToken::new(), TaskTracker::new()),
        };
        let pages = admin::router(admin)
            .map_request(|request: http::Request<hyper::body::Incoming>| request.map(Body::new));
        listeners.spawn(listener::accept(admin_port, pages, TaskTracker::new(), admin_end.clone()));
        listeners.close();

        shutdown.drain.cancelled().await;
        health.drain();
        tokio::select! {
            () = tokio::time::sleep(config.drain.delay) => {}
            () = shutdown.now.cancelled() => {}
        }
        end.accept.cancel();
        drain.cancel();
        finish(&connections, &background, config.drain.timeout, &shutdown).await;
        end.now.cancel();
        admin_end.accept.cancel();
        admin_end.now.cancel();
        if tokio::time::timeout(ABORT_GRACE, connections.wait()).await.is_err() {
            tracing::warn!("connections are still open");
        }
        listeners.wait().await;
    }
}

/// Waits for what is open, but not for ever.
async fn finish(
    connections: &TaskTracker,
    background: &TaskTracker,
    timeout: Duration,
    shutdown: &Shutdown,
) {
    connections.close();
    background.close();
    let all = async {
        connections.wait().await;
        background.wait().await;
    };
    tokio::select! {
        () = all => tracing::info!("everything open has ended"),
        () = tokio::time::sleep(timeout) => {
            let left = connections.len();
            tracing::warn!(left, "connections are dropped: the time to drain is over");
        }
        () = shutdown.now.cancelled() => {}
    }
}
