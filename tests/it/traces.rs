//! Traces: what a collector gets over the wire when the variables of OpenTelemetry name one.

use std::sync::Arc;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use crate::harness::program::{Bluebucket, CANARY};
use crate::harness::{path, spawn, unique, until};

/// The spans that came, each with the path and the token that it came with.
type Got = Arc<Mutex<Vec<(String, String, Value)>>>;

/// A collector: its address, and what it got.
async fn collector() -> (String, Got) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let got = Got::default();
    let kept = Arc::clone(&got);
    spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let kept = Arc::clone(&kept);
            let service = service_fn(move |request: http::Request<Incoming>| {
                let kept = Arc::clone(&kept);
                async move {
                    let path = request.uri().path().to_owned();
                    let token = request.headers()["x-token"].to_str().unwrap().to_owned();
                    let body = request.into_body().collect().await?.to_bytes();
                    let document: Value = serde_json::from_slice(&body).unwrap();
                    let scope = &document["resourceSpans"][0]["scopeSpans"][0];
                    let spans = scope["spans"].as_array().unwrap().clone();
                    let mut kept = kept.lock().await;
                    kept.extend(spans.into_iter().map(|span| (path.clone(), token.clone(), span)));
                    Ok::<_, hyper::Error>(http::Response::new(Empty::<Bytes>::new()))
                }
            });
            let io = TokioIo::new(stream);
            spawn(hyper::server::conn::http1::Builder::new().serve_connection(io, service));
        }
    });
    (endpoint, got)
}

#[tokio::test]
async fn a_request_is_a_span_and_each_call_to_azure_one_below_it() {
    let (endpoint, got) = collector().await;
    let mut running = Bluebucket::new()
        .azure()
        .user()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-token=t%201")
        .serve()
        .await;
    let client = running.client();
    let bucket = unique("traces");
    client.put(&format!("/{bucket}")).ok().await;
    let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let traced = client.put(&path(&bucket, "k")).body("hello");
    traced.header("traceparent", format!("00-{trace}-{parent}-01")).ok().await;
    let untraced = client.get(&path(&bucket, "k"));
    untraced.header("traceparent", format!("00-{trace}-{parent}-00")).ok().await;
    until("the request has come", async || {
        got.lock().await.iter().any(|(_, _, span)| span["name"] == "PutObject")
    })
    .await;
    // The last ones are sent on the way out.
    client.head(&format!("/{bucket}")).ok().await;
    running.terminate().await;
    assert_eq!(running.end().await, Some(0));
    let got = got.lock().await.clone();
    assert!(got.iter().all(|(path, token, _)| path == "/v1/traces" && token == "t 1"), "{got:?}");
    let spans: Vec<&Value> = got.iter().map(|(_, _, span)| span).collect();
    let named = |name: &str| spans.iter().filter(|span| span["name"] == name).count();
    assert_eq!(
        (named("PutObject"), named("GetObject"), named("HeadBucket")),
        (1, 0, 1),
        "{spans:?}"
    );
    let put = spans.iter().find(|span| span["name"] == "PutObject").unwrap();
    assert_eq!(
        (put["traceId"].as_str(), put["parentSpanId"].as_str()),
        (Some(trace), Some(parent))
    );
    assert_eq!(put["kind"], 2);
    let number = |span: &Value, name: &str| span[name].as_str().unwrap().parse::<u128>().unwrap();
    let below: Vec<_> = spans.iter().filter(|span| span["parentSpanId"] == put["spanId"]).collect();
    assert!(below.iter().any(|span| span["name"] == "Azure PutBlob"), "{below:?}");
    for span in below {
        assert_eq!((span["traceId"].as_str(), &span["kind"]), (Some(trace), &3.into()));
        assert!(number(span, "startTimeUnixNano") >= number(put, "startTimeUnixNano"), "{span}");
        assert!(number(span, "endTimeUnixNano") <= number(put, "endTimeUnixNano"), "{span}");
    }
    let all = format!("{got:?}");
    assert!(!all.contains(CANARY) && !all.contains("Signature"), "{all}");
}

#[tokio::test]
async fn a_collector_that_is_not_there_hinders_nobody() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let program = Bluebucket::new().azure().user();
    let mut running =
        program.env("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{nobody}")).serve().await;
    let client = running.client();
    let bucket = unique("untraced");
    client.put(&format!("/{bucket}")).ok().await;
    client.put(&path(&bucket, "k")).body("hello").ok().await;
    assert_eq!(client.get(&path(&bucket, "k")).ok().await.text(), "hello");
    running.terminate().await;
    assert_eq!(running.end().await, Some(0));
    let log = running.log().await;
    assert!(log.iter().any(|line| line.contains("collector of traces")), "{log:?}");
}

#[tokio::test]
async fn what_cannot_be_spoken_is_told_at_the_start() {
    let program = Bluebucket::new().azure().user();
    let program = program.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");
    let said = program.env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc").run(&["serve"]).await;
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("OTEL_EXPORTER_OTLP_PROTOCOL") && said.err.contains("http/json"));
}
