//! The parts of an upload that are there.

use crate::azure::{Include, Kind, ListBlobs, ListEntry, Properties};
use crate::mapping::errors;
use crate::mapping::uploads::Part;
use crate::ops::multipart::files::Upload;
use crate::s3::Error;
use crate::s3::names::PartNumber;

/// Those with a number above `after`, at most `most` of them, each as Azure describes it and in the
/// order of their numbers.
pub(super) async fn page(
    upload: &Upload,
    after: u16,
    most: u32,
) -> Result<Vec<(PartNumber, Properties)>, Error> {
    let prefix = upload.files.parts(&upload.id);
    let mut which = ListBlobs {
        start_from: (after > 0).then(|| upload.files.behind_part(&upload.id, after)),
        prefix: Some(prefix),
        max_results: most,
        include: Include { metadata: true, ..Include::default() },
        ..ListBlobs::default()
    };
    let wanted = usize::try_from(most).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    loop {
        let page = match upload.store().list_blobs(&upload.bucket.account().system, &which).await {
            Ok(page) => page,
            Err(error) if error.kind() == Kind::NoSuchContainer => return Ok(found),
            Err(error) => return Err(errors::on_service(error)),
        };
        for entry in page.entries {
            let ListEntry::Blob(blob) = entry else { continue };
            if let Some(number) = upload.files.read_part(&upload.id, &blob.name) {
                found.push((number, blob.properties));
            }
        }
        which.marker = page.next_marker;
        which.start_from = None;
        if which.marker.is_none() || (most > 0 && found.len() >= wanted) {
            return Ok(found);
        }
    }
}

/// All of them, in few words.
pub(super) async fn all(upload: &Upload) -> Result<Vec<Part>, Error> {
    /// Small, so that an upload of 10,000 parts is not held in Azure's words.
    const PAGE: u32 = 1000;
    let mut parts = Vec::new();
    let mut after = 0;
    loop {
        let page = page(upload, after, PAGE).await?;
        let full = page.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX);
        after = page.last().map_or(after, |(number, _)| number.get());
        parts.extend(page.iter().filter_map(|(number, blob)| Part::read(*number, blob)));
        if !full {
            return Ok(parts);
        }
    }
}
