//! Day keys that were derived before. A key is good for one day, region and secret; most requests
//! find theirs here and are spared four rounds of HMAC.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::credentials::{AccessKeyId, SecretKey};
use super::scope::Scope;
use super::signature::SigningKey;

/// How many users' keys are kept.
const USERS_MAX: usize = 1024;
/// How many days and regions are kept for one user. A presigned URL lives for eight days at most.
const DAYS_MAX: usize = 16;

/// Day keys derived before, a bounded number of them.
///
/// Only keys whose signature held are kept, so that a stranger cannot push others out.
#[derive(Debug, Default)]
pub struct SigningKeys {
    users: ArcSwap<HashMap<AccessKeyId, Arc<[DayKey]>>>,
}

#[derive(Clone, Debug)]
struct DayKey {
    secret_digest: [u8; 32],
    day: Box<str>,
    region: Box<str>,
    key: SigningKey,
}

impl SigningKeys {
    /// The key for this scope, if it is known.
    pub(super) fn find(&self, scope: &Scope<'_>, secret: &SecretKey) -> Option<SigningKey> {
        let users = self.users.load();
        let known = users.get(scope.key_id)?.iter().find(|known| known.is_for(scope, secret))?;
        Some(known.key.clone())
    }

    /// Keeps a key that has proven right. Older days and other secrets of its user make room.
    pub(super) fn keep(&self, scope: &Scope<'_>, secret: &SecretKey, key: &SigningKey) {
        let fresh = DayKey {
            secret_digest: *secret.digest(),
            day: scope.day.into(),
            region: scope.region.into(),
            key: key.clone(),
        };
        let id = AccessKeyId::new(scope.key_id);
        self.users.rcu(|users| {
            let mut users = HashMap::clone(users);
            if users.len() >= USERS_MAX && !users.contains_key(&id) {
                make_room(&mut users);
            }
            let before = users.get(&id).map_or(&[][..], |days| &**days);
            let mut days: Vec<DayKey> = before
                .iter()
                .filter(|known| known.secret_digest == fresh.secret_digest)
                .filter(|known| !known.is_for(scope, secret))
                .cloned()
                .collect();
            days.push(fresh.clone());
            days.sort_by(|a, b| b.day.cmp(&a.day));
            days.truncate(DAYS_MAX);
            users.insert(id.clone(), days.into());
            users
        });
    }
}

impl DayKey {
    fn is_for(&self, scope: &Scope<'_>, secret: &SecretKey) -> bool {
        *self.day == *scope.day
            && *self.region == *scope.region
            && self.secret_digest == *secret.digest()
    }
}

/// Forgets the users who have not come on the latest day, or all if that does not help.
fn make_room(users: &mut HashMap<AccessKeyId, Arc<[DayKey]>>) {
    let latest = |days: &Arc<[DayKey]>| days.first().map(|key| key.day.clone());
    let today = users.values().filter_map(latest).max();
    users.retain(|_, days| latest(days) == today);
    if users.len() >= USERS_MAX {
        users.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::{DAYS_MAX, Scope, SecretKey, SigningKey, SigningKeys, USERS_MAX};

    fn scope<'a>(key_id: &'a str, day: &'a str) -> Scope<'a> {
        Scope { key_id, day, region: "us-east-1", service: "s3" }
    }

    fn keep(keys: &SigningKeys, key_id: &str, day: &str, secret: &SecretKey) {
        let key = SigningKey::derive(secret.expose(), day, "us-east-1", "s3");
        keys.keep(&scope(key_id, day), secret, &key);
    }

    #[test]
    fn a_key_is_found_for_its_day_and_secret_only() {
        let (keys, secret) = (SigningKeys::default(), SecretKey::new("old"));
        keep(&keys, "a", "20261121", &secret);
        assert!(keys.find(&scope("a", "20261121"), &secret).is_some());
        assert!(keys.find(&scope("a", "20261122"), &secret).is_none());
        assert!(keys.find(&scope("b", "20261121"), &secret).is_none());
        assert!(keys.find(&scope("a", "20261121"), &SecretKey::new("new")).is_none());
    }

    #[test]
    fn a_rotated_secret_takes_its_keys_along() {
        let (keys, old, new) =
            (SigningKeys::default(), SecretKey::new("old"), SecretKey::new("new"));
        keep(&keys, "a", "20261121", &old);
        keep(&keys, "a", "20261122", &new);
        assert!(keys.find(&scope("a", "20261121"), &old).is_none());
        assert!(keys.find(&scope("a", "20261122"), &new).is_some());
    }

    #[test]
    fn days_are_bounded_and_the_oldest_go_first() {
        let (keys, secret) = (SigningKeys::default(), SecretKey::new("s"));
        let days: Vec<String> = (1..=28).map(|day| format!("202611{day:02}")).collect();
        for day in &days {
            keep(&keys, "a", day, &secret);
        }
        let known = |day: &&String| keys.find(&scope("a", day), &secret).is_some();
        assert_eq!(days.iter().filter(known).count(), DAYS_MAX);
        assert!(known(&days.last().unwrap()) && !known(&days.first().unwrap()));
    }

    #[test]
    fn users_are_bounded_and_those_of_older_days_go_first() {
        let (keys, secret) = (SigningKeys::default(), SecretKey::new("s"));
        let key = SigningKey::derive("s", "20261121", "us-east-1", "s3");
        let ids: Vec<String> = (0..USERS_MAX).map(|number| format!("id{number}")).collect();
        for (number, id) in ids.iter().enumerate() {
            let day = if number % 2 == 0 { "20261121" } else { "20261122" };
            keys.keep(&scope(id, day), &secret, &key);
        }
        keys.keep(&scope("one more", "20261122"), &secret, &key);
        assert_eq!(keys.users.load().len(), USERS_MAX / 2 + 1);
        assert!(keys.find(&scope("id1", "20261122"), &secret).is_some());
        assert!(keys.find(&scope("id0", "20261121"), &secret).is_none());
    }
}
