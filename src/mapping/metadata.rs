//! What S3 knows of an object and Azure has no place of its own for, as metadata of the blob.
//!
//! Operations never see a name of Azure's metadata: they fill [`ObjectFacts`] and write it with the
//! blob, and read it back from the blob's properties. What was computed from the bytes (ETag,
//! checksum, parts) and the commit id count only while the blob has the length that it had then: a
//! tool may have put other bytes in its place and carried the metadata along.

use std::fmt;

use data_encoding::HEXLOWER;
use md5::{Digest as _, Md5};
use time::OffsetDateTime;

use crate::azure;
use crate::mapping::commit_id::CommitId;
use crate::mapping::storage_class::StorageClass;
use crate::mapping::user_metadata::{UserMetadata, decode_value, encode_value, size};
use crate::s3::checksum::{Checksum, ChecksumAlgorithm};
use crate::s3::tags::{Limit, Tags};
use crate::s3::{Code, Error};

/// All that Azure has room for in a blob's metadata, in bytes.
/// <https://learn.microsoft.com/rest/api/storageservices/setting-and-retrieving-properties-and-metadata-for-blob-resources>
const AZURE_BYTES_MAX: usize = 8192;
/// What is the gateway's of it: what changes after the write must still find room.
const OUR_BYTES: usize = 2048;
/// The longest ACL that stays in the metadata, in bytes.
const ACL_BYTES_MAX: usize = 1500;
/// Rows that may lie in a record of their own.
const MOVABLE: [&str; 2] = [ACL, TAGS];

pub(super) const COMMIT: &str = "bluebucketcommit";
pub(super) const LENGTH: &str = "bluebucketlength";
pub(super) const OWNER: &str = "bluebucketowner";
const ACL: &str = "bluebucketacl";
const TAGS: &str = "bluebuckettags";
const ANNEX: &str = "bluebucketannex";
pub(super) const ETAG: &str = "bluebucketetag";
pub(super) const CHECKSUM: &str = "bluebucketchecksum";
const PARTS: &str = "bluebucketparts";
const EXPIRES: &str = "bluebucketexpires";
pub(super) const CLASS: &str = "bluebucketclass";
const REDIRECT: &str = "bluebucketredirect";

/// What one write of an object says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectFacts {
    /// The write. None for a blob that no gateway wrote, or that was changed behind it.
    pub commit: Option<CommitId>,
    /// The canonical id of the object's owner.
    pub owner: Option<String>,
    /// The grants on it, where they are others than that its owner has all rights.
    pub acl: Option<String>,
    /// Its tags.
    pub tags: Tags,
    /// The record of the two above, where the metadata has no room for them. See [`super::annex`].
    pub annex: Option<CommitId>,
    /// The S3 ETag (without quotes), where it is not the MD5 that Azure keeps.
    pub etag: Option<String>,
    /// The checksum that the client gave or asked for.
    pub checksum: Option<ObjectChecksum>,
    /// Of what parts the object is, where a few words can tell.
    pub parts: Option<PartTable>,
    /// `Expires`, as it was sent.
    pub expires: Option<String>,
    /// The class that was asked for.
    pub storage_class: StorageClass,
    /// `x-amz-website-redirect-location`.
    pub redirect: Option<String>,
    /// `x-amz-meta-*`.
    pub user: UserMetadata,
}

/// A checksum of an object, and of what it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectChecksum {
    /// Algorithm and value.
    pub value: Checksum,
    /// Of what it was computed.
    pub kind: ChecksumKind,
}

/// What a checksum was computed of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChecksumKind {
    /// The object's bytes.
    FullObject,
    /// The checksums of its parts, of which there are so many.
    Composite {
        /// What stands behind the `-` of the value.
        parts: u32,
    },
}

impl ChecksumKind {
    /// As in `x-amz-checksum-type`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FullObject => "FULL_OBJECT",
            Self::Composite { .. } => "COMPOSITE",
        }
    }
}

impl ObjectChecksum {
    /// The value as headers and documents have it.
    pub fn text(&self) -> String {
        match self.kind {
            ChecksumKind::FullObject => self.value.base64(),
            ChecksumKind::Composite { parts } => format!("{}-{parts}", self.value.base64()),
        }
    }
}

/// The parts of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartTable {
    /// How many there are.
    pub count: u32,
    /// Bytes of all but the last, if they have one size; else the blob's list of blocks tells.
    pub size: Option<u64>,
}

impl ObjectFacts {
    /// What `properties` say.
    pub fn read(properties: &azure::Properties) -> Self {
        let metadata = &properties.metadata;
        let field = |name: &str| metadata.get(name).map(String::as_str);
        let text = |name: &str| field(name).and_then(read_text);
        // A write says the length that it had; without one, or with another, nothing counts.
        let length = field(LENGTH).and_then(|length| length.parse::<u64>().ok());
        let fresh = |name: &str| field(name).filter(|_| length == Some(properties.content_length));
        let class = field(CLASS).and_then(StorageClass::known);
        Self {
            commit: fresh(COMMIT).and_then(CommitId::parse),
            owner: text(OWNER),
            acl: text(ACL),
            tags: field(TAGS).and_then(read_tags).unwrap_or_default(),
            annex: annex_of(metadata),
            etag: fresh(ETAG).map(str::to_owned),
            checksum: fresh(CHECKSUM).and_then(read_checksum),
            parts: fresh(PARTS).and_then(read_parts),
            expires: text(EXPIRES),
            storage_class: StorageClass::of(class, properties.tier.as_ref()),
            redirect: text(REDIRECT),
            user: UserMetadata::read(metadata),
        }
    }

    /// The rows of the metadata that may lie in a record of their own.
    pub fn movable(&self) -> azure::Metadata {
        let acl = self.acl.as_ref().map(|acl| encode_value(acl.as_bytes()));
        let tags = (!self.tags.is_empty()).then(|| self.tags.text());
        let rows = MOVABLE.into_iter().zip([acl, tags]);
        rows.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }

    /// Is there room for all of it in the metadata, and for `spare` bytes more?
    pub fn fits(&self, spare: usize) -> bool {
        let all = self.write(u64::MAX).ok();
        all.is_some_and(|all| is_short(&all) && size(&all) + spare <= AZURE_BYTES_MAX)
    }

    /// As metadata of a blob of `length` bytes; `MetadataTooLarge` if Azure has no room for it. What
    /// lies in a record is named, not written.
    pub fn write(&self, length: u64) -> Result<azure::Metadata, Error> {
        let encoded =
            |text: &Option<String>| text.as_ref().map(|text| encode_value(text.as_bytes()));
        let class = self.storage_class;
        let rows = [
            (COMMIT, self.commit.as_ref().map(ToString::to_string)),
            (LENGTH, Some(length.to_string())),
            (OWNER, encoded(&self.owner)),
            (ANNEX, self.annex.as_ref().map(ToString::to_string)),
            (ETAG, self.etag.clone()),
            (CHECKSUM, self.checksum.map(|checksum| checksum.to_string())),
            (PARTS, self.parts.map(|parts| parts.to_string())),
            (EXPIRES, encoded(&self.expires)),
            // Get Blob does not say the tier, so it cannot tell the class either.
            (CLASS, (class != StorageClass::Standard).then(|| class.as_str().to_owned())),
            (REDIRECT, encoded(&self.redirect)),
        ];
        let ours = rows.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let mut metadata: azure::Metadata = ours.collect();
        if self.annex.is_none() {
            metadata.extend(self.movable());
        }
        let budget = AZURE_BYTES_MAX.saturating_sub(size(&metadata).max(OUR_BYTES));
        let user = self.user.write(budget).ok_or_else(|| Error::new(Code::MetadataTooLarge))?;
        metadata.extend(user);
        check_size(&metadata)?;
        Ok(metadata)
    }
}

/// The metadata of a blob with another ACL, whether there is room for it or not.
pub fn with_acl(properties: &azure::Properties, acl: Option<String>) -> azure::Metadata {
    with(properties, ACL, acl.map(|acl| encode_value(acl.as_bytes())))
}

/// The metadata of a blob with other tags, whether there is room for them or not.
pub fn with_tags(properties: &azure::Properties, tags: &Tags) -> azure::Metadata {
    with(properties, TAGS, (!tags.is_empty()).then(|| tags.text()))
}

/// The metadata of a blob of another class; `MetadataTooLarge` if Azure has no room for it.
pub fn with_class(
    properties: &azure::Properties,
    class: StorageClass,
) -> Result<azure::Metadata, Error> {
    let text = (class != StorageClass::Standard).then(|| class.as_str().to_owned());
    let metadata = with(properties, CLASS, text);
    check_size(&metadata)?;
    Ok(metadata)
}

/// The record that a blob names.
pub fn annex_of(metadata: &azure::Metadata) -> Option<CommitId> {
    metadata.get(ANNEX).and_then(|id| CommitId::parse(id))
}

/// Names a record.
pub fn name_annex(metadata: &mut azure::Metadata, id: &CommitId) {
    metadata.insert(ANNEX.to_owned(), id.to_string());
}

/// Takes out what may lie in a record, if there is no room for it; a record that was named is not any
/// longer.
pub fn take_movable(metadata: &mut azure::Metadata) -> Option<azure::Metadata> {
    metadata.remove(ANNEX);
    if is_short(metadata) && size(metadata) <= AZURE_BYTES_MAX {
        return None;
    }
    let rows: azure::Metadata =
        MOVABLE.iter().filter_map(|name| metadata.remove_entry(*name)).collect();
    (!rows.is_empty()).then_some(rows)
}

/// Puts the rows of a record where they would be if there were room.
pub fn put_movable(metadata: &mut azure::Metadata, rows: azure::Metadata) {
    metadata.extend(rows.into_iter().filter(|(name, _)| MOVABLE.contains(&name.as_str())));
}

/// `MetadataTooLarge` if Azure has no room for it.
pub fn check_size(metadata: &azure::Metadata) -> Result<(), Error> {
    if size(metadata) > AZURE_BYTES_MAX {
        return Err(Error::new(Code::MetadataTooLarge));
    }
    Ok(())
}

fn is_short(metadata: &azure::Metadata) -> bool {
    metadata.get(ACL).is_none_or(|acl| acl.len() <= ACL_BYTES_MAX)
}

/// The metadata of a blob with another value of one field. Azure's ETag and time change with it;
/// S3's do not, so what was derived from them of a blob that no gateway wrote is kept from now on.
fn with(properties: &azure::Properties, name: &str, value: Option<String>) -> azure::Metadata {
    let facts = ObjectFacts::read(properties);
    let mut metadata = properties.metadata.clone();
    if facts.commit.is_none() {
        // What is of other bytes must not come to count again.
        for name in [ETAG, CHECKSUM, PARTS] {
            metadata.remove(name);
        }
        let seed = Md5::digest(properties.etag.as_str().as_bytes());
        let random = seed.first_chunk().copied().unwrap_or_default();
        let commit = CommitId::new(properties.last_modified, random);
        metadata.insert(COMMIT.to_owned(), commit.to_string());
        metadata.insert(LENGTH.to_owned(), properties.content_length.to_string());
        if properties.headers.content_md5.is_none() {
            metadata.insert(ETAG.to_owned(), etag_of(&facts, properties));
        }
    }
    match value {
        Some(value) => drop(metadata.insert(name.to_owned(), value)),
        None => drop(metadata.remove(name)),
    }
    metadata
}

/// Has a blob that is on line come back from the archive? It says still that it belongs there. Get Blob
/// tells no tier, but shows nothing of what is archived.
pub fn is_restored(properties: &azure::Properties) -> bool {
    let kept = properties.metadata.get(CLASS).and_then(|class| StorageClass::known(class));
    kept.is_some_and(|kept| kept.tier() == azure::Tier::Archive)
        && properties.tier != Some(azure::Tier::Archive)
}

/// The S3 ETag of a blob, without quotes: what its write said, else the MD5 that Azure has, else one
/// made of Azure's ETag. That one ends in `-1`, so that no client takes it for an MD5.
pub fn etag(properties: &azure::Properties) -> String {
    etag_of(&ObjectFacts::read(properties), properties)
}

/// [`etag`], when the facts have been read already.
pub fn etag_of(facts: &ObjectFacts, properties: &azure::Properties) -> String {
    if let Some(etag) = &facts.etag {
        return etag.clone();
    }
    if let Some(md5) = properties.headers.content_md5 {
        return HEXLOWER.encode(&md5);
    }
    derived_etag(&properties.etag)
}

/// An S3 ETag of what has none of its own.
pub(super) fn derived_etag(etag: &azure::AzureETag) -> String {
    let derived = Md5::digest(etag.as_str().as_bytes());
    format!("{}-1", HEXLOWER.encode(&derived))
}

/// When an object was last modified, to S3: when it was written, whatever was done to its metadata
/// since; for a blob that no gateway wrote, what Azure says.
pub fn last_modified(facts: &ObjectFacts, properties: &azure::Properties) -> OffsetDateTime {
    facts.commit.as_ref().map_or(properties.last_modified, CommitId::time)
}

impl fmt::Display for ObjectChecksum {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {} {}", self.value.algorithm().name(), self.kind.name(), self.text())
    }
}

impl fmt::Display for PartTable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.size {
            Some(size) => write!(out, "{} {size}", self.count),
            None => self.count.fmt(out),
        }
    }
}

/// A text that may have had to be encoded.
pub(super) fn read_text(value: &str) -> Option<String> {
    String::from_utf8(decode_value(value)).ok()
}

fn read_tags(text: &str) -> Option<Tags> {
    Tags::parse(text, Limit::Object).ok()
}

pub(super) fn read_checksum(text: &str) -> Option<ObjectChecksum> {
    let mut words = text.split(' ');
    let algorithm = ChecksumAlgorithm::parse(words.next()?)?;
    let (kind, value) = (words.next()?, words.next()?);
    let (kind, value) = match (kind, value.split_once('-')) {
        ("FULL_OBJECT", None) => (ChecksumKind::FullObject, value),
        ("COMPOSITE", Some((value, parts))) => {
            (ChecksumKind::Composite { parts: parts.parse().ok()? }, value)
        }
        _ => return None,
    };
    Some(ObjectChecksum { value: Checksum::from_base64(algorithm, value.as_bytes())?, kind })
}

fn read_parts(text: &str) -> Option<PartTable> {
    let Some((count, size)) = text.split_once(' ') else {
        return Some(PartTable { count: text.parse().ok()?, size: None });
    };
    Some(PartTable { count: count.parse().ok()?, size: Some(size.parse().ok()?) })
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
    use proptest::sample::select;
    use time::macros::datetime;

    use super::{ChecksumKind, ObjectChecksum, ObjectFacts, PartTable, etag, last_modified};
    use crate::azure::{AzureETag, BlobHeaders, BlobKind, Metadata, Properties, Tier};
    use crate::mapping::commit_id::CommitId;
    use crate::mapping::storage_class::StorageClass;
    use crate::mapping::user_metadata::{UserMetadata, size};
    use crate::s3::Code;
    use crate::s3::checksum::{Checksum, ChecksumAlgorithm};
    use crate::s3::tags::{Limit, Tags};

    fn blob(metadata: Metadata, length: u64, tier: Option<Tier>) -> Properties {
        Properties {
            etag: AzureETag::new("0x8DC"),
            last_modified: datetime!(2026-11-22 03:05:08 UTC),
            content_length: length,
            headers: BlobHeaders { content_md5: Some([7; 16]), ..BlobHeaders::default() },
            metadata,
            kind: BlobKind::Block,
            tier,
            archive_status: None,
            leased: false,
        }
    }

    fn composite() -> ObjectFacts {
        let written = datetime!(2026-11-21 00:00:00.5 UTC);
        ObjectFacts {
            commit: Some(CommitId::new(written, [1; 12])),
            etag: Some("0123-3".into()),
            parts: Some(PartTable { count: 3, size: Some(5 << 20) }),
            ..ObjectFacts::default()
        }
    }

    #[test]
    fn an_etag_is_what_was_said_else_the_md5_else_derived() {
        let said = blob(composite().write(9).unwrap(), 9, None);
        assert_eq!(etag(&said), "0123-3");
        let mut plain = blob(ObjectFacts::default().write(9).unwrap(), 9, None);
        assert_eq!(etag(&plain), "07070707070707070707070707070707");
        plain.headers.content_md5 = None;
        assert!(etag(&plain).ends_with("-1") && etag(&plain).len() == 34);
        let derived = etag(&plain);
        plain.etag = AzureETag::new("0x8DD");
        assert_ne!(etag(&plain), derived);
    }

    #[test]
    fn nothing_of_other_bytes_counts() {
        let metadata = composite().write(9).unwrap();
        let longer = blob(metadata.clone(), 10, None);
        let facts = ObjectFacts::read(&longer);
        assert_eq!(facts, ObjectFacts::default());
        assert_eq!(etag(&longer), "07070707070707070707070707070707");
        assert_eq!(last_modified(&facts, &longer), longer.last_modified);
        let mut unsaid = metadata;
        unsaid.remove(super::LENGTH);
        assert_eq!(ObjectFacts::read(&blob(unsaid, 9, None)).etag, None);
    }

    #[test]
    fn an_acl_changes_neither_etag_nor_time() {
        let ours = blob(composite().write(9).unwrap(), 9, None);
        let mut foreign = blob(Metadata::from([("team".into(), "red".into())]), 9, None);
        foreign.headers.content_md5 = None;
        let mut stale = blob(composite().write(9).unwrap(), 10, None);
        stale.headers.content_md5 = None;
        for before in [ours, foreign, stale] {
            let facts = ObjectFacts::read(&before);
            let changed = Properties {
                metadata: super::with_acl(&before, Some("READ all".into())),
                etag: AzureETag::new("0x8DD"),
                last_modified: datetime!(2026-11-23 03:05:08 UTC),
                ..before.clone()
            };
            let after = ObjectFacts::read(&changed);
            assert_eq!(after.acl.as_deref(), Some("READ all"));
            assert_eq!(etag(&changed), etag(&before));
            assert_eq!(last_modified(&after, &changed), last_modified(&facts, &before));
            assert_eq!(after.checksum, facts.checksum);
            assert_eq!(changed.metadata.get("team"), before.metadata.get("team"));
            let again = Properties { metadata: super::with_acl(&changed, None), ..changed };
            assert_eq!(ObjectFacts::read(&again).acl, None);
            assert_eq!(etag(&again), etag(&before));
        }
        let large = Metadata::from([("x".into(), "y".repeat(8100))]);
        let refused = super::with_class(&blob(large, 9, None), StorageClass::Glacier).unwrap_err();
        assert_eq!(refused.code(), Code::MetadataTooLarge);
    }

    #[test]
    fn what_has_no_room_lies_in_a_record_and_comes_back() {
        let long = |text: &str| format!("{text}{}", "ü".repeat(126));
        let tags: Vec<_> = (0..10).map(|at| (long(&at.to_string()), long("v"))).collect();
        let tags = Tags::new(tags, Limit::Object).unwrap();
        let id = CommitId::new(datetime!(2026-11-22 03:05:08 UTC), [2; 12]);
        let mut facts = ObjectFacts { tags, acl: Some("READ all".into()), ..composite() };
        assert!(!facts.fits(0) && facts.write(9).unwrap_err().code() == Code::MetadataTooLarge);
        let rows = facts.movable();
        facts.annex = Some(id);
        let stored = facts.write(9).unwrap();
        assert!(size(&stored) < 500 && super::annex_of(&stored) == Some(id));
        let mut read = blob(stored, 9, None);
        assert!(ObjectFacts::read(&read).tags.is_empty());
        super::put_movable(&mut read.metadata, rows);
        super::put_movable(
            &mut read.metadata,
            Metadata::from([("bluebucketowner".into(), "eve".into())]),
        );
        assert_eq!(ObjectFacts::read(&read), facts);
        // Changed in part, it lies in another record; short again, in none.
        let mut longer = super::with_acl(&read, None);
        assert_eq!(super::take_movable(&mut longer).unwrap().len(), 1);
        assert_eq!(super::annex_of(&longer), None);
        let mut short = super::with_tags(&read, &Tags::default());
        assert_eq!(super::take_movable(&mut short), None);
        read.metadata = short;
        assert_eq!(
            ObjectFacts::read(&read),
            ObjectFacts { tags: Tags::default(), annex: None, ..facts }
        );
        // An ACL of its own length goes as well.
        let acl = ObjectFacts { acl: Some("r".repeat(1501)), ..ObjectFacts::default() };
        assert!(!acl.fits(0) && acl.write(9).is_ok());
        assert!(composite().fits(0) && !composite().fits(8192));
    }

    #[test]
    fn what_is_on_line_and_belongs_in_the_archive_was_restored() {
        let restored = |class, tier: Option<Tier>| {
            let facts = ObjectFacts { storage_class: class, ..composite() };
            super::is_restored(&blob(facts.write(9).unwrap(), 9, tier))
        };
        for class in [StorageClass::Glacier, StorageClass::DeepArchive] {
            assert!(restored(class, Some(Tier::Hot)) && restored(class, None));
            assert!(!restored(class, Some(Tier::Archive)));
        }
        assert!(!restored(StorageClass::GlacierIr, Some(Tier::Hot)));
        assert!(!restored(StorageClass::Standard, None));
    }

    #[test]
    fn an_object_was_modified_when_it_was_written() {
        let properties = blob(composite().write(9).unwrap(), 9, None);
        let facts = ObjectFacts::read(&properties);
        assert_eq!(last_modified(&facts, &properties), datetime!(2026-11-21 00:00:00.5 UTC));
    }

    #[test]
    fn the_largest_facts_find_room_beside_the_largest_metadata() {
        let name = |at: u32| format!("{at:03}-");
        let user = UserMetadata::new((0..400).map(|at| (name(at), b"\xFF".to_vec()))).unwrap();
        let facts = ObjectFacts {
            redirect: Some(format!("/{}", "r".repeat(2000))),
            owner: Some("o".repeat(64)),
            user,
            ..composite()
        };
        let metadata = facts.write(9).unwrap();
        assert!(size(&metadata) <= 8192);
        assert_eq!(ObjectFacts::read(&blob(metadata, 9, None)), facts);
        let hopeless = ObjectFacts { redirect: Some("é".repeat(1500)), ..facts };
        assert_eq!(hopeless.write(9).unwrap_err().code(), Code::MetadataTooLarge);
    }

    #[test]
    fn what_cannot_be_read_is_not_there() {
        for text in [
            "",
            "CRC32",
            "CRC32 FULL_OBJECT AAAA",
            "CRC32 COMPOSITE AAAAAA==",
            "CRC9 FULL_OBJECT AAAAAA==",
        ] {
            assert_eq!(super::read_checksum(text), None, "{text}");
        }
        for text in ["", "x", "3 ", "3 -1", "-3"] {
            assert_eq!(super::read_parts(text), None, "{text}");
        }
    }

    fn checksums() -> impl Strategy<Value = ObjectChecksum> {
        let parts = option::of(any::<u32>());
        (select(ChecksumAlgorithm::ALL.to_vec()), any::<[u8; 32]>(), parts).prop_map(
            |(algorithm, bytes, parts)| ObjectChecksum {
                value: Checksum::new(algorithm, &bytes[..algorithm.length()]).unwrap(),
                kind: parts
                    .map_or(ChecksumKind::FullObject, |parts| ChecksumKind::Composite { parts }),
            },
        )
    }

    proptest! {
        #[test]
        fn facts_come_back(
            random in any::<[u8; 12]>(), length in any::<u64>(),
            texts in any::<[Option<String>; 4]>(), etag in option::of("[0-9a-f]{32}-[0-9]{1,5}"),
            checksum in option::of(checksums()), parts in any::<Option<(u32, Option<u64>)>>(),
            class in select(StorageClass::ALL.to_vec()),
        ) {
            let [owner, expires, redirect, acl] = texts;
            let facts = ObjectFacts {
                commit: Some(CommitId::new(datetime!(2026-11-22 03:05:08 UTC), random)),
                owner, expires, redirect, acl, etag, checksum, annex: None,
                tags: Tags::new(vec![("a b".into(), "ü+=".into())], Limit::Object).unwrap(),
                parts: parts.map(|(count, size)| PartTable { count, size }),
                storage_class: class,
                user: UserMetadata::default(),
            };
            let metadata = facts.write(length).unwrap();
            prop_assert!(metadata.keys().all(|name| name.starts_with("bluebucket")
                && name.bytes().all(|byte| byte.is_ascii_lowercase())));
            prop_assert_eq!(ObjectFacts::read(&blob(metadata, length, Some(class.tier()))), facts);
        }
    }
}
