//! The store: one storage account, and how calls get there and back.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use hyper::body::Incoming;

use super::call::Call;
use super::credential::Account;
use super::error::BlobError;
use super::settings::{Observer, WireSettings};

/// One storage account. A clone shares its connections, its credential and its retry budget.
#[derive(Clone)]
pub struct BlobStore {
    shared: Arc<Shared>,
    observer: Option<Arc<dyn Observer>>,
    request_id: Option<Arc<str>>,
}

struct Shared {
    account: Account,
    settings: WireSettings,
}

/// Why a store cannot be built: a fault of the settings.
#[derive(Debug)]
pub struct SetupError(String);

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SetupError {}

impl SetupError {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl BlobStore {
    /// The store of `account`. Nothing is sent yet.
    pub fn new(account: Account, settings: WireSettings) -> Result<Self, SetupError> {
        let shared = Arc::new(Shared { account, settings });
        Ok(Self { shared, observer: None, request_id: None })
    }

    /// The same store, telling `observer` of each request.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// The same store for one request of ours: its id goes to Azure as `x-ms-client-request-id`.
    #[must_use]
    pub fn for_request(&self, id: impl Into<Arc<str>>) -> Self {
        Self { request_id: Some(id.into()), ..self.clone() }
    }

    /// The account.
    pub fn account(&self) -> &Account {
        &self.shared.account
    }

    pub(super) fn settings(&self) -> &WireSettings {
        &self.shared.settings
    }

    /// The answer, its body open.
    pub(super) async fn open(&self, call: Call) -> Result<Response<Incoming>, BlobError> {
        let _ = call;
        todo!()
    }

    /// The answer without its body, which has been read to its end so that the connection lives on.
    pub(super) async fn send(&self, call: Call) -> Result<Response<()>, BlobError> {
        let _ = call;
        todo!()
    }

    /// The answer with its document.
    pub(super) async fn document(&self, call: Call) -> Result<Response<Bytes>, BlobError> {
        let _ = call;
        todo!()
    }
}

impl fmt::Debug for BlobStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobStore({:?})", self.shared.account)
    }
}
