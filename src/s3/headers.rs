//! The names of S3's headers, and typed reads of them.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::s3::error::{Code, Error};

macro_rules! names {
    ($($constant:ident = $name:literal;)+) => {
        $(#[doc = concat!("`", $name, "`")] pub const $constant: HeaderName = HeaderName::from_static($name);)+
    };
}

names! {
    ACL = "x-amz-acl";
    BUCKET_REGION = "x-amz-bucket-region";
    CHECKSUM_ALGORITHM = "x-amz-checksum-algorithm";
    CHECKSUM_MODE = "x-amz-checksum-mode";
    CHECKSUM_TYPE = "x-amz-checksum-type";
    COPY_SOURCE = "x-amz-copy-source";
    COPY_SOURCE_RANGE = "x-amz-copy-source-range";
    COPY_SOURCE_IF_MATCH = "x-amz-copy-source-if-match";
    COPY_SOURCE_IF_NONE_MATCH = "x-amz-copy-source-if-none-match";
    COPY_SOURCE_IF_MODIFIED_SINCE = "x-amz-copy-source-if-modified-since";
    COPY_SOURCE_IF_UNMODIFIED_SINCE = "x-amz-copy-source-if-unmodified-since";
    DELETE_MARKER = "x-amz-delete-marker";
    EXPIRATION = "x-amz-expiration";
    EXPECTED_BUCKET_OWNER = "x-amz-expected-bucket-owner";
    EXPECTED_SOURCE_BUCKET_OWNER = "x-amz-source-expected-bucket-owner";
    HOST_ID = "x-amz-id-2";
    METADATA_DIRECTIVE = "x-amz-metadata-directive";
    MISSING_META = "x-amz-missing-meta";
    MP_OBJECT_SIZE = "x-amz-mp-object-size";
    MP_PARTS_COUNT = "x-amz-mp-parts-count";
    OBJECT_ATTRIBUTES = "x-amz-object-attributes";
    OPTIONAL_OBJECT_ATTRIBUTES = "x-amz-optional-object-attributes";
    OBJECT_OWNERSHIP = "x-amz-object-ownership";
    REQUEST_ID = "x-amz-request-id";
    SERVER_SIDE_ENCRYPTION = "x-amz-server-side-encryption";
    STORAGE_CLASS = "x-amz-storage-class";
    RESTORE = "x-amz-restore";
    TAGGING = "x-amz-tagging";
    TAGGING_COUNT = "x-amz-tagging-count";
    TAGGING_DIRECTIVE = "x-amz-tagging-directive";
    VERSION_ID = "x-amz-version-id";
    WEBSITE_REDIRECT_LOCATION = "x-amz-website-redirect-location";
}

/// What stands before the name in a header of user metadata.
pub const META_PREFIX: &str = "x-amz-meta-";

/// The value of `name` as text; `InvalidArgument` if it is no visible ASCII.
pub fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Error> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    value.to_str().map(Some).map_err(|_not_ascii| {
        Error::new(Code::InvalidArgument)
            .message("A header has a value that is not valid.")
            .detail("ArgumentName", name.as_str())
    })
}

/// Does a request ask for checksums? `x-amz-checksum-mode`.
pub fn wants_checksum(headers: &HeaderMap) -> bool {
    headers.get(CHECKSUM_MODE).is_some_and(|mode| mode.as_bytes().eq_ignore_ascii_case(b"enabled"))
}

/// The user metadata of a request: names without their prefix, in the order of the headers.
///
/// Several headers of one name are one value, joined with commas, as RFC 9110 has it.
pub fn user_metadata(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let names = headers.keys().filter_map(|name| {
        let short = name.as_str().strip_prefix(META_PREFIX)?;
        (!short.is_empty()).then_some((name, short))
    });
    names
        .map(|(name, short)| {
            let values: Vec<&[u8]> =
                headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
            (short.to_owned(), values.join(&b","[..]))
        })
        .collect()
}
