//! The end of the process: the first signal begins the drain, the second ends it.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
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

    /// Turns SIGTERM and SIGINT into the wish, for as long as it is polled.
    pub async fn follow_signals(self) -> io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            self.request();
        }
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
