//! The answer on its way out: ids, the document of an error, and the one log line of a request.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::http::request::Parts;
use bytes::Bytes;
use data_encoding::HEXUPPER;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use time::OffsetDateTime;

use crate::access::{Caller, Connection};
use crate::azure::Tally;
use crate::s3::body::{self, Body, BoxError};
use crate::s3::operation::Operation;
use crate::s3::target::Target;
use crate::s3::{Error, headers as names, xml};
use crate::server::access_log::{self, AccessLog};
use crate::server::metrics::{ANSWER_CUT, Metrics, Open};
use crate::server::recent::Fault;
use crate::server::room::Place;
use crate::server::traces::{Context as TraceContext, Span, Traces};

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

/// The trace that a request is.
#[derive(Debug)]
struct Trace {
    traces: Traces,
    context: TraceContext,
    /// Nanoseconds since 1970.
    begun: i128,
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
    /// The key id that the request names, whether or not it was the one who signed.
    key_id: Option<String>,
    /// Where it comes from, by a trusted proxy's word if there is one.
    from: Connection,
    /// Bytes of the body that were announced.
    announced: Option<u64>,
    /// Bytes that the answer's head announced.
    answered: Option<u64>,
    first_byte: Option<Duration>,
    tally: Arc<Tally>,
    line: Option<(AccessLog, access_log::Head)>,
    trace: Option<Trace>,
    metrics: Metrics,
    _in_flight: Open,
    place: Option<Place>,
}

impl Seen {
    /// A request has come. What is seen of it stays where it is, until the answer has ended.
    pub fn new(head: &Parts, metrics: Metrics) -> Box<Self> {
        Box::new(Self {
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
            key_id: claimed_key(head),
            from: Connection::default(),
            announced: length(&head.headers),
            answered: None,
            first_byte: None,
            tally: Arc::default(),
            line: None,
            trace: None,
            _in_flight: metrics.in_flight(),
            metrics,
            place: None,
        })
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where what it costs at Azure is counted.
    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    /// Where it comes from.
    pub fn comes_over(&mut self, connection: Connection) {
        self.from = connection;
    }

    /// A span is sent of it, too, if it is one of those that are traced.
    pub fn trace_by(&mut self, traces: &Traces, head: &Parts, now: OffsetDateTime) {
        if let Some(context) = traces.begin(&head.headers) {
            self.tally = Arc::new(Tally::keeping());
            let begun = now.unix_timestamp_nanos();
            self.trace = Some(Trace { traces: traces.clone(), context, begun });
        }
    }

    /// A line of the access log is written of it, too.
    pub fn write_to(&mut self, log: &AccessLog, head: &Parts, now: OffsetDateTime) {
        self.line = Some((log.clone(), access_log::Head::of(head, now)));
    }

    /// Its room among those that run, kept until the answer has ended.
    pub fn hold(&mut self, place: Place) {
        self.place = Some(place);
    }

    /// The place that it holds.
    pub fn place(&mut self) -> Option<&mut Place> {
        self.place.as_mut()
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
    pub fn finish(mut self: Box<Self>, answer: Response<Body>) -> Response<Body> {
        self.status = Some(answer.status());
        self.answered = length(answer.headers());
        let (mut head, body) = answer.into_parts();
        self.whole = body.is_end_stream();
        let first_byte = self.elapsed();
        self.metrics.first_byte(self.op(), first_byte);
        self.first_byte = Some(first_byte);
        identify(&mut head.headers, &self.id);
        Response::from_parts(head, Tracked { body, seen: self }.boxed_unsync())
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn op(&self) -> &'static str {
        self.operation.map_or("Unknown", Operation::name)
    }

    /// Whether what was sent is kept; of what keeps nothing, nothing is said.
    fn committed(&self, status: u16) -> Option<bool> {
        const WRITES: [&str; 5] =
            ["PutObject", "PostObject", "CopyObject", "UploadPart", "CompleteMultipartUpload"];
        WRITES.contains(&self.op()).then_some((200..300).contains(&status))
    }

    /// What an auditor asks for: who was refused what, and what was deleted.
    fn audit(&self, status: u16) {
        const DELETIONS: [&str; 3] = ["DeleteBucket", "DeleteObject", "DeleteObjects"];
        let event = match status {
            401 | 403 => "denied",
            200..300 if DELETIONS.contains(&self.op()) => "deleted",
            _ => return,
        };
        tracing::info!(
            target: "audit",
            event,
            id = self.id,
            what = self.op(),
            bucket = self.bucket,
            key = self.key.as_ref().map(|key| format!("{key:?}")),
            caller = self.caller,
            key_id = self.key_id,
            remote = self.from.source.map(|address| address.to_string()),
            status,
            code = self.code,
        );
    }

    fn send_trace(&self, status: u16) {
        let Some(Trace { traces, context, begun }) = &self.trace else { return };
        let calls = self.tally.calls();
        let below = calls.iter().map(|call| {
            let after = call.begun.saturating_duration_since(self.started).as_nanos();
            Span {
                name: format!("Azure {}", call.op),
                begun: begun.saturating_add(i128::try_from(after).unwrap_or_default()),
                elapsed: call.elapsed,
                failed: call.status.is_none_or(|status| status >= 500),
                attributes: vec![
                    ("azure.operation", call.op.into()),
                    ("azure.attempt", call.number.into()),
                    ("http.response.status_code", call.status.unwrap_or_default().into()),
                ],
            }
        });
        let text = |text: Option<&str>| text.unwrap_or_default().into();
        let request = Span {
            name: self.op().to_owned(),
            begun: *begun,
            elapsed: self.elapsed(),
            failed: self.cut || status >= 500,
            attributes: vec![
                ("http.request.method", self.method.as_str().into()),
                ("http.response.status_code", status.into()),
                ("aws.request_id", self.id.as_str().into()),
                ("aws.s3.bucket", text(self.bucket.as_deref())),
                ("error.type", text(self.code)),
                ("http.response.body.size", self.sent.into()),
            ],
        };
        traces.end(*context, request, below);
    }

    fn write_line(&self, status: u16) {
        let Some((log, head)) = &self.line else { return };
        let total = self.elapsed();
        log.take(head.line(&access_log::End {
            id: &self.id,
            from: &self.from,
            bucket: self.bucket.as_deref(),
            key: self.key.as_deref(),
            caller: self.caller.as_deref(),
            operation: self.operation,
            method: &self.method,
            status,
            code: self.code,
            sent: self.sent,
            size: self.announced.or(self.answered),
            total,
            turn_around: self.first_byte.unwrap_or(total),
        }));
    }
}

/// The key id that a request names: in its header, its query, or by version 2. Escaped, as it may be
/// anything.
fn claimed_key(head: &Parts) -> Option<String> {
    /// No key id is longer.
    const CHARS_MAX: usize = 128;
    let header = head.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let of_header = header.and_then(|value| {
        let credential = value.split_once("Credential=").map(|(_, rest)| rest);
        credential.or_else(|| value.strip_prefix("AWS "))
    });
    let of_query = || {
        let mut pairs = head.uri.query()?.split('&').filter_map(|pair| pair.split_once('='));
        let names = ["X-Amz-Credential", "AWSAccessKeyId"];
        pairs.find(|(name, _)| names.contains(name)).map(|(_, value)| value)
    };
    let named = of_header.or_else(of_query)?;
    let id = named.split(['/', '%', ':', ',']).next().unwrap_or_default();
    if id.len() <= CHARS_MAX && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Some(id.to_owned());
    }
    Some(id.chars().take(CHARS_MAX).flat_map(char::escape_default).collect())
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Drop for Seen {
    fn drop(&mut self) {
        let op = self.op();
        let status = self.status.map_or(CLIENT_GONE, |status| status.as_u16());
        self.metrics.request(op, status, self.elapsed());
        if self.cut {
            self.metrics.integrity_failure(ANSWER_CUT);
        }
        if self.cut || status >= 500 {
            let id = self.id.clone();
            self.metrics.fault(&Fault { id, op, status, code: self.code, at: Instant::now() });
        }
        self.write_line(status);
        self.send_trace(status);
        self.audit(status);
        tracing::info!(
            id = self.id,
            op,
            method = %self.method,
            bucket = self.bucket,
            // Escaped: a key may hold anything, line breaks and terminal controls included.
            key = self.key.as_ref().map(|key| format!("{key:?}")),
            path = self.bucket.is_none().then(|| format!("{:?}", self.path)),
            caller = self.caller,
            key_id = self.key_id,
            remote = self.from.source.map(|address| address.to_string()),
            secure = self.from.secure,
            tls = self.from.tls,
            status,
            code = self.code,
            cause = self.cause,
            received_bytes = self.announced,
            sent_bytes = self.sent,
            committed = self.committed(status),
            azure_requests = self.tally.attempts(),
            azure_retries = self.tally.retries(),
            azure_ms = milliseconds(self.tally.waited()),
            azure_request_id = self.tally.last_id().as_ref().map(|id| id.as_str()),
            first_byte_ms = self.first_byte.map(milliseconds),
            cut = self.cut,
            aborted = !self.whole && !self.cut,
            duration_ms = milliseconds(self.elapsed()),
            "{op} answered {status}"
        );
    }
}

/// The body of an answer, counted.
struct Tracked {
    body: Body,
    seen: Box<Seen>,
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
