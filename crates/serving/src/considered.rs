//! What routing looks at, in words: for who asks why an answer came from where it did.

use domain::{ModelRole, NoChampionReason, RoutingMode, RoutingPolicy, Tier};
use registry::resolve::builtin_model;

use crate::route::{RoutedModel, RoutedModels, Stale};

/// The policy, each model with what keeps it from answering, and what stands in.
pub(crate) fn considered<M>(routed: &RoutedModels<M>) -> Vec<String> {
    let policy = &routed.policy;
    let mut all = vec![format!("policy: {}", in_words(policy))];
    all.extend(routed.models.iter().map(of_model));
    if let Some(verdict) = routed.own_model.filter(|_| policy.require_cost_effective) {
        let verdict = verdict.as_str();
        all.push(format!("what the own model earns and costs: {verdict}"));
    }
    let is_own =
        |one: &RoutedModel<M>| one.role == ModelRole::Champion && one.name.tier() == Tier::Tenant;
    if !routed.models.iter().any(is_own) {
        let why = why(routed.no_champion);
        all.push(format!("no champion of the tenant's own: {why}"));
    }
    let built_in = builtin_model(&routed.task);
    all.push(format!("{built_in}: ships with the code, always there"));
    all
}

fn of_model<M>(one: &RoutedModel<M>) -> String {
    let role = match one.role {
        ModelRole::Champion => "champion",
        ModelRole::Challenger => "challenger",
        ModelRole::Unaliased => "stored, no alias points at it",
    };
    let health = match (&one.stale, &one.model) {
        (Some(Stale::Task), _) => {
            "trained before the task's labels, source or kind changed, waits for its retrain"
                .to_owned()
        }
        (Some(Stale::Space(space)), _) => {
            format!("trained in the space {space}, waits for its retrain")
        }
        (None, Some(_)) => "healthy".to_owned(),
        (None, None) => "its artifact cannot be used".to_owned(),
    };
    format!("{}: {role}, {health}", one.name)
}

fn why(no_champion: NoChampionReason) -> &'static str {
    match no_champion {
        NoChampionReason::NotEnoughData => "no version has been judged on enough data",
        NoChampionReason::NotProven => "the last version was not proven better",
        NoChampionReason::RolledBack => "an administrator rolled back",
        NoChampionReason::SteppedBack => {
            "it fell behind the tier above, and the router stepped back"
        }
    }
}

fn in_words(policy: &RoutingPolicy) -> String {
    let mode = match &policy.mode {
        RoutingMode::Auto => "AUTO, the best proven tier".to_owned(),
        RoutingMode::PinnedTier(tier) => format!("PINNED to the tier {}", tier.as_str()),
        RoutingMode::PinnedVersion(name) => format!("PINNED to {name}"),
        RoutingMode::Canary { percent } => format!("CANARY, {percent} % to the challenger"),
        RoutingMode::Shadow => "SHADOW, the challenger is computed beside AUTO".to_owned(),
    };
    let mode = match policy.require_cost_effective {
        true => format!("{mode}; the own model only while it is worth what it costs"),
        false => mode,
    };
    match policy.kill_switch {
        true => format!("kill switch on (else {mode})"),
        false => mode,
    }
}
