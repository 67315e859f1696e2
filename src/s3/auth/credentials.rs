//! Access key ids, their secrets, and who knows which secret belongs to which id.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

/// The public half of a key pair, as it stands in a credential.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccessKeyId(Arc<str>);

impl AccessKeyId {
    /// Takes any text; whether a key has this id is the [`KeyRing`]'s to say.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for AccessKeyId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccessKeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The secret half of a key pair. It does not print.
#[derive(Clone)]
pub struct SecretKey {
    text: Arc<str>,
    digest: [u8; 32],
}

impl SecretKey {
    /// A secret, exactly as its user has it.
    pub fn new(secret: impl Into<Arc<str>>) -> Self {
        let text = secret.into();
        let digest = Sha256::digest(text.as_bytes()).into();
        Self { text, digest }
    }

    /// The secret itself, for deriving a signing key.
    pub(super) fn expose(&self) -> &str {
        &self.text
    }

    /// Tells one secret of a key id from the next, so that a cached signing key ends with its secret.
    pub(super) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SecretKey(..)")
    }
}

/// The keys that this gateway knows.
pub trait KeyRing {
    /// The secret of `id`, if there is such a key and it may be used.
    fn secret(&self, id: &AccessKeyId) -> Option<SecretKey>;
}

#[cfg(test)]
mod tests {
    use super::SecretKey;

    #[test]
    fn a_secret_does_not_print() {
        let shown = format!("{:?}", SecretKey::new("wJalrXUtnFEMI"));
        assert_eq!(shown, "SecretKey(..)");
    }
}
