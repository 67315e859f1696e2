//! What a bucket has been told: policy, ACL, CORS, lifecycle, ..., as typed documents.
//!
//! All of a bucket's documents are in one record of the system container, see
//! [`crate::mapping::documents`]. Its container says whether there may be one, so that a bucket
//! without documents costs no request; one with documents costs one read for each time to live.
//!
//! ```text
//! bucket.document::<Cors>()?                     what is believed, with the bucket, at no cost
//! gateway.document_now::<Cors>(&bucket).await?   what holds now: for the operations that show it
//! gateway.delete_document::<Cors>(&bucket).await?
//! gateway.change_documents(&bucket, |draft| ..)  puts one or several; guarded by ETag, tried again
//!                                                when another was faster
//! ```

mod cache;
mod change;

use std::any::Any;
use std::sync::{Arc, OnceLock};

pub(super) use cache::{DocumentCache, load};
pub(super) use change::{Draft, after_deletion, discard, put_new};

use crate::azure::AzureETag;
use crate::mapping::documents::{DocumentName, Sheet};
use crate::s3::{Code, Error};

/// One kind of document.
pub(super) trait Document: Any + Send + Sync + Sized {
    /// Its name in the record.
    const NAME: DocumentName;

    /// Reads what [`Document::write`] wrote. An error is a fault of ours, whatever code it has.
    fn read(text: &str) -> Result<Self, Error>;

    /// As text, to keep.
    fn write(&self) -> String;
}

/// All documents of a bucket, as one state of its record.
#[derive(Debug, Default)]
pub(super) struct Documents {
    /// Of the record; none if there is no record.
    etag: Option<AzureETag>,
    sheet: Sheet,
    /// What has been read of it already, by [`DocumentName`].
    read: [OnceLock<Arc<dyn Any + Send + Sync>>; DocumentName::ALL.len()],
}

impl Documents {
    fn new(etag: AzureETag, sheet: Sheet) -> Self {
        Self { etag: Some(etag), sheet, ..Self::default() }
    }

    /// One of them, if the bucket has it. It is parsed once.
    pub(super) fn get<D: Document>(&self) -> Result<Option<Arc<D>>, Error> {
        let Some(text) = self.sheet.get(D::NAME) else { return Ok(None) };
        let known = self.read.get(D::NAME as usize).and_then(OnceLock::get);
        if let Some(known) = known {
            return Arc::clone(known).downcast().map(Some).map_err(|_other| unreadable::<D>());
        }
        let document = D::read(text).map_err(|fault| unreadable::<D>().caused_by(fault))?;
        let document = Arc::new(document);
        if let Some(slot) = self.read.get(D::NAME as usize) {
            // Who was faster has read the same.
            drop(slot.set(Arc::<D>::clone(&document)));
        }
        Ok(Some(document))
    }

    /// About how much memory it takes, what was read of it included.
    fn weight(&self) -> u32 {
        const BYTES_MIN: usize = 512;
        const TIMES: usize = 3;
        u32::try_from(self.sheet.bytes().saturating_mul(TIMES).saturating_add(BYTES_MIN))
            .unwrap_or(u32::MAX)
    }
}

/// A document that this release cannot read is refused, never taken to be absent: it may deny.
fn unreadable<D: Document>() -> Error {
    let name = D::NAME.text();
    Error::new(Code::InternalError)
        .caused_by(format!("the bucket's document {name:?} cannot be read by this release"))
}
