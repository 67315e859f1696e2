//! Pass-through: clients sign with the storage account's own name and key, as they did at `MinIO`'s
//! gateway (`MINIO_ACCESS_KEY=account`). The account's key is then a key of an admin.

use std::collections::BTreeMap;

use crate::azure;
use crate::server::config::accounts::{AccountAccess, AccountConfig, CredentialConfig};
use crate::server::config::fault::Located;
use crate::server::config::secret::{Notes, Secret};
use crate::server::config::settings::Merged;
use crate::server::config::users::{Role, UserConfig, checked_key};
use crate::server::config::values;

const KEY: &str = "pass_through";

/// The user whose keys are those of the one account, where that is switched on.
pub(super) fn user(
    settings: &Merged,
    accounts: &BTreeMap<String, AccountConfig>,
    notes: &mut Notes,
) -> Option<UserConfig> {
    if settings.read(KEY, notes, values::truth) != Some(true) {
        return None;
    }
    let origin = settings.origin(KEY);
    let mut all = accounts.values();
    let (Some(account), None) = (all.next(), all.next()) else {
        let problem = "needs exactly one account: the key of one would open the others, too";
        notes.faults.at(KEY, &origin, problem);
        return None;
    };
    let Some((name, secret)) = key_of(&account.access) else {
        let problem =
            "needs an account with a key: Entra ID and SAS have none to share with clients";
        notes.faults.at(KEY, &origin, problem);
        return None;
    };
    let id = Located { value: name.clone(), origin: origin.clone() };
    let secret = Located { value: secret, origin: origin.clone() };
    let key = checked_key(KEY, &id, KEY, secret, &mut notes.faults)?;
    Some(UserConfig {
        id: name.clone(),
        name,
        email: None,
        keys: vec![key],
        role: Role::Admin,
        policy: Vec::new(),
        origin,
    })
}

fn key_of(access: &AccountAccess) -> Option<(String, Secret)> {
    match access {
        AccountAccess::ConnectionString(text) => {
            let (name, key) = azure::shared_key(text.expose())?;
            Some((name, Secret::new(key)))
        }
        AccountAccess::Named { account, credential: CredentialConfig::Key(key), .. } => {
            Some((account.clone(), key.clone()))
        }
        AccountAccess::Named { .. } => None,
    }
}
