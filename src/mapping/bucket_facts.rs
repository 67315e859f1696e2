//! The small facts of a bucket, kept in the metadata of its container.
//!
//! All names here are `bluebucket` and lower-case letters: so no canonicalisation of a signature
//! can sort them in another way than we do.

use std::fmt;
use std::sync::Arc;

use data_encoding::{BASE32HEX_NOPAD, HEXLOWER};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::azure;
use crate::mapping::names;
use crate::mapping::user_metadata::{decode_value, encode_value};
use crate::s3::names::BucketName;

/// The form of what stands below.
pub const FORMAT: &str = "bluebucketformat";
/// The bucket's S3 name, where the container's differs.
pub const NAME: &str = "bluebucketname";
/// The bucket's id: what its records are filed under.
pub const ID: &str = "bluebucketid";
/// The canonical id of the user that owns the bucket.
pub const OWNER: &str = "bluebucketowner";
/// When the bucket was created.
pub const CREATED: &str = "bluebucketcreated";
/// Keys have been written that live in the reserved range.
pub const RESERVED: &str = "bluebucketreserved";
/// Documents have been put: whoever decides something about the bucket reads them first.
pub const DOCUMENTS: &str = "bluebucketdocuments";
/// Since when a `DeleteBucket` is at work.
pub const DELETING: &str = "bluebucketdeleting";

/// The form that this release reads and writes.
const FORMAT_NOW: &str = "1";
const YES: &str = "1";

/// The id of a bucket: a bucket deleted and made again has another.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketId(Arc<str>);

impl BucketId {
    /// What the names of the bucket's records begin with, below the folder of their kind: several
    /// buckets may share a container, and so its id, and differ in the prefix of their keys.
    pub fn filed(&self, prefix: &str) -> String {
        let mut name = self.as_str().to_owned();
        if !prefix.is_empty() {
            let hash = Sha256::digest(prefix.as_bytes());
            name.push('-');
            name.push_str(&HEXLOWER.encode(hash.first_chunk::<8>().unwrap_or(&[0; 8])));
        }
        name
    }

    /// The id of a new bucket.
    pub fn new(random: [u8; 15]) -> Self {
        Self(BASE32HEX_NOPAD.encode(&random).to_ascii_lowercase().into())
    }

    /// Takes `text` if it is an id: 24 lower-case letters and digits.
    pub fn parse(text: &str) -> Option<Self> {
        let good = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'v');
        (text.len() == 24 && text.bytes().all(good)).then(|| Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a bucket's container says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketFacts {
    /// What the records of the bucket are filed under.
    pub id: BucketId,
    /// The S3 name, where the container has another.
    pub name: Option<BucketName>,
    /// The canonical id of the owner; none for a container that an Azure tool made.
    pub owner: Option<String>,
    /// When `CreateBucket` made it; none for a container that an Azure tool made.
    pub created: Option<OffsetDateTime>,
    /// Some keys live in the reserved range: listings look there, too.
    pub has_reserved_keys: bool,
    /// It has, or has had, a record of documents.
    pub has_documents: bool,
    /// Since when a `DeleteBucket` is at work.
    pub deleting: Option<OffsetDateTime>,
}

/// A container says something in a form that this release does not know: a newer one wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Which name of the metadata.
    pub name: &'static str,
    /// What stands there.
    pub value: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value } = self;
        write!(out, "the container's metadata has {name}={value:?}, which this release cannot read")
    }
}

impl std::error::Error for Unreadable {}

impl BucketFacts {
    /// Of a bucket that `CreateBucket` makes.
    pub fn created(
        id: BucketId,
        bucket: &BucketName,
        owner: impl Into<String>,
        now: OffsetDateTime,
    ) -> Self {
        let same = names::container_of(bucket).as_str() == bucket.as_str();
        Self {
            name: (!same).then(|| bucket.clone()),
            owner: Some(owner.into()),
            created: Some(now),
            ..Self::adopted(id)
        }
    }

    /// Of a container that an Azure tool made and that needs an id now.
    pub fn adopted(id: BucketId) -> Self {
        Self {
            id,
            name: None,
            owner: None,
            created: None,
            has_reserved_keys: false,
            has_documents: false,
            deleting: None,
        }
    }

    /// What `metadata` says; nothing if no gateway has written there yet.
    pub fn read(metadata: &azure::Metadata) -> Result<Option<Self>, Unreadable> {
        let Some(format) = metadata.get(FORMAT) else { return Ok(None) };
        if format != FORMAT_NOW {
            return Err(Unreadable { name: FORMAT, value: format.clone() });
        }
        let id = metadata.get(ID).map(String::as_str).unwrap_or_default();
        let unreadable = || Unreadable { name: ID, value: id.to_owned() };
        Ok(Some(Self {
            id: BucketId::parse(id).ok_or_else(unreadable)?,
            name: read(metadata, NAME, |text| BucketName::parse(text).ok())?,
            owner: read(metadata, OWNER, |text| String::from_utf8(decode_value(text)).ok())?,
            created: read(metadata, CREATED, read_time)?,
            has_reserved_keys: read(metadata, RESERVED, read_yes)?.is_some(),
            has_documents: read(metadata, DOCUMENTS, read_yes)?.is_some(),
            deleting: read(metadata, DELETING, read_time)?,
        }))
    }

    /// Writes the facts over those in `metadata` and leaves what others have written there.
    pub fn write(&self, metadata: &mut azure::Metadata) {
        let time = |at: OffsetDateTime| at.format(&Rfc3339).ok();
        let rows = [
            (FORMAT, Some(FORMAT_NOW.to_owned())),
            (ID, Some(self.id.as_str().to_owned())),
            (NAME, self.name.as_ref().map(ToString::to_string)),
            (OWNER, self.owner.as_ref().map(|owner| encode_value(owner.as_bytes()))),
            (CREATED, self.created.and_then(time)),
            (RESERVED, self.has_reserved_keys.then(|| YES.to_owned())),
            (DOCUMENTS, self.has_documents.then(|| YES.to_owned())),
            (DELETING, self.deleting.and_then(time)),
        ];
        for (name, value) in rows {
            match value {
                Some(value) => drop(metadata.insert(name.to_owned(), value)),
                None => drop(metadata.remove(name)),
            }
        }
    }
}

/// Reads one fact. One that cannot be read is refused, never dropped: the next write would lose it.
fn read<T>(
    metadata: &azure::Metadata,
    name: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Unreadable> {
    let Some(text) = metadata.get(name) else { return Ok(None) };
    let unreadable = || Unreadable { name, value: text.clone() };
    parse(text).map(Some).ok_or_else(unreadable)
}

fn read_yes(text: &str) -> Option<()> {
    (text == YES).then_some(())
}

fn read_time(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};
    use time::macros::datetime;

    use super::{BucketFacts, BucketId, DOCUMENTS, FORMAT, ID, NAME, RESERVED};
    use crate::azure::Metadata;
    use crate::s3::names::BucketName;

    fn facts(bucket: &str) -> BucketFacts {
        let bucket = BucketName::parse(bucket).unwrap();
        let now = datetime!(2026-11-22 03:05:08.123456789 UTC);
        BucketFacts::created(BucketId::new([7; 15]), &bucket, "testid", now)
    }

    #[test]
    fn only_a_bucket_that_is_called_otherwise_says_its_name() {
        assert_eq!(facts("photos").name, None);
        assert_eq!(facts("a.b").name.unwrap().as_str(), "a.b");
    }

    #[test]
    fn what_a_newer_release_wrote_is_refused_by_name() {
        let mut metadata = Metadata::new();
        assert_eq!(BucketFacts::read(&metadata), Ok(None));
        facts("photos").write(&mut metadata);
        for (name, value) in
            [(FORMAT, "2"), (ID, "x"), (NAME, "A"), (RESERVED, "some"), (DOCUMENTS, "2")]
        {
            let mut newer = metadata.clone();
            newer.insert(name.to_owned(), value.to_owned());
            let error = BucketFacts::read(&newer).unwrap_err();
            assert_eq!((error.name, error.value.as_str()), (name, value));
        }
    }

    #[test]
    fn what_others_wrote_stays() {
        let mut metadata = Metadata::from([("team".to_owned(), "red".to_owned())]);
        let mut facts = facts("a.b");
        facts.deleting = Some(datetime!(2026-11-22 03:05:08 UTC));
        facts.has_reserved_keys = true;
        facts.write(&mut metadata);
        facts.deleting = None;
        facts.write(&mut metadata);
        assert_eq!(BucketFacts::read(&metadata), Ok(Some(facts)));
        assert_eq!(metadata["team"], "red");
    }

    proptest! {
        #[test]
        fn facts_come_back(
            random in any::<[u8; 15]>(), owner in any::<Option<String>>(),
            [has_reserved_keys, has_documents] in any::<[bool; 2]>(), seconds in 0..4_000_000_000_i64,
        ) {
            let at = time::OffsetDateTime::from_unix_timestamp(seconds).unwrap();
            let facts = BucketFacts {
                owner, has_reserved_keys, has_documents, created: Some(at), deleting: Some(at),
                ..BucketFacts::adopted(BucketId::new(random))
            };
            let mut metadata = Metadata::new();
            facts.write(&mut metadata);
            prop_assert_eq!(BucketFacts::read(&metadata), Ok(Some(facts)));
        }
    }
}
