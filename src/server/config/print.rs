//! `config print`: the merged configuration as TOML, secrets masked, each value with its origin.

use std::fmt::{self, Write};

use crate::server::config::accounts::{AccountAccess, CredentialConfig};
use crate::server::config::settings::{Kind, Merged, Raw, SETTINGS};
use crate::server::config::{Config, Loaded};

const MASK: &str = "***";

/// The whole text.
pub fn text(loaded: &Loaded) -> Result<String, fmt::Error> {
    let mut out = String::new();
    settings(&mut out, &loaded.settings)?;
    accounts(&mut out, &loaded.config)?;
    users(&mut out, &loaded.config)?;
    routes(&mut out, &loaded.config)?;
    Ok(out)
}

fn settings(out: &mut String, settings: &Merged) -> fmt::Result {
    // TOML wants the keys outside of tables first.
    let mut table = "";
    for setting in SETTINGS {
        let (of, name) = setting.key.split_once('.').unwrap_or(("", setting.key));
        if of != table {
            table = of;
            writeln!(out, "\n[{table}]")?;
        }
        let Some(value) = settings.raw(setting.key) else {
            writeln!(out, "# {name} is not set")?;
            continue;
        };
        let text = match (&value.value, setting.kind) {
            (Raw::Many(texts), _) => list(texts),
            (Raw::One(text), Kind::Text | Kind::List) => quoted(text),
            (Raw::One(text), Kind::Truth | Kind::Number) => text.clone(),
        };
        writeln!(out, "{name} = {text}  # {}", value.origin)?;
    }
    Ok(())
}

fn accounts(out: &mut String, config: &Config) -> fmt::Result {
    for (name, account) in &config.accounts {
        let role = if config.default_account.as_ref() == Some(name) { ", default" } else { "" };
        writeln!(out, "\n[accounts.{}]  # {}{role}", quoted(name), account.origin)?;
        match &account.access {
            AccountAccess::ConnectionString(_) => {
                writeln!(out, "connection_string = {}", quoted(MASK))?;
            }
            AccountAccess::Named { account, endpoint, credential } => {
                writeln!(out, "account = {}", quoted(account))?;
                if let Some(endpoint) = endpoint {
                    writeln!(out, "endpoint = {}", quoted(endpoint))?;
                }
                match credential {
                    CredentialConfig::Key(_) => writeln!(out, "key = {}", quoted(MASK))?,
                    CredentialConfig::SasToken(_) => writeln!(out, "sas_token = {}", quoted(MASK))?,
                    CredentialConfig::Entra => writeln!(out, "# credential: Entra ID")?,
                }
            }
        }
    }
    Ok(())
}

fn users(out: &mut String, config: &Config) -> fmt::Result {
    for user in &config.users {
        writeln!(out, "\n[[users]]  # {}", user.origin)?;
        writeln!(out, "id = {}\nname = {}", quoted(&user.id), quoted(&user.name))?;
        if let Some(email) = &user.email {
            writeln!(out, "email = {}", quoted(email))?;
        }
        writeln!(out, "role = {}", quoted(&format!("{:?}", user.role).to_lowercase()))?;
        for key in &user.keys {
            writeln!(out, "[[users.keys]]\naccess_key_id = {}", quoted(&key.access_key_id))?;
            writeln!(out, "secret_access_key = {}", quoted(MASK))?;
        }
        for statement in &user.policy {
            writeln!(out, "[[users.policy]]\nactions = {}", list(&statement.actions))?;
            writeln!(out, "buckets = {}", list(&statement.buckets))?;
            writeln!(out, "prefixes = {}", list(&statement.prefixes))?;
        }
    }
    Ok(())
}

fn routes(out: &mut String, config: &Config) -> fmt::Result {
    for route in &config.routes {
        writeln!(out, "\n[[buckets]]  # {}", route.origin)?;
        writeln!(out, "name = {}", quoted(&route.name))?;
        if let Some(account) = &route.account {
            writeln!(out, "account = {}", quoted(account))?;
        }
        if let Some(container) = &route.container {
            writeln!(out, "container = {}", quoted(container))?;
        }
        writeln!(out, "prefix = {}\nread_only = {}", quoted(&route.prefix), route.read_only)?;
    }
    Ok(())
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn list(texts: &[String]) -> String {
    toml::Value::from(texts.to_vec()).to_string()
}
