//! CORS: what a bucket tells browsers, before anybody is asked who they are, and on every answer.

use crate::documents::{get, put};
use crate::harness::gateway::{ALICE, BOB};
use crate::harness::{Answer, Client, Gateway, Request, path, unique};
use crate::objects::stand;
use crate::replicas::until;

const RULES: &str = "<CORSConfiguration>\
    <CORSRule><AllowedMethod>PUT</AllowedMethod><AllowedMethod>GET</AllowedMethod>\
    <AllowedOrigin>https://app.test</AllowedOrigin><AllowedHeader>x-amz-*</AllowedHeader>\
    <ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>300</MaxAgeSeconds></CORSRule>\
    <CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>https://*.cdn.test</AllowedOrigin>\
    </CORSRule></CORSConfiguration>";
const APP: &str = "https://app.test";

fn preflight(client: &Client, at: &str, origin: &str, method: &str) -> Request {
    let request = client.anonymous().request("OPTIONS", at).header("origin", origin);
    request.header("access-control-request-method", method)
}

fn allowed(answer: &Answer) -> Option<&str> {
    answer.header("access-control-allow-origin")
}

/// A bucket with the rules above, known to its gateway.
async fn told() -> (Gateway, Client, String) {
    let (gateway, client, bucket) = stand().await;
    put(&client, &bucket, "cors", RULES).ok().await;
    until(|| async {
        preflight(&client, &path(&bucket, "k"), APP, "GET").send().await.status == 200
    })
    .await;
    (gateway, client, bucket)
}

#[tokio::test]
async fn rules_are_kept_and_shown() {
    let (_gateway, client, bucket) = told().await;
    let rules = get(&client, &bucket, "cors").ok().await.xml();
    let first = rules.all("CORSRule")[0].clone();
    assert_eq!(first.texts("AllowedMethod"), ["PUT", "GET"]);
    assert_eq!((first.at("AllowedOrigin"), first.at("MaxAgeSeconds")), (APP, "300"));
    client.delete(&format!("/{bucket}")).query("cors", "").ok().await;
    get(&client, &bucket, "cors").refused(404, "NoSuchCORSConfiguration").await;
    until(|| async {
        preflight(&client, &path(&bucket, "k"), APP, "GET").send().await.status == 403
    })
    .await;
}

#[tokio::test]
async fn a_preflight_is_answered_to_anybody() {
    let (_gateway, client, bucket) = told().await;
    let at = path(&bucket, "not there");
    let answer = preflight(&client, &at, APP, "PUT")
        .header("access-control-request-headers", "X-Amz-Date, x-amz-meta-a")
        .ok()
        .await;
    assert_eq!(allowed(&answer), Some(APP));
    assert_eq!(answer.at("access-control-allow-methods"), "PUT, GET");
    assert_eq!(answer.at("access-control-allow-headers"), "x-amz-date, x-amz-meta-a");
    assert_eq!(answer.at("access-control-expose-headers"), "ETag");
    assert_eq!(answer.at("access-control-max-age"), "300");
    assert!(answer.at("vary").contains("Origin"));
    // As a browser asks for a presigned URL, whatever the signature.
    let presigned = format!("{at}?X-Amz-Signature=00&X-Amz-Credential=a");
    preflight(&client, &presigned, APP, "PUT").ok().await;
    for (origin, method, header) in [
        (APP, "DELETE", None),
        (APP, "PUT", Some("content-type")),
        ("https://evil.test", "GET", None),
        ("https://x.cdn.test", "PUT", None),
        ("https://app.test.evil.test", "GET", None),
    ] {
        let mut request = preflight(&client, &at, origin, method);
        if let Some(header) = header {
            request = request.header("access-control-request-headers", header);
        }
        let answer = request.refused(403, "AccessForbidden").await;
        assert_eq!(allowed(&answer), None, "{origin} {method}");
    }
    let options = |headers: &[(&str, &str)]| {
        let request = client.anonymous().request("OPTIONS", &at);
        headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    };
    options(&[]).refused(400, "BadRequest").await;
    options(&[("origin", APP)]).refused(400, "BadRequest").await;
    options(&[("access-control-request-method", "GET")]).refused(400, "BadRequest").await;
    let nowhere = path(&unique("none"), "k");
    preflight(&client, &nowhere, APP, "GET").refused(403, "AccessForbidden").await;
    preflight(&client, "/", APP, "GET").refused(403, "AccessForbidden").await;
}

/// A browser shows a script nothing of an answer without these headers, so errors have them as well.
#[tokio::test]
async fn every_answer_says_what_a_browser_may_do_with_it() {
    let (gateway, client, bucket) = told().await;
    let at = path(&bucket, "k");
    let from = |request: Request, origin: &str| request.header("origin", origin);
    let stored = from(client.put(&at).body("v"), APP).ok().await;
    assert_eq!((allowed(&stored), stored.at("access-control-expose-headers")), (Some(APP), "ETag"));
    assert_eq!(stored.at("access-control-allow-credentials"), "true");
    let read = from(client.get(&at), "https://x.cdn.test").ok().await;
    assert_eq!(allowed(&read), Some("https://x.cdn.test"));
    assert_eq!(read.header("access-control-allow-credentials"), None, "it was not named in full");
    assert_eq!(read.at("access-control-allow-methods"), "GET");
    let missing = from(client.get(&path(&bucket, "none")), APP).refused(404, "NoSuchKey").await;
    let denied = from(gateway.client(BOB).get(&at), APP).refused(403, "AccessDenied").await;
    let stranger = from(client.anonymous().get(&at), APP).refused(403, "AccessDenied").await;
    let unsigned = from(client.get(&at), APP).prepare().bad_signature();
    let unsigned = unsigned.refused(403, "SignatureDoesNotMatch").await;
    for answer in [&missing, &denied, &stranger, &unsigned] {
        assert_eq!(allowed(answer), Some(APP), "{answer:?}");
    }
    for (origin, request) in [
        ("https://evil.test", client.get(&at)),
        ("https://x.cdn.test", client.put(&at).body("v")),
        (APP, client.delete(&path(&bucket, "none"))),
    ] {
        let answer = from(request, origin).ok().await;
        assert_eq!(allowed(&answer), None, "{origin}");
        assert!(answer.at("vary").contains("Origin"), "a cache has to know");
    }
    assert_eq!(client.get(&at).ok().await.header("vary"), None);
}

/// C58
#[tokio::test]
async fn c58_nothing_of_a_configuration_breaks_out_of_an_answer() {
    let gateway = Gateway::start().await;
    let client = gateway.client(ALICE);
    let bucket = crate::buckets::bucket(&client).await;
    let rule = |inner: &str| {
        format!(
            "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod>{inner}</CORSRule>\
             </CORSConfiguration>"
        )
    };
    for inner in [
        "<AllowedOrigin>a&#xD;&#xA;Set-Cookie: b</AllowedOrigin>",
        "<AllowedOrigin>*</AllowedOrigin><ExposeHeader>a&#xA;b</ExposeHeader>",
        "<AllowedOrigin>*</AllowedOrigin><AllowedHeader>a&#xA;b</AllowedHeader>",
    ] {
        put(&client, &bucket, "cors", &rule(inner)).refused(400, "InvalidRequest").await;
    }
    let id = "<ID>]]&gt;&lt;script&gt;alert(1)&lt;/script&gt;</ID><AllowedOrigin>*</AllowedOrigin>";
    put(&client, &bucket, "cors", &rule(id)).ok().await;
    let shown = get(&client, &bucket, "cors").ok().await;
    assert!(!shown.text().contains("<script>"), "{shown:?}");
    assert_eq!(shown.xml().at("CORSRule/ID"), "]]><script>alert(1)</script>");
    let at = path(&bucket, "k");
    until(|| async {
        let answer = preflight(&client, &at, "https://any.test", "GET").send().await;
        allowed(&answer) == Some("*")
    })
    .await;
    let any = preflight(&client, &at, "https://any.test", "GET").ok().await;
    assert_eq!(any.header("access-control-allow-credentials"), None);
}

/// The rules decide, and nobody else: it is the same for everybody, whatever they sign, and says nothing
/// of what there is.
#[tokio::test]
async fn a_preflight_is_the_same_for_everybody() {
    use crate::harness::gateway::{ADMIN, LIMITED};
    let (gateway, client, bucket) = told().await;
    client.put(&path(&bucket, "there")).body("v").ok().await;
    let ask = |client: &Client, key: &str, origin: &str| {
        let request = client.request("OPTIONS", &path(&bucket, key)).header("origin", origin);
        request.header("access-control-request-method", "PUT")
    };
    for who in [
        client.anonymous(),
        client.with(ALICE.key, "not-her-secret-01"),
        gateway.client(BOB),
        gateway.client(LIMITED),
        client.clone(),
        gateway.client(ADMIN),
    ] {
        for key in ["there", "not there"] {
            assert_eq!(allowed(&ask(&who, key, APP).ok().await), Some(APP));
            let other = ask(&who, key, "https://evil.test").send().await;
            assert_eq!((other.status, allowed(&other)), (403, None));
        }
    }
}
