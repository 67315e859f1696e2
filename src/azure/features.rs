//! What an account is set to do with blobs, as far as its data plane tells: soft delete, versions,
//! immutability, tags, delegation. Asked by `bluebucket check` only; no request depends on it.

use http::Method;

use super::call::{Call, Effect};
use super::dates;
use super::error::BlobError;
use super::headers;
use super::names::{BlobPath, ContainerName};
use super::store::BlobStore;
use super::xml::Walk;

/// How long a delegation is asked for; the key is thrown away.
const DELEGATION: time::Duration = time::Duration::minutes(15);

/// What the service says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceProperties {
    /// For how many days a deleted blob is kept; none: it is gone.
    pub soft_delete_days: Option<u32>,
}

/// What a container keeps from being changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Immutability {
    /// A policy or a legal hold on the container: blobs in it can be neither changed nor deleted.
    pub held: bool,
    /// Each version of a blob may have a policy of its own.
    pub of_versions: bool,
}

impl BlobStore {
    /// What the service says of itself. Needs more than a role for data.
    /// <https://learn.microsoft.com/rest/api/storageservices/get-blob-service-properties>
    pub async fn service_properties(&self) -> Result<ServiceProperties, BlobError> {
        let mut call = Call::on_account("GetBlobServiceProperties", Method::GET, Effect::None);
        call.query("restype", "service");
        call.query("comp", "properties");
        read_service(self.document(call).await?.body())
    }

    /// What the container keeps from being changed.
    /// <https://learn.microsoft.com/rest/api/storageservices/get-container-properties>
    pub async fn immutability(&self, name: &ContainerName) -> Result<Immutability, BlobError> {
        let call = Call::on_container("GetContainerProperties", Method::HEAD, name, Effect::None);
        let answer = self.send(call).await?;
        let says = |header: &str| headers::text(answer.headers(), header) == Some("true");
        Ok(Immutability {
            held: says("x-ms-has-immutability-policy") || says("x-ms-has-legal-hold"),
            of_versions: says("x-ms-immutable-storage-with-versioning-enabled"),
        })
    }

    /// Whether what this blob was before is kept as a version.
    /// <https://learn.microsoft.com/azure/storage/blobs/versioning-overview>
    pub async fn is_versioned(&self, path: &BlobPath) -> Result<bool, BlobError> {
        let call = Call::on_blob("GetBlobProperties", Method::HEAD, path, Effect::None);
        Ok(self.send(call).await?.headers().contains_key("x-ms-version-id"))
    }

    /// Whether index tags can be read with this credential.
    /// <https://learn.microsoft.com/rest/api/storageservices/get-blob-tags>
    pub async fn can_read_tags(&self, path: &BlobPath) -> Result<(), BlobError> {
        let mut call = Call::on_blob("GetBlobTags", Method::GET, path, Effect::None);
        call.query("comp", "tags");
        self.send(call).await.map(drop)
    }

    /// Whether this identity may ask for a user delegation key, which is thrown away.
    /// <https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key>
    pub async fn can_delegate(&self) -> Result<(), BlobError> {
        let mut call = Call::on_account("GetUserDelegationKey", Method::POST, Effect::None);
        call.query("restype", "service");
        call.query("comp", "userdelegationkey");
        let now = self.settings().clock.now();
        let (start, end) = (dates::sas_date(now), dates::sas_date(now + DELEGATION));
        let document = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
             <KeyInfo><Start>{start}</Start><Expiry>{end}</Expiry></KeyInfo>"
        );
        call.document(document.into_bytes())?;
        self.send(call).await.map(drop)
    }
}

fn read_service(document: &[u8]) -> Result<ServiceProperties, BlobError> {
    let mut walk = Walk::into_root(document, "StorageServiceProperties")?;
    let mut properties = ServiceProperties::default();
    while let Some(tag) = walk.child()? {
        if tag.name() == "DeleteRetentionPolicy" {
            properties.soft_delete_days = read_retention(&mut walk)?;
        } else {
            walk.skip()?;
        }
    }
    Ok(properties)
}

fn read_retention(walk: &mut Walk<'_>) -> Result<Option<u32>, BlobError> {
    let (mut enabled, mut days) = (false, None);
    while let Some(tag) = walk.child()? {
        match tag.name() {
            "Enabled" => enabled = walk.text()? == "true",
            "Days" => days = walk.text()?.parse().ok(),
            _other => walk.skip()?,
        }
    }
    Ok(days.filter(|_| enabled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_delete_has_its_days_while_it_is_on() {
        let check = |policy: &str, days: Option<u32>| {
            let document = format!(
                "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><StorageServiceProperties>\
                 <Logging><Version>1.0</Version><Read>false</Read><RetentionPolicy><Enabled>true\
                 </Enabled><Days>9</Days></RetentionPolicy></Logging><Cors />{policy}\
                 </StorageServiceProperties>"
            );
            assert_eq!(read_service(document.as_bytes()).unwrap().soft_delete_days, days);
        };
        let on = "<DeleteRetentionPolicy><Enabled>true</Enabled><Days>7</Days>\
                  <AllowPermanentDelete>false</AllowPermanentDelete></DeleteRetentionPolicy>";
        check(on, Some(7));
        check("<DeleteRetentionPolicy><Enabled>false</Enabled></DeleteRetentionPolicy>", None);
        check("", None);
    }
}
