//! Conversions, by example.

use chrono::DateTime;
use domain::{
    ExpertId, FallbackNote, FeatureContribution, Item, ItemContent, ItemId, Recommended,
    RouteReason, TenantId,
};
use serving::experts::Precomputed;
use serving::tasks::{Classified, PredictedLabel};

use super::*;

fn ctx() -> TenantContext {
    TenantContext::for_background_work(&TenantId::parse("acme").unwrap(), "test")
}

fn route() -> Route {
    Route {
        model: "global/models/experts/versions/0".parse().unwrap(),
        reason: RouteReason::SpaceChanged,
        fallbacks: vec![FallbackNote {
            model: "tenants/acme/models/experts/versions/3".parse().unwrap(),
            reason: RouteReason::SpaceChanged,
        }],
        shadow: None,
    }
}

fn expert(id: &str) -> RankedExpert {
    RankedExpert {
        id: ExpertId::parse(id).unwrap(),
        display_name: id.to_uppercase(),
        score: 2.5,
        probability: 0.75,
        contributions: vec![FeatureContribution {
            feature: "dense".to_owned(),
            value: 1.0,
            contribution: 0.5,
        }],
        evidence: vec![Evidence {
            item: ItemId::parse("q-1").unwrap(),
            similarity: 0.875,
            occurred_at: DateTime::UNIX_EPOCH,
        }],
    }
}

fn answer(served_by: ServedBy, experts: usize) -> ExpertAnswer {
    ExpertAnswer {
        recommended: Recommended {
            served_by,
            experts: (0..experts).map(|n| expert(&format!("e{n}"))).collect(),
        },
        shadow: None,
        truncated: true,
        times: StageTimes {
            total: Duration::from_millis(5),
            ..StageTimes::default()
        },
        precomputed: None,
    }
}

#[test]
fn an_answer_is_told_with_its_evidence_and_its_route() {
    let wire = recommendation_to_wire(
        &ctx(),
        "r-1".to_owned(),
        answer(ServedBy::Route(route()), 1),
    );
    assert_eq!((wire.request_id.as_str(), wire.truncated), ("r-1", true));
    assert_eq!((wire.precompute_time, wire.stale), (None, false));
    let one = &wire.recommendations[0];
    assert_eq!(
        (one.expert_id.as_str(), one.display_name.as_str()),
        ("e0", "E0")
    );
    assert_eq!((one.score, one.probability), (2.5, 0.75));
    assert_eq!(one.contributions[0].feature, "dense");
    assert_eq!(one.evidence[0].item, "tenants/acme/items/q-1");
    let route = wire.route.unwrap();
    assert_eq!(route.reason, "SPACE_CHANGED");
    assert_eq!(route.tier(), v1::Tier::Global);
    let note = "tenants/acme/models/experts/versions/3 (SPACE_CHANGED)";
    assert_eq!(route.fallbacks, [note]);
    let total = wire.timings.unwrap().total.unwrap();
    assert_eq!(total.nanos, 5_000_000);
}

#[test]
fn what_was_asked_for_by_name_is_told_as_requested() {
    let baseline = ServedBy::Baseline("popular".to_owned());
    let wire = recommendation_to_wire(&ctx(), String::new(), answer(baseline, 0));
    let route = wire.route.unwrap();
    assert_eq!(route.model, "baseline:popular");
    assert_eq!(
        (route.tier(), route.reason.as_str()),
        (v1::Tier::Tenant, "REQUESTED")
    );
}

#[test]
fn an_open_item_shows_the_first_experts_of_its_answer() {
    let open = |answer| OpenItem {
        item: Item {
            content: ItemContent {
                id: ItemId::parse("q-7").unwrap(),
                text: "Why?".to_owned(),
                answer: None,
                area: None,
                labels: Vec::new(),
                attributes: std::collections::BTreeMap::new(),
                experts: Vec::new(),
                occurred_at: DateTime::UNIX_EPOCH,
            },
            point: 1,
            revision: 1,
            change: 1,
            ingested_at: DateTime::UNIX_EPOCH,
        },
        answer,
    };
    let stale = Precomputed {
        at: DateTime::UNIX_EPOCH,
        stale: true,
    };
    let answer = ExpertAnswer {
        precomputed: Some(stale),
        ..answer(ServedBy::Route(route()), LISTED_EXPERTS + 2)
    };
    let wire = open_item_to_wire(&ctx(), open(Some(answer)));
    assert_eq!(wire.name, "tenants/acme/items/q-7");
    assert_eq!(wire.experts.len(), LISTED_EXPERTS);
    assert_eq!(wire.experts[0].expert_id, "e0");
    assert!(wire.stale && wire.precompute_time.is_some());
    let wire = open_item_to_wire(&ctx(), open(None));
    assert!(wire.experts.is_empty() && !wire.stale && wire.precompute_time.is_none());
}

#[test]
fn an_abstention_says_why() {
    let labels = [("billing", true), ("other", false)];
    let labels = labels.map(|(label, chosen)| PredictedLabel {
        label: label.to_owned(),
        confidence: 0.5,
        chosen,
    });
    let classified = Classified {
        served_by: ServedBy::Route(route()),
        method: "knn",
        labels: labels.to_vec(),
        value: None,
        abstained: Some(AbstainReason::LowConfidence),
        out_of_scope: false,
        threshold: 0.9,
        evidence: Vec::new(),
    };
    let answer = TaskAnswer {
        classified,
        truncated: false,
        times: StageTimes::default(),
    };
    let wire = classification_to_wire(&ctx(), "r".to_owned(), answer);
    assert!(wire.abstained);
    assert_eq!(wire.abstain_reason, AbstainReason::LowConfidence.code());
    assert_eq!((wire.method.as_str(), wire.threshold), ("knn", 0.9));
    let chosen: Vec<bool> = wire.predictions.iter().map(|one| one.chosen).collect();
    assert_eq!(chosen, [true, false]);
}
