//! Whether and when a call that failed is made again: a plain decision, and a budget that keeps an
//! Azure in trouble from being asked several times as much.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::call::Effect;
use super::error::{BlobError, Kind};
use super::settings::RetrySettings;

/// How long to wait before the call is made again; None: it failed.
///
/// `attempt` is the number of the one that failed, from 1. `dice` is in 0..1.
pub(super) fn decide(
    error: &BlobError,
    effect: Effect,
    attempt: u32,
    settings: &RetrySettings,
    dice: f64,
) -> Option<Duration> {
    if attempt >= settings.attempts || !may_be_repeated(error, effect) {
        return None;
    }
    let doubled = settings.wait.saturating_mul(1 << (attempt - 1).min(16)).min(settings.wait_max);
    // Between half and the whole, so that those who failed together do not come back together.
    let jittered = doubled.mul_f64(0.5 + dice.clamp(0.0, 1.0) / 2.0);
    match error.retry_after() {
        Some(asked) if asked > settings.wait_max => None,
        Some(asked) => Some(asked.max(jittered)),
        None => Some(jittered),
    }
}

fn may_be_repeated(error: &BlobError, effect: Effect) -> bool {
    match error.kind() {
        // Bytes that changed on their way were refused, and are still held.
        Kind::Throttled | Kind::DigestMismatch => true,
        Kind::ServerFailed | Kind::Unreachable => effect == Effect::None || !error.maybe_applied(),
        Kind::Broken => effect == Effect::None,
        Kind::NoSuchContainer
        | Kind::ContainerExists
        | Kind::ContainerBeingDeleted
        | Kind::NoSuchBlob
        | Kind::BlobExists
        | Kind::ConditionNotMet
        | Kind::SourceConditionNotMet
        | Kind::NotModified
        | Kind::RangeNotSatisfiable
        | Kind::InvalidBlockList
        | Kind::InvalidBlobOrBlock
        | Kind::TooManyBlocks
        | Kind::InvalidBlobType
        | Kind::LeaseConflict
        | Kind::Archived
        | Kind::Immutable
        | Kind::HasSnapshots
        | Kind::InvalidName
        | Kind::InvalidMetadata
        | Kind::InvalidHeader
        | Kind::TooLarge
        | Kind::Unauthorised
        | Kind::CannotVerifySource
        | Kind::NotSupported
        | Kind::Unexpected => false,
    }
}

/// Retries as a share of all calls. Each call puts a little in, each retry takes a whole one out.
pub(super) struct Budget {
    /// In thousandths of a retry.
    saved: AtomicU64,
    share: u64,
    reserve: u64,
}

const WHOLE: u64 = 1000;

impl Budget {
    pub(super) fn new(settings: &RetrySettings) -> Self {
        let reserve = u64::from(settings.reserve) * WHOLE;
        let share = u64::from(settings.share_per_mille);
        Self { saved: AtomicU64::new(reserve), share, reserve }
    }

    /// A call was made.
    pub(super) fn deposit(&self) {
        let add =
            |saved: u64| (saved < self.reserve).then(|| (saved + self.share).min(self.reserve));
        // It fails when the budget is full, and that is fine.
        self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).unwrap_or_default();
    }

    /// Whether a call may be made again.
    pub(super) fn withdraw(&self) -> bool {
        let take = |saved: u64| saved.checked_sub(WHOLE);
        self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, StatusCode};

    use super::*;

    fn answered(status: u16, retry_after: Option<&'static str>) -> BlobError {
        let mut all = HeaderMap::new();
        if let Some(seconds) = retry_after {
            all.insert("retry-after", HeaderValue::from_static(seconds));
        }
        BlobError::from_answer(StatusCode::from_u16(status).unwrap(), &all, b"")
    }

    fn wait(error: &BlobError, effect: Effect, attempt: u32) -> Option<Duration> {
        decide(error, effect, attempt, &RetrySettings::default(), 1.0)
    }

    #[test]
    fn what_others_see_is_sent_again_only_if_it_was_not_done() {
        let lost = BlobError::unreachable("reset", true);
        let never_sent = BlobError::unreachable("refused", false);
        let busy = answered(503, None);
        let failed = answered(500, None);
        let mut all = HeaderMap::new();
        all.insert("x-ms-error-code", HeaderValue::from_static("Crc64Mismatch"));
        let changed = BlobError::from_answer(StatusCode::BAD_REQUEST, &all, b"");
        for (error, none, seen) in [
            (&lost, true, false),
            (&never_sent, true, true),
            (&busy, true, true),
            (&failed, true, false),
            (&answered(412, None), false, false),
            (&changed, true, true),
            (&answered(403, None), false, false),
        ] {
            assert_eq!(wait(error, Effect::None, 1).is_some(), none, "{error}");
            assert_eq!(wait(error, Effect::Seen, 1).is_some(), seen, "{error}");
        }
    }

    #[test]
    fn the_wait_doubles_and_is_jittered_and_ends() {
        let busy = answered(503, None);
        let waits: Vec<_> = (1..=4).map(|attempt| wait(&busy, Effect::None, attempt)).collect();
        let millis = |millis| Some(Duration::from_millis(millis));
        assert_eq!(waits, [millis(100), millis(200), millis(400), None]);
        let settings = RetrySettings::default();
        assert_eq!(decide(&busy, Effect::None, 1, &settings, 0.0), millis(50));
    }

    #[test]
    fn azure_says_when_to_come_back() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(wait(&answered(503, Some("2")), Effect::None, 1), seconds(2));
        assert_eq!(wait(&answered(503, Some("600")), Effect::None, 1), None);
    }

    #[test]
    fn retries_are_a_share_of_calls() {
        let settings = RetrySettings { share_per_mille: 100, reserve: 2, ..Default::default() };
        let budget = Budget::new(&settings);
        assert!(budget.withdraw() && budget.withdraw() && !budget.withdraw());
        (0..9).for_each(|_| budget.deposit());
        assert!(!budget.withdraw());
        budget.deposit();
        assert!(budget.withdraw() && !budget.withdraw());
        (0..1000).for_each(|_| budget.deposit());
        assert!(budget.withdraw() && budget.withdraw() && !budget.withdraw());
    }
}
