//! The storage accounts, and which bucket lives in which.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tokio::sync::OnceCell;

use crate::azure::{BlobStore, Capabilities, ContainerName, Kind};
use crate::mapping::names::{self, KeySpace};
use crate::s3::names::BucketName;

/// What is taken for granted of a backend that could not be probed.
const NOTHING_PROVED: Capabilities = Capabilities {
    put_blob_answers_md5: false,
    put_blob_keeps_md5: false,
    put_blob_from_url: false,
    put_block_from_url: true,
    crc64_is_checked: false,
    delete_batch: false,
};

/// One storage account.
pub struct Account {
    /// Its name in the configuration.
    pub name: String,
    /// The way to it.
    pub store: BlobStore,
    /// Where the gateway keeps its own records; no bucket.
    pub system: ContainerName,
    capabilities: OnceCell<Capabilities>,
}

impl fmt::Debug for Account {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Account").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Account {
    /// An account of which nothing has been asked yet.
    pub fn new(name: String, store: BlobStore, system: ContainerName) -> Self {
        Self { name, store, system, capabilities: OnceCell::new() }
    }

    /// What the backend does, found out once by a few requests on a blob of the system container.
    ///
    /// While that cannot be found out, the least is taken for granted: our own digests, copies in
    /// blocks. Both work everywhere.
    pub async fn capabilities(&self) -> Capabilities {
        if let Some(known) = self.capabilities.get() {
            return *known;
        }
        let probed = Box::pin(self.capabilities.get_or_try_init(|| self.probe())).await;
        match probed {
            Ok(capabilities) => *capabilities,
            Err(cause) => {
                tracing::warn!(account = self.name, %cause, "what Azure does could not be probed");
                NOTHING_PROVED
            }
        }
    }

    async fn probe(&self) -> Result<Capabilities, crate::azure::BlobError> {
        match self.store.probe(&self.system).await {
            Err(error) if error.kind() == Kind::NoSuchContainer => {}
            other => return other,
        }
        match self.store.create_container(&self.system, &BTreeMap::new()).await {
            Ok(_) => {}
            Err(error) if error.kind() == Kind::ContainerExists => {}
            Err(error) => return Err(error),
        }
        self.store.probe(&self.system).await
    }
}

/// Where a bucket lives.
#[derive(Clone, Debug)]
pub struct Location {
    /// In this account,
    pub account: Arc<Account>,
    /// in this container,
    pub container: ContainerName,
    /// under these names.
    pub keys: KeySpace,
    /// Nobody may change it.
    pub read_only: bool,
    /// The configuration names the container; it is not the bucket's by its name.
    pub alias: bool,
}

/// One route of the configuration.
#[derive(Clone, Debug)]
pub struct Route {
    /// The name of a bucket, or a glob with `*` and `?`.
    pub pattern: String,
    /// The account.
    pub account: Arc<Account>,
    /// The container, where it is not that of the bucket's name.
    pub container: Option<ContainerName>,
    /// The names that are the bucket's.
    pub keys: KeySpace,
    /// Nobody may change it.
    pub read_only: bool,
}

/// All accounts and routes: an immutable state of the configuration.
#[derive(Clone, Debug)]
pub struct Accounts {
    default: Arc<Account>,
    all: Vec<Arc<Account>>,
    routes: Vec<Route>,
}

impl Accounts {
    /// `default` takes what no route names.
    pub fn new(default: Arc<Account>, others: Vec<Arc<Account>>, routes: Vec<Route>) -> Self {
        let mut all = vec![Arc::clone(&default)];
        all.extend(others);
        Self { default, all, routes }
    }

    /// Every account, the default one first.
    pub fn all(&self) -> &[Arc<Account>] {
        &self.all
    }

    /// Where the buckets of a container may live in it, as long as somebody may change them: the whole
    /// of it, or under the prefixes that routes name.
    pub fn spaces(
        &self,
        account: &Account,
        bucket: Option<&BucketName>,
        container: &ContainerName,
    ) -> Vec<KeySpace> {
        let mut spaces: Vec<KeySpace> = Vec::new();
        let location = bucket.and_then(|bucket| self.locate(bucket));
        let whole = location.filter(|location| {
            location.account.name == account.name && location.container == *container
        });
        spaces.extend(whole.filter(|found| !found.read_only).map(|found| found.keys));
        for route in self.routes.iter().filter(|route| !route.read_only) {
            let named = route.container.as_ref() == Some(container);
            if named && route.account.name == account.name && !spaces.contains(&route.keys) {
                spaces.push(route.keys.clone());
            }
        }
        spaces
    }

    /// The buckets that a route names in full.
    pub fn named(&self) -> impl Iterator<Item = BucketName> {
        self.routes.iter().filter_map(|route| BucketName::parse(&route.pattern).ok())
    }

    /// Where `bucket` lives; nothing if its container is the gateway's own.
    pub fn locate(&self, bucket: &BucketName) -> Option<Location> {
        let route = self.routes.iter().find(|route| glob(&route.pattern, bucket.as_str()));
        let same = || names::container_of(bucket);
        let location = match route {
            Some(route) => Location {
                account: Arc::clone(&route.account),
                container: route.container.clone().unwrap_or_else(same),
                keys: route.keys.clone(),
                read_only: route.read_only,
                alias: route.container.is_some() || !route.keys.prefix().is_empty(),
            },
            None => Location {
                account: Arc::clone(&self.default),
                container: same(),
                keys: KeySpace::whole(),
                read_only: false,
                alias: false,
            },
        };
        (location.container != location.account.system).then_some(location)
    }
}

/// Does `name` match `pattern`, in which `*` is any text and `?` any one character?
pub fn glob(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        let c = pattern.get(p);
        if c == Some(&'*') {
            star = Some((p, n));
            p += 1;
        } else if c.is_some_and(|c| *c == '?' || Some(c) == name.get(n)) {
            p += 1;
            n += 1;
        } else if let Some((at, from)) = star {
            // The last star takes one character more.
            star = Some((at, from + 1));
            p = at + 1;
            n = from + 1;
        } else {
            return false;
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|c| *c == '*'))
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn globs() {
        for (pattern, name, want) in [
            ("photos", "photos", true),
            ("photos", "photos2", false),
            ("photos*", "photos", true),
            ("*-logs", "web-logs", true),
            ("*-logs", "web-logs2", false),
            ("a*b*c", "aXbYbZc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "anything", true),
            ("", "a", false),
        ] {
            assert_eq!(glob(pattern, name), want, "{pattern} {name}");
        }
    }
}
