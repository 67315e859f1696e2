//! `ListParts`: what has been uploaded.

use http::{Response, StatusCode, header};

use crate::access::Action;
use crate::azure::Properties;
use crate::mapping::uploads::Record;
use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::ops::multipart::files::Upload;
use crate::ops::multipart::found;
use crate::ops::object::headers::Described;
use crate::s3::body::{self, Body};
use crate::s3::names::PartNumber;
use crate::s3::xml::Writer;
use crate::s3::{Error, time};

/// The most parts of a page:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListParts.html>.
const PARTS_MAX: u32 = 1000;

pub(in crate::ops) async fn run(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let upload = Upload::named(gateway, &request, Action::ListMultipartUploadParts).await?;
    let most = request.query.number("max-parts")?.unwrap_or(PARTS_MAX).min(PARTS_MAX);
    let marker = request.query.number("part-number-marker")?.unwrap_or_default();
    let record = upload.record_now(gateway).await?;
    let after = u16::try_from(marker).unwrap_or(u16::MAX).min(PartNumber::MAX);
    let mut parts = match most {
        0 => Vec::new(),
        // One more than asked for tells whether there are more.
        most => found::page(&upload, after, most + 1).await?,
    };
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let truncated = parts.len() > most;
    parts.truncate(most);
    let mut document = Writer::document("ListPartsResult");
    document.text("Bucket", upload.bucket.name().as_str()).text("Key", upload.key.as_str());
    document.text("UploadId", upload.id.as_str());
    write_people(gateway, &mut document, &record);
    document.text("StorageClass", record.facts.storage_class.as_str());
    document.number("PartNumberMarker", u64::from(marker));
    let last = parts.last().map_or(0, |(number, _)| number.get());
    document.number("NextPartNumberMarker", u64::from(last));
    document.number("MaxParts", u64::try_from(most).unwrap_or(u64::MAX));
    document.flag("IsTruncated", truncated);
    if let Some(checksum) = record.checksum {
        document.text("ChecksumAlgorithm", checksum.algorithm.name());
        document.text("ChecksumType", checksum.kind_name());
    }
    for (number, blob) in &parts {
        write_part(&mut document, *number, blob);
    }
    Response::builder()
        .status(StatusCode::OK)
        .header(header::CONTENT_TYPE, "application/xml")
        .body(body::full(document.finish("ListPartsResult")))
        .map_err(unanswerable)
}

/// Who began an upload, and whose its object will be.
pub(super) fn write_people(gateway: &Gateway, document: &mut Writer, record: &Record) {
    let rows = [("Initiator", &record.initiator), ("Owner", &record.facts.owner)];
    for (element, id) in rows {
        if let Some(id) = id {
            let (id, name) = gateway.owner(id);
            document.open(element).text("ID", id).text("DisplayName", name).close(element);
        }
    }
}

fn write_part(document: &mut Writer, number: PartNumber, blob: &Properties) {
    let described = Described::of(blob);
    document.open("Part").number("PartNumber", u64::from(number.get()));
    document.text("LastModified", time::document(described.modified));
    document.text("ETag", described.etag.quoted());
    document.number("Size", blob.content_length);
    if let Some(checksum) = &described.facts.checksum {
        let name = checksum.value.algorithm().name();
        document.text(&format!("Checksum{name}"), checksum.value.base64());
    }
    document.close("Part");
}
