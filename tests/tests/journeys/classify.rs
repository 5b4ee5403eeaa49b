//! A tenant defines a task, gets answers before any training, trains a head, and corrects it.

use api::v1;
use testkit::{Client, TestServer, row};
use tonic::Code;

mod changes;
mod corrections;
mod kinds;
mod policies;

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
pub(crate) fn items(n: u64) -> Vec<v1::IngestRow> {
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

pub(crate) fn intent() -> v1::Task {
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

pub(crate) async fn create(
    admin: &Client,
    id: &str,
    task: v1::Task,
) -> Result<v1::Task, tonic::Status> {
    let request = v1::CreateTaskRequest {
        parent: "tenants/acme".into(),
        task_id: id.into(),
        task: Some(task),
    };
    let answer = admin.training().create_task(request).await?;
    Ok(answer.into_inner().task.unwrap())
}

pub(crate) async fn ask(
    client: &Client,
    task: &str,
    text: &str,
    model: &str,
) -> v1::ClassifyResponse {
    let request = v1::ClassifyRequest {
        parent: "tenants/acme".into(),
        task: task.into(),
        text: text.into(),
        model_override: model.into(),
        ..Default::default()
    };
    client
        .router()
        .classify(request)
        .await
        .unwrap()
        .into_inner()
}

pub(crate) async fn retrain(admin: &Client, task: &str) -> v1::Job {
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
pub(crate) async fn eventually(
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
