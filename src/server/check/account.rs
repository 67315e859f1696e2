//! One storage account: does it answer to us, with what clock, what kind is it, what may we do there,
//! what is it set to do, and does an object go in and out.

use std::collections::BTreeMap;

use http::Uri;
use time::Duration;
use tokio::time::Instant;

use super::finding::Finding;
use super::host;
use crate::azure::{
    AccountInformation, BlobError, BlobName, BlobPath, BlobStore, CLOCK_SKEW_MAX, Conditions,
    ContainerName, Content, Credential, DeleteOptions, Guard, Kind, ListBlobs, PutOptions,
    ReadOptions,
};

/// More than this and the clock is not kept.
const SKEW_ODD: Duration = Duration::minutes(1);
/// What the round trip writes.
const PROBE_TEXT: &[u8] = b"bluebucket check";
const PROBE_BYTES_MAX: usize = 1024;
const SET_THE_CLOCK: &str = "Set this machine's clock (NTP): Azure and S3 refuse signatures that are \
                             15 minutes off";
const ROLE: &str = "The identity needs the role Storage Blob Data Contributor; a SAS needs the \
                    permissions rwdlac on containers and objects (srt=co)";

/// All that can be found out about an account; a fault that hinders the rest ends the list.
pub(super) async fn look(store: &BlobStore, name: &str, system: &str) -> Vec<Finding> {
    let what = format!("account {name}");
    let mut findings = vec![name_of(store, &what).await];
    let kind = store.account_information().await;
    match &kind {
        Ok(information) => {
            findings.push(kind_of(&what, information));
            findings.extend(information.clock_skew.map(|skew| clock(&what, skew)));
        }
        Err(error) if error.lacks_a_right() => {
            findings.extend(error.clock_skew().map(|skew| clock(&what, skew)));
            let remedy = "Nothing depends on it; the role Reader on the account lets it be seen";
            let text = "answers, and does not let us see its kind";
            findings.push(Finding::odd(&what, text, remedy));
        }
        Err(error) => {
            findings.push(unanswered(&what, error));
            return findings;
        }
    }
    let Some(system) = ContainerName::parse(system) else { return findings };
    match round_trip(store, &system).await {
        Ok((path, times)) => {
            let text =
                format!("wrote, read, listed and deleted a blob in container {system} {times}");
            findings.push(Finding::fine(&what, text));
            findings.extend(features(store, &what, &path).await);
        }
        Err((step, error)) => findings.push(failed(&what, step, &error)),
    }
    findings
}

/// Where the account's name leads to.
async fn name_of(store: &BlobStore, what: &str) -> Finding {
    let endpoint = &store.account().endpoint;
    let credential = &store.account().credential;
    let uri: Option<Uri> = endpoint.parse().ok();
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
    match host::resolve(host, 443).await {
        Ok(addresses) => {
            let addresses = addresses.join(", ");
            Finding::fine(what, format!("{endpoint} ({addresses}), by {credential:?}"))
        }
        Err(why) => {
            let text = format!("the name {host} does not resolve ({why})");
            let remedy = "Is the account's name right? A private endpoint needs its DNS zone here";
            Finding::broken(what, text, remedy)
        }
    }
}

fn kind_of(what: &str, information: &AccountInformation) -> Finding {
    let AccountInformation { kind, sku, .. } = information;
    if information.hierarchical {
        let text = format!("answers: {kind}, {sku}, with a hierarchical namespace");
        let remedy = "Keys such as a//b or a/../b have no place there, and it knows no versions and \
                      no tags: use an account without one";
        return Finding::odd(what, text, remedy);
    }
    match kind.as_str() {
        "StorageV2" | "BlockBlobStorage" => Finding::fine(what, format!("answers: {kind}, {sku}")),
        _ => {
            let remedy = "Made for StorageV2 and BlockBlobStorage; page blob and classic accounts \
                          lack block blobs or tiers";
            Finding::odd(what, format!("answers: {kind}, {sku}"), remedy)
        }
    }
}

fn clock(what: &str, skew: Duration) -> Finding {
    let seconds = skew.whole_seconds().abs();
    let way = if skew.is_negative() { "behind" } else { "ahead of" };
    let text = format!("this machine's clock is {seconds} s {way} Azure's");
    if skew.abs() >= CLOCK_SKEW_MAX {
        Finding::broken(what, text, SET_THE_CLOCK)
    } else if skew.abs() >= SKEW_ODD {
        Finding::odd(what, text, "Is NTP running?")
    } else {
        Finding::fine(what, "the clock is right")
    }
}

/// Why there was no answer of use: what can be told apart is.
fn unanswered(what: &str, error: &BlobError) -> Finding {
    if let Some(skew) = error.clock_skew().filter(|skew| skew.abs() >= CLOCK_SKEW_MAX) {
        return clock(what, skew);
    }
    failed(what, "does not answer", error)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the rest has one remedy: look at the endpoint")]
fn failed(what: &str, step: &str, error: &BlobError) -> Finding {
    let remedy = match error.kind() {
        Kind::Unreachable => {
            "Is the way open (firewall, private endpoint, azure_proxy), and does the endpoint's \
             certificate come from an authority that this machine or azure_ca_file trusts?"
        }
        Kind::Unauthorised if error.lacks_a_right() => ROLE,
        Kind::Unauthorised => {
            "Is the key current? Accounts may refuse keys altogether (AllowSharedKeyAccess); a SAS \
             may have ended; a firewall of the account answers the same"
        }
        Kind::Throttled => "Azure is busy: try again",
        Kind::ContainerBeingDeleted => "Somebody deletes the system container: wait a minute",
        Kind::InvalidName => "Is system_container a name that Azure takes?",
        _ => "Is the endpoint that of Blob Storage (https://ACCOUNT.blob.core.windows.net)?",
    };
    Finding::broken(what, format!("{step}: {error}"), remedy)
}

type Step = (&'static str, BlobError);

/// An object in and out; the blob's path and how long each step took.
async fn round_trip(store: &BlobStore, system: &ContainerName) -> Result<(BlobPath, String), Step> {
    match store.create_container(system, &BTreeMap::new()).await {
        Err(error) if error.kind() != Kind::ContainerExists => {
            return Err(("the system container cannot be made", error));
        }
        _ => {}
    }
    let name = format!("check/{:016x}", fastrand::u64(..));
    let path = BlobPath { container: system.clone(), blob: BlobName::new(name.clone()) };
    let mut watch = Watch::new();
    put(store, &path).await.map_err(|error| ("a blob cannot be written", error))?;
    watch.lap("write");
    let read = look_again(store, &path, name, &mut watch).await;
    let deleted = store.delete(&path, &DeleteOptions::default()).await;
    watch.lap("delete");
    read?;
    deleted.map_err(|error| ("a blob cannot be deleted", error))?;
    Ok((path, watch.told()))
}

async fn put(store: &BlobStore, path: &BlobPath) -> Result<(), BlobError> {
    let content = Content::from(bytes::Bytes::from_static(PROBE_TEXT));
    let guard = Guard::Crc64(content.crc64());
    store.put_blob(path, &content, guard, &PutOptions::default()).await.map(drop)
}

async fn look_again(
    store: &BlobStore,
    path: &BlobPath,
    name: String,
    watch: &mut Watch,
) -> Result<(), Step> {
    let reading = |error| ("a blob cannot be read", error);
    let read = store.read(path, &ReadOptions::default()).await.map_err(reading)?;
    read.body.collect(PROBE_BYTES_MAX).await.map_err(reading)?;
    watch.lap("read");
    let asked = ListBlobs { prefix: Some(name), max_results: 1, ..ListBlobs::default() };
    let listed = store.list_blobs(&path.container, &asked).await;
    listed.map_err(|error| ("blobs cannot be listed", error))?;
    watch.lap("list");
    let properties = store.properties(path, &Conditions::default()).await;
    properties.map(drop).map_err(reading)
}

/// How long each step took.
struct Watch {
    since: Instant,
    laps: Vec<String>,
}

impl Watch {
    fn new() -> Self {
        Self { since: Instant::now(), laps: Vec::new() }
    }

    fn lap(&mut self, what: &str) {
        self.laps.push(format!("{what} {} ms", self.since.elapsed().as_millis()));
        self.since = Instant::now();
    }

    fn told(&self) -> String {
        format!("({})", self.laps.join(", "))
    }
}

/// What the account is set to do, and what follows from it. What cannot be seen is said to be so.
async fn features(store: &BlobStore, what: &str, path: &BlobPath) -> Vec<Finding> {
    let mut findings = Vec::new();
    if put(store, path).await.is_err() {
        return findings;
    }
    findings.push(soft_delete(store, what).await);
    findings.push(container_soft_delete(what));
    findings.extend(versions(store, what, path).await);
    findings.extend(immutability(store, what, &path.container).await);
    findings.push(tags(store, what, path).await);
    findings.extend(delegation(store, what).await);
    findings.push(copies(store, what, &path.container).await);
    drop(store.delete(path, &DeleteOptions::default()).await);
    findings
}

async fn soft_delete(store: &BlobStore, what: &str) -> Finding {
    match store.service_properties().await {
        Ok(service) => match service.soft_delete_days {
            Some(days) => Finding::odd(
                what,
                format!(
                    "blob soft delete is on: what is deleted is kept and billed for {days} days"
                ),
                "That includes the parts of every upload in parts: keep the days few",
            ),
            None => Finding::fine(what, "blob soft delete is off"),
        },
        Err(error) => Finding::fine(
            what,
            format!("whether blob soft delete is on cannot be seen from here ({})", short(&error)),
        ),
    }
}

/// What only Azure's management API tells: Get Blob Service Properties has a DeleteRetentionPolicy for
/// blobs and none for containers.
/// <https://learn.microsoft.com/rest/api/storageservices/get-blob-service-properties>
/// <https://learn.microsoft.com/azure/storage/blobs/soft-delete-container-overview>
fn container_soft_delete(what: &str) -> Finding {
    Finding::noted(
        what,
        "whether container soft delete is on cannot be seen from here: Azure tells it by its \
         management API alone",
        "Keep it on, it brings back a bucket that was deleted by mistake: az storage account \
         blob-service-properties update --account-name NAME --enable-container-delete-retention true \
         --container-delete-retention-days 7",
    )
}

async fn versions(store: &BlobStore, what: &str, path: &BlobPath) -> Option<Finding> {
    if !store.is_versioned(path).await.ok()? {
        return Some(Finding::fine(what, "Azure's blob versioning is off"));
    }
    Some(Finding::odd(
        what,
        "Azure's blob versioning is on: each overwrite and deletion leaves a version, billed",
        "The gateway keeps S3's versions by itself: switch it off, or add a lifecycle rule for the \
         container of its records",
    ))
}

async fn immutability(store: &BlobStore, what: &str, system: &ContainerName) -> Option<Finding> {
    let found = store.immutability(system).await.ok()?;
    Some(match (found.held, found.of_versions) {
        (true, _) => Finding::broken(
            what,
            format!("container {system} has an immutability policy or a legal hold"),
            "The gateway's records and the parts of uploads cannot be deleted: take it off there",
        ),
        (false, true) => Finding::odd(
            what,
            format!("container {system} has immutable storage with versioning"),
            "It is not needed for the gateway's own records",
        ),
        (false, false) => Finding::fine(what, "nothing in the gateway's container is immutable"),
    })
}

async fn tags(store: &BlobStore, what: &str, path: &BlobPath) -> Finding {
    match store.can_read_tags(path).await {
        Ok(()) => Finding::fine(what, "index tags can be read"),
        Err(error) => Finding::fine(
            what,
            format!(
                "index tags cannot be read ({}); object tags are kept without them",
                short(&error)
            ),
        ),
    }
}

async fn delegation(store: &BlobStore, what: &str) -> Option<Finding> {
    let Credential::Token(_) = &store.account().credential else { return None };
    Some(match store.can_delegate().await {
        Ok(()) => Finding::fine(what, "a user delegation key can be had"),
        Err(error) => Finding::odd(
            what,
            format!("no user delegation key can be had ({})", short(&error)),
            "Copies do not need it; the role Storage Blob Delegator gives it",
        ),
    })
}

async fn copies(store: &BlobStore, what: &str, system: &ContainerName) -> Finding {
    match store.probe(system).await {
        Ok(can) if can.put_blob_from_url => Finding::fine(what, "copies stay inside Azure"),
        Ok(can) if can.put_block_from_url => {
            Finding::fine(what, "copies stay inside Azure, in blocks: Put Blob From URL is refused")
        }
        Ok(_) => Finding::odd(
            what,
            "copies pass through the gateway: Azure may not read a source in this account",
            "A firewall of the account does that; it costs time, not correctness",
        ),
        Err(error) => failed(what, "copies cannot be tried out", &error),
    }
}

/// Azure's word for it, or ours.
fn short(error: &BlobError) -> String {
    match error.azure_code() {
        "" => format!("{:?}", error.kind()),
        code => code.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Weight;
    use super::*;

    #[test]
    fn f36_a_clock_that_is_off_is_noticed() {
        let check = |seconds: i64, weight: Weight| {
            assert_eq!(clock("a", Duration::seconds(seconds)).weight, weight, "{seconds}");
            assert_eq!(clock("a", Duration::seconds(-seconds)).weight, weight, "-{seconds}");
        };
        check(5, Weight::Fine);
        check(90, Weight::Odd);
        check(1200, Weight::Broken);
    }

    #[test]
    fn an_account_with_folders_is_odd() {
        let mut information = AccountInformation {
            kind: "StorageV2".to_owned(),
            sku: "Standard_LRS".to_owned(),
            hierarchical: false,
            clock_skew: None,
            api_version: None,
        };
        assert_eq!(kind_of("a", &information).weight, Weight::Fine);
        information.hierarchical = true;
        assert_eq!(kind_of("a", &information).weight, Weight::Odd);
        information.hierarchical = false;
        information.kind = "FileStorage".to_owned();
        assert_eq!(kind_of("a", &information).weight, Weight::Odd);
    }
}
