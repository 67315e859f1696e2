//! How many uploads in parts are open in an account, for whoever watches. Counted by listing their
//! records, and no further than a glance is worth.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::azure::{BlobError, Kind, ListBlobs, ListEntry};
use crate::mapping::uploads::Files;
use crate::ops::Gateway;
use crate::ops::accounts::Account;

/// How long a count is believed.
const BELIEVED: Duration = Duration::from_mins(1);
/// How long counting may take in an account.
const DEADLINE: Duration = Duration::from_secs(5);
/// Listings for one count at most; what is behind them is not counted.
const LISTINGS_MAX: u32 = 100;

/// Open uploads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uploads {
    /// So many are open,
    pub open: u64,
    /// or more: it was not looked at all of them.
    pub or_more: bool,
}

/// Counts the open uploads of all accounts, seldom. A clone believes the same.
#[derive(Clone)]
pub struct Census(Arc<Inner>);

struct Inner {
    gateway: Option<Arc<Gateway>>,
    last: Mutex<Option<(Instant, Uploads)>>,
}

impl fmt::Debug for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Census")
    }
}

impl Census {
    /// Of this gateway's accounts; without one nothing is counted.
    pub fn new(gateway: Option<Arc<Gateway>>) -> Self {
        Self(Arc::new(Inner { gateway, last: Mutex::new(None) }))
    }

    /// How many are open; none where there is nothing to count in.
    pub async fn uploads(&self) -> Option<Uploads> {
        let gateway = self.0.gateway.as_ref()?;
        let mut last = self.0.last.lock().await;
        if let Some((at, uploads)) = *last
            && at.elapsed() < BELIEVED
        {
            return Some(uploads);
        }
        let accounts = gateway.accounts();
        let uploads = count_all(accounts.all()).await;
        *last = Some((Instant::now(), uploads));
        drop(last);
        Some(uploads)
    }
}

/// All accounts at one time; one that does not answer is not waited for, nor counted.
async fn count_all(accounts: &[Arc<Account>]) -> Uploads {
    let mut counts = JoinSet::new();
    for account in accounts {
        let account = Arc::clone(account);
        counts.spawn(async move {
            let mut counting =
                Counting { account: &account, left: LISTINGS_MAX, found: Uploads::default() };
            let counted = tokio::time::timeout(DEADLINE, counting.account()).await;
            let or_more = counting.found.or_more || !matches!(counted, Ok(Ok(())));
            Uploads { or_more, ..counting.found }
        });
    }
    let mut all = Uploads::default();
    for found in counts.join_all().await {
        all.open += found.open;
        all.or_more |= found.or_more;
    }
    all
}

/// The counting of one account.
struct Counting<'a> {
    account: &'a Account,
    left: u32,
    found: Uploads,
}

impl Counting<'_> {
    async fn account(&mut self) -> Result<(), BlobError> {
        let mut bases = Vec::new();
        let root = Some("/".to_owned());
        self.listing(Files::ROOT.to_owned(), root, |entry| {
            if let ListEntry::Prefix(base) = entry {
                bases.push(base.clone());
            }
        })
        .await?;
        for base in bases {
            let Some((files, _bucket)) = Files::read(&base) else { continue };
            let mut open = 0;
            self.listing(files.records(), None, |_record| open += 1).await?;
            self.found.open += open;
        }
        Ok(())
    }

    async fn listing(
        &mut self,
        prefix: String,
        delimiter: Option<String>,
        mut each: impl FnMut(&ListEntry),
    ) -> Result<(), BlobError> {
        let mut asked = ListBlobs { prefix: Some(prefix), delimiter, ..ListBlobs::default() };
        loop {
            if self.left == 0 {
                self.found.or_more = true;
                return Ok(());
            }
            self.left -= 1;
            let page = match self.account.store.list_blobs(&self.account.system, &asked).await {
                Ok(page) => page,
                // Nothing was filed here yet.
                Err(error) if error.kind() == Kind::NoSuchContainer => return Ok(()),
                Err(error) => return Err(error),
            };
            page.entries.iter().for_each(&mut each);
            asked.marker = page.next_marker;
            if asked.marker.is_none() {
                return Ok(());
            }
        }
    }
}
