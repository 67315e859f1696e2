//! Copies over strict Azure: what they cost, across accounts, beyond the limits, and beside copies of
//! other tools that go on.

use strict_azure::{Operation, Seed};

use crate::buckets::bucket;
use crate::harness::gateway::ALICE;
use crate::harness::stand::Stand;
use crate::harness::{Gateway, noise, path, strict_with, unique};
use crate::multipart::create;

const SOURCE: &str = "x-amz-copy-source";
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>
const COPY_BYTES_MAX: u64 = 5 << 30;

/// The target's account reads the source by a token that the source's account has signed.
#[tokio::test]
async fn a_source_in_another_account_is_copied_by_azure_itself() {
    use Operation as Op;
    let (here, there) = (
        strict_with(|_| {}),
        strict_with(|options| {
            options.account = "devstoreaccount2".to_owned();
            options.key = data_encoding::BASE64.encode(b"another key for another account.");
        }),
    );
    let elsewhere = unique("elsewhere");
    let gateway = Gateway::with(|settings| {
        settings.azure = here.endpoint();
        settings.cache_ttl = "1m";
        settings.top = "default_account = \"main\"".to_owned();
        settings.tables = format!(
            "[accounts.other]\nconnection_string = {:?}\n\
             [[buckets]]\nname = \"elsewhere-*\"\naccount = \"other\"\n",
            there.connection_string()
        );
    });
    let gateway = gateway.await;
    let client = gateway.client(ALICE);
    let bucket = bucket(&client).await;
    client.put(&format!("/{elsewhere}")).ok().await;
    let body = noise(100_000);
    let from = path(&elsewhere, "from");
    client.put(&from).header("x-amz-meta-a", "b").body(&body).ok().await;
    client.put(&path(&bucket, "warm")).body("v").ok().await;
    assert_eq!(there.names(&elsewhere), ["from"], "it lies in the other account");
    here.reset_counts();
    there.reset_counts();
    let to = path(&bucket, "to");
    client.put(&to).header(SOURCE, &from).ok().await;
    assert_eq!(here.counts(), [(Op::PutBlobFromUrl, 1)]);
    assert_eq!(there.counts(), [(Op::GetBlobProperties, 1)]);
    let copy = client.get(&to).ok().await;
    assert!(copy.body == body);
    assert_eq!(copy.at("x-amz-meta-a"), "b");
    // A part, and some bytes of one.
    let upload = create(&client, &bucket, "parts").await;
    here.reset_counts();
    let part = client.put(&upload.at).query("uploadId", &upload.id).query("partNumber", 1);
    let part = part.header(SOURCE, &from).header("x-amz-copy-source-range", "bytes=10-99");
    let part = part.ok().await.xml();
    assert_eq!(here.counts(), [(Op::PutBlockFromUrl, 1), (Op::PutBlockList, 1)]);
    upload.complete(&client, &[(1, part.at("ETag").to_owned())]).ok().await;
    assert!(client.get(&upload.at).ok().await.body == body[10..100]);
}

/// The largest object of one copy is copied in ranges, and one byte more is refused as S3 refuses it.
#[tokio::test]
async fn a_source_above_five_gibibytes_is_refused() {
    let stand = Stand::open(|options| *options = options.clone().lengths_only()).await;
    let Stand { azure, client, bucket, .. } = &stand;
    client.put(&path(bucket, "warm")).body("v").ok().await;
    let sources = [("most", COPY_BYTES_MAX), ("more", COPY_BYTES_MAX + 1)];
    azure.seed(bucket, sources.map(|(key, length)| (key, Seed::length(length)))).unwrap();
    azure.reset_counts();
    client.put(&path(bucket, "copy")).header(SOURCE, path(bucket, "most")).ok().await;
    assert_eq!(azure.count(Operation::PutBlockFromUrl), 20, "256 MiB each");
    assert_eq!(azure.count(Operation::PutBlockList), 1);
    assert_eq!(azure.count(Operation::GetBlob), 0, "no byte comes through here");
    let head = client.head(&path(bucket, "copy")).ok().await;
    assert_eq!(head.at("content-length"), COPY_BYTES_MAX.to_string());
    let refused = client.put(&path(bucket, "none")).header(SOURCE, path(bucket, "more"));
    let refused = refused.refused(400, "InvalidRequest").await.xml();
    assert_eq!(
        refused.at("Message"),
        "The specified copy source is larger than the maximum allowable size for a copy source: \
         5368709120"
    );
    client.head(&path(bucket, "none")).refused(404, "NoSuchKey").await;
    // Of such a source parts are copied.
    let upload = create(client, bucket, "parts").await;
    let copy = |range: &str| {
        let part = client.put(&upload.at).query("uploadId", &upload.id).query("partNumber", 1);
        let part = part.header(SOURCE, path(bucket, "more"));
        if range.is_empty() { part } else { part.header("x-amz-copy-source-range", range) }
    };
    copy("").refused(400, "InvalidRequest").await;
    copy(&format!("bytes=1-{COPY_BYTES_MAX}")).ok().await;
}

/// Another tool copies onto the key, and Azure is not done yet: who writes is told to come back, loses
/// nothing, and writes when it is done.
#[tokio::test]
async fn a_copy_of_another_tool_that_goes_on_is_waited_for() {
    use crate::harness::azure::{Ask, Azure};
    let stand = Stand::open(|_| {}).await;
    let Stand { azure, client, bucket, .. } = &stand;
    client.put(&path(bucket, "from")).body("from").ok().await;
    client.put(&path(bucket, "other")).body("other").ok().await;
    azure.behave(|behaviour| behaviour.copies = strict_azure::Copies::Pending);
    let at = format!("{}/{bucket}/from", azure.endpoint());
    let tool = Azure::at(azure.address());
    tool.ok(Ask::blob("PUT", bucket, "k").header("x-ms-copy-source", &at)).await;
    let to = path(bucket, "k");
    for request in [
        client.put(&to).body("ours"),
        client.put(&to).header(SOURCE, path(bucket, "other")),
        client.delete(&to),
    ] {
        let answer = request.send().await;
        if answer.status != 204 {
            assert_eq!((answer.status, answer.error().as_str()), (503, "SlowDown"));
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
        }
    }
    azure.finish_copies();
    client.put(&to).header(SOURCE, path(bucket, "other")).ok().await;
    assert_eq!(client.get(&to).ok().await.text(), "other");
    assert_eq!(client.get(&path(bucket, "from")).ok().await.text(), "from");
}
