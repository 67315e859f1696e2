//! The wire: a call is signed and sent, its answer is an answer or an error, and what failed without
//! harm is tried again.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential};
use azure_core::error::ErrorKind;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use percent_encoding::utf8_percent_encode;
use tokio::time::Instant;

use super::body::Idle;
use super::call::{Call, Effect};
use super::content::Sending;
use super::credential::Credential;
use super::deadline::Progress;
use super::error::{BlobError, Kind};
use super::signer::ToSign;
use super::store::BlobStore;
use super::tally::Attempt;
use super::{API_VERSION, dates, encoding, headers, retry, tally, transport};

/// An answer without use is read so far that its connection can be used again.
const DRAIN_BYTES_MAX: usize = 64 * 1024;

/// A listing of 5,000 blobs, each with a long name and 8 KiB of metadata, is 50 MiB.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// So many headers an attempt adds at most, the host's by hyper and those of a copy's source left out.
const ADDED: usize = 6;

/// What a token is asked for. <https://learn.microsoft.com/azure/storage/blobs/authorize-access-azure-active-directory>
const TOKEN_SCOPE: &str = "https://storage.azure.com/.default";

impl BlobStore {
    /// The answer, its body open.
    pub(super) async fn open(&self, call: Call) -> Result<Response<Incoming>, BlobError> {
        let mut attempts = Attempts::begin(self, &call);
        loop {
            match self.attempt(&call, attempts.number).await {
                Ok(answer) => return Ok(answer),
                Err(error) => attempts.again_after(error).await?,
            }
        }
    }

    /// The answer without its body, which is read to its end so that the connection lives on.
    pub(super) async fn send(&self, call: Call) -> Result<Response<()>, BlobError> {
        let (head, body) = self.open(call).await?.into_parts();
        // The headers have said that it was done; what becomes of the rest changes nothing.
        drop(Idle::new(self.settings().idle_deadline).collect(body, DRAIN_BYTES_MAX).await);
        Ok(Response::from_parts(head, ()))
    }

    /// The answer with its document, of a call that is not made again for the document's sake.
    pub(super) async fn send_for_document(&self, call: Call) -> Result<Response<Bytes>, BlobError> {
        let (head, body) = self.open(call).await?.into_parts();
        let idle = Idle::new(self.settings().idle_deadline);
        let document = idle.collect(body, DOCUMENT_BYTES_MAX).await.map_err(BlobError::but_done)?;
        Ok(Response::from_parts(head, document))
    }

    /// The answer with its document.
    pub(super) async fn document(&self, call: Call) -> Result<Response<Bytes>, BlobError> {
        let mut attempts = Attempts::begin(self, &call);
        loop {
            let error = match self.attempt(&call, attempts.number).await {
                Ok(answer) => {
                    let (head, body) = answer.into_parts();
                    let idle = Idle::new(self.settings().idle_deadline);
                    match idle.collect(body, DOCUMENT_BYTES_MAX).await {
                        Ok(document) => return Ok(Response::from_parts(head, document)),
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            attempts.again_after(error).await?;
        }
    }

    /// Waits until a question that harms nobody when it is asked twice may be asked again, whose
    /// `attempt` (from 1) failed so; false: it has failed. The same rules and the same budget hold as
    /// for what the door asks again itself.
    pub async fn again(&self, error: &BlobError, attempt: u32) -> bool {
        self.wait_for_next(error, Effect::None, attempt).await
    }

    async fn wait_for_next(&self, error: &BlobError, effect: Effect, attempt: u32) -> bool {
        let settings = &self.settings().retry;
        match retry::decide(error, effect, attempt, settings, fastrand::f64()) {
            Some(wait) if !self.once && self.shared.budget.withdraw() => {
                tokio::time::sleep(wait).await;
                true
            }
            Some(_) | None => false,
        }
    }

    /// One attempt: an answer of the 200s, or an error.
    async fn attempt(&self, call: &Call, number: u32) -> Result<Response<Incoming>, BlobError> {
        let progress = Arc::new(Progress::default());
        let request = self.request(call, Arc::clone(&progress)).await?;
        let begun = Instant::now();
        let sent = self.exchange(call, request, &progress).await;
        let status = sent.as_ref().ok().map(|answer| answer.status().as_u16());
        let (op, elapsed) = (call.op, begun.elapsed());
        let attempt = Attempt { op, number, begun: begun.into_std(), elapsed, status };
        tally::count(attempt, sent.as_ref().ok().map(Response::headers));
        if let Some(observer) = &self.observer {
            observer.request(call.op, status, begun.elapsed(), number);
        }
        let answer = sent.map_err(|error| harmless(error, call.effect))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let (head, body) = answer.into_parts();
        let idle = Idle::new(self.settings().idle_deadline);
        let document = idle.collect(body, DRAIN_BYTES_MAX).await.unwrap_or_default();
        let error = BlobError::from_answer(head.status, &head.headers, &document)
            .measured(self.clock_skew(&head.headers));
        let error = if call.on_blob { error } else { error.about_a_container() };
        if error.kind() == Kind::DigestMismatch {
            self.changed_on_the_way(call.op);
        }
        Err(harmless(error, call.effect))
    }

    /// Every digest was right when the call was made, but for those that are tried out: nobody watches
    /// these, and nobody is to be told.
    pub(super) fn changed_on_the_way(&self, op: &'static str) {
        if let Some(observer) = &self.observer {
            tracing::error!(op, "bytes changed on their way to Azure");
            observer.changed_on_the_way(op);
        }
    }

    /// How far our clock is ahead of the one that dated an answer.
    pub(super) fn clock_skew(&self, answer: &HeaderMap) -> Option<time::Duration> {
        let theirs = headers::text(answer, "date").and_then(dates::parse)?;
        Some(self.settings().clock.now() - theirs)
    }

    /// How long the answer to a call is waited for.
    fn answer_limit(&self, call: &Call) -> Duration {
        match call.source {
            Some(_) => self.settings().copy_deadline,
            None if call.content.is_empty() => self.settings().question_deadline,
            None => self.settings().answer_deadline,
        }
    }

    async fn exchange(
        &self,
        call: &Call,
        request: Request<Sending>,
        progress: &Arc<Progress>,
    ) -> Result<Response<Incoming>, BlobError> {
        let limit = self.answer_limit(call);
        let clients = self.shared.transport.here();
        let answered = async {
            let client = if call.wide { &clients.wide } else { &clients.usual };
            match client.request(request).await {
                Err(error) if call.effect == Effect::None && transport::is_too_large(&error) => {
                    let again = self.request(call, Arc::clone(progress)).await?;
                    clients.roomy.request(again).await.map_err(lost)
                }
                answer => answer.map_err(lost),
            }
        };
        tokio::select! {
            biased;
            answer = answered => answer,
            () = progress.stalled(limit) => Err(BlobError::unreachable("no answer in time", true)),
        }
    }

    /// The request as it is sent, signed now.
    async fn request(
        &self,
        call: &Call,
        progress: Arc<Progress>,
    ) -> Result<Request<Sending>, BlobError> {
        let (target, all) = self.authorised(call, self.headers(call).await?).await?;
        // The target may hold a SAS, so it is in no error.
        let Ok(uri) = Uri::try_from([&*self.shared.endpoint.origin, &target].concat()) else {
            let why = "the name makes no address";
            return Err(BlobError::refused_here(Kind::InvalidName, why));
        };
        let mut request = Request::new(Sending::new(call.content.clone(), progress));
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = all;
        Ok(request)
    }

    /// The target and the headers of a call with the proof of who we are.
    pub(super) async fn authorised(
        &self,
        call: &Call,
        mut headers: HeaderMap,
    ) -> Result<(String, HeaderMap), BlobError> {
        let path = [&*self.shared.endpoint.root, &call.path].concat();
        let mut target = path.clone();
        add_query(&mut target, &call.query);
        match &self.shared.account.credential {
            Credential::SharedKey(key) => {
                let to_sign = ToSign {
                    account: &self.shared.account.name,
                    method: &call.method,
                    path: &path,
                    query: &call.query,
                    headers: &headers,
                };
                let value = secret(&to_sign.authorization(key))?;
                headers.insert(header::AUTHORIZATION, value);
            }
            Credential::Sas(sas) => {
                target.push(if call.query.is_empty() { '?' } else { '&' });
                target.push_str(sas.query());
            }
            Credential::Token(credential) => {
                headers.insert(header::AUTHORIZATION, self.bearer(&**credential).await?);
            }
            Credential::Anonymous => {}
        }
        Ok((target, headers))
    }

    /// The same as [`bearer`], and tells when it is a new one: the credential keeps them by itself.
    async fn bearer(&self, credential: &dyn TokenCredential) -> Result<HeaderValue, BlobError> {
        let found = fetch(credential).await;
        let until = found.as_ref().map_or(0, |token| token.expires_on.unix_timestamp());
        let known = self.shared.token_until.swap(until, Ordering::Relaxed);
        if let Some(observer) = self.observer.as_ref().filter(|_| found.is_err() || known != until)
        {
            observer.token(found.is_ok());
        }
        as_bearer(&found?)
    }

    async fn headers(&self, call: &Call) -> Result<HeaderMap, BlobError> {
        let mut all = HeaderMap::with_capacity(call.headers.len() + ADDED);
        all.extend(call.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        let now = self.settings().clock.now();
        all.insert("x-ms-version", HeaderValue::from_static(API_VERSION));
        headers::put(&mut all, "x-ms-date", &dates::http_date(now))?;
        headers::put(&mut all, "user-agent", &self.settings().user_agent)?;
        headers::put_some(&mut all, "x-ms-client-request-id", self.request_id.as_deref())?;
        if call.method == Method::PUT || call.method == Method::POST {
            all.insert(header::CONTENT_LENGTH, HeaderValue::from(call.content.len()));
        }
        if let Some(source) = &call.source {
            source.authorise(&mut all, now).await?;
        }
        Ok(all)
    }
}

/// How many answers that never come a call waits for: one may be its connection's fault.
const SILENCES_MAX: u32 = 2;

/// The attempts of one call.
struct Attempts<'a> {
    store: &'a BlobStore,
    effect: Effect,
    number: u32,
    /// No attempt follows one that ends later.
    last: Instant,
}

impl<'a> Attempts<'a> {
    fn begin(store: &'a BlobStore, call: &Call) -> Self {
        store.shared.budget.deposit();
        let last = Instant::now() + store.answer_limit(call) * SILENCES_MAX;
        Self { store, effect: call.effect, number: 1, last }
    }

    /// Waits for the next attempt, or gives the error back: there is none.
    async fn again_after(&mut self, error: BlobError) -> Result<(), BlobError> {
        let over = self.store.once || Instant::now() >= self.last;
        if over || !self.store.wait_for_next(&error, self.effect, self.number).await {
            return Err(error);
        }
        self.number += 1;
        Ok(())
    }
}

fn harmless(error: BlobError, effect: Effect) -> BlobError {
    match effect {
        Effect::None => error.without_effect(),
        Effect::Seen => error,
    }
}

/// The connection failed. Where it was never made, Azure has seen nothing.
fn lost(error: legacy::Error) -> BlobError {
    let sent = !error.is_connect();
    BlobError::unreachable(error, sent)
}

fn add_query(target: &mut String, query: &[(&'static str, Cow<'static, str>)]) {
    let mut mark = '?';
    for (name, value) in query {
        target.push(mark);
        target.push_str(name);
        target.push('=');
        target.extend(utf8_percent_encode(value, encoding::RESERVED));
        mark = '&';
    }
}

/// `Bearer` and a token of `credential`, which keeps it as long as it is good.
pub(super) async fn bearer(credential: &dyn TokenCredential) -> Result<HeaderValue, BlobError> {
    as_bearer(&fetch(credential).await?)
}

async fn fetch(credential: &dyn TokenCredential) -> Result<AccessToken, BlobError> {
    credential.get_token(&[TOKEN_SCOPE], None).await.map_err(|cause| no_token(&cause))
}

fn as_bearer(token: &AccessToken) -> Result<HeaderValue, BlobError> {
    secret(&format!("Bearer {}", token.token.secret()))
}

/// A credential wraps what went wrong in words of its own; what it was lies below them.
fn no_token(cause: &azure_core::Error) -> BlobError {
    let mut passing = false;
    let mut words = Vec::new();
    let mut below: Option<&(dyn std::error::Error + 'static)> = Some(cause);
    while let Some(error) = below {
        passing |= error.downcast_ref::<azure_core::Error>().is_some_and(is_passing);
        // The first line is what it is; the second where its documentation is.
        let line = error.to_string().lines().next().unwrap_or_default().trim().to_owned();
        if words.last().is_none_or(|last: &String| !last.contains(&line)) {
            words.push(line);
        }
        below = error.source();
    }
    let words = format!("no token: {}", words.join(": "));
    if passing {
        BlobError::unreachable(words, false)
    } else {
        BlobError::refused_here(Kind::Unauthorised, words)
    }
}

/// Whether the same question may be answered a moment later.
fn is_passing(error: &azure_core::Error) -> bool {
    match error.kind() {
        ErrorKind::Io | ErrorKind::Connection => true,
        ErrorKind::HttpResponse { status, .. } => {
            status.is_server_error() || matches!(u16::from(*status), 408 | 429)
        }
        ErrorKind::DataConversion | ErrorKind::Credential | ErrorKind::Other => false,
    }
}

fn secret(text: &str) -> Result<HeaderValue, BlobError> {
    let Ok(mut value) = HeaderValue::from_str(text) else {
        let why = "the credential makes no header";
        return Err(BlobError::refused_here(Kind::Unauthorised, why));
    };
    value.set_sensitive(true);
    Ok(value)
}
