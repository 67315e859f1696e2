//! Authentication from outside: what must not pass, each with what must. After a refusal nothing is
//! written, and Azure has not been asked.

use time::Duration;

use crate::buckets::bucket;
use crate::harness::gateway::ALICE;
use crate::harness::signer::{amz_date, sha256_hex};
use crate::harness::wire::Answer;
use crate::harness::{Client, Gateway, Payload, Proxy, Request, Streaming, now, path, unique};

/// A gateway behind a counting proxy, with an object whose content must stay.
struct Fort {
    proxy: Proxy,
    gateway: Gateway,
    client: Client,
    bucket: String,
    at: String,
}

impl Fort {
    async fn build() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut crate::harness::gateway::Settings)) -> Self {
        let proxy = Proxy::to_backend().await;
        let gateway = Gateway::with(|settings| {
            settings.azure = proxy.endpoint();
            // What is asked of Azure is counted; a bucket that expires would be asked for again.
            settings.cache_ttl = "1h";
            change(settings);
        })
        .await;
        let client = gateway.client(ALICE);
        let bucket = bucket(&client).await;
        let at = path(&bucket, "k");
        client.put(&at).body("old").ok().await;
        Self { proxy, gateway, client, bucket, at }
    }

    fn put(&self) -> Request {
        self.client.put(&self.at).body("new")
    }

    /// Forgets what was asked of Azure so far.
    async fn quiet(&self) {
        self.proxy.calls().await;
    }

    /// Azure has not been asked since [`Fort::quiet`].
    async fn nothing_reached_azure(&self, what: &str) {
        assert_eq!(self.proxy.calls().await, [], "{what}");
    }

    /// For a stranger the gateway looks at the bucket and at the head of an object (either may be
    /// open to all), at nothing else.
    async fn only_buckets_were_looked_up(&self, what: &str) {
        for call in self.proxy.calls().await {
            let is_look = call.method == http::Method::HEAD;
            assert!(is_look, "{what}: {call:?}");
        }
    }

    /// The object is as it was.
    async fn stands(&self, what: &str) {
        assert_eq!(self.client.get(&self.at).ok().await.text(), "old", "{what}");
        self.quiet().await;
    }

    /// The answer is one of these refusals, and nothing has happened.
    async fn refused(&self, what: &str, answer: Answer, wanted: &[(u16, &str)]) {
        self.nothing_reached_azure(what).await;
        let code = if answer.body.is_empty() { String::new() } else { answer.error() };
        assert!(
            wanted.contains(&(answer.status, code.as_str())),
            "{what}: {} {code}, wanted {wanted:?}: {answer:?}",
            answer.status
        );
    }
}

const MISMATCH: &[(u16, &str)] = &[(403, "SignatureDoesNotMatch")];
const DENIED: &[(u16, &str)] = &[(403, "AccessDenied")];
const MALFORMED: &[(u16, &str)] = &[(400, "AuthorizationHeaderMalformed")];
const QUERY: &[(u16, &str)] = &[(400, "AuthorizationQueryParametersError")];

/// The signer of these tests against a second implementation: `aws-sigv4`.
#[tokio::test]
async fn the_tests_own_signer_signs_as_aws_sigv4_does() {
    let fort = Fort::build().await;
    for (method, target, headers) in [
        ("GET", "/b/k", vec![]),
        ("PUT", "/b/a%20b%2Bc/%C3%BC", vec![("x-amz-meta-a", "1  2"), ("content-type", "text/x")]),
        ("GET", "/b?list-type=2&prefix=a%2Fb&delimiter=%2F", vec![]),
        ("POST", "/b?delete=", vec![("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")]),
        ("GET", "/b/../x//y/", vec![("range", "bytes=0-1")]),
    ] {
        let (at, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = fort.client.request(method, at);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap();
            request = request.query(name, value.replace("%2F", "/"));
        }
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        let ours = request.prepare();
        let theirs = aws_signature(&ours.method, &ours.target, &ours.headers);
        let signature = ours.value("authorization").rsplit("Signature=").next().unwrap();
        assert_eq!(signature, theirs, "{method} {target}");
    }
}

/// The signature that `aws-sigv4` makes of a request whose headers were chosen already.
fn aws_signature(method: &str, target: &str, headers: &[(String, String)]) -> String {
    use aws_sigv4::http_request::{
        PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode, sign,
    };
    let value = |name: &str| headers.iter().find(|(known, _)| known == name).unwrap().1.clone();
    let signed = value("authorization");
    let signed = signed.split("SignedHeaders=").nth(1).unwrap().split(',').next().unwrap();
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    let identity =
        aws_credential_types::Credentials::new(ALICE.key, ALICE.secret, None, None, "tests");
    let identity = identity.into();
    let date = time::PrimitiveDateTime::parse(
        &value("x-amz-date"),
        time::macros::format_description!("[year][month][day]T[hour][minute][second]Z"),
    );
    let parameters = aws_sigv4::sign::v4::SigningParams::builder()
        .identity(&identity)
        .region("us-east-1")
        .name("s3")
        .time(date.unwrap().assume_utc().into())
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let others = headers
        .iter()
        .filter(|(name, _)| signed.split(';').any(|signed| signed == name) && name != "x-amz-date");
    let request = SignableRequest::new(
        method,
        format!("http://{}{target}", value("host")),
        others.map(|(name, value)| (name.as_str(), value.as_str())),
        SignableBody::Precomputed(value("x-amz-content-sha256")),
    );
    sign(request.unwrap(), &parameters).unwrap().signature().to_owned()
}

/// C01, C03: no kind of payload and no place of the signature is exempt from its check.
#[tokio::test]
async fn c01_c03_a_bad_signature_is_refused_with_every_kind_of_payload() {
    let fort = Fort::build().await;
    fort.quiet().await;
    let crc = "x-amz-checksum-crc32";
    let kinds = [
        Payload::Hash,
        Payload::Unsigned,
        Payload::NoHeader,
        Payload::Streaming(Streaming::Signed),
        Payload::Streaming(Streaming::SignedTrailer),
        Payload::Streaming(Streaming::UnsignedTrailer),
    ];
    for kind in kinds {
        let what = format!("{kind:?}");
        let mut put = fort.put().payload(kind.clone());
        if matches!(kind, Payload::Streaming(kind) if kind.has_trailer()) {
            put = put.trailer(crc, &crc32(b"new"));
        }
        // Without the header it may also be that the signer knew a hash and kept it for himself.
        let wanted = match kind {
            Payload::NoHeader => &[MISMATCH[0], (400, "InvalidRequest")][..],
            _ => MISMATCH,
        };
        let answer = put.clone().prepare().bad_signature().send().await;
        fort.refused(&what, answer, wanted).await;
        let wrong_secret = put.clone().sign(|signer| signer.secret = "wrong".to_owned());
        fort.refused(&what, wrong_secret.send().await, wanted).await;
        let unknown = put.clone().sign(|signer| signer.id = "AKNOBODY".to_owned());
        fort.refused(&what, unknown.send().await, &[(403, "InvalidAccessKeyId")]).await;
        let anonymous = put.clone().prepare().remove("authorization").send().await;
        fort.refused(&what, anonymous, &[DENIED[0], (400, "InvalidRequest")]).await;
        fort.stands(&what).await;
        // Positive control.
        put.ok().await;
        fort.client.put(&fort.at).body("old").ok().await;
        fort.quiet().await;
    }
    let answer = fort.put().presign(60).bad_signature().send().await;
    fort.refused("presigned", answer, MISMATCH).await;
    fort.stands("presigned").await;
    fort.put().presign(60).send().await.expect_success();
}

fn crc32(bytes: &[u8]) -> String {
    let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, bytes);
    data_encoding::BASE64.encode(&u32::try_from(sum).unwrap().to_be_bytes())
}

/// C03: every operation that a request can name, with a bad signature, header and query.
#[tokio::test]
async fn c03_no_operation_is_open() {
    let fort = Fort::build().await;
    fort.quiet().await;
    for request in crate::errors::every_operation(&fort.client, &fort.bucket) {
        let what = format!("{:?}", request.operation);
        let answer = request.request.clone().prepare().bad_signature().send().await;
        let wanted = &[(403, "SignatureDoesNotMatch"), (403, "")];
        fort.refused(&what, answer, wanted).await;
        let answer = request.request.clone().presign(60).bad_signature().send().await;
        fort.refused(&what, answer, wanted).await;
        let answer = request.request.prepare().remove("authorization").send().await;
        fort.only_buckets_were_looked_up(&what).await;
        // That an operation is not built is no secret.
        let wanted = &[(403, "AccessDenied"), (403, ""), (501, "NotImplemented")];
        fort.refused(&what, answer, wanted).await;
    }
    fort.stands("all operations").await;
}

/// C02: a credential in the query without its signature is nothing.
#[tokio::test]
async fn c02_a_credential_alone_opens_nothing() {
    let fort = Fort::build().await;
    fort.quiet().await;
    let crc = crc32(b"new");
    let put = fort.put().streaming(Streaming::UnsignedTrailer);
    let put = put.trailer("x-amz-checksum-crc32", &crc);
    let whole = fort.put().presign(60);
    let credential = whole.target.split("X-Amz-Credential=").nth(1).unwrap();
    let credential = credential.split('&').next().unwrap().to_owned();
    for query in [
        format!("X-Amz-Credential={credential}"),
        format!("X-Amz-Credential={credential}&X-Amz-Algorithm=AWS4-HMAC-SHA256"),
        format!("X-Amz-Credential={credential}&X-Amz-SignedHeaders=host&X-Amz-Expires=60"),
        format!("X-Amz-Signature={}&X-Amz-Credential={credential}", "0".repeat(64)),
    ] {
        let prepared = put.clone().prepare().remove("authorization");
        let answer = prepared.change(|_, target| *target += &format!("?{query}")).send().await;
        let mut wanted = QUERY.to_vec();
        wanted.extend_from_slice(DENIED);
        fort.refused(&query, answer, &wanted).await;
    }
    // Each of the six parameters is needed.
    for name in ["Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature"] {
        let answer = whole.clone().change(|_, target| {
            let (at, query) = target.split_once('?').unwrap();
            let name = format!("X-Amz-{name}=");
            let kept: Vec<_> = query.split('&').filter(|pair| !pair.starts_with(&name)).collect();
            *target = format!("{at}?{}", kept.join("&"));
        });
        let mut wanted = QUERY.to_vec();
        wanted.extend_from_slice(DENIED);
        fort.refused(name, answer.send().await, &wanted).await;
    }
    fort.stands("credential").await;
    whole.send().await.expect_success();
}

/// C04
#[tokio::test]
async fn c04_one_signature_at_a_time() {
    let fort = Fort::build().await;
    fort.quiet().await;
    let presigned = fort.put().presign(60);
    let header = fort.put().prepare().value("authorization").to_owned();
    let answer = presigned.clone().add("authorization", header).send().await;
    fort.refused("both", answer, &[(400, "InvalidArgument")]).await;
    fort.stands("both").await;
    presigned.send().await.expect_success();
}

/// What a client could add to steer a request that somebody else has signed.
const STEERING: &[(&str, &str)] = &[
    ("x-amz-copy-source", "/b/k"),
    ("x-amz-acl", "public-read"),
    ("x-amz-grant-read", "uri=\"http://acs.amazonaws.com/groups/global/AllUsers\""),
    ("x-amz-grant-full-control", "id=\"bob\""),
    ("x-amz-tagging", "a=b"),
    ("x-amz-meta-a", "b"),
    ("x-amz-storage-class", "STANDARD_IA"),
    ("x-amz-website-redirect-location", "/x"),
    ("x-amz-object-lock-mode", "GOVERNANCE"),
    ("x-amz-object-lock-retain-until-date", "2099-01-01T00:00:00Z"),
    ("x-amz-object-lock-legal-hold", "ON"),
    ("x-amz-server-side-encryption", "AES256"),
    ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
    ("x-amz-metadata-directive", "REPLACE"),
    ("x-amz-checksum-crc32", "AAAAAA=="),
    ("x-amz-decoded-content-length", "3"),
    ("x-amz-trailer", "x-amz-checksum-crc32"),
    ("x-amz-bypass-governance-retention", "true"),
    ("x-amz-expected-bucket-owner", "alice"),
    ("x-amz-foo", "bar"),
];

/// C05, C06: the bug class of 2026.
#[tokio::test]
async fn c05_c06_headers_that_nobody_signed_are_refused() {
    let fort = Fort::build().await;
    fort.quiet().await;
    for (name, value) in STEERING {
        let value = if *name == "x-amz-copy-source" { fort.at.as_str() } else { value };
        for (kind, prepared) in
            [("query", fort.put().presign(60)), ("header", fort.put().prepare())]
        {
            let what = format!("{name} beside a signature in the {kind}");
            let answer = prepared.add(name, value).send().await;
            fort.nothing_reached_azure(&what).await;
            assert_eq!((answer.status, answer.error().as_str()), (403, "AccessDenied"), "{what}");
            let error = answer.xml();
            assert_eq!(
                error.at("Message"),
                "There were headers present in the request which were not signed"
            );
            assert_eq!(error.at("HeadersNotSigned"), *name, "{what}");
        }
    }
    fort.stands("steering").await;
    // Positive controls: signed, the same header counts; the hash of a presigned PUT may be unsigned.
    let meta = fort.put().header("x-amz-meta-a", "b");
    meta.clone().ok().await;
    assert_eq!(fort.client.head(&fort.at).ok().await.at("x-amz-meta-a"), "b");
    meta.presign(60).send().await.expect_success();
    let hash = fort.put().presign(60).add("x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    hash.send().await.expect_success();
}

/// C07, C08
#[tokio::test]
async fn c07_c08_the_list_of_signed_headers_is_checked() {
    let fort = Fort::build().await;
    fort.quiet().await;
    let all = ["host", "x-amz-content-sha256", "x-amz-date"];
    let without_host = fort.put().signed(&all[1..]);
    fort.refused(
        "no host",
        without_host.send().await,
        &[
            (403, "AccessDenied"),
            (400, "AuthorizationHeaderMalformed"),
            (403, "SignatureDoesNotMatch"),
        ],
    )
    .await;
    let any: Vec<(u16, &str)> = [MISMATCH, DENIED, MALFORMED].concat();
    let many: Vec<String> = (0..10_000).map(|number| format!("a{number:05}")).collect();
    for names in [
        &["host", "x-absent", "x-amz-content-sha256", "x-amz-date"][..],
        &["Host", "x-amz-content-sha256", "x-amz-date"],
        &["x-amz-date", "host", "x-amz-content-sha256"],
        &[],
        &[""],
        &["host", "host", "x-amz-content-sha256", "x-amz-date"],
        &["host", "x-amz-content-sha256", "x-amz-date", ""],
    ] {
        let answer = fort.put().signed(names).send().await;
        // A signature over an absent header, duplicates or another order could be honest; it must
        // not be taken for more than it is.
        if answer.status == 200 {
            assert!(names.contains(&"host"), "{names:?}");
            fort.client.put(&fort.at).body("old").ok().await;
            fort.quiet().await;
        } else {
            fort.refused(&format!("{names:?}"), answer, &any).await;
        }
    }
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let answer = fort.put().signed(&many).send().await;
    fort.nothing_reached_azure("many names").await;
    assert!((400..500).contains(&answer.status), "{answer:?}");
    fort.stands("signed headers").await;
    fort.put().signed(&all).ok().await;
}

/// C09
#[tokio::test]
async fn c09_there_is_one_host() {
    let fort = Fort::build().await;
    fort.quiet().await;
    let other = "other.example.com";
    let absolute = |target: &mut String| *target = format!("http://{other}{target}");
    for (what, prepared) in [
        ("two", fort.put().prepare().add("host", other)),
        ("two equal", {
            let host = fort.client.host.clone();
            fort.put().prepare().add("host", host)
        }),
        ("none", fort.put().prepare().remove("host")),
        ("absolute", fort.put().prepare().change(|_, target| absolute(target))),
    ] {
        let answer = prepared.send().await;
        fort.nothing_reached_azure(what).await;
        assert_eq!(answer.status, 400, "{what}: {answer:?}");
    }
    fort.stands("hosts").await;
    let host = fort.client.host.clone();
    let same = fort.put().prepare().change(|_, target| *target = format!("http://{host}{target}"));
    same.send().await.expect_success();
}

/// C10
#[tokio::test]
async fn c10_headers_of_authentication_come_once() {
    let fort = Fort::build().await;
    fort.quiet().await;
    for name in ["authorization", "x-amz-date", "x-amz-content-sha256"] {
        let prepared = fort.put().prepare();
        let value = prepared.value(name).to_owned();
        let answer = prepared.add(name, value).send().await;
        fort.nothing_reached_azure(name).await;
        assert!(matches!(answer.status, 400 | 403), "{name}: {answer:?}");
        answer.error();
    }
    fort.stands("twice").await;
}

/// C11
#[tokio::test]
async fn c11_what_is_signed_cannot_be_changed() {
    let fort = Fort::build().await;
    fort.quiet().await;
    let put =
        || fort.put().header("content-type", "text/plain").header("x-amz-meta-a", "1").prepare();
    for (what, changed) in [
        ("value", put().set("x-amz-meta-a", "2")),
        ("type", put().set("content-type", "text/html")),
        ("gone", put().remove("x-amz-meta-a")),
        ("date", put().set("x-amz-date", amz_date(now() - Duration::minutes(1)))),
        ("method", put().change(|method, _| *method = "GET".to_owned())),
        ("path", put().change(|_, target| *target += "x")),
        ("query", put().change(|_, target| *target += "?x-id=PutObject")),
        ("hash", put().set("x-amz-content-sha256", sha256_hex(b"other"))),
        ("unsigned", put().set("x-amz-content-sha256", "UNSIGNED-PAYLOAD")),
        ("host", put().set("host", "other.example.com")),
    ] {
        fort.refused(what, changed.send().await, MISMATCH).await;
    }
    let answer = put().with_body("NEW").send().await;
    fort.refused("body", answer, &[(400, "XAmzContentSHA256Mismatch")]).await;
    fort.stands("changes").await;
    put().send().await.expect_success();
}

/// C12
#[tokio::test]
async fn c12_a_parameter_comes_once() {
    let fort = Fort::build().await;
    fort.quiet().await;
    let at = format!("/{}", fort.bucket);
    for (one, other) in
        [("prefix", "prefix"), ("list-type", "list-type"), ("max-keys", "max%2Dkeys")]
    {
        let name = other.replace("%2D", "-");
        let twice = fort.client.get(&at).query(one, 1).query(&name, 2).send().await;
        fort.nothing_reached_azure(one).await;
        assert_eq!(twice.status, 400, "{one}: {twice:?}");
    }
    let twice = fort.put().query("X-Amz-Expires", 1).presign(604_800).send().await;
    fort.nothing_reached_azure("expires").await;
    assert_eq!(twice.status, 400, "{twice:?}");
    fort.stands("twice").await;
}

/// C13
#[tokio::test]
async fn c13_clocks_may_differ_by_a_quarter_of_an_hour() {
    let fort = Fort::build().await;
    fort.quiet().await;
    for seconds in [-901 - 5, 901 + 5, -86_400, 86_400 * 365] {
        let put = fort.put().sign(|signer| signer.time += Duration::seconds(seconds));
        let answer = put.send().await;
        fort.refused(&seconds.to_string(), answer, &[(403, "RequestTimeTooSkewed")]).await;
    }
    fort.stands("skew").await;
    for seconds in [-899 + 30, 899 - 30] {
        fort.put().sign(|signer| signer.time += Duration::seconds(seconds)).ok().await;
    }
}

/// C14
#[tokio::test]
async fn c14_the_date_that_is_signed_is_the_one_that_counts() {
    let fort = Fort::build().await;
    fort.quiet().await;
    let rfc2822 = |time: time::OffsetDateTime| {
        time.format(time::macros::format_description!(
            "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
        ))
        .unwrap()
    };
    let stale = fort.put().sign(|signer| signer.time -= Duration::hours(1));
    let stale = stale.prepare().add("date", rfc2822(now())).send().await;
    fort.refused("stale", stale, &[(403, "RequestTimeTooSkewed")]).await;
    for date in ["", "yesterday", "20260102", "2026-01-02T03:04:05Z", &"(".repeat(10_000)] {
        let answer = fort.put().prepare().set("x-amz-date", date).send().await;
        fort.refused(date, answer, &[(403, "AccessDenied"), (403, "SignatureDoesNotMatch")]).await;
        let answer = fort.put().prepare().remove("x-amz-date").add("date", date).send().await;
        fort.refused(date, answer, &[(403, "AccessDenied"), (403, "SignatureDoesNotMatch")]).await;
    }
    let none = fort.put().prepare().remove("x-amz-date").send().await;
    fort.refused("none", none, DENIED).await;
    fort.stands("dates").await;
}

/// C15
#[tokio::test]
async fn c15_the_scope_is_checked_part_by_part() {
    let fort = Fort::build().await;
    fort.quiet().await;
    type Change = fn(&mut crate::harness::signer::Signer);
    let changes: [(&str, Change); 6] = [
        ("day", |signer| signer.day = Some("20200101".to_owned())),
        ("no day", |signer| signer.day = Some("today".to_owned())),
        ("service", |signer| signer.service = "ec2".to_owned()),
        ("terminator", |signer| signer.terminator = "aws5_request".to_owned()),
        ("six parts", |signer| signer.region = "us/east".to_owned()),
        ("slash in id", |signer| signer.id = "AK/ALICE".to_owned()),
    ];
    for (what, change) in changes {
        let wanted = if what == "slash in id" {
            &[(400, "AuthorizationHeaderMalformed"), (403, "InvalidAccessKeyId")][..]
        } else {
            MALFORMED
        };
        fort.refused(what, fort.put().sign(change).send().await, wanted).await;
        let wanted = if what == "slash in id" {
            &[(400, "AuthorizationQueryParametersError"), (403, "InvalidAccessKeyId")][..]
        } else {
            QUERY
        };
        let answer = fort.put().sign(change).presign(60).send().await;
        fort.refused(what, answer, wanted).await;
    }
    let short = fort.put().prepare();
    let header = short.value("authorization").replace("/us-east-1/s3/", "/s3/");
    fort.refused("four parts", short.set("authorization", header).send().await, MALFORMED).await;
    fort.stands("scope").await;
    // Any region will do, unless the gateway is strict.
    for region in ["us-west-001", "auto", "eu-central-1"] {
        fort.put().sign(|signer| signer.region = region.to_owned()).ok().await;
    }
}

#[tokio::test]
async fn c15_a_strict_gateway_has_one_region() {
    let fort = Fort::with(|settings| settings.top += "\nstrict_region = true").await;
    fort.quiet().await;
    let other = fort.put().sign(|signer| signer.region = "eu-west-1".to_owned());
    let answer = other.clone().send().await;
    assert_eq!(answer.xml().at("Region"), "us-east-1");
    fort.refused("header", answer, MALFORMED).await;
    fort.refused("query", other.presign(60).send().await, QUERY).await;
    fort.stands("region").await;
    fort.put().ok().await;
}

/// C17
#[tokio::test]
async fn c17_a_presigned_request_says_how_long_it_holds() {
    let fort = Fort::build().await;
    fort.quiet().await;
    for expires in [
        "604801",
        "-1",
        "abc",
        "1e3",
        "9223372036854775808",
        "99999999999999999999999",
        "",
        "1.5",
        "+1",
        " 1",
    ] {
        let answer = fort.put().presign(expires).send().await;
        fort.refused(expires, answer, QUERY).await;
    }
    fort.stands("expires").await;
    for expires in ["60", "604800", "0060"] {
        let answer = fort.put().presign(expires).send().await;
        assert!(answer.status == 200 || expires == "0060", "{expires}: {answer:?}");
    }
}

/// C18
#[tokio::test]
async fn c18_a_presigned_request_holds_for_its_time_and_method() {
    let fort = Fort::build().await;
    fort.quiet().await;
    let put = |seconds: i64, expires: u32| {
        fort.put().sign(|signer| signer.time += Duration::seconds(seconds)).presign(expires)
    };
    let answer = put(-61, 60).send().await;
    let error = answer.xml();
    assert_eq!(error.at("Message"), "Request has expired");
    assert!(error.get("Expires").is_some() && error.get("ServerTime").is_some(), "{error:?}");
    fort.refused("expired", answer, DENIED).await;
    let answer = put(20 * 60, 60).send().await;
    assert_eq!(answer.xml().at("Message"), "Request is not valid yet");
    fort.refused("future", answer, DENIED).await;
    fort.stands("time").await;
    // Within its time it may be sent again, but only as what it was signed for.
    let get = fort.client.get(&fort.at).presign(60);
    for _ in 0..2 {
        assert_eq!(get.clone().send().await.expect_success().text(), "old");
    }
    fort.quiet().await;
    for method in ["HEAD", "DELETE", "PUT", "POST"] {
        let answer = get.clone().change(|old, _| *old = method.to_owned()).send().await;
        fort.refused(method, answer, &[(403, "SignatureDoesNotMatch"), (403, "")]).await;
    }
    fort.stands("methods").await;
    // An hour-old one that holds for a day.
    put(-3600, 86_400).send().await.expect_success();
}

/// C19
#[tokio::test]
async fn c19_a_presigned_request_cannot_be_edited() {
    let fort = Fort::build().await;
    fort.client.put(&path(&fort.bucket, "other")).body("other").ok().await;
    fort.quiet().await;
    let get = fort.client.get(&fort.at).presign(60);
    type Edit = fn(&mut String);
    let edits: [(&str, Edit); 6] = [
        ("path", |target| *target = target.replacen("/k?", "/other?", 1)),
        ("expires", |target| *target = target.replace("Expires=60", "Expires=6000")),
        ("type", |target| *target += "&response-content-type=text%2Fhtml"),
        ("version", |target| *target += "&versionId=null"),
        ("part", |target| *target += "&partNumber=1"),
        ("acl", |target| *target += "&acl"),
    ];
    for (what, edit) in edits {
        let answer = get.clone().change(|_, target| edit(target)).send().await;
        fort.refused(what, answer, MISMATCH).await;
    }
    get.send().await.expect_success();
}

/// C20
#[tokio::test]
async fn c20_a_presigned_request_does_not_stream_signatures() {
    let fort = Fort::build().await;
    fort.quiet().await;
    for kind in [Streaming::Signed, Streaming::SignedTrailer] {
        let put = fort.put().presign(60).add("x-amz-content-sha256", kind.name());
        let answer = put.add("content-encoding", "aws-chunked").send().await;
        fort.nothing_reached_azure(kind.name()).await;
        assert!(matches!(answer.status, 400 | 403 | 501), "{answer:?}");
    }
    fort.stands("streaming").await;
}

/// C21
#[tokio::test]
async fn c21_the_hash_of_the_body_is_one_or_a_word_that_we_know() {
    let fort = Fort::build().await;
    fort.quiet().await;
    let upper = sha256_hex(b"new").to_ascii_uppercase();
    let other = sha256_hex(b"other");
    for (text, status) in [
        ("nonsense", 400),
        ("", 400),
        ("unsigned-payload", 400),
        (&other[1..], 400),
        (other.as_str(), 400),
        ("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", 400),
        ("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER", 400),
    ] {
        let answer = fort.put().payload(Payload::Text(text.to_owned())).send().await;
        fort.nothing_reached_azure(text).await;
        assert!(answer.status == status || answer.status == 501, "{text}: {answer:?}");
        answer.error();
    }
    // Without the header only the hash of nothing can be meant.
    let mut silent = fort.put().prepare();
    silent = silent.remove("x-amz-content-sha256");
    fort.refused("silent", silent.send().await, &[(400, "InvalidRequest"), MISMATCH[0]]).await;
    fort.stands("hash").await;
    // Upper case is the same number; both answers are defensible, silence about a mismatch is not.
    let answer = fort.put().payload(Payload::Text(upper)).send().await;
    assert!(matches!(answer.status, 200 | 400), "{answer:?}");
    fort.put().payload(Payload::NoHeader).ok().await;
}

/// C24
#[tokio::test]
async fn c24_other_schemes_are_named_and_refused() {
    let fort = Fort::build().await;
    fort.quiet().await;
    let honest = fort.put().prepare().value("authorization").to_owned();
    for (header, code) in [
        (format!("AWS {}:c2lnbmF0dXJl", ALICE.key), "InvalidRequest"),
        (honest.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512"), "InvalidArgument"),
        (honest.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), "InvalidArgument"),
        (honest.replace("AWS4-HMAC-SHA256", "aws4-hmac-sha256"), "InvalidArgument"),
        ("Bearer eyJhbGciOiJub25lIn0.e30.".to_owned(), "InvalidArgument"),
        ("Basic QUtBTElDRTphbGljZQ==".to_owned(), "InvalidArgument"),
        ("AWS4-HMAC-SHA256".to_owned(), "InvalidArgument"),
        (String::new(), "AccessDenied"),
        (" ".to_owned(), "AccessDenied"),
        ("AWS4-HMAC-SHA256 nonsense".to_owned(), "AuthorizationHeaderMalformed"),
        (honest.replace("Signature=", "Signatur="), "AuthorizationHeaderMalformed"),
        (honest.replace("Credential=", "Credentia="), "AuthorizationHeaderMalformed"),
        (honest.replace("SignedHeaders=", "SignedHeader="), "AuthorizationHeaderMalformed"),
    ] {
        let answer = fort.put().prepare().set("authorization", &header).send().await;
        fort.nothing_reached_azure(&header).await;
        let found = answer.error();
        let lenient = matches!(answer.status, 400 | 403) && header.trim().is_empty();
        assert!(found == code || lenient, "{header}: {found}, wanted {code}: {answer:?}");
    }
    let v2 = "?AWSAccessKeyId=AKALICE&Expires=4102444800&Signature=c2ln";
    let answer = fort.client.anonymous().get(&fort.at).prepare();
    let answer = answer.change(|_, target| *target += v2).send().await;
    fort.refused("SigV2 query", answer.clone(), &[(400, "InvalidRequest")]).await;
    assert!(answer.text().contains("AWS4-HMAC-SHA256"), "the remedy is named: {answer:?}");
    let token = fort.put().header("x-amz-security-token", "token").send().await;
    fort.refused("token", token, &[(400, "InvalidToken"), (403, "InvalidAccessKeyId")]).await;
    fort.stands("schemes").await;
}

/// C26: whoever is refused is refused before the body.
#[tokio::test]
async fn c26_a_body_is_asked_for_after_the_signature_held() {
    let fort = Fort::build().await;
    fort.quiet().await;
    let five_gib = 5_u64 * 1024 * 1024 * 1024;
    for (what, prepared, status) in [
        ("signature", fort.put().payload(Payload::Unsigned).prepare().bad_signature(), 403),
        (
            "bucket",
            fort.client.put(&path(&unique("none"), "k")).payload(Payload::Unsigned).prepare(),
            404,
        ),
    ] {
        let prepared = prepared.set("content-length", five_gib).add("expect", "100-continue");
        let mut wire = fort.client.wire().await;
        wire.send(prepared.head_bytes()).await.unwrap();
        let answer = wire.answer("PUT").await.unwrap();
        assert_eq!((answer.status, answer.interim.len()), (status, 0), "{what}: {answer:?}");
        assert!(wire.is_closed().await, "{what}: nobody waits for 5 GiB");
    }
    // Positive control: 100, then the body.
    let prepared = fort.put().prepare().add("expect", "100-continue");
    let mut wire = fort.client.wire().await;
    wire.send(prepared.head_bytes()).await.unwrap();
    assert_eq!(wire.head().await.unwrap().status, 100);
    wire.send(&prepared.body).await.unwrap();
    assert_eq!(wire.answer("PUT").await.unwrap().status, 200);
    assert_eq!(fort.client.get(&fort.at).ok().await.text(), "new");
}

/// C26: whoever is refused and sends the body nevertheless, as a proxy may, reads why it was for nothing.
#[tokio::test]
async fn c26_a_body_that_nobody_asked_for_does_not_take_the_refusal_with_it() {
    let fort = Fort::build().await;
    // More than the sockets hold.
    let body = crate::harness::noise(6 * 1024 * 1024);
    let put = fort.put().body(&body).prepare().bad_signature().add("expect", "100-continue");
    for _ in 0..5 {
        let mut wire = fort.client.wire().await;
        wire.send(put.head_bytes()).await.unwrap();
        assert_eq!(wire.head().await.unwrap().status, 403);
        wire.send(&put.body).await.expect("the connection is not reset");
    }
}

/// C52
#[tokio::test]
async fn c52_a_stranger_learns_nothing() {
    let fort = Fort::build().await;
    fort.quiet().await;
    let stranger = fort.client.anonymous();
    let etag = format!("\"{}\"", crate::harness::md5_hex(b"old"));
    let there = fort.at.clone();
    let missing = path(&fort.bucket, "none");
    // S3 tells everybody that a bucket does not exist, and nobody what is in one.
    stranger.get(&path(&unique("none"), "k")).refused(404, "NoSuchBucket").await;
    for at in [&there, &missing] {
        for (name, value) in [
            ("accept", "*/*"),
            ("if-none-match", etag.as_str()),
            ("if-modified-since", "Fri, 01 Jan 2100 00:00:00 GMT"),
            ("range", "bytes=100-"),
        ] {
            stranger.get(at).header(name, value).refused(403, "AccessDenied").await;
            let head = stranger.head(at).header(name, value).refused(403, "").await;
            assert_eq!(head.header("etag"), None);
            assert_eq!(head.header("last-modified"), None);
        }
    }
    stranger.get("/").refused(403, "AccessDenied").await;
    fort.only_buckets_were_looked_up("strangers").await;
    drop(fort.gateway);
}
