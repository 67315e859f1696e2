//! Signatures in the header: the cases of our security page, each with a positive control.

use super::{
    Code, Duration, HeaderMap, KEY_ID, NOW, OffsetDateTime, Payload, Request, Rules,
    SHA256_OF_NOTHING, Signer, SigningKeys, detail, minutes, refused,
};
use crate::s3::auth::PathReading;
use crate::s3::auth::signature::tests::HMACS;

const NO_SIGNATURE: &str = "0000000000000000000000000000000000000000000000000000000000000000";
const STREAMING: [&str; 3] = [
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
];

fn put(target: &str) -> Request {
    Request::new("PUT", target)
}

fn get() -> Request {
    Request::new("GET", "/k")
}

/// The same request with a signature of zeros.
fn forge(request: &Request) -> Request {
    let header = request.headers["authorization"].to_str().unwrap();
    let (head, _) = header.split_once("Signature=").unwrap();
    let forged = format!("{head}Signature={NO_SIGNATURE}");
    request.clone().without("authorization").with("authorization", &forged)
}

#[test]
fn a_request_without_credentials_is_anonymous() {
    assert!(get().verify().unwrap().is_none());
    assert!(Request::new("GET", "/k?prefix=a&x-amz-acl=b").verify().unwrap().is_none());
}

#[test]
fn c01_a_streaming_unsigned_put_with_a_zeroed_signature_is_refused() {
    let request = put("/k").with("x-amz-content-sha256", STREAMING[0]).sign();
    assert!(request.accepted().payload().is_streaming());
    forge(&request).refused(Code::SignatureDoesNotMatch);
}

#[test]
fn c03_no_kind_of_payload_is_a_way_around_the_signature() {
    let kinds = [SHA256_OF_NOTHING, "UNSIGNED-PAYLOAD", STREAMING[0], STREAMING[1], STREAMING[2]];
    for method in ["GET", "PUT", "POST", "DELETE", "HEAD"] {
        for kind in kinds {
            let request = Request::new(method, "/k").with("x-amz-content-sha256", kind).sign();
            let payload = request.accepted().payload();
            assert_eq!(payload.is_streaming(), kind.starts_with("STREAMING"), "{kind}");
            assert_eq!(payload.require_whole().is_err(), payload.is_streaming(), "{kind}");
            forge(&request).refused(Code::SignatureDoesNotMatch);
        }
    }
}

#[test]
fn c04_two_mechanisms_at_once_are_refused() {
    get().presign().accepted();
    for parameter in ["X-Amz-Credential=a", "X-Amz-Signature=a", "Signature=a", "AWSAccessKeyId=a"]
    {
        let both = get().sign().with_parameter(parameter);
        let error = both.refused(Code::InvalidArgument);
        assert!(error.text().starts_with("Only one auth mechanism allowed"), "{error}");
    }
    get().presign().with("authorization", "AWS a:b").refused(Code::InvalidArgument);
}

#[test]
fn c06_a_header_that_was_added_on_the_way_is_refused() {
    let signed = put("/k").with("x-amz-acl", "private").sign();
    signed.accepted();
    for name in [
        "x-amz-copy-source",
        "x-amz-tagging",
        "x-amz-meta-a",
        "x-amz-decoded-content-length",
        "x-amz-trailer",
        "x-amz-checksum-crc32",
        "x-amz-sdk-checksum-algorithm",
        "x-amz-foo",
    ] {
        let error = signed.clone().with(name, "a").refused(Code::AccessDenied);
        assert_eq!(detail(&error, "HeadersNotSigned"), name);
        assert_eq!(error.text(), "There were headers present in the request which were not signed");
    }
    signed.clone().with("content-type", "text/plain").with("range", "bytes=0-1").accepted();
    signed.with("x-amz-acl", "public-read").refused(Code::SignatureDoesNotMatch);
}

#[test]
fn c06_the_header_of_the_hash_itself_has_to_be_signed_in_the_header() {
    let names = Some("host;x-amz-date".to_owned());
    let signer = Signer { signed_headers: names, ..Signer::default() };
    let error = get().sign_by(&signer).refused(Code::AccessDenied);
    assert_eq!(detail(&error, "HeadersNotSigned"), "x-amz-content-sha256");
}

#[test]
fn c07_host_has_to_be_signed() {
    let names = Some("x-amz-content-sha256;x-amz-date".to_owned());
    let signer = Signer { signed_headers: names, ..Signer::default() };
    let error = get().sign_by(&signer).refused(Code::AccessDenied);
    assert_eq!(detail(&error, "HeadersNotSigned"), "host");
    get().sign().accepted();
}

#[test]
fn c08_odd_lists_of_signed_headers_are_refused() {
    let check = |names: &str, code: Code| {
        let signer = Signer { signed_headers: Some(names.to_owned()), ..Signer::default() };
        get().sign_by(&signer).refused(code);
    };
    check("host;x-amz-content-sha256;x-amz-date;x-amz-foo", Code::SignatureDoesNotMatch);
    check("host;host;x-amz-content-sha256;x-amz-date", Code::AuthorizationHeaderMalformed);
    check("Host;x-amz-content-sha256;x-amz-date", Code::AuthorizationHeaderMalformed);
    check("x-amz-date;x-amz-content-sha256;host", Code::AuthorizationHeaderMalformed);
    check("", Code::AuthorizationHeaderMalformed);
    check(";host", Code::AuthorizationHeaderMalformed);
    check("host;", Code::AuthorizationHeaderMalformed);
    check("ho st", Code::AuthorizationHeaderMalformed);
    let many: Vec<String> = (0..10_000).map(|number| format!("x{number:05}")).collect();
    check(&many.join(";"), Code::SignatureDoesNotMatch);
    check("host;x-amz-content-sha256;x-amz-date;é", Code::InvalidArgument);
}

#[test]
fn c09_one_host_and_no_other_number_of_them() {
    let signed = get().sign();
    signed.clone().with("host", "photos.s3.example.com").refused(Code::InvalidRequest);
    signed.clone().without("host").refused(Code::InvalidRequest);
    signed.without("host").with("host", "other").refused(Code::SignatureDoesNotMatch);
    let with_port = get().without("host").with("host", "s3.example.com:8443").sign();
    with_port.accepted();
}

#[test]
fn c10_headers_that_decide_come_once() {
    let signed = get().sign();
    signed.accepted();
    for name in ["authorization", "x-amz-date", "x-amz-content-sha256"] {
        let value = signed.headers[name].to_str().unwrap().to_owned();
        signed.clone().with(name, &value).refused(Code::InvalidRequest);
    }
}

#[test]
fn c11_nothing_that_was_signed_can_be_changed() {
    let signed = Request::new("GET", "/a/b?prefix=x").with("range", "bytes=0-9").sign();
    signed.accepted();
    let check = |change: &dyn Fn(&mut Request)| {
        let mut changed = signed.clone();
        change(&mut changed);
        changed.refused(Code::SignatureDoesNotMatch);
    };
    check(&|request| request.method = http::Method::DELETE);
    check(&|request| request.path = "/a/c".to_owned());
    check(&|request| request.path = "/a//b".to_owned());
    check(&|request| request.path = "/a/b/".to_owned());
    check(&|request| request.query = None);
    check(&|request| request.query = Some("prefix=y".to_owned()));
    check(&|request| request.query = Some("prefix=x&prefix=x".to_owned()));
    check(&|request| drop(request.headers.remove("range")));
    check(&|request| drop(request.headers.insert("range", "bytes=0-8".parse().unwrap())));
    check(&|request| {
        let other = "UNSIGNED-PAYLOAD".parse().unwrap();
        drop(request.headers.insert("x-amz-content-sha256", other));
    });
}

#[test]
fn c13_clocks_may_differ_by_a_quarter_of_an_hour() {
    let signed = get().sign();
    for near in [minutes(14, 59), minutes(-14, -59)] {
        assert!(signed.verify_at(NOW + near).is_ok());
    }
    for far in [minutes(15, 1), minutes(-15, -1)] {
        let error = refused(signed.verify_at(NOW + far), Code::RequestTimeTooSkewed);
        assert_eq!(detail(&error, "RequestTime"), "20261121T164427Z");
        assert_eq!(detail(&error, "MaxAllowedSkewMilliseconds"), "900000");
    }
    let error = refused(signed.verify_at(NOW + minutes(16, 0)), Code::RequestTimeTooSkewed);
    assert_eq!(detail(&error, "ServerTime"), "2026-11-21T17:00:27Z");
}

#[test]
fn c14_one_date_decides_and_it_has_to_be_there() {
    let stale = get()
        .with("x-amz-date", "20261121T160000Z")
        .with("date", "Sat, 21 Nov 2026 16:44:27 GMT")
        .sign();
    stale.refused(Code::RequestTimeTooSkewed);
    for date in ["Sat, 21 Nov 2026 16:44:27 GMT", "Sat, 21 Nov 2026 16:44:27 -0000"] {
        get().with("date", date).sign().accepted();
    }
    get().sign().without("x-amz-date").refused(Code::AccessDenied);
    let nested = format!("Sat, 21 Nov 2026 16:44:27 {}", "(".repeat(10_000));
    for date in ["", "now", "2026-11-21T16:44:27Z", &nested] {
        let error = get().with("x-amz-date", date).sign().refused(Code::AccessDenied);
        assert!(error.text().contains("valid Date or x-amz-date"), "{error}");
        get().with("date", date).sign().refused(Code::AccessDenied);
    }
    get()
        .with("x-amz-date", "now")
        .with("date", "Sat, 21 Nov 2026 16:44:27 GMT")
        .sign()
        .refused(Code::AccessDenied);
}

#[test]
fn c15_each_part_of_a_scope_is_checked() {
    let check = |credential: &str, words: &str| {
        let signer = Signer { credential: credential.to_owned(), ..Signer::default() };
        let error = get().sign_by(&signer).refused(Code::AuthorizationHeaderMalformed);
        assert!(error.text().starts_with("The authorization header is malformed; "), "{error}");
        assert!(error.text().contains(words), "{credential}: {error}");
    };
    check("A/20261121/us-east-1/ec2/aws4_request", "incorrect service \"ec2\"");
    check("A/20261121/us-east-1/s3/aws_request", "incorrect terminal \"aws_request\"");
    check("A/3223423234/us-east-1/s3/aws4_request", "incorrect date format \"3223423234\"");
    check("A/20261120/us-east-1/s3/aws4_request", "Date is not the same as X-Amz-Date");
    check("A/20261121/us-east-1/s3", "the Credential is mal-formed");
    check("A/B/20261121/us-east-1/s3/aws4_request", "the Credential is mal-formed");
    check("A/20261121/us-east-1/s3/aws4_request/", "the Credential is mal-formed");
    check("/20261121/us-east-1/s3/aws4_request", "the Credential is mal-formed");
    let long = format!("A/20261121/{}/s3/aws4_request", "r".repeat(65));
    check(&long, "the Credential is mal-formed");
    check("a/", "the Credential is mal-formed");
}

#[test]
fn c15_any_region_will_do_unless_one_is_asked_for() {
    let signer = |region: &str| Signer {
        credential: format!("{KEY_ID}/20261121/{region}/s3/aws4_request"),
        ..Signer::default()
    };
    for region in ["us-east-1", "auto", "us-west-001", "garage"] {
        get().sign_by(&signer(region)).accepted();
    }
    let strict = Rules { region: Some("eu-north-1".to_owned()), ..Rules::default() };
    let verify = |region: &str| {
        get().sign_by(&signer(region)).verify_with(&strict, NOW, &SigningKeys::default())
    };
    assert!(verify("eu-north-1").is_ok());
    let error = refused(verify("us-east-1"), Code::AuthorizationHeaderMalformed);
    assert_eq!(detail(&error, "Region"), "eu-north-1");
    assert!(error.text().contains("the region \"us-east-1\" is wrong; expecting \"eu-north-1\""));
}

#[test]
fn c16_an_unknown_key_costs_the_same_work_as_a_wrong_secret() {
    let cache = SigningKeys::default();
    let work = |request: &Request, code: Code| {
        let before = HMACS.get();
        refused(request.verify_with(&Rules::default(), NOW, &cache), code);
        HMACS.get() - before
    };
    let credential = "STRANGER/20261121/us-east-1/s3/aws4_request".to_owned();
    let stranger = get().sign_by(&Signer { credential, ..Signer::default() });
    let wrong = get().sign_by(&Signer { secret: "wrong", ..Signer::default() });
    let unknown = work(&stranger, Code::InvalidAccessKeyId);
    assert_eq!(unknown, 5, "four to derive, one to sign");
    assert_eq!(work(&wrong, Code::SignatureDoesNotMatch), unknown);
    let right = get().sign();
    assert!(right.verify_with(&Rules::default(), NOW, &cache).is_ok());
    let before = HMACS.get();
    assert!(right.verify_with(&Rules::default(), NOW, &cache).is_ok());
    assert_eq!(HMACS.get() - before, 1, "the key of the day is known now");
    assert_eq!(work(&wrong, Code::SignatureDoesNotMatch), unknown, "also when the key is cached");
}

#[test]
fn c21_what_the_header_of_the_hash_may_say() {
    let check = |value: &str| {
        let error =
            put("/k").with("x-amz-content-sha256", value).sign().refused(Code::InvalidArgument);
        assert_eq!(detail(&error, "ArgumentName"), "x-amz-content-sha256");
    };
    check("");
    check("nonsense");
    check("unsigned-payload");
    check(SHA256_OF_NOTHING.strip_prefix('e').unwrap());
    check(&SHA256_OF_NOTHING.replace('e', "g"));
    check("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD");
    check("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER");
    let upper = SHA256_OF_NOTHING.to_uppercase();
    let payload = put("/k").with("x-amz-content-sha256", &upper).sign().accepted().payload();
    assert!(matches!(payload, Payload::Sha256(hash) if hash[..2] == [0xe3, 0xb0]));
}

#[test]
fn c21_a_missing_hash_is_that_of_no_body_as_curl_7_signs() {
    let signed = put("/k")
        .with("x-amz-date", "20261121T164427Z")
        .sign_header(&Signer::default(), SHA256_OF_NOTHING);
    assert!(matches!(signed.accepted().payload(), Payload::Absent));
    // Content-Length is unsigned here, as with curl.
    signed.with("content-length", "5").accepted();
    let other = put("/k")
        .with("x-amz-date", "20261121T164427Z")
        .sign_header(&Signer::default(), &SHA256_OF_NOTHING.replace('e', "f"));
    other.refused(Code::SignatureDoesNotMatch);
    let error = other.with("content-length", "5").refused(Code::InvalidRequest);
    assert!(error.text().ends_with("x-amz-content-sha256"), "{error}");
}

#[test]
fn c22_a_plus_in_a_path_is_a_plus_except_for_those_who_signed_a_blank() {
    let signed = get();
    let sign_as = |sent: &str, signed_path: &str| {
        let mut request = signed.clone();
        request.path = signed_path.to_owned();
        let mut request = request.sign();
        request.path = sent.to_owned();
        request
    };
    let reading = |sent: &str, signed: &str| sign_as(sent, signed).accepted().path_reading();
    assert_eq!(reading("/b/a+b", "/b/a+b"), PathReading::AsSent);
    assert_eq!(reading("/b/a+b", "/b/a%2Bb"), PathReading::AsSent);
    assert_eq!(reading("/b/a%2Bb", "/b/a%2Bb"), PathReading::AsSent);
    assert_eq!(reading("/b/a+b", "/b/a%20b"), PathReading::PlusIsSpace);
    assert_eq!(reading("/b/a+b%2Bc+d", "/b/a%20b%2Bc%20d"), PathReading::PlusIsSpace);
    for (sent, signed) in
        [("/b/a%2Bb", "/b/a%20b"), ("/b/a+b+c", "/b/a+b%20c"), ("/b/a%20b", "/b/a+b")]
    {
        sign_as(sent, signed).refused(Code::SignatureDoesNotMatch);
    }
}

#[test]
fn c24_other_schemes_are_refused() {
    let scheme = |scheme: &str| get().sign().edit_authorization("AWS4-HMAC-SHA256", scheme);
    for other in
        ["AWS4-HMAC-SHA512", "AWS4-ECDSA-P256-SHA256", "Bearer", "aws4-hmac-sha256", "Basic"]
    {
        let error = scheme(other).refused(Code::InvalidArgument);
        assert_eq!(error.text(), "Unsupported Authorization Type");
    }
    let version_2 =
        get().with("authorization", &format!("AWS {KEY_ID}:frJIUN8DYpKDtOLCwo//yllqDzg="));
    let error = version_2.refused(Code::InvalidRequest);
    assert!(error.text().contains("Please use AWS4-HMAC-SHA256"), "{error}");
    assert!(error.text().contains("aws configure set default.s3.signature_version s3v4"));
    assert!(error.text().contains("Config(signature_version='s3v4')"));
    let error = get().with("authorization", "invalid_header").refused(Code::InvalidArgument);
    assert!(error.text().contains("one and only one ' ' (space) required"), "{error}");
    get().with("x-amz-security-token", "t").sign().refused(Code::InvalidToken);
    scheme("AWS4-HMAC-SHA256").accepted();
}

#[test]
fn c24_each_field_of_the_header_has_to_be_there_once() {
    let check = |header: &str, words: &str| {
        let request = get().with("x-amz-date", "20261121T164427Z").with("authorization", header);
        let error = request.refused(Code::AuthorizationHeaderMalformed);
        assert!(error.text().contains(words), "{header}: {error}");
    };
    check("AWS4-HMAC-SHA256 SignedHeaders=host, Signature=a", "missing Credential.");
    check("AWS4-HMAC-SHA256 Credential=a, Signature=a", "missing SignedHeaders.");
    check("AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host", "missing Signature.");
    check("AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=", "missing Signature.");
    let three = "requires three components";
    check("AWS4-HMAC-SHA256 Credential=a,Credential=b, SignedHeaders=host, Signature=a", three);
    check("AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=a, Other=b", three);
    check("AWS4-HMAC-SHA256 Credential=a, SignedHeaders-host, Signature=a", three);
    check("AWS4-HMAC-SHA256 nonsense", three);
    let tight = get().sign();
    let header = tight.headers["authorization"].to_str().unwrap().replace(", ", ",");
    tight.without("authorization").with("authorization", &header).accepted();
}

#[test]
fn f41_a_secret_that_was_changed_no_longer_signs() {
    struct Rotated;
    impl super::KeyRing for Rotated {
        fn secret(&self, _: &super::AccessKeyId) -> Option<super::SecretKey> {
            Some(super::SecretKey::new("rotated"))
        }
    }
    let cache = SigningKeys::default();
    let request = get().sign();
    assert!(request.verify_with(&Rules::default(), NOW, &cache).is_ok());
    let head = super::RequestHead {
        method: &request.method,
        virtual_bucket: None,
        raw_path: &request.path,
        raw_query: None,
        headers: &request.headers,
    };
    let answer = super::verify(&head, &Rotated, &Rules::default(), NOW, &cache);
    refused(answer, Code::SignatureDoesNotMatch);
}

#[test]
fn what_an_anonymous_request_says_of_its_body() {
    let read = |headers: &[(&'static str, &'static str)]| {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        Payload::of_unsigned(&headers)
    };
    assert!(matches!(read(&[]), Ok(Payload::Unsigned)));
    let hash = ("x-amz-content-sha256", SHA256_OF_NOTHING);
    assert!(matches!(read(&[hash]), Ok(Payload::Sha256(_))));
    let trailer = ("x-amz-content-sha256", STREAMING[0]);
    assert!(matches!(read(&[trailer]), Ok(Payload::UnsignedChunksWithTrailer)));
    let framed = [("content-encoding", "gzip, aws-chunked"), ("x-amz-decoded-content-length", "0")];
    assert!(matches!(read(&framed), Ok(Payload::UnsignedChunksWithTrailer)));
    assert!(matches!(read(&framed[..1]), Ok(Payload::Unsigned)));
    let signed = ("x-amz-content-sha256", STREAMING[1]);
    assert_eq!(read(&[signed]).unwrap_err().code(), Code::InvalidRequest);
}

#[test]
fn a_clock_at_the_ends_of_the_calendar_is_no_panic() {
    let signed = get().with("x-amz-date", "99991231T235959Z").sign();
    signed.refused(Code::RequestTimeTooSkewed);
    let ends =
        Signer { at: OffsetDateTime::UNIX_EPOCH + Duration::days(2_932_896), ..Signer::default() };
    let credential = format!("{KEY_ID}/99991231/us-east-1/s3/aws4_request");
    let last = Signer { expires: "604800", credential, ..ends };
    let url = get().presign_by(&last);
    assert!(url.verify_at(last.at).is_ok());
}
