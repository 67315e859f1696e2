//! Leases of containers and blobs: who holds one, and what that means to a write.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/lease-blob>

use std::time::Duration;

use crate::clock::Time;
use crate::refusal::{self, Row};

/// Who has it.
#[derive(Clone, Debug, Default)]
pub(crate) enum Lease {
    /// Nobody.
    #[default]
    Available,
    /// Somebody, for a while or for ever.
    Held(Box<Held>),
    /// Somebody, until then.
    Breaking { id: Box<str>, until: Time },
}

#[derive(Clone, Debug)]
pub(crate) struct Held {
    id: Box<str>,
    /// None: for ever.
    seconds: Option<u32>,
    until: Time,
}

/// A lease as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Available,
    Leased,
    Breaking,
    Broken,
    Expired,
}

impl State {
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Leased => "leased",
            Self::Breaking => "breaking",
            Self::Broken => "broken",
            Self::Expired => "expired",
        }
    }

    /// Whether writes need the lease.
    pub(crate) const fn is_active(self) -> bool {
        matches!(self, Self::Leased | Self::Breaking)
    }

    pub(crate) const fn status(self) -> &'static str {
        if self.is_active() { "locked" } else { "unlocked" }
    }
}

/// What is leased, and so which codes say no.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Of {
    Container,
    Blob,
}

/// How long a lease is wanted: seconds, or for ever.
pub(crate) fn duration(text: Option<&str>) -> Result<Option<u32>, &'static Row> {
    let text = text.ok_or(refusal::MISSING_REQUIRED_HEADER)?;
    if text == "-1" {
        return Ok(None);
    }
    let seconds: u32 = text.parse().map_err(|_| refusal::INVALID_HEADER_VALUE)?;
    if (15..=60).contains(&seconds) {
        Ok(Some(seconds))
    } else {
        Err(refusal::INVALID_HEADER_VALUE)
    }
}

impl Lease {
    pub(crate) fn state(&self, now: Time) -> State {
        match self {
            Self::Available => State::Available,
            Self::Held(held) if held.seconds.is_some() && held.until <= now => State::Expired,
            Self::Held(_) => State::Leased,
            Self::Breaking { until, .. } if *until <= now => State::Broken,
            Self::Breaking { .. } => State::Breaking,
        }
    }

    pub(crate) fn is_infinite(&self) -> bool {
        matches!(self, Self::Held(held) if held.seconds.is_none())
    }

    fn id(&self) -> &str {
        match self {
            Self::Available => "",
            Self::Held(held) => &held.id,
            Self::Breaking { id, .. } => id,
        }
    }

    fn is_of(&self, id: &str) -> bool {
        self.id().eq_ignore_ascii_case(id)
    }

    /// Whether somebody who shows `id` may change what is leased.
    pub(crate) fn allows(&self, id: Option<&str>, of: Of, now: Time) -> Result<(), &'static Row> {
        let (mismatch, absent) = match of {
            Of::Blob => (refusal::LEASE_ID_MISMATCH_BLOB, refusal::LEASE_NOT_PRESENT_BLOB),
            Of::Container => {
                (refusal::LEASE_ID_MISMATCH_CONTAINER, refusal::LEASE_NOT_PRESENT_CONTAINER)
            }
        };
        match (id, self.state(now)) {
            (None, State::Leased | State::Breaking) => Err(refusal::LEASE_ID_MISSING),
            (None, State::Available | State::Broken | State::Expired) => Ok(()),
            (Some(id), State::Leased | State::Breaking) => {
                if self.is_of(id) {
                    Ok(())
                } else {
                    Err(mismatch)
                }
            }
            (Some(id), State::Broken | State::Expired) => {
                Err(if self.is_of(id) { refusal::LEASE_LOST } else { mismatch })
            }
            (Some(_), State::Available) => Err(absent),
        }
    }

    /// As [`Lease::allows`] for what needs no lease but looks at one that is shown.
    pub(crate) fn allows_read(
        &self,
        id: Option<&str>,
        of: Of,
        now: Time,
    ) -> Result<(), &'static Row> {
        if id.is_some() { self.allows(id, of, now) } else { Ok(()) }
    }

    pub(crate) fn acquire(
        &mut self,
        id: &str,
        seconds: Option<u32>,
        now: Time,
    ) -> Result<(), &'static Row> {
        match self.state(now) {
            State::Leased if !self.is_of(id) => return Err(refusal::LEASE_ALREADY_PRESENT),
            State::Breaking => {
                let own = self.is_of(id);
                return Err(if own {
                    refusal::LEASE_IS_BREAKING
                } else {
                    refusal::LEASE_ALREADY_PRESENT
                });
            }
            State::Leased | State::Available | State::Broken | State::Expired => {}
        }
        *self = Self::held(id, seconds, now);
        Ok(())
    }

    fn held(id: &str, seconds: Option<u32>, now: Time) -> Self {
        let until = now.after(Duration::from_secs(u64::from(seconds.unwrap_or_default())));
        Self::Held(Box::new(Held { id: id.into(), seconds, until }))
    }

    pub(crate) fn renew(&mut self, id: &str, now: Time) -> Result<(), &'static Row> {
        self.own(id)?;
        let Self::Held(held) = self else { return Err(refusal::LEASE_IS_BROKEN) };
        let seconds = held.seconds;
        *self = Self::held(id, seconds, now);
        Ok(())
    }

    pub(crate) fn change(&mut self, id: &str, to: &str, now: Time) -> Result<(), &'static Row> {
        if self.state(now) == State::Leased && self.is_of(to) {
            return Ok(());
        }
        self.own(id)?;
        match self {
            Self::Held(held) if self_is_leased(held, now) => {
                held.id = to.into();
                Ok(())
            }
            Self::Breaking { .. } => Err(refusal::LEASE_IS_BREAKING_CHANGE),
            Self::Held(_) | Self::Available => Err(refusal::LEASE_NOT_PRESENT),
        }
    }

    pub(crate) fn release(&mut self, id: &str) -> Result<(), &'static Row> {
        self.own(id)?;
        *self = Self::Available;
        Ok(())
    }

    /// How many seconds are left.
    pub(crate) fn break_it(&mut self, period: Option<u32>, now: Time) -> Result<u64, &'static Row> {
        let state = self.state(now);
        let left = match self {
            Self::Available => return Err(refusal::LEASE_NOT_PRESENT),
            Self::Held(held) if held.seconds.is_some() => held.until.since(now),
            Self::Held(_) => Duration::from_secs(u64::from(period.unwrap_or_default())),
            Self::Breaking { until, .. } => until.since(now),
        };
        let asked = period.map(|seconds| Duration::from_secs(u64::from(seconds)));
        let left = asked.map_or(left, |asked| asked.min(left));
        let left = if state.is_active() { left } else { Duration::ZERO };
        *self = Self::Breaking { id: self.id().into(), until: now.after(left) };
        Ok(left.as_secs())
    }

    fn own(&self, id: &str) -> Result<(), &'static Row> {
        match self {
            Self::Available => Err(refusal::LEASE_NOT_PRESENT),
            Self::Held(_) | Self::Breaking { .. } if self.is_of(id) => Ok(()),
            Self::Held(_) | Self::Breaking { .. } => Err(refusal::LEASE_ID_MISMATCH),
        }
    }
}

fn self_is_leased(held: &Held, now: Time) -> bool {
    held.seconds.is_none() || held.until > now
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "a-lease";

    #[test]
    fn a_lease_keeps_others_out_until_it_ends() {
        let mut lease = Lease::default();
        let now = Time(0);
        lease.acquire(A, Some(15), now).unwrap();
        assert_eq!(lease.allows(None, Of::Blob, now), Err(refusal::LEASE_ID_MISSING));
        assert_eq!(lease.allows(Some("b"), Of::Blob, now), Err(refusal::LEASE_ID_MISMATCH_BLOB));
        assert_eq!(lease.allows(Some(A), Of::Blob, now), Ok(()));
        assert_eq!(lease.acquire("b", None, now), Err(refusal::LEASE_ALREADY_PRESENT));
        let later = now.after(Duration::from_secs(15));
        assert_eq!(lease.state(later), State::Expired);
        assert_eq!(lease.allows(None, Of::Blob, later), Ok(()));
        assert_eq!(lease.allows(Some(A), Of::Blob, later), Err(refusal::LEASE_LOST));
        lease.renew(A, later).unwrap();
        assert_eq!(lease.state(later), State::Leased);
    }

    #[test]
    fn a_broken_lease_cannot_be_renewed() {
        let mut lease = Lease::default();
        let now = Time(0);
        lease.acquire(A, None, now).unwrap();
        assert_eq!(lease.break_it(Some(10), now), Ok(10));
        assert_eq!((lease.state(now), lease.acquire(A, None, now)), {
            (State::Breaking, Err(refusal::LEASE_IS_BREAKING))
        });
        let later = now.after(Duration::from_secs(10));
        assert_eq!(lease.state(later), State::Broken);
        assert_eq!(lease.renew(A, later), Err(refusal::LEASE_IS_BROKEN));
        lease.acquire("b", Some(60), later).unwrap();
        assert_eq!(lease.release("b"), Ok(()));
    }
}
