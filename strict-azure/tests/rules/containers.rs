//! Containers, batches, and what is asked of the account.

use std::time::Duration;

use strict_azure::Operation;

use crate::client::Client;

const AT: &str = "/new?restype=container";

#[tokio::test]
async fn a_containers_name_is_not_free_at_once() {
    let client = Client::new();
    client.ok("PUT", AT, &[("x-ms-meta-a", "1")], "").await;
    client.refused(("PUT", AT), &[], "", (409, "ContainerAlreadyExists")).await;
    let head = client.ok("HEAD", AT, &[], "").await;
    assert_eq!((head.header("x-ms-meta-a"), head.header("x-ms-lease-state")), ("1", "available"));
    client.ok("DELETE", AT, &[], "").await;
    client.refused(("PUT", AT), &[], "", (409, "ContainerBeingDeleted")).await;
    client.refused(("GET", "/new/a"), &[], "", (404, "ContainerNotFound")).await;
    client.server.advance_clock(Duration::from_secs(31));
    client.ok("PUT", AT, &[], "").await;
    client.server.behave(|behaviour| behaviour.container_delete_time = Duration::ZERO);
    client.ok("DELETE", AT, &[], "").await;
    client.ok("PUT", AT, &[], "").await;
    for (bad, code) in [("a--b", "InvalidResourceName"), ("ab", "OutOfRangeInput")] {
        let path = format!("/{bad}?restype=container");
        client.refused(("PUT", &path), &[], "", (400, code)).await;
    }
}

#[tokio::test]
async fn a_leased_container_is_deleted_by_its_holder() {
    let client = Client::new();
    client.ok("PUT", AT, &[], "").await;
    let acquire = [("x-ms-lease-action", "acquire"), ("x-ms-lease-duration", "60")];
    let lease = client.ok("PUT", "/new?restype=container&comp=lease", &acquire, "").await;
    client.refused(("DELETE", AT), &[], "", (412, "LeaseIdMissing")).await;
    // Nobody needs it to change metadata, but who shows one shows the right one.
    let metadata = "/new?restype=container&comp=metadata";
    client.ok("PUT", metadata, &[("x-ms-meta-b", "2")], "").await;
    let other = [("x-ms-lease-id", "11111111-1111-1111-1111-111111111111")];
    let mismatch = (412, "LeaseIdMismatchWithContainerOperation");
    client.refused(("PUT", metadata), &other, "", mismatch).await;
    let own = [("x-ms-lease-id", lease.header("x-ms-lease-id"))];
    client.ok("DELETE", AT, &own, "").await;
}

#[tokio::test]
async fn containers_are_listed() {
    let client = Client::new();
    for name in ["cc", "ca", "cb", "dd"] {
        let path = format!("/{name}0?restype=container");
        client.ok("PUT", &path, &[("x-ms-meta-n", name)], "").await;
    }
    let page = client.get("/?comp=list&prefix=c&maxresults=2&include=metadata").await;
    assert_eq!((page.all("Name"), page.all("n")), (vec!["ca0", "cb0"], vec!["ca", "cb"]));
    let next = page.all("NextMarker")[0].replace('!', "%21");
    let page = client.get(&format!("/?comp=list&prefix=c&marker={next}")).await;
    assert_eq!(page.all("Name"), ["cc0", "con"]);
    client
        .refused(("GET", "/?comp=list&marker=x"), &[], "", (400, "InvalidQueryParameterValue"))
        .await;
}

#[tokio::test]
async fn a_batch_answers_each() {
    let client = Client::new();
    client.put("/con/a%20b", "1").await;
    client.put("/con/s", "1").await;
    client.ok("PUT", "/con/s?comp=snapshot", &[], "").await;
    let account = client.server.account().to_owned();
    let part = |number: usize, name: &str| {
        format!(
            "--batch_x\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\
             Content-ID: {number}\r\n\r\nDELETE /{account}/con/{name} HTTP/1.1\r\n\
             x-ms-date: Sun, 22 Nov 2026 03:05:08 GMT\r\nContent-Length: 0\r\n\r\n"
        )
    };
    let body = [part(0, "a%20b"), part(1, "gone"), part(2, "s"), "--batch_x--\r\n".to_owned()];
    let kind = [("content-type", "multipart/mixed; boundary=batch_x")];
    let path = "/con?restype=container&comp=batch";
    let answer = client.ok("POST", path, &kind, body.concat()).await;
    assert_eq!(answer.status, 202);
    let boundary = answer.header("content-type").split("boundary=").nth(1).unwrap().to_owned();
    let parts: Vec<_> = answer.text().split(&format!("--{boundary}")).collect();
    assert_eq!(parts.len(), 5, "{}", answer.text());
    assert!(parts[1].contains("Content-ID: 0\r\n") && parts[1].contains("HTTP/1.1 202 Accepted"));
    assert!(
        parts[2].contains("HTTP/1.1 404") && parts[2].contains("x-ms-error-code: BlobNotFound")
    );
    assert!(
        parts[3].contains("HTTP/1.1 409") && parts[3].contains("<Code>SnapshotsPresent</Code>")
    );
    assert_eq!(client.server.names("con"), ["s"]);
    assert_eq!(client.server.count(Operation::BlobBatch), 1);
    assert_eq!(client.server.count(Operation::DeleteBlob), 0);
}

#[tokio::test]
async fn the_account_says_what_it_is() {
    let client = Client::new();
    let answer = client.get("/?restype=account&comp=properties").await;
    assert_eq!(answer.header("x-ms-account-kind"), "StorageV2");
    assert_eq!(answer.header("x-ms-is-hns-enabled"), "false");
    client.refused(("GET", "/con/a?comp=query"), &[], "", (501, "APINotImplemented")).await;
}
