//! The last answer of a connection where no handler is asked: S3's form of what hyper refuses by itself,
//! and of what the listener has no room for.
//!
//! hyper answers a head that is none, or too long, with a bare status before any service sees it. Its
//! answers are told from ours by what they lack: every answer of ours has an id.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::s3::{Code, Error, headers, xml};
use crate::server::answer;

/// What hyper refuses by itself, and what S3 calls that.
const REFUSALS: &[(StatusCode, Code, &str)] = &[
    (StatusCode::BAD_REQUEST, Code::InvalidRequest, "The request is not HTTP."),
    (StatusCode::URI_TOO_LONG, Code::InvalidRequest, "The URI is too long."),
    (
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Code::RequestHeaderSectionTooLarge,
        "Your request header section exceeds the maximum allowed size.",
    ),
    (
        StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        Code::NotImplemented,
        "The version of HTTP is not supported.",
    ),
];

/// An answer in S3's form, with which the connection ends.
pub(super) fn write(status: StatusCode, error: &Error) -> Vec<u8> {
    let id = answer::request_id();
    let document = xml::error(error, "", &id);
    let mut all = HeaderMap::new();
    answer::identify(&mut all, &id);
    all.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    all.insert(header::CONTENT_LENGTH, HeaderValue::from(document.len()));
    all.insert(header::CONNECTION, HeaderValue::from_static("close"));
    all.extend(error.headers().iter().cloned());
    let reason = status.canonical_reason().unwrap_or_default();
    let mut bytes = format!("HTTP/1.1 {} {reason}\r\n", status.as_str()).into_bytes();
    for (name, value) in &all {
        put_line(&mut bytes, name, value);
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(document.as_bytes());
    bytes
}

fn put_line(into: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
        into.extend_from_slice(part);
    }
}

/// What goes out in place of `bytes`, if those are a refusal of hyper's own: one head, of one of its
/// statuses, without an id, and nothing behind it.
pub(super) fn in_place_of(bytes: &[u8]) -> Option<(StatusCode, Vec<u8>)> {
    // First of all its status: nearly every answer that there is passes here.
    let status = bytes.strip_prefix(b"HTTP/1.1 ")?.split(|byte| *byte == b' ').next()?;
    let (status, code, message) =
        REFUSALS.iter().find(|(known, _, _)| known.as_str().as_bytes() == status).copied()?;
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, behind) = text.split_once("\r\n\r\n")?;
    let ours = head.to_ascii_lowercase().contains(headers::REQUEST_ID.as_str());
    if ours || !behind.is_empty() {
        return None;
    }
    Some((status, write(status, &Error::new(code).message(message))))
}

/// What a client reads that got no connection.
pub(super) fn no_room() -> Vec<u8> {
    let error = Error::new(Code::SlowDown).header(header::RETRY_AFTER, HeaderValue::from(1));
    write(error.status(), &error)
}

#[cfg(test)]
mod tests {
    use super::{in_place_of, no_room};

    #[track_caller]
    fn check(bytes: &[u8], status: &str) {
        let text = std::str::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{head}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        assert!(head.contains("connection: close"), "{head}");
        let id = head.split("x-amz-request-id: ").nth(1).unwrap().split('\r').next().unwrap();
        assert!(body.contains(&format!("<RequestId>{id}</RequestId>")), "{body}");
    }

    #[test]
    fn who_gets_no_connection_is_told_in_full() {
        let bytes = no_room();
        check(&bytes, "503 Service Unavailable");
        assert!(String::from_utf8(bytes).unwrap().contains("<Code>SlowDown</Code>"));
    }

    #[test]
    fn only_bare_refusals_are_replaced() {
        let bare = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        check(&in_place_of(bare).unwrap().1, "400 Bad Request");
        let large = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n\r\n";
        check(&in_place_of(large).unwrap().1, "431 Request Header Fields Too Large");
        for other in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 400 Bad Request\r\nx-amz-request-id: 1\r\ncontent-length: 0\r\n\r\n",
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 1\r\n\r\nx",
            b"HTTP/1.1 400 Bad Request\r\n",
            b"\xff",
            b"",
        ] {
            assert_eq!(in_place_of(other), None);
        }
    }
}
