//! The token endpoint of Entra ID, scripted, over TLS: what it was asked, and tokens that Azurite takes.
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bluebucket::server::config::TlsConfig;
use bluebucket::server::tls::Tls;
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

use super::{now, spawn};

/// What the endpoint does with the next question, and with those after it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Says {
    /// A token that is good for so many seconds, as far as the answer says.
    Token(u32),
    /// The application's secret is wrong.
    Refused,
    /// The connection is closed without an answer.
    Nothing,
}

/// One question for a token: path and form.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The path.
    pub(crate) path: String,
    /// The form.
    pub(crate) form: BTreeMap<String, String>,
}

#[derive(Debug)]
struct State {
    says: Mutex<Says>,
    asked: Mutex<Vec<Asked>>,
}

/// A running endpoint; it ends with the test's runtime.
#[derive(Clone, Debug)]
pub(crate) struct Authority {
    address: SocketAddr,
    state: Arc<State>,
}

impl Authority {
    /// Starts one with this certificate.
    pub(crate) async fn start(files: &TlsConfig) -> Self {
        let tls = Tls::new(files).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let says = Mutex::new(Says::Token(3600));
        let state = Arc::new(State { says, asked: Mutex::default() });
        let serving = Arc::clone(&state);
        spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                spawn(serve(stream, tls.clone(), Arc::clone(&serving)));
            }
        });
        Self { address, state }
    }

    /// What `AZURE_AUTHORITY_HOST` says.
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// From now on it says this.
    pub(crate) async fn says(&self, says: Says) {
        *self.state.says.lock().await = says;
    }

    /// What it was asked since the last time this was asked.
    pub(crate) async fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.state.asked.lock().await)
    }
}

async fn serve(stream: TcpStream, tls: Tls, state: Arc<State>) {
    // Who does not trust us leaves here.
    let Ok(stream) = tls.acceptor().accept(stream).await else { return };
    let service = service_fn(move |request| answer(Arc::clone(&state), request));
    let connection = hyper::server::conn::http1::Builder::new();
    connection.serve_connection(TokioIo::new(stream), service).await.unwrap_or_default();
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Box<dyn std::error::Error + Send + Sync>> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    let mut asked = state.asked.lock().await;
    asked.push(Asked { path, form: form(&body) });
    let number = asked.len();
    drop(asked);
    let (status, document) = match *state.says.lock().await {
        Says::Token(seconds) => (StatusCode::OK, granted(number, seconds)),
        Says::Refused => (StatusCode::UNAUTHORIZED, REFUSED.to_owned()),
        Says::Nothing => return Err("closed by a test".into()),
    };
    let answer = Response::builder().status(status).header("content-type", "application/json");
    Ok(answer.body(Full::from(document))?)
}

/// As Entra ID says it.
const REFUSED: &str = "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: Invalid \
    client secret provided.\",\"error_codes\":[7000215],\"timestamp\":\"2026-01-01 00:00:00Z\",\
    \"trace_id\":\"t\",\"correlation_id\":\"c\"}";

/// A token as Azurite checks it: its claims, but no signature.
fn granted(number: usize, seconds: u32) -> String {
    let now = now().unix_timestamp();
    let claims = format!(
        "{{\"aud\":\"https://storage.azure.com\",\"iss\":\"https://sts.windows.net/{TENANT}/\",\
         \"iat\":{iat},\"nbf\":{iat},\"exp\":{exp},\"jti\":\"{number}\"}}",
        iat = now - 60,
        exp = now + 3600,
    );
    let [head, claims] = ["{\"alg\":\"none\",\"typ\":\"JWT\"}", &claims]
        .map(|part| BASE64URL_NOPAD.encode(part.as_bytes()));
    format!(
        "{{\"token_type\":\"Bearer\",\"expires_in\":{seconds},\"ext_expires_in\":{seconds},\
         \"access_token\":\"{head}.{claims}.none\"}}"
    )
}

/// The tenant of the tests.
pub(crate) const TENANT: &str = "ab1f708d-50f6-404c-a006-d71b2ac7a606";

fn form(body: &[u8]) -> BTreeMap<String, String> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned()
    };
    let body = String::from_utf8_lossy(body).into_owned();
    let pairs = body.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}
