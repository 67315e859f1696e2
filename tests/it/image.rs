//! The image and the compose file name versions that the source names too.

use std::fs;
use std::path::Path;

use bluebucket::server::azurite;

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(path).expect("the file is there")
}

fn value(text: &str, before: &str) -> String {
    let found = text.lines().find_map(|line| line.strip_prefix(before));
    found.unwrap_or_else(|| panic!("no line begins with {before:?}")).trim_matches('"').to_owned()
}

#[test]
fn the_image_is_built_with_the_toolchain_that_we_test_with() {
    let toolchain = value(&file("rust-toolchain.toml"), "channel = ");
    assert_eq!(value(&file("Dockerfile"), "ARG RUST_VERSION="), toolchain);
}

#[test]
fn the_azurite_of_compose_is_the_one_of_dev_and_of_the_tests() {
    assert_eq!(value(&file("Dockerfile"), "ARG AZURITE_VERSION="), azurite::VERSION);
}

/// Cargo reads the manifest of every member before it builds any.
#[test]
fn the_image_is_built_with_the_manifests_of_all_members() {
    let members = value(&file("Cargo.toml"), "members = ");
    let (copied, sent) = (file("Dockerfile"), file(".dockerignore"));
    let names: Vec<_> = members.split('"').skip(1).step_by(2).collect();
    assert!(!names.is_empty(), "{members}");
    for name in names {
        let copy = format!("COPY {name}/Cargo.toml {name}/");
        assert!(copied.lines().any(|line| line == copy), "Dockerfile lacks {copy:?}");
        let exception = format!("!{name}/Cargo.toml");
        assert!(sent.lines().any(|line| line == exception), ".dockerignore lacks {exception:?}");
    }
}
