//! How far each operation and each request header of S3 goes here, in words: docs/compatibility.md is
//! made of this, of [`refusals`] and of [`Operation::support`]. Whoever changes what an operation does
//! changes its word here; an operation without one does not compile.

use crate::ops::refusals::{self, When};
use crate::s3::operation::{Operation, Support};

/// How far something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As S3 documents it.
    Yes,
    /// But for what the words say.
    Partly(&'static str),
    /// `NotImplemented` (or the code that the words name), and why.
    Refused(&'static str),
}

use State::{Partly, Refused, Yes};

const NO_VERSIONS: &str =
    "versions are not built; the words for them are kept free (ARCHITECTURE.md)";
const NO_LOCK: &str =
    "object lock is not built: it would bind only those who come through the gateway";
const NO_REPORTS: &str =
    "a report on the storage account is Azure's (Blob Inventory, Azure Monitor)";
const NO_WEBSITE: &str =
    "a static website is a setting of the storage account ($web), not of a container";
const NO_REPLICATION: &str =
    "object replication is set between storage accounts, outside the blob API";
const NOT_TOLD: &str =
    "the answer for a bucket that was told nothing; what would tell it is refused";
const NO_TABLES: &str = "S3 Metadata's tables have no counterpart in Azure";
const NO_TIERING: &str =
    "Azure moves blobs by access with a rule of the account, not of a container";
const NOTHING: &str = "asks for nothing: a bucket has no versions and no locks";
const NULL_VERSION: &str = "a bucket has no versions: `versionId` is `null` or NoSuchVersion";

/// How far an operation goes.
pub fn of(operation: Operation) -> State {
    match operation.support() {
        Support::Refused => Refused(refusal(operation)),
        Support::Answered => limit(operation).map_or(Yes, Partly),
    }
}

/// What an operation that is answered does not do.
#[expect(clippy::wildcard_enum_match_arm, reason = "all others are as S3 documents them")]
fn limit(operation: Operation) -> Option<&'static str> {
    use Operation as Op;
    Some(match operation {
        Op::CreateBucket => {
            "`LocationConstraint` alone of its document; Azure's names for containers are narrower, so \
             some buckets have a container of another name"
        }
        Op::DeleteBucket => "Azure cannot delete a container only if it is empty: see the README",
        Op::GetBucketVersioning => "an empty document: versions are not built",
        Op::ListObjectVersions => "each object once, as version `null`",
        Op::GetObject
        | Op::HeadObject
        | Op::DeleteObject
        | Op::GetObjectAttributes
        | Op::DeleteObjects => NULL_VERSION,
        Op::UploadPartCopy => {
            "the part's ETag is made of the source's, because Azure computes no MD5 when it copies a range"
        }
        Op::GetBucketWebsite
        | Op::GetBucketReplication
        | Op::GetObjectLockConfiguration
        | Op::GetBucketAccelerateConfiguration => NOT_TOLD,
        Op::PutBucketAcl => "the canned ACL `aws-exec-read` is refused",
        Op::PutObjectAcl => {
            "the canned ACL `aws-exec-read` is refused; about twenty grants find room in a blob's metadata"
        }
        Op::PutBucketPolicy => {
            "policy variables are refused; docs/access.md has the condition keys"
        }
        Op::PutBucketLifecycleConfiguration => {
            "transitions to INTELLIGENT_TIERING are refused; rules about noncurrent versions find none"
        }
        Op::PutBucketEncryption => "AES256, which Azure does anyway; keys of KMS are refused",
        Op::PutBucketRequestPayment => "`BucketOwner`; Azure bills the owner of the account alone",
        Op::PutBucketLogging => {
            "no log; `access_log` of the configuration writes one in S3's format"
        }
        Op::PutBucketNotificationConfiguration => {
            "no notification; Azure's go to Event Grid, from the storage account"
        }
        Op::RestoreObject => {
            "`Days` is checked and asks for nothing: Azure moves the blob itself, which stays; queries are refused"
        }
        _ => return None,
    })
}

/// Why an operation is refused.
#[expect(clippy::wildcard_enum_match_arm, reason = "the rest has one reason")]
fn refusal(operation: Operation) -> &'static str {
    use Operation as Op;
    match operation {
        Op::PutBucketVersioning => NO_VERSIONS,
        Op::PutObjectLockConfiguration
        | Op::GetObjectLegalHold
        | Op::PutObjectLegalHold
        | Op::GetObjectRetention
        | Op::PutObjectRetention => NO_LOCK,
        Op::PutBucketWebsite | Op::DeleteBucketWebsite => NO_WEBSITE,
        Op::PutBucketReplication | Op::DeleteBucketReplication => NO_REPLICATION,
        Op::PutBucketAccelerateConfiguration => "there is one way to an endpoint, and it is this",
        Op::GetBucketIntelligentTieringConfiguration
        | Op::PutBucketIntelligentTieringConfiguration
        | Op::DeleteBucketIntelligentTieringConfiguration
        | Op::ListBucketIntelligentTieringConfigurations => NO_TIERING,
        Op::GetBucketAnalyticsConfiguration
        | Op::PutBucketAnalyticsConfiguration
        | Op::DeleteBucketAnalyticsConfiguration
        | Op::ListBucketAnalyticsConfigurations
        | Op::GetBucketInventoryConfiguration
        | Op::PutBucketInventoryConfiguration
        | Op::DeleteBucketInventoryConfiguration
        | Op::ListBucketInventoryConfigurations
        | Op::GetBucketMetricsConfiguration
        | Op::PutBucketMetricsConfiguration
        | Op::DeleteBucketMetricsConfiguration
        | Op::ListBucketMetricsConfigurations => NO_REPORTS,
        Op::GetBucketAbac | Op::PutBucketAbac => "tags of a bucket decide nothing here",
        Op::CreateSession => "sessions are of S3 Express's directory buckets",
        Op::RenameObject => {
            "renaming is of S3 Express; Azure renames only in hierarchical accounts"
        }
        Op::GetObjectTorrent => "AWS has ended it for new accounts; Azure has none",
        Op::SelectObjectContent => {
            "Azure's query speaks another dialect, and AWS has ended it for new accounts"
        }
        Op::UpdateObjectEncryption => "Azure's keys are chosen for an account or a scope",
        Op::WriteGetObjectResponse => "there are no functions between an object and its reader",
        _ => NO_TABLES,
    }
}

/// The request headers of S3 that are read, with what of them is not done. Those that are refused have
/// their rows in `ops/refusals.rs`.
const HEADERS: &[(&str, State)] = &[
    (
        "Authorization",
        Partly(
            "AWS4-HMAC-SHA256; AWS4-ECDSA (SigV4A) is refused; version 2 only with `allow_sigv2`",
        ),
    ),
    ("Cache-Control", Yes),
    ("Content-Disposition", Yes),
    ("Content-Encoding", Yes),
    ("Content-Language", Yes),
    ("Content-Length", Yes),
    ("Content-MD5", Yes),
    ("Content-Type", Yes),
    ("Expect", Yes),
    ("Expires", Yes),
    ("If-Match", Yes),
    ("If-Modified-Since", Yes),
    ("If-None-Match", Yes),
    ("If-Unmodified-Since", Yes),
    ("Origin", Yes),
    ("Range", Partly("one range; several get the whole object, as at S3")),
    ("x-amz-acl", Partly("`aws-exec-read` is refused")),
    ("x-amz-checksum-algorithm", Yes),
    ("x-amz-checksum-crc32", Yes),
    ("x-amz-checksum-crc32c", Yes),
    ("x-amz-checksum-crc64nvme", Yes),
    ("x-amz-checksum-mode", Yes),
    ("x-amz-checksum-sha1", Yes),
    ("x-amz-checksum-sha256", Yes),
    ("x-amz-checksum-type", Yes),
    ("x-amz-content-sha256", Yes),
    ("x-amz-copy-source", Partly(NULL_VERSION)),
    ("x-amz-copy-source-if-match", Yes),
    ("x-amz-copy-source-if-modified-since", Yes),
    ("x-amz-copy-source-if-none-match", Yes),
    ("x-amz-copy-source-if-unmodified-since", Yes),
    ("x-amz-copy-source-range", Yes),
    ("x-amz-date", Yes),
    ("x-amz-decoded-content-length", Yes),
    ("x-amz-expected-bucket-owner", Yes),
    ("x-amz-grant-full-control", Yes),
    ("x-amz-grant-read", Yes),
    ("x-amz-grant-read-acp", Yes),
    ("x-amz-grant-write", Yes),
    ("x-amz-grant-write-acp", Yes),
    ("x-amz-if-match-last-modified-time", Yes),
    ("x-amz-if-match-size", Yes),
    ("x-amz-max-parts", Yes),
    ("x-amz-meta-*", Partly("2 KiB as at S3; Azure has 8 KiB for all that is kept of an object")),
    ("x-amz-metadata-directive", Yes),
    ("x-amz-mp-object-size", Yes),
    ("x-amz-bypass-governance-retention", Partly(NOTHING)),
    (
        "x-amz-checksum-*, all others",
        Refused("InvalidRequest: to ignore one would be to store unchecked bytes"),
    ),
    (
        "x-amz-confirm-remove-self-bucket-access",
        Partly("asks for nothing: who owns a bucket can always put and delete its policy"),
    ),
    ("x-amz-mfa", Partly(NOTHING)),
    ("x-amz-object-attributes", Yes),
    ("x-amz-optional-object-attributes", Yes),
    ("x-amz-request-payer", Partly("asks for nothing: the owner pays")),
    ("x-amz-security-token", Refused("InvalidToken: there is no STS")),
    ("x-amz-skip-destination-validation", Partly("asks for nothing: there are no notifications")),
    ("x-amz-object-ownership", Yes),
    ("x-amz-part-number-marker", Yes),
    ("x-amz-sdk-checksum-algorithm", Yes),
    ("x-amz-source-expected-bucket-owner", Yes),
    (
        "x-amz-storage-class",
        Partly(
            "each class is a tier of Azure: hot, cool, cold or archive; OUTPOSTS, SNOW, EXPRESS_ONEZONE are InvalidStorageClass",
        ),
    ),
    ("x-amz-tagging", Partly("what finds no room in a blob's metadata is refused")),
    ("x-amz-tagging-directive", Yes),
    ("x-amz-trailer", Yes),
    ("x-amz-transition-default-minimum-object-size", Yes),
    (
        "x-amz-website-redirect-location",
        Partly("kept and answered; there is no website that would follow it"),
    ),
];

/// Every request header that is known, by name.
pub fn headers() -> Vec<(&'static str, State)> {
    let mut all = HEADERS.to_vec();
    all.extend(refusals::REFUSED.iter().map(|row| match row.when {
        When::Always => (row.name, Refused(row.reason)),
        When::Unless(_) => (row.name, Partly(row.reason)),
    }));
    let lock = "InvalidRequest, as S3 has it for a bucket without a lock";
    all.extend(refusals::LOCKS.iter().map(|name| (*name, Refused(lock))));
    all.sort_by_key(|(name, _)| name.to_ascii_lowercase());
    all
}

/// The values of a header that is refused with any other; empty where there are none.
pub fn harmless(header: &str) -> &'static [&'static str] {
    let row = refusals::REFUSED.iter().find(|row| row.name == header);
    match row.map(|row| row.when) {
        Some(When::Unless(values)) => values,
        Some(When::Always) | None => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_of_an_operation_that_does_as_it_says() {
        for operation in Operation::ALL {
            let refused = operation.support() == Support::Refused;
            assert!(limit(*operation).is_none() || !refused, "{operation:?} is refused");
            assert!(refused || refusal(*operation) == NO_TABLES, "{operation:?} is answered");
            if refused && refusal(*operation) == NO_TABLES {
                assert!(operation.name().contains("Metadata"), "{operation:?} has no reason");
            }
        }
    }
}
