//! Answers that take long: the work goes on whatever its client does, and a client that waits is sent
//! white space, so that nothing between the two takes the connection for dead.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt as _;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, Interval, interval_at};

use crate::ops::gateway::{Gateway, unanswerable};
use crate::s3::body::{self, Body, BoxError};
use crate::s3::xml::{self, DECLARATION};
use crate::s3::{Code, Error};

/// How long an answer is waited for before it begins without its end.
const QUIET: Duration = Duration::from_secs(10);

/// What the log and the document of a late error say of the request.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The request's id.
    pub(super) id: Arc<str>,
    /// What it was aimed at.
    pub(super) resource: String,
}

/// Runs `work` to its end, and answers with the document that it makes. An error after [`QUIET`] is a
/// document, too: the status has been sent.
pub(super) async fn answer(
    gateway: &Gateway,
    asked: Asked,
    work: impl Future<Output = Result<String, Error>> + Send + 'static,
) -> Result<Response<Body>, Error> {
    let mut task = gateway.tasks().spawn(work);
    let answered = match tokio::time::timeout(QUIET, &mut task).await {
        Ok(done) => body::full(ended(done)?),
        Err(_not_yet) => Alive::new(task, asked).boxed_unsync(),
    };
    Response::builder()
        .status(StatusCode::OK)
        .header(header::CONTENT_TYPE, "application/xml")
        .body(answered)
        .map_err(unanswerable)
}

fn ended(done: Result<Result<String, Error>, JoinError>) -> Result<String, Error> {
    done.map_err(|panic| Error::new(Code::InternalError).caused_by(panic))?
}

/// A document that begins before it is known.
struct Alive {
    asked: Asked,
    begun: bool,
    task: Option<JoinHandle<Result<String, Error>>>,
    spaces: Interval,
}

impl Alive {
    fn new(task: JoinHandle<Result<String, Error>>, asked: Asked) -> Self {
        let spaces = interval_at(Instant::now() + QUIET, QUIET);
        Self { asked, begun: false, task: Some(task), spaces }
    }

    /// The rest of the document.
    fn rest(&self, done: Result<Result<String, Error>, JoinError>) -> String {
        let document = match ended(done) {
            Ok(document) => document,
            Err(error) => {
                let cause = error.cause().map(ToString::to_string);
                let (id, code) = (&*self.asked.id, error.code().name());
                tracing::warn!(id, code, cause, "an answer that had begun ended in an error");
                xml::error(&error, &self.asked.resource, id)
            }
        };
        document.strip_prefix(DECLARATION).map_or_else(|| document.clone(), str::to_owned)
    }
}

impl HttpBody for Alive {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let Some(task) = &mut this.task else { return Poll::Ready(None) };
        if !this.begun {
            this.begun = true;
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(DECLARATION.as_bytes())))));
        }
        if let Poll::Ready(done) = Pin::new(task).poll(context) {
            this.task = None;
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from(this.rest(done))))));
        }
        let _tick = std::task::ready!(this.spaces.poll_tick(context));
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b" ")))))
    }

    fn is_end_stream(&self) -> bool {
        self.task.is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::BodyExt as _;
    use tokio_util::task::TaskTracker;

    use super::{Alive, Asked};
    use crate::s3::xml::Writer;
    use crate::s3::{Code, Error};

    async fn check(work: Result<String, Error>, end: &str) {
        let task = TaskTracker::new().spawn(async {
            tokio::time::sleep(Duration::from_secs(25)).await;
            work
        });
        let asked = Asked { id: "R1".into(), resource: "/b/k".to_owned() };
        let sent = Alive::new(task, asked).collect().await.unwrap().to_bytes();
        let sent = String::from_utf8(sent.to_vec()).unwrap();
        let rest = sent.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").unwrap();
        assert_eq!(rest, format!("  {end}"));
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_sent_white_space_and_then_the_document() {
        let document = Writer::bare("R").finish("R");
        check(Ok(document), "<R></R>").await;
        let error = Error::new(Code::InvalidPart).message("m");
        let document = "<Error><Code>InvalidPart</Code><Message>m</Message>\
            <Resource>/b/k</Resource><RequestId>R1</RequestId><HostId>UjE=</HostId></Error>";
        check(Err(error), document).await;
    }
}
