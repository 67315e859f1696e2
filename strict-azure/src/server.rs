//! The port: a runtime of its own, so that a server outlives the test that asked for it first.

use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, OnceLock, RwLock, Weak};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::auth::Key;
use crate::options::Options;
use crate::service::Service;
use crate::state::{read, write};

/// How many connections may wait to be accepted. With the 128 of the standard library a crowd's would be dropped,
/// and tried again after a second.
const CONNECTIONS_WAITING_MAX: u32 = 1024;

type Known = RwLock<HashMap<u16, Weak<Service>>>;

/// The servers of this process, by port: the source of a copy may be in any.
fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(Known::default)
}

pub(crate) fn find(port: u16) -> Option<Arc<Service>> {
    read(known()).get(&port).and_then(Weak::upgrade)
}

/// Ends the server when it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    _stop: watch::Sender<()>,
}

pub(crate) fn start(options: Options) -> io::Result<(Arc<Service>, Running)> {
    let key = Key::from_base64(&options.key);
    let key = key.ok_or_else(|| io::Error::other("the account's key is not base64"))?;
    let runtime = runtime(options.threads)?;
    let (listener, port) = match listen(&runtime, options.port) {
        Ok(bound) => bound,
        Err(error) => {
            // To drop it would wait, which must not be where this may have been called from.
            runtime.shutdown_background();
            return Err(error);
        }
    };
    let service = Arc::new(Service::new(options, port, key));
    write(known()).insert(port, Arc::downgrade(&service));
    let (stop, stopped) = watch::channel(());
    let serving = Arc::clone(&service);
    std::thread::Builder::new().name("strict-azure".to_owned()).spawn(move || {
        runtime.block_on(accept(listener, serving, stopped));
        runtime.shutdown_background();
    })?;
    Ok((service, Running { _stop: stop }))
}

fn listen(runtime: &Runtime, port: u16) -> io::Result<(TcpListener, u16)> {
    let _inside = runtime.enter();
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    let listener = socket.listen(CONNECTIONS_WAITING_MAX)?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

fn runtime(threads: usize) -> io::Result<Runtime> {
    let mut builder = if threads > 1 {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(threads);
        builder
    } else {
        Builder::new_current_thread()
    };
    builder.enable_all().build()
}

async fn accept(listener: TcpListener, service: Arc<Service>, mut stopped: watch::Receiver<()>) {
    loop {
        let accepted = tokio::select! {
            // An error is the end of the handle.
            _ = stopped.changed() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        #[expect(clippy::disallowed_methods, reason = "a connection ends with the runtime")]
        tokio::spawn(connection(stream, Arc::clone(&service)));
    }
}

async fn connection(stream: TcpStream, service: Arc<Service>) {
    // Without it small answers wait; where it fails they do.
    stream.set_nodelay(true).unwrap_or_default();
    let answer = service_fn(move |request| {
        let service = Arc::clone(&service);
        async move { service.serve(request).await }
    });
    // The service answers Date by its own clock.
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), answer)
        .await;
    // A client that left, or a cut that a test wanted.
    drop(served);
}
