//! Each element of a bucket policy, allowing and denying; and what a policy is refused for.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

use crate::access::{
    Action, BucketPolicy, Caller, Circumstances, Connection, Directory, Door, Level, NewKey,
    NewUser, Question, Resource, Role, Rules, Signature, Standing, Thing, settle,
};
use crate::s3::Code;
use crate::s3::auth::AccessKeyId;
use crate::s3::names::{BucketName, ObjectKey};
use crate::s3::query::Query;

const NOW: OffsetDateTime = datetime!(2026-11-22 06:00:00 UTC);

/// Ann owns the bucket `photos`; bob owns nothing in it.
pub(super) fn users() -> Directory {
    let user = |id: &str, role| NewUser {
        id: id.to_owned(),
        name: Some(format!("The {id}")),
        role,
        keys: vec![NewKey { access_key_id: id.to_owned(), secret_access_key: "12345678".into() }],
        ..NewUser::default()
    };
    let all =
        [("ann", Role::Owner), ("bob", Role::Owner), ("eve", Role::Limited), ("root", Role::Admin)];
    Directory::new(all.map(|(id, role)| user(id, role))).unwrap()
}

pub(super) fn caller(id: &str) -> Caller {
    users().caller_of(&AccessKeyId::new(id)).unwrap_or_else(Caller::anonymous)
}

/// How a request comes; each part as a test wants it.
#[derive(Clone, Copy)]
struct Comes {
    headers: &'static [(&'static str, &'static str)],
    query: &'static str,
    source: [u8; 4],
    secure: bool,
    presigned: bool,
    age_seconds: i64,
    tags: &'static [(&'static str, &'static str)],
}

const PLAIN: Comes = Comes {
    headers: &[],
    query: "",
    source: [192, 0, 2, 7],
    secure: true,
    presigned: false,
    age_seconds: 1,
    tags: &[],
};

fn by_header(headers: &'static [(&'static str, &'static str)]) -> Comes {
    Comes { headers, ..PLAIN }
}

fn by_query(query: &'static str) -> Comes {
    Comes { query, ..PLAIN }
}

impl Comes {
    fn circumstances(&self) -> Circumstances {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        let headers: HeaderMap = self.headers.iter().map(pair).collect();
        let tls = self.secure.then_some("1.3");
        let connection = Connection { source: Some(self.source.into()), secure: self.secure, tls };
        let signature = Signature {
            door: if self.presigned { Door::Query } else { Door::Header },
            algorithm: "AWS4-HMAC-SHA256",
            signed_at: Some(NOW - time::Duration::seconds(self.age_seconds)),
        };
        let query = Query::parse(self.query).unwrap();
        Circumstances::read(headers.into(), &query, connection, Some(signature), NOW)
    }
}

/// Is it allowed to bob (or to whom `who` names) by this policy of ann's bucket alone?
fn allowed(policy: &Value, who: &str, action: Action, key: &str, comes: &Comes) -> bool {
    let (photos, key) = (BucketName::parse("photos").unwrap(), ObjectKey::parse(key).unwrap());
    let policy = BucketPolicy::put(&policy.to_string(), &photos, &users());
    let policy = policy.unwrap_or_else(|error| panic!("{error}"));
    let rules = Rules { policy: Some(policy.into()), ..Rules::default() };
    let caller = caller(who).asking(comes.circumstances());
    let resource = match action.level() {
        Level::Listing => Resource::Listing(&photos, ""),
        Level::Object => Resource::Object(&photos, &key),
        Level::Bucket | Level::Service => Resource::Bucket(&photos),
    };
    let tags: Vec<_> =
        comes.tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let thing = Thing { tags: &tags, ..Thing::default() };
    let standing = Standing { owner: Some("ann"), rules: Some(&rules), ..Standing::default() };
    settle(&Question { caller: &caller, action, resource }, &standing, &thing).is_ok()
}

/// A policy of this statement, whose missing elements mean everything.
fn policy(effect: &str, statement: &Value) -> Value {
    let mut full = json!({ "Effect": effect });
    for (name, other, all) in [
        ("Principal", "NotPrincipal", json!("*")),
        ("Action", "NotAction", json!("s3:*")),
        ("Resource", "NotResource", json!(["arn:aws:s3:::photos", "arn:aws:s3:::photos/*"])),
    ] {
        if statement.get(other).is_none() {
            full[name] = statement.get(name).cloned().unwrap_or(all);
        }
    }
    for (name, value) in statement.as_object().unwrap() {
        full[name] = value.clone();
    }
    let everything = json!({
        "Effect": "Allow", "Principal": "*", "Action": "s3:*",
        "Resource": ["arn:aws:s3:::photos", "arn:aws:s3:::photos/*"],
    });
    let statements = if effect == "Deny" { vec![everything, full] } else { vec![full] };
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// What is asked, and whether the statement is about it.
type Case<'a> = (&'a str, Action, &'a str, Comes, bool);

/// Under Allow a statement allows what it is about and nothing else; under Deny, beside one that
/// allows everything, it denies just that.
#[track_caller]
fn check(statement: &Value, cases: &[Case<'_>]) {
    for (who, action, key, comes, about) in cases {
        let what = format!("{statement} {who} {action:?} {key}");
        if statement.get("NotPrincipal").is_none() {
            let by_allow = allowed(&policy("Allow", statement), who, *action, key, comes);
            assert_eq!(by_allow, *about, "Allow {what}");
        }
        let by_deny = allowed(&policy("Deny", statement), who, *action, key, comes);
        assert_eq!(by_deny, !*about, "Deny {what}");
    }
}

#[test]
fn elements_say_who_what_and_on_what() {
    use Action::{DeleteObject, GetBucketLocation, GetObject, ListBucket, PutObject};
    let read = |who, about| (who, GetObject, "a", PLAIN, about);
    check(&json!({ "Principal": "*" }), &[read("bob", true), read("nobody", true)]);
    check(&json!({ "Principal": { "AWS": "*" } }), &[read("bob", true), read("nobody", true)]);
    for bob in [
        json!({ "AWS": "bob" }),
        json!({ "AWS": ["eve", "arn:aws:iam:::user/bob"] }),
        json!({ "AWS": "arn:aws:iam::bob:root" }),
        json!({ "CanonicalUser": "bob" }),
    ] {
        let principal = json!({ "Principal": bob });
        let cases = [
            read("bob", true),
            read("nobody", false),
            read("eve", principal.to_string().contains("eve")),
        ];
        check(&principal, &cases);
    }
    check(
        &json!({ "Principal": { "Service": "logging.s3.amazonaws.com" } }),
        &[read("bob", false)],
    );
    check(
        &json!({ "NotPrincipal": { "AWS": "bob" } }),
        &[read("bob", false), read("eve", true), read("nobody", true)],
    );

    let does = |action, about| ("bob", action, "a", PLAIN, about);
    check(&json!({ "Action": "s3:GetObject" }), &[does(GetObject, true), does(PutObject, false)]);
    check(
        &json!({ "Action": ["s3:get*", "s3:PutObject"] }),
        &[
            does(GetObject, true),
            does(PutObject, true),
            does(DeleteObject, false),
            does(GetBucketLocation, true),
            does(ListBucket, false),
        ],
    );
    check(&json!({ "Action": "*" }), &[does(GetObject, true), does(ListBucket, true)]);
    check(
        &json!({ "NotAction": "s3:Get*" }),
        &[does(GetObject, false), does(PutObject, true), does(ListBucket, true)],
    );

    let on = |action, key, about| ("bob", action, key, PLAIN, about);
    check(
        &json!({ "Resource": "arn:aws:s3:::photos/pub/*" }),
        &[
            on(GetObject, "pub/a/b", true),
            on(GetObject, "pub", false),
            on(GetObject, "pubs/a", false),
            on(ListBucket, "a", false),
        ],
    );
    check(
        &json!({ "Resource": "arn:aws:s3:::photos/?.txt" }),
        &[on(GetObject, "a.txt", true), on(GetObject, "ab.txt", false)],
    );
    check(
        &json!({ "Resource": "arn:aws:s3:::photos" }),
        &[on(ListBucket, "a", true), on(GetObject, "a", false)],
    );
    check(
        &json!({ "Resource": "arn:aws:s3:::*" }),
        &[on(ListBucket, "a", true), on(GetObject, "a", true)],
    );
    check(
        &json!({ "NotResource": "arn:aws:s3:::photos/pub/*" }),
        &[on(GetObject, "pub/a", false), on(GetObject, "a", true), on(ListBucket, "a", true)],
    );
}

/// A condition, a request for which it holds, and one for which it does not.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "a row of a table")]
fn condition(operator: &str, key: &str, value: Value, yes: Comes, no: Comes) {
    let statement = json!({ "Condition": { operator: { key: value } } });
    let read = |comes, about| ("bob", Action::GetObject, "a", comes, about);
    check(&statement, &[read(yes, true), read(no, false)]);
}

#[test]
fn every_operator_decides() {
    let agent = |text: &'static [(&'static str, &'static str)]| by_header(text);
    let (curl, wget) = (agent(&[("user-agent", "curl/8")]), agent(&[("user-agent", "Wget")]));
    let key = "aws:UserAgent";
    condition("StringEquals", key, json!(["x", "curl/8"]), curl, wget);
    condition("StringNotEquals", key, json!("Wget"), curl, wget);
    condition("StringNotEquals", key, json!("Wget"), PLAIN, wget);
    condition("StringEquals", key, json!("curl/8"), curl, PLAIN);
    condition("StringEqualsIgnoreCase", key, json!("WGET"), wget, curl);
    condition("StringNotEqualsIgnoreCase", key, json!("WGET"), curl, wget);
    condition("StringLike", key, json!("cur?/*"), curl, wget);
    condition("StringNotLike", key, json!("W*"), curl, wget);
    condition("StringEqualsIfExists", key, json!("curl/8"), PLAIN, wget);
    condition("StringLikeIfExists", key, json!("c*"), curl, wget);
    condition("Null", key, json!("true"), PLAIN, curl);
    condition("Null", key, json!(false), curl, PLAIN);
    condition("Bool", "aws:SecureTransport", json!(true), PLAIN, Comes { secure: false, ..PLAIN });
    condition(
        "BoolIfExists",
        "aws:SecureTransport",
        json!("false"),
        Comes { secure: false, ..PLAIN },
        PLAIN,
    );
    let there = Comes { source: [203, 0, 113, 9], ..PLAIN };
    condition("IpAddress", "aws:SourceIp", json!("192.0.2.0/24"), PLAIN, there);
    condition("IpAddress", "aws:SourceIp", json!("192.0.2.7"), PLAIN, there);
    condition(
        "IpAddress",
        "aws:SourceIp",
        json!(["2001:db8::/32", "0.0.0.0/1"]),
        Comes { source: [9, 9, 9, 9], ..PLAIN },
        there,
    );
    condition("NotIpAddress", "aws:SourceIp", json!("192.0.2.0/24"), there, PLAIN);
    let (few, many) = (by_query("max-keys=10"), by_query("max-keys=100"));
    for (operator, value, yes, no) in [
        ("NumericEquals", 10, few, many),
        ("NumericNotEquals", 10, many, few),
        ("NumericLessThan", 100, few, many),
        ("NumericLessThanEquals", 10, few, many),
        ("NumericGreaterThan", 10, many, few),
        ("NumericGreaterThanEquals", 100, many, few),
        ("NumericLessThanIfExists", 100, PLAIN, many),
    ] {
        condition(operator, "s3:max-keys", json!(value), yes, no);
    }
    condition("NumericLessThan", "s3:max-keys", json!("100"), few, by_query("max-keys=many"));
}

/// Whether a condition on the time of now holds.
#[track_caller]
fn clock(operator: &str, key: &str, value: &str, holds: bool) {
    let statement = json!({ "Condition": { operator: { key: value } } });
    check(&statement, &[("bob", Action::GetObject, "a", PLAIN, holds)]);
}

#[test]
fn dates_and_arns_decide() {
    for (operator, value, holds) in [
        ("DateEquals", "2026-11-22T06:00:00Z", true),
        ("DateNotEquals", "2026-11-22T06:00:00Z", false),
        ("DateLessThan", "2026-11-22T06:00:00Z", false),
        ("DateLessThanEquals", "2026-11-22T07:00:00+01:00", true),
        ("DateGreaterThan", "2026-11-22", true),
        ("DateGreaterThanEquals", "1795327201", false),
    ] {
        clock(operator, "aws:CurrentTime", value, holds);
        clock(operator, "aws:EpochTime", value, holds);
    }
    clock("NumericGreaterThan", "aws:EpochTime", "1795327199", true);
    for (operator, value, holds) in [
        ("ArnEquals", "arn:aws:iam:::user/bob", true),
        ("ArnLike", "arn:aws:iam::*:user/b*", true),
        ("ArnLike", "arn:aws:*user/bob", false), // a star does not reach over a colon
        ("ArnNotEquals", "arn:aws:iam:::user/bob", false),
        ("ArnNotLike", "arn:aws:iam:::user/a*", true),
        ("StringLike", "arn:aws:*user/bob", true),
    ] {
        clock(operator, "aws:PrincipalArn", value, holds);
    }
    clock("StringEquals", "aws:userid", "bob", true);
    clock("StringEquals", "aws:username", "The bob", true);
}

#[test]
fn every_key_decides() {
    for (key, value, yes) in [
        ("s3:prefix", "home/", by_query("prefix=home%2F")),
        ("s3:delimiter", "/", by_query("delimiter=/")),
        ("s3:max-keys", "5", by_query("max-keys=5")),
        ("s3:VersionId", "null", by_query("versionId=null")),
        ("aws:Referer", "http://a.test/", by_header(&[("referer", "http://a.test/")])),
        ("s3:x-amz-acl", "public-read", by_header(&[("x-amz-acl", "public-read")])),
        ("s3:x-amz-grant-read", "id=ann", by_header(&[("x-amz-grant-read", "id=ann")])),
        ("s3:x-amz-grant-write", "id=ann", by_header(&[("x-amz-grant-write", "id=ann")])),
        ("s3:x-amz-grant-read-acp", "id=ann", by_header(&[("x-amz-grant-read-acp", "id=ann")])),
        ("s3:x-amz-grant-write-acp", "id=ann", by_header(&[("x-amz-grant-write-acp", "id=ann")])),
        (
            "s3:x-amz-grant-full-control",
            "id=ann",
            by_header(&[("x-amz-grant-full-control", "id=ann")]),
        ),
        ("s3:x-amz-copy-source", "b/k", by_header(&[("x-amz-copy-source", "/b/k")])),
        ("s3:x-amz-metadata-directive", "COPY", by_header(&[("x-amz-metadata-directive", "COPY")])),
        (
            "s3:x-amz-server-side-encryption",
            "AES256",
            by_header(&[("x-amz-server-side-encryption", "AES256")]),
        ),
        ("s3:x-amz-storage-class", "GLACIER", by_header(&[("x-amz-storage-class", "GLACIER")])),
        ("s3:RequestObjectTag/team", "red", by_header(&[("x-amz-tagging", "a=b&team=red")])),
        ("s3:ExistingObjectTag/team", "red", Comes { tags: &[("team", "red")], ..PLAIN }),
        ("s3:authType", "REST-QUERY-STRING", Comes { presigned: true, ..PLAIN }),
    ] {
        condition("StringEquals", key, json!(value), yes, PLAIN);
        condition(
            "StringEquals",
            &key.to_uppercase().replace("/TEAM", "/team"),
            json!(value),
            yes,
            PLAIN,
        );
    }
    let old = Comes { age_seconds: 700, ..PLAIN };
    condition("NumericGreaterThan", "s3:signatureAge", json!(600_000), old, PLAIN);
    condition(
        "NumericLessThan",
        "s3:TlsVersion",
        json!(1.4),
        PLAIN,
        Comes { secure: false, ..PLAIN },
    );
    clock("StringEquals", "s3:signatureversion", "AWS4-HMAC-SHA256", true);
    clock("StringEquals", "s3:signatureversion", "AWS", false);
}

#[test]
fn every_header_of_a_write_decides() {
    for (key, value, yes) in [
        (
            "s3:x-amz-content-sha256",
            "UNSIGNED-PAYLOAD",
            by_header(&[("x-amz-content-sha256", "UNSIGNED-PAYLOAD")]),
        ),
        (
            "s3:x-amz-object-ownership",
            "ObjectWriter",
            by_header(&[("x-amz-object-ownership", "ObjectWriter")]),
        ),
        (
            "s3:x-amz-website-redirect-location",
            "/a",
            by_header(&[("x-amz-website-redirect-location", "/a")]),
        ),
    ] {
        condition("StringEquals", key, json!(value), yes, PLAIN);
    }
}

#[test]
fn sets_of_tags_decide() {
    let tagged = by_header;
    let (one, both) =
        (tagged(&[("x-amz-tagging", "a=1")]), tagged(&[("x-amz-tagging", "a=1&b=2")]));
    let other = tagged(&[("x-amz-tagging", "c=3")]);
    let key = "s3:RequestObjectTagKeys";
    condition("ForAllValues:StringEquals", key, json!(["a"]), one, both);
    condition("ForAllValues:StringEquals", key, json!(["a", "b"]), both, other);
    condition("ForAllValues:StringEquals", key, json!(["a"]), PLAIN, other);
    condition("ForAnyValue:StringEquals", key, json!(["a"]), both, other);
    condition("ForAnyValue:StringEquals", key, json!(["a"]), one, PLAIN);
    condition("ForAnyValue:StringNotEquals", key, json!(["a"]), both, one);
    condition("ForAllValues:StringNotEquals", key, json!(["a"]), other, both);
}

/// All conditions of a statement have to hold, and one value of each.
#[test]
fn conditions_are_and_and_values_are_or() {
    let both = json!({ "Condition": {
        "StringLike": { "aws:UserAgent": ["curl*", "wget*"], "aws:Referer": "http://a.test/*" },
        "Bool": { "aws:SecureTransport": "true" },
    } });
    let headers: &[_] = &[("user-agent", "wget/1"), ("referer", "http://a.test/x")];
    let all = by_header(headers);
    let read = |comes, about| ("bob", Action::GetObject, "a", comes, about);
    check(
        &both,
        &[
            read(all, true),
            read(Comes { secure: false, ..all }, false),
            read(by_header(&[("user-agent", "wget/1")]), false),
            read(by_header(&[("user-agent", "x"), ("referer", "http://a.test/x")]), false),
        ],
    );
}

#[track_caller]
fn refused(policy: &str, word: &str) {
    let photos = BucketName::parse("photos").unwrap();
    let error = BucketPolicy::put(policy, &photos, &users()).unwrap_err();
    assert_eq!(error.code(), Code::MalformedPolicy, "{policy}");
    assert!(error.text().contains(word), "{policy}: {}", error.text());
}

#[test]
fn what_cannot_be_evaluated_is_refused() {
    refused("", "first byte");
    refused("[]", "first byte");
    refused("{\"Version\":", "invalid Json");
    refused(r#"{"Statement":[]}"#, "empty");
    refused(r#"{"Version":"2020-01-01","Statement":[]}"#, "version");
    refused(r#"{"Version":"2012-10-17","Statement":[],"Statements":[]}"#, "unknown field");
    let with = |change: Value| policy("Allow", &change).to_string();
    for (change, word) in [
        (json!({ "Effect": "Perhaps" }), "effect"),
        (json!({ "Effekt": "Deny" }), "unknown field"),
        (json!({ "Principal": { "AWS": "nobody-we-know" } }), "principal"),
        (json!({ "Principal": { "CanonicalUser": "nobody-we-know" } }), "principal"),
        (json!({ "Principal": { "Federated": "x" } }), "principal"),
        (json!({ "Principal": { "AWS": [] } }), "principal"),
        (json!({ "Principal": "bob*" }), "principal"),
        (json!({ "NotPrincipal": { "AWS": "bob" } }), "NotPrincipal"),
        (json!({ "Action": "s3:Fly" }), "action"),
        (json!({ "Action": "ec2:*" }), "action"),
        (json!({ "Action": [] }), "action"),
        (json!({ "Resource": "arn:aws:s3:::other/*" }), "resource"),
        (json!({ "Resource": ["arn:aws:s3:::photos", "arn:aws:s3:::photo/*"] }), "resource"),
        (json!({ "Resource": "photos/*" }), "resource"),
        (json!({ "Resource": "arn:aws:s3:::photos/${aws:username}/*" }), "variables"),
        (json!({ "Condition": { "StringIs": { "aws:Referer": "x" } } }), "Condition type"),
        (json!({ "Condition": { "BinaryEquals": { "aws:Referer": "x" } } }), "Condition type"),
        (json!({ "Condition": { "NullIfExists": { "aws:Referer": "true" } } }), "Condition type"),
        (
            json!({ "Condition": { "ForSome:StringEquals": { "aws:Referer": "x" } } }),
            "Condition type",
        ),
        (json!({ "Condition": { "StringEquals": { "aws:SourceVpc": "x" } } }), "condition key"),
        (json!({ "Condition": { "StringEquals": { "s3:Tag/x": "x" } } }), "condition key"),
        (
            json!({ "Condition": { "StringEquals": { "aws:Referer": "${aws:userid}" } } }),
            "variables",
        ),
        (json!({ "Condition": { "Bool": { "aws:SecureTransport": "yes" } } }), "value"),
        (json!({ "Condition": { "Null": { "aws:Referer": ["true", "false"] } } }), "value"),
        (json!({ "Condition": { "IpAddress": { "aws:SourceIp": "10.0.0.0/33" } } }), "value"),
        (json!({ "Condition": { "NumericEquals": { "s3:max-keys": "ten" } } }), "value"),
        (json!({ "Condition": { "DateEquals": { "aws:CurrentTime": "today" } } }), "value"),
        (json!({ "Condition": "x" }), "invalid Json"),
    ] {
        refused(&with(change), word);
    }
    for (name, other) in
        [("Principal", "NotPrincipal"), ("Action", "NotAction"), ("Resource", "NotResource")]
    {
        let mut none: Value = serde_json::from_str(&with(json!({}))).unwrap();
        none["Statement"][0].as_object_mut().unwrap().remove(name);
        refused(&none.to_string(), name);
        let mut both: Value = serde_json::from_str(&with(json!({}))).unwrap();
        both["Statement"][0][other] = both["Statement"][0][name].clone();
        refused(&both.to_string(), if name == "Principal" { "Principal" } else { name });
    }
}

/// Of two readers one would take the first, and the other the last.
#[test]
fn what_is_there_twice_is_refused() {
    let good = policy("Allow", &json!({ "Condition": { "StringLike": { "aws:Referer": "a" } } }));
    let good = good.to_string();
    for (from, to) in [
        ("\"Effect\":\"Allow\"", "\"Effect\":\"Deny\",\"Effect\":\"Allow\""),
        ("\"Version\":\"2012-10-17\"", "\"Version\":\"2012-10-17\",\"Version\":\"2012-10-17\""),
        ("{\"aws:Referer\":\"a\"}", "{\"aws:Referer\":\"a\",\"aws:Referer\":\"b\"}"),
        ("\"StringLike\":{", "\"StringLike\":{\"aws:UserAgent\":\"b\"},\"StringLike\":{"),
        ("\"Principal\":\"*\"", "\"Principal\":{\"AWS\":\"ann\",\"AWS\":\"*\"}"),
    ] {
        assert!(good.contains(from), "{good} has no {from}");
        refused(&good.replace(from, to), "");
    }
}

#[test]
fn a_policy_is_public_if_it_allows_everybody_something() {
    let photos = BucketName::parse("photos").unwrap();
    let is_public = |statement: Value| {
        let text = policy("Allow", &statement).to_string();
        BucketPolicy::put(&text, &photos, &users()).unwrap().is_public()
    };
    assert!(is_public(json!({})));
    assert!(is_public(json!({ "Principal": { "AWS": ["bob", "*"] } })));
    assert!(!is_public(json!({ "Principal": { "AWS": "bob" } })));
    assert!(!is_public(json!({ "Principal": { "AWS": "arn:aws:iam::elsewhere:root" } })));
    for (condition, public) in [
        (json!({ "IpAddress": { "aws:SourceIp": "10.0.0.0/32" } }), false),
        (json!({ "IpAddress": { "aws:SourceIp": "10.0.0.0/7" } }), true),
        (json!({ "IpAddress": { "aws:SourceIp": "2001:db8::/31" } }), true),
        (json!({ "NotIpAddress": { "aws:SourceIp": "10.0.0.0/32" } }), true),
        (json!({ "IpAddressIfExists": { "aws:SourceIp": "10.0.0.0/32" } }), true),
        (json!({ "StringEquals": { "aws:userid": "bob" } }), false),
        (json!({ "StringLike": { "aws:userid": "b*" } }), true),
        (json!({ "ArnEquals": { "aws:PrincipalArn": "arn:aws:iam:::user/bob" } }), false),
        (json!({ "StringEquals": { "aws:Referer": "http://a.test/" } }), true),
    ] {
        assert_eq!(is_public(json!({ "Condition": condition })), public, "{condition}");
    }
    let deny = policy("Deny", &json!({}));
    let deny = json!({ "Statement": deny["Statement"][1] }).to_string();
    assert!(!BucketPolicy::put(&deny, &photos, &users()).unwrap().is_public());
}

#[test]
fn who_locked_themselves_out_can_take_the_lock_off() {
    let locked = json!({ "Statement": policy("Deny", &json!({}))["Statement"][1] });
    for (who, may) in [("ann", true), ("root", true), ("bob", false), ("nobody", false)] {
        let asked = |action| {
            let photos = BucketName::parse("photos").unwrap();
            let policy = BucketPolicy::put(&locked.to_string(), &photos, &users()).unwrap();
            let rules = Rules { policy: Some(policy.into()), ..Rules::default() };
            let standing =
                Standing { owner: Some("ann"), rules: Some(&rules), ..Standing::default() };
            let (caller, resource) = (caller(who), Resource::Bucket(&photos));
            settle(&Question { caller: &caller, action, resource }, &standing, &Thing::default())
                .is_ok()
        };
        for action in [Action::GetBucketPolicy, Action::PutBucketPolicy, Action::DeleteBucketPolicy]
        {
            assert_eq!(asked(action), may, "{who} {action:?}");
        }
        assert!(!asked(Action::DeleteBucket) && !asked(Action::GetBucketAcl), "{who}");
    }
}
