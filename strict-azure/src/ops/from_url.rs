//! Put Blob From URL and Put Block From URL: bytes that another blob has, here or in another server of
//! this process.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/put-blob-from-url>
//! <https://learn.microsoft.com/rest/api/storageservices/put-block-from-url>

use std::sync::Arc;

use http::StatusCode;

use crate::answer::{self, Outcome};
use crate::ask::{self, Ask};
use crate::clock::Time;
use crate::conditions::Conditions;
use crate::content::Content;
use crate::metadata::{Metadata, Served};
use crate::names::{self, Name};
use crate::operation::Operation;
use crate::ops::blocks::block_id;
use crate::ops::{commit, read};
use crate::options::Auth;
use crate::refusal::{self, Refusal};
use crate::server;
use crate::service::Service;
use crate::state::{Blob, Kind, read as locked};
use crate::upload::{self, BLOB_MAX, BLOCK_MAX};

/// What `x-ms-copy-source` holds.
const SOURCE_BYTES_MAX: usize = 2 * 1024;

/// Whether the account's own signature is right enough for a source in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnAccount {
    /// Copy Blob.
    Enough,
    /// Everything else wants to be shown a right.
    NotEnough,
}

impl Service {
    pub(crate) fn put_blob_from_url(&self, ask: &Ask) -> Outcome {
        if !self.behaviour().capabilities.put_blob_from_url {
            return Err(refusal::API_NOT_IMPLEMENTED.into());
        }
        if ask.header("x-ms-blob-type") != Some("BlockBlob") || has_body(ask) {
            return Err(refusal::INVALID_HEADER_VALUE.into());
        }
        let metadata = Metadata::of(&ask.headers)?;
        let tier = commit::tier(ask)?;
        let blob_md5 = upload::md5(ask, "x-ms-blob-content-md5")?;
        let source = self.source(ask, OwnAccount::NotEnough)?;
        let content = source.content.clone();
        if content.length() > BLOB_MAX {
            return Err(refusal::REQUEST_BODY_TOO_LARGE.into());
        }
        check_source(ask, &content)?;
        let now = self.now();
        let mut blob = Blob::new(Kind::Block, content, self.etag(), now);
        blob.metadata = metadata;
        blob.tier = tier;
        if ask.flag("x-ms-copy-source-blob-properties", true) {
            blob.served = source.served.clone();
            blob.md5 = source.md5;
            if blob.metadata.is_empty() {
                blob.metadata = source.metadata.clone();
            }
        }
        let asked = Served::of(&ask.headers);
        if asked.content_type.is_some() || asked.more().next().is_some() {
            blob.served = asked;
        }
        blob.md5 = blob_md5.or(blob.md5);
        // No Content-MD5 in the answer.
        let crc64 = blob.content.crc64();
        let mut answer = self.commit(ask, blob, now)?;
        if let Some(crc64) = crc64 {
            answer::put_crc64(&mut answer, crc64);
        }
        Ok(answer)
    }

    pub(crate) fn put_block_from_url(&self, ask: &Ask) -> Outcome {
        if !self.behaviour().capabilities.put_block_from_url {
            return Err(refusal::SOURCE_FORBIDDEN.into());
        }
        let id = block_id(ask)?;
        if has_body(ask) {
            return Err(refusal::INVALID_HEADER_VALUE.into());
        }
        let source = self.source(ask, OwnAccount::NotEnough)?;
        let length = source.content.length();
        let (first, end) = match ask.header("x-ms-source-range") {
            None => (0, length),
            Some(text) => read::parse_range(text)?,
        };
        let end = end.min(length);
        if first >= end {
            return Err(refusal::INVALID_RANGE.into());
        }
        if end - first > BLOCK_MAX {
            return Err(refusal::REQUEST_BODY_TOO_LARGE.into());
        }
        let content = source.content.range(first, end);
        let crc64 = check_source(ask, &content)?;
        self.stage(ask, id, content)?;
        let mut answer = answer::plain(StatusCode::CREATED);
        if let Some(crc64) = crc64 {
            answer::put_crc64(&mut answer, crc64);
        }
        answer::put_text(&mut answer, answer::name::REQUEST_SERVER_ENCRYPTED, "true");
        Ok(answer)
    }

    /// The source of a copy, if it may be read and is what the request says.
    pub(crate) fn source(&self, ask: &Ask, own: OwnAccount) -> Result<Arc<Blob>, Refusal> {
        let address = ask.header("x-ms-copy-source").ok_or(refusal::MISSING_REQUIRED_HEADER)?;
        if address.len() > SOURCE_BYTES_MAX {
            return Err(refusal::INVALID_HEADER_VALUE.into());
        }
        let (authority, target) = split(address).ok_or(refusal::INVALID_HEADER_VALUE)?;
        let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let other = server::find(port.ok_or(refusal::SOURCE_NOT_FOUND)?);
        let other = other.filter(|other| other.port != self.port);
        let bearer = ask.header("x-ms-copy-source-authorization");
        let service = other.as_deref().unwrap_or(self);
        if port != Some(service.port) {
            return Err(refusal::SOURCE_NOT_FOUND.into());
        }
        let own = own == OwnAccount::Enough && service.port == self.port;
        let right = if own { Right::OwnAccount } else { Right::Shown(bearer) };
        let blob = service.read_source(target, right)?;
        Conditions::of_source(ask)?.for_source(&blob)?;
        if blob.is_archived(self.now()) {
            return Err(refusal::BLOB_ARCHIVED.into());
        }
        Ok(blob)
    }

    fn read_source(&self, target: &str, right: Right<'_>) -> Result<Arc<Blob>, Refusal> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let invalid = |_| Refusal::from(refusal::SOURCE_INVALID);
        let (container, name) = ask::resource(path, &self.options.account).map_err(invalid)?;
        let name = name.ok_or(refusal::SOURCE_INVALID)?;
        let name: Name = names::blob(&name).map_err(|row| invalid(row.into()))?;
        let query = ask::pairs(query).map_err(invalid)?;
        let snapshot = query.iter().find(|(name, _)| name == "snapshot");
        let snapshot = snapshot.map(|(_, value)| value.as_str());
        if let Right::Shown(bearer) = right
            && self.options.auth == Auth::Check
        {
            let wanted = crate::sas::Wanted {
                container: &container,
                blob: Some(name.as_str()),
                snapshot,
                operation: Operation::GetBlob,
            };
            self.authorise_source(bearer, &query, &wanted)?;
        }
        let containers = locked(&self.store.containers);
        let container = containers.get(&container).ok_or(refusal::SOURCE_NOT_FOUND)?;
        let blobs = locked(&container.blobs);
        let entry = blobs.get(&name).ok_or(refusal::SOURCE_NOT_FOUND)?;
        let blob = match snapshot {
            None => entry.base.as_ref(),
            Some(text) => Time::parse_iso(text).and_then(|time| entry.snapshot(time)),
        };
        blob.cloned().ok_or_else(|| refusal::SOURCE_NOT_FOUND.into())
    }
}

/// By what right a source is read.
#[derive(Clone, Copy)]
enum Right<'a> {
    OwnAccount,
    /// What its address says, or this header.
    Shown(Option<&'a str>),
}

/// Authority, and path with query.
fn split(address: &str) -> Option<(&str, &str)> {
    let rest = address.strip_prefix("http://").or_else(|| address.strip_prefix("https://"))?;
    rest.find('/').map(|at| rest.split_at(at))
}

fn has_body(ask: &Ask) -> bool {
    ask.header("content-length").is_some_and(|length| length != "0")
}

/// Compares what the source is said to be; its CRC64.
fn check_source(ask: &Ask, content: &Content) -> Result<Option<u64>, Refusal> {
    let md5 = upload::md5(ask, "x-ms-source-content-md5")?;
    let crc64 = upload::crc64(ask, "x-ms-source-content-crc64")?;
    if md5.is_some() && crc64.is_some() {
        return Err(refusal::BOTH_CRC64_AND_MD5.into());
    }
    // Nothing is known of bytes that were only counted.
    if md5.is_some() && content.md5().is_some_and(|own| md5 != Some(own)) {
        return Err(refusal::MD5_MISMATCH.into());
    }
    let own = content.crc64();
    if crc64.is_some() && own.is_some() && crc64 != own {
        return Err(refusal::CRC64_MISMATCH.into());
    }
    Ok(own)
}
