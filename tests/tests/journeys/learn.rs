//! A backend ingests, an admin retrains, a backend asks, a person answers.

use api::v1;
use testkit::{TestServer, content};

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_goes_from_first_item_to_its_own_model() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    let backend = operator.make_key("acme", v1::api_key::Role::Backend).await;
    let backend = server.client(Some(&backend)).await;
    let admin = operator
        .make_key("acme", v1::api_key::Role::TenantAdmin)
        .await;
    let admin = server.client(Some(&admin)).await;

    let (acknowledged, rejected) = backend.ingest_rows("acme", "first", content(240)).await;
    assert!(rejected.is_empty(), "{rejected:?}");
    assert!(acknowledged.watermark >= 240);
    let status = backend.wait_indexed("acme").await;
    assert_eq!((status.items, status.indexed_items), (240, 240));

    // Useful before any training, with evidence and a reason.
    let answer = backend
        .recommend("acme", "How often are encryption keys rotated?")
        .await;
    assert_eq!(answer.recommendations[0].expert_id, "sofia", "{answer:?}");
    assert!(!answer.recommendations[0].evidence.is_empty());
    assert!(!answer.recommendations[0].contributions.is_empty());
    let route = answer.route.unwrap();
    assert_eq!(
        (route.tier(), route.reason.as_str()),
        (v1::Tier::Global, "NOT_ENOUGH_DATA")
    );

    // A retrain pins a dataset, reports on a holdout, and leaves a version.
    let job = admin.retrain("acme").await;
    assert_eq!(job.state(), v1::job::State::Succeeded, "{job:?}");
    let name = job.outcome["model"].clone();
    let model = admin
        .training()
        .get_model(v1::GetModelRequest { name: name.clone() })
        .await;
    let model = model.unwrap().into_inner().model.unwrap();
    let report = model.evaluation.unwrap();
    assert!(report.queries > 0);
    for method in [
        "most-popular",
        "recently-active",
        "keyword-rules",
        "lexical-knn",
        "dense-knn",
    ] {
        assert!(
            report
                .methods
                .iter()
                .any(|m| m.method == method && m.role == "baseline"),
            "{method}"
        );
    }

    // The admin promotes by hand with a reason; the router follows; a roll-back undoes it.
    let promote = v1::PromoteModelRequest {
        name: name.clone(),
        reason: "trial".into(),
        ..Default::default()
    };
    admin.training().promote_model(promote).await.unwrap();
    wait_for_route(&backend, &name).await;
    let rollback = v1::RollbackModelRequest {
        parent: "tenants/acme".into(),
        reason: "trial over".into(),
        ..Default::default()
    };
    admin.training().rollback_model(rollback).await.unwrap();

    // Feedback joins the answer.
    let feedback = v1::SendFeedbackRequest {
        parent: "tenants/acme".into(),
        request_id: answer.request_id,
        verdict: v1::send_feedback_request::Verdict::Accepted.into(),
        expert_id: "sofia".into(),
        ..Default::default()
    };
    let sent = backend.router().send_feedback(feedback).await;
    assert_eq!(sent.unwrap().into_inner().rank, 1);
}

/// What people do with answers is learned without a retrain: who takes a question becomes an expert
/// for questions like it.
#[tokio::test(flavor = "multi_thread")]
async fn who_takes_a_question_is_learned_from_feedback_alone() {
    use v1::send_feedback_request::Verdict;
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    operator.ingest_rows("acme", "first", content(60)).await;
    operator.wait_indexed("acme").await;
    let grace = v1::Expert {
        expert_id: "grace".into(),
        ..Default::default()
    };
    let request = v1::BatchUpsertExpertsRequest {
        parent: "tenants/acme".into(),
        experts: vec![grace],
        update_mask: None,
    };
    operator
        .ingest()
        .batch_upsert_experts(request)
        .await
        .unwrap();
    let ask = "Which quorum does the Byzantine ledger need?";
    let mut last = v1::SendFeedbackResponse::default();
    let mut request_id = String::new();
    for part in 0..6 {
        let text = format!("{ask} Part {part} of the ledger.");
        request_id = operator.recommend("acme", &text).await.request_id;
        let taken = v1::SendFeedbackRequest {
            parent: "tenants/acme".into(),
            request_id: request_id.clone(),
            verdict: Verdict::Reassigned.into(),
            reassigned_to: "grace".into(),
            ..Default::default()
        };
        let sent = operator.router().send_feedback(taken.clone()).await;
        last = sent.unwrap().into_inner();
        // The same again changes nothing.
        let again = operator.router().send_feedback(taken).await;
        assert_eq!(again.unwrap().into_inner().item, last.item);
    }
    let status = operator.wait_indexed("acme").await;
    assert_eq!((status.items, status.indexed_items), (66, 66));
    let name = v1::GetItemRequest {
        name: last.item.clone(),
    };
    let item = operator.ingest().get_item(name.clone()).await.unwrap();
    let item = item.into_inner().item.unwrap();
    assert_eq!(item.experts, ["grace"]);
    assert_eq!(item.text, format!("{ask} Part 5 of the ledger."));

    let mut first = String::new();
    for _ in 0..200 {
        first = operator.recommend("acme", ask).await.recommendations[0]
            .expert_id
            .clone();
        if first == "grace" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(first, "grace", "feedback was not learned");

    // Taken back: what was learned from it goes.
    let refused = v1::SendFeedbackRequest {
        parent: "tenants/acme".into(),
        request_id,
        verdict: Verdict::Rejected.into(),
        expert_id: "grace".into(),
        ..Default::default()
    };
    let sent = operator.router().send_feedback(refused).await.unwrap();
    assert_eq!(sent.into_inner().item, "");
    let gone = operator.ingest().get_item(name).await.unwrap_err();
    assert_eq!(gone.code(), tonic::Code::NotFound);
}

/// Waits until the router serves this model: changes reach it in the background.
async fn wait_for_route(client: &testkit::Client, model: &str) {
    for _ in 0..600 {
        let request = v1::ExplainRouteRequest {
            parent: "tenants/acme".into(),
            ..Default::default()
        };
        let route = client
            .router()
            .explain_route(request)
            .await
            .unwrap()
            .into_inner()
            .route
            .unwrap();
        if route.model == model {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the router never served {model}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_is_not_in_answers_and_a_rebuild_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    operator.ingest_rows("acme", "first", content(90)).await;
    operator.wait_indexed("acme").await;
    let ask = "Which payment terms are on the invoice?";
    let before = operator.recommend("acme", ask).await;
    assert_eq!(before.recommendations[0].expert_id, "li");

    // An expert who has left is never recommended.
    let gone = v1::Expert {
        expert_id: "li".into(),
        inactive: Some(true),
        ..Default::default()
    };
    let request = v1::BatchUpsertExpertsRequest {
        parent: "tenants/acme".into(),
        experts: vec![gone],
        update_mask: None,
    };
    operator
        .ingest()
        .batch_upsert_experts(request)
        .await
        .unwrap();
    for _ in 0..600 {
        let answer = operator.recommend("acme", ask).await;
        if answer.recommendations.iter().all(|r| r.expert_id != "li") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let answer = operator.recommend("acme", ask).await;
    assert!(
        answer.recommendations.iter().all(|r| r.expert_id != "li"),
        "{answer:?}"
    );

    // A rebuild from the database gives the same answers.
    let same = operator.recommend("acme", ask).await;
    let request = v1::RebuildIndexRequest {
        parent: "tenants/acme".into(),
    };
    let job = operator
        .ingest()
        .rebuild_index(request)
        .await
        .unwrap()
        .into_inner()
        .job
        .unwrap();
    let job = operator.watch(job.name).await;
    assert_eq!(job.state(), v1::job::State::Succeeded, "{job:?}");
    let rebuilt = operator.recommend("acme", ask).await;
    assert_eq!(ranking(&same), ranking(&rebuilt));

    // A deleted item is gone from similar items and from the index.
    let request = v1::BatchDeleteItemsRequest {
        parent: "tenants/acme".into(),
        item_ids: (0..30).map(|at| format!("q-{at}")).collect(),
    };
    let deleted = operator
        .ingest()
        .batch_delete_items(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(deleted.deleted, 30);
    let status = operator.wait_indexed("acme").await;
    assert_eq!((status.items, status.indexed_items), (60, 60));
    let request = v1::FindSimilarItemsRequest {
        parent: "tenants/acme".into(),
        text: "Question 1: please describe how you handle invoice terms".into(),
        top_k: 100,
    };
    let similar = operator
        .router()
        .find_similar_items(request)
        .await
        .unwrap()
        .into_inner()
        .items;
    let deleted: Vec<_> = (0..30)
        .map(|at| format!("tenants/acme/items/q-{at}"))
        .collect();
    assert!(!similar.is_empty() && similar.iter().all(|s| !deleted.contains(&s.item)));
}

fn ranking(answer: &v1::RecommendExpertsResponse) -> Vec<(String, i64)> {
    let round = |r: &v1::Recommendation| (r.expert_id.clone(), (r.score * 1e4).round() as i64);
    answer.recommendations.iter().map(round).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn thin_tenants_get_a_clear_outcome() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("empty").await;
    let answer = operator.recommend("empty", "Is anybody there?").await;
    assert!(answer.recommendations.is_empty());
    let job = operator.retrain("empty").await;
    assert_eq!(job.state(), v1::job::State::Failed);
    assert!(job.error.contains("too few"), "{}", job.error);

    // A profile speaks for an expert who has not answered anything yet.
    let expert = |id: &str, profile: &str| v1::Expert {
        expert_id: id.into(),
        profile: Some(profile.into()),
        ..Default::default()
    };
    let experts = vec![
        expert("ada", "cryptography, key management and encryption"),
        expert("bob", "contracts, liability and insurance"),
    ];
    let request = v1::BatchUpsertExpertsRequest {
        parent: "tenants/empty".into(),
        experts,
        update_mask: None,
    };
    operator
        .ingest()
        .batch_upsert_experts(request)
        .await
        .unwrap();
    for _ in 0..600 {
        let answer = operator
            .recommend("empty", "Describe your liability insurance")
            .await;
        if answer
            .recommendations
            .first()
            .is_some_and(|r| r.expert_id == "bob")
        {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the profile was never used");
}
