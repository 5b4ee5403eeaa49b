//! A champion that falls behind on what comes after its training is taken back, and said to be; and two
//! models are compared by what people do with their answers.

use std::time::Duration;

use api::v1;
use testkit::{Client, TestServer, row};

const EXPERTS: [&str; 4] = ["ada", "bob", "eve", "kim"];
const SUBJECTS: [&str; 4] = [
    "rotation of encryption keys",
    "invoices and payment terms",
    "onboarding of new users",
    "backup of customer data",
];

/// Items of which the newest answer says who answers next, and the text says nothing.
fn who_is_on_duty(n: u64) -> Vec<v1::IngestRow> {
    let at = |at: u64| {
        let subject = SUBJECTS[(at * 7 % 11 % 4) as usize];
        let expert = EXPERTS[(at / 40 % 4) as usize];
        row(
            at,
            &format!("d-{at}"),
            &format!("Question {at} on {subject}"),
            expert,
            at as i64,
        )
    };
    (0..n).map(at).collect()
}

/// Items of which the text says who answers, in turns: who answered last is never next.
fn who_knows(from: u64, n: u64) -> Vec<v1::IngestRow> {
    let at = |at: u64| {
        let which = (at % 4) as usize;
        let text = format!("Request {at} about {}", SUBJECTS[which]);
        row(at, &format!("k-{at}"), &text, EXPERTS[which], at as i64)
    };
    (from..from + n).map(at).collect()
}

async fn jobs(client: &Client, kind: v1::job::Kind) -> Vec<v1::Job> {
    let request = v1::ListJobsRequest {
        parent: "tenants/acme".into(),
        kind: kind.into(),
        ..Default::default()
    };
    let answer = client.training().list_jobs(request).await.unwrap();
    answer.into_inner().jobs
}

async fn promote(client: &Client, name: &str, alias: v1::promote_model_request::Alias) {
    let request = v1::PromoteModelRequest {
        name: name.into(),
        reason: "trial".into(),
        alias: alias.into(),
    };
    client.training().promote_model(request).await.unwrap();
}

async fn compare(client: &Client) -> Result<v1::CompareModelsResponse, tonic::Status> {
    let request = v1::CompareModelsRequest {
        parent: "tenants/acme".into(),
        ..Default::default()
    };
    let answer = client.training().compare_models(request).await?;
    Ok(answer.into_inner())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_champion_that_falls_behind_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    operator
        .ingest_rows("acme", "first", who_is_on_duty(240))
        .await;
    operator.wait_indexed("acme").await;
    let trained = operator.retrain("acme").await;
    let name = trained.outcome["model"].clone();
    promote(&operator, &name, v1::promote_model_request::Alias::Champion).await;

    // What decided until now decides no more.
    let mut stepped_back = None;
    for batch in 0..8 {
        let rows = who_knows(240 + batch * 20, 20);
        operator
            .ingest_rows("acme", &format!("later-{batch}"), rows)
            .await;
        operator.wait_indexed("acme").await;
        stepped_back = wait_for_a_check(&operator, batch as usize + 1).await;
        if stepped_back.is_some() {
            break;
        }
    }
    let check = stepped_back.expect("the champion was not taken back");
    assert!(check.outcome["champion_gain"].starts_with('-'), "{check:?}");

    // It is said in the audit trail, the model shows its score, and a retrain was queued.
    let request = v1::ListAuditEventsRequest {
        parent: "tenants/acme".into(),
        ..Default::default()
    };
    let events = operator.tenants().list_audit_events(request).await.unwrap();
    let events = events.into_inner().audit_events;
    let taken_back = events
        .iter()
        .find(|event| event.detail.contains("stepped back"));
    assert!(
        taken_back.is_some_and(|event| event.actor.starts_with("system:")),
        "{events:?}"
    );
    let request = v1::GetModelRequest { name };
    let model = operator.training().get_model(request).await.unwrap();
    let live = model.into_inner().model.unwrap().online_evaluation.unwrap();
    assert!(
        live.questions >= 30 && live.mrr < live.reference_mrr,
        "{live:?}"
    );
    assert!(live.gain.unwrap().high.unwrap() < 0.0);
    assert_eq!(jobs(&operator, v1::job::Kind::Retrain).await.len(), 2);
}

/// Waits until so many checks have ended, and answers with the one that stepped back.
async fn wait_for_a_check(client: &Client, ended: usize) -> Option<v1::Job> {
    for _ in 0..1_200 {
        let all = jobs(client, v1::job::Kind::CheckChampion).await;
        let done = |job: &&v1::Job| job.state() == v1::job::State::Succeeded;
        if let Some(job) = all
            .iter()
            .find(|job| job.outcome.contains_key("stepped_back"))
        {
            return Some(job.clone());
        }
        if all.iter().filter(done).count() >= ended {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the check never ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_after_a_training_counts_whenever_it_was_asked() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    let late = 100..130;
    let mut rows = who_is_on_duty(240);
    let answers = rows[late.clone()].to_vec();
    for row in &mut rows[late] {
        if let Some(v1::ingest_row::Row::Item(item)) = &mut row.row {
            item.experts.clear();
        }
    }
    operator.ingest_rows("acme", "first", rows).await;
    operator.wait_indexed("acme").await;
    let trained = operator.retrain("acme").await;
    let name = trained.outcome["model"].clone();
    promote(&operator, &name, v1::promote_model_request::Alias::Champion).await;

    // They happened before the newest item that the model has seen.
    operator.ingest_rows("acme", "answers", answers).await;
    operator.wait_indexed("acme").await;
    for _ in 0..1_200 {
        let live = operator.model(&name).await.online_evaluation;
        if live.is_some_and(|live| live.questions == 30) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!(
        "never asked: {:?}",
        jobs(&operator, v1::job::Kind::CheckChampion).await
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_is_compared_by_what_people_do() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    operator
        .ingest_rows("acme", "first", who_is_on_duty(240))
        .await;
    operator.wait_indexed("acme").await;
    let nothing = compare(&operator).await.unwrap_err();
    assert_eq!(
        nothing.code(),
        tonic::Code::FailedPrecondition,
        "{nothing:?}"
    );
    let trained = operator.retrain("acme").await;
    let name = trained.outcome["model"].clone();
    promote(
        &operator,
        &name,
        v1::promote_model_request::Alias::Challenger,
    )
    .await;
    let rollback = v1::RollbackModelRequest {
        parent: "tenants/acme".into(),
        reason: "the tier above answers while the challenger is watched".into(),
        ..Default::default()
    };
    // Nothing to take back where the gate did not promote it.
    let _ = operator.training().rollback_model(rollback).await;
    let shadow = v1::UpdateRoutingPolicyRequest {
        parent: "tenants/acme".into(),
        policy: Some(v1::RoutingPolicy {
            mode: v1::routing_policy::Mode::Shadow.into(),
            ..Default::default()
        }),
    };
    operator
        .router()
        .update_routing_policy(shadow)
        .await
        .unwrap();

    for at in 0..5 {
        let answer = operator
            .recommend("acme", &format!("Request {at} about backups"))
            .await;
        let taken = v1::SendFeedbackRequest {
            parent: "tenants/acme".into(),
            request_id: answer.request_id,
            verdict: v1::send_feedback_request::Verdict::Reassigned.into(),
            reassigned_to: "kim".into(),
            ..Default::default()
        };
        operator.router().send_feedback(taken).await.unwrap();
    }
    let compared = compare(&operator).await.unwrap();
    assert_eq!(compared.served[1].model, name);
    assert_eq!(
        (compared.served[0].answers, compared.served[0].judged),
        (5, 5)
    );
    assert_eq!(compared.shadow_gain.unwrap().observations, 5);
    assert_eq!(
        compared.outcome(),
        v1::compare_models_response::Outcome::Undecided,
        "five answers prove nothing"
    );

    // Who asks for a model by name compares for themselves.
    let by_name = v1::RecommendExpertsRequest {
        parent: "tenants/acme".into(),
        text: "Request 6 about invoices".into(),
        model_override: compared.served[0].model.clone(),
        ..Default::default()
    };
    let answer = operator.router().recommend_experts(by_name).await.unwrap();
    let taken = v1::SendFeedbackRequest {
        parent: "tenants/acme".into(),
        request_id: answer.into_inner().request_id,
        verdict: v1::send_feedback_request::Verdict::Reassigned.into(),
        reassigned_to: "kim".into(),
        ..Default::default()
    };
    operator.router().send_feedback(taken).await.unwrap();
    let again = compare(&operator).await.unwrap();
    assert_eq!((again.served[0].answers, again.served[0].judged), (5, 5));
}
