//! The registry can be trusted: versions can be made again byte for byte, old ones go, searches leave
//! their trials.

use std::path::Path;

use api::v1;
use api::v1::job::{Kind, State};
use testkit::{Client, Postgres, TestServer, content, program, row};

const FIRST: &str = "tenants/acme/models/experts/versions/1";

fn succeeded(job: v1::Job) -> v1::Job {
    assert_eq!(job.state(), State::Succeeded, "{job:?}");
    job
}

/// Retrains with what `change` sets, and waits for the end.
async fn retrain(client: &Client, change: impl FnOnce(&mut v1::RetrainRequest)) -> v1::Job {
    let mut request = v1::RetrainRequest {
        parent: "tenants/acme".into(),
        ..Default::default()
    };
    change(&mut request);
    let job = client.training().retrain(request).await.unwrap();
    succeeded(client.watch(job.into_inner().job.unwrap().name).await)
}

/// What the program prints as JSON, and its exit code.
async fn cli(server: &TestServer, arguments: &[&str]) -> (serde_json::Value, Option<i32>) {
    let mut command = tokio::process::Command::new(program());
    command
        .args(arguments)
        .args(["-o", "json"])
        .env("TENANTRY_ENDPOINT", &server.endpoint)
        .env("TENANTRY_KEY", &server.operator_key);
    let output = command.output().await.unwrap();
    let printed = serde_json::from_slice(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let printed = printed.unwrap_or_else(|error| panic!("{error}: {errors}"));
    (printed, output.status.code())
}

async fn experts(client: &Client, experts: &[(&str, &str)]) {
    let expert = |(id, profile): &(&str, &str)| v1::Expert {
        expert_id: (*id).to_owned(),
        profile: Some((*profile).to_owned()),
        ..Default::default()
    };
    let request = v1::BatchUpsertExpertsRequest {
        parent: "tenants/acme".into(),
        experts: experts.iter().map(expert).collect(),
        update_mask: None,
    };
    client.ingest().batch_upsert_experts(request).await.unwrap();
}

/// A tenant with experts, items and a task.
async fn fill(operator: &Client) {
    operator.make_tenant("acme").await;
    let listed = [
        ("sofia", "encryption, keys and firewalls"),
        ("li", "invoices and prices"),
        ("omar", ""),
    ];
    experts(operator, &listed).await;
    let mut rows = content(240);
    for (at, row) in rows.iter_mut().enumerate() {
        if let Some(v1::ingest_row::Row::Item(item)) = &mut row.row {
            item.labels = vec![["security", "billing", "support"][at % 3].to_owned()];
        }
    }
    operator.ingest_rows("acme", "first", rows).await;
    operator.wait_indexed("acme").await;
    let request = v1::CreateTaskRequest {
        parent: "tenants/acme".into(),
        task_id: "subject".into(),
        task: Some(v1::Task {
            kind: v1::task::Kind::SingleLabel.into(),
            ..Default::default()
        }),
    };
    operator.training().create_task(request).await.unwrap();
}

/// Checksums of the versions that one training of each kind makes, on a server with these settings.
async fn checksums(folder: &Path, settings: &[(&str, &str)]) -> Vec<String> {
    let server = TestServer::start_with(folder, settings).await;
    let operator = server.operator().await;
    fill(&operator).await;
    retrain(&operator, |_| {}).await;
    retrain(&operator, |request| request.task = "subject".into()).await;
    let names = [FIRST, "tenants/acme/models/subject/versions/1"];
    let mut sums = Vec::new();
    for name in names {
        sums.push(operator.model(name).await.checksum);
    }
    assert!(server.terminate().await);
    // Another process, the same bytes.
    let server = TestServer::start_with(folder, settings).await;
    let operator = server.operator().await;
    for name in names {
        let job = succeeded(operator.reproduce(name).await);
        assert_eq!(job.outcome["reproduced"], "true", "{job:?}");
    }
    sums
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_data_gives_the_same_bytes_on_sqlite_on_postgresql_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (folder.path().join("a"), folder.path().join("b"));
    std::fs::create_dir(&one).unwrap();
    std::fs::create_dir(&other).unwrap();
    let on_sqlite = checksums(&one, &[]).await;
    let Some(postgres) = Postgres::start() else {
        return;
    };
    let url = postgres.url();
    let on_postgres = checksums(&other, &[("TENANTRY_STORAGE__URL", &url)]).await;
    assert_eq!(on_sqlite, on_postgres);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_made_again_whatever_changed_since() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    fill(&operator).await;
    retrain(&operator, |request| request.seed = 5).await;
    let before = operator.model(FIRST).await;
    let lineage = before.lineage.clone().unwrap();
    assert_eq!(lineage.parent, "global/models/experts/versions/0");
    for parameter in [
        "window_decay",
        "prior_strength",
        "inputs",
        "parent_checksum",
    ] {
        assert!(lineage.parameters.contains_key(parameter), "{parameter}");
    }
    assert!(lineage.code_version.contains('.'), "{lineage:?}");

    // Experts change, leave and come, and there is more content: the version is still the same.
    let changed = [
        ("sofia", "knows nothing any more"),
        ("new", "encryption keys and everything else"),
    ];
    experts(&operator, &changed).await;
    let more = (0..60).map(|at| {
        let text = format!("Another question {at} about parental leave");
        row(at + 1, &format!("n-{at}"), &text, "new", 500 + at as i64)
    });
    operator.ingest_rows("acme", "more", more.collect()).await;
    operator.wait_indexed("acme").await;
    retrain(&operator, |_| {}).await;
    let job = succeeded(operator.reproduce(FIRST).await);
    assert_eq!(job.kind(), Kind::ReproduceModel);
    assert_eq!(job.outcome["reproduced"], "true", "{job:?}");
    assert_eq!(job.outcome["reason"], "SAME_BYTES");
    assert_eq!(job.outcome["made_checksum"], before.checksum);

    // It left no trace but the job: the same versions, the same aliases.
    let request = v1::ListModelsRequest {
        parent: "tenants/acme".into(),
        ..Default::default()
    };
    let models = operator.training().list_models(request).await.unwrap();
    assert_eq!(models.into_inner().models.len(), 2);
    let now = operator.model(FIRST).await;
    assert_eq!(
        (now.lineage, now.checksum),
        (before.lineage, before.checksum)
    );

    // A damaged artifact is said, and the version can be made all the same.
    let versions = folder
        .path()
        .join("models/tenants/acme/models/experts/versions");
    let files = std::fs::read_dir(versions).unwrap();
    for file in files {
        let path = file.unwrap().path();
        if path.to_string_lossy().contains("/1-") {
            std::fs::write(path, "broken").unwrap();
        }
    }
    let job = succeeded(operator.reproduce(FIRST).await);
    assert_eq!(job.outcome["reproduced"], "true", "{job:?}");
    let explanation = &job.outcome["explanation"];
    assert!(explanation.contains("missing or damaged"), "{explanation}");

    let missing = v1::ReproduceModelRequest {
        name: "tenants/acme/models/experts/versions/77".into(),
    };
    let refused = operator.training().reproduce_model(missing).await;
    assert_eq!(refused.unwrap_err().code(), tonic::Code::NotFound);
}

/// Asks the task and corrects the answer; the request's id comes back.
async fn correct(client: &Client, text: &str, label: &str) -> String {
    let request = v1::ClassifyRequest {
        parent: "tenants/acme".into(),
        task: "subject".into(),
        text: text.into(),
        ..Default::default()
    };
    let answer = client.router().classify(request).await.unwrap();
    let id = answer.into_inner().request_id;
    correct_again(client, &id, label).await;
    id
}

async fn correct_again(client: &Client, id: &str, label: &str) {
    let request = v1::CorrectLabelRequest {
        parent: "tenants/acme".into(),
        task: "subject".into(),
        request_id: id.to_owned(),
        labels: vec![label.to_owned()],
        value: None,
    };
    client.router().correct_label(request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_is_made_again_from_the_corrections_of_its_day() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    fill(&operator).await;
    let first = correct(&operator, "Is the firewall on the invoice?", "billing").await;
    let task = |request: &mut v1::RetrainRequest| request.task = "subject".into();
    let job = retrain(&operator, |request| {
        task(request);
        request.search_trials = 4;
    })
    .await;
    assert_eq!(job.outcome["trials"], "4", "{job:?}");
    let name = "tenants/acme/models/subject/versions/1";

    // Later corrections, and another definition, are not its own.
    correct(&operator, "Where is the training room?", "support").await;
    let request = v1::UpdateTaskRequest {
        task: Some(v1::Task {
            name: "tenants/acme/tasks/subject".into(),
            target_precision: 0.8,
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["target_precision".into()],
        }),
    };
    operator.training().update_task(request).await.unwrap();
    let job = succeeded(operator.reproduce(name).await);
    assert_eq!(job.outcome["reproduced"], "true", "{job:?}");

    let (said, code) = cli(&server, &["models", "reproduce", name]).await;
    assert_eq!((&said["reproduced"], code), (&true.into(), Some(0)));
    let (said, _) = cli(&server, &["models", "trials", name]).await;
    assert_eq!(said.as_array().unwrap().len(), 4, "{said}");
    assert!(said[0]["parameters"]["l2_penalty"].is_string(), "{said}");
    // But what it learned from has been taken back: said plainly.
    correct_again(&operator, &first, "security").await;
    let job = succeeded(operator.reproduce(name).await);
    assert_eq!(job.outcome["reproduced"], "false");
    assert_eq!(job.outcome["reason"], "CORRECTIONS_CHANGED", "{job:?}");
    let (said, code) = cli(&server, &["models", "reproduce", name]).await;
    assert_eq!((&said["reproduced"], code), (&false.into(), Some(9)));
    assert_eq!(job.outcome["made_checksum"], "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tier_is_made_again_until_its_signals_move_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    for tenant in ["one", "two"] {
        operator.make_tenant(tenant).await;
        let request = v1::UpdateTenantRequest {
            tenant: Some(v1::Tenant {
                name: format!("tenants/{tenant}"),
                settings: Some(v1::TenantSettings {
                    share_for_training: true,
                    ..Default::default()
                }),
                ..Default::default()
            }),
            update_mask: Some(prost_types::FieldMask {
                paths: vec!["settings.share_for_training".into()],
            }),
        };
        operator.tenants().update_tenant(request).await.unwrap();
        operator.ingest_rows(tenant, "first", content(120)).await;
        operator.wait_indexed(tenant).await;
        succeeded(operator.retrain(tenant).await);
    }
    let of_tier = |request: &mut v1::RetrainRequest| request.parent = "verticals/software".into();
    let job = retrain(&operator, of_tier).await;
    let name = job.outcome["model"].clone();
    let lineage = operator.model(&name).await.lineage.unwrap();
    assert_eq!(lineage.dataset_hash.len(), 64, "{lineage:?}");
    let job = succeeded(operator.reproduce(&name).await);
    assert!(job.name.starts_with("jobs/"), "{}", job.name);
    assert_eq!(job.outcome["reproduced"], "true", "{job:?}");

    // A tenant goes on and is trained again: what the tier learned from is not there any more.
    operator
        .ingest_rows("one", "more", content(160).split_off(120))
        .await;
    operator.wait_indexed("one").await;
    succeeded(operator.retrain("one").await);
    let job = succeeded(operator.reproduce(&name).await);
    assert_eq!(job.outcome["reproduced"], "false");
    assert_eq!(job.outcome["reason"], "SIGNALS_CHANGED", "{job:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_tries_settings_and_the_best_ones_are_reproduced() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    fill(&operator).await;
    let backend = operator.make_key("acme", v1::api_key::Role::Backend).await;
    let backend = server.client(Some(&backend)).await;
    let job = retrain(&operator, |request| request.search_trials = 5).await;
    assert_eq!(job.outcome["trials"], "5", "{job:?}");
    let again = |request: &mut v1::RetrainRequest| {
        (request.search_trials, request.seed) = (3, 9);
    };
    retrain(&operator, again).await;

    let list = async |version: u64, page_size: i32, page_token: String| {
        let request = v1::ListTrialsRequest {
            parent: "tenants/acme".into(),
            version,
            page_size,
            page_token,
            ..Default::default()
        };
        let page = backend.training().list_trials(request).await;
        page.unwrap().into_inner()
    };
    let all = list(0, 0, String::new()).await.trials;
    let numbers: Vec<u32> = all.iter().map(|trial| trial.number).collect();
    assert_eq!(
        numbers,
        [0, 1, 2, 0, 1, 2, 3, 4],
        "the newest version first"
    );
    let page = list(0, 2, String::new()).await;
    let next = list(0, 2, page.next_page_token).await;
    assert_eq!(next.trials, all[2..4]);

    let of_first = list(1, 0, String::new()).await.trials;
    assert_eq!(of_first.len(), 5);
    assert!(of_first.iter().all(|trial| trial.model == FIRST));
    assert!(of_first.iter().all(|t| t.seed == 17 && t.seconds >= 0.0));
    assert!(of_first.iter().all(|t| t.metrics["mrr"] > 0.0));
    let chosen: Vec<_> = of_first.iter().filter(|trial| trial.chosen).collect();
    assert_eq!(chosen.len(), 1);
    let parameters = operator.model(FIRST).await.lineage.unwrap().parameters;
    for (key, value) in &chosen[0].parameters {
        assert_eq!(&parameters[key], value, "the lineage has what was chosen");
    }
    let job = succeeded(operator.reproduce(FIRST).await);
    assert_eq!(job.outcome["reproduced"], "true", "{job:?}");

    // Bounded, and for what has settings.
    let refused = async |change: &dyn Fn(&mut v1::RetrainRequest)| {
        let mut request = v1::RetrainRequest {
            parent: "tenants/acme".into(),
            search_trials: 5,
            ..Default::default()
        };
        change(&mut request);
        let status = operator.training().retrain(request).await.unwrap_err();
        status.code()
    };
    let many = refused(&|request| request.search_trials = 33).await;
    assert_eq!(many, tonic::Code::InvalidArgument);
    let tier = refused(&|request| request.parent = "global".into()).await;
    assert_eq!(tier, tonic::Code::InvalidArgument);
    let request = v1::CreateTaskRequest {
        parent: "tenants/acme".into(),
        task_id: "effort".into(),
        task: Some(v1::Task {
            kind: v1::task::Kind::Regression.into(),
            source: Some(v1::task::Source {
                field: v1::task::source::Field::Attribute.into(),
                attribute: "effort".into(),
                ..Default::default()
            }),
            ..Default::default()
        }),
    };
    operator.training().create_task(request).await.unwrap();
    let number = refused(&|request| request.task = "effort".into()).await;
    assert_eq!(number, tonic::Code::FailedPrecondition);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_versions_go_by_themselves_and_those_that_are_needed_stay() {
    let folder = tempfile::tempdir().unwrap();
    let settings = [
        ("TENANTRY_RETENTION__MODELS_NEWEST", "2"),
        ("TENANTRY_RETENTION__MODELS_DAYS", "0"),
    ];
    let server = TestServer::start_with(folder.path(), &settings).await;
    let operator = server.operator().await;
    fill(&operator).await;
    retrain(&operator, |_| {}).await;
    // An administrator pins the first one: it must outlive all others.
    let request = v1::UpdateRoutingPolicyRequest {
        parent: "tenants/acme".into(),
        policy: Some(v1::RoutingPolicy {
            mode: v1::routing_policy::Mode::Pinned.into(),
            pinned_model: FIRST.into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    operator
        .router()
        .update_routing_policy(request)
        .await
        .unwrap();
    for seed in 2..=7 {
        retrain(&operator, |request| request.seed = seed).await;
    }
    let versions = async || {
        let request = v1::ListModelsRequest {
            parent: "tenants/acme".into(),
            ..Default::default()
        };
        let models = operator.training().list_models(request).await.unwrap();
        let last = |model: v1::Model| model.name.rsplit('/').next().unwrap().to_owned();
        let models = models.into_inner().models.into_iter().map(last);
        models.collect::<Vec<_>>()
    };
    // By hand once more, so that the ones that ran by themselves have ended.
    let prune = async |keep: u32, dry_run: bool| {
        let request = v1::PruneModelsRequest {
            parent: "tenants/acme".into(),
            keep,
            dry_run,
        };
        let job = operator.training().prune_models(request).await.unwrap();
        succeeded(operator.watch(job.into_inner().job.unwrap().name).await)
    };
    let job = prune(0, false).await;
    assert_eq!(job.kind(), Kind::PruneModels);
    let left = versions().await;
    assert!(left.contains(&"1".to_owned()), "a policy pins it: {left:?}");
    assert!(
        left.starts_with(&["7".to_owned(), "6".to_owned()]),
        "{left:?}"
    );
    let request = v1::ListJobsRequest {
        parent: "tenants/acme".into(),
        kind: Kind::PruneModels.into(),
        ..Default::default()
    };
    let jobs = operator.training().list_jobs(request).await.unwrap();
    assert!(jobs.into_inner().jobs.len() > 1, "it ran by itself too");

    let words = ["models", "prune", "-t", "acme", "--keep", "1", "--dry-run"];
    let (said, code) = cli(&server, &words).await;
    assert_eq!((&said["dry_run"], code), (&true.into(), Some(0)), "{said}");
    let dry = prune(1, true).await;
    assert_eq!(versions().await, left, "only said");
    assert_eq!(dry.outcome["dry_run"], "true");
    // What was pruned is told from what never was.
    let gone: Vec<u64> = (1..=7)
        .filter(|version: &u64| !left.contains(&version.to_string()))
        .collect();
    for version in &gone {
        let name = format!("tenants/acme/models/experts/versions/{version}");
        let request = v1::GetModelRequest { name };
        let status = operator.training().get_model(request).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::NotFound);
        assert!(status.message().contains("was pruned"), "{status}");
    }
    assert!(!gone.is_empty(), "{left:?}");
    let files = folder
        .path()
        .join("models/tenants/acme/models/experts/versions");
    let count = std::fs::read_dir(files).unwrap().count();
    assert_eq!(count, left.len(), "a file a version");
    let request = v1::ListAuditEventsRequest {
        parent: "tenants/acme".into(),
        ..Default::default()
    };
    let trail = operator.tenants().list_audit_events(request).await.unwrap();
    let trail = trail.into_inner().audit_events;
    assert!(trail.iter().any(|event| event.action == "models.prune"));
    // And the pinned one still answers, and can still be made again.
    let text = "How often are encryption keys rotated?";
    let answer = operator.recommend("acme", text).await;
    assert_eq!(answer.route.unwrap().model, FIRST);
    let job = succeeded(operator.reproduce(FIRST).await);
    assert_eq!(job.outcome["reproduced"], "true", "{job:?}");
}
