//! The users of this gateway and their keys, as one snapshot of the configuration.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::access::caller::Caller;
use crate::access::policy::{NewStatement, Statement};
use crate::s3::auth::{AccessKeyId, KeyRing, SecretKey, Signed};
use crate::s3::{Code, Error};

/// The shortest secret, in bytes. AWS's have 40.
const SECRET_BYTES_MIN: usize = 8;
/// Secrets that stand in everybody's documentation.
const KNOWN_SECRETS: [&str; 6] = [
    "minioadmin",
    "password",
    "changeme",
    "secretkey",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "wJalrXUtnFEMI+K7MDENG+bPxRfiCYEXAMPLEKEY",
];

/// What a user is, before any policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// May do everything everywhere.
    Admin,
    /// What an AWS account is: creates buckets and does everything in its own.
    Owner,
    /// May do what its policy says.
    #[default]
    Limited,
}

/// A user as it was written.
#[derive(Clone, Debug, Default)]
pub struct NewUser {
    /// The canonical id.
    pub id: String,
    /// The display name; the id if there is none.
    pub name: Option<String>,
    /// For grants by e-mail.
    pub email: Option<String>,
    /// What the user is.
    pub role: Role,
    /// The keys; two while one replaces the other.
    pub keys: Vec<NewKey>,
    /// What the user may do beside that.
    pub policy: Vec<NewStatement>,
}

/// A pair of keys as it was written. The secret does not print.
#[derive(Clone, Default)]
pub struct NewKey {
    /// The public half.
    pub access_key_id: String,
    /// The other half.
    pub secret_access_key: String,
}

impl fmt::Debug for NewKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "NewKey({:?})", self.access_key_id)
    }
}

/// What is wrong with a user, and where. It never has a secret in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `users[1].keys[0].secret_access_key`
    pub place: String,
    /// What is wrong there.
    pub problem: String,
}

impl Fault {
    pub(super) fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { place: place.into(), problem: problem.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.place, self.problem)
    }
}

/// A user.
#[derive(Debug, PartialEq, Eq)]
pub struct User {
    id: String,
    name: String,
    email: Option<String>,
    role: Role,
    policy: Vec<Statement>,
}

impl User {
    /// The canonical id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The display name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The e-mail address, if one is known.
    pub fn email(&self) -> Option<&str> {
        self.email.as_deref()
    }

    /// What the user is.
    pub fn role(&self) -> Role {
        self.role
    }

    pub(super) fn policy(&self) -> &[Statement] {
        &self.policy
    }
}

/// All users and their keys. It does not change.
#[derive(Debug, Default)]
pub struct Directory {
    users: BTreeMap<String, Arc<User>>,
    keys: BTreeMap<AccessKeyId, (SecretKey, Arc<User>)>,
}

impl Directory {
    /// A directory of these users; every fault if there is one.
    pub fn new(users: impl IntoIterator<Item = NewUser>) -> Result<Self, Vec<Fault>> {
        let mut directory = Self::default();
        let mut faults = Vec::new();
        for (number, user) in users.into_iter().enumerate() {
            directory.add(user, &format!("users[{number}]"), &mut faults);
        }
        if faults.is_empty() { Ok(directory) } else { Err(faults) }
    }

    /// Is nobody there?
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// The user of that canonical id.
    pub fn user(&self, id: &str) -> Option<&User> {
        self.users.get(id).map(|user| &**user)
    }

    /// The user of that e-mail address, whatever the case of its letters.
    pub fn by_email(&self, email: &str) -> Option<&User> {
        let is_it = |user: &&User| user.email().is_some_and(|own| own.eq_ignore_ascii_case(email));
        self.users.values().map(|user| &**user).find(is_it)
    }

    /// Who signed; `InvalidAccessKeyId` if the key has gone since.
    pub fn caller(&self, signed: &Signed) -> Result<Caller, Error> {
        self.caller_of(signed.key_id()).ok_or_else(|| Error::new(Code::InvalidAccessKeyId))
    }

    pub(super) fn caller_of(&self, key: &AccessKeyId) -> Option<Caller> {
        self.keys.get(key).map(|(_, user)| Caller::of(Arc::clone(user)))
    }

    fn add(&mut self, user: NewUser, place: &str, faults: &mut Vec<Fault>) {
        let NewUser { id, name, email, role, keys, policy } = user;
        if id.is_empty() {
            faults.push(Fault::new(format!("{place}.id"), "is empty"));
        }
        let policy = policy.into_iter().enumerate().map(|(number, statement)| {
            Statement::check(statement, &format!("{place}.policy[{number}]"), faults)
        });
        let policy = policy.collect();
        let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| id.clone());
        let user = Arc::new(User { id: id.clone(), name, email, role, policy });
        for (number, key) in keys.into_iter().enumerate() {
            let place = format!("{place}.keys[{number}]");
            if let Some(problem) = secret_problem(&key) {
                faults.push(Fault::new(format!("{place}.secret_access_key"), problem));
            }
            if key.access_key_id.is_empty() {
                faults.push(Fault::new(format!("{place}.access_key_id"), "is empty"));
            }
            let secret = SecretKey::new(key.secret_access_key);
            let entry = (secret, Arc::clone(&user));
            if self.keys.insert(AccessKeyId::new(key.access_key_id), entry).is_some() {
                faults.push(Fault::new(format!("{place}.access_key_id"), "is there twice"));
            }
        }
        if self.users.insert(id, user).is_some() {
            faults.push(Fault::new(format!("{place}.id"), "is there twice"));
        }
    }
}

impl KeyRing for Directory {
    fn secret(&self, id: &AccessKeyId) -> Option<SecretKey> {
        self.keys.get(id).map(|(secret, _)| secret.clone())
    }
}

fn secret_problem(key: &NewKey) -> Option<&'static str> {
    let secret = key.secret_access_key.as_str();
    if secret.is_empty() {
        Some("is empty")
    } else if secret.len() < SECRET_BYTES_MIN {
        Some("is too short")
    } else if KNOWN_SECRETS.contains(&secret) {
        Some("is one that everybody knows")
    } else if secret == key.access_key_id {
        Some("is the access key id itself")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Directory, NewKey, NewUser};
    use crate::s3::auth::{AccessKeyId, KeyRing as _};

    fn user(id: &str, keys: &[(&str, &str)]) -> NewUser {
        let key = |(id, secret): &(&str, &str)| NewKey {
            access_key_id: (*id).to_owned(),
            secret_access_key: (*secret).to_owned(),
        };
        let keys = keys.iter().map(key).collect();
        NewUser { id: id.to_owned(), keys, ..NewUser::default() }
    }

    #[test]
    fn a_key_leads_to_its_secret_and_its_user() {
        let users = [user("one", &[("A", "secret-1"), ("B", "secret-2")]), user("two", &[])];
        let directory = Directory::new(users).unwrap();
        let caller = directory.caller_of(&AccessKeyId::new("B")).unwrap();
        assert_eq!((caller.id(), caller.user().unwrap().name()), (Some("one"), "one"));
        assert!(directory.secret(&AccessKeyId::new("A")).is_some());
        assert!(directory.secret(&AccessKeyId::new("C")).is_none());
        assert!(directory.caller_of(&AccessKeyId::new("C")).is_none());
        assert!(directory.user("two").is_some() && directory.user("three").is_none());
        assert!(Directory::default().is_empty() && !directory.is_empty());
    }

    #[test]
    fn every_fault_is_told_at_once_and_no_secret() {
        let users = [
            user("", &[("A", ""), ("B", "1234567"), ("C", "minioadmin")]),
            user("two", &[("A", "secret-1"), ("", "secret-2"), ("12345678", "12345678")]),
            user("two", &[]),
        ];
        let faults = Directory::new(users).unwrap_err();
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            faults,
            [
                "users[0].id: is empty",
                "users[0].keys[0].secret_access_key: is empty",
                "users[0].keys[1].secret_access_key: is too short",
                "users[0].keys[2].secret_access_key: is one that everybody knows",
                "users[1].keys[0].access_key_id: is there twice",
                "users[1].keys[1].access_key_id: is empty",
                "users[1].keys[2].secret_access_key: is the access key id itself",
                "users[2].id: is there twice",
            ]
        );
        let shown = format!("{:?}", user("one", &[("A", "secret-1")]));
        assert!(!shown.contains("secret-1"), "{shown}");
    }
}
