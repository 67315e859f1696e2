//! Which operation a request asks for.

use http::Method;

use crate::ask::Ask;
use crate::refusal::{self, Refusal};

macro_rules! operations {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        /// What can be asked of the service.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Operation {
            $($(#[doc = $doc])* $name,)*
        }

        impl Operation {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Azure's name of it, without blanks.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }
    };
}

operations! {
    /// `GET /?restype=account&comp=properties`
    GetAccountInformation,
    /// `GET /?comp=list`
    ListContainers,
    /// `POST ?comp=batch`
    BlobBatch,
    /// `PUT`
    CreateContainer,
    /// `GET`, `HEAD`
    GetContainerProperties,
    /// `PUT ?comp=metadata`
    SetContainerMetadata,
    /// `PUT ?comp=lease`
    LeaseContainer,
    /// `DELETE`
    DeleteContainer,
    /// `GET ?comp=list`
    ListBlobs,
    /// `PUT`
    PutBlob,
    /// `PUT` with a source and a type
    PutBlobFromUrl,
    /// `PUT` with a source
    CopyBlob,
    /// `PUT` with a source and `x-ms-requires-sync`
    CopyBlobFromUrl,
    /// `PUT ?comp=copy`
    AbortCopyBlob,
    /// `GET`
    GetBlob,
    /// `HEAD`
    GetBlobProperties,
    /// `GET ?comp=metadata`
    GetBlobMetadata,
    /// `GET ?comp=tags`
    GetBlobTags,
    /// `PUT ?comp=metadata`
    SetBlobMetadata,
    /// `PUT ?comp=properties`
    SetBlobProperties,
    /// `PUT ?comp=tier`
    SetBlobTier,
    /// `PUT ?comp=snapshot`
    SnapshotBlob,
    /// `PUT ?comp=lease`
    LeaseBlob,
    /// `DELETE`
    DeleteBlob,
    /// `PUT ?comp=block`
    PutBlock,
    /// `PUT ?comp=block` with a source
    PutBlockFromUrl,
    /// `PUT ?comp=blocklist`
    PutBlockList,
    /// `GET ?comp=blocklist`
    GetBlockList,
    /// `PUT ?comp=appendblock`
    AppendBlock,
    /// `PUT ?comp=page`
    PutPage,
}

impl Operation {
    pub(crate) fn of(ask: &Ask) -> Result<Self, Refusal> {
        let comp = ask.query("comp").unwrap_or_default();
        let restype = ask.query("restype").unwrap_or_default();
        let found = match (&ask.blob, restype) {
            (_, "account") => (comp == "properties").then_some(Self::GetAccountInformation),
            (Some(_), _) => Self::of_blob(ask, comp),
            (None, "container") => Self::of_container(&ask.method, comp),
            (None, _) => Self::of_account(&ask.method, comp).filter(|_| ask.container.is_empty()),
        };
        found.ok_or_else(|| match comp {
            "tags"
            | "legalhold"
            | "immutabilityPolicies"
            | "undelete"
            | "acl"
            | "blobs"
            | "query"
            | "expiry"
            | "stats"
            | "userdelegationkey" => refusal::API_NOT_IMPLEMENTED.into(),
            "" if ask.method != Method::OPTIONS => refusal::INVALID_URI.into(),
            _ => refusal::INVALID_QUERY_PARAMETER_VALUE.into(),
        })
    }

    fn of_account(method: &Method, comp: &str) -> Option<Self> {
        Some(match (method.as_str(), comp) {
            ("GET", "list") => Self::ListContainers,
            ("POST", "batch") => Self::BlobBatch,
            _ => return None,
        })
    }

    fn of_container(method: &Method, comp: &str) -> Option<Self> {
        Some(match (method.as_str(), comp) {
            ("PUT", "") => Self::CreateContainer,
            ("GET" | "HEAD", "" | "metadata") => Self::GetContainerProperties,
            ("PUT", "metadata") => Self::SetContainerMetadata,
            ("PUT", "lease") => Self::LeaseContainer,
            ("DELETE", "") => Self::DeleteContainer,
            ("GET", "list") => Self::ListBlobs,
            ("POST", "batch") => Self::BlobBatch,
            _ => return None,
        })
    }

    fn of_blob(ask: &Ask, comp: &str) -> Option<Self> {
        let from_url = ask.headers.contains_key("x-ms-copy-source");
        Some(match (ask.method.as_str(), comp) {
            ("PUT", "") if !from_url => Self::PutBlob,
            ("PUT", "") if ask.headers.contains_key("x-ms-blob-type") => Self::PutBlobFromUrl,
            ("PUT", "") if ask.flag("x-ms-requires-sync", false) => Self::CopyBlobFromUrl,
            ("PUT", "") => Self::CopyBlob,
            ("PUT", "copy") => Self::AbortCopyBlob,
            ("GET", "") => Self::GetBlob,
            ("HEAD", "") => Self::GetBlobProperties,
            ("GET" | "HEAD", "metadata") => Self::GetBlobMetadata,
            ("GET", "tags") => Self::GetBlobTags,
            ("PUT", "metadata") => Self::SetBlobMetadata,
            ("PUT", "properties") => Self::SetBlobProperties,
            ("PUT", "tier") => Self::SetBlobTier,
            ("PUT", "snapshot") => Self::SnapshotBlob,
            ("PUT", "lease") => Self::LeaseBlob,
            ("DELETE", "") => Self::DeleteBlob,
            ("PUT", "block") if from_url => Self::PutBlockFromUrl,
            ("PUT", "block") => Self::PutBlock,
            ("PUT", "blocklist") => Self::PutBlockList,
            ("GET", "blocklist") => Self::GetBlockList,
            ("PUT", "appendblock") => Self::AppendBlock,
            ("PUT", "page") => Self::PutPage,
            _ => return None,
        })
    }
}
