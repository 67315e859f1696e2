//! What can be done, in IAM's words.
//!
//! The names are those of the Service Authorization Reference:
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>.

use crate::access::pattern;

/// What an action is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// The whole service.
    Service,
    /// A bucket as such.
    Bucket,
    /// The keys of a bucket that begin with some prefix.
    Listing,
    /// One object.
    Object,
}

/// Does an action change anything?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// No.
    Reads,
    /// Yes: a read-only route refuses it.
    Writes,
}

macro_rules! actions {
    ($($variant:ident $name:literal $level:ident $effect:ident;)+) => {
        /// One of IAM's actions of S3.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Action {
            $(#[doc = concat!("`s3:", $name, "`")] $variant,)+
        }

        impl Action {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            const fn row(self) -> (&'static str, Level, Effect) {
                match self {
                    $(Self::$variant => ($name, Level::$level, Effect::$effect),)+
                }
            }
        }
    };
}

actions! {
    ListAllMyBuckets "ListAllMyBuckets" Service Reads;
    CreateBucket "CreateBucket" Bucket Writes;
    DeleteBucket "DeleteBucket" Bucket Writes;
    ListBucket "ListBucket" Listing Reads;
    ListBucketVersions "ListBucketVersions" Listing Reads;
    ListBucketMultipartUploads "ListBucketMultipartUploads" Listing Reads;
    GetBucketLocation "GetBucketLocation" Bucket Reads;
    GetBucketVersioning "GetBucketVersioning" Bucket Reads;
    PutBucketVersioning "PutBucketVersioning" Bucket Writes;
    GetBucketAcl "GetBucketAcl" Bucket Reads;
    PutBucketAcl "PutBucketAcl" Bucket Writes;
    GetBucketPolicy "GetBucketPolicy" Bucket Reads;
    GetBucketPolicyStatus "GetBucketPolicyStatus" Bucket Reads;
    PutBucketPolicy "PutBucketPolicy" Bucket Writes;
    DeleteBucketPolicy "DeleteBucketPolicy" Bucket Writes;
    GetBucketCors "GetBucketCORS" Bucket Reads;
    PutBucketCors "PutBucketCORS" Bucket Writes;
    GetLifecycleConfiguration "GetLifecycleConfiguration" Bucket Reads;
    PutLifecycleConfiguration "PutLifecycleConfiguration" Bucket Writes;
    GetBucketTagging "GetBucketTagging" Bucket Reads;
    PutBucketTagging "PutBucketTagging" Bucket Writes;
    GetEncryptionConfiguration "GetEncryptionConfiguration" Bucket Reads;
    PutEncryptionConfiguration "PutEncryptionConfiguration" Bucket Writes;
    GetBucketWebsite "GetBucketWebsite" Bucket Reads;
    PutBucketWebsite "PutBucketWebsite" Bucket Writes;
    DeleteBucketWebsite "DeleteBucketWebsite" Bucket Writes;
    GetReplicationConfiguration "GetReplicationConfiguration" Bucket Reads;
    PutReplicationConfiguration "PutReplicationConfiguration" Bucket Writes;
    GetBucketPublicAccessBlock "GetBucketPublicAccessBlock" Bucket Reads;
    PutBucketPublicAccessBlock "PutBucketPublicAccessBlock" Bucket Writes;
    GetBucketOwnershipControls "GetBucketOwnershipControls" Bucket Reads;
    PutBucketOwnershipControls "PutBucketOwnershipControls" Bucket Writes;
    GetBucketRequestPayment "GetBucketRequestPayment" Bucket Reads;
    PutBucketRequestPayment "PutBucketRequestPayment" Bucket Writes;
    GetBucketLogging "GetBucketLogging" Bucket Reads;
    PutBucketLogging "PutBucketLogging" Bucket Writes;
    GetBucketNotification "GetBucketNotification" Bucket Reads;
    PutBucketNotification "PutBucketNotification" Bucket Writes;
    GetAccelerateConfiguration "GetAccelerateConfiguration" Bucket Reads;
    PutAccelerateConfiguration "PutAccelerateConfiguration" Bucket Writes;
    GetBucketObjectLockConfiguration "GetBucketObjectLockConfiguration" Bucket Reads;
    PutBucketObjectLockConfiguration "PutBucketObjectLockConfiguration" Bucket Writes;
    GetAnalyticsConfiguration "GetAnalyticsConfiguration" Bucket Reads;
    PutAnalyticsConfiguration "PutAnalyticsConfiguration" Bucket Writes;
    GetIntelligentTieringConfiguration "GetIntelligentTieringConfiguration" Bucket Reads;
    PutIntelligentTieringConfiguration "PutIntelligentTieringConfiguration" Bucket Writes;
    GetInventoryConfiguration "GetInventoryConfiguration" Bucket Reads;
    PutInventoryConfiguration "PutInventoryConfiguration" Bucket Writes;
    GetMetricsConfiguration "GetMetricsConfiguration" Bucket Reads;
    PutMetricsConfiguration "PutMetricsConfiguration" Bucket Writes;
    GetBucketMetadataTableConfiguration "GetBucketMetadataTableConfiguration" Bucket Reads;
    CreateBucketMetadataTableConfiguration "CreateBucketMetadataTableConfiguration" Bucket Writes;
    DeleteBucketMetadataTableConfiguration "DeleteBucketMetadataTableConfiguration" Bucket Writes;
    UpdateBucketMetadataInventoryTableConfiguration "UpdateBucketMetadataInventoryTableConfiguration" Bucket Writes;
    UpdateBucketMetadataJournalTableConfiguration "UpdateBucketMetadataJournalTableConfiguration" Bucket Writes;
    GetObject "GetObject" Object Reads;
    GetObjectVersion "GetObjectVersion" Object Reads;
    GetObjectAttributes "GetObjectAttributes" Object Reads;
    GetObjectVersionAttributes "GetObjectVersionAttributes" Object Reads;
    GetObjectAcl "GetObjectAcl" Object Reads;
    GetObjectVersionAcl "GetObjectVersionAcl" Object Reads;
    GetObjectTagging "GetObjectTagging" Object Reads;
    GetObjectVersionTagging "GetObjectVersionTagging" Object Reads;
    GetObjectRetention "GetObjectRetention" Object Reads;
    GetObjectLegalHold "GetObjectLegalHold" Object Reads;
    GetObjectTorrent "GetObjectTorrent" Object Reads;
    GetObjectVersionTorrent "GetObjectVersionTorrent" Object Reads;
    ListMultipartUploadParts "ListMultipartUploadParts" Object Reads;
    PutObject "PutObject" Object Writes;
    DeleteObject "DeleteObject" Object Writes;
    DeleteObjectVersion "DeleteObjectVersion" Object Writes;
    PutObjectAcl "PutObjectAcl" Object Writes;
    PutObjectVersionAcl "PutObjectVersionAcl" Object Writes;
    PutObjectTagging "PutObjectTagging" Object Writes;
    PutObjectVersionTagging "PutObjectVersionTagging" Object Writes;
    DeleteObjectTagging "DeleteObjectTagging" Object Writes;
    DeleteObjectVersionTagging "DeleteObjectVersionTagging" Object Writes;
    PutObjectRetention "PutObjectRetention" Object Writes;
    PutObjectLegalHold "PutObjectLegalHold" Object Writes;
    BypassGovernanceRetention "BypassGovernanceRetention" Object Writes;
    AbortMultipartUpload "AbortMultipartUpload" Object Writes;
    RestoreObject "RestoreObject" Object Writes;
}

impl Action {
    /// The name in IAM, without `s3:`.
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    /// What it is done to.
    pub const fn level(self) -> Level {
        self.row().1
    }

    /// Does it change anything?
    pub const fn effect(self) -> Effect {
        self.row().2
    }

    /// The same done to an object whose version is named, which IAM has actions of its own for.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others are the same with a version")]
    #[must_use]
    pub const fn of_version(self) -> Self {
        match self {
            Self::GetObject => Self::GetObjectVersion,
            Self::GetObjectAttributes => Self::GetObjectVersionAttributes,
            Self::GetObjectAcl => Self::GetObjectVersionAcl,
            Self::GetObjectTagging => Self::GetObjectVersionTagging,
            Self::GetObjectTorrent => Self::GetObjectVersionTorrent,
            Self::DeleteObject => Self::DeleteObjectVersion,
            Self::PutObjectAcl => Self::PutObjectVersionAcl,
            Self::PutObjectTagging => Self::PutObjectVersionTagging,
            Self::DeleteObjectTagging => Self::DeleteObjectVersionTagging,
            other => other,
        }
    }

    /// The actions that a pattern of IAM's means; those have no case.
    pub(super) fn like(pattern: &str) -> Vec<Self> {
        let Some(pattern) = name_of(pattern) else { return Vec::new() };
        let is_meant = |action: &Self| {
            pattern::matches(pattern.as_bytes(), action.name().to_ascii_lowercase().as_bytes())
        };
        Self::ALL.iter().copied().filter(is_meant).collect()
    }

    /// Is it an action of S3's, but of an operation that there is not here? Nobody can ask for it.
    pub(super) fn is_elsewhere(pattern: &str) -> bool {
        name_of(pattern).is_some_and(|pattern| {
            ELSEWHERE.iter().any(|name| {
                pattern::matches(pattern.as_bytes(), name.to_ascii_lowercase().as_bytes())
            })
        })
    }
}

/// Actions of operations that are AWS's own: replication, batches, access points, tables.
const ELSEWHERE: &[&str] = &[
    "CreateAccessPoint",
    "CreateJob",
    "DeleteAccessPoint",
    "DescribeJob",
    "GetAccessPoint",
    "GetObjectVersionForReplication",
    "InitiateReplication",
    "ListAccessPoints",
    "ListJobs",
    "ObjectOwnerOverrideToBucketOwner",
    "PutAccelerateConfiguration",
    "PutBucketAbac",
    "ReplicateDelete",
    "ReplicateObject",
    "ReplicateTags",
];

/// The name in a pattern, in lower case, if it is one of S3's.
fn name_of(pattern: &str) -> Option<String> {
    let pattern = pattern.to_ascii_lowercase();
    match pattern.strip_prefix("s3:") {
        Some(name) => Some(name.to_owned()),
        None => (pattern == "*").then_some(pattern),
    }
}

#[cfg(test)]
mod tests {
    use super::Action;

    #[test]
    fn actions_are_patterns_without_case() {
        assert_eq!(Action::like("s3:*").len(), Action::ALL.len());
        assert_eq!(Action::like("*").len(), Action::ALL.len());
        assert_eq!(Action::like("S3:getobject"), [Action::GetObject]);
        assert_eq!(Action::like("s3:GetBucketCORS"), [Action::GetBucketCors]);
        assert_eq!(Action::like("s3:List*Uploads"), [Action::ListBucketMultipartUploads]);
        assert!(Action::like("s3:*").contains(&Action::DeleteBucket));
        assert!(Action::like("iam:*").is_empty() && Action::like("").is_empty());
        assert!(Action::is_elsewhere("s3:ReplicateObject") && !Action::is_elsewhere("s3:Fly"));
    }

    /// A statement keeps its actions as the bits of one number.
    #[test]
    fn every_action_has_a_bit() {
        assert!(Action::ALL.len() <= 128);
        for (number, action) in Action::ALL.iter().enumerate() {
            assert_eq!(*action as usize, number);
        }
    }
}
