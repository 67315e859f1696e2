//! Whole blobs: put, read, look at, change the metadata of, copy, delete.

use http::{HeaderMap, Method, StatusCode};
use time::OffsetDateTime;

use super::body::BlobBody;
use super::call::{Call, Effect};
use super::conditions::Conditions;
use super::content::{Content, Guard};
use super::error::BlobError;
use super::headers;
use super::names::{AzureETag, BlobPath};
use super::properties::{self, BlobHeaders, Metadata, Properties, Tier};
use super::source::Source;
use super::store::BlobStore;
use super::transport::WIDE_BYTES_MAX;

/// What goes with a blob when it is written.
#[derive(Clone, Debug, Default)]
pub struct PutOptions {
    /// What it will be served with.
    pub headers: BlobHeaders,
    /// Its metadata.
    pub metadata: Metadata,
    /// Where it will be kept; the account's default otherwise.
    pub tier: Option<Tier>,
    /// What must be true of the blob that is there.
    pub conditions: Conditions,
}

/// What a write made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The blob's new ETag.
    pub etag: AzureETag,
    /// Its new time, to the second.
    pub last_modified: OffsetDateTime,
    /// MD5 of the bytes, where Azure computed one.
    pub content_md5: Option<[u8; 16]>,
    /// CRC64 of the bytes, where Azure computed one.
    pub crc64: Option<u64>,
    /// Azure's id of the request.
    pub request_id: String,
}

impl Written {
    /// From an answer that says yes: what cannot be read of it was done all the same.
    pub(super) fn from_headers(from: &HeaderMap) -> Result<Self, BlobError> {
        Self::read(from).map_err(BlobError::but_done)
    }

    fn read(from: &HeaderMap) -> Result<Self, BlobError> {
        Ok(Self {
            etag: headers::etag(from)?,
            last_modified: headers::last_modified(from)?,
            content_md5: headers::text(from, "content-md5").and_then(properties::md5_from_base64),
            crc64: headers::text(from, "x-ms-content-crc64")
                .and_then(properties::crc64_from_base64),
            request_id: headers::owned(from, "x-ms-request-id").unwrap_or_default(),
        })
    }
}

/// A range of bytes. Azure documents no way to ask for the last ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// The first byte.
    pub first: u64,
    /// The last byte, included; to the end without.
    pub last: Option<u64>,
}

impl ByteRange {
    fn text(self) -> String {
        let last = self.last.map_or_else(String::new, |last| last.to_string());
        format!("bytes={}-{last}", self.first)
    }
}

/// Which bytes of which state of a blob.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// Those only.
    pub range: Option<ByteRange>,
    /// What must be true of the blob.
    pub conditions: Conditions,
    /// Of this snapshot.
    pub snapshot: Option<String>,
    /// They may be many, and nobody is known to take them slowly: they come in large pieces, where few
    /// others do at this moment.
    pub wide: bool,
}

/// A blob's bytes on their way.
#[derive(Debug)]
pub struct BlobRead {
    /// What the blob is; its length is that of the whole blob.
    pub properties: Properties,
    /// First and last byte that come, and how many there are; none when the whole blob comes.
    pub range: Option<(u64, u64, u64)>,
    /// The bytes.
    pub body: BlobBody,
}

/// What is deleted.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// What must be true of the blob.
    pub conditions: Conditions,
    /// What becomes of its snapshots.
    pub snapshots: Snapshots,
    /// This snapshot alone.
    pub snapshot: Option<String>,
}

/// What becomes of a blob's snapshots when it is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Snapshots {
    /// If it has any, the blob stays.
    #[default]
    Refuse,
    /// They go with it.
    Include,
    /// They go, the blob stays.
    Only,
}

/// How urgently a blob is to come out of the archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Priority {
    /// Within fifteen hours.
    #[default]
    Standard,
    /// Within an hour, mostly.
    High,
}

impl BlobStore {
    /// Makes `content` the blob at `path`, in one request.
    ///
    /// An MD5 in `options.headers` is taken to be the content's: it is sent as its guard, and Azure
    /// compares it, keeps it, and wants no CRC64 beside it.
    pub async fn put_blob(
        &self,
        path: &BlobPath,
        content: &Content,
        guard: Guard,
        options: &PutOptions,
    ) -> Result<Written, BlobError> {
        let mut call = Call::on_blob("PutBlob", Method::PUT, path, Effect::Seen);
        call.write_options(options)?;
        call.header("x-ms-blob-type", "BlockBlob")?;
        let guard = options.headers.content_md5.map_or(guard, Guard::Md5);
        call.guard(guard)?;
        call.content = content.clone();
        Written::from_headers(self.send(call).await?.headers())
    }

    /// The bytes of a blob. The answer's headers are here when this returns, its bytes follow.
    pub async fn read(
        &self,
        path: &BlobPath,
        options: &ReadOptions,
    ) -> Result<BlobRead, BlobError> {
        let mut call = Call::on_blob("GetBlob", Method::GET, path, Effect::None);
        call.query_some("snapshot", options.snapshot.as_deref());
        if let Some(range) = options.range {
            call.header("x-ms-range", &range.text())?;
        }
        options.conditions.write(&mut call.headers)?;
        let wide = options.wide.then(|| self.shared.transport.try_wide()).flatten();
        call.wide = wide.is_some();
        let (answer, body) = self.open(call).await?.into_parts();
        let range = headers::content_range(&answer.headers)
            .filter(|_| answer.status == StatusCode::PARTIAL_CONTENT);
        let length = headers::number(&answer.headers, "content-length")
            .or_else(|| range.map(|(first, last, _)| last.saturating_sub(first) + 1))
            .ok_or_else(|| BlobError::broken("no length in the answer"))?;
        // A short answer needs no large buffer.
        let wide = wide.filter(|_| length > WIDE_BYTES_MAX as u64);
        let whole = range.map_or(length, |(_, _, total)| total);
        Ok(BlobRead {
            properties: Properties::from_headers(&answer.headers, whole, range.is_some())?,
            range,
            body: BlobBody::new(body, length, self.settings().idle_deadline, wide),
        })
    }

    /// What Azure says of the blob at `path`, if `conditions` hold.
    pub async fn properties(
        &self,
        path: &BlobPath,
        conditions: &Conditions,
    ) -> Result<Properties, BlobError> {
        self.head(path, conditions, None).await
    }

    /// What Azure says of a snapshot of the blob at `path`.
    pub async fn snapshot_properties(
        &self,
        path: &BlobPath,
        snapshot: &str,
    ) -> Result<Properties, BlobError> {
        self.head(path, &Conditions::default(), Some(snapshot)).await
    }

    async fn head(
        &self,
        path: &BlobPath,
        conditions: &Conditions,
        snapshot: Option<&str>,
    ) -> Result<Properties, BlobError> {
        let mut call = Call::on_blob("GetBlobProperties", Method::HEAD, path, Effect::None);
        call.query_some("snapshot", snapshot);
        conditions.write(&mut call.headers)?;
        let answer = self.send(call).await?;
        let length = headers::number(answer.headers(), "content-length").unwrap_or_default();
        Properties::from_headers(answer.headers(), length, false)
    }

    /// Replaces all metadata of the blob.
    pub async fn set_metadata(
        &self,
        path: &BlobPath,
        metadata: &Metadata,
        conditions: &Conditions,
    ) -> Result<Written, BlobError> {
        let mut call = Call::on_blob("SetBlobMetadata", Method::PUT, path, Effect::Seen);
        call.query("comp", "metadata");
        headers::put_metadata(&mut call.headers, metadata)?;
        conditions.write(&mut call.headers)?;
        Written::from_headers(self.send(call).await?.headers())
    }

    /// Makes a snapshot of the blob: its name, and the ETag of the blob that it shows.
    pub async fn snapshot(
        &self,
        path: &BlobPath,
        conditions: &Conditions,
    ) -> Result<(String, AzureETag), BlobError> {
        let mut call = Call::on_blob("SnapshotBlob", Method::PUT, path, Effect::Seen);
        call.query("comp", "snapshot");
        conditions.write(&mut call.headers)?;
        let answer = self.send(call).await?;
        let name = headers::owned(answer.headers(), "x-ms-snapshot")
            .ok_or_else(|| BlobError::broken("no name of the snapshot").but_done())?;
        Ok((name, headers::etag(answer.headers())?))
    }

    /// Moves the blob to another tier. `priority` counts for one that comes out of the archive.
    pub async fn set_tier(
        &self,
        path: &BlobPath,
        tier: &Tier,
        priority: Priority,
    ) -> Result<(), BlobError> {
        let mut call = Call::on_blob("SetBlobTier", Method::PUT, path, Effect::Seen);
        call.query("comp", "tier");
        call.header("x-ms-access-tier", tier.as_str())?;
        if priority == Priority::High {
            call.header("x-ms-rehydrate-priority", "High")?;
        }
        self.send(call).await.map(|_| ())
    }

    /// Deletes the blob, or one snapshot of it.
    pub async fn delete(&self, path: &BlobPath, options: &DeleteOptions) -> Result<(), BlobError> {
        self.send(Call::delete(path, options)?).await.map(|_| ())
    }

    /// Makes the bytes of `source` the blob at `path`, without moving them through here. Nothing of
    /// the source but its bytes comes along.
    pub async fn put_blob_from_url(
        &self,
        path: &BlobPath,
        source: &Source,
        options: &PutOptions,
    ) -> Result<Written, BlobError> {
        let mut call = Call::on_blob("PutBlobFromUrl", Method::PUT, path, Effect::Seen);
        call.write_options(options)?;
        call.blob_md5(options.headers.content_md5)?;
        call.header("x-ms-blob-type", "BlockBlob")?;
        call.header("x-ms-copy-source-blob-properties", "false")?;
        call.source = Some(source.clone());
        Written::from_headers(self.send(call).await?.headers())
    }
}

impl Call {
    pub(super) fn delete(path: &BlobPath, options: &DeleteOptions) -> Result<Self, BlobError> {
        let mut call = Self::on_blob("DeleteBlob", Method::DELETE, path, Effect::Seen);
        call.query_some("snapshot", options.snapshot.as_deref());
        match options.snapshots {
            Snapshots::Refuse => {}
            Snapshots::Include => call.header("x-ms-delete-snapshots", "include")?,
            Snapshots::Only => call.header("x-ms-delete-snapshots", "only")?,
        }
        options.conditions.write(&mut call.headers)?;
        Ok(call)
    }

    /// Headers, metadata, tier and conditions of a write; not the MD5, which is a guard here and a
    /// property there.
    pub(super) fn write_options(&mut self, options: &PutOptions) -> Result<(), BlobError> {
        let into = &mut self.headers;
        let of = &options.headers;
        for (name, value) in [
            ("x-ms-blob-content-type", &of.content_type),
            ("x-ms-blob-content-encoding", &of.content_encoding),
            ("x-ms-blob-content-language", &of.content_language),
            ("x-ms-blob-content-disposition", &of.content_disposition),
            ("x-ms-blob-cache-control", &of.cache_control),
        ] {
            headers::put_some(into, name, value.as_deref())?;
        }
        headers::put_some(into, "x-ms-access-tier", options.tier.as_ref().map(Tier::as_str))?;
        headers::put_metadata(into, &options.metadata)?;
        options.conditions.write(into)
    }
}
