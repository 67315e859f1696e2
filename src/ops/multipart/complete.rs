//! `CompleteMultipartUpload`: parts become an object, in one step that everybody sees at once.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Response};

use crate::access::Action;
use crate::azure::{self, Kind, PutOptions};
use crate::mapping::commit_id::CommitId;
use crate::mapping::metadata::{ObjectChecksum, ObjectFacts};
use crate::mapping::uploads::{Claimed, End, Outcome, Part, Plan, Record, Wanted};
use crate::ops::gateway::{Gateway, Request};
use crate::ops::multipart::alive::{self, Asked};
use crate::ops::multipart::assemble::{Assembly, is_gone};
use crate::ops::multipart::ends::{self, Claim, Ended, Turn};
use crate::ops::multipart::files::Upload;
use crate::ops::multipart::found;
use crate::ops::object::conditions;
use crate::ops::object::headers as object_headers;
use crate::ops::object::put;
use crate::ops::object::write::Failure;
use crate::ops::open::commit_id;
use crate::s3::body::Body;
use crate::s3::checksum::{Checksum, ChecksumAlgorithm};
use crate::s3::conditions::{Conditions, Matches, precondition_failed};
use crate::s3::names::PartNumber;
use crate::s3::xml::{self, Element, Writer, malformed};
use crate::s3::{Code, Error, headers};

/// 10,000 parts with an ETag and a checksum each are about 2.5 MB.
const DOCUMENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long another Complete that is at work is waited for; who is gone is found out by then.
const PATIENCE: Duration = Duration::from_mins(4);
/// How often it is tried to be the one who ends the upload.
const TRIES_MAX: u32 = 4;
/// One Complete: the upload, and what the client says.
struct Complete {
    upload: Upload,
    claimed: Vec<Claimed>,
    wanted: Wanted,
    conditions: Conditions,
    location: String,
}

/// What a Complete is answered with.
struct Completed {
    etag: String,
    checksum: Option<ObjectChecksum>,
}

pub(in crate::ops) async fn run(
    gateway: &Arc<Gateway>,
    mut request: Request,
) -> Result<Response<Body>, Error> {
    let upload = Upload::named(gateway, &request, Action::PutObject).await?;
    let wanted = wanted(Arc::make_mut(&mut request.headers))?;
    let (request, document) = request.document(DOCUMENT_BYTES_MAX).await?;
    let resource = format!("/{}/{}", upload.bucket.name(), upload.key);
    let complete = Complete {
        location: object_headers::location(&request.bucket_url, &upload.key),
        claimed: read(&document)?,
        conditions: conditions::of_write(Conditions::read(&request.headers)?),
        upload,
        wanted,
    };
    drop(document);
    let asked = Asked { id: Arc::clone(&request.id), resource };
    let gateway_of_task = Arc::clone(gateway);
    alive::answer(gateway, asked, async move {
        let done = complete.run(&gateway_of_task).await?;
        Ok(complete.document(&done))
    })
    .await
}

/// What the headers say of the object, which say nothing of the document that comes with them.
fn wanted(headers: &mut HeaderMap) -> Result<Wanted, Error> {
    let text = |headers: &HeaderMap, name: &_| {
        headers::text(headers, name).map(|value| value.map(str::to_owned))
    };
    let length = text(headers, &headers::MP_OBJECT_SIZE)?.map(|length| {
        length.parse().map_err(|_no_number| {
            Error::invalid_argument("x-amz-mp-object-size", length, "Invalid object size")
        })
    });
    let mut checksum = None;
    for algorithm in ChecksumAlgorithm::ALL {
        if let Some(value) = headers.remove(algorithm.header()) {
            let value = value.to_str().unwrap_or_default().to_owned();
            if checksum.replace((algorithm, value)).is_some() {
                return Err(Error::new(Code::InvalidRequest).message(
                    "Expecting a single x-amz-checksum- header. Multiple checksum Types are not \
                     allowed.",
                ));
            }
        }
    }
    headers.remove("x-amz-sdk-checksum-algorithm");
    let kind = text(headers, &headers::CHECKSUM_TYPE)?;
    Ok(Wanted { length: length.transpose()?, checksum, kind })
}

fn read(document: &[u8]) -> Result<Vec<Claimed>, Error> {
    let root = xml::read(document, "CompleteMultipartUpload")?;
    let claimed: Vec<_> = root.all("Part").map(read_part).collect::<Result<_, _>>()?;
    if claimed.is_empty() || claimed.len() > usize::from(PartNumber::MAX) {
        return Err(malformed());
    }
    Ok(claimed)
}

fn read_part(part: &Element) -> Result<Claimed, Error> {
    let number = PartNumber::parse(part.need("PartNumber")?.trim())?;
    let mut checksum = None;
    for algorithm in ChecksumAlgorithm::ALL {
        let name = format!("Checksum{}", algorithm.name());
        if let Some(said) = part.one(&name)? {
            let value = Checksum::from_base64(algorithm, said.text.trim().as_bytes());
            checksum = Some(value.ok_or_else(malformed)?);
        }
    }
    let etag = part.need("ETag")?.trim().trim_matches('"').to_owned();
    Ok(Claimed { number, etag, checksum })
}

impl Complete {
    async fn run(&self, gateway: &Gateway) -> Result<Completed, Error> {
        let mut over = None;
        for _ in 0..TRIES_MAX {
            match self.attempt(gateway, over.take()).await {
                Err(Missed::Refused(error)) => return Err(error),
                Ok(completed) => return Ok(completed),
                Err(Missed::Moved) => continue,
                Err(Missed::Ended) => {}
            }
            match ends::wait(gateway, &self.upload, PATIENCE).await? {
                Ended::Completed(Outcome { end: End::Completed { etag, checksum }, .. }) => {
                    return Ok(Completed { etag, checksum });
                }
                Ended::Completed(_) | Ended::Gone => return Err(self.upload.unknown()),
                Ended::Open => {}
                Ended::Abandoned(etag) => over = Some(etag),
                Ended::Busy => break,
            }
        }
        Err(Error::new(Code::OperationAborted))
    }

    /// Tries to be the one who ends the upload.
    async fn attempt(
        &self,
        gateway: &Gateway,
        over: Option<azure::AzureETag>,
    ) -> Result<Completed, Missed> {
        let record = match self.upload.record(gateway).await {
            Ok(record) => record,
            Err(error) if error.code() == Code::NoSuchUpload => return Err(Missed::Ended),
            Err(error) => return Err(error.into()),
        };
        let parts = found::all(&self.upload).await?;
        let plan = match Plan::new(&self.claimed, &parts, record.checksum, &self.wanted) {
            Ok(plan) => plan,
            Err(error) => return Err(self.blame(gateway, error).await),
        };
        let pinned = self.resolve(gateway).await?;
        let id = commit_id()?;
        let end = End::Completed { etag: plan.etag.clone(), checksum: plan.checksum };
        let outcome = Outcome::new(id, end, &self.upload.key);
        let mut claim = match ends::claim(&self.upload, &outcome, over).await? {
            Turn::Ours(claim) => claim,
            Turn::Theirs => return Err(Missed::Ended),
        };
        match self.build(gateway, (&record, &plan, &id), pinned, &mut claim).await {
            Ok(()) => {}
            Err(error) => {
                claim.release().await;
                // The list did fit: whether it still does is seen when the parts are looked at again.
                let moved = error.code() == Code::InvalidPart;
                return Err(if moved { Missed::Moved } else { self.blame(gateway, error).await });
            }
        }
        self.upload.forget(gateway).await;
        ends::finish(&self.upload, &self.names(&parts)).await;
        Ok(Completed { etag: plan.etag, checksum: plan.checksum })
    }

    /// A list that does not fit is the client's fault, unless the parts go because another Complete
    /// has used them: one that was quicker, or took over from us.
    async fn blame(&self, gateway: &Gateway, error: Error) -> Missed {
        if matches!(error.code(), Code::InvalidPart | Code::OperationAborted) {
            match ends::wait(gateway, &self.upload, Duration::ZERO).await {
                Ok(Ended::Completed(_) | Ended::Gone | Ended::Busy) => return Missed::Ended,
                Ok(Ended::Open | Ended::Abandoned(_)) => {}
                // Whose fault it is, is not known.
                Err(unknown) => return unknown.into(),
            }
        }
        error.into()
    }

    /// The conditions as Azure will judge them; checked once before anything is built.
    async fn resolve(&self, gateway: &Gateway) -> Result<azure::Conditions, Error> {
        let Upload { bucket, key, .. } = &self.upload;
        let path = bucket.path(key);
        if self.conditions.if_none_match == Some(Matches::Any) && self.conditions.if_match.is_none()
        {
            match bucket.store().properties(&path, &azure::Conditions::default()).await {
                Ok(_) => return Err(precondition_failed("If-None-Match")),
                Err(error) if error.kind() == Kind::NoSuchBlob => {}
                Err(error) => return Err(gateway.explain(bucket, key, error).await),
            }
        }
        conditions::pin(gateway, bucket, key, &self.conditions).await
    }

    async fn build(
        &self,
        gateway: &Gateway,
        (record, plan, id): (&Record, &Plan, &CommitId),
        pinned: azure::Conditions,
        claim: &mut Claim,
    ) -> Result<(), Error> {
        let options = PutOptions { conditions: pinned, ..describe(record, plan, id)? };
        let assembly = Assembly {
            upload: &self.upload,
            plan,
            options: &options,
            id,
            capabilities: self.upload.bucket.account().capabilities().await,
            budget: gateway.budget(),
        };
        match assembly.run(claim).await {
            Ok(()) => Ok(()),
            Err(Failure::Azure(error)) if is_gone(&error) => {
                Err(Error::new(Code::InvalidPart).caused_by(error))
            }
            Err(failure) => {
                let Upload { bucket, key, .. } = &self.upload;
                Err(put::explain(gateway, bucket, key, &self.conditions, failure).await)
            }
        }
    }

    fn names(&self, parts: &[Part]) -> Vec<azure::BlobName> {
        let Upload { files, id, .. } = &self.upload;
        parts.iter().map(|part| files.part(id, part.number)).collect()
    }

    fn document(&self, done: &Completed) -> String {
        let mut document = Writer::document("CompleteMultipartUploadResult");
        document.text("Location", &self.location);
        document.text("Bucket", self.upload.bucket.name().as_str());
        document.text("Key", self.upload.key.as_str());
        document.text("ETag", format!("\"{}\"", done.etag));
        if let Some(checksum) = &done.checksum {
            let name = checksum.value.algorithm().name();
            document.text(&format!("Checksum{name}"), checksum.text());
            document.text("ChecksumType", checksum.kind.name());
        }
        document.finish("CompleteMultipartUploadResult")
    }
}

/// Why an attempt made no object.
enum Missed {
    /// It must not be.
    Refused(Error),
    /// The upload has been ended, or is being ended, by somebody else; or there never was one.
    Ended,
    /// A part was written again, or went, while it was copied: a request for it that came late, from a
    /// gateway that is gone for one.
    Moved,
}

impl From<Error> for Missed {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// What the commit carries: all that Create said, and what follows from the parts.
fn describe(record: &Record, plan: &Plan, id: &CommitId) -> Result<PutOptions, Error> {
    let facts = ObjectFacts {
        commit: Some(*id),
        etag: Some(plan.etag.clone()),
        checksum: plan.checksum,
        parts: Some(plan.table()),
        ..record.facts.clone()
    };
    let mut headers = record.headers.clone();
    if let [part] = plan.parts.as_slice()
        && part.hashed
    {
        // Tools of Azure compare it; S3's ETag is another one in any case.
        headers.content_md5 = Some(part.md5);
    }
    Ok(PutOptions {
        headers,
        metadata: facts.write(plan.length)?,
        tier: put::tier(facts.storage_class),
        ..PutOptions::default()
    })
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::s3::Code;

    fn check(parts: &str, want: Result<&[(u16, &str)], Code>) {
        let document = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        let found = read(document.as_bytes());
        let found = found.as_ref().map_err(crate::s3::Error::code).map(|found| {
            found.iter().map(|part| (part.number.get(), part.etag.as_str())).collect::<Vec<_>>()
        });
        assert_eq!(found.as_deref().map_err(|code| *code), want, "{parts}");
    }

    #[test]
    fn a_list_is_read_as_clients_write_it() {
        let part = |number: &str, etag: &str| {
            format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
        };
        check(&part("1", "&quot;ab&quot;"), Ok(&[(1, "ab")]));
        check(&part(" 1\n", " \"ab\" "), Ok(&[(1, "ab")]));
        check(&(part("2", "ab") + &part("1", "cd")), Ok(&[(2, "ab"), (1, "cd")]));
        check("", Err(Code::MalformedXML));
        check("<Part><PartNumber>1</PartNumber></Part>", Err(Code::MalformedXML));
        check("<Part><ETag>ab</ETag></Part>", Err(Code::MalformedXML));
        check(&part("0", "ab"), Err(Code::InvalidArgument));
        check(&part("10001", "ab"), Err(Code::InvalidArgument));
        let checksum =
            "<Part><PartNumber>1</PartNumber><ETag>a</ETag><ChecksumCRC32>x</ChecksumCRC32></Part>";
        check(checksum, Err(Code::MalformedXML));
    }
}
