//! Whom a statement is for.

use super::Fault;
use crate::access::directory::Directory;

/// One who is named.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Principal {
    /// `*`: everybody, with and without credentials.
    Everybody,
    /// A user, by canonical id: nobody else's business whether by ARN or not.
    User(String),
    /// `arn:aws:iam::ID:root`, an account as a whole: here that is the user of that id, if there is one.
    Account(String),
    /// A service of AWS's: nobody who could ask here.
    Service,
}

/// `Principal`, or `NotPrincipal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Principals {
    /// Those.
    These(Vec<Named>),
    /// All but those.
    AllBut(Vec<Named>),
}

/// One who is named, and how it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    principal: Principal,
    text: String,
}

impl Named {
    /// `name` under `kind`: `AWS`, `CanonicalUser`, `Service`.
    pub(super) fn read(kind: &str, name: &str) -> Result<Self, Fault> {
        let invalid = || Fault::new(format!("Invalid principal in policy: {name:?}"));
        let principal = match kind {
            "AWS" => aws(name).ok_or_else(invalid)?,
            "CanonicalUser" if !name.is_empty() => Principal::User(name.to_owned()),
            "Service" if name.ends_with(".amazonaws.com") => Principal::Service,
            _ => return Err(invalid()),
        };
        Ok(Self { principal, text: name.to_owned() })
    }

    /// A user who is not there was misspelt; an account that is not there may well be elsewhere.
    fn check(&self, users: &Directory) -> Result<(), Fault> {
        match &self.principal {
            Principal::User(id) if users.user(id).is_none() => {
                Err(Fault::new(format!("Invalid principal in policy: {:?}", self.text)))
            }
            Principal::User(_)
            | Principal::Everybody
            | Principal::Account(_)
            | Principal::Service => Ok(()),
        }
    }

    fn is(&self, caller: Option<&str>) -> bool {
        match &self.principal {
            Principal::Everybody => true,
            Principal::User(id) | Principal::Account(id) => caller == Some(id),
            Principal::Service => false,
        }
    }
}

impl Principals {
    /// Is `caller` meant?
    pub(super) fn mean(&self, caller: Option<&str>) -> bool {
        match self {
            Self::These(named) => named.iter().any(|one| one.is(caller)),
            Self::AllBut(named) => !named.iter().any(|one| one.is(caller)),
        }
    }

    /// Is everybody meant, whoever it is?
    pub(super) fn mean_everybody(&self) -> bool {
        match self {
            Self::These(named) => named.iter().any(|one| one.principal == Principal::Everybody),
            Self::AllBut(_) => true,
        }
    }

    /// Are those who are named known?
    pub(super) fn check(&self, users: &Directory) -> Result<(), Fault> {
        let (Self::These(named) | Self::AllBut(named)) = self;
        named.iter().try_for_each(|one| one.check(users))
    }
}

/// `*`, an id, `arn:aws:iam::ID:root`, `arn:aws:iam:::user/ID` or `arn:aws:iam::ACCOUNT:user/ID`.
fn aws(name: &str) -> Option<Principal> {
    if name == "*" {
        return Some(Principal::Everybody);
    }
    let Some(arn) = name.strip_prefix("arn:") else {
        let plain = !name.is_empty() && !name.contains(['*', '?', ':', '/']);
        return plain.then(|| Principal::User(name.to_owned()));
    };
    let mut parts = arn.splitn(5, ':');
    let (_partition, service) = (parts.next()?, parts.next()?);
    let (_region, account, rest) = (parts.next()?, parts.next()?, parts.next()?);
    if service != "iam" || rest.contains(['*', '?']) {
        return None;
    }
    if rest == "root" && !account.is_empty() {
        return Some(Principal::Account(account.to_owned()));
    }
    // A user may have a path: `user/division/name`.
    let id = rest.strip_prefix("user/")?.rsplit('/').next()?;
    (!id.is_empty()).then(|| Principal::User(id.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{Principal, aws};

    #[test]
    fn users_are_named_in_many_ways() {
        let user = || Some(Principal::User("ann".into()));
        assert_eq!(aws("*"), Some(Principal::Everybody));
        assert_eq!(aws("ann"), user());
        assert_eq!(aws("arn:aws:iam:::user/ann"), user());
        assert_eq!(aws("arn:aws:iam::123456789012:user/ann"), user());
        assert_eq!(aws("arn:aws:iam::123456789012:user/team/ann"), user());
        assert_eq!(aws("arn:aws:iam::ann:root"), Some(Principal::Account("ann".into())));
        for wrong in [
            "",
            "a*",
            "arn:aws:iam::*:root/x",
            "arn:aws:iam:::user/*",
            "arn:aws:iam:::user/",
            "arn:aws:iam::1:role/x",
            "arn:aws:s3:::bucket",
            "arn:aws:iam:::root",
            "a:b",
        ] {
            assert_eq!(aws(wrong), None, "{wrong}");
        }
    }
}
