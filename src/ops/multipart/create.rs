//! `CreateMultipartUpload`: one empty blob that says what the object will be.

use std::sync::Arc;

use http::{HeaderMap, Response, StatusCode, header};

use crate::access::Action;
use crate::azure::{BlobPath, PutOptions};
use crate::mapping::errors;
use crate::mapping::uploads::{PartsChecksum, Record, UploadId};
use crate::ops::annex;
use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::ops::multipart::files::{files_of_new, put_empty};
use crate::ops::object::acl;
use crate::ops::object::headers as object_headers;
use crate::ops::object::tags;
use crate::ops::object::write::Failure;
use crate::ops::open::commit_id;
use crate::s3::body::{self, Body};
use crate::s3::checksum::ChecksumAlgorithm;
use crate::s3::xml::Writer;
use crate::s3::{Code, Error, headers};

pub(in crate::ops) async fn run(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let (bucket, key) = gateway.open_object(&request, Action::PutObject).await?;
    let (blob_headers, mut facts) = object_headers::read(&request.headers)?;
    let checksum = checksum(&request.headers)?;
    gateway.make_room(&bucket, &key).await?;
    let files = files_of_new(gateway, &bucket).await?;
    let commit = commit_id()?;
    let id = UploadId::new(commit);
    (facts.owner, facts.acl) = acl::of_write(gateway, &bucket, &request)?;
    tags::may_bring(&bucket, &request.caller, &key, (&facts.tags, facts.owner.as_deref()))?;
    facts.commit = Some(commit);
    annex::keep(gateway, &bucket, &key, &mut facts, SPARE).await?;
    let initiator = request.caller.id().map(str::to_owned);
    let record = Record { key, headers: blob_headers, facts, checksum, initiator };
    let options = PutOptions {
        headers: record.headers.clone(),
        metadata: record.write()?,
        ..PutOptions::default()
    };
    let name = files.record(&record.key, &id);
    let path = BlobPath::new(bucket.account().system.clone(), name.clone());
    match put_empty(bucket.store(), &path, &commit, &options).await {
        Ok(_) => {}
        Err(Failure::Refused(error)) => return Err(error),
        Err(Failure::Azure(error)) => return Err(errors::on_service(error)),
    }
    let mut document = Writer::document("InitiateMultipartUploadResult");
    document.text("Bucket", bucket.name().as_str()).text("Key", record.key.as_str());
    document.text("UploadId", id.as_str());
    gateway.uploads.keep(&bucket.account().name, &name, Arc::new(record)).await;
    let mut answer =
        Response::builder().status(StatusCode::OK).header(header::CONTENT_TYPE, "application/xml");
    if let Some(checksum) = checksum {
        answer = answer
            .header(headers::CHECKSUM_ALGORITHM, checksum.algorithm.name())
            .header(headers::CHECKSUM_TYPE, checksum.kind_name());
    }
    answer.body(body::full(document.finish("InitiateMultipartUploadResult"))).map_err(unanswerable)
}

/// Metadata that is left for what the record says beside the object's own, and for what Complete adds,
/// in bytes: the longest key in base64 is most of it.
const SPARE: usize = 2048;

/// Which checksums are kept:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html>.
fn checksum(headers: &HeaderMap) -> Result<Option<PartsChecksum>, Error> {
    let invalid = |message: String| Error::new(Code::InvalidRequest).message(message);
    let kind = headers::text(headers, &headers::CHECKSUM_TYPE)?;
    let Some(name) = headers::text(headers, &headers::CHECKSUM_ALGORITHM)? else {
        return match kind {
            None => Ok(None),
            Some(_) => Err(invalid(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm \
                 header."
                    .to_owned(),
            )),
        };
    };
    let algorithm = ChecksumAlgorithm::parse(name).ok_or_else(|| {
        invalid(
            "Checksum algorithm provided is unsupported. Please try again with any of the valid \
             types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]"
                .to_owned(),
        )
    })?;
    let composite = match kind {
        None => algorithm != ChecksumAlgorithm::Crc64Nvme,
        Some("COMPOSITE") => true,
        Some("FULL_OBJECT") => false,
        Some(_) => {
            return Err(invalid("Value for x-amz-checksum-type header is invalid.".to_owned()));
        }
    };
    let exists =
        if composite { algorithm != ChecksumAlgorithm::Crc64Nvme } else { algorithm.combines() };
    if !exists {
        let kind = if composite { "COMPOSITE" } else { "FULL_OBJECT" };
        return Err(invalid(format!(
            "The {kind} checksum type cannot be used with the {algorithm} checksum algorithm."
        )));
    }
    Ok(Some(PartsChecksum { algorithm, composite }))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::checksum;

    fn check(algorithm: &str, kind: &str, want: Option<&str>) {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("x-amz-checksum-algorithm", algorithm), ("x-amz-checksum-type", kind)]
        {
            if !value.is_empty() {
                headers.insert(name, value.parse().unwrap());
            }
        }
        let found =
            checksum(&headers).ok().map(|found| found.map_or("", |found| found.kind_name()));
        assert_eq!(found, want, "{algorithm} {kind}");
    }

    #[test]
    fn algorithms_have_the_kinds_that_s3_has() {
        check("", "", Some(""));
        check("CRC32", "", Some("COMPOSITE"));
        check("crc64nvme", "", Some("FULL_OBJECT"));
        check("CRC32C", "FULL_OBJECT", Some("FULL_OBJECT"));
        check("SHA256", "COMPOSITE", Some("COMPOSITE"));
        check("SHA256", "FULL_OBJECT", None);
        check("CRC64NVME", "COMPOSITE", None);
        check("SHA512", "", None);
        check("", "COMPOSITE", None);
        check("CRC32", "OTHER", None);
    }
}
