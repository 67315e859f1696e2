//! What a reload changes, in words for the audit: names and ids, never a secret.

use std::collections::BTreeMap;

use crate::server::config::fault::Origin;
use crate::server::config::{Config, UserConfig};

/// One line for each user, key, account and route that came, went or changed.
pub fn changes(before: &Config, now: &Config) -> Vec<String> {
    let mut lines = compared("user", &users(before), &users(now));
    lines.extend(compared("access key", &keys(before), &keys(now)));
    lines.extend(compared("account", &accounts(before), &accounts(now)));
    lines.extend(compared("route", &routes(before), &routes(now)));
    if before.default_account != now.default_account {
        let name = now.default_account.as_deref().unwrap_or("-");
        lines.push(format!("default account changed to {name}"));
    }
    lines
}

fn compared<T: PartialEq>(
    what: &str,
    before: &BTreeMap<String, T>,
    now: &BTreeMap<String, T>,
) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, value) in now {
        match before.get(name) {
            None => lines.push(format!("{what} {name} added")),
            Some(old) if old != value => lines.push(format!("{what} {name} changed")),
            Some(_same) => {}
        }
    }
    let gone = before.keys().filter(|name| !now.contains_key(*name));
    lines.extend(gone.map(|name| format!("{what} {name} removed")));
    lines
}

/// Where something stands in the file is no part of what it is; keys are compared by themselves.
fn users(config: &Config) -> BTreeMap<String, String> {
    let plain = |user: &UserConfig| {
        let user = UserConfig { origin: Origin::Default, keys: Vec::new(), ..user.clone() };
        (user.id.clone(), format!("{user:?}"))
    };
    config.users.iter().map(plain).collect()
}

fn keys(config: &Config) -> BTreeMap<String, &str> {
    let keys = config.users.iter().flat_map(|user| &user.keys);
    keys.map(|key| (key.access_key_id.clone(), key.secret_access_key.expose())).collect()
}

fn accounts(config: &Config) -> BTreeMap<String, impl PartialEq + '_> {
    config.accounts.iter().map(|(name, account)| (name.clone(), &account.access)).collect()
}

/// The first route that fits counts, so the place among the others is part of what it is.
fn routes(config: &Config) -> BTreeMap<String, impl PartialEq> {
    let routes = config.routes.iter().enumerate();
    routes
        .map(|(place, route)| {
            let mut route = route.clone();
            route.origin = Origin::Default;
            (route.name.clone(), (place, route))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::server::config::{self, Need, Sources};

    fn read(text: &str) -> Config {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("bb.toml");
        fs::write(&file, text).unwrap();
        let sources = Sources { file: Some(file), need: Need::Nothing, ..Sources::default() };
        config::load(&sources).unwrap_or_else(|faults| panic!("{faults}")).config
    }

    const BEFORE: &str = "[accounts.main]\nconnection_string = \"UseDevelopmentStorage=true\"\n\
        [[users]]\nid = \"one\"\nkeys = [{ access_key_id = \"AK1\", secret_access_key = \"canary-secret-1\" }]\n\
        [[users]]\nid = \"two\"\nkeys = [{ access_key_id = \"AK2\", secret_access_key = \"canary-secret-2\" }]\n\
        [[buckets]]\nname = \"photos\"\nprefix = \"a/\"\n";

    #[test]
    fn what_came_went_and_changed_is_named_without_a_secret() {
        let before = read(BEFORE);
        assert_eq!(changes(&before, &read(&format!("# moved\n{BEFORE}"))), Vec::<String>::new());
        let now = BEFORE
            .replace("canary-secret-1", "canary-secret-9")
            .replace("id = \"two\"", "id = \"three\"\nrole = \"owner\"")
            .replace("\"a/\"", "\"b/\"")
            + "[accounts.more]\naccount = \"contoso\"\n";
        let now = read(&format!("default_account = \"main\"\n{now}"));
        let lines = changes(&before, &now);
        assert_eq!(
            lines,
            [
                "user three added",
                "user two removed",
                "access key AK1 changed",
                "account more added",
                "route photos changed",
            ]
        );
    }
}
