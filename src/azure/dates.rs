//! Times as HTTP and Azure write them.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use time::macros::format_description;

/// RFC 1123, as `x-ms-date` and the conditions want it: `Sun, 22 Nov 2026 03:05:08 GMT`.
pub(super) fn http_date(at: OffsetDateTime) -> String {
    let at = at.to_offset(time::UtcOffset::UTC);
    let layout = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    // Every part of the layout is part of a date with time, so this cannot fail.
    at.format(layout).unwrap_or_default()
}

/// ISO 8601 to the second, as a SAS wants it: `2026-11-22T03:05:08Z`.
pub(super) fn sas_date(at: OffsetDateTime) -> String {
    let at = at.to_offset(time::UtcOffset::UTC);
    let layout = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    at.format(layout).unwrap_or_default()
}

/// A time in a header, a listing or a document: as HTTP writes it (a page of a listing has two thousand
/// of those), or ISO 8601.
pub(super) fn parse(text: &str) -> Option<OffsetDateTime> {
    let text = text.trim();
    httpdate::parse_http_date(text)
        .map(OffsetDateTime::from)
        .or_else(|_| OffsetDateTime::parse(text, &Rfc3339))
        .ok()
        .map(|at| at.to_offset(time::UtcOffset::UTC))
}

#[cfg(test)]
mod tests {
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
    }
}
