//! Who may do what, asked of the function that decides.

mod policies;
mod random;

use super::authorise::{Grant, Outcome};
use super::{
    Caller, Question, Resource, Rules, Standing, Thing, Writes, authorise, may_see, settle,
};
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

/// The decision on an object that is its bucket's owner's, or on what is no object.
fn ask(
    caller: &Caller,
    action: Action,
    resource: Resource<'_>,
    standing: &Standing<'_>,
) -> Result<Grant, Code> {
    let question = Question { caller, action, resource };
    let thing = Thing { owner: standing.owner, ..Thing::default() };
    let outcome = match authorise(&question, standing) {
        Ok(Outcome::Granted(grant)) => Ok(grant),
        Ok(Outcome::Depends(_)) => settle(&question, standing, &thing),
        Err(denied) => Err(denied),
    };
    outcome.map_err(|error| error.code())
}

fn may(caller: &Caller, action: Action, resource: Resource<'_>, owner: Option<&str>) -> bool {
    let rules = Rules::default();
    let standing = Standing { owner, rules: Some(&rules), ..Standing::default() };
    match ask(caller, action, resource, &standing) {
        Ok(grant) => {
            assert_eq!(grant.action(), action);
            assert_eq!(grant.bucket(), resource.bucket());
            true
        }
        Err(code) => {
            assert_eq!(code, Code::AccessDenied);
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
    let rules = Rules::default();
    let (owner, writes, rules) = (Some("me"), Writes::Refused, Some(&rules));
    let standing = Standing { owner, writes, rules };
    for role in [Role::Admin, Role::Owner] {
        for action in Action::ALL.iter().copied() {
            let resource = resource(action, &photos, &key);
            let allowed = ask(&caller(role, &[]), action, resource, &standing).is_ok();
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
    let grant = ask(&admin, Action::GetObject, resource, &standing).unwrap();
    assert_eq!((grant.bucket(), grant.key()), (Some(&photos), Some(&key)));
    let all = Resource::Bucket(&photos);
    let grant = ask(&admin, Action::GetObject, all, &standing).unwrap();
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
