//! The routing decision: which model answers one request, and why.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use crate::cost::ValueVerdict;
use crate::{ModelName, RoutingMode, RoutingPolicy, Tier};

/// Why a model was chosen; stable codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RouteReason {
    /// The model passed its gate against the tier above, or an administrator promoted it.
    ProvenBetter,
    /// The tiers below have too little data to be judged.
    NotEnoughData,
    /// The tiers below were judged and not proven better.
    NotProven,
    /// An administrator took the tenant's model back.
    RolledBack,
    /// The tenant's model fell behind the tier above on what came after it was trained.
    SteppedBack,
    /// The tenant's policy names this tier or version.
    Pinned,
    /// The request names the model: somebody compares, and nobody was served by choice.
    Requested,
    /// The tenant's policy tries the challenger on this request's key.
    Canary,
    /// The tenant's policy sends everything to the global model.
    KillSwitch,
    /// A better model was meant, but could not be used.
    FallbackUnavailable,
    /// A better model was meant, but would not have answered in time.
    FallbackDeadline,
    /// A better model was meant, but was trained in an embedding space that the tenant has left; it
    /// waits for its retrain.
    SpaceChanged,
    /// A better model was meant, but the task's labels, source or kind are no longer those that it was
    /// trained for; it waits for its retrain.
    TaskChanged,
    /// The tenant's own model costs more than it earns beyond the tier above, and the tenant's policy
    /// wants it only where it is worth it.
    CostNotJustified,
}

impl RouteReason {
    /// Reasons of answers that say nothing about how a model does where the routing wants it: it was asked for
    /// by name, or stood in for one that could not answer.
    pub const NOT_BY_ROUTING: [Self; 5] = [
        Self::Requested,
        Self::FallbackUnavailable,
        Self::FallbackDeadline,
        Self::SpaceChanged,
        Self::TaskChanged,
    ];

    /// The model was chosen by what evaluations said of the tenant's models.
    fn is_by_evidence(self) -> bool {
        matches!(
            self,
            Self::ProvenBetter
                | Self::NotEnoughData
                | Self::NotProven
                | Self::RolledBack
                | Self::SteppedBack
        )
    }

    /// The stable code of the reason.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::ProvenBetter => "PROVEN_BETTER",
            Self::NotEnoughData => "NOT_ENOUGH_DATA",
            Self::NotProven => "NOT_PROVEN",
            Self::RolledBack => "ROLLED_BACK",
            Self::SteppedBack => "STEPPED_BACK",
            Self::Pinned => "PINNED",
            Self::Requested => "REQUESTED",
            Self::Canary => "CANARY",
            Self::KillSwitch => "KILL_SWITCH",
            Self::FallbackUnavailable => "FALLBACK_UNAVAILABLE",
            Self::FallbackDeadline => "FALLBACK_DEADLINE",
            Self::SpaceChanged => "SPACE_CHANGED",
            Self::TaskChanged => "TASK_CHANGED",
            Self::CostNotJustified => "COST_NOT_JUSTIFIED",
        }
    }
}

/// What a model is in its tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ModelRole {
    /// Stored, but no alias points at it.
    Unaliased,
    /// Tried against the champion.
    Challenger,
    /// Passed its gate, or was promoted by an administrator.
    Champion,
}

/// Whether a model can answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ModelHealth {
    /// It is resident and sound.
    Ready,
    /// Its artifact is missing or damaged.
    Unavailable,
    /// It was trained in an embedding space that the tenant has left.
    StaleSpace,
    /// It was trained for other labels, another source or another kind of its task.
    StaleTask,
}

impl ModelHealth {
    /// Why a model of this health is passed over; none when it can answer.
    fn obstacle(self) -> Option<RouteReason> {
        match self {
            Self::Ready => None,
            Self::Unavailable => Some(RouteReason::FallbackUnavailable),
            Self::StaleSpace => Some(RouteReason::SpaceChanged),
            Self::StaleTask => Some(RouteReason::TaskChanged),
        }
    }
}

/// A model that could serve, with what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The model.
    pub model: ModelName,
    /// What it is in its tier.
    pub role: ModelRole,
    /// Whether it can answer.
    pub health: ModelHealth,
}

impl Candidate {
    fn is_own_champion(&self) -> bool {
        self.role == ModelRole::Champion && self.model.tier() == Tier::Tenant
    }
}

/// Why no model of the tenant's own is its champion, when none is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NoChampionReason {
    /// No version was evaluated on enough data.
    #[default]
    NotEnoughData,
    /// The newest version that was evaluated did not pass.
    NotProven,
    /// An administrator took the champion back.
    RolledBack,
    /// The champion fell behind and the router stepped back by itself.
    SteppedBack,
}

impl NoChampionReason {
    fn reason(self) -> RouteReason {
        match self {
            Self::NotEnoughData => RouteReason::NotEnoughData,
            Self::NotProven => RouteReason::NotProven,
            Self::RolledBack => RouteReason::RolledBack,
            Self::SteppedBack => RouteReason::SteppedBack,
        }
    }
}

/// What is known of one request and of its tenant when the model is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RouteRequest {
    /// From 0 to 99, always the same for the same key: see [`bucket`].
    pub bucket: u8,
    /// The embedding did not come before the caller's deadline: every model but the built-in one needs
    /// it.
    pub embedding_late: bool,
    /// Whether the tenant's own model earns what it costs, where that was judged.
    pub own_model: Option<ValueVerdict>,
}

/// The bucket of a key, from 0 to 99: the same on every machine and in every version.
#[must_use]
pub fn bucket(tenant: &str, key: &str) -> u8 {
    // FNV-1a, 64 bits: stable, and even enough for percent. The tenant is part of it, so that a key
    // that many tenants use is not in the canary of all or of none.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in tenant.bytes().chain([0]).chain(key.bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    // The low bits of FNV are weak; the multiplication spreads the high ones over the buckets.
    let high = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    (high % 100) as u8
}

/// A model that was meant but could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FallbackNote {
    /// The model that was meant.
    pub model: ModelName,
    /// Why it could not be used.
    pub reason: RouteReason,
}

/// The choice of one model for one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The chosen model.
    pub model: ModelName,
    /// Why.
    pub reason: RouteReason,
    /// Models that were meant before it.
    pub fallbacks: Vec<FallbackNote>,
    /// The model whose answer is computed beside it and not served.
    pub shadow: Option<ModelName>,
}

/// Chooses the model for a request: the whole decision, which nobody changes afterwards.
///
/// `candidates` are the models of this tenant's own chain only (tenant, its vertical, global), any
/// order; `no_champion` says why the tenant has no champion, when it has none; `built_in` is the global
/// model that ships with the code and cannot be missing, so there is always an answer. It alone
/// answers without an embedding.
///
/// Where the policy wants the tenant's own champion only while it is worth what it costs, and it is
/// not, it is no candidate. A pin names a model on purpose, and a canary is how one learns whether
/// things have changed: neither is touched.
#[must_use]
pub fn choose_route(
    policy: &RoutingPolicy,
    request: RouteRequest,
    candidates: &[Candidate],
    no_champion: NoChampionReason,
    built_in: &ModelName,
) -> Route {
    if policy.kill_switch {
        return Route {
            model: built_in.clone(),
            reason: RouteReason::KillSwitch,
            fallbacks: Vec::new(),
            shadow: None,
        };
    }
    let costly = withholds_own_model(policy, request);
    let is_allowed = |one: &&Candidate| !(costly && one.is_own_champion());
    let allowed: Vec<&Candidate> = candidates.iter().filter(is_allowed).collect();
    let mut fallbacks = Vec::new();
    let mut chosen = None;
    for (candidate, reason) in preferences(&policy.mode, request, &allowed) {
        let Some(reason) = obstacle(candidate, request) else {
            chosen = Some((candidate, reason));
            break;
        };
        fallbacks.push(FallbackNote {
            model: candidate.model.clone(),
            reason,
        });
    }
    let model = chosen.map_or(built_in, |(candidate, _)| &candidate.model);
    let reason = match fallbacks.first() {
        // The built-in model may be the one that was meant, but it has to do without the embedding.
        _ if request.embedding_late => RouteReason::FallbackDeadline,
        Some(note) => note.reason,
        None => {
            let reason = match chosen {
                Some((candidate, reason)) => refine(reason, candidate, &policy.mode, no_champion),
                None => reason_of_built_in(&policy.mode, built_in, no_champion),
            };
            let withheld = allowed.len() < candidates.len();
            match withheld && reason.is_by_evidence() {
                true => RouteReason::CostNotJustified,
                false => reason,
            }
        }
    };
    Route {
        shadow: shadow(&policy.mode, request, &allowed, model),
        model: model.clone(),
        reason,
        fallbacks,
    }
}

/// Whether the tenant's own champion is no candidate, for what it costs.
fn withholds_own_model(policy: &RoutingPolicy, request: RouteRequest) -> bool {
    let pinned = matches!(
        policy.mode,
        RoutingMode::PinnedTier(_) | RoutingMode::PinnedVersion(_)
    );
    !pinned
        && policy.require_cost_effective
        && request.own_model == Some(ValueVerdict::NotCostEffective)
}

/// Why the built-in model serves where the mode wants no other one.
fn reason_of_built_in(
    mode: &RoutingMode,
    built_in: &ModelName,
    no_champion: NoChampionReason,
) -> RouteReason {
    match mode {
        RoutingMode::PinnedTier(Tier::Global) => RouteReason::Pinned,
        RoutingMode::PinnedVersion(name) if name == built_in => RouteReason::Pinned,
        // The version was pruned, or never there.
        RoutingMode::PinnedVersion(_) => RouteReason::FallbackUnavailable,
        _ => no_champion.reason(),
    }
}

/// The candidates that the mode wants, the first choice first, and the reason that each would have.
fn preferences<'a>(
    mode: &RoutingMode,
    request: RouteRequest,
    candidates: &[&'a Candidate],
) -> Vec<(&'a Candidate, RouteReason)> {
    let mut chain: Vec<_> = candidates
        .iter()
        .filter(|candidate| candidate.role == ModelRole::Champion)
        .map(|candidate| (*candidate, RouteReason::ProvenBetter))
        .collect();
    // The most specific tier first; of one tier the newest version.
    chain.sort_by_key(|(c, _)| Reverse((c.model.tier(), c.model.version)));
    match mode {
        RoutingMode::Auto | RoutingMode::Shadow => {}
        RoutingMode::Canary { percent } => {
            if request.bucket < *percent
                && let Some(challenger) = challenger(candidates)
            {
                chain.insert(0, (challenger, RouteReason::Canary));
            }
        }
        RoutingMode::PinnedTier(tier) => {
            chain.retain(|(candidate, _)| candidate.model.tier() <= *tier);
            let of_tier = candidates.iter().filter(|c| c.model.tier() == *tier);
            // Proven or not: the champion when there is one, else the newest.
            if let Some(&pinned) = of_tier.max_by_key(|c| {
                let champion = c.role == ModelRole::Champion;
                (champion, c.model.version)
            }) {
                chain.retain(|(candidate, _)| candidate.model != pinned.model);
                chain.insert(0, (pinned, RouteReason::Pinned));
            }
        }
        RoutingMode::PinnedVersion(name) => {
            chain.retain(|(c, _)| c.model.tier() <= name.tier() && c.model != *name);
            if let Some(&pinned) = candidates.iter().find(|c| c.model == *name) {
                chain.insert(0, (pinned, RouteReason::Pinned));
            }
        }
    }
    chain
}

/// What a champion of a higher tier serves for is why the tiers below it do not.
fn refine(
    reason: RouteReason,
    candidate: &Candidate,
    mode: &RoutingMode,
    no_champion: NoChampionReason,
) -> RouteReason {
    match (reason, mode) {
        (RouteReason::ProvenBetter, RoutingMode::PinnedVersion(_)) => {
            RouteReason::FallbackUnavailable
        }
        // The pinned tier has no version at all.
        (RouteReason::ProvenBetter, RoutingMode::PinnedTier(tier))
            if candidate.model.tier() < *tier && candidate.model.tier() != Tier::Global =>
        {
            RouteReason::FallbackUnavailable
        }
        (RouteReason::ProvenBetter, _) if candidate.model.tier() == Tier::Global => {
            no_champion.reason()
        }
        (reason, _) => reason,
    }
}

/// Why a candidate cannot answer this request; none when it can.
fn obstacle(candidate: &Candidate, request: RouteRequest) -> Option<RouteReason> {
    let late = request
        .embedding_late
        .then_some(RouteReason::FallbackDeadline);
    candidate.health.obstacle().or(late)
}

/// The newest challenger of the most specific tier.
fn challenger<'a>(candidates: &[&'a Candidate]) -> Option<&'a Candidate> {
    candidates
        .iter()
        .copied()
        .filter(|candidate| candidate.role == ModelRole::Challenger)
        .max_by_key(|c| (c.model.tier(), c.model.version))
}

fn shadow(
    mode: &RoutingMode,
    request: RouteRequest,
    candidates: &[&Candidate],
    serving: &ModelName,
) -> Option<ModelName> {
    let RoutingMode::Shadow = mode else {
        return None;
    };
    challenger(candidates)
        .filter(|one| obstacle(one, request).is_none() && one.model != *serving)
        .map(|one| one.model.clone())
}

#[cfg(test)]
#[path = "routing_tests.rs"]
mod tests;
