//! Virtual hosts: the bucket in the Host header, under any of the gateway's domains.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html>

use crate::harness::gateway::ALICE;
use crate::harness::{Gateway, path, unique};
use crate::multipart::create_with;

#[tokio::test]
async fn a_bucket_is_reached_under_every_domain_and_by_its_path() {
    let gateway = Gateway::with(|settings| {
        settings.top = "domains = [\"test\", \"S3.Test.\", \"eu.s3.test\"]".to_owned();
    })
    .await;
    let client = gateway.client(ALICE);
    let (plain, dotted) = (unique("b"), format!("{}.v1.log", unique("b")));
    for bucket in [&plain, &dotted] {
        client.put(&format!("/{bucket}")).ok().await;
        client.put(&path(bucket, "a/b")).body(bucket).ok().await;
        for (host, at) in [
            (format!("{bucket}.s3.test"), "/a/b".to_owned()),
            (format!("{bucket}.s3.test:9000"), "/a/b".to_owned()),
            (format!("{bucket}.s3.test."), "/a/b".to_owned()),
            (format!("{bucket}.S3.TEST.:443").to_uppercase(), "/a/b".to_owned()),
            (format!("{bucket}.eu.s3.test"), "/a/b".to_owned()),
            (format!("{bucket}.test"), "/a/b".to_owned()),
            ("s3.test".to_owned(), path(bucket, "a/b")),
            ("eu.s3.test:80".to_owned(), path(bucket, "a/b")),
            ("test".to_owned(), path(bucket, "a/b")),
            ("127.0.0.1".to_owned(), path(bucket, "a/b")),
            ("[::1]:9000".to_owned(), path(bucket, "a/b")),
            ("elsewhere.example".to_owned(), path(bucket, "a/b")),
        ] {
            let answer = client.host(&host).get(&at).send().await;
            assert_eq!((answer.status, answer.text().as_str()), (200, bucket.as_str()), "{host}");
        }
        let listed = client.host(&format!("{bucket}.eu.s3.test")).get("/").ok().await.xml();
        assert_eq!(
            (listed.at("Name"), listed.texts("Contents/Key")),
            (bucket.as_str(), vec!["a/b".to_owned()])
        );
    }
    // `eu` is a bucket only under the domain above it, where a longer one does not end it.
    client.host("s3.test").get("/").ok().await.xml().find("Buckets").expect("the service");
    client.host("eu.s3.test").get("/").ok().await.xml().find("Buckets").expect("the service");
    client.host("us.s3.test").get("/").refused(400, "InvalidBucketName").await;
    client.host("usw.s3.test").get("/").refused(404, "NoSuchBucket").await;
    client.host("not_a_bucket.s3.test").get("/k").refused(400, "InvalidBucketName").await;
    client.host("double..s3.test").get("/k").refused(400, "InvalidBucketName").await;
}

/// C48: what a client says of how it came is not believed.
#[tokio::test]
async fn c48_forwarded_headers_of_a_stranger_change_nothing() {
    let gateway = Gateway::start().await;
    let client = gateway.client(ALICE);
    let (mine, other) = (unique("b"), unique("b"));
    for bucket in [&mine, &other] {
        client.put(&format!("/{bucket}")).ok().await;
        client.put(&path(bucket, "k")).body(bucket).ok().await;
    }
    let spoofed = |prepared: crate::harness::client::Prepared| {
        prepared
            .add("x-forwarded-host", format!("{other}.s3.test"))
            .add("x-forwarded-for", "127.0.0.1")
            .add("x-forwarded-proto", "https")
            .add("forwarded", format!("for=127.0.0.1;host={other}.s3.test;proto=https"))
    };
    let host = client.host(&format!("{mine}.s3.test"));
    assert_eq!(spoofed(host.get("/k").prepare()).send().await.text(), mine);
    assert_eq!(spoofed(client.get(&path(&mine, "k")).prepare()).send().await.text(), mine);
    let refused = spoofed(client.anonymous().get(&path(&mine, "k")).prepare());
    refused.refused(403, "AccessDenied").await;
    // Signed for another host than the one that it is sent to, whatever is said beside it.
    let other_host = client.host(&format!("{other}.s3.test")).get("/k").prepare();
    let moved = other_host.set("host", format!("{mine}.s3.test"));
    spoofed(moved).refused(403, "SignatureDoesNotMatch").await;
}

/// What Complete and a form answer as `Location` is an address that the client can use.
#[tokio::test]
async fn where_an_object_is_told_as_its_client_reaches_it() {
    for (tls, trusted) in [(false, false), (false, true), (true, false)] {
        let gateway = Gateway::with(|settings| {
            settings.tls = tls;
            if trusted {
                settings.top += "\ntrusted_proxies = [\"127.0.0.0/8\"]";
            }
        })
        .await;
        let client = gateway.client(ALICE);
        let bucket = unique("b");
        client.put(&format!("/{bucket}")).ok().await;
        let scheme = if tls || trusted { "https" } else { "http" };
        for (host, at, under) in [
            (client.host.clone(), path(&bucket, "a b/c+d"), format!("/{bucket}/a%20b/c%2Bd")),
            (format!("{bucket}.s3.test"), "/a%20b/c%2Bd".to_owned(), "/a%20b/c%2Bd".to_owned()),
        ] {
            let client = client.host(&host);
            let upload = create_with(client.post(&at), &at).await;
            let parts = [upload.put(&client, 1, b"part").await];
            let complete = upload.complete(&client, &parts).prepare();
            let answer = complete.add("x-forwarded-proto", "https").send().await;
            let told = answer.expect_success().xml().at("Location").to_owned();
            assert_eq!(told, format!("{scheme}://{host}{under}"), "TLS {tls}, trusted {trusted}");
        }
    }
}
