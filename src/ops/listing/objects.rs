//! `ListObjects` and `ListObjectsV2`: one walk, two documents.

use data_encoding::BASE64URL_NOPAD;
use http::{Response, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::access::Action;
use crate::azure::Include;
use crate::mapping::listed::{self, ListedObject, Owners};
use crate::mapping::walk::{Found, Page, Step, Walk, WalkInput};
use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::ops::listing::lines::Lines;
use crate::ops::open::Bucket;
use crate::s3::body::{self, Body};
use crate::s3::operation::Operation;
use crate::s3::query::Query;
use crate::s3::xml::Writer;
use crate::s3::{Error, headers};

/// The most entries of a page:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>.
const KEYS_MAX: u32 = 1000;
/// What a continuation token of this form begins with, so that another form can follow.
const TOKEN_FORM: u8 = 1;
/// What `encoding-type=url` leaves as it is.
const URL: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b'/');

/// What all listings of keys have in common.
#[derive(Debug)]
pub(in crate::ops) struct Asked {
    /// Only keys that begin so.
    pub prefix: String,
    /// Where keys are rolled up.
    pub delimiter: Option<String>,
    /// As many as were asked for.
    pub max_keys: u32,
    /// Keys are encoded as in a URL.
    pub encoded: bool,
}

impl Asked {
    /// Reads the parameters; `max` is the name of the one that counts.
    pub(in crate::ops) fn read(query: &Query, max: &'static str) -> Result<Self, Error> {
        let encoded = match query.filled("encoding-type") {
            None => false,
            Some("url") => true,
            Some(other) => {
                return Err(Error::invalid_argument(
                    "encoding-type",
                    other,
                    "Invalid Encoding Method specified in Request",
                ));
            }
        };
        Ok(Self {
            prefix: query.get("prefix").unwrap_or_default().to_owned(),
            delimiter: query.filled("delimiter").map(str::to_owned),
            max_keys: query.number(max)?.unwrap_or(KEYS_MAX),
            encoded,
        })
    }

    /// How many entries a page has at most.
    pub(in crate::ops) fn page_size(&self) -> usize {
        usize::try_from(self.max_keys.min(KEYS_MAX)).unwrap_or(usize::MAX)
    }

    /// A key as it stands in the document.
    pub(in crate::ops) fn text(&self, key: &str) -> String {
        if self.encoded { utf8_percent_encode(key, URL).to_string() } else { key.to_owned() }
    }

    /// Writes a key as it stands in the document.
    pub(in crate::ops) fn write(&self, document: &mut Writer, key: &str) {
        if self.encoded {
            // Nothing is left then that XML would escape.
            for piece in utf8_percent_encode(key, URL) {
                document.raw(piece);
            }
        } else {
            document.value(key);
        }
    }

    /// The roll-ups of a page.
    pub(in crate::ops) fn write_prefixes(&self, document: &mut Writer, page: &Page<ListedObject>) {
        for found in &page.found {
            if let Found::CommonPrefix(prefix) = found {
                document.raw("<CommonPrefixes><Prefix>");
                self.write(document, prefix);
                document.raw("</Prefix></CommonPrefixes>");
            }
        }
    }
}

/// Walks to a page.
pub(in crate::ops) async fn walk(
    gateway: &Gateway,
    bucket: &Bucket,
    input: WalkInput,
    owners: Owners,
) -> Result<Page<ListedObject>, Error> {
    let mut walk = Walk::new(input);
    loop {
        match walk.step() {
            Step::Done(page) => return Ok(page),
            Step::Ask(ask) => {
                let include = Include { metadata: true, ..Include::default() };
                let listed =
                    bucket.store().list_page(bucket.container(), &ask.list_blobs(include)).await;
                match listed.and_then(|page| listed::answer(&page, owners, ask.max_results)) {
                    Ok(answer) => walk.feed(answer),
                    Err(error) => return Err(gateway.explain_bucket(bucket, error).await),
                }
            }
        }
    }
}

pub(in crate::ops) async fn run(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let bucket = gateway.open_bucket(&request, Action::ListBucket).await?;
    let asked = Asked::read(&request.query, "max-keys")?;
    let version = Version::read(&request)?;
    let restores = Restores::asked(&request)?;
    let input = bucket.walk(&asked, version.after());
    let page = walk(gateway, &bucket, input, version.owners()).await?;
    let mut document = Writer::document("ListBucketResult");
    document.text("Name", bucket.name().as_str());
    version.write(&mut document, &asked, &page);
    document.number("MaxKeys", u64::from(asked.max_keys.min(KEYS_MAX)));
    document.maybe("Delimiter", asked.delimiter.as_deref().map(|text| asked.text(text)));
    document.maybe("EncodingType", asked.encoded.then_some("url"));
    document.flag("IsTruncated", page.truncated);
    let mut lines = Lines::new(gateway, &asked, restores);
    lines.reserve(&mut document, page.found.len());
    for found in &page.found {
        if let Found::Object { key, blob } = found {
            lines.contents(&mut document, key, blob);
        }
    }
    asked.write_prefixes(&mut document, &page);
    Response::builder()
        .status(StatusCode::OK)
        .header(header::CONTENT_TYPE, "application/xml")
        .body(body::full(document.finish("ListBucketResult")))
        .map_err(unanswerable)
}

/// Whether a listing says which objects are on their way back from the archive.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreStatus.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ops) enum Restores {
    Told,
    Untold,
}

impl Restores {
    /// What a request asks for.
    pub(in crate::ops) fn asked(request: &Request) -> Result<Self, Error> {
        let name = &headers::OPTIONAL_OBJECT_ATTRIBUTES;
        let Some(asked) = headers::text(&request.headers, name)? else { return Ok(Self::Untold) };
        match asked.split(',').map(str::trim).find(|attribute| *attribute != "RestoreStatus") {
            None => Ok(Self::Told),
            Some(other) => Err(Error::invalid_argument(
                "x-amz-optional-object-attributes",
                other,
                "Invalid attribute name specified.",
            )),
        }
    }

    /// Says it of one object.
    pub(super) fn write(self, document: &mut Writer, object: &ListedObject) {
        if self == Self::Told && object.restoring {
            document.open("RestoreStatus").flag("IsRestoreInProgress", true).close("RestoreStatus");
        }
    }
}

/// In what the two versions of the operation differ.
enum Version {
    One { marker: String },
    Two { token: Option<String>, after: Option<String>, start_after: Option<String>, owners: bool },
}

impl Version {
    fn read(request: &Request) -> Result<Self, Error> {
        let query = &request.query;
        let text = |name: &str| query.filled(name).map(str::to_owned);
        if request.operation == Operation::ListObjects {
            return Ok(Self::One { marker: text("marker").unwrap_or_default() });
        }
        let token = query.get("continuation-token").map(str::to_owned);
        let filled = token.as_deref().filter(|token| !token.is_empty());
        Ok(Self::Two {
            after: filled.map(read_token).transpose()?,
            token,
            start_after: text("start-after"),
            owners: query.get("fetch-owner") == Some("true"),
        })
    }

    /// What the page before ended with, or what the client wants to begin behind.
    fn after(&self) -> Option<String> {
        match self {
            Self::One { marker } => (!marker.is_empty()).then(|| marker.clone()),
            Self::Two { after, start_after, .. } => after.clone().or_else(|| start_after.clone()),
        }
    }

    fn owners(&self) -> Owners {
        match self {
            Self::Two { owners: false, .. } => Owners::Unwanted,
            Self::One { .. } | Self::Two { .. } => Owners::Wanted,
        }
    }

    fn write(&self, document: &mut Writer, asked: &Asked, page: &Page<ListedObject>) {
        let last = page.last().filter(|_| page.truncated);
        match self {
            Self::One { marker } => {
                // The one text that V1 never encodes; SDKs decode the others and leave it alone.
                document.text("Prefix", &asked.prefix);
                document.text("Marker", asked.text(marker));
                // S3 gives it only with a delimiter; it is where any client may go on.
                let next = last.filter(|_| asked.delimiter.is_some());
                document.maybe("NextMarker", next.map(|next| asked.text(next)));
            }
            Self::Two { token, start_after, .. } => {
                document.text("Prefix", asked.text(&asked.prefix));
                document.maybe("StartAfter", start_after.as_deref().map(|text| asked.text(text)));
                document.maybe("ContinuationToken", token.as_deref());
                document.maybe("NextContinuationToken", last.map(write_token));
                document.number("KeyCount", u64::try_from(page.found.len()).unwrap_or(u64::MAX));
            }
        }
    }
}

/// A token says where a page ended, and nothing else: any replica can go on, at any time.
fn write_token(last: &str) -> String {
    let mut bytes = vec![TOKEN_FORM];
    bytes.extend_from_slice(last.as_bytes());
    BASE64URL_NOPAD.encode(&bytes)
}

fn read_token(token: &str) -> Result<String, Error> {
    let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).ok();
    let last = bytes.as_deref().and_then(|bytes| match bytes.split_first() {
        Some((&TOKEN_FORM, last)) => std::str::from_utf8(last).ok(),
        _ => None,
    });
    last.map(str::to_owned).ok_or_else(|| bad_token(token))
}

fn bad_token(token: &str) -> Error {
    Error::invalid_argument(
        "continuation-token",
        token,
        "The continuation token provided is incorrect",
    )
}

#[cfg(test)]
mod tests {
    use super::{read_token, write_token};

    #[test]
    fn a_token_brings_its_key_back() {
        for key in ["a", "a/b\u{1F980}", "\0\n", "%2F"] {
            assert_eq!(read_token(&write_token(key)).unwrap(), key);
        }
        for token in ["", "a", "####", "AmE", "Af8"] {
            assert!(read_token(token).is_err(), "{token}");
        }
    }
}
