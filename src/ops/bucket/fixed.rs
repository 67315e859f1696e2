//! What a bucket may be told that changes nothing, because it is so anyway: AES-256 at rest, its owner
//! pays, no log, no notification. Everything else in these documents is refused by name.

use http::{Response, StatusCode, header};

use crate::access::Action;
use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::s3::body::{self, Body};
use crate::s3::operation::Operation;
use crate::s3::xml::{self, Element, Writer};
use crate::s3::{Code, Error};

/// Longer than any document that is accepted here, in bytes.
const BYTES_MAX: usize = 64 * 1024;
const ENCRYPTION: &str = "ServerSideEncryptionConfiguration";

/// What a caller needs for a document, and what it has to say.
pub(in crate::ops) type Row = (Action, fn(&[u8]) -> Result<(), Error>);

/// Takes a document that says how it is anyway, and keeps nothing.
pub(in crate::ops) async fn put(
    gateway: &Gateway,
    request: Request,
    (action, check): Row,
) -> Result<Response<Body>, Error> {
    gateway.open_bucket(&request, action).await?;
    let (_, document) = request.document(BYTES_MAX).await?;
    check(&document)?;
    Response::builder().status(StatusCode::OK).body(body::empty()).map_err(unanswerable)
}

/// What holds for every blob: Azure encrypts with AES-256, and cannot be told otherwise here. S3 says
/// the same of a bucket that was told nothing.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html>
pub(in crate::ops) async fn get_encryption(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    gateway.open_bucket(&request, Action::GetEncryptionConfiguration).await?;
    let mut document = Writer::document(ENCRYPTION);
    document.open("Rule").open("ApplyServerSideEncryptionByDefault");
    document.text("SSEAlgorithm", "AES256").close("ApplyServerSideEncryptionByDefault");
    document.flag("BucketKeyEnabled", false).close("Rule");
    Response::builder()
        .status(StatusCode::OK)
        .header(header::CONTENT_TYPE, "application/xml")
        .body(body::full(document.finish(ENCRYPTION)))
        .map_err(unanswerable)
}

/// Back to what holds anyway.
pub(in crate::ops) async fn delete_encryption(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    gateway.open_bucket(&request, Action::PutEncryptionConfiguration).await?;
    Response::builder().status(StatusCode::NO_CONTENT).body(body::empty()).map_err(unanswerable)
}

/// One rule: AES-256.
pub(in crate::ops) fn encryption(document: &[u8]) -> Result<(), Error> {
    let document = xml::read(document, ENCRYPTION)?;
    let rule = only(&document, "Rule")?;
    for child in &rule.children {
        match (child.name.as_str(), child.text.trim()) {
            ("ApplyServerSideEncryptionByDefault", _) => by_default(child)?,
            ("BucketKeyEnabled", "false") => {}
            ("BucketKeyEnabled", "true") => return Err(refusal("Bucket keys are")),
            _ => return Err(xml::malformed()),
        }
    }
    if rule.one("ApplyServerSideEncryptionByDefault")?.is_none() {
        return Err(xml::malformed());
    }
    Ok(())
}

fn by_default(element: &Element) -> Result<(), Error> {
    match element.need("SSEAlgorithm")?.trim() {
        "AES256" if element.one("KMSMasterKeyID")?.is_some() => {
            Err(Error::new(Code::InvalidArgument).message(
                "a KMSMasterKeyID is not applicable if the default sse algorithm is not \
                          aws:kms or aws:kms:dsse",
            ))
        }
        "AES256" => Ok(()),
        "aws:kms" | "aws:kms:dsse" => Err(refusal("Encryption with keys of KMS is")),
        _ => Err(xml::malformed()),
    }
}

/// The bucket's owner pays.
pub(in crate::ops) fn payment(document: &[u8]) -> Result<(), Error> {
    let document = xml::read(document, "RequestPaymentConfiguration")?;
    match only(&document, "Payer")?.text.trim() {
        "BucketOwner" => Ok(()),
        "Requester" => Err(refusal("Payment by the requester is")),
        _ => Err(xml::malformed()),
    }
}

/// No log.
pub(in crate::ops) fn logging(document: &[u8]) -> Result<(), Error> {
    nothing(document, "BucketLoggingStatus", "Logs of a bucket are")
}

/// Nobody is notified.
pub(in crate::ops) fn notification(document: &[u8]) -> Result<(), Error> {
    nothing(document, "NotificationConfiguration", "Notifications are")
}

fn nothing(document: &[u8], root: &str, what: &'static str) -> Result<(), Error> {
    if xml::read(document, root)?.children.is_empty() { Ok(()) } else { Err(refusal(what)) }
}

/// The one child, which has that name.
fn only<'a>(element: &'a Element, name: &str) -> Result<&'a Element, Error> {
    match element.children.as_slice() {
        [child] if child.name == name => Ok(child),
        _ => Err(xml::malformed()),
    }
}

fn refusal(what: &'static str) -> Error {
    Error::new(Code::NotImplemented).message(format!("{what} not implemented."))
}

/// The document that an operation puts, and what the caller needs for it.
#[expect(clippy::wildcard_enum_match_arm, reason = "all others put no such document")]
pub(in crate::ops) fn row(operation: Operation) -> Option<Row> {
    match operation {
        Operation::PutBucketEncryption => Some((Action::PutEncryptionConfiguration, encryption)),
        Operation::PutBucketRequestPayment => Some((Action::PutBucketRequestPayment, payment)),
        Operation::PutBucketLogging => Some((Action::PutBucketLogging, logging)),
        Operation::PutBucketNotificationConfiguration => {
            Some((Action::PutBucketNotification, notification))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_so_anyway_is_accepted_and_all_else_refused_by_name() {
        let check = |found: Result<(), Error>, wanted: Result<(), Code>| {
            assert_eq!(found.map_err(|error| error.code()), wanted);
        };
        let rule = |inner: &str| {
            let by_default = format!(
                "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
                 {inner}</ApplyServerSideEncryptionByDefault></Rule>\
                 </ServerSideEncryptionConfiguration>"
            );
            encryption(by_default.as_bytes())
        };
        check(rule("<SSEAlgorithm>AES256</SSEAlgorithm>"), Ok(()));
        check(rule("<SSEAlgorithm>aws:kms</SSEAlgorithm>"), Err(Code::NotImplemented));
        check(rule("<SSEAlgorithm>AES128</SSEAlgorithm>"), Err(Code::MalformedXML));
        let key = "<SSEAlgorithm>AES256</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID>";
        check(rule(key), Err(Code::InvalidArgument));
        let payer = |payer: &str| {
            let document = format!(
                "<RequestPaymentConfiguration><Payer>{payer}</Payer></RequestPaymentConfiguration>"
            );
            payment(document.as_bytes())
        };
        check(payer("BucketOwner"), Ok(()));
        check(payer("Requester"), Err(Code::NotImplemented));
        check(payer("Nobody"), Err(Code::MalformedXML));
        check(logging(b"<BucketLoggingStatus/>"), Ok(()));
        let log = b"<BucketLoggingStatus><LoggingEnabled/></BucketLoggingStatus>";
        check(logging(log), Err(Code::NotImplemented));
        check(notification(b"<NotificationConfiguration/>"), Ok(()));
        let queue = b"<NotificationConfiguration><QueueConfiguration/></NotificationConfiguration>";
        check(notification(queue), Err(Code::NotImplemented));
    }
}
