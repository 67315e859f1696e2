//! The moments that signatures name: ISO 8601's basic form, and the form of HTTP and of mail. Parsed
//! by hand, because both are foreign bytes of bounded length and nothing else has to be understood.

use time::{Date, Month, OffsetDateTime, Time, UtcOffset};

/// The longest date that is looked at; `Sat, 21 Nov 2026 16:44:27 -0000` has 31 bytes.
const DATE_BYTES_MAX: usize = 40;

/// A moment as a string to sign has it, `20130524T000000Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp([u8; 16]);

impl Stamp {
    /// Of a moment in UTC with a year of four digits, as the parsers below give it.
    pub(super) fn of(moment: OffsetDateTime) -> Self {
        let year = moment.year().clamp(0, 9999);
        let fields = [
            (year / 100, 0),
            (year % 100, 2),
            (i32::from(u8::from(moment.month())), 4),
            (i32::from(moment.day()), 6),
            (i32::from(moment.hour()), 9),
            (i32::from(moment.minute()), 11),
            (i32::from(moment.second()), 13),
        ];
        let mut text = *b"00000000T000000Z";
        for (value, at) in fields {
            let digits = [value / 10, value % 10].map(|digit| u8::try_from(digit).unwrap_or(0));
            for (slot, digit) in text.iter_mut().skip(at).zip(digits) {
                *slot = b'0' + digit;
            }
        }
        Self(text)
    }

    /// All of it.
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The day, `20130524`.
    pub(super) fn day(&self) -> &str {
        self.as_str().get(..8).unwrap_or_default()
    }
}

/// Reads `20130524T000000Z`.
pub(super) fn parse_basic(text: &str) -> Option<OffsetDateTime> {
    let text = text.as_bytes();
    let (&[.., b'T', _, _, _, _, _, _, b'Z'], 16) = (text, text.len()) else { return None };
    let number = |from: usize, to: usize| digits(text.get(from..to)?);
    let date = date(number(0, 4)?, number(4, 6)?, number(6, 8)?)?;
    Some(date.with_time(clock(number(9, 11)?, number(11, 13)?, number(13, 15)?)?).assume_utc())
}

/// Reads either form: clients put both into `Date` and into `x-amz-date`.
pub(super) fn parse(text: &str) -> Option<OffsetDateTime> {
    parse_basic(text).or_else(|| parse_mail(text))
}

/// Reads `Sat, 21 Nov 2026 16:44:27 GMT`, also with a numeric zone and without the day's name.
fn parse_mail(text: &str) -> Option<OffsetDateTime> {
    if text.len() > DATE_BYTES_MAX {
        return None;
    }
    let text = text.split_once(", ").map_or(text, |(_, rest)| rest);
    let mut words = text.split(' ');
    let day = digits(words.next()?.as_bytes())?;
    let month = month(words.next()?)?;
    let year = words.next().filter(|year| year.len() == 4)?;
    let mut hands = words.next()?.split(':').map(|hand| digits(hand.as_bytes()));
    let time = clock(hands.next()??, hands.next()??, hands.next()??)?;
    let zone = zone(words.next()?)?;
    if words.next().is_some() || hands.next().is_some() {
        return None;
    }
    let date = date(digits(year.as_bytes())?, month, day)?;
    // A year at the very end of the calendar has no UTC at every offset.
    date.with_time(time).assume_offset(zone).checked_to_offset(UtcOffset::UTC)
}

fn month(name: &str) -> Option<u16> {
    const NAMES: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    (1..).zip(NAMES).find_map(|(number, known)| (known == name).then_some(number))
}

fn zone(text: &str) -> Option<UtcOffset> {
    if matches!(text, "GMT" | "UTC" | "Z") {
        return Some(UtcOffset::UTC);
    }
    let (sign, hands) = match text.split_at_checked(1)? {
        ("+", hands) => (1, hands),
        ("-", hands) => (-1, hands),
        (_, _) => return None,
    };
    let (hours, minutes) = hands.split_at_checked(2).filter(|_| hands.len() == 4)?;
    let whole = |text: &str| i8::try_from(digits(text.as_bytes())?).ok();
    UtcOffset::from_hms(sign * whole(hours)?, sign * whole(minutes)?, 0).ok()
}

fn date(year: u16, month: u16, day: u16) -> Option<Date> {
    let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
    Date::from_calendar_date(i32::from(year), month, u8::try_from(day).ok()?).ok()
}

fn clock(hour: u16, minute: u16, second: u16) -> Option<Time> {
    let hand = |value: u16| u8::try_from(value).ok();
    Time::from_hms(hand(hour)?, hand(minute)?, hand(second)?).ok()
}

/// One to four digits and nothing else.
fn digits(text: &[u8]) -> Option<u16> {
    if text.is_empty() || text.len() > 4 {
        return None;
    }
    text.iter().try_fold(0, |value, byte| {
        byte.is_ascii_digit().then(|| value * 10 + u16::from(byte - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::{Stamp, parse, parse_basic};

    #[test]
    fn every_form_that_clients_send_is_read() {
        let expected = datetime!(2026-11-21 16:44:27 UTC);
        for text in [
            "20261121T164427Z",
            "Sat, 21 Nov 2026 16:44:27 GMT",
            "Sat, 21 Nov 2026 16:44:27 -0000",
            "Sat, 21 Nov 2026 16:44:27 +0000",
            "Sat, 21 Nov 2026 17:44:27 +0100",
            "21 Nov 2026 16:44:27 UTC",
        ] {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
        assert_eq!(Stamp::of(expected).as_str(), "20261121T164427Z");
        assert_eq!(Stamp::of(expected).day(), "20261121");
    }

    #[test]
    fn c14_what_is_no_date_is_refused_without_work() {
        let nested = format!("Sat, 21 Nov 2026 16:44:27 {}", "(".repeat(10_000));
        for text in [
            "",
            "now",
            "20261121",
            "20261121T164427",
            "20261321T164427Z",
            "20261121T254427Z",
            "20261121T16442\u{e9}Z",
            "+0261121T164427Z",
            "Sat, 31 Nov 2026 16:44:27 GMT",
            "Sat, 21 Nov 2026 16:44 GMT",
            "Sat, 21 Nov 2026 16:44:27:00 GMT",
            "Sat, 21 Nov 2026 16:44:27 GMT x",
            "Sat, 21 Nov 2026 16:44:27 PST",
            "Sat, 21 Nov 2026 16:44:27 +9999",
            &nested,
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse_basic("Sat, 21 Nov 2026 16:44:27 GMT"), None);
    }
}
