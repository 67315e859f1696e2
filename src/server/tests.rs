//! The shell as a client sees it, over sockets, with a handler that stands in for the gateway.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use super::config::{self, Need, Sources};
use super::health::Health;
use super::health::tests::Scripted;
use super::*;

/// A running shell.
struct Shell {
    s3: SocketAddr,
    admin: SocketAddr,
    shutdown: Shutdown,
    metrics: Metrics,
    probe: Scripted,
    ended: JoinHandle<()>,
}

/// A minute for whatever a loaded machine may delay; reached only when a test fails.
const LONG: Duration = Duration::from_mins(1);

fn quick() -> Deadlines {
    Deadlines { handshake: LONG, head: LONG, idle: LONG, write: LONG }
}

async fn start(deadlines: Deadlines, settings: &[(&'static str, &str)]) -> Shell {
    let mut sources = Sources { need: Need::Nothing, ..Sources::default() };
    let free = [("listen", "127.0.0.1:0"), ("admin_listen", "127.0.0.1:0")];
    for (key, value) in free.iter().chain(settings) {
        sources.flags.insert(key, (*value).to_owned());
    }
    let config = config::load(&sources).unwrap_or_else(|faults| panic!("{faults}")).config;
    let tls = config.tls.as_ref().map(|files| Tls::new(files).unwrap());
    let server = Server::bind(&config).await.unwrap();
    let (s3, admin) = (server.s3_address(), server.admin_address());
    let (shutdown, metrics, probe) = (Shutdown::new(), Metrics::new(), Scripted::default());
    let parts = Parts {
        admin: Admin {
            health: Health::new([("main".to_owned(), probe.clone())]),
            metrics: metrics.clone(),
            census: crate::ops::census::Census::new(None),
            config: Arc::new(ArcSwap::from_pointee(config)),
            s3,
        },
        tls,
        deadlines,
        background: TaskTracker::new(),
    };
    #[expect(clippy::disallowed_methods, reason = "the test waits for it")]
    let ended = tokio::spawn(server.run(tower::service_fn(echo), parts, shutdown.clone()));
    Shell { s3, admin, shutdown, metrics, probe, ended }
}

/// Answers with the length of the body, as far as that comes. `/slow` takes a second, `/large` says
/// more than sockets hold, `/thread` which one serves it.
async fn echo(request: Request<Incoming>) -> Result<Response<Body>, std::convert::Infallible> {
    let path = request.uri().path().to_owned();
    let length = request.into_body().collect().await.map_or(0, |body| body.to_bytes().len());
    if path == "/slow" {
        sleep(Duration::from_secs(1)).await;
    }
    Ok(Response::new(match path.as_str() {
        "/large" => Body::from(vec![b'x'; 64 * 1024 * 1024]),
        "/thread" => Body::from(format!("{:?};", std::thread::current().id())),
        _ => Body::from(format!("length={length}")),
    }))
}

/// Sends, and reads until the other side closes.
async fn talk(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    read_to_end(&mut stream).await
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is an end, too.
    drop(timeout(LONG, stream.read_to_end(&mut answer)).await.expect("the other side closes"));
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads until what was read contains `text`.
async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let mut answer = String::new();
    while !answer.contains(text) {
        let mut piece = [0; 1024];
        let length = timeout(LONG, stream.read(&mut piece)).await.unwrap().unwrap();
        assert_ne!(length, 0, "closed after {answer:?}");
        answer.push_str(&String::from_utf8_lossy(&piece[..length]));
    }
    answer
}

impl Shell {
    /// The request is answered by `status` and the connection ends with that one answer.
    async fn refuses(&self, request: &str, status: &str) {
        let answer = talk(self.s3, request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{request:?}: {answer}");
    }

    async fn end(self) {
        self.shutdown.request();
        timeout(LONG, self.ended).await.unwrap().unwrap();
    }

    async fn admin(&self, path: &str) -> String {
        talk(self.admin, &format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
            .await
    }
}

const NEXT: &str = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn requests_follow_each_other_on_one_connection() {
    let shell = start(quick(), &[]).await;
    let chunked =
        "PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let sized = "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabcd";
    let last = "GET http://a/ HTTP/1.1\r\nHost: A\r\nConnection: close\r\n\r\n";
    let answers = talk(shell.s3, &format!("{chunked}{sized}{last}")).await;
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 3, "{answers}");
    for length in ["length=3", "length=4", "length=0"] {
        assert!(answers.contains(length), "{answers}");
    }
    shell.end().await;
}

#[tokio::test]
async fn c59_a_length_beside_an_encoding_is_refused_and_nothing_after_it_is_read() {
    let shell = start(quick(), &[]).await;
    let request = "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    shell.refuses(&format!("{request}{NEXT}"), "400").await;
    let request = "PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n";
    shell.refuses(&format!("{request}{NEXT}"), "400").await;
    shell.end().await;
}

#[tokio::test]
async fn c59_what_makes_no_sense_is_refused_and_nothing_after_it_is_read() {
    let shell = start(quick(), &[]).await;
    for head in [
        "Content-Length: 4\r\nContent-Length: 5",
        "Content-Length: +4",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: gzip",
        "X: a\r\n folded",
        "X: a\0b",
        "X : a",
        "X: a\nY: b",
    ] {
        shell
            .refuses(&format!("PUT /a HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\nabcd{NEXT}"), "400")
            .await;
    }
    shell.end().await;
}

#[tokio::test]
async fn c09_a_request_has_one_host() {
    let shell = start(quick(), &[]).await;
    shell.refuses(&format!("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n{NEXT}"), "400").await;
    shell.refuses(&format!("GET / HTTP/1.1\r\n\r\n{NEXT}"), "400").await;
    shell.refuses(&format!("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n{NEXT}"), "400").await;
    shell.end().await;
}

#[tokio::test]
async fn a_refused_head_is_answered_as_every_other_error() {
    let shell = start(quick(), &[]).await;
    let both = "Host: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked";
    let long = format!("/{}", "x".repeat(17 * 1024));
    for (target, head) in [("/a&b", both), ("/a", "Host: a\r\nHost: b"), (&long, "Host: a")] {
        let answer = talk(shell.s3, &format!("PUT {target} HTTP/1.1\r\n{head}\r\n\r\n")).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let value = |name: &str| {
            let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
            line.unwrap_or_else(|| panic!("no {name}: {answer}"))
        };
        assert_eq!(value("content-type"), "application/xml");
        assert_eq!(value("connection"), "close");
        assert_eq!(value("server"), "bluebucket");
        let resource = if target == long { "/" } else { &target.replace('&', "&amp;") };
        for part in [
            "<Code>InvalidRequest</Code>".to_owned(),
            format!("<Resource>{resource}</Resource>"),
            format!("<RequestId>{}</RequestId>", value("x-amz-request-id")),
            format!("<HostId>{}</HostId>", value("x-amz-id-2")),
        ] {
            assert!(body.contains(&part), "{part} is not in {body}");
        }
    }
    let metrics = shell.metrics.text().unwrap();
    assert!(metrics.contains("connections_cut_total{reason=\"refused_head\"} 3"), "{metrics}");
    assert!(metrics.contains("op=\"Unknown\""), "{metrics}");
    shell.end().await;
}

#[tokio::test]
async fn c60_heads_have_limits() {
    let shell = start(quick(), &[]).await;
    let long = "x".repeat(33 * 1024);
    shell.refuses(&format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"), "431").await;
    let many = "X: a\r\n".repeat(100);
    shell.refuses(&format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"), "431").await;
    let target = "x".repeat(17 * 1024);
    shell.refuses(&format!("GET /{target} HTTP/1.1\r\nHost: a\r\n\r\n"), "414").await;
    shell.end().await;
}

#[tokio::test]
async fn c61_a_head_that_trickles_has_one_deadline_in_all() {
    let deadlines = Deadlines { head: Duration::from_millis(300), ..quick() };
    let shell = start(deadlines, &[]).await;
    let mut stream = TcpStream::connect(shell.s3).await.unwrap();
    let begun = Instant::now();
    let trickle = async {
        while stream.write_all(b"G").await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), trickle).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert!(shell.metrics.text().unwrap().contains("connections_cut_total{reason=\"head\"} 1"));
    shell.end().await;
}

#[tokio::test]
async fn c61_silence_between_requests_ends_the_connection_and_a_slow_answer_does_not() {
    let deadlines =
        Deadlines { head: Duration::from_millis(200), idle: Duration::from_millis(500), ..quick() };
    let shell = start(deadlines, &[]).await;
    let mut stream = TcpStream::connect(shell.s3).await.unwrap();
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let answer = read_until(&mut stream, "length=0").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let begun = Instant::now();
    // Longer than the head's deadline: that one begins with the head.
    sleep(Duration::from_millis(300)).await;
    stream.write_all(NEXT.as_bytes()).await.unwrap();
    read_until(&mut stream, "length=0").await;
    assert_eq!(read_to_end(&mut stream).await, "");
    assert!(begun.elapsed() >= Duration::from_millis(800));
    assert!(shell.metrics.text().unwrap().contains("connections_cut_total{reason=\"idle\"} 1"));
    shell.end().await;
}

#[tokio::test]
async fn c61_a_reader_that_stops_is_cut() {
    let shell = start(Deadlines { write: Duration::from_millis(200), ..quick() }, &[]).await;
    let mut stream = TcpStream::connect(shell.s3).await.unwrap();
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let cut = async {
        while !shell.metrics.text().unwrap().contains("connections_cut_total{reason=\"write\"} 1") {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, cut).await.unwrap();
    assert!(read_to_end(&mut stream).await.len() < 64 * 1024 * 1024);
    shell.end().await;
}

#[tokio::test]
async fn c62_a_connection_too_many_is_told_at_once() {
    let shell = start(quick(), &[("limits.max_connections", "1")]).await;
    let mut first = TcpStream::connect(shell.s3).await.unwrap();
    first.write_all(NEXT.as_bytes()).await.unwrap();
    read_until(&mut first, "length=0").await;
    let answer = talk(shell.s3, "").await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("SlowDown"), "{answer}");
    assert!(shell.metrics.text().unwrap().contains("shed_total{reason=\"connections\"} 1"));
    drop(first);
    let room = async {
        while !talk(shell.s3, &NEXT.replace("Host", "Connection: close\r\nHost"))
            .await
            .contains(" 200 ")
        {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(LONG, room).await.unwrap();
    shell.end().await;
}

#[tokio::test]
async fn f38_what_is_open_at_the_end_is_finished() {
    let shell = start(quick(), &[]).await;
    let mut idle = TcpStream::connect(shell.s3).await.unwrap();
    idle.write_all(NEXT.as_bytes()).await.unwrap();
    read_until(&mut idle, "length=0").await;
    let fresh = TcpStream::connect(shell.s3).await.unwrap();
    let mut slow = TcpStream::connect(shell.s3).await.unwrap();
    slow.write_all(b"PUT /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na").await.unwrap();
    wait_for_connections(&shell, 3).await;
    shell.shutdown.request();
    while shell.admin("/ready").await.contains("200 OK") {
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(read_to_end(&mut idle).await, "", "an idle connection ends at once");
    assert!(shell.admin("/live").await.contains("200 OK"));
    assert!(TcpStream::connect(shell.s3).await.is_err(), "nothing new is taken");
    slow.write_all(b"b").await.unwrap();
    let answer = read_to_end(&mut slow).await;
    assert!(answer.contains("length=2"), "{answer}");
    assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    timeout(LONG, shell.ended).await.unwrap().unwrap();
    drop(fresh);
}

/// A certificate for `localhost` in files, and the client that trusts it.
fn certificate(folder: &Path) -> ([(&'static str, String); 2], TlsConnector) {
    let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("tls.crt"), folder.join("tls.key"));
    fs::write(&certificate, pair.cert.pem()).unwrap();
    fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(pair.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let path = |path: &Path| path.display().to_string();
    let settings = [("tls.certificate", path(&certificate)), ("tls.key", path(&key))];
    (settings, TlsConnector::from(Arc::new(client)))
}

#[tokio::test]
async fn tls_is_spoken_and_a_client_without_it_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let ([certificate, key], client) = certificate(folder.path());
    let settings = [(certificate.0, certificate.1.as_str()), (key.0, key.1.as_str())];
    let deadlines = Deadlines { handshake: Duration::from_millis(300), ..quick() };
    let shell = start(deadlines, &settings).await;

    let silent = TcpStream::connect(shell.s3).await.unwrap();
    let plain = talk(shell.s3, NEXT).await;
    assert!(!plain.contains("HTTP/"), "{plain}");

    let stream = TcpStream::connect(shell.s3).await.unwrap();
    let mut stream = client.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(LONG, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&answer).contains("length=0"));

    let mut silent = silent;
    assert_eq!(read_to_end(&mut silent).await, "");
    assert!(
        shell.metrics.text().unwrap().contains("connections_cut_total{reason=\"handshake\"} 2")
    );
    shell.end().await;
}

#[tokio::test]
async fn a_healthcheck_asks_the_admin_port() {
    let shell = start(quick(), &[]).await;
    assert_eq!(healthcheck::run(shell.admin).await, Ok(()));
    shell.end().await;
}

async fn wait_for_connections(shell: &Shell, count: u64) {
    let line = format!("bluebucket_connections {count}\n");
    let opened = async {
        while !shell.metrics.text().unwrap().contains(&line) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, opened).await.unwrap();
}

#[tokio::test]
async fn f38_the_drain_has_an_end() {
    let shell = start(quick(), &[("drain_timeout", "200ms")]).await;
    let mut stuck = TcpStream::connect(shell.s3).await.unwrap();
    stuck.write_all(b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na").await.unwrap();
    wait_for_connections(&shell, 1).await;
    let begun = Instant::now();
    shell.end().await;
    assert!(begun.elapsed() >= Duration::from_millis(200));
    assert_eq!(read_to_end(&mut stuck).await, "");
}

#[tokio::test]
async fn f38_who_asks_twice_does_not_wait() {
    let shell = start(quick(), &[("drain_timeout", "1h"), ("drain_delay", "1h")]).await;
    let mut stuck = TcpStream::connect(shell.s3).await.unwrap();
    stuck.write_all(b"PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na").await.unwrap();
    wait_for_connections(&shell, 1).await;
    shell.shutdown.request();
    shell.end().await;
    assert_eq!(read_to_end(&mut stuck).await, "");
}

#[tokio::test]
async fn f43_the_pages_are_on_the_admin_port_only() {
    let shell = start(quick(), &[]).await;
    assert!(shell.admin("/live").await.contains("200 OK"));
    assert!(shell.admin("/ready").await.contains("200 OK"));
    assert!(shell.admin("/metrics").await.contains("bluebucket_build_info"));
    assert!(shell.admin("/").await.contains("signature_version s3v4"));
    assert!(shell.admin("/").await.contains(&format!("S3 port http://{} ", shell.s3)));
    assert!(shell.admin("/nothing").await.contains("404"));
    let request = "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert!(!talk(shell.s3, request).await.contains("bluebucket_"));
    shell.end().await;
}

#[tokio::test]
async fn f37_not_ready_while_azure_does_not_answer() {
    let shell = start(quick(), &[]).await;
    shell.probe.broken.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(shell.admin("/ready").await.contains("503"));
    let page = shell.admin("/").await;
    assert!(
        page.contains("not ready")
            && page.contains("main</td><td class=\"wrong\">does not answer: broken"),
        "{page}"
    );
    assert!(shell.admin("/live").await.contains("200 OK"));
    shell.end().await;
}

/// An open connection, and the thread that serves it.
async fn served(shell: &Shell) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(shell.s3).await.unwrap();
    let thread = thread_of(&mut stream).await;
    (stream, thread)
}

async fn thread_of(stream: &mut TcpStream) -> String {
    stream.write_all(NEXT.replace("/next", "/thread").as_bytes()).await.unwrap();
    let answer = read_until(stream, ";").await;
    answer.lines().last().unwrap().to_owned()
}

#[tokio::test]
async fn connections_are_spread_over_the_threads_and_stay_where_they_are() {
    let shell = start(quick(), &[("limits.threads", "3")]).await;
    let (mut first, mut second, mut third) =
        (served(&shell).await, served(&shell).await, served(&shell).await);
    assert_ne!(first.1, second.1);
    assert_ne!(first.1, third.1);
    assert_ne!(second.1, third.1);
    for (stream, thread) in [&mut third, &mut first, &mut second] {
        assert_eq!(thread_of(stream).await, *thread);
    }

    // Room on a thread is taken first. That a client has gone is seen a moment later.
    let (stream, thread) = second;
    drop(stream);
    let taken = async { while served(&shell).await.1 != thread {} };
    timeout(LONG, taken).await.unwrap();
    shell.end().await;
}

#[tokio::test]
async fn a_drain_waits_for_every_thread() {
    let shell = start(quick(), &[("limits.threads", "3")]).await;
    let mut open = [served(&shell).await.0, served(&shell).await.0, served(&shell).await.0];
    for stream in &mut open {
        let put = "PUT /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
        stream.write_all(put.as_bytes()).await.unwrap();
        read_until(stream, "100 Continue").await;
    }
    shell.shutdown.request();
    for stream in &mut open {
        stream.write_all(b"ab").await.unwrap();
        let answer = read_to_end(stream).await;
        assert!(answer.contains("length=2"), "{answer:?}");
    }
    timeout(LONG, shell.ended).await.unwrap().unwrap();
}
