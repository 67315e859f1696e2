//! What a listing of S3's says of an object, taken from what a listing of Azure's says of its blob, and
//! nothing else of it: neither user metadata nor tags, headers or grants are looked at.

use std::borrow::Cow;

use data_encoding::HEXLOWER;
use time::OffsetDateTime;

use crate::azure;
use crate::mapping::commit_id::CommitId;
use crate::mapping::metadata::{self, ChecksumKind};
use crate::mapping::storage_class::StorageClass;
use crate::mapping::walk;
use crate::s3::checksum::ChecksumAlgorithm;

/// An object, as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedObject {
    /// Its ETag.
    pub etag: ListedETag,
    /// When it was written.
    pub modified: OffsetDateTime,
    /// Its bytes.
    pub size: u64,
    /// By what, and of what, its checksum was computed.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    /// The canonical id of its owner, if that was asked for; none for a blob that no gateway wrote.
    pub owner: Option<Box<str>>,
    /// Its class.
    pub class: StorageClass,
    /// It is on its way back from the archive.
    pub restoring: bool,
}

/// An S3 ETag without its quotes: most are the MD5 of the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListedETag {
    /// In lower-case hex.
    Md5([u8; 16]),
    /// As it is.
    Text(Box<str>),
}

/// Whether owners are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owners {
    /// They are.
    Wanted,
    /// They are not.
    Unwanted,
}

impl ListedETag {
    /// Shows it to `show`.
    pub fn with<R>(&self, show: impl FnOnce(&str) -> R) -> R {
        match self {
            Self::Text(text) => show(text),
            Self::Md5(md5) => {
                let mut text = [0; 32];
                HEXLOWER.encode_mut(md5, &mut text);
                show(std::str::from_utf8(&text).unwrap_or_default())
            }
        }
    }
}

impl ListedObject {
    /// What is said of a blob.
    pub fn of(blob: &azure::ListedBlob<'_>, owners: Owners) -> Self {
        let properties = &blob.properties;
        let size = properties.content_length.unwrap_or_default();
        let rows = Rows::of(&blob.metadata);
        // As in `ObjectFacts`: a write says the length that it had; without one, or with another,
        // nothing counts that was computed from its bytes.
        let is_fresh = rows.length.and_then(|length| length.parse().ok()) == Some(size);
        let fresh = |row: Option<&_>| row.filter(|_| is_fresh).copied();
        let commit = fresh(rows.commit.as_ref()).and_then(CommitId::parse);
        let checksum = fresh(rows.checksum.as_ref()).and_then(metadata::read_checksum);
        let owner = rows.owner.filter(|_| owners == Owners::Wanted).and_then(metadata::read_text);
        let class = rows.class.and_then(StorageClass::known);
        Self {
            etag: fresh(rows.etag.as_ref())
                .map_or_else(|| etag_of(properties), |etag| ListedETag::Text(etag.into())),
            modified: commit.map_or_else(|| properties.last_modified(), |commit| commit.time()),
            size,
            checksum: checksum.map(|checksum| (checksum.value.algorithm(), checksum.kind)),
            owner: owner.map(String::into_boxed_str),
            class: StorageClass::of(class, properties.tier.as_ref()),
            restoring: !properties.archive_status.is_empty(),
        }
    }
}

/// The rows of a blob's metadata that a listing looks at.
#[derive(Default)]
struct Rows<'a> {
    commit: Option<&'a str>,
    length: Option<&'a str>,
    owner: Option<&'a str>,
    etag: Option<&'a str>,
    checksum: Option<&'a str>,
    class: Option<&'a str>,
}

impl<'a> Rows<'a> {
    fn of(metadata: &'a [(&str, Cow<'_, str>)]) -> Self {
        let mut rows = Self::default();
        for (name, value) in metadata {
            // Azure compares names without case, and keeps the case in which they were written: ours are
            // lower.
            if !rows.set(name, value) && name.bytes().any(|byte| byte.is_ascii_uppercase()) {
                rows.set(&name.to_ascii_lowercase(), value);
            }
        }
        rows
    }

    /// Whether it is one of those.
    fn set(&mut self, name: &str, value: &'a str) -> bool {
        let row = match name {
            metadata::COMMIT => &mut self.commit,
            metadata::LENGTH => &mut self.length,
            metadata::OWNER => &mut self.owner,
            metadata::ETAG => &mut self.etag,
            metadata::CHECKSUM => &mut self.checksum,
            metadata::CLASS => &mut self.class,
            _ => return false,
        };
        *row = Some(value);
        true
    }
}

/// The ETag of a blob whose write said none.
fn etag_of(properties: &azure::ListedProperties<'_>) -> ListedETag {
    properties.content_md5().map_or_else(
        || {
            let etag = azure::AzureETag::new(&properties.etag);
            ListedETag::Text(metadata::derived_etag(&etag).into())
        },
        ListedETag::Md5,
    )
}

/// A page of Azure's as the walk takes it, which has `asked` for so many entries.
pub fn answer(
    page: &azure::ListingPage,
    owners: Owners,
    asked: u32,
) -> Result<walk::Answer<ListedObject>, azure::BlobError> {
    let asked = usize::try_from(asked).unwrap_or(usize::MAX);
    let mut entries = Vec::with_capacity(asked.min(page.entries_max()));
    let next_marker = page.read(|entry| {
        entries.push(match entry {
            azure::Listed::Blob(blob) => walk::Listed::Blob {
                name: Cow::clone(&blob.name).into_owned(),
                blob: ListedObject::of(blob, owners),
            },
            azure::Listed::Prefix(prefix) => walk::Listed::Prefix(prefix.into_owned()),
        });
    })?;
    Ok(walk::Answer { entries, next_marker })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::select;
    use time::macros::datetime;

    use super::{ListedObject, Owners, answer};
    use crate::azure::ListingPage;
    use crate::mapping::commit_id::CommitId;
    use crate::mapping::metadata::{ObjectFacts, etag_of, last_modified};
    use crate::mapping::walk::Listed;

    /// What the whole reading of a blob says, as answers to GET and HEAD have it.
    fn reference(properties: &crate::azure::Properties) -> ListedObject {
        let facts = ObjectFacts::read(properties);
        let checksum = facts.checksum.map(|found| (found.value.algorithm(), found.kind));
        ListedObject {
            etag: super::ListedETag::Text(etag_of(&facts, properties).into()),
            modified: last_modified(&facts, properties),
            size: properties.content_length,
            checksum,
            class: facts.storage_class,
            owner: facts.owner.map(Into::into),
            restoring: properties.archive_status.is_some(),
        }
    }

    fn metadata() -> impl Strategy<Value = Vec<(String, String)>> {
        let commit = CommitId::new(datetime!(2026-11-22 03:05:08.5 UTC), [7; 12]).to_string();
        let name = select(vec![
            "bluebucketcommit",
            "bluebucketlength",
            "BlueBucketLength",
            "bluebucketowner",
            "bluebucketetag",
            "bluebucketchecksum",
            "BLUEBUCKETCLASS",
            "bluebucketclass",
            "bluebuckettags",
            "bluebucketm_a",
            "mine",
        ]);
        let value = prop_oneof![
            Just(commit),
            select(vec![
                "7",
                "8",
                "UTF-8''%C3%A9",
                "UTF-8''%FF",
                "owner",
                "0123456789abcdef0123456789abcdef-3",
                "CRC32 FULL_OBJECT AAAAAA==",
                "SHA256 COMPOSITE 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=-2",
                "GLACIER",
                "ONEZONE_IA",
                "nonsense",
            ])
            .prop_map(str::to_owned),
        ];
        vec((name.prop_map(str::to_owned), value), 0..12)
    }

    fn page(properties: &[(&str, &str)], metadata: &[(String, String)]) -> ListingPage {
        let element = |name: &str, value: &str| format!("<{name}>{value}</{name}>");
        let properties: String = properties.iter().map(|row| element(row.0, row.1)).collect();
        let metadata: String = metadata.iter().map(|row| element(&row.0, &row.1)).collect();
        ListingPage::new(Bytes::from(format!(
            "<EnumerationResults><Blobs><Blob><Name>a</Name><Properties>{properties}</Properties>\
             <Metadata>{metadata}</Metadata></Blob></Blobs><NextMarker/></EnumerationResults>"
        )))
    }

    proptest! {
        #[test]
        fn a_line_says_what_the_object_says(
            rows in metadata(),
            md5 in option::of(Just(("Content-MD5", "XUFAKrxLKna5cZ2REBfFkg=="))),
            tier in option::of(select(vec!["Hot", "Cool", "Cold", "Archive", "P10"])),
            status in option::of(Just(("ArchiveStatus", "rehydrate-pending-to-hot"))),
            kind in option::of(Just(("Content-Type", "text/plain"))),
            length in select(vec!["0", "7"]),
        ) {
            let mut properties = vec![("Etag", "0x8D"), ("Content-Length", length)];
            properties.push(("Last-Modified", "Sun, 22 Nov 2026 03:05:08 GMT"));
            properties.extend(md5.into_iter().chain(status).chain(kind));
            properties.extend(tier.map(|tier| ("AccessTier", tier)));
            let page = page(&properties, &rows);
            let mut whole = None;
            page.read(|entry| {
                let crate::azure::Listed::Blob(blob) = entry else { panic!("{entry:?}") };
                whole = Some(blob.entry());
            }).unwrap();
            let expected = reference(&whole.unwrap().properties);
            let read = answer(&page, Owners::Wanted, 5000).unwrap();
            let [Listed::Blob { name, blob }] = read.entries.as_slice() else { panic!("{read:?}") };
            prop_assert_eq!(name, "a");
            let etag = blob.etag.with(str::to_owned);
            let blob = ListedObject { etag: super::ListedETag::Text(etag.into()), ..blob.clone() };
            prop_assert_eq!(&blob, &expected);
            let read = answer(&page, Owners::Unwanted, 5000).unwrap();
            let owners = read.entries.iter().filter(
                |entry| matches!(entry, Listed::Blob { blob, .. } if blob.owner.is_some()));
            prop_assert_eq!(owners.count(), 0);
        }
    }

    #[test]
    fn a_page_that_is_none_is_an_error() {
        let page = ListingPage::new(Bytes::from_static(b"<EnumerationResults><Blobs>"));
        assert!(answer(&page, Owners::Unwanted, 5000).is_err());
    }
}
