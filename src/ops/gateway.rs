//! What every operation gets: the gateway, and the request as it was understood.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::HeaderMap;
use sync_wrapper::SyncWrapper;
use time::OffsetDateTime;
use tokio_util::task::TaskTracker;

use crate::access::{Caller, Directory};
use crate::ops::accounts::Accounts;
use crate::ops::bucket_cache::BucketCache;
use crate::ops::budget::Budget;
use crate::ops::cores::Cores;
use crate::ops::documents::DocumentCache;
use crate::ops::multipart::cache::UploadCache;
use crate::s3::auth::Payload;
use crate::s3::body::{self, Body};
use crate::s3::form::Reply;
use crate::s3::lifecycle::Day;
use crate::s3::operation::Operation;
use crate::s3::payload::{CheckedBody, Md5, Promised, read_document};
use crate::s3::query::Query;
use crate::s3::target::Target;
use crate::s3::{Code, Error};

/// What the operations are told by the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The region that buckets report.
    pub region: String,
    /// A client's region has to be ours.
    pub strict_region: bool,
    /// Object bytes held at once.
    pub memory_bytes: u64,
    /// How long the facts of a bucket are believed.
    pub cache_ttl: Duration,
    /// How long a day of a lifecycle is.
    pub day: Day,
}

/// The gateway: everything that an operation needs.
#[derive(Debug)]
pub struct Gateway {
    settings: Settings,
    accounts: ArcSwap<Accounts>,
    users: ArcSwap<Directory>,
    pub(super) buckets: BucketCache,
    pub(super) documents: DocumentCache,
    pub(super) uploads: UploadCache,
    budget: Budget,
    cores: Arc<Cores>,
    tasks: TaskTracker,
}

impl Gateway {
    /// A gateway over these accounts, for these users.
    pub fn new(settings: Settings, accounts: Accounts, users: Directory) -> Self {
        Self {
            buckets: BucketCache::new(settings.cache_ttl),
            documents: DocumentCache::new(settings.cache_ttl),
            uploads: UploadCache::new(settings.cache_ttl),
            tasks: TaskTracker::new(),
            budget: Budget::new(settings.memory_bytes),
            cores: Arc::new(Cores::new()),
            accounts: ArcSwap::from_pointee(accounts),
            users: ArcSwap::from_pointee(users),
            settings,
        }
    }

    /// What the configuration says.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The accounts and routes of now.
    pub fn accounts(&self) -> Arc<Accounts> {
        self.accounts.load_full()
    }

    /// The users of now.
    pub fn users(&self) -> Arc<Directory> {
        self.users.load_full()
    }

    /// Takes a new state of the configuration; requests that run go on with the old one. What was
    /// believed of buckets and uploads goes: an account of the same name may be another one now.
    pub fn reload(&self, accounts: Accounts, users: Directory) {
        self.accounts.store(Arc::new(accounts));
        self.users.store(Arc::new(users));
        self.buckets.clear();
        self.uploads.clear();
    }

    /// What goes on when its client has hung up; the drain waits for it.
    pub fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// The memory that objects take.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Whether threads have time to spare.
    pub(super) fn cores(&self) -> &Arc<Cores> {
        &self.cores
    }
}

/// A request, addressed, authenticated and named, its body not read yet.
pub struct Request {
    /// The id that answer, log and Azure see.
    pub id: Arc<str>,
    /// What is asked.
    pub operation: Operation,
    /// Of what.
    pub target: Target,
    /// Where the client reaches the bucket, without a slash at the end: `https://host/bucket` or
    /// `https://bucket.domain`; without a bucket, the service.
    pub bucket_url: String,
    /// The parameters.
    pub query: Query,
    /// The headers, those among them that a presigned URL carries in its query.
    pub headers: Arc<HeaderMap>,
    /// The body as it comes; only its owner can get at it, so that a request may be looked at from
    /// several places at once.
    pub body: SyncWrapper<Body>,
    /// How the signature covers the body.
    pub payload: Payload,
    /// Who asks.
    pub caller: Caller,
    /// When it came.
    pub now: OffsetDateTime,
    /// How a form wants to be answered.
    pub reply: Option<Reply>,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Request")
            .field("id", &self.id)
            .field("operation", &self.operation)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

impl Request {
    /// Reads and verifies the body as a document of at most `limit` bytes, and gives the rest back.
    pub(super) async fn document(self, limit: usize) -> Result<(Self, Bytes), Error> {
        let promised = Promised::read(&self.headers)?;
        let Self { body, payload, headers, .. } = self;
        let checked =
            CheckedBody::new(body.into_inner(), payload.clone(), promised, &headers, Md5::Skip)?;
        let document = read_document(checked, limit).await?;
        Ok((Self { body: SyncWrapper::new(body::empty()), payload, headers, ..self }, document))
    }
}

/// An answer that could not be put together, which is a fault of ours.
pub(super) fn unanswerable(fault: http::Error) -> Error {
    Error::new(Code::InternalError).caused_by(fault)
}
