//! The threads that serve. Each has a runtime of its own, and a connection stays on one from its beginning to its
//! end, with all that is asked of Azure for it: threads that share their tasks wake each other for them, which costs
//! a third of what a small request does.

use std::sync::Arc;
use std::{io, net, thread};

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Those other than the one that made it end when this is dropped, with all that runs on them.
#[derive(Debug)]
pub(super) struct Threads {
    here: Thread,
    others: Vec<Thread>,
    _end: DropGuard,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Thread {
    /// What is served there is spawned on it.
    pub(super) runtime: Handle,
    /// Shared by what is open there.
    open: Arc<()>,
    is_here: bool,
}

/// A connection on its way to its thread.
#[derive(Debug)]
pub(super) struct Placed {
    stream: Passed,
    open: Open,
}

/// A connection counts for its thread for as long as this is kept.
#[derive(Debug)]
pub(super) struct Open(#[expect(dead_code, reason = "it is counted")] Arc<()>);

#[derive(Debug)]
enum Passed {
    /// It was accepted where it stays.
    On(TcpStream),
    /// No runtime watches it.
    Between(net::TcpStream),
}

impl Threads {
    /// Only the one that this is called on.
    pub(super) fn here() -> Self {
        let here = Thread { runtime: Handle::current(), open: Arc::default(), is_here: true };
        Self { here, others: Vec::new(), _end: CancellationToken::new().drop_guard() }
    }

    /// The one that this is called on, and as many others as make `count`.
    pub(super) fn start(count: usize) -> io::Result<Self> {
        let end = CancellationToken::new();
        let mut threads = Self { _end: end.clone().drop_guard(), ..Self::here() };
        for number in 1..count {
            let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
            let other = runtime.handle().clone();
            let end = end.clone();
            thread::Builder::new().name(format!("serve-{number}")).spawn(move || {
                runtime.block_on(end.cancelled());
                // A name that the system looks up is not waited for.
                runtime.shutdown_background();
            })?;
            threads.others.push(Thread { runtime: other, open: Arc::default(), is_here: false });
        }
        Ok(threads)
    }

    /// The one with the fewest connections.
    pub(super) fn least(&self) -> &Thread {
        let open = |thread: &Thread| Arc::strong_count(&thread.open);
        self.others.iter().fold(
            &self.here,
            |least, thread| {
                if open(thread) < open(least) { thread } else { least }
            },
        )
    }
}

impl Thread {
    /// What was accepted on the thread that made all.
    pub(super) fn place(&self, stream: TcpStream) -> io::Result<Placed> {
        let stream =
            if self.is_here { Passed::On(stream) } else { Passed::Between(stream.into_std()?) };
        Ok(Placed { stream, open: Open(Arc::clone(&self.open)) })
    }
}

impl Placed {
    /// The connection; to be called where it is served.
    pub(super) fn arrive(self) -> io::Result<(TcpStream, Open)> {
        let stream = match self.stream {
            Passed::On(stream) => stream,
            Passed::Between(stream) => TcpStream::from_std(stream)?,
        };
        Ok((stream, self.open))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::{Thread, Threads};

    /// Runs for as long as it is let.
    async fn run_on(held: oneshot::Sender<()>) {
        std::future::pending::<()>().await;
        drop(held);
    }

    #[tokio::test]
    async fn they_end_with_what_runs_on_them() {
        let threads = Threads::start(3).unwrap();
        assert_eq!(threads.others.len(), 2);
        let run = |thread: &Thread| {
            let (held, dropped) = oneshot::channel();
            (thread.runtime.spawn(run_on(held)), dropped)
        };
        let running: Vec<_> = threads.others.iter().map(run).collect();
        drop(threads);
        for (_task, dropped) in running {
            // A minute is reached only when this fails.
            assert!(timeout(Duration::from_mins(1), dropped).await.unwrap().is_err());
        }
    }
}
