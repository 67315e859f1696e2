//! C61: who keeps the gateway waiting is let go, and what it held with it. Each test shortens the one
//! deadline that it is about and waits for what that leads to.

use std::net::SocketAddr;
use std::time::Instant;

use bluebucket::server::azurite::ACCOUNT;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::buckets::bucket;
use crate::harness::wire::Wire;
use crate::harness::{Gateway, PATIENCE, azurite_address, noise, path, spawn};

/// Long enough that a loaded machine does not stand still for it, where nobody is to be let go.
pub(crate) const SHORT_MS: u128 = 1500;

/// A gateway of which one deadline is short and the others are out of reach.
pub(crate) async fn impatient(name: &str, azure: Option<SocketAddr>) -> Gateway {
    Gateway::with(|settings| {
        for deadline in ["HEADER", "BODY", "STALL", "IDLE"] {
            let time = if deadline == name { format!("{SHORT_MS}ms") } else { "1h".to_owned() };
            let variable = format!("BLUEBUCKET_LIMITS_{deadline}_TIMEOUT");
            settings.environment.push((variable, time));
        }
        if let Some(azure) = azure {
            settings.azure = format!("http://{azure}/{ACCOUNT}");
        }
    })
    .await
}

/// Closed by the gateway, and not before it was time.
async fn is_let_go(wire: &mut Wire, since: Instant) {
    let closed = tokio::time::timeout(PATIENCE, wire.is_closed()).await;
    assert!(closed.expect("the connection is closed"), "and nothing was said before");
    assert!(since.elapsed().as_millis() >= SHORT_MS);
}

/// Asks the admin port until its metrics have this line.
pub(crate) async fn counted(gateway: &Gateway, line: &str) {
    let request = "GET /metrics HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut admin = Wire::connect(gateway.admin).await.unwrap();
    let seen = async {
        while !admin.exchange(request.as_bytes(), "GET").await.unwrap().text().contains(line) {}
    };
    tokio::time::timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("no {line}"));
}

#[tokio::test]
async fn c61_a_head_that_does_not_end_is_not_waited_for() {
    let gateway = impatient("HEADER", None).await;
    let since = Instant::now();
    let mut silent = Wire::connect(gateway.address).await.unwrap();
    let mut begun = Wire::connect(gateway.address).await.unwrap();
    begun.send("GET / HTTP/1.1\r\nhost: a\r\nx-a").await.unwrap();
    is_let_go(&mut silent, since).await;
    is_let_go(&mut begun, since).await;
    counted(&gateway, "connections_cut_total{reason=\"head\"} 2").await;
}

#[tokio::test]
async fn c61_an_idle_connection_is_closed() {
    let gateway = impatient("IDLE", None).await;
    let mut wire = Wire::connect(gateway.address).await.unwrap();
    let request = b"GET /-/live HTTP/1.1\r\nhost: a\r\n\r\n";
    assert_eq!(wire.exchange(request, "GET").await.unwrap().status, 200);
    let since = Instant::now();
    assert_eq!(wire.exchange(request, "GET").await.unwrap().status, 200);
    is_let_go(&mut wire, since).await;
    counted(&gateway, "connections_cut_total{reason=\"idle\"} 1").await;
}

/// One body fits into a block, the other has blocks on their way to Azure when it stops.
#[tokio::test]
async fn c61_a_body_that_stops_is_a_request_timeout_and_leaves_nothing() {
    let gateway = impatient("BODY", None).await;
    let client = gateway.admin();
    let at = path(&bucket(&client).await, "k");
    client.put(&at).body("old").ok().await;
    for (whole, sent) in [(100_000, 10), (40 << 20, 20 << 20)] {
        let put = client.put(&at).body(noise(whole)).prepare();
        let mut wire = client.wire().await;
        let head = put.head_bytes();
        let since = Instant::now();
        wire.send(&head).await.unwrap();
        wire.send(&put.body[..sent]).await.unwrap();
        let answer = tokio::time::timeout(PATIENCE, wire.answer("PUT")).await.unwrap().unwrap();
        assert_eq!((answer.status, answer.error().as_str()), (400, "RequestTimeout"));
        assert!(wire.is_closed().await, "what comes now is no request");
        assert!(since.elapsed().as_millis() >= SHORT_MS);
        assert_eq!(client.get(&at).ok().await.text(), "old");
        counted(&gateway, "bluebucket_held_bytes 0").await;
    }
}

#[tokio::test]
async fn c61_a_reader_that_stops_is_cut_and_lets_go_of_azure() {
    let relay = Relay::start().await;
    let gateway = impatient("STALL", Some(relay.address)).await;
    let client = gateway.admin();
    let at = path(&bucket(&client).await, "k");
    let body = noise(32 << 20);
    client.put(&at).body(&body).ok().await;
    let mut wire = client.wire().await;
    wire.send(client.get(&at).prepare().bytes()).await.unwrap();
    assert_eq!(wire.head().await.unwrap().status, 200);
    counted(&gateway, "connections_cut_total{reason=\"write\"} 1").await;
    relay.is_left().await;
    counted(&gateway, "bluebucket_held_bytes 0").await;
    counted(&gateway, "bluebucket_requests_in_flight 0").await;
    // What was on its way comes, and then the end, too early.
    let mut read = 0;
    while let Some(more) = wire.read_some().await {
        read += more;
    }
    assert!(read < body.len(), "{read}");
}

/// Passes connections on to Azurite and knows how many are open.
struct Relay {
    address: SocketAddr,
    open: watch::Receiver<usize>,
}

impl Relay {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (count, open) = watch::channel(0);
        spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let count = count.clone();
                count.send_modify(|open| *open += 1);
                spawn(async move {
                    let mut far = TcpStream::connect(azurite_address()).await.unwrap();
                    // However it ends, it has ended.
                    drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
                    count.send_modify(|open| *open -= 1);
                });
            }
        });
        Self { address, open }
    }

    /// Waits until no connection is open: those without a request are closed after some seconds.
    async fn is_left(&self) {
        let mut open = self.open.clone();
        let left = open.wait_for(|open| *open == 0);
        tokio::time::timeout(PATIENCE, left).await.expect("Azure is let go").unwrap();
    }
}
