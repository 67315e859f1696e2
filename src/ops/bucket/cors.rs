//! CORS of a bucket: kept, and answered to browsers before anybody is asked who they are.

use http::{HeaderMap, Method, Response, StatusCode};

use crate::access::Action;
use crate::mapping::documents::DocumentName;
use crate::ops::bucket::configuration::Configuration;
use crate::ops::documents::Document;
use crate::ops::gateway::{Gateway, unanswerable};
use crate::s3::body::{self, Body};
use crate::s3::cors::{Cors, Question, varies};
use crate::s3::names::BucketName;
use crate::s3::{Code, Error};

/// S3's own limit.
const BYTES_MAX: usize = 64 * 1024;

impl Document for Cors {
    const NAME: DocumentName = DocumentName::Cors;

    fn read(text: &str) -> Result<Self, Error> {
        Self::read(text.as_bytes())
    }

    fn write(&self) -> String {
        Self::write(self)
    }
}

impl Configuration for Cors {
    const ACTIONS: (Action, Action) = (Action::GetBucketCors, Action::PutBucketCors);
    const MISSING: Code = Code::NoSuchCORSConfiguration;
    const BYTES_MAX: usize = BYTES_MAX;

    fn parse(document: &[u8]) -> Result<Self, Error> {
        Self::read(document)
    }

    fn show(&self) -> String {
        Self::write(self)
    }
}

impl Gateway {
    /// The headers that tell a browser what it may do with an answer of this bucket, whatever the
    /// answer is. None where nobody asks, or nobody said anything.
    pub async fn cors_headers(
        &self,
        bucket: &BucketName,
        method: &Method,
        headers: &HeaderMap,
    ) -> Option<HeaderMap> {
        let question = Question::of(method, headers)?;
        // Where the rules cannot be read, the answer says so by itself.
        let cors = self.told_to_all::<Cors>(bucket).await.ok()??;
        let mut answer = cors.answer(&question).unwrap_or_default();
        varies(&mut answer);
        Some(answer)
    }

    /// Answers a preflight: may a browser send what it asks about?
    pub async fn preflight(
        &self,
        bucket: Option<&BucketName>,
        headers: &HeaderMap,
    ) -> Result<Response<Body>, Error> {
        let incomplete = |what: &'static str| Error::new(Code::BadRequest).message(what);
        if !headers.contains_key(http::header::ORIGIN) {
            return Err(incomplete("Insufficient information. Origin request header needed."));
        }
        let question = Question::of(&Method::OPTIONS, headers)
            .ok_or_else(|| incomplete("Invalid Access-Control-Request-Method: null"))?;
        let forbidden = |what: &'static str| Error::new(Code::AccessForbidden).message(what);
        let off = || forbidden("CORSResponse: CORS is not enabled for this bucket.");
        let cors = self.told_to_all::<Cors>(bucket.ok_or_else(off)?).await?.ok_or_else(off)?;
        let mut told = cors.answer(&question).ok_or_else(|| {
            forbidden(
                "CORSResponse: This CORS request is not allowed. This is usually because the \
                 evalution of Origin, request method / Access-Control-Request-Method or \
                 Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.",
            )
        })?;
        varies(&mut told);
        let mut answer =
            Response::builder().status(StatusCode::OK).body(body::empty()).map_err(unanswerable)?;
        *answer.headers_mut() = told;
        Ok(answer)
    }
}
