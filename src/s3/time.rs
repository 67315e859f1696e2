//! Times as S3 writes them: in documents, and in headers.

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// `Mon, 12 Oct 2009 17:50:30 GMT`, RFC 9110's own form.
const HEADER: &[BorrowedFormatItem<'_>] = format_description!(
    "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
);
/// `Monday, 12-Oct-09 17:50:30 GMT`: obsolete, to be read still (RFC 9110, 5.6.7).
const RFC_850: &[BorrowedFormatItem<'_>] = format_description!(
    "[weekday], [day]-[month repr:short]-[year repr:last_two] [hour]:[minute]:[second] GMT"
);
/// `Mon Oct 12 17:50:30 2009`: obsolete, to be read still.
const ASCTIME: &[BorrowedFormatItem<'_>] = format_description!(
    "[weekday repr:short] [month repr:short] [day padding:space] [hour]:[minute]:[second] [year]"
);

/// A time in a document, to the millisecond: `2009-10-12T17:50:30.000Z`.
pub fn document(at: OffsetDateTime) -> String {
    Stamp::of(at).as_str().to_owned()
}

/// The same without a string of its own: a page of a listing has a thousand of them.
#[derive(Clone, Copy, Debug)]
pub struct Stamp([u8; 24]);

impl Stamp {
    /// The text of `at`.
    pub fn of(at: OffsetDateTime) -> Self {
        let at = at.to_offset(time::UtcOffset::UTC);
        let (year, month, day) = at.to_calendar_date();
        let (hour, minute, second, milli) = at.to_hms_milli();
        let year = u16::try_from(year).unwrap_or_default();
        let [y1, y2, y3, y4] = digits(year);
        let two = |number: u8| {
            let [.., tens, ones] = digits(u16::from(number));
            (tens, ones)
        };
        let (m1, m2) = two(u8::from(month));
        let (d1, d2) = two(day);
        let (h1, h2) = two(hour);
        let (n1, n2) = two(minute);
        let (s1, s2) = two(second);
        let [_, t1, t2, t3] = digits(milli);
        Self([
            y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2,
            b'.', t1, t2, t3, b'Z',
        ])
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The last four digits of a number.
fn digits(number: u16) -> [u8; 4] {
    [1000, 100, 10, 1].map(|place| {
        let [digit, _] = (number / place % 10).to_le_bytes();
        b'0' + digit
    })
}

/// A time in a header, to the second.
pub fn header(at: OffsetDateTime) -> String {
    if at < OffsetDateTime::UNIX_EPOCH {
        return at.to_offset(time::UtcOffset::UTC).format(HEADER).unwrap_or_default();
    }
    // Each answer about an object has one, and the general formatter takes ten times as much.
    httpdate::fmt_http_date(at.into())
}

/// Reads a time of a header in any of HTTP's forms; nothing if it is none of them.
pub fn read_header(text: &str) -> Option<OffsetDateTime> {
    [HEADER, ASCTIME]
        .iter()
        .find_map(|form| time::PrimitiveDateTime::parse(text, form).ok())
        .or_else(|| read_rfc_850(text))
        .map(time::PrimitiveDateTime::assume_utc)
}

fn read_rfc_850(text: &str) -> Option<time::PrimitiveDateTime> {
    // A year of two digits is one of this century; nobody sends dates of the last one.
    let mut parsed = time::parsing::Parsed::new();
    let rest = parsed.parse_items(text.as_bytes(), RFC_850).ok()?;
    let year = i32::from(parsed.year_last_two()?) + 2000;
    parsed.set_year(year)?;
    if rest.is_empty() { parsed.try_into().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::{document, header, read_header};

    #[test]
    fn times_are_written_as_s3_writes_them() {
        let at = datetime!(2009-10-02 07:50:30.0425 UTC);
        assert_eq!(document(at), "2009-10-02T07:50:30.042Z");
        assert_eq!(header(at), "Fri, 02 Oct 2009 07:50:30 GMT");
        assert_eq!(document(datetime!(2009-10-02 09:50:30 +2)), "2009-10-02T07:50:30.000Z");
        // What other tools wrote may be any time, and none may panic.
        assert_eq!(header(datetime!(1601-01-01 02:00 +3)), "Sun, 31 Dec 1600 23:00:00 GMT");
        assert_eq!(header(datetime!(1970-01-01 0:00 UTC)), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(header(datetime!(9999-12-31 23:59:59.9 UTC)), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn all_three_forms_are_read() {
        let at = datetime!(1994-11-06 08:49:37 UTC);
        assert_eq!(read_header("Sun, 06 Nov 1994 08:49:37 GMT"), Some(at));
        assert_eq!(read_header("Sun Nov  6 08:49:37 1994"), Some(at));
        assert_eq!(
            read_header("Friday, 06-Nov-26 08:49:37 GMT"),
            Some(datetime!(2026-11-06 08:49:37 UTC))
        );
        assert_eq!(read_header("yesterday"), None);
    }
}
