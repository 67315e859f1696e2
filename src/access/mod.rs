//! Who may do what: users and their keys, what their policies say, and one function that decides.
//!
//! Invariants:
//! - Nothing is allowed that no rule allows.
//! - A [`Grant`] is a proof: only [`authorise()`] makes one, and it names what it is for.
//! - A [`Directory`] does not change; a reload makes another, whole or not at all.

mod acl;
mod action;
mod authorise;
mod block;
mod bucket_policy;
mod caller;
mod circumstances;
mod directory;
mod pattern;
mod policy;
#[cfg(test)]
mod tests;

pub use acl::{ACL_BYTES_MAX, Acl, Grantee, Of, Permission};
pub use action::{Action, Effect, Level};
pub use authorise::{
    Grant, Guess, Outcome, Question, Resource, Rules, Standing, Thing, Writes, authorise, may_see,
    permit, settle,
};
pub use block::{Ownership, PublicAccessBlock};
pub use bucket_policy::{BucketPolicy, POLICY_BYTES_MAX};
pub use caller::Caller;
pub use circumstances::{Circumstances, Connection, Door, Signature};
pub use directory::{Directory, Fault, NewKey, NewUser, Role, User};
pub use policy::NewStatement;
