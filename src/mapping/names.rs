//! Buckets and containers, keys and blobs: what the one is called on the other side.

use std::fmt;
use std::sync::Arc;

use data_encoding::BASE32_NOPAD;
use sha2::{Digest as _, Sha256};

use crate::azure::{self, BlobName, ContainerName};
use crate::mapping::bucket_facts;
use crate::mapping::{escape, packing};
use crate::s3::names::{BucketName, ObjectKey};

/// The longest name of a blob. Azure says characters and does not say which; UTF-16 units are the
/// most that they can be. <https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata>
pub(super) const NAME_UNITS_MAX: usize = 1024;
/// The most segments, between slashes, that the name of a blob has.
const NAME_SEGMENTS_MAX: usize = 254;
/// The longest prefix of a route: with it, every packed key still is a name.
const ROUTE_UNITS_MAX: usize = 256;
/// The most segments of a route's prefix: half of what a name has.
const ROUTE_SEGMENTS_MAX: usize = 127;

/// What the container of a bucket is called that cannot be called as the bucket is.
const MAPPED: &str = "s3-";

/// The container of `bucket`: of the same name where Azure allows that, else named by a hash. Then
/// its metadata has the bucket's name, see [`bucket_of`].
#[expect(clippy::expect_used, reason = "`s3-` and 52 letters of base32 are a container's name")]
pub fn container_of(bucket: &BucketName) -> ContainerName {
    // A bucket that is called like such a container is mapped as well, so that no two share one.
    let same = ContainerName::parse(bucket.as_str()).filter(|_| !is_mapped(bucket.as_str()));
    same.unwrap_or_else(|| {
        let hash = BASE32_NOPAD.encode(&Sha256::digest(bucket.as_str().as_bytes()));
        let name = format!("{MAPPED}{}", hash.to_ascii_lowercase());
        ContainerName::parse(&name).expect("a mapped name is a container's name")
    })
}

/// The bucket that `container` is, by its name and its metadata; nothing if it is no bucket's: one
/// of Azure's own (`$web`), one whose name S3 does not allow, or one whose metadata contradicts it.
pub fn bucket_of(container: &ContainerName, metadata: &azure::Metadata) -> Option<BucketName> {
    let name = if is_mapped(container.as_str()) {
        metadata.get(bucket_facts::NAME)?
    } else {
        container.as_str()
    };
    BucketName::parse(name).ok().filter(|bucket| container_of(bucket) == *container)
}

fn is_mapped(name: &str) -> bool {
    name.strip_prefix(MAPPED).is_some_and(|hash| {
        hash.len() == 52 && hash.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'))
    })
}

/// Which of a container's two ranges of names a key lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Range {
    /// The name is the key, or reads like it.
    Plain,
    /// Azure cannot keep the key as a name: it is packed. A listing looks there only if the
    /// container's metadata says so, and it says so before the first such key is written.
    Reserved,
}

/// The keys of a bucket within its container: all names, or those under a route's prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeySpace {
    prefix: Arc<str>,
}

/// Why a text cannot be the prefix of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRoutePrefix {
    /// It does not end with `/`.
    NoSlash,
    /// Azure would not keep it as it is.
    Unstorable,
    /// With it, long keys would have no room.
    TooLong,
}

impl fmt::Display for BadRoutePrefix {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NoSlash => "must end with a slash",
            Self::Unstorable => "has characters or segments that Azure does not keep in names",
            Self::TooLong => "must have at most 256 characters and 127 segments",
        })
    }
}

impl std::error::Error for BadRoutePrefix {}

impl KeySpace {
    /// All names of the container.
    pub fn whole() -> Self {
        Self::default()
    }

    /// The names under `prefix`, which is empty or ends with `/`.
    pub fn under(prefix: &str) -> Result<Self, BadRoutePrefix> {
        if !prefix.is_empty() && !prefix.ends_with('/') {
            return Err(BadRoutePrefix::NoSlash);
        }
        if escape::open(prefix).as_deref() != Ok(prefix) {
            return Err(BadRoutePrefix::Unstorable);
        }
        if units(prefix) > ROUTE_UNITS_MAX || segments(prefix) > ROUTE_SEGMENTS_MAX {
            return Err(BadRoutePrefix::TooLong);
        }
        Ok(Self { prefix: prefix.into() })
    }

    /// What all names begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The blob of `key`.
    pub fn blob_name(&self, key: &ObjectKey) -> BlobName {
        let name = self.plain(key.as_str());
        BlobName::new(name.unwrap_or_else(|| self.packed(key.as_str())))
    }

    /// Where the blob of `key` lives.
    pub fn range_of(&self, key: &ObjectKey) -> Range {
        self.plain(key.as_str()).map_or(Range::Reserved, |_| Range::Plain)
    }

    /// The key of a blob; nothing if no key has that name. That is so for names under another
    /// prefix, and for those with U+FFFD right behind one of `- . [ ~` or U+0080, U+D7FF, U+FFFC that
    /// are no escapes: an Azure tool made them, and they cannot be shown without hiding others.
    pub fn key_of(&self, name: &str) -> Option<String> {
        self.plain_key(name).or_else(|| self.packed_key(name))
    }

    /// The key of a blob in the plain range.
    pub(super) fn plain_key(&self, name: &str) -> Option<String> {
        let key = escape::key_of(name.strip_prefix(&*self.prefix)?)?;
        (fits(name) && !key.is_empty()).then_some(key)
    }

    /// The key of a blob in the reserved range.
    pub(super) fn packed_key(&self, name: &str) -> Option<String> {
        let key = packing::key_of(name.strip_prefix(&*self.prefix)?)?;
        self.plain(&key).is_none().then_some(key)
    }

    fn plain(&self, key: &str) -> Option<String> {
        let name = format!("{}{}", self.prefix, escape::close(key).ok()?);
        fits(&name).then_some(name)
    }

    fn packed(&self, key: &str) -> String {
        format!("{}{}", self.prefix, packing::name(key))
    }
}

fn fits(name: &str) -> bool {
    units(name) <= NAME_UNITS_MAX && segments(name) <= NAME_SEGMENTS_MAX
}

/// How long `name` is to Azure.
pub(super) fn units(name: &str) -> usize {
    name.encode_utf16().count()
}

fn segments(name: &str) -> usize {
    name.split('/').count()
}
