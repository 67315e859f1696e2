//! Version 2 against AWS's published examples, and every way to bend what it covers.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html>

use std::fmt::Write as _;

use data_encoding::BASE64;
use http::HeaderMap;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use super::super::version_2::tag;
use super::{
    AccessKeyId, KeyRing, Payload, Request, RequestHead, Rules, SHA256_OF_NOTHING, SecretKey,
    Signed, SigningKeys, refused, verify,
};
use crate::s3::{Code, Error};

const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const NOW: OffsetDateTime = datetime!(2007-03-27 20:00 UTC);
const DATE: &str = "Tue, 27 Mar 2007 20:00:00 +0000";
/// An hour after [`NOW`].
const EXPIRES: &str = "1175029200";

struct Ring;

impl KeyRing for Ring {
    fn secret(&self, id: &AccessKeyId) -> Option<SecretKey> {
        (id.as_str() == KEY_ID).then(|| SecretKey::new(SECRET))
    }
}

fn run(request: &Request, bucket: Option<&str>, now: OffsetDateTime) -> Result<Signed, Error> {
    let head = RequestHead {
        method: &request.method,
        virtual_bucket: bucket,
        raw_path: &request.path,
        raw_query: request.query.as_deref(),
        headers: &request.headers,
    };
    let rules = Rules { allow_sigv2: true, ..Rules::default() };
    let signed = verify(&head, &Ring, &rules, now, &SigningKeys::default())?;
    Ok(signed.expect("not anonymous"))
}

fn signature(text: &str) -> String {
    BASE64.encode(&tag(&SecretKey::new(SECRET), text.as_bytes()))
}

/// Signs by hand: `middle` is what stands between the method and the resource.
fn by_header(request: Request, middle: &str, resource: &str) -> Request {
    let text = format!("{}\n{middle}\n{resource}", request.method);
    request.with("authorization", &format!("AWS {KEY_ID}:{}", signature(&text)))
}

fn presigned(request: Request, headers: &str, resource: &str) -> Request {
    let text = format!("{}\n\n\n{EXPIRES}\n{headers}{resource}", request.method);
    let signature = signature(&text).replace('+', "%2B").replace('=', "%3D");
    request
        .with_parameter(&format!("AWSAccessKeyId={KEY_ID}&Expires={EXPIRES}&Signature={signature}"))
}

fn get() -> Request {
    Request::new("GET", "/photos/a%2bb").with("date", DATE)
}

fn check(request: &Request) -> Signed {
    run(request, None, NOW).expect("accepted")
}

fn check_refused(request: &Request, code: Code) -> Error {
    refused(run(request, None, NOW).map(Some), code)
}

#[test]
fn aws_published_signatures_hold() {
    let check = |request: Request, bucket: &str, date: &str, signature: &str| {
        let signed =
            request.with("date", date).with("authorization", &format!("AWS {KEY_ID}:{signature}"));
        let bucket = (!bucket.is_empty()).then_some(bucket);
        let date = super::super::date::parse(date).unwrap();
        let signed = run(&signed, bucket, date).expect("accepted");
        assert_eq!(signed.key_id().as_str(), KEY_ID);
        assert!(!signed.presigned());
    };
    let get = |target: &str| Request::new("GET", target);
    let object = || get("/photos/puppy.jpg");
    let (first, list) = ("Tue, 27 Mar 2007 19:36:42 +0000", "Tue, 27 Mar 2007 19:42:41 +0000");
    check(object(), "johnsmith", first, "bWq2s1WEIj+Ydj0vQ697zp+IXMU=");
    check(object(), "awsexamplebucket1", first, "qgk2+6Sv9/oM7G3qLEjTH1a1l1g=");
    let put = Request::new("PUT", "/photos/puppy.jpg").with("content-type", "image/jpeg");
    check(put, "johnsmith", "Tue, 27 Mar 2007 21:15:45 +0000", "MyyxeRY7whkBe+bq8fHCL/2kKUg=");
    let page = get("/?prefix=photos&max-keys=50&marker=puppy");
    check(page, "johnsmith", list, "htDYFYduRNen8P9ZfE/s9SuKy0U=");
    let acl = "Tue, 27 Mar 2007 19:44:46 +0000";
    check(get("/?acl"), "johnsmith", acl, "c2WLPFtWHVgbEmeEG93a4cG37dM=");
    check(get("/"), "", "Wed, 28 Mar 2007 01:29:59 +0000", "qGdzdERIC03wnaRNKh6OqZehG9s=");
    let unicode = get("/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re");
    check(unicode, "", "Wed, 28 Mar 2007 01:49:49 +0000", "DNEZGsoieTZ92F3bUfSPQcbGmlM=");
    let upload = Request::new("PUT", "/db-backup.dat.gz")
        .with("x-amz-acl", "public-read")
        .with("content-type", "application/x-download")
        .with("content-md5", "4gJE4saaMU4BqNR0kLY+lw==")
        .with("x-amz-meta-reviewedby", "joe@johnsmith.net")
        .with("x-amz-meta-reviewedby", "jane@johnsmith.net")
        .with("x-amz-meta-filechecksum", "0x02661779")
        .with("x-amz-meta-checksumalgorithm", "crc32");
    let date = "Tue, 27 Mar 2007 21:06:08 +0000";
    check(upload, "static.johnsmith.net", date, "ilyl83RwaSoYIEdixDQcA4OnAnc=");
}

#[test]
fn aws_published_query_holds_until_it_ends() {
    let request = Request::new(
        "GET",
        "/photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&\
         Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620",
    );
    let ends = OffsetDateTime::from_unix_timestamp(1_175_139_620).unwrap();
    assert!(run(&request, Some("johnsmith"), ends).unwrap().presigned());
    let late = run(&request, Some("johnsmith"), ends + Duration::SECOND);
    let error = refused(late.map(Some), Code::AccessDenied);
    assert_eq!(error.text(), "Request has expired");
    let other = run(&request, Some("victim"), ends);
    refused(other.map(Some), Code::SignatureDoesNotMatch);
}

#[test]
fn every_amazon_header_is_covered() {
    let signed = by_header(get(), &format!("\n\n{DATE}"), "/photos/a%2bb");
    check(&signed);
    for header in ["x-amz-acl", "x-amz-meta-a", "x-amz-copy-source", "x-amz-tagging"] {
        check_refused(&signed.clone().with(header, "v"), Code::SignatureDoesNotMatch);
    }
    check_refused(&signed.clone().with("content-type", "a/b"), Code::SignatureDoesNotMatch);
    check_refused(&signed.clone().with("content-md5", "a"), Code::SignatureDoesNotMatch);
    let token = signed.with("x-amz-security-token", "t");
    check_refused(&token, Code::InvalidToken);
    let stamped = get().with("x-amz-date", "Tue, 27 Mar 2007 20:01:00 +0000");
    let middle = "\n\n\nx-amz-date:Tue, 27 Mar 2007 20:01:00 +0000";
    check(&by_header(stamped.clone(), middle, "/photos/a%2bb"));
    let twice = format!("\n\n{DATE}\nx-amz-date:Tue, 27 Mar 2007 20:01:00 +0000");
    let both = by_header(stamped, &twice, "/photos/a%2bb");
    check_refused(&both, Code::SignatureDoesNotMatch);
}

#[test]
fn every_sub_resource_is_covered_and_what_only_narrows_is_not() {
    let signed = presigned(get().without("date"), "", "/photos/a%2bb");
    check(&signed);
    let mut names = vec!["versionId=v", "uploadId=u", "partNumber=1", "response-content-type=a"];
    names.extend(["tagging", "retention", "legal-hold", "attributes", "publicAccessBlock"]);
    for parameter in names {
        let other = signed.clone().with_parameter(parameter);
        check_refused(&other, Code::SignatureDoesNotMatch);
    }
    check(&signed.clone().with_parameter("prefix=a"));
    check_refused(&signed.with_parameter("x-amz-acl=public-read"), Code::SignatureDoesNotMatch);
    let resource = "/photos/a%2bb?acl&response-content-type=a/b c&versionId=v";
    for target in ["acl", "acl="] {
        let request = get()
            .without("date")
            .with_parameter("response-content-type=a%2Fb+c")
            .with_parameter(target)
            .with_parameter("versionId=v");
        check(&presigned(request.clone(), "", resource));
    }
    let kept = get().without("date").with_parameter("uploads=");
    check(&presigned(kept, "", "/photos/a%2bb?uploads="));
}

#[test]
fn a_bucket_is_signed_with_a_slash_behind_it_or_without() {
    let bucket = |resource: &str| {
        let request = Request::new("PUT", "/photos?cors").with("date", DATE);
        by_header(request, &format!("\n\n{DATE}"), resource)
    };
    check(&bucket("/photos?cors"));
    check(&bucket("/photos/?cors"));
    check_refused(&bucket("/photos//?cors"), Code::SignatureDoesNotMatch);
    let object = Request::new("PUT", "/photos/a").with("date", DATE);
    let object = by_header(object, &format!("\n\n{DATE}"), "/photos/a/");
    check_refused(&object, Code::SignatureDoesNotMatch);
}

#[test]
fn a_header_that_a_presigner_put_into_the_query_is_covered() {
    let request = get().without("date").with_parameter("x-amz-acl=private");
    let signed = presigned(request, "x-amz-acl:private\n", "/photos/a%2bb");
    check(&signed);
    check(&signed.clone().with("x-amz-acl", "private"));
    check_refused(&signed.with("x-amz-acl", "public-read"), Code::SignatureDoesNotMatch);
}

#[test]
fn a_date_is_near_and_is_one() {
    let at = |date: &str| {
        let request = Request::new("GET", "/photos/a").with("x-amz-date", date);
        by_header(request, &format!("\n\n\nx-amz-date:{date}"), "/photos/a")
    };
    check(&at("Tue, 27 Mar 2007 20:15:00 GMT"));
    check_refused(&at("Tue, 27 Mar 2007 20:15:01 GMT"), Code::RequestTimeTooSkewed);
    check_refused(&at("Tue, 07 Jul 9999 21:53:04 GMT"), Code::RequestTimeTooSkewed);
    for date in ["", "Bad Date", "Tue, 07 Jul 1950 21:53:04 GMT"] {
        check_refused(&at(date), Code::AccessDenied);
    }
    let none = by_header(get().without("date"), "\n\n", "/photos/a%2bb");
    check_refused(&none, Code::AccessDenied);
}

#[test]
fn what_is_no_signature_is_refused() {
    let header = |value: &str| get().with("authorization", value);
    for value in ["AWS", "AWS ", "AWS HAHAHA", "AWS a:", "AWS :a", "AWS a b:c"] {
        check_refused(&header(value), Code::InvalidArgument);
    }
    check_refused(&header("AWS nobody:AAAA"), Code::InvalidAccessKeyId);
    check_refused(&header(&format!("AWS {KEY_ID}:AAAA")), Code::SignatureDoesNotMatch);
    let signed = presigned(get().without("date"), "", "/photos/a%2bb");
    for (from, to) in [
        ("Expires=", "Ends="),
        ("Expires=1", "Expires=-1"),
        ("Expires=1", "Expires=x"),
        ("AWSAccessKeyId=", "Other="),
        ("Signature=", "Other="),
    ] {
        check_refused(&signed.clone().edit_query(from, to), Code::AccessDenied);
    }
    let later = signed.clone().edit_query("Expires=1", "Expires=2");
    check_refused(&later, Code::SignatureDoesNotMatch);
    check_refused(&signed.clone().with_parameter("Expires=9"), Code::InvalidArgument);
    // One mechanism, not two.
    let both = signed.clone().with("authorization", &format!("AWS {KEY_ID}:AAAA"));
    check_refused(&both, Code::InvalidArgument);
    let both = signed.with_parameter("X-Amz-Signature=a");
    check_refused(&both, Code::InvalidArgument);
    let both = by_header(get(), &format!("\n\n{DATE}"), "/photos/a%2bb");
    check_refused(&both.with_parameter("X-Amz-Algorithm=a"), Code::InvalidArgument);
}

#[test]
fn a_body_is_held_against_what_is_said_of_it() {
    let put = |headers: &[(&str, &str)]| {
        let mut request = Request::new("PUT", "/photos/a").with("date", DATE);
        let mut lines = String::new();
        for (name, value) in headers {
            request = request.with(name, value);
            writeln!(lines, "{name}:{value}").unwrap();
        }
        let middle = format!("\n\n{DATE}\n{lines}");
        by_header(request, middle.trim_end_matches('\n'), "/photos/a")
    };
    assert!(matches!(check(&put(&[])).payload(), Payload::Unsigned));
    let hash = put(&[("x-amz-content-sha256", SHA256_OF_NOTHING)]);
    assert!(matches!(check(&hash).payload(), Payload::Sha256(_)));
    let chunks = put(&[("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")]);
    check_refused(&chunks, Code::InvalidRequest);
}

#[test]
fn it_is_off_unless_it_is_switched_on() {
    let off = |request: &Request| {
        let head = RequestHead {
            method: &request.method,
            virtual_bucket: None,
            raw_path: &request.path,
            raw_query: request.query.as_deref(),
            headers: &request.headers,
        };
        let answer = verify(&head, &Ring, &Rules::default(), NOW, &SigningKeys::default());
        let error = refused(answer, Code::InvalidRequest);
        assert!(error.text().contains("Config(signature_version='s3v4')"), "{error}");
    };
    off(&by_header(get(), &format!("\n\n{DATE}"), "/photos/a%2bb"));
    off(&presigned(get().without("date"), "", "/photos/a%2bb"));
    let plain = Request { headers: HeaderMap::new(), ..get() };
    assert!(run(&by_header(plain, "\n\n", "/photos/a%2bb"), None, NOW).is_err(), "no date");
}
