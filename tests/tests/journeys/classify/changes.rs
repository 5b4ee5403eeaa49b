//! A task is changed after its head was trained: the head steps back until it is retrained.

use api::v1;
use testkit::{Client, TestServer};

use super::{ask, chosen, create, eventually, intent, items, retrain};

const ASK: &str = "please tell us about onboarding of users";

async fn update(admin: &Client, path: &str, task: v1::Task) {
    let request = v1::UpdateTaskRequest {
        task: Some(v1::Task {
            name: "tenants/acme/tasks/intent".into(),
            ..task
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec![path.into()],
        }),
    };
    admin.training().update_task(request).await.unwrap();
}

fn prefix(prefix: &str) -> v1::Task {
    v1::Task {
        source: Some(v1::task::Source {
            field: v1::task::source::Field::Labels.into(),
            prefix: prefix.into(),
            attribute: String::new(),
        }),
        ..Default::default()
    }
}

fn reason(answer: &v1::ClassifyResponse) -> &str {
    answer.route.as_ref().map_or("", |route| &route.reason)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_steps_back_when_its_task_changes_until_it_is_retrained() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    create(&operator, "intent", intent()).await.unwrap();
    operator.ingest_rows("acme", "first", items(240)).await;
    operator.wait_indexed("acme").await;
    let job = retrain(&operator, "intent").await;
    assert_eq!(job.outcome["verdict"], "PROMOTE", "{job:?}");
    let first = job.outcome["model"].clone();
    let by_head = |answer: &v1::ClassifyResponse| answer.method == "head";
    eventually(&operator, "intent", ASK, by_head).await;

    // Words about the labels are no other labels: the head goes on. The route of the next change tells that
    // this one was read, because both are in the same order.
    let mut described = intent();
    described.labels[2].description = "whoever helps people that use the product".into();
    described.labels[2].keywords = vec!["onboarding".into()];
    update(&operator, "labels", described.clone()).await;
    let said = eventually(&operator, "intent", ASK, by_head).await;
    assert_eq!(reason(&said), "PROVEN_BETTER", "{said:?}");

    // Another label is.
    described.labels.push(v1::task::Label {
        name: "travel".into(),
        description: "trips, hotels, flights and trains".into(),
        keywords: Vec::new(),
    });
    update(&operator, "labels", described).await;
    let stepped = |answer: &v1::ClassifyResponse| reason(answer) == "TASK_CHANGED";
    let said = eventually(&operator, "intent", ASK, stepped).await;
    let route = said.route.clone().unwrap();
    assert_eq!(route.tier(), v1::Tier::Global);
    assert_eq!(route.fallbacks, [format!("{first} (TASK_CHANGED)")]);
    assert_eq!(said.method, "knn", "{said:?}");
    assert_eq!(chosen(&said), ["support"], "{said:?}");
    let text = "a flight and a hotel for the trip";
    let new = ask(&operator, "intent", text, "baseline:zero-shot").await;
    assert_eq!(new.predictions[0].label, "travel", "{new:?}");
    let request = v1::ExplainRouteRequest {
        parent: "tenants/acme".into(),
        task: "intent".into(),
        ..Default::default()
    };
    let explained = operator.router().explain_route(request).await.unwrap();
    let explained = explained.into_inner();
    assert_eq!(explained.route.unwrap().reason, "TASK_CHANGED");
    let told = explained.considered.join("\n");
    assert!(told.contains("labels, source or kind changed"), "{told}");

    // Retrained, it answers again.
    let job = retrain(&operator, "intent").await;
    assert_eq!(job.outcome["verdict"], "PROMOTE", "{job:?}");
    let second = job.outcome["model"].clone();
    let said = eventually(&operator, "intent", ASK, by_head).await;
    assert_eq!(said.route.unwrap().model, second);

    // Labels are read from elsewhere: nothing is labelled there yet, and what is listed is all there is.
    update(&operator, "source", prefix("topic:")).await;
    let said = eventually(&operator, "intent", ASK, stepped).await;
    assert_eq!(said.method, "zero-shot", "{said:?}");
    assert!(
        said.predictions.iter().all(|one| one.label != "other"),
        "only items had it: {said:?}"
    );
    // Back again, it is the task that the head was trained for.
    update(&operator, "source", prefix("intent:")).await;
    let said = eventually(&operator, "intent", ASK, by_head).await;
    assert_eq!(said.route.unwrap().model, second);
}
