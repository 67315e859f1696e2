//! Azure on a bad day: a server that answers what a test tells it to, and the tests of the wire that
//! need one. What Azurite can show is tested with Azurite.

use std::io::{Read, Write};
use std::iter;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use bytes::Bytes;
use http_body_util::BodyExt;
use time::macros::datetime;
use tokio::sync::Mutex;

use super::transport::{BUFFER_BYTES_MAX, WIDE_BYTES_MAX, WIDE_MAX};

use crate::azure::{
    Account, AccountKey, BlobError, BlobName, BlobPath, BlobStore, BlockId, ByteRange, Clock,
    Conditions, ContainerName, Content, Credential, DeleteOptions, Guard, Kind, ListBlobs,
    Observer, PutOptions, ReadOptions, RetrySettings, SasToken, Source, WireSettings, Written,
};

/// Long enough for what a busy machine delays, short enough to be waited for.
const DEADLINE: Duration = Duration::from_secs(2);

/// What the server does with one request, once it has read it.
enum Reply {
    /// Answers, and keeps the connection.
    Whole(String),
    /// Answers in two pieces, with a moment between them.
    Slow(String, String),
    /// Answers this much, and closes.
    Cut(String),
    /// Answers this much, and then nothing for long.
    Stall(String),
}

/// A request as the server saw it.
struct Seen {
    connection: usize,
    head: String,
    body: Vec<u8>,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        let pair = |line| str::split_once(line, ": ");
        self.head.lines().filter_map(pair).find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

struct Server {
    endpoint: String,
    seen: Receiver<Seen>,
}

impl Server {
    fn start(script: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}/acc", listener.local_addr().unwrap());
        let (sender, seen) = channel();
        let mut script: Vec<Reply> = script.into_iter().collect();
        script.reverse();
        let script = Arc::new(Mutex::new(script));
        std::thread::spawn(move || {
            for (number, connection) in listener.incoming().enumerate() {
                let (script, sender) = (Arc::clone(&script), sender.clone());
                std::thread::spawn(move || serve(number, connection.unwrap(), &script, &sender));
            }
        });
        Self { endpoint, seen }
    }

    fn store(&self) -> BlobStore {
        self.store_with(|_| {})
    }

    fn store_with(&self, change: impl FnOnce(&mut WireSettings)) -> BlobStore {
        let key = AccountKey::from_base64("a2V5").unwrap();
        let account = Account::named("acc", Credential::SharedKey(key)).at(&self.endpoint);
        BlobStore::new(account, settings(change)).unwrap()
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.try_iter().collect()
    }
}

fn settings(change: impl FnOnce(&mut WireSettings)) -> WireSettings {
    let mut settings = WireSettings {
        answer_deadline: DEADLINE,
        question_deadline: DEADLINE,
        idle_deadline: DEADLINE,
        clock: Clock::new(|| datetime!(2026-11-22 03:05:08 UTC)),
        ..WireSettings::default()
    };
    settings.retry.wait = Duration::from_millis(5);
    change(&mut settings);
    settings
}

fn serve(
    number: usize,
    mut connection: TcpStream,
    script: &Mutex<Vec<Reply>>,
    sender: &Sender<Seen>,
) {
    while let Some(seen) = read_request(number, &mut connection) {
        let reply = script.blocking_lock().pop();
        sender.send(seen).ok();
        match reply {
            Some(Reply::Whole(text)) => connection.write_all(text.as_bytes()).unwrap(),
            Some(Reply::Slow(first, rest)) => {
                connection.write_all(first.as_bytes()).unwrap();
                std::thread::sleep(Duration::from_millis(50));
                connection.write_all(rest.as_bytes()).unwrap();
            }
            Some(Reply::Cut(text)) => return connection.write_all(text.as_bytes()).unwrap(),
            Some(Reply::Stall(text)) => {
                connection.write_all(text.as_bytes()).unwrap();
                std::thread::sleep(Duration::from_secs(20));
            }
            None => return,
        }
    }
}

fn read_request(number: usize, connection: &mut TcpStream) -> Option<Seen> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        connection.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let mut seen = Seen { connection: number, head, body: Vec::new() };
    let length = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
    seen.body = vec![0; length];
    connection.read_exact(&mut seen.body).ok()?;
    Some(seen)
}

fn answer(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
}

const STATE: &str = "etag: \"0x1\"\r\nlast-modified: Sun, 22 Nov 2026 03:05:08 GMT\r\n";

fn done() -> Reply {
    Reply::Whole(answer(201, STATE, ""))
}

fn failed(status: u16, code: &str) -> Reply {
    Reply::Whole(answer(status, &format!("x-ms-error-code: {code}\r\n"), ""))
}

fn lost() -> Reply {
    Reply::Cut(String::new())
}

fn path() -> BlobPath {
    BlobPath::new(ContainerName::parse("photos").unwrap(), BlobName::new("a/b c"))
}

async fn put(store: &BlobStore) -> Result<Written, BlobError> {
    let content = Content::from_chunks(vec![Bytes::from("he"), Bytes::from("llo")]);
    let guard = Guard::Crc64(content.crc64());
    store.put_blob(&path(), &content, guard, &PutOptions::default()).await
}

async fn stage(store: &BlobStore) -> Result<(), BlobError> {
    let content = Content::from("hello");
    let id = BlockId::new(b"id").unwrap();
    store.put_block(&path(), &id, &content, content.crc64()).await.map(|_| ())
}

async fn read(store: &BlobStore) -> Result<Bytes, BlobError> {
    store.read(&path(), &ReadOptions::default()).await?.body.collect(100).await
}

#[tokio::test]
async fn a_busy_azure_is_asked_again_when_it_says() {
    let busy = answer(503, "x-ms-error-code: ServerBusy\r\nretry-after: 1\r\n", "");
    let server = Server::start([Reply::Whole(busy), done()]);
    let begun = Instant::now();
    put(&server.store()).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|request| request.body == b"hello"), "the same bytes, both times");
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_not_sent_again() {
    for reply in [lost(), failed(500, "OperationTimedOut"), Reply::Stall(String::new())] {
        let server = Server::start([reply, done()]);
        let error = put(&server.store()).await.unwrap_err();
        assert!(error.maybe_applied(), "{error}");
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn what_nobody_sees_is_sent_again() {
    for reply in [lost(), failed(500, "OperationTimedOut"), Reply::Stall(String::new())] {
        let server = Server::start([reply, done()]);
        stage(&server.store()).await.unwrap();
        assert_eq!(server.seen().len(), 2);
    }
}

/// A connection that died silently costs one deadline, and a silent Azure no more than two.
#[tokio::test]
async fn a_silent_azure_is_waited_for_twice() {
    let server = Server::start((0..9).map(|_| Reply::Stall(String::new())));
    let store = server.store();
    assert_eq!(read(&store).await.unwrap_err().kind(), Kind::Unreachable);
    assert_eq!(stage(&store).await.unwrap_err().kind(), Kind::Unreachable);
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn what_changes_nothing_is_never_in_doubt() {
    let server = Server::start([lost()]);
    let store = server.store_with(|settings| settings.retry.attempts = 1);
    let error = stage(&store).await.unwrap_err();
    assert_eq!((error.kind(), error.maybe_applied()), (Kind::Unreachable, false));
}

#[tokio::test]
async fn what_was_never_sent_is_not_in_doubt() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let account = Account::named("acc", Credential::Anonymous).at(&format!("http://{free}"));
    let store = BlobStore::new(account, settings(|_| {})).unwrap();
    let error = put(&store).await.unwrap_err();
    assert_eq!((error.kind(), error.maybe_applied()), (Kind::Unreachable, false));
}

#[tokio::test]
async fn a_dead_azure_is_not_asked_beyond_the_budget() {
    let server = Server::start((0..20).map(|_| failed(503, "ServerBusy")));
    let store = server.store_with(|settings| {
        settings.retry = RetrySettings { reserve: 3, share_per_mille: 0, ..settings.retry.clone() };
    });
    for _ in 0..4 {
        assert_eq!(put(&store).await.unwrap_err().kind(), Kind::Throttled);
    }
    assert_eq!(server.seen().len(), 4 + 3);
}

#[tokio::test]
async fn a_body_that_is_cut_is_no_end() {
    let cut = format!("HTTP/1.1 200 X\r\ncontent-length: 9\r\n{STATE}\r\nhalf");
    let server = Server::start([Reply::Cut(cut)]);
    let mut body = server.store().read(&path(), &ReadOptions::default()).await.unwrap().body;
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "half");
    assert_eq!(body.frame().await.unwrap().unwrap_err().kind(), Kind::Broken);
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_body_without_a_length_is_counted() {
    let range = format!("{STATE}content-range: bytes 0-8/9\r\ntransfer-encoding: chunked\r\n");
    let short = format!("HTTP/1.1 206 X\r\n{range}\r\n4\r\nhalf\r\n0\r\n\r\n");
    let server = Server::start([Reply::Whole(short)]);
    assert_eq!(read(&server.store()).await.unwrap_err().kind(), Kind::Broken);
}

#[tokio::test]
async fn a_body_that_stands_still_is_given_up() {
    let half = format!("HTTP/1.1 200 X\r\ncontent-length: 9\r\n{STATE}\r\nhalf");
    let server = Server::start([Reply::Stall(half)]);
    let begun = Instant::now();
    assert_eq!(read(&server.store()).await.unwrap_err().kind(), Kind::Broken);
    assert!(begun.elapsed() < 5 * DEADLINE, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_reader_may_take_its_time() {
    let server = Server::start([Reply::Whole(answer(200, STATE, "hello"))]);
    let body = server.store().read(&path(), &ReadOptions::default()).await.unwrap().body;
    tokio::time::sleep(DEADLINE + DEADLINE / 2).await;
    assert_eq!(body.collect(5).await.unwrap(), "hello");
}

#[tokio::test]
async fn a_document_is_not_longer_than_it_may_be() {
    let server = Server::start([Reply::Whole(answer(200, STATE, "hello"))]);
    let body = server.store().read(&path(), &ReadOptions::default()).await.unwrap().body;
    assert_eq!(body.collect(4).await.unwrap_err().kind(), Kind::TooLarge);
}

#[tokio::test]
async fn a_listing_that_is_cut_is_asked_again() {
    let page = "<EnumerationResults><Blobs/><NextMarker>m</NextMarker></EnumerationResults>";
    let cut = format!("HTTP/1.1 200 X\r\ncontent-length: 99\r\n\r\n{page}");
    let server = Server::start([Reply::Cut(cut), Reply::Whole(answer(200, "", page))]);
    let container = ContainerName::parse("photos").unwrap();
    let listed = server.store().list_blobs(&container, &ListBlobs::default()).await.unwrap();
    assert_eq!(listed.next_marker.as_deref(), Some("m"));
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn an_error_leaves_its_connection_to_the_next() {
    let message = "m".repeat(9000);
    let text = format!("<Error><Code>BlobArchived</Code><Message>{message}</Message></Error>");
    let mut first = answer(409, "", &text);
    let rest = first.split_off(first.len() - 5000);
    let server = Server::start([
        Reply::Slow(first, rest),
        Reply::Whole(answer(200, STATE, "hello")),
        Reply::Whole(answer(202, "", "unused")),
        done(),
    ]);
    let store = server.store();
    assert_eq!(read(&store).await.unwrap_err().kind(), Kind::Archived);
    assert_eq!(read(&store).await.unwrap(), "hello");
    store.delete(&path(), &DeleteOptions::default()).await.unwrap();
    put(&store).await.unwrap();
    let connections: Vec<usize> = server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 0, 0, 0]);
}

#[tokio::test]
async fn conditions_and_ranges_have_kinds_of_their_own() {
    let of_range = "x-ms-error-code: InvalidRange\r\ncontent-range: bytes */7\r\n";
    let server = Server::start([
        Reply::Whole("HTTP/1.1 304 X\r\nx-ms-error-code: ConditionNotMet\r\n\r\n".to_owned()),
        failed(412, "ConditionNotMet"),
        Reply::Whole(answer(416, of_range, "")),
    ]);
    let store = server.store();
    let options = ReadOptions {
        range: Some(ByteRange { first: 9, last: None }),
        conditions: Conditions::if_absent(),
        snapshot: None,
        ..ReadOptions::default()
    };
    let mut kinds = Vec::new();
    for _ in 0..3 {
        let error = store.read(&path(), &options).await.unwrap_err();
        kinds.push((error.kind(), error.blob_length()));
    }
    assert_eq!(
        kinds,
        [
            (Kind::NotModified, None),
            (Kind::ConditionNotMet, None),
            (Kind::RangeNotSatisfiable, Some(7)),
        ]
    );
    let seen = server.seen();
    assert_eq!(seen[0].header("x-ms-range"), Some("bytes=9-"));
    assert_eq!(seen[0].header("if-none-match"), Some("*"));
}

#[tokio::test]
async fn a_request_is_the_one_that_azure_documents() {
    let server = Server::start([done()]);
    put(&server.store().for_request("rid")).await.unwrap();
    let request = &server.seen()[0];
    assert!(request.head.starts_with("PUT /acc/photos/a%2Fb%20c HTTP/1.1\r\n"), "{}", request.head);
    for (name, value) in [
        ("x-ms-version", "2026-02-06"),
        ("x-ms-date", "Sun, 22 Nov 2026 03:05:08 GMT"),
        ("x-ms-client-request-id", "rid"),
        ("x-ms-blob-type", "BlockBlob"),
        ("x-ms-content-crc64", "V0JSBnCFdzM="),
        ("content-length", "5"),
    ] {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
    assert!(request.header("authorization").unwrap().starts_with("SharedKey acc:"));
    assert_eq!(request.header("content-md5"), None);
}

#[tokio::test]
async fn a_kept_md5_is_the_guard() {
    let server = Server::start([done()]);
    let mut options = PutOptions::default();
    options.headers.content_md5 = Some([0; 16]);
    let content = Content::from("hello");
    let guard = Guard::Crc64(content.crc64());
    server.store().put_blob(&path(), &content, guard, &options).await.unwrap();
    let request = &server.seen()[0];
    assert_eq!(request.header("content-md5"), Some("AAAAAAAAAAAAAAAAAAAAAA=="));
    assert_eq!(request.header("x-ms-content-crc64"), None);
}

#[tokio::test]
async fn a_sas_goes_into_the_query_and_nowhere_else() {
    let server = Server::start([Reply::Whole(answer(200, STATE, ""))]);
    let sas = SasToken::parse("?sv=1&sig=a%2Bb").unwrap();
    let account = Account::named("acc", Credential::Sas(sas)).at(&server.endpoint);
    let store = BlobStore::new(account, settings(|_| {})).unwrap();
    store.snapshot_properties(&path(), "2026:1").await.unwrap();
    let request = &server.seen()[0];
    let target = "HEAD /acc/photos/a%2Fb%20c?snapshot=2026%3A1&sv=1&sig=a%2Bb HTTP/1.1\r\n";
    assert!(request.head.starts_with(target), "{}", request.head);
    assert_eq!(request.header("authorization"), None);
}

#[derive(Debug)]
struct Token;

#[async_trait]
impl TokenCredential for Token {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        assert_eq!(scopes, ["https://storage.azure.com/.default"]);
        Ok(AccessToken::new("t0ken", datetime!(2030-01-01 00:00 UTC)))
    }
}

#[tokio::test]
async fn a_token_authorises_the_request_and_its_source() {
    let server = Server::start([done()]);
    let account = Account::named("acc", Credential::Token(Arc::new(Token))).at(&server.endpoint);
    assert!(BlobStore::new(account.clone(), settings(|_| {})).is_err(), "never over plain HTTP");
    let store =
        BlobStore::new(account, settings(|all| all.token_over_loopback_http = true)).unwrap();
    let source: Source = store.source(&path(), None);
    store.put_blob_from_url(&path(), &source, &PutOptions::default()).await.unwrap();
    let request = &server.seen()[0];
    assert_eq!(request.header("authorization"), Some("Bearer t0ken"));
    assert_eq!(request.header("x-ms-copy-source-authorization"), Some("Bearer t0ken"));
    let address = format!("{}/photos/a%2Fb%20c", server.endpoint);
    assert_eq!(request.header("x-ms-copy-source"), Some(address.as_str()));
}

#[tokio::test]
async fn a_source_that_is_too_long_is_not_asked_for() {
    let server = Server::start([done()]);
    let store = server.store();
    let long = BlobPath { blob: BlobName::new("\u{20ac}".repeat(300)), ..path() };
    let from = store.source(&long, None);
    let error = store.put_blob_from_url(&path(), &from, &PutOptions::default()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotSupported);
    assert!(server.seen().is_empty());
}

#[derive(Default)]
struct Counts {
    answered: AtomicUsize,
    unanswered: AtomicUsize,
    changed: AtomicUsize,
}

impl Observer for Counts {
    fn request(&self, op: &'static str, status: Option<u16>, _: Duration, attempt: u32) {
        assert_eq!(op, "PutBlock");
        let count = if status.is_some() { &self.answered } else { &self.unanswered };
        count.fetch_add(attempt as usize, Ordering::Relaxed);
    }

    fn changed_on_the_way(&self, _: &'static str) {
        self.changed.fetch_add(1, Ordering::Relaxed);
    }

    fn token(&self, _: bool) {}
}

#[tokio::test]
async fn every_attempt_is_observed() {
    let server = Server::start([lost(), done()]);
    let counts = Arc::new(Counts::default());
    let observer: Arc<dyn Observer> = Arc::<Counts>::clone(&counts);
    stage(&server.store().with_observer(observer)).await.unwrap();
    assert_eq!(counts.unanswered.load(Ordering::Relaxed), 1);
    assert_eq!(counts.answered.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_slow_upload_that_moves_is_not_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut some = vec![0; 1024 * 1024];
        let mut read = 0;
        while read < 24 * 1024 * 1024 {
            read += connection.read(&mut some).unwrap();
            std::thread::sleep(DEADLINE / 16);
        }
        connection.write_all(answer(201, STATE, "").as_bytes()).unwrap();
        std::thread::sleep(DEADLINE);
    });
    let account = Account::named("acc", Credential::Anonymous).at(&endpoint);
    let store = BlobStore::new(account, settings(|_| {})).unwrap();
    let content = Content::from(vec![1; 24 * 1024 * 1024]);
    let begun = Instant::now();
    store.put_blob(&path(), &content, Guard::Crc64(0), &PutOptions::default()).await.unwrap();
    assert!(begun.elapsed() > DEADLINE, "too quick to show anything");
}

#[tokio::test]
async fn a_blob_may_have_hundreds_of_metadata() {
    use std::fmt::Write as _;
    let mut rows = STATE.to_owned();
    (0..900).for_each(|number| write!(rows, "x-ms-meta-m{number}: {number}\r\n").unwrap());
    // What the first connection has no room for is asked for again by one that has.
    let whole = || Reply::Whole(answer(200, &rows, ""));
    let server = Server::start([whole(), whole()]);
    let properties = server.store().properties(&path(), &Conditions::default()).await.unwrap();
    assert_eq!(properties.metadata.len(), 900);
    assert_eq!(server.seen().len(), 2);
}

/// Reads a long blob to its end: its largest piece, in bytes.
async fn widest(store: &BlobStore, wide: bool) -> usize {
    let options = ReadOptions { wide, ..ReadOptions::default() };
    let mut body = store.read(&path(), &options).await.unwrap().body;
    let mut widest = 0;
    while let Some(frame) = body.frame().await {
        widest = widest.max(frame.unwrap().into_data().unwrap().len());
    }
    widest
}

#[tokio::test]
async fn large_pieces_are_for_few_at_a_time() {
    let [long, enough, short] = [16 << 20, WIDE_BYTES_MAX + 1, WIDE_BYTES_MAX]
        .map(|length| answer(200, STATE, &"x".repeat(length)));
    let script = iter::once(&long)
        .chain(iter::repeat_n(&short, WIDE_MAX))
        .chain([&long])
        .chain(iter::repeat_n(&enough, WIDE_MAX))
        .chain([&long, &long]);
    let server = Server::start(script.map(|text| Reply::Whole(text.clone())));
    let store = server.store();
    // A buffer that grows doubles, and may do so once it is almost as large as it may be.
    let usual = 2 * BUFFER_BYTES_MAX;
    assert!(widest(&store, false).await <= usual);
    let options = ReadOptions { wide: true, ..ReadOptions::default() };
    let mut open = Vec::new();
    for _ in 0..WIDE_MAX {
        open.push(store.read(&path(), &options).await.unwrap());
    }
    assert!(widest(&store, true).await > usual, "short answers are none of the few");
    for _ in 0..WIDE_MAX {
        open.push(store.read(&path(), &options).await.unwrap());
    }
    assert!(widest(&store, true).await <= usual, "one more than may be");
    drop(open);
    assert!(widest(&store, true).await > usual);
}

#[tokio::test]
async fn a_container_that_is_not_there_is_a_container() {
    let server = Server::start([Reply::Whole("HTTP/1.1 404 X\r\n\r\n".to_owned())]);
    let container = ContainerName::parse("photos").unwrap();
    let error = server.store().container(&container).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NoSuchContainer);
}

#[tokio::test]
async fn a_write_whose_answer_makes_no_sense_may_have_been_done() {
    let server = Server::start([Reply::Whole(answer(201, "", "")), done()]);
    let error = put(&server.store()).await.unwrap_err();
    assert_eq!((error.kind(), error.maybe_applied()), (Kind::Broken, true));
    assert_eq!(server.seen().len(), 1);
}
