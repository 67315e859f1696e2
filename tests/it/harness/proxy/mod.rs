//! A proxy between a gateway and its backend that has bad days on demand, and counts what passes.
//! Shared key signs neither Host nor body, so nothing has to be signed again.

mod bodies;
mod rules;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use super::spawn;
use bodies::{AnyError, Body, cut, ended, flip, full};

pub(crate) use rules::{Action, Call, Gate, Rule};

/// How many calls are remembered until somebody asks for them.
const CALLS_MAX: usize = 100_000;
/// How long a connection to the backend is kept: shorter than any backend keeps it.
const POOL_IDLE: Duration = Duration::from_secs(1);

/// What decides about requests that no rule matches: it may look at the call and throw dice.
type Weather = Box<dyn FnMut(&Call, &mut fastrand::Rng) -> Option<Action> + Send>;

struct State {
    target: SocketAddr,
    rules: Mutex<Vec<Rule>>,
    weather: Mutex<Option<(fastrand::Rng, Weather)>>,
    calls: Mutex<VecDeque<Call>>,
    passed: AtomicU64,
    suffered: Mutex<Suffered>,
    client: Client<HttpConnector, Body>,
}

/// What has gone wrong so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Suffered {
    /// How often each action was met, by its name.
    pub(crate) actions: BTreeMap<&'static str, u64>,
    /// The gateway's ids of its own requests that met any, while they were served.
    pub(crate) requests: HashSet<String>,
}

/// A running proxy; it ends with the test's runtime.
#[derive(Clone)]
pub(crate) struct Proxy {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Proxy({})", self.address)
    }
}

impl Proxy {
    /// Starts one in front of `target`.
    pub(crate) async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            target,
            rules: Mutex::default(),
            weather: Mutex::default(),
            calls: Mutex::default(),
            passed: AtomicU64::new(0),
            suffered: Mutex::default(),
            client: Client::builder(TokioExecutor::new())
                .retry_canceled_requests(false)
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(POOL_IDLE)
                .build_http(),
        });
        let serving = Arc::clone(&state);
        spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                stream.set_nodelay(true).unwrap_or_default();
                let state = Arc::clone(&serving);
                spawn(async move {
                    let service = service_fn(move |request| serve(Arc::clone(&state), request));
                    // An action that resets ends the connection with an error: that is its point.
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await
                        .unwrap_or_default();
                });
            }
        });
        Self { address, state }
    }

    /// The blob endpoint of an account behind it.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}/{}", self.address, bluebucket::server::azurite::ACCOUNT)
    }

    /// One in front of the shared backend.
    pub(crate) async fn to_backend() -> Self {
        Self::start(super::backend_address()).await
    }

    /// Adds a rule; the first one that matches acts.
    pub(crate) async fn rule(&self, rule: Rule) -> Rule {
        self.state.rules.lock().await.push(rule.clone());
        rule
    }

    /// What becomes of requests that no rule matches, by dice that fall the same for a seed.
    pub(crate) async fn weather(
        &self,
        seed: u64,
        weather: impl FnMut(&Call, &mut fastrand::Rng) -> Option<Action> + Send + 'static,
    ) {
        let dice = fastrand::Rng::with_seed(seed);
        *self.state.weather.lock().await = Some((dice, Box::new(weather)));
    }

    /// Forgets all rules and the weather.
    pub(crate) async fn clear(&self) {
        self.state.rules.lock().await.clear();
        *self.state.weather.lock().await = None;
    }

    /// What has passed since the last time this was asked.
    pub(crate) async fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut *self.state.calls.lock().await).into()
    }

    /// How many requests have come so far.
    pub(crate) fn passed(&self) -> u64 {
        self.state.passed.load(Ordering::SeqCst)
    }

    /// How many of the gateway's own requests have met a fault so far.
    pub(crate) async fn faulted(&self) -> u64 {
        self.state.suffered.lock().await.requests.len() as u64
    }

    /// What has gone wrong so far.
    pub(crate) async fn suffered(&self) -> Suffered {
        self.state.suffered.lock().await.clone()
    }
}

impl State {
    /// What becomes of this call.
    async fn fate(&self, call: &Call) -> Option<Action> {
        let rules = self.rules.lock().await;
        let ruled = rules.iter().find(|rule| rule.meets(call)).map(|rule| rule.action.clone());
        drop(rules);
        let action = match ruled {
            Some(action) => action,
            None => {
                let mut weather = self.weather.lock().await;
                let (dice, weather) = weather.as_mut()?;
                weather(call, dice)?
            }
        };
        let mut suffered = self.suffered.lock().await;
        *suffered.actions.entry(action.name()).or_default() += 1;
        if let Some(id) = call.header("x-ms-client-request-id") {
            suffered.requests.insert(id.to_owned());
        }
        Some(action)
    }

    async fn note(&self, call: Call) {
        self.passed.fetch_add(1, Ordering::SeqCst);
        let mut calls = self.calls.lock().await;
        if calls.len() == CALLS_MAX {
            calls.pop_front();
        }
        calls.push_back(call);
    }

    /// Passes a request on.
    async fn forward(
        &self,
        request: Request<Incoming>,
        change: impl FnOnce(Bytes) -> Body,
    ) -> Result<Response<Body>, AnyError> {
        let (mut head, body) = request.into_parts();
        let body = change(body.collect().await?.to_bytes());
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        head.uri = format!("http://{}{path}", self.target).parse()?;
        let answer = self.client.request(Request::from_parts(head, body)).await?;
        Ok(answer.map(|body| body.map_err(AnyError::from).boxed_unsync()))
    }

    /// Passes a request on and waits for all of its answer.
    async fn done(
        &self,
        request: Request<Incoming>,
    ) -> Result<(http::response::Parts, Bytes), AnyError> {
        let (head, body) = self.forward(request, full).await?.into_parts();
        Ok((head, body.collect().await?.to_bytes()))
    }
}

async fn serve(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Body>, AnyError> {
    let call = Call::of(&request);
    let action = state.fate(&call).await;
    state.note(call).await;
    let Some(action) = action else { return state.forward(request, full).await };
    match action {
        Action::ResetBefore => Err("reset by a rule".into()),
        Action::DropAnswer => {
            state.done(request).await?;
            Err("the answer is dropped by a rule".into())
        }
        Action::Answer(status, code, retry_after) => {
            request.into_body().collect().await?;
            Ok(said(status, code, retry_after))
        }
        Action::DoAndAnswer(status, code) => {
            state.done(request).await?;
            Ok(said(status, code, None))
        }
        Action::CutRequest(kept) => state.forward(request, |body| cut(&body, kept)).await,
        Action::CutAnswer(kept) => {
            let (head, body) = state.done(request).await?;
            Ok(Response::from_parts(head, cut(&body, kept)))
        }
        Action::EndAnswer(kept) => {
            let (mut head, body) = state.done(request).await?;
            head.headers.remove(header::CONTENT_LENGTH);
            Ok(Response::from_parts(head, ended(&body, kept)))
        }
        Action::FlipRequestByte(at) => state.forward(request, |body| full(flip(&body, at))).await,
        Action::FlipAnswerByte(at) => {
            let (head, body) = state.done(request).await?;
            Ok(Response::from_parts(head, full(flip(&body, at))))
        }
        Action::Delay(time) => {
            tokio::time::sleep(time).await;
            state.forward(request, full).await
        }
        Action::Hold(gate) => {
            gate.wait().await;
            state.forward(request, full).await
        }
        Action::HoldAnswer(gate) => {
            let (head, body) = state.done(request).await?;
            gate.wait().await;
            Ok(Response::from_parts(head, full(body)))
        }
        Action::Restate(name, value) => {
            let mut answer = state.forward(request, full).await?;
            answer.headers_mut().insert(name, HeaderValue::from_static(value));
            Ok(answer)
        }
        Action::Silence => std::future::pending().await,
    }
}

/// An answer in Azure's form.
fn said(status: u16, code: &'static str, retry_after: Option<u32>) -> Response<Body> {
    let document = format!(
        "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>By a \
         rule of a test.</Message></Error>"
    );
    let mut answer = Response::new(full(document.into()));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    let headers = answer.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/xml"));
    headers.insert("x-ms-error-code", HeaderValue::from_static(code));
    headers.insert("x-ms-request-id", HeaderValue::from_static("a-rule-of-a-test"));
    if let Some(seconds) = retry_after {
        headers.insert("retry-after", seconds.into());
    }
    answer
}
