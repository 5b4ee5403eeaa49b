//! How models do after their training: scores, and answers with what people said about them.

use domain::{FeedbackEvent, FeedbackVerdict, OnlineEvaluation, Tally, TaskId, Tier};
use tenantry_storage::{Answer, NewFeedback, TenantTx};

use super::world::{World, expert_id, later, now};

fn score(version: u64, own: f64) -> OnlineEvaluation {
    let mut tally = Tally::default();
    tally.add(own, 0.5);
    tally.add(own, 1.0);
    OnlineEvaluation {
        version,
        reference_model: "global/models/experts/versions/0".to_owned(),
        tally,
        covered_until: now(),
        updated_at: later(1),
    }
}

/// A row for whoever counts what is erased.
pub async fn fill(tx: &TenantTx) {
    let task = TaskId::experts();
    tx.scores().put(&task, &score(1, 0.5)).await.unwrap();
}

pub async fn a_score_is_kept_and_replaced(world: World) {
    let acme = world.tenant("acme").await;
    let globex = world.tenant("globex").await;
    let task = TaskId::experts();
    let tx = world.tx(&acme).await;
    assert_eq!(tx.scores().get(&task, 3).await.unwrap(), None);
    tx.scores().put(&task, &score(3, 0.25)).await.unwrap();
    tx.scores().put(&task, &score(4, 1.0)).await.unwrap();
    tx.scores().put(&task, &score(3, 0.75)).await.unwrap();
    tx.commit().await.unwrap();
    let tx = world.tx(&acme).await;
    let kept = tx.scores().get(&task, 3).await.unwrap();
    assert_eq!(kept, Some(score(3, 0.75)));
    drop(tx);
    let tx = world.tx(&globex).await;
    assert_eq!(tx.scores().get(&task, 3).await.unwrap(), None);
}

fn answer(request: &str, model: &str) -> Answer {
    Answer {
        request_id: request.to_owned(),
        text: "Who?".to_owned(),
        model: model.to_owned(),
        tier: Tier::Tenant,
        reason: "PROVEN_BETTER".to_owned(),
        experts: vec![(expert_id("e1"), 1.0)],
        answered_at: now(),
        shadow: None,
        item: None,
    }
}

fn said(verdict: FeedbackVerdict, expert: &str) -> FeedbackEvent {
    FeedbackEvent {
        verdict,
        expert: Some(expert_id(expert)),
        reassigned_to: None,
    }
}

pub async fn judged_answers_come_with_all_that_was_said(world: World) {
    let acme = world.tenant("acme").await;
    let globex = world.tenant("globex").await;
    let tx = world.tx(&acme).await;
    let answers = ["r1", "r2", "r3"].map(|request| answer(request, "m1"));
    tx.answers().add(answers.to_vec()).await.unwrap();
    tx.answers().add(vec![answer("r4", "m2")]).await.unwrap();
    let accepted = said(FeedbackVerdict::Accepted, "e1");
    let refused = said(FeedbackVerdict::Rejected, "e1");
    for (request, said) in [
        ("r1", &accepted),
        ("r2", &accepted),
        ("r1", &refused),
        ("gone", &accepted),
    ] {
        let new = NewFeedback {
            request_id: request.to_owned(),
            said: said.clone(),
        };
        tx.feedback().add(new, now()).await.unwrap();
    }
    tx.commit().await.unwrap();
    let tx = world.tx(&acme).await;
    let judged = tx.answers().judged(9).await.unwrap();
    let shape: Vec<_> = judged
        .iter()
        .map(|one| (one.answer.request_id.as_str(), one.said.clone()))
        .collect();
    let both = vec![accepted.clone(), refused.clone()];
    assert_eq!(shape, [("r1", both), ("r2", vec![accepted.clone()])]);
    // Only the newest pieces of feedback are looked at.
    let newest = tx.answers().judged(2).await.unwrap();
    assert_eq!(newest.len(), 1);
    assert_eq!(newest[0].said, [refused]);
    assert_eq!(tx.answers().count_of("m1", None).await.unwrap(), 3);
    assert_eq!(tx.answers().count_of("m2", None).await.unwrap(), 1);
    drop(tx);
    let tx = world.tx(&globex).await;
    assert!(tx.answers().judged(9).await.unwrap().is_empty());
    assert_eq!(tx.answers().count_of("m1", None).await.unwrap(), 0);
}
