//! The executable as an operator has it: what its commands print, their exit codes, its signals, its
//! files. Everything else is tested through gateways in the process of the tests.

use std::fs;
use std::path::Path;

use crate::harness::program::{Bluebucket, CANARY, write_private};
use crate::harness::wire::Wire;
use crate::harness::{Client, azurite_address, noise, path, unique, until};
use crate::operate::plain;

#[tokio::test]
async fn serve_refuses_to_start_without_a_user() {
    let said = Bluebucket::new().azure().run(&["serve"]).await;
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("user") && said.err.contains("BLUEBUCKET_ACCESS_KEY_ID"), "{said:?}");
}

#[tokio::test]
async fn serve_refuses_to_start_without_an_account() {
    let said = Bluebucket::new().user().run(&["serve"]).await;
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.contains("AZURE_STORAGE"), "{said:?}");
}

#[tokio::test]
async fn every_fault_is_told_at_once_with_its_origin() {
    let file = "listne = \"127.0.0.1:0\"\nregion = 7\n[limits]\nmemory_bytes = \"many\"\n\
                [tls]\ncertificate = \"/nowhere/tls.crt\"\n\
                [[users]]\nid = \"one\"\nrole = \"king\"\n";
    let program = Bluebucket::new().azure().file(file).env("BLUEBUCKET_ADMIN_LISTEN", "somewhere");
    let said = program.run(&["serve", "--drain-timeout", "soon"]).await;
    assert_eq!(said.code, 2, "{said:?}");
    for fault in [
        "listne",
        "region",
        "memory_bytes",
        "tls",
        "king",
        "BLUEBUCKET_ADMIN_LISTEN",
        "--drain-timeout",
    ] {
        assert!(said.err.contains(fault), "no word of {fault}: {said:?}");
    }
    let line = said.err.lines().find(|line| line.contains("listne")).unwrap();
    assert!(line.contains("bluebucket.toml:1"), "{line}");
    assert!(said.out.is_empty(), "{said:?}");
}

#[tokio::test]
async fn config_print_masks_secrets_and_names_origins() {
    let file = format!(
        "domains = [\"s3.example.com\"]\ndefault_account = \"main\"\n\
         [accounts.main]\nconnection_string = \"DefaultEndpointsProtocol=https;AccountName=contoso;\
         AccountKey={};EndpointSuffix=core.windows.net\"\n\
         [accounts.archive]\naccount = \"archive\"\nkey = \"{}\"\n\
         [accounts.shared]\naccount = \"shared\"\nsas_token = \"sv=2026-02-06&ss=b&srt=sco&sp=r&sig={CANARY}\"\n\
         [[users]]\nid = \"alice\"\nrole = \"owner\"\n\
         keys = [{{ access_key_id = \"AKALICE\", secret_access_key = \"{CANARY}\" }}]\n",
        data_encoding::BASE64.encode(CANARY.as_bytes()),
        data_encoding::BASE64.encode(CANARY.as_bytes()),
    );
    let program = Bluebucket::new().file(&file).user().env("BLUEBUCKET_REGION", "eu-central-1");
    let said = program.run(&["config", "print", "--listen", "127.0.0.1:7000"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let line = |start: &str| {
        let found = said.out.lines().find(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("no line {start:?} in {said:?}")).to_owned()
    };
    assert!(line("listen = \"127.0.0.1:7000\"").contains("--listen"), "{said:?}");
    assert!(line("region = \"eu-central-1\"").contains("BLUEBUCKET_REGION"), "{said:?}");
    assert!(line("domains = [\"s3.example.com\"]").contains("bluebucket.toml:1"), "{said:?}");
    assert!(line("drain_timeout = \"30s\"").contains("default"), "{said:?}");
    for name in ["alice", "AKALICE", "AKENVIRONMENT", "archive", "shared"] {
        assert!(said.out.contains(name), "no {name}: {said:?}");
    }
    said.keep_secrets();
}

#[tokio::test]
async fn dev_prints_lines_that_work() {
    let program = Bluebucket::new();
    let url = format!("http://{}", azurite_address());
    let data = program.folder().join("data");
    let dev = [
        "dev",
        "--with-azurite",
        &url,
        "--listen",
        "127.0.0.1:0",
        "--data",
        data.to_str().unwrap(),
    ];
    let mut running = program.start(&dev);
    let mut pasted = String::new();
    while !pasted.contains("Ctrl-C") {
        pasted += &(running.out_line().await + "\n");
    }
    let after = |start: &str| {
        let rest = pasted.split_once(start).unwrap_or_else(|| panic!("no {start:?} in {pasted}")).1;
        rest.split_whitespace().next().unwrap().to_owned()
    };
    let endpoint = after("AWS_ENDPOINT_URL_S3=");
    let (id, secret) = (after("AWS_ACCESS_KEY_ID="), after("AWS_SECRET_ACCESS_KEY="));
    for remedy in
        ["aws configure set default.s3.signature_version s3v4", "signature_version=\"s3v4\""]
    {
        assert!(pasted.contains(remedy), "{pasted}");
    }
    let address = endpoint.strip_prefix("http://").unwrap().parse().unwrap();
    let client = Client::of(address, &id, &secret);
    round_trip(&client).await;
    // Its base domain is localhost.
    let bucket = unique("dev");
    client.put(&format!("/{bucket}")).ok().await;
    client.host(&format!("{bucket}.localhost:{}", address.port())).put("/a").body("b").ok().await;
    assert_eq!(client.get(&path(&bucket, "a")).ok().await.text(), "b");
    running.terminate().await;
    assert_eq!(running.end().await, Some(0));

    // The keys stay the same, so that what was pasted goes on working.
    let mut again = program.start(&dev);
    while !again.out_line().await.contains(&format!("AWS_SECRET_ACCESS_KEY={secret}")) {}
    again.terminate().await;
    assert_eq!(again.end().await, Some(0));
}

#[tokio::test]
async fn dev_listens_on_loopback_only() {
    let url = format!("http://{}", azurite_address());
    let said =
        Bluebucket::new().run(&["dev", "--with-azurite", &url, "--listen", "0.0.0.0:0"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("loopback"), "{said:?}");
}

#[tokio::test]
async fn healthcheck_says_whether_the_gateway_lives() {
    let mut running = Bluebucket::new().azure().user().serve().await;
    let admin = running.admin.to_string();
    let said = Bluebucket::new().run(&["healthcheck", "--admin-listen", &admin]).await;
    assert_eq!(said.code, 0, "{said:?}");
    running.terminate().await;
    assert_eq!(running.end().await, Some(0));
    let said = Bluebucket::new().run(&["healthcheck", "--admin-listen", &admin]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains(&admin), "{said:?}");
}

#[tokio::test]
async fn a_request_in_flight_ends_after_sigterm() {
    let mut running = Bluebucket::new().azure().user().serve().await;
    let client = running.client();
    let bucket = unique("drain");
    client.put(&format!("/{bucket}")).ok().await;
    let body = noise(300_000);
    let put =
        client.put(&path(&bucket, "late")).body(&body).prepare().add("expect", "100-continue");
    let mut wire = client.wire().await;
    wire.send(put.head_bytes()).await.unwrap();
    // It is inside now, and waits for the body.
    assert_eq!(wire.head().await.unwrap().status, 100);
    running.terminate().await;
    until("new connections are refused", async || match Wire::connect(running.s3).await {
        Err(_refused) => true,
        Ok(mut wire) => wire.is_closed().await,
    })
    .await;
    let answer = wire.exchange(&put.body, "PUT").await.unwrap().expect_success();
    assert_eq!(answer.at("etag"), format!("\"{}\"", crate::harness::md5_hex(&body)));
    assert_eq!(running.end().await, Some(0));

    let other = Bluebucket::new().azure().user().serve().await;
    let read = other.client().get(&path(&bucket, "late")).ok().await;
    assert!(read.body == body, "the object is whole");
}

#[tokio::test]
async fn users_come_and_go_without_a_restart() {
    let one = ("one", "AKONE", "one-secret-000000001");
    let two = ("two", "AKTWO", "two-secret-000000002");
    let program = Bluebucket::new().azure().file(&users(&[one]));
    let file = program.config();
    let running = program.serve().await;
    let status = async |(_, id, secret): (&str, &str, &str)| {
        Client::of(running.s3, id, secret).get("/").send().await.status
    };
    assert_eq!(status(one).await, 200);
    assert_eq!(status(two).await, 403);

    replace(&file, &users(&[one, two]));
    until("the new user is known", async || status(two).await == 200).await;
    assert_eq!(status(one).await, 200);

    replace(&file, "this is no TOML");
    until("the broken file is counted", async || {
        let metrics = plain(running.admin, "/metrics").await.text();
        metrics.contains("bluebucket_reloads_total{result=\"failed\"} 1")
    })
    .await;
    assert_eq!(status(two).await, 200, "the last good file stays");

    replace(&file, &users(&[two]));
    until("the old user is gone", async || status(one).await == 403).await;
    assert_eq!(status(two).await, 200);
}

#[tokio::test]
async fn both_ports_tell_how_it_is() {
    let mut running = Bluebucket::new().azure().user().serve().await;
    for (address, live, ready) in
        [(running.s3, "/-/live", "/-/ready"), (running.admin, "/live", "/ready")]
    {
        assert_eq!(plain(address, live).await.status, 200);
        assert_eq!(plain(address, ready).await.status, 200);
    }
    let client = running.client();
    let bucket = round_trip(&client).await;
    client.get(&path(&bucket, "missing")).refused(404, "NoSuchKey").await;
    let stranger = client.with("AKNOBODY", "nobody-secret-0000001");
    stranger.get("/").refused(403, "InvalidAccessKeyId").await;
    let wrong = client.put(&path(&bucket, "b")).body("b").header("content-md5", md5_of(b"a"));
    wrong.refused(400, "BadDigest").await;

    let metrics = plain(running.admin, "/metrics").await;
    assert_eq!(metrics.status, 200);
    assert!(metrics.at("content-type").starts_with("application/openmetrics-text"), "{metrics:?}");
    for line in [
        "bluebucket_requests_total{op=\"CreateBucket\",status=\"200\"} 1",
        "bluebucket_requests_total{op=\"PutObject\",status=\"200\"} 1",
        "bluebucket_requests_total{op=\"GetObject\",status=\"200\"} 1",
        "bluebucket_requests_total{op=\"GetObject\",status=\"404\"} 1",
        "bluebucket_requests_total{op=\"PutObject\",status=\"400\"} 1",
        "bluebucket_auth_failures_total{reason=\"InvalidAccessKeyId\"} 1",
        "bluebucket_azure_requests_total{op=\"PutBlob\",status=\"201\"}",
        "bluebucket_held_bytes 0",
        "# EOF",
    ] {
        assert!(metrics.text().contains(line), "no {line}:\n{}", metrics.text());
    }
    let page = plain(running.admin, "/").await.text();
    assert!(page.contains("signature_version s3v4"), "{page}");
    for told in [&metrics.text(), &page] {
        assert!(!told.contains(CANARY) && !told.contains(bucket.as_str()), "{told}");
    }

    running.terminate().await;
    assert_eq!(running.end().await, Some(0));
    let log = running.log().await;
    let puts: Vec<_> = log.iter().filter(|line| line.contains("\"PutObject\"")).collect();
    assert_eq!(puts.len(), 2, "one line a request: {puts:?}");
    let put: serde_json::Value = serde_json::from_str(puts[0]).unwrap();
    assert_eq!(put["status"], 200, "{put}");
    assert!(log.iter().all(|line| !line.contains(CANARY)), "a secret in the log");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let running = Bluebucket::new().azure().user().serve().await;
    let taken = running.s3.to_string();
    let said = Bluebucket::new().azure().user().run(&["serve", "--listen", &taken]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains(&taken), "{said:?}");
}

/// Writes an object into a bucket of its own and reads it back.
async fn round_trip(client: &Client) -> String {
    let bucket = unique("process");
    client.put(&format!("/{bucket}")).ok().await;
    client.put(&path(&bucket, "a b+c")).body("hello").ok().await;
    assert_eq!(client.get(&path(&bucket, "a b+c")).ok().await.text(), "hello");
    bucket
}

/// A configuration with these users.
fn users(users: &[(&str, &str, &str)]) -> String {
    let tables = users.iter().map(|(id, key, secret)| {
        format!(
            "[[users]]\nid = {id:?}\nrole = \"owner\"\n\
             keys = [{{ access_key_id = {key:?}, secret_access_key = {secret:?} }}]\n"
        )
    });
    tables.collect()
}

/// Another file in the place of this one, as deployments do it.
fn replace(file: &Path, text: &str) {
    let new = file.with_extension("new");
    write_private(&new, text);
    fs::rename(new, file).unwrap();
}

/// As Content-MD5 has it.
fn md5_of(bytes: &[u8]) -> String {
    use md5::Digest as _;
    data_encoding::BASE64.encode(&md5::Md5::digest(bytes))
}
