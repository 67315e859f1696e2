//! The door against strict Azure: every question that it asks, answered as the service answers; and what
//! Azurite does not show.

use std::time::Duration;

use bluebucket::azure::{
    Account, AccountKey, BlobDeletion, BlobError, BlobName, BlobPath, BlobStore, BlockId, BlockRef,
    ByteRange, Conditions, ContainerName, Content, Credential, DeleteOptions, Guard, Include, Kind,
    ListBlobs, ListContainers, ListEntry, Metadata, Priority, PutOptions, ReadOptions, Snapshots,
    Tier, WhichBlocks, WireSettings, from_connection_string,
};
use strict_azure::{Action, Fault, Operation, Pages, Seed, StrictAzure};

use crate::harness::{Gateway, path, strict_with, unique};

struct Door {
    azure: StrictAzure,
    store: BlobStore,
    container: ContainerName,
}

impl Door {
    async fn open() -> Self {
        Self::over(strict_with(|_| {})).await
    }

    async fn over(azure: StrictAzure) -> Self {
        let account = from_connection_string(&azure.connection_string()).unwrap();
        let store = BlobStore::new(account, WireSettings::default()).unwrap();
        let container = ContainerName::parse("photos").unwrap();
        store.create_container(&container, &Metadata::new()).await.unwrap();
        Self { azure, store, container }
    }

    fn at(&self, name: &str) -> BlobPath {
        BlobPath::new(self.container.clone(), BlobName::new(name))
    }

    async fn put(&self, name: &str, text: &'static str) -> Result<(), BlobError> {
        let content = Content::from(text);
        let guard = Guard::Crc64(content.crc64());
        let (at, options) = (self.at(name), PutOptions::default());
        self.store.put_blob(&at, &content, guard, &options).await.map(|_| ())
    }

    async fn text(&self, name: &str) -> String {
        let read = self.store.read(&self.at(name), &ReadOptions::default()).await.unwrap();
        String::from_utf8(read.body.collect(1 << 20).await.unwrap().to_vec()).unwrap()
    }

    /// All names at the top, rolled up at `/`.
    async fn names_with_levels(&self) -> Vec<String> {
        let mut which = ListBlobs { delimiter: Some("/".to_owned()), ..ListBlobs::default() };
        let mut seen = Vec::new();
        loop {
            let page = self.store.list_blobs(&self.container, &which).await.unwrap();
            seen.extend(page.entries.iter().map(|entry| entry.name().to_owned()));
            which.marker = page.next_marker;
            if which.marker.is_none() {
                return seen;
            }
        }
    }

    async fn stage(&self, name: &str, block: &BlockId, text: &'static str) -> Result<(), Kind> {
        let content = Content::from(text);
        let at = self.at(name);
        let staged = self.store.put_block(&at, block, &content, content.crc64()).await;
        staged.map(|_| ()).map_err(|error| error.kind())
    }
}

fn id(text: &str) -> BlockId {
    BlockId::new(text.as_bytes()).unwrap()
}

fn kind<T>(result: Result<T, BlobError>) -> Kind {
    match result {
        Ok(_) => panic!("it was done"),
        Err(error) => error.kind(),
    }
}

fn metadata(rows: &[(&str, &str)]) -> Metadata {
    rows.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn the_probe_finds_all_that_the_service_can() {
    let door = Door::open().await;
    let can = door.store.probe(&door.container).await.unwrap();
    assert!(can.put_blob_answers_md5 && can.put_blob_keeps_md5 && can.crc64_is_checked, "{can:?}");
    assert!(can.put_blob_from_url && can.put_block_from_url && can.delete_batch, "{can:?}");
    assert!(door.azure.names("photos").is_empty());
    door.azure.behave(|behaviour| {
        behaviour.capabilities.put_blob_from_url = false;
        behaviour.capabilities.put_block_from_url = false;
        behaviour.capabilities.batch = false;
        behaviour.capabilities.keeps_md5_beside_crc64 = false;
    });
    let can = door.store.probe(&door.container).await.unwrap();
    assert!(!can.put_blob_from_url && !can.put_block_from_url && !can.delete_batch, "{can:?}");
    assert!(can.put_blob_answers_md5 && !can.put_blob_keeps_md5, "{can:?}");
    assert!(!door.store.account_information().await.unwrap().hierarchical);
}

#[tokio::test]
async fn a_blob_goes_in_and_out_with_all_that_is_said_of_it() {
    let door = Door::open().await;
    let (content, at) = (Content::from("hello"), door.at("a b/\u{e9}%+&?#'"));
    let options = PutOptions {
        // In the order of words, not of bytes.
        metadata: metadata(&[
            ("i0", "1"),
            ("i_", "two  blanks"),
            ("foo2_bar", ""),
            ("foo_bar", "x"),
        ]),
        tier: Some(Tier::Cool),
        ..PutOptions::default()
    };
    let guard = Guard::Crc64(content.crc64());
    let written = door.store.put_blob(&at, &content, guard, &options).await.unwrap();
    assert_eq!(written.crc64, Some(content.crc64()));
    assert!(written.content_md5.is_some());
    let range = Some(ByteRange { first: 1, last: Some(2) });
    let read =
        door.store.read(&at, &ReadOptions { range, ..ReadOptions::default() }).await.unwrap();
    assert_eq!((read.range, read.properties.content_length), (Some((1, 2, 5)), 5));
    assert_eq!(read.properties.metadata, options.metadata);
    assert_eq!(read.properties.headers.content_md5, written.content_md5);
    assert_eq!(read.body.collect(9).await.unwrap(), "el");
    let changed = metadata(&[("a", "b")]);
    door.store.set_metadata(&at, &changed, &Conditions::default()).await.unwrap();
    door.store.set_tier(&at, &Tier::Cold, Priority::Standard).await.unwrap();
    let properties = door.store.properties(&at, &Conditions::default()).await.unwrap();
    assert_eq!((properties.metadata, properties.tier), (changed, Some(Tier::Cold)));
    assert_ne!(properties.etag, written.etag);
    let stale = Conditions::if_match(written.etag);
    assert_eq!(kind(door.store.properties(&at, &stale).await), Kind::ConditionNotMet);
    let absent = PutOptions { conditions: Conditions::if_absent(), ..PutOptions::default() };
    assert_eq!(kind(door.store.put_blob(&at, &content, guard, &absent).await), Kind::BlobExists);
    let wrong = Guard::Crc64(!content.crc64());
    let refused = door.store.put_blob(&at, &content, wrong, &PutOptions::default()).await;
    assert_eq!(kind(refused), Kind::DigestMismatch);
    let large =
        PutOptions { metadata: metadata(&[("a", &"x".repeat(9000))]), ..PutOptions::default() };
    assert_eq!(
        kind(door.store.put_blob(&at, &content, guard, &large).await),
        Kind::InvalidMetadata
    );
    let refused =
        door.store.put_blob(&door.at("a."), &content, guard, &PutOptions::default()).await;
    assert_eq!(kind(refused), Kind::InvalidName);
}

#[tokio::test]
async fn a_write_lets_staged_blocks_go() {
    let door = Door::open().await;
    let list = |blocks: &[BlockRef]| blocks.to_vec();
    door.stage("a", &id("1"), "x").await.unwrap();
    door.stage("a", &id("2"), "y").await.unwrap();
    assert_eq!(door.stage("a", &id("long"), "y").await, Err(Kind::InvalidBlobOrBlock));
    assert_eq!(door.stage("a", &id("3"), "").await, Err(Kind::InvalidHeader));
    let waiting = door.store.block_list(&door.at("a"), WhichBlocks::All).await.unwrap();
    assert_eq!((waiting.uncommitted.len(), waiting.etag), (2, None));
    let blocks = list(&[BlockRef::Latest(id("2")), BlockRef::Uncommitted(id("1"))]);
    let options = PutOptions::default();
    door.store.put_block_list(&door.at("a"), &blocks, &options).await.unwrap();
    assert_eq!(door.text("a").await, "yx");
    let own = list(&[BlockRef::Committed(id("1"))]);
    door.store.put_block_list(&door.at("a"), &own, &options).await.unwrap();
    assert_eq!(door.text("a").await, "x");
    door.stage("a", &id("4"), "z").await.unwrap();
    door.put("a", "plain").await.unwrap();
    let gone = list(&[BlockRef::Latest(id("4"))]);
    let refused = door.store.put_block_list(&door.at("a"), &gone, &options).await;
    assert_eq!(kind(refused), Kind::InvalidBlockList);
    door.stage("a", &id("5"), "z").await.unwrap();
    door.azure.advance_clock(Duration::from_hours(7 * 24));
    assert_eq!(door.azure.staged("photos", "a"), 0);
}

#[tokio::test]
async fn a_copy_shows_its_right_to_the_source() {
    let door = Door::open().await;
    door.put("s", "0123456789").await.unwrap();
    let etag = door.store.properties(&door.at("s"), &Conditions::default()).await.unwrap().etag;
    let source = door.store.source(&door.at("s"), None).if_match(etag);
    let options = PutOptions::default();
    let copied = door.store.put_blob_from_url(&door.at("t"), &source, &options).await.unwrap();
    assert_eq!((copied.content_md5, door.text("t").await), (None, "0123456789".to_owned()));
    let range = Some((2, 4));
    door.store.put_block_from_url(&door.at("u"), &id("1"), &source, range).await.unwrap();
    let blocks = [BlockRef::Latest(id("1"))];
    door.store.put_block_list(&door.at("u"), &blocks, &options).await.unwrap();
    assert_eq!(door.text("u").await, "234");
    let (snapshot, _) = door.store.snapshot(&door.at("s"), &Conditions::default()).await.unwrap();
    door.put("s", "new").await.unwrap();
    let changed = door.store.put_blob_from_url(&door.at("t"), &source, &options).await;
    assert_eq!(kind(changed), Kind::SourceConditionNotMet);
    let old = door.store.source(&door.at("s"), Some(&snapshot));
    door.store.put_blob_from_url(&door.at("t"), &old, &options).await.unwrap();
    assert_eq!(door.text("t").await, "0123456789");
    door.store.snapshot_properties(&door.at("s"), &snapshot).await.unwrap();
    // Who may not read it may not copy it.
    let other = AccountKey::from_base64("b3RoZXI=").unwrap();
    let stranger = Account::named(door.azure.account(), Credential::SharedKey(other));
    let stranger = stranger.at(&door.azure.endpoint());
    let stranger = BlobStore::new(stranger, WireSettings::default()).unwrap();
    let stolen = stranger.source(&door.at("s"), None);
    let refused = door.store.put_blob_from_url(&door.at("t"), &stolen, &options).await;
    assert_eq!(kind(refused), Kind::CannotVerifySource);
    assert_eq!(kind(stranger.container(&door.container).await), Kind::Unauthorised);
}

#[tokio::test]
async fn deletions_one_by_one_and_together() {
    let door = Door::open().await;
    for name in ["a", "b b", "s"] {
        door.put(name, "x").await.unwrap();
    }
    door.store.snapshot(&door.at("s"), &Conditions::default()).await.unwrap();
    let plain = DeleteOptions::default();
    assert_eq!(kind(door.store.delete(&door.at("s"), &plain).await), Kind::HasSnapshots);
    let deletion =
        |name: &str| BlobDeletion { blob: BlobName::new(name), options: DeleteOptions::default() };
    let all = [deletion("a"), deletion("gone"), deletion("b b"), deletion("s")];
    door.azure.reset_counts();
    let answers = door.store.delete_batch(&door.container, &all).await.unwrap();
    let kinds: Vec<_> =
        answers.into_iter().map(|answer| answer.map_err(|error| error.kind())).collect();
    assert_eq!(kinds, [Ok(()), Err(Kind::NoSuchBlob), Ok(()), Err(Kind::HasSnapshots)]);
    assert_eq!(door.azure.counts(), [(Operation::BlobBatch, 1)]);
    let with = DeleteOptions { snapshots: Snapshots::Include, ..DeleteOptions::default() };
    door.store.delete(&door.at("s"), &with).await.unwrap();
    assert!(door.azure.names("photos").is_empty());
}

#[tokio::test]
async fn listings_are_followed_through_short_and_empty_pages() {
    let door = Door::open().await;
    let names = ["a", "b/1", "b/2", "c", "\u{1f388}", "\u{fb00}", "\u{fffe}"];
    door.azure.seed("photos", names.map(|name| (name, Seed::bytes("x")))).unwrap();
    door.stage("staged", &id("1"), "x").await.unwrap();
    for pages in [Pages::Full, Pages::Short(1), Pages::Empty(2)] {
        door.azure.behave(|behaviour| behaviour.pages = pages);
        let seen = door.names_with_levels().await;
        assert_eq!(seen, ["a", "b/", "c", "\u{1f388}", "\u{fb00}", "\u{fffe}"], "{pages:?}");
    }
    door.azure.behave(|behaviour| behaviour.pages = Pages::Full);
    let from =
        ListBlobs { start_from: Some("b/2".to_owned()), max_results: 2, ..ListBlobs::default() };
    let page = door.store.list_blobs(&door.container, &from).await.unwrap();
    let seen: Vec<_> = page.entries.iter().map(ListEntry::name).collect();
    assert_eq!((seen, page.next_marker.is_some()), (vec!["b/2", "c"], true));
    let foreign = ListBlobs { marker: Some("b/2".to_owned()), ..ListBlobs::default() };
    door.store.list_blobs(&door.container, &foreign).await.unwrap_err();
    let include = Include { uncommitted: true, ..Include::default() };
    let staged = ListBlobs { prefix: Some("st".to_owned()), include, ..ListBlobs::default() };
    let page = door.store.list_blobs(&door.container, &staged).await.unwrap();
    assert_eq!(page.entries.len(), 1);
}

#[tokio::test]
async fn containers_live_and_die() {
    let azure = strict_with(|options| {
        options.behaviour.container_delete_time = Duration::from_secs(30);
    });
    let door = Door::over(azure).await;
    let (store, name) = (&door.store, &door.container);
    let lease = store.lease_container(name, 15).await.unwrap();
    let changed = metadata(&[("a", "1")]);
    store.set_container_metadata(name, &changed, Some(&lease)).await.unwrap();
    assert_eq!(store.container(name).await.unwrap().metadata, changed);
    assert_eq!(kind(store.delete_container(name, None).await), Kind::LeaseConflict);
    store.release_container(name, &lease).await.unwrap();
    let which = ListContainers { include_metadata: true, ..ListContainers::default() };
    let page = store.list_containers(&which).await.unwrap();
    assert_eq!(page.containers[0].metadata, changed);
    let again = store.create_container(name, &Metadata::new()).await;
    assert_eq!(kind(again), Kind::ContainerExists);
    store.delete_container(name, None).await.unwrap();
    assert_eq!(kind(store.container(name).await), Kind::NoSuchContainer);
    let soon = store.create_container(name, &Metadata::new()).await;
    assert_eq!(kind(soon), Kind::ContainerBeingDeleted);
    door.azure.advance_clock(Duration::from_secs(30));
    store.create_container(name, &Metadata::new()).await.unwrap();
}

#[tokio::test]
async fn bad_days_are_what_the_test_says() {
    let door = Door::open().await;
    door.azure.set_fault(Fault::new(Action::Busy(Some(0))).on(Operation::PutBlob).times(2));
    door.put("a", "1").await.unwrap();
    assert_eq!(door.azure.count(Operation::PutBlob), 3);
    for action in [Action::TimedOutAfterDoing, Action::CutAfterDoing] {
        door.azure.set_fault(Fault::new(action).on(Operation::PutBlob));
        assert!(door.put("a", "2").await.unwrap_err().maybe_applied());
        assert_eq!(door.text("a").await, "2");
    }
    door.azure.set_fault(Fault::new(Action::CutBody(1)).on(Operation::GetBlob));
    door.put("a", "12345").await.unwrap();
    let read = door.store.read(&door.at("a"), &ReadOptions::default()).await.unwrap();
    assert_eq!(kind(read.body.collect(9).await), Kind::Broken);
}

#[tokio::test]
async fn a_gateway_stands_on_it() {
    let azure = strict_with(|_| {});
    let gateway = Gateway::with(|settings| {
        settings.azure = azure.endpoint();
        settings.cache_ttl = "60s";
    });
    let gateway = gateway.await;
    let (client, bucket) = (gateway.admin(), unique("strict"));
    client.put(&format!("/{bucket}")).ok().await;
    for key in ["a", "b/c", "b/d.", "e\\f"] {
        client.put(&path(&bucket, key)).body(key).ok().await;
        let read = client.get(&path(&bucket, key)).ok().await;
        assert_eq!(read.text(), key);
    }
    azure.reset_counts();
    client.put(&path(&bucket, "counted")).body("x").ok().await;
    assert_eq!(azure.counts(), [(Operation::PutBlob, 1)]);
    let list = client.get(&format!("/{bucket}")).query("list-type", "2").ok().await;
    assert!(list.text().contains("<KeyCount>5</KeyCount>"), "{}", list.text());
}
