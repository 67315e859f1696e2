//! What must be true for a request to be done: evaluated by Azure, on the call that does it.

use http::HeaderMap;
use time::OffsetDateTime;

use super::error::BlobError;
use super::names::{AzureETag, LeaseId};
use super::{dates, headers};

/// Conditions on the blob that a request reads or replaces. None: always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// It has this ETag.
    pub if_match: Option<AzureETag>,
    /// It is not there, or has another ETag.
    pub if_none_match: Option<IfNoneMatch>,
    /// It has changed since.
    pub if_modified_since: Option<OffsetDateTime>,
    /// It has not changed since.
    pub if_unmodified_since: Option<OffsetDateTime>,
    /// It is leased by this lease.
    pub lease: Option<LeaseId>,
}

/// What must not be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IfNoneMatch {
    /// Any blob.
    Any,
    /// A blob with this ETag.
    ETag(AzureETag),
}

impl Conditions {
    /// The blob has this ETag.
    pub fn if_match(etag: AzureETag) -> Self {
        Self { if_match: Some(etag), ..Self::default() }
    }

    /// There is no such blob.
    pub fn if_absent() -> Self {
        Self { if_none_match: Some(IfNoneMatch::Any), ..Self::default() }
    }

    pub(super) fn write(&self, into: &mut HeaderMap) -> Result<(), BlobError> {
        let none_match = self.if_none_match.as_ref().map(|none_match| match none_match {
            IfNoneMatch::Any => "*",
            IfNoneMatch::ETag(etag) => etag.as_str(),
        });
        headers::put_some(into, "if-match", self.if_match.as_ref().map(AzureETag::as_str))?;
        headers::put_some(into, "if-none-match", none_match)?;
        let since = self.if_modified_since.map(dates::http_date);
        headers::put_some(into, "if-modified-since", since.as_deref())?;
        let since = self.if_unmodified_since.map(dates::http_date);
        headers::put_some(into, "if-unmodified-since", since.as_deref())?;
        headers::put_some(into, "x-ms-lease-id", self.lease.as_ref().map(LeaseId::as_str))
    }
}
