//! TCP to Azure, directly or through a proxy that the operator named. Proxies of the environment
//! (`HTTPS_PROXY`) are not asked: they are often set for something else on the host.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower::Service;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Makes TCP connections. What is asked over plain HTTP (an emulator, the metadata service of a virtual
/// machine) is near and never goes through the proxy.
#[derive(Clone, Debug)]
pub(super) struct Proxied {
    direct: HttpConnector,
    tunnel: Option<Tunnel<HttpConnector>>,
}

impl Proxied {
    pub(super) fn new(direct: HttpConnector, proxy: Option<&Uri>) -> Self {
        let tunnel = proxy.map(|proxy| Tunnel::new(proxy.clone(), direct.clone()));
        Self { direct, tunnel }
    }
}

impl Service<Uri> for Proxied {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.direct.poll_ready(context).map_err(BoxError::from)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        match &mut self.tunnel {
            Some(tunnel) if to.scheme() == Some(&Scheme::HTTPS) => {
                let connecting = tunnel.call(to);
                Box::pin(async move { connecting.await.map_err(BoxError::from) })
            }
            Some(_) | None => {
                let connecting = self.direct.call(to);
                Box::pin(async move { connecting.await.map_err(BoxError::from) })
            }
        }
    }
}
