//! Recommendations on a small history: real embeddings, a real database, no server.

use artifacts::ArtifactStore;
use domain::{
    Alias, AliasMoveCause, ErrorKind, ExpertId, Fault as _, Lineage, RouteReason, RoutingMode,
    RoutingPolicy, ServedBy, Tier, Verdict,
};
use learning::GLOBAL_RANKER;
use storage::{AliasMove, NewModel};

use super::*;
use crate::residency::{Concern, Source as _};
use crate::test_world::{World, day, expert, item};

pub(super) const ABOUT_SECURITY: &str = "Is our customer data encrypted?";

pub(super) fn query(text: &str) -> ExpertQuery {
    ExpertQuery {
        text: text.to_owned(),
        area: None,
        top_k: 5,
        choice: RankerChoice::Routed,
        routing_key: None,
        deadline: None,
    }
}

fn item_query(id: &str) -> ItemQuery {
    ItemQuery {
        item: domain::ItemId::parse(id).unwrap(),
        area: None,
        top_k: 5,
        choice: RankerChoice::Routed,
        routing_key: None,
        deadline: None,
        allow_stale: false,
    }
}

fn ids(answer: &ExpertAnswer) -> Vec<ExpertId> {
    let experts = answer.recommended.experts.iter();
    experts.map(|one| one.id.clone()).collect()
}

fn reason(answer: &ExpertAnswer) -> RouteReason {
    answer.recommended.served_by.reason()
}

#[tokio::test]
async fn who_answered_alike_is_recommended_with_the_evidence() {
    let world = World::new().await;
    world.history().await;
    let experts = world.experts();
    let answer = experts.recommend(&world.ctx, &query(ABOUT_SECURITY)).await;
    let answer = answer.unwrap();
    assert_eq!(ids(&answer), [expert("sofia"), expert("omar")]);
    let first = &answer.recommended.experts[0];
    assert_eq!(first.display_name, "SOFIA");
    assert!((0.0..=1.0).contains(&first.probability));
    assert!(!first.contributions.is_empty());
    assert_eq!(first.evidence.len(), 3);
    assert!(
        first
            .evidence
            .iter()
            .all(|one| one.item.as_str().starts_with('s'))
    );
    let similarities = first.evidence.iter().map(|one| one.similarity);
    assert!(similarities.is_sorted_by(|a, b| a >= b), "{first:?}");
    assert_eq!(reason(&answer), RouteReason::NotEnoughData);
    assert_eq!(answer.recommended.served_by.tier(), Tier::Global);
    assert!(!answer.truncated && answer.precomputed.is_none() && answer.shadow.is_none());
    let one = ExpertQuery {
        top_k: 1,
        ..query(ABOUT_SECURITY)
    };
    let one = experts.recommend(&world.ctx, &one).await.unwrap();
    assert_eq!(ids(&one), [expert("sofia")]);
}

#[tokio::test]
async fn who_cannot_take_work_is_not_recommended() {
    let world = World::new().await;
    world.history().await;
    let experts = world.experts();
    experts.view(&world.ctx).await.unwrap();
    world.list_expert("sofia", false, day(8)).await;
    experts.renew(&world.ctx).await;
    let answer = experts.recommend(&world.ctx, &query(ABOUT_SECURITY)).await;
    assert_eq!(ids(&answer.unwrap()), [expert("omar")]);
}

#[tokio::test]
async fn without_time_for_the_embedding_the_words_answer() {
    let world = World::new().await;
    world.history().await;
    let experts = world.experts();
    let hurried = ExpertQuery {
        deadline: Some(Duration::ZERO),
        ..query("How is customer data encrypted?")
    };
    let answer = experts.recommend(&world.ctx, &hurried).await.unwrap();
    assert_eq!(reason(&answer), RouteReason::FallbackDeadline);
    assert_eq!(ids(&answer)[0], expert("sofia"));
    let evidence = &answer.recommended.experts[0].evidence;
    assert!(!evidence.is_empty());
    assert!(evidence.iter().all(|one| one.similarity == 0.0));
}

#[tokio::test]
async fn a_baseline_answers_by_name_and_explains_nothing() {
    let world = World::new().await;
    world.history().await;
    let experts = world.experts();
    for baseline in Baseline::ALL {
        let asked = ExpertQuery {
            choice: RankerChoice::Baseline(baseline),
            ..query(ABOUT_SECURITY)
        };
        let answer = experts.recommend(&world.ctx, &asked).await.unwrap();
        let served_by = ServedBy::Baseline(baseline.name().to_owned());
        assert_eq!(answer.recommended.served_by, served_by);
        let mut ranked = answer.recommended.experts.iter();
        assert!(ranked.all(|one| one.contributions.is_empty() && one.probability == 0.0));
    }
}

#[tokio::test]
async fn a_model_that_is_not_the_tenants_is_not_found() {
    let world = World::new().await;
    world.history().await;
    let experts = world.experts();
    let named = |name: &str| ExpertQuery {
        choice: RankerChoice::Model(name.parse().unwrap()),
        ..query(ABOUT_SECURITY)
    };
    for name in [
        "tenants/acme/models/experts/versions/9",
        "tenants/other/models/experts/versions/1",
        "verticals/banking/models/experts/versions/1",
    ] {
        let error = experts
            .recommend(&world.ctx, &named(name))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{name}");
    }
    let built_in = named("global/models/experts/versions/0");
    let answer = experts.recommend(&world.ctx, &built_in).await.unwrap();
    assert_eq!(reason(&answer), RouteReason::Requested);
}

/// Registers a champion with this artifact, of this space.
async fn champion(world: &World, artifact: &'static str, space: &str) {
    let task = TaskId::experts();
    let stored = put(&world.artifacts, artifact).await;
    let tx = world.tx().await;
    let version = tx.models().next_version(&task).await.unwrap();
    let new = NewModel {
        task: task.clone(),
        version,
        artifact_path: stored.0,
        checksum: stored.1,
        size: artifact.len() as u64,
        lineage: Lineage {
            dataset: 1,
            dataset_hash: String::new(),
            code_version: String::new(),
            seed: 17,
            space: space.to_owned(),
            parameters: Vec::new(),
            parent: None,
        },
        verdict: Verdict::Promote,
        report: String::new(),
    };
    tx.models().insert(new, day(1)).await.unwrap();
    let (models, alias) = (tx.models(), Alias::Champion);
    let moved = models.set_alias(&task, alias, Some(version), promoted());
    moved.await.unwrap();
    tx.commit().await.unwrap();
}

fn promoted() -> AliasMove<'static> {
    AliasMove {
        cause: AliasMoveCause::PromotedByAdmin,
        reason: "test",
        actor: "test",
        now: day(1),
    }
}

async fn put(artifacts: &ArtifactStore, artifact: &'static str) -> (String, String) {
    let path = format!("{}.json", blake3::hash(artifact.as_bytes()).to_hex());
    let bytes = artifact.as_bytes().to_vec();
    let stored = artifacts.put(&path, bytes.into()).await.unwrap();
    (path, stored.checksum)
}

#[tokio::test]
async fn the_tenants_champion_serves_while_it_can_be_used() {
    let world = World::new().await;
    world.history().await;
    let space = world.space().await;
    let experts = world.experts();
    let route = async || {
        experts.renew(&world.ctx).await;
        let (route, considered) = experts.explain_route(&world.ctx, "key").await.unwrap();
        (route.model.tier(), route.reason, considered.join("\n"))
    };
    champion(&world, GLOBAL_RANKER, &space).await;
    let (tier, reason, considered) = route().await;
    assert_eq!((tier, reason), (Tier::Tenant, RouteReason::ProvenBetter));
    assert!(
        considered.contains("versions/1: champion, healthy"),
        "{considered}"
    );
    champion(&world, GLOBAL_RANKER, "a-space-that-was-left").await;
    let (tier, reason, considered) = route().await;
    assert_eq!((tier, reason), (Tier::Global, RouteReason::SpaceChanged));
    assert!(considered.contains("a-space-that-was-left"), "{considered}");
    champion(&world, "{}", &space).await;
    let (tier, reason, _) = route().await;
    assert_eq!(
        (tier, reason),
        (Tier::Global, RouteReason::FallbackUnavailable)
    );
}

#[tokio::test]
async fn a_shadow_is_computed_beside_the_answer() {
    let world = World::new().await;
    world.history().await;
    champion(&world, GLOBAL_RANKER, &world.space().await).await;
    let tx = world.tx().await;
    let (task, challenger) = (TaskId::experts(), Alias::Challenger);
    let models = tx.models();
    let off = models.set_alias(&task, Alias::Champion, None, promoted());
    off.await.unwrap();
    let on = models.set_alias(&task, challenger, Some(1), promoted());
    on.await.unwrap();
    tx.commit().await.unwrap();
    let shadow = RoutingPolicy {
        mode: RoutingMode::Shadow,
        ..RoutingPolicy::default()
    };
    world.set_policy(&task, &shadow).await;
    let experts = world.experts();
    let answer = experts.recommend(&world.ctx, &query(ABOUT_SECURITY)).await;
    let answer = answer.unwrap();
    assert_eq!(answer.recommended.served_by.tier(), Tier::Global);
    let shadow = answer.shadow.unwrap();
    assert_eq!(shadow.model, "tenants/acme/models/experts/versions/1");
    assert_eq!(shadow.experts, [expert("sofia"), expert("omar")]);
}

#[tokio::test]
async fn a_kill_switch_is_heard_by_requests_under_way() {
    let world = World::new().await;
    world.history().await;
    let experts = world.experts();
    let view = experts.view(&world.ctx).await.unwrap();
    assert!(experts.moved_on(&world.ctx, &view).await.is_none());
    let killed = RoutingPolicy {
        kill_switch: true,
        ..RoutingPolicy::default()
    };
    world.set_policy(&TaskId::experts(), &killed).await;
    experts.renew(&world.ctx).await;
    assert!(experts.moved_on(&world.ctx, &view).await.is_some());
    let answer = experts.recommend(&world.ctx, &query(ABOUT_SECURITY)).await;
    assert_eq!(reason(&answer.unwrap()), RouteReason::KillSwitch);
}

#[tokio::test]
async fn questions_that_are_embedded_together_are_answered_alike() {
    let world = World::new().await;
    world.history().await;
    let experts = world.experts();
    let view = experts.view(&world.ctx).await.unwrap();
    let texts = [ABOUT_SECURITY, "Do you take credit cards for invoices?"];
    let vectors = experts.query_vectors(&world.ctx, &view, &texts, None).await;
    for (text, vector) in texts.iter().zip(vectors) {
        let asked = (vector.unwrap(), Instant::now());
        let together = experts.answer(&world.ctx, &view, &query(text), asked).await;
        let alone = experts.recommend(&world.ctx, &query(text)).await.unwrap();
        assert_eq!(together.unwrap().recommended, alone.recommended, "{text}");
    }
    let none = experts
        .query_vectors(&world.ctx, &view, &["Another?"], Some(Duration::ZERO))
        .await;
    assert!(matches!(none[0], Ok(QueryVector::Late)));
}

#[tokio::test]
async fn an_open_item_is_answered_from_what_was_computed_ahead_while_it_holds() {
    let world = World::new().await;
    world.history().await;
    world
        .write(vec![item("open", ABOUT_SECURITY, &[], 7)])
        .await;
    let (experts, ctx) = (world.experts(), &world.ctx);
    let ask = async |query: ItemQuery| {
        let (_, answer) = experts.recommend_item(ctx, query).await.unwrap();
        answer
    };
    let computed = ask(item_query("open")).await;
    assert_eq!(computed.precomputed, None);
    let counts = experts
        .precompute(ctx, 10, |_| true)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((counts.computed, counts.held, counts.removed), (1, 0, 0));
    let ahead = ask(item_query("open")).await;
    let fresh = Precomputed {
        at: day(10),
        stale: false,
    };
    assert_eq!(ahead.precomputed, Some(fresh));
    assert_eq!(ids(&ahead), ids(&computed));
    assert_eq!(ahead.recommended.served_by, computed.recommended.served_by);
    // One that somebody in particular asks is computed.
    let keyed = ItemQuery {
        routing_key: Some("me".to_owned()),
        ..item_query("open")
    };
    assert_eq!(ask(keyed).await.precomputed, None);
    let counts = experts
        .precompute(ctx, 10, |_| true)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((counts.computed, counts.held), (0, 1));

    // Somebody is not there any more: the stored answer is stale, and does not name them.
    world.list_expert("sofia", false, day(8)).await;
    experts.renew(ctx).await;
    assert_eq!(ask(item_query("open")).await.precomputed, None);
    let any = ItemQuery {
        allow_stale: true,
        ..item_query("open")
    };
    let stale = ask(any).await;
    assert!(stale.precomputed.unwrap().stale);
    assert_eq!(ids(&stale), [expert("omar")]);
    let listed = experts.open_items(ctx, None, 10).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(ids(listed[0].1.answer.as_ref().unwrap()), [expert("omar")]);

    // Other words are another question.
    world
        .write(vec![item("open", "When is the invoice due?", &[], 7)])
        .await;
    experts.renew(ctx).await;
    let any = ItemQuery {
        allow_stale: true,
        ..item_query("open")
    };
    assert_eq!(ask(any).await.precomputed, None);
    // Nobody wants any answers ahead: what there is goes.
    let counts = experts.precompute(ctx, 0, |_| true).await.unwrap().unwrap();
    assert_eq!((counts.computed, counts.held, counts.removed), (0, 0, 1));
}

#[tokio::test]
async fn computing_ahead_stops_when_it_is_told_to() {
    let world = World::new().await;
    world.history().await;
    world
        .write(vec![item("open", ABOUT_SECURITY, &[], 7)])
        .await;
    let experts = world.experts();
    let stopped = experts.precompute(&world.ctx, 10, |_| false).await.unwrap();
    assert_eq!(stopped, None);
    let listed = experts.open_items(&world.ctx, None, 10).await.unwrap();
    assert!(listed[0].1.answer.is_none());
}

#[tokio::test]
async fn an_item_that_is_not_there_is_not_found() {
    let world = World::new().await;
    world.history().await;
    let experts = world.experts();
    let error = experts.recommend_item(&world.ctx, item_query("none")).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.to_string(), "tenants/acme/items/none was not found");
}

#[tokio::test]
async fn similar_items_come_by_meaning_and_by_words() {
    let world = World::new().await;
    world.history().await;
    let experts = world.experts();
    let found = experts
        .similar(&world.ctx, "encryption keys".to_owned(), 2)
        .await;
    let found = found.unwrap();
    assert_eq!(found.items.len(), 2);
    let first = &found.items[0];
    assert_eq!(first.item.content.id.as_str(), "s3");
    assert!(
        first.similarity > 0.3 && first.lexical_score > 0.0,
        "{first:?}"
    );
}

#[test]
fn changes_concern_whose_answers_they_change() {
    let tenant = || domain::TenantId::parse("acme").unwrap();
    let own = Concern::Tenant(tenant());
    for change in [
        domain::Change::Experts(tenant()),
        domain::Change::Index(tenant()),
        domain::Change::Models(tenant()),
    ] {
        assert_eq!(ExpertsSource::concern(change), own);
    }
    assert_eq!(
        ExpertsSource::concern(domain::Change::Tiers),
        Concern::Everybody
    );
    assert_eq!(
        ExpertsSource::concern(domain::Change::Tasks(tenant())),
        Concern::Nobody
    );
}
