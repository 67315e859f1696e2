//! One request from its head to its answer: read, counted, met by faults, authorised, done, dressed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;

use crate::answer::{self, Body, Cut, Outcome, name};
use crate::ask::Ask;
use crate::auth::Key;
use crate::clock::{Clock, Time};
use crate::faults::{Action, Faults};
use crate::operation::Operation;
use crate::options::{Behaviour, Options};
use crate::refusal::{self, Refusal};
use crate::state::{Container, ETag, Store, read};
use crate::upload::Upload;

/// The newest version of the API that the service's documentation has.
const VERSION_MAX: &str = "2026-12-06";
const VERSION_DEFAULT: HeaderValue = HeaderValue::from_static("2026-02-06");

/// The server's whole state.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) options: Options,
    pub(crate) port: u16,
    pub(crate) key: Key,
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) faults: Faults,
    pub(crate) behaviour: RwLock<Behaviour>,
    /// Counted by the place of the operation in [`Operation::ALL`].
    pub(crate) counts: Vec<AtomicU64>,
    numbers: AtomicU64,
}

impl Service {
    pub(crate) fn new(options: Options, port: u16, key: Key) -> Self {
        Self {
            port,
            key,
            clock: Clock::default(),
            store: Store::default(),
            faults: Faults::default(),
            behaviour: RwLock::new(options.behaviour),
            counts: Operation::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            numbers: AtomicU64::new(1),
            options,
        }
    }

    pub(crate) fn now(&self) -> Time {
        self.clock.now()
    }

    pub(crate) fn behaviour(&self) -> Behaviour {
        *read(&self.behaviour)
    }

    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn etag(&self) -> ETag {
        ETag(0x8DE_0000_0000_0000 | self.number())
    }

    /// A GUID that nobody else has.
    pub(crate) fn guid(&self) -> String {
        let number = self.number();
        format!("{:08x}-501e-0000-{:04x}-{:012x}", number >> 32, self.port, number & 0xffff_ffff)
    }

    pub(crate) fn container(&self, ask: &Ask) -> Result<Arc<Container>, Refusal> {
        let containers = read(&self.store.containers);
        containers.get(&ask.container).cloned().ok_or_else(|| refusal::CONTAINER_NOT_FOUND.into())
    }

    pub(crate) async fn serve(&self, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
        let (head, body) = request.into_parts();
        let mut upload = Upload::new(body);
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let client_id = head.headers.get(name::CLIENT_REQUEST_ID).cloned();
        let version = head.headers.get(name::VERSION).cloned();
        let ask = Ask::new(head.method, target, head.headers, &self.options.account);
        let outcome = match ask {
            Ok(ask) => self.meet_and_do(&ask, &mut upload).await?,
            Err(refusal) => Err(refusal),
        };
        if outcome.is_err() {
            upload.drain().await;
        }
        let mut answer = self.finish(outcome);
        if let Some(id) = client_id.filter(|id| id.len() <= 1024) {
            answer::put(&mut answer, name::CLIENT_REQUEST_ID, id);
        }
        answer::put(&mut answer, name::VERSION, version.unwrap_or(VERSION_DEFAULT));
        Ok(answer)
    }

    async fn meet_and_do(&self, ask: &Ask, upload: &mut Upload) -> Result<Outcome, Cut> {
        let operation = match Operation::of(ask) {
            Ok(operation) => operation,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let Some(count) = self.counts.get(operation as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let delay = self.behaviour().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        match self.faults.meet(operation, ask) {
            None => Ok(self.check_and_do(operation, ask, upload).await),
            Some(action) => self.suffer(action, operation, ask, upload).await,
        }
    }

    async fn suffer(
        &self,
        action: Action,
        operation: Operation,
        ask: &Ask,
        upload: &mut Upload,
    ) -> Result<Outcome, Cut> {
        match action {
            Action::Busy(seconds) => return Ok(Err(busy(seconds))),
            Action::TimedOut => return Ok(Err(refusal::OPERATION_TIMED_OUT.into())),
            Action::Refuse(status, code) => {
                upload.drain().await;
                return Ok(Ok(self.scripted(status, &code)));
            }
            Action::Cut => return Err(Cut),
            Action::Delay(duration) => tokio::time::sleep(duration).await,
            Action::Hold(ref gate) => gate.wait().await,
            Action::TimedOutAfterDoing
            | Action::CutAfterDoing
            | Action::CutBody(_)
            | Action::HoldAnswer(_) => {}
        }
        let outcome = self.check_and_do(operation, ask, upload).await;
        match action {
            Action::TimedOutAfterDoing => Ok(Err(refusal::OPERATION_TIMED_OUT.into())),
            Action::CutAfterDoing => Err(Cut),
            Action::CutBody(left) => {
                Ok(outcome.map(|answer| answer.map(|body| Body::Cut(Box::new(body), left))))
            }
            Action::HoldAnswer(gate) => {
                gate.wait().await;
                Ok(outcome)
            }
            Action::Busy(_)
            | Action::TimedOut
            | Action::Refuse(..)
            | Action::Cut
            | Action::Delay(_)
            | Action::Hold(_) => Ok(outcome),
        }
    }

    async fn check_and_do(&self, operation: Operation, ask: &Ask, upload: &mut Upload) -> Outcome {
        self.authorise(ask, operation)?;
        match ask.header("x-ms-version") {
            Some(version) if version.len() == VERSION_MAX.len() && version <= VERSION_MAX => {}
            Some(_) => return Err(refusal::INVALID_HEADER_VALUE.into()),
            None if ask.headers.contains_key("authorization") => {
                return Err(refusal::MISSING_REQUIRED_HEADER.into());
            }
            None => {}
        }
        self.perform(operation, ask, upload).await
    }

    async fn perform(&self, operation: Operation, ask: &Ask, upload: &mut Upload) -> Outcome {
        match operation {
            Operation::GetAccountInformation => Ok(account_information()),
            Operation::ListContainers => self.list_containers(ask),
            Operation::BlobBatch => self.blob_batch(ask, upload).await,
            Operation::CreateContainer => self.create_container(ask),
            Operation::GetContainerProperties => self.container_properties(ask),
            Operation::SetContainerMetadata => self.set_container_metadata(ask),
            Operation::LeaseContainer => self.lease_container(ask),
            Operation::DeleteContainer => self.delete_container(ask),
            Operation::ListBlobs => self.list_blobs(ask),
            Operation::PutBlob => self.put_blob(ask, upload).await,
            Operation::PutBlobFromUrl => self.put_blob_from_url(ask),
            Operation::CopyBlob | Operation::CopyBlobFromUrl => self.copy_blob(ask, operation),
            Operation::AbortCopyBlob => self.abort_copy(ask),
            Operation::GetBlob => self.get_blob(ask),
            Operation::GetBlobProperties => self.blob_properties(ask),
            Operation::GetBlobMetadata => self.blob_metadata(ask),
            Operation::GetBlobTags => self.blob_tags(ask),
            Operation::SetBlobMetadata => self.set_blob_metadata(ask),
            Operation::SetBlobProperties => self.set_blob_properties(ask),
            Operation::SetBlobTier => self.set_blob_tier(ask),
            Operation::SnapshotBlob => self.snapshot_blob(ask),
            Operation::LeaseBlob => self.lease_blob(ask),
            Operation::DeleteBlob => self.delete_blob(ask),
            Operation::PutBlock => self.put_block(ask, upload).await,
            Operation::PutBlockFromUrl => self.put_block_from_url(ask),
            Operation::PutBlockList => self.put_block_list(ask, upload).await,
            Operation::GetBlockList => self.get_block_list(ask),
            Operation::AppendBlock => self.append_block(ask, upload).await,
            Operation::PutPage => self.put_page(ask, upload).await,
        }
    }

    /// One request of a batch: no common headers, and of faults those that are an answer.
    pub(crate) fn perform_batched(&self, ask: &Ask) -> Outcome {
        let operation = Operation::of(ask)?;
        match self.faults.meet_answered(operation, ask) {
            Some(Action::Busy(seconds)) => Err(busy(seconds)),
            Some(Action::Refuse(status, code)) => Ok(self.scripted(status, &code)),
            Some(Action::TimedOutAfterDoing) => {
                self.change_batched(operation, ask)?;
                Err(refusal::OPERATION_TIMED_OUT.into())
            }
            Some(_) => Err(refusal::OPERATION_TIMED_OUT.into()),
            None => self.change_batched(operation, ask),
        }
    }

    fn change_batched(&self, operation: Operation, ask: &Ask) -> Outcome {
        self.authorise(ask, operation)?;
        if operation == Operation::DeleteBlob {
            self.delete_blob(ask)
        } else if operation == Operation::SetBlobTier {
            self.set_blob_tier(ask)
        } else {
            Err(refusal::INVALID_INPUT.into())
        }
    }

    /// The answer with what every answer has.
    pub(crate) fn finish(&self, outcome: Outcome) -> Response<Body> {
        let now = self.now();
        let id = self.guid();
        let mut answer = outcome.unwrap_or_else(|refusal| refused(refusal, &id, now));
        answer::put_text(&mut answer, name::REQUEST_ID, &id);
        answer::put(&mut answer, name::DATE, self.clock.date(now));
        answer::put(&mut answer, name::SERVER, HeaderValue::from_static(SERVER));
        answer
    }

    fn scripted(&self, status: u16, code: &str) -> Response<Body> {
        let document = refusal::document(code, "As scripted.", &self.guid(), &self.now().iso());
        let mut answer = answer::document(document);
        *answer.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
        answer::put_text(&mut answer, name::ERROR_CODE, code);
        answer
    }
}

const SERVER: &str = "Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0";

fn refused(refusal: Refusal, request_id: &str, now: Time) -> Response<Body> {
    let row = refusal.row;
    let status = StatusCode::from_u16(row.status).unwrap_or_default();
    let mut answer = if status == StatusCode::NOT_MODIFIED {
        answer::plain(status)
    } else {
        answer::document(refusal::document(row.code, row.message, request_id, &now.iso()))
    };
    *answer.status_mut() = status;
    answer::put(&mut answer, name::ERROR_CODE, HeaderValue::from_static(row.code));
    if let Some((name, value)) = refusal.header {
        answer::put(&mut answer, name, value);
    }
    answer
}

fn busy(seconds: Option<u32>) -> Refusal {
    seconds.map_or_else(
        || refusal::SERVER_BUSY.into(),
        |seconds| Refusal::with(refusal::SERVER_BUSY, "retry-after", &seconds.to_string()),
    )
}

fn account_information() -> Response<Body> {
    let mut answer = answer::plain(StatusCode::OK);
    answer::put_text(&mut answer, name::SKU_NAME, "Standard_LRS");
    answer::put_text(&mut answer, name::ACCOUNT_KIND, "StorageV2");
    answer::put_text(&mut answer, name::IS_HNS_ENABLED, "false");
    answer
}
