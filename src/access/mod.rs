//! Who may do what: users and their keys, what their policies say, and one function that decides.
//!
//! Invariants:
//! - Nothing is allowed that no rule allows.
//! - A [`Grant`] is a proof: only [`authorise()`] makes one, and it names what it is for.
//! - A [`Directory`] does not change; a reload makes another, whole or not at all.

mod action;
mod authorise;
mod block;
mod directory;
mod policy;

pub use action::{Action, Effect, Level};
pub use authorise::{Caller, Grant, Resource, Standing, Writes, authorise, may_see};
pub use block::{Ownership, PublicAccessBlock};
pub use directory::{Directory, Fault, NewKey, NewUser, Role, User};
pub use policy::NewStatement;
