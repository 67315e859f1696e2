//! Rights that come with what one has done, or with how one asks: the initiator of an upload, a key
//! that is not there, a version that is named, a request that would be refused anyway.

use crate::buckets::bucket;
use crate::harness::gateway::{ALICE, BOB, LIMITED};
use crate::harness::{Client, Gateway, Request, path};
use crate::objects::stand;

/// Puts a policy of these statements.
async fn policy(client: &Client, bucket: &str, statements: &str) {
    let text = format!(r#"{{"Statement":[{statements}]}}"#).replace("BUCKET", bucket);
    client.put(&format!("/{bucket}")).query("policy", "").body(text).ok().await;
}

fn allows(action: &str) -> String {
    format!(
        r#"{{"Effect":"Allow","Principal":{{"AWS":"bob"}},"Action":{action},
        "Resource":"arn:aws:s3:::BUCKET/*"}}"#
    )
}

async fn begin(client: &Client, at: &str) -> String {
    client.post(at).query("uploads", "").ok().await.xml().at("UploadId").to_owned()
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions>
#[tokio::test]
async fn who_began_an_upload_may_look_at_it_and_end_it() {
    let may_put = r#"[{ actions = ["s3:PutObject"], buckets = ["*"] }]"#;
    let gateway = Gateway::with(|settings| settings.policy = may_put.to_owned()).await;
    let (alice, bob, limited) =
        (gateway.client(ALICE), gateway.client(BOB), gateway.client(LIMITED));
    let name = bucket(&alice).await;
    let at = path(&name, "k");
    let open = alice.put(&format!("/{name}")).query("acl", "");
    open.header("x-amz-acl", "public-read-write").ok().await;
    let list = |client: &Client, id: &str| client.get(&at).query("uploadId", id);
    let abort = |client: &Client, id: &str| client.delete(&at).query("uploadId", id);
    for (who, others) in
        [(&bob, [&limited, &alice.anonymous()]), (&limited, [&bob, &alice.anonymous()])]
    {
        let id = begin(who, &at).await;
        for other in others {
            list(other, &id).refused(403, "AccessDenied").await;
            abort(other, &id).refused(403, "AccessDenied").await;
        }
        assert_eq!(list(who, &id).ok().await.xml().at("UploadId"), id);
        // Not under another key, and not of an upload that there is none of.
        let elsewhere = who.delete(&path(&name, "other")).query("uploadId", &id);
        elsewhere.refused(403, "AccessDenied").await;
        abort(who, &id).ok().await;
        abort(who, &id).refused(403, "AccessDenied").await;
        abort(&alice, &id).refused(404, "NoSuchUpload").await;
    }
    // Nobody's, because nobody began it who has a name.
    let id = begin(&alice.anonymous(), &at).await;
    abort(&alice.anonymous(), &id).refused(403, "AccessDenied").await;
    // What is denied is denied to an initiator as well.
    let denied = r#"{"Effect":"Deny","Principal":{"AWS":"bob"},
        "Action":"s3:AbortMultipartUpload","Resource":"arn:aws:s3:::BUCKET/*"}"#;
    let id = begin(&bob, &at).await;
    policy(&alice, &name, denied).await;
    list(&bob, &id).ok().await;
    abort(&bob, &id).refused(403, "AccessDenied").await;
    abort(&alice, &id).ok().await;
}

/// As at S3, where who may write a bucket is told that nothing is left of what never was.
#[tokio::test]
async fn a_key_that_is_not_there_is_deleted_by_who_may_write() {
    let (gateway, alice, name) = stand().await;
    let bob = gateway.client(BOB);
    let (hers, none) = (path(&name, "hers"), path(&name, "none"));
    alice.put(&hers).body("v").ok().await;
    bob.delete(&none).refused(403, "AccessDenied").await;
    let open = alice.put(&format!("/{name}")).query("acl", "");
    open.header("x-amz-grant-write", "id=bob").header("x-amz-grant-read", "id=bob").ok().await;
    assert_eq!(bob.delete(&none).ok().await.status, 204);
    bob.delete(&hers).refused(403, "AccessDenied").await;
    bob.get(&none).refused(404, "NoSuchKey").await;
    let document =
        "<Delete><Object><Key>none</Key></Object><Object><Key>hers</Key></Object></Delete>";
    let report = crate::multidelete::request(&bob, &name, document).ok().await.xml();
    assert_eq!(report.texts("Deleted/Key"), ["none"]);
    assert_eq!(report.texts("Error/Key"), ["hers"]);
    assert_eq!(alice.get(&hers).ok().await.text(), "v");
    let denied = r#"{"Effect":"Deny","Principal":"*","Action":"s3:DeleteObject",
        "Resource":"arn:aws:s3:::BUCKET/none"}"#;
    policy(&alice, &name, denied).await;
    bob.delete(&none).refused(403, "AccessDenied").await;
}

/// A version that is named has actions of its own, `null` as well:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html>.
#[tokio::test]
async fn a_version_that_is_named_needs_a_right_of_its_own() {
    let (gateway, alice, name) = stand().await;
    let bob = gateway.client(BOB);
    let at = path(&name, "k");
    alice.put(&at).body("v").ok().await;
    let his = bucket(&bob).await;
    let source = format!("/{name}/k");
    let copy = move |client: &Client, version: &str| {
        client.put(&path(&his, "copy")).header("x-amz-copy-source", format!("{source}{version}"))
    };
    let tagging = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
    let attributes = |client: &Client| {
        client.get(&at).query("attributes", "").header("x-amz-object-attributes", "ETag")
    };
    let one = |document: &str| crate::multidelete::request(&bob, &name, document);
    let requests: Vec<(&str, Request, Request)> = vec![
        ("Get", bob.get(&at), bob.get(&at).query("versionId", "null")),
        ("Get", bob.head(&at), bob.head(&at).query("versionId", "null")),
        ("Get", attributes(&bob), attributes(&bob).query("versionId", "null")),
        (
            "Get",
            bob.get(&at).query("acl", ""),
            bob.get(&at).query("acl", "").query("versionId", "null"),
        ),
        (
            "Put",
            bob.put(&at).query("tagging", "").body(tagging),
            bob.put(&at).query("tagging", "").query("versionId", "null").body(tagging),
        ),
        ("Get", copy(&bob, ""), copy(&bob, "?versionId=null")),
        (
            "Delete",
            one("<Delete><Object><Key>k</Key></Object></Delete>"),
            one("<Delete><Object><Key>k</Key><VersionId>null</VersionId></Object></Delete>"),
        ),
    ];
    let rights = [
        (
            r#"["s3:GetObject","s3:GetObjectAcl","s3:GetObjectAttributes","s3:GetObjectTagging","s3:PutObjectTagging","s3:DeleteObject"]"#,
            true,
        ),
        (
            r#"["s3:GetObjectVersion","s3:GetObjectVersionAcl","s3:GetObjectVersionAttributes","s3:GetObjectVersionTagging","s3:PutObjectVersionTagging","s3:DeleteObjectVersion"]"#,
            false,
        ),
    ];
    for (actions, plain) in rights {
        policy(&alice, &name, &allows(actions)).await;
        for (what, without, with) in &requests {
            let (may, may_not) = if plain { (without, with) } else { (with, without) };
            let refused = may_not.clone().send().await;
            let errors = refused.status == 200 && refused.text().contains("<Code>AccessDenied");
            assert!(refused.status == 403 || errors, "{what} {plain}: {refused:?}");
            alice.get(&at).ok().await;
            let done = may.clone().ok().await;
            assert!(!done.text().contains("<Error>"), "{what} {plain}: {done:?}");
            alice.put(&at).body("v").ok().await;
        }
    }
    let delete = |version| bob.delete(&at).query("versionId", version);
    assert_eq!(delete("null").ok().await.status, 204);
    bob.delete(&at).refused(403, "AccessDenied").await;
}

/// Whether a header is meant, built, or allowed: who may not write is told that, and no more.
#[tokio::test]
async fn a_denial_comes_before_what_is_not_built() {
    const NAME: &str = "x-amz-server-side-encryption";
    let (gateway, alice, name) = stand().await;
    let at = path(&name, "k");
    let with = |client: &Client, cipher: &str| client.put(&at).header(NAME, cipher).body("v");
    with(&alice, "aws:kms").refused(501, "NotImplemented").await;
    with(&alice, "AES192").refused(400, "InvalidArgument").await;
    with(&gateway.client(BOB), "aws:kms").refused(403, "AccessDenied").await;
    with(&alice.anonymous(), "AES192").refused(403, "AccessDenied").await;
    let only = r#"{"Effect":"Deny","Principal":"*","Action":"s3:PutObject",
        "Resource":"arn:aws:s3:::BUCKET/*",
        "Condition":{"StringNotEquals":{"s3:x-amz-server-side-encryption":"AES256"}}}"#;
    policy(&alice, &name, only).await;
    for cipher in ["aws:kms", "AES192"] {
        with(&alice, cipher).refused(403, "AccessDenied").await;
    }
    with(&alice, "AES256").ok().await;
    let key = alice.put(&at).header(NAME, "AES256");
    let key = key.header("x-amz-server-side-encryption-customer-algorithm", "AES256");
    key.body("w").refused(400, "InvalidArgument").await;
    alice
        .put(&path("none-such-bucket", "k"))
        .header(NAME, "aws:kms")
        .refused(404, "NoSuchBucket")
        .await;
    assert_eq!(alice.get(&at).ok().await.text(), "v");
}
