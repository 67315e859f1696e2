//! Who may do what: every operation for everybody, and the examples of docs/access.md.

use std::fs;

use bluebucket::s3::operation::{Operation as Op, Support};

use crate::buckets::bucket;
use crate::errors::{Meant, every_operation};
use crate::harness::gateway::{ADMIN, ALICE, BOB, LIMITED};
use crate::harness::{Client, Gateway, Request, path, unique};
use crate::replicas::until;

/// What an operation needs, by IAM's names.
fn needs(operation: Op) -> &'static [&'static str] {
    match operation {
        Op::ListBuckets => &["ListAllMyBuckets"],
        Op::HeadBucket | Op::ListObjects | Op::ListObjectsV2 => &["ListBucket"],
        Op::ListObjectVersions => &["ListBucketVersions"],
        Op::ListMultipartUploads => &["ListBucketMultipartUploads"],
        Op::ListParts => &["ListMultipartUploadParts"],
        Op::GetObject | Op::HeadObject => &["GetObject"],
        Op::GetObjectAttributes => &["GetObject", "GetObjectAttributes"],
        Op::CopyObject => &["GetObject", "PutObject"],
        // That its upload is not there is found out before its source is asked about.
        Op::PutObject
        | Op::UploadPartCopy
        | Op::CreateMultipartUpload
        | Op::UploadPart
        | Op::CompleteMultipartUpload => &["PutObject"],
        Op::DeleteObjects => &["DeleteObject"],
        other => std::slice::from_ref(Box::leak(Box::new(other.name()))),
    }
}

/// The users of the matrix, and what each may do.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Anonymous,
    WrongKey,
    Other,
    Reader,
    Writer,
    Owner,
    Admin,
}

impl Who {
    fn may(self, operation: Op) -> bool {
        needs(operation).iter().all(|action| match self {
            Self::Anonymous | Self::WrongKey => false,
            Self::Other => ["ListAllMyBuckets", "CreateBucket"].contains(action),
            Self::Reader => action.starts_with("Get") || action.starts_with("List"),
            Self::Writer => {
                ["ListAllMyBuckets", "PutObject", "DeleteObject", "AbortMultipartUpload"]
                    .contains(action)
            }
            Self::Owner | Self::Admin => true,
        })
    }
}

/// Two gateways over the same records: in one the limited user reads, in the other it writes.
pub(crate) async fn limited() -> (Gateway, Gateway) {
    let policy = |actions: &str| format!("[{{ actions = [{actions}], buckets = [\"*\"] }}]");
    let reading = policy("\"s3:Get*\", \"s3:List*\"");
    let readers = Gateway::with(|settings| settings.policy = reading).await;
    let system = readers.system_container.clone();
    let writing = policy("\"s3:PutObject\", \"s3:DeleteObject\", \"s3:AbortMultipartUpload\"");
    let writers = Gateway::with(|settings| {
        settings.policy = writing;
        settings.system_container = system;
    });
    (readers, writers.await)
}

/// Nothing is dispatched that the function has not been asked about: every operation that is
/// answered, by header and by URL, for everybody.
#[tokio::test]
async fn every_operation_is_for_those_who_may() {
    let (readers, writers) = limited().await;
    let alice = readers.client(ALICE);
    let name = bucket(&alice).await;
    let (object, other) = (path(&name, "k"), path(&name, "other"));
    alice.put(&object).body("old").ok().await;
    alice.put(&other).body("stays, so that the bucket does").ok().await;
    let cases = [
        (Who::Anonymous, alice.anonymous()),
        (Who::WrongKey, alice.with(ALICE.key, "not-her-secret-01")),
        (Who::Other, readers.client(BOB)),
        (Who::Reader, readers.client(LIMITED)),
        (Who::Writer, writers.client(LIMITED)),
        (Who::Owner, alice.clone()),
        (Who::Admin, readers.client(ADMIN)),
    ];
    let mut asked = 0;
    for (who, client) in &cases {
        let answered = every_operation(client, &name).into_iter().filter(|meant| {
            // A form is signed in its body, and has tests of its own.
            meant.operation.support() == Support::Answered && meant.operation != Op::PostObject
        });
        for meant in answered {
            asked += 1;
            check(*who, &meant, meant.request.clone().prepare().send().await);
            if *who != Who::Anonymous {
                check(*who, &meant, meant.request.clone().presign(60).send().await);
            }
        }
        if matches!(who, Who::Anonymous | Who::WrongKey | Who::Other | Who::Reader) {
            assert_eq!(alice.get(&object).ok().await.text(), "old", "{who:?}");
        }
    }
    assert!(asked > 7 * 50, "{asked}");
    assert_eq!(alice.get(&other).ok().await.text(), "stays, so that the bucket does");
}

fn check(who: Who, meant: &Meant, answer: crate::harness::Answer) {
    let operation = meant.operation;
    if who.may(operation) {
        assert_ne!(answer.status, 403, "{who:?} {operation:?}: {answer:?}");
        return;
    }
    assert_eq!(answer.status, 403, "{who:?} {operation:?}: {answer:?}");
    if !answer.body.is_empty() {
        let code = if who == Who::WrongKey { "SignatureDoesNotMatch" } else { "AccessDenied" };
        assert_eq!(answer.error(), code, "{who:?} {operation:?}");
    }
}

/// The source of a copy is asked about as any other read (C42, C43).
#[tokio::test]
async fn a_copy_takes_what_its_caller_may_read() {
    let (readers, writers) = limited().await;
    let (alice, bob) = (readers.client(ALICE), readers.client(BOB));
    let (hers, his) = (bucket(&alice).await, bucket(&bob).await);
    let source = path(&hers, "k");
    alice.put(&source).body("hers").ok().await;
    let copy = |client: &Client, to: &str| {
        client.put(&path(to, "copy")).header("x-amz-copy-source", &source)
    };
    for (client, to, allowed) in [
        (&alice, &hers, true),
        (&readers.admin(), &his, true),
        (&alice, &his, false),
        (&bob, &his, false),
        (&readers.client(LIMITED), &hers, false),
        (&writers.client(LIMITED), &hers, false),
        (&alice.anonymous(), &hers, false),
    ] {
        if allowed {
            copy(client, to).ok().await;
        } else {
            copy(client, to).refused(403, "AccessDenied").await;
        }
    }
    // A part of an upload as well.
    let upload = bob.post(&path(&his, "big")).query("uploads", "").ok().await.xml();
    let part = |client: &Client| {
        client
            .put(&path(&his, "big"))
            .query("partNumber", 1)
            .query("uploadId", upload.at("UploadId"))
    };
    part(&bob).header("x-amz-copy-source", &source).refused(403, "AccessDenied").await;
    let public = alice.put(&source).query("acl", "").header("x-amz-acl", "public-read");
    public.ok().await;
    part(&bob).header("x-amz-copy-source", &source).ok().await;
    copy(&bob, &his).ok().await;
    assert_eq!(bob.get(&path(&his, "copy")).ok().await.text(), "hers");
    let acl = bob.get(&path(&his, "copy")).query("acl", "").ok().await.xml();
    assert_eq!(acl.at("Owner/ID"), "bob", "an ACL is not copied, nor is an owner");
    assert_eq!(acl.find("AccessControlList").unwrap().all("Grant").len(), 1);
}

/// Who may write may not for that open what it writes, or makes, to others.
#[tokio::test]
async fn an_acl_that_comes_with_a_write_needs_a_right_of_its_own() {
    let policy = r#"[{ actions = ["s3:PutObject", "s3:CreateBucket"], buckets = ["*"] }]"#;
    let gateway = Gateway::with(|settings| settings.policy = policy.to_owned()).await;
    let (alice, limited) = (gateway.client(ALICE), gateway.client(LIMITED));
    let name = bucket(&alice).await;
    let at = path(&name, "k");
    for (header, value) in [("x-amz-acl", "public-read"), ("x-amz-grant-read", "id=bob")] {
        let put = |client: &Client| client.put(&at).header(header, value).body("v");
        put(&limited).refused(403, "AccessDenied").await;
        limited
            .post(&at)
            .query("uploads", "")
            .header(header, value)
            .refused(403, "AccessDenied")
            .await;
        let made = limited.put(&format!("/{}", unique("b"))).header(header, value);
        made.refused(403, "AccessDenied").await;
        put(&alice).ok().await;
    }
    for canned in ["private", "bucket-owner-full-control"] {
        limited.put(&at).header("x-amz-acl", canned).body("v").ok().await;
    }
}

/// Keys that may be deleted go, the others say so, each for itself.
#[tokio::test]
async fn c44_each_key_of_a_multi_delete_is_asked_about() {
    let gateway = Gateway::start().await;
    let (alice, bob) = (gateway.client(ALICE), gateway.client(BOB));
    let name = bucket(&alice).await;
    for key in ["bin/a", "bin/b", "keep/c"] {
        alice.put(&path(&name, key)).body("v").ok().await;
    }
    let document = "<Delete><Object><Key>bin/a</Key></Object><Object><Key>keep/c</Key></Object>\
                    <Object><Key>bin/b</Key></Object></Delete>";
    let delete = || crate::multidelete::request(&bob, &name, document);
    delete().refused(403, "AccessDenied").await;
    let policy = r#"{"Statement":[{"Effect":"Allow","Principal":{"AWS":"bob"},
        "Action":"s3:DeleteObject","Resource":"arn:aws:s3:::BUCKET/bin/*"}]}"#;
    put_policy(&alice, &name, policy).ok().await;
    let report = delete().ok().await.xml();
    assert_eq!(report.texts("Deleted/Key"), ["bin/a", "bin/b"]);
    assert_eq!(report.texts("Error/Key"), ["keep/c"]);
    assert_eq!(report.at("Error/Code"), "AccessDenied");
    let left = alice.get(&format!("/{name}")).ok().await.xml();
    assert_eq!(left.texts("Contents/Key"), ["keep/c"]);
}

fn put_policy(client: &Client, bucket: &str, policy: &str) -> Request {
    let policy = policy.replace("BUCKET", bucket);
    client.put(&format!("/{bucket}")).query("policy", "").body(policy)
}

/// Another replica takes a policy, an ACL and a block within the time to live.
#[tokio::test]
async fn what_one_replica_is_told_holds_on_the_other() {
    let first = Gateway::start().await;
    let second = first.replica().await;
    let alice = first.client(ALICE);
    let name = bucket(&alice).await;
    let at = path(&name, "k");
    alice.put(&at).body("v").ok().await;
    let (here, there) = (alice.anonymous(), second.client(ALICE).anonymous());
    let comes_to = |client: Client, status: u16| {
        let at = at.clone();
        async move {
            until(|| async { client.get(&at).send().await.status == status }).await;
        }
    };
    there.get(&at).refused(403, "AccessDenied").await;
    let public = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",
        "Resource":"arn:aws:s3:::BUCKET/*"}}"#;
    put_policy(&alice, &name, public).ok().await;
    assert_eq!(here.get(&at).ok().await.text(), "v", "at once where it was put");
    comes_to(there.clone(), 200).await;
    let block = "<PublicAccessBlockConfiguration><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>";
    let bucket = format!("/{name}");
    alice.put(&bucket).query("publicAccessBlock", "").body(block).ok().await;
    here.get(&at).refused(403, "AccessDenied").await;
    comes_to(there.clone(), 403).await;
    alice.delete(&bucket).query("policy", "").ok().await;
    // An ACL of a bucket, and one of an object, which is never cached.
    there.get(&bucket).refused(403, "AccessDenied").await;
    alice.put(&bucket).query("acl", "").header("x-amz-acl", "public-read").ok().await;
    here.get(&bucket).ok().await;
    until(|| async { there.get(&bucket).send().await.status == 200 }).await;
    alice.put(&at).query("acl", "").header("x-amz-acl", "public-read").ok().await;
    assert_eq!(there.get(&at).ok().await.text(), "v");
    alice.put(&at).query("acl", "").header("x-amz-acl", "private").ok().await;
    there.get(&at).refused(403, "AccessDenied").await;
}

/// An ACL that changes shows in no header and in no listing, whoever wrote the object.
#[tokio::test]
async fn an_acl_shows_in_neither_etag_nor_time() {
    let gateway = Gateway::start().await;
    let client = gateway.admin();
    let name = unique("native");
    crate::native::create_container(&name).await;
    client.put(&path(&name, "ours")).header("x-amz-meta-a", "b").body("v").ok().await;
    let azure = crate::harness::azure::Azure::default();
    let put = crate::harness::azure::Ask::blob("PUT", &name, "tool");
    azure.ok(put.header("x-ms-blob-type", "AppendBlob")).await;
    for key in ["ours", "tool"] {
        let at = path(&name, key);
        let before = client.head(&at).ok().await;
        let listed = || async {
            let list = client.get(&format!("/{name}")).query("prefix", key).ok().await.xml();
            (list.at("Contents/ETag").to_owned(), list.at("Contents/LastModified").to_owned())
        };
        let in_list = listed().await;
        let mut second = crate::harness::now();
        let start = second;
        // Azure's times are whole seconds: the change is made in another one.
        while second.unix_timestamp() == start.unix_timestamp() {
            tokio::task::yield_now().await;
            second = crate::harness::now();
        }
        for acl in ["public-read", "private"] {
            client.put(&at).query("acl", "").header("x-amz-acl", acl).ok().await;
            let after = client.head(&at).ok().await;
            for header in ["etag", "last-modified", "x-amz-meta-a", "content-type"] {
                assert_eq!(after.header(header), before.header(header), "{key} {acl} {header}");
            }
            assert_eq!(listed().await, in_list, "{key} {acl}");
        }
    }
}

/// Fifty at once, at two replicas, none of whom is told to come again.
#[tokio::test]
async fn an_object_keeps_the_last_of_many_acls() {
    let first = Gateway::start().await;
    let second = first.replica().await;
    let clients = [first.client(ALICE), second.client(ALICE)];
    let name = bucket(&clients[0]).await;
    let at = path(&name, "k");
    clients[0].put(&at).body("v").ok().await;
    let writers: Vec<_> = (0..6)
        .map(|number| {
            let acl = if number % 3 == 0 { "public-read" } else { "authenticated-read" };
            let put = clients[number % 2].put(&at).query("acl", "").header("x-amz-acl", acl);
            crate::harness::spawn(put.send())
        })
        .collect();
    for writer in writers {
        assert_eq!(writer.await.unwrap().status, 200);
    }
    assert_eq!(clients[1].get(&at).ok().await.text(), "v");
    let acl = clients[1].get(&at).query("acl", "").ok().await.xml();
    assert_eq!(acl.find("AccessControlList").unwrap().all("Grant").len(), 2);
}

/// A section of the page, and in it the first piece of that language.
fn example(title: &str, language: &str) -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/access.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, section) = page.split_once(&format!("\n## {title}\n")).expect(title);
    let section = section.split("\n## ").next().unwrap();
    let (_, code) = section.split_once(&format!("```{language}\n")).expect(language);
    code.split("```").next().unwrap().to_owned()
}

/// A gateway with the users of a section.
async fn with_users(title: &str) -> Gateway {
    let users = example(title, "toml");
    Gateway::with(|settings| settings.tables = users).await
}

#[tokio::test]
async fn example_a_read_only_user() {
    let gateway = with_users("A read-only user").await;
    let alice = gateway.client(ALICE);
    let auditor = alice.with("AKAUDITOR", "auditor-secret-01");
    let (backup, other) = (unique("backup"), unique("other"));
    for name in [&backup, &other] {
        alice.put(&format!("/{name}")).ok().await;
        alice.put(&path(name, "a/k")).body("v").ok().await;
    }
    assert_eq!(auditor.get(&path(&backup, "a/k")).ok().await.text(), "v");
    let list = auditor.get(&format!("/{backup}")).ok().await.xml();
    assert_eq!(list.texts("Contents/Key"), ["a/k"]);
    auditor.get(&path(&backup, "none")).refused(404, "NoSuchKey").await;
    auditor.put(&path(&backup, "a/k")).body("w").refused(403, "AccessDenied").await;
    auditor.delete(&path(&backup, "a/k")).refused(403, "AccessDenied").await;
    auditor.get(&path(&backup, "a/k")).query("acl", "").refused(403, "AccessDenied").await;
    auditor.get(&path(&other, "a/k")).refused(403, "AccessDenied").await;
    auditor.get(&format!("/{other}")).refused(403, "AccessDenied").await;
}

#[tokio::test]
async fn example_a_drop_box() {
    let gateway = with_users("A drop box").await;
    let alice = gateway.client(ALICE);
    let scanner = alice.with("AKSCANNER", "scanner-secret-01");
    let name = unique("dropbox");
    alice.put(&format!("/{name}")).ok().await;
    let at = path(&name, "in/page-1");
    scanner.put(&at).body("scan").ok().await;
    scanner.get(&at).refused(403, "AccessDenied").await;
    scanner.head(&at).refused(403, "").await;
    scanner.head(&path(&name, "in/none")).refused(403, "").await;
    scanner.delete(&at).refused(403, "AccessDenied").await;
    scanner.get(&format!("/{name}")).query("prefix", "in/").refused(403, "AccessDenied").await;
    scanner.put(&path(&name, "out/x")).body("v").refused(403, "AccessDenied").await;
    scanner.put(&path(&name, "in")).body("v").refused(403, "AccessDenied").await;
    // What it wrote is the bucket's owner's.
    assert_eq!(alice.get(&at).ok().await.text(), "scan");
    let acl = alice.get(&at).query("acl", "").ok().await.xml();
    assert_eq!(acl.at("Owner/ID"), "alice");
    alice.delete(&at).ok().await;
}

#[tokio::test]
async fn example_public_website_assets() {
    let gateway = Gateway::start().await;
    let alice = gateway.client(ALICE);
    let name = bucket(&alice).await;
    let (asset, other) = (path(&name, "assets/logo.svg"), path(&name, "drafts/logo.svg"));
    for at in [&asset, &other] {
        alice.put(at).body("<svg/>").ok().await;
    }
    let policy = example("Public website assets", "json");
    assert_eq!(put_policy(&alice, &name, &policy).ok().await.status, 204);
    let said = alice.get(&format!("/{name}")).query("policy", "").ok().await;
    assert_eq!(said.text(), policy.replace("BUCKET", &name), "to the letter");
    let status = alice.get(&format!("/{name}")).query("policyStatus", "").ok().await.xml();
    assert_eq!(status.at("IsPublic"), "true");
    let anybody = alice.anonymous();
    let from_page = |at: &str| anybody.get(at).header("referer", "https://www.example.com/a");
    assert_eq!(from_page(&asset).ok().await.text(), "<svg/>");
    anybody.get(&asset).refused(403, "AccessDenied").await;
    anybody.get(&asset).header("referer", "https://evil.test/").refused(403, "AccessDenied").await;
    from_page(&other).refused(403, "AccessDenied").await;
    from_page(&path(&name, "assets/none")).refused(403, "AccessDenied").await;
    anybody.get(&format!("/{name}")).refused(403, "AccessDenied").await;
    anybody.put(&asset).body("v").refused(403, "AccessDenied").await;
    // The denial holds for the owner as well.
    let public = alice.put(&other).header("x-amz-acl", "public-read").body("v");
    public.refused(403, "AccessDenied").await;
    let block = "<PublicAccessBlockConfiguration><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>";
    alice.put(&format!("/{name}")).query("publicAccessBlock", "").body(block).ok().await;
    from_page(&asset).refused(403, "AccessDenied").await;
    assert_eq!(alice.get(&asset).ok().await.text(), "<svg/>");
}

#[tokio::test]
async fn example_two_teams_on_one_account() {
    const TITLE: &str = "Two teams on one account";
    let gateway = with_users(TITLE).await;
    let alice = gateway.client(ALICE);
    let red = alice.with("AKRED", "red-secret-000001");
    let blue = alice.with("AKBLUE", "blue-secret-00001");
    let name = unique("red");
    let create =
        red.put(&format!("/{name}")).header("x-amz-object-ownership", "BucketOwnerEnforced");
    create.ok().await;
    let (shared, own) = (path(&name, "shared/k"), path(&name, "k"));
    red.put(&own).body("red").ok().await;
    blue.get(&own).refused(403, "AccessDenied").await;
    blue.put(&shared).body("blue").refused(403, "AccessDenied").await;
    put_policy(&red, &name, &example(TITLE, "json")).ok().await;
    blue.put(&shared).body("blue").ok().await;
    assert_eq!(blue.get(&shared).ok().await.text(), "blue");
    assert_eq!(red.get(&shared).ok().await.text(), "blue");
    let acl = red.get(&shared).query("acl", "").ok().await.xml();
    assert_eq!(acl.at("Owner/ID"), "red");
    blue.get(&own).refused(403, "AccessDenied").await;
    blue.delete(&shared).refused(403, "AccessDenied").await;
    let list = |prefix: &str| blue.get(&format!("/{name}")).query("prefix", prefix);
    assert_eq!(list("shared/").ok().await.xml().texts("Contents/Key"), ["shared/k"]);
    list("").refused(403, "AccessDenied").await;
    blue.get(&path(&name, "shared/none")).refused(404, "NoSuchKey").await;
    blue.get(&path(&name, "none")).refused(403, "AccessDenied").await;
    let mine = blue.get("/").ok().await.xml();
    assert!(!mine.find("Buckets").unwrap().texts("Bucket/Name").contains(&name));
}
