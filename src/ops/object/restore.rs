//! `RestoreObject`: an archived object comes back on line.
//!
//! S3 puts a copy beside the archived object for some days; Azure moves the blob itself, which then
//! stays where it is until a rule of the lifecycle, or somebody, moves it again. So `Days` is checked, and
//! no end is announced: `x-amz-restore` says that it is there, and not until when.
//! <https://learn.microsoft.com/azure/storage/blobs/archive-rehydrate-overview>

use http::{Response, StatusCode};

use crate::access::Action;
use crate::azure::{Priority, Tier};
use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::ops::object::get::refuse_version;
use crate::s3::body::{self, Body};
use crate::s3::{Code, Error, xml};

/// Longer than any request that is answered here, in bytes.
const BYTES_MAX: usize = 64 * 1024;

pub(in crate::ops) async fn run(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    refuse_version(&request)?;
    let reader = gateway.open_reader(&request, Action::RestoreObject).await?;
    let (bucket, properties) = reader.look(gateway).await?;
    let (_, document) = request.document(BYTES_MAX).await?;
    let priority = priority(&document)?;
    if properties.tier != Some(Tier::Archive) {
        return Err(Error::new(Code::InvalidObjectState)
            .message("Restore is not allowed for the object's current storage class"));
    }
    if properties.archive_status.is_some() {
        return Err(Error::new(Code::RestoreAlreadyInProgress));
    }
    let path = bucket.path(reader.key());
    match bucket.store().set_tier(&path, &Tier::Hot, priority).await {
        Ok(()) => {
            let accepted = Response::builder().status(StatusCode::ACCEPTED);
            accepted.body(body::empty()).map_err(unanswerable)
        }
        Err(error) => Err(reader.explain(gateway, error).await),
    }
}

/// How urgent a `RestoreRequest` is.
fn priority(document: &[u8]) -> Result<Priority, Error> {
    let document = xml::read(document, "RestoreRequest")?;
    for child in &document.children {
        match child.name.as_str() {
            "Days" | "GlacierJobParameters" | "Tier" | "Description" => {}
            "Type" | "SelectParameters" | "OutputLocation" => {
                return Err(Error::new(Code::NotImplemented)
                    .message("A restore by a query of the object is not implemented."));
            }
            _ => return Err(xml::malformed()),
        }
    }
    let days =
        document.need("Days")?.trim().parse::<u32>().map_err(|_no_number| xml::malformed())?;
    if days == 0 {
        let text = "restoration days should be at least 1";
        return Err(Error::new(Code::InvalidArgument).message(text));
    }
    let job = document.one("GlacierJobParameters")?;
    let tier = job.map(|job| job.need("Tier")).transpose()?.unwrap_or("Standard");
    match tier.trim() {
        "Expedited" => Ok(Priority::High),
        "Standard" | "Bulk" => Ok(Priority::Standard),
        _ => Err(xml::malformed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_says_how_urgent_it_is() {
        let read = |inner: &str| {
            let document = format!("<RestoreRequest>{inner}</RestoreRequest>");
            priority(document.as_bytes()).map_err(|error| error.code())
        };
        let tier = |tier: &str| {
            format!(
                "<Days>1</Days><GlacierJobParameters><Tier>{tier}</Tier></GlacierJobParameters>"
            )
        };
        assert_eq!(read("<Days>1</Days>"), Ok(Priority::Standard));
        assert_eq!(read(&tier("Expedited")), Ok(Priority::High));
        assert_eq!(read(&tier("Bulk")), Ok(Priority::Standard));
        assert_eq!(read(&tier("Other")), Err(Code::MalformedXML));
        assert_eq!(read("<Days>0</Days>"), Err(Code::InvalidArgument));
        assert_eq!(read(""), Err(Code::MalformedXML));
        assert_eq!(read("<Days>1</Days><Type>SELECT</Type>"), Err(Code::NotImplemented));
    }
}
