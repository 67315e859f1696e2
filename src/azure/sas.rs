//! A shared access signature for one container or one snapshot, to read, for a short while: what lets
//! Azure read the source of a copy. Pure.
//!
//! It is made for each copy: it costs two microseconds, less than to keep one right.
//! <https://learn.microsoft.com/rest/api/storageservices/create-service-sas>

use time::{Duration, OffsetDateTime};

use super::credential::AccountKey;
use super::names::BlobPath;
use super::{dates, encoding};

/// The first version with today's text to sign.
const SAS_VERSION: &str = "2020-12-06";

/// A copy begins when it is asked for; this covers retries and clocks that differ.
const LIFETIME: Duration = Duration::hours(1);

/// What is read.
pub(super) struct Grant<'a> {
    pub(super) account: &'a str,
    pub(super) path: &'a BlobPath,
    pub(super) snapshot: Option<&'a str>,
    pub(super) https_only: bool,
}

impl Grant<'_> {
    /// The query text that allows it. A snapshot's name is not in it.
    pub(super) fn query(&self, key: &AccountKey, now: OffsetDateTime) -> String {
        let expiry = dates::sas_date(now + LIFETIME);
        let signature = key.sign(&self.text(&expiry));
        let protocol = if self.https_only { "&spr=https" } else { "" };
        format!(
            "sv={SAS_VERSION}{protocol}&se={}&sr={}&sp=r&sig={}",
            encoding::encode(&expiry),
            self.resource(),
            encoding::encode(&signature)
        )
    }

    /// A container's token is good for all blobs in it, but for no snapshot.
    fn resource(&self) -> &'static str {
        if self.snapshot.is_some() { "bs" } else { "c" }
    }

    fn text(&self, expiry: &str) -> String {
        let container = &self.path.container;
        let mut name = format!("/blob/{}/{container}", self.account);
        if self.snapshot.is_some() {
            name.push('/');
            name.push_str(self.path.blob.as_str());
        }
        let protocol = if self.https_only { "https" } else { "" };
        let snapshot = self.snapshot.unwrap_or_default();
        let resource = self.resource();
        // Permission, start, expiry, resource, identifier, addresses, protocol, version, kind of the
        // resource, snapshot, encryption scope, and five response headers.
        format!(
            "r\n\n{expiry}\n{name}\n\n\n{protocol}\n{SAS_VERSION}\n{resource}\n{snapshot}\n\n\n\n\n\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::azure::{BlobName, ContainerName};

    fn path() -> BlobPath {
        BlobPath::new(ContainerName::parse("photos").unwrap(), BlobName::new("a/b c"))
    }

    #[test]
    fn a_container_is_read_by_its_name_alone() {
        let grant = Grant { account: "acc", path: &path(), snapshot: None, https_only: true };
        assert_eq!(
            grant.text("2026-11-22T04:00:00Z"),
            "r\n\n2026-11-22T04:00:00Z\n/blob/acc/photos\n\n\nhttps\n2020-12-06\nc\n\n\n\n\n\n\n"
        );
    }

    #[test]
    fn a_snapshot_has_a_token_of_its_own() {
        let snapshot = "2026-11-22T03:00:00.1234567Z";
        let path = path();
        let grant =
            Grant { account: "acc", path: &path, snapshot: Some(snapshot), https_only: false };
        assert_eq!(
            grant.text("E"),
            format!("r\n\nE\n/blob/acc/photos/a/b c\n\n\n\n2020-12-06\nbs\n{snapshot}\n\n\n\n\n\n")
        );
    }

    #[test]
    fn the_token_is_query_text() {
        let key = AccountKey::from_base64("a2V5").unwrap();
        let grant = Grant { account: "acc", path: &path(), snapshot: None, https_only: true };
        let query = grant.query(&key, datetime!(2026-11-22 03:00 UTC));
        let (head, signature) = query.split_once("&sig=").unwrap();
        assert_eq!(head, "sv=2020-12-06&spr=https&se=2026-11-22T04%3A00%3A00Z&sr=c&sp=r");
        assert!(signature.ends_with("%3D") && !signature.contains(['+', '/', '=']), "{signature}");
    }
}
