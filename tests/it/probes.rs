//! What clients ask before they act: of a bucket that nobody has configured, S3's answers.

use crate::buckets::bucket;
use crate::harness::gateway::BOB;
use crate::harness::path;
use crate::objects::stand;

#[tokio::test]
async fn what_is_not_there_has_its_own_code() {
    let (_gateway, client, bucket) = stand().await;
    for (probe, code) in [
        ("policy", "NoSuchBucketPolicy"),
        ("cors", "NoSuchCORSConfiguration"),
        ("lifecycle", "NoSuchLifecycleConfiguration"),
        ("tagging", "NoSuchTagSet"),
        ("website", "NoSuchWebsiteConfiguration"),
        ("replication", "ReplicationConfigurationNotFoundError"),
        ("object-lock", "ObjectLockConfigurationNotFoundError"),
        ("ownershipControls", "OwnershipControlsNotFoundError"),
        ("publicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
    ] {
        let request = client.get(&format!("/{bucket}")).query(probe, "");
        let error = request.refused(404, code).await.xml();
        assert_eq!(error.at("BucketName"), bucket, "{probe}");
    }
}

/// No bucket has locks yet, and none can be given them: S3's answers for such a bucket.
#[tokio::test]
async fn a_bucket_without_locks_says_so() {
    let (gateway, client, bucket) = stand().await;
    let at = path(&bucket, "k");
    client.put(&at).body("v").ok().await;
    for (what, document) in [
        ("retention", "<Retention><Mode>GOVERNANCE</Mode></Retention>"),
        ("legal-hold", "<LegalHold><Status>ON</Status></LegalHold>"),
    ] {
        client.get(&at).query(what, "").refused(400, "InvalidRequest").await;
        let put = |client: &crate::harness::Client| client.put(&at).query(what, "").body(document);
        put(&client).refused(400, "InvalidRequest").await;
        put(&gateway.client(BOB)).refused(403, "AccessDenied").await;
    }
    let document = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>\
                    </ObjectLockConfiguration>";
    let put = client.put(&format!("/{bucket}")).query("object-lock", "").body(document);
    put.refused(409, "InvalidBucketState").await;
    let create = client.put(&format!("/{}", crate::harness::unique("b")));
    let create = create.header("x-amz-bucket-object-lock-enabled", "true");
    create.refused(501, "NotImplemented").await;
}

#[tokio::test]
async fn what_is_empty_is_an_empty_document() {
    let (_gateway, client, bucket) = stand().await;
    for (probe, name) in [
        ("versioning", "VersioningConfiguration"),
        ("logging", "BucketLoggingStatus"),
        ("notification", "NotificationConfiguration"),
        ("accelerate", "AccelerateConfiguration"),
    ] {
        let answer = client.get(&format!("/{bucket}")).query(probe, "").ok().await;
        assert_eq!(answer.at("content-type"), "application/xml");
        let document = answer.xml();
        assert_eq!((document.name.as_str(), document.children.len()), (name, 0));
        let namespace = document.namespace.as_deref();
        assert_eq!(namespace, Some("http://s3.amazonaws.com/doc/2006-03-01/"));
    }
    let status = client.get(&format!("/{bucket}")).query("policyStatus", "").ok().await.xml();
    assert_eq!(status.at("IsPublic"), "false");
    let payer = client.get(&format!("/{bucket}")).query("requestPayment", "").ok().await.xml();
    assert_eq!(payer.at("Payer"), "BucketOwner");
    let uploads = client.get(&format!("/{bucket}")).query("uploads", "").ok().await.xml();
    assert_eq!(uploads.name, "ListMultipartUploadsResult");
    assert_eq!((uploads.at("Bucket"), uploads.at("IsTruncated")), (bucket.as_str(), "false"));
    assert!(uploads.all("Upload").is_empty());
}

#[tokio::test]
async fn the_owner_has_all_rights() {
    let (_gateway, client, bucket) = stand().await;
    let object = path(&bucket, "k");
    client.put(&object).body("v").ok().await;
    for at in [&format!("/{bucket}"), &object] {
        let acl = client.get(at).query("acl", "").ok().await.xml();
        assert_eq!(acl.name, "AccessControlPolicy");
        assert_eq!((acl.at("Owner/ID"), acl.at("Owner/DisplayName")), ("alice", "The alice"));
        let grants = acl.find("AccessControlList").unwrap().all("Grant");
        assert_eq!(grants.len(), 1);
        assert_eq!(grants[0].at("Grantee/ID"), "alice");
        assert_eq!(grants[0].at("Permission"), "FULL_CONTROL");
    }
    let tags = client.get(&object).query("tagging", "").ok().await.xml();
    assert_eq!(tags.name, "Tagging");
    assert!(tags.find("TagSet").unwrap().children.is_empty());
}

/// A probe of what is not there at all says so.
#[tokio::test]
async fn probes_are_about_something() {
    let (gateway, client, name) = stand().await;
    let none = crate::harness::unique("none");
    let bob = gateway.client(BOB);
    let his = bucket(&bob).await;
    for probe in ["policy", "cors", "versioning", "acl", "location", "uploads", "encryption"] {
        let request = client.get(&format!("/{none}")).query(probe, "");
        request.refused(404, "NoSuchBucket").await;
        client.get(&format!("/{his}")).query(probe, "").refused(403, "AccessDenied").await;
    }
    for probe in ["acl", "tagging"] {
        client.get(&path(&name, "none")).query(probe, "").refused(404, "NoSuchKey").await;
        client.get(&path(&his, "k")).query(probe, "").refused(403, "AccessDenied").await;
    }
}
