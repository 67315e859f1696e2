//! A body that is not held: it goes as blocks that nobody sees, and one list makes them the blob. One
//! that ends before its first block is full is one Put Blob all the same.

use bytes::Bytes;
use md5_lanes::Hashed;
use tokio::task::JoinSet;

use crate::azure::{BlockRef, Content, Guard, Kind};
use crate::ops::budget::{Budget, Reserved, STEP_BYTES};
use crate::ops::hashing::Hasher;
use crate::ops::object::write::rope::Rope;
use crate::ops::object::write::{
    BlockIds, Commit, Destination, Failure, PUT_BYTES_MAX, Stored, commit, etag_of, overtaken,
    said_crc64, too_large,
};
use crate::s3::checksum::Checksum;
use crate::s3::payload::{CheckedBody, Verified};
use crate::s3::{Code, Error};

/// The size of a block where memory is not short, in bytes.
const BLOCK_BYTES: u64 = 8 * 1024 * 1024;
/// How many blocks of one body are on their way at once.
const BLOCKS_IN_FLIGHT: usize = 4;

/// Stages the blocks of a body as it comes, and commits them when it is proved. The MD5 of the body is that
/// of its blocks: each is digested while it is on its way.
pub(super) async fn put(
    destination: &Destination,
    budget: &Budget,
    mut body: CheckedBody,
    plan: impl FnOnce(&Verified) -> Result<Commit, Error>,
) -> Result<Stored, Failure> {
    let mut staging = Staging::new(destination, budget).await?;
    while let Some(bytes) = body.next().await? {
        staging.take(bytes).await?;
    }
    let held = staging.finish().await?;
    let verified = body.finish_with(staging.hashed().await?)?;
    let planned = plan(&verified)?;
    match held {
        Some(held) => staging.commit_held(held, &verified, &planned).await?,
        None => staging.commit_list(&verified, planned).await?,
    }
    Ok(Stored { etag: etag_of(verified.md5())?, verified })
}

/// A body on its way to Azure.
struct Staging<'a> {
    to: &'a Destination,
    budget: &'a Budget,
    /// None while the first block is on its way, which may find that they must be others.
    ids: Option<BlockIds>,
    /// How many blocks have been sent on their way.
    sent: usize,
    tasks: JoinSet<Result<Option<BlockIds>, Failure>>,
    rope: Rope,
    /// What the rope may hold.
    reserved: Reserved,
    /// How many bytes have come.
    total: u64,
    /// Of all blocks that have been sent, one after the other.
    crc64: Option<Checksum>,
    /// Of all bytes.
    md5: Hasher,
}

impl<'a> Staging<'a> {
    async fn new(to: &'a Destination, budget: &'a Budget) -> Result<Self, Failure> {
        Ok(Self {
            to,
            budget,
            ids: Some(BlockIds::new()?),
            sent: 0,
            tasks: JoinSet::new(),
            rope: Rope::default(),
            reserved: budget.step().await?,
            total: 0,
            crc64: None,
            md5: Hasher::new(),
        })
    }

    /// Takes bytes in; sends what makes a block.
    async fn take(&mut self, mut bytes: Bytes) -> Result<(), Failure> {
        self.total = self.total.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.total > PUT_BYTES_MAX {
            return Err(too_large(None).into());
        }
        while !bytes.is_empty() {
            let room = self.room().await?.min(bytes.len());
            self.rope.push(bytes.split_to(room));
            self.digest().await;
        }
        Ok(())
    }

    async fn digest(&mut self) {
        for chunk in self.rope.fresh() {
            self.md5.push(chunk.clone()).await;
        }
    }

    /// How many more bytes may be held, at least one. Memory grows with what has come; where there is
    /// no more, blocks that are on their way are waited for, and then what has come is a block.
    async fn room(&mut self) -> Result<usize, Failure> {
        loop {
            let held = self.reserved.bytes();
            let free = held.saturating_sub(self.rope.length());
            if free > 0 {
                return Ok(usize::try_from(free).unwrap_or(usize::MAX));
            }
            let more = held.min(BLOCK_BYTES.saturating_sub(held));
            if more > 0 && self.budget.try_grow(&mut self.reserved, more) {
                continue;
            }
            if more == 0 || self.tasks.is_empty() {
                self.send().await?;
            } else {
                self.one().await?;
            }
        }
    }

    /// Sends what has come on its way, with the memory that it takes, and gets memory for the next.
    async fn send(&mut self) -> Result<(), Failure> {
        let length = self.rope.length();
        if length == 0 {
            return Ok(());
        }
        let (content, crc64) = self.take_rope().await;
        let digested = self.md5.digested();
        self.crc64 = match self.crc64 {
            Some(before) => before.followed_by(&crc64, length),
            None => Some(crc64),
        };
        let ids = self.ids().await?;
        let index = self.sent;
        self.sent += 1;
        let to = self.to.clone();
        let stage = async move {
            let (put, ()) = tokio::join!(put_block(&to, index, ids, &content), digested);
            put
        };
        while self.tasks.len() >= BLOCKS_IN_FLIGHT {
            self.one().await?;
        }
        let Some(next) = self.budget.try_reserve(STEP_BYTES) else {
            // There is no memory for another one besides: what this one has serves the next.
            self.has_sent(stage.await?);
            self.reserved.shrink_to(STEP_BYTES);
            return Ok(());
        };
        let reserved = std::mem::replace(&mut self.reserved, next);
        self.tasks.spawn(async move {
            let staged = stage.await;
            drop(reserved);
            staged
        });
        Ok(())
    }

    /// The ids for the next block. Until the first block is there nobody knows whether they are these.
    async fn ids(&mut self) -> Result<BlockIds, Failure> {
        while self.ids.is_none() && !self.tasks.is_empty() {
            self.one().await?;
        }
        let ids = if self.sent == 0 { self.ids.take() } else { self.ids.clone() };
        Ok(ids.ok_or_else(|| lost("the ids of its blocks"))?)
    }

    fn has_sent(&mut self, ids: Option<BlockIds>) {
        if ids.is_some() {
            self.ids = ids;
        }
    }

    /// All that has come, its digest under way.
    async fn take_rope(&mut self) -> (Content, Checksum) {
        self.rope.flush();
        self.digest().await;
        self.rope.take()
    }

    /// Waits until all has been sent and digested; or what there is, where nothing has been sent.
    async fn finish(&mut self) -> Result<Option<(Content, Checksum)>, Failure> {
        if self.sent == 0 {
            return Ok(Some(self.take_rope().await));
        }
        self.send().await?;
        while !self.tasks.is_empty() {
            self.one().await?;
        }
        Ok(None)
    }

    /// The MD5 of all that was sent, after [`Self::finish`].
    async fn hashed(&mut self) -> Result<Hashed, Error> {
        self.md5.finish().await.ok_or_else(|| lost("the digest of a block"))
    }

    /// Waits for one of the blocks.
    async fn one(&mut self) -> Result<(), Failure> {
        match self.tasks.join_next().await {
            None => Ok(()),
            Some(Ok(Ok(ids))) => {
                self.has_sent(ids);
                Ok(())
            }
            Some(Ok(Err(failure))) => Err(failure),
            Some(Err(panic)) => Err(Error::new(Code::InternalError).caused_by(panic).into()),
        }
    }

    /// Nothing has been sent: all of it goes with the commit.
    async fn commit_held(
        &self,
        (content, crc64): (Content, Checksum),
        verified: &Verified,
        planned: &Commit,
    ) -> Result<(), Failure> {
        let Destination { store, path, .. } = self.to;
        let guard = verified.md5().map_or_else(|| Guard::Crc64(crc64.number()), Guard::Md5);
        let put = || store.put_blob(path, &content, guard, &planned.options);
        commit(store, path, (&planned.id, &planned.options.conditions), put).await.map(|_| ())
    }

    async fn commit_list(&self, verified: &Verified, mut planned: Commit) -> Result<(), Failure> {
        if let (Some(said), Some(sent)) = (said_crc64(verified), self.crc64)
            && said != sent
        {
            let what = "the blocks that Azure has are not the bytes that the client said";
            return Err(Error::new(Code::InternalError).caused_by(what).into());
        }
        let Destination { store, path, .. } = self.to;
        planned.options.headers.content_md5 = verified.md5();
        let ids = self.ids.as_ref().ok_or_else(|| lost("the ids of its blocks"))?;
        let staged = (0..self.sent).map(|index| ids.id(index).map(BlockRef::Uncommitted));
        let staged = staged.collect::<Result<Vec<_>, Error>>()?;
        let list = || store.put_block_list(path, &staged, &planned.options);
        match commit(store, path, (&planned.id, &planned.options.conditions), list).await {
            Err(Failure::Azure(error)) if error.kind() == Kind::InvalidBlockList => {
                overtaken((store, path), &staged, &planned.options.conditions, error).await
            }
            other => other.map(|_| ()),
        }
    }
}

/// Stages one block. The first gives the ids back that those after it have.
async fn put_block(
    to: &Destination,
    index: usize,
    mut ids: BlockIds,
    content: &Content,
) -> Result<Option<BlockIds>, Failure> {
    let Destination { store, path, .. } = to;
    let crc64 = content.crc64();
    match store.put_block(path, &ids.id(index)?, content, crc64).await {
        Ok(_) => {}
        // Blocks of another tool wait on the name, with ids of another length.
        Err(error) if index == 0 && error.kind() == Kind::InvalidBlobOrBlock => {
            ids.adopt(store, path).await?;
            store.put_block(path, &ids.id(index)?, content, crc64).await?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok((index == 0).then_some(ids))
}

fn lost(what: &str) -> Error {
    Error::new(Code::InternalError).caused_by(format!("{what} was lost"))
}
