//! `AbortMultipartUpload`: the upload and its parts go; the object of the key is not touched.

use std::time::Duration;

use http::{Response, StatusCode};

use crate::access::Action;
use crate::mapping::uploads::{End, Outcome};
use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::ops::multipart::ends::{self, Ended, Turn};
use crate::ops::multipart::files::Upload;
use crate::ops::open::commit_id;
use crate::s3::body::{self, Body};
use crate::s3::{Code, Error};

/// How long a Complete that is at work is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is tried to be the one who ends the upload.
const TRIES_MAX: u32 = 3;

pub(in crate::ops) async fn run(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    let upload = Upload::named(gateway, &request, Action::AbortMultipartUpload).await?;
    upload.record_now(gateway).await?;
    take(gateway, &upload).await?;
    upload.forget(gateway).await;
    ends::finish(&upload, &ends::all_parts(&upload).await?).await;
    Response::builder().status(StatusCode::NO_CONTENT).body(body::empty()).map_err(unanswerable)
}

/// Makes the outcome an abort; `NoSuchUpload` if the upload has ended already.
async fn take(gateway: &Gateway, upload: &Upload) -> Result<(), Error> {
    let mut over = None;
    for _ in 0..TRIES_MAX {
        let outcome = Outcome::new(commit_id()?, End::Aborted, &upload.key);
        match ends::claim(upload, &outcome, over.take()).await? {
            Turn::Ours(_) => return Ok(()),
            Turn::Theirs => {}
        }
        match ends::wait(gateway, upload, PATIENCE).await? {
            Ended::Completed(_) => return Err(upload.unknown()),
            // Another abort is at work, or was cut off: the rest is to be done.
            Ended::Gone => return Ok(()),
            Ended::Open => {}
            Ended::Abandoned(etag) => over = Some(etag),
            Ended::Busy => break,
        }
    }
    Err(Error::new(Code::OperationAborted))
}
