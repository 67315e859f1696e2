//! `UploadPartCopy`: a part that Azure copies from an object, or from some of its bytes.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use http::{HeaderMap, Response};
use md5::{Digest as _, Md5};

use crate::access::Action;
use crate::azure::{BlobHeaders, Properties, PutOptions};
use crate::mapping::commit_id::CommitId;
use crate::mapping::metadata::{ChecksumKind, ObjectChecksum, ObjectFacts};
use crate::mapping::uploads::PartsChecksum;
use crate::ops::gateway::{Gateway, Request};
use crate::ops::multipart::alive::{self, Asked};
use crate::ops::multipart::files::Upload;
use crate::ops::multipart::upload_part::{explain, plan};
use crate::ops::object::carry::{self, Source};
use crate::ops::object::copy::{judge, source};
use crate::ops::object::headers::Described;
use crate::ops::object::transfer::{self, Copy};
use crate::ops::object::write::{Destination, PUT_BYTES_MAX};
use crate::ops::open::{Bucket, commit_id, now};
use crate::s3::body::Body;
use crate::s3::names::{ObjectKey, PartNumber};
use crate::s3::xml::Writer;
use crate::s3::{Code, Error, headers, time};

/// One copy of a part.
struct PartCopy {
    upload: Upload,
    number: PartNumber,
    kept: Option<PartsChecksum>,
    from: Bucket,
    from_key: ObjectKey,
    found: Properties,
    span: Option<(u64, u64)>,
}

/// What the copy is.
struct Copied {
    etag: String,
    checksum: Option<ObjectChecksum>,
}

pub(in crate::ops) async fn run(
    gateway: &Arc<Gateway>,
    request: Request,
) -> Result<Response<Body>, Error> {
    let upload = Upload::named(gateway, &request, Action::PutObject).await?;
    let number = PartNumber::parse(request.query.get("partNumber").unwrap_or_default())?;
    let (from_bucket, from_key, reads) = source(&request.headers)?;
    let from = gateway.open_source(&request, reads, (&from_bucket, &from_key)).await?;
    let record = upload.record(gateway).await?;
    let (from, found) = from.look(gateway).await?;
    judge(&request.headers, &Described::of(&found))?;
    let span = span(&request.headers, found.content_length)?;
    let asked = Asked {
        id: Arc::clone(&request.id),
        resource: format!("/{}/{}", upload.bucket.name(), upload.key),
    };
    let copy = PartCopy { upload, number, kept: record.checksum, from, from_key, found, span };
    if copy.length() > PUT_BYTES_MAX {
        return Err(Error::new(Code::InvalidRequest).message(
            "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120",
        ));
    }
    let gateway_of_task = Arc::clone(gateway);
    alive::answer(gateway, asked, async move {
        let copied = copy.run(&gateway_of_task).await?;
        Ok(document(&copied))
    })
    .await
}

/// `x-amz-copy-source-range`: both ends are there, and in the source.
fn span(headers: &HeaderMap, length: u64) -> Result<Option<(u64, u64)>, Error> {
    let Some(text) = headers::text(headers, &headers::COPY_SOURCE_RANGE)? else { return Ok(None) };
    let read = || {
        let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
        let number = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok())?
        };
        let (first, last) = (number(first)?, number(last)?);
        (first <= last).then_some((first, last))
    };
    let (first, last) = read().ok_or_else(|| {
        Error::invalid_argument(
            "x-amz-copy-source-range",
            text,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and \
             last are the zero-based offsets of the first and last bytes to copy",
        )
    })?;
    if last >= length {
        let message = format!("Range specified is not valid for source object of size: {length}");
        return Err(Error::new(Code::InvalidRange).message(message));
    }
    let whole = first == 0 && last + 1 == length;
    Ok((!whole).then_some((first, last)))
}

impl PartCopy {
    fn length(&self) -> u64 {
        self.span.map_or(self.found.content_length, |(first, last)| last - first + 1)
    }

    async fn run(&self, gateway: &Gateway) -> Result<Copied, Error> {
        let described = Described::of(&self.found);
        let known = described
            .facts
            .checksum
            .filter(|checksum| self.span.is_none() && checksum.kind == ChecksumKind::FullObject);
        match self.kept {
            Some(kept) if known.is_none_or(|known| known.value.algorithm() != kept.algorithm) => {
                self.carry(gateway, kept).await
            }
            Some(_) | None => self.copy(gateway, &described, known).await,
        }
    }

    /// Lets Azure copy the bytes.
    async fn copy(
        &self,
        gateway: &Gateway,
        described: &Described,
        checksum: Option<ObjectChecksum>,
    ) -> Result<Copied, Error> {
        let id = commit_id()?;
        // Azure computes no MD5 of what it copies. Of a whole object it is known; of a range the ETag
        // is made of the source's and the range.
        let md5 = self.found.headers.content_md5;
        let md5 = md5.filter(|_| self.span.is_none() && described.facts.etag.is_none());
        let etag = md5.map_or_else(|| self.derived_etag(described), |md5| HEXLOWER.encode(&md5));
        let options = self.options(&id, md5, (&etag, checksum))?;
        let copy = Copy {
            from: self.from.store().clone(),
            from_path: self.from.path(&self.from_key),
            source: self.found.clone(),
            span: self.span,
            to: self.upload.store().clone(),
            to_path: self.upload.part(self.number),
            capabilities: self.upload.bucket.account().capabilities().await,
        };
        transfer::run(&copy, gateway.budget(), (options, id)).await.map_err(explain)?;
        Ok(Copied { etag, checksum })
    }

    fn derived_etag(&self, described: &Described) -> String {
        let (first, last) = self.span.unwrap_or((0, self.found.content_length));
        let text = format!("{} {first}-{last}", described.etag.as_str());
        HEXLOWER.encode(&Md5::digest(text.as_bytes()))
    }

    fn options(
        &self,
        id: &CommitId,
        md5: Option<[u8; 16]>,
        (etag, checksum): (&str, Option<ObjectChecksum>),
    ) -> Result<PutOptions, Error> {
        let facts = ObjectFacts {
            commit: Some(*id),
            etag: md5.is_none().then(|| etag.to_owned()),
            checksum,
            ..ObjectFacts::default()
        };
        Ok(PutOptions {
            headers: BlobHeaders { content_md5: md5, ..BlobHeaders::default() },
            metadata: facts.write(self.length())?,
            ..PutOptions::default()
        })
    }

    /// Reads the bytes and writes them as those of any other part: nothing else gives their checksum.
    async fn carry(&self, gateway: &Gateway, kept: PartsChecksum) -> Result<Copied, Error> {
        let from = self.from.path(&self.from_key);
        let source =
            Source { store: self.from.store(), path: &from, found: &self.found, span: self.span };
        let to = Destination {
            store: self.upload.store().clone(),
            path: self.upload.part(self.number),
            capabilities: self.upload.bucket.account().capabilities().await,
        };
        let stored = carry::run(&source, &to, gateway.budget(), kept.algorithm, plan).await;
        let stored = stored.map_err(explain)?;
        let checksum = carry::full_object(&stored.verified);
        Ok(Copied { etag: stored.etag.as_str().to_owned(), checksum })
    }
}

fn document(copied: &Copied) -> String {
    let mut document = Writer::document("CopyPartResult");
    document.text("LastModified", time::document(now()));
    document.text("ETag", format!("\"{}\"", copied.etag));
    if let Some(checksum) = &copied.checksum {
        let name = checksum.value.algorithm().name();
        document.text(&format!("Checksum{name}"), checksum.value.base64());
    }
    document.finish("CopyPartResult")
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::span;
    use crate::s3::Code;

    fn check(range: &str, length: u64, want: Result<Option<(u64, u64)>, Code>) {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-copy-source-range", range.parse().unwrap());
        assert_eq!(span(&headers, length).map_err(|error| error.code()), want, "{range}");
    }

    #[test]
    fn a_range_has_both_ends_and_is_in_the_source() {
        check("bytes=0-4", 5, Ok(None));
        check("bytes=0-3", 5, Ok(Some((0, 3))));
        check("bytes=4-4", 5, Ok(Some((4, 4))));
        check("bytes=0-5", 5, Err(Code::InvalidRange));
        check("bytes=0-0", 0, Err(Code::InvalidRange));
        check("bytes=0-18446744073709551615", 5, Err(Code::InvalidRange));
        for bad in [
            "0-2",
            "bytes=0",
            "bytes=hello-world",
            "bytes=0-bar",
            "bytes=hello-",
            "bytes=0-2,3-5",
            "bytes=-5",
            "bytes=3-",
            "bytes=4-3",
            "bytes=+1-2",
            "",
        ] {
            check(bad, 5, Err(Code::InvalidArgument));
        }
    }
}
