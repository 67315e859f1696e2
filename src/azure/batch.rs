//! Blob Batch: many deletions in one request, each with an answer of its own.
//!
//! <https://learn.microsoft.com/rest/api/storageservices/blob-batch>

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::blobs::DeleteOptions;
use super::call::{Call, Effect};
use super::content::Content;
use super::error::{BlobError, Kind};
use super::names::{BlobName, BlobPath, ContainerName};
use super::store::BlobStore;
use super::{dates, headers};

/// One of the blobs that are deleted together.
#[derive(Clone, Debug)]
pub struct BlobDeletion {
    /// Which.
    pub blob: BlobName,
    /// On which conditions, and with what.
    pub options: DeleteOptions,
}

impl BlobStore {
    /// How many deletions Azure takes at once.
    pub const BATCH_MAX: usize = 256;

    /// Deletes many blobs of one container at once: an answer for each, in their order. An error of the
    /// whole says nothing of any, unless it says [`BlobError::maybe_applied`].
    pub async fn delete_batch(
        &self,
        container: &ContainerName,
        deletions: &[BlobDeletion],
    ) -> Result<Vec<Result<(), BlobError>>, BlobError> {
        if deletions.is_empty() {
            return Ok(Vec::new());
        }
        if deletions.len() > Self::BATCH_MAX {
            return Err(BlobError::refused_here(
                Kind::TooLarge,
                "a batch has at most 256 deletions",
            ));
        }
        let boundary = format!("batch_{:032x}", fastrand::u128(..));
        let mut call = Call::on_container("DeleteBatch", Method::POST, container, Effect::Seen);
        call.query("comp", "batch");
        call.header("content-type", &format!("multipart/mixed; boundary={boundary}"))?;
        call.content = Content::from(self.batch_text(container, deletions, &boundary).await?);
        let answer = self.send_for_document(call).await?;
        let kind = headers::text(answer.headers(), "content-type").unwrap_or_default();
        Ok(read_answers(answer.body(), kind, deletions.len()))
    }

    async fn batch_text(
        &self,
        container: &ContainerName,
        deletions: &[BlobDeletion],
        boundary: &str,
    ) -> Result<String, BlobError> {
        let mut text = String::with_capacity(deletions.len() * 512);
        let date = dates::http_date(self.settings().clock.now());
        for (number, deletion) in deletions.iter().enumerate() {
            let path = BlobPath::new(container.clone(), deletion.blob.clone());
            let mut call = Call::delete(&path, &deletion.options)?;
            call.header("x-ms-date", &date)?;
            let all = std::mem::take(&mut call.headers);
            let (target, all) = self.authorised(&call, all).await?;
            text.extend(["--", boundary, "\r\nContent-Type: application/http\r\n"]);
            text.push_str("Content-Transfer-Encoding: binary\r\nContent-ID: ");
            text.push_str(&number.to_string());
            text.extend(["\r\n\r\nDELETE ", &target, " HTTP/1.1\r\n"]);
            for (name, value) in &all {
                text.extend([name.as_str(), ": ", value.to_str().unwrap_or_default(), "\r\n"]);
            }
            text.push_str("Content-Length: 0\r\n\r\n");
        }
        text.extend(["--", boundary, "--\r\n"]);
        Ok(text)
    }
}

/// The answers in the order of their requests. One that is missing may have been done.
fn read_answers(document: &[u8], kind: &str, count: usize) -> Vec<Result<(), BlobError>> {
    let missing = || BlobError::broken("no answer in the batch's").but_done();
    let mut answers: Vec<Result<(), BlobError>> = (0..count).map(|_| Err(missing())).collect();
    let boundary = kind.split("boundary=").nth(1).unwrap_or_default().trim_matches('"');
    if boundary.is_empty() {
        return answers;
    }
    let text = String::from_utf8_lossy(document);
    for part in text.split(&format!("--{boundary}")) {
        let Some((number, answer)) = read_part(part) else { continue };
        if let Some(place) = answers.get_mut(number) {
            *place = answer;
        }
    }
    answers
}

/// A part of its own headers and an answer: `Content-ID: 3`, a blank line, `HTTP/1.1 202 Accepted`, ...
fn read_part(part: &str) -> Option<(usize, Result<(), BlobError>)> {
    let (own, answer) = part.trim_start().split_once("\r\n\r\n")?;
    let number = header_lines(own).get("content-id")?.to_str().ok()?.parse().ok()?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| (answer.trim_end(), ""));
    let (line, rows) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = line.split(' ').nth(1)?;
    let status = StatusCode::from_bytes(status.as_bytes()).ok()?;
    if status.is_success() {
        return Some((number, Ok(())));
    }
    Some((number, Err(BlobError::from_answer(status, &header_lines(rows), body.trim().as_bytes()))))
}

fn header_lines(rows: &str) -> HeaderMap {
    let pair = |row: &str| {
        let (name, value) = row.split_once(':')?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
        Some((name, HeaderValue::from_str(value.trim()).ok()?))
    };
    rows.lines().filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_deletion_has_its_answer() {
        // After the example of Microsoft's page, the answers turned round and one left out.
        let document = "--batchresponse_1\r\nContent-Type: application/http\r\nContent-ID: 2\r\n\r\n\
            HTTP/1.1 404 The specified blob does not exist.\r\nx-ms-error-code: BlobNotFound\r\n\
            x-ms-request-id: r2\r\nContent-Length: 216\r\n\r\n<?xml version=\"1.0\"?>\n<Error>\
            <Code>BlobNotFound</Code><Message>gone</Message></Error>\r\n--batchresponse_1\r\n\
            Content-Type: application/http\r\nContent-ID: 0\r\n\r\nHTTP/1.1 202 Accepted\r\n\
            x-ms-version: 2018-11-09\r\n\r\n--batchresponse_1--\r\n0";
        let kind = "multipart/mixed; boundary=batchresponse_1";
        let answers = read_answers(document.as_bytes(), kind, 3);
        assert!(answers[0].is_ok());
        let missing = answers[1].as_ref().unwrap_err();
        assert_eq!((missing.kind(), missing.maybe_applied()), (Kind::Broken, true));
        let gone = answers[2].as_ref().unwrap_err();
        assert_eq!((gone.kind(), gone.request_id()), (Kind::NoSuchBlob, Some("r2")));
        assert!(read_answers(document.as_bytes(), "text/plain", 3).iter().all(Result::is_err));
    }
}
