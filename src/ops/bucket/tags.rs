//! Tags of a bucket: kept and shown.

use crate::access::Action;
use crate::mapping::documents::DocumentName;
use crate::ops::bucket::configuration::Configuration;
use crate::ops::documents::Document;
use crate::s3::tags::{Limit, Tags};
use crate::s3::{Code, Error};

/// Fifty tags of the longest key and value, and their elements.
const BYTES_MAX: usize = 128 * 1024;

impl Document for Tags {
    const NAME: DocumentName = DocumentName::Tagging;

    fn read(text: &str) -> Result<Self, Error> {
        Self::read(text.as_bytes(), Limit::Bucket)
    }

    fn write(&self) -> String {
        Self::write(self)
    }
}

impl Configuration for Tags {
    const ACTIONS: (Action, Action) = (Action::GetBucketTagging, Action::PutBucketTagging);
    const MISSING: Code = Code::NoSuchTagSet;
    const BYTES_MAX: usize = BYTES_MAX;

    fn parse(document: &[u8]) -> Result<Self, Error> {
        Self::read(document, Limit::Bucket)
    }

    fn show(&self) -> String {
        Self::write(self)
    }
}
