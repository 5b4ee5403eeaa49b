//! Several labels, numbers, and tenants that see nothing of each other.

use api::v1;
use testkit::TestServer;
use tonic::Code;

use super::{ask, chosen, create, eventually, items, retrain};

#[tokio::test(flavor = "multi_thread")]
async fn several_labels_and_numbers_are_predicted_too() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    operator.make_tenant("other").await;
    let labels = v1::Task {
        kind: v1::task::Kind::MultiLabel.into(),
        ..Default::default()
    };
    create(&operator, "labels", labels).await.unwrap();
    let points = v1::Task {
        kind: v1::task::Kind::Regression.into(),
        source: Some(v1::task::Source {
            field: v1::task::source::Field::Attribute.into(),
            prefix: String::new(),
            attribute: "points".into(),
        }),
        ..Default::default()
    };
    create(&operator, "points", points.clone()).await.unwrap();
    let nothing = ask(&operator, "points", "how long is the help desk open?", "").await;
    assert_eq!(
        (nothing.value, nothing.abstain_reason.as_str()),
        (None, "NO_EXAMPLES")
    );
    operator.ingest_rows("acme", "first", items(160)).await;
    operator.wait_indexed("acme").await;

    let job = retrain(&operator, "labels").await;
    assert_eq!(job.state(), v1::job::State::Succeeded, "{job:?}");
    let text = "please tell us about the help desk hours";
    let answer = eventually(&operator, "labels", text, |answer| {
        chosen(answer).len() == 2
    })
    .await;
    let mut said = chosen(&answer);
    said.sort_unstable();
    assert_eq!(said, ["imported", "intent:support"], "{answer:?}");

    let job = retrain(&operator, "points").await;
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
    let report = model.classification.unwrap();
    assert_eq!(report.rows, 159, "one value is not a number");
    let warned = |text: &String| text.starts_with("1 items") && text.contains("q-0 (\"many\")");
    assert!(
        report.warnings.iter().any(warned),
        "it is named: {:?}",
        report.warnings
    );
    // The head itself, whether it serves or not.
    let answer = ask(&operator, "points", text, &job.outcome["model"]).await;
    assert_eq!(answer.method, "head");
    let value = answer.value.unwrap();
    assert!(
        (value.value - 8.1).abs() < 1.5 && value.low <= value.value,
        "{answer:?}"
    );
    let median = ask(&operator, "points", text, "baseline:median").await;
    assert!(median.value.is_some());

    // Another tenant has neither the tasks nor the answers.
    let request = v1::ClassifyRequest {
        parent: "tenants/other".into(),
        task: "points".into(),
        text: "why?".into(),
        ..Default::default()
    };
    let refused = operator.router().classify(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    let request = v1::CreateTaskRequest {
        parent: "tenants/other".into(),
        task_id: "points".into(),
        task: Some(points),
    };
    operator.training().create_task(request).await.unwrap();
    let request = v1::CorrectLabelRequest {
        parent: "tenants/other".into(),
        task: "points".into(),
        request_id: answer.request_id.clone(),
        value: Some(1.0),
        ..Default::default()
    };
    let refused = operator.router().correct_label(request).await.unwrap_err();
    assert_eq!(
        refused.code(),
        Code::NotFound,
        "an answer belongs to its tenant"
    );
    let request = v1::ClassifyRequest {
        parent: "tenants/other".into(),
        task: "points".into(),
        text: "why?".into(),
        model_override: job.outcome["model"].clone(),
        ..Default::default()
    };
    let refused = operator.router().classify(request).await.unwrap_err();
    assert_eq!(
        refused.code(),
        Code::NotFound,
        "a model belongs to its tenant"
    );
}
