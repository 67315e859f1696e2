//! Users that other tools have on file: the profiles of an AWS credentials file and the identities of a
//! `SeaweedFS` `s3.json`. They are read as they stand, with every reload; what has no counterpart here is
//! a fault that names it.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::server::config::fault::{Located, Origin};
use crate::server::config::secret::{Notes, Secret};
use crate::server::config::settings::Merged;
use crate::server::config::users::{
    KeyConfig, Role, StatementConfig, UserConfig, checked_key, glob_fits, id_fits,
};

const AWS: &str = "import.aws_credentials";
const SEAWEEDFS: &str = "import.seaweedfs";

/// The users of both files, where they are configured.
pub(super) fn users(settings: &Merged, notes: &mut Notes) -> Vec<UserConfig> {
    let path = |text: &str| Ok(PathBuf::from(text));
    let mut users = Vec::new();
    // A role is understood even where it is not used, so that a fault does not wait for its day.
    let role = settings.read("import.aws_role", notes, role).unwrap_or(Role::Owner);
    if let Some(path) = settings.read(AWS, notes, path)
        && let Some(text) = notes.secret_file(AWS, &path, settings.origin(AWS))
    {
        users.extend(aws(&path, text.value.expose(), role, notes));
    }
    if let Some(path) = settings.read(SEAWEEDFS, notes, path)
        && let Some(text) = notes.secret_file(SEAWEEDFS, &path, settings.origin(SEAWEEDFS))
    {
        users.extend(seaweedfs(&path, text.value.expose(), notes));
    }
    users
}

fn role(text: &str) -> Result<Role, String> {
    match text {
        "admin" => Ok(Role::Admin),
        "owner" => Ok(Role::Owner),
        _ => Err(format!("{text:?} is neither admin nor owner: a profile has no policy")),
    }
}

/// A `[profile]` of an AWS file while it is read. What it says to clients (region, output, ...) is theirs.
/// <https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-files.html>
#[derive(Debug)]
struct Profile {
    name: Located<String>,
    id: Option<Located<String>>,
    secret: Option<Located<Secret>>,
}

fn aws(path: &Path, text: &str, role: Role, notes: &mut Notes) -> Vec<UserConfig> {
    let mut profiles: Vec<Profile> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let origin = Origin::File(path.to_owned(), number + 1);
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let name = name.trim();
            let name = name.strip_prefix("profile ").unwrap_or(name).trim().to_owned();
            profiles.push(Profile {
                name: Located { value: name, origin },
                id: None,
                secret: None,
            });
            continue;
        }
        let (Some((name, value)), Some(profile)) = (line.split_once('='), profiles.last_mut())
        else {
            notes.faults.at(AWS, &origin, "is neither [profile] nor name = value");
            continue;
        };
        let value = value.trim();
        match name.trim() {
            "aws_access_key_id" => {
                profile.id = Some(Located { value: value.to_owned(), origin });
            }
            "aws_secret_access_key" => {
                profile.secret = Some(Located { value: Secret::new(value), origin });
            }
            "aws_session_token" => {
                let problem = "keys with a session token are AWS's own and end there";
                notes.faults.at(AWS, &origin, problem);
            }
            _of_clients => {}
        }
    }
    profiles.into_iter().filter_map(|profile| aws_user(profile, role, notes)).collect()
}

fn aws_user(profile: Profile, role: Role, notes: &mut Notes) -> Option<UserConfig> {
    let Profile { name, id, secret } = profile;
    let key = match (id, secret) {
        (Some(id), Some(secret)) => checked_key(AWS, &id, AWS, secret, &mut notes.faults)?,
        (None, None) => {
            let name = &name.value;
            notes.warnings.push(format!("the profile {name:?} ({}) has no keys", name_of(AWS)));
            return None;
        }
        _half => {
            let problem = "has one of aws_access_key_id and aws_secret_access_key: give both";
            notes.faults.at(AWS, &name.origin, problem);
            return None;
        }
    };
    user(AWS, name, vec![key], role, notes)
}

fn name_of(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

fn user(
    setting: &str,
    name: Located<String>,
    keys: Vec<KeyConfig>,
    role: Role,
    notes: &mut Notes,
) -> Option<UserConfig> {
    let Located { value: id, origin } = name;
    if !id_fits(&id) {
        let problem =
            format!("{id:?} is no id: 1 to 128 printable characters without blanks and /");
        notes.faults.at(setting, &origin, problem);
        return None;
    }
    let name = id.clone();
    Some(UserConfig { id, name, email: None, keys, role, policy: Vec::new(), origin })
}

/// `s3.json`. <https://github.com/seaweedfs/seaweedfs/wiki/Amazon-S3-API>
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeaweedFs {
    identities: Vec<Identity>,
    #[serde(default)]
    accounts: Vec<SeaweedAccount>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    name: String,
    #[serde(default)]
    credentials: Vec<Pair>,
    #[serde(default)]
    actions: Vec<String>,
    account: Option<SeaweedAccount>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Pair {
    access_key: String,
    secret_key: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SeaweedAccount {
    id: String,
    display_name: Option<String>,
    email_address: Option<String>,
}

fn seaweedfs(path: &Path, text: &str, notes: &mut Notes) -> Vec<UserConfig> {
    let file: SeaweedFs = match serde_json::from_str(text) {
        Ok(file) => file,
        Err(error) => {
            let origin = Origin::File(path.to_owned(), error.line());
            notes.faults.at(SEAWEEDFS, &origin, unread(&error));
            return Vec::new();
        }
    };
    let SeaweedFs { identities, accounts } = file;
    let origin = Origin::File(path.to_owned(), 1);
    let users = identities.into_iter();
    users.filter_map(|identity| seaweedfs_user(identity, &accounts, &origin, notes)).collect()
}

/// What cannot be read. A value may be a secret, so only the names of fields are repeated.
fn unread(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let of_names = text.starts_with("unknown field") || text.starts_with("missing field");
    if of_names { text } else { format!("is no s3.json of SeaweedFS (column {})", error.column()) }
}

fn seaweedfs_user(
    identity: Identity,
    accounts: &[SeaweedAccount],
    origin: &Origin,
    notes: &mut Notes,
) -> Option<UserConfig> {
    let Identity { name, credentials, actions, account } = identity;
    let mut fault = |problem: String| notes.faults.at(SEAWEEDFS, origin, problem);
    if credentials.is_empty() {
        fault(format!(
            "the identity {name:?} has no keys: strangers get rights by bucket policies"
        ));
        return None;
    }
    let mut role = Role::Limited;
    let mut policy = Vec::new();
    for action in &actions {
        match seaweedfs_action(action) {
            Ok(None) => role = Role::Admin,
            Ok(Some(statement)) => policy.push(statement),
            Err(problem) => fault(format!("the identity {name:?}: {problem}")),
        }
    }
    let mut keys = Vec::new();
    for pair in credentials {
        let id = Located { value: pair.access_key, origin: origin.clone() };
        let secret = Located { value: Secret::new(pair.secret_key), origin: origin.clone() };
        keys.extend(checked_key(SEAWEEDFS, &id, SEAWEEDFS, secret, &mut notes.faults));
    }
    let named = account.as_ref().map_or(&name, |account| &account.id).clone();
    let known = accounts.iter().find(|known| known.id == named);
    let located = Located { value: named, origin: origin.clone() };
    let mut user = user(SEAWEEDFS, located, keys, role, notes)?;
    let about = known.or(account.as_ref());
    user.name = about.and_then(|account| account.display_name.clone()).unwrap_or(name);
    user.email = about.and_then(|account| account.email_address.clone());
    // An admin needs no policy, and may have none.
    user.policy = if role == Role::Admin { Vec::new() } else { policy };
    Some(user)
}

/// One of its actions, `Read:bucket/prefix/*` with everything behind the word left out at will: none for
/// the right to everything.
fn seaweedfs_action(action: &str) -> Result<Option<StatementConfig>, String> {
    let (word, resource) = match action.split_once(':') {
        Some((word, resource)) => (word, Some(resource)),
        None => (action, None),
    };
    let actions: &[&str] = match word {
        "Admin" if resource.is_none() => return Ok(None),
        "Admin" => &["s3:*"],
        "Read" => &[
            "s3:GetObject*",
            "s3:GetBucketLocation",
            "s3:GetBucketVersioning",
            "s3:ListMultipartUploadParts",
        ],
        "Write" => &[
            "s3:PutObject",
            "s3:DeleteObject",
            "s3:DeleteObjectVersion",
            "s3:AbortMultipartUpload",
            "s3:ListMultipartUploadParts",
        ],
        "List" => &["s3:ListAllMyBuckets", "s3:ListBucket*", "s3:GetBucketLocation"],
        "Tagging" => &["s3:GetObject*Tagging", "s3:PutObject*Tagging", "s3:DeleteObject*Tagging"],
        "ReadAcp" => &["s3:GetObject*Acl", "s3:GetBucketAcl"],
        "WriteAcp" => &["s3:PutObject*Acl", "s3:PutBucketAcl"],
        "DeleteBucket" => &["s3:DeleteBucket"],
        _ => return Err(format!("{action:?} has no counterpart here")),
    };
    let resource = resource.unwrap_or("*");
    let (bucket, prefix) = resource.split_once('/').unwrap_or((resource, "*"));
    if !glob_fits(bucket) {
        return Err(format!("{action:?}: {bucket:?} is no bucket name and no glob"));
    }
    let prefixes = match prefix.strip_suffix('*') {
        Some("") => Vec::new(),
        Some(folder) if folder.ends_with('/') && !folder.contains('*') => vec![folder.to_owned()],
        None if !prefix.contains('*') && !prefix.is_empty() => vec![prefix.to_owned()],
        _ => return Err(format!("{action:?}: a prefix ends in /* or is a whole key")),
    };
    Ok(Some(StatementConfig {
        actions: actions.iter().map(|action| (*action).to_owned()).collect(),
        buckets: vec![bucket.to_owned()],
        prefixes,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INI: &str = "# of the old gateway\n[default]\naws_access_key_id = AKONE\n\
        aws_secret_access_key = canary-secret-1\nregion = eu-central-1\n\n\
        [profile backup]\naws_access_key_id=AKTWO\naws_secret_access_key=canary/secret+2=\n";

    fn read_aws(text: &str) -> (Vec<UserConfig>, Notes) {
        let mut notes = Notes::default();
        let users = aws(Path::new("credentials"), text, Role::Owner, &mut notes);
        (users, notes)
    }

    #[test]
    fn profiles_of_an_aws_file_are_users() {
        let (users, notes) = read_aws(INI);
        assert!(notes.faults.is_empty(), "{}", notes.faults);
        let shown: Vec<_> = users
            .iter()
            .map(|user| {
                let key = &user.keys[0];
                (&*user.id, &*key.access_key_id, key.secret_access_key.expose(), user.role)
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("default", "AKONE", "canary-secret-1", Role::Owner),
                ("backup", "AKTWO", "canary/secret+2=", Role::Owner),
            ]
        );
    }

    #[test]
    fn what_an_aws_file_cannot_mean_here_is_named_with_its_line() {
        for (text, words) in [
            ("[a]\naws_access_key_id = AK\n", "(credentials:1): has one of"),
            ("nonsense", "(credentials:1): is neither"),
            ("[a]\naws_session_token = canary", "(credentials:2): keys with a session token"),
            ("[a b]\naws_access_key_id = AK\naws_secret_access_key = canary-1", "\"a b\" is no id"),
            ("[a]\naws_access_key_id = AK\naws_secret_access_key = short", ":3): is too short"),
        ] {
            let faults = read_aws(text).1.faults.to_string();
            assert!(faults.contains(words), "{words:?} is not in {faults:?}");
            assert!(!faults.contains("canary"), "{faults}");
        }
    }

    fn read_seaweedfs(text: &str) -> (Vec<UserConfig>, String) {
        let mut notes = Notes::default();
        let users = seaweedfs(Path::new("s3.json"), text, &mut notes);
        (users, notes.faults.to_string())
    }

    fn identity(actions: &str) -> String {
        format!(
            "{{\"identities\": [{{\"name\": \"one\", \"credentials\": [{{\"accessKey\": \"AK1\", \
             \"secretKey\": \"canary-secret-1\"}}], \"actions\": {actions}}}]}}"
        )
    }

    #[test]
    fn identities_of_seaweedfs_are_users_with_their_rights() {
        let (users, faults) = read_seaweedfs(&identity("[\"Admin\", \"Read\"]"));
        assert_eq!((faults.as_str(), users[0].role), ("", Role::Admin));
        assert!(users[0].policy.is_empty());
        let (users, faults) =
            read_seaweedfs(&identity("[\"Read:logs-*\", \"List\", \"Write:photos/2026/*\"]"));
        assert_eq!((faults.as_str(), users[0].role), ("", Role::Limited));
        let shown: Vec<_> = users[0]
            .policy
            .iter()
            .map(|one| (one.actions[0].as_str(), one.buckets[0].as_str(), one.prefixes.join(",")))
            .collect();
        assert_eq!(
            shown,
            [
                ("s3:GetObject*", "logs-*", String::new()),
                ("s3:ListAllMyBuckets", "*", String::new()),
                ("s3:PutObject", "photos", "2026/".to_owned()),
            ]
        );
    }

    #[test]
    fn what_seaweedfs_means_and_we_do_not_is_named() {
        for (text, words) in [
            (identity("[\"Fly\"]"), "\"Fly\" has no counterpart"),
            (identity("[\"Read:photos/a*\"]"), "a prefix ends in /*"),
            (identity("[\"Read:Photos\"]"), "\"Photos\" is no bucket name"),
            (identity("\"canary\""), "is no s3.json of SeaweedFS"),
            ("{\"identities\": [], \"kms\": 1}".to_owned(), "unknown field `kms`"),
            (
                "{\"identities\": [{\"name\": \"anonymous\", \"actions\": [\"Read\"]}]}".to_owned(),
                "\"anonymous\" has no keys",
            ),
        ] {
            let faults = read_seaweedfs(&text).1;
            assert!(faults.contains(words), "{words:?} is not in {faults:?}");
            assert!(!faults.contains("canary"), "{faults}");
        }
    }
}
