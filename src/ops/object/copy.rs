//! `CopyObject`: bytes stay at Azure wherever it can copy them.

use http::{HeaderMap, Response, StatusCode, header};

use crate::access::Action;
use crate::azure::{self, BlobHeaders, Properties, PutOptions};
use crate::mapping::commit_id::CommitId;
use crate::mapping::metadata::{ObjectChecksum, ObjectFacts};
use crate::ops::annex;
use crate::ops::budget::Budget;
use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::ops::object::acl;
use crate::ops::object::carry::{self, Source};
use crate::ops::object::conditions;
use crate::ops::object::headers::{self as object_headers, Described};
use crate::ops::object::transfer::{self, Copy};
use crate::ops::object::write::{Destination, Failure};
use crate::ops::object::{put, tags};
use crate::ops::open::Reader;
use crate::ops::open::commit_id;
use crate::s3::body::{self, Body};
use crate::s3::checksum::ChecksumAlgorithm;
use crate::s3::conditions::{Conditions, Verdict, precondition_failed};
use crate::s3::names::{BucketName, ObjectKey};
use crate::s3::payload::Verified;
use crate::s3::query::{Plus, decode_with};
use crate::s3::tags::Tags;
use crate::s3::xml::Writer;
use crate::s3::{Code, Error, headers, time};

/// The largest object of one copy:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>.
const COPY_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;

/// What a copy commits.
type Plan = (PutOptions, ObjectFacts, CommitId);

/// What becomes of what the source says of itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Directive {
    Copy,
    Replace,
}

pub(in crate::ops) async fn run(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let (bucket, key) = gateway.open_object(&request, Action::PutObject).await?;
    let (from_bucket, from_key, reads) = source(&request.headers)?;
    let reader = gateway.open_source(&request, reads, (&from_bucket, &from_key)).await?;
    let directive = directive(&request.headers)?;
    let (from, found) = reader.look(gateway).await?;
    let itself =
        from.path(&from_key) == bucket.path(&key) && from.account().name == bucket.account().name;
    if itself && directive == Directive::Copy && !changes(&request.headers) {
        return Err(Error::new(Code::InvalidRequest).message(
            "This copy request is illegal because it is trying to copy an object to itself without \
             changing the object's metadata, storage class, website redirect location or \
             encryption attributes.",
        ));
    }
    let described = Described::of(&found);
    judge(&request.headers, &described)?;
    if found.content_length > COPY_BYTES_MAX {
        return Err(Error::new(Code::InvalidRequest).message(
            "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120",
        ));
    }
    gateway.make_room(&bucket, &key).await?;
    let wanted = conditions::of_write(Conditions::read(&request.headers)?);
    let asked = carry::asked(&request.headers)?;
    let owned = acl::of_write(gateway, &bucket, &request)?;
    let tags = tags_of_copy(&request.headers, &reader, &found)?;
    tags::may_bring(&bucket, &request.caller, &key, (&tags, owned.0.as_deref()))?;
    let (headers, mut facts) = describe(&request, directive, (&found, &described), (owned, tags))?;
    annex::keep(gateway, &bucket, &key, &mut facts, put::SPARE).await?;
    let (mut options, facts, id) = plan(&found, headers, facts)?;
    options.conditions = conditions::pin(gateway, &bucket, &key, &wanted).await?;
    if itself && options.conditions.if_match.is_none() {
        // What is read and what is replaced have to be the same state of the object.
        options.conditions = azure::Conditions::if_match(found.etag.clone());
    }
    let known = described.facts.checksum.map(|checksum| checksum.value.algorithm());
    let new = asked.filter(|asked| known != Some(*asked));
    let copy = Copy {
        from: from.store().clone(),
        from_path: from.path(&from_key),
        source: found,
        span: None,
        to: bucket.store().clone(),
        to_path: bucket.path(&key),
        capabilities: bucket.account().capabilities().await,
    };
    let copied = match new {
        Some(algorithm) => carry(&copy, gateway.budget(), algorithm, (options, facts, id)).await,
        None => transfer::run(&copy, gateway.budget(), (options, id))
            .await
            .map(|modified| (modified, described.facts.checksum)),
    };
    match copied {
        Ok((modified, checksum)) => answer(&described, modified, checksum),
        Err(failure) => Err(put::explain(gateway, &bucket, &key, &wanted, failure).await),
    }
}

/// Copies through the gateway, for a checksum that the source does not have.
async fn carry(
    copy: &Copy,
    budget: &Budget,
    algorithm: ChecksumAlgorithm,
    (mut options, facts, id): Plan,
) -> Result<(::time::OffsetDateTime, Option<ObjectChecksum>), Failure> {
    let modified = id.time();
    // The write path has the MD5 of what it writes.
    options.headers.content_md5 = None;
    let source =
        Source { store: &copy.from, path: &copy.from_path, found: &copy.source, span: None };
    let to = Destination {
        store: copy.to.clone(),
        path: copy.to_path.clone(),
        capabilities: copy.capabilities,
    };
    let plan = |verified: &Verified| carry::commit(options, facts, id, verified);
    let stored = carry::run(&source, &to, budget, algorithm, plan).await?;
    Ok((modified, carry::full_object(&stored.verified)))
}

/// The source that a request names, as `bucket/key` or `/bucket/key`, encoded like a path, and what a
/// caller needs to read it.
pub(in crate::ops) fn source(
    headers: &HeaderMap,
) -> Result<(BucketName, ObjectKey, Action), Error> {
    let invalid = |value: &str| {
        Error::invalid_argument(
            "x-amz-copy-source",
            value,
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
        )
    };
    let value = headers::text(headers, &headers::COPY_SOURCE)?.unwrap_or_default();
    let (path, query) = value.split_once('?').unwrap_or((value, ""));
    let action = match query.strip_prefix("versionId=") {
        None if query.is_empty() => Action::GetObject,
        Some("null") => Action::GetObject.of_version(),
        Some(version) => {
            return Err(Error::new(Code::NoSuchVersion).detail("VersionId", version));
        }
        None => return Err(invalid(value)),
    };
    let path = decode_with(path, Plus::IsPlus).map_err(|_broken| invalid(value))?;
    let path = path.strip_prefix('/').unwrap_or(&path);
    let (bucket, key) = path.split_once('/').ok_or_else(|| invalid(value))?;
    if bucket.is_empty() || key.is_empty() {
        return Err(invalid(value));
    }
    Ok((BucketName::parse(bucket)?, ObjectKey::parse(key)?, action))
}

fn directive(headers: &HeaderMap) -> Result<Directive, Error> {
    match headers::text(headers, &headers::METADATA_DIRECTIVE)? {
        None | Some("COPY") => Ok(Directive::Copy),
        Some("REPLACE") => Ok(Directive::Replace),
        Some(other) => Err(Error::invalid_argument(
            "x-amz-metadata-directive",
            other,
            "Unknown metadata directive.",
        )),
    }
}

/// The tags of a copy: those of its source, unless it brings its own.
fn tags_of_copy(headers: &HeaderMap, reader: &Reader, source: &Properties) -> Result<Tags, Error> {
    let said = object_headers::tags(headers)?;
    let kept = ObjectFacts::read(source).tags;
    match headers::text(headers, &headers::TAGGING_DIRECTIVE)? {
        Some("REPLACE") => Ok(said),
        None | Some(_) if !said.is_empty() => Err(Error::new(Code::InvalidRequest)
            .message("The header x-amz-tagging needs x-amz-tagging-directive: REPLACE.")),
        None | Some(_) if kept.is_empty() => Ok(kept),
        None | Some(_) => {
            reader.also(Action::GetObjectTagging, source)?;
            Ok(kept)
        }
    }
}

/// Does a copy of an object onto itself change anything?
fn changes(headers: &HeaderMap) -> bool {
    [
        headers::STORAGE_CLASS,
        headers::WEBSITE_REDIRECT_LOCATION,
        headers::SERVER_SIDE_ENCRYPTION,
        headers::CHECKSUM_ALGORITHM,
    ]
    .iter()
    .any(|name| headers.contains_key(name))
}

/// The conditions on the source; a read's 304 is a copy's 412.
pub(in crate::ops) fn judge(headers: &HeaderMap, described: &Described) -> Result<(), Error> {
    let conditions = Conditions::read_copy_source(headers)?;
    match conditions.judge(&described.etag, described.modified) {
        Verdict::Go => Ok(()),
        Verdict::Failed("If-Match") => Err(precondition_failed("x-amz-copy-source-If-Match")),
        Verdict::Failed(_) => Err(precondition_failed("x-amz-copy-source-If-Unmodified-Since")),
        Verdict::NotModified if conditions.if_none_match.is_some() => {
            Err(precondition_failed("x-amz-copy-source-If-None-Match"))
        }
        Verdict::NotModified => Err(precondition_failed("x-amz-copy-source-If-Modified-Since")),
    }
}

/// What the copy will be: what belongs to the bytes is the source's in any case.
fn describe(
    request: &Request,
    directive: Directive,
    (found, described): (&Properties, &Described),
    ((owner, acl), tags): ((Option<String>, Option<String>), Tags),
) -> Result<(BlobHeaders, ObjectFacts), Error> {
    let (blob_headers, said) = object_headers::read(&request.headers)?;
    let source = &described.facts;
    let (blob_headers, facts) = match directive {
        Directive::Replace => (blob_headers, said),
        Directive::Copy => {
            let facts = ObjectFacts {
                storage_class: said.storage_class,
                redirect: said.redirect,
                ..source.clone()
            };
            (found.headers.clone(), facts)
        }
    };
    let md5 = found.headers.content_md5.filter(|_| source.etag.is_none());
    let facts = ObjectFacts {
        owner,
        acl,
        tags,
        etag: md5.is_none().then(|| described.etag.as_str().to_owned()),
        checksum: source.checksum,
        // Another blob's list of blocks does not tell of the parts.
        parts: source.parts.filter(|parts| parts.size.is_some()),
        ..facts
    };
    Ok((BlobHeaders { content_md5: found.headers.content_md5, ..blob_headers }, facts))
}

/// What the copy commits.
fn plan(found: &Properties, headers: BlobHeaders, facts: ObjectFacts) -> Result<Plan, Error> {
    let id = commit_id()?;
    let facts = ObjectFacts { commit: Some(id), ..facts };
    let options = PutOptions {
        headers,
        metadata: facts.write(found.content_length)?,
        tier: put::tier(facts.storage_class),
        ..PutOptions::default()
    };
    Ok((options, facts, id))
}

fn answer(
    described: &Described,
    modified: ::time::OffsetDateTime,
    checksum: Option<ObjectChecksum>,
) -> Result<Response<Body>, Error> {
    let mut document = Writer::document("CopyObjectResult");
    document.text("LastModified", time::document(modified));
    document.text("ETag", described.etag.quoted());
    if let Some(checksum) = checksum {
        let algorithm = checksum.value.algorithm();
        document.text("ChecksumType", checksum.kind.name());
        document.text(&format!("Checksum{}", algorithm.name()), checksum.text());
    }
    Response::builder()
        .status(StatusCode::OK)
        .header(header::CONTENT_TYPE, "application/xml")
        .body(body::full(document.finish("CopyObjectResult")))
        .map_err(unanswerable)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::source;

    fn check(value: &str, want: Option<(&str, &str)>) {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-copy-source", HeaderValue::from_str(value).unwrap());
        let found = source(&headers).ok();
        let found = found.as_ref().map(|(bucket, key, _)| (bucket.as_str(), key.as_str()));
        assert_eq!(found, want, "{value}");
    }

    #[test]
    fn c43_a_copy_source_is_a_bucket_and_a_key_and_never_a_url() {
        check("photos/a", Some(("photos", "a")));
        check("/photos/a/b", Some(("photos", "a/b")));
        check("photos/a%20b%2Bc+d", Some(("photos", "a b+c+d")));
        check("photos%2Fa", Some(("photos", "a")));
        check("photos/../victim/k", Some(("photos", "../victim/k")));
        check("photos/%2e%2e/k", Some(("photos", "../k")));
        check("photos/a\\b", Some(("photos", "a\\b")));
        check("photos/a?versionId=null", Some(("photos", "a")));
        for value in [
            "",
            "/",
            "photos",
            "photos/",
            "//a",
            "http://169.254.169.254/",
            "photos/a?versionId=junk",
            "photos/a?acl",
            "photos/%FF",
            "../victim/k",
        ] {
            check(value, None);
        }
    }
}
