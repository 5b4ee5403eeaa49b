//! The routing decision: which model answers one request, and why.

use crate::{ModelName, Tier};

/// Why a model was chosen; stable codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RouteReason {
    /// The model passed its gate against the tier above.
    ProvenBetter,
    /// The tiers below have too little data to be judged.
    NotEnoughData,
    /// The tiers below were judged and not proven better.
    NotProven,
    /// The tenant's policy names this tier or version.
    Pinned,
    /// A better model was meant, but could not be used.
    FallbackUnavailable,
}

impl RouteReason {
    /// The stable code of the reason.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::ProvenBetter => "PROVEN_BETTER",
            Self::NotEnoughData => "NOT_ENOUGH_DATA",
            Self::NotProven => "NOT_PROVEN",
            Self::Pinned => "PINNED",
            Self::FallbackUnavailable => "FALLBACK_UNAVAILABLE",
        }
    }
}

/// What the tenant wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// The best proven tier.
    #[default]
    Auto,
    /// This tier, proven or not.
    Pinned(Tier),
}

/// A model that could serve, with what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The model.
    pub model: ModelName,
    /// It passed its gate against the tier above, or an administrator promoted it.
    pub proven: bool,
    /// It is resident, or can be made so.
    pub healthy: bool,
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
}

/// Chooses the model for a request.
///
/// `candidates` are the models of this tenant's own chain only (tenant, its vertical, global), any
/// order; `judged` says whether a model of the tenant was ever weighed by the gate with enough
/// data; `global` is the model that ships with the code and cannot be missing, so there is always
/// an answer.
#[must_use]
pub fn choose_route(
    policy: Policy,
    candidates: &[Candidate],
    judged: bool,
    global: &ModelName,
) -> Route {
    let mut chain: Vec<&Candidate> = candidates
        .iter()
        .filter(|candidate| match policy {
            Policy::Auto => candidate.proven,
            Policy::Pinned(tier) => candidate.model.tier() <= tier,
        })
        .collect();
    // The most specific tier first; of one tier the newest version.
    chain.sort_by_key(|c| std::cmp::Reverse((c.model.tier(), c.model.version)));
    let mut fallbacks = Vec::new();
    for candidate in chain {
        if candidate.healthy {
            let reason = reason_for(policy, candidate.model.tier(), &fallbacks);
            return Route {
                model: candidate.model.clone(),
                reason,
                fallbacks,
            };
        }
        fallbacks.push(FallbackNote {
            model: candidate.model.clone(),
            reason: RouteReason::FallbackUnavailable,
        });
    }
    let reason = match (fallbacks.is_empty(), policy) {
        (false, _) => RouteReason::FallbackUnavailable,
        (true, Policy::Pinned(Tier::Global)) => RouteReason::Pinned,
        (true, _) if judged => RouteReason::NotProven,
        (true, _) => RouteReason::NotEnoughData,
    };
    Route {
        model: global.clone(),
        reason,
        fallbacks,
    }
}

fn reason_for(policy: Policy, tier: Tier, fallbacks: &[FallbackNote]) -> RouteReason {
    match policy {
        _ if !fallbacks.is_empty() => RouteReason::FallbackUnavailable,
        Policy::Pinned(wanted) if wanted == tier => RouteReason::Pinned,
        Policy::Pinned(_) => RouteReason::NotEnoughData,
        Policy::Auto => RouteReason::ProvenBetter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ModelOwner, TaskId, TenantId, VerticalId};
    use proptest::prelude::*;

    fn model(tier: Tier, version: u64) -> ModelName {
        let owner = match tier {
            Tier::Global => ModelOwner::Global,
            Tier::Vertical => ModelOwner::Vertical(VerticalId::parse("v").unwrap()),
            Tier::Tenant => ModelOwner::Tenant(TenantId::parse("t").unwrap()),
        };
        ModelName {
            owner,
            task: TaskId::experts(),
            version,
        }
    }

    fn tiers() -> impl Strategy<Value = Tier> {
        prop_oneof![Just(Tier::Global), Just(Tier::Vertical), Just(Tier::Tenant)]
    }

    fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
        prop::collection::vec((tiers(), 1u64..5, any::<bool>(), any::<bool>()), 0..6).prop_map(
            |all| {
                all.into_iter()
                    .map(|(tier, version, proven, healthy)| Candidate {
                        model: model(tier, version),
                        proven,
                        healthy,
                    })
                    .collect()
            },
        )
    }

    proptest! {
        #[test]
        fn there_is_always_an_answer_and_it_is_usable(all in candidates(), judged: bool) {
            let global = model(Tier::Global, 0);
            let route = choose_route(Policy::Auto, &all, judged, &global);
            let usable = all.iter().any(|c| c.model == route.model && c.healthy && c.proven);
            prop_assert!(usable || route.model == global);
        }

        #[test]
        fn nothing_better_that_works_is_passed_over(all in candidates(), judged: bool) {
            let route = choose_route(Policy::Auto, &all, judged, &model(Tier::Global, 0));
            for c in all.iter().filter(|c| c.healthy && c.proven) {
                prop_assert!(c.model.tier() <= route.model.tier());
            }
        }

        #[test]
        fn the_order_of_candidates_does_not_matter(all in candidates(), judged: bool) {
            let global = model(Tier::Global, 0);
            let mut reversed = all.clone();
            reversed.reverse();
            prop_assert_eq!(
                choose_route(Policy::Auto, &all, judged, &global).model,
                choose_route(Policy::Auto, &reversed, judged, &global).model
            );
        }

        #[test]
        fn a_pin_is_never_exceeded(all in candidates(), tier in tiers()) {
            let route = choose_route(Policy::Pinned(tier), &all, true, &model(Tier::Global, 0));
            prop_assert!(route.model.tier() <= tier);
        }
    }

    #[test]
    fn a_broken_champion_is_named_in_the_fallbacks() {
        let broken = Candidate {
            model: model(Tier::Tenant, 2),
            proven: true,
            healthy: false,
        };
        let route = choose_route(Policy::Auto, &[broken], true, &model(Tier::Global, 0));
        assert_eq!(route.reason, RouteReason::FallbackUnavailable);
        assert_eq!(route.fallbacks.len(), 1);
    }
}
