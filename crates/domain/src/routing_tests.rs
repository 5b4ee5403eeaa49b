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

fn candidate(tier: Tier, version: u64, standing: Standing) -> Candidate {
    Candidate {
        model: model(tier, version),
        standing,
        healthy: true,
        expected: Duration::from_millis(10),
    }
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

fn auto(candidates: &[Candidate], unproven: Unproven) -> Route {
    let policy = policy(RoutingMode::Auto);
    choose_route(&policy, Ask::default(), candidates, unproven, &built_in())
}

fn built_in() -> ModelName {
    model(Tier::Global, 0)
}

fn tiers() -> impl Strategy<Value = Tier> {
    prop_oneof![Just(Tier::Global), Just(Tier::Vertical), Just(Tier::Tenant)]
}

fn standings() -> impl Strategy<Value = Standing> {
    prop_oneof![
        Just(Standing::Kept),
        Just(Standing::Challenger),
        Just(Standing::Champion)
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

fn asks() -> impl Strategy<Value = Ask> {
    (0u8..100, prop::option::of(0u64..40)).prop_map(|(bucket, millis)| Ask {
        bucket,
        remaining: millis.map(Duration::from_millis),
    })
}

fn unprovens() -> impl Strategy<Value = Unproven> {
    prop_oneof![
        Just(Unproven::NotEnoughData),
        Just(Unproven::NotProven),
        Just(Unproven::RolledBack),
        Just(Unproven::SteppedBack)
    ]
}

prop_compose! {
    fn candidates()(all in prop::collection::vec(
        (tiers(), 1u64..5, standings(), any::<bool>(), 0u64..40), 0..8)) -> Vec<Candidate> {
        let mut seen = std::collections::HashSet::new();
        all.into_iter()
            .filter(|(tier, version, ..)| seen.insert((*tier, *version)))
            .map(|(tier, version, standing, healthy, millis)| Candidate {
                healthy,
                expected: Duration::from_millis(millis),
                ..candidate(tier, version, standing)
            })
            .collect()
    }
}

proptest! {
    #[test]
    fn a_model_that_is_not_worth_it_serves_only_where_it_is_named(
        mode in modes(), ask in asks(), all in candidates(), unproven in unprovens(),
        verdict in verdicts(), only_if_worth_it in any::<bool>(),
    ) {
        let policy = RoutingPolicy { only_if_worth_it, ..policy(mode) };
        let route = choose_worthy_route(&policy, ask, &all, unproven, &built_in(), verdict);
        let plain = choose_route(&policy, ask, &all, unproven, &built_in());
        let pinned = policy.mode.as_str() == "PINNED";
        if pinned || !only_if_worth_it || verdict != Some(ValueVerdict::NotWorthIt) {
            prop_assert_eq!(&route, &plain);
            return Ok(());
        }
        let own = |c: &Candidate| {
            c.standing == Standing::Champion && c.model.tier() == Tier::Tenant
        };
        prop_assert!(!all.iter().any(|c| own(c) && c.model == route.model));
        let usable = |c: &Candidate| {
            c.healthy && ask.remaining.is_none_or(|left| c.expected <= left)
        };
        let known = all.iter().any(|c| c.model == route.model && usable(c));
        prop_assert!(known || route.model == built_in());
        // It is told so exactly where there was a model to withhold, and nothing broke besides.
        if route.reason == RouteReason::CostNotJustified {
            prop_assert!(all.iter().any(own) && route.fallbacks.is_empty());
        } else if !all.iter().any(own) {
            prop_assert_eq!(&route, &plain);
        }
    }

    #[test]
    fn there_is_always_an_answer_and_it_is_usable(
        mode in modes(), ask in asks(), all in candidates(), unproven in unprovens(),
    ) {
        let route = choose_route(&policy(mode), ask, &all, unproven, &built_in());
        let usable = all.iter().any(|c| {
            c.model == route.model && c.healthy && ask.remaining.is_none_or(|left| c.expected <= left)
        });
        prop_assert!(usable || route.model == built_in());
    }

    #[test]
    fn auto_serves_only_what_is_proven_and_passes_nothing_better_over(
        ask in asks(), all in candidates(), unproven in unprovens(),
    ) {
        let route = choose_route(&policy(RoutingMode::Auto), ask, &all, unproven, &built_in());
        let in_time = |c: &&Candidate| ask.remaining.is_none_or(|left| c.expected <= left);
        for c in all.iter().filter(|c| c.healthy && c.standing == Standing::Champion).filter(in_time) {
            prop_assert!(c.model.tier() <= route.model.tier());
        }
        let serving = all.iter().find(|c| c.model == route.model);
        prop_assert!(serving.is_none_or(|c| c.standing == Standing::Champion));
    }

    #[test]
    fn the_order_of_candidates_does_not_matter(
        mode in modes(), ask in asks(), all in candidates(), unproven in unprovens(),
    ) {
        let mut reversed = all.clone();
        reversed.reverse();
        let policy = policy(mode);
        prop_assert_eq!(
            choose_route(&policy, ask, &all, unproven, &built_in()),
            choose_route(&policy, ask, &reversed, unproven, &built_in())
        );
    }

    #[test]
    fn a_pin_is_never_exceeded(tier in tiers(), ask in asks(), all in candidates()) {
        let pin = policy(RoutingMode::PinnedTier(tier));
        let route = choose_route(&pin, ask, &all, Unproven::NotProven, &built_in());
        prop_assert!(route.model.tier() <= tier);
    }

    #[test]
    fn the_kill_switch_is_stronger_than_any_mode(mode in modes(), ask in asks(), all in candidates()) {
        let policy = RoutingPolicy { kill_switch: true, ..policy(mode) };
        let route = choose_route(&policy, ask, &all, Unproven::NotProven, &built_in());
        prop_assert_eq!(route.model, built_in());
        prop_assert_eq!(route.reason, RouteReason::KillSwitch);
        prop_assert_eq!(route.shadow, None);
    }

    #[test]
    fn a_key_once_in_the_canary_stays_in_it_as_it_grows(
        all in candidates(), ask in asks(), small in 1u8..50, more in 1u8..49,
    ) {
        let route = |percent| {
            let canary = policy(RoutingMode::Canary { percent });
            choose_route(&canary, ask, &all, Unproven::NotProven, &built_in())
        };
        if route(small).reason == RouteReason::Canary {
            prop_assert_eq!(route(small), route(small + more));
        }
    }

    #[test]
    fn a_shadow_never_changes_the_answer(ask in asks(), all in candidates(), unproven in unprovens()) {
        let auto = choose_route(&policy(RoutingMode::Auto), ask, &all, unproven, &built_in());
        let shadow = choose_route(&policy(RoutingMode::Shadow), ask, &all, unproven, &built_in());
        prop_assert_ne!(shadow.shadow.as_ref(), Some(&shadow.model));
        prop_assert_eq!(Route { shadow: None, ..shadow }, auto);
    }

    #[test]
    fn every_fallback_says_what_was_wrong(mode in modes(), ask in asks(), all in candidates()) {
        let route = choose_route(&policy(mode), ask, &all, Unproven::NotProven, &built_in());
        for note in &route.fallbacks {
            let meant = all.iter().find(|c| c.model == note.model).unwrap();
            let late = ask.remaining.is_some_and(|left| meant.expected > left);
            let true_reason = match note.reason {
                RouteReason::FallbackUnavailable => !meant.healthy,
                RouteReason::FallbackDeadline => late,
                _ => false,
            };
            prop_assert!(true_reason);
        }
        prop_assert!(route.fallbacks.iter().all(|note| note.model != route.model));
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
        healthy: false,
        ..candidate(Tier::Tenant, 2, Standing::Champion)
    };
    let route = auto(&[broken], Unproven::NotProven);
    assert_eq!(route.reason, RouteReason::FallbackUnavailable);
    assert_eq!(route.fallbacks.len(), 1);
}

#[test]
fn a_tenant_without_a_champion_is_told_why() {
    let global = candidate(Tier::Global, 3, Standing::Champion);
    for (unproven, code) in [
        (Unproven::NotEnoughData, "NOT_ENOUGH_DATA"),
        (Unproven::NotProven, "NOT_PROVEN"),
        (Unproven::RolledBack, "ROLLED_BACK"),
        (Unproven::SteppedBack, "STEPPED_BACK"),
    ] {
        assert_eq!(auto(&[], unproven).reason.code(), code);
        assert_eq!(
            auto(std::slice::from_ref(&global), unproven).reason.code(),
            code
        );
    }
    let vertical = candidate(Tier::Vertical, 1, Standing::Champion);
    let route = auto(&[global, vertical], Unproven::NotProven);
    assert_eq!(
        (route.model.tier(), route.reason),
        (Tier::Vertical, RouteReason::ProvenBetter)
    );
}

#[test]
fn a_pinned_tier_serves_its_newest_version_even_unproven() {
    let kept = candidate(Tier::Tenant, 4, Standing::Kept);
    let pin = policy(RoutingMode::PinnedTier(Tier::Tenant));
    let route = choose_route(
        &pin,
        Ask::default(),
        std::slice::from_ref(&kept),
        Unproven::NotProven,
        &built_in(),
    );
    assert_eq!(
        (route.model, route.reason),
        (kept.model, RouteReason::Pinned)
    );
}

#[test]
fn a_pinned_tier_without_a_version_is_said_to_be_out() {
    let vertical = candidate(Tier::Vertical, 2, Standing::Champion);
    let pin = policy(RoutingMode::PinnedTier(Tier::Tenant));
    let route = choose_route(
        &pin,
        Ask::default(),
        std::slice::from_ref(&vertical),
        Unproven::NotEnoughData,
        &built_in(),
    );
    assert_eq!(
        (route.model, route.reason),
        (vertical.model, RouteReason::FallbackUnavailable)
    );
}

#[test]
fn a_model_of_a_space_that_was_left_is_named_with_that_reason() {
    let left = candidate(Tier::Tenant, 3, Standing::Champion);
    let unhealthy = Candidate {
        healthy: false,
        ..left.clone()
    };
    let damaged = Candidate {
        healthy: false,
        ..candidate(Tier::Vertical, 2, Standing::Champion)
    };
    let is_left = |name: &ModelName| (*name == left.model).then_some(RouteReason::SpaceChanged);
    let candidates = [unhealthy, damaged.clone()];
    let route = auto(&candidates, Unproven::default()).explaining(is_left);
    assert_eq!(route.model, built_in());
    assert_eq!(route.reason, RouteReason::SpaceChanged);
    let reasons: Vec<_> = route.fallbacks.iter().map(|note| note.reason).collect();
    assert_eq!(
        reasons,
        [RouteReason::SpaceChanged, RouteReason::FallbackUnavailable]
    );
    // Where another one was meant first, that one's trouble stays the reason.
    let route = auto(&[damaged], Unproven::default()).explaining(is_left);
    assert_eq!(route.reason, RouteReason::FallbackUnavailable);
    // One that serves is left alone.
    let route = auto(std::slice::from_ref(&left), Unproven::default()).explaining(is_left);
    assert_eq!(
        (route.model, route.reason),
        (left.model.clone(), RouteReason::ProvenBetter)
    );
}

proptest! {
    /// Whatever is wrong with which models: one that is out of date is never chosen, and its reason is told
    /// exactly where it was passed over.
    #[test]
    fn what_is_out_of_date_never_serves_and_is_named(
        troubles in prop::collection::vec((0..3u8, 1..4u64), 1..4)
    ) {
        let candidates: Vec<Candidate> = troubles
            .iter()
            .zip([Tier::Tenant, Tier::Vertical, Tier::Global])
            .map(|((trouble, version), tier)| Candidate {
                healthy: *trouble == 0,
                ..candidate(tier, *version, Standing::Champion)
            })
            .collect();
        let changed = |name: &ModelName| {
            let at = candidates.iter().position(|one| one.model == *name);
            at.filter(|at| troubles[*at].0 == 2).map(|_| RouteReason::TaskChanged)
        };
        let route = auto(&candidates, Unproven::default()).explaining(changed);
        prop_assert_eq!(changed(&route.model), None);
        for note in &route.fallbacks {
            let told = note.reason == RouteReason::TaskChanged;
            prop_assert_eq!(told, changed(&note.model).is_some());
        }
        if let Some(first) = route.fallbacks.first() {
            prop_assert_eq!(route.reason, first.reason);
        }
    }
}

#[test]
fn the_tier_above_serves_while_the_own_model_is_not_worth_it() {
    let all = [
        candidate(Tier::Tenant, 3, Standing::Champion),
        candidate(Tier::Vertical, 2, Standing::Champion),
    ];
    let policy = RoutingPolicy {
        only_if_worth_it: true,
        ..RoutingPolicy::default()
    };
    let route = |verdict| {
        let unproven = Unproven::default();
        choose_worthy_route(
            &policy,
            Ask::default(),
            &all,
            unproven,
            &built_in(),
            verdict,
        )
    };
    let costly = route(Some(ValueVerdict::NotWorthIt));
    assert_eq!(costly.model, model(Tier::Vertical, 2));
    assert_eq!(costly.reason.code(), "COST_NOT_JUSTIFIED");
    for verdict in [
        None,
        Some(ValueVerdict::WorthIt),
        Some(ValueVerdict::NotEnoughFeedback),
    ] {
        assert_eq!(route(verdict).model, model(Tier::Tenant, 3));
    }
    let alone = choose_worthy_route(
        &policy,
        Ask::default(),
        &all[..1],
        Unproven::default(),
        &built_in(),
        Some(ValueVerdict::NotWorthIt),
    );
    assert_eq!(alone.model, built_in());
    assert_eq!(alone.reason, RouteReason::CostNotJustified);
}
