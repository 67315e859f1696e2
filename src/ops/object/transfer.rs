//! Bytes from one blob to another, without passing through the gateway where Azure can do it.

use tokio::task::JoinSet;

use crate::azure::{
    BlobError, BlobPath, BlobStore, BlockRef, ByteRange, Capabilities, Conditions, Content, Guard,
    Kind, Properties, PutOptions, ReadOptions,
};
use crate::mapping::commit_id::CommitId;
use crate::ops::budget::Budget;
use crate::ops::object::write::{BlockIds, Failure, commit};
use crate::s3::{Code, Error};

/// The most that Put Blob From URL copies, in bytes:
/// <https://learn.microsoft.com/rest/api/storageservices/put-blob-from-url>.
pub(in crate::ops) const AT_ONCE_BYTES_MAX: u64 = 5000 * 1024 * 1024;
/// The size of the ranges in which a larger one is copied, in bytes.
const RANGE_BYTES: u64 = 256 * 1024 * 1024;
/// How many ranges are copied at once.
const RANGES_AT_ONCE: usize = 8;
/// The size of the pieces that pass through the gateway, where nothing else is left, in bytes.
pub(in crate::ops) const PIECE_BYTES: u64 = 8 * 1024 * 1024;

/// A copy to be made.
#[derive(Clone, Debug)]
pub(in crate::ops) struct Copy {
    /// Where the source is.
    pub from: BlobStore,
    /// The source.
    pub from_path: BlobPath,
    /// The source as it was looked at; no other state of it is copied.
    pub source: Properties,
    /// First and last byte of what is copied; without, all of it.
    pub span: Option<(u64, u64)>,
    /// Where the copy goes.
    pub to: BlobStore,
    /// The copy.
    pub to_path: BlobPath,
    /// What the backend of the copy does.
    pub capabilities: Capabilities,
}

impl Copy {
    /// The first byte of what is copied.
    fn first(&self) -> u64 {
        self.span.map_or(0, |(first, _)| first)
    }

    /// How many bytes are copied.
    fn length(&self) -> u64 {
        self.span.map_or(self.source.content_length, |(first, last)| {
            last.saturating_sub(first).saturating_add(1)
        })
    }
}

/// Makes the copy; gives its time.
pub(in crate::ops) async fn run(
    copy: &Copy,
    budget: &Budget,
    (options, id): (PutOptions, CommitId),
) -> Result<time::OffsetDateTime, Failure> {
    let modified = id.time();
    if copy.length() == 0 {
        let empty = Content::empty();
        let put = || copy.to.put_blob(&copy.to_path, &empty, Guard::Crc64(empty.crc64()), &options);
        commit(&copy.to, &copy.to_path, (&id, &options.conditions), put).await?;
        return Ok(modified);
    }
    match server_side(copy, &options, &id).await {
        Err(Failure::Azure(error)) if cannot(&error) => {
            tracing::warn!(cause = %error, "Azure cannot copy this itself; it goes through the gateway");
            through_gateway(copy, budget, &options, &id).await?;
        }
        other => other?,
    }
    Ok(modified)
}

/// Is it that Azure will not do the copying, rather than that it failed?
pub(in crate::ops) fn cannot(error: &BlobError) -> bool {
    matches!(error.kind(), Kind::CannotVerifySource | Kind::NotSupported)
}

async fn server_side(copy: &Copy, options: &PutOptions, id: &CommitId) -> Result<(), Failure> {
    let source = copy.from.source(&copy.from_path, None).if_match(copy.source.etag.clone());
    let whole = copy.span.is_none();
    if whole && copy.capabilities.put_blob_from_url && copy.length() <= AT_ONCE_BYTES_MAX {
        let put = || copy.to.put_blob_from_url(&copy.to_path, &source, options);
        match commit(&copy.to, &copy.to_path, (id, &options.conditions), put).await {
            Err(Failure::Azure(error)) if error.kind() == Kind::NotSupported => {}
            other => return other.map(|_| ()),
        }
    }
    let ids = BlockIds::new()?;
    let mut blocks = Vec::new();
    let mut tasks: JoinSet<Result<(), BlobError>> = JoinSet::new();
    for (first, last) in ranges(copy.length(), RANGE_BYTES) {
        let (first, last) = (copy.first() + first, copy.first() + last);
        let block = ids.id(blocks.len())?;
        blocks.push(BlockRef::Uncommitted(block.clone()));
        if tasks.len() == RANGES_AT_ONCE {
            join(&mut tasks).await?;
        }
        let (to, path, source) = (copy.to.clone(), copy.to_path.clone(), source.clone());
        tasks.spawn(async move {
            to.put_block_from_url(&path, &block, &source, Some((first, last))).await.map(|_| ())
        });
    }
    while !tasks.is_empty() {
        join(&mut tasks).await?;
    }
    let list = || copy.to.put_block_list(&copy.to_path, &blocks, options);
    commit(&copy.to, &copy.to_path, (id, &options.conditions), list).await?;
    Ok(())
}

/// Waits for one of the ranges.
async fn join(tasks: &mut JoinSet<Result<(), BlobError>>) -> Result<(), Failure> {
    match tasks.join_next().await {
        None | Some(Ok(Ok(()))) => Ok(()),
        Some(Ok(Err(error))) => Err(error.into()),
        Some(Err(panic)) => Err(Error::new(Code::InternalError).caused_by(panic).into()),
    }
}

/// `length` bytes in ranges of at most `size`: first and last byte of each.
pub(in crate::ops) fn ranges(length: u64, size: u64) -> impl Iterator<Item = (u64, u64)> {
    (0..length.div_ceil(size)).map(move |index| {
        let first = index * size;
        (first, (first + size).min(length) - 1)
    })
}

/// Reads the source and stages it, piece by piece, each piece within the budget.
async fn through_gateway(
    copy: &Copy,
    budget: &Budget,
    options: &PutOptions,
    id: &CommitId,
) -> Result<(), Failure> {
    let ids = BlockIds::new()?;
    let mut blocks = Vec::new();
    let mut first = copy.first();
    let end = first + copy.length();
    while first < end {
        let reserved = budget.reserve_up_to(PIECE_BYTES).await?;
        let last = (first + reserved.bytes()).min(end) - 1;
        let read = ReadOptions {
            range: Some(ByteRange { first, last: Some(last) }),
            conditions: Conditions::if_match(copy.source.etag.clone()),
            ..ReadOptions::default()
        };
        let limit = usize::try_from(reserved.bytes()).unwrap_or(usize::MAX);
        let bytes = copy.from.read(&copy.from_path, &read).await?.body.collect(limit).await?;
        let content = Content::from(bytes);
        let block = ids.id(blocks.len())?;
        copy.to.put_block(&copy.to_path, &block, &content, content.crc64()).await?;
        blocks.push(BlockRef::Uncommitted(block));
        first = last + 1;
        drop(reserved);
    }
    let list = || copy.to.put_block_list(&copy.to_path, &blocks, options);
    commit(&copy.to, &copy.to_path, (id, &options.conditions), list).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::ranges;

    #[test]
    fn ranges_cover_every_byte_once() {
        assert_eq!(ranges(0, 4).count(), 0);
        assert_eq!(ranges(1, 4).collect::<Vec<_>>(), [(0, 0)]);
        assert_eq!(ranges(8, 4).collect::<Vec<_>>(), [(0, 3), (4, 7)]);
        assert_eq!(ranges(9, 4).collect::<Vec<_>>(), [(0, 3), (4, 7), (8, 8)]);
    }
}
