//! The signature of a form: over its policy, by either version.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html>

use super::claim::two_mechanisms;
use super::date::{self, Stamp};
use super::scope::{Door, Scope};
use super::signature::{self, ALGORITHM};
use super::{
    AccessKeyId, KeyRing, NOBODY, PathReading, Payload, Rules, Signed, SigningKeys, version_2,
};
use crate::s3::form::Form;
use crate::s3::{Code, Error};

/// Fields of Version 4, of which none stands in an anonymous form.
const VERSION_4: [&str; 3] = ["x-amz-algorithm", "x-amz-credential", "x-amz-signature"];
/// Those of Version 2.
const VERSION_2: [&str; 2] = ["awsaccesskeyid", "signature"];

/// Checks who signed the policy of this form. None: it carries no credentials at all.
///
/// The signature covers the policy; that the policy covers the form is
/// [`crate::s3::form::policy::Policy::check`]'s to say.
pub fn verify_form(
    form: &Form,
    keys: &dyn KeyRing,
    rules: &Rules,
    cache: &SigningKeys,
) -> Result<Option<Signed>, Error> {
    let has = |names: &[&str]| names.iter().any(|name| form.get(name).is_some());
    if form.get("x-amz-security-token").is_some() {
        return Err(Error::new(Code::InvalidToken));
    }
    let key_id = match (has(&VERSION_4), has(&VERSION_2)) {
        (true, true) => return Err(two_mechanisms()),
        (true, false) => by_version_4(form, keys, rules, cache)?,
        (false, true) if rules.allow_sigv2 => by_version_2(form, keys)?,
        (false, true) => return Err(version_2::refused()),
        (false, false) if form.get("policy").is_some() => {
            return Err(missing("AWSAccessKeyId"));
        }
        (false, false) => return Ok(None),
    };
    Ok(Some(Signed {
        key_id,
        payload: Payload::Unsigned,
        presigned: false,
        time: None,
        algorithm: if has(&VERSION_4) { ALGORITHM } else { version_2::ALGORITHM },
        path_reading: PathReading::AsSent,
    }))
}

fn by_version_4(
    form: &Form,
    keys: &dyn KeyRing,
    rules: &Rules,
    cache: &SigningKeys,
) -> Result<AccessKeyId, Error> {
    let policy = form.need("policy")?;
    let algorithm = form.need("x-amz-algorithm")?;
    if algorithm != ALGORITHM {
        let text = "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"";
        return Err(Error::invalid_argument("x-amz-algorithm", algorithm, text));
    }
    let date = form.need("x-amz-date")?;
    let signed_at = date::parse_basic(date).ok_or_else(|| {
        let text = "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"";
        Error::invalid_argument("x-amz-date", date, text)
    })?;
    let signature = form.need("x-amz-signature")?;
    let credential = form.need("x-amz-credential")?;
    let scope = Scope::parse(credential, Door::Form, &Stamp::of(signed_at), rules)?;
    let id = AccessKeyId::new(scope.key_id);
    let secret = keys.secret(&id);
    let cached = secret.as_ref().and_then(|secret| cache.find(&scope, secret));
    let is_known = cached.is_some();
    // A key that we do not know costs the same work as a wrong secret.
    let key = cached.unwrap_or_else(|| scope.derive(secret.as_ref().unwrap_or(&NOBODY)));
    let holds = signature::same(&key.sign([policy.as_bytes()]), signature.as_bytes());
    let Some(secret) = secret else { return Err(unknown(&id)) };
    if !holds {
        if is_known {
            // Every refusal costs one derivation, so that time does not tell who was here today.
            std::hint::black_box(scope.derive(&secret));
        }
        return Err(does_not_match(&id));
    }
    if !is_known {
        cache.keep(&scope, &secret, &key);
    }
    Ok(id)
}

fn by_version_2(form: &Form, keys: &dyn KeyRing) -> Result<AccessKeyId, Error> {
    let policy = form.need("policy")?;
    let id = form.get("awsaccesskeyid").ok_or_else(|| missing("AWSAccessKeyId"))?;
    let id = AccessKeyId::new(id);
    let signature = form.need("signature")?;
    let secret = keys.secret(&id);
    let tag = version_2::tag(secret.as_ref().unwrap_or(&NOBODY), policy.as_bytes());
    let holds = version_2::same(&tag, signature);
    if secret.is_none() {
        return Err(unknown(&id));
    }
    if holds { Ok(id) } else { Err(does_not_match(&id)) }
}

fn missing(name: &'static str) -> Error {
    Error::new(Code::InvalidArgument)
        .message(format!(
            "Bucket POST must contain a field named '{name}'.  If it is specified, please check the \
             order of the fields."
        ))
        .detail("ArgumentName", name)
}

fn unknown(id: &AccessKeyId) -> Error {
    Error::new(Code::InvalidAccessKeyId).detail("AWSAccessKeyId", id.as_str())
}

fn does_not_match(id: &AccessKeyId) -> Error {
    Error::new(Code::SignatureDoesNotMatch).detail("AWSAccessKeyId", id.as_str())
}
