//! A running gateway follows its configuration, and says how it is: what operators rely on at night.

use std::fs;
use std::net::SocketAddr;

use bluebucket::server::azurite::connection_string;
use strict_azure::{Action, Fault, Operation};

use crate::harness::gateway::{ADMIN, Settings};
use crate::harness::wire::Wire;
use crate::harness::{Answer, Gateway, path, strict_with, unique, until};

/// What a prober or an operator asks on the admin port.
pub(crate) async fn plain(address: SocketAddr, path: &str) -> Answer {
    let mut wire = Wire::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    wire.exchange(request.as_bytes(), "GET").await.unwrap()
}

/// One value of the metrics, labels and all.
pub(crate) async fn metric(admin: SocketAddr, series: &str) -> u64 {
    let text = plain(admin, "/metrics").await.text();
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {series} in {text}")).parse().unwrap()
}

/// A change of a gateway's file, as an editor makes it.
pub(crate) fn edit(gateway: &Gateway, change: impl FnOnce(String) -> String) {
    let text = change(fs::read_to_string(&gateway.file).unwrap());
    let new = gateway.file.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(new, &gateway.file).unwrap();
}

#[tokio::test]
async fn an_account_comes_and_goes_without_a_restart() {
    let gateway = Gateway::with(|settings| settings.top += "\ndefault_account = \"main\"").await;
    let client = gateway.admin();
    let bucket = unique("elsewhere");
    let other = strict_with(|_| {});
    // The container is there, in the account that the gateway does not know yet.
    other.seed_container(&bucket).unwrap();
    client.get(&format!("/{bucket}")).refused(404, "NoSuchBucket").await;

    let connection = connection_string(&other.endpoint());
    let tables = format!(
        "[accounts.other]\nconnection_string = {connection:?}\n\
         [[buckets]]\nname = {bucket:?}\naccount = \"other\"\n"
    );
    edit(&gateway, |text| text + &tables);
    until("the new account serves its bucket", async || {
        client.get(&format!("/{bucket}")).send().await.status == 200
    })
    .await;
    client.put(&path(&bucket, "k")).body("v").ok().await;
    assert_eq!(client.get(&path(&bucket, "k")).ok().await.text(), "v");
    let page = plain(gateway.admin, "/").await.text();
    assert!(page.contains("other"), "{page}");

    edit(&gateway, |text| text.replace(&tables, ""));
    until("the account is gone", async || {
        client.get(&format!("/{bucket}")).send().await.status == 404
    })
    .await;
}

#[tokio::test]
async fn what_waits_for_a_restart_does_not_change_by_a_reload() {
    let gateway = Gateway::start().await;
    let client = gateway.admin();
    let bucket = unique("stays");
    client.put(&format!("/{bucket}")).ok().await;
    let uploads = client.post(&path(&bucket, "k")).query("uploads", "").ok().await;
    let upload = uploads.xml().at("UploadId").to_owned();
    let system = gateway.system_container.clone();
    edit(&gateway, |text| {
        let user = "[[users]]\nid = \"new\"\nrole = \"admin\"\n\
                    keys = [{ access_key_id = \"AKNEW\", secret_access_key = \"new-secret-00001\" }]\n";
        text.replace(&system, &unique("sys")).replace("domains = ", "region = \"eu-1\"\ndomains = ")
            + user
    });
    let new = client.with("AKNEW", "new-secret-00001");
    until("the new user is known", async || new.get("/").send().await.status == 200).await;
    let parts = new.get(&path(&bucket, "k")).query("uploadId", &upload).send().await;
    assert_eq!(parts.status, 200, "the system container is the one of the start: {parts:?}");
    assert!(plain(gateway.admin, "/").await.text().contains("us-east-1"));
}

#[tokio::test]
async fn f36_a_clock_that_is_off_is_not_ready_and_says_why() {
    let azure = strict_with(|_| {});
    let gateway = Gateway::with(|settings| settings.azure = azure.endpoint()).await;
    azure.advance_clock(std::time::Duration::from_mins(20));
    let answer = plain(gateway.admin, "/ready").await;
    assert_eq!(answer.status, 503, "{answer:?}");
    let said = answer.text();
    assert!(said.contains("clock is 1") && said.contains("s behind Azure's: set it"), "{said}");
    // And where Azure refuses the signature for it, it is not the key that is blamed.
    azure.set_fault(
        Fault::new(Action::Refuse(403, "AuthenticationFailed".to_owned()))
            .on(Operation::GetAccountInformation)
            .times(1000),
    );
    until("the refusal is explained by the clock", async || {
        let said = plain(gateway.admin, "/ready").await.text();
        azure.count(Operation::GetAccountInformation) > 1 && said.contains("s behind Azure's")
    })
    .await;
    let s3 = plain(gateway.address, "/-/ready").await;
    assert_eq!((s3.status, s3.text().as_str()), (503, "not ready\n"), "strangers are not told why");
}

#[tokio::test]
async fn f37_a_replica_is_ready_while_one_account_answers_and_recovers_alone() {
    let (one, two) = (strict_with(|_| {}), strict_with(|_| {}));
    let gateway = Gateway::with(|settings| {
        settings.azure = one.endpoint();
        settings.top += "\ndefault_account = \"main\"";
        let connection = connection_string(&two.endpoint());
        settings.tables = format!("[accounts.other]\nconnection_string = {connection:?}\n");
    })
    .await;
    let down = || Fault::new(Action::Refuse(403, "AuthenticationFailed".to_owned())).times(10_000);
    one.set_fault(down());
    until("one account is told", async || {
        let answer = plain(gateway.admin, "/ready").await;
        assert_eq!(answer.status, 200, "the other one answers: {answer:?}");
        let said = answer.text();
        said.contains("account main: ") && said.contains("account other: answers")
    })
    .await;
    // Its own buckets say 503, never 403: our credential is not the client's fault (F35).
    gateway.client(ADMIN).get("/any-bucket").refused(503, "ServiceUnavailable").await;
    two.set_fault(down());
    until("nobody is ready", async || plain(gateway.admin, "/ready").await.status == 503).await;
    one.clear_faults();
    until("it recovers alone", async || plain(gateway.admin, "/ready").await.status == 200).await;
}

#[tokio::test]
async fn an_account_where_we_may_only_reach_blobs_is_ready() {
    let azure = strict_with(|_| {});
    let gateway = Gateway::with(|settings: &mut Settings| settings.azure = azure.endpoint()).await;
    azure.set_fault(
        Fault::new(Action::Refuse(403, "AuthorizationPermissionMismatch".to_owned()))
            .on(Operation::GetAccountInformation)
            .times(1000),
    );
    let answer = plain(gateway.admin, "/ready").await;
    assert_eq!(answer.status, 200, "{answer:?}");
}
