//! What the server holds: containers, and in each an ordered map of names, each with its blob, its
//! snapshots and its staged blocks. One lock for each container makes every operation atomic.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use http::HeaderValue;

use crate::clock::Time;
use crate::content::Content;
use crate::lease::Lease;
use crate::metadata::{Metadata, Served};
use crate::names::Name;
use crate::staged::Staged;

pub(crate) fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// All of an account.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) containers: RwLock<BTreeMap<Box<str>, Arc<Container>>>,
    /// Names that are not free before a time.
    pub(crate) deleted: RwLock<HashMap<Box<str>, Time>>,
}

#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) facts: RwLock<ContainerFacts>,
    pub(crate) blobs: RwLock<Blobs>,
}

#[derive(Clone, Debug)]
pub(crate) struct ContainerFacts {
    pub(crate) metadata: Metadata,
    pub(crate) etag: ETag,
    pub(crate) last_modified: Time,
    pub(crate) lease: Lease,
}

/// In Azure's order, by UTF-16 code units.
pub(crate) type Blobs = BTreeMap<Name, Entry>;

/// What a name has.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub(crate) base: Option<Arc<Blob>>,
    /// Oldest first.
    pub(crate) snapshots: Vec<(Time, Arc<Blob>)>,
    pub(crate) staged: Option<Box<Staged>>,
    pub(crate) lease: Lease,
    /// What a copy that is on its way will make of it.
    pub(crate) pending: Option<Arc<Blob>>,
}

impl Entry {
    pub(crate) fn is_empty(&self) -> bool {
        self.base.is_none() && self.snapshots.is_empty() && self.staged.is_none()
    }

    pub(crate) fn snapshot(&self, time: Time) -> Option<&Arc<Blob>> {
        self.snapshots.iter().find(|(of, _)| *of == time).map(|(_, blob)| blob)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Block,
    Append,
    Page,
}

impl Kind {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Block => "BlockBlob",
            Self::Append => "AppendBlob",
            Self::Page => "PageBlob",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tier {
    Hot,
    Cool,
    Cold,
    Archive,
}

impl Tier {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "Hot" => Self::Hot,
            "Cool" => Self::Cool,
            "Cold" => Self::Cold,
            "Archive" => Self::Archive,
            _ => return None,
        })
    }

    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Hot => "Hot",
            Self::Cool => "Cool",
            Self::Cold => "Cold",
            Self::Archive => "Archive",
        }
    }
}

/// A state of a blob. It does not change; a change makes another.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    pub(crate) kind: Kind,
    pub(crate) content: Content,
    /// What it was committed of; none for Put Blob.
    pub(crate) blocks: Arc<[(Box<[u8]>, Content)]>,
    pub(crate) etag: ETag,
    pub(crate) last_modified: Time,
    pub(crate) created: Time,
    pub(crate) served: Served,
    pub(crate) metadata: Metadata,
    /// None: the account's default.
    pub(crate) tier: Option<Tier>,
    /// On its way back from the archive, to this tier, there at this time.
    pub(crate) rehydrating: Option<(Tier, Time)>,
    pub(crate) md5: Option<[u8; 16]>,
    pub(crate) copy: Option<Copying>,
    /// Appends so far.
    pub(crate) appended: u32,
}

impl Blob {
    pub(crate) fn new(kind: Kind, content: Content, etag: ETag, now: Time) -> Self {
        Self {
            kind,
            content,
            blocks: Arc::new([]),
            etag,
            last_modified: now,
            created: now,
            served: Served::default(),
            metadata: Metadata::default(),
            tier: None,
            rehydrating: None,
            md5: None,
            copy: None,
            appended: 0,
        }
    }

    /// Where it is kept now.
    pub(crate) fn tier_at(&self, now: Time) -> Tier {
        match (self.tier, self.rehydrating) {
            (_, Some((tier, there))) if there <= now => tier,
            (tier, _) => tier.unwrap_or(Tier::Hot),
        }
    }

    pub(crate) fn is_archived(&self, now: Time) -> bool {
        self.tier_at(now) == Tier::Archive
    }
}

/// The last copy that made a blob.
#[derive(Clone, Debug)]
pub(crate) struct Copying {
    pub(crate) id: String,
    pub(crate) status: CopyStatus,
    pub(crate) source: HeaderValue,
    pub(crate) total: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CopyStatus {
    Pending,
    Success,
    Aborted,
}

impl CopyStatus {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Success => "success",
            Self::Aborted => "aborted",
        }
    }
}

/// Changes with every change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ETag(pub(crate) u64);

impl ETag {
    /// As it stands in listings; in headers it has quotes.
    pub(crate) fn text(self) -> String {
        format!("0x{:015X}", self.0)
    }

    pub(crate) fn quoted(self) -> HeaderValue {
        let mut text = [0_u8; 19];
        text[0] = b'"';
        text[1] = b'0';
        text[2] = b'x';
        for (place, byte) in text.iter_mut().skip(3).take(15).enumerate() {
            let digit = self.0 >> (4 * (14 - place)) & 0xf;
            let digit = u8::try_from(digit).unwrap_or_default();
            *byte = if digit < 10 { b'0' + digit } else { b'A' + digit - 10 };
        }
        text[18] = b'"';
        HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// Whether `text`, with or without quotes, is this ETag.
    pub(crate) fn is(self, text: &str) -> bool {
        let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
        bare.strip_prefix("0x").is_some_and(|digits| {
            digits.len() == 15 && u64::from_str_radix(digits, 16) == Ok(self.0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_is_written_one_way() {
        let etag = ETag(0x8DD_0000_1234_ABCD);
        assert_eq!(etag.quoted(), format!("\"{}\"", etag.text()));
        assert!(etag.is("\"0x8DD00001234ABCD\"") && etag.is("0x8DD00001234ABCD"));
        assert!(!etag.is("*") && !etag.is("\"0x8DD00001234ABCE\""));
    }
}
