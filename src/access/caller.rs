//! Who asks, and how.

use std::sync::{Arc, LazyLock};

use crate::access::circumstances::Circumstances;
use crate::access::directory::{Role, User};

/// Who asks, and how.
#[derive(Clone, Debug)]
pub struct Caller {
    user: Option<Arc<User>>,
    circumstances: Arc<Circumstances>,
}

/// Of whoever has not said yet how it asks.
static UNKNOWN: LazyLock<Arc<Circumstances>> = LazyLock::new(Arc::default);

impl Caller {
    /// Somebody without credentials.
    pub fn anonymous() -> Self {
        Self { user: None, circumstances: Arc::clone(&UNKNOWN) }
    }

    pub(super) fn of(user: Arc<User>) -> Self {
        Self { user: Some(user), ..Self::anonymous() }
    }

    /// The same, asking so.
    #[must_use]
    pub fn asking(self, circumstances: Circumstances) -> Self {
        Self { circumstances: Arc::new(circumstances), ..self }
    }

    /// The same, asking for the keys that begin so.
    #[must_use]
    pub fn listing(self, prefix: &str) -> Self {
        let circumstances = self.circumstances.listing(prefix);
        self.asking(circumstances)
    }

    /// The same, bringing these tags.
    #[must_use]
    pub fn tagging(self, tags: Vec<(String, String)>) -> Self {
        let circumstances = Circumstances::clone(&self.circumstances).with_tags(tags);
        self.asking(circumstances)
    }

    /// The user; none if it is anybody.
    pub fn user(&self) -> Option<&User> {
        self.user.as_deref()
    }

    /// The user's canonical id; none if it is anybody.
    pub fn id(&self) -> Option<&str> {
        self.user().map(User::id)
    }

    /// May the caller do everything, unless it is denied?
    pub fn is_admin(&self) -> bool {
        self.user().is_some_and(|user| user.role() == Role::Admin)
    }

    /// How it asks.
    pub fn circumstances(&self) -> &Circumstances {
        &self.circumstances
    }
}
