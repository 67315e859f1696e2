//! From the configuration to the gateway: accounts, routes and users, and what a reload exchanges.

use std::collections::BTreeMap;
use std::convert::Infallible;

use axum::body::Body;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;

use crate::azure::BlobStore;
use crate::server::config::Config;
use crate::server::connection::Handler;
use crate::server::health::Health;
use crate::server::metrics::Metrics;
use crate::server::reload::Apply;

/// A gateway that is ready to be served.
#[derive(Debug)]
pub struct Opened;

/// Builds it.
pub fn open(
    _config: &Config,
    _stores: BTreeMap<String, BlobStore>,
    _metrics: &Metrics,
    _health: &Health,
) -> Result<Opened, String> {
    Ok(Opened)
}

impl Opened {
    /// What answers on the S3 port.
    pub fn handler(&self) -> impl Handler + use<> {
        tower::service_fn(|_request: Request<Incoming>| async {
            let mut answer = Response::new(Body::empty());
            *answer.status_mut() = StatusCode::NOT_IMPLEMENTED;
            Ok::<_, Infallible>(answer)
        })
    }

    /// Exchanges accounts, routes and users.
    pub fn reload(&self) -> Apply {
        Box::new(|_config| Ok(()))
    }
}
