//! Traces: one span a request, and one for each call to Azure below it, sent to a collector as OTLP over
//! HTTP with JSON. <https://opentelemetry.io/docs/specs/otlp/#otlphttp>
//!
//! Written by hand: the crates for this (`opentelemetry-otlp` with its SDK, protobuf and a bridge to
//! `tracing`) are many for one document and one request.
//! No request waits for a collector: what finds no room is dropped, and that is logged.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;

use crate::azure;
use crate::server::config::TraceConfig;

/// Requests that may wait to be sent.
const WAITING_MAX: usize = 2048;
/// Requests in one document.
const BATCH_MAX: usize = 256;
/// How long a batch is waited for.
const LINGER: Duration = Duration::from_secs(1);
/// How long a collector has for one document.
const SEND_DEADLINE: Duration = Duration::from_secs(10);
/// How long the end of the process waits for one.
const FLUSH_DEADLINE: Duration = Duration::from_secs(2);

/// Kinds and states, as the protocol numbers them.
const SERVER: u8 = 2;
const CLIENT: u8 = 3;
const UNSET: u8 = 0;
const FAILED: u8 = 2;

/// Whose trace a request belongs to. <https://www.w3.org/TR/trace-context/>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Context {
    trace: u128,
    span: u64,
    parent: Option<u64>,
}

/// A request that has ended, or a call below it.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) name: String,
    /// Nanoseconds since 1970.
    pub(super) begun: i128,
    pub(super) elapsed: Duration,
    pub(super) failed: bool,
    pub(super) attributes: Vec<(&'static str, Value)>,
}

/// Takes what has ended. A clone sends to the same collector.
#[derive(Clone, Debug)]
pub struct Traces {
    sender: Sender<Vec<Value>>,
    lost: Arc<AtomicU64>,
    config: Arc<TraceConfig>,
}

/// Sends what was taken.
#[derive(Debug)]
pub struct Exporter {
    receiver: Receiver<Vec<Value>>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// Taken, and not sent yet.
    batch: Vec<Vec<Value>>,
    lost: Arc<AtomicU64>,
    config: Arc<TraceConfig>,
    ill: bool,
}

/// Both ends.
pub fn open(config: TraceConfig) -> Result<(Traces, Exporter), String> {
    let tls = azure::client_tls(None).map_err(|error| error.to_string())?;
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let (sender, receiver) = channel(WAITING_MAX);
    let (lost, config) = (Arc::<AtomicU64>::default(), Arc::new(config));
    let traces = Traces { sender, lost: Arc::clone(&lost), config: Arc::clone(&config) };
    let exporter = Exporter { receiver, client, batch: Vec::new(), lost, config, ill: false };
    Ok((traces, exporter))
}

impl Traces {
    /// The trace of a request, if it is to be one.
    pub(super) fn begin(&self, headers: &HeaderMap) -> Option<Context> {
        let given = headers.get("traceparent").and_then(|value| parent(value.to_str().ok()?));
        let sampled = match given {
            Some((_, _, sampled)) if self.config.parent_based => sampled,
            Some(_) | None => fastrand::f64() < self.config.ratio,
        };
        let span = fastrand::u64(1..);
        let context = match given {
            Some((trace, parent, _)) => Context { trace, span, parent: Some(parent) },
            None => Context { trace: fastrand::u128(1..), span, parent: None },
        };
        sampled.then_some(context)
    }

    /// A request has ended, and these are the calls that were made for it.
    pub(super) fn end(&self, context: Context, request: Span, calls: impl Iterator<Item = Span>) {
        let Context { trace, span, parent } = context;
        let below = calls.map(|call| call.json((trace, fastrand::u64(1..)), Some(span), CLIENT));
        let mut spans: Vec<Value> = below.collect();
        spans.push(request.json((trace, span), parent, SERVER));
        if self.sender.try_send(spans).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Span {
    fn json(self, (trace, span): (u128, u64), parent: Option<u64>, kind: u8) -> Value {
        let Self { name, begun, elapsed, failed, attributes } = self;
        let end = begun.saturating_add(i128::try_from(elapsed.as_nanos()).unwrap_or_default());
        let attributes: Vec<Value> =
            attributes.into_iter().map(|(key, value)| attribute(key, value)).collect();
        json!({
            "traceId": format!("{trace:032x}"),
            "spanId": format!("{span:016x}"),
            "parentSpanId": parent.map_or_else(String::new, |parent| format!("{parent:016x}")),
            "name": name,
            "kind": kind,
            "startTimeUnixNano": begun.to_string(),
            "endTimeUnixNano": end.to_string(),
            "attributes": attributes,
            "status": { "code": if failed { FAILED } else { UNSET } },
        })
    }
}

/// 64-bit numbers are texts in the protocol's JSON.
fn attribute(key: &str, value: Value) -> Value {
    let value = match value {
        Value::Number(number) => json!({ "intValue": number.to_string() }),
        Value::String(text) => json!({ "stringValue": text }),
        other @ (Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
            json!({ "stringValue": other.to_string() })
        }
    };
    json!({ "key": key, "value": value })
}

/// `00-<trace>-<span>-<flags>`: trace, span, and whether it is traced.
fn parent(text: &str) -> Option<(u128, u64, bool)> {
    let mut parts = text.split('-');
    let (version, trace, span) = (parts.next()?, parts.next()?, parts.next()?);
    let flags = parts.next()?;
    let fits = version.len() == 2 && version != "ff" && trace.len() == 32 && span.len() == 16;
    let trace = u128::from_str_radix(trace, 16).ok().filter(|trace| *trace > 0)?;
    let span = u64::from_str_radix(span, 16).ok().filter(|span| *span > 0)?;
    let flags = u8::from_str_radix(flags, 16).ok()?;
    fits.then_some((trace, span, flags & 1 == 1))
}

impl Exporter {
    /// Sends for as long as it is polled. What was not sent when it is dropped is there for
    /// [`Exporter::flush`].
    pub async fn run(&mut self) {
        while self.receiver.recv_many(&mut self.batch, BATCH_MAX).await > 0 {
            // Others that end in this moment go along.
            tokio::time::sleep(LINGER).await;
            self.take_waiting();
            self.send(SEND_DEADLINE).await;
        }
    }

    /// Sends what is left, at the end of the process.
    pub async fn flush(&mut self) {
        self.take_waiting();
        if !self.batch.is_empty() {
            self.send(FLUSH_DEADLINE).await;
        }
    }

    fn take_waiting(&mut self) {
        while let Ok(more) = self.receiver.try_recv() {
            self.batch.push(more);
        }
    }

    async fn send(&mut self, deadline: Duration) {
        let spans: Vec<&Value> = self.batch.iter().flatten().collect();
        let resource = self.config.resource.iter();
        let resource: Vec<Value> =
            resource.map(|(key, value)| attribute(key, value.as_str().into())).collect();
        let document = json!({ "resourceSpans": [{
            "resource": { "attributes": resource },
            "scopeSpans": [{
                "scope": { "name": "bluebucket", "version": env!("CARGO_PKG_VERSION") },
                "spans": spans,
            }],
        }] });
        let problem = self.post(document.to_string(), deadline).await.err();
        self.batch.clear();
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(lost, "traces found no room");
        }
        if let Some(problem) = problem.as_ref().filter(|_| !self.ill) {
            tracing::warn!(problem, "the collector of traces does not take them");
        }
        self.ill = problem.is_some();
    }

    async fn post(&self, document: String, deadline: Duration) -> Result<(), String> {
        let mut request = Request::post(self.config.endpoint.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(document)))
            .map_err(|error| error.to_string())?;
        request.headers_mut().extend(self.config.headers.iter().cloned());
        match timeout(deadline, self.client.request(request)).await {
            Ok(Ok(answer)) if answer.status().is_success() => Ok(()),
            Ok(Ok(answer)) => Err(answer.status().to_string()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_elapsed) => Err(format!("no answer within {deadline:?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_read_as_the_standard_has_it() {
        let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        let found = parent(&format!("00-{trace}-{span}-01")).unwrap();
        assert_eq!(
            format!("{:032x} {:016x} {}", found.0, found.1, found.2),
            format!("{trace} {span} true")
        );
        assert!(!parent(&format!("00-{trace}-{span}-00")).unwrap().2);
        for bad in
            ["", "00", "00-0-0-01", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]
        {
            assert_eq!(parent(bad), None, "{bad}");
        }
        let nothing = format!("00-{}-{span}-01", "0".repeat(32));
        assert_eq!(parent(&nothing), None);
    }
}
