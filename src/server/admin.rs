//! The second listener: liveness, readiness, metrics and a status page. Nothing here changes anything,
//! and no secret appears. It is a port of its own so that no bucket name is taken and nobody reads the
//! metrics who only has the S3 port.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, StatusCode};

use crate::ops::census::Census;
use crate::server::config::Config;
use crate::server::health::{AccountState, Health};
use crate::server::metrics::Metrics;
use crate::server::status::{self, Shown};

/// What the pages show.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Whether the process is of use.
    pub health: Health,
    /// What was counted.
    pub metrics: Metrics,
    /// How many uploads are open.
    pub census: Census,
    /// The configuration of now.
    pub config: Arc<ArcSwap<Config>>,
    /// Where the S3 port is.
    pub s3: SocketAddr,
}

/// The pages.
pub fn router(admin: Admin) -> Router {
    Router::new()
        .route("/live", get(live))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/", get(status))
        .with_state(admin)
}

async fn live() -> Response {
    plain(StatusCode::OK, "live\n".to_owned())
}

/// Whether requests would be answered, and how each account is: this port is the operator's.
async fn ready(State(admin): State<Admin>) -> Response {
    let (status, mut text) = match admin.health.ready().await {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(cause) => {
            tracing::info!(cause, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "not ready\n".to_owned())
        }
    };
    let accounts = admin.health.accounts().await;
    text.extend(accounts.iter().map(|account| format!("{account}\n")));
    plain(status, text)
}

async fn metrics(State(admin): State<Admin>) -> Response {
    let accounts = admin.health.accounts().await;
    let up = |state: &AccountState| state.answer.is_ok();
    admin.metrics.accounts(accounts.iter().map(|state| (state.account.as_str(), up(state))));
    if let Some(uploads) = admin.census.uploads().await {
        admin.metrics.uploads_open(uploads.open);
    }
    match admin.metrics.text() {
        Ok(text) => {
            let form = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(CONTENT_TYPE, form)], text).into_response()
        }
        Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

fn plain(status: StatusCode, text: String) -> Response {
    let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-store")];
    (status, headers, text).into_response()
}

async fn status(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    let accounts = admin.health.accounts().await;
    let shown = Shown {
        config: &admin.config.load(),
        accounts: &accounts,
        draining: admin.health.is_draining(),
        metrics: &admin.metrics,
        uploads: admin.census.uploads().await,
        s3: admin.s3,
        asked: headers.get(HOST).and_then(|host| host.to_str().ok()),
    };
    match status::page(&shown) {
        Ok(page) => (PAGE_HEADERS, Html(page)).into_response(),
        Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

/// The page has its style in it and loads nothing; whatever came into it runs nothing.
const PAGE_HEADERS: [(HeaderName, &str); 4] = [
    (CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; img-src data:"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
];
