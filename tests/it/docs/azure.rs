//! docs/azure.md: what each operation of S3 costs in requests to Azure, counted over strict Azure by a
//! gateway that knows the bucket.

use strict_azure::Operation;

use super::{holds_generated, table};
use crate::harness::stand::Stand;
use crate::harness::{noise, path, unique};
use crate::multipart::{MIN, create};

/// What was asked, in words.
fn words(asked: Vec<(Operation, u64)>) -> String {
    let words = asked.into_iter().map(|(operation, count)| match count {
        1 => operation.name().to_owned(),
        count => format!("{count} × {}", operation.name()),
    });
    let words: Vec<_> = words.collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// The rows as they are measured.
struct Costs {
    stand: Stand,
    rows: Vec<Vec<String>>,
}

impl Costs {
    fn note(&mut self, what: &str) {
        let cost = words(self.stand.asked());
        self.rows.push(vec![what.to_owned(), cost]);
    }
}

#[tokio::test]
async fn the_azure_page_says_what_operations_cost() {
    let stand = Stand::open(|_| {}).await;
    let (client, bucket) = (stand.client.clone(), stand.bucket.clone());
    client.put(&path(&bucket, "warm")).body("warm").ok().await;
    create(&client, &bucket, "warm").await.put(&client, 1, b"x").await;
    stand.asked();
    let mut costs = Costs { stand, rows: Vec::new() };
    on_objects(&mut costs).await;
    in_parts(&mut costs).await;
    on_buckets(&mut costs).await;
    let text = table(&["S3", "Azure"], costs.rows);
    holds_generated("docs/azure.md", &[("costs", text)]);
}

async fn on_objects(costs: &mut Costs) {
    let (client, bucket) = (costs.stand.client.clone(), costs.stand.bucket.clone());
    let at = path(&bucket, "k");
    for (what, bytes) in [("16 MiB at most", 16 << 20), ("40 MiB", 40 << 20)] {
        client.put(&at).body(noise(bytes)).ok().await;
        costs.note(&format!("PutObject of {what}"));
    }
    client.put(&at).body(noise(4 << 20)).ok().await;
    costs.stand.asked();
    client.get(&at).ok().await;
    costs.note("GetObject of 4 MiB");
    client.get(&at).header("range", "bytes=0-9").ok().await;
    costs.note("GetObject with a range");
    client.head(&at).ok().await;
    costs.note("HeadObject");
    let attributes = client.get(&at).query("attributes", "");
    attributes.header("x-amz-object-attributes", "ETag").ok().await;
    costs.note("GetObjectAttributes");
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
    client.put(&at).query("tagging", "").body(tags).ok().await;
    costs.note("PutObjectTagging");
    client.get(&at).query("tagging", "").ok().await;
    costs.note("GetObjectTagging");
    client.put(&at).query("acl", "").header("x-amz-acl", "public-read").ok().await;
    costs.note("PutObjectAcl");
    client.get(&at).query("acl", "").ok().await;
    costs.note("GetObjectAcl");
    client.put(&path(&bucket, "copy")).header("x-amz-copy-source", &at).ok().await;
    costs.note("CopyObject of 4 MiB");
    client.delete(&at).ok().await;
    costs.note("DeleteObject");
    let list = client.get(&format!("/{bucket}")).query("list-type", 2);
    list.query("delimiter", "/").ok().await;
    costs.note("ListObjectsV2, one page");
    let keys: String = (0..256).map(|n| format!("<Object><Key>{n}</Key></Object>")).collect();
    let document = format!("<Delete>{keys}</Delete>");
    crate::multidelete::request(&client, &bucket, &document).ok().await;
    costs.note("DeleteObjects of 256 keys");
}

async fn in_parts(costs: &mut Costs) {
    let (client, bucket) = (costs.stand.client.clone(), costs.stand.bucket.clone());
    let upload = create(&client, &bucket, "parts").await;
    costs.note("CreateMultipartUpload");
    let mut parts = vec![upload.put(&client, 1, &noise(MIN)).await];
    costs.note("UploadPart of 16 MiB at most");
    parts.push(upload.put(&client, 2, b"x").await);
    costs.stand.asked();
    upload.list(&client).ok().await;
    costs.note("ListParts");
    upload.complete(&client, &parts).ok().await;
    costs.note("CompleteMultipartUpload of 2 parts");
    let upload = create(&client, &bucket, "aborted").await;
    upload.put(&client, 1, b"x").await;
    costs.stand.asked();
    upload.abort(&client).ok().await;
    costs.note("AbortMultipartUpload of 1 part");
}

async fn on_buckets(costs: &mut Costs) {
    let client = costs.stand.client.clone();
    let at = format!("/{}", unique("cost"));
    client.put(&at).ok().await;
    costs.note("CreateBucket");
    client.head(&at).ok().await;
    costs.note("HeadBucket");
    client.get("/").ok().await;
    costs.note("ListBuckets");
    let block = "<PublicAccessBlockConfiguration/>";
    client.put(&at).query("publicAccessBlock", "").body(block).ok().await;
    costs.note("PutPublicAccessBlock");
    client.get(&at).query("publicAccessBlock", "").ok().await;
    costs.note("GetPublicAccessBlock");
    client.delete(&at).ok().await;
    costs.note("DeleteBucket");
}
