//! How we prove to Azure who we are, and which account we speak to.

use std::fmt;
use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A storage account: where it is and how we prove who we are.
#[derive(Clone)]
pub struct Account {
    /// Its name, which signatures carry.
    pub name: String,
    /// The blob endpoint as text, without a slash at its end: `https://name.blob.core.windows.net`, or
    /// with the account in its path as Azurite has it.
    pub endpoint: String,
    /// The proof.
    pub credential: Credential,
}

impl Account {
    /// The account of that name in Azure's public cloud.
    pub fn named(name: &str, credential: Credential) -> Self {
        let endpoint = format!("https://{name}.blob.core.windows.net");
        Self { name: name.to_owned(), endpoint, credential }
    }

    /// The same account at another address.
    #[must_use]
    pub fn at(mut self, endpoint: &str) -> Self {
        endpoint.trim_end_matches('/').clone_into(&mut self.endpoint);
        self
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({} at {}, {:?})", self.name, self.endpoint, self.credential)
    }
}

/// What proves who we are. Prints its kind only.
#[derive(Clone)]
pub enum Credential {
    /// One of the account's two keys.
    SharedKey(AccountKey),
    /// A shared access signature.
    Sas(SasToken),
    /// Entra ID.
    Token(Arc<dyn TokenCredential>),
    /// Nothing: containers open to the public only.
    Anonymous,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SharedKey(_) => "account key",
            Self::Sas(_) => "shared access signature",
            Self::Token(_) => "Entra ID",
            Self::Anonymous => "anonymous",
        })
    }
}

/// A key of the account. Prints nothing of itself.
#[derive(Clone)]
pub struct AccountKey(Arc<Hmac<Sha256>>);

impl AccountKey {
    /// A key as the portal shows it, in base64.
    pub fn from_base64(text: &str) -> Option<Self> {
        let bytes = BASE64.decode(text.trim().as_bytes()).ok().filter(|bytes| !bytes.is_empty())?;
        Hmac::new_from_slice(&bytes).ok().map(|keyed| Self(Arc::new(keyed)))
    }

    /// The signature of `text`, in base64.
    pub(super) fn sign(&self, text: &str) -> String {
        let mut mac = Hmac::clone(&self.0);
        mac.update(text.as_bytes());
        BASE64.encode(&mac.finalize().into_bytes())
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccountKey(..)")
    }
}

/// A shared access signature: query text without its `?`. Prints nothing of itself.
#[derive(Clone)]
pub struct SasToken(Arc<str>);

impl SasToken {
    /// A token as the portal shows it, with or without `?`. None: it carries no signature.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches('?');
        let printable = text.bytes().all(|byte| (b'!'..=b'~').contains(&byte) && byte != b'#');
        let signed = text.split('&').any(|pair| pair.starts_with("sig=") && pair.len() > 4);
        (printable && signed).then(|| Self(text.into()))
    }

    pub(super) fn query(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SasToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SasToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        let key = AccountKey::from_base64("c2VjcmV0").unwrap();
        let account = Account::named("a", Credential::SharedKey(key));
        let sas = SasToken::parse("?sv=1&sig=secret").unwrap();
        let printed = format!("{account:?} {sas:?} {:?}", Credential::Sas(sas.clone()));
        assert!(!printed.contains("secret") && !printed.contains("c2Vj"), "{printed}");
    }

    #[test]
    fn a_sas_carries_a_signature() {
        assert_eq!(SasToken::parse("?sv=1&sig=x").unwrap().query(), "sv=1&sig=x");
        for bad in ["", "?", "sv=1", "sv=1&sig=", "sv=1&sig=a b", "sv=1&sig=a#b"] {
            assert!(SasToken::parse(bad).is_none(), "{bad}");
        }
    }
}
