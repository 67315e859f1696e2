//! Headers that ask for what is not built: refused by name, never ignored.

use http::HeaderMap;

use crate::ops::bucket::probes::unlocked;
use crate::ops::gateway::Request;
use crate::s3::operation::Operation;
use crate::s3::{Code, Error, encryption, headers};

/// When a header is refused.
#[derive(Clone, Copy)]
enum When {
    /// Whenever it is there.
    Always,
    /// Unless it has one of these values, which say no more than what is done anyway.
    Unless(&'static [&'static str]),
}

/// Headers by name, or by what they begin with where the name ends in `*`.
const REFUSED: &[(&str, When)] = &[
    ("x-amz-server-side-encryption", When::Unless(&["AES256"])),
    ("x-amz-server-side-encryption-bucket-key-enabled", When::Unless(&["false"])),
    ("x-amz-server-side-encryption-aws-kms-key-id", When::Always),
    ("x-amz-server-side-encryption-context", When::Always),
    ("x-amz-server-side-encryption-customer-*", When::Always),
    ("x-amz-copy-source-server-side-encryption-customer-*", When::Always),
    ("x-amz-bucket-object-lock-enabled", When::Unless(&["false", "False"])),
    ("x-amz-write-offset-bytes", When::Always),
    ("x-amz-rename-source*", When::Always),
];

/// What S3 itself says of a lock on an object in a bucket that has none.
const LOCKS: &[&str] = &[
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-object-lock-legal-hold",
];

/// Refuses a request that asks for more than is built.
pub(super) fn check(request: &Request) -> Result<(), Error> {
    let headers = &request.headers;
    if request.payload.is_streaming() && !request.operation.takes_object_bytes() {
        return Err(Error::new(Code::InvalidRequest)
            .message("aws-chunked encoding is not supported for this operation."));
    }
    encryption::check(request.operation, headers)?;
    for name in headers.keys().map(http::HeaderName::as_str) {
        let row = REFUSED.iter().find(|(pattern, _)| match pattern.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == *pattern,
        });
        if let Some((_, when)) = row {
            refuse(headers, name, *when)?;
        }
        if LOCKS.contains(&name) {
            return Err(unlocked());
        }
    }
    let copies = request.operation == Operation::CopyObject;
    if copies && headers::text(headers, &headers::TAGGING_DIRECTIVE)?.is_some_and(unknown_directive)
    {
        return Err(Error::invalid_argument(
            "x-amz-tagging-directive",
            "",
            "Unknown tagging directive.",
        ));
    }
    Ok(())
}

fn unknown_directive(directive: &str) -> bool {
    !matches!(directive, "COPY" | "REPLACE")
}

fn refuse(headers: &HeaderMap, name: &str, when: When) -> Result<(), Error> {
    let harmless = match when {
        When::Always => false,
        When::Unless(values) => headers
            .get_all(name)
            .iter()
            .all(|value| value.to_str().is_ok_and(|value| values.contains(&value))),
    };
    if harmless {
        return Ok(());
    }
    Err(Error::new(Code::NotImplemented)
        .message(format!("The header {name} implies functionality that is not implemented."))
        .detail("Header", name))
}
