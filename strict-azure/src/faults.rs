//! Bad days on demand: what a test sets, which requests it meets, and what becomes of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::ask::Ask;
use crate::operation::Operation;
use crate::state::{read, write};

/// Something that goes wrong, and where.
#[derive(Clone, Debug)]
pub struct Fault {
    operation: Option<Operation>,
    container: Option<String>,
    name: Option<String>,
    skip: u32,
    times: u32,
    action: Action,
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Action {
    /// 503 `ServerBusy`, with Retry-After if it has seconds; nothing was done.
    Busy(Option<u32>),
    /// 500 `OperationTimedOut`; nothing was done.
    TimedOut,
    /// 500 `OperationTimedOut` of something that was done.
    TimedOutAfterDoing,
    /// Any answer that says no: its status and its code.
    Refuse(u16, String),
    /// The connection ends without an answer; nothing was done.
    Cut,
    /// The connection ends without an answer to something that was done.
    CutAfterDoing,
    /// The connection ends behind so many bytes of the answer's body.
    CutBody(u64),
    /// It takes longer.
    Delay(Duration),
    /// It waits at the gate, and is done when that opens.
    Hold(Gate),
    /// It is done, and its answer waits at the gate.
    HoldAnswer(Gate),
}

impl Action {
    /// It is an answer, rather than something that befalls a connection.
    fn is_answer(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::TimedOut | Self::TimedOutAfterDoing | Self::Refuse(..))
    }
}

impl Fault {
    /// Whatever is asked meets it, once.
    pub fn new(action: Action) -> Self {
        Self { operation: None, container: None, name: None, skip: 0, times: 1, action }
    }

    /// Only that operation meets it.
    #[must_use]
    pub fn on(self, operation: Operation) -> Self {
        Self { operation: Some(operation), ..self }
    }

    /// Only in that container.
    #[must_use]
    pub fn within(self, container: &str) -> Self {
        Self { container: Some(container.to_owned()), ..self }
    }

    /// Only blobs whose names have `part` in them.
    #[must_use]
    pub fn named(self, part: &str) -> Self {
        Self { name: Some(part.to_owned()), ..self }
    }

    /// The first so many do not meet it.
    #[must_use]
    pub fn skip(self, skip: u32) -> Self {
        Self { skip, ..self }
    }

    /// So many meet it.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    fn meets(&self, operation: Operation, ask: &Ask) -> bool {
        let name = ask.blob.as_ref().map_or("", |name| name.as_str());
        self.operation.is_none_or(|own| own == operation)
            && self.container.as_deref().is_none_or(|own| own == &*ask.container)
            && self.name.as_deref().is_none_or(|part| name.contains(part))
    }
}

/// Where a request waits until the test lets it go.
#[derive(Clone, Debug)]
pub struct Gate {
    arrived: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl Default for Gate {
    fn default() -> Self {
        Self { arrived: Arc::new(Semaphore::new(0)), open: Arc::new(Semaphore::new(0)) }
    }
}

impl Gate {
    /// A closed one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits for one more request to stand before it.
    pub async fn arrived(&self) {
        if let Ok(permit) = self.arrived.acquire().await {
            permit.forget();
        }
    }

    /// Lets all go, also those that come later.
    pub fn open(&self) {
        self.open.close();
    }

    /// Lets one go.
    pub fn pass_one(&self) {
        self.open.add_permits(1);
    }

    pub(crate) async fn wait(&self) {
        self.arrived.add_permits(1);
        // An error means that it is open for all.
        if let Ok(permit) = self.open.acquire().await {
            permit.forget();
        }
    }
}

/// Those that are set.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    any: AtomicBool,
    all: RwLock<Vec<Fault>>,
}

impl Faults {
    pub(crate) fn set(&self, fault: Fault) {
        write(&self.all).push(fault);
        self.any.store(true, Ordering::Release);
    }

    pub(crate) fn clear(&self) {
        write(&self.all).clear();
        self.any.store(false, Ordering::Release);
    }

    pub(crate) fn left(&self) -> u32 {
        read(&self.all).iter().map(|fault| fault.times).sum()
    }

    /// What this request meets: the first fault that is meant for it.
    pub(crate) fn meet(&self, operation: Operation, ask: &Ask) -> Option<Action> {
        self.first(|fault| fault.meets(operation, ask))
    }

    /// The same of a request in a batch, which has an answer, but no connection of its own. A fault that
    /// names no operation is meant for the batch.
    pub(crate) fn meet_answered(&self, operation: Operation, ask: &Ask) -> Option<Action> {
        self.first(|fault| {
            fault.operation.is_some() && fault.action.is_answer() && fault.meets(operation, ask)
        })
    }

    fn first(&self, meets: impl Fn(&Fault) -> bool) -> Option<Action> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let mut all = write(&self.all);
        for fault in all.iter_mut().filter(|fault| meets(fault)) {
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if fault.times > 0 {
                fault.times -= 1;
                let action = fault.action.clone();
                all.retain(|fault| fault.times > 0);
                self.any.store(!all.is_empty(), Ordering::Release);
                return Some(action);
            }
        }
        None
    }
}
