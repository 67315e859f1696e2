//! The store: one storage account, and how calls get there and back.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use super::credential::{Account, Credential};
use super::endpoint::Endpoint;
use super::retry::Budget;
use super::settings::{Observer, WireSettings};
use super::transport::Transport;

/// One storage account. A clone shares its connections, its credential and its retry budget.
#[derive(Clone)]
pub struct BlobStore {
    pub(super) shared: Arc<Shared>,
    pub(super) observer: Option<Arc<dyn Observer>>,
    pub(super) request_id: Option<Arc<str>>,
    /// Nothing is asked twice.
    pub(super) once: bool,
}

pub(super) struct Shared {
    pub(super) account: Account,
    pub(super) endpoint: Endpoint,
    pub(super) settings: WireSettings,
    pub(super) transport: Transport,
    pub(super) budget: Budget,
    /// When the token that was used last ends, in seconds since 1970.
    pub(super) token_until: AtomicI64,
}

const EMULATOR_POOL_IDLE: Duration = Duration::from_secs(3);

/// Why a store cannot be built: a fault of the settings. Prints no secret.
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
    pub fn new(account: Account, mut settings: WireSettings) -> Result<Self, SetupError> {
        let endpoint = Endpoint::parse(&account.endpoint)?;
        if !endpoint.https {
            // An emulator: Node closes a connection that was idle for five seconds, and a request
            // that meets the close is one whose answer is lost.
            settings.pool_idle = settings.pool_idle.min(EMULATOR_POOL_IDLE);
        }
        let plain_allowed = endpoint.loopback && settings.token_over_loopback_http;
        if matches!(account.credential, Credential::Token(_)) && !endpoint.https && !plain_allowed {
            return Err(SetupError::new("an Entra token goes over https only"));
        }
        let transport = Transport::new(&settings)?;
        let budget = Budget::new(&settings.retry);
        let shared = Arc::new(Shared {
            account,
            endpoint,
            settings,
            transport,
            budget,
            token_until: AtomicI64::new(0),
        });
        Ok(Self { shared, observer: None, request_id: None, once: false })
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

    /// The same store for a call that is meant to fail: asked once, and told to nobody.
    pub(super) fn to_try(&self) -> Self {
        Self { observer: None, once: true, ..self.clone() }
    }

    /// Whether both share their connections, their credential and their retry budget.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// The account.
    pub fn account(&self) -> &Account {
        &self.shared.account
    }

    pub(super) fn settings(&self) -> &WireSettings {
        &self.shared.settings
    }
}

impl fmt::Debug for BlobStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobStore({:?})", self.shared.account)
    }
}
