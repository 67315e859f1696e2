//! Every operation that S3 has, by name: those that are answered, and those that are refused.
//!
//! The list is AWS's: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>.
//! A sub-resource never falls through to the plain operation beside it: `PUT /b/k?tagging` must
//! not store its document as the object.

use http::{HeaderMap, Method};

use crate::s3::error::{Code, Error};
use crate::s3::headers;
use crate::s3::query::Query;
use crate::s3::target::Target;

/// What the gateway does with an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It is answered.
    Answered,
    /// It is refused by name, `NotImplemented`.
    Refused,
}

macro_rules! operations {
    ($($variant:ident $support:ident;)+) => {
        /// One operation of S3.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Operation {
            $(#[doc = concat!("S3's `", stringify!($variant), "`.")] $variant,)+
        }

        impl Operation {
            /// All of them, in the order of the table in the README.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its name in S3's reference.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)+ }
            }

            /// Is it answered, or refused by name?
            pub const fn support(self) -> Support {
                match self { $(Self::$variant => Support::$support,)+ }
            }
        }
    };
}

operations! {
    // The service and its buckets.
    ListBuckets Answered;
    CreateBucket Answered;
    HeadBucket Answered;
    DeleteBucket Answered;
    GetBucketLocation Answered;
    GetBucketVersioning Answered;
    // Listings.
    ListObjects Answered;
    ListObjectsV2 Answered;
    ListObjectVersions Answered;
    // Objects.
    PutObject Answered;
    PostObject Answered;
    GetObject Answered;
    HeadObject Answered;
    GetObjectAttributes Answered;
    DeleteObject Answered;
    DeleteObjects Answered;
    CopyObject Answered;
    // Multipart uploads.
    CreateMultipartUpload Answered;
    UploadPart Answered;
    UploadPartCopy Answered;
    CompleteMultipartUpload Answered;
    AbortMultipartUpload Answered;
    ListParts Answered;
    ListMultipartUploads Answered;
    // What a bucket may be told: what nobody has told it yet is answered.
    GetBucketAcl Answered;
    GetBucketPolicy Answered;
    GetBucketPolicyStatus Answered;
    GetBucketCors Answered;
    GetBucketLifecycleConfiguration Answered;
    GetBucketTagging Answered;
    GetBucketEncryption Answered;
    GetBucketWebsite Answered;
    GetBucketReplication Answered;
    GetPublicAccessBlock Answered;
    GetBucketOwnershipControls Answered;
    GetBucketRequestPayment Answered;
    GetBucketLogging Answered;
    GetBucketNotificationConfiguration Answered;
    GetBucketAccelerateConfiguration Answered;
    GetObjectLockConfiguration Answered;
    GetObjectAcl Answered;
    GetObjectTagging Answered;
    CorsPreflight Answered;
    PutBucketAcl Answered;
    PutBucketPolicy Answered;
    DeleteBucketPolicy Answered;
    PutBucketCors Answered;
    DeleteBucketCors Answered;
    PutBucketLifecycleConfiguration Answered;
    DeleteBucketLifecycle Answered;
    PutBucketTagging Answered;
    DeleteBucketTagging Answered;
    PutBucketEncryption Answered;
    DeleteBucketEncryption Answered;
    PutBucketWebsite Refused;
    DeleteBucketWebsite Refused;
    PutBucketReplication Refused;
    DeleteBucketReplication Refused;
    PutPublicAccessBlock Answered;
    DeletePublicAccessBlock Answered;
    PutBucketOwnershipControls Answered;
    DeleteBucketOwnershipControls Answered;
    PutBucketRequestPayment Answered;
    PutBucketLogging Answered;
    PutBucketNotificationConfiguration Answered;
    PutBucketAccelerateConfiguration Refused;
    PutBucketVersioning Refused;
    PutObjectLockConfiguration Answered;
    GetBucketAnalyticsConfiguration Refused;
    PutBucketAnalyticsConfiguration Refused;
    DeleteBucketAnalyticsConfiguration Refused;
    ListBucketAnalyticsConfigurations Refused;
    GetBucketIntelligentTieringConfiguration Refused;
    PutBucketIntelligentTieringConfiguration Refused;
    DeleteBucketIntelligentTieringConfiguration Refused;
    ListBucketIntelligentTieringConfigurations Refused;
    GetBucketInventoryConfiguration Refused;
    PutBucketInventoryConfiguration Refused;
    DeleteBucketInventoryConfiguration Refused;
    ListBucketInventoryConfigurations Refused;
    GetBucketMetricsConfiguration Refused;
    PutBucketMetricsConfiguration Refused;
    DeleteBucketMetricsConfiguration Refused;
    ListBucketMetricsConfigurations Refused;
    GetBucketMetadataTableConfiguration Refused;
    CreateBucketMetadataTableConfiguration Refused;
    DeleteBucketMetadataTableConfiguration Refused;
    GetBucketMetadataConfiguration Refused;
    CreateBucketMetadataConfiguration Refused;
    DeleteBucketMetadataConfiguration Refused;
    UpdateBucketMetadataInventoryTableConfiguration Refused;
    UpdateBucketMetadataJournalTableConfiguration Refused;
    GetBucketAbac Refused;
    PutBucketAbac Refused;
    CreateSession Refused;
    // What an object may be told, and other doors.
    PutObjectAcl Answered;
    PutObjectTagging Answered;
    DeleteObjectTagging Answered;
    GetObjectLegalHold Answered;
    PutObjectLegalHold Answered;
    GetObjectRetention Answered;
    PutObjectRetention Answered;
    GetObjectTorrent Refused;
    RestoreObject Answered;
    SelectObjectContent Refused;
    RenameObject Refused;
    UpdateObjectEncryption Refused;
    WriteGetObjectResponse Refused;
}

impl Operation {
    /// Which operation a request means; `MethodNotAllowed` where S3 has none.
    pub fn read(
        method: &Method,
        target: &Target,
        query: &Query,
        headers: &HeaderMap,
    ) -> Result<Self, Error> {
        if method == Method::OPTIONS {
            return Ok(Self::CorsPreflight);
        }
        match target {
            Target::Service if method == Method::GET => Ok(Self::ListBuckets),
            Target::Service => Err(Error::new(Code::MethodNotAllowed)),
            Target::Bucket(_) => on_bucket(method, query, headers),
            Target::Object(..) => on_object(method, query, headers),
        }
        .map_err(|error| {
            if error.code() == Code::MethodNotAllowed {
                error.detail("Method", method.as_str())
            } else {
                error
            }
        })
    }

    /// The refusal of an operation that is not built.
    pub fn refusal(self) -> Error {
        Error::new(Code::NotImplemented)
            .message(format!("The operation {} is not implemented.", self.name()))
            .detail("Operation", self.name())
    }

    /// Does the operation store a body of bytes, rather than read a document or nothing?
    pub fn takes_object_bytes(self) -> bool {
        matches!(self, Self::PutObject | Self::UploadPart)
    }

    /// Does its answer say how the object is encrypted?
    pub fn says_encryption(self) -> bool {
        matches!(
            self,
            Self::PutObject
                | Self::CopyObject
                | Self::GetObject
                | Self::HeadObject
                | Self::CreateMultipartUpload
                | Self::UploadPart
                | Self::UploadPartCopy
                | Self::CompleteMultipartUpload
        )
    }
}

/// The operations of one sub-resource: GET, PUT, DELETE, POST.
type Row = (&'static str, [Option<Operation>; 4]);

use Operation as Op;

/// The sub-resources of a bucket.
#[rustfmt::skip]
const BUCKET: &[Row] = &[
    ("abac", [Some(Op::GetBucketAbac), Some(Op::PutBucketAbac), None, None]),
    ("accelerate", [Some(Op::GetBucketAccelerateConfiguration), Some(Op::PutBucketAccelerateConfiguration), None, None]),
    ("acl", [Some(Op::GetBucketAcl), Some(Op::PutBucketAcl), None, None]),
    ("analytics", [Some(Op::GetBucketAnalyticsConfiguration), Some(Op::PutBucketAnalyticsConfiguration), Some(Op::DeleteBucketAnalyticsConfiguration), None]),
    ("cors", [Some(Op::GetBucketCors), Some(Op::PutBucketCors), Some(Op::DeleteBucketCors), None]),
    ("delete", [None, None, None, Some(Op::DeleteObjects)]),
    ("encryption", [Some(Op::GetBucketEncryption), Some(Op::PutBucketEncryption), Some(Op::DeleteBucketEncryption), None]),
    ("intelligent-tiering", [Some(Op::GetBucketIntelligentTieringConfiguration), Some(Op::PutBucketIntelligentTieringConfiguration), Some(Op::DeleteBucketIntelligentTieringConfiguration), None]),
    ("inventory", [Some(Op::GetBucketInventoryConfiguration), Some(Op::PutBucketInventoryConfiguration), Some(Op::DeleteBucketInventoryConfiguration), None]),
    ("lifecycle", [Some(Op::GetBucketLifecycleConfiguration), Some(Op::PutBucketLifecycleConfiguration), Some(Op::DeleteBucketLifecycle), None]),
    ("location", [Some(Op::GetBucketLocation), None, None, None]),
    ("logging", [Some(Op::GetBucketLogging), Some(Op::PutBucketLogging), None, None]),
    ("metadataConfiguration", [Some(Op::GetBucketMetadataConfiguration), None, Some(Op::DeleteBucketMetadataConfiguration), Some(Op::CreateBucketMetadataConfiguration)]),
    ("metadataInventoryTable", [None, Some(Op::UpdateBucketMetadataInventoryTableConfiguration), None, None]),
    ("metadataJournalTable", [None, Some(Op::UpdateBucketMetadataJournalTableConfiguration), None, None]),
    ("metadataTable", [Some(Op::GetBucketMetadataTableConfiguration), None, Some(Op::DeleteBucketMetadataTableConfiguration), Some(Op::CreateBucketMetadataTableConfiguration)]),
    ("metrics", [Some(Op::GetBucketMetricsConfiguration), Some(Op::PutBucketMetricsConfiguration), Some(Op::DeleteBucketMetricsConfiguration), None]),
    ("notification", [Some(Op::GetBucketNotificationConfiguration), Some(Op::PutBucketNotificationConfiguration), None, None]),
    ("object-lock", [Some(Op::GetObjectLockConfiguration), Some(Op::PutObjectLockConfiguration), None, None]),
    ("ownershipControls", [Some(Op::GetBucketOwnershipControls), Some(Op::PutBucketOwnershipControls), Some(Op::DeleteBucketOwnershipControls), None]),
    ("policy", [Some(Op::GetBucketPolicy), Some(Op::PutBucketPolicy), Some(Op::DeleteBucketPolicy), None]),
    ("policyStatus", [Some(Op::GetBucketPolicyStatus), None, None, None]),
    ("publicAccessBlock", [Some(Op::GetPublicAccessBlock), Some(Op::PutPublicAccessBlock), Some(Op::DeletePublicAccessBlock), None]),
    ("replication", [Some(Op::GetBucketReplication), Some(Op::PutBucketReplication), Some(Op::DeleteBucketReplication), None]),
    ("requestPayment", [Some(Op::GetBucketRequestPayment), Some(Op::PutBucketRequestPayment), None, None]),
    ("session", [Some(Op::CreateSession), None, None, None]),
    ("tagging", [Some(Op::GetBucketTagging), Some(Op::PutBucketTagging), Some(Op::DeleteBucketTagging), None]),
    ("uploads", [Some(Op::ListMultipartUploads), None, None, None]),
    ("versioning", [Some(Op::GetBucketVersioning), Some(Op::PutBucketVersioning), None, None]),
    ("versions", [Some(Op::ListObjectVersions), None, None, None]),
    ("website", [Some(Op::GetBucketWebsite), Some(Op::PutBucketWebsite), Some(Op::DeleteBucketWebsite), None]),
];

/// The sub-resources of an object.
#[rustfmt::skip]
const OBJECT: &[Row] = &[
    ("acl", [Some(Op::GetObjectAcl), Some(Op::PutObjectAcl), None, None]),
    ("attributes", [Some(Op::GetObjectAttributes), None, None, None]),
    ("encryption", [None, Some(Op::UpdateObjectEncryption), None, None]),
    ("legal-hold", [Some(Op::GetObjectLegalHold), Some(Op::PutObjectLegalHold), None, None]),
    ("renameObject", [None, Some(Op::RenameObject), None, None]),
    ("restore", [None, None, None, Some(Op::RestoreObject)]),
    ("retention", [Some(Op::GetObjectRetention), Some(Op::PutObjectRetention), None, None]),
    ("select", [None, None, None, Some(Op::SelectObjectContent)]),
    ("tagging", [Some(Op::GetObjectTagging), Some(Op::PutObjectTagging), Some(Op::DeleteObjectTagging), None]),
    ("torrent", [Some(Op::GetObjectTorrent), None, None, None]),
    ("uploadId", [Some(Op::ListParts), Some(Op::UploadPart), Some(Op::AbortMultipartUpload), Some(Op::CompleteMultipartUpload)]),
    ("uploads", [None, None, None, Some(Op::CreateMultipartUpload)]),
];

/// Does a parameter of this name make another operation of a request?
pub fn is_subresource(name: &str) -> bool {
    BUCKET.iter().chain(OBJECT).any(|(known, _)| *known == name)
}

/// The one sub-resource that `query` names; two of them contradict each other.
fn subresource(rows: &'static [Row], query: &Query) -> Result<Option<&'static Row>, Error> {
    let mut found = rows.iter().filter(|(name, _)| query.has(name));
    let first = found.next();
    match (first, found.next()) {
        (Some((one, _)), Some((other, _))) => Err(Error::new(Code::InvalidArgument)
            .message(format!("Conflicting query string parameters: {one}, {other}"))
            .detail("ArgumentName", "ResourceType")
            .detail("ArgumentValue", *one)),
        _ => Ok(first),
    }
}

/// The cell of `method` in a row.
fn cell(row: &Row, method: &Method) -> Result<Operation, Error> {
    let [get, put, delete, post] = row.1;
    let found = match method.as_str() {
        "GET" => get,
        "PUT" => put,
        "DELETE" => delete,
        "POST" => post,
        _ => None,
    };
    found.ok_or_else(|| Error::new(Code::MethodNotAllowed).detail("ResourceType", row.0))
}

fn on_bucket(method: &Method, query: &Query, headers: &HeaderMap) -> Result<Operation, Error> {
    if let Some(row) = subresource(BUCKET, query)? {
        let operation = cell(row, method)?;
        return Ok(if query.has("id") { operation } else { without_id(operation) });
    }
    match method.as_str() {
        "GET" if query.has("list-type") => list_type(query),
        "GET" => Ok(Op::ListObjects),
        "HEAD" => Ok(Op::HeadBucket),
        "PUT" => Ok(Op::CreateBucket),
        "DELETE" => Ok(Op::DeleteBucket),
        "POST" if is_form(headers) => Ok(Op::PostObject),
        "POST" => Err(Error::new(Code::PreconditionFailed)
            .detail("Condition", "Bucket POST must be of the enclosure-type multipart/form-data")),
        _ => Err(Error::new(Code::MethodNotAllowed).detail("ResourceType", "BUCKET")),
    }
}

/// Without an `id` the four kinds of numbered configuration are listed.
fn without_id(operation: Operation) -> Operation {
    if operation == Op::GetBucketAnalyticsConfiguration {
        Op::ListBucketAnalyticsConfigurations
    } else if operation == Op::GetBucketIntelligentTieringConfiguration {
        Op::ListBucketIntelligentTieringConfigurations
    } else if operation == Op::GetBucketInventoryConfiguration {
        Op::ListBucketInventoryConfigurations
    } else if operation == Op::GetBucketMetricsConfiguration {
        Op::ListBucketMetricsConfigurations
    } else {
        operation
    }
}

fn list_type(query: &Query) -> Result<Operation, Error> {
    match query.get("list-type") {
        Some("2") => Ok(Op::ListObjectsV2),
        Some("1" | "") | None => Ok(Op::ListObjects),
        Some(other) => {
            Err(Error::invalid_argument("list-type", other, "Invalid List Type specified in Query"))
        }
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    headers
        .get(http::header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.to_ascii_lowercase().starts_with("multipart/form-data"))
}

fn on_object(method: &Method, query: &Query, headers: &HeaderMap) -> Result<Operation, Error> {
    let copies = headers.contains_key(headers::COPY_SOURCE);
    if let Some(row) = subresource(OBJECT, query)? {
        let operation = cell(row, method)?;
        let copies_part = copies && operation == Op::UploadPart;
        return Ok(if copies_part { Op::UploadPartCopy } else { operation });
    }
    match method.as_str() {
        "GET" => Ok(Op::GetObject),
        "HEAD" => Ok(Op::HeadObject),
        "PUT" if copies => Ok(Op::CopyObject),
        "PUT" => Ok(Op::PutObject),
        "DELETE" => Ok(Op::DeleteObject),
        _ => Err(Error::new(Code::MethodNotAllowed).detail("ResourceType", "OBJECT")),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::{BUCKET, OBJECT, Operation, Support};
    use crate::s3::error::Code;
    use crate::s3::query::Query;
    use crate::s3::target::{Domains, read};

    fn operation(request: &str) -> Result<Operation, Code> {
        let mut headers = HeaderMap::new();
        let (request, header) = request.split_once(" + ").unwrap_or((request, ""));
        if let Some((name, value)) = header.split_once(": ") {
            let name: http::HeaderName = name.parse().unwrap();
            headers.insert(name, value.parse().unwrap());
        }
        let (method, uri) = request.split_once(' ').unwrap();
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let target =
            read("h", path, &Domains::default(), super::super::query::Plus::IsPlus).unwrap();
        let query = Query::parse(query).unwrap();
        let method: Method = method.parse().unwrap();
        Operation::read(&method, &target, &query, &headers).map_err(|error| error.code())
    }

    fn check(request: &str, want: Operation) {
        assert_eq!(operation(request), Ok(want), "{request}");
    }

    #[test]
    fn requests_mean_what_s3_says() {
        check("GET /", Operation::ListBuckets);
        check("GET /?x-id=ListBuckets", Operation::ListBuckets);
        check("GET /photos", Operation::ListObjects);
        check("GET /photos/?list-type=2", Operation::ListObjectsV2);
        check("GET /photos?versions", Operation::ListObjectVersions);
        check("PUT /photos/", Operation::CreateBucket);
        check("HEAD /photos", Operation::HeadBucket);
        check("POST /photos?delete=", Operation::DeleteObjects);
        check("POST /photos?delete", Operation::DeleteObjects);
        check("GET /photos?location", Operation::GetBucketLocation);
        check("GET /photos?analytics&id=1", Operation::GetBucketAnalyticsConfiguration);
        check("GET /photos?analytics", Operation::ListBucketAnalyticsConfigurations);
        check("PUT /photos/a?x-id=PutObject", Operation::PutObject);
        check("PUT /photos/a + x-amz-copy-source: /b/c", Operation::CopyObject);
        check("PUT /photos/a?partNumber=1&uploadId=x", Operation::UploadPart);
        check(
            "PUT /photos/a?partNumber=1&uploadId=x + x-amz-copy-source: /b/c",
            Operation::UploadPartCopy,
        );
        check("POST /photos/a?uploads=", Operation::CreateMultipartUpload);
        check("POST /photos/a?select&select-type=2", Operation::SelectObjectContent);
        check(
            "POST /photos + content-type: multipart/form-data; boundary=x",
            Operation::PostObject,
        );
        check("OPTIONS /photos/a", Operation::CorsPreflight);
    }

    #[test]
    fn a_subresource_never_falls_through_to_the_plain_operation() {
        let plain = [
            Operation::CreateBucket,
            Operation::DeleteBucket,
            Operation::ListObjects,
            Operation::HeadBucket,
            Operation::PutObject,
            Operation::GetObject,
            Operation::HeadObject,
            Operation::DeleteObject,
            Operation::CopyObject,
        ];
        let rows = BUCKET.iter().map(|row| ("/photos", row.0));
        let rows = rows.chain(OBJECT.iter().map(|row| ("/photos/a", row.0)));
        let methods = ["GET", "PUT", "DELETE", "POST", "HEAD", "PATCH"];
        for (path, name) in rows {
            for request in methods.map(|method| format!("{method} {path}?{name}=")) {
                let found = operation(&request);
                assert!(!found.is_ok_and(|found| plain.contains(&found)), "{request}");
            }
        }
    }

    #[test]
    fn what_contradicts_itself_or_does_not_exist_is_refused() {
        assert_eq!(operation("GET /photos?acl&policy"), Err(Code::InvalidArgument));
        assert_eq!(operation("POST /"), Err(Code::MethodNotAllowed));
        assert_eq!(operation("POST /photos"), Err(Code::PreconditionFailed));
        assert_eq!(operation("HEAD /photos?acl"), Err(Code::MethodNotAllowed));
        assert_eq!(operation("PATCH /photos/a"), Err(Code::MethodNotAllowed));
        assert_eq!(operation("GET /photos?list-type=3"), Err(Code::InvalidArgument));
    }

    #[test]
    fn a_refusal_names_the_operation() {
        for operation in Operation::ALL {
            if operation.support() == Support::Refused {
                let error = operation.refusal();
                assert_eq!(error.code(), Code::NotImplemented);
                assert!(error.text().contains(operation.name()));
            }
        }
    }
}
