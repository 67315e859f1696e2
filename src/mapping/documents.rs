//! The documents of a bucket (policy, ACL, CORS, lifecycle, ...) as they are kept: all of them in one
//! blob of the system container, `doc/<bucket>`.
//!
//! One record and not one for each: whoever decides about a request needs several of them at once
//! (policy, ACL, public access block, ownership), they are small, and so one read tells all of them,
//! or that there is none. The largest of a bucket together are below a megabyte: 1,000 rules of a
//! lifecycle are some hundred KiB, CORS and a policy are at most 64 and 20 KiB.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::azure::BlobName;
use crate::mapping::bucket_facts::BucketId;

/// The folder of the records.
const ROOT: &str = "doc/";
/// The form that this release reads and writes.
const FORMAT_NOW: u32 = 1;
/// The largest record, in bytes: many times what S3's own limits allow.
pub const RECORD_BYTES_MAX: usize = 4 * 1024 * 1024;

macro_rules! names {
    ($($variant:ident $text:literal;)+) => {
        /// What a bucket may be told.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum DocumentName {
            $(#[doc = concat!("`", $text, "` in the record.")] $variant,)+
        }

        impl DocumentName {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// As it stands in the record. It never changes.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

names! {
    Policy "policy";
    Acl "acl";
    PublicAccessBlock "public-access-block";
    OwnershipControls "ownership-controls";
    Cors "cors";
    Lifecycle "lifecycle";
    Tagging "tagging";
    Encryption "encryption";
}

/// The texts of a bucket's documents, by name. A name that this release does not know is kept: a
/// newer one may have written it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sheet(BTreeMap<String, String>);

/// A record that this release cannot read.
#[derive(Debug)]
pub struct Unreadable(String);

impl std::fmt::Display for Unreadable {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "the record of the bucket's documents cannot be read: {}", self.0)
    }
}

impl std::error::Error for Unreadable {}

/// As it stands in the blob. What a newer release adds comes with another format number, or is
/// refused for its name: what is dropped here would be lost with the next write.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    format: u32,
    documents: BTreeMap<String, String>,
}

/// The format number of a record of any release.
#[derive(Deserialize)]
struct AnyRecord {
    format: u32,
}

impl Sheet {
    /// One text.
    pub fn get(&self, name: DocumentName) -> Option<&str> {
        self.0.get(name.text()).map(String::as_str)
    }

    /// Puts one in the place of what was there.
    pub fn set(&mut self, name: DocumentName, text: String) {
        self.0.insert(name.text().to_owned(), text);
    }

    /// Takes one away.
    pub fn remove(&mut self, name: DocumentName) {
        self.0.remove(name.text());
    }

    /// How many bytes all of them have.
    pub fn bytes(&self) -> usize {
        self.0.values().map(String::len).sum()
    }

    /// As a record.
    pub fn write(&self) -> Result<Vec<u8>, Unreadable> {
        let record = Record { format: FORMAT_NOW, documents: self.0.clone() };
        serde_json::to_vec(&record).map_err(|fault| Unreadable(fault.to_string()))
    }

    /// What a record says; one of a newer release is refused by its number.
    pub fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        let unreadable = |fault: serde_json::Error| Unreadable(fault.to_string());
        let AnyRecord { format } = serde_json::from_slice(bytes).map_err(unreadable)?;
        if format != FORMAT_NOW {
            return Err(Unreadable(format!("it has format {format}, this release {FORMAT_NOW}")));
        }
        let record: Record = serde_json::from_slice(bytes).map_err(unreadable)?;
        Ok(Self(record.documents))
    }
}

/// The blob of the documents of the bucket of that id, whose keys live under `prefix`.
pub fn record_name(bucket: &BucketId, prefix: &str) -> BlobName {
    BlobName::new(format!("{ROOT}{}", bucket.filed(prefix)))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::{DocumentName, Sheet, record_name};
    use crate::mapping::bucket_facts::BucketId;

    #[test]
    fn every_name_is_its_own() {
        let names: BTreeSet<_> = DocumentName::ALL.iter().map(|name| name.text()).collect();
        assert_eq!(names.len(), DocumentName::ALL.len());
    }

    #[test]
    fn what_a_newer_release_wrote_is_refused_by_name() {
        for (text, word) in [
            (r#"{"format":2,"pages":[]}"#, "format 2"),
            (r#"{"format":1,"documents":{},"more":1}"#, "more"),
            (r#"{"format":1}"#, "documents"),
            (r#"{"documents":{}}"#, "format"),
            ("", "EOF"),
        ] {
            let refusal = Sheet::read(text.as_bytes()).unwrap_err().to_string();
            assert!(refusal.contains(word), "{refusal}");
        }
    }

    #[test]
    fn a_document_that_is_not_known_stays() {
        let read = Sheet::read(br#"{"format":1,"documents":{"moon":"full"}}"#).unwrap();
        let mut sheet = read.clone();
        sheet.set(DocumentName::Policy, "{}".into());
        assert_eq!((sheet.get(DocumentName::Policy), sheet.bytes()), (Some("{}"), 6));
        sheet.remove(DocumentName::Policy);
        assert_eq!(sheet, read);
        assert!(String::from_utf8(sheet.write().unwrap()).unwrap().contains("moon"));
    }

    #[test]
    fn buckets_that_share_a_container_do_not_share_their_documents() {
        let id = BucketId::new([7; 15]);
        assert_eq!(record_name(&id, "").as_str(), format!("doc/{}", id.as_str()));
        assert_ne!(record_name(&id, "a/"), record_name(&id, "b/"));
    }

    proptest! {
        #[test]
        fn documents_come_back(texts in any::<[Option<String>; 3]>()) {
            let mut sheet = Sheet::default();
            for (name, text) in DocumentName::ALL.iter().zip(texts) {
                if let Some(text) = text {
                    sheet.set(*name, text);
                }
            }
            prop_assert_eq!(Sheet::read(&sheet.write().unwrap()).unwrap(), sheet);
        }
    }
}
