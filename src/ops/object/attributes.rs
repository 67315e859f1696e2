//! `GetObjectAttributes`: what is known of an object, without its bytes.

use http::{HeaderMap, HeaderName, Response, StatusCode, header};

use crate::access::Action;
use crate::azure::Properties;
use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::ops::object::get::{judge, refuse_version};
use crate::ops::object::headers::Described;
use crate::ops::object::parts::{self, Sized};
use crate::s3::body::{self, Body};
use crate::s3::conditions::Conditions;
use crate::s3::names::PartNumber;
use crate::s3::xml::Writer;
use crate::s3::{Code, Error, headers, time};

/// The most parts of a page, and how many there are where a request does not say:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html>.
const PARTS_MAX: u32 = 1000;

/// An attribute that may be asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attribute {
    ETag,
    Checksum,
    ObjectParts,
    StorageClass,
    ObjectSize,
}

impl Attribute {
    const ALL: [(&str, Self); 5] = [
        ("ETag", Self::ETag),
        ("Checksum", Self::Checksum),
        ("ObjectParts", Self::ObjectParts),
        ("StorageClass", Self::StorageClass),
        ("ObjectSize", Self::ObjectSize),
    ];
}

/// Which parts are asked for.
struct Page {
    after: u32,
    most: u32,
}

pub(in crate::ops) async fn run(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    // S3 wants both: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html>.
    let reader = gateway.open_reader(&request, Action::GetObject).await?;
    refuse_version(&request)?;
    let (bucket, found) = reader.look(gateway).await?;
    reader.also(Action::GetObjectAttributes, &found)?;
    let wanted = wanted(&request.headers)?;
    let page = Page {
        after: number(&request.headers, "x-amz-part-number-marker")?.unwrap_or_default(),
        most: number(&request.headers, "x-amz-max-parts")?.unwrap_or(PARTS_MAX).min(PARTS_MAX),
    };
    let key = reader.key();
    let described = Described::of(&found);
    if let Some(answer) = judge(&Conditions::read(&request.headers)?, &described)? {
        return Ok(answer);
    }
    let parts = if wanted.contains(&Attribute::ObjectParts) {
        match parts::all(bucket.store(), &bucket.path(key), &found).await {
            Ok(parts) => parts,
            Err(error) => return Err(gateway.explain(&bucket, key, error).await),
        }
    } else {
        None
    };
    let document = document(&wanted, &described, &found, parts.as_deref(), &page);
    Response::builder()
        .status(StatusCode::OK)
        .header(header::CONTENT_TYPE, "application/xml")
        .header(header::LAST_MODIFIED, time::header(described.modified))
        .body(body::full(document))
        .map_err(unanswerable)
}

/// The attributes that `x-amz-object-attributes` names: in one header or in several.
fn wanted(headers: &HeaderMap) -> Result<Vec<Attribute>, Error> {
    let mut wanted = Vec::new();
    for value in headers.get_all(headers::OBJECT_ATTRIBUTES) {
        let text = value.to_str().unwrap_or_default();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let attribute = Attribute::ALL.iter().find(|(known, _)| *known == name);
            let (_, attribute) = attribute.ok_or_else(|| {
                Error::invalid_argument(
                    "x-amz-object-attributes",
                    name,
                    "Invalid attribute name specified.",
                )
            })?;
            wanted.push(*attribute);
        }
    }
    if wanted.is_empty() {
        return Err(Error::new(Code::InvalidRequest).message(
            "The x-amz-object-attributes header specifying the attributes to be retrieved is \
             either missing or empty",
        ));
    }
    Ok(wanted)
}

/// A header that is a whole number.
fn number(headers: &HeaderMap, name: &'static str) -> Result<Option<u32>, Error> {
    let header = HeaderName::from_static(name);
    let Some(text) = headers::text(headers, &header)?.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let number = text.parse::<u32>().ok().filter(|number| i32::try_from(*number).is_ok());
    number.map(Some).ok_or_else(|| {
        let message = format!("Provided {name} not an integer or within integer range");
        Error::invalid_argument(name, text, message)
    })
}

fn document(
    wanted: &[Attribute],
    described: &Described,
    found: &Properties,
    parts: Option<&[Sized]>,
    page: &Page,
) -> String {
    let mut document = Writer::document("GetObjectAttributesResponse");
    let wants = |attribute| wanted.contains(&attribute);
    if wants(Attribute::ETag) {
        // Here, and only here, without quotes.
        document.text("ETag", described.etag.as_str());
    }
    if let Some(checksum) = described.facts.checksum.filter(|_| wants(Attribute::Checksum)) {
        let name = checksum.value.algorithm().name();
        document.open("Checksum").text(&format!("Checksum{name}"), checksum.text());
        document.text("ChecksumType", checksum.kind.name()).close("Checksum");
    }
    if let Some(parts) = parts {
        write_parts(&mut document, parts, page);
    }
    if wants(Attribute::StorageClass) {
        document.text("StorageClass", described.facts.storage_class.as_str());
    }
    if wants(Attribute::ObjectSize) {
        document.number("ObjectSize", found.content_length);
    }
    document.finish("GetObjectAttributesResponse")
}

fn write_parts(document: &mut Writer, parts: &[Sized], page: &Page) {
    let at = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    let after = page.after.min(u32::from(PartNumber::MAX));
    let shown = parts.iter().enumerate().skip(at(after)).take(at(page.most));
    let next = after.saturating_add(page.most);
    let truncated = at(next) < parts.len();
    document.open("ObjectParts").number("PartsCount", parts.len() as u64);
    document.number("PartNumberMarker", u64::from(page.after));
    if truncated {
        document.number("NextPartNumberMarker", u64::from(next));
    }
    document.number("MaxParts", u64::from(page.most)).flag("IsTruncated", truncated);
    for (index, part) in shown {
        document.open("Part").number("PartNumber", index as u64 + 1);
        document.number("Size", part.length);
        if let Some(checksum) = &part.checksum {
            let name = checksum.algorithm().name();
            document.text(&format!("Checksum{name}"), checksum.base64());
        }
        document.close("Part");
    }
    document.close("ObjectParts");
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::{Page, Sized, wanted, write_parts};
    use crate::s3::Code;
    use crate::s3::xml::Writer;

    fn check_wanted(values: &[&'static str], want: Result<usize, Code>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("x-amz-object-attributes", value.parse().unwrap());
        }
        let found = wanted(&headers).map(|found| found.len()).map_err(|error| error.code());
        assert_eq!(found, want, "{values:?}");
    }

    #[test]
    fn attributes_come_in_one_header_or_several() {
        check_wanted(&["ETag,Checksum, ObjectParts ,StorageClass,ObjectSize"], Ok(5));
        check_wanted(&["ETag", "ObjectSize"], Ok(2));
        check_wanted(&["ETag,Nonsense"], Err(Code::InvalidArgument));
        check_wanted(&["etag"], Err(Code::InvalidArgument));
        check_wanted(&[" , "], Err(Code::InvalidRequest));
        check_wanted(&[], Err(Code::InvalidRequest));
    }

    fn check_page(after: u32, most: u32, numbers: &[u64], next: Option<u64>) {
        let parts: Vec<Sized> = (1..=5).map(|length| Sized { length, checksum: None }).collect();
        let mut document = Writer::bare("X");
        write_parts(&mut document, &parts, &Page { after, most });
        let text = document.finish("X");
        let shown: Vec<u64> = text
            .split("<PartNumber>")
            .skip(1)
            .map(|rest| rest.split('<').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(shown, numbers, "{after} {most}");
        let told = next.map(|next| format!("<NextPartNumberMarker>{next}<"));
        assert_eq!(text.contains("NextPartNumberMarker"), next.is_some(), "{text}");
        assert!(told.is_none_or(|told| text.contains(&told)), "{text}");
        assert!(text.contains("<PartsCount>5<"), "{text}");
    }

    #[test]
    fn pages_of_parts_begin_after_the_marker() {
        check_page(0, 1000, &[1, 2, 3, 4, 5], None);
        check_page(0, 2, &[1, 2], Some(2));
        check_page(3, 1, &[4], Some(4));
        check_page(3, 2, &[4, 5], None);
        check_page(5, 2, &[], None);
        check_page(u32::MAX, 2, &[], None);
        check_page(0, 0, &[], Some(0));
    }
}
