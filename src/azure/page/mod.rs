//! A page of a listing, read entry by entry: what is said of a blob are slices of the page, and only what
//! somebody keeps is copied. A page has thousands of blobs, and twenty texts of each.

mod before;

use std::borrow::Cow;

use bytes::Bytes;
use percent_encoding::percent_decode_str;
use time::OffsetDateTime;

use super::dates;
use super::error::BlobError;
use super::listing::{BlobEntry, BlobPage, ListEntry};
use super::names::AzureETag;
use super::properties::{self, BlobHeaders, BlobKind, Metadata, Properties, Tier};
use super::xml::{Tag, Walk};

/// No entry takes less in a page, which is `<BlobPrefix><Name>/</Name></BlobPrefix>`.
const ENTRY_BYTES_MIN: usize = 39;

pub(super) use before::Before;

/// A page of a container's blobs as it came.
#[derive(Clone, Debug)]
pub struct ListingPage(Bytes);

/// A line of a page.
#[derive(Debug)]
pub enum Listed<'e, 'p> {
    /// A blob, or a snapshot of one.
    Blob(&'e ListedBlob<'p>),
    /// Names that begin so, the delimiter included.
    Prefix(Cow<'p, str>),
}

/// A blob as a page tells of it.
#[derive(Debug, Default)]
pub struct ListedBlob<'p> {
    /// Its name.
    pub name: Cow<'p, str>,
    /// Which snapshot this is; empty for the blob itself.
    pub snapshot: Cow<'p, str>,
    /// It has been deleted and is kept a while.
    pub deleted: bool,
    /// It has staged blocks only: it has no state of its own yet.
    pub uncommitted: bool,
    /// What Azure says of it.
    pub properties: ListedProperties<'p>,
    /// Names, in either case, and values. Of one name the last counts.
    pub metadata: Vec<(&'p str, Cow<'p, str>)>,
}

/// What Azure says of a blob or a container in a listing. A text that is not there is empty.
#[derive(Debug, Default)]
pub struct ListedProperties<'p> {
    /// Without its quotes, or with them.
    pub etag: Cow<'p, str>,
    /// Of the last change, to the second.
    pub last_modified: Option<OffsetDateTime>,
    /// Bytes of the whole blob.
    pub content_length: Option<u64>,
    /// Where it is kept.
    pub tier: Option<Tier>,
    /// On its way back from the archive: `rehydrate-pending-to-hot` and the like.
    pub archive_status: Cow<'p, str>,
    content_type: Cow<'p, str>,
    content_encoding: Cow<'p, str>,
    content_language: Cow<'p, str>,
    content_disposition: Cow<'p, str>,
    cache_control: Cow<'p, str>,
    content_md5: Cow<'p, str>,
    kind: Option<BlobKind>,
    leased: bool,
}

impl ListingPage {
    /// The page that Azure has written so.
    pub fn new(document: Bytes) -> Self {
        Self(document)
    }

    /// How many entries there are at most.
    pub fn entries_max(&self) -> usize {
        self.0.len() / ENTRY_BYTES_MIN
    }

    /// Shows each entry to `each`, in the order of the page: Azure mixes blobs and prefixes by name, Azurite
    /// lists the prefixes first. Where the next page begins, if there is one.
    pub fn read<'p>(
        &'p self,
        mut each: impl FnMut(Listed<'_, 'p>),
    ) -> Result<Option<String>, BlobError> {
        let mut next_marker = None;
        let mut walk = Walk::into_root(&self.0, "EnumerationResults")?;
        while let Some(tag) = walk.child()? {
            match tag.name() {
                "Blobs" => read_entries(&mut walk, &mut each)?,
                "NextMarker" => next_marker = some(&walk.text()?),
                _ => walk.skip()?,
            }
        }
        Ok(next_marker)
    }

    /// All that it says, in Azure's order.
    pub(super) fn entries(&self) -> Result<BlobPage, BlobError> {
        let mut entries = Vec::new();
        let next_marker = self.read(|entry| {
            entries.push(match entry {
                Listed::Blob(blob) => ListEntry::Blob(Box::new(blob.entry())),
                Listed::Prefix(prefix) => ListEntry::Prefix(prefix.into_owned()),
            });
        })?;
        Ok(BlobPage { entries: in_order(entries), next_marker })
    }
}

/// The elements of the blob before: those of the next one are the same, most likely.
#[derive(Default)]
struct BlobBefore<'p> {
    properties: Before<'p, Property>,
    metadata: Before<'p, &'p str>,
}

fn read_entries<'p>(
    walk: &mut Walk<'p>,
    each: &mut impl FnMut(Listed<'_, 'p>),
) -> Result<(), BlobError> {
    let (mut blob, mut before) = (ListedBlob::default(), BlobBefore::default());
    let mut prefix = Before::default();
    loop {
        let name = if walk.begins("Blob") {
            "Blob"
        } else if walk.begins("BlobPrefix") {
            "BlobPrefix"
        } else {
            let Some(tag) = walk.child()? else { return Ok(()) };
            tag.name()
        };
        match name {
            "Blob" => {
                blob.read(walk, &mut before)?;
                each(Listed::Blob(&blob));
            }
            "BlobPrefix" => each(Listed::Prefix(read_prefix(walk, &mut prefix)?)),
            _ => walk.skip()?,
        }
    }
}

/// What has one name (a blob and its snapshots) keeps its order.
fn in_order(mut entries: Vec<ListEntry>) -> Vec<ListEntry> {
    let mixed = entries.iter().any(|entry| matches!(entry, ListEntry::Prefix(_)));
    let compare = |one: &ListEntry, other: &ListEntry| {
        one.name().encode_utf16().cmp(other.name().encode_utf16())
    };
    if mixed && !entries.is_sorted_by(|one, other| compare(one, other).is_le()) {
        entries.sort_by(compare);
    }
    entries
}

fn read_prefix<'p>(
    walk: &mut Walk<'p>,
    before: &mut Before<'p, bool>,
) -> Result<Cow<'p, str>, BlobError> {
    let mut prefix = None;
    for at in 0.. {
        if let Some((is_name, text)) = before.next(walk, at, |name| name == "Name") {
            if is_name {
                prefix = Some(Cow::Borrowed(text));
            }
            continue;
        }
        let Some(tag) = walk.child()? else { break };
        match tag.name() {
            "Name" => prefix = Some(read_name(walk, &tag)?),
            _ => walk.skip()?,
        }
    }
    prefix.ok_or_else(|| BlobError::broken("a prefix without a name"))
}

/// A name that XML cannot hold is percent-encoded, and says so.
fn read_name<'p>(walk: &mut Walk<'p>, tag: &Tag<'_>) -> Result<Cow<'p, str>, BlobError> {
    let text = walk.text()?;
    if !tag.says("Encoded", "true") {
        return Ok(text);
    }
    let decoded = percent_decode_str(&text).decode_utf8().map_err(BlobError::broken)?;
    Ok(Cow::Owned(decoded.into_owned()))
}

impl<'p> ListedBlob<'p> {
    /// Reads the next one in the place of the one before, whose room for metadata is kept.
    fn read(&mut self, walk: &mut Walk<'p>, before: &mut BlobBefore<'p>) -> Result<(), BlobError> {
        let mut metadata = std::mem::take(&mut self.metadata);
        metadata.clear();
        *self = Self { metadata, ..Self::default() };
        let mut name = None;
        loop {
            if let Some(leaf) = walk.plain_leaf() {
                let text = Cow::Borrowed(leaf.text);
                match leaf.name {
                    "Name" => name = Some(text),
                    of => self.set(of, text),
                }
                continue;
            }
            if walk.begins("Properties") {
                self.properties.read(walk, &mut before.properties)?;
                continue;
            }
            if walk.begins("Metadata") {
                self.read_metadata(walk, &mut before.metadata)?;
                continue;
            }
            let Some(tag) = walk.child()? else { break };
            match tag.name() {
                "Name" => name = Some(read_name(walk, &tag)?),
                "Properties" => self.properties.read(walk, &mut before.properties)?,
                "Metadata" => self.read_metadata(walk, &mut before.metadata)?,
                of => self.set(of, walk.text()?),
            }
        }
        self.name = name.ok_or_else(|| BlobError::broken("a blob without a name"))?;
        self.check()
    }

    fn set(&mut self, name: &str, text: Cow<'p, str>) {
        match name {
            "Snapshot" => self.snapshot = text,
            "Deleted" => self.deleted = text == "true",
            _ => {}
        }
    }

    fn read_metadata(
        &mut self,
        walk: &mut Walk<'p>,
        before: &mut Before<'p, &'p str>,
    ) -> Result<(), BlobError> {
        self.metadata.clear();
        for at in 0.. {
            if let Some((name, text)) = before.next(walk, at, |name| name) {
                self.metadata.push((name, Cow::Borrowed(text)));
            } else if let Some(row) = walk.leaf()? {
                self.metadata.push(row);
            } else {
                break;
            }
        }
        Ok(())
    }

    /// A name with staged blocks only has no state of its own yet; Azurite gives it an ETag and a
    /// time. What was committed has a type, by default too.
    fn check(&mut self) -> Result<(), BlobError> {
        let of = &mut self.properties;
        let untyped = of.content_type.is_empty() && of.content_length == Some(0);
        self.uncommitted = of.etag.is_empty() || of.last_modified.is_none() || untyped;
        if self.uncommitted {
            self.metadata.clear();
            of.tier = None;
            of.archive_status = Cow::Borrowed("");
            of.kind = None;
            of.leased = false;
        } else if of.content_length.is_none() {
            return Err(BlobError::broken("a blob without a length"));
        }
        Ok(())
    }

    /// A copy that needs no page any longer.
    pub fn entry(&self) -> BlobEntry {
        let of = &self.properties;
        let row = |(name, value): &(&str, Cow<'_, str>)| {
            (name.to_ascii_lowercase(), value.clone().into_owned())
        };
        BlobEntry {
            name: self.name.clone().into_owned(),
            snapshot: some(&self.snapshot),
            deleted: self.deleted,
            uncommitted: self.uncommitted,
            properties: Properties {
                etag: AzureETag::new(&of.etag),
                last_modified: of.last_modified(),
                content_length: of.content_length.unwrap_or_default(),
                headers: of.headers(),
                metadata: self.metadata.iter().map(row).collect::<Metadata>(),
                kind: of.kind.unwrap_or(BlobKind::Block),
                tier: of.tier.clone(),
                archive_status: some(&of.archive_status),
                leased: of.leased,
            },
        }
    }
}

/// The properties that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Property {
    ETag,
    LastModified,
    ContentLength,
    ContentType,
    ContentEncoding,
    ContentLanguage,
    ContentDisposition,
    CacheControl,
    ContentMd5,
    BlobType,
    AccessTier,
    ArchiveStatus,
    LeaseStatus,
    /// One of the many that nobody asks for.
    Other,
}

impl Property {
    fn named(name: &str) -> Self {
        match name {
            "Etag" => Self::ETag,
            "Last-Modified" => Self::LastModified,
            "Content-Length" => Self::ContentLength,
            "Content-Type" => Self::ContentType,
            "Content-Encoding" => Self::ContentEncoding,
            "Content-Language" => Self::ContentLanguage,
            "Content-Disposition" => Self::ContentDisposition,
            "Cache-Control" => Self::CacheControl,
            "Content-MD5" => Self::ContentMd5,
            "BlobType" => Self::BlobType,
            "AccessTier" => Self::AccessTier,
            "ArchiveStatus" => Self::ArchiveStatus,
            "LeaseStatus" => Self::LeaseStatus,
            _ => Self::Other,
        }
    }
}

impl<'p> ListedProperties<'p> {
    /// Reads the children of `<Properties>`.
    pub(super) fn read(
        &mut self,
        walk: &mut Walk<'p>,
        before: &mut Before<'p, Property>,
    ) -> Result<(), BlobError> {
        for at in 0.. {
            if let Some((property, text)) = before.next(walk, at, Property::named) {
                self.set(property, Cow::Borrowed(text));
            } else if let Some((name, text)) = walk.leaf()? {
                self.set(Property::named(name), text);
            } else {
                break;
            }
        }
        Ok(())
    }

    fn set(&mut self, property: Property, text: Cow<'p, str>) {
        if text.is_empty() {
            return;
        }
        match property {
            Property::ETag => self.etag = text,
            Property::LastModified => self.last_modified = dates::parse(&text),
            Property::ContentLength => self.content_length = text.parse().ok(),
            Property::ContentType => self.content_type = text,
            Property::ContentEncoding => self.content_encoding = text,
            Property::ContentLanguage => self.content_language = text,
            Property::ContentDisposition => self.content_disposition = text,
            Property::CacheControl => self.cache_control = text,
            Property::ContentMd5 => self.content_md5 = text,
            Property::BlobType => self.kind = Some(properties::kind_of(&text)),
            Property::AccessTier => self.tier = Some(Tier::parse(&text)),
            Property::ArchiveStatus => self.archive_status = text,
            Property::LeaseStatus => self.leased = text == "locked",
            Property::Other => {}
        }
    }

    /// When it was changed last; the beginning of all time for what has no state yet.
    pub fn last_modified(&self) -> OffsetDateTime {
        self.last_modified.unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// MD5 of the whole blob, as it was computed or said.
    pub fn content_md5(&self) -> Option<[u8; 16]> {
        properties::md5_from_base64(&self.content_md5)
    }

    fn headers(&self) -> BlobHeaders {
        BlobHeaders {
            content_type: some(&self.content_type),
            content_encoding: some(&self.content_encoding),
            content_language: some(&self.content_language),
            content_disposition: some(&self.content_disposition),
            cache_control: some(&self.cache_control),
            content_md5: self.content_md5(),
        }
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests;
