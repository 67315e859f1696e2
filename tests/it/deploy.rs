//! What `deploy/` ships, read by the gateway itself: each configuration is one that it takes. Their own
//! tools look at the rest (`.ci/deploy`), and `proxies/` runs the proxies.

use std::fs;
use std::path::Path;

use crate::harness::program::{Bluebucket, write_private};

fn file(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Whether the gateway takes it, with the secrets that it names at hand; what it prints.
async fn taken(text: &str, secrets: &str) -> String {
    let program = Bluebucket::new();
    let folder = program.folder().to_owned();
    for name in ["operator.secret", "operator"] {
        write_private(&folder.join(name), "some-secret-of-thirty-bytes-0001");
    }
    write_private(&folder.join("azure.key"), "c29tZSBrZXk=");
    let text = text.replace(secrets, &format!("{}/", folder.display()));
    let said = program.file(&text).run(&["config", "print"]).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{text}: {said:?}");
    assert!(!said.out.contains("some-secret"), "{said:?}");
    said.out
}

#[tokio::test]
async fn the_configuration_of_the_unit_is_taken() {
    let printed = taken(&file("deploy/systemd/bluebucket.toml"), "/etc/bluebucket/").await;
    let unit = file("deploy/systemd/bluebucket.service");
    // What the unit waits for is longer than the drain of the file.
    let seconds = |text: &str, name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let digits = line.trim_start_matches([' ', '=', '"']);
        digits[..digits.find(|c: char| !c.is_ascii_digit()).unwrap()].parse().unwrap()
    };
    let drain = seconds(&printed, "drain_delay") + seconds(&printed, "drain_timeout");
    assert!(seconds(&unit, "TimeoutStopSec") > drain, "{printed}");
    assert!(unit.contains("RestartPreventExitStatus=2"), "as `serve` ends over faults");
}

#[tokio::test]
async fn the_configuration_of_the_pods_is_taken() {
    let manifests = file("deploy/kubernetes/bluebucket.yaml");
    let (_, rest) = manifests.split_once("  bluebucket.toml: |\n").unwrap();
    let map = rest.split_once("\n---\n").unwrap().0.replace("\n    ", "\n");
    let printed = taken(&map, "/etc/bluebucket/secrets/").await;
    for line in ["listen = \"0.0.0.0:9000\"", "drain_delay = \"10s\"", "drain_timeout = \"30s\""] {
        assert!(printed.contains(line), "{line} is not in {printed}");
    }
    assert!(manifests.contains("terminationGracePeriodSeconds: 45"), "more than both together");
}

/// docs/release.md promises it.
#[test]
fn every_form_has_the_version_of_the_crate() {
    let version = env!("CARGO_PKG_VERSION");
    for (name, line) in [
        ("deploy/helm/bluebucket/Chart.yaml", format!("version: {version}")),
        ("deploy/helm/bluebucket/Chart.yaml", format!("appVersion: {version}")),
        (
            "deploy/kubernetes/bluebucket.yaml",
            format!("image: registry.example.com/bluebucket:{version}"),
        ),
    ] {
        let text = file(name);
        assert!(text.lines().any(|found| found.trim() == line), "{name} has no {line:?}");
    }
}
