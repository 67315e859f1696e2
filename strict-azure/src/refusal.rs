//! How the service says no: one row for each of its codes.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes>

use http::{HeaderName, HeaderValue};

/// A code with its status and message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: &'static str,
}

/// An answer that says no.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) row: &'static Row,
    pub(crate) header: Option<(HeaderName, HeaderValue)>,
}

impl Refusal {
    /// With a header that says more.
    pub(crate) fn with(row: &'static Row, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).ok();
        Self { row, header: value.map(|value| (HeaderName::from_static(name), value)) }
    }
}

impl From<&'static Row> for Refusal {
    fn from(row: &'static Row) -> Self {
        Self { row, header: None }
    }
}

/// The document of an error.
pub(crate) fn document(code: &str, message: &str, request_id: &str, time: &str) -> String {
    format!(
        "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>{message}\n\
         RequestId:{request_id}\nTime:{time}</Message></Error>"
    )
}

macro_rules! rows {
    ($($name:ident = $status:literal $code:literal $message:literal;)*) => {
        $(pub(crate) const $name: &Row =
            &Row { status: $status, code: $code, message: $message };)*
    };
}

rows! {
    AUTHENTICATION_FAILED = 403 "AuthenticationFailed" "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature.";
    AUTHORIZATION_FAILURE = 403 "AuthorizationFailure" "This request is not authorized to perform this operation.";
    AUTHORIZATION_PERMISSION_MISMATCH = 403 "AuthorizationPermissionMismatch" "This request is not authorized to perform this operation using this permission.";
    AUTHORIZATION_RESOURCE_TYPE_MISMATCH = 403 "AuthorizationResourceTypeMismatch" "This request is not authorized to perform this operation using this resource type.";
    NO_AUTHENTICATION_INFORMATION = 401 "NoAuthenticationInformation" "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.";
    INVALID_AUTHENTICATION_INFO = 400 "InvalidAuthenticationInfo" "Authentication information is not given in the correct format. Check the value of Authorization header.";
    MISSING_REQUIRED_HEADER = 400 "MissingRequiredHeader" "An HTTP header that's mandatory for this request is not specified.";
    MISSING_REQUIRED_QUERY_PARAMETER = 400 "MissingRequiredQueryParameter" "A query parameter that's mandatory for this request is not specified.";
    MISSING_CONTENT_LENGTH = 411 "MissingContentLengthHeader" "The Content-Length header was not specified.";
    INVALID_HEADER_VALUE = 400 "InvalidHeaderValue" "The value for one of the HTTP headers is not in the correct format.";
    INVALID_QUERY_PARAMETER_VALUE = 400 "InvalidQueryParameterValue" "Value for one of the query parameters specified in the request URI is invalid.";
    OUT_OF_RANGE_QUERY_PARAMETER_VALUE = 400 "OutOfRangeQueryParameterValue" "One of the query parameters specified in the request URI is outside the permissible range.";
    UNSUPPORTED_QUERY_PARAMETER = 400 "UnsupportedQueryParameter" "One of the query parameters specified in the request URI is not supported.";
    API_NOT_IMPLEMENTED = 501 "APINotImplemented" "This API is not implemented here.";
    INVALID_URI = 400 "InvalidUri" "The requested URI does not represent any resource on the server.";
    INVALID_RESOURCE_NAME = 400 "InvalidResourceName" "The specified resource name contains invalid characters.";
    OUT_OF_RANGE_INPUT = 400 "OutOfRangeInput" "The specified resource name length is not within the permissible limits.";
    INVALID_INPUT = 400 "InvalidInput" "One of the request inputs is not valid.";
    INVALID_XML_DOCUMENT = 400 "InvalidXmlDocument" "The specified XML is not syntactically valid.";
    INVALID_METADATA = 400 "InvalidMetadata" "The metadata specified is invalid. It has characters that are not permitted.";
    EMPTY_METADATA_KEY = 400 "EmptyMetadataKey" "The key for one of the metadata key-value pairs is empty.";
    METADATA_TOO_LARGE = 400 "MetadataTooLarge" "The metadata specified exceeds the maximum permissible limit (8KB).";
    REQUEST_BODY_TOO_LARGE = 413 "RequestBodyTooLarge" "The request body is too large and exceeds the maximum permissible limit.";
    REQUEST_BODY_CUT = 400 "IncompleteBody" "The request body was not fully received.";
    MD5_MISMATCH = 400 "Md5Mismatch" "The MD5 value specified in the request did not match with the MD5 value calculated by the server.";
    CRC64_MISMATCH = 400 "Crc64Mismatch" "The CRC64 value specified in the request did not match with the CRC64 value calculated by the server.";
    INVALID_MD5 = 400 "InvalidMd5" "The MD5 value specified in the request is invalid. MD5 value must be 128 bits and base64 encoded.";
    INVALID_CRC64 = 400 "InvalidCrc64" "The CRC64 value specified in the request is invalid. CRC64 value must be 64 bits and base64 encoded.";
    BOTH_CRC64_AND_MD5 = 400 "BothCrc64AndMd5HeaderPresent" "Both x-ms-content-crc64 header and Content-MD5 header are present.";
    CONTAINER_NOT_FOUND = 404 "ContainerNotFound" "The specified container does not exist.";
    CONTAINER_ALREADY_EXISTS = 409 "ContainerAlreadyExists" "The specified container already exists.";
    CONTAINER_BEING_DELETED = 409 "ContainerBeingDeleted" "The specified container is being deleted. Try operation later.";
    BLOB_NOT_FOUND = 404 "BlobNotFound" "The specified blob does not exist.";
    BLOB_ALREADY_EXISTS = 409 "BlobAlreadyExists" "The specified blob already exists.";
    BLOB_ARCHIVED = 409 "BlobArchived" "This operation is not permitted on an archived blob.";
    BLOB_BEING_REHYDRATED = 409 "BlobBeingRehydrated" "This operation is not permitted because the blob is being rehydrated.";
    INVALID_BLOB_TYPE = 409 "InvalidBlobType" "The blob type is invalid for this operation.";
    INVALID_BLOB_OR_BLOCK = 400 "InvalidBlobOrBlock" "The specified blob or block content is invalid.";
    INVALID_BLOCK_LIST = 400 "InvalidBlockList" "The specified block list is invalid.";
    BLOCK_LIST_TOO_LONG = 400 "BlockListTooLong" "The block list may not contain more than 50,000 blocks.";
    BLOCK_COUNT_EXCEEDS_LIMIT = 409 "BlockCountExceedsLimit" "The uncommitted block count cannot exceed the maximum limit of 100,000 blocks.";
    SNAPSHOTS_PRESENT = 409 "SnapshotsPresent" "This operation is not permitted because the blob has snapshots.";
    SNAPSHOT_OPERATION = 400 "InvalidQueryParameterValue" "A snapshot can only be read or deleted.";
    CONDITION_NOT_MET = 412 "ConditionNotMet" "The condition specified using HTTP conditional header(s) is not met.";
    NOT_MODIFIED = 304 "ConditionNotMet" "The condition specified using HTTP conditional header(s) is not met.";
    UNSATISFIABLE_CONDITION = 400 "UnsatisfiableCondition" "The request includes an unsatisfiable condition for this operation.";
    SOURCE_CONDITION_NOT_MET = 412 "SourceConditionNotMet" "The source condition specified using HTTP conditional header(s) is not met.";
    APPEND_POSITION_NOT_MET = 412 "AppendPositionConditionNotMet" "The append position condition specified was not met.";
    MAX_SIZE_NOT_MET = 412 "MaxBlobSizeConditionNotMet" "The max blob size condition specified was not met.";
    INVALID_RANGE = 416 "InvalidRange" "The range specified is invalid for the current size of the resource.";
    INVALID_PAGE_RANGE = 400 "InvalidPageRange" "The page range specified is invalid.";
    SOURCE_NOT_FOUND = 404 "CannotVerifyCopySource" "The specified resource does not exist.";
    SOURCE_UNAUTHORISED = 401 "CannotVerifyCopySource" "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.";
    SOURCE_FORBIDDEN = 403 "CannotVerifyCopySource" "This request is not authorized to perform this operation.";
    SOURCE_INVALID = 400 "CannotVerifyCopySource" "The source of the copy is not an address of a blob.";
    PENDING_COPY_OPERATION = 409 "PendingCopyOperation" "There is currently a pending copy operation.";
    NO_PENDING_COPY_OPERATION = 409 "NoPendingCopyOperation" "There is currently no pending copy operation.";
    COPY_ID_MISMATCH = 409 "CopyIdMismatch" "The specified copy ID did not match the copy ID for the pending copy operation.";
    LEASE_ID_MISSING = 412 "LeaseIdMissing" "There is currently a lease on the resource and no lease ID was specified in the request.";
    LEASE_ID_MISMATCH_BLOB = 412 "LeaseIdMismatchWithBlobOperation" "The lease ID specified did not match the lease ID for the blob.";
    LEASE_ID_MISMATCH_CONTAINER = 412 "LeaseIdMismatchWithContainerOperation" "The lease ID specified did not match the lease ID for the container.";
    LEASE_NOT_PRESENT_BLOB = 412 "LeaseNotPresentWithBlobOperation" "There is currently no lease on the blob.";
    LEASE_NOT_PRESENT_CONTAINER = 412 "LeaseNotPresentWithContainerOperation" "There is currently no lease on the container.";
    LEASE_LOST = 412 "LeaseLost" "A lease ID was specified, but the lease for the resource has expired.";
    LEASE_ALREADY_PRESENT = 409 "LeaseAlreadyPresent" "There is already a lease present.";
    LEASE_NOT_PRESENT = 409 "LeaseNotPresentWithLeaseOperation" "There is currently no lease on the resource.";
    LEASE_ID_MISMATCH = 409 "LeaseIdMismatchWithLeaseOperation" "The lease ID specified did not match the lease ID for the resource.";
    LEASE_IS_BREAKING = 409 "LeaseIsBreakingAndCannotBeAcquired" "The lease ID matched, but the lease is currently in breaking state and cannot be acquired until it is broken.";
    LEASE_IS_BROKEN = 409 "LeaseIsBrokenAndCannotBeRenewed" "The lease ID matched, but the lease has been broken explicitly and cannot be renewed.";
    LEASE_IS_BREAKING_CHANGE = 409 "LeaseIsBreakingAndCannotBeChanged" "The lease ID matched, but the lease is currently in breaking state and cannot be changed.";
    SERVER_BUSY = 503 "ServerBusy" "The server is currently unable to receive requests. Please retry your request.";
    OPERATION_TIMED_OUT = 500 "OperationTimedOut" "The operation could not be completed within the permitted time.";
}
