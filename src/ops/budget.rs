//! The memory that objects may take: reserved before the first byte is read, given back on drop.
//!
//! Nothing waits for memory while it holds memory: a body first takes one block (waiting for it if
//! it must) and asks for more only where that can be had at once. So many slow writers share the
//! budget and all of them make progress.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::s3::{Code, Error};

/// The grain of the budget, in bytes: what one permit of the semaphore stands for.
const GRAIN_BYTES: u64 = 64 * 1024;
/// The least that a body takes to make progress with, in bytes.
pub const BLOCK_BYTES_MIN: u64 = 1024 * 1024;

/// The bytes of objects that may be held at once, in all requests together.
#[derive(Clone, Debug)]
pub struct Budget {
    permits: Arc<Semaphore>,
    total: u64,
}

/// A share of the budget.
#[derive(Debug)]
pub struct Reserved {
    _permit: OwnedSemaphorePermit,
    bytes: u64,
}

impl Reserved {
    /// How many bytes may be held under it.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Budget {
    /// A budget of `bytes`, at least one block.
    pub fn new(bytes: u64) -> Self {
        let grains = grains(bytes.max(BLOCK_BYTES_MIN));
        let permits = usize::try_from(grains).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            permits: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))),
            total: u64::from(grains) * GRAIN_BYTES,
        }
    }

    /// How many bytes are reserved now.
    pub fn held(&self) -> u64 {
        let free = u64::try_from(self.permits.available_permits()).unwrap_or(u64::MAX);
        self.total.saturating_sub(free.saturating_mul(GRAIN_BYTES))
    }

    /// `bytes`, if they can be had at once.
    pub fn try_reserve(&self, bytes: u64) -> Option<Reserved> {
        let permit = Arc::clone(&self.permits).try_acquire_many_owned(grains(bytes)).ok()?;
        Some(Reserved { _permit: permit, bytes })
    }

    /// As much as can be had at once of `most`, by halves; waits for [`BLOCK_BYTES_MIN`] when there
    /// is less. Only for those who hold nothing.
    pub async fn reserve_up_to(&self, most: u64) -> Result<Reserved, Error> {
        let mut bytes = most.max(BLOCK_BYTES_MIN);
        while bytes > BLOCK_BYTES_MIN {
            if let Some(reserved) = self.try_reserve(bytes) {
                return Ok(reserved);
            }
            bytes = (bytes / 2).max(BLOCK_BYTES_MIN);
        }
        let acquired = Arc::clone(&self.permits).acquire_many_owned(grains(bytes)).await;
        let permit = acquired.map_err(|closed| Error::new(Code::SlowDown).caused_by(closed))?;
        Ok(Reserved { _permit: permit, bytes })
    }
}

/// The permits that stand for `bytes`, rounded up.
fn grains(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(GRAIN_BYTES).max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{BLOCK_BYTES_MIN, Budget};

    const MIB: u64 = 1024 * 1024;

    #[tokio::test]
    async fn what_is_short_is_given_in_halves() {
        let budget = Budget::new(10 * MIB);
        let first = budget.reserve_up_to(8 * MIB).await.unwrap();
        assert_eq!(first.bytes(), 8 * MIB);
        let second = budget.reserve_up_to(8 * MIB).await.unwrap();
        assert_eq!(second.bytes(), 2 * MIB);
        assert_eq!(budget.held(), 10 * MIB);
        assert!(budget.try_reserve(BLOCK_BYTES_MIN).is_none());
        drop(second);
        assert!(budget.try_reserve(2 * MIB).is_some());
    }

    #[tokio::test]
    async fn one_block_is_waited_for() {
        let budget = Budget::new(MIB);
        let held = budget.reserve_up_to(MIB).await.unwrap();
        let mut waiting = Box::pin(budget.reserve_up_to(8 * MIB));
        assert!(futures_poll(&mut waiting).await.is_none());
        drop(held);
        assert_eq!(waiting.await.unwrap().bytes(), MIB);
        assert_eq!(budget.held(), 0);
    }

    /// Polls once.
    async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
                std::task::Poll::Ready(output) => Some(output),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }
}
