//! A body that is not held: it goes as blocks that nobody sees, and one list makes them the blob.

use tokio::task::JoinSet;

use crate::azure::{BlobError, BlobPath, BlobStore, BlockRef, Content, Kind};
use crate::ops::budget::{Budget, Reserved};
use crate::ops::object::write::commit::{commit, overtaken};
use crate::ops::object::write::rope::Rope;
use crate::ops::object::write::{
    BLOCK_BYTES, BlockIds, Commit, Destination, Failure, PUT_BYTES_MAX, Stored, etag_of, too_large,
};
use crate::s3::payload::{CheckedBody, Verified};
use crate::s3::{Code, Error};

/// How many blocks of one body are on their way at once.
const BLOCKS_IN_FLIGHT: usize = 4;

/// Stages the blocks of a body as it comes, and commits them when it is proved.
pub(super) async fn put(
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
    match commit(store, path, (&planned.id, &planned.options.conditions), list).await {
        Ok(_) => {}
        Err(Failure::Azure(error)) if error.kind() == Kind::InvalidBlockList => {
            overtaken(destination, &staging.staged, &planned.options.conditions, error).await?;
        }
        Err(failure) => return Err(failure),
    }
    Ok(Stored { etag: etag_of(verified.md5())?, verified })
}

/// Blocks of one body on their way to Azure.
struct Staging {
    store: BlobStore,
    path: BlobPath,
    ids: BlockIds,
    staged: Vec<BlockRef>,
    tasks: JoinSet<Result<(), BlobError>>,
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
