//! The record of an upload: what came with Create, until Complete gives it to the object.

use data_encoding::BASE64;

use crate::azure;
use crate::mapping::metadata::{ChecksumKind, ObjectFacts};
use crate::mapping::storage_class::StorageClass;
use crate::s3::Error;
use crate::s3::checksum::ChecksumAlgorithm;
use crate::s3::names::ObjectKey;

/// The form of what stands below. Another release may have others, which are refused.
const FORMAT: &str = "bluebucketupload";
const FORMAT_NOW: &str = "1";
const KEY: &str = "bluebucketuploadkey";
/// The record itself lies on no tier, so that the class has to be said.
const CLASS: &str = "bluebucketuploadclass";
const CHECKSUM: &str = "bluebucketuploadchecksum";
const INITIATOR: &str = "bluebucketuploadinitiator";

/// Of what checksums of parts the object's is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PartsChecksum {
    /// Each part has one by this.
    pub algorithm: ChecksumAlgorithm,
    /// The object's is one of the parts' checksums, rather than of the object's bytes.
    pub composite: bool,
}

impl PartsChecksum {
    /// As in `x-amz-checksum-type`.
    pub const fn kind_name(self) -> &'static str {
        if self.composite { COMPOSITE } else { ChecksumKind::FullObject.name() }
    }

    fn read(text: &str) -> Option<Self> {
        let (algorithm, kind) = text.split_once(' ')?;
        let algorithm = ChecksumAlgorithm::parse(algorithm)?;
        Some(Self { algorithm, composite: kind == COMPOSITE })
    }
}

const COMPOSITE: &str = ChecksumKind::Composite { parts: 0 }.name();

/// What a Create said of the object to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The key.
    pub key: ObjectKey,
    /// What the object will be served with.
    pub headers: azure::BlobHeaders,
    /// Owner, class, user metadata; the commit is the upload's own id.
    pub facts: ObjectFacts,
    /// Which checksums are kept.
    pub checksum: Option<PartsChecksum>,
    /// The canonical id of who created the upload.
    pub initiator: Option<String>,
}

impl Record {
    /// As metadata of an empty blob; `MetadataTooLarge` if Azure has no room for it.
    pub fn write(&self) -> Result<azure::Metadata, Error> {
        let mut metadata =
            ObjectFacts { storage_class: StorageClass::Standard, ..self.facts.clone() }.write(0)?;
        let checksum = self
            .checksum
            .map(|checksum| format!("{} {}", checksum.algorithm.name(), checksum.kind_name()));
        let encoded = |text: &str| BASE64.encode(text.as_bytes());
        let rows = [
            (FORMAT, Some(FORMAT_NOW.to_owned())),
            (KEY, Some(encoded(self.key.as_str()))),
            (CLASS, Some(self.facts.storage_class.as_str().to_owned())),
            (CHECKSUM, checksum),
            (INITIATOR, self.initiator.as_deref().map(encoded)),
        ];
        let rows = rows.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        metadata.extend(rows);
        Ok(metadata)
    }

    /// What a record says; nothing if it is none that this release can read.
    pub fn read(properties: &azure::Properties) -> Option<Self> {
        let field = |name: &str| properties.metadata.get(name).map(String::as_str);
        let decoded = |text: &str| String::from_utf8(BASE64.decode(text.as_bytes()).ok()?).ok();
        if field(FORMAT) != Some(FORMAT_NOW) {
            return None;
        }
        let class = field(CLASS).and_then(|class| StorageClass::parse(class).ok());
        let mut facts = ObjectFacts::read(properties);
        facts.storage_class = class.unwrap_or_default();
        Some(Self {
            key: ObjectKey::parse(&decoded(field(KEY)?)?).ok()?,
            headers: azure::BlobHeaders { content_md5: None, ..properties.headers.clone() },
            facts,
            checksum: field(CHECKSUM).and_then(PartsChecksum::read),
            initiator: field(INITIATOR).and_then(decoded),
        })
    }

    /// About how many bytes it takes in memory.
    pub fn weight(&self) -> usize {
        let user: usize =
            self.facts.user.iter().map(|(name, value)| name.len() + value.len()).sum();
        size_of::<Self>() + self.key.as_str().len() + user + 1024
    }
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use proptest::sample::select;
    use time::macros::datetime;

    use super::{PartsChecksum, Record};
    use crate::azure::{AzureETag, BlobHeaders, BlobKind, Metadata, Properties, Tier};
    use crate::mapping::commit_id::CommitId;
    use crate::mapping::metadata::ObjectFacts;
    use crate::mapping::storage_class::StorageClass;
    use crate::mapping::user_metadata::UserMetadata;
    use crate::s3::checksum::ChecksumAlgorithm;
    use crate::s3::names::ObjectKey;

    fn blob(metadata: Metadata) -> Properties {
        Properties {
            etag: AzureETag::new("0x8DC"),
            last_modified: datetime!(2026-11-22 03:05:08 UTC),
            content_length: 0,
            headers: BlobHeaders::default(),
            metadata,
            kind: BlobKind::Block,
            tier: Some(Tier::Hot),
            archive_status: None,
            leased: false,
        }
    }

    #[test]
    fn the_largest_record_finds_room() {
        let name = |at: u32| format!("{at:03}-");
        let user = UserMetadata::new((0..400).map(|at| (name(at), b"\xFF".to_vec()))).unwrap();
        let record = Record {
            key: ObjectKey::parse(&"\u{e9}".repeat(512)).unwrap(),
            headers: BlobHeaders::default(),
            facts: ObjectFacts {
                redirect: Some(format!("/{}", "r".repeat(2000))),
                owner: Some("o".repeat(64)),
                user,
                ..ObjectFacts::default()
            },
            checksum: None,
            initiator: Some("i".repeat(64)),
        };
        let metadata = record.write().unwrap();
        let size: usize = metadata.iter().map(|(name, value)| name.len() + value.len() + 14).sum();
        assert!(size <= 8192, "{size}");
        assert_eq!(Record::read(&blob(metadata)), Some(record));
    }

    proptest! {
        #[test]
        fn records_come_back(
            key in "\\PC{1,100}", random in any::<[u8; 12]>(), initiator in any::<Option<String>>(),
            algorithm in option::of(select(ChecksumAlgorithm::ALL.to_vec())), composite in any::<bool>(),
            class in select(StorageClass::ALL.to_vec()),
        ) {
            let at = datetime!(2026-11-22 03:05:08 UTC);
            let facts = ObjectFacts {
                commit: Some(CommitId::new(at, random)),
                storage_class: class,
                ..ObjectFacts::default()
            };
            let checksum = algorithm.map(|algorithm| PartsChecksum { algorithm, composite });
            let key = ObjectKey::parse(&key).unwrap();
            let headers = BlobHeaders::default();
            let record = Record { key, headers, facts, checksum, initiator };
            let metadata = record.write().unwrap();
            prop_assert!(metadata.values().all(|value| value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')));
            prop_assert_eq!(Record::read(&blob(metadata)), Some(record));
        }
    }
}
