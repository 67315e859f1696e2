//! Random policies, lists and questions: the function against one that is written down as AWS's
//! documents have it, without any of its types, and slow.

use http::{HeaderMap, HeaderValue};
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};
use time::macros::datetime;

use super::policies::{caller, users};
use crate::access::{
    Acl, Action, BucketPolicy, Circumstances, Connection, Level, Outcome, Ownership,
    PublicAccessBlock, Question, Resource, Rules, Standing, Thing, authorise, settle,
};
use crate::s3::names::{BucketName, ObjectKey};
use crate::s3::query::Query;

const ACTIONS: [(Action, &str); 9] = [
    (Action::GetObject, "s3:GetObject"),
    (Action::PutObject, "s3:PutObject"),
    (Action::DeleteObject, "s3:DeleteObject"),
    (Action::AbortMultipartUpload, "s3:AbortMultipartUpload"),
    (Action::GetObjectAcl, "s3:GetObjectAcl"),
    (Action::PutObjectAcl, "s3:PutObjectAcl"),
    (Action::ListBucket, "s3:ListBucket"),
    (Action::GetBucketAcl, "s3:GetBucketAcl"),
    (Action::PutBucketPolicy, "s3:PutBucketPolicy"),
];

/// All that a decision rests on, as plain texts.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
struct World {
    policy: Option<Value>,
    bucket_acl: Option<&'static str>,
    object_acl: Option<&'static str>,
    object_owner: Option<&'static str>,
    initiator: Option<&'static str>,
    tagged: bool,
    ownership: Option<Ownership>,
    ignore_public_acls: bool,
    restrict_public_buckets: bool,
    who: &'static str,
    agent: Option<&'static str>,
    key: &'static str,
    action: usize,
}

fn statements() -> impl Strategy<Value = Value> {
    let patterns =
        ["*", "s3:*", "s3:Get*", "s3:GetObject", "s3:PutObject", "s3:*Acl", "s3:ListBucket"];
    let resources = ["*", "photos", "photos/*", "photos/pub/*", "photos*", "photos/?"];
    let who = prop_oneof![
        Just(json!({ "Principal": "*" })),
        Just(json!({ "Principal": { "AWS": ["bob", "eve"] } })),
        Just(json!({ "Principal": { "AWS": "ann" } })),
        Just(json!({ "NotPrincipal": { "AWS": "bob" } })),
    ];
    let condition = prop_oneof![
        Just(json!({ "StringLike": { "aws:UserAgent": "c*" } })),
        Just(json!({ "StringNotEquals": { "aws:UserAgent": "curl" } })),
        Just(json!({ "StringEqualsIfExists": { "aws:UserAgent": "curl" } })),
        Just(json!({ "Null": { "aws:UserAgent": "true" } })),
        Just(json!({ "StringEquals": { "s3:ExistingObjectTag/team": "red" } })),
        Just(json!({ "StringNotEquals": { "s3:ExistingObjectTag/team": "red" } })),
    ];
    (
        any::<bool>(),
        who,
        (any::<bool>(), subsequence(patterns.to_vec(), 1..3)),
        (any::<bool>(), subsequence(resources.to_vec(), 1..3)),
        option::of(condition),
    )
        .prop_map(
            |(allow, who, (not_action, actions), (not_resource, resources), condition)| {
                let mut statement = who;
                let allow = allow && statement.get("NotPrincipal").is_none();
                statement["Effect"] = json!(if allow { "Allow" } else { "Deny" });
                statement[if not_action { "NotAction" } else { "Action" }] = json!(actions);
                let resources: Vec<_> =
                    resources.iter().map(|resource| format!("arn:aws:s3:::{resource}")).collect();
                statement[if not_resource { "NotResource" } else { "Resource" }] = json!(resources);
                if let Some(condition) = condition {
                    statement["Condition"] = condition;
                }
                statement
            },
        )
}

fn worlds() -> impl Strategy<Value = World> {
    let acls = [
        "",
        "READ all;FULL_CONTROL =ann",
        "WRITE authenticated",
        "FULL_CONTROL =bob",
        "READ_ACP =eve",
    ];
    let policy = option::of(proptest::collection::vec(statements(), 1..4));
    let ownership = option::of(select(vec![
        Ownership::BucketOwnerEnforced,
        Ownership::BucketOwnerPreferred,
        Ownership::ObjectWriter,
    ]));
    (
        (policy, option::of(select(acls.to_vec())), option::of(select(acls.to_vec()))),
        (
            option::of(select(vec!["ann", "bob"])),
            option::of(select(vec!["bob", "eve"])),
            any::<bool>(),
            ownership,
            any::<[bool; 2]>(),
        ),
        (
            select(vec!["ann", "bob", "eve", "root", "nobody"]),
            option::of(select(vec!["curl", "wget"])),
        ),
        (select(vec!["a", "pub/a", "other"]), 0..ACTIONS.len()),
    )
        .prop_map(
            |(
                (policy, bucket_acl, object_acl),
                (owner, initiator, tagged, ownership, block),
                (who, agent),
                (key, action),
            )| {
                World {
                    policy: policy.map(|statements| json!({ "Statement": statements })),
                    bucket_acl,
                    object_acl,
                    object_owner: owner,
                    initiator,
                    tagged,
                    ownership,
                    ignore_public_acls: block[0],
                    restrict_public_buckets: block[1],
                    who,
                    agent,
                    key,
                    action,
                }
            },
        )
}

/// As the function is asked: before the object is known, and when it is.
fn asked(world: &World) -> (Option<bool>, bool) {
    let photos = BucketName::parse("photos").unwrap();
    let key = ObjectKey::parse(world.key).unwrap();
    let policy = world
        .policy
        .as_ref()
        .map(|policy| BucketPolicy::put(&policy.to_string(), &photos, &users()).unwrap().into());
    let acl = |text: Option<&str>| text.map(|text| Acl::parse(text).unwrap());
    let rules = Rules {
        policy,
        acl: acl(world.bucket_acl).map(Into::into),
        block: PublicAccessBlock {
            ignore_public_acls: world.ignore_public_acls,
            restrict_public_buckets: world.restrict_public_buckets,
            ..PublicAccessBlock::default()
        },
        ownership: world.ownership,
    };
    let mut headers = HeaderMap::new();
    if let Some(agent) = world.agent {
        headers.insert("user-agent", HeaderValue::from_static(agent));
    }
    let now = datetime!(2026-11-22 06:00:00 UTC);
    let circumstances =
        Circumstances::read(headers.into(), &Query::default(), Connection::default(), None, now);
    let caller = caller(world.who).asking(circumstances);
    let (action, _) = ACTIONS[world.action];
    let resource = match action.level() {
        Level::Listing => Resource::Listing(&photos, ""),
        Level::Object => Resource::Object(&photos, &key),
        Level::Bucket | Level::Service => Resource::Bucket(&photos),
    };
    let standing = Standing { owner: Some("ann"), rules: Some(&rules), ..Standing::default() };
    let tags = if world.tagged { vec![("team".to_owned(), "red".to_owned())] } else { Vec::new() };
    let object_acl = acl(world.object_acl);
    let thing = Thing {
        owner: world.object_owner,
        acl: object_acl.as_ref(),
        tags: &tags,
        own: false,
        initiator: world.initiator,
    };
    let question = Question { caller: &caller, action, resource };
    let before = match authorise(&question, &standing) {
        Ok(Outcome::Granted(_)) => Some(true),
        Ok(Outcome::Depends(_)) => None,
        Err(_) => Some(false),
    };
    (before, settle(&question, &standing, &thing).is_ok())
}

/// Does the text match, as IAM's guide says?
fn like(glob: &str, text: &str) -> bool {
    super::super::pattern::tests::slowly(glob.as_bytes(), text.as_bytes())
}

fn any_like(globs: &Value, text: &str) -> bool {
    globs.as_array().unwrap().iter().any(|glob| like(glob.as_str().unwrap(), text))
}

fn naive_statement(world: &World, statement: &Value) -> bool {
    let (action, name) = ACTIONS[world.action];
    let named = |who: &Value| {
        *who == json!("*")
            || who["AWS"] == json!(world.who)
            || who["AWS"].as_array().is_some_and(|all| all.contains(&json!(world.who)))
    };
    let who = match statement.get("Principal") {
        Some(who) => named(who),
        None => !named(&statement["NotPrincipal"]),
    };
    let what = match statement.get("Action") {
        Some(globs) => any_like(globs, name),
        None => !any_like(&statement["NotAction"], name),
    };
    let of_bucket =
        matches!(action, Action::ListBucket | Action::GetBucketAcl | Action::PutBucketPolicy);
    let arn = if of_bucket {
        "arn:aws:s3:::photos".to_owned()
    } else {
        format!("arn:aws:s3:::photos/{}", world.key)
    };
    let which = match statement.get("Resource") {
        Some(globs) => any_like(globs, &arn),
        None => !any_like(&statement["NotResource"], &arn),
    };
    let has_tags =
        matches!(action, Action::GetObject | Action::GetObjectAcl | Action::PutObjectAcl);
    let condition = match statement
        .get("Condition")
        .map(|condition| condition.as_object().unwrap().iter().next().unwrap())
    {
        None => true,
        Some((operator, keys)) => {
            let (key, value) = keys.as_object().unwrap().iter().next().unwrap();
            let value = value.as_str().unwrap();
            let found = if key == "aws:UserAgent" {
                world.agent
            } else if has_tags && world.tagged {
                Some("red")
            } else {
                None
            };
            match operator.as_str() {
                "StringLike" => found.is_some_and(|found| like(value, found)),
                "StringEquals" => found == Some(value),
                "StringNotEquals" => found != Some(value),
                "StringEqualsIfExists" => found.is_none_or(|found| found == value),
                "Null" => found.is_none() == (value == "true"),
                other => panic!("{other}"),
            }
        }
    };
    who && what && which && condition
}

fn naive_policy(world: &World, effect: &str) -> bool {
    let Some(policy) = &world.policy else { return false };
    let statements = policy["Statement"].as_array().unwrap();
    statements.iter().any(|one| one["Effect"] == json!(effect) && naive_statement(world, one))
}

/// Does the list give it?
fn naive_acl(world: &World, acl: Option<&str>, needed: &str) -> bool {
    acl.unwrap_or_default().split(';').filter(|grant| !grant.is_empty()).any(|grant| {
        let (permission, whom) = grant.split_once(' ').unwrap();
        let is_for = match whom {
            "all" => !world.ignore_public_acls,
            "authenticated" => !world.ignore_public_acls && world.who != "nobody",
            user => user == format!("={}", world.who),
        };
        is_for && (permission == needed || permission == "FULL_CONTROL")
    })
}

fn naive(world: &World) -> bool {
    let (action, _) = ACTIONS[world.action];
    let locksmith = action == Action::PutBucketPolicy && matches!(world.who, "ann" | "root");
    if !locksmith && naive_policy(world, "Deny") {
        return false;
    }
    if world.who == "root" {
        return true;
    }
    let enforced = world.ownership == Some(Ownership::BucketOwnerEnforced);
    let about_content =
        matches!(action, Action::GetObject | Action::GetObjectAcl | Action::PutObjectAcl);
    let of_ann = enforced || !about_content || world.object_owner != Some("bob");
    if world.who == "ann" && of_ann {
        return true;
    }
    let is_public = world.policy.as_ref().is_some_and(|policy| {
        policy["Statement"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["Effect"] == json!("Allow") && one["Principal"] == json!("*"))
    });
    let closed = world.restrict_public_buckets && is_public && world.who != "ann";
    if of_ann && !closed && naive_policy(world, "Allow") {
        return true;
    }
    if action == Action::AbortMultipartUpload {
        return world.initiator == Some(world.who);
    }
    if enforced {
        return false;
    }
    let on_bucket = |needed| naive_acl(world, world.bucket_acl, needed);
    let owner = world.object_owner.unwrap_or("ann");
    let owns = world.who == owner && matches!(owner, "ann" | "bob");
    let on_object = |needed| match world.object_acl {
        None => owns,
        Some(_) => naive_acl(world, world.object_acl, needed) || (owns && needed != "READ"),
    };
    match ACTIONS[world.action].1 {
        "s3:ListBucket" => on_bucket("READ"),
        "s3:PutObject" => on_bucket("WRITE"),
        "s3:GetBucketAcl" => on_bucket("READ_ACP"),
        "s3:DeleteObject" => on_bucket("WRITE") && owns && world.object_owner.is_some(),
        "s3:GetObject" => on_object("READ"),
        "s3:GetObjectAcl" => on_object("READ_ACP"),
        "s3:PutObjectAcl" => on_object("WRITE_ACP"),
        "s3:PutBucketPolicy" => false,
        other => panic!("{other} is not asked about here"),
    }
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(2000))]

    #[test]
    fn the_decision_is_the_one_that_is_written_down(world in worlds()) {
        prop_assert_eq!(asked(&world).1, naive(&world));
    }

    /// Whatever allows it: a role, a policy, a list.
    #[test]
    fn what_is_denied_is_never_allowed(world in worlds()) {
        let (action, _) = ACTIONS[world.action];
        let locksmith = action == Action::PutBucketPolicy && matches!(world.who, "ann" | "root");
        if naive_policy(&world, "Deny") && !locksmith {
            let (before, after) = asked(&world);
            prop_assert!(before != Some(true) && !after);
        }
    }

    /// What is decided before the object is known is not decided otherwise afterwards.
    #[test]
    fn a_decision_holds(world in worlds()) {
        let (before, after) = asked(&world);
        if let Some(before) = before {
            prop_assert_eq!(before, after);
        }
    }
}
