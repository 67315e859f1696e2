//! The one function that decides, and what it decides about.

use std::sync::Arc;

use crate::access::action::{Action, Effect, Level};
use crate::access::directory::{Role, User};
use crate::s3::names::{BucketName, ObjectKey};
use crate::s3::{Code, Error};

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller {
    user: Option<Arc<User>>,
}

impl Caller {
    /// Somebody without credentials.
    pub const fn anonymous() -> Self {
        Self { user: None }
    }

    pub(super) const fn of(user: Arc<User>) -> Self {
        Self { user: Some(user) }
    }

    /// The user; none if it is anybody.
    pub fn user(&self) -> Option<&User> {
        self.user.as_deref()
    }

    /// The user's canonical id; none if it is anybody.
    pub fn id(&self) -> Option<&str> {
        self.user().map(User::id)
    }

    /// May the caller do everything?
    pub fn is_admin(&self) -> bool {
        self.user().is_some_and(|user| user.role() == Role::Admin)
    }
}

/// What something is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource<'a> {
    /// The service.
    Service,
    /// A bucket as such. With an action on keys: all its keys.
    Bucket(&'a BucketName),
    /// A bucket, for as long as it is not known which of its keys: each is asked about again. This
    /// opens a bucket for `DeleteObjects`, and answers `HeadBucket`; it lists nothing.
    SomeKeys(&'a BucketName),
    /// The keys of a bucket that begin so.
    Listing(&'a BucketName, &'a str),
    /// One object.
    Object(&'a BucketName, &'a ObjectKey),
}

impl<'a> Resource<'a> {
    /// The bucket, if it is about one.
    pub const fn bucket(&self) -> Option<&'a BucketName> {
        match self {
            Self::Service => None,
            Self::Bucket(bucket)
            | Self::SomeKeys(bucket)
            | Self::Listing(bucket, _)
            | Self::Object(bucket, _) => Some(bucket),
        }
    }

    /// Is `action` something that is done to such a thing?
    fn suits(&self, action: Action) -> bool {
        match (self, action.level()) {
            (Self::Service, level) => level == Level::Service,
            (Self::Bucket(_), level) => level != Level::Service,
            (Self::SomeKeys(_), level) => matches!(level, Level::Listing | Level::Object),
            (Self::Listing(..), level) => level == Level::Listing,
            (Self::Object(..), level) => level == Level::Object,
        }
    }
}

/// What there is to know of a bucket before something is done to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing<'a> {
    /// The canonical id of its owner. None for a container that an Azure tool made, and for a bucket
    /// that is yet to be.
    pub owner: Option<&'a str>,
    /// What its route says.
    pub writes: Writes,
}

/// What a route says of changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Writes {
    /// They are made.
    #[default]
    Allowed,
    /// They are refused, to everybody.
    Refused,
}

/// The proof that something may be done, and to what. Only [`authorise`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Grant {
    action: Action,
    bucket: Option<BucketName>,
    key: Option<ObjectKey>,
}

impl Grant {
    /// What may be done.
    pub const fn action(&self) -> Action {
        self.action
    }

    /// In which bucket.
    pub const fn bucket(&self) -> Option<&BucketName> {
        self.bucket.as_ref()
    }

    /// To which object, if it is for one.
    pub const fn key(&self) -> Option<&ObjectKey> {
        self.key.as_ref()
    }
}

/// May `caller` do `action` to `resource`? `AccessDenied` unless some rule allows it.
pub fn authorise(
    caller: &Caller,
    action: Action,
    resource: &Resource<'_>,
    standing: &Standing<'_>,
) -> Result<Grant, Error> {
    let denied = || Error::new(Code::AccessDenied);
    let user = caller.user().ok_or_else(denied)?;
    if !resource.suits(action) || !is_allowed(user, action, resource, standing) {
        return Err(denied());
    }
    if standing.writes == Writes::Refused && action.effect() == Effect::Writes {
        return Err(denied().message("The bucket is read-only on this gateway."));
    }
    let key = match resource {
        Resource::Object(_, key) => Some((*key).clone()),
        Resource::Service | Resource::Bucket(_) | Resource::SomeKeys(_) | Resource::Listing(..) => {
            None
        }
    };
    Ok(Grant { action, bucket: resource.bucket().cloned(), key })
}

/// Does `caller` have any right in `bucket`? Then `ListBuckets` shows it.
pub fn may_see(caller: &Caller, bucket: &BucketName, owner: Option<&str>) -> bool {
    caller.user().is_some_and(|user| {
        user.role() == Role::Admin
            || (user.role() == Role::Owner && owner == Some(user.id()))
            || user.policy().iter().any(|statement| statement.is_for(bucket.as_str()))
    })
}

fn is_allowed(
    user: &User,
    action: Action,
    resource: &Resource<'_>,
    standing: &Standing<'_>,
) -> bool {
    // Every user lists buckets, and sees those in which it has any right: `may_see`.
    if action == Action::ListAllMyBuckets {
        return true;
    }
    let by_role = match user.role() {
        Role::Admin => true,
        Role::Owner => action == Action::CreateBucket || standing.owner == Some(user.id()),
        Role::Limited => false,
    };
    by_role || user.policy().iter().any(|statement| statement.allows(action, resource))
}

#[cfg(test)]
mod tests {
    use super::{Caller, Resource, Standing, Writes, authorise, may_see};
    use crate::access::action::{Action, Effect, Level};
    use crate::access::directory::{Directory, NewKey, NewUser, Role};
    use crate::access::policy::NewStatement;
    use crate::s3::Code;
    use crate::s3::auth::AccessKeyId;
    use crate::s3::names::{BucketName, ObjectKey};

    fn bucket(name: &str) -> BucketName {
        BucketName::parse(name).unwrap()
    }

    fn caller(role: Role, policy: &[(&str, &str, &[&str])]) -> Caller {
        let strings = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let statement = |(actions, bucket, prefixes): &(&str, &str, &[&str])| NewStatement {
            actions: actions.split(' ').map(str::to_owned).collect(),
            buckets: strings(&[*bucket]),
            prefixes: strings(prefixes),
        };
        let user = NewUser {
            id: "me".into(),
            role,
            keys: vec![NewKey { access_key_id: "AK".into(), secret_access_key: "12345678".into() }],
            policy: policy.iter().map(statement).collect(),
            ..NewUser::default()
        };
        Directory::new([user]).unwrap().caller_of(&AccessKeyId::new("AK")).unwrap()
    }

    fn may(caller: &Caller, action: Action, resource: Resource<'_>, owner: Option<&str>) -> bool {
        let standing = Standing { owner, writes: Writes::Allowed };
        match authorise(caller, action, &resource, &standing) {
            Ok(grant) => {
                assert_eq!(grant.action(), action);
                assert_eq!(grant.bucket(), resource.bucket());
                true
            }
            Err(error) => {
                assert_eq!(error.code(), Code::AccessDenied);
                false
            }
        }
    }

    /// Some resource that suits the action.
    fn resource<'a>(action: Action, bucket: &'a BucketName, key: &'a ObjectKey) -> Resource<'a> {
        match action.level() {
            Level::Service => Resource::Service,
            Level::Bucket => Resource::Bucket(bucket),
            Level::Listing => Resource::Listing(bucket, ""),
            Level::Object => Resource::Object(bucket, key),
        }
    }

    #[test]
    fn nobody_may_do_anything_without_a_rule() {
        let (photos, key) = (bucket("photos"), ObjectKey::parse("k").unwrap());
        for action in Action::ALL.iter().copied() {
            let resource = resource(action, &photos, &key);
            let limited = caller(Role::Limited, &[]);
            assert!(!may(&Caller::anonymous(), action, resource, None), "{action:?}");
            let all = action == Action::ListAllMyBuckets;
            assert_eq!(may(&limited, action, resource, Some("me")), all, "{action:?}");
            assert!(may(&caller(Role::Admin, &[]), action, resource, None), "{action:?}");
        }
    }

    #[test]
    fn an_owner_has_its_own_buckets_and_no_others() {
        let (photos, key) = (bucket("photos"), ObjectKey::parse("k").unwrap());
        let owner = caller(Role::Owner, &[]);
        for action in Action::ALL.iter().copied() {
            let resource = resource(action, &photos, &key);
            let free = matches!(action, Action::ListAllMyBuckets | Action::CreateBucket);
            assert!(may(&owner, action, resource, Some("me")), "{action:?}");
            assert_eq!(may(&owner, action, resource, Some("you")), free, "{action:?}");
            assert_eq!(may(&owner, action, resource, None), free, "{action:?}");
        }
    }

    #[test]
    fn a_read_only_route_refuses_every_write_to_everybody() {
        let (photos, key) = (bucket("photos"), ObjectKey::parse("k").unwrap());
        let standing = Standing { owner: Some("me"), writes: Writes::Refused };
        for role in [Role::Admin, Role::Owner] {
            for action in Action::ALL.iter().copied() {
                let resource = resource(action, &photos, &key);
                let allowed = authorise(&caller(role, &[]), action, &resource, &standing).is_ok();
                assert_eq!(allowed, action.effect() == Effect::Reads, "{role:?} {action:?}");
            }
        }
    }

    #[test]
    fn a_grant_names_its_object() {
        let (photos, key) = (bucket("photos"), ObjectKey::parse("k").unwrap());
        let resource = Resource::Object(&photos, &key);
        let admin = caller(Role::Admin, &[]);
        let standing = Standing::default();
        let grant = authorise(&admin, Action::GetObject, &resource, &standing).unwrap();
        assert_eq!((grant.bucket(), grant.key()), (Some(&photos), Some(&key)));
        let all = Resource::Bucket(&photos);
        let grant = authorise(&admin, Action::GetObject, &all, &standing).unwrap();
        assert_eq!(grant.key(), None);
        // What is asked about the wrong thing is denied, even to those who may do everything.
        assert!(!may(&admin, Action::GetObject, Resource::Service, None));
        assert!(!may(&admin, Action::GetObject, Resource::Listing(&photos, ""), None));
        assert!(!may(&admin, Action::DeleteBucket, Resource::SomeKeys(&photos), None));
    }

    /// C45 of the security cases; CVE-2026-72921, CVE-2026-77317.
    #[test]
    fn a_prefix_ends_at_its_slash() {
        let data = bucket("data");
        let tenant = caller(Role::Limited, &[("s3:*", "data", &["tenant1/", "shared.txt"])]);
        for (key, allowed) in [
            ("tenant1/a", true),
            ("tenant1/", true),
            ("tenant1/../tenant2/a", true), // one key like any other: nothing resolves it
            ("shared.txt", true),
            ("tenant1", false),
            ("tenant1234/a", false),
            ("Tenant1/a", false),
            ("/tenant1/a", false),
            ("shared.txt.old", false),
            ("shared.txt/a", false),
            ("a/tenant1/a", false),
        ] {
            let parsed = ObjectKey::parse(key).unwrap();
            for action in [Action::GetObject, Action::PutObject, Action::DeleteObject] {
                let resource = Resource::Object(&data, &parsed);
                assert_eq!(may(&tenant, action, resource, None), allowed, "{key}");
            }
        }
        for (prefix, allowed) in [
            ("tenant1/", true),
            ("tenant1/a", true),
            ("", false),
            ("tenant1", false),
            ("tenant1234/", false),
            ("tenant", false),
            ("shared.txt", false), // would list `shared.txt.old`
        ] {
            let resource = Resource::Listing(&data, prefix);
            assert_eq!(may(&tenant, Action::ListBucket, resource, None), allowed, "{prefix}");
        }
    }

    #[test]
    fn a_prefix_gives_no_right_to_the_bucket() {
        let data = bucket("data");
        let tenant = caller(Role::Limited, &[("s3:*", "data", &["tenant1/"])]);
        for action in Action::ALL.iter().copied().filter(|a| a.level() != Level::Service) {
            assert!(!may(&tenant, action, Resource::Bucket(&data), None), "{action:?}");
        }
        assert!(may(&tenant, Action::DeleteObject, Resource::SomeKeys(&data), None));
        assert!(may(&tenant, Action::ListBucket, Resource::SomeKeys(&data), None));
        assert!(!may(&tenant, Action::ListBucket, Resource::SomeKeys(&bucket("date")), None));
    }

    #[test]
    fn a_policy_says_which_actions_and_buckets() {
        let key = ObjectKey::parse("k").unwrap();
        let (logs, old, other) = (bucket("backup-logs"), bucket("backup"), bucket("my-backup-1"));
        let user = caller(Role::Limited, &[("s3:Get* s3:putobject", "backup-*", &[])]);
        let object = |bucket| Resource::Object(bucket, &key);
        assert!(may(&user, Action::GetObject, object(&logs), None));
        assert!(may(&user, Action::GetBucketLocation, Resource::Bucket(&logs), None));
        assert!(may(&user, Action::PutObject, object(&logs), None));
        assert!(!may(&user, Action::PutObjectAcl, object(&logs), None));
        assert!(!may(&user, Action::DeleteObject, object(&logs), None));
        assert!(!may(&user, Action::ListBucket, Resource::Listing(&logs, ""), None));
        assert!(!may(&user, Action::ListBucket, Resource::SomeKeys(&logs), None));
        assert!(!may(&user, Action::GetObject, object(&old), None));
        assert!(!may(&user, Action::GetObject, object(&other), None));
        assert!(!may(&user, Action::CreateBucket, Resource::Bucket(&logs), None));
        let maker = caller(Role::Limited, &[("s3:CreateBucket", "ci-?-*", &[])]);
        assert!(may(&maker, Action::CreateBucket, Resource::Bucket(&bucket("ci-7-x")), None));
        assert!(!may(&maker, Action::CreateBucket, Resource::Bucket(&bucket("ci-77-x")), None));
    }

    #[test]
    fn everybody_sees_the_buckets_in_which_they_have_a_right() {
        let (data, logs) = (bucket("data"), bucket("logs"));
        let tenant = caller(Role::Limited, &[("s3:GetObject", "data", &["tenant1/"])]);
        assert!(may_see(&tenant, &data, Some("you")) && !may_see(&tenant, &logs, Some("me")));
        let owner = caller(Role::Owner, &[]);
        assert!(may_see(&owner, &data, Some("me")) && !may_see(&owner, &data, Some("you")));
        assert!(!may_see(&owner, &data, None) && !may_see(&Caller::anonymous(), &data, None));
        assert!(may_see(&caller(Role::Admin, &[]), &data, None));
    }
}
