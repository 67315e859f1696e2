//! The names of the blobs of uploads. They sort by key, because base32hex without padding does; of a
//! long key it is what the key begins with, and a hash of all of it.

use std::fmt;

use data_encoding::BASE32HEX_NOPAD;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use crate::azure::BlobName;
use crate::mapping::bucket_facts::BucketId;
use crate::mapping::commit_id::CommitId;
use crate::s3::names::{ObjectKey, PartNumber};

/// How much of a key stands in the name of a record: a whole number of base32's groups of five. A
/// blob's name has 1,024 characters, of which 134 are not the key's.
const KEY_BYTES_NAMED: usize = 550;
/// Behind the key in the name of a record. Lower than any letter or digit, so that a key's records
/// come before those of all longer keys that begin with it.
const MARK: char = '!';
/// Behind every upload id.
const BEHIND_IDS: char = '~';

/// The id of an upload, which is a commit id: unique, not to be guessed, and it tells when the upload
/// was created.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UploadId(CommitId);

impl UploadId {
    /// The upload that is created by this write.
    pub const fn new(commit: CommitId) -> Self {
        Self(commit)
    }

    /// Takes `text` if it is an id of ours.
    pub fn parse(text: &str) -> Option<Self> {
        CommitId::parse(text).map(Self)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The write that created it.
    pub const fn commit(&self) -> &CommitId {
        &self.0
    }

    /// When it was created.
    pub fn initiated(&self) -> OffsetDateTime {
        self.0.time()
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// Where the blobs of one bucket's uploads are filed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    base: String,
}

/// What the name of a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The key; only what it begins with, if `cut`.
    pub key: Vec<u8>,
    /// The rest of the key stands in the metadata.
    pub cut: bool,
    /// The upload.
    pub upload: UploadId,
}

impl Files {
    /// What the names of all blobs of uploads begin with.
    pub const ROOT: &str = "up/";

    /// What the names of all blobs of one bucket's uploads begin with, read back: where they are filed,
    /// and the id of the bucket.
    pub fn read(base: &str) -> Option<(Self, BucketId)> {
        let name = base.strip_prefix(Self::ROOT)?.strip_suffix('/')?;
        let id = name.split_once('-').map_or(name, |(id, _hash_of_the_prefix)| id);
        Some((Self { base: base.to_owned() }, BucketId::parse(id)?))
    }

    /// Those of the bucket of that id, whose keys live under `prefix`: several buckets may share a
    /// container, and so its id.
    pub fn new(bucket: &BucketId, prefix: &str) -> Self {
        Self { base: format!("{}{}/", Self::ROOT, bucket.filed(prefix)) }
    }

    /// What the names of all blobs of the bucket's uploads begin with.
    pub fn all(&self) -> &str {
        &self.base
    }

    /// What the names of all records begin with.
    pub fn records(&self) -> String {
        format!("{}u/", self.base)
    }

    /// The record of an upload.
    pub fn record(&self, key: &ObjectKey, upload: &UploadId) -> BlobName {
        BlobName::new(format!("{}{MARK}{upload}", self.stem(key.as_str())))
    }

    /// Before the names of the records of all keys from these bytes on, and behind all others'.
    pub fn from_key(&self, key: &[u8]) -> String {
        let named = key.get(..KEY_BYTES_NAMED).unwrap_or(key);
        format!("{}u/{}", self.base, base32(named))
    }

    /// Behind the records of `key`. Those of a key whose name is cut have no order among them: then it
    /// is before all of them.
    pub fn behind_key(&self, key: &str) -> String {
        let named = self.from_key(key.as_bytes());
        if is_cut(key) { format!("{named}{MARK}") } else { format!("{named}{MARK}{BEHIND_IDS}") }
    }

    fn stem(&self, key: &str) -> String {
        let stem = self.from_key(key.as_bytes());
        if !is_cut(key) {
            return stem;
        }
        let hash = base32(&Sha256::digest(key.as_bytes()));
        format!("{stem}{MARK}{MARK}{hash}")
    }

    /// What the name of a record says; nothing if it is none.
    pub fn read_record(&self, name: &str) -> Option<Listed> {
        let (key, upload) = name.strip_prefix(&self.records())?.rsplit_once(MARK)?;
        let (key, cut) = key.split_once(MARK).map_or((key, false), |(key, _hash)| (key, true));
        Some(Listed {
            key: BASE32HEX_NOPAD.decode(key.to_ascii_uppercase().as_bytes()).ok()?,
            cut,
            upload: UploadId::parse(upload)?,
        })
    }

    /// What the names of all uploads' parts begin with.
    pub fn all_parts(&self) -> String {
        format!("{}p/", self.base)
    }

    /// The upload whose parts' names begin so.
    pub fn read_parts(&self, prefix: &str) -> Option<UploadId> {
        UploadId::parse(prefix.strip_prefix(&self.all_parts())?.strip_suffix('/')?)
    }

    /// What the names of all outcomes begin with.
    pub fn outcomes(&self) -> String {
        format!("{}o/", self.base)
    }

    /// The upload whose outcome has this name.
    pub fn read_outcome(&self, name: &str) -> Option<UploadId> {
        UploadId::parse(name.strip_prefix(&self.outcomes())?)
    }

    /// What the names of all records of objects begin with that have much to say.
    pub fn annexes(&self) -> String {
        format!("{}a/", self.base)
    }

    /// The record of that id.
    pub fn annex(&self, id: &CommitId) -> BlobName {
        BlobName::new(format!("{}{id}", self.annexes()))
    }

    /// The id of the record of that name.
    pub fn read_annex(&self, name: &str) -> Option<CommitId> {
        CommitId::parse(name.strip_prefix(&self.annexes())?)
    }

    /// What the names of an upload's parts begin with.
    pub fn parts(&self, upload: &UploadId) -> String {
        format!("{}{upload}/", self.all_parts())
    }

    /// A part.
    pub fn part(&self, upload: &UploadId, number: PartNumber) -> BlobName {
        BlobName::new(format!("{}{:05}", self.parts(upload), number.get()))
    }

    /// Behind the part of that number, and before the next.
    pub fn behind_part(&self, upload: &UploadId, number: u16) -> String {
        format!("{}{number:05}{BEHIND_IDS}", self.parts(upload))
    }

    /// The number of the part of that name.
    pub fn read_part(&self, upload: &UploadId, name: &str) -> Option<PartNumber> {
        PartNumber::new(name.strip_prefix(&self.parts(upload))?.parse().ok()?)
    }

    /// What became of an upload.
    pub fn outcome(&self, upload: &UploadId) -> BlobName {
        BlobName::new(format!("{}{upload}", self.outcomes()))
    }
}

fn is_cut(key: &str) -> bool {
    key.len() > KEY_BYTES_NAMED
}

fn base32(bytes: &[u8]) -> String {
    BASE32HEX_NOPAD.encode(bytes).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::{Files, KEY_BYTES_NAMED, UploadId};
    use crate::mapping::bucket_facts::BucketId;
    use crate::mapping::commit_id::CommitId;
    use crate::s3::names::{ObjectKey, PartNumber};

    fn files() -> Files {
        Files::new(&BucketId::new([7; 15]), "under/")
    }

    fn upload(seconds: u32, random: [u8; 12]) -> UploadId {
        let at = time::OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(i64::from(seconds));
        UploadId::new(CommitId::new(at, random))
    }

    fn key(text: &str) -> ObjectKey {
        ObjectKey::parse(text).unwrap()
    }

    #[test]
    fn buckets_that_share_a_container_do_not_share_their_uploads() {
        let id = BucketId::new([7; 15]);
        let all = ["", "a/", "b/"].map(|prefix| Files::new(&id, prefix).all().to_owned());
        assert!(all[0] != all[1] && all[1] != all[2] && !all[1].starts_with(&all[0]));
    }

    #[test]
    fn what_is_filed_can_be_read_back() {
        let id = BucketId::new([7; 15]);
        for prefix in ["", "under/"] {
            let files = Files::new(&id, prefix);
            assert_eq!(Files::read(files.all()), Some((files.clone(), id.clone())));
            let upload = upload(1, [1; 12]);
            assert_eq!(files.read_parts(&files.parts(&upload)), Some(upload.clone()));
            assert_eq!(files.read_outcome(files.outcome(&upload).as_str()), Some(upload));
        }
        for other in ["up/", "up/x/", "up//", "documents/"] {
            assert_eq!(Files::read(other), None, "{other}");
        }
    }

    #[test]
    fn the_longest_key_has_a_record_that_azure_takes() {
        let name = files().record(&key(&"k".repeat(1024)), &upload(1, [1; 12]));
        assert!(name.as_str().len() <= 1024, "{}", name.as_str().len());
        assert_eq!(KEY_BYTES_NAMED % 5, 0);
        let other = ObjectKey::parse(&("k".repeat(1023) + "l")).unwrap();
        assert_ne!(files().record(&other, &upload(1, [1; 12])), name);
        let listed = files().read_record(name.as_str()).unwrap();
        assert!(listed.cut && listed.key == [b'k'; KEY_BYTES_NAMED]);
    }

    #[test]
    fn a_part_is_found_by_its_number() {
        let (files, upload) = (files(), upload(1, [1; 12]));
        for number in [1, 9, 10, 10_000].map(|number| PartNumber::new(number).unwrap()) {
            let name = files.part(&upload, number);
            assert_eq!(files.read_part(&upload, name.as_str()), Some(number));
            assert!(*name.as_str() < *files.behind_part(&upload, number.get()));
        }
        assert_eq!(files.read_part(&upload, &format!("{}00000", files.parts(&upload))), None);
        let ten = files.part(&upload, PartNumber::new(10).unwrap());
        assert!(*files.behind_part(&upload, 9) < *ten.as_str());
    }

    proptest! {
        #[test]
        fn records_sort_by_key_and_then_by_time(
            one in "[a-c/é\u{0}]{1,12}", two in "[a-c/é\u{0}]{1,12}",
            first in any::<u32>(), second in any::<u32>(), random in any::<[[u8; 12]; 2]>(),
        ) {
            let files = files();
            let (a, b) = (upload(first, random[0]), upload(second, random[1]));
            let (left, right) = (files.record(&key(&one), &a), files.record(&key(&two), &b));
            let order = left.as_str().cmp(right.as_str());
            prop_assert_eq!(order, (one.as_bytes(), &a).cmp(&(two.as_bytes(), &b)));
            let listed = files.read_record(left.as_str()).unwrap();
            prop_assert_eq!((listed.key.as_slice(), &listed.upload), (one.as_bytes(), &a));
            prop_assert!(!listed.cut);
        }

        #[test]
        fn a_listing_begins_where_it_should(one in "[a-c]{1,7}", two in "[a-c]{1,7}") {
            let files = files();
            let name = files.record(&key(&one), &upload(1, [0xFF; 12]));
            let name = name.as_str();
            prop_assert_eq!(*name < *files.from_key(two.as_bytes()), one < two);
            prop_assert_eq!(*name < *files.behind_key(&two), one <= two);
            // Behind all keys that begin so.
            let mut behind = two.clone().into_bytes();
            *behind.last_mut().unwrap() += 1;
            let before = one < two || one.starts_with(&two);
            prop_assert_eq!(*name < *files.from_key(&behind), before);
        }
    }
}
