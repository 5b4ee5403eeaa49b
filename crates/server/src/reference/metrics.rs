//! `docs/metrics.md`, from the catalogue of metrics.

use std::fmt::Write as _;

use crate::telemetry::catalogue::{COUNTERS, GAUGES, HISTOGRAMS, series};

use super::{assert_page, quoted, sources};

const HEAD: &str = "# Metrics

Generated from `crates/server/src/telemetry/catalogue.rs`. Prometheus reads them at
`server.metrics_listen`. No metric has a label for a tenant: sizes of tenants are histograms, and what a
tenant consumes is in `ListUsage`. Each counter is there from the start of the process, with 0.

| metric | type | labels | meaning |
|---|---|---|---|
";

#[test]
fn the_page_of_metrics_is_the_catalogues() {
    let mut page = HEAD.to_owned();
    let mut row = |name: &str, kind: &str, labels: &[&str], help: &str| {
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(
            page,
            "| `{name}` | {kind} | {} | {help} |",
            labels.join(", ")
        )
        .unwrap();
    };
    let split = |labels: &'static str| labels.split(", ").filter(|one| !one.is_empty());
    for (kind, metrics) in [("gauge", &GAUGES[..]), ("histogram", &HISTOGRAMS)] {
        for (name, labels, help) in metrics {
            row(name, kind, &split(labels).collect::<Vec<_>>(), help);
        }
    }
    for (name, help) in COUNTERS {
        let first = series(name).into_iter().next().unwrap();
        let labels: Vec<_> = first.iter().map(metrics::Label::key).collect();
        row(name, "counter", &labels, help);
    }
    assert_page("metrics.md", &page);
}

#[test]
fn every_metric_that_is_recorded_is_in_the_catalogue() {
    let gauges = GAUGES.iter().chain(&HISTOGRAMS).map(|(name, ..)| *name);
    let known: Vec<_> = gauges.chain(COUNTERS.map(|(name, _)| name)).collect();
    for text in sources() {
        for part in text.split("metrics::").skip(1) {
            let macros = ["counter!(", "gauge!(", "histogram!("];
            if macros.iter().any(|name| part.starts_with(name)) {
                let name = quoted(part).next().unwrap_or_default();
                let named = name.starts_with("tenantry_");
                assert!(
                    !named || known.contains(&name),
                    "{name} is not in the catalogue"
                );
            }
        }
    }
}
