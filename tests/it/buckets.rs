//! Buckets: made, found, listed, deleted; their names, their owners.

use crate::harness::gateway::{ADMIN, ALICE, BOB};
use crate::harness::{Action, Client, Gateway, Proxy, Rule, md5_hex, path, unique};

/// A new bucket of the client's.
pub(crate) async fn bucket(client: &Client) -> String {
    let name = unique("b");
    client.put(&format!("/{name}")).ok().await;
    name
}

/// All buckets that a client sees whose names begin with `prefix`.
async fn names(client: &Client, prefix: &str) -> Vec<String> {
    let list = client.get("/").query("prefix", prefix).ok().await.xml();
    list.find("Buckets").unwrap().texts("Bucket/Name")
}

#[tokio::test]
async fn a_bucket_is_made_found_listed_and_deleted() {
    let gateway = Gateway::start().await;
    let client = gateway.client(ALICE);
    let name = unique("b");
    let at = format!("/{name}");
    client.get(&at).refused(404, "NoSuchBucket").await;
    client.head(&at).refused(404, "").await;

    let made = client.put(&at).ok().await;
    assert_eq!(made.at("location"), at);
    let head = client.head(&at).ok().await;
    assert_eq!(head.at("x-amz-bucket-region"), "us-east-1");
    assert_eq!(names(&client, &name).await, [name.clone()]);
    // With a slash behind it, it is the same bucket.
    client.head(&format!("{at}/")).ok().await;

    let deleted = client.delete(&at).ok().await;
    assert_eq!(deleted.status, 204);
    client.head(&at).refused(404, "").await;
    client.delete(&at).refused(404, "NoSuchBucket").await;
    assert!(names(&client, &name).await.is_empty());
}

#[tokio::test]
async fn a_bucket_that_one_has_is_made_again_without_harm() {
    let gateway = Gateway::start().await;
    let client = gateway.client(ALICE);
    let name = bucket(&client).await;
    client.put(&path(&name, "k")).body("v").ok().await;
    let again = client.put(&format!("/{name}")).send().await;
    // In us-east-1 S3 answers 200, elsewhere BucketAlreadyOwnedByYou; clients take both.
    assert!(matches!(again.status, 200 | 409), "{again:?}");
    if again.status == 409 {
        assert_eq!(again.error(), "BucketAlreadyOwnedByYou");
    }
    assert_eq!(client.get(&path(&name, "k")).ok().await.text(), "v");
    gateway.client(BOB).put(&format!("/{name}")).refused(409, "BucketAlreadyExists").await;
}

#[tokio::test]
async fn a_bucket_that_holds_something_stays() {
    let gateway = Gateway::start().await;
    let client = gateway.client(ALICE);
    let name = bucket(&client).await;
    client.put(&path(&name, "k")).body("v").ok().await;
    client.delete(&format!("/{name}")).refused(409, "BucketNotEmpty").await;
    client.delete(&path(&name, "k")).ok().await;
    client.delete(&format!("/{name}")).ok().await;
}

/// C53
#[tokio::test]
async fn c53_names_that_no_bucket_has_are_refused_and_reach_nothing() {
    let proxy = Proxy::to_backend().await;
    let gateway = Gateway::behind(&proxy).await;
    let client = gateway.admin();
    bucket(&client).await;
    proxy.calls().await;
    for name in [
        "$root",
        "$web",
        "$logs",
        "Upper",
        "ab",
        "a..b",
        "..",
        "%2e%2e",
        "192.168.1.1",
        "a_b",
        "-ab",
        "ab-",
        "a.-b",
        "%00abc",
        "a%2Fb",
        "xn--abc",
        "a123456789b123456789c123456789d123456789e123456789f123456789g123",
        "b\u{e9}b",
    ] {
        for method in ["GET", "PUT", "DELETE"] {
            let at = format!("/{name}");
            let answer = client.request(method, &at).send().await;
            assert!(matches!(answer.status, 400 | 404), "{method} {at}: {answer:?}");
            client.request(method, &format!("{at}/k")).send().await;
        }
        client.head(&format!("/{name}")).refused(400, "").await;
    }
    assert_eq!(proxy.calls().await, [], "nothing is asked of Azure");
}

/// C53: the gateway's own container is no bucket, not even for an admin.
#[tokio::test]
async fn c53_the_system_container_is_out_of_reach() {
    let gateway = Gateway::start().await;
    let client = gateway.admin();
    bucket(&client).await;
    let system = &gateway.system_container;
    let at = format!("/{system}");
    assert!(names(&client, system).await.is_empty());
    for request in [
        client.get(&at),
        client.delete(&at),
        client.put(&at),
        client.get(&format!("{at}/x")),
        client.put(&format!("{at}/x")).body("x"),
        client.delete(&format!("{at}/x")),
    ] {
        let answer = request.send().await;
        assert!(matches!(answer.status, 400 | 403 | 404 | 409), "{answer:?}");
        answer.error();
    }
}

#[tokio::test]
async fn names_that_azure_does_not_have_are_buckets_all_the_same() {
    let gateway = Gateway::start().await;
    let client = gateway.client(ALICE);
    let start = unique("x");
    for end in [".dots.in.it", "--two", ".a--b.c", "-"] {
        let name = format!("{start}{end}z");
        client.put(&format!("/{name}")).ok().await;
        client.put(&path(&name, "k")).body(&name).ok().await;
        assert_eq!(client.get(&path(&name, "k")).ok().await.text(), name);
        client.head(&format!("/{name}")).ok().await;
    }
    let mut want: Vec<_> =
        [".dots.in.itz", "--twoz", ".a--b.cz", "-z"].map(|end| format!("{start}{end}")).into();
    want.sort();
    assert_eq!(names(&client, &start).await, want);
    for name in want {
        client.delete(&path(&name, "k")).ok().await;
        client.delete(&format!("/{name}")).ok().await;
    }
    assert!(names(&client, &start).await.is_empty());
}

#[tokio::test]
async fn buckets_are_listed_in_pages() {
    let gateway = Gateway::start().await;
    let client = gateway.client(ALICE);
    let start = unique("p");
    let mut want: Vec<_> = ["a", "b.c", "b", "d", "e--f"].map(|end| format!("{start}{end}")).into();
    for name in &want {
        client.put(&format!("/{name}")).ok().await;
    }
    want.sort();
    let mut found = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let mut request = client.get("/").query("prefix", &start).query("max-buckets", 2);
        if let Some(token) = &token {
            request = request.query("continuation-token", token);
        }
        let page = request.ok().await.xml();
        let names = page.find("Buckets").unwrap().texts("Bucket/Name");
        assert!(names.len() <= 2, "{page:?}");
        found.extend(names);
        token = page.get("ContinuationToken").map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    assert_eq!(found, want);
}

#[tokio::test]
async fn each_sees_the_buckets_in_which_they_have_a_right() {
    let gateway = Gateway::start().await;
    let (alice, bob) = (gateway.client(ALICE), gateway.client(BOB));
    let name = bucket(&alice).await;
    assert_eq!(names(&alice, &name).await, [name.clone()]);
    assert!(names(&bob, &name).await.is_empty());
    assert_eq!(names(&gateway.client(ADMIN), &name).await, [name.clone()]);
    let list = alice.get("/").query("prefix", &name).ok().await.xml();
    assert_eq!(list.name, "ListAllMyBucketsResult");
    assert_eq!(list.namespace.as_deref(), Some("http://s3.amazonaws.com/doc/2006-03-01/"));
    assert_eq!(list.at("Owner/ID"), "alice");
    let created = list.find("Buckets/Bucket").unwrap().at("CreationDate");
    assert!(created.ends_with('Z') && created.contains('T'), "{created}");
    for request in [
        bob.get(&format!("/{name}")),
        bob.delete(&format!("/{name}")),
        bob.put(&path(&name, "k")).body("x"),
        bob.get(&path(&name, "k")),
        bob.delete(&path(&name, "k")),
    ] {
        request.refused(403, "AccessDenied").await;
    }
    bob.head(&format!("/{name}")).refused(403, "").await;
    alice.get(&path(&name, "k")).refused(404, "NoSuchKey").await;
}

#[tokio::test]
async fn a_bucket_says_where_it_is_and_that_it_has_no_versions() {
    let gateway = Gateway::start().await;
    let client = gateway.client(ALICE);
    let name = bucket(&client).await;
    let at = format!("/{name}");
    let location = client.get(&at).query("location", "").ok().await.xml();
    assert_eq!((location.name.as_str(), location.text.as_str()), ("LocationConstraint", ""));
    let versioning = client.get(&at).query("versioning", "").ok().await.xml();
    assert_eq!(versioning.name, "VersioningConfiguration");
    assert!(versioning.children.is_empty());
}

#[tokio::test]
async fn a_location_may_be_named_in_the_document() {
    let gateway = Gateway::with(|settings| settings.top += "\nregion = \"eu-north-1\"").await;
    let client = gateway.client(ALICE);
    let create = |region: &str| {
        format!(
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        )
    };
    let name = unique("b");
    let at = format!("/{name}");
    client.put(&at).body(create("eu-north-1")).ok().await;
    let location = client.get(&at).query("location", "").ok().await.xml();
    assert_eq!(location.text, "eu-north-1");
    assert_eq!(client.head(&at).ok().await.at("x-amz-bucket-region"), "eu-north-1");
    client.put(&format!("/{}", unique("b"))).body("<Create").refused(400, "MalformedXML").await;
    client.put(&format!("/{}", unique("b"))).body("<Other/>").refused(400, "MalformedXML").await;
}

#[tokio::test]
async fn a_bucket_made_again_inherits_nothing() {
    let gateway = Gateway::start().await;
    let (alice, bob) = (gateway.client(ALICE), gateway.client(BOB));
    let name = bucket(&alice).await;
    alice.put(&path(&name, "k\n")).body("v").ok().await;
    alice.delete(&path(&name, "k\n")).ok().await;
    alice.delete(&format!("/{name}")).ok().await;
    bob.put(&format!("/{name}")).ok().await;
    bob.put(&path(&name, "k")).body("v").ok().await;
    alice.get(&path(&name, "k")).refused(403, "AccessDenied").await;
    bob.get(&path(&name, "k")).ok().await;
}

#[tokio::test]
async fn a_bucket_is_also_a_host_name() {
    let gateway = Gateway::start().await;
    let plain = gateway.client(ALICE);
    let name = bucket(&plain).await;
    for domain in ["s3.test", "localhost"] {
        let port = gateway.address.port();
        for host in [format!("{name}.{domain}"), format!("{name}.{domain}:{port}")] {
            let client = plain.host(&host);
            client.put("/a/b%20c").body(&host).ok().await;
            assert_eq!(plain.get(&path(&name, "a/b c")).ok().await.text(), host);
            let list = client.get("/").query("list-type", 2).ok().await.xml();
            assert_eq!(list.at("Name"), name);
        }
        let list = plain.host(domain).get("/").query("prefix", &name).ok().await.xml();
        assert_eq!(list.name, "ListAllMyBucketsResult");
    }
}

#[tokio::test]
async fn the_expected_owner_has_to_be_the_owner() {
    let gateway = Gateway::start().await;
    let client = gateway.client(ALICE);
    let name = bucket(&client).await;
    let object = path(&name, "k");
    let header = "x-amz-expected-bucket-owner";
    client.put(&object).header(header, "alice").body("v").ok().await;
    for request in [
        client.put(&object).body("w"),
        client.get(&object),
        client.delete(&object),
        client.get(&format!("/{name}")),
        client.delete(&format!("/{name}")),
    ] {
        request.header(header, "bob").refused(403, "AccessDenied").await;
    }
    client.head(&object).header(header, "bob").refused(403, "").await;
    let copy = client.put(&path(&name, "copy")).header("x-amz-copy-source", &object);
    let wrong = copy.clone().header("x-amz-source-expected-bucket-owner", "bob");
    wrong.refused(403, "AccessDenied").await;
    copy.header("x-amz-source-expected-bucket-owner", "alice").ok().await;
    assert_eq!(client.get(&object).ok().await.text(), "v");
}

/// A container that an Azure tool made has no owner; an admin gives it one.
#[tokio::test]
async fn a_container_of_a_tool_gets_its_owner_from_an_admin() {
    let gateway = Gateway::start().await;
    let name = unique("native");
    crate::native::create_container(&name).await;
    let (admin, alice) = (gateway.admin(), gateway.client(ALICE));
    let at = format!("/{name}");
    admin.head(&at).ok().await;
    alice.head(&at).refused(403, "").await;
    let taken = alice.put(&at).header("x-bluebucket-owner", "alice").send().await;
    assert!(matches!(taken.status, 403 | 409), "{taken:?}");
    admin.put(&at).header("x-bluebucket-owner", "alice").ok().await;
    alice.put(&path(&name, "k")).body("v").ok().await;
}

/// mapping.md, 2: Azure deletes a container with its blobs, so what comes between the last look and
/// the deletion is lost. This is the window: one request.
#[tokio::test]
async fn an_object_that_comes_before_the_last_look_keeps_its_bucket() {
    let proxy = Proxy::to_backend().await;
    let gateway = Gateway::behind(&proxy).await;
    let client = gateway.client(ALICE);
    let name = bucket(&client).await;
    proxy.calls().await;
    let gate = crate::harness::proxy::Gate::new();
    let looks = proxy
        .rule(
            Rule::new(Action::Hold(gate.clone()))
                .method(http::Method::GET)
                .comp("list")
                .path(&name)
                .times(1),
        )
        .await;
    let deletes = client.delete(&format!("/{name}"));
    let deletion = crate::harness::spawn(deletes.send());
    gate.arrived().await;
    // Another gateway writes at that moment.
    let other = Gateway::with(|settings| {
        settings.system_container.clone_from(&gateway.system_container);
    })
    .await;
    let body = b"came in between";
    let written = other.client(ALICE).put(&path(&name, "k")).body(body).send().await;
    gate.open();
    let answer = deletion.await.unwrap();
    assert_eq!(looks.met(), 1);
    assert_eq!(written.status, 200, "{written:?}");
    assert_eq!((answer.status, answer.error().as_str()), (409, "BucketNotEmpty"));
    let read = client.get(&path(&name, "k")).ok().await;
    assert_eq!(read.at("etag"), format!("\"{}\"", md5_hex(body)));
}

/// The window that remains, measured in requests: between the last listing and the deletion there is
/// nothing else, so only a write that falls between these two is lost with the bucket.
#[tokio::test]
async fn the_window_of_a_bucket_deletion_is_one_request_wide() {
    let proxy = Proxy::to_backend().await;
    let gateway = Gateway::behind(&proxy).await;
    let client = gateway.client(ALICE);
    let name = bucket(&client).await;
    proxy.calls().await;
    client.delete(&format!("/{name}")).ok().await;
    let calls = proxy.calls().await;
    let last = calls.len() - 1;
    let is_deletion =
        |at: usize| calls[at].method == http::Method::DELETE && calls[at].restype == "container";
    assert!(is_deletion(last), "{calls:?}");
    assert_eq!(calls[last - 1].comp, "list", "the look is right before the deletion: {calls:?}");
}

/// A deleted container is in Azure's way for a while; clients retry a 503.
#[tokio::test]
async fn a_container_that_is_being_deleted_is_slow_down() {
    let proxy = Proxy::to_backend().await;
    let gateway = Gateway::behind(&proxy).await;
    let client = gateway.client(ALICE);
    let name = bucket(&client).await;
    proxy.rule(Rule::new(Action::Answer(409, "ContainerBeingDeleted", None)).path(&name)).await;
    client.put(&path(&name, "k")).body("v").refused(404, "NoSuchBucket").await;
    let answer = client.put(&format!("/{name}")).refused(503, "SlowDown").await;
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
}
