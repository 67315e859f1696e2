//! What goes wrong, in S3's words: the one table of error codes, and the error that carries one.
//!
//! A code, its status and its message are AWS's to the letter, because clients and conformance
//! tools compare them: <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>.
//! The client reads the message; the log reads the cause. Nothing of a cause ever reaches a client.

use std::borrow::Cow;
use std::fmt;

use http::StatusCode;

/// A failed request, as its client gets to see it, with the cause for our own log.
#[derive(Debug)]
pub struct Error {
    code: Code,
    message: Option<Cow<'static, str>>,
    details: Vec<(&'static str, String)>,
    headers: Vec<(http::HeaderName, http::HeaderValue)>,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error with the message that its row has.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self { code, message: None, details: Vec::new(), headers: Vec::new(), cause: None }
    }

    /// Says it in other words than the row does.
    #[must_use]
    pub fn message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// Adds an element to the document, such as `<ArgumentName>`.
    #[must_use]
    pub fn detail(mut self, element: &'static str, value: impl Into<String>) -> Self {
        self.details.push((element, value.into()));
        self
    }

    /// Adds a header to the answer, such as `Retry-After`.
    #[must_use]
    pub fn header(mut self, name: http::HeaderName, value: http::HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Notes what was behind it, for the log only.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// `InvalidArgument` about one argument, in the form that AWS gives it.
    #[must_use]
    pub fn invalid_argument(
        name: &'static str,
        value: impl Into<String>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(Code::InvalidArgument)
            .message(message)
            .detail("ArgumentName", name)
            .detail("ArgumentValue", value)
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.code.status()
    }

    /// What the client is told.
    pub fn text(&self) -> &str {
        self.message.as_deref().unwrap_or_else(|| self.code.text())
    }

    /// The further elements of the document.
    pub fn details(&self) -> &[(&'static str, String)] {
        &self.details
    }

    /// The further headers of the answer.
    pub fn headers(&self) -> &[(http::HeaderName, http::HeaderValue)] {
        &self.headers
    }

    /// What was behind it, if anything is known; never for the client.
    pub fn cause(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.cause.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.code.name(), self.text())
    }
}

impl std::error::Error for Error {}

impl From<Code> for Error {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

/// Makes [`Code`] and its table from one row for each code: variant, name on the wire, status,
/// message.
macro_rules! codes {
    ($($variant:ident, $status:ident, $message:literal;)+) => {
        /// One of S3's error codes; its variant is its name on the wire.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = concat!("`", stringify!($variant), "` on the wire.")] $variant,)+
        }

        impl Code {
            const fn row(self) -> (&'static str, StatusCode, &'static str) {
                match self {
                    $(Self::$variant => (stringify!($variant), StatusCode::$status, $message),)+
                }
            }
        }
    };
}

codes! {
    AccessControlListNotSupported, BAD_REQUEST, "The bucket does not allow ACLs";
    AccessDenied, FORBIDDEN, "Access Denied";
    AccessForbidden, FORBIDDEN, "CORSResponse: CORS is not enabled for this bucket.";
    AuthorizationHeaderMalformed, BAD_REQUEST, "The authorization header that you provided is not valid.";
    AuthorizationQueryParametersError, BAD_REQUEST, "The authorization query parameters that you provided are not valid.";
    BadDigest, BAD_REQUEST, "The Content-MD5 you specified did not match what we received.";
    BadRequest, BAD_REQUEST, "Bad Request";
    BucketAlreadyExists, CONFLICT, "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.";
    BucketAlreadyOwnedByYou, CONFLICT, "Your previous request to create the named bucket succeeded and you already own it.";
    BucketNotEmpty, CONFLICT, "The bucket you tried to delete is not empty";
    ConditionalRequestConflict, CONFLICT, "The conditional request cannot succeed due to a conflicting operation against this resource.";
    CrossLocationLoggingProhibited, FORBIDDEN, "Cross S3 location logging not allowed.";
    EntityTooLarge, BAD_REQUEST, "Your proposed upload exceeds the maximum allowed size";
    EntityTooSmall, BAD_REQUEST, "Your proposed upload is smaller than the minimum allowed size";
    IllegalLocationConstraintException, BAD_REQUEST, "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to.";
    IncompleteBody, BAD_REQUEST, "You did not provide the number of bytes specified by the Content-Length HTTP header";
    InternalError, INTERNAL_SERVER_ERROR, "We encountered an internal error. Please try again.";
    InvalidAccessKeyId, FORBIDDEN, "The AWS Access Key Id you provided does not exist in our records.";
    InvalidArgument, BAD_REQUEST, "Invalid Argument";
    InvalidBucketAclWithObjectOwnership, BAD_REQUEST, "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting";
    InvalidBucketName, BAD_REQUEST, "The specified bucket is not valid.";
    InvalidChunkSizeError, BAD_REQUEST, "Only the last chunk is allowed to have a size less than 8192 bytes";
    InvalidBucketState, CONFLICT, "The request is not valid with the current state of the bucket.";
    InvalidDigest, BAD_REQUEST, "The Content-MD5 you specified was invalid.";
    InvalidEncryptionAlgorithmError, BAD_REQUEST, "The encryption request you specified is not valid. The valid value is AES256.";
    InvalidLocationConstraint, BAD_REQUEST, "The specified location-constraint is not valid";
    InvalidObjectState, FORBIDDEN, "The operation is not valid for the object's storage class";
    InvalidPart, BAD_REQUEST, "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.";
    InvalidPartNumber, RANGE_NOT_SATISFIABLE, "The requested partnumber is not satisfiable";
    InvalidPartOrder, BAD_REQUEST, "The list of parts was not in ascending order. Parts must be ordered by part number.";
    InvalidPolicyDocument, BAD_REQUEST, "The content of the form does not meet the conditions specified in the policy document.";
    InvalidRange, RANGE_NOT_SATISFIABLE, "The requested range is not satisfiable";
    InvalidRequest, BAD_REQUEST, "Invalid Request";
    InvalidStorageClass, BAD_REQUEST, "The storage class you specified is not valid";
    InvalidTag, BAD_REQUEST, "The tag provided was not a valid tag. This error can occur if the tag did not pass input validation.";
    InvalidToken, BAD_REQUEST, "The provided token is malformed or otherwise invalid.";
    InvalidURI, BAD_REQUEST, "Couldn't parse the specified URI.";
    KeyTooLongError, BAD_REQUEST, "Your key is too long";
    MalformedACLError, BAD_REQUEST, "The XML you provided was not well-formed or did not validate against our published schema";
    MalformedPolicy, BAD_REQUEST, "Policies must be valid JSON and the first byte must be '{'";
    MalformedPOSTRequest, BAD_REQUEST, "The body of your POST request is not well-formed multipart/form-data.";
    MalformedTrailerError, BAD_REQUEST, "The request contained trailing data that was not well-formed or did not conform to our published schema.";
    MalformedXML, BAD_REQUEST, "The XML you provided was not well-formed or did not validate against our published schema";
    MaxMessageLengthExceeded, BAD_REQUEST, "Your request was too big.";
    MaxPostPreDataLengthExceededError, BAD_REQUEST, "Your POST request fields preceding the upload file were too large.";
    MetadataTooLarge, BAD_REQUEST, "Your metadata headers exceed the maximum allowed metadata size";
    MethodNotAllowed, METHOD_NOT_ALLOWED, "The specified method is not allowed against this resource.";
    MissingContentLength, LENGTH_REQUIRED, "You must provide the Content-Length HTTP header.";
    MissingRequestBodyError, BAD_REQUEST, "Request body is empty.";
    NoSuchBucket, NOT_FOUND, "The specified bucket does not exist";
    NoSuchBucketPolicy, NOT_FOUND, "The bucket policy does not exist";
    NoSuchCORSConfiguration, NOT_FOUND, "The CORS configuration does not exist";
    NoSuchKey, NOT_FOUND, "The specified key does not exist.";
    NoSuchLifecycleConfiguration, NOT_FOUND, "The lifecycle configuration does not exist";
    NoSuchPublicAccessBlockConfiguration, NOT_FOUND, "The public access block configuration was not found";
    NoSuchTagSet, NOT_FOUND, "The TagSet does not exist";
    NoSuchUpload, NOT_FOUND, "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.";
    NoSuchVersion, NOT_FOUND, "The specified version does not exist.";
    NoSuchWebsiteConfiguration, NOT_FOUND, "The specified bucket does not have a website configuration";
    NotImplemented, NOT_IMPLEMENTED, "A header you provided implies functionality that is not implemented";
    NotModified, NOT_MODIFIED, "Not Modified";
    ObjectLockConfigurationNotFoundError, NOT_FOUND, "Object Lock configuration does not exist for this bucket";
    OperationAborted, CONFLICT, "A conflicting conditional operation is currently in progress against this resource. Please try again.";
    OwnershipControlsNotFoundError, NOT_FOUND, "The bucket ownership controls were not found";
    PreconditionFailed, PRECONDITION_FAILED, "At least one of the pre-conditions you specified did not hold";
    ReplicationConfigurationNotFoundError, NOT_FOUND, "The replication configuration was not found";
    RequestHeaderSectionTooLarge, BAD_REQUEST, "Your request header section exceeds the maximum allowed size.";
    RequestTimeTooSkewed, FORBIDDEN, "The difference between the request time and the current time is too large.";
    RequestTimeout, BAD_REQUEST, "Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed.";
    RestoreAlreadyInProgress, CONFLICT, "Object restore is already in progress";
    ServiceUnavailable, SERVICE_UNAVAILABLE, "Service is unable to handle request.";
    SignatureDoesNotMatch, FORBIDDEN, "The request signature we calculated does not match the signature you provided. Check your key and signing method.";
    SlowDown, SERVICE_UNAVAILABLE, "Please reduce your request rate.";
    TooManyBuckets, BAD_REQUEST, "You have attempted to create more buckets than allowed";
    UnresolvableGrantByEmailAddress, BAD_REQUEST, "The email address you provided does not match any account on record.";
    XAmzContentSHA256Mismatch, BAD_REQUEST, "The provided 'x-amz-content-sha256' header does not match what was computed.";
}

impl Code {
    /// The code as it stands on the wire.
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    /// The status that S3 sends with it.
    pub const fn status(self) -> StatusCode {
        self.row().1
    }

    /// The message that S3 sends with it, where nothing better is known.
    pub const fn text(self) -> &'static str {
        self.row().2
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, Error};

    #[test]
    fn an_error_says_its_own_words_before_those_of_its_row() {
        assert_eq!(Error::new(Code::NoSuchKey).text(), "The specified key does not exist.");
        assert_eq!(Error::new(Code::NoSuchKey).message("Gone").text(), "Gone");
    }

    #[test]
    fn a_cause_does_not_show() {
        let error = Error::new(Code::InternalError).caused_by("account contoso");
        assert!(!error.to_string().contains("contoso"));
        assert!(error.cause().is_some());
    }
}
