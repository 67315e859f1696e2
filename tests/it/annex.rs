//! What an object says of itself and Azure's metadata has no room for: long ACLs, long tags.

use std::time::Duration;

use strict_azure::StrictAzure;

use crate::buckets::bucket;
use crate::harness::azure::{Ask, Azure};
use crate::harness::gateway::{ALICE, BOB};
use crate::harness::{Client, Gateway, PATIENCE, md5_hex, path, spawn, strict_with};
use crate::multipart::create_with;
use crate::objects::stand;

/// Users of the longest id, to be granted something.
const FRIENDS: usize = 40;

fn friend(number: usize) -> String {
    format!("friend-{number:0>57}")
}

async fn with_friends(change: impl FnOnce(&mut crate::harness::gateway::Settings)) -> Gateway {
    let one = |number| {
        let (id, key) = (friend(number), format!("AKFRIEND{number}"));
        format!(
            "[[users]]\nid = \"{id}\"\nemail = \"f{number}@example.com\"\n\
             keys = [{{ access_key_id = \"{key}\", secret_access_key = \"friend-secret-1\" }}]\n"
        )
    };
    Gateway::with(|settings| {
        settings.tables = (0..FRIENDS).map(one).collect();
        change(settings);
    })
    .await
}

/// An ACL by which the first `count` friends may read.
fn list(count: usize, permission: &str) -> String {
    let grant = |number| {
        format!(
            "<Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
             xsi:type=\"CanonicalUser\"><ID>{}</ID></Grantee><Permission>{permission}</Permission></Grant>",
            friend(number)
        )
    };
    let grants: String = (0..count).map(grant).collect();
    format!(
        "<AccessControlPolicy><Owner><ID>alice</ID></Owner><AccessControlList>{grants}\
         </AccessControlList></AccessControlPolicy>"
    )
}

async fn grants(client: &Client, at: &str) -> usize {
    let acl = client.get(at).query("acl", "").ok().await.xml();
    acl.find("AccessControlList").unwrap().all("Grant").len()
}

/// Ten tags of the longest key and value, none of it ASCII.
fn long_tags(seed: &str) -> Vec<(String, String)> {
    let fill = |head: String, length: usize| {
        let rest = length - head.chars().count();
        head + &"ü".repeat(rest)
    };
    (0..10).map(|at| (fill(format!("k{at}"), 128), fill(format!("{seed}{at}"), 256))).collect()
}

fn document(tags: &[(String, String)]) -> String {
    let tags: String = tags
        .iter()
        .map(|(key, value)| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>"))
        .collect();
    format!("<Tagging><TagSet>{tags}</TagSet></Tagging>")
}

async fn tags(client: &Client, at: &str) -> Vec<(String, String)> {
    let shown = client.get(at).query("tagging", "").ok().await.xml();
    let set = shown.find("TagSet").unwrap().all("Tag");
    set.iter().map(|tag| (tag.at("Key").to_owned(), tag.at("Value").to_owned())).collect()
}

#[tokio::test]
async fn an_object_keeps_an_acl_of_many_grants() {
    let gateway = with_friends(|_| ()).await;
    let alice = gateway.client(ALICE);
    let name = bucket(&alice).await;
    let at = path(&name, "k");
    let written = alice.put(&at).header("x-amz-meta-a", "1").body("v").ok().await;
    let as_friend = |number: usize| alice.with(&format!("AKFRIEND{number}"), "friend-secret-1");
    let (first, last) = (as_friend(0), as_friend(FRIENDS - 1));
    alice.put(&at).query("acl", "").body(list(FRIENDS, "READ")).ok().await;
    for friend in [&first, &last] {
        assert_eq!(friend.get(&at).ok().await.text(), "v");
        friend.head(&at).ok().await;
        friend.get(&at).query("acl", "").refused(403, "AccessDenied").await;
    }
    gateway.client(BOB).get(&at).refused(403, "AccessDenied").await;
    assert_eq!(grants(&alice, &at).await, FRIENDS);
    let head = alice.head(&at).ok().await;
    assert_eq!((head.at("etag"), head.at("x-amz-meta-a")), (written.at("etag"), "1"));
    // Another long one, and one that has room.
    alice.put(&at).query("acl", "").body(list(FRIENDS - 1, "READ_ACP")).ok().await;
    assert_eq!(grants(&first, &at).await, FRIENDS - 1);
    first.get(&at).refused(403, "AccessDenied").await;
    last.get(&at).query("acl", "").refused(403, "AccessDenied").await;
    alice.put(&at).query("acl", "").header("x-amz-acl", "private").ok().await;
    assert_eq!(grants(&alice, &at).await, 1);
    first.get(&at).query("acl", "").refused(403, "AccessDenied").await;
    // It comes with an object as well, and with an upload.
    let readers: Vec<_> = (0..FRIENDS).map(|at| format!("id=\"{}\"", friend(at))).collect();
    let put = alice.put(&at).header("x-amz-grant-read", readers.join(", ")).body("w");
    put.ok().await;
    assert_eq!(last.get(&at).ok().await.text(), "w");
    let parts = path(&name, "parts");
    let begin = alice.post(&parts);
    let upload = create_with(begin.header("x-amz-grant-read", readers.join(", ")), &parts).await;
    let part = upload.put(&alice, 1, b"part").await;
    upload.complete(&alice, &[part]).ok().await;
    assert_eq!(last.get(&parts).ok().await.text(), "part");
    // A copy has none of it.
    let copy = path(&name, "copy");
    alice.put(&copy).header("x-amz-copy-source", &at).ok().await;
    last.get(&copy).refused(403, "AccessDenied").await;
    assert_eq!(grants(&alice, &copy).await, 1);
}

#[tokio::test]
async fn an_object_keeps_ten_tags_of_any_length_and_alphabet() {
    let (gateway, alice, name) = stand().await;
    let at = path(&name, "k");
    let written = alice.put(&at).header("x-amz-meta-a", "x".repeat(2000)).body("v").ok().await;
    let wanted = long_tags("v");
    alice.put(&at).query("tagging", "").body(document(&wanted)).ok().await;
    assert_eq!(tags(&alice, &at).await, wanted);
    for request in [alice.get(&at), alice.head(&at)] {
        let answer = request.ok().await;
        assert_eq!(answer.at("x-amz-tagging-count"), "10");
        assert_eq!(answer.at("etag"), written.at("etag"));
    }
    // A policy looks at them as at any other tag.
    let (key, value) = &wanted[9];
    let policy = format!(
        r#"{{"Statement":[{{"Effect":"Allow","Principal":{{"AWS":"bob"}},"Action":"s3:GetObject",
        "Resource":"arn:aws:s3:::{name}/*",
        "Condition":{{"StringEquals":{{"s3:ExistingObjectTag/{key}":"{value}"}}}}}}]}}"#
    );
    alice.put(&format!("/{name}")).query("policy", "").body(policy).ok().await;
    let bob = gateway.client(BOB);
    assert_eq!(bob.get(&at).ok().await.text(), "v");
    // A copy has them, and so has what is copied onto itself and what changes its ACL.
    let copy = path(&name, "copy");
    alice.put(&copy).header("x-amz-copy-source", &at).ok().await;
    assert_eq!(tags(&alice, &copy).await, wanted);
    alice.put(&at).query("acl", "").header("x-amz-acl", "public-read").ok().await;
    assert_eq!(tags(&alice, &at).await, wanted);
    // What is written anew has what it brings, and an upload as well.
    let few: Vec<_> = (0..10).map(|at| (format!("{at}"), "ü".repeat(110))).collect();
    let header: Vec<_> = few.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let header = header.join("&").replace('ü', "%C3%BC");
    alice.put(&at).header("x-amz-tagging", &header).body("w").ok().await;
    assert_eq!(tags(&alice, &at).await, few);
    bob.get(&at).refused(403, "AccessDenied").await;
    let parts = path(&name, "parts");
    let begin = alice.post(&parts).header("x-amz-tagging", &header);
    let upload = create_with(begin.header("x-amz-meta-a", "x".repeat(2000)), &parts).await;
    let part = upload.put(&alice, 1, b"part").await;
    upload.complete(&alice, &[part]).ok().await;
    assert_eq!(tags(&alice, &parts).await, few);
    alice.delete(&at).query("tagging", "").ok().await;
    assert_eq!(tags(&alice, &at).await, []);
    let head = alice.head(&at).ok().await;
    assert_eq!(
        (head.header("x-amz-tagging-count"), head.at("etag")),
        (None, format!("\"{}\"", md5_hex(b"w")).as_str())
    );
}

/// Changes at two replicas, of ACL and tags at once: what is there in the end is whole.
#[tokio::test]
async fn changes_at_once_lose_nothing() {
    let first = with_friends(|_| ()).await;
    let system = first.system_container.clone();
    let second = with_friends(|settings| settings.system_container = system).await;
    let clients = [first.client(ALICE), second.client(ALICE)];
    let name = bucket(&clients[0]).await;
    let at = path(&name, "k");
    clients[0].put(&at).body("v").ok().await;
    let changes: Vec<_> = (0..8)
        .map(|number| {
            let put = clients[number % 2].put(&at);
            spawn(match number / 2 % 2 {
                0 => put.query("acl", "").body(list(FRIENDS - number, "READ")).send(),
                _ => {
                    put.query("tagging", "").body(document(&long_tags(&format!("{number}")))).send()
                }
            })
        })
        .collect();
    for change in changes {
        assert_eq!(change.await.unwrap().status, 200);
    }
    let lists: Vec<_> = [0, 1, 4, 5].iter().map(|number| FRIENDS - number).collect();
    assert!(lists.contains(&grants(&clients[0], &at).await));
    let found = tags(&clients[1], &at).await;
    assert!(
        [2, 3, 6, 7].iter().any(|number| found == long_tags(&format!("{number}"))),
        "{found:?}"
    );
}

/// The rules of a lifecycle see such tags.
#[tokio::test]
async fn a_rule_looks_at_long_tags() {
    let gateway = Gateway::with(|settings| {
        settings.tables.push_str("\n[lifecycle]\nday_seconds = 1\n");
    })
    .await;
    let client = gateway.client(ALICE);
    let name = bucket(&client).await;
    for (key, seed) in [("goes", "old"), ("stays", "new")] {
        client.put(&path(&name, key)).body("v").ok().await;
        let put = client.put(&path(&name, key)).query("tagging", "");
        put.body(document(&long_tags(seed))).ok().await;
    }
    let (key, value) = &long_tags("old")[3];
    let rules = format!(
        "<LifecycleConfiguration><Rule><Status>Enabled</Status><Filter><Tag><Key>{key}</Key>\
         <Value>{value}</Value></Tag></Filter><Expiration><Days>1</Days></Expiration></Rule>\
         </LifecycleConfiguration>"
    );
    client.put(&format!("/{name}")).query("lifecycle", "").body(rules).ok().await;
    crate::replicas::until(|| async {
        let listed = client.get(&format!("/{name}")).ok().await.xml();
        listed.texts("Contents/Key") == ["stays"]
    })
    .await;
}

fn records(azure: &StrictAzure, system: &str) -> usize {
    azure.names(system).iter().filter(|name| name.contains("/a/")).count()
}

/// Records that nothing names go after a week; those of objects and of open uploads stay.
#[tokio::test]
async fn a_record_that_no_object_names_is_removed_strict() {
    const DAY: Duration = Duration::from_hours(24);
    let azure = strict_with(|_| {});
    let gateway = Gateway::with(|settings| settings.azure = azure.endpoint()).await;
    let (client, system) = (gateway.client(ALICE), gateway.system_container.clone());
    let name = bucket(&client).await;
    let at = |key: &str| path(&name, key);
    let put = |key: &str, seed: &str| {
        client.put(&at(key)).query("tagging", "").body(document(&long_tags(seed)))
    };
    for key in ["kept", "gone", "short"] {
        client.put(&at(key)).body("v").ok().await;
        put(key, "a").ok().await;
    }
    put("kept", "b").ok().await;
    client.delete(&at("gone")).ok().await;
    client.put(&at("short")).query("tagging", "").body(document(&[])).ok().await;
    let few: Vec<_> = (0..10).map(|at| format!("{at}={}", "%C3%BC".repeat(110))).collect();
    let begin = client.post(&at("open")).header("x-amz-tagging", few.join("&"));
    let upload = create_with(begin, &at("open")).await;
    assert_eq!(records(&azure, &system), 5);
    azure.advance_clock(6 * DAY);
    let sweeper = Gateway::with(|settings| {
        settings.azure = azure.endpoint();
        settings.system_container = system.clone();
        settings.tables =
            "[multipart]\nabandoned_after = \"30d\"\nsweep_every = \"100ms\"\n".to_owned();
    })
    .await;
    crate::deadlines::counted(&sweeper, "bluebucket_sweeps_total{result=\"ok\"} 2").await;
    assert_eq!(records(&azure, &system), 5);
    azure.advance_clock(2 * DAY);
    let gone = async {
        while records(&azure, &system) > 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("three records go");
    crate::deadlines::counted(&sweeper, "bluebucket_swept_total{kind=\"stray\"} 3").await;
    assert_eq!(tags(&client, &at("kept")).await, long_tags("b"));
    let part = upload.put(&client, 1, b"part").await;
    upload.complete(&client, &[part]).ok().await;
    assert_eq!(tags(&client, &at("open")).await.len(), 10);
    assert_eq!(records(&azure, &system), 2);
}

/// Without its record it is not known what an object denies: nobody reads it, but it can be replaced.
#[tokio::test]
async fn an_object_whose_record_is_lost_is_shown_to_nobody() {
    let (gateway, client, name) = stand().await;
    let at = path(&name, "k");
    client.put(&at).body("v").ok().await;
    client.put(&at).query("tagging", "").body(document(&long_tags("v"))).ok().await;
    let azure = Azure::default();
    let blobs = azure.blobs(&gateway.system_container).await;
    let record = blobs.iter().find(|name| name.contains("/a/")).expect("a record");
    azure.ok(Ask::blob("DELETE", &gateway.system_container, record)).await;
    client.get(&at).refused(500, "InternalError").await;
    client.get(&at).query("tagging", "").refused(500, "InternalError").await;
    client.put(&at).body("w").ok().await;
    assert_eq!(client.get(&at).ok().await.text(), "w");
    assert_eq!(tags(&client, &at).await, []);
}

/// One request more for a read of such an object, and none for any other.
#[tokio::test]
async fn a_record_costs_its_reader_one_request() {
    let (proxy, _gateway, client, name) = crate::requests::stand().await;
    let (long, short) = (path(&name, "long"), path(&name, "short"));
    for at in [&long, &short] {
        client.put(at).header("x-amz-tagging", "a=b").body("v").ok().await;
    }
    client.put(&long).query("tagging", "").body(document(&long_tags("v"))).ok().await;
    for (at, calls) in [(&short, 1), (&long, 2)] {
        for request in [client.get(at), client.head(at), client.get(at).query("tagging", "")] {
            client.get(&short).ok().await;
            drop(proxy.calls().await);
            request.ok().await;
            assert_eq!(proxy.calls().await.len(), calls, "{at}");
        }
    }
}
