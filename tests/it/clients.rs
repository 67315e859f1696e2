//! The clients that people have, each as a script in `compat/clients` that does what its users do and
//! ends at the first wrong byte. Each runs by hand, too: `compat/clients/NAME/run ENDPOINT KEY SECRET
//! [CA_FILE]`. What they need is installed into the cache folder by `compat/clients/environment`.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;
use tokio::time::timeout;

use crate::harness::gateway::{ADMIN, AUTHORITY};
use crate::harness::{Gateway, INSTALL_PATIENCE, azurite, cache_folder};

/// What the client's connection runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Http,
    Https,
}

impl Over {
    /// The large file: once as large as people's are, once in a few parts.
    fn large_bytes(self) -> u64 {
        match self {
            Self::Http => 200 << 20,
            Self::Https => 30 << 20,
        }
    }
}

macro_rules! clients {
    ($($test:ident: $name:literal over $over:ident;)+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            check($name, Over::$over).await;
        }
    )+};
}

clients! {
    aws_cli_over_http: "aws-cli" over Http;
    aws_cli_over_https: "aws-cli" over Https;
    boto3_over_http: "boto3" over Http;
    boto3_over_https: "boto3" over Https;
    s3cmd_over_http: "s3cmd" over Http;
    s3cmd_over_https: "s3cmd" over Https;
    rclone_over_http: "rclone" over Http;
    rclone_over_https: "rclone" over Https;
    the_javascript_sdk_over_http: "js" over Http;
    the_javascript_sdk_over_https: "js" over Https;
    a_browser: "browser" over Http;
    a_worker_with_aws4fetch: "aws4fetch" over Http;
    the_native_python_sdk: "native-python" over Http;
}

#[test]
fn every_client_is_run() {
    let source = include_str!("clients.rs");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("compat/clients");
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().join("run").exists() {
            assert!(source.contains(&format!("{name:?} over")), "nobody runs {name}");
        }
    }
}

/// Runs the script of a client against a gateway of its own.
async fn check(name: &str, over: Over) {
    let gateway = Gateway::with(|settings| {
        settings.tls = over == Over::Https;
        // As `bluebucket dev` does: boto3 presigns so where nobody tells it otherwise.
        settings.top.push_str("\nallow_sigv2 = true");
    })
    .await;
    let port = gateway.address.port();
    let (endpoint, authority) = match over {
        Over::Http => (format!("http://127.0.0.1:{port}"), None),
        Over::Https => {
            (format!("https://127.0.0.1:{port}"), Some(gateway.file.with_file_name(AUTHORITY)))
        }
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("compat/clients/{name}/run"));
    let run = Command::new(script)
        .args([&endpoint, ADMIN.key, ADMIN.secret])
        .args(authority)
        .env("BLUEBUCKET_CACHE", cache_folder())
        .env("LARGE_BYTES", over.large_bytes().to_string())
        .env("AZURE_STORAGE_CONNECTION_STRING", azurite().connection_string())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(INSTALL_PATIENCE, run).await.expect("the client ends").unwrap();
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    let [out, err] = said;
    assert!(output.status.success(), "{name} over {over:?}: {}\n{out}\n{err}", output.status);
}
