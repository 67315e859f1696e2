//! The second listener: liveness, readiness, metrics and a status page. Nothing here changes anything,
//! and no secret appears. It is a port of its own so that no bucket name is taken and nobody reads the
//! metrics who only has the S3 port.

use std::fmt::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST};
use http::uri::Authority;
use http::{HeaderMap, StatusCode};

use crate::server::config::Config;
use crate::server::health::{AccountState, Health};
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
    let states = admin.health.accounts().await;
    let asked = headers.get(HOST).and_then(|host| host.to_str().ok());
    match page(&admin, &states, asked) {
        Ok(page) => Html(page).into_response(),
        Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

fn page(admin: &Admin, states: &[AccountState], asked: Option<&str>) -> Result<String, fmt::Error> {
    let config = admin.config.load();
    let mut out = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>bluebucket</title>\
         <style>body{font:16px/1.5 system-ui;max-width:50rem;margin:2rem auto;padding:0 1rem}\
         pre{background:#8882;padding:1rem;overflow:auto}td,th{text-align:left;padding-right:2rem}\
         </style><h1>bluebucket</h1>",
    );
    let fine = states.iter().all(|state| state.answer.is_ok());
    let state = match (admin.health.is_draining(), fine) {
        (true, _) => "draining",
        (false, true) => "ready",
        (false, false) => "not ready",
    };
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let version = env!("CARGO_PKG_VERSION");
    write!(out, "<p>Version {version}, {state}. S3 port: {scheme}://{}</p>", admin.s3)?;
    accounts(&mut out, &config, states)?;
    routes(&mut out, &config)?;
    let endpoint = format!("{scheme}://{}", reachable(admin.s3, asked));
    let recipe = escaped(&recipe(&endpoint, &config.region));
    write!(out, "<h2>Clients</h2><pre>{recipe}</pre>")?;
    Ok(out)
}

fn accounts(out: &mut String, config: &Config, states: &[AccountState]) -> fmt::Result {
    out.push_str("<h2>Accounts</h2><table><tr><th>account<th>state");
    for AccountState { account, answer } in states {
        let is_default = config.default_account.as_ref() == Some(account);
        let default = if is_default { " (default)" } else { "" };
        let state = match answer {
            Ok(()) => "answers".to_owned(),
            Err(cause) => format!("does not answer: {}", escaped(cause)),
        };
        write!(out, "<tr><td>{}{default}<td>{state}", escaped(account))?;
    }
    out.push_str("</table>");
    Ok(())
}

/// The routes in their order, the first that fits counts; and where everything else goes.
fn routes(out: &mut String, config: &Config) -> fmt::Result {
    out.push_str("<h2>Routes</h2><table><tr><th>bucket<th>account<th>container<th>prefix<th>");
    let default = config.default_account.as_deref().unwrap_or("–");
    for route in &config.routes {
        write!(
            out,
            "<tr><td>{}<td>{}<td>{}<td>{}<td>{}",
            escaped(&route.name),
            escaped(route.account.as_deref().unwrap_or(default)),
            escaped(route.container.as_deref().unwrap_or("of the bucket's name")),
            escaped(&route.prefix),
            if route.read_only { "read-only" } else { "" }
        )?;
    }
    let default = escaped(default);
    write!(out, "<tr><td>all others<td>{default}<td>of the bucket's name<td><td></table>")
}

/// The S3 port under an address that a client can use: a port on all interfaces is on the one that
/// this page was asked for at, too.
fn reachable(s3: SocketAddr, asked: Option<&str>) -> String {
    let asked = asked.and_then(|host| host.parse::<Authority>().ok());
    match asked {
        Some(asked) if s3.ip().is_unspecified() => format!("{}:{}", asked.host(), s3.port()),
        _ => s3.to_string(),
    }
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

#[cfg(test)]
mod tests {
    use super::reachable;

    #[test]
    fn a_port_on_all_interfaces_is_shown_under_the_name_of_the_page() {
        let check = |s3: &str, asked: Option<&str>, shown: &str| {
            assert_eq!(reachable(s3.parse().unwrap(), asked), shown);
        };
        check("0.0.0.0:9000", Some("box.example:9001"), "box.example:9000");
        check("[::]:9000", Some("[fd00::1]:9001"), "[fd00::1]:9000");
        check("0.0.0.0:9000", Some("no host"), "0.0.0.0:9000");
        check("127.0.0.1:9000", Some("box.example:9001"), "127.0.0.1:9000");
    }
}
