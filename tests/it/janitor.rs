//! The janitor: what uploads leave behind goes by age, by one gateway at a time, and nothing else does.

use std::time::Duration;

use http::Method;
use strict_azure::{Action, Fault, Gate, Operation, Seed, StrictAzure};

use crate::buckets::bucket;
use crate::deadlines::counted;
use crate::harness::azure::Azure;
use crate::harness::gateway::ALICE;
use crate::harness::proxy::Call;
use crate::harness::stand::arrived;
use crate::harness::{Client, Gateway, PATIENCE, Proxy, noise, path, strict_with, unique};
use crate::multipart::{MIN, check, create};

const DAY: Duration = Duration::from_hours(24);

/// Another gateway over the same records, that sweeps all the time.
async fn eager(azure: String, system: &str, abandoned_after: &str) -> Gateway {
    Gateway::with(|settings| {
        settings.azure = azure;
        settings.system_container = system.to_owned();
        settings.tables = format!(
            "[multipart]\nabandoned_after = {abandoned_after:?}\nsweep_every = \"100ms\"\n"
        );
    })
    .await
}

/// Over whatever the run's backend is, by its own clock.
#[tokio::test]
async fn an_upload_that_nobody_goes_on_with_is_removed_and_one_that_is_touched_stays() {
    let endpoint = crate::harness::backend_endpoint();
    let gateway = eager(endpoint, &unique("sys"), "10s").await;
    let client = gateway.client(ALICE);
    let bucket = bucket(&client).await;
    let (left, kept) = (create(&client, &bucket, "k").await, create(&client, &bucket, "k").await);
    left.put(&client, 1, b"left").await;
    client.put(&path(&bucket, "k")).body("an object of that key").ok().await;
    let mut part = kept.put(&client, 1, b"kept").await;
    let swept = async {
        while left.list(&client).send().await.status != 404 {
            part = kept.put(&client, 1, b"kept").await;
        }
    };
    tokio::time::timeout(PATIENCE, swept).await.expect("the upload is removed");
    left.list(&client).refused(404, "NoSuchUpload").await;
    let listed = client.get(&format!("/{bucket}")).query("uploads", "").ok().await.xml();
    assert_eq!(listed.texts("Upload/UploadId"), [kept.id.clone()]);
    let blobs = Azure::default().blobs(&gateway.system_container).await;
    assert!(!blobs.iter().any(|name| name.contains(&format!("/p/{}/", left.id))), "{blobs:?}");
    assert_eq!(client.get(&path(&bucket, "k")).ok().await.text(), "an object of that key");
    kept.complete(&client, &[part]).ok().await;
    check(&client, &kept.at, b"kept").await;
    counted(&gateway, "bluebucket_swept_total{kind=\"upload\"} 1").await;
}

struct Stand {
    azure: StrictAzure,
    system: String,
    client: Client,
    bucket: String,
    _gateway: Gateway,
}

/// A gateway that does not sweep itself, over a clock that the test moves.
async fn stand() -> Stand {
    let azure = strict_with(|_| {});
    let gateway = Gateway::with(|settings| settings.azure = azure.endpoint()).await;
    let client = gateway.client(ALICE);
    let bucket = bucket(&client).await;
    let system = gateway.system_container.clone();
    Stand { azure, system, client, bucket, _gateway: gateway }
}

impl Stand {
    fn names(&self) -> Vec<String> {
        self.azure.names(&self.system)
    }

    /// Waits until the system container has no name with this in it.
    async fn gone(&self, part: &str) {
        let gone = async {
            while self.names().iter().any(|name| name.contains(part)) {
                // Lets the gateway work: it is in this runtime.
                tokio::task::yield_now().await;
            }
        };
        let gone = tokio::time::timeout(PATIENCE, gone).await;
        gone.unwrap_or_else(|_late| panic!("{part} is still in {:?}", self.names()));
    }
}

#[tokio::test]
async fn what_belongs_to_nothing_goes_after_a_day_and_nothing_else_does() {
    let stand = stand().await;
    let Stand { azure, client, bucket, system, .. } = &stand;
    // One completed, whose outcome stays a day; one aborted, behind which a part slips in.
    let done = create(client, bucket, "done").await;
    let part = done.put(client, 1, &noise(MIN)).await;
    done.complete(client, &[part]).ok().await;
    let aborted = create(client, bucket, "aborted").await;
    aborted.put(client, 1, b"v").await;
    let of_aborted = stand.names().into_iter().find(|name| name.contains(&aborted.id));
    let part_name = stand.names().into_iter().find(|name| name.contains("/p/")).unwrap();
    assert!(of_aborted.is_some());
    client.delete(&aborted.at).query("uploadId", &aborted.id).ok().await;
    let open = create(client, bucket, "open").await;
    let open_part = open.put(client, 1, b"open").await;
    let gone = "up/000000000000000000000000/";
    let strays = [
        part_name.clone(),
        format!("{gone}u/abc!x"),
        format!("{gone}p/x/00001"),
        "up/strange".to_owned(),
        "documents/x".to_owned(),
    ];
    azure.seed(system, strays.iter().map(|name| (name.as_str(), Seed::bytes("v")))).unwrap();
    let before = stand.names();

    // An hour later all is as it was.
    azure.advance_clock(Duration::from_hours(1));
    let sweeper = eager(azure.endpoint(), system, "7d").await;
    counted(&sweeper, "bluebucket_sweeps_total{result=\"ok\"} 1").await;
    let with_lease = [&before[..], &["janitor".to_owned()]].concat();
    let mut now = stand.names();
    now.sort();
    let mut want = with_lease;
    want.sort();
    assert_eq!(now, want);

    azure.advance_clock(DAY);
    stand.gone(gone).await;
    stand.gone(&part_name).await;
    stand.gone("/o/").await;
    let names = stand.names();
    assert!(names.iter().any(|name| name == "up/strange"), "{names:?}");
    assert!(names.iter().any(|name| name == "documents/x"), "{names:?}");
    // What was open goes on, on another day as well.
    open.complete(client, &[open_part]).ok().await;
    check(client, &open.at, b"open").await;
    check(client, &done.at, &noise(MIN)).await;

    // And an upload that is left for a week goes, by its own age.
    let left = create(client, bucket, "left").await;
    left.put(client, 1, b"left").await;
    azure.advance_clock(6 * DAY);
    let late = left.put(client, 2, b"later").await;
    azure.advance_clock(6 * DAY);
    counted(&sweeper, "bluebucket_swept_total{kind=\"outcome\"} 3").await;
    left.list(client).ok().await;
    azure.advance_clock(2 * DAY);
    stand.gone(&format!("/p/{}/", left.id)).await;
    left.complete(client, &[late]).refused(404, "NoSuchUpload").await;
}

/// Whether the account is well, and how many uploads are open, are asked when metrics are read.
fn is_for_metrics(call: &Call) -> bool {
    let counts =
        call.query.ends_with("prefix=up%2F&delimiter=%2F") || call.query.ends_with("%2Fu%2F");
    call.restype == "account" || (call.method == Method::GET && call.comp == "list" && counts)
}

#[tokio::test]
async fn one_gateway_sweeps_and_another_takes_over_where_it_stopped() {
    let stand = stand().await;
    let Stand { azure, system, .. } = &stand;
    let bases = ["up/000000000000000000000000/", "up/000000000000000000000001/"];
    let names: Vec<_> = bases.iter().map(|base| format!("{base}p/x/00001")).collect();
    azure.seed(system, names.iter().map(|name| (name.as_str(), Seed::bytes("v")))).unwrap();
    azure.advance_clock(2 * DAY);
    // The first one gets as far as the second bucket: two listings of the account and the first, its
    // deletion, and then it stands still.
    let gate = Gate::new();
    let hold = Fault::new(Action::Hold(gate.clone())).on(Operation::ListBlobs).within(system);
    azure.set_fault(hold.skip(2));
    let first = eager(azure.endpoint(), system, "7d").await;
    arrived(&gate).await;
    stand.gone(bases[0]).await;
    let proxy = Proxy::start(azure.address()).await;
    let second = eager(proxy.endpoint(), system, "7d").await;
    counted(&second, "bluebucket_sweeps_total{result=\"elsewhere\"} 2").await;
    assert!(stand.names().contains(&names[1]), "only one of them works");
    let calls = proxy.calls().await;
    // The other one asks for its turn; nothing else, but for what its metrics tell.
    let mut others = calls.iter().filter(|call| !is_for_metrics(call));
    assert!(others.all(|call| call.comp == "lease"), "{calls:?}");
    // It is gone without a word; its lease runs out.
    drop(first);
    azure.advance_clock(Duration::from_secs(61));
    counted(&second, "bluebucket_sweeps_total{result=\"ok\"} 1").await;
    assert!(!stand.names().contains(&names[1]), "{:?}", stand.names());
    let calls = proxy.calls().await;
    let mut listed = calls.iter().filter(|call| call.comp == "list" && !is_for_metrics(call));
    let listed = listed.next().expect("it lists");
    assert!(listed.query.contains("startFrom=up%2F000000000000000000000001%2F"), "{listed:?}");
    gate.open();
}
