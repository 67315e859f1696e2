//! The server's time, which a test can push forward, and how Azure writes it.

use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderValue;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use crate::state::{read, write};

const TICKS_A_SECOND: u64 = 10_000_000;

/// A moment: Azure's ticks of 100 nanoseconds, since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Time(pub(crate) u64);

impl Time {
    pub(crate) const fn seconds(self) -> u64 {
        self.0 / TICKS_A_SECOND
    }

    pub(crate) fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(ticks(duration)))
    }

    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0) / 10)
    }

    /// `Sun, 22 Nov 2026 03:05:08 GMT`
    pub(crate) fn http_date(self) -> String {
        const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let days = self.seconds() / 86_400;
        let (year, month, day) = civil(days);
        let weekday = usize::try_from(days % 7).ok().and_then(|day| DAYS.get(day));
        let month = usize::try_from(month - 1).ok().and_then(|month| MONTHS.get(month));
        let mut text = String::with_capacity(29);
        text.push_str(weekday.unwrap_or(&""));
        text.push_str(", ");
        push_number(&mut text, day, 2);
        text.push(' ');
        text.push_str(month.unwrap_or(&""));
        text.push(' ');
        push_number(&mut text, year, 4);
        text.push(' ');
        self.push_clock(&mut text);
        text.push_str(" GMT");
        text
    }

    /// `2026-11-22T03:05:08.1234567Z`, the name of a snapshot.
    pub(crate) fn iso(self) -> String {
        let (year, month, day) = civil(self.seconds() / 86_400);
        let mut text = String::with_capacity(28);
        push_number(&mut text, year, 4);
        text.push('-');
        push_number(&mut text, month, 2);
        text.push('-');
        push_number(&mut text, day, 2);
        text.push('T');
        self.push_clock(&mut text);
        text.push('.');
        push_number(&mut text, self.0 % TICKS_A_SECOND, 7);
        text.push('Z');
        text
    }

    fn push_clock(self, text: &mut String) {
        let second = self.seconds() % 86_400;
        push_number(text, second / 3_600, 2);
        text.push(':');
        push_number(text, second / 60 % 60, 2);
        text.push(':');
        push_number(text, second % 60, 2);
    }

    pub(crate) fn parse_http(text: &str) -> Option<Self> {
        let format = format_description!(
            "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
        );
        PrimitiveDateTime::parse(text, &format).ok().and_then(|date| Self::of(date.assume_utc()))
    }

    /// A date of a shared access signature or of a snapshot.
    pub(crate) fn parse_iso(text: &str) -> Option<Self> {
        let date = OffsetDateTime::parse(text, &Rfc3339);
        let date = date.or_else(|_| OffsetDateTime::parse(&format!("{text}T00:00:00Z"), &Rfc3339));
        date.ok().and_then(Self::of)
    }

    fn of(date: OffsetDateTime) -> Option<Self> {
        u64::try_from(date.unix_timestamp_nanos() / 100).ok().map(Self)
    }
}

/// Digits of `number`, with zeros in front.
pub(crate) fn push_number(text: &mut String, number: u64, width: u32) {
    for place in (0..width).rev() {
        let digit = number / 10_u64.pow(place) % 10;
        text.push(char::from(b'0' + u8::try_from(digit).unwrap_or_default()));
    }
}

/// Year, month and day of a day since 1970.
/// <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year + era * 400 + u64::from(month <= 2), month, day)
}

fn ticks(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos() / 100).unwrap_or(u64::MAX)
}

/// The system's clock, and how far it was pushed forward.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    ahead: AtomicU64,
    date: RwLock<Option<(u64, HeaderValue)>>,
}

impl Clock {
    pub(crate) fn now(&self) -> Time {
        Time(Self::real_now().0.saturating_add(self.ahead.load(Ordering::Relaxed)))
    }

    /// What clients' clocks say, however far the test has pushed ours: signatures go by it.
    pub(crate) fn real_now() -> Time {
        #[expect(clippy::disallowed_methods, reason = "this is the clock of a server of its own")]
        let now = std::time::SystemTime::now();
        let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Time(ticks(since))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.ahead.fetch_add(ticks(by), Ordering::Relaxed);
    }

    /// The header `Date`, made once a second.
    pub(crate) fn date(&self, now: Time) -> HeaderValue {
        let second = now.seconds();
        if let Some((known, value)) = &*read(&self.date)
            && *known == second
        {
            return value.clone();
        }
        let value =
            HeaderValue::try_from(now.http_date()).unwrap_or_else(|_| HeaderValue::from_static(""));
        *write(&self.date) = Some((second, value.clone()));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_azure_writes_them() {
        let time = Time::parse_iso("2026-11-22T03:05:08.1234567Z").unwrap();
        assert_eq!(time.iso(), "2026-11-22T03:05:08.1234567Z");
        assert_eq!(time.http_date(), "Sun, 22 Nov 2026 03:05:08 GMT");
        let leap = Time::parse_http("Thu, 29 Feb 2024 23:59:59 GMT").unwrap();
        assert_eq!(leap.http_date(), "Thu, 29 Feb 2024 23:59:59 GMT");
        assert_eq!(Time(0).http_date(), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(Time::parse_iso("2026-11-22").unwrap().seconds() % 86_400, 0);
    }

    #[test]
    fn the_clock_goes_forward_when_it_is_told_to() {
        let clock = Clock::default();
        clock.advance(Duration::from_hours(24));
        let ahead = clock.now().since(Clock::real_now());
        assert!(ahead > Duration::from_hours(23) && ahead <= Duration::from_hours(24));
    }
}
