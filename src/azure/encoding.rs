//! Percent-encoding of names and values in a request's target.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::names::BlobPath;

/// All but RFC 3986's unreserved characters. `/` is among them: no name reaches another path.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// `text` as one segment of a path or one value of a query; a blank is `%20`.
pub(super) fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// `/container/blob`, the blob as one segment.
pub(super) fn path_of(path: &BlobPath) -> String {
    let mut text = String::with_capacity(path.blob.as_str().len() + 80);
    text.push('/');
    text.push_str(path.container.as_str());
    text.push('/');
    text.extend(utf8_percent_encode(path.blob.as_str(), RESERVED));
    text
}
