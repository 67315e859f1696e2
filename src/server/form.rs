//! The form of a browser becomes a request like any other: its fields are the headers of a PUT, its
//! signature the one over its policy, its file the body.

use std::sync::Arc;

use http::HeaderMap;
use sync_wrapper::SyncWrapper;
use time::OffsetDateTime;

use crate::access::{Caller, Circumstances, Connection, Directory, Door, Signature};
use crate::ops::Request;
use crate::s3::auth::{self, Rules, SigningKeys};
use crate::s3::body::empty;
use crate::s3::form::policy::Policy;
use crate::s3::form::{Form, Reply};
use crate::s3::names::ObjectKey;
use crate::s3::target::Target;
use crate::s3::{Code, Error};

/// What a signature is held against.
#[derive(Clone, Copy)]
pub struct Gate<'a> {
    /// The keys.
    pub users: &'a Directory,
    /// What is asked of signatures.
    pub rules: &'a Rules,
    /// The keys of days.
    pub signing_keys: &'a SigningKeys,
}

impl std::fmt::Debug for Gate<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Gate").finish_non_exhaustive()
    }
}

/// Reads the fields of a form and checks who signed it and what they allow.
///
/// Only the fields count: headers of the request beside them are covered by no signature.
pub async fn admit(
    request: Request,
    gate: Gate<'_>,
    connection: Connection,
) -> Result<Request, Error> {
    let Target::Bucket(bucket) = request.target.clone() else {
        return Err(Error::new(Code::MethodNotAllowed));
    };
    if request.caller.user().is_some() {
        return Err(Error::new(Code::InvalidRequest)
            .message("A form is signed by its fields, not by a header or the query."));
    }
    let (form, file) = Form::read(request.body.into_inner(), &request.headers).await?;
    let reply = Reply::read(&form)?;
    let (caller, signature, (min, max)) = allowed(&form, &bucket, gate, request.now)?;
    let key = ObjectKey::parse(form.need("key")?)?;
    let headers = Arc::new(headers(&form, &request.headers)?);
    let (query, now) = (&request.query, request.now);
    let circumstances =
        Circumstances::read(Arc::clone(&headers), query, connection, signature, now);
    Ok(Request {
        target: Target::Object(bucket, key),
        headers,
        body: SyncWrapper::new(file.limited(min, max).into_body()),
        caller: caller.asking(circumstances),
        reply: Some(reply),
        ..Request { body: SyncWrapper::new(empty()), ..request }
    })
}

/// Who signed a form, how, and how few and how many bytes the file may have.
type Allowed = (Caller, Option<Signature>, (u64, u64));

/// Who signed the form, and how many bytes they allow. Anybody may send a form without a policy; what
/// the bucket allows to anybody is asked later.
fn allowed(
    form: &Form,
    bucket: &crate::s3::names::BucketName,
    gate: Gate<'_>,
    now: OffsetDateTime,
) -> Result<Allowed, Error> {
    let Gate { users, rules, signing_keys } = gate;
    let Some(signed) = auth::verify_form(form, users, rules, signing_keys)? else {
        return Ok((Caller::anonymous(), None, (0, u64::MAX)));
    };
    let policy = Policy::parse(form.need("policy")?)?;
    let (algorithm, signed_at) = (signed.algorithm(), signed.signed_at());
    let signature = Signature { door: Door::Form, algorithm, signed_at };
    Ok((users.caller(&signed)?, Some(signature), policy.check(form, bucket, now)?))
}

/// The headers of the PUT that the form stands for.
fn headers(form: &Form, sent: &HeaderMap) -> Result<HeaderMap, Error> {
    let mut headers = form.headers()?;
    for name in [http::header::HOST, http::header::ORIGIN] {
        if let Some(value) = sent.get(&name) {
            headers.insert(name, value.clone());
        }
    }
    Ok(headers)
}
