//! The access log: one line a request in the format of S3's server access log, for the tools that read
//! it. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html>
//!
//! Lines are written by a thread of their own. Where the disk is too slow a line is dropped and counted;
//! no request waits. The file may be moved away while it is written: the next line opens a new one.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use axum::http::request::Parts;
use http::{Method, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use time::OffsetDateTime;
use time::macros::format_description;
use tokio::sync::oneshot;

use crate::access::Connection;
use crate::s3::operation::Operation;
use crate::s3::xml;
use crate::server::metrics::Metrics;

/// Lines that may wait for the disk: a second of many.
const LINES_MAX: usize = 8192;
/// How often it is looked whether the file is still the one of that name, and what waits is written.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the end of the process waits for a disk.
const WRITTEN_WITHIN: Duration = Duration::from_secs(5);
/// Query parameters that are, or hold, a proof: none of them is written down.
const PROOFS: [&str; 4] = ["x-amz-signature", "x-amz-security-token", "signature", "sig"];
/// As S3 writes keys: all but unreserved characters and `/`.
const IN_A_KEY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Where lines go. A clone writes into the same file.
#[derive(Clone, Debug)]
pub struct AccessLog {
    sender: SyncSender<Message>,
    metrics: Metrics,
}

/// What the thread is told.
#[derive(Debug)]
enum Message {
    /// One more line.
    Line(String),
    /// Say so when all of them are in the file.
    Write(oneshot::Sender<()>),
}

impl AccessLog {
    /// Opens the file for appending; it is made when it is not there, readable by its group.
    pub fn open(path: &Path, metrics: Metrics) -> Result<Self, String> {
        let fault = |error: io::Error| format!("access_log {}: {error}", path.display());
        let target = Target::open(path.to_owned()).map_err(fault)?;
        let (sender, receiver) = sync_channel(LINES_MAX);
        let thread = std::thread::Builder::new().name("access-log".to_owned());
        thread.spawn(move || write(target, &receiver)).map_err(fault)?;
        Ok(Self { sender, metrics })
    }

    /// Takes a line, if there is room.
    pub fn take(&self, line: String) {
        if self.sender.try_send(Message::Line(line)).is_err() {
            self.metrics.access_log_lost();
        }
    }

    /// Waits until every line is in the file: the end of the process ends its thread, too.
    pub async fn written(&self) {
        let (told, written) = oneshot::channel();
        let sender = self.sender.clone();
        // There may be no room for it at once.
        let told = tokio::task::spawn_blocking(move || sender.send(Message::Write(told)));
        let all = async { told.await.is_ok_and(|sent| sent.is_ok()) && written.await.is_ok() };
        if !tokio::time::timeout(WRITTEN_WITHIN, all).await.unwrap_or_default() {
            tracing::error!("the end of the access log is not written");
        }
    }
}

#[derive(Debug)]
struct Target {
    path: PathBuf,
    out: BufWriter<File>,
    inode: u64,
    looked: Instant,
}

impl Target {
    fn open(path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o640).open(&path)?;
        let inode = file.metadata()?.ino();
        Ok(Self { path, out: BufWriter::new(file), inode, looked: Instant::now() })
    }

    /// Writes what waits, and goes over to the file that has the name now.
    fn look(&mut self) -> io::Result<()> {
        self.out.flush()?;
        self.looked = Instant::now();
        let same = std::fs::metadata(&self.path).is_ok_and(|about| about.ino() == self.inode);
        if !same {
            *self = Self::open(self.path.clone())?;
        }
        Ok(())
    }

    fn line(&mut self, line: &str) -> io::Result<()> {
        self.out.write_all(line.as_bytes())?;
        self.out.write_all(b"\n")
    }
}

/// Writes until nobody sends any more.
fn write(mut target: Target, lines: &Receiver<Message>) {
    let mut ill = false;
    loop {
        let written = match lines.recv_timeout(LOOK_EVERY) {
            Ok(Message::Line(line)) => target.line(&line),
            Ok(Message::Write(told)) => {
                target.out.flush().inspect(|()| told.send(()).unwrap_or(()))
            }
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => {
                return target.out.flush().unwrap_or_default();
            }
        };
        let written = match written {
            Ok(()) if target.looked.elapsed() >= LOOK_EVERY => target.look(),
            other => other,
        };
        if let Err(error) = &written
            && !ill
        {
            tracing::error!(%error, path = %target.path.display(), "the access log is not written");
        }
        ill = written.is_err();
    }
}

/// What a line says of a request's head, kept until the answer has ended.
#[derive(Clone, Debug)]
pub(super) struct Head {
    at: OffsetDateTime,
    request: String,
    referrer: String,
    user_agent: String,
    host: String,
    version: Option<String>,
    signature: Signature,
}

#[derive(Clone, Copy, Debug)]
enum Signature {
    None,
    Header(&'static str),
    Query(&'static str),
}

/// What a line says of how it ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct End<'a> {
    pub(super) id: &'a str,
    pub(super) from: &'a Connection,
    pub(super) bucket: Option<&'a str>,
    pub(super) key: Option<&'a str>,
    pub(super) caller: Option<&'a str>,
    pub(super) operation: Option<Operation>,
    pub(super) method: &'a Method,
    pub(super) status: u16,
    pub(super) code: Option<&'a str>,
    pub(super) sent: u64,
    pub(super) size: Option<u64>,
    pub(super) total: Duration,
    pub(super) turn_around: Duration,
}

impl Head {
    pub(super) fn of(head: &Parts, at: OffsetDateTime) -> Self {
        let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let owned = |name| text(name).unwrap_or("-").to_owned();
        let query = head.uri.query().unwrap_or_default();
        let parameter = |wanted: &str| {
            let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned())
        };
        let mut target = head.uri.path().to_owned();
        let shown = shown_query(query);
        if !shown.is_empty() {
            target = format!("{target}?{shown}");
        }
        Self {
            at,
            request: format!("{} {target} {:?}", head.method, head.version),
            referrer: owned(header::REFERER),
            user_agent: owned(header::USER_AGENT),
            host: owned(header::HOST),
            version: parameter("versionId"),
            signature: match text(header::AUTHORIZATION) {
                Some(value) if value.starts_with("AWS4") => Signature::Header("SigV4"),
                Some(_) => Signature::Header("SigV2"),
                None if parameter("X-Amz-Signature").is_some() => Signature::Query("SigV4"),
                None if parameter("Signature").is_some() => Signature::Query("SigV2"),
                None => Signature::None,
            },
        }
    }

    /// The line, without its end.
    pub(super) fn line(&self, end: &End<'_>) -> String {
        let at = self.at.format(format_description!(
            "[day]/[month repr:short]/[year]:[hour]:[minute]:[second] +0000"
        ));
        let (version, authorised) = match self.signature {
            Signature::None => ("-", "-"),
            Signature::Header(version) => (version, "AuthHeader"),
            Signature::Query(version) => (version, "QueryString"),
        };
        let key = end.key.map(|key| utf8_percent_encode(key, IN_A_KEY).to_string());
        let or_none = |text: Option<&str>| text.unwrap_or("-").to_owned();
        let number =
            |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |it| it.to_string());
        // In S3's order; the owner of the bucket, the cipher and the access point are not known here.
        [
            "-".to_owned(),
            or_none(end.bucket),
            format!("[{}]", at.unwrap_or_default()),
            end.from.source.map_or_else(|| "-".to_owned(), |address| address.to_string()),
            or_none(end.caller),
            end.id.to_owned(),
            operation_name(end),
            or_none(key.as_deref()),
            quoted(&self.request),
            end.status.to_string(),
            or_none(end.code),
            number((end.sent > 0).then_some(end.sent)),
            number(end.size),
            end.total.as_millis().to_string(),
            end.turn_around.as_millis().to_string(),
            quoted(&self.referrer),
            quoted(&self.user_agent),
            or_none(self.version.as_deref()),
            xml::host_id(end.id),
            version.to_owned(),
            "-".to_owned(),
            authorised.to_owned(),
            bare(&self.host),
            end.from.tls.map_or_else(|| "-".to_owned(), |version| format!("TLSv{version}")),
            "-".to_owned(),
            "-".to_owned(),
        ]
        .join(" ")
    }
}

/// A query without its proofs.
pub(super) fn shown_query(query: &str) -> String {
    let is_proof = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default().to_ascii_lowercase();
        PROOFS.contains(&name.as_str())
    };
    let kept: Vec<&str> =
        query.split('&').filter(|pair| !pair.is_empty() && !is_proof(pair)).collect();
    kept.join("&")
}

/// `REST.PUT.OBJECT`: the method, and what it was done to.
fn operation_name(end: &End<'_>) -> String {
    let name = end.operation.map_or("Unknown", Operation::name);
    let (method, resource) = match name {
        "CopyObject" => ("COPY", "OBJECT"),
        "UploadPart" => ("PUT", "PART"),
        "UploadPartCopy" => ("COPY", "PART"),
        "CreateMultipartUpload" | "ListMultipartUploads" => (end.method.as_str(), "UPLOADS"),
        "CompleteMultipartUpload" | "AbortMultipartUpload" | "ListParts" => {
            (end.method.as_str(), "UPLOAD")
        }
        "DeleteObjects" => ("POST", "MULTI_OBJECT_DELETE"),
        _ if end.key.is_some() => (end.method.as_str(), of_resource(name, "Object")),
        _ if end.bucket.is_some() => (end.method.as_str(), of_resource(name, "Bucket")),
        _ => (end.method.as_str(), "SERVICE"),
    };
    format!("REST.{method}.{}", resource.to_uppercase())
}

/// What stands behind the resource in an operation's name (`GetBucketPolicy`), or else the resource.
fn of_resource<'a>(name: &'a str, resource: &'a str) -> &'a str {
    match name.split_once(resource) {
        Some((_, rest)) if !rest.is_empty() && rest != "s" && rest != "sV2" => rest,
        Some(_) | None => resource,
    }
}

/// A text of a stranger between quotes: a quote or a control character in it ends nothing.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A text of a stranger that stands alone: no blank ends it early.
fn bare(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || c == ' ' { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn line(method: &Method, target: &str, end: impl FnOnce(&mut End<'_>)) -> String {
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header("host", "s3.test")
            .header("user-agent", "agent \"quoted\"")
            .header("authorization", "AWS4-HMAC-SHA256 Credential=AK/canary");
        let head = request.body(()).unwrap().into_parts().0;
        let now = time::macros::datetime!(2026-11-22 06:12:07 UTC);
        let from =
            Connection { source: Some([192, 0, 2, 7].into()), secure: true, tls: Some("1.3") };
        let mut said = End {
            id: "0123456789ABCDEF",
            from: &from,
            bucket: Some("photos"),
            key: Some("a b/ü"),
            caller: Some("alice"),
            operation: None,
            method,
            status: 200,
            code: None,
            sent: 7,
            size: Some(7),
            total: Duration::from_millis(12),
            turn_around: Duration::from_millis(5),
        };
        end(&mut said);
        Head::of(&head, now).line(&said)
    }

    #[test]
    fn a_line_has_the_fields_of_s3_in_their_order() {
        let get =
            line(&Method::GET, "/photos/a%20b/%C3%BC?versionId=v1&X-Amz-Signature=canary", |_| {});
        assert!(!get.contains("canary"), "{get}");
        let start = "- photos [22/Nov/2026:06:12:07 +0000] 192.0.2.7 alice 0123456789ABCDEF REST.GET.OBJECT \
                     a%20b/%C3%BC \"GET /photos/a%20b/%C3%BC?versionId=v1 HTTP/1.1\" 200 - 7 7 12 5 \
                     \"-\" \"agent \\\"quoted\\\"\" v1 ";
        assert!(get.starts_with(start), "{get}");
        assert!(get.ends_with(" SigV4 - AuthHeader s3.test TLSv1.3 - -"), "{get}");
    }

    #[test]
    fn operations_are_named_as_s3_names_them() {
        let check = |method: Method, operation: Operation, key: Option<&str>, expected: &str| {
            let line = line(&method, "/x", |end| {
                end.operation = Some(operation);
                end.key = key.and(end.key);
            });
            assert!(line.contains(&format!(" {expected} ")), "{expected}: {line}");
        };
        let key = Some("k");
        check(Method::PUT, Operation::PutObject, key, "REST.PUT.OBJECT");
        check(Method::PUT, Operation::CopyObject, key, "REST.COPY.OBJECT");
        check(Method::PUT, Operation::UploadPart, key, "REST.PUT.PART");
        check(Method::POST, Operation::CreateMultipartUpload, key, "REST.POST.UPLOADS");
        check(Method::POST, Operation::CompleteMultipartUpload, key, "REST.POST.UPLOAD");
        check(Method::GET, Operation::ListObjectsV2, None, "REST.GET.BUCKET");
        check(Method::GET, Operation::GetBucketPolicy, None, "REST.GET.POLICY");
        check(Method::GET, Operation::GetObjectTagging, key, "REST.GET.TAGGING");
        check(Method::POST, Operation::DeleteObjects, None, "REST.POST.MULTI_OBJECT_DELETE");
    }

    #[test]
    fn no_proof_is_shown() {
        let query = "a=1&X-Amz-Signature=canary&x-amz-security-token=canary&Signature=canary&b";
        assert_eq!(shown_query(query), "a=1&b");
    }

    #[test]
    fn a_file_that_was_moved_away_is_opened_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let mut target = Target::open(path.clone()).unwrap();
        target.line("one").unwrap();
        target.look().unwrap();
        std::fs::rename(&path, folder.path().join("access.log.1")).unwrap();
        target.look().unwrap();
        target.line("two").unwrap();
        target.look().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "two\n");
        let old = std::fs::read_to_string(folder.path().join("access.log.1")).unwrap();
        assert_eq!(old, "one\n");
    }
}
