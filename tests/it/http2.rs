//! HTTP/2: the same S3 as over HTTP/1.1, and what only HTTP/2 lets a client do to us.

use std::time::Instant;

use crate::buckets::bucket;
use crate::deadlines::{SHORT_MS, counted, impatient};
use crate::harness::gateway::{ALICE, Tls};
use crate::harness::http2::{Frames, Http2, LIVE, frame, frame_of};
use crate::harness::wire::Wire;
use crate::harness::{
    Action, Answer, Client, Gate, Gateway, PATIENCE, Proxy, Request, Rule, noise, path, spawn,
};
use crate::multipart::create;

async fn ok(http2: &Http2, request: Request) -> Answer {
    http2.send(request.prepare()).await.unwrap().expect_success()
}

/// One small conversation: written, read, listed, read in ranges side by side, and in parts.
async fn converse(client: &Client) {
    let bucket = bucket(client).await;
    let (http2, at) = (Http2::connect(client).await, path(&bucket, "a b/\u{fc}"));
    let body = noise(3 << 20);
    let put = ok(&http2, client.put(&at).header("x-amz-meta-a", "b").body(&body)).await;
    assert_eq!(put.at("x-amz-server-side-encryption"), "AES256");
    let got = ok(&http2, client.get(&at)).await;
    assert!(got.body == body, "{} bytes", got.body.len());
    assert_eq!((got.at("etag"), got.at("x-amz-meta-a")), (put.at("etag"), "b"));
    let listed = ok(&http2, client.get(&format!("/{bucket}")).query("list-type", 2)).await;
    assert_eq!(listed.xml().texts("Contents/Key"), ["a b/\u{fc}"]);
    let ranges: Vec<_> = (0..48_usize)
        .map(|number| {
            let (first, last) = (number << 16, ((number + 1) << 16) - 1);
            let range = client.get(&at).header("range", format!("bytes={first}-{last}")).prepare();
            let http2 = http2.clone();
            spawn(async move { (first, http2.send(range).await.unwrap()) })
        })
        .collect();
    for range in ranges {
        let (first, answer) = range.await.unwrap();
        assert_eq!(answer.status, 206);
        assert!(answer.body == body[first..first + (1 << 16)], "from {first}");
    }
    let upload = create(client, &bucket, "parts").await;
    let part = client.put(&upload.at).query("partNumber", 1).query("uploadId", &upload.id);
    let part = ok(&http2, part.body("one part")).await;
    upload.complete(client, &[(1, part.at("etag").to_owned())]).ok().await;
    let part = ok(&http2, client.get(&upload.at).query("partNumber", 1)).await;
    assert_eq!((part.status, part.text().as_str()), (206, "one part"));
    // A refusal in the middle of a body leaves the connection as it is.
    let wrong = client.put(&at).body(&body).prepare().bad_signature();
    let refused = http2.send(wrong).await.unwrap();
    assert_eq!((refused.status, refused.error().as_str()), (403, "SignatureDoesNotMatch"));
    assert!(ok(&http2, client.get(&at)).await.body == body);
    let head = http2.send(client.head(&at).prepare()).await.unwrap();
    assert_eq!((head.status, head.at("content-length")), (200, "3145728"));
}

#[tokio::test]
async fn a_client_that_knows_speaks_http2_without_tls() {
    converse(&Gateway::start().await.client(ALICE)).await;
}

#[tokio::test]
async fn a_client_that_asks_speaks_http2_over_tls() {
    let gateway = Gateway::with(|settings| settings.tls = true).await;
    converse(&gateway.client(ALICE)).await;
}

/// The signature covers `:authority`, and the bucket may stand in it.
#[tokio::test]
async fn the_authority_is_the_host() {
    let gateway = Gateway::start().await;
    let client = gateway.client(ALICE);
    let bucket = bucket(&client).await;
    client.put(&path(&bucket, "k")).body("v").ok().await;
    let virtual_host = Client { host: format!("{bucket}.s3.test:9000"), ..client.clone() };
    let http2 = Http2::connect(&client).await;
    assert_eq!(ok(&http2, virtual_host.get("/k")).await.text(), "v");
    // Signed for one host, sent to another.
    let other = virtual_host.get("/k").prepare().set("host", format!("{bucket}.localhost"));
    let refused = http2.send(other).await.unwrap();
    assert_eq!((refused.status, refused.error().as_str()), (403, "SignatureDoesNotMatch"));
    // Two hosts that differ: a header beside the authority.
    let mut frames = Frames::connect(gateway.address, &[]).await;
    let two = [LIVE, b"\x00\x04host\x01b"].concat();
    frames.send(&frame_of(frame::HEADERS, 0x5, 1, &two)).await;
    assert_eq!(status(&mut frames).await, "400");
    // One without any.
    let none = b"\x82\x86\x04\x07/-/live";
    frames.send(&frame_of(frame::HEADERS, 0x5, 3, none)).await;
    assert_eq!(status(&mut frames).await, "400");
    frames.send(&frame_of(frame::HEADERS, 0x5, 5, LIVE)).await;
    assert_eq!(status(&mut frames).await, "200");
}

/// The status of the next answer: 200 and 400 have a place in HPACK's table.
async fn status(frames: &mut Frames) -> &'static str {
    let answer = async {
        loop {
            let (kind, payload) = frames.next().await.expect("the connection goes on");
            match (kind, payload.first()) {
                (frame::HEADERS, Some(0x88)) => return "200",
                (frame::HEADERS, Some(0x8c)) => return "400",
                (frame::HEADERS, _) => return "another",
                _ => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, answer).await.expect("an answer comes")
}

/// Limits of heads hold for HTTP/2, too.
#[tokio::test]
async fn c60_heads_of_http2_have_a_limit() {
    let gateway = Gateway::start().await;
    let client = gateway.client(ALICE);
    let http2 = Http2::connect(&client).await;
    let bucket = bucket(&client).await;
    let at = path(&bucket, "k");
    let mut many = client.get(&at).prepare();
    for number in 0..110 {
        many = many.add(&format!("x-{number}"), "v");
    }
    let refused = http2.send(many).await.unwrap();
    assert_eq!(refused.status, 431);
    assert_eq!(refused.xml().name, "Error");
    let long = client.get(&at).query("a", "x".repeat(17_000)).prepare();
    assert_eq!(http2.send(long).await.unwrap().status, 414);
    let large = client.get(&at).prepare().add("x-large", "v".repeat(40_000));
    match http2.send(large).await {
        Ok(answer) => assert_eq!(answer.status, 431),
        Err(error) => assert!(!error.is_user(), "{error}"),
    }
    // The connection, or the next one, goes on.
    let http2 = Http2::connect(&client).await;
    assert_eq!(http2.send(client.get(&at).prepare()).await.unwrap().status, 404);
}

/// C63 (CVE-2023-44487): requests that are taken back at once end the connection.
#[tokio::test]
async fn c63_a_rapid_reset_ends_the_connection() {
    let gateway = Gateway::start().await;
    let mut frames = Frames::connect(gateway.address, &[]).await;
    let burst: Vec<u8> = (0..1000_u32)
        .flat_map(|number| {
            let stream = 2 * number + 1;
            let reset = frame_of(frame::RST_STREAM, 0, stream, &8_u32.to_be_bytes());
            [frame_of(frame::HEADERS, 0x5, stream, LIVE), reset].concat()
        })
        .collect();
    frames.send(&burst).await;
    is_ended(&gateway, frames).await;
}

/// C63 (RUSTSEC-2024-0332): a head that goes on in frames without end.
#[tokio::test]
async fn c63_a_head_of_continuations_ends_the_connection() {
    let gateway = Gateway::start().await;
    let mut frames = Frames::connect(gateway.address, &[]).await;
    frames.send(&frame_of(frame::HEADERS, 0x1, 1, LIVE)).await;
    let field = [b"\x00\x01x\x7f\x81\x7e".as_slice(), &[b'v'; 16_000]].concat();
    for _ in 0..1000 {
        frames.send(&frame_of(frame::CONTINUATION, 0, 1, &field)).await;
    }
    is_ended(&gateway, frames).await;
}

/// C63: frames that mean nothing, without end, each a few bytes. They cost the sender more than us, and
/// the request that they belong to ends as a body that stands still.
#[tokio::test]
async fn c63_a_body_of_empty_frames_is_cut() {
    let gateway = impatient("BODY", None).await;
    let client = gateway.admin();
    let bucket = bucket(&client).await;
    let mut frames = Frames::connect(gateway.address, &[]).await;
    let head = head_of(&client, &bucket, "PUT");
    frames.send(&frame_of(frame::HEADERS, 0x4, 1, &head)).await;
    frames.repeat(frame_of(frame::DATA, 0, 1, b""));
    let ended = async {
        loop {
            match frames.next().await {
                None | Some((frame::HEADERS | frame::RST_STREAM | frame::GOAWAY, _)) => return,
                Some(_) => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("it is cut");
    counted(&gateway, "bluebucket_held_bytes 0").await;
}

/// The head of a signed request, in HPACK without its tables.
fn head_of(client: &Client, bucket: &str, method: &str) -> Vec<u8> {
    let at = path(bucket, "k");
    let request = match method {
        "PUT" => client.put(&at).body(noise(1000)),
        _ => client.get(&at),
    };
    let request = request.prepare();
    let text = |text: &str| {
        let mut bytes = vec![];
        let length = text.len();
        if length < 127 {
            bytes.push(u8::try_from(length).unwrap());
        } else {
            bytes.push(127);
            let mut rest = length - 127;
            while rest >= 128 {
                bytes.push(u8::try_from(rest % 128 + 128).unwrap());
                rest /= 128;
            }
            bytes.push(u8::try_from(rest).unwrap());
        }
        bytes.extend_from_slice(text.as_bytes());
        bytes
    };
    let pair = |name: &str, value: &str| [vec![0], text(name), text(value)].concat();
    let mut head = pair(":method", method);
    head.extend(pair(":scheme", "http"));
    head.extend(pair(":path", &request.target));
    head.extend(pair(":authority", request.value("host")));
    for (name, value) in &request.headers {
        if name != "host" {
            head.extend(pair(&name.to_ascii_lowercase(), value));
        }
    }
    head
}

/// The connection ends with a word why, and the gateway goes on.
async fn is_ended(gateway: &Gateway, frames: Frames) {
    let rest = tokio::time::timeout(PATIENCE, frames.rest()).await;
    let rest = rest.expect("the connection ends");
    assert!(rest.is_empty() || rest.contains(&frame::GOAWAY), "{rest:?}");
    let mut next = Frames::connect(gateway.address, &[]).await;
    next.send(&frame_of(frame::HEADERS, 0x5, 1, LIVE)).await;
    assert_eq!(status(&mut next).await, "200");
}

/// C63: a client that opens no window for the answer it asked for.
#[tokio::test]
async fn c63_an_answer_that_nobody_takes_is_cut() {
    let gateway = impatient("STALL", None).await;
    let client = gateway.admin();
    let bucket = bucket(&client).await;
    client.put(&path(&bucket, "k")).body(noise(1 << 20)).ok().await;
    // SETTINGS_INITIAL_WINDOW_SIZE
    let mut frames = Frames::connect(gateway.address, &[(4, 0)]).await;
    frames.send(&frame_of(frame::HEADERS, 0x5, 1, &head_of(&client, &bucket, "GET"))).await;
    let since = Instant::now();
    // The client seems to be alive all the time.
    frames.send(&frame_of(frame::PING, 0, 0, b"01234567")).await;
    tokio::time::timeout(PATIENCE, frames.rest()).await.expect("the connection ends");
    assert!(since.elapsed().as_millis() >= SHORT_MS);
    counted(&gateway, "connections_cut_total{reason=\"write\"} 1").await;
    counted(&gateway, "bluebucket_requests_in_flight 0").await;
}

#[tokio::test]
async fn c61_a_connection_of_http2_without_requests_is_let_go() {
    let gateway = impatient("HEADER", None).await;
    // It never asks, but is never silent either.
    let mut frames = Frames::connect(gateway.address, &[]).await;
    let since = Instant::now();
    let ended = async {
        loop {
            frames.send(&frame_of(frame::PING, 0, 0, b"01234567")).await;
            if frames.next().await.is_none() {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("the connection ends");
    assert!(since.elapsed().as_millis() >= SHORT_MS);
    counted(&gateway, "connections_cut_total{reason=\"head\"} 1").await;

    let gateway = impatient("IDLE", None).await;
    let client = gateway.admin();
    let http2 = Http2::connect(&client).await;
    let since = Instant::now();
    ok(&http2, client.get("/")).await;
    http2.has_ended().await;
    assert!(since.elapsed().as_millis() >= SHORT_MS);
    counted(&gateway, "connections_cut_total{reason=\"idle\"} 1").await;
}

/// A certificate that changes is shown to who comes next; who is there goes on.
#[tokio::test]
async fn a_new_certificate_does_not_disturb_http2() {
    let gateway = Gateway::with(|settings| settings.tls = true).await;
    let client = gateway.client(ALICE);
    let bucket = bucket(&client).await;
    let at = path(&bucket, "k");
    let old = Http2::connect(&client).await;
    ok(&old, client.put(&at).body("v")).await;
    let folder = gateway.file.parent().unwrap();
    let renewed = Tls::make(folder);
    let newer = Client { tls: Some(renewed.trust()), ..client.clone() };
    let shown =
        async { while Wire::connect_tls(gateway.address, renewed.trust()).await.is_err() {} };
    tokio::time::timeout(PATIENCE, shown).await.expect("the new certificate is shown");
    assert_eq!(ok(&Http2::connect(&newer).await, newer.get(&at)).await.text(), "v");
    assert_eq!(ok(&old, client.get(&at)).await.text(), "v");
}

/// A drain lets go of the connection, and finishes what is open on it.
#[tokio::test]
async fn a_drain_finishes_the_streams_that_are_open() {
    let proxy = Proxy::to_backend().await;
    let gateway = Gateway::behind(&proxy).await;
    let client = gateway.client(ALICE);
    let bucket = bucket(&client).await;
    let at = path(&bucket, "k");
    client.put(&at).body("v").ok().await;
    let http2 = Http2::connect(&client).await;
    ok(&http2, client.head(&at)).await;
    let gate = Gate::new();
    let hold = Action::Hold(gate.clone());
    proxy.rule(Rule::new(hold).path(&at).times(1)).await;
    let (open, get) = (http2.clone(), client.get(&at).prepare());
    let open = spawn(async move { open.send(get).await });
    gate.arrived().await;
    gateway.drain();
    let refused = async { while http2.send(client.head("/").prepare()).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, refused).await.expect("nothing more is taken");
    gate.open();
    let answer = open.await.unwrap().unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "v"));
}
