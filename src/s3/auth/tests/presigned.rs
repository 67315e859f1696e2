//! Signatures in the query: the cases of our security page, each with a positive control.

use super::{
    Code, KEY_ID, NOW, Payload, Request, Rules, SHA256_OF_NOTHING, Signer, SigningKeys, detail,
    minutes, refused,
};

fn get() -> Request {
    Request::new("GET", "/k?versionId=1")
}

fn put() -> Request {
    Request::new("PUT", "/k")
}

#[test]
fn c02_a_part_of_the_query_credentials_is_not_enough() {
    let signed = put().presign();
    signed.accepted();
    let streaming = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
    let credential =
        format!("X-Amz-Credential={KEY_ID}%2F20261121%2Fus-east-1%2Fs3%2Faws4_request");
    let only = put().with("x-amz-content-sha256", streaming).with_parameter(&credential);
    let error = only.refused(Code::AuthorizationQueryParametersError);
    assert!(error.text().starts_with("Query-string authentication version 4 requires"), "{error}");
    let query = signed.query.clone().unwrap();
    let parameters: Vec<&str> = query.split('&').collect();
    for missing in 0..parameters.len() {
        let mut fewer = parameters.clone();
        fewer.remove(missing);
        let mut request = signed.clone();
        request.query = Some(fewer.join("&"));
        request.refused(Code::AuthorizationQueryParametersError);
    }
}

#[test]
fn c02_credentials_in_another_case_do_not_pass_as_anonymous() {
    for name in ["x-amz-credential", "X-AMZ-SIGNATURE", "x-amz-Security-Token", "X%2DAmz-algorithm"]
    {
        let request = get().with_parameter(&format!("{name}=a"));
        request.refused(Code::AuthorizationQueryParametersError);
    }
}

#[test]
fn c03_no_kind_of_payload_is_a_way_around_a_presigned_signature() {
    for payload in [SHA256_OF_NOTHING, "UNSIGNED-PAYLOAD"] {
        let by = Signer { payload, ..Signer::default() };
        let signed = put().with("x-amz-content-sha256", payload).presign_by(&by);
        signed.accepted();
        let forged = signed.edit_query("X-Amz-Signature=", "X-Amz-Signature=0");
        forged.refused(Code::SignatureDoesNotMatch);
    }
}

#[test]
fn c05_unsigned_amz_header_on_presigned_put_is_refused() {
    let signed = put().presign();
    assert!(signed.accepted().presigned());
    for name in [
        "x-amz-copy-source",
        "x-amz-acl",
        "x-amz-grant-read",
        "x-amz-tagging",
        "x-amz-meta-a",
        "x-amz-storage-class",
        "x-amz-website-redirect-location",
        "x-amz-object-lock-mode",
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-customer-key",
        "x-amz-date",
        "x-amz-foo",
    ] {
        let error = signed.clone().with(name, "a").refused(Code::AccessDenied);
        assert_eq!(detail(&error, "HeadersNotSigned"), name);
        put().with(name, "a").presign().accepted();
    }
    let both = signed.clone().with("x-amz-acl", "a").with("x-amz-meta-a", "a");
    let error = both.refused(Code::AccessDenied);
    assert_eq!(detail(&error, "HeadersNotSigned"), "x-amz-acl, x-amz-meta-a");
    signed.with("content-type", "text/plain").accepted();
}

#[test]
fn c07_host_has_to_be_signed_in_a_presigned_url_too() {
    let names = Some("range".to_owned());
    let signer = Signer { signed_headers: names, ..Signer::default() };
    let error = get().with("range", "bytes=0-1").presign_by(&signer).refused(Code::AccessDenied);
    assert_eq!(detail(&error, "HeadersNotSigned"), "host");
}

#[test]
fn c08_odd_lists_of_signed_headers_in_a_query_are_refused() {
    for names in ["Host", "host;host", "range;host", "host;", "host\nx:y", "h%00"] {
        let by = Signer { signed_headers: Some(names.to_owned()), ..Signer::default() };
        let signed = get().presign_by(&by);
        let code = signed.verify().unwrap_err().code();
        assert_eq!(code, Code::AuthorizationQueryParametersError, "{names:?}");
    }
    let signed = get().presign().edit_query("SignedHeaders=host", "SignedHeaders=host%0Ax");
    signed.refused(Code::AuthorizationQueryParametersError);
}

#[test]
fn c12_a_parameter_of_amazons_comes_once() {
    let signed = get().presign();
    signed.accepted();
    for again in ["X-Amz-Expires=1", "X-Amz-Signature=a", "x-amz-date=a", "X%2DAmz-Credential=a"] {
        signed.clone().with_parameter(again).refused(Code::InvalidArgument);
    }
    let hoisted = get().with_parameter("x-amz-acl=a&X-Amz-Acl=b");
    hoisted.presign().refused(Code::InvalidArgument);
    get().with_parameter("x-amz-acl=a").presign().accepted();
}

#[test]
fn c15_each_part_of_a_presigned_scope_is_checked() {
    let check = |credential: &str, words: &str| {
        let signer = Signer { credential: credential.to_owned(), ..Signer::default() };
        let error = get().presign_by(&signer).refused(Code::AuthorizationQueryParametersError);
        assert!(error.text().contains(words), "{credential}: {error}");
    };
    let parsing = "Error parsing the X-Amz-Credential parameter; ";
    check("A/20261121/r/sns/aws4_request", &format!("{parsing}incorrect service \"sns\""));
    check("A/20261121/r/s3/aws5_request", &format!("{parsing}incorrect terminal"));
    check("A/32234Z34/r/s3/aws4_request", &format!("{parsing}incorrect date format"));
    check("A/20060102/r/s3/aws4_request", "Invalid credential date \"20060102\". This date is not");
    check("A/20261121/r/s3", &format!("{parsing}the Credential is mal-formed"));
    let strict = Rules { region: Some("eu-north-1".to_owned()), ..Rules::default() };
    let answer = get().presign().verify_with(&strict, NOW, &SigningKeys::default());
    let error = refused(answer, Code::AuthorizationQueryParametersError);
    assert!(error.text().contains("the region \"us-east-1\" is wrong; expecting \"eu-north-1\""));
}

#[test]
fn c16_codes_of_an_unknown_key_and_of_a_wrong_secret() {
    let credential = "STRANGER/20261121/us-east-1/s3/aws4_request".to_owned();
    let stranger = get().presign_by(&Signer { credential, ..Signer::default() });
    let error = stranger.refused(Code::InvalidAccessKeyId);
    assert_eq!(detail(&error, "AWSAccessKeyId"), "STRANGER");
    let wrong = get().presign_by(&Signer { secret: "wrong", ..Signer::default() });
    let error = wrong.refused(Code::SignatureDoesNotMatch);
    assert_eq!(error.details().len(), 1, "no expected signature, no canonical request");
}

#[test]
fn c17_a_presigned_url_lives_for_a_week_at_most() {
    let presign =
        |expires: &'static str| get().presign_by(&Signer { expires, ..Signer::default() });
    for expires in ["1", "604800", "0000000000000000000000000001"] {
        presign(expires).accepted();
    }
    for (expires, words) in [
        ("604801", "less than a week"),
        ("9223372036854775808", "less than a week"),
        ("-1", "non-negative"),
        ("abc", "should be a number"),
        ("1e3", "should be a number"),
        ("+1", "should be a number"),
        ("-", "should be a number"),
        ("", "requires"),
    ] {
        let error = presign(expires).refused(Code::AuthorizationQueryParametersError);
        assert!(error.text().contains(words), "{expires}: {error}");
    }
}

#[test]
fn c18_a_presigned_url_holds_from_its_date_to_its_end() {
    let signed = get().presign();
    for within in [minutes(0, 0), minutes(10, 0), minutes(-14, -59)] {
        assert!(signed.verify_at(NOW + within).is_ok(), "{within}");
        assert!(signed.verify_at(NOW + within).is_ok(), "{within}, replayed");
    }
    let error = refused(signed.verify_at(NOW + minutes(10, 1)), Code::AccessDenied);
    assert_eq!(error.text(), "Request has expired");
    assert_eq!(detail(&error, "X-Amz-Expires"), "600");
    assert_eq!(detail(&error, "Expires"), "2026-11-21T16:54:27Z");
    assert_eq!(detail(&error, "ServerTime"), "2026-11-21T16:54:28Z");
    let error = refused(signed.verify_at(NOW - minutes(20, 0)), Code::AccessDenied);
    assert_eq!(error.text(), "Request is not valid yet");
    for other in [http::Method::HEAD, http::Method::DELETE] {
        let mut changed = signed.clone();
        changed.method = other;
        changed.refused(Code::SignatureDoesNotMatch);
    }
}

#[test]
fn c19_a_presigned_url_cannot_be_edited() {
    let signed = get().presign();
    signed.accepted();
    signed
        .clone()
        .edit_query("X-Amz-Expires=600", "X-Amz-Expires=601")
        .refused(Code::SignatureDoesNotMatch);
    signed.clone().edit_query("versionId=1", "versionId=2").refused(Code::SignatureDoesNotMatch);
    for added in ["response-content-type=text%2Fhtml", "versionId=2", "partNumber=1", "x-amz-acl=a"]
    {
        signed.clone().with_parameter(added).refused(Code::SignatureDoesNotMatch);
    }
    let mut changed = signed;
    changed.path = "/l".to_owned();
    changed.refused(Code::SignatureDoesNotMatch);
}

#[test]
fn c20_a_presigned_url_with_a_streaming_body_is_refused() {
    for payload in [
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    ] {
        let signer = Signer { payload, ..Signer::default() };
        let header = put().with("x-amz-content-sha256", payload).presign_by(&signer);
        header.refused(Code::InvalidRequest);
        let parameter = put().with_parameter(&format!("X-Amz-Content-Sha256={payload}"));
        parameter.presign_by(&signer).refused(Code::InvalidRequest);
    }
}

#[test]
fn c21_where_the_hash_of_a_presigned_body_may_stand() {
    let hash = Signer { payload: SHA256_OF_NOTHING, ..Signer::default() };
    assert!(matches!(put().presign().accepted().payload(), Payload::Unsigned));
    let in_query = put().with_parameter(&format!("X-Amz-Content-Sha256={SHA256_OF_NOTHING}"));
    let signed = in_query.presign_by(&hash);
    assert!(matches!(signed.accepted().payload(), Payload::Sha256(_)));
    signed.clone().with("x-amz-content-sha256", SHA256_OF_NOTHING).accepted();
    signed.with("x-amz-content-sha256", "UNSIGNED-PAYLOAD").refused(Code::InvalidArgument);
    // Unsigned, as a header of a presigned URL may be: its value is in the signature all the same.
    let late = put().presign_by(&hash).with("x-amz-content-sha256", SHA256_OF_NOTHING);
    assert!(matches!(late.accepted().payload(), Payload::Sha256(_)));
    let other = put().presign().with("x-amz-content-sha256", SHA256_OF_NOTHING);
    other.refused(Code::SignatureDoesNotMatch);
}

#[test]
fn c24_other_algorithms_and_tokens_in_the_query_are_refused() {
    for algorithm in ["AWS4-ECDSA-P256-SHA256", "AWS4-HMAC-SHA512", "aws4-hmac-sha256"] {
        let signed = get().presign_by(&Signer { algorithm, ..Signer::default() });
        signed.refused(Code::AuthorizationQueryParametersError);
    }
    get().with_parameter("X-Amz-Security-Token=t").presign().refused(Code::InvalidToken);
    for version_2 in [
        "AWSAccessKeyId=AKIDEXAMPLE&Expires=1700000000&Signature=vjbyPxybdZaNmGa%2ByT272YEAiv4%3D",
        "Signature=a",
        "AWSAccessKeyId=a",
    ] {
        let error = get().with_parameter(version_2).refused(Code::InvalidRequest);
        assert!(error.text().contains("Config(signature_version='s3v4')"), "{error}");
    }
}
