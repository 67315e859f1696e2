//! docs/quick-start.md and the README, walked: their blocks in order, in a shell, with Azurite's account in the
//! place of the reader's.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use bluebucket::server::azurite::{ACCOUNT, ACCOUNT_KEY};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::{Block, blocks};
use crate::harness::gateway::ALICE;
use crate::harness::program::{serving, write_private};
use crate::harness::{Client, Gateway, PATIENCE, azurite, cache_folder, environment, path, unique};

/// The pages whose blocks are run here.
pub(super) const PAGES: [&str; 2] = ["README.md", "docs/quick-start.md"];

/// The blocks of a page that are to be run, by what they begin with.
fn block(page: &str, begins: &str) -> Block {
    let mut blocks = blocks(page).into_iter().filter(|block| block.is("run"));
    blocks.find(|block| block.first_line().starts_with(begins)).expect(begins)
}

/// A shell in a home of its own that finds the program, and Azurite where Azure would be.
fn shell(home: &Path, script: &str) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_bluebucket")).parent().unwrap();
    let path = environment("PATH").unwrap_or_default();
    let mut command = Command::new("bash");
    command
        .args(["-euc", script])
        .current_dir(home)
        .env_clear()
        .env("PATH", format!("{}:{path}", program.display()))
        .env("HOME", home)
        .env("AZURE_STORAGE_SERVICE_ENDPOINT", azurite().blob_endpoint())
        .env("BLUEBUCKET_SYSTEM_CONTAINER", unique("sys"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// What a reader puts in: an account, keys of their own, and ports that are free.
fn filled(text: &str) -> String {
    let free = "--listen 127.0.0.1:0 --admin-listen 127.0.0.1:0";
    text.replace("=contoso", &format!("={ACCOUNT}"))
        .replace("AZURE_STORAGE_KEY=...", &format!("AZURE_STORAGE_KEY={ACCOUNT_KEY}"))
        .replace("ACCESS_KEY_ID=...", "ACCESS_KEY_ID=admin")
        .replace("SECRET_ACCESS_KEY=...", "SECRET_ACCESS_KEY=$(openssl rand -base64 30)")
        .replace(" --listen 0.0.0.0:9000", "")
        .replace("bluebucket serve", &format!("exec bluebucket serve {free}"))
}

/// Runs a script that serves in the end; the gateway's address, once it does.
async fn served(home: &Path, script: &str) -> (Child, std::net::SocketAddr) {
    let mut child = shell(home, script).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut said = String::new();
    while let Some(line) = timeout(PATIENCE, lines.next_line()).await.expect("it says").unwrap() {
        if let Some((s3, _)) = serving(&line) {
            return (child, s3);
        }
        said.push_str(&line);
        said.push('\n');
    }
    panic!("it does not serve: {said}\n{script}");
}

async fn stores_and_reads(client: &Client) {
    let bucket = unique("quick");
    client.put(&format!("/{bucket}")).ok().await;
    client.put(&path(&bucket, "k")).body("v").ok().await;
    assert_eq!(client.get(&path(&bucket, "k")).ok().await.text(), "v");
}

/// Walks from the account to a gateway that serves, and stores something with the keys that were chosen.
async fn over_an_account(blocks: &[Block]) {
    let home = tempfile::tempdir().unwrap();
    let text: String = blocks.iter().map(|block| filled(&block.text)).collect();
    let keep = "printf %s \"$BLUEBUCKET_SECRET_ACCESS_KEY\" > secret\nbluebucket check";
    let script = text.replace("bluebucket check", keep);
    let (_child, address) = served(home.path(), &script).await;
    let secret = fs::read_to_string(home.path().join("secret")).unwrap();
    stores_and_reads(&Client::of(address, "admin", &secret)).await;
}

#[tokio::test]
async fn the_readme_leads_to_a_gateway_over_an_account() {
    over_an_account(&[block("README.md", "export AZURE_STORAGE_ACCOUNT=contoso")]).await;
}

#[tokio::test]
async fn the_quick_start_leads_to_a_gateway_over_an_account() {
    let page = PAGES[1];
    let blocks = ["export AZURE_STORAGE_ACCOUNT=contoso", "bluebucket check"];
    over_an_account(&blocks.map(|begins| block(page, begins))).await;
}

#[tokio::test]
async fn the_quick_start_leads_to_users_of_their_own() {
    let home = tempfile::tempdir().unwrap();
    let file = blocks(PAGES[1]).into_iter().find(|block| block.language == "toml").unwrap();
    let folder = home.path().join("etc");
    fs::create_dir(&folder).unwrap();
    write_private(&folder.join("account.key"), ACCOUNT_KEY);
    write_private(&folder.join("photos.secret"), "a-secret-of-photos");
    let text = file.text.replace("/etc/bluebucket", folder.to_str().unwrap());
    let account = format!("\"{ACCOUNT}\"\nendpoint = \"{}\"", azurite().blob_endpoint());
    write_private(&home.path().join("bluebucket.toml"), &text.replace("\"contoso\"", &account));
    let script = filled(&block(PAGES[1], "bluebucket config print").text);
    // The account is the file's: none of the environment.
    let script = format!("unset AZURE_STORAGE_SERVICE_ENDPOINT\n{script}");
    let (_child, address) = served(home.path(), &script).await;
    stores_and_reads(&Client::of(address, "AKPHOTOS", "a-secret-of-photos")).await;
}

/// The lines for the aws cli, with what `dev` prints to be pasted before them.
#[tokio::test]
async fn the_quick_start_leads_to_a_first_object() {
    let home = tempfile::tempdir().unwrap();
    let gateway = Gateway::start().await;
    let python = crate::recipes::made("python").await;
    let (photos, script) = (unique("photos"), block(PAGES[1], "aws s3 mb").text);
    let script = format!("PATH={}/bin:$PATH\n{script}", python.display());
    let script = script.replace("s3://photos", &format!("s3://{photos}"));
    fs::write(home.path().join("README.md"), "readme").unwrap();
    let mut command = shell(home.path(), &script);
    command
        .env("AWS_ACCESS_KEY_ID", ALICE.key)
        .env("AWS_SECRET_ACCESS_KEY", ALICE.secret)
        .env("AWS_ENDPOINT_URL_S3", format!("http://{}", gateway.address))
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("NO_PROXY", "*")
        .env("BLUEBUCKET_CACHE", cache_folder());
    let output = timeout(PATIENCE, command.output()).await.expect("it ends").unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("README.md"), "{output:?}");
    let read = gateway.client(ALICE).get(&path(&photos, "README.md")).ok().await;
    assert_eq!(read.text(), "readme");
}
