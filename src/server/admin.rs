//! The second listener: liveness, readiness, metrics and a status page. Nothing here changes anything,
//! and no secret appears. It is a port of its own so that no bucket name is taken and nobody reads the
//! metrics who only has the S3 port.

use std::fmt::Write as _;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use crate::server::config::Config;
use crate::server::health::Health;
use crate::server::metrics::Metrics;

/// What the pages show.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Whether the process is of use.
    pub health: Health,
    /// What was counted.
    pub metrics: Metrics,
    /// The configuration of now.
    pub config: Arc<ArcSwap<Config>>,
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

async fn ready(State(admin): State<Admin>) -> Response {
    readiness(&admin.health).await
}

/// The answer of `/ready` here and of `/-/ready` on the S3 port. Why not is for the log: the S3 port is
/// anyone's.
pub async fn readiness(health: &Health) -> Response {
    match health.ready().await {
        Ok(()) => plain(StatusCode::OK, "ready\n".to_owned()),
        Err(cause) => {
            tracing::info!(cause, "not ready");
            plain(StatusCode::SERVICE_UNAVAILABLE, "not ready\n".to_owned())
        }
    }
}

async fn metrics(State(admin): State<Admin>) -> Response {
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

async fn status(State(admin): State<Admin>) -> Response {
    let ready = admin.health.ready().await;
    match page(&admin.config.load(), ready) {
        Ok(page) => Html(page).into_response(),
        Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

fn page(config: &Config, ready: Result<(), String>) -> Result<String, std::fmt::Error> {
    let mut out = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>bluebucket</title>\
         <style>body{font:16px/1.5 system-ui;max-width:50rem;margin:2rem auto;padding:0 1rem}\
         pre{background:#8882;padding:1rem;overflow:auto}td,th{text-align:left;padding-right:2rem}\
         </style><h1>bluebucket</h1>",
    );
    let state = match ready {
        Ok(()) => "ready".to_owned(),
        Err(cause) => format!("not ready: {}", escaped(&cause)),
    };
    write!(out, "<p>Version {}, {state}.</p><h2>Accounts</h2><ul>", env!("CARGO_PKG_VERSION"))?;
    for name in config.accounts.keys() {
        let default = if config.default_account.as_ref() == Some(name) { " (default)" } else { "" };
        write!(out, "<li>{}{default}</li>", escaped(name))?;
    }
    out.push_str("</ul><h2>Routes</h2><table><tr><th>bucket<th>account<th>container<th>prefix");
    for route in &config.routes {
        let cell = |text: Option<&str>| escaped(text.unwrap_or("–"));
        write!(
            out,
            "<tr><td>{}<td>{}<td>{}<td>{}{}",
            escaped(&route.name),
            cell(route.account.as_deref()),
            cell(route.container.as_deref()),
            escaped(&route.prefix),
            if route.read_only { " read-only" } else { "" }
        )?;
    }
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let endpoint = format!("{scheme}://{}", config.listen);
    write!(
        out,
        "</table><h2>Clients</h2><pre>{}</pre>",
        escaped(&recipe(&endpoint, &config.region))
    )?;
    Ok(out)
}

/// What to paste for the clients that most people have.
pub(super) fn recipe(endpoint: &str, region: &str) -> String {
    format!(
        "# aws cli\n\
         export AWS_ENDPOINT_URL_S3={endpoint} AWS_DEFAULT_REGION={region}\n\
         aws configure set default.s3.signature_version s3v4\n\
         aws configure set default.s3.addressing_style path\n\
         aws s3 ls\n\
         \n\
         # boto3\n\
         import boto3\n\
         from botocore.config import Config\n\
         s3 = boto3.client(\"s3\", endpoint_url=\"{endpoint}\", region_name=\"{region}\",\n\
         \x20   config=Config(signature_version=\"s3v4\", s3={{\"addressing_style\": \"path\"}}))\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
