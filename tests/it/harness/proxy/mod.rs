//! A proxy between a gateway and Azurite that has bad days on demand, and counts what passes. Shared
//! key signs neither Host nor body, so nothing has to be signed again.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body as HttpBody;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Semaphore};

use super::spawn;

type AnyError = Box<dyn std::error::Error + Send + Sync>;
type Body = UnsyncBoxBody<Bytes, AnyError>;

/// What happens to a request that a rule matches.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// The connection is closed before Azure sees the request.
    ResetBefore,
    /// Azure does it, and its answer is lost.
    DropAnswer,
    /// Azure is not asked; this is the answer.
    Answer(u16, &'static str, Option<u32>),
    /// Azure does it, and this is the answer.
    DoAndAnswer(u16, &'static str),
    /// The body of the answer ends after so many bytes, and the connection with it.
    CutAnswer(usize),
    /// One byte of the request's body is flipped.
    FlipRequestByte(usize),
    /// One byte of the answer's body is flipped.
    FlipAnswerByte(usize),
    /// The request waits at the gate before it goes on.
    Hold(Gate),
}

/// Where a request waits until the test lets it go.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    arrived: Arc<Semaphore>,
    go: Arc<Semaphore>,
}

impl Gate {
    /// A closed one.
    pub(crate) fn new() -> Self {
        Self { arrived: Arc::new(Semaphore::new(0)), go: Arc::new(Semaphore::new(0)) }
    }

    /// Waits until a request stands at it.
    pub(crate) async fn arrived(&self) {
        let arrived = tokio::time::timeout(super::PATIENCE, self.arrived.acquire()).await;
        arrived.expect("a request arrives").unwrap().forget();
    }

    /// Lets one request go.
    pub(crate) fn open(&self) {
        self.go.add_permits(1);
    }
}

/// Which requests meet an action: the first `times` of those that match.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    method: Option<Method>,
    comp: Option<&'static str>,
    path: Option<String>,
    times: usize,
    action: Action,
    met: Arc<AtomicUsize>,
}

impl Rule {
    /// Every request.
    pub(crate) fn new(action: Action) -> Self {
        Self {
            method: None,
            comp: None,
            path: None,
            times: usize::MAX,
            action,
            met: Arc::default(),
        }
    }

    /// Only this method.
    pub(crate) fn method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    /// Only this `comp=`; an empty one: only those without.
    pub(crate) fn comp(mut self, comp: &'static str) -> Self {
        self.comp = Some(comp);
        self
    }

    /// Only paths that contain this.
    pub(crate) fn path(mut self, part: impl Into<String>) -> Self {
        self.path = Some(part.into());
        self
    }

    /// Only so many.
    pub(crate) fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// How many requests have met the action so far.
    pub(crate) fn met(&self) -> usize {
        self.met.load(Ordering::SeqCst).min(self.times)
    }

    fn meets(&self, call: &Call) -> bool {
        let matches = self.method.as_ref().is_none_or(|method| *method == call.method)
            && self.comp.is_none_or(|comp| comp == call.comp)
            && self.path.as_ref().is_none_or(|part| call.path.contains(part));
        if !matches {
            return false;
        }
        self.met.fetch_add(1, Ordering::SeqCst) < self.times
    }
}

/// One request that reached the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// Its method.
    pub(crate) method: Method,
    /// Its `comp=`, or nothing.
    pub(crate) comp: String,
    /// Its `restype=`, or nothing.
    pub(crate) restype: String,
    /// Its path.
    pub(crate) path: String,
    /// Its query.
    pub(crate) query: String,
    /// Its headers.
    pub(crate) headers: Vec<(String, String)>,
}

impl Call {
    fn of(request: &Request<Incoming>) -> Self {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let parameter = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
        };
        let headers = request.headers().iter().map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        Self {
            method: request.method().clone(),
            comp: parameter("comp").unwrap_or_default(),
            restype: parameter("restype").unwrap_or_default(),
            path: request.uri().path().to_owned(),
            headers: headers.collect(),
            query,
        }
    }
}

#[derive(Debug)]
struct State {
    target: SocketAddr,
    rules: Mutex<Vec<Rule>>,
    calls: Mutex<Vec<Call>>,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// A running proxy; it ends with the test's runtime.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

impl Proxy {
    /// Starts one in front of `target`.
    pub(crate) async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            target,
            rules: Mutex::default(),
            calls: Mutex::default(),
            client: Client::builder(TokioExecutor::new())
                .retry_canceled_requests(false)
                .pool_max_idle_per_host(0)
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

    /// One in front of the shared Azurite.
    pub(crate) async fn to_azurite() -> Self {
        Self::start(super::backend_address()).await
    }

    /// Adds a rule; the first one that matches acts.
    pub(crate) async fn rule(&self, rule: Rule) -> Rule {
        self.state.rules.lock().await.push(rule.clone());
        rule
    }

    /// Forgets all rules.
    pub(crate) async fn clear(&self) {
        self.state.rules.lock().await.clear();
    }

    /// What has passed since the last time this was asked.
    pub(crate) async fn calls(&self) -> Vec<Call> {
        std::mem::take(&mut *self.state.calls.lock().await)
    }
}

async fn serve(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Body>, AnyError> {
    let call = Call::of(&request);
    let rules = state.rules.lock().await;
    let action = rules.iter().find(|rule| rule.meets(&call)).map(|rule| rule.action.clone());
    drop(rules);
    state.calls.lock().await.push(call);
    let Some(action) = action else { return forward(&state, request, None).await };
    match action {
        Action::ResetBefore => Err("reset by a rule".into()),
        Action::DropAnswer => {
            let answer = forward(&state, request, None).await?;
            answer.into_body().collect().await?;
            Err("the answer is dropped by a rule".into())
        }
        Action::Answer(status, code, retry_after) => {
            request.into_body().collect().await?;
            Ok(said(status, code, retry_after))
        }
        Action::DoAndAnswer(status, code) => {
            forward(&state, request, None).await?.into_body().collect().await?;
            Ok(said(status, code, None))
        }
        Action::CutAnswer(bytes) => {
            let answer = forward(&state, request, None).await?;
            let (head, body) = answer.into_parts();
            let kept = body.collect().await?.to_bytes();
            let kept = kept.slice(..bytes.min(kept.len()));
            let body = CutBody { kept: Some(kept), waited: false };
            Ok(Response::from_parts(head, body.boxed_unsync()))
        }
        Action::FlipRequestByte(at) => forward(&state, request, Some(at)).await,
        Action::FlipAnswerByte(at) => {
            let (head, body) = forward(&state, request, None).await?.into_parts();
            let body = flip(body.collect().await?.to_bytes(), at);
            Ok(Response::from_parts(head, full(body)))
        }
        Action::Hold(gate) => {
            gate.arrived.add_permits(1);
            gate.go.acquire().await?.forget();
            forward(&state, request, None).await
        }
    }
}

/// Passes a request on, with one byte of its body flipped where that is wanted.
async fn forward(
    state: &State,
    request: Request<Incoming>,
    flipped: Option<usize>,
) -> Result<Response<Body>, AnyError> {
    let (mut head, body) = request.into_parts();
    let mut body = body.collect().await?.to_bytes();
    if let Some(at) = flipped {
        body = flip(body, at);
    }
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    head.uri = format!("http://{}{path}", state.target).parse()?;
    let answer = state.client.request(Request::from_parts(head, Full::new(body))).await?;
    Ok(answer.map(|body| body.map_err(AnyError::from).boxed_unsync()))
}

fn flip(bytes: Bytes, at: usize) -> Bytes {
    let mut bytes = bytes.to_vec();
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 0x20;
    }
    bytes.into()
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never: Infallible| match never {}).boxed_unsync()
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

/// A body that ends with an error after its bytes were on their way.
struct CutBody {
    kept: Option<Bytes>,
    waited: bool,
}

impl HttpBody for CutBody {
    type Data = Bytes;
    type Error = AnyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnyError>>> {
        if let Some(kept) = self.kept.take() {
            return Poll::Ready(Some(Ok(Frame::data(kept))));
        }
        // One turn for the server to flush what it has.
        if !self.waited {
            self.waited = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err("the answer is cut by a rule".into())))
    }
}
