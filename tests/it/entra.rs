//! Entra ID against Azurite over TLS and a token endpoint of our own: both with certificates that only
//! `azure_ca_file` makes trusted. Azurite looks at a token's claims and at nobody's role.

use std::path::PathBuf;
use std::sync::OnceLock;

use bluebucket::server::azurite::{self, Azurite};
use bluebucket::server::check;
use bluebucket::server::config::{self, Environment, Sources, TlsConfig};
use tempfile::TempDir;

use crate::buckets::bucket;
use crate::harness::authority::{Authority, Says, TENANT};
use crate::harness::gateway::{AUTHORITY, Gateway, Tls};
use crate::harness::{cache_folder, md5_hex, noise, now, path};

/// An Azurite that takes tokens, for all tests of this file, and the certificate that it shows.
struct Service {
    azurite: Azurite,
    tls: TlsConfig,
    folder: TempDir,
}

fn service() -> &'static Service {
    static SERVICE: OnceLock<Service> = OnceLock::new();
    SERVICE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let made = Tls::make(folder.path());
        let tls = TlsConfig { certificate: made.certificate, key: made.key };
        let mut options = azurite::Options::in_memory(cache_folder());
        options.tls = Some(tls.clone());
        let azurite = Azurite::start_blocking(&options).unwrap_or_else(|error| panic!("{error}"));
        Service { azurite, tls, folder }
    })
}

fn authority_file() -> PathBuf {
    service().folder.path().join(AUTHORITY)
}

type Variables = Vec<(String, String)>;

/// The variables that name the account and the application, and lead to both.
fn variables(authority: &Authority, proof: (&str, &str)) -> Variables {
    let endpoint = service().azurite.blob_endpoint();
    [
        ("AZURE_STORAGE_ACCOUNT", azurite::ACCOUNT),
        ("AZURE_STORAGE_SERVICE_ENDPOINT", endpoint.as_str()),
        ("BLUEBUCKET_AZURE_CA_FILE", authority_file().to_str().unwrap()),
        ("AZURE_TENANT_ID", TENANT),
        ("AZURE_CLIENT_ID", CLIENT),
        ("AZURE_AUTHORITY_HOST", authority.url().as_str()),
        proof,
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

const CLIENT: &str = "f997392c-e15a-4ad8-af9e-cd6966caba7f";
const SECRET: (&str, &str) = ("AZURE_CLIENT_SECRET", "canary-secret-of-the-application");

async fn gateway(environment: &Variables) -> Gateway {
    Gateway::with(|settings| {
        settings.top += "\ndefault_account = \"main\"";
        settings.environment.clone_from(environment);
    })
    .await
}

/// A token endpoint, and a gateway whose application has a secret there.
async fn stand() -> (Authority, Variables, Gateway) {
    let authority = Authority::start(&service().tls).await;
    let variables = variables(&authority, SECRET);
    let gateway = gateway(&variables).await;
    (authority, variables, gateway)
}

/// Writes, reads, lists, copies and deletes.
async fn works(gateway: &Gateway) {
    let client = gateway.admin();
    let bucket = bucket(&client).await;
    let (from, to) = (path(&bucket, "a//b"), path(&bucket, "copy"));
    let body = noise(9 * 1024 * 1024);
    let etag = format!("\"{}\"", md5_hex(&body));
    client.put(&from).body(&body).header("x-amz-meta-a", "1").ok().await;
    client.put(&to).header("x-amz-copy-source", &from).ok().await;
    for key in [&from, &to] {
        let read = client.get(key).ok().await;
        assert!(read.body == body);
        assert_eq!((read.at("etag"), read.at("x-amz-meta-a")), (etag.as_str(), "1"));
    }
    let listed = client.get(&format!("/{bucket}")).query("list-type", 2).ok().await.xml();
    assert_eq!(listed.texts("Contents/Key"), ["a//b", "copy"]);
    client.delete(&from).ok().await;
    client.get(&from).refused(404, "NoSuchKey").await;
}

/// What `bluebucket check` says, and whether all is well.
async fn checked(gateway: &Gateway, environment: &Variables) -> (bool, String) {
    let environment = Environment::new(environment.clone());
    let file = Some(gateway.file.clone());
    let sources = Sources { file, environment, ..Sources::default() };
    let loaded = config::load(&sources).unwrap();
    let mut lines = Vec::new();
    let tell = |finding: check::Finding| lines.push(finding.to_string());
    let works = check::run(&loaded.config, now, tell).await;
    let lines = lines.join("\n");
    assert!(!lines.contains("canary"), "{lines}");
    (works.unwrap(), lines)
}

#[tokio::test]
async fn an_application_with_a_secret_asks_for_one_token_and_keeps_it() {
    let (authority, variables, gateway) = stand().await;
    works(&gateway).await;
    let asked = authority.asked().await;
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].path, format!("/{TENANT}/oauth2/v2.0/token"));
    let form = |name: &str| asked[0].form.get(name).map(String::as_str);
    assert_eq!(form("grant_type"), Some("client_credentials"));
    assert_eq!(form("scope"), Some("https://storage.azure.com/.default"));
    assert_eq!((form("client_id"), form("client_secret")), (Some(CLIENT), Some(SECRET.1)));
    let (works, lines) = checked(&gateway, &variables).await;
    assert!(works, "{lines}");
}

#[tokio::test]
async fn a_token_near_its_end_is_replaced_before_it_ends() {
    let (authority, _, gateway) = stand().await;
    let client = gateway.admin();
    let at = path(&bucket(&client).await, "a");
    authority.asked().await;
    client.put(&at).body("v").ok().await;
    assert_eq!(authority.asked().await.len(), 0, "it has an hour");

    let (authority, _, gateway) = stand().await;
    authority.says(Says::Token(60)).await;
    let client = gateway.admin();
    client.get(&at).ok().await;
    authority.asked().await;
    client.get(&at).ok().await;
    assert!(!authority.asked().await.is_empty(), "it has a minute");
    authority.says(Says::Token(3600)).await;
    client.get(&at).ok().await;
    assert_eq!(authority.asked().await.len(), 1);
    client.get(&at).ok().await;
    assert_eq!(authority.asked().await.len(), 0);
}

/// F35
#[tokio::test]
async fn f35_a_token_that_is_still_good_serves_while_no_new_one_is_to_be_had() {
    let (authority, _, gateway) = stand().await;
    // Good for minutes, and so near its end that a new one is asked for.
    authority.says(Says::Token(200)).await;
    let client = gateway.admin();
    let at = path(&bucket(&client).await, "a");
    for says in [Says::Refused, Says::Nothing] {
        authority.asked().await;
        authority.says(says).await;
        client.put(&at).body("v").ok().await;
        client.get(&at).ok().await;
    }
}

#[tokio::test]
async fn a_token_that_is_refused_is_our_fault_and_named_by_check() {
    let (authority, variables, gateway) = stand().await;
    let client = gateway.admin();
    authority.says(Says::Refused).await;
    let (put, get) = (client.put("/any-bucket/a").body("v"), client.get("/any-bucket/a"));
    put.clone().refused(503, "ServiceUnavailable").await;
    get.clone().refused(503, "ServiceUnavailable").await;
    client.head("/any-bucket").refused(503, "").await;
    client.get("/").refused(503, "ServiceUnavailable").await;
    let (fine, lines) = checked(&gateway, &variables).await;
    assert!(!fine && lines.contains("AADSTS7000215") && lines.contains("account main"), "{lines}");
    authority.says(Says::Token(3600)).await;
    works(&gateway).await;
}

#[tokio::test]
async fn a_token_endpoint_without_an_answer_is_our_fault() {
    let (authority, variables, gateway) = stand().await;
    authority.says(Says::Nothing).await;
    gateway.admin().get("/any-bucket/a").refused(503, "ServiceUnavailable").await;
    let (fine, lines) = checked(&gateway, &variables).await;
    assert!(!fine && lines.contains("account main"), "{lines}");
    assert!(lines.contains("no answer to the question for a token"), "{lines}");
    assert_eq!(authority.asked().await.len() % ATTEMPTS, 0, "the SDK asks no more than we do");
}

/// How often a call without effect is made before it has failed.
const ATTEMPTS: usize = 4;

#[tokio::test]
async fn a_workload_identity_shows_the_token_of_its_file() {
    let authority = Authority::start(&service().tls).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "the.projected.token").unwrap();
    let proof = ("AZURE_FEDERATED_TOKEN_FILE", file.to_str().unwrap());
    let gateway = gateway(&variables(&authority, proof)).await;
    works(&gateway).await;
    let asked = authority.asked().await;
    assert_eq!(asked.len(), 1, "{asked:?}");
    let form = |name: &str| asked[0].form.get(name).map(String::as_str);
    assert_eq!(form("client_assertion"), Some("the.projected.token"));
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    assert_eq!(form("client_assertion_type"), Some(kind));
    assert_eq!((form("client_id"), form("client_secret")), (Some(CLIENT), None));
}

#[tokio::test]
async fn without_the_authority_nobody_there_is_trusted() {
    let authority = Authority::start(&service().tls).await;
    let mut variables = variables(&authority, SECRET);
    variables.retain(|(name, _)| name != "BLUEBUCKET_AZURE_CA_FILE");
    let gateway = gateway(&variables).await;
    gateway.admin().get("/any-bucket/a").refused(503, "ServiceUnavailable").await;
    assert_eq!(authority.asked().await.len(), 0, "no secret goes to a stranger");
    let (fine, lines) = checked(&gateway, &variables).await;
    assert!(!fine && lines.contains("certificate"), "{lines}");
}
