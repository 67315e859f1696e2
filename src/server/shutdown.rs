//! The end of the process: the first signal begins the drain, the second ends it.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The wish to end. A clone is the same wish.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Finish what is open, take nothing new.
    pub drain: CancellationToken,
    /// Drop what is open.
    pub now: CancellationToken,
}

impl Shutdown {
    /// Nobody wishes it yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Once: drain. Twice: now.
    pub fn request(&self) {
        if self.drain.is_cancelled() {
            tracing::warn!("asked twice: what is open is dropped");
            self.now.cancel();
        } else {
            tracing::info!("asked to end: open requests are finished");
            self.drain.cancel();
        }
    }
}

/// SIGTERM and SIGINT, caught from the moment that this is made: one that comes before anybody follows
/// is not lost, and does not end the process.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches them from now on.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Turns each into the wish to end, for as long as it is polled.
    pub async fn follow(mut self, shutdown: Shutdown) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
            }
            shutdown.request();
        }
    }
}
