//! What routing looks at, in words: for who asks why an answer came from where it did.

use domain::cost::ValueVerdict;
use domain::{ModelName, ModelRole, NoChampionReason, RoutingMode, RoutingPolicy, Tier};

/// What there is to say of a model that routing looks at.
pub(crate) struct Looked<'a> {
    pub name: &'a ModelName,
    pub role: ModelRole,
    /// The space it was trained in, when the tenant has left that.
    pub left_behind: Option<&'a str>,
    /// Its task has been changed since it was trained.
    pub changed: bool,
    pub usable: bool,
}

/// What routing looks at, in words.
pub(crate) fn considered<'a>(
    policy: &RoutingPolicy,
    models: impl Iterator<Item = Looked<'a>>,
    worth: Option<ValueVerdict>,
    no_champion: NoChampionReason,
    built_in: &ModelName,
) -> Vec<String> {
    let mut all = vec![format!("policy: {}", in_words(policy))];
    let mut has_own = false;
    for model in models {
        let name = model.name;
        has_own |= model.role == ModelRole::Champion && name.tier() == Tier::Tenant;
        let role = match model.role {
            ModelRole::Champion => "champion",
            ModelRole::Challenger => "challenger",
            ModelRole::Unaliased => "kept, no alias points at it",
        };
        let health = match (model.left_behind, model.usable) {
            _ if model.changed => {
                "trained before the task's labels, source or kind changed, waits for its retrain"
                    .to_owned()
            }
            (Some(space), _) => format!("trained in the space {space}, waits for its retrain"),
            (None, true) => "healthy".to_owned(),
            (None, false) => "its artifact cannot be used".to_owned(),
        };
        all.push(format!("{name}: {role}, {health}"));
    }
    if let Some(worth) = worth.filter(|_| policy.only_if_worth_it) {
        let verdict = worth.as_str();
        all.push(format!("what the own model earns and costs: {verdict}"));
    }
    if !has_own {
        let why = why(no_champion);
        all.push(format!("no champion of the tenant's own: {why}"));
    }
    all.push(format!("{built_in}: ships with the code, always there"));
    all
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
    let mode = match policy.only_if_worth_it {
        true => format!("{mode}; the own model only while it is worth what it costs"),
        false => mode,
    };
    match policy.kill_switch {
        true => format!("kill switch on (else {mode})"),
        false => mode,
    }
}
