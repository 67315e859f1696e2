//! `x-amz-expiration`: when the rules of its bucket let an object go, and which of them does.

use http::HeaderValue;
use http::response::Builder;
use percent_encoding::utf8_percent_encode;

use crate::ops::gateway::Gateway;
use crate::ops::object::headers::URL_PARAMETER;
use crate::ops::open::Bucket;
use crate::s3::lifecycle::{Lifecycle, Subject};
use crate::s3::{headers, time};

/// Announces what will happen. Where the rules cannot be read nothing is announced: they cannot be
/// run either.
pub(in crate::ops) fn announce(
    answer: Builder,
    gateway: &Gateway,
    bucket: &Bucket,
    subject: &Subject<'_>,
) -> Builder {
    let Ok(Some(lifecycle)) = bucket.document::<Lifecycle>() else { return answer };
    if bucket.is_read_only() {
        return answer;
    }
    let Some((moment, rule)) = lifecycle.expiration(subject, gateway.settings().day) else {
        return answer;
    };
    let (date, rule) = (time::header(moment), utf8_percent_encode(rule, URL_PARAMETER));
    let text = format!("expiry-date=\"{date}\", rule-id=\"{rule}\"");
    match HeaderValue::from_str(&text) {
        Ok(value) => answer.header(headers::EXPIRATION, value),
        Err(_) => answer,
    }
}
