//! docs/metrics.md lists the metrics that there are.

use std::time::Duration;

use bluebucket::ops::janitor::{Observer as _, Removed};
use bluebucket::ops::lifecycle::{Done, Observer as _};
use bluebucket::server::Metrics;

use super::{holds_generated, table};

/// Metrics with at least one series of each family: one without has no description either.
fn touched() -> Metrics {
    let metrics = Metrics::new();
    metrics.request("GetObject", 200, Duration::ZERO);
    metrics.first_byte("GetObject", Duration::ZERO);
    metrics.connection_cut("stall");
    metrics.auth_failure("AccessDenied");
    metrics.accounts([("main", true)]);
    bluebucket::azure::Observer::request(&metrics, "GetBlob", Some(200), Duration::ZERO, 2);
    metrics.removed(Removed::Upload, 1);
    metrics.done(Done::Expired, 1);
    metrics
}

#[test]
fn the_metrics_page_lists_the_metrics_as_they_are() {
    let text = touched().text().unwrap();
    let described = |kind: &str| -> Vec<(String, String)> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(&format!("# {kind} ")));
        lines
            .filter_map(|line| line.split_once(' '))
            .map(|(name, rest)| (name.to_owned(), rest.to_owned()))
            .collect()
    };
    let kinds = described("TYPE");
    let rows = described("HELP").into_iter().map(|(name, help)| {
        let kind = &kinds.iter().find(|(known, _)| *known == name).expect("each has a type").1;
        // What a series of it is called in the end.
        let ending = match kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        vec![format!("`{name}{ending}`"), kind.clone(), help.trim_end_matches('.').to_owned()]
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort();
    let source = include_str!("../../../src/server/metrics.rs");
    assert_eq!(rows.len(), source.matches("registry.register(").count(), "{rows:?}");
    let text = table(&["metric", "kind", "what"], rows);
    holds_generated("docs/metrics.md", &[("metrics", text)]);
}
