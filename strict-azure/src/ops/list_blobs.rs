//! List Blobs: a page in the order of UTF-16, flat or rolled up at a delimiter.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/list-blobs>

use std::ops::Bound;

use data_encoding::BASE64;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::answer::{self, Outcome, name};
use crate::ask::Ask;
use crate::clock::Time;
use crate::marker::{BASE, Place};
use crate::metadata::Metadata;
use crate::names::{self, Name};
use crate::ops::read::archive_status;
use crate::options::Pages;
use crate::refusal::{self, Refusal};
use crate::service::Service;
use crate::state::{Blob, Blobs, Entry, Kind, read};
use crate::xml;

const RESULTS_MAX: usize = 5_000;

/// The first version that knows `startFrom`.
const START_FROM_VERSION: &str = "2026-02-06";

/// What is asked for.
struct Wanted<'a> {
    prefix: &'a str,
    delimiter: Option<&'a str>,
    from: Option<Place>,
    most: usize,
    include: Include,
    now: Time,
}

#[derive(Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one word of one query parameter")]
struct Include {
    metadata: bool,
    snapshots: bool,
    uncommitted: bool,
}

impl Service {
    pub(crate) fn list_blobs(&self, ask: &Ask) -> Outcome {
        let container = self.container(ask)?;
        let mut wanted = Wanted::of(ask, self.now())?;
        let pages = self.behaviour().pages;
        if let Pages::Short(most) | Pages::Empty(most) = pages {
            wanted.most = wanted.most.min(most.max(1));
        }
        let rested = wanted.from.as_ref().is_some_and(|place| place.rested);
        let empty = matches!(pages, Pages::Empty(_)) && !rested;
        let mut text = String::with_capacity(if empty { 512 } else { wanted.most * 640 + 512 });
        self.add_head(&mut text, ask);
        let next = if empty {
            let name = wanted.from.as_ref().map_or(wanted.prefix, |place| &place.name);
            let snapshot = wanted.from.as_ref().map(|place| place.snapshot).unwrap_or_default();
            Some(Place { name: name.to_owned(), snapshot, rested: true })
        } else {
            wanted.walk(&read(&container.blobs), &mut text).err()
        };
        text.push_str("</Blobs><NextMarker>");
        text.push_str(&next.as_ref().map(Place::text).unwrap_or_default());
        text.push_str("</NextMarker></EnumerationResults>");
        Ok(answer::document(text))
    }

    fn add_head(&self, text: &mut String, ask: &Ask) {
        text.push_str(xml::HEAD);
        text.extend(["<EnumerationResults ServiceEndpoint=\"", &self.endpoint(), "/\""]);
        text.extend([" ContainerName=\"", &ask.container, "\">"]);
        for (tag, name) in [
            ("Prefix", "prefix"),
            ("Marker", "marker"),
            ("MaxResults", "maxresults"),
            ("Delimiter", "delimiter"),
        ] {
            if let Some(value) = ask.query(name) {
                add_name(text, tag, value);
            }
        }
        text.push_str("<Blobs>");
    }
}

impl<'a> Wanted<'a> {
    fn of(ask: &'a Ask, now: Time) -> Result<Self, Refusal> {
        let prefix = ask.query("prefix").unwrap_or_default();
        let delimiter = ask.query("delimiter");
        let include = include(ask)?;
        // Snapshots are listed flat only.
        if include.snapshots && delimiter.is_some() {
            return Err(refusal::INVALID_QUERY_PARAMETER_VALUE.into());
        }
        let start = ask.query("startFrom");
        let from = match (ask.query("marker"), start) {
            (Some(marker), _) => {
                Some(Place::parse(marker).ok_or(refusal::INVALID_QUERY_PARAMETER_VALUE)?)
            }
            (None, Some(start)) => {
                may_start(ask, prefix, delimiter, start)?;
                Some(Place { name: start.to_owned(), snapshot: Time(0), rested: false })
            }
            (None, None) => None,
        };
        Ok(Self { prefix, delimiter, from, most: max_results(ask)?, include, now })
    }

    /// Writes a page. If there is a next one, where that begins.
    fn walk(&self, blobs: &Blobs, text: &mut String) -> Result<(), Place> {
        let from = self.from.as_ref().map_or("", |place| &place.name);
        let from = if names::compare(from, self.prefix).is_gt() { from } else { self.prefix };
        let mut names =
            blobs.range::<Name, _>((Bound::Included(Name(from.into())), Bound::Unbounded));
        let mut count = 0;
        let mut rolled: Option<&str> = None;
        while let Some((name, entry)) = names.next() {
            let name = name.as_str();
            let Some(below) = name.strip_prefix(self.prefix) else { break };
            if rolled.is_some_and(|prefix| name.starts_with(prefix)) || !self.shows(entry) {
                continue;
            }
            let Some(prefix) = self.rolls_up(name, below) else {
                count += self.add_all(text, name, entry, self.most - count)?;
                continue;
            };
            if count == self.most {
                return Err(Place { name: prefix.to_owned(), snapshot: Time(0), rested: false });
            }
            text.push_str("<BlobPrefix>");
            add_name(text, "Name", prefix);
            text.push_str("</BlobPrefix>");
            count += 1;
            rolled = Some(prefix);
            // Over all that it rolls up, without walking it; what is left of it is skipped above.
            let behind = Name(format!("{prefix}\u{ffff}").into());
            names = blobs.range::<Name, _>((Bound::Included(behind), Bound::Unbounded));
        }
        Ok(())
    }

    fn shows(&self, entry: &Entry) -> bool {
        entry.base.is_some() || (self.include.uncommitted && self.has_staged(entry))
    }

    fn has_staged(&self, entry: &Entry) -> bool {
        entry.staged.as_ref().is_some_and(|staged| !staged.is_gone(self.now))
    }

    fn rolls_up<'b>(&self, name: &'b str, below: &str) -> Option<&'b str> {
        let delimiter = self.delimiter?;
        let end = self.prefix.len() + below.find(delimiter)? + delimiter.len();
        name.get(..end)
    }

    /// Writes the snapshots, oldest first, and the blob: how many they were. If they do not all fit,
    /// where the next page begins.
    fn add_all(
        &self,
        text: &mut String,
        name: &str,
        entry: &Entry,
        left: usize,
    ) -> Result<usize, Place> {
        let place = |snapshot| Place { name: name.to_owned(), snapshot, rested: false };
        let resumed = self.from.as_ref().filter(|place| place.name == name);
        let first = resumed.map(|place| place.snapshot).unwrap_or_default();
        let mut added = 0;
        let wanted = |time: Time| self.include.snapshots && time >= first;
        for (time, blob) in entry.snapshots.iter().filter(|(time, _)| wanted(*time)) {
            if added == left {
                return Err(place(*time));
            }
            self.add_blob(text, name, Some(*time), (blob, entry));
            added += 1;
        }
        if added == left {
            return Err(place(BASE));
        }
        match &entry.base {
            Some(blob) => self.add_blob(text, name, None, (blob, entry)),
            None => add_uncommitted(text, name),
        }
        Ok(added + 1)
    }

    fn add_blob(
        &self,
        text: &mut String,
        name: &str,
        snapshot: Option<Time>,
        (blob, entry): (&Blob, &Entry),
    ) {
        text.push_str("<Blob>");
        add_name(text, "Name", name);
        if let Some(time) = snapshot {
            text.extend(["<Snapshot>", &time.iso(), "</Snapshot>"]);
        }
        text.push_str("<Properties><Creation-Time>");
        text.push_str(&blob.created.http_date());
        text.push_str("</Creation-Time><Last-Modified>");
        text.push_str(&blob.last_modified.http_date());
        text.extend(["</Last-Modified><Etag>", &blob.etag.text(), "</Etag><Content-Length>"]);
        text.push_str(&blob.content.length().to_string());
        text.push_str("</Content-Length>");
        add_served(text, blob);
        text.extend(["<BlobType>", blob.kind.text(), "</BlobType>"]);
        if blob.kind == Kind::Block {
            text.extend(["<AccessTier>", blob.tier_at(self.now).text(), "</AccessTier>"]);
            if blob.tier.is_none() {
                text.push_str("<AccessTierInferred>true</AccessTierInferred>");
            }
            if let Some(status) = archive_status(blob, self.now) {
                text.extend(["<ArchiveStatus>", status, "</ArchiveStatus>"]);
            }
        }
        if snapshot.is_none() {
            let state = entry.lease.state(self.now);
            text.extend(["<LeaseStatus>", state.status(), "</LeaseStatus><LeaseState>"]);
            text.extend([state.text(), "</LeaseState>"]);
        }
        text.push_str("<ServerEncrypted>true</ServerEncrypted></Properties>");
        if self.include.metadata {
            add_metadata(text, &blob.metadata);
        }
        text.push_str("<OrMetadata /></Blob>");
    }
}

fn include(ask: &Ask) -> Result<Include, Refusal> {
    let mut include = Include::default();
    let words = ask.query("include").unwrap_or_default();
    for word in words.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        match word.to_ascii_lowercase().as_str() {
            "metadata" => include.metadata = true,
            "snapshots" => include.snapshots = true,
            "uncommittedblobs" => include.uncommitted = true,
            // There are none of these here.
            "copy"
            | "deleted"
            | "tags"
            | "versions"
            | "deletedwithversions"
            | "immutabilitypolicy"
            | "legalhold"
            | "permissions" => {}
            _ => return Err(refusal::INVALID_QUERY_PARAMETER_VALUE.into()),
        }
    }
    Ok(include)
}

/// With a delimiter, `startFrom` names one level below the prefix.
fn may_start(ask: &Ask, prefix: &str, delimiter: Option<&str>, start: &str) -> Result<(), Refusal> {
    if ask.header("x-ms-version").unwrap_or(START_FROM_VERSION) < START_FROM_VERSION {
        return Err(refusal::UNSUPPORTED_QUERY_PARAMETER.into());
    }
    let below = start.strip_prefix(prefix).zip(delimiter);
    let deeper = below.is_some_and(|(below, delimiter)| {
        below.find(delimiter).is_some_and(|at| at + delimiter.len() < below.len())
    });
    if deeper { Err(refusal::INVALID_QUERY_PARAMETER_VALUE.into()) } else { Ok(()) }
}

pub(crate) fn max_results(ask: &Ask) -> Result<usize, Refusal> {
    let Some(text) = ask.query("maxresults") else { return Ok(RESULTS_MAX) };
    match text.parse::<usize>() {
        Ok(0) => Err(refusal::OUT_OF_RANGE_QUERY_PARAMETER_VALUE.into()),
        Ok(most) => Ok(most.min(RESULTS_MAX)),
        Err(_) => Err(refusal::INVALID_QUERY_PARAMETER_VALUE.into()),
    }
}

/// A name that XML cannot hold is percent-encoded, and says so.
fn add_name(text: &mut String, tag: &str, name: &str) {
    text.extend(["<", tag]);
    if xml::is_unwritable(name) {
        text.push_str(" Encoded=\"true\">");
        text.extend(utf8_percent_encode(name, NON_ALPHANUMERIC));
    } else {
        text.push('>');
        xml::escape(text, name);
    }
    text.extend(["</", tag, ">"]);
}

fn add_served(text: &mut String, blob: &Blob) {
    text.push_str("<Content-Type>");
    let kind = blob.served.content_type();
    xml::escape(text, kind.to_str().unwrap_or_default());
    text.push_str("</Content-Type>");
    for (tag, of) in [
        ("Content-Encoding", name::CONTENT_ENCODING),
        ("Content-Language", name::CONTENT_LANGUAGE),
        ("Cache-Control", name::CACHE_CONTROL),
        ("Content-Disposition", name::CONTENT_DISPOSITION),
    ] {
        let value = blob.served.more().find(|(name, _)| *name == of);
        match value.and_then(|(_, value)| value.to_str().ok()) {
            None => text.extend(["<", tag, " />"]),
            Some(value) => {
                text.extend(["<", tag, ">"]);
                xml::escape(text, value);
                text.extend(["</", tag, ">"]);
            }
        }
    }
    match blob.md5 {
        None => text.push_str("<Content-MD5 />"),
        Some(md5) => text.extend(["<Content-MD5>", &BASE64.encode(&md5), "</Content-MD5>"]),
    }
}

/// What has staged blocks only has no state: its elements are there and empty.
fn add_uncommitted(text: &mut String, name: &str) {
    text.push_str("<Blob>");
    add_name(text, "Name", name);
    text.push_str(
        "<Properties><Creation-Time /><Last-Modified /><Etag /><Content-Length>0</Content-Length>\
         <Content-Type /><Content-Encoding /><Content-Language /><Content-MD5 /><Cache-Control />\
         <Content-Disposition /><BlobType>BlockBlob</BlobType><LeaseStatus>unlocked</LeaseStatus>\
         <LeaseState>available</LeaseState></Properties><OrMetadata /></Blob>",
    );
}

pub(crate) fn add_metadata(text: &mut String, metadata: &Metadata) {
    if metadata.is_empty() {
        text.push_str("<Metadata />");
        return;
    }
    text.push_str("<Metadata>");
    for (name, value) in metadata.pairs() {
        text.extend(["<", name, ">"]);
        xml::escape(text, value);
        text.extend(["</", name, ">"]);
    }
    text.push_str("</Metadata>");
}
