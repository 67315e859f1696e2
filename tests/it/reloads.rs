//! A configuration that changes under load: what changed counts at once, what did not is not disturbed,
//! and nobody loses a request by it. How many looks a change takes is counted beside the code
//! (`server::reload`); here nothing is timed.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::task::JoinHandle;

use crate::deadlines::counted;
use crate::harness::gateway::{ADMIN, ALICE, BOB, LIMITED, Tls};
use crate::harness::wire::Wire;
use crate::harness::{Client, Gateway, PATIENCE, noise, path, spawn, strict_with, unique, until};
use crate::operate::{edit, metric};

/// Those who never stop.
const WORKERS: usize = 4;
/// Reloads that changed nothing.
const FAILED: &str = "bluebucket_reloads_total{result=\"failed\"}";
/// Requests that have to go well before the next change, and after it.
const BETWEEN: u64 = 40;

/// Clients that go on all the time, on connections that they keep and on new ones.
struct Load {
    ended: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    workers: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    fn begin(client: &Client, bucket: &str) -> Self {
        let (ended, done) = (Arc::default(), Arc::default());
        let workers = (0..WORKERS)
            .map(|number| {
                let at = path(bucket, format!("load-{number}"));
                let (ended, done) = (Arc::clone(&ended), Arc::clone(&done));
                spawn(work(client.clone(), at, ended, done))
            })
            .collect();
        Self { ended, done, workers }
    }

    /// Waits until so many more have gone well that begun after this call.
    async fn goes_on(&self) {
        // What is under way now may have begun before.
        let enough = self.done.load(Ordering::Relaxed) + BETWEEN + WORKERS as u64;
        until("the load goes on", async || self.done.load(Ordering::Relaxed) >= enough).await;
    }

    /// What went wrong, of how many.
    async fn end(self) -> (Vec<String>, u64) {
        self.ended.store(true, Ordering::Relaxed);
        let mut wrong = Vec::new();
        for worker in self.workers {
            wrong.extend(worker.await.unwrap());
        }
        (wrong, self.done.load(Ordering::Relaxed))
    }
}

/// Writes and reads one key until the end; what was not as it should be.
async fn work(
    client: Client,
    at: String,
    ended: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut wire = None;
    for round in 0_u64.. {
        if ended.load(Ordering::Relaxed) {
            break;
        }
        let body = format!("round {round}");
        // A connection serves a few rounds, so that there are handshakes at all times.
        let mut line = match wire.take().filter(|_| round % 5 > 0) {
            Some(line) => line,
            None => client.wire().await,
        };
        let put = client.put(&at).body(&body).prepare().bytes();
        let get = client.get(&at).prepare().bytes();
        for (request, method) in [(put, "PUT"), (get, "GET")] {
            match tokio::time::timeout(PATIENCE, line.exchange(&request, method)).await {
                Ok(Ok(answer)) if answer.status == 200 => {
                    if method == "GET" && answer.text() != body {
                        wrong.push(format!("{at}: {:?} for {body:?}", answer.text()));
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
                other => wrong.push(format!("{method} {at}: {other:?}")),
            }
        }
        wire = Some(line);
    }
    wrong
}

/// Waits until a change counts, and says how long that took: a look a second, and two that agree.
#[expect(clippy::print_stdout, reason = "five seconds are promised, and nothing here is timed")]
async fn counts(what: &str, holds: impl AsyncFnMut() -> bool) {
    let since = std::time::Instant::now();
    until(what, holds).await;
    println!("{what}: after {:.1} s", since.elapsed().as_secs_f64());
}

/// The status and, of an error, the code that somebody's listing of a bucket is answered with.
async fn listed(client: &Client, bucket: &str) -> (u16, String) {
    let answer = client.get(&format!("/{bucket}")).send().await;
    let code = if answer.status == 200 { String::new() } else { answer.error() };
    (answer.status, code)
}

/// Puts the files of another certificate into the place of those that a gateway reads, one after the
/// other, as tools that renew certificates do.
fn renew(gateway: &Gateway, other: &Tls) {
    for from in [&other.key, &other.certificate] {
        let to = gateway.file.with_file_name(from.file_name().unwrap());
        let new = to.with_extension("new");
        fs::copy(from, &new).unwrap();
        fs::rename(new, to).unwrap();
    }
}

/// Issue 9, a: keys, routes and certificates change under load, and so does a file that is broken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f41_c62_what_changes_under_load_counts_and_no_request_is_lost() {
    let azure = strict_with(|_| {});
    let gateway = Gateway::with(|settings| {
        settings.azure = azure.endpoint();
        settings.tls = true;
        settings.policy = "[{ actions = [\"s3:*\"], buckets = [\"*\"] }]".to_owned();
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let next = Tls::make(folder.path());
    // The load trusts both authorities: it is about the gateway's change, not about the clients'.
    let trust_both =
        next.trust_also(&gateway.file.with_file_name(crate::harness::gateway::AUTHORITY));
    let as_user = |user| Client { tls: Some(Arc::clone(&trust_both)), ..gateway.client(user) };
    let (alice, bob, limited) = (as_user(ALICE), as_user(BOB), as_user(LIMITED));
    let bucket = unique("load");
    alice.put(&format!("/{bucket}")).ok().await;
    let his = unique("bob");
    bob.put(&format!("/{his}")).ok().await;
    let load = Load::begin(&alice, &bucket);
    load.goes_on().await;

    broken_files_change_nothing(&gateway, &bob, &his).await;
    load.goes_on().await;
    a_key_is_revoked(&gateway, &bob, &his).await;
    load.goes_on().await;
    a_key_is_rotated(&gateway, &limited, &bucket).await;
    load.goes_on().await;
    a_route_is_added(&gateway, &as_user(ADMIN), &bucket).await;
    load.goes_on().await;
    a_certificate_is_changed(&gateway, &next).await;
    load.goes_on().await;

    let (wrong, done) = load.end().await;
    assert!(wrong.is_empty(), "{} of {done}: {:?}", wrong.len(), &wrong[..wrong.len().min(5)]);
}

async fn broken_files_change_nothing(gateway: &Gateway, bob: &Client, his: &str) {
    let good = fs::read_to_string(&gateway.file).unwrap();
    // Half a file is a file of fewer users; and a table that is none.
    edit(gateway, |text| text.replacen("[[users]]", "[[users]", 1));
    counted(gateway, "bluebucket_reloads_total{result=\"failed\"} 1").await;
    assert_eq!(listed(bob, his).await.0, 200, "the last good file stays");
    edit(gateway, |text| {
        text.replacen("[[users]", "[[users]]\nid = \"nobody\"\nkees = 1\n[[users]]", 1)
    });
    counted(gateway, "bluebucket_reloads_total{result=\"failed\"} 2").await;
    assert_eq!(listed(bob, his).await.0, 200, "the last good file stays");
    edit(gateway, |_| good);
    counted(gateway, "bluebucket_reloads_total{result=\"ok\"} 1").await;
    assert_eq!(listed(bob, his).await.0, 200);
}

/// Who is gone is refused; what he had begun is finished.
async fn a_key_is_revoked(gateway: &Gateway, bob: &Client, his: &str) {
    let body = noise(300_000);
    let put = bob.put(&path(his, "begun")).body(&body).prepare().add("expect", "100-continue");
    let mut wire = bob.wire().await;
    wire.send(put.head_bytes()).await.unwrap();
    assert_eq!(wire.head().await.unwrap().status, 100, "it is let in");
    wire.send(&body[..body.len() / 2]).await.unwrap();
    edit(gateway, |text| {
        let start = text.find(&format!("[[users]]\nid = {:?}", BOB.id)).unwrap();
        let end = text[start + 1..].find("[[users]]").unwrap() + start + 1;
        text[..start].to_owned() + &text[end..]
    });
    counts("the key is revoked", async || listed(bob, his).await.0 == 403).await;
    for _ in 0..20 {
        assert_eq!(listed(bob, his).await, (403, "InvalidAccessKeyId".to_owned()));
    }
    wire.send(&body[body.len() / 2..]).await.unwrap();
    let answer = tokio::time::timeout(PATIENCE, wire.answer("PUT")).await.unwrap().unwrap();
    assert_eq!(answer.status, 200, "what was begun is finished: {answer:?}");
}

/// Two secrets for a time, then the new one alone: who changes over in between is never refused.
async fn a_key_is_rotated(gateway: &Gateway, limited: &Client, bucket: &str) {
    let old = format!(
        "{{ access_key_id = {:?}, secret_access_key = {:?} }}",
        LIMITED.key, LIMITED.secret
    );
    let (id, secret) = ("AKROTATED", "rotated-secret-00001");
    let new = format!("{{ access_key_id = {id:?}, secret_access_key = {secret:?} }}");
    let rotated = limited.with(id, secret);
    assert_eq!(listed(&rotated, bucket).await.1, "InvalidAccessKeyId");
    edit(gateway, |text| text.replace(&old, &format!("{old}, {new}")));
    counts("the new key counts", async || listed(&rotated, bucket).await.0 == 200).await;
    assert_eq!(listed(limited, bucket).await.0, 200, "both count");
    edit(gateway, |text| text.replace(&format!("{old}, {new}"), &new));
    counts("the old key is gone", async || listed(limited, bucket).await.0 == 403).await;
    assert_eq!(listed(&rotated, bucket).await.0, 200);
    // A secret that changes under its id.
    let other = "another-secret-00002";
    edit(gateway, |text| text.replace(secret, other));
    let changed = limited.with(id, other);
    counts("the new secret counts", async || listed(&changed, bucket).await.0 == 200).await;
    assert_eq!(listed(&rotated, bucket).await, (403, "SignatureDoesNotMatch".to_owned()));
}

async fn a_route_is_added(gateway: &Gateway, admin: &Client, bucket: &str) {
    let alias = unique("alias");
    assert_eq!(listed(admin, &alias).await.1, "NoSuchBucket");
    edit(gateway, |text| {
        let account = "account = \"main\"";
        text + &format!("[[buckets]]\nname = {alias:?}\n{account}\ncontainer = {bucket:?}\n")
    });
    counts("the route counts", async || listed(admin, &alias).await.0 == 200).await;
    assert_eq!(admin.get(&path(&alias, "load-0")).send().await.status, 200);
}

async fn a_certificate_is_changed(gateway: &Gateway, next: &Tls) {
    let shown = async || Wire::connect_tls(gateway.address, next.trust()).await.is_ok();
    assert!(!shown().await, "it is another authority's");
    let certificate = gateway.file.with_file_name(next.certificate.file_name().unwrap());
    let good = fs::read(&certificate).unwrap();
    let failed = metric(gateway.admin, FAILED).await;
    replace(&certificate, b"-----BEGIN CERTIFICATE-----\nAAAA");
    until("the broken certificate is told", async || metric(gateway.admin, FAILED).await > failed)
        .await;
    assert!(gateway.client(ADMIN).get("/").send().await.status == 200, "the last good one stays");
    replace(&certificate, &good);
    renew(gateway, next);
    counts("the new certificate is shown", shown).await;
}

fn replace(file: &Path, bytes: &[u8]) {
    let new = file.with_extension("new");
    fs::write(&new, bytes).unwrap();
    fs::rename(new, file).unwrap();
}
