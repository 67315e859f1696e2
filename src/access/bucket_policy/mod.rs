//! The policy of a bucket, whole: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html>.
//!
//! A policy is read when it is put, and refused if there is anything in it that could not be
//! evaluated; so evaluating one cannot fail, and ignores nothing.

mod condition;
mod document;
mod principal;
mod statement;

pub(in crate::access) use condition::{Facts, Tags, Truth};
pub(in crate::access) use statement::{Asked, looks_at_tags};

use crate::access::directory::Directory;
use crate::s3::names::BucketName;
use crate::s3::{Code, Error};
use statement::{Effect, Statement};

/// The longest policy, in bytes:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html>.
pub const POLICY_BYTES_MAX: usize = 20 * 1024;

/// The policy of a bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct BucketPolicy {
    text: String,
    statements: Vec<Statement>,
}

/// Why a policy is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fault(String);

impl Fault {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl BucketPolicy {
    /// Reads a policy that somebody puts on `bucket`: `MalformedPolicy` for what S3 would not take,
    /// what names nobody of `users`, and what could not be evaluated.
    pub fn put(text: &str, bucket: &BucketName, users: &Directory) -> Result<Self, Error> {
        let policy = Self::parse(text).map_err(malformed)?;
        for statement in &policy.statements {
            statement.check(bucket, users).map_err(malformed)?;
        }
        Ok(policy)
    }

    /// Reads one that was put.
    pub fn read(text: &str) -> Result<Self, Error> {
        Self::parse(text).map_err(malformed)
    }

    fn parse(text: &str) -> Result<Self, Fault> {
        Ok(Self { text: text.to_owned(), statements: document::read(text)? })
    }

    /// As it was put, to the letter.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Does a statement deny it?
    pub(in crate::access) fn denies(&self, asked: &Asked<'_>) -> Truth {
        self.any(Effect::Deny, asked)
    }

    /// Does a statement allow it?
    pub(in crate::access) fn allows(&self, asked: &Asked<'_>) -> Truth {
        self.any(Effect::Allow, asked)
    }

    fn any(&self, effect: Effect, asked: &Asked<'_>) -> Truth {
        let of_this = self.statements.iter().filter(|statement| statement.effect() == effect);
        of_this.fold(Truth::False, |so_far, statement| {
            // What is decided need not be asked again.
            if so_far == Truth::True { so_far } else { so_far.or(statement.applies(asked)) }
        })
    }

    /// Does a statement allow it on any key at all, whatever else it asks?
    pub(in crate::access) fn may_allow_some(&self, asked: &Asked<'_>) -> bool {
        self.statements.iter().any(|statement| {
            statement.effect() == Effect::Allow && statement.may_apply_below(asked)
        })
    }

    /// Does it allow anything to everybody?
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html#access-control-block-public-access-policy-status>
    pub fn is_public(&self) -> bool {
        self.statements.iter().any(Statement::is_public)
    }
}

fn malformed(fault: Fault) -> Error {
    Error::new(Code::MalformedPolicy).message(fault.0)
}
