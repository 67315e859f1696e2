//! What a bucket has been told: kept beside it, guarded, known to every replica, gone with it.

use crate::buckets::bucket;
use crate::harness::azure::{Ask, Azure};
use crate::harness::gateway::ALICE;
use crate::harness::{Action, Client, Gateway, Proxy, Request, Rule, path, spawn, unique};
use crate::replicas::until;

/// A document of one kind: its parameter, and two texts of it.
const KINDS: [(&str, &str, &str, &str); 2] = [
    (
        "publicAccessBlock",
        "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>",
        "<PublicAccessBlockConfiguration><IgnorePublicAcls>true</IgnorePublicAcls></PublicAccessBlockConfiguration>",
        "NoSuchPublicAccessBlockConfiguration",
    ),
    (
        "ownershipControls",
        "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>",
        "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerPreferred</ObjectOwnership></Rule></OwnershipControls>",
        "OwnershipControlsNotFoundError",
    ),
];
const BLOCK: &str = "publicAccessBlock";

pub(crate) fn put(client: &Client, bucket: &str, kind: &str, text: &str) -> Request {
    client.put(&format!("/{bucket}")).query(kind, "").body(text)
}

pub(crate) fn get(client: &Client, bucket: &str, kind: &str) -> Request {
    client.get(&format!("/{bucket}")).query(kind, "")
}

/// The one text in the document.
async fn word(client: &Client, bucket: &str, kind: &str) -> String {
    let mut element = get(client, bucket, kind).ok().await.xml();
    let mut word = String::new();
    while let Some(child) = element.children.iter().find(|child| child.text != "false") {
        word = format!("{}={}", child.name, child.text);
        element = child.clone();
    }
    word
}

/// The records of a gateway's documents.
async fn records(gateway: &Gateway) -> Vec<String> {
    let list = Ask::container("GET", &gateway.system_container).query("comp", "list");
    if Azure::default().send(list).await.status == 404 {
        return Vec::new();
    }
    let mut names = Azure::default().blobs(&gateway.system_container).await;
    names.retain(|name| name.starts_with("doc/"));
    names
}

#[tokio::test]
async fn a_document_is_put_shown_replaced_and_deleted() {
    let gateway = Gateway::start().await;
    let client = gateway.client(ALICE);
    let name = bucket(&client).await;
    for (kind, one, other, missing) in KINDS {
        get(&client, &name, kind).refused(404, missing).await;
        // What is not there can be deleted.
        let delete = || client.delete(&format!("/{name}")).query(kind, "");
        assert_eq!(delete().ok().await.status, 204);
        put(&client, &name, kind, one).ok().await;
        let first = word(&client, &name, kind).await;
        put(&client, &name, kind, other).ok().await;
        assert_ne!(word(&client, &name, kind).await, first);
        // A wrong one leaves it as it was.
        let second = word(&client, &name, kind).await;
        for wrong in ["", "<A/>", "no document"] {
            put(&client, &name, kind, wrong).refused(400, "MalformedXML").await;
        }
        let long = " ".repeat(100_000);
        put(&client, &name, kind, &long).refused(400, "MaxMessageLengthExceeded").await;
        assert_eq!(word(&client, &name, kind).await, second);
        assert_eq!(delete().ok().await.status, 204);
        get(&client, &name, kind).refused(404, missing).await;
    }
    assert_eq!(records(&gateway).await.len(), 1, "one record holds all");
}

#[tokio::test]
async fn a_replica_shows_what_another_was_told() {
    let first = Gateway::with(|settings| settings.cache_ttl = "1h").await;
    let second = Gateway::with(|settings| {
        settings.cache_ttl = "1h";
        settings.system_container.clone_from(&first.system_container);
    })
    .await;
    let (one, other) = (first.client(ALICE), second.client(ALICE));
    let name = bucket(&one).await;
    // The other believes for an hour that there is none, and shows what is so.
    get(&other, &name, BLOCK).refused(404, KINDS[0].3).await;
    put(&one, &name, BLOCK, KINDS[0].1).ok().await;
    assert!(!word(&other, &name, BLOCK).await.is_empty());
    put(&one, &name, BLOCK, KINDS[0].2).ok().await;
    assert_eq!(word(&other, &name, BLOCK).await, "IgnorePublicAcls=true");
    put(&other, &name, KINDS[1].0, KINDS[1].1).ok().await;
    assert_eq!(word(&one, &name, KINDS[1].0).await, "ObjectOwnership=ObjectWriter");
    assert_eq!(word(&one, &name, BLOCK).await, "IgnorePublicAcls=true", "beside the other");
}

/// Writers at two replicas, of two documents, none of which is told to come again.
#[tokio::test]
async fn fifty_writers_at_once_all_succeed_and_lose_nothing_of_each_other() {
    let first = Gateway::start().await;
    let second = first.replica().await;
    let clients = [first.client(ALICE), second.client(ALICE)];
    let name = bucket(&clients[0]).await;
    let writers: Vec<_> = (0..50)
        .map(|number| {
            let (kind, one, other, _) = KINDS[number % 2];
            let text = if number % 3 == 0 { one } else { other };
            spawn(put(&clients[number / 25], &name, kind, text).send())
        })
        .collect();
    for writer in writers {
        let answer = writer.await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    for (kind, ..) in KINDS {
        assert!(!word(&clients[0], &name, kind).await.is_empty());
    }
}

#[tokio::test]
async fn documents_go_with_their_bucket() {
    let gateway = Gateway::start().await;
    let client = gateway.client(ALICE);
    let name = bucket(&client).await;
    put(&client, &name, BLOCK, KINDS[0].1).ok().await;
    assert_eq!(records(&gateway).await.len(), 1);
    client.delete(&format!("/{name}")).ok().await;
    until(|| async { records(&gateway).await.is_empty() }).await;
    until(|| async { client.put(&format!("/{name}")).send().await.status == 200 }).await;
    get(&client, &name, BLOCK).refused(404, KINDS[0].3).await;
}

#[tokio::test]
async fn a_container_of_a_tool_gets_its_id_with_its_first_document() {
    let gateway = Gateway::start().await;
    let (client, azure, name) = (gateway.admin(), Azure::default(), unique("native"));
    azure.create_container(&name).await;
    let meta = Ask::container("PUT", &name).query("comp", "metadata");
    azure.ok(meta.header("x-ms-meta-team", "red")).await;
    get(&client, &name, BLOCK).refused(404, KINDS[0].3).await;
    let facts = || azure.ok(Ask::container("HEAD", &name));
    assert_eq!(facts().await.header("x-ms-meta-bluebucketid"), None, "reading writes nothing");
    put(&client, &name, BLOCK, KINDS[0].1).ok().await;
    let now = facts().await;
    let id = now.at("x-ms-meta-bluebucketid");
    assert_eq!(now.at("x-ms-meta-bluebucketdocuments"), "1");
    assert_eq!(now.at("x-ms-meta-team"), "red");
    assert_eq!(records(&gateway).await, [format!("doc/{id}")]);
    assert_eq!(word(&client, &name, BLOCK).await, "BlockPublicAcls=true");
}

/// A record of a newer release is neither guessed at nor passed over: it may deny something.
#[tokio::test]
async fn a_record_of_a_newer_release_is_refused() {
    let gateway = Gateway::start().await;
    let client = gateway.client(ALICE);
    let name = bucket(&client).await;
    client.put(&path(&name, "k")).body("v").ok().await;
    put(&client, &name, BLOCK, KINDS[0].1).ok().await;
    let record = records(&gateway).await.remove(0);
    let write = Ask::blob("PUT", &gateway.system_container, &record);
    let newer = write.header("x-ms-blob-type", "BlockBlob").body(r#"{"format":2}"#);
    Azure::default().ok(newer).await;
    let at = path(&name, "k");
    until(|| async { client.get(&at).send().await.status == 500 }).await;
    get(&client, &name, BLOCK).refused(500, "InternalError").await;
    put(&client, &name, BLOCK, KINDS[0].1).refused(500, "InternalError").await;
}

/// The answer of the write is lost, its effect is not: the client is told the truth.
#[tokio::test]
async fn a_lost_answer_is_looked_up() {
    let proxy = Proxy::to_backend().await;
    let gateway = Gateway::behind(&proxy).await;
    let client = gateway.client(ALICE);
    let name = bucket(&client).await;
    put(&client, &name, BLOCK, KINDS[0].1).ok().await;
    for action in
        [Action::DropAnswer, Action::ResetBefore, Action::DoAndAnswer(500, "OperationTimedOut")]
    {
        let lost = Rule::new(action).method(http::Method::PUT).path("/doc").times(1);
        let lost = proxy.rule(lost).await;
        put(&client, &name, BLOCK, KINDS[0].2).ok().await;
        assert_eq!(lost.met(), 1);
        assert_eq!(word(&client, &name, BLOCK).await, "IgnorePublicAcls=true");
        proxy.clear().await;
        put(&client, &name, BLOCK, KINDS[0].1).ok().await;
    }
}

#[tokio::test]
async fn ownership_can_come_with_the_bucket() {
    let gateway = Gateway::start().await;
    let client = gateway.client(ALICE);
    let create = |ownership: &str| {
        let name = unique("b");
        let put = client.put(&format!("/{name}"));
        (name, put.header("x-amz-object-ownership", ownership))
    };
    let (name, made) = create("BucketOwnerPreferred");
    made.ok().await;
    let kind = KINDS[1].0;
    assert_eq!(word(&client, &name, kind).await, "ObjectOwnership=BucketOwnerPreferred");
    let (name, refused) = create("Mine");
    refused.refused(400, "InvalidArgument").await;
    client.head(&format!("/{name}")).refused(404, "").await;
}
