//! What an operation costs: the requests to Azure behind each request of S3, counted.

use http::Method;

use crate::buckets::bucket;
use crate::harness::gateway::ALICE;
use crate::harness::{Client, Gateway, Proxy, Streaming, noise, path};

/// A gateway whose caches stay warm for the whole test, and a bucket that it knows.
pub(crate) async fn stand() -> (Proxy, Gateway, Client, String) {
    let proxy = Proxy::to_backend().await;
    let endpoint = proxy.endpoint();
    let gateway = Gateway::with(|settings| {
        settings.azure = endpoint;
        settings.cache_ttl = "10m";
    })
    .await;
    let client = gateway.client(ALICE);
    let name = bucket(&client).await;
    // The bucket is known, and the account probed.
    client.put(&path(&name, "warm")).body("warm").ok().await;
    proxy.calls().await;
    (proxy, gateway, client, name)
}

/// The requests since the last time, as `METHOD comp`.
async fn asked(proxy: &Proxy) -> Vec<String> {
    let calls = proxy.calls().await;
    calls.iter().map(|call| format!("{} {}", call.method, call.comp).trim().to_owned()).collect()
}

#[tokio::test]
async fn each_operation_is_one_request_when_the_bucket_is_known() {
    let (proxy, _gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    for size in [0, 1, 1 << 20, 16 << 20] {
        client.put(&at).body(noise(size)).ok().await;
        assert_eq!(asked(&proxy).await, ["PUT"], "PutObject of {size}");
    }
    client.get(&at).ok().await;
    assert_eq!(asked(&proxy).await, ["GET"], "GetObject");
    client.get(&at).header("range", "bytes=1-2").ok().await;
    assert_eq!(asked(&proxy).await, ["GET"], "GetObject with a range");
    client.head(&at).ok().await;
    assert_eq!(asked(&proxy).await, ["HEAD"], "HeadObject");
    client.head(&format!("/{bucket}")).ok().await;
    assert_eq!(asked(&proxy).await, ["HEAD"], "HeadBucket");
    client.get(&format!("/{bucket}")).query("list-type", 2).ok().await;
    assert_eq!(asked(&proxy).await, ["GET list"], "ListObjectsV2");
    client.get(&format!("/{bucket}")).query("delimiter", "/").ok().await;
    assert_eq!(asked(&proxy).await, ["GET list"], "ListObjects");
    client.delete(&at).ok().await;
    assert_eq!(asked(&proxy).await, ["DELETE"], "DeleteObject");
    client.get("/").ok().await;
    assert_eq!(asked(&proxy).await, ["GET list"], "ListBuckets");
}

#[tokio::test]
async fn a_page_of_a_longer_listing_is_one_request() {
    let (proxy, _gateway, client, bucket) = stand().await;
    for number in 0..7 {
        client.put(&path(&bucket, format!("n/{number}"))).ok().await;
    }
    asked(&proxy).await;
    let at = format!("/{bucket}");
    let page = client.get(&at).query("list-type", 2).query("max-keys", 3).ok().await.xml();
    assert_eq!(asked(&proxy).await, ["GET list"]);
    let token = page.at("NextContinuationToken");
    let page = client.get(&at).query("list-type", 2).query("continuation-token", token);
    let page = page.ok().await.xml();
    assert_eq!(page.all("Contents").len(), 5);
    assert_eq!(asked(&proxy).await, ["GET list"]);
}

#[tokio::test]
async fn a_cold_cache_adds_one_request_for_the_bucket() {
    let (proxy, gateway, _client, bucket) = stand().await;
    let (endpoint, system) = (proxy.endpoint(), gateway.system_container.clone());
    let replica = Gateway::with(|settings| {
        settings.azure = endpoint;
        settings.system_container = system;
        settings.cache_ttl = "10m";
    });
    let replica = replica.await;
    let cold = replica.client(ALICE);
    proxy.calls().await;
    cold.get(&path(&bucket, "warm")).ok().await;
    let calls = proxy.calls().await;
    let bucket_asked = calls.iter().filter(|call| call.restype == "container").count();
    assert_eq!((calls.len(), bucket_asked), (2, 1), "{calls:?}");
    cold.get(&path(&bucket, "warm")).ok().await;
    let calls = proxy.calls().await;
    assert_eq!(calls.iter().filter(|call| call.method == Method::GET).count(), 1);
}

/// What a bucket was told is one more request on a cold cache, and none on a warm one.
#[tokio::test]
async fn documents_add_one_request_to_a_cold_cache() {
    let (proxy, gateway, client, bucket) = stand().await;
    let block = "<PublicAccessBlockConfiguration/>";
    let put = client.put(&format!("/{bucket}")).query("publicAccessBlock", "").body(block);
    put.ok().await;
    let (endpoint, system) = (proxy.endpoint(), gateway.system_container.clone());
    let cold = Gateway::with(|settings| {
        settings.azure = endpoint;
        settings.system_container = system;
        settings.cache_ttl = "10m";
    });
    let cold = cold.await;
    for client in [gateway.client(ALICE), cold.client(ALICE)] {
        asked(&proxy).await;
        client.get(&path(&bucket, "warm")).ok().await;
        assert!(asked(&proxy).await.len() <= 3, "container, documents, object");
        client.get(&path(&bucket, "warm")).ok().await;
        assert_eq!(asked(&proxy).await, ["GET"]);
        let readers: Vec<_> = (0..20)
            .map(|_| crate::harness::spawn(client.get(&path(&bucket, "warm")).send()))
            .collect();
        for reader in readers {
            assert_eq!(reader.await.unwrap().status, 200);
        }
        assert_eq!(asked(&proxy).await.len(), 20);
    }
}

/// An owner's read is one request, whatever the bucket has been told; one that the object's own ACL
/// has to allow is two.
#[tokio::test]
async fn a_read_is_judged_by_its_own_answer() {
    let (proxy, _gateway, client, bucket) = stand().await;
    let at = path(&bucket, "warm");
    let told =
        |kind: &str, text: &str| client.put(&format!("/{bucket}")).query(kind, "").body(text);
    let policy = format!(
        r#"{{"Statement":{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::{bucket}/w*"}}}}"#
    );
    told("policy", &policy).ok().await;
    client.put(&path(&bucket, "public")).header("x-amz-acl", "public-read").body("v").ok().await;
    client.get(&at).ok().await;
    for (client, key, want) in [
        (client.clone(), "warm", &["GET"][..]),
        (client.clone(), "public", &["GET"]),
        (client.anonymous(), "warm", &["GET"]),
        (client.anonymous(), "public", &["HEAD", "GET"]),
    ] {
        asked(&proxy).await;
        client.get(&path(&bucket, key)).ok().await;
        assert_eq!(asked(&proxy).await, want, "{key}");
    }
}

#[tokio::test]
async fn a_large_put_is_its_blocks_and_one_commit() {
    let (proxy, _gateway, client, bucket) = stand().await;
    client.put(&path(&bucket, "large")).body(noise(40 << 20)).ok().await;
    let mut asked = asked(&proxy).await;
    assert_eq!(asked.pop().as_deref(), Some("PUT blocklist"));
    assert!(asked.iter().all(|call| call == "PUT block"), "{asked:?}");
    assert!((5..=10).contains(&asked.len()), "{} blocks of 4 to 8 MiB", asked.len());
}

/// Conditions, metadata, markers and probes cost nothing more. What shows a document reads it anew, also
/// where none is known of: another gateway may have made it just now.
#[tokio::test]
async fn what_comes_with_a_request_costs_no_request() {
    let (proxy, _gateway, client, bucket) = stand().await;
    let (object, list) = (path(&bucket, "k"), format!("/{bucket}"));
    let put = || client.put(&object);
    let get = || client.get(&list).query("list-type", 2);
    for (what, request, want) in [
        ("If-None-Match", put().header("if-none-match", "*").body("v"), &["PUT"][..]),
        ("metadata", put().header("x-amz-meta-a", "\u{fc}").body("v"), &["PUT"]),
        ("streamed", put().streaming(Streaming::Signed).body(noise(1 << 20)), &["PUT"]),
        ("start-after", get().query("start-after", "a"), &["GET list"]),
        ("one key", get().query("max-keys", 1), &["GET list"]),
        ("no keys", get().query("max-keys", 0), &[]),
        ("versions", client.get(&list).query("versions", ""), &["GET list"]),
        ("location", client.get(&list).query("location", ""), &[]),
        ("versioning", client.get(&list).query("versioning", ""), &[]),
        ("ACL", client.get(&list).query("acl", ""), &["GET"]),
    ] {
        asked(&proxy).await;
        request.ok().await;
        assert_eq!(asked(&proxy).await, want, "{what}");
    }
}

/// Blob Batch takes 256 deletions a request.
#[tokio::test]
async fn a_multi_delete_of_a_thousand_keys_is_four_requests() {
    let (proxy, _gateway, client, bucket) = stand().await;
    let keys: String =
        (0..1000).map(|number| format!("<Object><Key>k{number}</Key></Object>")).collect();
    let document = format!("<Delete>{keys}</Delete>");
    crate::multidelete::request(&client, &bucket, &document).ok().await;
    assert_eq!(asked(&proxy).await, ["POST batch"; 4]);
}

/// A listing of many keys under few prefixes asks for prefixes, not for keys.
#[tokio::test]
async fn prefixes_are_listed_without_walking_through_them() {
    let (proxy, _gateway, client, bucket) = stand().await;
    let keys = (0..300).map(|number| format!("p{}/k{number:03}", number % 3)).collect();
    crate::listing::put_all(&client, &bucket, &keys).await;
    for delimiter in ["/", "/k"] {
        asked(&proxy).await;
        let list = client.get(&format!("/{bucket}")).query("list-type", 2).query("prefix", "p");
        let page = list.query("delimiter", delimiter).query("max-keys", 10).ok().await.xml();
        assert_eq!(page.all("CommonPrefixes").len(), 3, "{delimiter}");
        let asked = asked(&proxy).await;
        assert!(asked.len() <= 8, "{delimiter}: {asked:?}");
    }
}
