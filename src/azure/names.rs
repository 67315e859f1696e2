//! The names of things in a storage account, each valid once made: containers, blobs, ETags, blocks
//! and leases. They know nothing of the wire but how a block id and an ETag look there.

use std::fmt;
use std::sync::Arc;

use data_encoding::BASE64;

/// What Azure calls a container.
///
/// 3 to 63 of `a-z`, `0-9` and single hyphens inside; or one of the containers that have a meaning of
/// their own (`$root`, `$web`, `$logs`, `$blobchangefeed`).
/// <https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata>
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerName(Arc<str>);

impl ContainerName {
    /// `text` as a container's name, if Azure would take it.
    pub fn parse(text: &str) -> Option<Self> {
        const OF_AZURE: [&str; 4] = ["$root", "$web", "$logs", "$blobchangefeed"];
        (OF_AZURE.contains(&text) || is_container_name(text)).then(|| Self(text.into()))
    }

    /// The name as it stands in a URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_container_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (3..=63).contains(&text.len())
        && text.bytes().all(allowed)
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--")
}

impl fmt::Debug for ContainerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContainerName({:?})", self.0)
    }
}

impl fmt::Display for ContainerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A blob's name, exactly as Azure keeps it: nothing is cleaned, cut or resolved.
///
/// What Azure would not keep as it is has been escaped before (`mapping::names`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobName(Arc<str>);

impl BlobName {
    /// The blob of that name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name, not encoded.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BlobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobName({:?})", self.0)
    }
}

/// Where a blob is: its container and its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobPath {
    /// The container that holds it.
    pub container: ContainerName,
    /// Its name there.
    pub blob: BlobName,
}

impl BlobPath {
    /// The blob of that name in that container.
    pub const fn new(container: ContainerName, blob: BlobName) -> Self {
        Self { container, blob }
    }
}

/// Azure's ETag of a blob or container: opaque, kept as it was on the wire (with its quotes in
/// headers; listings have none, and [`AzureETag::new`] puts them back).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AzureETag(Arc<str>);

impl AzureETag {
    /// The ETag that reads `text`, with or without its quotes.
    pub fn new(text: &str) -> Self {
        if text.starts_with('"') || text.starts_with("W/") {
            Self(text.into())
        } else {
            Self(["\"", text, "\""].concat().into())
        }
    }

    /// As it is sent in a condition, in quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AzureETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AzureETag({})", self.0)
    }
}

/// The id of a block: up to 64 bytes. All uncommitted blocks of a blob have ids of one length.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId(Box<[u8]>);

impl BlockId {
    /// Bytes of an id before base64.
    /// <https://learn.microsoft.com/rest/api/storageservices/put-block#uri-parameters>
    pub const BYTES_MAX: usize = 64;

    /// `bytes` as an id: 1 to 64 of them.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (1..=Self::BYTES_MAX).contains(&bytes.len()).then(|| Self(bytes.into()))
    }

    /// An id as Azure writes it in a list of blocks.
    pub fn from_base64(text: &str) -> Option<Self> {
        BASE64.decode(text.as_bytes()).ok().and_then(|bytes| Self::new(&bytes))
    }

    /// The id's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The id as Azure writes it.
    pub fn base64(&self) -> String {
        BASE64.encode(&self.0)
    }
}

impl fmt::Debug for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlockId({})", self.base64())
    }
}

/// A lease that was granted to us: whoever has it may change what it protects.
#[derive(Clone, PartialEq, Eq)]
pub struct LeaseId(String);

impl LeaseId {
    /// The lease of that id, a GUID.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// As it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LeaseId({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_has_a_name_that_azure_takes() {
        for good in ["abc", "a-b", "0-9", "$root", "$web", "$logs", &"a".repeat(63)] {
            assert!(ContainerName::parse(good).is_some(), "{good}");
        }
        for bad in
            ["", "ab", "A-b", "a--b", "-ab", "ab-", "a.b", "a_b", "$x", "../", &"a".repeat(64)]
        {
            assert!(ContainerName::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn an_etag_has_its_quotes_wherever_it_was_read() {
        assert_eq!(AzureETag::new("0x8DC"), AzureETag::new("\"0x8DC\""));
        assert_eq!(AzureETag::new("0x8DC").as_str(), "\"0x8DC\"");
    }

    #[test]
    fn a_block_id_goes_to_the_wire_and_back() {
        let id = BlockId::new(b"\x00part\xff").unwrap();
        assert_eq!(BlockId::from_base64(&id.base64()), Some(id));
        assert!(BlockId::new(&[0; 65]).is_none() && BlockId::new(&[]).is_none());
        assert!(BlockId::from_base64("no base64").is_none());
    }
}
