//! What people say was right counts at once, and in the next training.

use api::v1;
use testkit::TestServer;
use tonic::Code;

use super::{create, eventually, intent, items, retrain};

#[tokio::test(flavor = "multi_thread")]
async fn corrections_count_at_once_and_in_the_next_training() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    create(&operator, "intent", intent()).await.unwrap();
    operator.ingest_rows("acme", "first", items(80)).await;
    operator.wait_indexed("acme").await;
    let text = "Our zeppelin needs a new anchor";
    let answer = eventually(&operator, "intent", text, |answer| answer.method == "knn").await;

    let correct = |request_id: &str, labels: &[&str]| v1::CorrectLabelRequest {
        parent: "tenants/acme".into(),
        task: "intent".into(),
        request_id: request_id.into(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        value: None,
    };
    let mut router = operator.router();
    for (request, code) in [
        (correct("nothing", &["support"]), Code::NotFound),
        (correct(&answer.request_id, &[]), Code::InvalidArgument),
        (
            correct(&answer.request_id, &["a", "b"]),
            Code::InvalidArgument,
        ),
    ] {
        let refused = router.correct_label(request).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused:?}");
    }
    // A label that nobody had before; the same text gets it as soon as the router has heard.
    let request = correct(&answer.request_id, &["Airships"]);
    let corrected = router.correct_label(request).await.unwrap().into_inner();
    assert!(!corrected.confirmed);
    let again = eventually(&operator, "intent", text, |answer| {
        answer
            .predictions
            .first()
            .is_some_and(|one| one.label == "Airships")
    })
    .await;
    let request = correct(&again.request_id, &["airships"]);
    assert!(
        router
            .correct_label(request)
            .await
            .unwrap()
            .into_inner()
            .confirmed
    );

    // It survives as an example of the next training.
    let job = retrain(&operator, "intent").await;
    assert_eq!(job.state(), v1::job::State::Succeeded, "{job:?}");
    let request = v1::GetModelRequest {
        name: job.outcome["model"].clone(),
    };
    let model = operator
        .training()
        .get_model(request)
        .await
        .unwrap()
        .into_inner()
        .model
        .unwrap();
    assert_eq!(
        model.classification.unwrap().corrections,
        1,
        "one text, corrected twice"
    );

    // A model that was trained since does not speak against what a person says of the very same text.
    let request = correct(&again.request_id, &["support"]);
    router.correct_label(request).await.unwrap();
    let told = eventually(&operator, "intent", text, |answer| {
        answer
            .predictions
            .first()
            .is_some_and(|one| one.label == "support")
    })
    .await;
    assert_eq!(
        (told.method.as_str(), told.abstained),
        ("correction", false)
    );

    // Deleted with its task.
    let name = "tenants/acme/tasks/intent".to_owned();
    let request = v1::DeleteTaskRequest { name: name.clone() };
    operator
        .training()
        .delete_task(request.clone())
        .await
        .unwrap();
    let gone = operator.training().delete_task(request).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
    let request = v1::RetrainRequest {
        parent: "tenants/acme".into(),
        task: "intent".into(),
        ..Default::default()
    };
    let gone = operator.training().retrain(request).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
}
