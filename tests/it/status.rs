//! The status page of the admin port: what an operator looks at first, in a document and in a browser.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use bluebucket::server::azurite::ACCOUNT_KEY;
use strict_azure::{Action, Fault, Operation, StrictAzure};
use tokio::process::Command;
use tokio::time::timeout;

use crate::harness::gateway::ADMIN;
use crate::harness::{
    Gateway, INSTALL_PATIENCE, PATIENCE, cache_folder, environment, path, strict_with, unique,
};
use crate::multipart::create;
use crate::operate::plain;

/// Elements that have no end in HTML.
const VOID: [&str; 6] = ["meta", "link", "line", "rect", "br", "hr"];

/// A gateway with something of everything on its page.
async fn busy() -> (Gateway, StrictAzure) {
    let azure = strict_with(|_| {});
    let gateway = Gateway::with(|settings| {
        settings.azure = azure.endpoint();
        settings.top += "\ndefault_account = \"main\"";
        settings.tables = "[accounts.\"<old>\"]\naccount = \"contoso\"\nkey = \"Y2FuYXJ5\"\n\
             endpoint = \"http://127.0.0.1:1/contoso\"\n\
             [[buckets]]\nname = \"photos\"\naccount = \"<old>\"\ncontainer = \"images\"\n\
             prefix = \"2026/\"\nread_only = true\n\
             [[buckets]]\nname = \"logs-*\"\nprefix = \"l/\"\n"
            .to_owned();
    })
    .await;
    let client = gateway.admin();
    let bucket = unique("status");
    client.put(&format!("/{bucket}")).ok().await;
    create(&client, &bucket, "open").await;
    client.put(&path(&bucket, "k")).body("v").ok().await;
    azure.set_fault(Fault::new(Action::TimedOut).on(Operation::GetBlob).times(100));
    client.get(&path(&bucket, "k")).refused(503, "SlowDown").await;
    (gateway, azure)
}

#[tokio::test]
async fn the_page_shows_how_it_is_and_no_secret() {
    let (gateway, _azure) = busy().await;
    let answer = plain(gateway.admin, "/").await;
    assert_eq!((answer.status, answer.at("content-type")), (200, "text/html; charset=utf-8"));
    assert!(answer.at("content-security-policy").starts_with("default-src 'none'"));
    let page = answer.text();
    for part in [
        "ready, but 1 of 2 accounts do not answer".to_owned(),
        format!("S3 port http://{} ", gateway.address),
        format!("AWS_ENDPOINT_URL_S3=http://{} ", gateway.address),
        "<td>main (default)</td><td class=\"good\">answers<".to_owned(),
        "<td>&lt;old&gt;</td><td class=\"wrong\">does not answer: Unreachable".to_owned(),
        "<td>photos</td><td>&lt;old&gt;</td><td>images</td><td>2026/</td><td>read-only<".to_owned(),
        "<td>logs-*</td><td>main</td>".to_owned(),
        "<td>all others</td><td>main</td>".to_owned(),
        "<dt>Open uploads in parts</dt><dd>1 or more</dd>".to_owned(),
        "0.0 MiB of 256.0 MiB".to_owned(),
        "<td>GetObject</td><td>503</td><td>SlowDown</td>".to_owned(),
        "<rect class=\"bad\"".to_owned(),
        "rclone.conf".to_owned(),
        "backend &quot;s3&quot;".to_owned(),
    ] {
        assert!(page.contains(&part), "{part} is not in {page}");
    }
    for secret in ["Y2FuYXJ5", ADMIN.secret, ADMIN.key, ACCOUNT_KEY, "<script"] {
        assert!(!page.contains(secret), "{page}");
    }
}

#[tokio::test]
async fn the_page_is_well_formed_html() {
    let (gateway, _azure) = busy().await;
    let page = plain(gateway.admin, "/").await.text();
    assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"), "{page}");
    let mut open: Vec<&str> = Vec::new();
    for piece in page.split('<').skip(2) {
        let (tag, rest) = piece.split_once('>').unwrap_or_else(|| panic!("<{piece} has no end"));
        assert!(!rest.contains('>'), "a bare > behind <{tag}>");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "</{name}> ends another element");
        } else {
            let name = tag.split([' ', '/']).next().unwrap();
            assert_eq!(tag.matches('"').count() % 2, 0, "<{tag}>");
            if !tag.ends_with('/') && !VOID.contains(&name) {
                open.push(name);
            }
        }
    }
    assert!(open.is_empty(), "{open:?} are not ended");
    assert_eq!(page.matches("<h1>").count(), 1);
    assert_eq!(page.matches("<svg").count(), page.matches("aria-label=").count());
}

/// A real validator's word: html-validate, installed beside the clients.
#[tokio::test]
async fn the_page_is_valid_html() {
    let (gateway, _azure) = busy().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.html");
    std::fs::write(&file, plain(gateway.admin, "/").await.body).unwrap();
    let validator = Path::new(env!("CARGO_MANIFEST_DIR")).join("compat/html/run");
    let mut run = Command::new(validator);
    run.arg(&file).env("BLUEBUCKET_CACHE", cache_folder()).kill_on_drop(true);
    // A first run installs it, beside the clients of npm.
    let output = timeout(INSTALL_PATIENCE, run.output()).await.expect("it ends").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.is_empty(), "{output:?}");
}

/// A browser, if this machine has one.
fn browser() -> Option<PathBuf> {
    let path = environment("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    names.iter().flat_map(|name| folders.iter().map(move |at| at.join(name))).find(|at| at.exists())
}

/// What a browser says on its error port while it shows a page, and what it wrote.
async fn browse(browser: &Path, folder: &Path, arguments: &[&str], url: &str) -> (String, String) {
    let profile = format!("--user-data-dir={}", folder.join("profile").display());
    let mut command = Command::new(browser);
    command
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"])
        .args(["--disable-dev-shm-usage", "--hide-scrollbars", "--enable-logging=stderr"])
        .arg(profile)
        .args(arguments)
        .arg(url)
        .current_dir(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await.expect("the browser ends").unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// Width and height of a PNG.
fn size_of(png: &[u8]) -> (u32, u32) {
    assert!(png.starts_with(b"\x89PNG"), "no PNG");
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

/// Wide, narrow and dark. Without a browser on this machine nothing is looked at, and that is said: put
/// `chromium` into place (`apt-get install chromium`). `BLUEBUCKET_SCREENSHOTS` names a folder that the
/// pictures are kept in.
#[tokio::test]
async fn a_browser_shows_the_page_wide_narrow_and_dark_without_a_complaint() {
    let Some(browser) = browser() else {
        eprintln!("SKIPPED: no chromium in PATH; apt-get install chromium, and run this again");
        return;
    };
    let (gateway, _azure) = busy().await;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("http://{}/", gateway.admin);
    let mut pictures = Vec::new();
    for (name, width, more) in [
        ("wide", 1280, None),
        ("narrow", 480, None),
        ("dark", 1280, Some("--blink-settings=preferredColorScheme=0")),
    ] {
        let picture = folder.path().join(format!("{name}.png"));
        let shot = format!("--screenshot={}", picture.display());
        let window = format!("--window-size={width},1400");
        let mut arguments = vec![shot.as_str(), window.as_str()];
        arguments.extend(more);
        let (_, said) = browse(&browser, folder.path(), &arguments, &url).await;
        for complaint in ["CONSOLE", "Refused to", "net::ERR"] {
            assert!(!said.contains(complaint), "{name}: {said}");
        }
        let png = std::fs::read(&picture).unwrap();
        assert_eq!(size_of(&png), (width, 1400), "{name}");
        if let Some(kept) = environment("BLUEBUCKET_SCREENSHOTS") {
            std::fs::copy(&picture, Path::new(&kept).join(format!("{name}.png"))).unwrap();
        }
        pictures.push(png);
    }
    assert_ne!(pictures[0], pictures[2], "dark is another picture than light");
    // What the browser made of it: nothing was moved for being in the wrong place.
    let (document, _) = browse(&browser, folder.path(), &["--dump-dom"], &url).await;
    for part in ["<main>", "<table>", "<svg viewBox=", "<details open=\"\">"] {
        assert!(document.contains(part), "{part} is not in {document}");
    }
}
