//! What a client signed, sent and waits for comes through a reverse proxy unchanged: each example of
//! `deploy/proxies` in front of a gateway.

mod programs;

use std::pin::pin;
use std::time::Duration;

use strict_azure::{Action, Fault, Gate, Operation, StrictAzure};
use tokio::time::timeout;

use crate::harness::stand::arrived;
use crate::harness::{
    Client, Gateway, PATIENCE, Payload, Streaming, md5_hex, noise, path, strict_with, unique, until,
};
use crate::multipart::create;
use crate::operate::metric;
use programs::{Kind, Proxy};

const MIB: usize = 1024 * 1024;
/// How long a client waits for `100 Continue` before it sends the body nevertheless, as curl and boto3 do.
const CONTINUE_PATIENCE: Duration = Duration::from_secs(1);

/// A gateway behind a proxy, and a bucket.
struct Stand {
    kind: Kind,
    azure: StrictAzure,
    gateway: Gateway,
    _proxy: Proxy,
    client: Client,
    bucket: String,
}

impl Stand {
    async fn open(kind: Kind) -> Self {
        let azure = strict_with(|_| {});
        let gateway = Gateway::with(|settings| {
            settings.azure = azure.endpoint();
            settings.top += "\ntrusted_proxies = [\"127.0.0.0/8\"]";
        })
        .await;
        let proxy = Proxy::start(kind, &[gateway.address; 3]).await;
        let client = proxy.client();
        let bucket = unique("proxied");
        client.put(&format!("/{bucket}")).ok().await;
        Self { kind, azure, gateway, _proxy: proxy, client, bucket }
    }

    /// Keys that somebody could tidy on the way.
    async fn odd_keys_stay_as_they_are(&self) {
        let mut keys = vec![
            "plain",
            "a b",
            "a+b",
            "a%2Fb",
            "a/b",
            "a//b",
            "/lead",
            "//lead",
            "trail/",
            "trail//",
            "dir/./x",
            "dir/../x",
            "a/..",
            ".",
            "..",
            "ä€😀",
            "q?x=1&y",
            "h#x",
            "semi;colon",
            "tab\tx",
            "back\\slash",
            "%41",
            "%",
            "100%25",
            "~t",
            "(x)'*!",
            "a:b@c,d=e$f",
            "<\">",
            "a%00b",
        ];
        keys.sort_unstable();
        for key in &keys {
            let put = self.client.put(&path(&self.bucket, key)).body(key).send().await;
            assert_eq!(put.status, 200, "{:?}: PUT {key:?}: {put:?}", self.kind);
        }
        for key in &keys {
            let got = self.client.get(&path(&self.bucket, key)).presign(60).send().await;
            assert_eq!((got.status, got.text().as_str()), (200, *key), "{:?}: {key:?}", self.kind);
        }
        let listed = crate::keys::listed(&self.client, &self.bucket).await;
        assert_eq!(listed, keys, "{:?}", self.kind);
        // As a virtual host.
        let bucket_host = self.client.host(&format!("{}.{}", self.bucket, self.client.host));
        for key in ["a//b", "a%2Fb", "a+b"] {
            let at = path("", key).replacen("//", "/", 1);
            assert_eq!(bucket_host.get(&at).ok().await.text(), key, "{:?}", self.kind);
        }
        for key in keys {
            self.client.delete(&path(&self.bucket, key)).ok().await;
        }
    }

    /// What nginx cannot pass on: a path that climbs above its root is refused by it, with its own words.
    async fn what_climbs_above_the_root(&self) {
        let put = self.client.put(&path(&self.bucket, "../../up")).body("up").send().await;
        let expected = if self.kind == Kind::Nginx { 400 } else { 200 };
        assert_eq!(put.status, expected, "{:?}: {put:?}", self.kind);
        if expected == 200 {
            self.client.delete(&path(&self.bucket, "../../up")).ok().await;
        }
    }

    async fn headers_and_errors_come_through(&self) {
        let at = path(&self.bucket, "k");
        // Caddy has been dropping such headers since 2.11.4, whatever it is told: the page says so.
        let name =
            if self.kind == Kind::Caddy { "x-amz-meta-some" } else { "x-amz-meta-some_name" };
        let dropped = self.client.put(&at).header("x-amz-meta-some_name", "a").send().await;
        assert_eq!(dropped.status == 403, self.kind == Kind::Caddy, "{dropped:?}");
        let put = self.client.put(&at).header(name, "a  b").body("value");
        let put =
            put.streaming(Streaming::SignedTrailer).trailer("x-amz-checksum-crc32", "HXdYNA==");
        let answer = put.ok().await;
        assert!(answer.header("x-amz-request-id").is_some(), "{:?}: {answer:?}", self.kind);
        self.client.put(&at).header(name, "a b").body("value").ok().await;
        let got = self.client.head(&at).ok().await;
        assert_eq!(got.at(name), "a b", "{:?}", self.kind);
        assert_eq!(got.at("content-length"), "5", "{:?}", self.kind);
        let range = self.client.get(&at).header("range", "bytes=1-2").send().await;
        assert_eq!((range.status, range.text().as_str()), (206, "al"), "{:?}", self.kind);
        self.client.get(&path(&self.bucket, "none")).refused(404, "NoSuchKey").await;
        let wrong = self.client.put(&at).body("x").prepare().bad_signature();
        wrong.refused(403, "SignatureDoesNotMatch").await;
        let since = self.client.get(&at).header("if-none-match", got.at("etag")).send().await;
        assert_eq!(since.status, 304, "{:?}", self.kind);
        // What a client says of itself is replaced by what is so.
        let upload = create(&self.client, &self.bucket, "parts").await;
        let parts = [upload.put(&self.client, 1, b"part").await];
        let complete = upload.complete(&self.client, &parts).prepare();
        let done = complete.add("x-forwarded-proto", "http").send().await.expect_success();
        let told = done.xml().at("Location").to_owned();
        let expected = format!("https://{}{}", self.client.host, path(&self.bucket, "parts"));
        assert_eq!(told, expected, "{:?}", self.kind);
    }

    /// Who waits for `100 Continue` gets it, and the body is taken.
    async fn expectations_are_met(&self) {
        let body = noise(300_000);
        let at = path(&self.bucket, "expected");
        let put = self.client.put(&at).body(&body).prepare().add("expect", "100-continue");
        let mut wire = self.client.wire().await;
        wire.send(put.head_bytes()).await.unwrap();
        let interim = timeout(PATIENCE, wire.head()).await.expect("an interim answer").unwrap();
        assert_eq!(interim.status, 100, "{:?}: {interim:?}", self.kind);
        wire.send(&body).await.unwrap();
        let answer = timeout(PATIENCE, wire.answer("PUT")).await.unwrap().unwrap();
        assert_eq!(answer.status, 200, "{:?}: {answer:?}", self.kind);
        assert!(self.client.get(&at).ok().await.body == body, "{:?}", self.kind);
        // Who is refused learns it before the body where the gateway is the one who is asked.
        let put = self.client.put(&at).body(&body).prepare().bad_signature();
        let mut wire = self.client.wire().await;
        wire.send(put.add("expect", "100-continue").head_bytes()).await.unwrap();
        let asks_for_itself = matches!(self.kind, Kind::Nginx | Kind::Caddy);
        let answer = if asks_for_itself {
            // Caddy asks for the body, or says nothing where the refusal came first: whoever waits, goes on.
            let patience = if self.kind == Kind::Caddy { CONTINUE_PATIENCE } else { PATIENCE };
            match timeout(patience, wire.head()).await {
                Ok(interim) => assert_eq!(interim.unwrap().status, 100, "{:?}", self.kind),
                Err(_silence) => assert_eq!(self.kind, Kind::Caddy),
            }
            // Sent for one that may not want it any more: the answer tells.
            drop(wire.send(&body).await);
            timeout(PATIENCE, wire.answer("PUT")).await.expect("an answer").unwrap()
        } else {
            timeout(PATIENCE, wire.head()).await.expect("an answer").unwrap()
        };
        assert_eq!(answer.status, 403, "{:?}: {answer:?}", self.kind);
        // And what boto3 would send next on this connection is not taken for the body that never came.
        let closes = answer.header("connection") == Some("close");
        assert!(asks_for_itself || closes, "{:?}: {answer:?}", self.kind);
    }

    /// The gateway has the beginning of an upload while the rest has not been sent.
    async fn uploads_stream(&self, chunked: bool) {
        let body = noise(24 * MIB);
        let (begin, rest) = body.split_at(8 * MIB);
        let at = path(&self.bucket, "large");
        let series = "bluebucket_received_bytes_total";
        let before = metric(self.gateway.admin, series).await;
        let put = self.client.put(&at).payload(Payload::Unsigned).body(&body);
        let put = if chunked { put.chunked() } else { put }.prepare();
        let framed = |piece: &[u8]| {
            if chunked {
                let mut framed = format!("{:x}\r\n", piece.len()).into_bytes();
                framed.extend_from_slice(piece);
                framed.extend_from_slice(b"\r\n");
                framed
            } else {
                piece.to_vec()
            }
        };
        let mut wire = self.client.wire().await;
        wire.send(put.head_bytes()).await.unwrap();
        wire.send(framed(begin)).await.unwrap();
        until("the gateway has the beginning", async || {
            metric(self.gateway.admin, series).await - before >= 6 * MIB as u64
        })
        .await;
        wire.send(framed(rest)).await.unwrap();
        if chunked {
            wire.send("0\r\n\r\n").await.unwrap();
        }
        let answer = timeout(PATIENCE, wire.answer("PUT")).await.unwrap().unwrap();
        assert_eq!(answer.status, 200, "{:?}, chunked {chunked}: {answer:?}", self.kind);
        let read = self.client.get(&at).ok().await;
        assert_eq!(md5_hex(&read.body), md5_hex(&body), "{:?}, chunked {chunked}", self.kind);
    }

    /// The client has the beginning of a download while Azure holds back the rest.
    async fn downloads_stream(&self) {
        let at = path(&self.bucket, "large");
        let gate = Gate::new();
        let hold = Fault::new(Action::Hold(gate.clone())).on(Operation::GetBlob);
        self.azure.set_fault(hold.skip(1).times(u32::MAX));
        let mut wire = self.client.wire().await;
        wire.send(self.client.get(&at).prepare().bytes()).await.unwrap();
        let head = timeout(PATIENCE, wire.head()).await.expect("a head").unwrap();
        assert_eq!((head.status, head.at("content-length")), (200, &*(24 * MIB).to_string()));
        let mut read = 0;
        // A proxy that does not read ahead waits for its client: what there is has to be taken.
        let mut held = pin!(arrived(&gate));
        loop {
            tokio::select! {
                biased;
                () = &mut held => break,
                more = wire.read_some() => read += more.expect("more"),
            }
        }
        while read < 2 * MIB {
            read += timeout(PATIENCE, wire.read_some()).await.expect("bytes").expect("more");
        }
        assert!(read < 24 * MIB, "{:?}", self.kind);
        self.azure.clear_faults();
        gate.open();
        while read < 24 * MIB {
            read += timeout(PATIENCE, wire.read_some()).await.expect("bytes").expect("more");
        }
        assert_eq!(read, 24 * MIB, "{:?}", self.kind);
    }
}

async fn check(kind: Kind) {
    let stand = Stand::open(kind).await;
    stand.odd_keys_stay_as_they_are().await;
    stand.what_climbs_above_the_root().await;
    stand.headers_and_errors_come_through().await;
    stand.expectations_are_met().await;
    stand.uploads_stream(true).await;
    stand.uploads_stream(false).await;
    stand.downloads_stream().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_keeps_signatures_expectations_and_streams() {
    check(Kind::Nginx).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_keeps_signatures_expectations_and_streams() {
    check(Kind::Haproxy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caddy_keeps_signatures_expectations_and_streams() {
    check(Kind::Caddy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traefik_keeps_signatures_expectations_and_streams() {
    check(Kind::Traefik).await;
}
