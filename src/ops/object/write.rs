//! The one way in which bytes of a client become a blob: verified, then committed.
//!
//! A body that fits is held whole, verified, and sent as one Put Blob. A larger one, or one of
//! unknown length, or one for which memory is short, goes as blocks that nobody sees, and one Put
//! Block List makes them the blob. Either way the commit is one request, carries everything that
//! belongs to the object, and takes the proof that the body was what its request said.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use time::OffsetDateTime;
use tokio::task::JoinSet;

use crate::azure::{
    self, BlobError, BlobPath, BlobStore, BlockId, BlockRef, Capabilities, Content, Guard, Kind,
    PutOptions, WhichBlocks, Written,
};
use crate::mapping::commit_id::CommitId;
use crate::mapping::metadata::{self, ObjectFacts};
use crate::ops::budget::{Budget, Reserved};
use crate::s3::auth::Payload;
use crate::s3::body::Body;
use crate::s3::conditions::ETag;
use crate::s3::payload::{CheckedBody, Md5, Promised, Verified};
use crate::s3::{Code, Error};

/// The largest body that is held whole, in bytes (mapping: "the write path").
const HELD_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The size of a block where memory is not short, in bytes.
const BLOCK_BYTES: u64 = 8 * 1024 * 1024;
/// The largest object of one PUT: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html>.
pub(in crate::ops) const PUT_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;
/// How many blocks of one body are on their way at once.
const BLOCKS_IN_FLIGHT: usize = 4;
/// Frames shorter than this are copied together, so that a body of many small frames does not pin
/// a read buffer with each of them.
const FRAME_BYTES_MIN: usize = 32 * 1024;
/// Azure's times are whole seconds, cut off.
const AZURE_GRAIN: Duration = Duration::from_secs(1);
/// How often a commit is sent whose answer was lost.
const COMMITS_MAX: u32 = 3;

/// Where the bytes go, and what is known of the backend.
#[derive(Clone, Debug)]
pub(in crate::ops) struct Destination {
    /// The account.
    pub store: BlobStore,
    /// The blob.
    pub path: BlobPath,
    /// What the backend does.
    pub capabilities: Capabilities,
    /// When the write began.
    pub started: OffsetDateTime,
}

/// A body that has not been read yet, with all that its request says of it.
pub(in crate::ops) struct Incoming<'a> {
    /// The bytes as they come.
    pub body: Body,
    /// How the signature covers them.
    pub payload: Payload,
    /// What headers promise of them.
    pub promised: Promised,
    /// The headers of the request.
    pub headers: &'a HeaderMap,
}

impl std::fmt::Debug for Incoming<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Incoming").field("promised", &self.promised).finish_non_exhaustive()
    }
}

/// What a commit carries.
#[derive(Clone, Debug)]
pub(in crate::ops) struct Commit {
    /// The id of this write, which is in the metadata, too: a lost answer is decided by it.
    pub id: CommitId,
    /// All that belongs to the object.
    pub options: PutOptions,
}

/// What a write has made.
#[derive(Debug)]
pub(in crate::ops) struct Stored {
    /// The object's ETag: the MD5 of its bytes.
    pub etag: ETag,
    /// The proof of what was stored.
    pub verified: Verified,
}

/// Why a write was not done.
#[derive(Debug)]
pub(in crate::ops) enum Failure {
    /// The request is at fault, or the gateway refuses.
    Refused(Error),
    /// Azure did not do it. `overtaken`: the blocks were discarded by another writer.
    Azure(BlobError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<BlobError> for Failure {
    fn from(error: BlobError) -> Self {
        Self::Azure(error)
    }
}

/// Stores a body as the blob of `destination`.
///
/// `plan` says what belongs to the blob, once the body is proved.
pub(in crate::ops) async fn store(
    destination: &Destination,
    budget: &Budget,
    incoming: Incoming<'_>,
    plan: impl FnOnce(&Verified) -> Result<Commit, Error>,
) -> Result<Stored, Failure> {
    let length = declared_length(&incoming);
    if length.is_some_and(|length| length > PUT_BYTES_MAX) {
        return Err(too_large(length).into());
    }
    let reserved = reserve(budget, length).await?;
    let held = length.is_some_and(|length| length <= reserved.bytes());
    let Capabilities { put_blob_answers_md5, put_blob_keeps_md5, .. } = destination.capabilities;
    let md5 =
        if held && put_blob_answers_md5 && put_blob_keeps_md5 { Md5::Skip } else { Md5::Compute };
    let Incoming { body, payload, promised, headers } = incoming;
    let body = CheckedBody::new(body, payload, promised, headers, md5)?;
    if held {
        put_held(destination, body, reserved, plan).await
    } else {
        put_blocks(destination, budget, body, reserved, plan).await
    }
}

/// How many bytes of the object will come, if the request says so.
fn declared_length(incoming: &Incoming<'_>) -> Option<u64> {
    let name = if incoming.payload.is_streaming() {
        "x-amz-decoded-content-length"
    } else {
        "content-length"
    };
    incoming.headers.get(name)?.to_str().ok()?.parse().ok()
}

fn too_large(length: Option<u64>) -> Error {
    Error::new(Code::EntityTooLarge)
        .detail("MaxSizeAllowed", PUT_BYTES_MAX.to_string())
        .detail("ProposedSize", length.unwrap_or(PUT_BYTES_MAX + 1).to_string())
}

/// Memory for the whole body where it fits, else for a block.
async fn reserve(budget: &Budget, length: Option<u64>) -> Result<Reserved, Error> {
    match length {
        Some(length) if length <= HELD_BYTES_MAX => match budget.try_reserve(length) {
            Some(reserved) => Ok(reserved),
            None => budget.reserve_up_to(length.min(BLOCK_BYTES)).await,
        },
        _ => budget.reserve_up_to(BLOCK_BYTES).await,
    }
}

/// Chunks of bytes, small frames copied together.
#[derive(Default)]
struct Rope {
    chunks: Vec<Bytes>,
    small: BytesMut,
    length: u64,
}

impl Rope {
    fn push(&mut self, bytes: Bytes) {
        self.length = self.length.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if bytes.len() < FRAME_BYTES_MIN {
            self.small.extend_from_slice(&bytes);
            if self.small.len() >= FRAME_BYTES_MIN {
                self.chunks.push(self.small.split().freeze());
            }
        } else {
            self.flush();
            self.chunks.push(bytes);
        }
    }

    fn flush(&mut self) {
        if !self.small.is_empty() {
            self.chunks.push(self.small.split().freeze());
        }
    }

    fn take(&mut self) -> Content {
        self.flush();
        self.length = 0;
        Content::from_chunks(std::mem::take(&mut self.chunks))
    }
}

async fn put_held(
    destination: &Destination,
    mut body: CheckedBody,
    reserved: Reserved,
    plan: impl FnOnce(&Verified) -> Result<Commit, Error>,
) -> Result<Stored, Failure> {
    let mut rope = Rope::default();
    while let Some(bytes) = body.next().await? {
        rope.push(bytes);
        if rope.length > reserved.bytes() {
            return Err(Error::new(Code::IncompleteBody).into());
        }
    }
    let verified = body.finish()?;
    let planned = plan(&verified)?;
    let content = rope.take();
    // Azure compares either digest with what arrives. It computes the MD5 that is the ETag in any
    // case, where the probe has seen it do so; otherwise ours goes along and is kept.
    let guard = match verified.md5() {
        Some(md5) => Guard::Md5(md5),
        None => Guard::Crc64(content.crc64()),
    };
    let Destination { store, path, .. } = destination;
    let put = || store.put_blob(path, &content, guard, &planned.options);
    let written = commit(store, path, &planned.id, put).await?;
    drop(reserved);
    let md5 = written.content_md5.or_else(|| verified.md5());
    Ok(Stored { etag: etag_of(md5)?, verified })
}

/// The ETag of a single PUT.
fn etag_of(md5: Option<[u8; 16]>) -> Result<ETag, Error> {
    let md5 = md5.ok_or_else(|| {
        Error::new(Code::InternalError).caused_by("Azure answered no MD5 for a Put Blob")
    })?;
    Ok(ETag::new(data_encoding::HEXLOWER.encode(&md5)))
}

/// Blocks of one body on their way to Azure.
struct Staging {
    store: BlobStore,
    path: BlobPath,
    ids: BlockIds,
    staged: Vec<BlockRef>,
    tasks: JoinSet<Result<(), BlobError>>,
}

/// The ids of the blocks of one body: all of one length, and of no other body.
#[derive(Clone, Debug)]
pub(in crate::ops) struct BlockIds {
    nonce: [u8; 16],
    length: usize,
}

impl BlockIds {
    /// All ids that the gateway makes have this length, because the blocks that wait on one name
    /// must: <https://learn.microsoft.com/rest/api/storageservices/put-block>.
    const LENGTH: usize = BlockId::BYTES_MAX;
    /// Shorter ids of another tool leave no room for ours.
    const LENGTH_MIN: usize = 8;

    /// The ids of a new attempt.
    pub(in crate::ops) fn new() -> Result<Self, Error> {
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce)
            .map_err(|cause| Error::new(Code::InternalError).caused_by(cause.to_string()))?;
        Ok(Self { nonce, length: Self::LENGTH })
    }

    /// The id of the block at `index`: the index, the nonce, and nought up to the length.
    pub(in crate::ops) fn id(&self, index: usize) -> Result<BlockId, Error> {
        let index = u32::try_from(index).map_err(|_too_many| Error::new(Code::EntityTooLarge))?;
        let mut bytes = [0; Self::LENGTH];
        let parts = index.to_be_bytes().into_iter().chain(self.nonce);
        for (to, from) in bytes.iter_mut().zip(parts) {
            *to = from;
        }
        bytes
            .get(..self.length)
            .and_then(BlockId::new)
            .ok_or_else(|| Error::new(Code::InternalError).caused_by("a block id of no length"))
    }

    /// The same ids, as long as those that wait on the name already.
    pub(in crate::ops) async fn adopt(
        &mut self,
        store: &BlobStore,
        path: &BlobPath,
    ) -> Result<(), BlobError> {
        let list = store.block_list(path, WhichBlocks::Uncommitted).await?;
        let foreign = list.uncommitted.first().map_or(Self::LENGTH, |(id, _)| id.bytes().len());
        if foreign >= Self::LENGTH_MIN {
            self.length = foreign;
        }
        Ok(())
    }
}

impl Staging {
    /// Sends a block on its way; its memory is given back when it has arrived.
    fn send(&mut self, content: Content, reserved: Reserved) -> Result<(), Failure> {
        let id = self.ids.id(self.staged.len())?;
        self.staged.push(BlockRef::Uncommitted(id.clone()));
        let (store, path) = (self.store.clone(), self.path.clone());
        self.tasks.spawn(async move {
            let staged = store.put_block(&path, &id, &content, content.crc64()).await;
            drop(reserved);
            staged.map(|_| ())
        });
        Ok(())
    }

    /// Sends the first block and waits for it, so that blocks of another tool that wait on the name
    /// with ids of another length are met while the bytes are still at hand.
    async fn send_first(&mut self, content: Content, reserved: Reserved) -> Result<(), Failure> {
        let sent = self.put_first(&content).await;
        let sent = match sent {
            Err(Failure::Azure(error)) if error.kind() == Kind::InvalidBlobOrBlock => {
                self.ids.adopt(&self.store, &self.path).await?;
                self.put_first(&content).await
            }
            other => other,
        };
        drop(reserved);
        sent
    }

    async fn put_first(&mut self, content: &Content) -> Result<(), Failure> {
        let id = self.ids.id(0)?;
        self.store.put_block(&self.path, &id, content, content.crc64()).await?;
        self.staged = vec![BlockRef::Uncommitted(id)];
        Ok(())
    }

    /// Waits for one of the blocks.
    async fn one(&mut self) -> Result<(), Failure> {
        match self.tasks.join_next().await {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err(error))) => Err(error.into()),
            Some(Err(panic)) => Err(Error::new(Code::InternalError).caused_by(panic).into()),
        }
    }

    /// Memory for the next block: had at once, or given back by one that is on its way; only when
    /// nothing is on its way, and so nothing held, is it waited for.
    async fn reserve(&mut self, budget: &Budget, bytes: u64) -> Result<Reserved, Failure> {
        loop {
            if self.tasks.len() < BLOCKS_IN_FLIGHT
                && let Some(reserved) = budget.try_reserve(bytes)
            {
                return Ok(reserved);
            }
            if self.tasks.is_empty() {
                return Ok(budget.reserve_up_to(bytes).await?);
            }
            self.one().await?;
        }
    }
}

async fn put_blocks(
    destination: &Destination,
    budget: &Budget,
    mut body: CheckedBody,
    mut reserved: Reserved,
    plan: impl FnOnce(&Verified) -> Result<Commit, Error>,
) -> Result<Stored, Failure> {
    let Destination { store, path, .. } = destination;
    let mut staging = Staging {
        store: store.clone(),
        path: path.clone(),
        ids: BlockIds::new()?,
        staged: Vec::new(),
        tasks: JoinSet::new(),
    };
    let mut rope = Rope::default();
    let mut total = 0_u64;
    while let Some(mut bytes) = body.next().await? {
        total = total.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if total > PUT_BYTES_MAX {
            return Err(too_large(None).into());
        }
        loop {
            let room = reserved.bytes().saturating_sub(rope.length);
            let room = usize::try_from(room).unwrap_or(usize::MAX);
            if bytes.len() < room {
                rope.push(bytes);
                break;
            }
            rope.push(bytes.split_to(room));
            let block = reserved.bytes();
            if staging.staged.is_empty() {
                staging.send_first(rope.take(), reserved).await?;
            } else {
                staging.send(rope.take(), reserved)?;
            }
            reserved = staging.reserve(budget, block.max(BLOCK_BYTES / 2)).await?;
        }
    }
    if rope.length > 0 {
        if staging.staged.is_empty() {
            staging.send_first(rope.take(), reserved).await?;
        } else {
            staging.send(rope.take(), reserved)?;
        }
    }
    while !staging.tasks.is_empty() {
        staging.one().await?;
    }
    let verified = body.finish()?;
    let mut planned = plan(&verified)?;
    planned.options.headers.content_md5 = verified.md5();
    let list = || store.put_block_list(path, &staging.staged, &planned.options);
    match commit(store, path, &planned.id, list).await {
        Ok(_) => {}
        Err(Failure::Azure(error)) if error.kind() == Kind::InvalidBlockList => {
            overtaken(destination, &planned.options.conditions, error).await?;
        }
        Err(failure) => return Err(failure),
    }
    Ok(Stored { etag: etag_of(verified.md5())?, verified })
}

/// Decides a commit whose blocks another writer of the name has discarded.
///
/// Without a condition, ours is as good as done just before the other, and replaced by it: that is
/// an order that S3 allows for writes at one time. It counts only if there is another: a blob of
/// another commit, or none any more. With a condition the client is asked to try again.
async fn overtaken(
    destination: &Destination,
    conditions: &azure::Conditions,
    error: BlobError,
) -> Result<(), Failure> {
    if *conditions != azure::Conditions::default() {
        return Err(Error::new(Code::ConditionalRequestConflict).caused_by(error).into());
    }
    let Destination { store, path, started, .. } = destination;
    let done = match store.properties(path, &azure::Conditions::default()).await {
        Ok(now) => {
            metadata::last_modified(&ObjectFacts::read(&now), &now) + AZURE_GRAIN >= *started
        }
        Err(absent) => absent.kind() == Kind::NoSuchBlob,
    };
    if done { Ok(()) } else { Err(Error::new(Code::SlowDown).caused_by(error).into()) }
}

/// Sends a commit until it is known what became of it.
///
/// An answer that was lost is decided by reading back the commit id: what has been done is a
/// success, and what has not is done again. A write that another one replaced in between was done;
/// with a condition that cannot be told from one that lost, and the client is asked to try again.
pub(in crate::ops) async fn commit<F>(
    store: &BlobStore,
    path: &BlobPath,
    ours: &CommitId,
    send: impl Fn() -> F,
) -> Result<Written, Failure>
where
    F: Future<Output = Result<Written, BlobError>>,
{
    let mut lost = false;
    for _ in 1..COMMITS_MAX {
        let error = match send().await {
            Ok(written) => return Ok(written),
            Err(error) => error,
        };
        lost = lost || error.maybe_applied();
        if !lost {
            return Err(error.into());
        }
        let now = store.properties(path, &azure::Conditions::default()).await;
        match now {
            Ok(now) if ObjectFacts::read(&now).commit.as_ref() == Some(ours) => {
                return Ok(written(now));
            }
            _ if is_condition(&error) => {
                return Err(Error::new(Code::ConditionalRequestConflict).caused_by(error).into());
            }
            Err(ref absent) if absent.kind() != Kind::NoSuchBlob => return Err(error.into()),
            Ok(_) | Err(_) if error.maybe_applied() => {}
            Ok(_) | Err(_) => return Err(error.into()),
        }
    }
    Ok(send().await?)
}

fn is_condition(error: &BlobError) -> bool {
    matches!(error.kind(), Kind::ConditionNotMet | Kind::BlobExists)
}

/// What was written, as it was read back.
fn written(now: azure::Properties) -> Written {
    Written {
        etag: now.etag,
        last_modified: now.last_modified,
        content_md5: now.headers.content_md5,
        crc64: None,
        request_id: String::new(),
    }
}
