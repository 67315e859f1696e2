//! What a policy of the configuration says: statements that allow.

use crate::access::action::{Action, Level};
use crate::access::authorise::Resource;
use crate::access::directory::Fault;
use crate::access::pattern::matches;
use crate::s3::names::KEY_BYTES_MAX;

/// A statement as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewStatement {
    /// `s3:GetObject`, `s3:Get*`, `*`.
    pub actions: Vec<String>,
    /// Names of buckets, or globs.
    pub buckets: Vec<String>,
    /// What keys it is for: each ends in `/` or is a whole key. None: all of them.
    pub prefixes: Vec<String>,
}

/// A statement that allows some actions in some buckets, and maybe on some keys only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    actions: Vec<Action>,
    buckets: Vec<String>,
    scope: Scope,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Scope {
    Everything,
    Keys(Vec<String>),
}

impl Statement {
    /// Checks what was written at `place`; every fault goes to `faults`.
    pub(super) fn check(written: NewStatement, place: &str, faults: &mut Vec<Fault>) -> Self {
        let NewStatement { actions, buckets, prefixes } = written;
        if actions.is_empty() {
            faults.push(Fault::new(format!("{place}.actions"), "names no action"));
        }
        if buckets.is_empty() {
            faults.push(Fault::new(format!("{place}.buckets"), "names no bucket"));
        }
        let mut allowed = Vec::new();
        for (number, pattern) in actions.iter().enumerate() {
            let matching = Action::like(pattern);
            if matching.is_empty() {
                let place = format!("{place}.actions[{number}]");
                faults.push(Fault::new(place, format!("{pattern:?} is no action of S3")));
            }
            allowed.extend(matching);
        }
        let problems = [
            problems(&buckets, "buckets", bucket_problem),
            problems(&prefixes, "prefixes", prefix_problem),
        ];
        for (key, problem) in problems.into_iter().flatten() {
            faults.push(Fault::new(format!("{place}.{key}"), problem));
        }
        let scope = if prefixes.is_empty() { Scope::Everything } else { Scope::Keys(prefixes) };
        Self { actions: allowed, buckets, scope }
    }

    /// Is `action` on `resource` allowed?
    pub(super) fn allows(&self, action: Action, resource: &Resource<'_>) -> bool {
        let in_bucket = |bucket: &str| self.is_for(bucket) && self.actions.contains(&action);
        match (resource, &self.scope) {
            (Resource::Service, _) => self.actions.contains(&action),
            (resource, Scope::Everything) => {
                resource.bucket().is_some_and(|b| in_bucket(b.as_str()))
            }
            // Only what concerns keys, so that `s3:*` on a prefix does not delete the bucket.
            (Resource::Bucket(_), Scope::Keys(_)) => false,
            (Resource::SomeKeys(bucket), Scope::Keys(_)) => {
                in_bucket(bucket.as_str())
                    && matches!(action.level(), Level::Object | Level::Listing)
            }
            (Resource::Listing(bucket, prefix), Scope::Keys(keys)) => {
                in_bucket(bucket.as_str()) && keys.iter().any(|key| is_below(prefix, key))
            }
            (Resource::Object(bucket, key), Scope::Keys(keys)) => {
                let key = key.as_str();
                in_bucket(bucket.as_str())
                    && keys.iter().any(|one| one == key || is_below(key, one))
            }
        }
    }

    /// Does it say anything about `bucket`?
    pub(super) fn is_for(&self, bucket: &str) -> bool {
        self.buckets.iter().any(|glob| matches(glob.as_bytes(), bucket.as_bytes()))
    }
}

/// Does `text` begin with `folder`, which is one only if it ends with a slash?
fn is_below(text: &str, folder: &str) -> bool {
    folder.ends_with('/') && text.starts_with(folder)
}

fn problems(
    texts: &[String],
    key: &str,
    problem: fn(&str) -> Option<&'static str>,
) -> Vec<(String, String)> {
    let found = texts.iter().enumerate().filter_map(|(number, text)| {
        Some((format!("{key}[{number}]"), format!("{text:?} {}", problem(text)?)))
    });
    found.collect()
}

fn bucket_problem(glob: &str) -> Option<&'static str> {
    let good = |byte: u8| {
        byte.is_ascii_lowercase()
            || byte.is_ascii_digit()
            || matches!(byte, b'.' | b'-' | b'*' | b'?')
    };
    (glob.is_empty() || !glob.bytes().all(good)).then_some("matches no bucket")
}

fn prefix_problem(prefix: &str) -> Option<&'static str> {
    if prefix.is_empty() {
        Some("is empty; leave prefixes out to mean every key")
    } else if prefix.ends_with('*') {
        Some("is no glob: end it with `/`, or name a whole key")
    } else if prefix.len() > KEY_BYTES_MAX {
        Some("is longer than a key")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{NewStatement, Statement};

    fn faults(actions: &[&str], buckets: &[&str], prefixes: &[&str]) -> Vec<String> {
        let strings = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let written = NewStatement {
            actions: strings(actions),
            buckets: strings(buckets),
            prefixes: strings(prefixes),
        };
        let mut faults = Vec::new();
        Statement::check(written, "p", &mut faults);
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_fault_is_named() {
        assert_eq!(faults(&["s3:*"], &["a-*"], &["a/", "whole", "/x/"]), [""; 0]);
        assert_eq!(
            faults(&[], &[], &[]),
            ["p.actions: names no action", "p.buckets: names no bucket"]
        );
        assert_eq!(
            faults(&["s3:GetObject", "s3:Fly", "GetObject"], &["", "A", "a/b"], &["", "a/*"]),
            [
                r#"p.actions[1]: "s3:Fly" is no action of S3"#,
                r#"p.actions[2]: "GetObject" is no action of S3"#,
                r#"p.buckets[0]: "" matches no bucket"#,
                r#"p.buckets[1]: "A" matches no bucket"#,
                r#"p.buckets[2]: "a/b" matches no bucket"#,
                r#"p.prefixes[0]: "" is empty; leave prefixes out to mean every key"#,
                r#"p.prefixes[1]: "a/*" is no glob: end it with `/`, or name a whole key"#,
            ]
        );
        assert_eq!(faults(&["*"], &["*"], &[&"k".repeat(1025)]).len(), 1);
    }
}
