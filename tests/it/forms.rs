//! POST object: what a browser's form stores, how it is answered, and every form that is refused, with
//! the object of its key untouched. <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html>

use data_encoding::BASE64;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::buckets::bucket;
use crate::harness::gateway::{ADMIN, ALICE, BOB, LIMITED, User};
use crate::harness::signer::{Signer, amz_date, sign_version_2};
use crate::harness::{Answer, Client, Gateway, md5_hex, noise, now, path, unique};

const HOUR: time::Duration = time::Duration::HOUR;

/// A form on its way.
#[derive(Clone)]
struct Form {
    client: Client,
    bucket: String,
    parts: Vec<(String, Vec<u8>)>,
    boundary: String,
}

/// A policy on its way: until when, and what beside `bucket` and `key`.
#[derive(Clone)]
struct Policy {
    expires: OffsetDateTime,
    bucket: String,
    key: String,
    conditions: Vec<String>,
}

impl Policy {
    /// Allows any key of the bucket for an hour.
    fn of(bucket: &str) -> Self {
        Self {
            expires: now() + HOUR,
            bucket: format!("{{\"bucket\": \"{bucket}\"}}"),
            key: "[\"starts-with\", \"$key\", \"\"]".to_owned(),
            conditions: Vec::new(),
        }
    }

    fn and(mut self, condition: impl Into<String>) -> Self {
        self.conditions.push(condition.into());
        self
    }

    /// A field of that name may be anything.
    fn any(self, field: &str) -> Self {
        self.and(format!("[\"starts-with\", \"${field}\", \"\"]"))
    }

    fn text(&self) -> String {
        let mut conditions = self.conditions.clone();
        conditions.extend([self.bucket.clone(), self.key.clone()]);
        let expires = self.expires.replace_nanosecond(0).unwrap().format(&Rfc3339).unwrap();
        format!("{{\"expiration\": \"{expires}\", \"conditions\": [{}]}}", conditions.join(", "))
    }
}

impl Form {
    fn new(client: &Client, bucket: &str) -> Self {
        Self {
            client: client.anonymous(),
            bucket: bucket.to_owned(),
            parts: Vec::new(),
            boundary: "----boundary".to_owned(),
        }
    }

    fn field(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.part(&format!("name=\"{name}\""), value)
    }

    fn part(mut self, disposition: &str, value: impl AsRef<[u8]>) -> Self {
        self.parts.push((disposition.to_owned(), value.as_ref().to_vec()));
        self
    }

    fn file(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.part(&format!("name=\"file\"; filename=\"{name}\""), bytes)
    }

    /// Signs a policy as it is written, by Version 4.
    fn sign(self, user: User, policy: &str) -> Self {
        let policy = BASE64.encode(policy.as_bytes());
        let signer = Signer::new(user.key, user.secret, now());
        let signature = signer.sign_policy(&policy);
        self.field("X-Amz-Algorithm", "AWS4-HMAC-SHA256")
            .field("X-Amz-Credential", signer.credential())
            .field("X-Amz-Date", amz_date(signer.time))
            .field("Policy", policy)
            .field("X-Amz-Signature", signature)
    }

    /// As an SDK does it: the conditions cover the fields of the signature, too.
    fn signed(self, user: User, policy: &Policy) -> Self {
        let fields = ["x-amz-algorithm", "x-amz-credential", "x-amz-date"];
        let policy = fields.into_iter().fold(policy.clone(), Policy::any);
        self.sign(user, &policy.text())
    }

    /// Signs a policy by Version 2.
    fn signed_by_version_2(self, user: User, policy: &Policy) -> Self {
        let policy = BASE64.encode(policy.text().as_bytes());
        let signature = sign_version_2(user.secret, &policy);
        self.field("AWSAccessKeyId", user.key).field("policy", policy).field("signature", signature)
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (disposition, value) in &self.parts {
            let head = format!(
                "--{}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n",
                self.boundary
            );
            bytes.extend_from_slice(head.as_bytes());
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(format!("--{}--\r\n", self.boundary).as_bytes());
        bytes
    }

    fn request(&self) -> crate::harness::Request {
        self.client
            .post(&format!("/{}", self.bucket))
            .header("content-type", format!("multipart/form-data; boundary={}", self.boundary))
            .body(self.bytes())
    }

    async fn send(&self) -> Answer {
        self.request().send().await
    }

    async fn ok(&self) -> Answer {
        self.send().await.expect_success()
    }
}

/// A bucket with an object `k`, and forms for it.
struct Desk {
    gateway: Gateway,
    client: Client,
    bucket: String,
}

impl Desk {
    async fn open() -> Self {
        let gateway = Gateway::with(|settings| settings.top.push_str("\nallow_sigv2 = true")).await;
        let client = gateway.client(ALICE);
        let bucket = bucket(&client).await;
        client.put(&path(&bucket, "k")).body("old").ok().await;
        Self { gateway, client, bucket }
    }

    fn form(&self) -> Form {
        Form::new(&self.client, &self.bucket)
    }

    fn policy(&self) -> Policy {
        Policy::of(&self.bucket)
    }

    /// A form for `k` that this policy allows or not.
    fn to_k(&self, policy: &Policy) -> Form {
        self.form().field("key", "k").signed(ALICE, policy).file("f", "new")
    }

    /// Wants this refusal, and the old object still there.
    async fn refused(&self, what: &str, form: &Form, status: u16, code: &str) -> Answer {
        let answer = form.send().await;
        assert_eq!((answer.status, answer.error().as_str()), (status, code), "{what}: {answer:?}");
        self.stands(what).await;
        answer
    }

    async fn stands(&self, what: &str) {
        let now = self.client.get(&path(&self.bucket, "k")).ok().await;
        assert_eq!(now.text(), "old", "{what}");
    }
}

#[tokio::test]
async fn a_form_stores_what_a_put_would() {
    let desk = Desk::open().await;
    let policy = ["Content-Type", "Cache-Control", "x-amz-meta-colour", "success_action_status"]
        .into_iter()
        .fold(desk.policy(), Policy::any);
    let file = noise(20 << 20);
    let form = desk
        .form()
        .field("key", "up/${filename}")
        .field("Content-Type", "image/x-test")
        .field("Cache-Control", "no-cache")
        .field("x-amz-meta-colour", "blau-grün")
        .field("success_action_status", "201")
        .field("x-amz-checksum-crc32", "bad")
        .signed(ALICE, &policy)
        .file("C:\\dir\\ä b.bin", &file);
    form.request().refused(400, "InvalidRequest").await;
    let mut form = form;
    form.parts.retain(|(disposition, _)| !disposition.contains("checksum"));
    let answer = form.ok().await;
    assert_eq!(answer.status, 201);
    let document = answer.xml();
    let etag = format!("\"{}\"", md5_hex(&file));
    assert_eq!((document.name.as_str(), document.at("Bucket")), ("PostResponse", &*desk.bucket));
    assert_eq!((document.at("Key"), document.at("ETag")), ("up/ä b.bin", &*etag));
    assert_eq!((answer.at("etag"), answer.at("location")), (&*etag, document.at("Location")));
    let object = desk.client.get(&path(&desk.bucket, "up/ä b.bin")).ok().await;
    assert!(object.body == file);
    assert_eq!(object.at("content-type"), "image/x-test");
    assert_eq!(object.at("cache-control"), "no-cache");
    assert_eq!(object.at("x-amz-meta-colour"), "blau-grün");
    // As curl sends it that does not know how long the file is.
    let chunked = form.request().chunked().ok().await;
    assert_eq!(chunked.status, 201);
}

#[tokio::test]
async fn a_form_is_answered_as_it_asks() {
    let desk = Desk::open().await;
    let etag = md5_hex(b"new");
    for (status, found) in [("200", 200), ("204", 204), ("404", 204), ("", 204)] {
        let policy = desk.policy().any("success_action_status");
        let form = desk.form().field("key", "k").field("success_action_status", status);
        let answer = form.signed(ALICE, &policy).file("f", "new").ok().await;
        assert_eq!((answer.status, answer.body.len()), (found, 0), "{status}");
        assert_eq!(answer.at("etag"), format!("\"{etag}\""));
    }
    let policy = desk.policy().any("success_action_redirect");
    let form =
        desk.form().field("key", "a/b ?").field("success_action_redirect", "http://a.test/?x=y");
    let answer = form.signed(ALICE, &policy).file("f", "new").send().await;
    assert_eq!(answer.status, 303);
    assert_eq!(
        answer.at("location"),
        format!("http://a.test/?x=y&bucket={}&key=a%2Fb%20%3F&etag=%22{etag}%22", desk.bucket)
    );
}

#[tokio::test]
async fn version_2_signs_a_form_where_it_is_switched_on() {
    let desk = Desk::open().await;
    let form = |desk: &Desk, user: User| {
        desk.form().field("key", "k2").signed_by_version_2(user, &desk.policy()).file("f", "new")
    };
    form(&desk, ALICE).ok().await;
    assert_eq!(desk.client.get(&path(&desk.bucket, "k2")).ok().await.text(), "new");
    let wrong = User { secret: BOB.secret, ..ALICE };
    desk.refused("secret", &form(&desk, wrong), 403, "SignatureDoesNotMatch").await;
    let nobody = User { key: "AKNOBODY", ..ALICE };
    desk.refused("key", &form(&desk, nobody), 403, "InvalidAccessKeyId").await;
    desk.refused("another user", &form(&desk, BOB), 403, "AccessDenied").await;
    let off = Gateway::start().await;
    let client = off.client(ALICE);
    let form = Form { client: client.anonymous(), ..form(&desk, ALICE) };
    assert_eq!(form.send().await.error(), "InvalidRequest");
}

#[tokio::test]
async fn c37_a_file_has_as_many_bytes_as_its_policy_says() {
    let desk = Desk::open().await;
    let policy =
        |min: u64, max: u64| desk.policy().and(format!("[\"content-length-range\", {min}, {max}]"));
    let at = |policy: &Policy, file: &[u8]| {
        desk.form().field("key", "k").signed(ALICE, policy).file("f", file)
    };
    let large = noise(9 << 20);
    desk.refused("above", &at(&policy(0, 8 << 20), &large), 400, "EntityTooLarge").await;
    desk.refused("below", &at(&policy(4, 9), b"new"), 400, "EntityTooSmall").await;
    desk.refused("none", &at(&policy(1, 9), b""), 400, "EntityTooSmall").await;
    // Without a length, and stopped early: a file that never ends is refused all the same.
    let form = at(&policy(0, 1000), &large);
    let mut wire = desk.client.wire().await;
    let head = form.request().chunked().prepare().head_bytes();
    let mut bytes = form.bytes();
    bytes.truncate(200_000);
    wire.send([head, format!("{:x}\r\n", bytes.len()).into_bytes(), bytes].concat()).await.unwrap();
    let answer = wire.answer("POST").await.unwrap();
    assert_eq!(answer.error(), "EntityTooLarge");
    assert!(wire.is_closed().await, "nobody waits for the rest");
    desk.stands("endless").await;
    at(&policy(3, 3), b"new").ok().await;
}

#[tokio::test]
async fn c38_a_form_does_what_its_policy_allows() {
    let desk = Desk::open().await;
    let other = bucket(&desk.client).await;
    let denied = |what: &'static str, form: Form| {
        let desk = &desk;
        async move { desk.refused(what, &form, 403, "AccessDenied").await }
    };
    let mut moved = desk.to_k(&desk.policy());
    moved.bucket.clone_from(&other);
    denied("another bucket", moved.clone()).await;
    moved = moved.field("bucket", &desk.bucket);
    denied("another bucket, said so", moved).await;
    desk.client.get(&path(&other, "k")).refused(404, "NoSuchKey").await;
    let prefix = Policy { key: "[\"starts-with\", \"$key\", \"up/\"]".to_owned(), ..desk.policy() };
    let answer = denied("another key", desk.to_k(&prefix)).await;
    assert!(answer.text().contains("Invalid according to Policy"), "{answer:?}");
    let exact = Policy { key: "{\"key\": \"K\"}".to_owned(), ..desk.policy() };
    denied("a key in another case", desk.to_k(&exact)).await;
    let typed = desk.policy().and("[\"starts-with\", \"$Content-Type\", \"image/\"]");
    let of_type = |kind: &str| {
        let form = desk.form().field("key", "k").field("Content-Type", kind);
        form.signed(ALICE, &typed).file("f", "new")
    };
    denied("another type", of_type("text/html")).await;
    denied("no type", desk.to_k(&typed)).await;
    // Bob may sign what he likes: the bucket is Alice's.
    let theirs = desk.form().field("key", "k").signed(BOB, &desk.policy()).file("f", "new");
    denied("another owner", theirs).await;
    denied("nobody", desk.form().field("key", "k").file("f", "new")).await;
    let nowhere = unique("none");
    let mut gone =
        desk.form().field("key", "k").signed(ALICE, &Policy::of(&nowhere)).file("f", "n");
    gone.bucket = nowhere;
    desk.refused("no bucket", &gone, 404, "NoSuchBucket").await;
    of_type("image/png").ok().await;
}

#[tokio::test]
async fn c39_every_field_is_covered_by_a_policy_that_holds() {
    let desk = Desk::open().await;
    let extra = |name: &str| {
        let form = desk.form().field("key", "k").field(name, "x");
        form.signed(ALICE, &desk.policy()).file("f", "new")
    };
    for name in ["acl", "x-amz-meta-a", "Content-Type", "success_action_redirect", "anything"] {
        let form = extra(name);
        let code = if name == "success_action_redirect" { 400 } else { 403 };
        let named = if code == 400 { "InvalidArgument" } else { "AccessDenied" };
        desk.refused(name, &form, code, named).await;
    }
    let expired = Policy { expires: now() - HOUR, ..desk.policy() };
    desk.refused("expired", &desk.to_k(&expired), 403, "AccessDenied").await;
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    for text in ["", "{", "[]", "{\"expiration\": 1}", &desk.policy().and(deep).text()] {
        let form = desk.form().field("key", "k").sign(ALICE, text).file("f", "new");
        desk.refused(text, &form, 400, "InvalidPolicyDocument").await;
    }
    // What was signed is what counts: not a byte of it may change.
    let mut bent = desk.to_k(&desk.policy());
    for (disposition, value) in &mut bent.parts {
        if disposition.contains("Policy") {
            *value = BASE64.encode(desk.policy().any("acl").text().as_bytes()).into_bytes();
        }
    }
    desk.refused("bent", &bent, 403, "SignatureDoesNotMatch").await;
    extra("x-ignore-me").ok().await;
}

#[tokio::test]
async fn c40_a_form_that_is_none_is_refused() {
    let desk = Desk::open().await;
    let policy = desk.policy().any("a");
    let signed = || desk.form().signed(ALICE, &policy);
    let invalid = "InvalidArgument";
    let large = "v".repeat(21_000);
    let with_credentials = desk
        .form()
        .field("key", "k")
        .field("AWSAccessKeyId", ALICE.key)
        .field("signature", "AAAA")
        .file("f", "new")
        .field("policy", "e30=");
    for (what, form, code) in [
        ("no key", signed().file("f", "new"), invalid),
        ("the key behind the file", signed().file("f", "new").field("key", "k"), invalid),
        ("the policy behind the file", with_credentials, invalid),
        ("no file", signed().field("key", "k"), invalid),
        ("two files", desk.to_k(&policy).file("g", "other"), invalid),
        ("two keys", signed().field("key", "k").field("Key", "l").file("f", "new"), invalid),
        ("an empty key", signed().field("key", "").file("f", "new"), invalid),
        (
            "large fields",
            signed().field("key", "k").field("a", large).file("f", "new"),
            "MaxPostPreDataLengthExceededError",
        ),
        ("a long key", signed().field("key", "k".repeat(1025)).file("f", "new"), "KeyTooLongError"),
    ] {
        desk.refused(what, &form, 400, code).await;
    }
    let mut form = desk.to_k(&policy);
    form.boundary = "b".repeat(71);
    desk.refused("a long boundary", &form, 400, "MalformedPOSTRequest").await;
    let mut both = desk.to_k(&policy);
    both.client = desk.client.clone();
    desk.refused("two signatures", &both, 400, "InvalidRequest").await;
    desk.client
        .post(&format!("/{}", desk.bucket))
        .body("x")
        .refused(412, "PreconditionFailed")
        .await;
    // A key of a form is as literal as any other; only what a browser says of its file is cut.
    let form = desk.form().field("key", "../${filename}").signed(ALICE, &policy);
    form.file("../x", "new").ok().await;
    assert_eq!(desk.client.get(&path(&desk.bucket, "../x")).ok().await.text(), "new");
}

#[tokio::test]
async fn c40_a_form_that_was_cut_off_stores_nothing() {
    let desk = Desk::open().await;
    let whole = desk.to_k(&desk.policy());
    let bytes = whole.bytes();
    // With a length that fits, so that only the form itself tells.
    for cut in [bytes.len() - 4, bytes.len() - 20, bytes.len() - 24] {
        let request = whole.request().body(&bytes[..cut]);
        let answer = request.send().await;
        assert_eq!((answer.status, &*answer.error()), (400, "MalformedPOSTRequest"), "{cut}");
        desk.stands("cut").await;
    }
    // And by a client that is gone.
    let mut wire = desk.client.wire().await;
    let head = whole.request().prepare().head_bytes();
    wire.send([&head, &bytes[..bytes.len() - 30]].concat()).await.unwrap();
    drop(wire);
    desk.stands("gone").await;
    drop(desk.gateway);
}

#[tokio::test]
async fn c41_a_redirect_goes_nowhere_but_to_the_web() {
    let desk = Desk::open().await;
    for address in [
        "javascript:alert(1)",
        "data:text/html,x",
        "/relative",
        "//a.test/",
        "http://a.test/\r\nSet-Cookie: a=b",
        "http://a.test/\nx",
    ] {
        let policy = desk.policy().any("success_action_redirect");
        let form = desk.form().field("key", "k").field("success_action_redirect", address);
        let form = form.signed(ALICE, &policy).file("f", "new");
        let answer = desk.refused(address, &form, 400, "InvalidArgument").await;
        assert_eq!(answer.header("location"), None);
        assert_eq!(answer.header("set-cookie"), None);
    }
}

/// A form is a PUT in other clothes: whoever may write may send one, and nobody else.
#[tokio::test]
async fn a_form_is_for_those_who_may_write() {
    let (readers, writers) = crate::access::limited().await;
    let alice = readers.client(ALICE);
    let bucket = bucket(&alice).await;
    let at = path(&bucket, "k");
    let wrong = User { secret: BOB.secret, ..ALICE };
    for (who, gateway, user, answer) in [
        ("anonymous", &readers, None, (403, "AccessDenied")),
        ("wrong key", &readers, Some(wrong), (403, "SignatureDoesNotMatch")),
        ("other", &readers, Some(BOB), (403, "AccessDenied")),
        ("reader", &readers, Some(LIMITED), (403, "AccessDenied")),
        ("writer", &writers, Some(LIMITED), (204, "")),
        ("owner", &readers, Some(ALICE), (204, "")),
        ("admin", &readers, Some(ADMIN), (204, "")),
    ] {
        alice.put(&at).body("old").ok().await;
        let form = Form::new(&gateway.client(ALICE), &bucket).field("key", "k");
        let form = match user {
            Some(user) => form.signed(user, &Policy::of(&bucket)),
            None => form,
        };
        let found = form.file("f", "new").send().await;
        let code = if found.body.is_empty() { String::new() } else { found.error() };
        assert_eq!((found.status, code.as_str()), answer, "{who}");
        let kept = if found.status == 204 { "new" } else { "old" };
        assert_eq!(alice.get(&at).ok().await.text(), kept, "{who}");
    }
}
