//! The users of the configuration: who they are, their keys, and what they may do by it.

use std::collections::BTreeSet;

use crate::server::config::fault::{Faults, Located, Origin};
use crate::server::config::file::Section;
use crate::server::config::secret::{Environment, Notes, Secret};

/// The canonical id of the user whose pair comes from the environment. It stays when the pair changes.
pub const ENVIRONMENT_USER: &str = "admin";

/// The lower bound of `MinIO`, which field scripts know; AWS gives out 40 characters.
const SECRET_CHARS_MIN: usize = 8;

/// Secrets that stand in everybody's documentation.
const WELL_KNOWN_SECRETS: &[&str] = &[
    "minioadmin",
    "password",
    "changeme",
    "changeit",
    "secretkey",
    "secret-key",
    "rustfsadmin",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
];

/// A user.
#[derive(Clone, Debug)]
pub struct UserConfig {
    /// The canonical id.
    pub id: String,
    /// The display name; the id where none is given.
    pub name: String,
    /// For grants by e-mail.
    pub email: Option<String>,
    /// The keys; two while one replaces the other.
    pub keys: Vec<KeyConfig>,
    /// What the user may do at all.
    pub role: Role,
    /// What a limited user may do.
    pub policy: Vec<StatementConfig>,
    /// Where the user was written.
    pub origin: Origin,
}

/// A pair of keys.
#[derive(Clone, Debug)]
pub struct KeyConfig {
    /// The public half.
    pub access_key_id: String,
    /// The other half.
    pub secret_access_key: Secret,
}

/// What a user is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// May do everything everywhere.
    Admin,
    /// What an AWS account is.
    Owner,
    /// What the policy says.
    Limited,
}

/// One statement of a policy: it allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementConfig {
    /// IAM's names, such as `s3:GetObject` or `s3:*`.
    pub actions: Vec<String>,
    /// Names or globs.
    pub buckets: Vec<String>,
    /// Each ends in `/` or is a whole key; none means all keys.
    pub prefixes: Vec<String>,
}

/// Every user of the file.
pub fn from_file(top: &mut Section<'_>, notes: &mut Notes) -> Vec<UserConfig> {
    let sections = top.array("users", &mut notes.faults);
    sections.into_iter().filter_map(|section| user(section, notes)).collect()
}

/// The one user of `BLUEBUCKET_ACCESS_KEY_ID` and `BLUEBUCKET_SECRET_ACCESS_KEY`.
pub fn from_environment(environment: &Environment, notes: &mut Notes) -> Option<UserConfig> {
    const ID: &str = "BLUEBUCKET_ACCESS_KEY_ID";
    const SECRET: &str = "BLUEBUCKET_SECRET_ACCESS_KEY";
    let id = notes.environment_secret(environment, ID);
    let faults_before = notes.faults.len();
    let secret = notes.environment_secret(environment, SECRET);
    let (id, secret) = match (id, secret) {
        (Some(id), Some(secret)) => (id, secret),
        (Some(id), None) => {
            if notes.faults.len() == faults_before {
                notes.faults.at(ID, &id.origin, format!("{SECRET} is missing or empty"));
            }
            return None;
        }
        (None, Some(secret)) => {
            notes.faults.at(SECRET, &secret.origin, format!("{ID} is missing or empty"));
            return None;
        }
        (None, None) => return None,
    };
    let origin = id.origin.clone();
    let id = Located { value: id.value.expose().to_owned(), origin: id.origin };
    let key = checked_key(ID, &id, SECRET, secret, &mut notes.faults)?;
    Some(UserConfig {
        id: ENVIRONMENT_USER.to_owned(),
        name: ENVIRONMENT_USER.to_owned(),
        email: None,
        keys: vec![key],
        role: Role::Admin,
        policy: Vec::new(),
        origin,
    })
}

/// Ids and keys belong to one user each.
pub fn require_distinct(users: &[UserConfig], faults: &mut Faults) {
    let mut ids = BTreeSet::new();
    let mut keys = BTreeSet::new();
    for user in users {
        if !ids.insert(&user.id) {
            faults.at("users", &user.origin, format!("the id {:?} is there twice", user.id));
        }
        for key in &user.keys {
            if !keys.insert(&key.access_key_id) {
                let id = &key.access_key_id;
                faults.at(
                    "users",
                    &user.origin,
                    format!("the access key id {id:?} is there twice"),
                );
            }
        }
    }
}

fn user(mut section: Section<'_>, notes: &mut Notes) -> Option<UserConfig> {
    let origin = section.origin().clone();
    let id = section.text("id", &mut notes.faults);
    let name = section.text("name", &mut notes.faults);
    let email = section.text("email", &mut notes.faults);
    let role = role(&mut section, &mut notes.faults);
    let keys = section.array("keys", &mut notes.faults);
    let keys: Vec<_> = keys.into_iter().filter_map(|entry| key(entry, notes)).collect();
    let statements = section.array("policy", &mut notes.faults);
    if role != Role::Limited && !statements.is_empty() {
        let key = section.key("policy");
        notes.faults.at(key, &origin, "only a user with role = \"limited\" has a policy");
    }
    let policy = statements.into_iter().map(|entry| statement(entry, &mut notes.faults)).collect();
    let id = match id {
        Some(id) if id_fits(&id.value) => Some(id.value),
        Some(id) => {
            let problem = "must be 1 to 128 printable ASCII characters without blanks and /";
            notes.faults.at(section.key("id"), &id.origin, problem);
            None
        }
        None => {
            notes.faults.at(section.key("id"), &origin, "is missing");
            None
        }
    };
    section.finish(&mut notes.faults);
    let id = id?;
    let name = name.map_or_else(|| id.clone(), |name| name.value);
    Some(UserConfig { id, name, email: email.map(|email| email.value), keys, role, policy, origin })
}

pub(super) fn id_fits(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/')
}

fn role(section: &mut Section<'_>, faults: &mut Faults) -> Role {
    let Some(role) = section.text("role", faults) else { return Role::Limited };
    match role.value.as_str() {
        "admin" => Role::Admin,
        "owner" => Role::Owner,
        "limited" => Role::Limited,
        other => {
            let problem = format!("{other:?} is none of admin, owner, limited");
            faults.at(section.key("role"), &role.origin, problem);
            Role::Limited
        }
    }
}

fn key(mut section: Section<'_>, notes: &mut Notes) -> Option<KeyConfig> {
    const ID: &str = "access_key_id";
    const SECRET: &str = "secret_access_key";
    let id = section.text(ID, &mut notes.faults);
    let faults_before = notes.faults.len();
    let secret = section.secret(SECRET, "secret_access_key_file", notes);
    let (id_key, secret_key) = (section.key(ID), section.key(SECRET));
    if id.is_none() {
        notes.faults.at(&id_key, section.origin(), "is missing");
    }
    if secret.is_none() && notes.faults.len() == faults_before {
        notes.faults.at(&secret_key, section.origin(), "is missing (or secret_access_key_file)");
    }
    section.finish(&mut notes.faults);
    checked_key(&id_key, &id?, &secret_key, secret?, &mut notes.faults)
}

/// A pair whose id can stand in a signature and whose secret is one; else faults.
pub(super) fn checked_key(
    id_key: &str,
    id: &Located<String>,
    secret_key: &str,
    secret: Located<Secret>,
    faults: &mut Faults,
) -> Option<KeyConfig> {
    // The id stands in header and query between these separators.
    let fits = |byte: u8| byte.is_ascii_graphic() && !b"/,=;&%+\"'\\<>".contains(&byte);
    let id_fits = (1..=128).contains(&id.value.len()) && id.value.bytes().all(fits);
    if !id_fits {
        faults.at(
            id_key,
            &id.origin,
            "must be 1 to 128 letters, digits, hyphens, underscores, dots",
        );
    }
    let problem = secret_problem(secret.value.expose(), &id.value);
    if let Some(problem) = &problem {
        faults.at(secret_key, &secret.origin, problem);
    }
    (id_fits && problem.is_none())
        .then(|| KeyConfig { access_key_id: id.value.clone(), secret_access_key: secret.value })
}

fn secret_problem(secret: &str, id: &str) -> Option<String> {
    if secret.chars().count() < SECRET_CHARS_MIN {
        Some(format!("is too short: at least {SECRET_CHARS_MIN} characters, better 40"))
    } else if secret == id {
        Some("is the access key id itself".to_owned())
    } else if WELL_KNOWN_SECRETS.iter().any(|known| known.eq_ignore_ascii_case(secret)) {
        Some("is a secret that everybody knows: choose another".to_owned())
    } else if secret.chars().any(char::is_control) {
        Some("holds a control character".to_owned())
    } else {
        None
    }
}

fn statement(mut section: Section<'_>, faults: &mut Faults) -> StatementConfig {
    let statement = StatementConfig {
        actions: section.texts("actions", faults),
        buckets: section.texts("buckets", faults),
        prefixes: section.texts("prefixes", faults),
    };
    let origin = section.origin().clone();
    if statement.actions.is_empty() {
        faults.at(section.key("actions"), &origin, "is missing: without actions it allows nothing");
    }
    if statement.buckets.is_empty() {
        faults.at(section.key("buckets"), &origin, "is missing: write [\"*\"] for all buckets");
    }
    for action in statement.actions.iter().filter(|action| !action_fits(action)) {
        let problem = format!("{action:?} is no action, such as s3:GetObject or s3:*");
        faults.at(section.key("actions"), &origin, problem);
    }
    for bucket in statement.buckets.iter().filter(|bucket| !glob_fits(bucket)) {
        let problem = format!("{bucket:?} is no bucket name and no glob");
        faults.at(section.key("buckets"), &origin, problem);
    }
    for prefix in &statement.prefixes {
        if prefix.is_empty() || prefix.contains('*') || prefix.len() > 1024 {
            let problem = format!("{prefix:?} neither ends in / nor is a whole key");
            faults.at(section.key("prefixes"), &origin, problem);
        }
    }
    section.finish(faults);
    statement
}

fn action_fits(action: &str) -> bool {
    let name = action.strip_prefix("s3:").unwrap_or_default();
    action == "*"
        || (!name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'*' || byte == b'?'))
}

/// A bucket's name, with `*` and `?` where anything may stand.
pub fn glob_fits(glob: &str) -> bool {
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-*?".contains(&byte);
    (1..=63).contains(&glob.len()) && glob.bytes().all(fits)
}
