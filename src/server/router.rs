//! The hall of the S3 port: every layer in order, outermost first, and the one handler.
//!
//! 1. An id for the request, made here and never taken from outside; one log line at its end.
//! 2. A panic becomes `InternalError`.
//! 3. Too many requests at once: `SlowDown`, at once.
//! 4. The address, the gate, too many requests of one caller, the name, the operation ([`crate::ops`]).
//!
//! There is one handler and no table of routes: S3 routes by sub-resource and header, not by path.

use std::any::Any;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header};
use sync_wrapper::SyncWrapper;
use time::OffsetDateTime;
use tower::service_fn;
use tower_http::catch_panic::CatchPanicLayer;

use crate::access::{Caller, Circumstances, Connection, Door, Signature};
use crate::azure::Tally;
use crate::ops::{Gateway, Request, begun};
use crate::s3::auth::{self, PathReading, Payload, RequestHead, Rules, SigningKeys};
use crate::s3::body::Body;
use crate::s3::operation::Operation;
use crate::s3::query::{Plus, Query};
use crate::s3::target::{self, Domains, Target};
use crate::s3::{Code, Error};
use crate::server::access_log::AccessLog;
use crate::server::answer::{self, Seen};
use crate::server::config::Cidr;
use crate::server::form::{self, Gate};
use crate::server::health::Health;
use crate::server::incoming;
use crate::server::metrics::Metrics;
use crate::server::origin;
use crate::server::room::Room;
use crate::server::traces::Traces;

/// What the S3 port needs to know.
pub struct Front {
    /// The operations.
    pub gateway: Arc<Gateway>,
    /// What is asked of signatures.
    pub rules: Rules,
    /// Where virtual hosts begin.
    pub domains: Domains,
    /// Where it is counted.
    pub metrics: Metrics,
    /// Whether the process is of use.
    pub health: Health,
    /// Where a span for each request goes.
    pub traces: Option<Traces>,
    /// Where a line for each request goes, besides the log.
    pub access_log: Option<AccessLog>,
    /// Whose word for whom they pass on counts.
    pub trusted_proxies: Vec<Cidr>,
    /// How many requests may run at once.
    pub max_in_flight: usize,
    /// How many of them may be one caller's.
    pub max_in_flight_per_user: usize,
    /// How long a client may send next to nothing in the middle of a body.
    pub body_timeout: Duration,
}

impl fmt::Debug for Front {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Front").finish_non_exhaustive()
    }
}

/// The state behind the handler.
struct Hall {
    front: Front,
    signing_keys: SigningKeys,
    room: Room,
}

/// The head of a request. Its headers are what operations read as well, and never copied.
struct Head {
    method: Method,
    uri: Uri,
    headers: Arc<HeaderMap>,
    connection: Connection,
    /// When it came.
    now: OffsetDateTime,
}

impl Head {
    /// The host that it names.
    fn host(&self) -> &str {
        let header = self.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        header.or_else(|| self.uri.host()).unwrap_or_default()
    }
}

/// The service of the S3 port.
pub fn service(front: Front) -> Router {
    let room = Room::new(front.max_in_flight, front.max_in_flight_per_user);
    let hall = Arc::new(Hall { front, signing_keys: SigningKeys::default(), room });
    let handler = service_fn(move |request| {
        let hall = Arc::clone(&hall);
        begun(|| handle(hall, request))
    });
    Router::new().fallback_service(handler).layer(CatchPanicLayer::custom(on_panic))
}

/// A panic is a fault of ours; its text may name anything, so nobody is told.
#[expect(clippy::needless_pass_by_value, reason = "the layer's signature")]
fn on_panic(panic: Box<dyn Any + Send>) -> Response<axum::body::Body> {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = text.unwrap_or("?"), "a request panicked");
    let id = answer::request_id();
    let mut answer = answer::error(&Error::new(Code::InternalError), "", &id);
    answer::identify(answer.headers_mut(), &id);
    answer.map(axum::body::Body::new)
}

#[expect(clippy::disallowed_methods, reason = "the one place where a request's clock is read")]
async fn handle(
    hall: Arc<Hall>,
    request: axum::extract::Request,
) -> Result<Response<axum::body::Body>, Infallible> {
    let now = OffsetDateTime::now_utc();
    let (head, body) = request.into_parts();
    if let Some(answer) = health(&hall.front.health, head.uri.path()).await {
        return Ok(answer.map(axum::body::Body::new));
    }
    let mut seen = Seen::new(&head, hall.front.metrics.clone());
    let connection = origin::of(&head, &hall.front.trusted_proxies);
    seen.comes_over(connection);
    if let Some(traces) = &hall.front.traces {
        seen.trace_by(traces, &head, now);
    }
    if let Some(log) = &hall.front.access_log {
        seen.write_to(log, &head, now);
    }
    let head = Head {
        method: head.method,
        uri: head.uri,
        headers: Arc::new(head.headers),
        connection,
        now,
    };
    let (body, unread) = incoming::body(body, hall.front.body_timeout);
    let (outcome, cors) = match hall.room.enter() {
        Some(place) => {
            seen.hold(place);
            let tally = seen.tally();
            let work = run(&hall, &head, body, &mut seen);
            (Tally::counting(tally, work).await, cors(&hall.front, &head).await)
        }
        None => (Err(full(&hall.front.metrics, "in_flight")), None),
    };
    let mut answer = match outcome {
        Ok(answer) => answer,
        Err(error) => {
            seen.failed(&error);
            answer::error(&error, head.uri.path(), seen.id())
        }
    };
    if let Some(cors) = cors {
        answer.headers_mut().extend(cors);
    }
    if !unread.settle(head.headers.contains_key(header::EXPECT)).await {
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if head.method == Method::HEAD {
        answer = answer.map(|_| crate::s3::body::empty());
    }
    Ok(seen.finish(answer).map(axum::body::Body::new))
}

/// There is no room, for the reason that the metric names.
fn full(metrics: &Metrics, reason: &'static str) -> Error {
    metrics.shed(reason);
    Error::new(Code::SlowDown).header(header::RETRY_AFTER, 1.into())
}

/// Who asks is known: what it has running is its own share of the room. Only who has proved to be a
/// caller takes of the caller's share.
fn admit(hall: &Hall, seen: &mut Seen, caller: &Caller) -> Result<(), Error> {
    seen.comes_from(caller);
    let Some(place) = seen.place() else { return Ok(()) };
    let given = hall.room.give(place, caller.id());
    given.map_err(|_full| full(&hall.front.metrics, "in_flight_of_user"))
}

/// `/-/live` and `/-/ready`: no bucket can be named `-`.
async fn health(health: &Health, path: &str) -> Option<Response<Body>> {
    let (status, text) = match path {
        "/-/live" => (StatusCode::OK, "live\n".to_owned()),
        "/-/ready" => match health.ready().await {
            Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
            // Why is for the operator, on the admin port, not for strangers.
            Err(_why) => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n".to_owned()),
        },
        _ => return None,
    };
    let mut answer = Response::new(crate::s3::body::full(text));
    *answer.status_mut() = status;
    Some(answer)
}

/// What a browser may do with the answer, be it an error or not; a preflight has been told already.
async fn cors(front: &Front, head: &Head) -> Option<HeaderMap> {
    if head.method == Method::OPTIONS || !head.headers.contains_key(header::ORIGIN) {
        return None;
    }
    let target = target::read(head.host(), head.uri.path(), &front.domains, Plus::IsPlus).ok()?;
    Box::pin(front.gateway.cors_headers(target.bucket()?, &head.method, &head.headers)).await
}

/// The address, the gate, the name, the operation.
async fn run(
    hall: &Hall,
    head: &Head,
    body: Body,
    seen: &mut Seen,
) -> Result<Response<Body>, Error> {
    let front = &hall.front;
    let (raw_path, raw_query) = (head.uri.path(), head.uri.query());
    let (host, connection, now) = (head.host(), head.connection, head.now);
    let target = target::read(host, raw_path, &front.domains, Plus::IsPlus)?;
    let query = Query::parse(raw_query.unwrap_or_default())?;
    seen.aims(&target);
    if head.method == Method::OPTIONS {
        // A browser asks without credentials what other origins may do.
        seen.is(Operation::CorsPreflight);
        admit(hall, seen, &Caller::anonymous())?;
        return Box::pin(front.gateway.preflight(target.bucket(), &head.headers)).await;
    }
    let signed = authenticate(hall, head).inspect_err(|error| {
        front.metrics.auth_failure(error.code().name());
    })?;
    let target = match signed.path_reading {
        PathReading::AsSent => target,
        PathReading::PlusIsSpace => target::read(host, raw_path, &front.domains, Plus::IsBlank)?,
    };
    admit(hall, seen, &signed.caller)?;
    let mut headers = Arc::clone(&head.headers);
    if signed.signature.is_some_and(|signature| signature.door == Door::Query) {
        hoist(&query, Arc::make_mut(&mut headers))?;
    }
    let operation = Operation::read(&head.method, &target, &query, &headers)?;
    seen.is(operation);
    let circumstances =
        Circumstances::read(Arc::clone(&headers), &query, connection, signed.signature, now);
    let request = Request {
        id: seen.id().into(),
        operation,
        bucket_url: bucket_url(connection.secure, host, &target, &front.domains),
        target,
        query,
        headers,
        body: SyncWrapper::new(body),
        payload: signed.payload,
        caller: signed.caller.asking(circumstances),
        now,
        reply: None,
    };
    let request = if operation == Operation::PostObject {
        Box::pin(admit_form(hall, request, connection, seen)).await?
    } else {
        request
    };
    front.gateway.dispatch(request).await
}

/// A form says who sends it, and for which key, only in its body.
async fn admit_form(
    hall: &Hall,
    request: Request,
    connection: Connection,
    seen: &mut Seen,
) -> Result<Request, Error> {
    let front = &hall.front;
    let users = front.gateway.users();
    let gate = Gate { users: &users, rules: &front.rules, signing_keys: &hall.signing_keys };
    let request = form::admit(request, gate, connection).await.inspect_err(|error| {
        if error.status() == StatusCode::FORBIDDEN {
            front.metrics.auth_failure(error.code().name());
        }
    })?;
    seen.aims(&request.target);
    admit(hall, seen, &request.caller)?;
    Ok(request)
}

/// Where the client of a request reaches its bucket.
fn bucket_url(secure: bool, host: &str, target: &Target, domains: &Domains) -> String {
    let scheme = if secure { "https" } else { "http" };
    match target.bucket() {
        Some(bucket) if domains.bucket_of(host).is_none() => {
            [scheme, "://", host, "/", bucket.as_str()].concat()
        }
        Some(_) | None => [scheme, "://", host].concat(),
    }
}

/// The parameters of a presigned URL that are its signature, and headers of nothing.
const OF_THE_SIGNATURE: [&str; 8] = [
    "x-amz-algorithm",
    "x-amz-content-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];

/// A presigned URL may carry headers of S3 as parameters, signed with it: they count as headers. The
/// SDK for JavaScript writes their names in small letters, the one for Go as `X-Amz-Checksum-Crc32`.
fn hoist(query: &Query, headers: &mut HeaderMap) -> Result<(), Error> {
    for name in query.names() {
        let header = name.to_ascii_lowercase();
        if !header.starts_with("x-amz-") || OF_THE_SIGNATURE.contains(&header.as_str()) {
            continue;
        }
        let text = query.get(name).unwrap_or_default();
        let invalid = || Error::invalid_argument("query", name, "The parameter is no header.");
        let value = HeaderValue::from_str(text).map_err(|_not_a_value| invalid())?;
        let name = HeaderName::try_from(header).map_err(|_not_a_name| invalid())?;
        headers.entry(name).or_insert(value);
    }
    Ok(())
}

/// Who asks, and how the body is covered.
struct Authentic {
    caller: Caller,
    payload: Payload,
    signature: Option<Signature>,
    path_reading: PathReading,
}

fn authenticate(hall: &Hall, head: &Head) -> Result<Authentic, Error> {
    let virtual_bucket = hall.front.domains.bucket_of(head.host());
    let request = RequestHead {
        method: &head.method,
        virtual_bucket: virtual_bucket.as_deref(),
        raw_path: head.uri.path(),
        raw_query: head.uri.query(),
        headers: &head.headers,
    };
    let users = hall.front.gateway.users();
    match auth::verify(&request, &*users, &hall.front.rules, head.now, &hall.signing_keys)? {
        Some(signed) => Ok(Authentic {
            caller: users.caller(&signed)?,
            payload: signed.payload(),
            signature: Some(Signature {
                door: if signed.presigned() { Door::Query } else { Door::Header },
                algorithm: signed.algorithm(),
                signed_at: signed.signed_at(),
            }),
            path_reading: signed.path_reading(),
        }),
        None => Ok(Authentic {
            caller: Caller::anonymous(),
            payload: Payload::of_unsigned(&head.headers)?,
            signature: None,
            path_reading: PathReading::AsSent,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::payload::{Promise, Promised};

    fn hoisted(query: &str, mut headers: HeaderMap) -> Result<HeaderMap, Error> {
        hoist(&Query::parse(query)?, &mut headers)?;
        Ok(headers)
    }

    #[test]
    fn headers_that_a_presigner_put_into_the_query_count() {
        for query in [
            "X-Amz-Date=x&x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32",
            "X-Amz-Date=x&X-Amz-Checksum-Crc32=AAAAAA%3D%3D&X-Amz-Sdk-Checksum-Algorithm=CRC32",
        ] {
            let headers = hoisted(query, HeaderMap::new()).unwrap();
            let promised = Promised::read(&headers).unwrap();
            assert!(matches!(promised.checksum, Some(Promise::Value(_))), "{query}");
            assert!(promised.algorithm.is_some(), "{query}");
            assert_eq!(headers.len(), 2, "the date is the signature's own: {headers:?}");
        }
    }

    #[test]
    fn a_header_stands_before_a_parameter_and_a_parameter_must_be_a_header() {
        let mut signed = HeaderMap::new();
        signed.insert("x-amz-meta-a", HeaderValue::from_static("header"));
        let headers = hoisted("x-amz-meta-a=query", signed).unwrap();
        assert_eq!(headers.get("x-amz-meta-a").unwrap(), "header");
        for query in ["x-amz-meta-a=b%0Ac", "x-amz-meta-a%20b=c", "x-amz-meta-a=b%00"] {
            let error = hoisted(query, HeaderMap::new()).unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument, "{query}");
        }
    }
}
