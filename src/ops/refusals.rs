//! Headers that ask for what is not built: refused by name, never ignored.

use http::HeaderMap;

use crate::ops::bucket::probes::unlocked;
use crate::ops::gateway::Request;
use crate::s3::operation::Operation;
use crate::s3::{Code, Error, encryption, headers};

/// When a header is refused.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    /// Whenever it is there.
    Always,
    /// Unless it has one of these values, which say no more than what is done anyway.
    Unless(&'static [&'static str]),
}

/// A header that is refused, by its name or by what it begins with where the name ends in `*`.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) when: When,
    /// Why; docs/compatibility.md shows it.
    pub(super) reason: &'static str,
}

const fn row(name: &'static str, when: When, reason: &'static str) -> Row {
    Row { name, when, reason }
}

const KMS: &str = "Azure's keys are chosen for an account or a scope, not by names of KMS";
const CUSTOMER_KEYS: &str =
    "Azure takes keys with a request, too; the gateway does not pass them on yet";

/// What the names of all of them begin with.
const PREFIX: &str = "x-amz-";

/// All of them.
pub(super) const REFUSED: &[Row] = &[
    row("x-amz-server-side-encryption", When::Unless(&["AES256"]), KMS),
    row("x-amz-server-side-encryption-bucket-key-enabled", When::Unless(&["false"]), KMS),
    row("x-amz-server-side-encryption-aws-kms-key-id", When::Always, KMS),
    row("x-amz-server-side-encryption-context", When::Always, KMS),
    row("x-amz-server-side-encryption-customer-*", When::Always, CUSTOMER_KEYS),
    row("x-amz-copy-source-server-side-encryption-customer-*", When::Always, CUSTOMER_KEYS),
    row(
        "x-amz-bucket-object-lock-enabled",
        When::Unless(&["false", "False"]),
        "object lock is not built",
    ),
    row(
        "x-amz-bucket-namespace",
        When::Unless(&["global"]),
        "a bucket's name is its container's, which is one of its account's",
    ),
    row(
        "x-amz-if-match-initiated-time",
        When::Always,
        "a condition of S3 Express's directory buckets",
    ),
    row(
        "x-amz-write-offset-bytes",
        When::Always,
        "appending is of S3 Express; a block blob is replaced as a whole",
    ),
    row(
        "x-amz-rename-source*",
        When::Always,
        "renaming is of S3 Express; Azure renames only in hierarchical accounts",
    ),
];

/// What S3 itself says of a lock on an object in a bucket that has none.
pub(super) const LOCKS: &[&str] = &[
    "x-amz-object-lock-mode",
    "x-amz-object-lock-retain-until-date",
    "x-amz-object-lock-legal-hold",
    "x-amz-object-lock-event-hold",
    "x-amz-object-lock-event-hold-duration-days",
    "x-amz-object-lock-event-hold-duration-years",
];

/// Refuses a request that asks for more than is built.
pub(super) fn check(request: &Request) -> Result<(), Error> {
    let headers = &request.headers;
    if request.payload.is_streaming() && !request.operation.takes_object_bytes() {
        return Err(Error::new(Code::InvalidRequest)
            .message("aws-chunked encoding is not supported for this operation."));
    }
    encryption::check(request.operation, headers)?;
    let names = headers.keys().map(http::HeaderName::as_str);
    for name in names.filter(|name| name.starts_with(PREFIX)) {
        let row = REFUSED.iter().find(|row| match row.name.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == row.name,
        });
        if let Some(row) = row {
            refuse(headers, name, row.when)?;
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
