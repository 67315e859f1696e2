//! The object of an upload, built by Azure of the parts: blocks copied from them, many at once, and
//! one list of blocks that carries everything else.

use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at};

use crate::azure::{
    BlobError, BlobPath, BlobStore, BlockRef, ByteRange, Capabilities, Conditions, Content, Guard,
    Kind, PutOptions, ReadOptions, StagedBlock,
};
use crate::mapping::commit_id::CommitId;
use crate::mapping::metadata::ObjectFacts;
use crate::mapping::uploads::{NONCE_BYTES, Part, PartBlock, Plan};
use crate::ops::budget::Budget;
use crate::ops::multipart::ends::{BEAT, Claim};
use crate::ops::multipart::files::Upload;
use crate::ops::object::transfer::{AT_ONCE_BYTES_MAX, PIECE_BYTES, cannot, ranges};
use crate::ops::object::write::{BlockIds, Failure, commit, overtaken};
use crate::s3::{Code, Error};

/// The size of the ranges in which parts are copied, in bytes.
const RANGE_BYTES: u64 = 256 * 1024 * 1024;
/// The most that one Put Block From URL copies, in bytes:
/// <https://learn.microsoft.com/rest/api/storageservices/put-block-from-url>.
const RANGE_BYTES_MAX: u64 = 4000 * 1024 * 1024;
/// How many blocks a blob has at most.
const BLOCKS_MAX: u64 = 50_000;
/// How many blocks are copied at once.
const BLOCKS_AT_ONCE: usize = 16;
/// How often the blocks are copied when other writers of the key discard them.
const ATTEMPTS_MAX: u32 = 4;

/// An object to be built.
#[derive(Debug)]
pub(super) struct Assembly<'a> {
    /// The upload.
    pub(super) upload: &'a Upload,
    /// Of which parts.
    pub(super) plan: &'a Plan,
    /// What the commit carries.
    pub(super) options: &'a PutOptions,
    /// The id of the commit.
    pub(super) id: &'a CommitId,
    /// What the backend does.
    pub(super) capabilities: Capabilities,
    /// For bytes that have to pass through the gateway.
    pub(super) budget: &'a Budget,
}

/// What the blocks of an attempt are called.
enum Ids {
    /// By what they are made of.
    Parts([u8; NONCE_BYTES]),
    /// As short as those of another tool that wait on the name.
    Short(BlockIds),
}

/// One block to be copied.
struct Piece<'a> {
    part: &'a Part,
    index: usize,
    first: u64,
    last: u64,
}

impl Assembly<'_> {
    /// Builds the object and commits it; `claim` is kept alive meanwhile.
    pub(super) async fn run(&self, claim: &mut Claim) -> Result<(), Failure> {
        if let Some(done) = self.at_once().await {
            return done;
        }
        let mut ids = Ids::renewed()?;
        let mut through_gateway = !self.capabilities.put_block_from_url;
        for _ in 1..ATTEMPTS_MAX {
            let error = match self.attempt(claim, &ids, through_gateway).await {
                Err(Failure::Azure(error)) => error,
                other => return other,
            };
            #[expect(clippy::wildcard_enum_match_arm, reason = "all others end it alike")]
            match error.kind() {
                Kind::InvalidBlobOrBlock => ids = Ids::Short(self.adopt().await?),
                // Another writer of the key has discarded them; the parts are still there.
                Kind::InvalidBlockList if self.is_done().await? => return Ok(()),
                Kind::InvalidBlockList => ids = Ids::renewed()?,
                _ if cannot(&error) && !through_gateway && !is_gone(&error) => {
                    tracing::warn!(cause = %error, "Azure cannot copy parts itself; they go through the gateway");
                    through_gateway = true;
                }
                _ => return Err(error.into()),
            }
        }
        let blocks = self.blocks(claim, &ids, through_gateway).await?;
        match self.list(&blocks).await {
            Err(Failure::Azure(error)) if error.kind() == Kind::InvalidBlockList => {
                self.overtaken(&blocks, error).await
            }
            other => other,
        }
    }

    /// Writes of the key have discarded the blocks again and again.
    async fn overtaken(&self, blocks: &[BlockRef], error: BlobError) -> Result<(), Failure> {
        if self.is_done().await? {
            return Ok(());
        }
        let to = (self.store(), &self.path());
        overtaken(to, blocks, &self.options.conditions, error).await
    }

    fn store(&self) -> &BlobStore {
        self.upload.store()
    }

    fn path(&self) -> BlobPath {
        self.upload.bucket.path(&self.upload.key)
    }

    /// One request is all that it takes, where there are no bytes, or one part of them.
    async fn at_once(&self) -> Option<Result<(), Failure>> {
        let (store, path, options) = (self.store(), self.path(), self.options);
        if self.plan.length == 0 {
            let empty = Content::empty();
            let put = || store.put_blob(&path, &empty, Guard::Crc64(empty.crc64()), options);
            return Some(
                commit(store, &path, (self.id, &self.options.conditions), put).await.map(|_| ()),
            );
        }
        let [part] = self.plan.parts.as_slice() else { return None };
        if !self.capabilities.put_blob_from_url || part.length > AT_ONCE_BYTES_MAX {
            return None;
        }
        let source = store.source(&self.upload.part(part.number), None);
        let source = source.if_match(part.blob.clone());
        let put = || store.put_blob_from_url(&path, &source, options);
        match commit(store, &path, (self.id, &self.options.conditions), put).await {
            Err(Failure::Azure(error)) if cannot(&error) && !is_gone(&error) => None,
            other => Some(other.map(|_| ())),
        }
    }

    async fn attempt(
        &self,
        claim: &mut Claim,
        ids: &Ids,
        through_gateway: bool,
    ) -> Result<(), Failure> {
        let blocks = self.blocks(claim, ids, through_gateway).await?;
        self.list(&blocks).await
    }

    async fn blocks(
        &self,
        claim: &mut Claim,
        ids: &Ids,
        through_gateway: bool,
    ) -> Result<Vec<BlockRef>, Failure> {
        if through_gateway { self.carry(claim, ids).await } else { self.stage(claim, ids).await }
    }

    async fn list(&self, blocks: &[BlockRef]) -> Result<(), Failure> {
        let (store, path) = (self.store(), self.path());
        let list = || store.put_block_list(&path, blocks, self.options);
        commit(store, &path, (self.id, &self.options.conditions), list).await.map(|_| ())
    }

    /// Lets Azure copy all blocks.
    async fn stage(&self, claim: &mut Claim, ids: &Ids) -> Result<Vec<BlockRef>, Failure> {
        let mut blocks = Vec::new();
        let mut tasks: JoinSet<Result<StagedBlock, BlobError>> = JoinSet::new();
        let mut beats = interval_at(Instant::now() + BEAT, BEAT);
        for piece in self.pieces(self.range_bytes()) {
            while tasks.len() >= BLOCKS_AT_ONCE {
                one(&mut tasks, &mut beats, claim).await?;
            }
            let id = ids.id(&piece, blocks.len())?;
            blocks.push(BlockRef::Uncommitted(id.clone()));
            let source = self.store().source(&self.upload.part(piece.part.number), None);
            let source = source.if_match(piece.part.blob.clone());
            let (store, path) = (self.store().clone(), self.path());
            let range = Some((piece.first, piece.last));
            tasks.spawn(async move { store.put_block_from_url(&path, &id, &source, range).await });
        }
        while !tasks.is_empty() {
            one(&mut tasks, &mut beats, claim).await?;
        }
        Ok(blocks)
    }

    /// Carries all blocks through the gateway, one after the other, each within the budget.
    async fn carry(&self, claim: &mut Claim, ids: &Ids) -> Result<Vec<BlockRef>, Failure> {
        let mut blocks = Vec::new();
        let mut beats = interval_at(Instant::now() + BEAT, BEAT);
        for part in &self.plan.parts {
            let (mut first, mut index) = (0, 0);
            while first < part.length {
                let reserved = self.budget.reserve_up_to(PIECE_BYTES).await?;
                let last = (first + reserved.bytes()).min(part.length) - 1;
                let piece = Piece { part, index, first, last };
                let id = ids.id(&piece, blocks.len())?;
                let limit = usize::try_from(reserved.bytes()).unwrap_or(usize::MAX);
                let bytes = self.read(&piece, limit).await.map_err(of_part)?;
                self.store().put_block(&self.path(), &id, &bytes, bytes.crc64()).await?;
                blocks.push(BlockRef::Uncommitted(id));
                (first, index) = (last + 1, index + 1);
                drop(reserved);
                beat_if_due(&mut beats, claim).await?;
            }
        }
        Ok(blocks)
    }

    async fn read(&self, piece: &Piece<'_>, limit: usize) -> Result<Content, BlobError> {
        let options = ReadOptions {
            range: Some(ByteRange { first: piece.first, last: Some(piece.last) }),
            conditions: Conditions::if_match(piece.part.blob.clone()),
            ..ReadOptions::default()
        };
        let part = self.upload.part(piece.part.number);
        let bytes = self.store().read(&part, &options).await?.body.collect(limit).await?;
        Ok(Content::from(bytes))
    }

    /// As large as it takes for no more blocks than a blob has.
    fn range_bytes(&self) -> u64 {
        let mut size = RANGE_BYTES;
        let count =
            |size: u64| self.plan.parts.iter().map(|part| part.length.div_ceil(size)).sum::<u64>();
        while size < RANGE_BYTES_MAX && count(size) > BLOCKS_MAX {
            size = RANGE_BYTES_MAX.min(size * 2);
        }
        size
    }

    fn pieces(&self, size: u64) -> impl Iterator<Item = Piece<'_>> {
        self.plan.parts.iter().flat_map(move |part| {
            ranges(part.length, size).enumerate().map(move |(index, (first, last))| Piece {
                part,
                index,
                first,
                last,
            })
        })
    }

    async fn adopt(&self) -> Result<BlockIds, Failure> {
        let mut ids = BlockIds::new()?;
        ids.adopt(self.store(), &self.path()).await?;
        Ok(ids)
    }

    /// Is the object there, as this very write?
    async fn is_done(&self) -> Result<bool, BlobError> {
        match self.store().properties(&self.path(), &Conditions::default()).await {
            Ok(now) => Ok(ObjectFacts::read(&now).commit.as_ref() == Some(self.id)),
            Err(error) if error.kind() == Kind::NoSuchBlob => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Ids {
    /// Those of a new attempt.
    fn renewed() -> Result<Self, Error> {
        // What another tool had staged is gone with ours.
        nonce().map(Self::Parts)
    }

    fn id(&self, piece: &Piece<'_>, at: usize) -> Result<crate::azure::BlockId, Error> {
        let nonce = match self {
            Self::Parts(nonce) => *nonce,
            Self::Short(ids) => return ids.id(at),
        };
        let index =
            u16::try_from(piece.index).map_err(|_too_many| Error::new(Code::EntityTooLarge))?;
        let Part { number, md5, checksum, .. } = *piece.part;
        PartBlock { number, index, md5, checksum, nonce }
            .id()
            .ok_or_else(|| Error::new(Code::InternalError).caused_by("a block has no id"))
    }
}

/// Waits for one of the blocks, and says meanwhile that somebody is at work.
async fn one(
    tasks: &mut JoinSet<Result<StagedBlock, BlobError>>,
    beats: &mut tokio::time::Interval,
    claim: &mut Claim,
) -> Result<(), Failure> {
    loop {
        tokio::select! {
            joined = tasks.join_next() => return match joined {
                None | Some(Ok(Ok(_))) => Ok(()),
                Some(Ok(Err(error))) => Err(error.into()),
                Some(Err(panic)) => Err(Error::new(Code::InternalError).caused_by(panic).into()),
            },
            _ = beats.tick() => claim.beat().await?,
        }
    }
}

async fn beat_if_due(beats: &mut tokio::time::Interval, claim: &mut Claim) -> Result<(), Error> {
    let due = {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        beats.poll_tick(&mut context).is_ready()
    };
    if due { claim.beat().await } else { Ok(()) }
}

/// Is the part no longer what was listed?
pub(super) fn is_gone(error: &BlobError) -> bool {
    let kind = error.kind();
    matches!(kind, Kind::SourceConditionNotMet)
        || (kind == Kind::CannotVerifySource && error.status() == Some(http::StatusCode::NOT_FOUND))
}

/// What a failure to read a part means: that it is gone or another one is nobody's condition, and says
/// nothing of the object.
fn of_part(error: BlobError) -> Failure {
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are what they are")]
    match error.kind() {
        Kind::NoSuchBlob | Kind::ConditionNotMet => {
            Error::new(Code::InvalidPart).caused_by(error).into()
        }
        _ => error.into(),
    }
}

/// Random bytes for the ids of one attempt.
fn nonce() -> Result<[u8; NONCE_BYTES], Error> {
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce)
        .map_err(|cause| Error::new(Code::InternalError).caused_by(cause.to_string()))?;
    Ok(nonce)
}
