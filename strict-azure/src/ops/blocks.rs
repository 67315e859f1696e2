//! Put Block: bytes that nobody sees until a list names them.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-block>

use http::StatusCode;

use crate::answer::{self, Outcome, name};
use crate::ask::Ask;
use crate::content::Content;
use crate::lease::Of;
use crate::refusal::{self, Refusal};
use crate::service::Service;
use crate::staged::{self, Staged};
use crate::state::Kind;
use crate::upload::{BLOCK_MAX, Guards, Upload};

impl Service {
    pub(crate) async fn put_block(&self, ask: &Ask, upload: &mut Upload) -> Outcome {
        let id = block_id(ask)?;
        let guards = Guards::of(ask)?;
        // An empty block is refused; Azurite takes it.
        if ask.header("content-length") == Some("0") {
            return Err(refusal::INVALID_HEADER_VALUE.into());
        }
        let received = upload.take(ask, self.taking(BLOCK_MAX, guards.md5.is_some())).await?;
        guards.check(&received, self.behaviour().capabilities, self.options.digests)?;
        self.stage(ask, id, received.content)?;
        let mut answer = answer::plain(StatusCode::CREATED);
        match guards.md5 {
            Some(md5) => answer::put_md5(&mut answer, name::CONTENT_MD5, md5),
            None => answer::put_crc64(&mut answer, received.crc64),
        }
        answer::put_text(&mut answer, name::REQUEST_SERVER_ENCRYPTED, "true");
        Ok(answer)
    }

    pub(crate) fn stage(&self, ask: &Ask, id: Box<[u8]>, content: Content) -> Result<(), Refusal> {
        let now = self.now();
        self.container(ask)?.change(ask.name()?, now, |entry| {
            if entry.pending.is_some() {
                return Err(refusal::PENDING_COPY_OPERATION.into());
            }
            entry.lease.allows(ask.lease(), Of::Blob, now)?;
            if entry.base.as_ref().is_some_and(|there| there.kind != Kind::Block) {
                return Err(refusal::INVALID_BLOB_TYPE.into());
            }
            if entry.base.as_ref().is_some_and(|there| there.is_archived(now)) {
                return Err(refusal::BLOB_ARCHIVED.into());
            }
            let staged = entry.staged.get_or_insert_with(|| Box::new(Staged::new(now)));
            Ok(staged.add(id, content, now)?)
        })
    }
}

pub(crate) fn block_id(ask: &Ask) -> Result<Box<[u8]>, Refusal> {
    let text = ask.query("blockid").ok_or(refusal::MISSING_REQUIRED_QUERY_PARAMETER)?;
    Ok(staged::block_id(text)?)
}
