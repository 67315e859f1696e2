//! Blob Batch: deletions (and changes of tiers) in one request, each authorised and answered by itself.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/blob-batch>

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use crate::answer::{self, Body, Outcome, name};
use crate::ask::Ask;
use crate::refusal::{self, Refusal};
use crate::service::Service;
use crate::upload::Upload;

const REQUESTS_MAX: usize = 256;
const BODY_MAX: usize = 4 * 1024 * 1024;

impl Service {
    pub(crate) async fn blob_batch(&self, ask: &Ask, upload: &mut Upload) -> Outcome {
        if !self.behaviour().capabilities.batch {
            return Err(refusal::API_NOT_IMPLEMENTED.into());
        }
        let body = upload.document(ask).await?;
        if body.len() > BODY_MAX {
            return Err(refusal::REQUEST_BODY_TOO_LARGE.into());
        }
        let text = std::str::from_utf8(&body).map_err(|_| refusal::INVALID_INPUT)?;
        let kind = ask.header("content-type").unwrap_or_default();
        let boundary = kind.strip_prefix("multipart/mixed;").and_then(|kind| {
            kind.trim().strip_prefix("boundary=").map(|boundary| boundary.trim_matches('"'))
        });
        let boundary = boundary.filter(|boundary| !boundary.is_empty());
        let boundary = boundary.ok_or(refusal::INVALID_HEADER_VALUE)?;
        let parts = parts(text, boundary).ok_or(refusal::INVALID_INPUT)?;
        if parts.is_empty() || parts.len() > REQUESTS_MAX {
            return Err(refusal::INVALID_INPUT.into());
        }
        let answers = format!("batchresponse_{}", self.guid());
        let mut out = String::with_capacity(parts.len() * 400);
        for part in parts {
            let (id, outcome) = self.part(ask, part)?;
            out.extend(["--", &answers, "\r\nContent-Type: application/http\r\n"]);
            if let Some(id) = id {
                out.extend(["Content-ID: ", id, "\r\n"]);
            }
            out.push_str("\r\n");
            add(&mut out, self.finish(outcome));
        }
        out.extend(["--", &answers, "--\r\n"]);
        let mut answer = answer::plain(StatusCode::ACCEPTED);
        *answer.body_mut() = Body::Whole(Bytes::from(out));
        let kind = format!("multipart/mixed; boundary={answers}");
        answer::put_text(&mut answer, name::CONTENT_TYPE, &kind);
        Ok(answer)
    }

    /// The id of a part, and what its request comes to.
    fn part<'a>(&self, of: &Ask, part: &'a str) -> Result<(Option<&'a str>, Outcome), Refusal> {
        let (own, request) = part.split_once("\r\n\r\n").ok_or(refusal::INVALID_INPUT)?;
        let id = own.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case("content-id").then(|| value.trim())
        });
        let (line, rows) = request.split_once("\r\n").ok_or(refusal::INVALID_INPUT)?;
        let mut words = line.split(' ');
        let (Some(method), Some(target), Some("HTTP/1.1"), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(refusal::INVALID_INPUT.into());
        };
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| refusal::INVALID_INPUT)?;
        let headers = headers(rows).ok_or(refusal::INVALID_INPUT)?;
        // The version is that of the batch; a request in it has none of its own.
        if headers.contains_key(name::VERSION) {
            return Err(refusal::INVALID_INPUT.into());
        }
        let ask = Ask::new(method, target, headers, &self.options.account);
        let inside = |ask: &Ask| of.container.is_empty() || of.container == ask.container;
        let outcome = match ask {
            Ok(ask) if inside(&ask) => self.perform_batched(&ask),
            Ok(_) => Err(refusal::INVALID_INPUT.into()),
            Err(refusal) => Err(refusal),
        };
        Ok((id, outcome))
    }
}

fn parts<'a>(text: &'a str, boundary: &str) -> Option<Vec<&'a str>> {
    let mark = format!("--{boundary}");
    let (_, rest) = text.split_once(&mark)?;
    let (inside, _) = rest.split_once(&format!("{mark}--"))?;
    Some(inside.split(&mark).map(|part| part.strip_prefix("\r\n").unwrap_or(part)).collect())
}

fn headers(rows: &str) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for row in rows.lines().take_while(|row| !row.is_empty()) {
        let (name, value) = row.split_once(':')?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_str(value.trim()).ok()?);
    }
    Some(headers)
}

fn add(out: &mut String, answer: Response<Body>) {
    let status = answer.status();
    out.extend(["HTTP/1.1 ", status.as_str(), " "]);
    out.extend([status.canonical_reason().unwrap_or_default(), "\r\n"]);
    for (name, value) in answer.headers() {
        out.extend([name.as_str(), ": ", value.to_str().unwrap_or_default(), "\r\n"]);
    }
    if let Body::Whole(bytes) = answer.into_body() {
        out.push_str("Content-Length: ");
        out.push_str(&bytes.len().to_string());
        out.push_str("\r\n\r\n");
        out.push_str(&String::from_utf8_lossy(&bytes));
        out.push_str("\r\n");
    } else {
        out.push_str("\r\n");
    }
}
