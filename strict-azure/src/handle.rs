//! What a test holds: where the server is, what it was asked, and how its days are.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use time::OffsetDateTime;

use crate::content::{Content, Piece};
use crate::faults::Fault;
use crate::metadata::{Metadata, Served};
use crate::names;
use crate::operation::Operation;
use crate::options::{Behaviour, Options};
use crate::server::{self, Running};
use crate::service::Service;
use crate::state::{Blob, Container, Kind, read, write};

/// A running server; it ends when this is dropped. Its methods may be called from any thread, inside a
/// runtime or not.
#[derive(Debug)]
pub struct StrictAzure {
    service: Arc<Service>,
    _running: Running,
}

impl StrictAzure {
    /// Starts one on 127.0.0.1.
    pub fn start(options: Options) -> io::Result<Self> {
        let (service, running) = server::start(options)?;
        Ok(Self { service, _running: running })
    }

    /// The blob endpoint, account included: `http://127.0.0.1:port/account`.
    pub fn endpoint(&self) -> String {
        self.service.endpoint()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.service.port))
    }

    /// The account's name.
    pub fn account(&self) -> &str {
        &self.service.options.account
    }

    /// The account's key, base64.
    pub fn key(&self) -> &str {
        &self.service.options.key
    }

    /// All of that as Azure's tools take it.
    pub fn connection_string(&self) -> String {
        format!(
            "DefaultEndpointsProtocol=http;AccountName={};AccountKey={};BlobEndpoint={};",
            self.account(),
            self.key(),
            self.endpoint()
        )
    }

    /// How often `operation` was asked for, whatever became of it. A batch is one.
    pub fn count(&self, operation: Operation) -> u64 {
        let count = self.service.counts.get(operation as usize);
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// What was asked for at all, and how often.
    pub fn counts(&self) -> Vec<(Operation, u64)> {
        let all = Operation::ALL.iter().map(|operation| (*operation, self.count(*operation)));
        all.filter(|(_, count)| *count > 0).collect()
    }

    /// How many requests there were.
    pub fn requests(&self) -> u64 {
        Operation::ALL.iter().map(|operation| self.count(*operation)).sum()
    }

    /// Begins to count again.
    pub fn reset_counts(&self) {
        for count in &self.service.counts {
            count.store(0, Ordering::Relaxed);
        }
    }

    /// Something that will go wrong. Of several, the one that was set first is met first.
    pub fn set_fault(&self, fault: Fault) {
        self.service.faults.set(fault);
    }

    /// Nothing more goes wrong.
    pub fn clear_faults(&self) {
        self.service.faults.clear();
    }

    /// How many requests are still to meet a fault.
    pub fn faults_left(&self) -> u32 {
        self.service.faults.left()
    }

    /// Changes how it behaves from now on.
    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut write(&self.service.behaviour));
    }

    /// How it behaves.
    pub fn behaviour(&self) -> Behaviour {
        self.service.behaviour()
    }

    /// Ends the copies that are on their way; how many they were.
    pub fn finish_copies(&self) -> usize {
        self.service.finish_copies()
    }

    /// The server's time.
    pub fn now(&self) -> OffsetDateTime {
        let nanoseconds = i128::from(self.service.now().0) * 100;
        OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// Pushes its time forward: staged blocks and leases end, rehydrations and deletions are done.
    /// Signatures are still judged by the real time.
    pub fn advance_clock(&self, by: Duration) {
        self.service.clock.advance(by);
    }

    /// Makes a container, if it is not there.
    pub fn seed_container(&self, container: &str) -> io::Result<()> {
        names::container(container).map_err(|row| io::Error::other(row.message))?;
        if read(&self.service.store.containers).contains_key(container) {
            return Ok(());
        }
        let added = self.service.add_container(container, Metadata::default());
        added.map(|_| ()).map_err(|refusal| io::Error::other(refusal.row.message))
    }

    /// Makes a blob, or many, without a request. The container is made if it is not there.
    pub fn seed<'a>(
        &self,
        container: &str,
        blobs: impl IntoIterator<Item = (&'a str, Seed)>,
    ) -> io::Result<()> {
        self.seed_container(container)?;
        let container = self.find(container)?;
        let mut all = write(&container.blobs);
        for (name, seed) in blobs {
            let name = names::blob(name).map_err(|row| io::Error::other(row.message))?;
            let blob = seed.blob(&self.service)?;
            let entry = all.entry(name).or_default();
            entry.base = Some(Arc::new(blob));
            entry.staged = None;
        }
        Ok(())
    }

    /// The names of the blobs in a container, in its order; none if it is not there.
    pub fn names(&self, container: &str) -> Vec<String> {
        let Ok(container) = self.find(container) else { return Vec::new() };
        let blobs = read(&container.blobs);
        let there = blobs.iter().filter(|(_, entry)| entry.base.is_some());
        there.map(|(name, _)| name.as_str().to_owned()).collect()
    }

    /// How many staged blocks a name has.
    pub fn staged(&self, container: &str, name: &str) -> usize {
        let Ok(container) = self.find(container) else { return 0 };
        let (Ok(name), now) = (names::blob(name), self.service.now()) else { return 0 };
        let blobs = read(&container.blobs);
        let staged = blobs.get(&name).and_then(|entry| entry.staged.as_ref());
        staged.filter(|staged| !staged.is_gone(now)).map_or(0, |staged| staged.len())
    }

    fn find(&self, container: &str) -> io::Result<Arc<Container>> {
        let containers = read(&self.service.store.containers);
        let found = containers.get(container).cloned();
        found.ok_or_else(|| io::Error::other("no such container"))
    }
}

/// A blob that is there without having been written.
#[derive(Clone, Debug, Default)]
pub struct Seed {
    content: Bytes,
    counted: u64,
    headers: HeaderMap,
    md5: bool,
}

impl Seed {
    /// Of these bytes, with their MD5.
    pub fn bytes(content: impl Into<Bytes>) -> Self {
        Self { content: content.into(), md5: true, ..Self::default() }
    }

    /// So long; what is read of it is [`crate::byte_at`]. It has no MD5.
    pub fn length(counted: u64) -> Self {
        Self { counted, ..Self::default() }
    }

    /// Without an MD5, as blobs of many tools are.
    #[must_use]
    pub fn without_md5(self) -> Self {
        Self { md5: false, ..self }
    }

    /// With metadata, or any header that Put Blob takes (`x-ms-meta-a`, `x-ms-blob-content-type`).
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            self.headers.append(name, value);
        }
        self
    }

    fn blob(self, service: &Service) -> io::Result<Blob> {
        let content = if self.counted > 0 {
            Content::new(vec![Piece::Counted(self.counted)], None)
        } else {
            Content::kept(self.content)
        };
        let md5 = if self.md5 { content.md5() } else { None };
        let mut blob = Blob::new(Kind::Block, content, service.etag(), service.now());
        let metadata = Metadata::of(&self.headers);
        blob.metadata = metadata.map_err(|refusal| io::Error::other(refusal.row.message))?;
        blob.served = Served::of_put(&self.headers);
        let tier = self.headers.get("x-ms-access-tier").and_then(|value| value.to_str().ok());
        blob.tier = tier.and_then(crate::state::Tier::parse);
        blob.md5 = md5;
        Ok(blob)
    }
}
