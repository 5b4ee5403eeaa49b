//! Models of a space that the tenant has left: they wait for their retrain, and the route says so.

use api::v1;
use testkit::{Client, TestServer};
use tonic::Code;

use super::{ASK, DEFAULT, OTHER, QUICK, filled};

async fn promote(operator: &Client, name: &str) {
    let request = v1::PromoteModelRequest {
        name: name.into(),
        reason: "for the test".into(),
        ..Default::default()
    };
    operator.training().promote_model(request).await.unwrap();
}

async fn space_of(operator: &Client, name: &str) -> String {
    let request = v1::GetModelRequest { name: name.into() };
    let model = operator.training().get_model(request).await.unwrap();
    model.into_inner().model.unwrap().lineage.unwrap().space
}

/// Waits until the task has `versions` versions.
async fn trained(operator: &Client, task: &str, versions: usize) {
    for _ in 0..1_200 {
        let request = v1::ListModelsRequest {
            parent: "tenants/acme".into(),
            task: task.into(),
            ..Default::default()
        };
        let found = operator.training().list_models(request).await.unwrap();
        if found.into_inner().models.len() >= versions {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{task} was never trained again");
}

async fn route(operator: &Client, done: impl Fn(&v1::Route) -> bool) -> v1::Route {
    let mut route = v1::Route::default();
    for _ in 0..600 {
        route = operator.recommend("acme", ASK).await.route.unwrap();
        if done(&route) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    route
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ranker_of_the_space_that_was_left_waits_for_its_retrain() {
    if !testkit::has_second_model() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start_with(folder.path(), QUICK).await;
    let operator = server.operator().await;
    filled(&operator, "acme", DEFAULT, 240).await;
    let job = operator.retrain("acme").await;
    let first = job.outcome["model"].clone();
    assert_eq!(space_of(&operator, &first).await, DEFAULT);
    promote(&operator, &first).await;
    let served = route(&operator, |route| route.model == first).await;
    assert_eq!(served.model, first);

    operator.set_model("acme", OTHER).await.unwrap();
    operator
        .wait_space("acme", |space| space.active == OTHER)
        .await;
    // The switch has it trained again, in the new space.
    trained(&operator, "experts", 2).await;
    let second = "tenants/acme/models/experts/versions/2";
    assert_eq!(space_of(&operator, second).await, OTHER);
    // Each of them can be made again, in the space it was trained in.
    for name in [first.as_str(), second] {
        let job = operator.reproduce(name).await;
        assert_eq!(job.outcome["reproduced"], "true", "{job:?}");
    }
    // Whoever lets the first one serve again is told why it does not.
    promote(&operator, &first).await;
    let passed = route(&operator, |route| route.reason == "SPACE_CHANGED").await;
    assert_eq!(passed.reason, "SPACE_CHANGED", "{passed:?}");
    assert_eq!(passed.tier(), v1::Tier::Global);
    assert!(passed.fallbacks[0].contains(&first), "{passed:?}");
    let request = v1::ExplainRouteRequest {
        parent: "tenants/acme".into(),
        ..Default::default()
    };
    let explained = operator.router().explain_route(request).await.unwrap();
    let considered = explained.into_inner().considered.join("\n");
    assert!(
        considered.contains(&format!("trained in the space {DEFAULT}")),
        "{considered}"
    );
    promote(&operator, second).await;
    let served = route(&operator, |route| route.model == second).await;
    assert_eq!(served.reason, "PROVEN_BETTER");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_of_the_space_that_was_left_never_sees_a_vector_of_the_new_one() {
    if !testkit::has_second_model() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start_with(folder.path(), QUICK).await;
    let operator = server.operator().await;
    filled(&operator, "acme", DEFAULT, 9).await;
    let rows = crate::classify::items(240);
    operator.ingest_rows("acme", "labelled", rows).await;
    operator.wait_indexed("acme").await;
    crate::classify::create(&operator, "intent", crate::classify::intent())
        .await
        .unwrap();
    let request = v1::RetrainRequest {
        parent: "tenants/acme".into(),
        task: "intent".into(),
        ..Default::default()
    };
    let job = operator.training().retrain(request).await.unwrap();
    let job = operator.watch(job.into_inner().job.unwrap().name).await;
    let first = job.outcome["model"].clone();
    promote(&operator, &first).await;
    let text = "Please tell us about the rotation of keys";
    let asked = crate::classify::ask(&operator, "intent", text, &first).await;
    assert_eq!(asked.method, "head");

    operator.set_model("acme", OTHER).await.unwrap();
    operator
        .wait_space("acme", |space| space.active == OTHER)
        .await;
    trained(&operator, "intent", 2).await;
    let second = "tenants/acme/models/intent/versions/2";
    assert_eq!(space_of(&operator, second).await, OTHER);
    promote(&operator, &first).await;
    let mut route = v1::Route::default();
    for _ in 0..600 {
        let answer = crate::classify::ask(&operator, "intent", text, "").await;
        route = answer.route.unwrap();
        if route.reason == "SPACE_CHANGED" {
            assert_ne!(answer.method, "head");
            assert_eq!(answer.predictions[0].label, "security");
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(route.reason, "SPACE_CHANGED", "{route:?}");
    let request = v1::ClassifyRequest {
        parent: "tenants/acme".into(),
        task: "intent".into(),
        text: text.into(),
        model_override: first,
        ..Default::default()
    };
    let refused = operator.router().classify(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(
        refused.message().contains("retrain"),
        "{}",
        refused.message()
    );
    let asked = crate::classify::ask(&operator, "intent", text, second).await;
    assert_eq!(asked.method, "head");
}
