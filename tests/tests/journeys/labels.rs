//! Labels change, corrections are taken back, and texts that contradict each other are named.

use api::v1;
use testkit::{Client, TestServer, row};
use tonic::Code;
use v1::task::source::Field;

use crate::classify::{create, eventually, intent, items, retrain};
use crate::people::cli;

fn labelled(line: u64, id: &str, text: &str, labels: &[&str]) -> v1::IngestRow {
    let mut made = row(line, id, text, "", line as i64);
    if let Some(v1::ingest_row::Row::Item(item)) = &mut made.row {
        item.experts.clear();
        item.labels = labels.iter().map(|label| (*label).to_owned()).collect();
    }
    made
}

async fn item(client: &Client, id: &str) -> v1::Item {
    let name = format!("tenants/acme/items/{id}");
    let answer = client.ingest().get_item(v1::GetItemRequest { name }).await;
    answer.unwrap().into_inner().item.unwrap()
}

async fn task(client: &Client, id: &str) -> v1::Task {
    let name = format!("tenants/acme/tasks/{id}");
    let answer = client
        .training()
        .get_task(v1::GetTaskRequest { name })
        .await;
    answer.unwrap().into_inner().task.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_is_renamed_everywhere_and_two_are_merged() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    create(&operator, "intent", intent()).await.unwrap();
    operator.ingest_rows("acme", "first", items(80)).await;
    operator.wait_indexed("acme").await;
    let text = "Please explain the purchase orders";
    let answer = eventually(&operator, "intent", text, |answer| answer.method == "knn").await;
    let correct = v1::CorrectLabelRequest {
        parent: "tenants/acme".into(),
        task: "intent".into(),
        request_id: answer.request_id,
        labels: vec!["Billing".into()],
        value: None,
    };
    operator.router().correct_label(correct).await.unwrap();

    let rename = |label: &str, new: &str| v1::RenameLabelRequest {
        parent: "tenants/acme".into(),
        task: "intent".into(),
        label: label.into(),
        new_label: new.into(),
    };
    let mut ingest = operator.ingest();
    let taken = ingest
        .rename_label(rename("billing", "Security"))
        .await
        .unwrap_err();
    assert_eq!(taken.code(), Code::AlreadyExists, "{taken:?}");
    let done = ingest
        .rename_label(rename("BILLING", "Invoices & prices"))
        .await;
    let done = done.unwrap().into_inner();
    assert_eq!((done.items, done.corrections), (20, 1));
    assert_eq!(done.tasks, ["intent"]);
    let labels = item(&operator, "q-1").await.labels;
    assert_eq!(labels, ["imported", "intent:Invoices & prices"]);
    let names: Vec<String> = task(&operator, "intent")
        .await
        .labels
        .into_iter()
        .map(|l| l.name)
        .collect();
    assert_eq!(names, ["security", "Invoices & prices", "support"]);
    let again = ingest
        .rename_label(rename("billing", "Invoices & prices"))
        .await;
    assert_eq!(again.unwrap().into_inner().items, 0, "once more is nothing");
    let told = eventually(&operator, "intent", text, |answer| {
        answer
            .predictions
            .first()
            .is_some_and(|one| one.label == "Invoices & prices")
    })
    .await;
    assert_eq!(told.method, "correction");

    // As they stand in items, by the command line; the task follows.
    let merge = [
        "labels",
        "merge",
        "-t",
        "acme",
        "intent:support",
        "intent:security",
        "--into",
        "intent:service",
    ];
    let (merged, code) = cli(&server, &merge).await;
    assert_eq!(
        (code, &merged["items"]),
        (Some(0), &serde_json::json!(40)),
        "{merged}"
    );
    let names: Vec<String> = task(&operator, "intent")
        .await
        .labels
        .into_iter()
        .map(|l| l.name)
        .collect();
    assert_eq!(names, ["service", "Invoices & prices"]);
    let missing = v1::RenameLabelRequest {
        task: "nothing".into(),
        ..rename("a", "b")
    };
    assert_eq!(
        ingest.rename_label(missing).await.unwrap_err().code(),
        Code::NotFound
    );
    let (events, _) = cli(&server, &["audit", "list", "-t", "acme"]).await;
    let actions: Vec<&str> = events
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|e| e["action"].as_str())
        .collect();
    assert!(
        actions.contains(&"labels.rename") && actions.contains(&"labels.merge"),
        "{actions:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_that_is_taken_back_counts_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    create(&operator, "intent", intent()).await.unwrap();
    operator.ingest_rows("acme", "first", items(80)).await;
    operator.wait_indexed("acme").await;
    let text = "Our submarine needs a new periscope";
    let answer = eventually(&operator, "intent", text, |answer| answer.method == "knn").await;
    let correct = v1::CorrectLabelRequest {
        parent: "tenants/acme".into(),
        task: "intent".into(),
        request_id: answer.request_id.clone(),
        labels: vec!["Submarines".into()],
        value: None,
    };
    operator.router().correct_label(correct).await.unwrap();
    eventually(&operator, "intent", text, |answer| {
        answer.method == "correction"
    })
    .await;
    let withdraw = [
        "feedback",
        "withdraw-correction",
        "-t",
        "acme",
        "intent",
        "--request",
        &answer.request_id,
    ];
    let (done, code) = cli(&server, &withdraw).await;
    assert_eq!(
        (code, &done["withdrawn"]),
        (Some(0), &serde_json::json!(true)),
        "{done}"
    );
    let now = eventually(&operator, "intent", text, |answer| {
        answer.method != "correction"
    })
    .await;
    assert!(
        now.predictions.iter().all(|one| one.label != "Submarines"),
        "{now:?}"
    );
    let (again, code) = cli(&server, &withdraw).await;
    assert_eq!(
        (code, &again["withdrawn"]),
        (Some(0), &serde_json::json!(false)),
        "{again}"
    );
    let job = retrain(&operator, "intent").await;
    assert_eq!(job.state(), v1::job::State::Succeeded, "{job:?}");
    let model = operator.model(&job.outcome["model"]).await;
    assert_eq!(model.classification.unwrap().corrections, 0);
    let nowhere = v1::WithdrawCorrectionRequest {
        parent: "tenants/acme".into(),
        task: "nothing".into(),
        request_id: answer.request_id,
    };
    let missing = operator
        .router()
        .withdraw_correction(nowhere)
        .await
        .unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn contradictions_are_named_in_datasets_and_in_reports() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    create(&operator, "intent", intent()).await.unwrap();
    let mut rows = items(80);
    let texts: Vec<(String, String)> = rows
        .iter()
        .filter_map(|row| match &row.row {
            Some(v1::ingest_row::Row::Item(item)) => {
                Some((item.item_id.clone(), item.text.clone()))
            }
            _ => None,
        })
        .collect();
    // The same text in other clothes under another label: other items, never conflicts.
    for (at, (_, text)) in texts.iter().take(4).enumerate() {
        let shouted = format!("  {}!! ", text.to_uppercase());
        rows.push(labelled(
            81 + at as u64,
            &format!("again-{at}"),
            &shouted,
            &["intent:elsewhere"],
        ));
    }
    rows.push(labelled(
        90,
        "q-90",
        "Unlike all others",
        &["intent:support"],
    ));
    rows.push(labelled(
        91,
        "Q-90",
        "Quite another matter",
        &["intent:support"],
    ));
    let (last, rejected) = operator.ingest_rows("acme", "first", rows).await;
    assert!(rejected.is_empty() && last.unchanged == 0, "{rejected:?}");
    operator.wait_indexed("acme").await;

    let (dataset, code) = cli(&server, &["datasets", "create", "-t", "acme"]).await;
    assert_eq!(code, Some(0), "{dataset}");
    let number = dataset["number"].as_str().unwrap();
    let (shown, code) = cli(&server, &["datasets", "show", "-t", "acme", number]).await;
    let found = &shown["validation"];
    assert_eq!(
        (code, &found["contradictory_texts"]),
        (Some(0), &serde_json::json!(4)),
        "{shown}"
    );
    let first = &found["contradictions"][0];
    assert_eq!(first["item_ids"], serde_json::json!(["q-0", "again-0"]));
    assert_eq!(first["differ_in"], serde_json::json!(["labels"]));
    let warnings: Vec<&str> = found["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|w| w.as_str())
        .collect();
    let said = |what: &str| warnings.iter().any(|warning| warning.contains(what));
    assert!(
        said("4 texts have items with different labels, for example q-0 and again-0"),
        "{warnings:?}"
    );
    assert!(
        said("differ from another by case or width only, for example Q-90 and q-90"),
        "{warnings:?}"
    );

    let job = retrain(&operator, "intent").await;
    assert_eq!(job.state(), v1::job::State::Succeeded, "{job:?}");
    let report = operator
        .model(&job.outcome["model"])
        .await
        .classification
        .unwrap();
    let named = report
        .warnings
        .iter()
        .any(|warning| warning.starts_with("4 texts have two labels or more, for example"));
    assert!(named, "{:?}", report.warnings);
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_in_an_attribute_keep_their_commas() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    let topics = v1::Task {
        kind: v1::task::Kind::MultiLabel.into(),
        source: Some(v1::task::Source {
            field: Field::Attribute.into(),
            attribute: "topics".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    create(&operator, "topics", topics).await.unwrap();
    let rows = (0..12_u64).map(|at| {
        let (text, value) = match at % 2 {
            0 => (
                "is sign-on with two factors there",
                "\"Login (SSO, 2FA)\", Rollout",
            ),
            _ => ("how are meals in the canteen paid", "Canteen"),
        };
        let mut made = labelled(
            at + 1,
            &format!("t-{at}"),
            &format!("Note {at}: {text}?"),
            &[],
        );
        if let Some(v1::ingest_row::Row::Item(item)) = &mut made.row {
            item.attributes.insert("topics".into(), value.into());
        }
        made
    });
    operator.ingest_rows("acme", "first", rows.collect()).await;
    operator.wait_indexed("acme").await;
    let answer = eventually(
        &operator,
        "topics",
        "Note: is sign-on with two factors there?",
        |answer| answer.predictions.len() >= 2,
    )
    .await;
    let mut labels: Vec<&str> = answer
        .predictions
        .iter()
        .map(|one| one.label.as_str())
        .collect();
    labels.sort_unstable();
    labels.retain(|label| *label != "Canteen");
    assert_eq!(labels, ["Login (SSO, 2FA)", "Rollout"]);

    // Renamed where it stands, with what is beside it.
    let rename = v1::RenameLabelRequest {
        parent: "tenants/acme".into(),
        task: "topics".into(),
        label: "Rollout".into(),
        new_label: "Launch, phase 2".into(),
    };
    let done = operator
        .ingest()
        .rename_label(rename)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(done.items, 6);
    let value = item(&operator, "t-0").await.attributes["topics"].clone();
    assert_eq!(value, "\"Login (SSO, 2FA)\", \"Launch, phase 2\"");
}
