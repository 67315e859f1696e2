//! Times as HTTP and Azure write them.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use time::macros::format_description;

/// RFC 1123, as `x-ms-date` and the conditions want it: `Sun, 22 Nov 2026 03:05:08 GMT`.
pub(super) fn http_date(at: OffsetDateTime) -> String {
    let at = at.to_offset(time::UtcOffset::UTC);
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second) = at.to_hms();
    let name = |names: &'static [&[u8; 3]], at: u8| {
        names.get(usize::from(at)).and_then(|name| std::str::from_utf8(*name).ok())
    };
    let weekday = name(&WEEKDAYS, at.weekday().number_days_from_monday()).unwrap_or_default();
    let month = name(&MONTHS, u8::from(month) - 1).unwrap_or_default();
    // By hand: every request to Azure has one, and a general formatter takes ten times as much.
    let mut text = String::with_capacity(29);
    text.extend([weekday, ", "]);
    push(&mut text, i32::from(day), 2);
    text.extend([" ", month, " "]);
    push(&mut text, year, 4);
    for (before, number) in [(' ', hour), (':', minute), (':', second)] {
        text.push(before);
        push(&mut text, number.into(), 2);
    }
    text.push_str(" GMT");
    text
}

/// The last so many digits of a number.
fn push(text: &mut String, number: i32, digits: u32) {
    for place in (0..digits).rev() {
        let digit = number.unsigned_abs() / 10_u32.pow(place) % 10;
        text.push(char::from_digit(digit, 10).unwrap_or('0'));
    }
}

/// ISO 8601 to the second, as a SAS wants it: `2026-11-22T03:05:08Z`.
pub(super) fn sas_date(at: OffsetDateTime) -> String {
    let at = at.to_offset(time::UtcOffset::UTC);
    let layout = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    at.format(layout).unwrap_or_default()
}

/// A time in a header, a listing or a document: as HTTP writes it, or ISO 8601.
pub(super) fn parse(text: &str) -> Option<OffsetDateTime> {
    let text = text.trim();
    if let Some(at) = text.as_bytes().try_into().ok().and_then(fixed) {
        return Some(at);
    }
    httpdate::parse_http_date(text)
        .map(OffsetDateTime::from)
        .or_else(|_| OffsetDateTime::parse(text, &Rfc3339))
        .ok()
        .map(|at| at.to_offset(time::UtcOffset::UTC))
}

/// `Sun, 22 Nov 2026 03:05:08 GMT`, which is all that Azure sends, at a tenth of what a general reader
/// takes: a page of a listing has thousands of those.
fn fixed(text: &[u8; 29]) -> Option<OffsetDateTime> {
    let [
        weekday @ ..,
        b',',
        b' ',
        d1,
        d2,
        b' ',
        m1,
        m2,
        m3,
        b' ',
        y1,
        y2,
        y3,
        y4,
        b' ',
        h1,
        h2,
        b':',
        n1,
        n2,
        b':',
        s1,
        s2,
        b' ',
        b'G',
        b'M',
        b'T',
    ] = text
    else {
        return None;
    };
    let month = MONTHS.iter().position(|name| **name == [*m1, *m2, *m3])?;
    let month = time::Month::try_from(u8::try_from(month + 1).ok()?).ok()?;
    let year = i32::from(two(*y1, *y2)?) * 100 + i32::from(two(*y3, *y4)?);
    let date = time::Date::from_calendar_date(year, month, two(*d1, *d2)?).ok()?;
    let at = time::Time::from_hms(two(*h1, *h2)?, two(*n1, *n2)?, two(*s1, *s2)?).ok()?;
    WEEKDAYS.contains(&weekday).then(|| date.with_time(at).assume_utc())
}

const WEEKDAYS: [&[u8; 3]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];
const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// A number of two digits.
fn two(tens: u8, ones: u8) -> Option<u8> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| byte - b'0');
    Some(digit(tens)? * 10 + digit(ones)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};
    use time::macros::datetime;

    use super::*;

    #[test]
    fn dates_go_out_and_come_in() {
        let at = datetime!(2026-11-02 03:05:08 UTC);
        assert_eq!(http_date(at), "Mon, 02 Nov 2026 03:05:08 GMT");
        assert_eq!(sas_date(at), "2026-11-02T03:05:08Z");
        assert_eq!(parse("Mon, 02 Nov 2026 03:05:08 GMT"), Some(at));
        assert_eq!(parse("2026-11-02T03:05:08Z"), Some(at));
        assert_eq!(parse("yesterday"), None);
        assert_eq!(parse("Thu, 01 Jan 1970 00:00:00 GMT"), Some(OffsetDateTime::UNIX_EPOCH));
        for wrong in [
            "Mon, 31 Feb 2026 03:05:08 GMT",
            "Mon, 02 Nov 2026 24:05:08 GMT",
            "Mon, 02 nov 2026 03:05:08 GMT",
            "Moo, 02 Nov 2026 03:05:08 GMT",
            "Mon, 02 Nov 2026 03:05:08 CET",
            "Mon, 0x Nov 2026 03:05:08 GMT",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_date_is_what_a_general_reader_reads(seconds in 0..200_000_000_000_i64) {
            let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
            let text = http_date(at);
            let read = fixed(text.as_bytes().try_into().unwrap());
            prop_assert_eq!(read, Some(at));
            let general = httpdate::parse_http_date(&text).map(OffsetDateTime::from);
            prop_assert_eq!(general.ok(), read);
        }
    }
}
