//! Decides the same question again and again, for `bench/decision`, which counts the instructions.
//!
//! `decision STATEMENTS DECISIONS`: may anybody read an object, by a bucket policy of so many statements,
//! of which only the last one is about it? Asked as a GET asks: before the object is known, and with
//! what it says of itself.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a tool for who works on it, which says so where it cannot"
)]

use std::env;
use std::hint::black_box;

use bluebucket::access::{
    Action, BucketPolicy, Caller, Directory, Outcome, Question, Resource, Rules, Standing, Thing,
    authorise, settle,
};
use bluebucket::s3::names::{BucketName, ObjectKey};

fn main() {
    let mut arguments = env::args().skip(1).map_while(|text| text.parse::<usize>().ok());
    let (Some(statements), Some(decisions)) = (arguments.next(), arguments.next()) else {
        panic!("decision STATEMENTS DECISIONS");
    };
    let (photos, key) = (BucketName::parse("photos"), ObjectKey::parse("a/b"));
    let (photos, key) = (photos.expect("a name"), key.expect("a key"));
    let rules = Rules { policy: Some(policy(statements, &photos).into()), ..Rules::default() };
    let standing = Standing { owner: Some("ann"), rules: Some(&rules), ..Standing::default() };
    let (caller, resource) = (Caller::anonymous(), Resource::Object(&photos, &key));
    let question = Question { caller: &caller, action: Action::GetObject, resource };
    let thing = Thing { owner: Some("ann"), ..Thing::default() };
    for _ in 0..decisions {
        let outcome = authorise(black_box(&question), black_box(&standing));
        assert!(matches!(outcome, Ok(Outcome::Depends(_))), "an object of another's may be there");
        let settled = settle(black_box(&question), black_box(&standing), black_box(&thing));
        assert!(settled.is_ok(), "it is the bucket owner's");
    }
}

fn policy(statements: usize, photos: &BucketName) -> BucketPolicy {
    let statement = |number: usize| {
        let folder = if number + 1 == statements { "a".to_owned() } else { number.to_string() };
        format!(
            r#"{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",
            "Resource":"arn:aws:s3:::photos/{folder}/*",
            "Condition":{{"Null":{{"aws:Referer":"true"}}}}}}"#
        )
    };
    let all: Vec<_> = (0..statements).map(statement).collect();
    let text = format!(r#"{{"Statement":[{}]}}"#, all.join(","));
    BucketPolicy::put(&text, photos, &Directory::default()).expect("a policy")
}
