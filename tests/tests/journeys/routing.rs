//! An administrator decides how requests are routed, and what breaks is routed around.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use api::v1;
use api::v1::routing_policy::Mode;
use testkit::{Client, TestServer, content, row};

const ASK: &str = "How often are encryption keys rotated?";
const BUILT_IN: &str = "global/models/experts/versions/0";

fn version(number: u32) -> String {
    format!("tenants/acme/models/experts/versions/{number}")
}

async fn set(
    client: &Client,
    policy: v1::RoutingPolicy,
) -> Result<v1::RoutingPolicy, tonic::Status> {
    let request = v1::UpdateRoutingPolicyRequest {
        parent: "tenants/acme".into(),
        policy: Some(policy),
    };
    let answer = client.router().update_routing_policy(request).await?;
    Ok(answer.into_inner().policy.unwrap())
}

fn policy(mode: Mode) -> v1::RoutingPolicy {
    v1::RoutingPolicy {
        mode: mode.into(),
        ..Default::default()
    }
}

async fn promote(client: &Client, number: u32, alias: v1::promote_model_request::Alias) {
    let request = v1::PromoteModelRequest {
        name: version(number),
        reason: "trial".into(),
        alias: alias.into(),
    };
    client.training().promote_model(request).await.unwrap();
}

async fn explain(client: &Client, key: &str) -> v1::ExplainRouteResponse {
    let request = v1::ExplainRouteRequest {
        parent: "tenants/acme".into(),
        routing_key: key.into(),
        ..Default::default()
    };
    client
        .router()
        .explain_route(request)
        .await
        .unwrap()
        .into_inner()
}

/// Waits until the router has seen a change that came to it in the background.
async fn until(client: &Client, seen: impl Fn(&v1::Route) -> bool) -> v1::Route {
    for _ in 0..600 {
        let route = explain(client, "").await.route.unwrap();
        if seen(&route) {
            return route;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the router never followed: {:?}", explain(client, "").await);
}

async fn with_two_versions(folder: &std::path::Path) -> (TestServer, Client) {
    let server = TestServer::start(folder).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    operator.ingest_rows("acme", "first", content(150)).await;
    operator.wait_indexed("acme").await;
    for _ in 0..2 {
        let job = operator.retrain("acme").await;
        assert_eq!(job.state(), v1::job::State::Succeeded, "{job:?}");
    }
    (server, operator)
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_hold_from_the_next_request_on() {
    use v1::promote_model_request::Alias;
    let folder = tempfile::tempdir().unwrap();
    let (_server, operator) = with_two_versions(folder.path()).await;
    promote(&operator, 1, Alias::Champion).await;
    promote(&operator, 2, Alias::Challenger).await;
    until(&operator, |route| route.model == version(1)).await;

    // Pinned to a version, to a tier, and with the kill switch on: at once.
    let pinned = v1::RoutingPolicy {
        pinned_model: version(2),
        ..policy(Mode::Pinned)
    };
    set(&operator, pinned).await.unwrap();
    let route = operator.recommend("acme", ASK).await.route.unwrap();
    assert_eq!((route.model, route.reason.as_str()), (version(2), "PINNED"));
    let pinned = v1::RoutingPolicy {
        pinned_tier: v1::Tier::Global.into(),
        ..policy(Mode::Pinned)
    };
    set(&operator, pinned).await.unwrap();
    let route = operator.recommend("acme", ASK).await.route.unwrap();
    assert_eq!(
        (route.model.as_str(), route.reason.as_str()),
        (BUILT_IN, "PINNED")
    );
    let killed = v1::RoutingPolicy {
        kill_switch: true,
        ..policy(Mode::Auto)
    };
    let kept = set(&operator, killed).await.unwrap();
    assert!(kept.kill_switch && kept.update_time.is_some() && !kept.updated_by.is_empty());
    let route = operator.recommend("acme", ASK).await.route.unwrap();
    assert_eq!(
        (route.model.as_str(), route.reason.as_str()),
        (BUILT_IN, "KILL_SWITCH")
    );

    // A canary is sticky, and takes about its share of the keys.
    let canary = v1::RoutingPolicy {
        canary_percent: 30,
        ..policy(Mode::Canary)
    };
    set(&operator, canary).await.unwrap();
    let mut in_canary = 0;
    for key in 0..200 {
        let key = format!("user-{key}");
        let (one, two) = (
            explain(&operator, &key).await,
            explain(&operator, &key).await,
        );
        assert_eq!(one, two, "sticky");
        let route = one.route.unwrap();
        let expected = match route.reason.as_str() {
            "CANARY" => version(2),
            _ => version(1),
        };
        assert_eq!(route.model, expected);
        in_canary += i32::from(route.reason == "CANARY");
    }
    assert!((35..85).contains(&in_canary), "{in_canary} of 200");

    // A shadow changes nothing for the caller.
    set(&operator, policy(Mode::Shadow)).await.unwrap();
    let route = operator.recommend("acme", ASK).await.route.unwrap();
    assert_eq!(
        (route.model, route.reason.as_str()),
        (version(1), "PROVEN_BETTER")
    );

    let request = v1::GetRoutingPolicyRequest {
        parent: "tenants/acme".into(),
        ..Default::default()
    };
    let kept = operator.router().get_routing_policy(request).await.unwrap();
    assert_eq!(kept.into_inner().policy.unwrap().mode(), Mode::Shadow);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_is_routed_around_and_said() {
    use v1::promote_model_request::Alias;
    let folder = tempfile::tempdir().unwrap();
    let (_server, operator) = with_two_versions(folder.path()).await;
    promote(&operator, 1, Alias::Champion).await;
    until(&operator, |route| route.model == version(1)).await;

    // Rolled back: the reason says so, and not that the model was not proven.
    let rollback = v1::RollbackModelRequest {
        parent: "tenants/acme".into(),
        reason: "worse on Mondays".into(),
        ..Default::default()
    };
    while operator
        .training()
        .rollback_model(rollback.clone())
        .await
        .is_ok()
    {}
    let route = until(&operator, |route| route.model == BUILT_IN).await;
    assert_eq!(route.reason, "ROLLED_BACK");

    // Damaged artifacts: the tier above answers, and the broken model is named.
    promote(&operator, 2, Alias::Champion).await;
    until(&operator, |route| route.model == version(2)).await;
    for file in artifacts(folder.path()) {
        std::fs::write(file, b"{}").unwrap();
    }
    // New items do not make the router read models again: what it has in memory goes on serving.
    let fresh = vec![row(1, "fresh", "How are keys escrowed?", "sofia", 200)];
    operator.ingest_rows("acme", "more", fresh).await;
    let route = explain(&operator, "").await.route.unwrap();
    assert_eq!(route.model, version(2));
    // Another policy does.
    set(&operator, policy(Mode::Auto)).await.unwrap();
    let route = until(&operator, |route| route.model == BUILT_IN).await;
    assert_eq!(route.reason, "FALLBACK_UNAVAILABLE");
    assert!(route.fallbacks[0].contains(&version(2)), "{route:?}");
    let answer = operator.recommend("acme", ASK).await;
    assert_eq!(answer.recommendations[0].expert_id, "sofia");
}

/// The files of the tenant's models.
fn artifacts(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let text = path.to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if text.contains("models/experts/versions") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty());
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    operator.make_tenant("other").await;
    let pin = |model: &str| v1::RoutingPolicy {
        pinned_model: model.into(),
        ..policy(Mode::Pinned)
    };
    let percent = |percent| v1::RoutingPolicy {
        canary_percent: percent,
        ..policy(Mode::Canary)
    };
    for (refused, code, word) in [
        (
            policy(Mode::Unspecified),
            tonic::Code::InvalidArgument,
            "policy.mode",
        ),
        (
            policy(Mode::Pinned),
            tonic::Code::InvalidArgument,
            "pinned_tier",
        ),
        (percent(0), tonic::Code::InvalidArgument, "canary_percent"),
        (
            percent(1000),
            tonic::Code::InvalidArgument,
            "canary_percent",
        ),
        (
            pin("tenants/other/models/experts/versions/1"),
            tonic::Code::InvalidArgument,
            "pinned_model",
        ),
        (pin(&version(9)), tonic::Code::NotFound, "versions/9"),
        (
            pin("verticals/elsewhere/models/experts/versions/1"),
            tonic::Code::NotFound,
            "elsewhere",
        ),
    ] {
        let status = set(&operator, refused).await.unwrap_err();
        assert_eq!(status.code(), code, "{status:?}");
        assert!(status.message().contains(word), "{}", status.message());
    }
    set(&operator, pin(BUILT_IN)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_deadline_gets_an_answer_from_words_alone() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    operator.ingest_rows("acme", "first", content(90)).await;
    operator.wait_indexed("acme").await;
    operator.recommend("acme", "Who knows?").await;
    define_topic(&operator).await;
    // Long questions keep the embedding model busy until one question was late.
    let done = Arc::new(AtomicBool::new(false));
    let long = "encryption keys and their rotation ".repeat(60);
    let busy: Vec<_> = (0..48)
        .map(|worker| {
            let (client, long, done) = (operator.clone(), long.clone(), done.clone());
            tokio::spawn(async move {
                for round in 0.. {
                    if done.load(Ordering::Relaxed) {
                        return;
                    }
                    let text = format!("{worker} {round} {long}");
                    client.recommend("acme", &text).await;
                }
            })
        })
        .collect();
    let mut late = None;
    // A question that was asked before is remembered, so each attempt asks another one.
    for attempt in 0..200 {
        let mut request = tonic::Request::new(v1::RecommendExpertsRequest {
            parent: "tenants/acme".into(),
            text: format!("{ASK} ({attempt})"),
            ..Default::default()
        });
        request.set_timeout(Duration::from_millis(250));
        // An attempt may also be refused as late: on a machine that has no time at all.
        if let Ok(answer) = operator.router().recommend_experts(request).await {
            let answer = answer.into_inner();
            if answer.route.as_ref().unwrap().reason == "FALLBACK_DEADLINE" {
                late = Some(answer);
                break;
            }
        }
    }
    let mut late_label = None;
    for attempt in 0..200 {
        let mut request = tonic::Request::new(v1::ClassifyRequest {
            parent: "tenants/acme".into(),
            task: "topic".into(),
            text: format!("{ASK} ({attempt})"),
            ..Default::default()
        });
        request.set_timeout(Duration::from_millis(250));
        if let Ok(answer) = operator.router().classify(request).await {
            let answer = answer.into_inner();
            if answer.route.as_ref().unwrap().reason == "FALLBACK_DEADLINE" {
                late_label = Some(answer);
                break;
            }
        }
    }
    done.store(true, Ordering::Relaxed);
    for task in busy {
        task.await.unwrap();
    }
    let answer = late.expect("no question was late");
    assert_eq!(answer.recommendations[0].expert_id, "sofia", "{answer:?}");
    let answer = late_label.expect("no text was late");
    assert_eq!(answer.predictions[0].label, "security", "{answer:?}");
    assert!(
        answer.method == "keywords" && answer.evidence.is_empty(),
        "{answer:?}"
    );
}

/// A task whose keywords can answer without any vector.
async fn define_topic(operator: &Client) {
    let label = |name: &str, keyword: &str| v1::task::Label {
        name: name.into(),
        keywords: vec![keyword.into()],
        ..Default::default()
    };
    let task = v1::Task {
        kind: v1::task::Kind::SingleLabel.into(),
        source: Some(v1::task::Source {
            field: v1::task::source::Field::Labels.into(),
            prefix: "topic:".into(),
            attribute: String::new(),
        }),
        labels: vec![
            label("billing", "invoice"),
            label("security", "encryption keys"),
        ],
        ..Default::default()
    };
    let request = v1::CreateTaskRequest {
        parent: "tenants/acme".into(),
        task_id: "topic".into(),
        task: Some(task),
    };
    operator.training().create_task(request).await.unwrap();
}
