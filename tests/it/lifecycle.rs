//! Lifecycles that run: with a day of a second, objects go and move, uploads are given up.

use std::time::Duration;

use strict_azure::{Action, Fault, Gate, Operation, Seed};

use crate::buckets::bucket;
use crate::documents::put;
use crate::harness::gateway::ALICE;
use crate::harness::program::Bluebucket;
use crate::harness::stand::arrived;
use crate::harness::{Client, Gateway, Proxy, environment, path, strict_with, unique};
use crate::replicas::until;

/// A gateway whose days are short.
async fn hasty() -> (Gateway, Client, String) {
    let gateway = Gateway::with(|settings| {
        settings.tables.push_str("\n[lifecycle]\nday_seconds = 1\n");
    })
    .await;
    let client = gateway.client(ALICE);
    let bucket = bucket(&client).await;
    (gateway, client, bucket)
}

fn rule(filter: &str, actions: &str) -> String {
    format!("<Rule><Status>Enabled</Status><Filter>{filter}</Filter>{actions}</Rule>")
}

fn rules(rules: &[String]) -> String {
    format!("<LifecycleConfiguration>{}</LifecycleConfiguration>", rules.concat())
}

const GOES: &str = "<Expiration><Days>1</Days></Expiration>";

async fn keys(client: &Client, bucket: &str) -> Vec<String> {
    client.get(&format!("/{bucket}")).ok().await.xml().texts("Contents/Key")
}

#[tokio::test]
async fn objects_go_by_prefix_tag_size_and_date() {
    let (gateway, client, bucket) = hasty().await;
    let store = |key: &str| client.put(&path(&bucket, key));
    store("logs/a").body("v").ok().await;
    store("logs/ü\t").body("v").ok().await;
    store("tag").header("x-amz-tagging", "temp=yes&a=b").body("v").ok().await;
    store("size").body("0123456789").ok().await;
    store("past/a").body("v").ok().await;
    for key in ["kept", "future/a", "off/a"] {
        store(key).body("v").ok().await;
    }
    store("other tag").header("x-amz-tagging", "temp=no").body("v").ok().await;
    let date = |date: &str| format!("<Expiration><Date>{date}</Date></Expiration>");
    let off = rule("<Prefix>off/</Prefix>", GOES).replace("Enabled", "Disabled");
    let document = rules(&[
        rule("<Prefix>logs/</Prefix>", GOES),
        rule("<Tag><Key>temp</Key><Value>yes</Value></Tag>", GOES),
        rule("<ObjectSizeGreaterThan>9</ObjectSizeGreaterThan>", GOES),
        rule("<Prefix>past/</Prefix>", &date("2015-01-01")),
        rule("<Prefix>future/</Prefix>", &date("2100-01-01")),
        off,
    ]);
    put(&client, &bucket, "lifecycle", &document).ok().await;
    let wanted = ["future/a", "kept", "off/a", "other tag"];
    until(|| async { keys(&client, &bucket).await == wanted }).await;
    let metrics = client_of(&gateway).get("/metrics").send().await.text();
    assert!(
        metrics.contains("bluebucket_lifecycle_actions_total{kind=\"expired\"} 5"),
        "{metrics}"
    );
}

/// The admin port.
fn client_of(gateway: &Gateway) -> Client {
    let client = gateway.client(ALICE).anonymous();
    Client { address: gateway.admin, host: gateway.admin.to_string(), ..client }
}

#[tokio::test]
async fn objects_move_to_colder_tiers_and_stay_the_same() {
    let (_gateway, client, bucket) = hasty().await;
    let at = path(&bucket, "k");
    client.put(&at).header("x-amz-meta-a", "1").body("v").ok().await;
    let before = client.head(&at).ok().await;
    let moves = |class: &str| {
        format!("<Transition><Days>0</Days><StorageClass>{class}</StorageClass></Transition>")
    };
    let any = "<ObjectSizeGreaterThan>0</ObjectSizeGreaterThan>";
    put(&client, &bucket, "lifecycle", &rules(&[rule(any, &moves("ONEZONE_IA"))])).ok().await;
    until(|| async {
        let class = client.head(&at).ok().await;
        class.header("x-amz-storage-class") == Some("ONEZONE_IA")
    })
    .await;
    let after = client.get(&at).ok().await;
    assert_eq!((after.text().as_str(), after.at("x-amz-storage-class")), ("v", "ONEZONE_IA"));
    for name in ["etag", "last-modified", "x-amz-meta-a"] {
        assert_eq!(after.at(name), before.at(name));
    }
    put(&client, &bucket, "lifecycle", &rules(&[rule(any, &moves("GLACIER"))])).ok().await;
    until(|| async { client.get(&at).send().await.status == 403 }).await;
    client.get(&at).refused(403, "InvalidObjectState").await;
    assert_eq!(client.head(&at).ok().await.at("x-amz-storage-class"), "GLACIER");
}

#[tokio::test]
async fn an_archived_object_is_restored() {
    let gateway = Gateway::start().await;
    let client = gateway.client(ALICE);
    let bucket = bucket(&client).await;
    let at = path(&bucket, "k");
    client.put(&at).header("x-amz-storage-class", "DEEP_ARCHIVE").body("v").ok().await;
    client.get(&at).refused(403, "InvalidObjectState").await;
    let restore = |days: &str| {
        let document = format!("<RestoreRequest><Days>{days}</Days></RestoreRequest>");
        client.post(&at).query("restore", "").body(document)
    };
    restore("0").refused(400, "InvalidArgument").await;
    assert_eq!(restore("1").ok().await.status, 202);
    // Azure takes hours, Azurite none: on its way, or back.
    let head = client.head(&at).ok().await;
    if head.at("x-amz-restore") == "ongoing-request=\"true\"" {
        restore("1").refused(409, "RestoreAlreadyInProgress").await;
        for list in ["list-type", "versions", "marker"] {
            let value = if list == "list-type" { "2" } else { "" };
            let list = || client.get(&format!("/{bucket}")).query(list, value);
            let told = list().header("x-amz-optional-object-attributes", "RestoreStatus");
            let wanted = "<IsRestoreInProgress>true</IsRestoreInProgress>";
            assert!(told.ok().await.text().contains(wanted));
            assert!(!list().ok().await.text().contains("RestoreStatus"));
        }
    } else if head.at("x-amz-restore") == "ongoing-request=\"false\"" {
        let read = client.get(&at).ok().await;
        assert_eq!(
            (read.text().as_str(), read.at("x-amz-restore")),
            ("v", head.at("x-amz-restore"))
        );
        restore("1").refused(403, "InvalidObjectState").await;
        let copy = path(&bucket, "copy");
        client.put(&copy).header("x-amz-copy-source", &at).ok().await;
        assert_eq!(client.head(&copy).ok().await.header("x-amz-restore"), None);
    } else {
        panic!("it is said whether it is back: {head:?}");
    }
    let hot = path(&bucket, "hot");
    client.put(&hot).body("v").ok().await;
    let list = client.get(&format!("/{bucket}")).query("list-type", "2").query("prefix", "hot");
    let told = list.header("x-amz-optional-object-attributes", "RestoreStatus").ok().await;
    assert!(!told.text().contains("RestoreStatus"));
    let list = client.get(&format!("/{bucket}")).query("list-type", "2");
    let list = list.header("x-amz-optional-object-attributes", "Colour");
    list.refused(400, "InvalidArgument").await;
    let document = "<RestoreRequest><Days>1</Days></RestoreRequest>";
    let restore = client.post(&hot).query("restore", "").body(document);
    restore.refused(403, "InvalidObjectState").await;
}

#[tokio::test]
async fn uploads_are_given_up() {
    let (_gateway, client, bucket) = hasty().await;
    for key in ["tmp/a", "kept/a"] {
        let started = client.post(&path(&bucket, key)).query("uploads", "").ok().await;
        let upload = started.xml().at("UploadId").to_owned();
        let part = client.put(&path(&bucket, key)).query("partNumber", 1);
        part.query("uploadId", &upload).body("part").ok().await;
    }
    let abort = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation>\
                 </AbortIncompleteMultipartUpload>";
    let document = rules(&[rule("<Prefix>tmp/</Prefix>", abort)]);
    put(&client, &bucket, "lifecycle", &document).ok().await;
    until(|| async {
        let uploads = client.get(&format!("/{bucket}")).query("uploads", "").ok().await.xml();
        uploads.texts("Upload/Key") == ["kept/a"]
    })
    .await;
}

/// Two gateways over one account: one of them works, and what it leaves another one does.
#[tokio::test]
async fn another_gateway_goes_on() {
    let (first, client, bucket) = hasty().await;
    let container = first.system_container.clone();
    let second = Gateway::with(|settings| {
        settings.system_container = container;
        settings.tables.push_str("\n[lifecycle]\nday_seconds = 1\n");
    })
    .await;
    client.put(&path(&bucket, "a")).body("v").ok().await;
    put(&client, &bucket, "lifecycle", &rules(&[rule("", GOES)])).ok().await;
    until(|| async { keys(&client, &bucket).await.is_empty() }).await;
    drop(first);
    let client = second.client(ALICE);
    client.put(&path(&bucket, "b")).body("v").ok().await;
    until(|| async { keys(&client, &bucket).await.is_empty() }).await;
}

/// A page of a listing and a batch of deletions at a time. `LIFECYCLE_KEYS` says how many, for whoever
/// measures it (docs/limits.md).
#[tokio::test]
async fn thousands_of_objects_take_few_requests() {
    let count: usize =
        environment("LIFECYCLE_KEYS").map_or(3000, |count| count.parse().expect("a number"));
    let azure = strict_with(|_| {});
    let proxy = Proxy::start(azure.address()).await;
    let program = Bluebucket::new().over(&proxy.endpoint(), &unique("sys")).user();
    let gateway = program.env("BLUEBUCKET_LIFECYCLE_DAY_SECONDS", "1").serve().await;
    let client = gateway.client();
    let bucket = bucket(&client).await;
    let names: Vec<_> = (0..count).map(|at| format!("old/{at:07}")).collect();
    azure.seed(&bucket, names.iter().map(|name| (name.as_str(), Seed::bytes("v")))).unwrap();
    azure.seed(&bucket, [("kept", Seed::bytes("v"))]).unwrap();
    drop(proxy.calls().await);
    let document = rules(&[rule("<Prefix>old/</Prefix>", GOES)]);
    put(&client, &bucket, "lifecycle", &document).ok().await;
    let begun = std::time::Instant::now();
    until(|| async { keys(&client, &bucket).await == ["kept"] }).await;
    let calls = proxy.calls().await;
    let batches = calls.iter().filter(|call| call.comp == "batch").count();
    let listings = calls.iter().filter(|call| call.query.contains("prefix=old"));
    let (took, listings) = (begun.elapsed(), listings.count());
    let peak = gateway.peak_kib();
    println!("{count} keys: {batches} batches, {listings} listings, {took:?}, {peak} KiB at most");
    // Each page of a thousand is four batches, the last of which is not full.
    assert!(batches <= count.div_ceil(1000) * 4 + 4, "{batches}");
}

/// With days as long as they are, it is announced and does not happen yet.
#[tokio::test]
async fn what_will_happen_is_announced() {
    let gateway = Gateway::start().await;
    let client = gateway.client(ALICE);
    let bucket = bucket(&client).await;
    let document = rules(&[
        rule("<Prefix>days/</Prefix>", GOES).replace("<Status>", "<ID>a rule</ID><Status>")
    ]);
    put(&client, &bucket, "lifecycle", &document).ok().await;
    let at = path(&bucket, "days/a");
    let stored = client.put(&at).body("v").ok().await;
    let announced = stored.at("x-amz-expiration").to_owned();
    assert!(announced.ends_with("00:00:00 GMT\", rule-id=\"a%20rule\""), "{announced}");
    assert!(announced.starts_with("expiry-date=\""), "{announced}");
    for request in [client.get(&at), client.head(&at)] {
        assert_eq!(request.ok().await.at("x-amz-expiration"), announced);
    }
    let other = client.put(&path(&bucket, "other")).body("v").ok().await;
    assert_eq!(other.header("x-amz-expiration"), None);
    let day = Duration::from_hours(24);
    assert!(announced.contains(&httpdate(crate::harness::now() + day * 2)), "{announced}");
}

/// The day of a moment as a date of HTTP has it.
fn httpdate(moment: time::OffsetDateTime) -> String {
    let format = time::macros::format_description!("[day] [month repr:short] [year]");
    moment.format(format).unwrap()
}

/// SIGKILL in the middle of a page. Nothing is remembered of single objects, so whoever comes next, once
/// the lease has run out, judges again what is left, and does no more than the rules say.
#[tokio::test]
async fn a_worker_that_is_killed_within_a_page_is_followed_by_another_strict() {
    const KEYS: usize = 900;
    let azure = strict_with(|_| {});
    let system = unique("sys");
    let program = || {
        let program = Bluebucket::new().over(&azure.endpoint(), &system).user();
        program.env("BLUEBUCKET_LIFECYCLE_DAY_SECONDS", "1").serve()
    };
    let mut first = program().await;
    let bucket = unique("b");
    first.client().put(&format!("/{bucket}")).ok().await;
    let names: Vec<_> = (0..KEYS).map(|at| format!("old/{at:07}")).collect();
    azure.seed(&bucket, names.iter().map(|name| (name.as_str(), Seed::bytes("v")))).unwrap();
    azure.seed(&bucket, [("kept", Seed::bytes("v"))]).unwrap();
    let gate = Gate::new();
    let hold = Fault::new(Action::Hold(gate.clone())).on(Operation::BlobBatch).within(&bucket);
    azure.set_fault(hold.skip(1));
    let document = rules(&[rule("<Prefix>old/</Prefix>", GOES)]);
    put(&first.client(), &bucket, "lifecycle", &document).ok().await;
    arrived(&gate).await;
    first.kill().await;
    let left = azure.names(&bucket).len();
    assert!(left < KEYS && left > KEYS / 2, "one batch of the page is done: {left}");
    // Its lease is still there: the next one waits for its end.
    let second = program().await;
    let metric = "bluebucket_lifecycles_total{result=\"elsewhere\"}";
    until(|| async {
        let admin = Client { address: second.admin, ..second.client().anonymous() };
        admin.get("/metrics").send().await.text().contains(metric)
    })
    .await;
    assert_eq!(azure.names(&bucket).len(), left);
    azure.advance_clock(Duration::from_secs(61));
    until(|| async { keys(&second.client(), &bucket).await == ["kept"] }).await;
    gate.open();
}
