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
    let at = at.to_offset(time::UtcOffset::UTC);
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second, milli) = at.to_hms_milli();
    // By hand: a listing has a thousand of them, and a general formatter costs ten times as much.
    let mut text = String::with_capacity(24);
    for (number, digits, behind) in [
        (u32::try_from(year).unwrap_or_default(), 4, '-'),
        (u32::from(u8::from(month)), 2, '-'),
        (u32::from(day), 2, 'T'),
        (u32::from(hour), 2, ':'),
        (u32::from(minute), 2, ':'),
        (u32::from(second), 2, '.'),
        (u32::from(milli), 3, 'Z'),
    ] {
        push_digits(&mut text, number, digits);
        text.push(behind);
    }
    text
}

/// The last so many digits of a number.
fn push_digits(text: &mut String, number: u32, digits: u32) {
    for place in (0..digits).rev() {
        let digit = number / 10_u32.pow(place) % 10;
        text.push(char::from_digit(digit, 10).unwrap_or('0'));
    }
}

/// A time in a header, to the second.
pub fn header(at: OffsetDateTime) -> String {
    at.to_offset(time::UtcOffset::UTC).format(HEADER).unwrap_or_default()
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
