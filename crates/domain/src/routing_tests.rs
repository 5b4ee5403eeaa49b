//! The routing decision, by properties and by example.

use proptest::prelude::*;

use super::*;
use crate::{ModelOwner, TaskId, TenantId, VerticalId};

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

fn candidate(tier: Tier, version: u64, role: ModelRole) -> Candidate {
    Candidate {
        model: model(tier, version),
        role,
        health: ModelHealth::Ready,
    }
}

fn is_usable(candidate: &Candidate, request: RouteRequest) -> bool {
    candidate.health == ModelHealth::Ready && !request.embedding_late
}

fn policy(mode: RoutingMode) -> RoutingPolicy {
    RoutingPolicy {
        mode,
        ..RoutingPolicy::default()
    }
}

fn verdicts() -> impl Strategy<Value = Option<ValueVerdict>> {
    prop::option::of(prop::sample::select(ValueVerdict::ALL.to_vec()))
}

fn auto(candidates: &[Candidate], no_champion: NoChampionReason) -> Route {
    let policy = policy(RoutingMode::Auto);
    let request = RouteRequest::default();
    choose_route(&policy, request, candidates, no_champion, &built_in())
}

fn built_in() -> ModelName {
    model(Tier::Global, 0)
}

fn tiers() -> impl Strategy<Value = Tier> {
    prop_oneof![Just(Tier::Global), Just(Tier::Vertical), Just(Tier::Tenant)]
}

fn roles() -> impl Strategy<Value = ModelRole> {
    prop_oneof![
        Just(ModelRole::Unaliased),
        Just(ModelRole::Challenger),
        Just(ModelRole::Champion)
    ]
}

fn healths() -> impl Strategy<Value = ModelHealth> {
    prop_oneof![
        3 => Just(ModelHealth::Ready),
        1 => Just(ModelHealth::Unavailable),
        1 => Just(ModelHealth::StaleSpace),
        1 => Just(ModelHealth::StaleTask),
    ]
}

fn modes() -> impl Strategy<Value = RoutingMode> {
    prop_oneof![
        Just(RoutingMode::Auto),
        Just(RoutingMode::Shadow),
        tiers().prop_map(RoutingMode::PinnedTier),
        (tiers(), 1u64..5).prop_map(|(t, v)| RoutingMode::PinnedVersion(model(t, v))),
        (1u8..100).prop_map(|percent| RoutingMode::Canary { percent }),
    ]
}

fn requests() -> impl Strategy<Value = RouteRequest> {
    (0u8..100, any::<bool>(), verdicts()).prop_map(|(bucket, embedding_late, own_model)| {
        RouteRequest {
            bucket,
            embedding_late,
            own_model,
        }
    })
}

fn no_champions() -> impl Strategy<Value = NoChampionReason> {
    prop_oneof![
        Just(NoChampionReason::NotEnoughData),
        Just(NoChampionReason::NotProven),
        Just(NoChampionReason::RolledBack),
        Just(NoChampionReason::SteppedBack)
    ]
}

prop_compose! {
    fn candidates()(all in prop::collection::vec(
        (tiers(), 1u64..5, roles(), healths()), 0..8)) -> Vec<Candidate> {
        let mut seen = std::collections::HashSet::new();
        all.into_iter()
            .filter(|(tier, version, ..)| seen.insert((*tier, *version)))
            .map(|(tier, version, role, health)| Candidate {
                health,
                ..candidate(tier, version, role)
            })
            .collect()
    }
}

proptest! {
    #[test]
    fn a_model_that_is_not_worth_it_serves_only_where_it_is_named(
        mode in modes(), request in requests(), all in candidates(), no_champion in no_champions(),
        require_cost_effective in any::<bool>(),
    ) {
        let policy = RoutingPolicy { require_cost_effective, ..policy(mode) };
        let route = choose_route(&policy, request, &all, no_champion, &built_in());
        let unjudged = RouteRequest { own_model: None, ..request };
        let plain = choose_route(&policy, unjudged, &all, no_champion, &built_in());
        let pinned = policy.mode.as_str() == "PINNED";
        if pinned || !require_cost_effective || request.own_model != Some(ValueVerdict::NotCostEffective) {
            prop_assert_eq!(&route, &plain);
            return Ok(());
        }
        prop_assert!(!all.iter().any(|c| c.is_own_champion() && c.model == route.model));
        let known = all.iter().any(|c| c.model == route.model && is_usable(c, request));
        prop_assert!(known || route.model == built_in());
        // The reason is the cost exactly where there was a model to withhold, and nothing broke besides.
        if route.reason == RouteReason::CostNotJustified {
            prop_assert!(all.iter().any(Candidate::is_own_champion) && route.fallbacks.is_empty());
        } else if !all.iter().any(Candidate::is_own_champion) {
            prop_assert_eq!(&route, &plain);
        }
    }

    #[test]
    fn a_late_embedding_leaves_the_built_in_model_and_is_the_reason(
        mode in modes(), request in requests(), all in candidates(), no_champion in no_champions(),
        require_cost_effective in any::<bool>(),
    ) {
        let policy = RoutingPolicy { require_cost_effective, ..policy(mode) };
        let late = RouteRequest { embedding_late: true, ..request };
        let route = choose_route(&policy, late, &all, no_champion, &built_in());
        prop_assert_eq!(&route.model, &built_in());
        prop_assert_eq!(route.reason, RouteReason::FallbackDeadline);
        prop_assert_eq!(route.shadow, None);
        let in_time = RouteRequest { embedding_late: false, ..request };
        let route = choose_route(&policy, in_time, &all, no_champion, &built_in());
        prop_assert_ne!(route.reason, RouteReason::FallbackDeadline);
    }

    #[test]
    fn there_is_always_an_answer_and_it_is_usable(
        mode in modes(), request in requests(), all in candidates(), no_champion in no_champions(),
    ) {
        let route = choose_route(&policy(mode), request, &all, no_champion, &built_in());
        let usable = all.iter().any(|c| c.model == route.model && is_usable(c, request));
        prop_assert!(usable || route.model == built_in());
    }

    #[test]
    fn auto_serves_only_what_is_proven_and_passes_nothing_better_over(
        request in requests(), all in candidates(), no_champion in no_champions(),
    ) {
        let route = choose_route(&policy(RoutingMode::Auto), request, &all, no_champion, &built_in());
        for c in all.iter().filter(|c| is_usable(c, request) && c.role == ModelRole::Champion) {
            prop_assert!(c.model.tier() <= route.model.tier());
        }
        let serving = all.iter().find(|c| c.model == route.model);
        prop_assert!(serving.is_none_or(|c| c.role == ModelRole::Champion));
    }

    #[test]
    fn the_order_of_candidates_does_not_matter(
        mode in modes(), request in requests(), all in candidates(), no_champion in no_champions(),
    ) {
        let mut reversed = all.clone();
        reversed.reverse();
        let policy = policy(mode);
        prop_assert_eq!(
            choose_route(&policy, request, &all, no_champion, &built_in()),
            choose_route(&policy, request, &reversed, no_champion, &built_in())
        );
    }

    #[test]
    fn a_pin_is_never_exceeded(tier in tiers(), request in requests(), all in candidates()) {
        let pin = policy(RoutingMode::PinnedTier(tier));
        let route = choose_route(&pin, request, &all, NoChampionReason::NotProven, &built_in());
        prop_assert!(route.model.tier() <= tier);
    }

    #[test]
    fn the_kill_switch_is_stronger_than_any_mode(mode in modes(), request in requests(), all in candidates()) {
        let policy = RoutingPolicy { kill_switch: true, ..policy(mode) };
        let route = choose_route(&policy, request, &all, NoChampionReason::NotProven, &built_in());
        prop_assert_eq!(route.model, built_in());
        prop_assert_eq!(route.reason, RouteReason::KillSwitch);
        prop_assert_eq!(route.shadow, None);
    }

    #[test]
    fn a_key_once_in_the_canary_stays_in_it_as_it_grows(
        all in candidates(), request in requests(), small in 1u8..50, more in 1u8..49,
    ) {
        let route = |percent| {
            let canary = policy(RoutingMode::Canary { percent });
            choose_route(&canary, request, &all, NoChampionReason::NotProven, &built_in())
        };
        if route(small).reason == RouteReason::Canary {
            prop_assert_eq!(route(small), route(small + more));
        }
    }

    #[test]
    fn a_shadow_never_changes_the_answer(request in requests(), all in candidates(), no_champion in no_champions()) {
        let auto = choose_route(&policy(RoutingMode::Auto), request, &all, no_champion, &built_in());
        let shadow = choose_route(&policy(RoutingMode::Shadow), request, &all, no_champion, &built_in());
        prop_assert_ne!(shadow.shadow.as_ref(), Some(&shadow.model));
        prop_assert_eq!(Route { shadow: None, ..shadow }, auto);
    }

    #[test]
    fn every_fallback_says_what_was_wrong(mode in modes(), request in requests(), all in candidates()) {
        let route = choose_route(&policy(mode), request, &all, NoChampionReason::NotProven, &built_in());
        for note in &route.fallbacks {
            let meant = all.iter().find(|c| c.model == note.model).unwrap();
            let expected = match meant.health {
                ModelHealth::Unavailable => RouteReason::FallbackUnavailable,
                ModelHealth::StaleSpace => RouteReason::SpaceChanged,
                ModelHealth::StaleTask => RouteReason::TaskChanged,
                ModelHealth::Ready => RouteReason::FallbackDeadline,
            };
            prop_assert_eq!(note.reason, expected);
            prop_assert!(meant.health != ModelHealth::Ready || request.embedding_late);
        }
        prop_assert!(route.fallbacks.iter().all(|note| note.model != route.model));
        if let Some(first) = route.fallbacks.first().filter(|_| !request.embedding_late) {
            prop_assert_eq!(route.reason, first.reason);
        }
    }

    #[test]
    fn buckets_are_percent(key in ".{0,40}") {
        prop_assert!(bucket("acme", &key) < 100);
    }
}

#[test]
fn buckets_are_even_and_differ_by_tenant() {
    let mut counts = [0_u32; 100];
    let mut same = 0;
    for key in 0..100_000 {
        let key = key.to_string();
        counts[usize::from(bucket("acme", &key))] += 1;
        same += u32::from(bucket("acme", &key) == bucket("other", &key));
    }
    assert!(counts.iter().all(|n| (850..1150).contains(n)), "{counts:?}");
    assert!((850..1150).contains(&same), "{same}");
}

#[test]
fn a_broken_champion_is_named_in_the_fallbacks() {
    let broken = Candidate {
        health: ModelHealth::Unavailable,
        ..candidate(Tier::Tenant, 2, ModelRole::Champion)
    };
    let route = auto(&[broken], NoChampionReason::NotProven);
    assert_eq!(route.reason, RouteReason::FallbackUnavailable);
    assert_eq!(route.fallbacks.len(), 1);
}

#[test]
fn a_tenant_without_a_champion_is_told_why() {
    let global = candidate(Tier::Global, 3, ModelRole::Champion);
    for (no_champion, code) in [
        (NoChampionReason::NotEnoughData, "NOT_ENOUGH_DATA"),
        (NoChampionReason::NotProven, "NOT_PROVEN"),
        (NoChampionReason::RolledBack, "ROLLED_BACK"),
        (NoChampionReason::SteppedBack, "STEPPED_BACK"),
    ] {
        assert_eq!(auto(&[], no_champion).reason.code(), code);
        assert_eq!(
            auto(std::slice::from_ref(&global), no_champion)
                .reason
                .code(),
            code
        );
    }
    let vertical = candidate(Tier::Vertical, 1, ModelRole::Champion);
    let route = auto(&[global, vertical], NoChampionReason::NotProven);
    assert_eq!(
        (route.model.tier(), route.reason),
        (Tier::Vertical, RouteReason::ProvenBetter)
    );
}

#[test]
fn a_pinned_tier_serves_its_newest_version_even_unproven() {
    let stored = candidate(Tier::Tenant, 4, ModelRole::Unaliased);
    let pin = policy(RoutingMode::PinnedTier(Tier::Tenant));
    let route = choose_route(
        &pin,
        RouteRequest::default(),
        std::slice::from_ref(&stored),
        NoChampionReason::NotProven,
        &built_in(),
    );
    assert_eq!(
        (route.model, route.reason),
        (stored.model, RouteReason::Pinned)
    );
}

#[test]
fn a_pinned_tier_without_a_version_is_said_to_be_out() {
    let vertical = candidate(Tier::Vertical, 2, ModelRole::Champion);
    let pin = policy(RoutingMode::PinnedTier(Tier::Tenant));
    let route = choose_route(
        &pin,
        RouteRequest::default(),
        std::slice::from_ref(&vertical),
        NoChampionReason::NotEnoughData,
        &built_in(),
    );
    assert_eq!(
        (route.model, route.reason),
        (vertical.model, RouteReason::FallbackUnavailable)
    );
}

#[test]
fn a_model_of_a_space_that_was_left_is_named_with_that_reason() {
    let stale = Candidate {
        health: ModelHealth::StaleSpace,
        ..candidate(Tier::Tenant, 3, ModelRole::Champion)
    };
    let damaged = Candidate {
        health: ModelHealth::Unavailable,
        ..candidate(Tier::Vertical, 2, ModelRole::Champion)
    };
    let route = auto(&[stale, damaged.clone()], NoChampionReason::default());
    assert_eq!(route.model, built_in());
    assert_eq!(route.reason, RouteReason::SpaceChanged);
    let reasons: Vec<_> = route.fallbacks.iter().map(|note| note.reason).collect();
    assert_eq!(
        reasons,
        [RouteReason::SpaceChanged, RouteReason::FallbackUnavailable]
    );
    // Where another one was meant first, that one's obstacle stays the reason.
    let route = auto(&[damaged], NoChampionReason::default());
    assert_eq!(route.reason, RouteReason::FallbackUnavailable);
}

#[test]
fn the_tier_above_serves_while_the_own_model_is_not_worth_it() {
    let all = [
        candidate(Tier::Tenant, 3, ModelRole::Champion),
        candidate(Tier::Vertical, 2, ModelRole::Champion),
    ];
    let policy = RoutingPolicy {
        require_cost_effective: true,
        ..RoutingPolicy::default()
    };
    let route = |candidates: &[Candidate], own_model| {
        let request = RouteRequest {
            own_model,
            ..RouteRequest::default()
        };
        let no_champion = NoChampionReason::default();
        choose_route(&policy, request, candidates, no_champion, &built_in())
    };
    let costly = route(&all, Some(ValueVerdict::NotCostEffective));
    assert_eq!(costly.model, model(Tier::Vertical, 2));
    assert_eq!(costly.reason.code(), "COST_NOT_JUSTIFIED");
    for verdict in [
        None,
        Some(ValueVerdict::CostEffective),
        Some(ValueVerdict::NotEnoughFeedback),
    ] {
        assert_eq!(route(&all, verdict).model, model(Tier::Tenant, 3));
    }
    let alone = route(&all[..1], Some(ValueVerdict::NotCostEffective));
    assert_eq!(alone.model, built_in());
    assert_eq!(alone.reason, RouteReason::CostNotJustified);
}
