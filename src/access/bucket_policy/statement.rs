//! One statement of a policy.

use super::Fault;
use super::condition::{Condition, Facts, Truth};
use super::principal::{Named, Principals};
use crate::access::action::Action;
use crate::access::directory::Directory;
use crate::access::pattern;
use crate::s3::names::BucketName;

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// A pair of an element and its opposite, of which one is there: `Action` and `NotAction`.
type Pair<T> = (Option<Vec<T>>, Option<Vec<T>>);

/// A statement as it was written.
pub(super) struct Written {
    pub(super) effect: String,
    /// By kind: `AWS`, `CanonicalUser`.
    pub(super) principals: Pair<(String, String)>,
    pub(super) actions: Pair<String>,
    pub(super) resources: Pair<String>,
    /// Operator, key, values.
    pub(super) conditions: Vec<(String, String, Vec<String>)>,
}

/// One statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Statement {
    effect: Effect,
    principals: Principals,
    /// By number of the action.
    actions: u128,
    resources: Resources,
    conditions: Vec<Condition>,
}

/// `Resource` or `NotResource`, without `arn:aws:s3:::`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Resources {
    These(Vec<String>),
    AllBut(Vec<String>),
}

/// What a policy is asked.
#[derive(Clone, Debug)]
pub(in crate::access) struct Asked<'a> {
    /// What somebody wants to do.
    pub(in crate::access) action: Action,
    /// The bucket.
    pub(in crate::access) bucket: &'a BucketName,
    /// What resources are held against: the bucket, and behind a `/` the key, for an action on an object.
    /// Made once, not for each statement.
    pub(in crate::access) name: String,
    /// Who, and how.
    pub(in crate::access) facts: Facts<'a>,
}

impl Statement {
    /// Reads one; what cannot be evaluated is refused.
    pub(super) fn read(written: Written) -> Result<Self, Fault> {
        let effect = match written.effect.as_str() {
            "Allow" => Effect::Allow,
            "Deny" => Effect::Deny,
            other => return Err(Fault::new(format!("Invalid effect: {other}"))),
        };
        let principals = match written.principals {
            (Some(named), None) => Principals::These(read_named(&named)?),
            (None, Some(_)) if effect == Effect::Allow => {
                return Err(Fault::new("Allow with NotPrincipal is not allowed"));
            }
            (None, Some(named)) => Principals::AllBut(read_named(&named)?),
            _ => return Err(Fault::new("Missing required field Principal")),
        };
        let actions = match written.actions {
            (Some(patterns), None) => read_actions(&patterns)?,
            (None, Some(patterns)) => !read_actions(&patterns)?,
            _ => return Err(Fault::new("Missing required field Action")),
        };
        let resources = match written.resources {
            (Some(patterns), None) => Resources::These(read_resources(&patterns)?),
            (None, Some(patterns)) => Resources::AllBut(read_resources(&patterns)?),
            _ => return Err(Fault::new("Missing required field Resource")),
        };
        let mut conditions = Vec::with_capacity(written.conditions.len());
        for (operator, key, values) in &written.conditions {
            values.iter().try_for_each(|value| no_variable(value))?;
            conditions.push(Condition::read(operator, key, values)?);
        }
        Ok(Self { effect, principals, actions, resources, conditions })
    }

    /// Does it fit the bucket it is put on, and the users that there are?
    pub(super) fn check(&self, bucket: &BucketName, users: &Directory) -> Result<(), Fault> {
        self.principals.check(users)?;
        let (Resources::These(patterns) | Resources::AllBut(patterns)) = &self.resources;
        let (name, below) = (bucket.as_str(), format!("{bucket}/"));
        let fits = |pattern: &&String| {
            pattern::matches(pattern.as_bytes(), name.as_bytes())
                || pattern::may_begin(pattern.as_bytes(), below.as_bytes())
        };
        match patterns.iter().find(|pattern| !fits(pattern)) {
            Some(_) => Err(Fault::new("Policy has invalid resource")),
            None => Ok(()),
        }
    }

    /// What it does.
    pub(super) fn effect(&self) -> Effect {
        self.effect
    }

    /// Is it about what is asked?
    pub(super) fn applies(&self, asked: &Asked<'_>) -> Truth {
        if !self.means(asked) || !self.resources.mean(&asked.name) {
            return Truth::False;
        }
        let mut all = Truth::True;
        for condition in &self.conditions {
            all = all.and(condition.holds(&asked.facts));
            if all == Truth::False {
                break;
            }
        }
        all
    }

    /// Could it be about some key of the bucket? Its conditions are not asked.
    pub(super) fn may_apply_below(&self, asked: &Asked<'_>) -> bool {
        self.means(asked) && self.resources.may_mean_below(asked.bucket)
    }

    fn means(&self, asked: &Asked<'_>) -> bool {
        self.actions & bit(asked.action) != 0 && self.principals.mean(asked.facts.caller)
    }

    /// Does it allow something to everybody?
    pub(super) fn is_public(&self) -> bool {
        self.effect == Effect::Allow
            && self.principals.mean_everybody()
            && !self.conditions.iter().any(is_narrow)
    }
}

/// Keys whose fixed values make a statement not public.
const NARROW: &[&str] = &["aws:sourceip", "aws:userid", "aws:principalarn"];

fn is_narrow(condition: &Condition) -> bool {
    condition.fixed().is_some_and(|(key, values)| NARROW.contains(&key) && !values.is_empty())
}

fn read_named(named: &[(String, String)]) -> Result<Vec<Named>, Fault> {
    if named.is_empty() {
        return Err(Fault::new("Invalid principal in policy: nobody is named"));
    }
    named.iter().map(|(kind, name)| Named::read(kind, name)).collect()
}

const fn bit(action: Action) -> u128 {
    1 << action as u32
}

/// The actions that the patterns mean.
fn read_actions(patterns: &[String]) -> Result<u128, Fault> {
    let mut all = 0;
    for pattern in patterns {
        let meant = Action::like(pattern);
        if meant.is_empty() && !Action::is_elsewhere(pattern) {
            return Err(Fault::new(format!("Policy has invalid action: {pattern}")));
        }
        all |= meant.into_iter().map(bit).fold(0, |all, bit| all | bit);
    }
    if patterns.is_empty() { Err(Fault::new("Policy has no action")) } else { Ok(all) }
}

fn read_resources(patterns: &[String]) -> Result<Vec<String>, Fault> {
    if patterns.is_empty() {
        return Err(Fault::new("Policy has no resource"));
    }
    let read = |pattern: &String| {
        no_variable(pattern)?;
        let rest = pattern.strip_prefix("arn:aws:s3:::").filter(|rest| !rest.is_empty());
        rest.map(str::to_owned)
            .ok_or_else(|| Fault::new(format!("Policy has invalid resource: {pattern}")))
    };
    patterns.iter().map(read).collect()
}

/// `${aws:username}` and the like are not built; taken as text they would mean something else.
fn no_variable(text: &str) -> Result<(), Fault> {
    if text.contains("${") {
        return Err(Fault::new(format!("Policy variables are not implemented: {text}")));
    }
    Ok(())
}

impl Resources {
    fn mean(&self, name: &str) -> bool {
        let any = |patterns: &[String]| {
            patterns.iter().any(|pattern| pattern::matches(pattern.as_bytes(), name.as_bytes()))
        };
        match self {
            Self::These(patterns) => any(patterns),
            Self::AllBut(patterns) => !any(patterns),
        }
    }

    fn may_mean_below(&self, bucket: &BucketName) -> bool {
        let below = format!("{bucket}/");
        match self {
            Self::These(patterns) => patterns
                .iter()
                .any(|pattern| pattern::may_begin(pattern.as_bytes(), below.as_bytes())),
            Self::AllBut(_) => true,
        }
    }
}

/// May conditions on an action look at the tags of the object?
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>
pub(in crate::access) fn looks_at_tags(action: Action) -> bool {
    matches!(
        action,
        Action::GetObject
            | Action::GetObjectVersion
            | Action::GetObjectAttributes
            | Action::GetObjectVersionAttributes
            | Action::GetObjectAcl
            | Action::GetObjectVersionAcl
            | Action::GetObjectTagging
            | Action::GetObjectVersionTagging
            | Action::PutObjectAcl
            | Action::PutObjectVersionAcl
            | Action::PutObjectTagging
            | Action::PutObjectVersionTagging
            | Action::DeleteObjectTagging
            | Action::DeleteObjectVersionTagging
    )
}
