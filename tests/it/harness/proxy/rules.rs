//! What goes wrong and for whom: actions, the rules that say which requests meet one, and the gates at
//! which requests wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Method, Request};
use hyper::body::Incoming;
use tokio::sync::Semaphore;

/// What happens to a request that a rule matches.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// The connection is closed before Azure sees the request.
    ResetBefore,
    /// Azure does it, and its answer is lost.
    DropAnswer,
    /// Azure is not asked; this is the answer.
    Answer(u16, &'static str, Option<u32>),
    /// Azure does it, and this is the answer.
    DoAndAnswer(u16, &'static str),
    /// Azure gets so many bytes of the body, then both connections end.
    CutRequest(usize),
    /// The body of the answer ends after so many bytes, and the connection with it.
    CutAnswer(usize),
    /// The body of the answer ends after so many bytes as if that were all of it.
    EndAnswer(usize),
    /// One byte of the request's body is flipped; counted from its beginning again where it is shorter.
    FlipRequestByte(usize),
    /// One byte of the answer's body is flipped; counted likewise.
    FlipAnswerByte(usize),
    /// It takes longer.
    Delay(Duration),
    /// The request waits at the gate before it goes on.
    Hold(Gate),
    /// Azure does it, and the answer waits at the gate.
    HoldAnswer(Gate),
    /// A header of the answer says something else.
    Restate(&'static str, &'static str),
    /// Nothing is done and nothing is answered, and the connection stays open.
    Silence,
}

impl Action {
    /// Its name in a report.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::ResetBefore => "reset before",
            Self::DropAnswer => "answer dropped",
            Self::Answer(..) => "refused",
            Self::DoAndAnswer(..) => "done, and answered no",
            Self::CutRequest(_) => "request cut",
            Self::CutAnswer(_) => "answer cut",
            Self::EndAnswer(_) => "answer ended early",
            Self::FlipRequestByte(_) => "byte flipped towards Azure",
            Self::FlipAnswerByte(_) => "byte flipped from Azure",
            Self::Delay(_) => "delayed",
            Self::Hold(_) => "held",
            Self::HoldAnswer(_) => "answer held",
            Self::Restate(..) => "restated",
            Self::Silence => "never answered",
        }
    }
}

/// Where a request waits until the test lets it go.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    arrived: Arc<Semaphore>,
    go: Arc<Semaphore>,
}

impl Gate {
    /// A closed one.
    pub(crate) fn new() -> Self {
        Self { arrived: Arc::new(Semaphore::new(0)), go: Arc::new(Semaphore::new(0)) }
    }

    /// Waits until a request stands at it.
    pub(crate) async fn arrived(&self) {
        let arrived = self.arrived_within(crate::harness::PATIENCE).await;
        assert!(arrived, "a request arrives");
    }

    /// Waits for a request to stand at it, but only for so long.
    pub(crate) async fn arrived_within(&self, patience: Duration) -> bool {
        match tokio::time::timeout(patience, self.arrived.acquire()).await {
            Ok(arrived) => {
                arrived.unwrap().forget();
                true
            }
            Err(_late) => false,
        }
    }

    /// Lets one request go.
    pub(crate) fn open(&self) {
        self.go.add_permits(1);
    }

    /// Lets all go, also those that come later.
    pub(crate) fn open_for_all(&self) {
        self.go.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    pub(super) async fn wait(&self) {
        self.arrived.add_permits(1);
        self.go.acquire().await.expect("it is never closed").forget();
    }
}

/// Which requests meet an action: the first `times` of those that match, behind the first `skip`.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    method: Option<Method>,
    comp: Option<&'static str>,
    path: Option<String>,
    skip: usize,
    times: usize,
    pub(super) action: Action,
    met: Arc<AtomicUsize>,
}

impl Rule {
    /// Every request.
    pub(crate) fn new(action: Action) -> Self {
        Self {
            method: None,
            comp: None,
            path: None,
            skip: 0,
            times: usize::MAX,
            action,
            met: Arc::default(),
        }
    }

    /// Only this method.
    pub(crate) fn method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    /// Only this `comp=`; an empty one: only those without.
    pub(crate) fn comp(mut self, comp: &'static str) -> Self {
        self.comp = Some(comp);
        self
    }

    /// Only paths that contain this.
    pub(crate) fn path(mut self, part: impl Into<String>) -> Self {
        self.path = Some(part.into());
        self
    }

    /// Not the first so many.
    pub(crate) fn skip(mut self, skip: usize) -> Self {
        self.skip = skip;
        self
    }

    /// Only so many.
    pub(crate) fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// How many requests have met the action so far.
    pub(crate) fn met(&self) -> usize {
        self.met.load(Ordering::SeqCst).saturating_sub(self.skip).min(self.times)
    }

    pub(super) fn meets(&self, call: &Call) -> bool {
        let matches = self.method.as_ref().is_none_or(|method| *method == call.method)
            && self.comp.is_none_or(|comp| comp == call.comp)
            && self.path.as_ref().is_none_or(|part| call.path.contains(part));
        if !matches {
            return false;
        }
        let before = self.met.fetch_add(1, Ordering::SeqCst);
        before >= self.skip && before - self.skip < self.times
    }
}

/// One request that reached the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// Its method.
    pub(crate) method: Method,
    /// Its `comp=`, or nothing.
    pub(crate) comp: String,
    /// Its `restype=`, or nothing.
    pub(crate) restype: String,
    /// Its path.
    pub(crate) path: String,
    /// Its query.
    pub(crate) query: String,
    /// Its headers.
    pub(crate) headers: Vec<(String, String)>,
}

impl Call {
    pub(super) fn of(request: &Request<Incoming>) -> Self {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let parameter = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
        };
        let headers = request.headers().iter().map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        Self {
            method: request.method().clone(),
            comp: parameter("comp").unwrap_or_default(),
            restype: parameter("restype").unwrap_or_default(),
            path: request.uri().path().to_owned(),
            headers: headers.collect(),
            query,
        }
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}
