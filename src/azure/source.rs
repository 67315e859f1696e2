//! The source of a server-side copy, and what lets Azure read it: even inside one account and with its
//! own key, Azure wants to be shown a right to the source.

use http::{HeaderMap, HeaderName};
use time::OffsetDateTime;

use super::credential::Credential;
use super::error::{BlobError, Kind};
use super::names::{AzureETag, BlobPath};
use super::sas::Grant;
use super::store::BlobStore;
use super::{encoding, headers, wire};

/// What `x-ms-copy-source` holds.
/// <https://learn.microsoft.com/rest/api/storageservices/put-block-from-url#request-headers>
const SOURCE_BYTES_MAX: usize = 2 * 1024;

/// A blob, or a snapshot of one, that Azure is to copy from. The store that it came from authorises
/// it, anew for each attempt.
#[derive(Clone, Debug)]
pub struct Source {
    store: BlobStore,
    path: BlobPath,
    snapshot: Option<String>,
    if_match: Option<AzureETag>,
}

impl Source {
    /// The same, but only while it has this ETag.
    #[must_use]
    pub fn if_match(mut self, etag: AzureETag) -> Self {
        self.if_match = Some(etag);
        self
    }

    /// Says where the source is and by what right it is read.
    pub(super) async fn authorise(
        &self,
        into: &mut HeaderMap,
        now: OffsetDateTime,
    ) -> Result<(), BlobError> {
        headers::put(into, "x-ms-copy-source", &self.address(now)?)?;
        let etag = self.if_match.as_ref().map(AzureETag::as_str);
        headers::put_some(into, "x-ms-source-if-match", etag)?;
        if let Credential::Token(credential) = &self.store.shared.account.credential {
            let name = HeaderName::from_static("x-ms-copy-source-authorization");
            into.insert(name, wire::bearer(&**credential).await?);
        }
        Ok(())
    }

    fn address(&self, now: OffsetDateTime) -> Result<String, BlobError> {
        let shared = &self.store.shared;
        let snapshot = self.snapshot.as_deref();
        let mut address = format!(
            "{}{}{}",
            shared.endpoint.origin,
            shared.endpoint.root,
            encoding::path_of(&self.path)
        );
        let mut mark = '?';
        let mut add = |query: &str| {
            address.push(mark);
            address.push_str(query);
            mark = '&';
        };
        if let Some(snapshot) = snapshot {
            add(&format!("snapshot={}", encoding::encode(snapshot)));
        }
        match &shared.account.credential {
            Credential::SharedKey(key) => {
                let account = &shared.account.name;
                let https_only = shared.endpoint.https;
                let grant = Grant { account, path: &self.path, snapshot, https_only };
                add(&grant.query(key, now));
            }
            Credential::Sas(sas) => add(sas.query()),
            Credential::Token(_) | Credential::Anonymous => {}
        }
        if address.len() > SOURCE_BYTES_MAX {
            let why = "the source's address is longer than Azure takes";
            return Err(BlobError::refused_here(Kind::NotSupported, why));
        }
        Ok(address)
    }
}

impl BlobStore {
    /// The blob at `path`, or a snapshot of it, as the source of a copy, here or in another account.
    pub fn source(&self, path: &BlobPath, snapshot: Option<&str>) -> Source {
        Source {
            store: self.clone(),
            path: path.clone(),
            snapshot: snapshot.map(str::to_owned),
            if_match: None,
        }
    }
}
