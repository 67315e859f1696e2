//! Real clients: the scripts of `compat/clients/`, over http and https, in the environment that
//! `compat/clients/environment` makes.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::harness::Gateway;
use crate::harness::gateway::{ALICE, AUTHORITY};

/// The folder of the environment with the clients; the first who asks makes it.
async fn python() -> PathBuf {
    let maker = root().join("compat/clients/environment");
    let made = Command::new("python3").arg(maker).arg("python").stdin(Stdio::null()).output().await;
    let made = made.expect("Python 3.9 or newer is needed: install the package `python3`");
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{said}");
    PathBuf::from(String::from_utf8(made.stdout).unwrap().trim())
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// How a script reaches the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

async fn script(path: &str, scheme: Scheme) {
    let bin = python().await.join("bin");
    let gateway = Gateway::with(|settings| settings.tls = scheme == Scheme::Https).await;
    let work = tempfile::tempdir().unwrap();
    let script = root().join(path);
    let is_python = path.ends_with(".py");
    let mut command = Command::new(if is_python { bin.join("python") } else { "bash".into() });
    let port = gateway.address.port();
    let endpoint = match scheme {
        Scheme::Http => format!("http://127.0.0.1:{port}"),
        Scheme::Https => format!("https://localhost:{port}"),
    };
    command
        .arg(script)
        .env("ENDPOINT", endpoint)
        .env("AWS_ACCESS_KEY_ID", ALICE.key)
        .env("AWS_SECRET_ACCESS_KEY", ALICE.secret)
        .env("AWS", bin.join("aws"))
        .env("AWS_PYTHON", bin.join("python"))
        .env("WORK", work.path())
        .env("HOME", work.path())
        .env_remove("AWS_CA_BUNDLE")
        .env("no_proxy", "*")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    if scheme == Scheme::Https {
        command.env("AWS_CA_BUNDLE", gateway.file.with_file_name(AUTHORITY));
    }
    let output = command.output().await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{path} over {scheme:?}:\n{said}");
    assert!(said.contains("all done"), "{said}");
}

#[tokio::test]
async fn aws_cli_over_http() {
    script("compat/clients/aws-cli/run", Scheme::Http).await;
}

#[tokio::test]
async fn aws_cli_over_https() {
    script("compat/clients/aws-cli/run", Scheme::Https).await;
}

#[tokio::test]
async fn boto3_over_http() {
    script("compat/clients/boto3/run.py", Scheme::Http).await;
}

#[tokio::test]
async fn boto3_over_https() {
    script("compat/clients/boto3/run.py", Scheme::Https).await;
}
