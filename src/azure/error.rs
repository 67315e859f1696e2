//! What went wrong at Azure or on the way, sorted into the few kinds that are acted upon.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use http::{HeaderMap, StatusCode};

use super::headers;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why Azure did not do what was asked, or why we cannot tell.
///
/// What it prints is for the log: it may name the account, never a secret.
pub struct BlobError(Box<Inner>);

struct Inner {
    kind: Kind,
    status: Option<StatusCode>,
    code: Cow<'static, str>,
    message: String,
    request_id: Option<String>,
    retry_after: Option<Duration>,
    clock_skew: Option<time::Duration>,
    blob_length: Option<u64>,
    maybe_applied: bool,
    cause: Option<Cause>,
}

/// What a failure means, in Azure's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The container is not there.
    NoSuchContainer,
    /// A container of that name is there already.
    ContainerExists,
    /// The container is on its way out; its name is free in a while.
    ContainerBeingDeleted,
    /// The blob is not there.
    NoSuchBlob,
    /// A blob is there and should not be (`If-None-Match: *`).
    BlobExists,
    /// A condition on the blob was not met.
    ConditionNotMet,
    /// A condition on the source of a copy was not met.
    SourceConditionNotMet,
    /// The blob is as the caller knows it (304).
    NotModified,
    /// The range begins behind the blob's last byte.
    RangeNotSatisfiable,
    /// A block of the list is not there.
    InvalidBlockList,
    /// The block does not go with those that wait on that name (its id has another length).
    InvalidBlobOrBlock,
    /// More blocks than Azure holds for one name.
    TooManyBlocks,
    /// The blob there is of another kind (append, page).
    InvalidBlobType,
    /// Somebody has a lease on it, or ours is not good.
    LeaseConflict,
    /// The bytes are in the archive.
    Archived,
    /// A policy forbids the change.
    Immutable,
    /// The blob has snapshots and may not go without them.
    HasSnapshots,
    /// The bytes that arrived are not those that were promised.
    DigestMismatch,
    /// Azure does not take this name.
    InvalidName,
    /// Azure does not take this metadata: a name, a character, or too much of it.
    InvalidMetadata,
    /// Azure does not take this header.
    InvalidHeader,
    /// More bytes than Azure takes in one request.
    TooLarge,
    /// Azure is busy; what was asked was not done.
    Throttled,
    /// Azure did not finish in time or failed inside; what was asked may have been done.
    ServerFailed,
    /// Our credential is not good for this.
    Unauthorised,
    /// Azure could not read the source of a copy.
    CannotVerifySource,
    /// The backend does not do this.
    NotSupported,
    /// No answer.
    Unreachable,
    /// The answer was cut or makes no sense.
    Broken,
    /// Anything else.
    Unexpected,
}

impl BlobError {
    /// What it means.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The status of the answer, if there was one.
    pub fn status(&self) -> Option<StatusCode> {
        self.0.status
    }

    /// Azure's own word for it; empty without an answer.
    pub fn azure_code(&self) -> &str {
        &self.0.code
    }

    /// Azure's id of the request, for its support.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// How long Azure asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// How far our clock is ahead of that of the service that answered; negative where it is behind.
    pub fn clock_skew(&self) -> Option<time::Duration> {
        self.0.clock_skew
    }

    /// Whether Azure knows who we are and only does not let us do this.
    pub fn lacks_a_right(&self) -> bool {
        self.azure_code().starts_with("Authorization") && self.azure_code().ends_with("Mismatch")
    }

    /// With [`Kind::RangeNotSatisfiable`]: how long the blob is, where Azure says so.
    pub fn blob_length(&self) -> Option<u64> {
        self.0.blob_length
    }

    /// Whether Azure may have done what was asked although no answer says so. Then the caller looks.
    pub fn maybe_applied(&self) -> bool {
        self.0.maybe_applied
    }

    /// An answer that says no. `body` is what could be read of its document.
    pub(super) fn from_answer(status: StatusCode, from: &HeaderMap, body: &[u8]) -> Self {
        let document = super::documents::read_error(body);
        let code = headers::owned(from, "x-ms-error-code")
            .or(document.code)
            .map_or_else(|| Cow::Borrowed(""), Cow::Owned);
        let blob_length = headers::text(from, "content-range")
            .and_then(|range| range.strip_prefix("bytes */"))
            .and_then(|length| length.parse().ok());
        let kind = kind_of(status, &code);
        Self(Box::new(Inner {
            kind,
            status: Some(status),
            code,
            message: document.message.unwrap_or_default(),
            request_id: headers::owned(from, "x-ms-request-id"),
            retry_after: headers::number(from, "retry-after").map(Duration::from_secs),
            clock_skew: None,
            blob_length,
            maybe_applied: kind == Kind::ServerFailed,
            cause: None,
        }))
    }

    /// No answer came. `sent` says whether Azure may have seen the request.
    pub(super) fn unreachable(cause: impl Into<Cause>, sent: bool) -> Self {
        let mut error = Self::here(Kind::Unreachable, cause);
        error.0.maybe_applied = sent;
        error
    }

    /// The answer cannot be used.
    pub(super) fn broken(cause: impl Into<Cause>) -> Self {
        Self::here(Kind::Broken, cause)
    }

    /// Refused before anything was sent.
    pub(super) fn refused_here(kind: Kind, cause: impl Into<Cause>) -> Self {
        Self::here(kind, cause)
    }

    /// The answer's clock was so far off ours.
    pub(super) fn measured(mut self, clock_skew: Option<time::Duration>) -> Self {
        self.0.clock_skew = clock_skew;
        self
    }

    /// A call without effect has changed nothing, however it ended.
    pub(super) fn without_effect(mut self) -> Self {
        self.0.maybe_applied = false;
        self
    }

    /// A container was asked for, so what is not there is the container.
    pub(super) fn about_a_container(mut self) -> Self {
        if self.0.kind == Kind::NoSuchBlob {
            self.0.kind = Kind::NoSuchContainer;
        }
        self
    }

    /// The call may have been done although its answer cannot be read.
    pub(super) fn but_done(mut self) -> Self {
        self.0.maybe_applied = true;
        self
    }

    fn here(kind: Kind, cause: impl Into<Cause>) -> Self {
        Self(Box::new(Inner {
            kind,
            status: None,
            code: Cow::Borrowed(""),
            message: String::new(),
            request_id: None,
            retry_after: None,
            clock_skew: None,
            blob_length: None,
            maybe_applied: false,
            cause: Some(cause.into()),
        }))
    }
}

/// Azure's codes first, the status where there is none (HEAD on some backends, a proxy in between).
/// <https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes>
fn kind_of(status: StatusCode, code: &str) -> Kind {
    if status == StatusCode::NOT_MODIFIED {
        // Its code is that of 412.
        return Kind::NotModified;
    }
    of_code(code).unwrap_or_else(|| of_status(status))
}

fn of_code(code: &str) -> Option<Kind> {
    of_container(code).or_else(|| of_blob(code)).or_else(|| of_request(code))
}

fn of_container(code: &str) -> Option<Kind> {
    Some(match code {
        "ContainerNotFound" => Kind::NoSuchContainer,
        "ContainerAlreadyExists" => Kind::ContainerExists,
        "ContainerBeingDeleted" => Kind::ContainerBeingDeleted,
        "ContainerDisabled" => Kind::Unauthorised,
        _ => return None,
    })
}

fn of_blob(code: &str) -> Option<Kind> {
    Some(match code {
        "BlobNotFound" => Kind::NoSuchBlob,
        "BlobAlreadyExists" => Kind::BlobExists,
        "ConditionNotMet" | "TargetConditionNotMet" => Kind::ConditionNotMet,
        "SourceConditionNotMet" => Kind::SourceConditionNotMet,
        "InvalidRange" => Kind::RangeNotSatisfiable,
        "InvalidBlockList" => Kind::InvalidBlockList,
        "InvalidBlobOrBlock" => Kind::InvalidBlobOrBlock,
        "BlockCountExceedsLimit" | "BlockListTooLong" => Kind::TooManyBlocks,
        "InvalidBlobType" => Kind::InvalidBlobType,
        "BlobArchived" | "BlobBeingRehydrated" => Kind::Archived,
        "BlobImmutableDueToPolicy" | "BlobImmutableDueToLegalHold" => Kind::Immutable,
        "SnapshotsPresent" => Kind::HasSnapshots,
        "Md5Mismatch" | "Crc64Mismatch" | "InvalidMd5" | "InvalidCrc64" => Kind::DigestMismatch,
        "CannotVerifyCopySource" | "CopySourceNotVerifiable" => Kind::CannotVerifySource,
        _ if code.starts_with("Lease") || code == "InfiniteLeaseDurationRequired" => {
            Kind::LeaseConflict
        }
        _ => return None,
    })
}

fn of_request(code: &str) -> Option<Kind> {
    Some(match code {
        "InvalidResourceName" | "InvalidUri" | "OutOfRangeInput" => Kind::InvalidName,
        "InvalidMetadata" | "EmptyMetadataKey" | "MetadataTooLarge" => Kind::InvalidMetadata,
        "InvalidHeaderValue" => Kind::InvalidHeader,
        "RequestBodyTooLarge" | "MaxBlobSizeConditionNotMet" => Kind::TooLarge,
        // The second is how the service spells it.
        // A tool's copy onto this very blob goes on: nothing was done, and later it can be.
        "PendingCopyOperation" => Kind::Throttled,
        "ServerBusy" | "SnapshotOperationRateExceeded" | "SnaphotOperationRateExceeded" => {
            Kind::Throttled
        }
        "OperationTimedOut" | "InternalError" => Kind::ServerFailed,
        "AuthenticationFailed"
        | "AuthorizationFailure"
        | "AuthorizationPermissionMismatch"
        | "AuthorizationProtocolMismatch"
        | "AuthorizationResourceTypeMismatch"
        | "AuthorizationServiceMismatch"
        | "AuthorizationSourceIPMismatch"
        | "InsufficientAccountPermissions"
        | "InvalidAuthenticationInfo"
        | "KeyBasedAuthenticationNotPermitted"
        | "NoAuthenticationInformation"
        | "PublicAccessNotPermitted"
        | "UnauthorizedBlobOverwrite"
        | "AccountIsDisabled" => Kind::Unauthorised,
        "FeatureNotEnabled"
        | "FeatureVersionMismatch"
        | "APINotImplemented"
        | "UnsupportedHeader"
        | "UnsupportedQueryParameter"
        | "UnsupportedHttpVerb"
        | "BlobAccessTierNotSupportedForAccountType" => Kind::NotSupported,
        _ => return None,
    })
}

fn of_status(status: StatusCode) -> Kind {
    match status.as_u16() {
        304 => Kind::NotModified,
        401 | 403 => Kind::Unauthorised,
        404 => Kind::NoSuchBlob,
        412 => Kind::ConditionNotMet,
        413 => Kind::TooLarge,
        416 => Kind::RangeNotSatisfiable,
        429 | 503 => Kind::Throttled,
        501 => Kind::NotSupported,
        408 | 500 | 502 | 504 => Kind::ServerFailed,
        _ => Kind::Unexpected,
    }
}

impl fmt::Display for BlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0.kind)?;
        if let Some(status) = self.0.status {
            write!(f, ", Azure answered {} {}", status.as_u16(), self.0.code)?;
        }
        if let Some(line) = self.0.message.lines().next() {
            write!(f, ": {line}")?;
        }
        if let Some(cause) = &self.0.cause {
            write!(f, ": {cause}")?;
        }
        if self.0.maybe_applied {
            f.write_str(" (may have been done)")?;
        }
        Ok(())
    }
}

impl fmt::Debug for BlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobError")
            .field("kind", &self.0.kind)
            .field("status", &self.0.status)
            .field("code", &self.0.code)
            .field("message", &self.0.message)
            .field("request_id", &self.0.request_id)
            .field("maybe_applied", &self.0.maybe_applied)
            .field("cause", &self.0.cause)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for BlobError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let cause: &(dyn std::error::Error + 'static) = self.0.cause.as_deref()?;
        Some(cause)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn answered(status: u16, code: Option<&'static str>, body: &str) -> BlobError {
        let mut all = HeaderMap::new();
        if let Some(code) = code {
            all.insert("x-ms-error-code", HeaderValue::from_static(code));
        }
        BlobError::from_answer(StatusCode::from_u16(status).unwrap(), &all, body.as_bytes())
    }

    #[test]
    fn the_code_says_more_than_the_status() {
        let check = |status, code, kind| {
            assert_eq!(answered(status, Some(code), "").kind(), kind, "{status} {code}");
        };
        check(404, "ContainerNotFound", Kind::NoSuchContainer);
        check(404, "CannotVerifyCopySource", Kind::CannotVerifySource);
        check(409, "ContainerBeingDeleted", Kind::ContainerBeingDeleted);
        check(409, "BlobAlreadyExists", Kind::BlobExists);
        check(409, "LeaseIdMissing", Kind::LeaseConflict);
        check(412, "LeaseIdMismatchWithBlobOperation", Kind::LeaseConflict);
        check(412, "ConditionNotMet", Kind::ConditionNotMet);
        check(304, "ConditionNotMet", Kind::NotModified);
        check(403, "AuthenticationFailed", Kind::Unauthorised);
        check(409, "InvalidBlobType", Kind::InvalidBlobType);
        check(503, "ServerBusy", Kind::Throttled);
        check(500, "OperationTimedOut", Kind::ServerFailed);
    }

    #[test]
    fn without_a_code_the_status_decides() {
        for (status, kind) in [
            (304, Kind::NotModified),
            (404, Kind::NoSuchBlob),
            (412, Kind::ConditionNotMet),
            (416, Kind::RangeNotSatisfiable),
            (503, Kind::Throttled),
            (500, Kind::ServerFailed),
            (501, Kind::NotSupported),
            (418, Kind::Unexpected),
        ] {
            assert_eq!(answered(status, None, "").kind(), kind, "{status}");
        }
    }

    #[test]
    fn a_document_says_the_code_too() {
        let body = "\u{feff}<?xml version=\"1.0\"?><Error><Code>BlobArchived</Code>\
                    <Message>off line\nRequestId:1</Message></Error>";
        let error = answered(409, None, body);
        assert_eq!((error.kind(), error.azure_code()), (Kind::Archived, "BlobArchived"));
        assert_eq!(error.to_string(), "Archived, Azure answered 409 BlobArchived: off line");
    }

    #[test]
    fn only_what_may_have_been_done_says_so() {
        assert!(answered(500, Some("InternalError"), "").maybe_applied());
        assert!(!answered(503, Some("ServerBusy"), "").maybe_applied());
        assert!(BlobError::unreachable("reset", true).maybe_applied());
        assert!(!BlobError::unreachable("refused", false).maybe_applied());
    }
}
