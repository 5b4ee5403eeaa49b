//! A tenant defines a task, gets answers before any training, trains a head, and corrects it.

use api::v1;
use tenantry_tests::{Client, TestServer, row};
use tonic::Code;

/// Subjects of three labels, and of what is out of scope.
const SUBJECTS: [(&str, [&str; 6]); 4] = [
    (
        "security",
        [
            "encryption of stored data",
            "rotation of keys",
            "penetration tests",
            "firewall rules",
            "access logs",
            "password policy",
        ],
    ),
    (
        "billing",
        [
            "late invoices",
            "volume discounts",
            "payment in euro",
            "price increases",
            "refunds",
            "purchase orders",
        ],
    ),
    (
        "support",
        [
            "help desk hours",
            "training for administrators",
            "onboarding of users",
            "response times",
            "migration of content",
            "status page",
        ],
    ),
    (
        "other",
        [
            "pizza for dinner",
            "a football match",
            "the weather in Rome",
            "a song about the moon",
            "my cat",
            "a trip to the beach",
        ],
    ),
];

/// `n` labelled items: the label as `intent:…`, and how many points it is worth.
fn items(n: u64) -> Vec<v1::IngestRow> {
    (0..n)
        .map(|at| {
            let (label, subjects) = SUBJECTS[(at % 4) as usize];
            let subject = subjects[(at / 4 % 6) as usize];
            let text = format!(
                "Case {at}: please tell us about {subject}, group {}",
                at % 7
            );
            let mut made = row(at + 1, &format!("q-{at}"), &text, "", at as i64);
            if let Some(v1::ingest_row::Row::Item(item)) = &mut made.row {
                item.experts.clear();
                item.labels = vec![format!("intent:{label}"), "imported".into()];
                let points = [1.0, 5.0, 8.0, 0.0][(at % 4) as usize] + (at % 3) as f64 * 0.1;
                let text = if at == 0 {
                    "many".to_owned()
                } else {
                    points.to_string()
                };
                item.attributes.insert("points".into(), text);
            }
            made
        })
        .collect()
}

fn intent() -> v1::Task {
    let label = |name: &str, description: &str| v1::task::Label {
        name: name.into(),
        description: description.into(),
        keywords: Vec::new(),
    };
    v1::Task {
        kind: v1::task::Kind::SingleLabel.into(),
        source: Some(v1::task::Source {
            field: v1::task::source::Field::Labels.into(),
            prefix: "intent:".into(),
            attribute: String::new(),
        }),
        labels: vec![
            label("security", "encryption, keys, firewalls and access control"),
            label("billing", "invoices, prices, discounts and payment"),
            label("support", "help desk, training and onboarding of users"),
        ],
        out_of_scope_label: "other".into(),
        target_precision: 0.9,
        ..Default::default()
    }
}

async fn create(admin: &Client, id: &str, task: v1::Task) -> Result<v1::Task, tonic::Status> {
    let request = v1::CreateTaskRequest {
        parent: "tenants/acme".into(),
        task_id: id.into(),
        task: Some(task),
    };
    let answer = admin.training().create_task(request).await?;
    Ok(answer.into_inner().task.unwrap())
}

async fn ask(client: &Client, task: &str, text: &str, model: &str) -> v1::ClassifyResponse {
    let request = v1::ClassifyRequest {
        parent: "tenants/acme".into(),
        task: task.into(),
        text: text.into(),
        model_override: model.into(),
    };
    client
        .router()
        .classify(request)
        .await
        .unwrap()
        .into_inner()
}

async fn retrain(admin: &Client, task: &str) -> v1::Job {
    let request = v1::RetrainRequest {
        parent: "tenants/acme".into(),
        task: task.into(),
        ..Default::default()
    };
    let job = admin
        .training()
        .retrain(request)
        .await
        .unwrap()
        .into_inner()
        .job;
    admin.watch(job.unwrap().name).await
}

fn chosen(answer: &v1::ClassifyResponse) -> Vec<&str> {
    let chosen = answer.predictions.iter().filter(|one| one.chosen);
    chosen.map(|one| one.label.as_str()).collect()
}

/// Asks until the answer is as wanted: the router hears of changes a moment later.
async fn eventually(
    client: &Client,
    task: &str,
    text: &str,
    wanted: impl Fn(&v1::ClassifyResponse) -> bool,
) -> v1::ClassifyResponse {
    let mut last = v1::ClassifyResponse::default();
    for _ in 0..600 {
        last = ask(client, task, text, "").await;
        if wanted(&last) {
            return last;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("never as wanted: {last:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_goes_from_its_definition_to_a_head_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    let key = |role| operator.make_key("acme", role);
    let admin = server
        .client(Some(&key(v1::api_key::Role::TenantAdmin).await))
        .await;
    let backend = server
        .client(Some(&key(v1::api_key::Role::Backend).await))
        .await;

    // A task with labels answers before there is any item, and says on what it goes.
    create(&admin, "intent", intent()).await.unwrap();
    let taken = create(&admin, "intent", intent()).await.unwrap_err();
    assert_eq!(taken.code(), Code::AlreadyExists);
    let first = ask(
        &backend,
        "intent",
        "Which firewall rules and encryption do you use?",
        "",
    )
    .await;
    assert_eq!(first.predictions[0].label, "security", "{first:?}");
    assert_eq!(first.method, "zero-shot");
    let route = first.route.clone().unwrap();
    assert_eq!(
        (route.tier(), route.reason.as_str()),
        (v1::Tier::Global, "NOT_ENOUGH_DATA")
    );

    // Nothing to train on is a clear outcome.
    let job = retrain(&admin, "intent").await;
    assert_eq!(job.state(), v1::job::State::Failed);
    assert!(job.error.contains("too few"), "{}", job.error);

    // Labelled items without experts are enough: neighbours answer at once, and are the evidence.
    let (_, rejected) = backend.ingest_rows("acme", "first", items(240)).await;
    assert!(rejected.is_empty(), "{rejected:?}");
    backend.wait_indexed("acme").await;
    let near = eventually(
        &backend,
        "intent",
        "please tell us about late invoices",
        |answer| answer.method == "knn" && !answer.evidence.is_empty(),
    )
    .await;
    assert_eq!(near.predictions[0].label, "billing", "{near:?}");

    // A head is trained, reports, and serves.
    let job = retrain(&admin, "intent").await;
    assert_eq!(job.state(), v1::job::State::Succeeded, "{job:?}");
    assert_eq!(job.outcome["verdict"], "PROMOTE", "{job:?}");
    let name = job.outcome["model"].clone();
    let request = v1::GetModelRequest { name: name.clone() };
    let model = admin
        .training()
        .get_model(request)
        .await
        .unwrap()
        .into_inner()
        .model
        .unwrap();
    let report = model.classification.unwrap();
    assert_eq!((report.rows, report.classes.len()), (240, 4));
    assert!(
        report.confusions_complete && report.calibration_error < 0.1,
        "{report:?}"
    );
    for method in ["keywords", "zero-shot", "knn", "head"] {
        assert!(
            report.methods.iter().any(|m| m.method == method),
            "{method}"
        );
    }
    let text = "Do you have volume discounts and payment in euro?";
    let served = eventually(&backend, "intent", text, |answer| answer.method == "head").await;
    assert_eq!(served.route.unwrap().model, name);
    assert_eq!(served.predictions[0].label, "billing");
    assert!(
        served
            .predictions
            .iter()
            .all(|one| (0.0..=1.0).contains(&one.confidence))
    );

    // What the task has no label for is found, and nothing is chosen.
    let strange = ask(
        &backend,
        "intent",
        "please tell us about pizza for dinner",
        "",
    )
    .await;
    assert!(strange.out_of_scope && strange.abstained, "{strange:?}");
    assert_eq!(strange.abstain_reason, "OUT_OF_SCOPE");
    assert!(chosen(&strange).is_empty());
    // Something between two labels is left to a person.
    let text = "hello";
    let unsure = ask(&backend, "intent", text, "").await;
    assert!(unsure.abstained, "{unsure:?}");

    // Every method can be asked for, by an administrator.
    for method in ["keywords", "zero-shot", "knn"] {
        let answer = ask(
            &admin,
            "intent",
            "rotation of keys",
            &format!("baseline:{method}"),
        )
        .await;
        assert_eq!(answer.method, method);
        assert_eq!(
            answer.predictions[0].label, "security",
            "{method}: {answer:?}"
        );
    }
    broken_artifacts_are_replaced(&backend, &admin, folder.path(), &name).await;
}

/// The head's file is damaged: the answer says what was meant, and comes from the neighbours.
async fn broken_artifacts_are_replaced(
    backend: &Client,
    admin: &Client,
    folder: &std::path::Path,
    name: &str,
) {
    let mut waiting = vec![folder.join("models")];
    let mut broken = 0;
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(
                std::fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else if path.extension().is_some_and(|kind| kind == "head") {
            std::fs::write(path, b"damaged").unwrap();
            broken += 1;
        }
    }
    assert!(broken > 0);
    // Any change of the task makes the router read it again.
    let request = v1::UpdateTaskRequest {
        task: Some(v1::Task {
            name: "tenants/acme/tasks/intent".into(),
            display_name: "Intent".into(),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["display_name".into()],
        }),
    };
    admin.training().update_task(request).await.unwrap();
    let text = "please tell us about late invoices";
    let answer = eventually(backend, "intent", text, |answer| answer.method != "head").await;
    let route = answer.route.clone().unwrap();
    assert_eq!(route.reason, "FALLBACK_UNAVAILABLE");
    assert!(route.fallbacks[0].starts_with(name), "{route:?}");
    assert_eq!(answer.predictions[0].label, "billing", "{answer:?}");
}

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
    assert_eq!(
        model.classification.unwrap().rows,
        159,
        "one value is no number"
    );
    let answer = ask(&operator, "points", text, "").await;
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
    };
    let refused = operator.router().classify(request).await.unwrap_err();
    assert_eq!(
        refused.code(),
        Code::NotFound,
        "a model belongs to its tenant"
    );
}
