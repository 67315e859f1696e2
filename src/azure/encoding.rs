//! Percent-encoding of names and values in a request's target.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::names::BlobPath;

/// All but RFC 3986's unreserved characters. `/` is among them: no name reaches another path.
pub(super) const RESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::{BlobName, ContainerName};

    #[test]
    fn no_name_leaves_its_container_or_meets_another() {
        let check = |name: &str, path: &str| {
            let container = ContainerName::parse("photos").unwrap();
            assert_eq!(path_of(&BlobPath::new(container, BlobName::new(name))), path);
        };
        check("a/b", "/photos/a%2Fb");
        check("a%2Fb", "/photos/a%252Fb");
        check("../victim/x", "/photos/..%2Fvictim%2Fx");
        check("a//b", "/photos/a%2F%2Fb");
        check("a b+c?d#e", "/photos/a%20b%2Bc%3Fd%23e");
        check("\t\n", "/photos/%09%0A");
        check("\u{e9}", "/photos/%C3%A9");
        check("-._~", "/photos/-._~");
    }
}
