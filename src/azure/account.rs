//! What kind of account this is, and what time it has.

use http::Method;
use time::Duration;

use super::call::{Call, Effect};
use super::error::BlobError;
use super::headers;
use super::store::BlobStore;

/// Azure refuses signatures that are further off, and so does S3.
/// <https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key#specifying-the-date-header>
pub const CLOCK_SKEW_MAX: Duration = Duration::minutes(15);

/// What kind of account this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountInformation {
    /// `StorageV2`, `BlockBlobStorage`, ...
    pub kind: String,
    /// `Standard_LRS`, `Premium_ZRS`, ...
    pub sku: String,
    /// Whether names are a tree of folders there (a hierarchical namespace).
    pub hierarchical: bool,
    /// How far our clock is ahead of the service's; negative where it is behind.
    pub clock_skew: Option<Duration>,
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
            clock_skew: self.clock_skew(all),
            api_version: headers::owned(all, "x-ms-version"),
        })
    }
}
