//! What the registry keeps beside versions, and how versions and old rows go.

use domain::{
    Alias, AliasMoveCause, INPUTS, JobKind, ModelName, ModelOwner, RoutingMode, RoutingPolicy,
    TaskId, Trial, VerticalId,
};
use tenantry_storage::{Answer, PruneNote, Purpose, StoredTrial};

use super::models::{by, model};
use super::world::{World, job, later, now};

pub fn trial(number: u32) -> Trial {
    Trial {
        number,
        parameters: vec![("shrinkage".to_owned(), "25".to_owned())],
        seed: u64::MAX,
        metrics: vec![("mrr".to_owned(), 0.5 + f64::from(number))],
        seconds: 0.25,
        chosen: number == 1,
    }
}

fn note(seconds: i64) -> PruneNote<'static> {
    PruneNote {
        reason: "old",
        actor: "ops",
        now: later(seconds),
    }
}

fn keys(trials: &[StoredTrial]) -> Vec<(u64, u32)> {
    let key = |one: &StoredTrial| (one.version, one.trial.number);
    trials.iter().map(key).collect()
}

pub async fn a_search_leaves_its_trials(world: World) {
    let acme = world.tenant("acme").await;
    let task = TaskId::experts();
    let tx = world.tx(&acme).await;
    for version in [3, 4] {
        let trials = [trial(1), trial(0)];
        tx.trials()
            .add(&task, version, &trials, now())
            .await
            .unwrap();
    }
    tx.trials().add(&task, 5, &[], now()).await.unwrap();
    tx.commit().await.unwrap();

    let tx = world.tx(&acme).await;
    let all = tx.trials().list(&task, None, None, 9).await.unwrap();
    assert_eq!(keys(&all), [(4, 0), (4, 1), (3, 0), (3, 1)]);
    assert_eq!(all[1].trial, trial(1));
    assert_eq!(all[1].created_at, now());
    let one = tx.trials().list(&task, Some(3), None, 9).await.unwrap();
    assert_eq!(keys(&one), [(3, 0), (3, 1)]);
    let rest = tx.trials().list(&task, None, Some((4, 0)), 2).await;
    assert_eq!(keys(&rest.unwrap()), [(4, 1), (3, 0)]);
    let again = tx.trials().add(&task, 3, &[trial(0)], now()).await;
    assert!(again.is_err(), "a version's search is kept once");
}

pub async fn what_is_pruned_is_gone_with_all_of_it_and_recorded(world: World) {
    let acme = world.tenant("acme").await;
    let task = TaskId::experts();
    let tx = world.tx(&acme).await;
    for version in 1..=4 {
        let mut new = model(version);
        // 1 and 2 were trained on the same inputs, the others on some of their own.
        let hash = format!("inputs-{}", version.max(2));
        new.lineage
            .parameters
            .push((INPUTS.to_owned(), hash.clone()));
        tx.inputs().put(&hash, "{\"a\":1}", now()).await.unwrap();
        tx.models()
            .insert(new, later(version as i64))
            .await
            .unwrap();
        tx.trials()
            .add(&task, version, &[trial(0)], now())
            .await
            .unwrap();
    }
    let champion = Alias::Champion;
    tx.models()
        .set_alias(
            &task,
            champion,
            Some(3),
            by(AliasMoveCause::GatePassed, "better", 0),
        )
        .await
        .unwrap();
    tx.commit().await.unwrap();

    let tx = world.tx(&acme).await;
    let summaries = tx.models().summaries().await.unwrap();
    let versions: Vec<u64> = summaries.iter().map(|one| one.version).collect();
    assert_eq!(versions, [1, 2, 3, 4]);
    assert_eq!(summaries[0].artifact_path, "tenants/acme/1.bin");
    assert_eq!(
        (summaries[1].created_at, summaries[1].size),
        (later(2), 1 << 40)
    );
    let gone = tx.models().prune(&task, &[1, 3, 4, 9], note(9)).await;
    assert_eq!(
        gone.unwrap(),
        [1, 4],
        "the champion stays, and 9 never was there"
    );
    tx.commit().await.unwrap();

    let tx = world.tx(&acme).await;
    assert!(tx.models().get(&task, 1).await.unwrap().is_none());
    assert!(tx.models().get(&task, 2).await.unwrap().is_some());
    let trials = tx.trials().list(&task, None, None, 9).await.unwrap();
    assert_eq!(keys(&trials), [(3, 0), (2, 0)]);
    // Another version names the inputs of 1; nobody names those of 4.
    assert!(tx.inputs().get("inputs-2").await.unwrap().is_some());
    assert!(tx.inputs().get("inputs-3").await.unwrap().is_some());
    assert!(tx.inputs().get("inputs-4").await.unwrap().is_none());
    let pruned = tx.models().pruned(&task, 4).await.unwrap();
    assert_eq!(pruned, Some((later(9), "old".to_owned())));
    assert_eq!(tx.models().pruned(&task, 3).await.unwrap(), None);
    // The moves of aliases are what they were.
    let events = tx.models().events(&task, None, 9).await.unwrap();
    assert_eq!(events.len(), 1);
    let again = tx.models().prune(&task, &[1, 4], note(10)).await.unwrap();
    assert!(again.is_empty());
    drop(tx);
    let trail = world.trail(Some("acme"), 1).await;
    assert_eq!(
        (trail[0].action.as_str(), trail[0].detail.as_str()),
        ("models.prune", "versions 1, 4: old")
    );
}

pub async fn a_tiers_version_is_pruned_unless_it_is_needed(world: World) {
    let acme = world.tenant("acme").await;
    let task = TaskId::experts();
    let tiers = world.store.maintenance(Purpose::StartUp).tiers();
    let vertical = ModelOwner::Vertical(VerticalId::parse("software").unwrap());
    for seconds in 1..=3 {
        let promote = seconds == 2;
        tiers
            .register(
                &vertical,
                model(0),
                promote,
                by(AliasMoveCause::GatePassed, "better", seconds),
            )
            .await
            .unwrap();
    }
    let name = |version: u64| {
        format!("verticals/software/models/experts/versions/{version}")
            .parse()
            .unwrap()
    };
    let policy = RoutingPolicy {
        mode: RoutingMode::PinnedVersion(name(1)),
        kill_switch: false,
        ..Default::default()
    };
    let tx = world.tx(&acme).await;
    tx.routing().set(&task, &policy, now()).await.unwrap();
    tx.commit().await.unwrap();
    let needed = tiers.needed().await.unwrap();
    assert!(
        needed.contains(&name(1)) && !needed.contains(&name(3)),
        "{needed:?}"
    );
    let global: ModelName = "global/models/experts/versions/0".parse().unwrap();
    assert!(needed.contains(&global), "what others were made from");

    let summaries = tiers.summaries().await.unwrap();
    assert_eq!(summaries[&vertical].len(), 3);
    let gone = tiers.prune(&vertical, &task, &[2, 3], note(9)).await;
    let gone = gone.unwrap();
    assert_eq!(gone, [3], "the champion stays");
    assert_eq!(tiers.summaries().await.unwrap()[&vertical].len(), 2);
    assert_eq!(
        tiers.pruned(&name(3)).await.unwrap(),
        Some((later(9), "old".to_owned()))
    );
    assert_eq!(tiers.pruned(&name(1)).await.unwrap(), None);
    let events = tiers.events(&vertical, &task, 9).await.unwrap();
    assert_eq!(events.len(), 1, "the champion moved once");
    let trail = world.trail(None, 1).await;
    assert_eq!(trail[0].detail, "versions 3: old");
}

pub async fn what_only_grows_is_forgotten(world: World) {
    let acme = world.tenant("acme").await;
    let answer = |id: &str, seconds| Answer {
        request_id: id.to_owned(),
        text: "t".to_owned(),
        model: String::new(),
        tier: domain::Tier::Global,
        reason: String::new(),
        experts: vec![],
        answered_at: later(seconds),
        shadow: None,
        item: None,
    };
    let tx = world.tx(&acme).await;
    let answers = (0..2_500).map(|at| answer(&format!("old-{at}"), 0));
    let answers = answers.chain([answer("new", 100)]).collect();
    tx.answers().add(answers).await.unwrap();
    tx.commit().await.unwrap();
    let ended = world.enqueue(&acme, job(JobKind::Retrain)).await;
    let tx = world.tx(&acme).await;
    tx.jobs().request_cancel(&ended.id, later(1)).await.unwrap();
    tx.commit().await.unwrap();
    let waiting = world.enqueue(&acme, job(JobKind::Retrain)).await;

    let platform = world.store.maintenance(Purpose::StartUp);
    assert_eq!(platform.forget_answers(later(50)).await.unwrap(), 2_500);
    assert_eq!(platform.forget_answers(later(50)).await.unwrap(), 0);
    assert_eq!(platform.forget_jobs(later(1)).await.unwrap(), 0);
    assert_eq!(platform.forget_jobs(later(50)).await.unwrap(), 1);
    let tx = world.tx(&acme).await;
    assert!(tx.answers().get("new").await.unwrap().is_some());
    assert!(tx.answers().get("old-7").await.unwrap().is_none());
    assert!(tx.jobs().get(&ended.id).await.unwrap().is_none());
    assert!(
        tx.jobs().get(&waiting.id).await.unwrap().is_some(),
        "it has not ended"
    );
}

pub async fn tenant_b_cannot_see_trials_or_inputs_of_a(world: World) {
    let (a, b) = (world.tenant("a").await, world.tenant("b").await);
    let task = TaskId::experts();
    let tx = world.tx(&a).await;
    tx.models().insert(model(1), now()).await.unwrap();
    tx.models().insert(model(2), now()).await.unwrap();
    tx.trials().add(&task, 1, &[trial(0)], now()).await.unwrap();
    tx.inputs().put("hash", "of a", now()).await.unwrap();
    tx.commit().await.unwrap();

    let tx = world.tx(&b).await;
    assert!(
        tx.trials()
            .list(&task, None, None, 9)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(tx.inputs().get("hash").await.unwrap(), None);
    assert!(tx.models().summaries().await.unwrap().is_empty());
    let foreign = tx.models().prune(&task, &[1], note(1)).await.unwrap();
    assert!(foreign.is_empty());
    tx.inputs().put("hash", "of b", now()).await.unwrap();
    tx.commit().await.unwrap();
    let tx = world.tx(&a).await;
    assert_eq!(
        tx.inputs().get("hash").await.unwrap().as_deref(),
        Some("of a")
    );
    assert!(tx.models().get(&task, 1).await.unwrap().is_some());
}
