//! The outcome of an upload: made by who ends it, before anything else is done, and only once.

use data_encoding::BASE32HEX_NOPAD;
use sha2::{Digest as _, Sha256};

use crate::azure;
use crate::mapping::commit_id::CommitId;
use crate::mapping::metadata::{ObjectChecksum, ObjectFacts};
use crate::s3::Error;
use crate::s3::names::ObjectKey;

const FORMAT: &str = "bluebucketoutcome";
const COMPLETED: &str = "completed";
const ABORTED: &str = "aborted";
const KEY: &str = "bluebucketoutcomekey";

/// How an upload ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// As an object: its ETag and its checksum, which are a Complete's answer.
    Completed {
        /// The composite ETag.
        etag: String,
        /// The checksum.
        checksum: Option<ObjectChecksum>,
    },
    /// As nothing.
    Aborted,
}

/// Who ends an upload, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The write that makes the object; for an abort, an id of its own.
    pub commit: CommitId,
    /// How it ends.
    pub end: End,
    key: String,
}

impl Outcome {
    /// An end of an upload to `key`.
    pub fn new(commit: CommitId, end: End, key: &ObjectKey) -> Self {
        Self { commit, end, key: digest(key) }
    }

    /// Was the upload one to `key`?
    pub fn is_of(&self, key: &ObjectKey) -> bool {
        self.key == digest(key)
    }

    /// As metadata of an empty blob.
    pub fn write(&self) -> Result<azure::Metadata, Error> {
        let mut facts = ObjectFacts { commit: Some(self.commit), ..ObjectFacts::default() };
        let mut word = ABORTED;
        if let End::Completed { etag, checksum } = &self.end {
            word = COMPLETED;
            facts.etag = Some(etag.clone());
            facts.checksum = *checksum;
        }
        let mut metadata = facts.write(0)?;
        metadata.insert(FORMAT.to_owned(), word.to_owned());
        metadata.insert(KEY.to_owned(), self.key.clone());
        Ok(metadata)
    }

    /// What an outcome says; nothing if it is none that this release can read.
    pub fn read(properties: &azure::Properties) -> Option<Self> {
        let facts = ObjectFacts::read(properties);
        let end = match properties.metadata.get(FORMAT)?.as_str() {
            COMPLETED => End::Completed { etag: facts.etag?, checksum: facts.checksum },
            ABORTED => End::Aborted,
            _ => return None,
        };
        Some(Self { commit: facts.commit?, end, key: properties.metadata.get(KEY)?.clone() })
    }
}

/// A key as it stands in an outcome: short, whatever the key is.
fn digest(key: &ObjectKey) -> String {
    BASE32HEX_NOPAD.encode(&Sha256::digest(key.as_str().as_bytes())).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::{End, Outcome};
    use crate::azure::{AzureETag, BlobHeaders, BlobKind, Properties};
    use crate::mapping::commit_id::CommitId;
    use crate::mapping::metadata::{ChecksumKind, ObjectChecksum};
    use crate::s3::checksum::{Checksum, ChecksumAlgorithm};
    use crate::s3::names::ObjectKey;

    fn check(end: End) {
        let key = ObjectKey::parse("a/b").unwrap();
        let at = datetime!(2026-11-22 03:05:08 UTC);
        let outcome = Outcome::new(CommitId::new(at, [3; 12]), end, &key);
        let properties = Properties {
            etag: AzureETag::new("0x8DC"),
            last_modified: at,
            content_length: 0,
            headers: BlobHeaders::default(),
            metadata: outcome.write().unwrap(),
            kind: BlobKind::Block,
            tier: None,
            archive_status: None,
            leased: false,
        };
        let read = Outcome::read(&properties).unwrap();
        assert_eq!(read, outcome);
        assert!(read.is_of(&key) && !read.is_of(&ObjectKey::parse("a/c").unwrap()));
    }

    #[test]
    fn outcomes_come_back() {
        check(End::Aborted);
        let value = Checksum::new(ChecksumAlgorithm::Crc32, &[1; 4]).unwrap();
        for checksum in
            [None, Some(ObjectChecksum { value, kind: ChecksumKind::Composite { parts: 2 } })]
        {
            check(End::Completed { etag: format!("{}-2", "a".repeat(32)), checksum });
        }
    }
}
