//! `ListObjectVersions` of a bucket without versions: each object is its one version, `null`.

use http::{Response, StatusCode, header};

use crate::access::Action;
use crate::mapping::listed::Owners;
use crate::mapping::walk::Found;
use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::ops::listing::lines::Lines;
use crate::ops::listing::objects::{Asked, Restores, walk};
use crate::s3::Error;
use crate::s3::body::{self, Body};
use crate::s3::xml::Writer;

/// The id of the only version that an object has here.
const NULL: &str = "null";

pub(in crate::ops) async fn run(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let bucket = gateway.open_bucket(&request, Action::ListBucketVersions).await?;
    let asked = Asked::read(&request.query, "max-keys")?;
    let text = |name: &str| request.query.filled(name).map(str::to_owned);
    let (key_marker, version_marker) = (text("key-marker"), text("version-id-marker"));
    if version_marker.is_some() && key_marker.is_none() {
        return Err(Error::invalid_argument(
            "version-id-marker",
            version_marker.unwrap_or_default(),
            "A version-id marker cannot be specified without a key marker.",
        ));
    }
    let restores = Restores::asked(&request)?;
    let input = bucket.walk(&asked, key_marker.clone());
    let page = walk(gateway, &bucket, input, Owners::Wanted).await?;
    let mut document = Writer::document("ListVersionsResult");
    document.text("Name", bucket.name().as_str()).text("Prefix", asked.text(&asked.prefix));
    document.text("KeyMarker", asked.text(key_marker.as_deref().unwrap_or_default()));
    document.text("VersionIdMarker", version_marker.unwrap_or_default());
    if let Some(last) = page.last().filter(|_| page.truncated) {
        document.text("NextKeyMarker", asked.text(last)).text("NextVersionIdMarker", NULL);
    }
    document.number("MaxKeys", u64::try_from(asked.page_size()).unwrap_or(u64::MAX));
    document.maybe("Delimiter", asked.delimiter.as_deref().map(|text| asked.text(text)));
    document.maybe("EncodingType", asked.encoded.then_some("url"));
    document.flag("IsTruncated", page.truncated);
    let mut lines = Lines::new(gateway, &asked, restores);
    lines.reserve(&mut document, page.found.len());
    for found in &page.found {
        if let Found::Object { key, blob } = found {
            lines.version(&mut document, key, blob);
        }
    }
    asked.write_prefixes(&mut document, &page);
    Response::builder()
        .status(StatusCode::OK)
        .header(header::CONTENT_TYPE, "application/xml")
        .body(body::full(document.finish("ListVersionsResult")))
        .map_err(unanswerable)
}
