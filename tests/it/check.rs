//! `bluebucket check` and `presign` as an operator runs them: what they say in each case, and their exit
//! codes.

use strict_azure::{Action, Fault, Operation, StrictAzure};

use crate::harness::gateway::ADMIN;
use crate::harness::program::{Bluebucket, CANARY, Said};
use crate::harness::wire::Wire;
use crate::harness::{Gateway, azurite, path, strict_with, unique};

/// `check` over an account, with the user whose secret is the canary.
async fn check(connection: &str) -> Said {
    let program = Bluebucket::new().user().env("BLUEBUCKET_SYSTEM_CONTAINER", &unique("sys"));
    let said = program.env("AZURE_STORAGE_CONNECTION_STRING", connection).run(&["check"]).await;
    said.keep_secrets();
    said
}

#[track_caller]
fn says(said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, code, "{said:?}");
    for words in words {
        assert!(said.out.contains(words), "{words:?} is not in\n{}", said.out);
    }
    assert_eq!(said.out.contains("BROKEN"), code != 0, "{said:?}");
}

fn refuse(azure: &StrictAzure, code: &str, operation: Option<Operation>) {
    let fault = Fault::new(Action::Refuse(403, code.to_owned())).times(1000);
    azure.set_fault(match operation {
        Some(operation) => fault.on(operation),
        None => fault,
    });
}

#[tokio::test]
async fn a_healthy_account_is_fine() {
    let said = check(&azurite().connection_string()).await;
    says(
        &said,
        0,
        &[
            "ok     configuration: 1 accounts, 1 users",
            "by account key",
            "answers: StorageV2, ",
            "the clock is right",
            "wrote, read, listed and deleted a blob in container sys-",
            " (write ",
            "blob soft delete is off",
            "whether container soft delete is on cannot be seen from here",
            "--enable-container-delete-retention true",
            "copies ",
        ],
    );
    let strict = strict_with(|_| {});
    says(&check(&strict.connection_string()).await, 0, &["copies stay inside Azure"]);
    let left = strict.counts();
    let count = |operation| left.iter().find(|(it, _)| *it == operation).map_or(0, |(_, n)| *n);
    assert!(count(Operation::DeleteBlob) + count(Operation::BlobBatch) > 0, "{left:?}");
}

#[tokio::test]
async fn a_wrong_key_is_told_from_a_wrong_way() {
    let right = azurite().connection_string();
    let wrong_key = right.replace("AccountKey=Eby8", "AccountKey=Eby9");
    says(
        &check(&wrong_key).await,
        1,
        &["BROKEN account default: does not answer", "Is the key current?"],
    );
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let unreachable =
        right.replace(&format!("127.0.0.1:{}", azurite().port()), &nobody.to_string());
    says(&check(&unreachable).await, 1, &["Is the way open"]);
}

#[tokio::test]
async fn an_endpoint_that_is_something_else_is_named() {
    // Something that speaks HTTP and is no Blob Storage: our own admin port.
    let other = Gateway::start().await;
    let connection = azurite().connection_string();
    let wrong =
        connection.replace(&format!("127.0.0.1:{}", azurite().port()), &other.admin.to_string());
    says(&check(&wrong).await, 1, &["Is the endpoint that of Blob Storage"]);
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_named() {
    let connection =
        "AccountName=contoso;AccountKey=a2V5;BlobEndpoint=http://contoso.invalid/contoso";
    let said = check(connection).await;
    says(&said, 1, &["BROKEN account default: the name contoso.invalid does not resolve"]);
    says(&said, 1, &["Is the account's name right?"]);
}

#[tokio::test]
async fn a_clock_that_is_off_is_told_from_a_wrong_key() {
    let azure = strict_with(|_| {});
    azure.advance_clock(std::time::Duration::from_mins(20));
    // Azure refuses such a signature with the code of a wrong key.
    refuse(&azure, "AuthenticationFailed", None);
    let said = check(&azure.connection_string()).await;
    says(&said, 1, &["s behind Azure's. Set this machine's clock (NTP)"]);
    assert!(!said.out.contains("Is the key current?"), "{said:?}");
}

#[tokio::test]
async fn rights_that_are_missing_are_named() {
    let azure = strict_with(|_| {});
    refuse(&azure, "AuthorizationPermissionMismatch", Some(Operation::PutBlob));
    let said = check(&azure.connection_string()).await;
    says(&said, 1, &["a blob cannot be written", "Storage Blob Data Contributor"]);
    // A role for data does not let the kind be seen, and that is no harm.
    azure.clear_faults();
    refuse(&azure, "AuthorizationPermissionMismatch", Some(Operation::GetAccountInformation));
    let said = check(&azure.connection_string()).await;
    says(
        &said,
        0,
        &["odd    account default: answers, and does not let us see its kind", "wrote,"],
    );
}

#[tokio::test]
async fn findings_are_json_for_machines() {
    let program = Bluebucket::new().azure().user();
    let said = program.run(&["check", "--json", "--domains", "no-such-domain.invalid"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let findings: Vec<serde_json::Value> =
        said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let domain =
        findings.iter().find(|one| one["what"] == "domain no-such-domain.invalid").unwrap();
    assert_eq!(domain["weight"], "odd");
    assert!(domain["remedy"].as_str().unwrap().contains("wildcard record"), "{domain}");
    assert!(findings.iter().any(|one| one["weight"] == "ok" && one["remedy"].is_null()));
    // Faults of the configuration are findings, too.
    let said = Bluebucket::new().run(&["check", "--json", "--listen", "nowhere"]).await;
    assert_eq!(said.code, 2, "{said:?}");
    let fault: serde_json::Value = serde_json::from_str(said.out.lines().next().unwrap()).unwrap();
    assert_eq!((&fault["weight"], &fault["what"]), (&"broken".into(), &"configuration".into()));
}

#[tokio::test]
async fn nothing_configured_is_told_with_what_to_set() {
    let said = Bluebucket::new().run(&["check"]).await;
    says(&said, 1, &["BLUEBUCKET_ACCESS_KEY_ID", "AZURE_STORAGE_ACCOUNT"]);
}

#[tokio::test]
async fn a_presigned_url_works_for_who_has_it() {
    let gateway = Gateway::start().await;
    let client = gateway.admin();
    let bucket = unique("presign");
    client.put(&format!("/{bucket}")).ok().await;
    client.put(&path(&bucket, "a b/c+d")).body("hello").ok().await;
    let endpoint = format!("http://{}", gateway.address);
    let file = gateway.file.to_str().unwrap();
    let presign = async |more: &[&str]| {
        let target = format!("s3://{bucket}/a b/c+d");
        let all = [&["presign", &target, "--config", file, "--endpoint", &endpoint], more].concat();
        let said = Bluebucket::new().run(&all).await;
        assert!(!said.out.contains(ADMIN.secret), "{said:?}");
        said
    };
    let ask = async |method: &str, url: &str, body: &str| {
        let target = url.trim().strip_prefix(&endpoint).unwrap().to_owned();
        let mut wire = Wire::connect(gateway.address).await.unwrap();
        let length = body.len();
        let request = format!(
            "{method} {target} HTTP/1.1\r\nhost: {}\r\ncontent-length: {length}\r\n\r\n{body}",
            gateway.address
        );
        wire.exchange(request.as_bytes(), method).await.unwrap()
    };
    let said = presign(&["--query", "response-content-type=text/x-test"]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let read = ask("GET", &said.out, "").await;
    assert_eq!((read.status, read.text().as_str()), (200, "hello"));
    assert_eq!(read.at("content-type"), "text/x-test");
    let said = presign(&["--method", "put", "--user", ADMIN.id, "--expires", "5m"]).await;
    assert_eq!(ask("PUT", &said.out, "again").await.status, 200);
    assert_eq!(ask("GET", &said.out, "").await.status, 403, "it is for PUT");
    assert_eq!(client.get(&path(&bucket, "a b/c+d")).ok().await.text(), "again");
    let said = presign(&["--expires", "8d"]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(said.err.contains("604800"), "{said:?}");
    let none = Bluebucket::new().run(&["presign", "b-one/k"]).await;
    assert_eq!(none.code, 1, "{none:?}");
    assert!(
        none.err.contains("BLUEBUCKET_ACCESS_KEY_ID") && !none.err.contains(CANARY),
        "{none:?}"
    );
}

#[tokio::test]
async fn every_command_says_what_it_is_for() {
    for (command, words) in [
        (vec!["--help"], "presign"),
        (vec!["serve", "--help"], "Secrets are never flags"),
        (vec!["check", "--help"], "Exit code 0"),
        (vec!["presign", "--help"], "--virtual-host"),
        (vec!["dev", "--help"], "Node 20"),
        (vec!["config", "print", "--help"], "secrets masked"),
        (vec!["man"], "bluebucket"),
        (vec!["completions", "bash"], "presign"),
    ] {
        let said = Bluebucket::new().run(&command).await;
        assert_eq!(said.code, 0, "{command:?}: {said:?}");
        assert!(said.out.contains(words), "{command:?}: {words:?} is not in {}", said.out);
    }
}
