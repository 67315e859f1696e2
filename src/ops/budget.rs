//! The memory that objects may take: reserved before a byte is read, given back on drop.
//!
//! - Nothing waits for memory while it holds memory: a body waits for [`STEP_BYTES`] at most, and only
//!   while it holds nothing; more than that it gets at once or not at all.
//! - What a body holds grows with what has come of it, so that a slow writer keeps little.
//! - Bodies that are held whole take no more than half, so that there are always steps for the others.
//!
//! So any number of slow writers share the budget, and all of them make progress.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::s3::{Code, Error};

/// The grain of the budget, in bytes: what one permit of the semaphore stands for.
const GRAIN_BYTES: u64 = 64 * 1024;
/// What a body begins with, in bytes. Blocks are at least as large, so that the 5 GiB of one PUT stay
/// below the 50,000 blocks that Azure takes.
pub const STEP_BYTES: u64 = 256 * 1024;
/// How long a body waits for its first memory before its client is asked to come back.
const PATIENCE: Duration = Duration::from_secs(20);

/// The bytes of objects that may be held at once, in all requests together.
#[derive(Clone, Debug)]
pub struct Budget {
    permits: Arc<Semaphore>,
    total: u64,
}

/// A share of the budget.
#[derive(Debug)]
pub struct Reserved {
    permit: OwnedSemaphorePermit,
    bytes: u64,
}

impl Reserved {
    /// How many bytes may be held under it.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Gives back what is above `bytes`.
    pub fn shrink_to(&mut self, bytes: u64) {
        let more = self.permit.num_permits().saturating_sub(grains(bytes) as usize);
        if more > 0 && self.bytes > bytes {
            drop(self.permit.split(more));
            self.bytes = bytes;
        }
    }
}

impl Budget {
    /// A budget of `bytes`, at least two steps.
    pub fn new(bytes: u64) -> Self {
        let grains = grains(bytes.max(2 * STEP_BYTES));
        let permits = usize::try_from(grains).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            permits: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))),
            total: u64::from(grains) * GRAIN_BYTES,
        }
    }

    /// How many bytes are reserved now.
    pub fn held(&self) -> u64 {
        self.total.saturating_sub(self.free())
    }

    fn free(&self) -> u64 {
        let free = u64::try_from(self.permits.available_permits()).unwrap_or(u64::MAX);
        free.saturating_mul(GRAIN_BYTES)
    }

    /// `bytes`, if they can be had at once.
    pub fn try_reserve(&self, bytes: u64) -> Option<Reserved> {
        let permit = Arc::clone(&self.permits).try_acquire_many_owned(grains(bytes)).ok()?;
        Some(Reserved { permit, bytes })
    }

    /// `bytes`, if they can be had at once and half of the budget stays free.
    pub fn try_hold(&self, bytes: u64) -> Option<Reserved> {
        let room = self.free().saturating_sub(self.total / 2);
        if bytes <= room { self.try_reserve(bytes) } else { None }
    }

    /// Makes `reserved` larger by `bytes`, if they can be had at once and a quarter of the budget stays
    /// free: for the first steps of others, who would wait for writers that stand still.
    pub fn try_grow(&self, reserved: &mut Reserved, bytes: u64) -> bool {
        if bytes > self.free().saturating_sub(self.total / 4) {
            return false;
        }
        let Some(more) = self.try_reserve(bytes) else { return false };
        reserved.permit.merge(more.permit);
        reserved.bytes = reserved.bytes.saturating_add(bytes);
        true
    }

    /// One step, waited for if it must be; `SlowDown` if there is none in time. Only for those who
    /// hold nothing.
    pub async fn step(&self) -> Result<Reserved, Error> {
        let permits = Arc::clone(&self.permits).acquire_many_owned(grains(STEP_BYTES));
        match tokio::time::timeout(PATIENCE, permits).await {
            Ok(Ok(permit)) => Ok(Reserved { permit, bytes: STEP_BYTES }),
            Ok(Err(closed)) => Err(Error::new(Code::SlowDown).caused_by(closed)),
            Err(late) => Err(Error::new(Code::SlowDown).caused_by(late)),
        }
    }

    /// As much as can be had at once of `most`, by halves; waits for one step when there is less. Only
    /// for those who hold nothing.
    pub async fn reserve_up_to(&self, most: u64) -> Result<Reserved, Error> {
        let mut bytes = most;
        while bytes > STEP_BYTES {
            if let Some(reserved) = self.try_reserve(bytes) {
                return Ok(reserved);
            }
            bytes /= 2;
        }
        self.step().await
    }
}

/// The permits that stand for `bytes`, rounded up.
fn grains(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(GRAIN_BYTES).max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Budget, STEP_BYTES};
    use crate::s3::Code;

    const MIB: u64 = 1024 * 1024;

    #[tokio::test]
    async fn what_is_short_is_given_in_halves() {
        let budget = Budget::new(10 * MIB);
        let first = budget.reserve_up_to(8 * MIB).await.unwrap();
        assert_eq!(first.bytes(), 8 * MIB);
        let second = budget.reserve_up_to(8 * MIB).await.unwrap();
        assert_eq!(second.bytes(), 2 * MIB);
        assert_eq!(budget.held(), 10 * MIB);
        assert!(budget.try_reserve(1).is_none());
        drop(second);
        assert!(budget.try_reserve(2 * MIB).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn one_step_is_waited_for_and_not_for_ever() {
        let budget = Budget::new(MIB);
        let held = budget.reserve_up_to(MIB).await.unwrap();
        assert_eq!(budget.step().await.unwrap_err().code(), Code::SlowDown);
        let waiting = budget.step();
        drop(held);
        assert_eq!(waiting.await.unwrap().bytes(), STEP_BYTES);
        assert_eq!(budget.held(), 0);
    }

    #[test]
    fn what_is_held_whole_leaves_half() {
        let budget = Budget::new(8 * MIB);
        let first = budget.try_hold(3 * MIB).unwrap();
        assert!(budget.try_hold(2 * MIB).is_none());
        let second = budget.try_hold(MIB).unwrap();
        assert!(budget.try_hold(1).is_none());
        assert!(budget.try_reserve(4 * MIB).is_some());
        drop((first, second));
        assert!(budget.try_hold(4 * MIB).is_some());
    }

    #[test]
    fn what_grows_is_given_back_whole() {
        let budget = Budget::new(MIB);
        let mut reserved = budget.try_reserve(STEP_BYTES).unwrap();
        assert!(budget.try_grow(&mut reserved, STEP_BYTES));
        assert_eq!((reserved.bytes(), budget.held()), (2 * STEP_BYTES, 2 * STEP_BYTES));
        assert!(!budget.try_grow(&mut reserved, MIB));
        assert_eq!(reserved.bytes(), 2 * STEP_BYTES);
        reserved.shrink_to(MIB);
        assert_eq!((reserved.bytes(), budget.held()), (2 * STEP_BYTES, 2 * STEP_BYTES));
        reserved.shrink_to(STEP_BYTES);
        assert_eq!((reserved.bytes(), budget.held()), (STEP_BYTES, STEP_BYTES));
        drop(reserved);
        assert_eq!(budget.held(), 0);
    }
}
