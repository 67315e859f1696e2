//! The pages that are made of the code: docs/configuration.md and docs/compatibility.md.

use std::fmt::Write as _;

use bluebucket::ops::compatibility::{self, State};
use bluebucket::s3::operation::Operation;
use bluebucket::server::config::reference::{TABLES, VARIABLES};
use bluebucket::server::config::settings::{Kind, SETTINGS, Setting};

use super::{holds_generated, table};
use crate::harness::program::Bluebucket;

const CONFIGURATION: &str = "docs/configuration.md";
const COMPATIBILITY: &str = "docs/compatibility.md";

#[test]
fn the_configuration_page_lists_all_that_can_be_said_as_it_is() {
    let parts = [("settings", settings()), ("tables", tables()), ("variables", variables())];
    holds_generated(CONFIGURATION, &parts);
}

fn settings() -> String {
    let head = &["in the file", "variable", "flag", "default", "what it does"];
    let mut text = String::new();
    for group in ["", "import", "tls", "limits", "lifecycle", "multipart"] {
        let rows: Vec<_> =
            SETTINGS.iter().filter(|setting| group_of(setting) == group).map(row).collect();
        assert!(!rows.is_empty(), "{group:?} has no settings");
        let title = if group.is_empty() { "At the top of the file" } else { group };
        let title = if group.is_empty() { title.to_owned() } else { format!("`[{title}]`") };
        write!(text, "### {title}\n\n{}\n", table(head, rows)).unwrap();
    }
    let shown = SETTINGS.iter().filter(|setting| text.contains(&format!("`{}`", name(setting))));
    assert_eq!(shown.count(), SETTINGS.len(), "a group of settings is not shown");
    text
}

fn tables() -> String {
    let mut text = String::new();
    for of in TABLES {
        let rows = of.keys.iter().map(|(key, help)| vec![format!("`{key}`"), (*help).to_owned()]);
        let rows = table(&["key", "what it says"], rows);
        write!(text, "### `{}`\n\n{}\n\n{rows}\n", of.head, of.help).unwrap();
    }
    text
}

fn variables() -> String {
    let rows = VARIABLES.iter().map(|variable| {
        let names: Vec<_> = variable.names.iter().map(|name| format!("`{name}`")).collect();
        let file = if variable.secret { "yes" } else { "" };
        vec![names.join(", "), file.to_owned(), variable.help.to_owned()]
    });
    table(&["variable", "`_FILE`", "what it says"], rows)
}

/// The parser says which keys it knows when it is given one that it does not.
#[tokio::test]
async fn the_reference_names_the_keys_that_the_parser_knows() {
    for table in TABLES {
        let above = match table.head {
            "[[users.keys]]" | "[[users.policy]]" => "[[users]]\nid = \"u\"\n",
            _ => "",
        };
        let file = format!("{above}{}\nnonsense = 1\n", table.head);
        let said = Bluebucket::new().file(&file).run(&["config", "print"]).await;
        assert_eq!(said.code, 2, "{said:?}");
        let known = said.err.lines().find_map(|line| line.split_once("known here: "));
        let known: Vec<_> = known.expect(&said.err).1.split(", ").collect();
        let named: Vec<_> = table.keys.iter().map(|(key, _)| *key).collect();
        assert_eq!(known, named, "{}", table.head);
    }
}

/// Whatever the program reads of the environment has its row, and every row is read.
#[test]
fn the_reference_names_the_variables_that_are_read() {
    let mut read: Vec<String> = Vec::new();
    for source in crate::tidy::sources("src") {
        if source.path.ends_with("config/reference.rs") || crate::tidy::is_test(&source) {
            continue;
        }
        let code = source.text.split("mod tests {").next().unwrap();
        let quoted = code.split('"').filter(|text| {
            let of = ["AZURE_", "BLUEBUCKET_", "OTEL_"].iter();
            of.clone().any(|start| text.len() > start.len() && text.starts_with(start))
                && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        });
        read.extend(quoted.map(str::to_owned));
    }
    let settings: Vec<_> = SETTINGS.iter().map(Setting::variable).collect();
    read.retain(|name| !settings.contains(name));
    read.sort();
    read.dedup();
    let mut named: Vec<_> =
        VARIABLES.iter().flat_map(|row| row.names).map(|&name| name.to_owned()).collect();
    named.sort();
    assert_eq!(read, named);
}

#[test]
fn the_compatibility_page_lists_operations_and_headers_as_they_are() {
    holds_generated(COMPATIBILITY, &[("operations", operations()), ("headers", headers())]);
}

fn operations() -> String {
    let rows = Operation::ALL.iter().map(|operation| {
        let (state, words) = words(compatibility::of(*operation));
        vec![operation.name().to_owned(), state.to_owned(), words.to_owned()]
    });
    table(&["operation", "", "what of it, or why not"], rows)
}

fn headers() -> String {
    let rows = compatibility::headers().into_iter().map(|(name, state)| {
        let (state, words) = words(state);
        let values = compatibility::harmless(name);
        let words = match values {
            [] => words.to_owned(),
            values => format!("`{}` alone: {words}", values.join("`, `")),
        };
        vec![format!("`{name}`"), state.to_owned(), words]
    });
    table(&["header", "", "what of it, or why not"], rows)
}

/// Every header that the code names in requests is in the table.
#[test]
fn no_header_is_forgotten() {
    let answers_only = [
        "x-amz-bucket-region",
        "x-amz-delete-marker",
        "x-amz-expiration",
        "x-amz-id-2",
        "x-amz-missing-meta",
        "x-amz-mp-parts-count",
        "x-amz-request-id",
        "x-amz-restore",
        "x-amz-tagging-count",
        "x-amz-version-id",
    ];
    let known = compatibility::headers();
    let source = include_str!("../../../src/s3/headers.rs");
    let named = source.split('"').filter(|text| text.starts_with("x-amz-") && !text.ends_with('-'));
    for name in named.filter(|name| !answers_only.contains(name)) {
        assert!(known.iter().any(|(known, _)| known == &name), "{name} is in no row");
    }
}

fn words(state: State) -> (&'static str, &'static str) {
    match state {
        State::Yes => ("yes", ""),
        State::Partly(words) => ("partly", words),
        State::Refused(words) => ("refused", words),
    }
}

/// The table of the file that a setting stands in.
fn group_of(setting: &Setting) -> &'static str {
    setting.key.split_once('.').map_or("", |(group, _)| group)
}

fn name(setting: &Setting) -> &'static str {
    setting.key.split_once('.').map_or(setting.key, |(_, name)| name)
}

fn row(setting: &Setting) -> Vec<String> {
    let kind = match setting.kind {
        Kind::Text => "",
        Kind::Truth => " (`true`, `false`)",
        Kind::Number => " (number)",
        Kind::List => " (list; variable and flag with commas)",
    };
    vec![
        format!("`{}`", name(setting)),
        format!("`{}`", setting.variable()),
        format!("`--{}`", setting.flag()),
        setting.default.map(|default| format!("`{default}`")).unwrap_or_default(),
        format!("{}{kind}", setting.help),
    ]
}
