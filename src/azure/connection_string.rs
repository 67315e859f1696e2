//! Connection strings, as the portal shows them and every tool of Azure reads them. Pure.
//!
//! <https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string>

use std::collections::BTreeMap;

use super::credential::{Account, AccountKey, Credential, SasToken};
use super::endpoint::Endpoint;
use super::store::SetupError;

/// The emulator's account, published with it: no secret.
const EMULATOR_ACCOUNT: &str = "devstoreaccount1";
const EMULATOR_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const EMULATOR_ENDPOINT: &str = "http://127.0.0.1:10000/devstoreaccount1";

/// What a connection string may say that matters to nobody who asks for blobs.
const OF_OTHERS: [&str; 7] = [
    "queueendpoint",
    "tableendpoint",
    "fileendpoint",
    "dfsendpoint",
    "webendpoint",
    "blobsecondaryendpoint",
    "queuesecondaryendpoint",
];

/// The account that a connection string names. The error names what is wrong, never a value.
pub fn from_connection_string(text: &str) -> Result<Account, SetupError> {
    let mut fields = fields(text)?;
    if let Some(says) = fields.remove("usedevelopmentstorage") {
        if !says.eq_ignore_ascii_case("true") {
            return Err(SetupError::new("UseDevelopmentStorage is true or not there"));
        }
        if fields.contains_key("developmentstorageproxyuri") {
            let why = "DevelopmentStorageProxyUri is not read: name the emulator by BlobEndpoint";
            return Err(SetupError::new(why));
        }
        fields.entry("accountname").or_insert_with(|| EMULATOR_ACCOUNT.to_owned());
        fields.entry("accountkey").or_insert_with(|| EMULATOR_KEY.to_owned());
        fields.entry("blobendpoint").or_insert_with(|| EMULATOR_ENDPOINT.to_owned());
    }
    let credential = credential(&mut fields)?;
    let endpoint = endpoint(&mut fields)?;
    let name = match fields.remove("accountname") {
        Some(name) => name,
        None => name_in(&endpoint)?,
    };
    Ok(Account { name, endpoint, credential })
}

/// The account's name and its key as text, where a connection string has a key.
pub fn shared_key(text: &str) -> Option<(String, String)> {
    let mut fields = fields(text).ok()?;
    if fields.contains_key("usedevelopmentstorage") {
        return Some((EMULATOR_ACCOUNT.to_owned(), EMULATOR_KEY.to_owned()));
    }
    let key = fields.remove("accountkey")?;
    Some((from_connection_string(text).ok()?.name, key))
}

/// `Name=value` pairs; names are compared without case, values keep what stands behind the first `=`.
fn fields(text: &str) -> Result<BTreeMap<&'static str, String>, SetupError> {
    const KNOWN: [&str; 8] = [
        "defaultendpointsprotocol",
        "accountname",
        "accountkey",
        "endpointsuffix",
        "blobendpoint",
        "sharedaccesssignature",
        "usedevelopmentstorage",
        "developmentstorageproxyuri",
    ];
    let mut fields = BTreeMap::new();
    for pair in text.trim().split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| SetupError::new("a part of the connection string has no ="))?;
        let lower = name.trim().to_ascii_lowercase();
        if let Some(known) = KNOWN.iter().find(|known| **known == lower) {
            if fields.insert(*known, value.trim().to_owned()).is_some() {
                return Err(SetupError::new(format!("the connection string has two {known}")));
            }
        } else if !OF_OTHERS.contains(&lower.as_str()) {
            return Err(SetupError::new("the connection string has a part of unknown name"));
        }
    }
    Ok(fields)
}

fn credential(fields: &mut BTreeMap<&str, String>) -> Result<Credential, SetupError> {
    match (fields.remove("accountkey"), fields.remove("sharedaccesssignature")) {
        (Some(key), None) => AccountKey::from_base64(&key)
            .map(Credential::SharedKey)
            .ok_or_else(|| SetupError::new("AccountKey is not base64")),
        (None, Some(sas)) => SasToken::parse(&sas)
            .map(Credential::Sas)
            .ok_or_else(|| SetupError::new("SharedAccessSignature has no sig=")),
        (Some(_), Some(_)) => {
            Err(SetupError::new("either AccountKey or SharedAccessSignature, not both"))
        }
        (None, None) => Err(SetupError::new("neither AccountKey nor SharedAccessSignature")),
    }
}

fn endpoint(fields: &mut BTreeMap<&str, String>) -> Result<String, SetupError> {
    let endpoint = if let Some(endpoint) = fields.remove("blobendpoint") {
        endpoint
    } else {
        let name = fields
            .get("accountname")
            .ok_or_else(|| SetupError::new("neither AccountName nor BlobEndpoint"))?;
        let protocol = fields.get("defaultendpointsprotocol").map_or("https", String::as_str);
        let suffix = fields.get("endpointsuffix").map_or("core.windows.net", String::as_str);
        format!("{protocol}://{name}.blob.{suffix}")
    };
    Endpoint::parse(&endpoint)?;
    Ok(endpoint.trim_end_matches('/').to_owned())
}

/// The account in an endpoint: the last part of its path, or else the first of its host.
fn name_in(endpoint: &str) -> Result<String, SetupError> {
    let endpoint = Endpoint::parse(endpoint)?;
    let host = endpoint.origin.split("://").nth(1).unwrap_or_default();
    let name = match endpoint.root.rsplit('/').next() {
        Some(name) if !name.is_empty() => name,
        _ => host.split(['.', ':']).next().unwrap_or_default(),
    };
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, name: &str, endpoint: &str, credential: &str) {
        let account = from_connection_string(text).unwrap();
        assert_eq!(account.name, name, "{text}");
        assert_eq!(account.endpoint, endpoint, "{text}");
        assert_eq!(format!("{:?}", account.credential), credential, "{text}");
    }

    #[test]
    fn the_portals_string_is_read() {
        check(
            "DefaultEndpointsProtocol=https;AccountName=acc;AccountKey=a2V5a2V5a2U=;\
             EndpointSuffix=core.windows.net",
            "acc",
            "https://acc.blob.core.windows.net",
            "account key",
        );
        check(
            "accountname=acc;accountkey=a2V5;endpointsuffix=core.chinacloudapi.cn;",
            "acc",
            "https://acc.blob.core.chinacloudapi.cn",
            "account key",
        );
    }

    #[test]
    fn the_emulator_has_a_name() {
        check(
            "UseDevelopmentStorage=true",
            "devstoreaccount1",
            "http://127.0.0.1:10000/devstoreaccount1",
            "account key",
        );
        check(
            "UseDevelopmentStorage=true;BlobEndpoint=http://azurite:10000/devstoreaccount1/",
            "devstoreaccount1",
            "http://azurite:10000/devstoreaccount1",
            "account key",
        );
    }

    #[test]
    fn a_sas_keeps_its_equals_signs_and_needs_no_name() {
        let sas = "sv=2020-12-06&ss=b&sig=a%3D";
        check(
            &format!("BlobEndpoint=https://acc.blob.core.windows.net/;SharedAccessSignature={sas}"),
            "acc",
            "https://acc.blob.core.windows.net",
            "shared access signature",
        );
        check(
            &format!(
                "BlobEndpoint=http://127.0.0.1:10000/dev1;QueueEndpoint=x;SharedAccessSignature=?{sas}"
            ),
            "dev1",
            "http://127.0.0.1:10000/dev1",
            "shared access signature",
        );
    }

    #[test]
    fn what_is_wrong_is_named_without_a_value() {
        for (text, why) in [
            ("", "neither AccountKey nor"),
            ("AccountName=a", "neither AccountKey nor"),
            ("AccountKey=a2V5", "neither AccountName nor"),
            ("AccountName=a;AccountKey=se cret", "AccountKey is not base64"),
            ("AccountName=a;AccountKey=", "AccountKey is not base64"),
            ("AccountName=a;SharedAccessSignature=secret", "has no sig="),
            ("AccountName=a;AccountKey=a2V5;SharedAccessSignature=sig=1", "not both"),
            ("AccountName=a;AccountName=b;AccountKey=a2V5", "two accountname"),
            ("AccountName=a;secret", "has no ="),
            ("AccountName=a;Acountkey=secret", "unknown name"),
            ("AccountName=a;AccountKey=a2V5;DefaultEndpointsProtocol=ftp", "neither https://"),
            ("UseDevelopmentStorage=false", "is true or not there"),
            ("UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://h", "not read"),
        ] {
            let error = from_connection_string(text).unwrap_err().to_string();
            assert!(error.contains(why) && !error.contains("secret"), "{text:?}: {error}");
        }
    }

    #[test]
    fn the_key_can_be_had_with_its_name() {
        let text = "AccountName=a;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:1/a";
        assert_eq!(shared_key(text), Some(("a".to_owned(), "a2V5".to_owned())));
        let emulator = shared_key("UseDevelopmentStorage=true").unwrap();
        assert_eq!(emulator, (EMULATOR_ACCOUNT.to_owned(), EMULATOR_KEY.to_owned()));
        let sas = "BlobEndpoint=https://a.blob.core.windows.net;SharedAccessSignature=sv=1&sig=x";
        assert_eq!(shared_key(sas), None);
    }
}
