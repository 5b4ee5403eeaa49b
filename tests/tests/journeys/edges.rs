//! Histories that teach little, and trainings that are disturbed: each ends in a clear verdict or
//! error, and recommend goes on answering.

use api::v1;
use api::v1::job::State;
use testkit::{Client, TestServer, content, row};

const ASK: &str = "How often are encryption keys rotated?";

/// Ingests rows, waits for the index, and retrains.
async fn learn(operator: &Client, tenant: &str, rows: Vec<v1::IngestRow>) -> v1::Job {
    operator.make_tenant(tenant).await;
    operator.ingest_rows(tenant, "first", rows).await;
    operator.wait_indexed(tenant).await;
    operator.retrain(tenant).await
}

/// The content with each item changed.
fn changed(n: u64, change: impl Fn(u64, &mut v1::Item)) -> Vec<v1::IngestRow> {
    let mut rows = content(n);
    for (at, row) in rows.iter_mut().enumerate() {
        if let Some(v1::ingest_row::Row::Item(item)) = &mut row.row {
            change(at as u64, item);
        }
    }
    rows
}

async fn first_answer(operator: &Client, tenant: &str) -> String {
    let answer = operator.recommend(tenant, ASK).await;
    let first = answer.recommendations.first();
    first.map(|one| one.expert_id.clone()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn thin_and_odd_histories_end_in_a_clear_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;

    // One expert, who answered everything.
    let rows = changed(60, |_, item| item.experts = vec!["ada".into()]);
    let job = learn(&operator, "one", rows).await;
    assert_eq!(job.state(), State::Failed);
    assert!(job.error.contains("one expert"), "{}", job.error);
    assert_eq!(job.attempts, 1, "not tried again and again");
    assert_eq!(first_answer(&operator, "one").await, "ada");

    // The same, where others are known by their profiles only: what there is cannot be bettered.
    operator.make_tenant("one-of-three").await;
    let others = ["bob", "eve"].map(|id| v1::Expert {
        expert_id: id.into(),
        profile: Some("invoices and payment terms".into()),
        ..Default::default()
    });
    let request = v1::BatchUpsertExpertsRequest {
        parent: "tenants/one-of-three".into(),
        experts: others.into(),
        update_mask: None,
    };
    let mut ingest = operator.ingest();
    ingest.batch_upsert_experts(request).await.unwrap();
    let rows = changed(150, |_, item| item.experts = vec!["ada".into()]);
    operator.ingest_rows("one-of-three", "first", rows).await;
    operator.wait_indexed("one-of-three").await;
    let job = operator.retrain("one-of-three").await;
    assert_eq!(job.state(), State::Succeeded, "{job:?}");
    assert_eq!(job.outcome["verdict"], "KEEP", "{job:?}");
    assert_eq!(job.outcome["serves"], "false", "{job:?}");
    assert!(!job.outcome["reason"].is_empty());
    assert_eq!(first_answer(&operator, "one-of-three").await, "ada");
    a_routine_retrain_does_not_undo_an_administrator(&operator, &job.outcome["model"]).await;

    // One item.
    let job = learn(&operator, "single", content(1)).await;
    assert_eq!(job.state(), State::Failed);
    assert!(job.error.contains("too few"), "{}", job.error);
    assert_eq!(first_answer(&operator, "single").await, "sofia");

    // 49 items: trained, but nothing is proven by so few questions.
    let job = learn(&operator, "thin", content(49)).await;
    assert_eq!(job.state(), State::Succeeded, "{job:?}");
    assert_eq!(job.outcome["verdict"], "INSUFFICIENT_DATA");
    assert_eq!(job.outcome["serves"], "false");
    assert!(!job.outcome["reason"].is_empty());
    let answer = operator.recommend("thin", ASK).await;
    let route = answer.route.unwrap();
    assert_eq!(route.reason, "NOT_ENOUGH_DATA");
    assert_eq!(answer.recommendations[0].expert_id, "sofia");

    // Everything at the same time: the order is that of the ids, and the same each time.
    let rows = changed(150, |_, item| {
        item.occur_time = Some(prost_types::Timestamp {
            seconds: 1_700_000_000,
            nanos: 0,
        });
    });
    let job = learn(&operator, "at-once", rows).await;
    assert_eq!(job.state(), State::Succeeded, "{job:?}");
    let job = operator.reproduce(&job.outcome["model"]).await;
    assert_eq!(job.outcome["reproduced"], "true", "{job:?}");
    assert_eq!(first_answer(&operator, "at-once").await, "sofia");
}

/// Promotes the version, which no gate did: retrains that end in KEEP, and any on an older dataset, leave it.
async fn a_routine_retrain_does_not_undo_an_administrator(operator: &Client, name: &str) {
    let request = v1::PromoteModelRequest {
        name: name.to_owned(),
        reason: "we want our own".to_owned(),
        ..Default::default()
    };
    operator.training().promote_model(request).await.unwrap();
    let serves = async || {
        let model = operator.model(name).await;
        model.aliases.contains(&"champion".to_owned())
    };
    assert!(serves().await);
    let job = operator.retrain("one-of-three").await;
    assert_eq!(job.outcome["verdict"], "KEEP", "{job:?}");
    let why = &job.outcome["champion_stays"];
    assert!(why.contains("administrator"), "{why}");
    assert!(serves().await);
    let beside = async |job: &v1::Job| {
        let model = operator.model(&job.outcome["model"]).await;
        model.evaluation.unwrap().champion
    };
    assert_eq!(
        beside(&job).await,
        None,
        "nothing is new to the one that serves"
    );

    // One that saw more, promoted too: a version of the older dataset does not take its place.
    let older = job.outcome["dataset"].clone();
    let more = row(1, "more", "Who is it this time?", "ada", 10_000);
    operator
        .ingest_rows("one-of-three", "more", vec![more])
        .await;
    operator.wait_indexed("one-of-three").await;
    let newer = operator.retrain("one-of-three").await;
    let champion = beside(&newer).await.unwrap();
    assert_eq!((champion.model.as_str(), champion.queries), (name, 1));
    assert!(!champion.holds, "one question proves nothing: {champion:?}");
    let request = v1::PromoteModelRequest {
        name: newer.outcome["model"].clone(),
        reason: "it saw more".to_owned(),
        ..Default::default()
    };
    operator.training().promote_model(request).await.unwrap();
    let request = v1::RetrainRequest {
        parent: "tenants/one-of-three".to_owned(),
        dataset: format!("tenants/one-of-three/datasets/{older}"),
        ..Default::default()
    };
    let job = operator.training().retrain(request).await.unwrap();
    let job = operator.watch(job.into_inner().job.unwrap().name).await;
    let why = &job.outcome["champion_stays"];
    assert!(why.contains("newer dataset"), "{why}");
    let model = operator.model(&newer.outcome["model"]).await;
    assert_eq!(model.aliases, ["champion"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn experts_who_were_renamed_or_left_are_history_only() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    // After two thirds sofia and li go on under other ids, and the old ones are closed.
    let rows = changed(180, |at, item| {
        if at >= 120 && item.experts != ["omar"] {
            item.experts[0].push_str("-new");
        }
    });
    operator.make_tenant("acme").await;
    operator.ingest_rows("acme", "first", rows).await;
    let gone = ["sofia", "li"].map(|id| v1::Expert {
        expert_id: id.into(),
        inactive: Some(true),
        ..Default::default()
    });
    let request = v1::BatchUpsertExpertsRequest {
        parent: "tenants/acme".into(),
        experts: gone.into(),
        update_mask: None,
    };
    operator
        .ingest()
        .batch_upsert_experts(request)
        .await
        .unwrap();
    operator.wait_indexed("acme").await;
    let job = operator.retrain("acme").await;
    assert_eq!(job.state(), State::Succeeded, "{job:?}");
    assert!(["PROMOTE", "KEEP"].contains(&job.outcome["verdict"].as_str()));
    let mut answer = v1::RecommendExpertsResponse::default();
    for _ in 0..600 {
        answer = operator.recommend("acme", ASK).await;
        let old = |one: &v1::Recommendation| ["sofia", "li"].contains(&one.expert_id.as_str());
        if !answer.recommendations.iter().any(old) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let experts: Vec<_> = answer
        .recommendations
        .iter()
        .map(|r| &r.expert_id)
        .collect();
    assert_eq!(experts[0], "sofia-new", "{experts:?}");
    assert!(experts.iter().all(|id| *id != "sofia" && *id != "li"));
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_seen_once_are_said_and_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    let request = v1::CreateTaskRequest {
        parent: "tenants/acme".into(),
        task_id: "subject".into(),
        task: Some(v1::Task {
            kind: v1::task::Kind::SingleLabel.into(),
            ..Default::default()
        }),
    };
    operator.training().create_task(request).await.unwrap();
    let rows = changed(90, |at, item| {
        item.labels = match at % 30 {
            7 => vec![format!("odd-{at}")],
            _ => vec![["security", "billing", "support"][(at % 3) as usize].into()],
        };
    });
    operator.ingest_rows("acme", "first", rows).await;
    operator.wait_indexed("acme").await;
    let request = v1::RetrainRequest {
        parent: "tenants/acme".into(),
        task: "subject".into(),
        ..Default::default()
    };
    let job = operator.training().retrain(request).await.unwrap();
    let job = operator.watch(job.into_inner().job.unwrap().name).await;
    assert_eq!(job.state(), State::Succeeded, "{job:?}");
    let report = operator.model(&job.outcome["model"]).await.classification;
    let warnings = report.unwrap().warnings;
    assert!(
        warnings
            .iter()
            .any(|warning| warning.contains("3 labels have a single example")),
        "{warnings:?}"
    );
    let request = v1::ClassifyRequest {
        parent: "tenants/acme".into(),
        task: "subject".into(),
        text: ASK.into(),
        ..Default::default()
    };
    let answer = operator.router().classify(request).await.unwrap();
    assert!(!answer.into_inner().predictions.is_empty());
}

/// Content of forty experts: a search over it takes seconds.
fn much() -> Vec<v1::IngestRow> {
    let rows = (0..600_u64).map(|at| {
        let expert = (at * 7 + at / 50) % 40;
        let text = format!(
            "Question {at}: how is subject {expert} of chapter {} handled?",
            at % 9
        );
        row(
            at + 1,
            &format!("q-{at}"),
            &text,
            &format!("e{expert}"),
            at as i64,
        )
    });
    rows.collect()
}

async fn start(client: &Client, seed: u64, search_trials: u32) -> v1::Job {
    let request = v1::RetrainRequest {
        parent: "tenants/acme".into(),
        seed,
        search_trials,
        ..Default::default()
    };
    let job = client.training().retrain(request).await.unwrap();
    job.into_inner().job.unwrap()
}

/// Waits until the job runs.
async fn running(client: &Client, job: &v1::Job) {
    let request = v1::WatchJobRequest {
        name: job.name.clone(),
    };
    let mut updates = client
        .training()
        .watch_job(request)
        .await
        .unwrap()
        .into_inner();
    while let Some(update) = updates.message().await.unwrap() {
        let job = update.job.unwrap();
        assert!(
            !job.state().is_final(),
            "too quick to be disturbed: {job:?}"
        );
        if job.state() == State::Running {
            return;
        }
    }
    panic!("the watch ended before the job ran");
}

async fn versions(client: &Client) -> usize {
    let request = v1::ListModelsRequest {
        parent: "tenants/acme".into(),
        ..Default::default()
    };
    let models = client.training().list_models(request).await.unwrap();
    models.into_inner().models.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_retrain_is_cancelled_and_another_waits_for_its_turn() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    operator.ingest_rows("acme", "first", much()).await;
    operator.wait_indexed("acme").await;

    // One runs, another waits; asking for the one that waits again gives the same.
    let first = start(&operator, 1, 32).await;
    running(&operator, &first).await;
    let second = start(&operator, 2, 0).await;
    let again = start(&operator, 2, 0).await;
    assert_ne!(first.name, second.name);
    assert_eq!(second.name, again.name);
    assert_eq!(second.state(), State::Queued);
    assert!(!first_answer(&operator, "acme").await.is_empty());

    // The first is stopped in the middle, and leaves nothing; the second has its turn.
    let request = v1::CancelJobRequest {
        name: first.name.clone(),
    };
    operator.training().cancel_job(request).await.unwrap();
    let first = operator.watch(first.name).await;
    assert_eq!(first.state(), State::Cancelled, "{first:?}");
    let second = operator.watch(second.name).await;
    assert_eq!(second.state(), State::Succeeded, "{second:?}");
    assert_eq!(versions(&operator).await, 1);
    assert!(second.outcome["model"].ends_with("/1"));
    assert!(!first_answer(&operator, "acme").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trainer_killed_in_the_middle_of_its_work_begins_again() {
    let folder = tempfile::tempdir().unwrap();
    let lease = [("TENANTRY_JOBS__LEASE_SECONDS", "5")];
    let server = TestServer::start_with(folder.path(), &lease).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    operator.ingest_rows("acme", "first", much()).await;
    operator.wait_indexed("acme").await;
    let job = start(&operator, 1, 32).await;
    running(&operator, &job).await;
    server.kill();

    let server = TestServer::start_with(folder.path(), &lease).await;
    let operator = server.operator().await;
    assert!(!first_answer(&operator, "acme").await.is_empty());
    let job = operator.watch(job.name).await;
    assert_eq!(job.state(), State::Succeeded, "{job:?}");
    assert_eq!(job.attempts, 2, "the lease ran out, and it was taken again");
    assert_eq!(versions(&operator).await, 1);
    let job = operator.reproduce(&job.outcome["model"]).await;
    assert_eq!(job.outcome["reproduced"], "true", "{job:?}");
}
