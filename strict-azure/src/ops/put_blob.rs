//! Put Blob: a block blob with its bytes, or an append or page blob without any.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-blob>

use crate::answer::{self, Outcome, name};
use crate::ask::Ask;
use crate::content::{Content, Piece};
use crate::metadata::{Metadata, Served};
use crate::ops::commit;
use crate::options::Digests;
use crate::refusal::{self, Refusal};
use crate::service::Service;
use crate::state::{Blob, Kind};
use crate::upload::{BLOB_MAX, Guards, Received, Taking, Upload};

/// What is answered where MD5s are not computed.
const FIXED_MD5: [u8; 16] = [0x5a; 16];

/// Pages are so long.
const PAGE: u64 = 512;

/// 8 TiB. <https://learn.microsoft.com/azure/storage/blobs/scalability-targets>
const PAGES_MAX: u64 = 8 * 1024 * 1024 * 1024 * 1024;

impl Service {
    pub(crate) async fn put_blob(&self, ask: &Ask, upload: &mut Upload) -> Outcome {
        match ask.header("x-ms-blob-type") {
            Some("BlockBlob") => self.put_block_blob(ask, upload).await,
            Some("AppendBlob") => self.put_empty(ask, Kind::Append, 0),
            Some("PageBlob") => self.put_empty(ask, Kind::Page, pages_length(ask)?),
            Some(_) => Err(refusal::INVALID_HEADER_VALUE.into()),
            None => Err(refusal::MISSING_REQUIRED_HEADER.into()),
        }
    }

    async fn put_block_blob(&self, ask: &Ask, upload: &mut Upload) -> Outcome {
        let guards = Guards::of(ask)?;
        let can = self.behaviour().capabilities;
        let beside = guards.crc64.is_some();
        let wanted = !beside || can.answers_md5_beside_crc64 || can.keeps_md5_beside_crc64;
        let metadata = Metadata::of(&ask.headers)?;
        let tier = commit::tier(ask)?;
        let received = upload.take(ask, self.taking(BLOB_MAX, wanted)).await?;
        guards.check(&received, can, self.options.digests)?;
        let md5 = self.md5_of(&guards, &received);
        if guards.blob_md5.is_some() && guards.blob_md5 != md5 {
            return Err(refusal::MD5_MISMATCH.into());
        }
        let now = self.now();
        let mut blob = Blob::new(Kind::Block, received.content, self.etag(), now);
        blob.served = Served::of_put(&ask.headers);
        blob.metadata = metadata;
        blob.tier = tier;
        blob.md5 = md5.filter(|_| !beside || can.keeps_md5_beside_crc64);
        let mut answer = self.commit(ask, blob, now)?;
        if let Some(md5) = md5.filter(|_| !beside || can.answers_md5_beside_crc64) {
            answer::put_md5(&mut answer, name::CONTENT_MD5, md5);
        }
        answer::put_crc64(&mut answer, received.crc64);
        Ok(answer)
    }

    pub(crate) fn taking(&self, bytes_max: u64, md5: bool) -> Taking {
        let md5 = md5 && self.options.digests == Digests::Real;
        Taking { bytes_max, keep_max: self.options.keep_bytes_max, md5 }
    }

    fn md5_of(&self, guards: &Guards, received: &Received) -> Option<[u8; 16]> {
        match self.options.digests {
            Digests::Real => received.md5,
            Digests::FixedMd5 => guards.md5.or(guards.blob_md5).or(Some(FIXED_MD5)),
        }
    }

    fn put_empty(&self, ask: &Ask, kind: Kind, length: u64) -> Outcome {
        if ask.header("content-length") != Some("0") || commit::tier(ask)?.is_some() {
            return Err(refusal::INVALID_HEADER_VALUE.into());
        }
        let now = self.now();
        let content = if length > self.options.keep_bytes_max.min(ZEROS_MAX) {
            Content::new(vec![Piece::Counted(length)], None)
        } else {
            let zeros = vec![0; usize::try_from(length).unwrap_or_default()];
            Content::kept(zeros.into())
        };
        let mut blob = Blob::new(kind, content, self.etag(), now);
        blob.served = Served::of_put(&ask.headers);
        blob.metadata = Metadata::of(&ask.headers)?;
        blob.md5 = Guards::of(ask)?.blob_md5;
        self.commit(ask, blob, now)
    }
}

/// A longer page blob is counted only.
const ZEROS_MAX: u64 = 64 * 1024 * 1024;

fn pages_length(ask: &Ask) -> Result<u64, Refusal> {
    let text = ask.header("x-ms-blob-content-length").ok_or(refusal::MISSING_REQUIRED_HEADER)?;
    let length: u64 = text.parse().map_err(|_| refusal::INVALID_HEADER_VALUE)?;
    if length.is_multiple_of(PAGE) && length <= PAGES_MAX {
        Ok(length)
    } else {
        Err(refusal::INVALID_HEADER_VALUE.into())
    }
}
