//! One connection of a listener: HTTP/1.1 or HTTP/2 by hyper, with our limits and deadlines, and with the
//! refusals of what hyper accepts: a head that says two things about its body, two hosts or none, a
//! target of another host than the one in the header, a target without end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use axum::body::Body;
use http::header::{CONNECTION, HOST};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::s3::{Code, Error};
use crate::server::answer::{self, Seen};
use crate::server::guarded::{Deadlines, InFlight, Shared, Taking};
use crate::server::metrics::Metrics;
use crate::server::preface::{self, Protocol, Rewound};
use crate::server::{requests, streams};

/// S3 sends a dozen; proxies add theirs.
const HEADERS_MAX: usize = 100;
/// A key is 3 KB at most when every byte is escaped; the rest is for presigned queries and tokens.
const URI_BYTES_MAX: usize = 16 * 1024;

/// Whence a request came; an extension of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The other end of the socket, which may be a proxy.
    pub address: SocketAddr,
    /// Whether the connection itself is TLS.
    pub scheme: Scheme,
    /// The version of TLS, as policies name it.
    pub tls: Option<&'static str>,
}

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

/// The service behind a listener: takes requests, never fails.
pub trait Handler:
    tower::Service<
        Request<Incoming>,
        Response = Response<Body>,
        Error = Infallible,
        Future: Send + 'static,
    > + Clone
    + Send
    + 'static
{
}

impl<S> Handler for S where
    S: tower::Service<
            Request<Incoming>,
            Response = Response<Body>,
            Error = Infallible,
            Future: Send + 'static,
        > + Clone
        + Send
        + 'static
{
}

/// What all connections of a listener have in common.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    pub(super) deadlines: Deadlines,
    pub(super) metrics: Metrics,
    /// When it is cancelled, answers in progress are finished and nothing more is read.
    pub(super) drain: CancellationToken,
    /// What runs beside a connection, streams of HTTP/2 for one; the drain waits for it.
    pub(super) tasks: TaskTracker,
    /// Who of HTTP/1.1 may have large buffers.
    pub(super) wide: Arc<Semaphore>,
}

/// Serves one connection to its end. ALPN has told what it speaks, or its first bytes do.
pub(super) async fn serve<T, S>(
    io: T,
    told: Option<Protocol>,
    peer: Peer,
    handler: S,
    manner: &Manner,
) where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Handler,
{
    let since = Instant::now();
    let (protocol, io) = if let Some(protocol) = told {
        (protocol, Rewound::new(io))
    } else {
        let read = tokio::time::timeout_at(since + manner.deadlines.head, preface::read(io));
        tokio::select! {
            read = read => match read {
                Ok(Ok(read)) => read,
                Ok(Err(_hung_up)) => return,
                Err(_elapsed) => return manner.metrics.connection_cut("head"),
            },
            () = manner.drain.cancelled() => return,
        }
    };
    // Boxed: a connection that has not said a word yet should not hold room for all that may follow.
    match protocol {
        Protocol::Http1 => Box::pin(requests::serve(io, since, peer, handler, manner)).await,
        Protocol::Http2 => Box::pin(streams::serve(io, peer, handler, manner)).await,
    }
}

/// Stands between hyper and the handler.
pub(super) struct Gate<S> {
    handler: S,
    shared: Arc<Shared>,
    peer: Peer,
    metrics: Metrics,
    /// With HTTP/2: where each answer is reported that is to be watched.
    answers: Option<mpsc::UnboundedSender<Weak<Taking>>>,
}

impl<S> Gate<S> {
    /// That of a connection of HTTP/1.1.
    pub(super) fn of_requests(
        handler: S,
        shared: Arc<Shared>,
        peer: Peer,
        manner: &Manner,
    ) -> Self {
        Self { handler, shared, peer, metrics: manner.metrics.clone(), answers: None }
    }

    /// That of a connection of HTTP/2.
    pub(super) fn of_streams(
        handler: S,
        shared: Arc<Shared>,
        peer: Peer,
        manner: &Manner,
        answers: mpsc::UnboundedSender<Weak<Taking>>,
    ) -> Self {
        let metrics = manner.metrics.clone();
        Self { handler, shared, peer, metrics, answers: Some(answers) }
    }

    /// What hyper has handed on is what came; what HTTP/2 says in a way of its own is said as HTTP/1.1
    /// says it. False: it cannot be known what came.
    fn read(&self, request: &mut Request<Incoming>) -> bool {
        if self.answers.is_some() {
            // Frames have one length, and the door of HTTP/2 has compared it with the header's.
            self.shared.count_clear(1);
            adopt_authority(request);
        }
        self.shared.next_is_clear()
    }

    /// Watches whether the client takes the answer.
    fn watched(&self) -> Option<Arc<Taking>> {
        let answers = self.answers.as_ref()?;
        let taking = Arc::new(Taking::new());
        // Nobody watches a connection that is ending.
        answers.send(Arc::downgrade(&taking)).ok()?;
        Some(taking)
    }
}

/// `:authority` is HTTP/2's Host: <https://www.rfc-editor.org/rfc/rfc9113#section-8.3.1>.
fn adopt_authority<B>(request: &mut Request<B>) {
    let Some(authority) = request.uri().authority() else { return };
    if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
        request.headers_mut().entry(HOST).or_insert(host);
    }
}

impl<S: Handler> hyper::service::Service<Request<Incoming>> for Gate<S> {
    type Response = Response<Counted>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let in_flight = self.shared.begin();
        let is_clear = self.read(&mut request);
        let taking = self.watched();
        let counted = move |body| Counted::new(body, taking, in_flight);
        if let Some(refusal) = objection(is_clear, &request) {
            self.metrics.connection_cut("refused_head");
            self.shared.answers_last();
            let answer = refusal.answer(request, self.peer, self.metrics.clone());
            return Box::pin(std::future::ready(Ok(answer.map(counted))));
        }
        request.extensions_mut().insert(self.peer);
        let answer = self.handler.clone().oneshot(request);
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let answer = answer.await?;
            if answer.headers().contains_key(CONNECTION) {
                shared.answers_last();
            }
            Ok(answer.map(counted))
        })
    }
}

/// Why a head is not handed on.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    status: StatusCode,
    text: &'static str,
}

/// What is wrong with the head itself, before anyone asks what it means.
fn objection<B>(framing_is_clear: bool, request: &Request<B>) -> Option<Refusal> {
    let bad = |text| Some(Refusal { status: StatusCode::BAD_REQUEST, text });
    if !framing_is_clear {
        return bad("The framing of the request is ambiguous.");
    }
    let uri = request.uri();
    let uri_bytes = uri.path_and_query().map_or(0, |target| target.as_str().len());
    if uri_bytes > URI_BYTES_MAX {
        let text = "The URI is too long.";
        return Some(Refusal { status: StatusCode::URI_TOO_LONG, text });
    }
    if request.headers().len() > HEADERS_MAX {
        let text = "The request has too many headers.";
        return Some(Refusal { status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, text });
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return bad("The request must have one Host header.");
    };
    if host.as_bytes().contains(&b'@') {
        return bad("The Host header names more than a host.");
    }
    match uri.authority() {
        Some(authority) if !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()) => {
            bad("The host of the request's target is not the one in its Host header.")
        }
        _ => None,
    }
}

impl Refusal {
    /// S3's form of an error, with which the connection ends.
    fn answer<B>(&self, request: Request<B>, peer: Peer, metrics: Metrics) -> Response<Body> {
        let (mut head, _unread) = request.into_parts();
        if self.status == StatusCode::URI_TOO_LONG {
            // What is too long to read is too long to repeat, here and in the log.
            head.uri = Uri::from_static("/");
        }
        let mut seen = Seen::new(&head, metrics);
        let cause = format!("{} From {}", self.text, peer.address);
        let error = Error::new(Code::InvalidRequest).message(self.text).caused_by(cause);
        seen.failed(&error);
        let mut answer = answer::error(&error, head.uri.path(), seen.id());
        *answer.status_mut() = self.status;
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        seen.finish(answer).map(Body::new)
    }
}

/// The body of an answer; its request is in flight until hyper has taken all of it.
pub(super) struct Counted {
    body: Body,
    taking: Option<Arc<Taking>>,
    _in_flight: InFlight,
}

impl Counted {
    /// An answer whose head goes out now.
    fn new(body: Body, taking: Option<Arc<Taking>>, in_flight: InFlight) -> Self {
        if let Some(taking) = &taking {
            taking.was_given();
        }
        Self { body, taking, _in_flight: in_flight }
    }
}

impl HttpBody for Counted {
    type Data = bytes::Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if let Some(taking) = &self.taking {
            taking.is_wanted();
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(taking) = &self.taking {
            taking.was_given();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
