//! The storage accounts and the routes to them.

use std::collections::{BTreeMap, BTreeSet};

use crate::server::config::fault::{Faults, Located, Origin};
use crate::server::config::file::Section;
use crate::server::config::secret::{Environment, Notes, Secret};
use crate::server::config::users::glob_fits;
use crate::server::config::values;

/// The account that the environment describes, where `default_account` names none.
pub const ENVIRONMENT_ACCOUNT: &str = "default";

/// A storage account of Azure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountConfig {
    /// How to reach it and how to prove who we are.
    pub access: AccountAccess,
    /// Where it was written.
    pub origin: Origin,
}

/// How to reach an account and how to prove who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountAccess {
    /// Everything in one text, as az and every SDK read it.
    ConnectionString(Secret),
    /// An account by name.
    Named {
        /// The account's name.
        account: String,
        /// The blob endpoint where it is not `https://ACCOUNT.blob.core.windows.net`.
        endpoint: Option<String>,
        /// The proof.
        credential: CredentialConfig,
    },
}

/// The proof of an account by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialConfig {
    /// One of the account's two keys.
    Key(Secret),
    /// A shared access signature.
    SasToken(Secret),
    /// A token of Entra ID.
    Entra,
}

/// A bucket, or all that a glob names, and where it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteConfig {
    /// A bucket's name or a glob.
    pub name: String,
    /// The account; none means the default one.
    pub account: Option<String>,
    /// The container; none means the one of the bucket's own name.
    pub container: Option<String>,
    /// What stands before every key in the container; empty or ends in `/`.
    pub prefix: String,
    /// Whether writes are refused.
    pub read_only: bool,
    /// Where it was written.
    pub origin: Origin,
}

/// Every account of the file.
pub fn from_file(top: &mut Section<'_>, notes: &mut Notes) -> BTreeMap<String, AccountConfig> {
    let sections = top.sections("accounts", &mut notes.faults);
    let read = |(name, section): (&str, Section<'_>)| {
        Some((name.to_owned(), account_from_section(section, notes)?))
    };
    sections.into_iter().filter_map(read).collect()
}

fn account_from_section(mut section: Section<'_>, notes: &mut Notes) -> Option<AccountConfig> {
    let origin = section.origin().clone();
    let connection_string = section.secret("connection_string", "connection_string_file", notes);
    let parts = Parts {
        connection_string,
        account: section.text("account", &mut notes.faults),
        endpoint: section.text("endpoint", &mut notes.faults),
        key: section.secret("key", "key_file", notes),
        sas_token: section.secret("sas_token", "sas_token_file", notes),
    };
    let name = section.key("account");
    section.finish(&mut notes.faults);
    parts.checked(&name, &origin, &mut notes.faults).map(|access| AccountConfig { access, origin })
}

/// The account of the `AZURE_STORAGE_*` variables: az's names, and beside them those of other tools.
/// <https://docs.rs/object_store/latest/object_store/azure/enum.AzureConfigKey.html>
pub fn from_environment(environment: &Environment, notes: &mut Notes) -> Option<AccountConfig> {
    let parts = Parts {
        connection_string: notes.environment_secret(environment, "AZURE_STORAGE_CONNECTION_STRING"),
        account: one_of(environment, notes, ACCOUNT_NAMES, text),
        endpoint: one_of(environment, notes, ENDPOINT_NAMES, text),
        key: one_of(environment, notes, KEY_NAMES, secret),
        sas_token: one_of(environment, notes, SAS_NAMES, secret),
    };
    let origin = parts.origin()?;
    let access = parts.checked("AZURE_STORAGE_ACCOUNT", &origin, &mut notes.faults)?;
    Some(AccountConfig { access, origin })
}

const ACCOUNT_NAMES: &[&str] = &["AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME"];
const KEY_NAMES: &[&str] =
    &["AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY"];
const SAS_NAMES: &[&str] = &["AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY"];
const ENDPOINT_NAMES: &[&str] = &["AZURE_STORAGE_SERVICE_ENDPOINT", "AZURE_STORAGE_ENDPOINT"];

fn text(environment: &Environment, _: &mut Notes, name: &str) -> Option<Located<String>> {
    let value = environment.get(name)?.to_owned();
    Some(Located { value, origin: Origin::Environment(name.to_owned()) })
}

fn secret(environment: &Environment, notes: &mut Notes, name: &str) -> Option<Located<Secret>> {
    notes.environment_secret(environment, name)
}

/// What one of these variables says. Two that say the same do no harm; two that do not are a fault.
fn one_of<T: PartialEq>(
    environment: &Environment,
    notes: &mut Notes,
    names: &[&str],
    read: fn(&Environment, &mut Notes, &str) -> Option<Located<T>>,
) -> Option<Located<T>> {
    let mut found: Option<Located<T>> = None;
    for name in names {
        let Some(next) = read(environment, notes, name) else { continue };
        match &found {
            None => found = Some(next),
            Some(first) if first.value == next.value => {}
            Some(first) => {
                let problem = format!("says something else than {}", first.origin);
                notes.faults.at(*name, &next.origin, problem);
            }
        }
    }
    found
}

/// What an account may be told with.
#[derive(Debug)]
struct Parts {
    connection_string: Option<Located<Secret>>,
    account: Option<Located<String>>,
    endpoint: Option<Located<String>>,
    key: Option<Located<Secret>>,
    sas_token: Option<Located<Secret>>,
}

impl Parts {
    fn origin(&self) -> Option<Origin> {
        let secret = |part: &Option<Located<Secret>>| part.as_ref().map(|part| part.origin.clone());
        let text = |part: &Option<Located<String>>| part.as_ref().map(|part| part.origin.clone());
        secret(&self.connection_string)
            .or_else(|| text(&self.account))
            .or_else(|| secret(&self.key))
            .or_else(|| secret(&self.sas_token))
            .or_else(|| text(&self.endpoint))
    }

    fn checked(self, key: &str, origin: &Origin, faults: &mut Faults) -> Option<AccountAccess> {
        if let Some(text) = self.connection_string {
            // az lets a connection string win over the other variables, so they are no fault.
            return Some(AccountAccess::ConnectionString(text.value));
        }
        if let Some(endpoint) = &self.endpoint
            && let Some(problem) = endpoint_problem(&endpoint.value)
        {
            faults.at(key, &endpoint.origin, problem);
        }
        let Some(account) = self.account else {
            faults.at(key, origin, "is missing: the name of the storage account");
            return None;
        };
        if !account_fits(&account.value) {
            let problem = format!("{:?} is no storage account name", account.value);
            faults.at(key, &account.origin, problem);
            return None;
        }
        let credential = match (self.key, self.sas_token) {
            (Some(_), Some(sas_token)) => {
                faults.at(
                    key,
                    &sas_token.origin,
                    "has both a key and a SAS token: give one of them",
                );
                return None;
            }
            (Some(key), None) => CredentialConfig::Key(key.value),
            (None, Some(sas_token)) => CredentialConfig::SasToken(sas_token.value),
            (None, None) => CredentialConfig::Entra,
        };
        let endpoint = self.endpoint.map(|endpoint| endpoint.value);
        Some(AccountAccess::Named { account: account.value, endpoint, credential })
    }
}

/// <https://learn.microsoft.com/azure/storage/common/storage-account-overview#storage-account-name>
fn account_fits(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (3..=24).contains(&name.len()) && name.bytes().all(fits)
}

fn endpoint_problem(endpoint: &str) -> Option<String> {
    let uri: Option<http::Uri> = endpoint.parse().ok();
    let fits = uri.is_some_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some()
            && uri.query().is_none()
    });
    (!fits).then(|| {
        format!("{endpoint:?} is no endpoint, such as https://ACCOUNT.blob.core.windows.net")
    })
}

/// Every route of the file.
pub fn routes(top: &mut Section<'_>, notes: &mut Notes) -> Vec<RouteConfig> {
    let sections = top.array("buckets", &mut notes.faults);
    sections.into_iter().filter_map(|section| route(section, &mut notes.faults)).collect()
}

fn route(mut section: Section<'_>, faults: &mut Faults) -> Option<RouteConfig> {
    let origin = section.origin().clone();
    let name = section.text("name", faults);
    let account = section.text("account", faults).map(|account| account.value);
    let container = section.text("container", faults);
    let prefix = section.text("prefix", faults);
    let read_only = section.truth("read_only", faults);
    let key = |name: &str| section.key(name);
    if name.is_none() {
        faults.at(key("name"), &origin, "is missing: a bucket's name or a glob");
    }
    if let Some(name) = &name
        && !glob_fits(&name.value)
    {
        let problem = format!("{:?} is no bucket name and no glob", name.value);
        faults.at(key("name"), &name.origin, problem);
    }
    if let Some(container) = &container
        && let Err(problem) = values::container(&container.value)
    {
        faults.at(key("container"), &container.origin, problem);
    }
    if let (Some(name), Some(container)) = (&name, &container)
        && name.value.contains(['*', '?'])
    {
        let problem = "a glob with a container would put several buckets into one";
        faults.at(key("container"), &container.origin, problem);
    }
    if let Some(prefix) = &prefix
        && !prefix.value.is_empty()
        && !prefix.value.ends_with('/')
    {
        faults.at(key("prefix"), &prefix.origin, format!("{:?} must end in /", prefix.value));
    }
    section.finish(faults);
    Some(RouteConfig {
        name: name?.value,
        account,
        container: container.map(|container| container.value),
        prefix: prefix.map(|prefix| prefix.value).unwrap_or_default(),
        read_only,
        origin,
    })
}

/// Routes lead to accounts that exist, and never into the gateway's own container.
pub fn check_routes(
    routes: &[RouteConfig],
    accounts: &BTreeMap<String, AccountConfig>,
    system_container: &str,
    faults: &mut Faults,
) {
    let mut names = BTreeSet::new();
    for route in routes {
        let origin = &route.origin;
        let key = format!("buckets.{}", route.name);
        if !names.insert(&route.name) {
            faults.at(&key, origin, "there is a route of this name already");
        }
        if let Some(account) = &route.account
            && !accounts.contains_key(account)
        {
            faults.at(&key, origin, format!("there is no account {account:?}"));
        }
        if route.container.as_deref() == Some(system_container) {
            let problem =
                format!("the container {system_container:?} holds the gateway's own records");
            faults.at(&key, origin, problem);
        }
    }
}
