//! The connections of the Entra credentials: ours, so that there is one HTTP stack, one set of trusted
//! certificates and no proxy of the environment.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::error::ErrorKind;
use azure_core::http::headers::{HeaderName, HeaderValue, Headers};
use azure_core::http::{self as sdk, AsyncRawResponse};
use http::{HeaderMap, Request, Uri};
use http_body_util::{BodyExt, Limited};

use super::content::{Content, Sending};
use super::deadline::Progress;
use super::settings::WireSettings;
use super::store::SetupError;
use super::transport::{self, HttpClient};

/// A token or an error with its story.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// One question for a token, with its answer.
const DEADLINE: Duration = Duration::from_secs(30);

pub(super) struct EntraHttp {
    client: HttpClient,
}

impl EntraHttp {
    pub(super) fn new(settings: &WireSettings) -> Result<Self, SetupError> {
        Ok(Self { client: transport::client(settings)? })
    }

    async fn exchange(&self, request: &sdk::Request) -> azure_core::Result<AsyncRawResponse> {
        let answer = self.client.request(outgoing(request)?).await.map_err(|cause| {
            let kind = if cause.is_connect() { ErrorKind::Connection } else { ErrorKind::Io };
            azure_core::Error::with_error(kind, cause, "no answer to the question for a token")
        })?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|cause| {
            azure_core::Error::with_error(ErrorKind::Io, cause, "no whole answer")
        })?;
        let status = head.status.as_u16().into();
        Ok(AsyncRawResponse::from_bytes(status, incoming(&head.headers), body.to_bytes()))
    }
}

fn outgoing(request: &sdk::Request) -> azure_core::Result<Request<Sending>> {
    let wrong = |cause: http::Error| {
        azure_core::Error::with_error(ErrorKind::Other, cause, "a question that makes no request")
    };
    let sdk::Body::Bytes(body) = request.body() else {
        let why = "a question for a token is not a stream";
        return Err(azure_core::Error::with_message(ErrorKind::Other, why));
    };
    let body = Content::from(body.clone());
    let uri = Uri::try_from(request.url().as_str()).map_err(|cause| wrong(cause.into()))?;
    let mut made = Request::builder().method(request.method().as_ref()).uri(uri);
    for (name, value) in request.headers().iter() {
        made = made.header(name.as_str(), value.as_str());
    }
    made.body(Sending::new(body, Arc::new(Progress::default()))).map_err(wrong)
}

fn incoming(from: &HeaderMap) -> Headers {
    let mut all = Headers::new();
    for (name, value) in from {
        if let Ok(value) = value.to_str() {
            let name = HeaderName::from(name.as_str().to_owned());
            all.insert(name, HeaderValue::from(value.to_owned()));
        }
    }
    all
}

#[async_trait]
impl sdk::HttpClient for EntraHttp {
    async fn execute_request(
        &self,
        request: &sdk::Request,
    ) -> azure_core::Result<AsyncRawResponse> {
        tokio::time::timeout(DEADLINE, self.exchange(request)).await.unwrap_or_else(|_| {
            let why = "no answer in time to the question for a token";
            Err(azure_core::Error::with_message(ErrorKind::Io, why))
        })
    }
}

impl fmt::Debug for EntraHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EntraHttp")
    }
}
