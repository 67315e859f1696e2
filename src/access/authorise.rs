//! The one function that decides, and what it decides about.

use std::sync::Arc;

use crate::access::acl::{self, Acl, Permission, Public};
use crate::access::action::{Action, Effect, Level};
use crate::access::block::{Ownership, PublicAccessBlock};
use crate::access::bucket_policy::{Asked, BucketPolicy, Facts, Tags, Truth, looks_at_tags};
use crate::access::caller::Caller;
use crate::access::directory::{Role, User};
use crate::s3::names::{BucketName, ObjectKey};
use crate::s3::{Code, Error};

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

/// What somebody wants.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Who, and how.
    pub caller: &'a Caller,
    /// To do what,
    pub action: Action,
    /// to what.
    pub resource: Resource<'a>,
}

/// What a bucket's documents say about who may do what in it.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Its policy.
    pub policy: Option<Arc<BucketPolicy>>,
    /// Its ACL; none: its owner has all rights.
    pub acl: Option<Arc<Acl>>,
    /// Its block of public access.
    pub block: PublicAccessBlock,
    /// Whose its objects are; none: who writes an object owns it.
    pub ownership: Option<Ownership>,
}

impl Rules {
    /// Do ACLs count for nothing?
    pub fn has_no_acls(&self) -> bool {
        self.ownership == Some(Ownership::BucketOwnerEnforced)
    }

    fn public(&self) -> Public {
        if self.block.ignore_public_acls { Public::Ignored } else { Public::Counts }
    }
}

/// What an object says about itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Thing<'a> {
    /// Its owner's canonical id; none: the bucket's owner has it.
    pub owner: Option<&'a str>,
    /// Its ACL; none: its owner has all rights.
    pub acl: Option<&'a Acl>,
    /// Its tags.
    pub tags: &'a [(String, String)],
    /// It is the caller's own, whoever that is: somebody without credentials is about to write it, or
    /// it is not there at all.
    pub own: bool,
    /// The canonical id of who began it, if it is an upload.
    pub initiator: Option<&'a str>,
}

/// What there is to know of a bucket before something is done to it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing<'a> {
    /// The canonical id of its owner. None for a container that an Azure tool made, and for a bucket
    /// that is yet to be.
    pub owner: Option<&'a str>,
    /// What its route says.
    pub writes: Writes,
    /// What it says itself; none for a bucket that is yet to be.
    pub rules: Option<&'a Rules>,
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

/// What is decided before the object has been looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// It may be done.
    Granted(Grant),
    /// The object itself decides: [`settle`].
    Depends(Guess),
}

/// How it will end, most likely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    /// It may be done if the object is as most are: its bucket's owner's, without a list or tags.
    Likely,
    /// Only if the object says so.
    Unlikely,
}

/// May somebody do what is asked? `AccessDenied` unless some rule allows it and none denies it.
pub fn authorise(question: &Question<'_>, standing: &Standing<'_>) -> Result<Outcome, Error> {
    match decide(question, standing, None) {
        Truth::False => Err(denied()),
        Truth::True => grant(question, standing).map(Outcome::Granted),
        Truth::Unknown => {
            let common = Thing { owner: standing.owner, ..Thing::default() };
            let likely = decide(question, standing, Some(&common)) == Truth::True;
            Ok(Outcome::Depends(if likely { Guess::Likely } else { Guess::Unlikely }))
        }
    }
}

/// The same of what does not depend on an object.
pub fn permit(question: &Question<'_>, standing: &Standing<'_>) -> Result<Grant, Error> {
    match authorise(question, standing)? {
        Outcome::Granted(grant) => Ok(grant),
        Outcome::Depends(_) => Err(denied()),
    }
}

/// The same, when the object is known.
pub fn settle(
    question: &Question<'_>,
    standing: &Standing<'_>,
    thing: &Thing<'_>,
) -> Result<Grant, Error> {
    match decide(question, standing, Some(thing)) {
        Truth::True => grant(question, standing),
        Truth::False | Truth::Unknown => Err(denied()),
    }
}

fn denied() -> Error {
    Error::new(Code::AccessDenied)
}

fn grant(question: &Question<'_>, standing: &Standing<'_>) -> Result<Grant, Error> {
    let Question { action, resource, .. } = question;
    if standing.writes == Writes::Refused && action.effect() == Effect::Writes {
        return Err(denied().message("The bucket is read-only on this gateway."));
    }
    let key = match resource {
        Resource::Object(_, key) => Some((*key).clone()),
        Resource::Service | Resource::Bucket(_) | Resource::SomeKeys(_) | Resource::Listing(..) => {
            None
        }
    };
    Ok(Grant { action: *action, bucket: resource.bucket().cloned(), key })
}

/// Does `caller` have any right in `bucket` by what it is? Then `ListBuckets` shows it.
pub fn may_see(caller: &Caller, bucket: &BucketName, owner: Option<&str>) -> bool {
    caller.user().is_some_and(|user| {
        user.role() == Role::Admin
            || (user.role() == Role::Owner && owner == Some(user.id()))
            || user.policy().iter().any(|statement| statement.is_for(bucket.as_str()))
    })
}

/// AWS's order: what is denied is denied, whoever allows it; then one who allows it is enough.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>
fn decide(question: &Question<'_>, standing: &Standing<'_>, thing: Option<&Thing<'_>>) -> Truth {
    if !question.resource.suits(question.action) {
        return Truth::False;
    }
    let case = Case { question, standing, thing };
    match case.is_denied() {
        Truth::True => Truth::False,
        Truth::Unknown => case.is_allowed().and(Truth::Unknown),
        Truth::False => case.is_allowed(),
    }
}

/// All that is known of a question.
#[derive(Clone, Copy)]
struct Case<'a> {
    question: &'a Question<'a>,
    standing: &'a Standing<'a>,
    thing: Option<&'a Thing<'a>>,
}

impl<'a> Case<'a> {
    fn user(&self) -> Option<&'a User> {
        self.question.caller.user()
    }

    fn caller(&self) -> Option<&'a str> {
        self.question.caller.id()
    }

    fn owns_bucket(&self) -> bool {
        self.owns(self.standing.owner)
    }

    /// Only who is what an AWS account is owns anything.
    fn owns(&self, owner: Option<&str>) -> bool {
        self.user().is_some_and(|user| user.role() == Role::Owner) && self.caller() == owner
    }

    /// What the policy of the bucket is asked, if there is one.
    fn asked(&self) -> Option<(&'a BucketPolicy, Asked<'a>)> {
        let policy = self.standing.rules?.policy.as_deref()?;
        let Question { caller, action, resource } = self.question;
        let bucket = resource.bucket()?;
        let name = match resource {
            Resource::Object(_, key) => [bucket.as_str(), "/", key.as_str()].concat(),
            Resource::Service
            | Resource::Bucket(_)
            | Resource::SomeKeys(_)
            | Resource::Listing(..) => bucket.as_str().to_owned(),
        };
        let tags = match self.thing {
            _ if !looks_at_tags(*action) => Tags::Irrelevant,
            Some(thing) => Tags::Known(thing.tags),
            None => Tags::Unknown,
        };
        let facts = Facts {
            circumstances: caller.circumstances(),
            caller: caller.id(),
            name: caller.user().map(User::name),
            tags,
        };
        Some((policy, Asked { action: *action, bucket, name, facts }))
    }

    /// Of some keys nothing is denied yet: each is asked about.
    fn is_of_some_keys(&self) -> bool {
        matches!(self.question.resource, Resource::SomeKeys(_))
            && self.question.action.level() == Level::Object
    }

    fn is_denied(&self) -> Truth {
        // Who locked themselves out can still take the lock off, as an AWS account's root can.
        let is_key = matches!(
            self.question.action,
            Action::GetBucketPolicy | Action::PutBucketPolicy | Action::DeleteBucketPolicy
        );
        if is_key && (self.owns_bucket() || self.question.caller.is_admin()) {
            return Truth::False;
        }
        match self.asked() {
            Some((policy, asked)) if !self.is_of_some_keys() => policy.denies(&asked),
            _ => Truth::False,
        }
    }

    fn is_allowed(&self) -> Truth {
        if self.by_identity() {
            return Truth::True;
        }
        let mut allowed = self.by_ownership();
        for rule in [Self::by_policy, Self::by_bucket_acl, Self::by_object, Self::by_initiator] {
            if allowed != Truth::True {
                allowed = allowed.or(rule(self));
            }
        }
        allowed
    }

    /// What a user may do by what the configuration says of it.
    fn by_identity(&self) -> bool {
        let Question { action, resource, .. } = self.question;
        let Some(user) = self.user() else { return false };
        // Every user lists buckets, and sees those in which it has any right: `may_see`.
        *action == Action::ListAllMyBuckets
            || user.role() == Role::Admin
            || (user.role() == Role::Owner && *action == Action::CreateBucket)
            || user.policy().iter().any(|statement| statement.allows(*action, resource))
    }

    /// The bucket's owner may do everything to the bucket, and to the objects that it owns.
    fn by_ownership(&self) -> Truth {
        if self.owns_bucket() { self.is_of_bucket_owner() } else { Truth::False }
    }

    /// Is the object the bucket owner's, if that matters?
    fn is_of_bucket_owner(&self) -> Truth {
        let enforced = self.standing.rules.is_some_and(Rules::has_no_acls);
        if enforced || !is_of_the_object(self.question.action) || self.standing.owner.is_none() {
            return Truth::True;
        }
        match self.thing {
            None => Truth::Unknown,
            Some(Thing { owner: None, .. }) => Truth::True,
            Some(thing) if thing.owner == self.standing.owner => Truth::True,
            Some(_) => Truth::False,
        }
    }

    /// What the policy allows, of what is the bucket owner's to allow.
    fn by_policy(&self) -> Truth {
        let Some((policy, asked)) = self.asked() else { return Truth::False };
        let rules = self.standing.rules;
        let restricted = rules.is_some_and(|rules| rules.block.restrict_public_buckets);
        if restricted && !self.owns_bucket() && policy.is_public() {
            return Truth::False;
        }
        if self.is_of_some_keys() {
            return if policy.may_allow_some(&asked) { Truth::True } else { Truth::False };
        }
        policy.allows(&asked).and(self.is_of_bucket_owner())
    }

    fn by_bucket_acl(&self) -> Truth {
        let Some(rules) = self.standing.rules.filter(|rules| !rules.has_no_acls()) else {
            return Truth::False;
        };
        let Some(acl) = rules.acl.as_deref() else { return Truth::False };
        let gives = |permission| acl.gives(self.caller(), permission, rules.public());
        let deletes =
            matches!(self.question.action, Action::DeleteObject | Action::DeleteObjectVersion);
        if deletes && gives(Permission::Write) {
            // Who may write deletes what it has written itself.
            return match self.thing {
                _ if self.caller().is_none() => Truth::False,
                _ if self.is_of_some_keys() => Truth::True,
                None => Truth::Unknown,
                Some(thing) if thing.own => Truth::True,
                Some(thing) if thing.owner.is_some() && self.owns(thing.owner) => Truth::True,
                Some(_) => Truth::False,
            };
        }
        match acl::needed_on_bucket(self.question.action) {
            Some(permission) if gives(permission) => Truth::True,
            _ => Truth::False,
        }
    }

    /// Who began an upload may always look at it and end it:
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions>.
    fn by_initiator(&self) -> Truth {
        let about_uploads = matches!(
            self.question.action,
            Action::AbortMultipartUpload | Action::ListMultipartUploadParts
        );
        match (self.caller(), self.thing) {
            _ if !about_uploads || self.is_of_some_keys() => Truth::False,
            (None, _) => Truth::False,
            (Some(_), None) => Truth::Unknown,
            (caller, Some(thing)) if thing.initiator == caller => Truth::True,
            (Some(_), Some(_)) => Truth::False,
        }
    }

    /// What the object's own list gives; its owner may always read and change the list.
    fn by_object(&self) -> Truth {
        let Some(rules) = self.standing.rules.filter(|rules| !rules.has_no_acls()) else {
            return Truth::False;
        };
        let Some(needed) = acl::needed_on_object(self.question.action) else {
            return Truth::False;
        };
        let Some(thing) = self.thing else { return Truth::Unknown };
        let owns = thing.own || self.owns(thing.owner.or(self.standing.owner));
        let gives = match thing.acl {
            None => owns,
            Some(acl) => {
                let about_list = matches!(needed, Permission::ReadAcp | Permission::WriteAcp);
                (owns && about_list) || acl.gives(self.caller(), needed, rules.public())
            }
        };
        if gives { Truth::True } else { Truth::False }
    }
}

/// Is it about what an object's owner decides, rather than about the place that it has in a bucket?
fn is_of_the_object(action: Action) -> bool {
    acl::needed_on_object(action).is_some() || looks_at_tags(action)
}
