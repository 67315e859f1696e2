//! Uploads in parts on bad days: Completes that die or are not answered, uploads of one key, copies.

use http::Method;

use crate::buckets::bucket;
use crate::harness::gateway::ALICE;
use crate::harness::{Action, Gateway, Proxy, Rule};
use crate::multipart::{composite, create};

/// F18: parts that are gone because they are an object by now are nobody's fault; who cannot find out
/// says so.
#[tokio::test]
async fn f18_parts_that_went_with_their_upload_are_not_the_clients_fault() {
    let proxy = Proxy::to_azurite().await;
    let believing = Gateway::with(|settings| {
        settings.azure = proxy.endpoint();
        settings.cache_ttl = "1m";
    });
    let gateway = believing.await;
    let elsewhere = gateway.replica().await;
    let client = gateway.client(ALICE);
    let bucket = bucket(&client).await;
    let upload = create(&client, &bucket, "k").await;
    let parts = [upload.put(&client, 1, b"value").await];
    upload.complete(&elsewhere.client(ALICE), &parts).ok().await;
    // This gateway still believes in the upload, and cannot see what became of it.
    let blind = Rule::new(Action::Answer(503, "ServerBusy", Some(0))).method(Method::HEAD);
    let rule = proxy.rule(blind.path("%2Fo%2F")).await;
    upload.complete(&client, &parts).refused(503, "SlowDown").await;
    assert!(rule.met() > 0);
    proxy.clear().await;
    let again = upload.complete(&client, &parts).ok().await.xml();
    assert_eq!(again.at("ETag"), composite(&[b"value"]));
}
