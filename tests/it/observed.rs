//! What the gateway writes down: metrics and the files that read them, one line a request, the access
//! log, audit lines; and never a secret.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use bluebucket::server::azurite::ACCOUNT_KEY;
use serde_json::Value;

use crate::harness::program::{Bluebucket, CANARY, Serving, write_private};
use crate::harness::wire::Wire;
use crate::harness::{noise, path, unique, until};
use crate::operate::plain;

/// The series of an exposition: name and labels, without values.
fn series(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
}

/// A gateway that has been asked for a bit of everything, and what it serves.
async fn asked(more: impl FnOnce(Bluebucket) -> Bluebucket) -> (Serving, String) {
    let running = more(Bluebucket::new().azure().user()).serve().await;
    let client = running.client();
    let bucket = unique("observed");
    client.put(&format!("/{bucket}")).ok().await;
    client.put(&path(&bucket, "k")).body("hello").ok().await;
    client.get(&path(&bucket, "k")).ok().await;
    client.get(&path(&bucket, "none")).refused(404, "NoSuchKey").await;
    client
        .with("AKNOBODY", "nobody-secret-0000001")
        .get("/")
        .refused(403, "InvalidAccessKeyId")
        .await;
    client.delete(&path(&bucket, "k")).ok().await;
    (running, bucket)
}

#[tokio::test]
async fn what_dashboard_and_alerts_ask_about_exists() {
    let (running, _) = asked(|program| program).await;
    let text = plain(running.admin, "/metrics").await.text();
    let known: BTreeSet<&str> = series_names(&text);
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy");
    let dashboard = fs::read_to_string(deploy.join("grafana/bluebucket.json")).unwrap();
    let alerts = fs::read_to_string(deploy.join("prometheus/alerts.yml")).unwrap();
    serde_json::from_str::<Value>(&dashboard).unwrap();
    assert_eq!(alerts.matches("- alert: ").count(), 5);
    for (file, text) in [("the dashboard", &dashboard), ("the alerts", &alerts)] {
        let names = named(text);
        assert!(names.len() >= 5, "{file}: {names:?}");
        for name in names {
            // A family without a series so far has no line; these only come with trouble.
            let in_trouble = ["bluebucket_azure_retries_total"].contains(&name.as_str());
            assert!(
                known.contains(name.as_str()) || in_trouble,
                "{file} asks about {name}: {known:?}"
            );
        }
    }
    // What an alert waits for is at 0 before it first happens.
    for line in [
        "bluebucket_integrity_failures_total{reason=\"answer_cut\"} 0",
        "bluebucket_integrity_failures_total{reason=\"to_azure\"} 0",
        "bluebucket_reloads_total{result=\"failed\"} 0",
        "bluebucket_azure_throttled_total 0",
        "bluebucket_shed_total{reason=\"in_flight\"} 0",
        "bluebucket_account_up{account=\"default\"} 1",
        "bluebucket_token_refreshes_total{result=\"failed\"} 0",
        "bluebucket_uploads_open 0",
        "bluebucket_memory_bytes 268435456",
        "bluebucket_swept_total{kind=\"upload\"} 0",
        "bluebucket_swept_total{kind=\"stray\"} 0",
        "bluebucket_swept_total{kind=\"outcome\"} 0",
        "bluebucket_lifecycle_actions_total{kind=\"expired\"} 0",
        "bluebucket_lifecycle_actions_total{kind=\"moved\"} 0",
        "bluebucket_lifecycle_actions_total{kind=\"upload\"} 0",
    ] {
        assert!(text.contains(line), "no {line} in\n{text}");
    }
}

/// The names of series, `_bucket` and so on included.
fn series_names(text: &str) -> BTreeSet<&str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split(['{', ' ']).next().unwrap()).collect()
}

/// Every name of ours in a file.
fn named(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices("bluebucket_") {
        let rest = &text[at..];
        let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(rest.len());
        names.insert(rest[..end].to_owned());
    }
    names
}

/// F43: strangers make no series, and the S3 port shows none.
#[tokio::test]
async fn f43_what_strangers_ask_makes_no_series() {
    let (running, bucket) = asked(|program| program).await;
    let anonymous = running.client().anonymous();
    let ask = async |count: usize| {
        for number in 0..count {
            let name = unique("stranger");
            anonymous.get(&path(&name, format!("key-{number}"))).send().await;
            anonymous.put(&path(&bucket, format!("k{number}"))).body("x").send().await;
            anonymous.get(&format!("/{name}")).query("x-strange", number).send().await;
            anonymous.with(&name, "some-secret-00000001").get("/").send().await;
        }
        series(&plain(running.admin, "/metrics").await.text())
    };
    let before = ask(3).await;
    let after = ask(60).await;
    let new: Vec<_> = after.difference(&before).collect();
    assert!(new.is_empty(), "{new:?}");
    let metrics = plain(running.s3, "/metrics").await;
    assert!(!metrics.text().contains("bluebucket_"), "{metrics:?}");
}

#[tokio::test]
async fn a_request_is_one_line_with_all_that_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let access_log = folder.path().join("access.log");
    let (mut running, bucket) =
        asked(|program| program.env("BLUEBUCKET_ACCESS_LOG", access_log.to_str().unwrap())).await;
    running.terminate().await;
    assert_eq!(running.end().await, Some(0));
    let log: Vec<Value> =
        running.log().await.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let put: Vec<&Value> =
        log.iter().filter(|line| line["op"] == "PutObject" && line["target"] != "audit").collect();
    assert_eq!(put.len(), 1, "{put:?}");
    let put = put[0];
    for (field, value) in [
        ("method", Value::from("PUT")),
        ("bucket", bucket.clone().into()),
        ("key", "\"k\"".into()),
        ("caller", "admin".into()),
        ("key_id", "AKENVIRONMENT".into()),
        ("remote", "127.0.0.1".into()),
        ("status", 200.into()),
        ("received_bytes", 5.into()),
        ("committed", true.into()),
        ("azure_retries", 0.into()),
        ("secure", false.into()),
    ] {
        assert_eq!(put[field], value, "{field} of {put}");
    }
    for field in ["id", "azure_request_id", "timestamp"] {
        assert!(put[field].as_str().is_some_and(|text| text.len() >= 16), "{field} of {put}");
    }
    for field in ["duration_ms", "first_byte_ms", "azure_ms", "azure_requests", "sent_bytes"] {
        assert!(put[field].is_u64(), "{field} of {put}");
    }
    assert!(put["azure_requests"].as_u64() >= Some(1), "{put}");
    // Auditors are told who was refused, and what was deleted.
    let audited: Vec<&Value> = log.iter().filter(|line| line["target"] == "audit").collect();
    let denied = audited.iter().find(|line| line["event"] == "denied").unwrap();
    assert_eq!(
        (&denied["key_id"], &denied["code"]),
        (&"AKNOBODY".into(), &"InvalidAccessKeyId".into())
    );
    let deleted = audited.iter().find(|line| line["event"] == "deleted").unwrap();
    assert_eq!(
        (&deleted["what"], &deleted["bucket"]),
        (&"DeleteObject".into(), &bucket.clone().into())
    );

    let lines = fs::read_to_string(&access_log).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 6, "{lines:?}");
    let put = lines.iter().find(|line| line.contains(" REST.PUT.OBJECT ")).unwrap();
    assert!(put.starts_with(&format!("- {bucket} [")), "{put}");
    assert!(put.contains("] 127.0.0.1 admin ") && put.contains(" k \"PUT "), "{put}");
    assert!(put.contains(" SigV4 - AuthHeader "), "{put}");
    let missing = lines.iter().find(|line| line.contains(" 404 NoSuchKey ")).unwrap();
    assert!(missing.contains(" REST.GET.OBJECT none "), "{missing}");
}

/// C48: a stranger's word for where it comes from counts for nothing, a trusted proxy's does.
#[tokio::test]
async fn c48_the_log_believes_trusted_proxies_only() {
    for (trusted, expected) in [("", "127.0.0.1"), ("127.0.0.0/8", "192.0.2.9")] {
        let mut running = Bluebucket::new()
            .azure()
            .user()
            .env("BLUEBUCKET_TRUSTED_PROXIES", trusted)
            .serve()
            .await;
        let forwarded = running.client().get("/").header("x-forwarded-for", "192.0.2.9");
        forwarded.send().await;
        running.terminate().await;
        assert_eq!(running.end().await, Some(0));
        let log = running.log().await;
        let line = log.iter().find(|line| line.contains("\"ListBuckets\"")).unwrap();
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["remote"], expected, "{line}");
    }
}

/// F41: a reload says what came, went and changed.
#[tokio::test]
async fn f41_a_reload_is_audited() {
    let user = |id: &str, key: &str, secret: &str| {
        format!(
            "[[users]]\nid = {id:?}\nrole = \"owner\"\n\
             keys = [{{ access_key_id = {key:?}, secret_access_key = {secret:?} }}]\n"
        )
    };
    let first = user("one", "AKONE", CANARY) + &user("two", "AKTWO", "two-secret-000000002");
    let program = Bluebucket::new().azure().file(&first);
    let file = program.config();
    let mut running = program.serve().await;
    let new = file.with_extension("new");
    write_private(
        &new,
        &(user("one", "AKONE", "one-secret-000000009") + &user("three", "AK3", CANARY)),
    );
    fs::rename(new, &file).unwrap();
    until("the new key works", async || {
        running.client().with("AKONE", "one-secret-000000009").get("/").send().await.status == 200
    })
    .await;
    running.client().with("AKONE", CANARY).get("/").refused(403, "SignatureDoesNotMatch").await;
    running.terminate().await;
    assert_eq!(running.end().await, Some(0));
    let log = running.log().await;
    let audited: BTreeSet<String> = log
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["event"] == "configuration")
        .map(|line| line["change"].as_str().unwrap().to_owned())
        .collect();
    let expected = [
        "access key AK3 added",
        "access key AKONE changed",
        "access key AKTWO removed",
        "user three added",
        "user two removed",
    ];
    assert_eq!(audited, expected.map(str::to_owned).into());
    assert!(log.iter().all(|line| !line.contains(CANARY)), "a secret in the log");
}

/// F42: with everything logged that can be, in both forms, no secret, signature or credential is in any
/// log, metric, page, printed configuration or error document.
#[tokio::test]
async fn f42_no_secret_is_told_at_trace() {
    for format in ["json", "text"] {
        let folder = tempfile::tempdir().unwrap();
        let access_log = folder.path().join("access.log");
        let program = Bluebucket::new()
            .azure()
            .user()
            .env("BLUEBUCKET_LOG", "trace")
            .env("BLUEBUCKET_LOG_FORMAT", format)
            .env("BLUEBUCKET_ACCESS_LOG", access_log.to_str().unwrap());
        let printed = program.run(&["config", "print"]).await;
        let mut running = program.serve().await;
        let client = running.client();
        let bucket = unique("canary");
        client.put(&format!("/{bucket}")).ok().await;
        client.put(&path(&bucket, "k")).body(noise(70_000)).ok().await;
        let presigned = client.get(&path(&bucket, "k")).presign(60);
        let signature = presigned.target.split("X-Amz-Signature=").nth(1).unwrap().to_owned();
        let signature: String = signature.chars().take_while(char::is_ascii_hexdigit).collect();
        assert_eq!(signature.len(), 64);
        presigned.send().await.expect_success();
        let mut documents = String::new();
        for request in [
            client.get(&path(&bucket, "none")),
            client.with("AKENVIRONMENT", "wrong-secret-0000001").get("/"),
            client
                .put(&path(&bucket, "b"))
                .body("b")
                .header("content-md5", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ] {
            documents += &request.send().await.text();
        }
        for page in ["/", "/metrics", "/ready"] {
            documents += &plain(running.admin, page).await.text();
        }
        let mut wire = Wire::connect(running.s3).await.unwrap();
        let bad = format!(
            "GET / HTTP/1.1\r\nhost: a\r\nauthorization: AWS4-HMAC-SHA256 {CANARY}\r\n\r\n"
        );
        documents +=
            &wire.exchange(bad.as_bytes(), "GET").await.unwrap().text().replace(CANARY, "");
        running.terminate().await;
        assert_eq!(running.end().await, Some(0));
        let log = running.log().await.join("\n");
        assert!(log.contains("TRACE"), "it is at TRACE");
        let access = fs::read_to_string(&access_log).unwrap();
        assert!(access.contains("X-Amz-Credential="), "{access}");
        for (what, text) in [
            ("the log", &log),
            ("the access log", &access),
            ("an answer", &documents),
            ("config print", &printed.out),
        ] {
            for secret in [CANARY, ACCOUNT_KEY, &signature, "SharedKey devstoreaccount1:"] {
                assert!(
                    !text.contains(secret),
                    "{what} ({format}) tells {secret}: {}",
                    near(text, secret)
                );
            }
        }
    }
}

/// Where a text stands, for the message of a failure.
fn near(text: &str, what: &str) -> String {
    let at = text.find(what).unwrap_or_default();
    let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
    text[line..].lines().next().unwrap_or_default().to_owned()
}
