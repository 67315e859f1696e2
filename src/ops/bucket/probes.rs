//! What a bucket or an object says of what nobody has configured: S3's own answers, so that no
//! client stumbles that asks before it acts.

use http::{Response, StatusCode, header};

use crate::access::{Action, Level};
use crate::ops::gateway::{Gateway, Request, unanswerable};
use crate::ops::open::Bucket;
use crate::s3::body::{self, Body};
use crate::s3::operation::Operation;
use crate::s3::xml::Writer;
use crate::s3::{Code, Error, headers};

/// The answer to one probe.
#[derive(Clone, Copy, Debug)]
pub(in crate::ops) enum Answer {
    /// There is none; S3's code for that.
    None(Code),
    /// An empty document of that name.
    Empty(&'static str),
    /// The region of the bucket.
    Location,
    /// The bucket's owner pays.
    Payer,
    /// No object of the bucket has a lock, and none can get one.
    Unlocked,
    /// Only a bucket with versions can be told to lock objects.
    Unversioned,
}

/// What is answered to an operation that is a probe, and what the caller needs for it.
#[expect(clippy::wildcard_enum_match_arm, reason = "all others are no probes")]
pub(in crate::ops) fn answer(operation: Operation) -> Option<(Answer, Action)> {
    use Answer::{Empty, Location, None as Missing, Payer, Unlocked, Unversioned};
    use Operation as Op;
    Some(match operation {
        Op::GetBucketLocation => (Location, Action::GetBucketLocation),
        Op::GetBucketVersioning => (Empty("VersioningConfiguration"), Action::GetBucketVersioning),
        Op::GetBucketWebsite => {
            (Missing(Code::NoSuchWebsiteConfiguration), Action::GetBucketWebsite)
        }
        Op::GetBucketReplication => (
            Missing(Code::ReplicationConfigurationNotFoundError),
            Action::GetReplicationConfiguration,
        ),
        Op::GetObjectLockConfiguration => (
            Missing(Code::ObjectLockConfigurationNotFoundError),
            Action::GetBucketObjectLockConfiguration,
        ),
        Op::PutObjectLockConfiguration => (Unversioned, Action::PutBucketObjectLockConfiguration),
        Op::GetObjectLegalHold => (Unlocked, Action::GetObjectLegalHold),
        Op::PutObjectLegalHold => (Unlocked, Action::PutObjectLegalHold),
        Op::GetObjectRetention => (Unlocked, Action::GetObjectRetention),
        Op::PutObjectRetention => (Unlocked, Action::PutObjectRetention),
        Op::GetBucketRequestPayment => (Payer, Action::GetBucketRequestPayment),
        Op::GetBucketLogging => (Empty("BucketLoggingStatus"), Action::GetBucketLogging),
        Op::GetBucketNotificationConfiguration => {
            (Empty("NotificationConfiguration"), Action::GetBucketNotification)
        }
        Op::GetBucketAccelerateConfiguration => {
            (Empty("AccelerateConfiguration"), Action::GetAccelerateConfiguration)
        }
        _ => return None,
    })
}

pub(in crate::ops) async fn run(
    gateway: &Gateway,
    request: Request,
    (answer, action): (Answer, Action),
) -> Result<Response<Body>, Error> {
    let bucket = match action.level() {
        Level::Object => gateway.open_object(&request, action).await?.0,
        Level::Service | Level::Bucket | Level::Listing => {
            gateway.open_bucket(&request, action).await?
        }
    };
    let document = on_bucket(gateway, &bucket, answer)?;
    Response::builder()
        .status(StatusCode::OK)
        .header(header::CONTENT_TYPE, "application/xml")
        .body(body::full(document))
        .map_err(unanswerable)
}

fn on_bucket(gateway: &Gateway, bucket: &Bucket, answer: Answer) -> Result<String, Error> {
    match answer {
        Answer::None(code) => Err(Error::new(code).detail("BucketName", bucket.name().as_str())),
        Answer::Unlocked => Err(unlocked()),
        Answer::Unversioned => Err(Error::new(Code::InvalidBucketState).message(
            "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
        )),
        Answer::Empty(name) => Ok(Writer::document(name).finish(name)),
        Answer::Location => Ok(location(&gateway.settings().region)),
        Answer::Payer => {
            let mut document = Writer::document("RequestPaymentConfiguration");
            document.text("Payer", "BucketOwner");
            Ok(document.finish("RequestPaymentConfiguration"))
        }
    }
}

/// What S3 says of locks in a bucket that has none.
pub(in crate::ops) fn unlocked() -> Error {
    Error::new(Code::InvalidRequest).message("Bucket is missing Object Lock Configuration")
}

/// S3 says nothing for `us-east-1`:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html>.
fn location(region: &str) -> String {
    let region = if region == "us-east-1" { "" } else { region };
    let mut document = Writer::document("LocationConstraint").finish("LocationConstraint");
    let at = document.len().saturating_sub("</LocationConstraint>".len());
    document.insert_str(at, region);
    document
}

/// `HeadBucket`: asks Azure each time, because it is how clients wait for a bucket.
pub(in crate::ops) async fn head_bucket(
    gateway: &Gateway,
    request: Request,
) -> Result<Response<Body>, Error> {
    gateway.open_fresh(&request, Action::ListBucket).await?;
    Response::builder()
        .status(StatusCode::OK)
        .header(headers::BUCKET_REGION, &gateway.settings().region)
        .header("x-amz-access-point-alias", "false")
        .body(body::empty())
        .map_err(unanswerable)
}
