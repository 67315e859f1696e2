//! The answer on its way out: ids, the document of an error, and the one log line of a request.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::http::request::Parts;
use bytes::Bytes;
use data_encoding::HEXUPPER;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::sync::OwnedSemaphorePermit;

use crate::access::Caller;
use crate::s3::body::{self, Body, BoxError};
use crate::s3::operation::Operation;
use crate::s3::target::Target;
use crate::s3::{Error, headers as names, xml};
use crate::server::metrics::{ANSWER_CUT, Metrics, Open};

/// What is written down of a request whose client left before there was an answer; no client sees it.
const CLIENT_GONE: u16 = 499;

/// A new id: 16 upper-case hexadecimal digits, as S3's are.
pub fn request_id() -> String {
    HEXUPPER.encode(&fastrand::u64(..).to_be_bytes())
}

/// An error as an answer.
pub fn error(error: &Error, path: &str, id: &str) -> Response<Body> {
    let document = if error.status() == StatusCode::NOT_MODIFIED {
        body::empty()
    } else {
        body::full(xml::error(error, path, id))
    };
    let mut answer = Response::new(document);
    *answer.status_mut() = error.status();
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    for (name, value) in error.headers() {
        answer.headers_mut().insert(name.clone(), value.clone());
    }
    answer
}

/// The headers that every answer has.
pub fn identify(headers: &mut HeaderMap, id: &str) {
    let host_id = HeaderValue::from_str(&xml::host_id(id));
    if let (Ok(id), Ok(host_id)) = (HeaderValue::from_str(id), host_id) {
        headers.insert(names::REQUEST_ID, id);
        headers.insert(names::HOST_ID, host_id);
    }
    headers.insert(header::SERVER, HeaderValue::from_static("bluebucket"));
}

/// What was seen of a request; written down when its answer has ended.
#[derive(Debug)]
pub struct Seen {
    id: String,
    method: Method,
    path: String,
    started: Instant,
    operation: Option<Operation>,
    bucket: Option<String>,
    key: Option<String>,
    caller: Option<String>,
    code: Option<&'static str>,
    cause: Option<String>,
    /// None until there is an answer.
    status: Option<StatusCode>,
    sent: u64,
    cut: bool,
    /// The answer was taken to its end.
    whole: bool,
    metrics: Metrics,
    _in_flight: Open,
    permit: Option<OwnedSemaphorePermit>,
}

impl Seen {
    /// A request has come.
    pub fn new(head: &Parts, metrics: Metrics) -> Self {
        Self {
            id: request_id(),
            method: head.method.clone(),
            path: head.uri.path().to_owned(),
            started: Instant::now(),
            operation: None,
            bucket: None,
            key: None,
            caller: None,
            code: None,
            cause: None,
            status: None,
            sent: 0,
            cut: false,
            whole: false,
            _in_flight: metrics.in_flight(),
            metrics,
            permit: None,
        }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its room among those that run, kept until the answer has ended.
    pub fn hold(&mut self, permit: OwnedSemaphorePermit) {
        self.permit = Some(permit);
    }

    /// What it is aimed at.
    pub fn aims(&mut self, target: &Target) {
        self.bucket = target.bucket().map(ToString::to_string);
        self.key = target.key().map(ToString::to_string);
    }

    /// Who asks.
    pub fn comes_from(&mut self, caller: &Caller) {
        self.caller = caller.id().map(str::to_owned);
    }

    /// What is asked.
    pub fn is(&mut self, operation: Operation) {
        self.operation = Some(operation);
    }

    /// Why it is refused.
    pub fn failed(&mut self, error: &Error) {
        self.code = Some(error.code().name());
        self.cause = error.cause().map(ToString::to_string);
    }

    /// The answer begins; the line is written when it ends, or when the client is gone.
    pub fn finish(mut self, answer: Response<Body>) -> Response<Body> {
        self.status = Some(answer.status());
        let (mut head, body) = answer.into_parts();
        self.whole = body.is_end_stream();
        identify(&mut head.headers, &self.id);
        Response::from_parts(head, Tracked { body, seen: self }.boxed_unsync())
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        let op = self.operation.map_or("Unknown", Operation::name);
        let status = self.status.map_or(CLIENT_GONE, |status| status.as_u16());
        self.metrics.request(op, status, self.elapsed());
        if self.cut {
            self.metrics.integrity_failure(ANSWER_CUT);
        }
        tracing::info!(
            id = self.id,
            op,
            method = %self.method,
            bucket = self.bucket,
            // Escaped: a key may hold anything, line breaks and terminal controls included.
            key = self.key.as_ref().map(|key| format!("{key:?}")),
            path = self.bucket.is_none().then(|| format!("{:?}", self.path)),
            caller = self.caller,
            status,
            code = self.code,
            cause = self.cause,
            sent_bytes = self.sent,
            cut = self.cut,
            aborted = !self.whole && !self.cut,
            duration_ms = u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX),
            "{op} answered {status}"
        );
    }
}

/// The body of an answer, counted.
struct Tracked {
    body: Body,
    seen: Seen,
}

impl HttpBody for Tracked {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let frame = std::task::ready!(Pin::new(&mut this.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                this.seen.sent += u64::try_from(length).unwrap_or(u64::MAX);
                this.seen.whole = this.body.is_end_stream();
            }
            Some(Err(fault)) => {
                this.seen.cut = true;
                this.seen.cause = Some(fault.to_string());
            }
            None => this.seen.whole = true,
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
