//! What kind of account this is, and what time it has.

use http::Method;
use time::OffsetDateTime;

use super::call::{Call, Effect};
use super::error::BlobError;
use super::store::BlobStore;
use super::{dates, headers};

/// What kind of account this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountInformation {
    /// `StorageV2`, `BlockBlobStorage`, ...
    pub kind: String,
    /// `Standard_LRS`, `Premium_ZRS`, ...
    pub sku: String,
    /// Whether names are a tree of folders there (a hierarchical namespace).
    pub hierarchical: bool,
    /// The time that the service has.
    pub service_time: Option<OffsetDateTime>,
    /// The version of the API that answered.
    pub api_version: Option<String>,
}

impl BlobStore {
    /// What kind of account this is. The cheapest question that needs our credential.
    pub async fn account_information(&self) -> Result<AccountInformation, BlobError> {
        let mut call = Call::on_account("GetAccountInformation", Method::GET, Effect::None);
        call.query("restype", "account");
        call.query("comp", "properties");
        let answer = self.send(call).await?;
        let all = answer.headers();
        Ok(AccountInformation {
            kind: headers::owned(all, "x-ms-account-kind").unwrap_or_default(),
            sku: headers::owned(all, "x-ms-sku-name").unwrap_or_default(),
            hierarchical: headers::text(all, "x-ms-is-hns-enabled") == Some("true"),
            service_time: headers::text(all, "date").and_then(dates::parse),
            api_version: headers::owned(all, "x-ms-version"),
        })
    }
}
