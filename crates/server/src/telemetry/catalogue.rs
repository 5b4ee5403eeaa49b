//! Every metric: what it says, and the counters that are there, with 0, from the start of the process.
//! A counter that is born with its first event has no increase, and no alert sees that event.

use domain::cost::{Meter, Service};
use domain::{RouteReason, Tier};
use metrics::Label;

/// Gauges: name, labels, help.
pub(crate) const GAUGES: [(&str, &str, &str); 5] = [
    ("tenantry_up", "", "1 while the process serves."),
    (
        "tenantry_resident_bytes",
        "",
        "Memory that the resident states of tenants take.",
    ),
    (
        "tenantry_resident_task_bytes",
        "",
        "Memory that the resident states of tenants' tasks take.",
    ),
    (
        "tenantry_budgets_reached",
        "percent",
        "Budgets of this month whose highest level that is reached is this one, in percent.",
    ),
    (
        "tenantry_tenants_cost_jumped",
        "",
        "Tenants whose direct cost of the last closed day is far above that of the week before.",
    ),
];

/// Histograms: name, labels, help.
pub(crate) const HISTOGRAMS: [(&str, &str, &str); 3] = [
    (
        "tenantry_rpc_seconds",
        "method, code",
        "Time of an RPC, by method and code.",
    ),
    (
        "tenantry_tenant_vectors",
        "",
        "Vectors that a tenant has stored, sampled once an hour.",
    ),
    (
        "tenantry_tenant_bytes",
        "",
        "Bytes that a tenant has stored, sampled once an hour.",
    ),
];

/// Counters: name, help.
pub(crate) const COUNTERS: [(&str, &str); 9] = [
    (
        "tenantry_recommend_total",
        "Recommendations that were given, by tier and reason of the route.",
    ),
    (
        "tenantry_classify_total",
        "Classifications that were given, by tier and whether they abstained.",
    ),
    (
        "tenantry_precomputed_total",
        "Recommendations for stored items: computed ahead (hit, stale), or when they were asked for.",
    ),
    (
        "tenantry_answers_not_logged_total",
        "Answers that are missing in the log of answers, as it could not keep up.",
    ),
    (
        "tenantry_champions_stepped_back_total",
        "Champions that were taken back, as they fell behind the tier above.",
    ),
    (
        "tenantry_usage_total",
        "What was consumed, in the base unit of the meter, by service and meter.",
    ),
    (
        "tenantry_usage_entries_total",
        "Entries of usage that were stored.",
    ),
    (
        "tenantry_usage_late_total",
        "Entries of usage that came after their day was closed.",
    ),
    (
        "tenantry_usage_lost_total",
        "Entries of usage that could not be written down, or not be read again.",
    ),
];

/// Describes all metrics, and begins all counters.
pub(super) fn begin() {
    for (name, _, help) in GAUGES {
        metrics::describe_gauge!(name, help);
    }
    for (name, _, help) in HISTOGRAMS {
        metrics::describe_histogram!(name, help);
    }
    for (name, help) in COUNTERS {
        metrics::describe_counter!(name, help);
        for labels in series(name) {
            metrics::counter!(name, labels).increment(0);
        }
    }
    metrics::gauge!("tenantry_up").set(1.0);
}

/// The labels of the series that a counter begins with: all that it may have.
pub(crate) fn series(counter: &str) -> Vec<Vec<Label>> {
    let tiers = [Tier::Global, Tier::Vertical, Tier::Tenant].map(Tier::as_str);
    match counter {
        "tenantry_recommend_total" => {
            let reasons = REASONS.map(RouteReason::code);
            pairs(("tier", &tiers), ("reason", &reasons))
        }
        "tenantry_classify_total" => pairs(("tier", &tiers), ("abstained", &["false", "true"])),
        "tenantry_precomputed_total" => {
            let outcomes = ["hit", "stale", "computed"];
            let of = |outcome| vec![Label::new("outcome", outcome)];
            outcomes.map(of).into()
        }
        "tenantry_usage_total" => {
            let meters = Meter::ALL.map(Meter::as_str);
            let services = Service::ALL.map(Service::as_str);
            pairs(("service", &services), ("meter", &meters))
        }
        _ => vec![Vec::new()],
    }
}

/// Why a recommendation may have its route.
const REASONS: [RouteReason; 13] = [
    RouteReason::ProvenBetter,
    RouteReason::NotEnoughData,
    RouteReason::NotProven,
    RouteReason::RolledBack,
    RouteReason::SteppedBack,
    RouteReason::Pinned,
    RouteReason::Requested,
    RouteReason::Canary,
    RouteReason::KillSwitch,
    RouteReason::FallbackUnavailable,
    RouteReason::FallbackDeadline,
    RouteReason::SpaceChanged,
    RouteReason::CostNotJustified,
];

type Values<'a> = (&'static str, &'a [&'static str]);

/// Each value of one label with each of another.
fn pairs(one: Values<'_>, other: Values<'_>) -> Vec<Vec<Label>> {
    let with = |first: &'static str| {
        let second = other.1.iter();
        second.map(move |second| vec![Label::new(one.0, first), Label::new(other.0, *second)])
    };
    one.1.iter().flat_map(|first| with(first)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_begins() {
        for (name, help) in COUNTERS {
            assert!(name.ends_with("_total"), "{name}");
            assert!(help.ends_with('.'), "{name}");
            assert!(!series(name).is_empty(), "{name}");
        }
        assert_eq!(series("tenantry_classify_total").len(), 6);
        let labels = &series("tenantry_recommend_total")[0];
        let keys: Vec<_> = labels.iter().map(Label::key).collect();
        assert_eq!(keys, ["tier", "reason"]);
        assert_eq!(series("tenantry_usage_lost_total"), [[]; 1]);
    }
}
