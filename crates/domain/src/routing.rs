//! The routing decision: which model answers one request, and why.

use std::cmp::Reverse;
use std::time::Duration;

use crate::cost::ValueVerdict;
use crate::{ModelName, RoutingMode, RoutingPolicy, Tier};

/// Why a model was chosen; stable codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
pub enum Standing {
    /// Kept, but no alias points at it.
    Kept,
    /// Tried against the champion.
    Challenger,
    /// Passed its gate, or was promoted by an administrator.
    Champion,
}

/// A model that could serve, with what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The model.
    pub model: ModelName,
    /// What it is in its tier.
    pub standing: Standing,
    /// It is resident and sound.
    pub healthy: bool,
    /// How long an answer with it is expected to take.
    pub expected: Duration,
}

/// Why no model of the tenant's own is its champion, when none is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unproven {
    /// No version was weighed on enough data.
    #[default]
    NotEnoughData,
    /// The newest version that was weighed did not pass.
    NotProven,
    /// An administrator took the champion back.
    RolledBack,
    /// The champion fell behind and the router stepped back by itself.
    SteppedBack,
}

impl Unproven {
    fn reason(self) -> RouteReason {
        match self {
            Self::NotEnoughData => RouteReason::NotEnoughData,
            Self::NotProven => RouteReason::NotProven,
            Self::RolledBack => RouteReason::RolledBack,
            Self::SteppedBack => RouteReason::SteppedBack,
        }
    }
}

/// What is known of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ask {
    /// From 0 to 99, always the same for the same key: see [`bucket`].
    pub bucket: u8,
    /// Time until the caller's deadline, where there is one.
    pub remaining: Option<Duration>,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FallbackNote {
    /// The model that was meant.
    pub model: ModelName,
    /// Why it could not be used.
    pub reason: RouteReason,
}

/// The choice of one model for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
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

impl Route {
    /// The same route, where models were passed over for what `why` says of them (the tenant left the space
    /// that they were trained in, the task is not the one that they were trained for): their notes say so,
    /// and so does the reason when it was theirs.
    #[must_use]
    pub fn explaining(mut self, why: impl Fn(&ModelName) -> Option<RouteReason>) -> Self {
        let unavailable = RouteReason::FallbackUnavailable;
        let because = |note: &FallbackNote| {
            let said = || why(&note.model).unwrap_or(unavailable);
            (note.reason == unavailable).then(said)
        };
        if self.reason == unavailable
            && let Some(first) = self.fallbacks.first().and_then(because)
        {
            self.reason = first;
        }
        for note in &mut self.fallbacks {
            if let Some(reason) = because(note) {
                note.reason = reason;
            }
        }
        self
    }
}

/// Chooses the model for a request.
///
/// `candidates` are the models of this tenant's own chain only (tenant, its vertical, global), any
/// order; `unproven` says why the tenant has no champion, when it has none; `built_in` is the global
/// model that ships with the code and cannot be missing, so there is always an answer.
#[must_use]
pub fn choose_route(
    policy: &RoutingPolicy,
    ask: Ask,
    candidates: &[Candidate],
    unproven: Unproven,
    built_in: &ModelName,
) -> Route {
    if policy.kill_switch {
        return last_resort(built_in, RouteReason::KillSwitch, Vec::new());
    }
    let mut fallbacks = Vec::new();
    for (candidate, reason) in wanted(&policy.mode, ask, candidates) {
        let Some(trouble) = trouble(candidate, ask) else {
            let reason = match fallbacks.first() {
                Some(FallbackNote { reason, .. }) => *reason,
                None => refine(reason, candidate, &policy.mode, unproven),
            };
            return Route {
                shadow: shadow(&policy.mode, ask, candidates, &candidate.model),
                model: candidate.model.clone(),
                reason,
                fallbacks,
            };
        };
        fallbacks.push(FallbackNote {
            model: candidate.model.clone(),
            reason: trouble,
        });
    }
    let reason = match (fallbacks.first(), &policy.mode) {
        (Some(note), _) => note.reason,
        (None, RoutingMode::PinnedTier(Tier::Global)) => RouteReason::Pinned,
        (None, RoutingMode::PinnedVersion(name)) if name == built_in => RouteReason::Pinned,
        // The version is gone: pruned, or never there.
        (None, RoutingMode::PinnedVersion(_)) => RouteReason::FallbackUnavailable,
        (None, _) => unproven.reason(),
    };
    let mut route = last_resort(built_in, reason, fallbacks);
    route.shadow = shadow(&policy.mode, ask, candidates, built_in);
    route
}

/// [`choose_route`] for a tenant whose own model was judged by what it earns and costs.
///
/// Where the policy wants it only if it is worth it, and it is not, the tenant's champion is no
/// candidate. Who names a tier or a version means it, and a canary is how one learns whether things
/// have changed: neither is touched.
#[must_use]
pub fn choose_worthy_route(
    policy: &RoutingPolicy,
    ask: Ask,
    candidates: &[Candidate],
    unproven: Unproven,
    built_in: &ModelName,
    own_model: Option<ValueVerdict>,
) -> Route {
    let pinned = matches!(
        policy.mode,
        RoutingMode::PinnedTier(_) | RoutingMode::PinnedVersion(_)
    );
    let costly = policy.only_if_worth_it && own_model == Some(ValueVerdict::NotWorthIt);
    if pinned || !costly {
        return choose_route(policy, ask, candidates, unproven, built_in);
    }
    let own =
        |one: &Candidate| one.standing == Standing::Champion && one.model.tier() == Tier::Tenant;
    let others: Vec<Candidate> = candidates.iter().filter(|one| !own(one)).cloned().collect();
    let mut route = choose_route(policy, ask, &others, unproven, built_in);
    let because = match route.reason {
        RouteReason::ProvenBetter
        | RouteReason::NotEnoughData
        | RouteReason::NotProven
        | RouteReason::RolledBack
        | RouteReason::SteppedBack => others.len() < candidates.len(),
        RouteReason::Pinned
        | RouteReason::Requested
        | RouteReason::Canary
        | RouteReason::KillSwitch
        | RouteReason::FallbackUnavailable
        | RouteReason::FallbackDeadline
        | RouteReason::SpaceChanged
        | RouteReason::TaskChanged
        | RouteReason::CostNotJustified => false,
    };
    if because {
        route.reason = RouteReason::CostNotJustified;
    }
    route
}

fn last_resort(model: &ModelName, reason: RouteReason, fallbacks: Vec<FallbackNote>) -> Route {
    Route {
        model: model.clone(),
        reason,
        fallbacks,
        shadow: None,
    }
}

/// The candidates that the mode wants, the first choice first, and the reason that each would have.
fn wanted<'a>(
    mode: &RoutingMode,
    ask: Ask,
    candidates: &'a [Candidate],
) -> Vec<(&'a Candidate, RouteReason)> {
    let mut chain: Vec<_> = candidates
        .iter()
        .filter(|candidate| candidate.standing == Standing::Champion)
        .map(|candidate| (candidate, RouteReason::ProvenBetter))
        .collect();
    // The most specific tier first; of one tier the newest version.
    chain.sort_by_key(|(c, _)| Reverse((c.model.tier(), c.model.version)));
    match mode {
        RoutingMode::Auto | RoutingMode::Shadow => {}
        RoutingMode::Canary { percent } => {
            if ask.bucket < *percent
                && let Some(challenger) = challenger(candidates)
            {
                chain.insert(0, (challenger, RouteReason::Canary));
            }
        }
        RoutingMode::PinnedTier(tier) => {
            chain.retain(|(candidate, _)| candidate.model.tier() <= *tier);
            let of_tier = candidates.iter().filter(|c| c.model.tier() == *tier);
            // Proven or not: the champion when there is one, else the newest.
            if let Some(pinned) = of_tier.max_by_key(|c| {
                let champion = c.standing == Standing::Champion;
                (champion, c.model.version)
            }) {
                chain.retain(|(candidate, _)| candidate.model != pinned.model);
                chain.insert(0, (pinned, RouteReason::Pinned));
            }
        }
        RoutingMode::PinnedVersion(name) => {
            chain.retain(|(c, _)| c.model.tier() <= name.tier() && c.model != *name);
            if let Some(pinned) = candidates.iter().find(|c| c.model == *name) {
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
    unproven: Unproven,
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
            unproven.reason()
        }
        (reason, _) => reason,
    }
}

fn trouble(candidate: &Candidate, ask: Ask) -> Option<RouteReason> {
    let late = ask.remaining.is_some_and(|left| candidate.expected > left);
    match candidate {
        Candidate { healthy: false, .. } => Some(RouteReason::FallbackUnavailable),
        _ if late => Some(RouteReason::FallbackDeadline),
        _ => None,
    }
}

/// The newest challenger of the most specific tier.
fn challenger(candidates: &[Candidate]) -> Option<&Candidate> {
    candidates
        .iter()
        .filter(|candidate| candidate.standing == Standing::Challenger)
        .max_by_key(|c| (c.model.tier(), c.model.version))
}

fn shadow(
    mode: &RoutingMode,
    ask: Ask,
    candidates: &[Candidate],
    serving: &ModelName,
) -> Option<ModelName> {
    let RoutingMode::Shadow = mode else {
        return None;
    };
    challenger(candidates)
        .filter(|one| trouble(one, ask).is_none() && one.model != *serving)
        .map(|one| one.model.clone())
}

#[cfg(test)]
#[path = "routing_tests.rs"]
mod tests;
