//! An administrator decides how the texts of a task are routed.

use api::v1;
use api::v1::routing_policy::Mode;
use testkit::{Client, TestServer};
use tonic::{Code, Status};

use super::{ask, create, eventually, intent, items, retrain};

const ASK: &str = "Do you have volume discounts and payment in euro?";
const BUILT_IN: &str = "global/models/intent/versions/0";

fn version(number: u32) -> String {
    format!("tenants/acme/models/intent/versions/{number}")
}

fn policy(mode: Mode) -> v1::RoutingPolicy {
    v1::RoutingPolicy {
        task: "intent".into(),
        mode: mode.into(),
        ..Default::default()
    }
}

async fn set(client: &Client, policy: v1::RoutingPolicy) -> Result<v1::RoutingPolicy, Status> {
    let request = v1::UpdateRoutingPolicyRequest {
        parent: "tenants/acme".into(),
        policy: Some(policy),
    };
    let answer = client.router().update_routing_policy(request).await?;
    Ok(answer.into_inner().policy.unwrap())
}

/// The model that answers, and why.
async fn routed(client: &Client, key: &str) -> (String, String) {
    let request = v1::ClassifyRequest {
        parent: "tenants/acme".into(),
        task: "intent".into(),
        text: ASK.into(),
        routing_key: key.into(),
        ..Default::default()
    };
    let answer = client.router().classify(request).await.unwrap();
    let route = answer.into_inner().route.unwrap();
    (route.model, route.reason)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_pinned_tried_out_and_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    create(&operator, "intent", intent()).await.unwrap();
    operator.ingest_rows("acme", "first", items(240)).await;
    operator.wait_indexed("acme").await;
    for _ in 0..2 {
        let job = retrain(&operator, "intent").await;
        assert_eq!(job.state(), v1::job::State::Succeeded, "{job:?}");
    }
    for (number, alias) in [
        (1, v1::promote_model_request::Alias::Champion),
        (2, v1::promote_model_request::Alias::Challenger),
    ] {
        let request = v1::PromoteModelRequest {
            name: version(number),
            reason: "trial".into(),
            alias: alias.into(),
        };
        operator.training().promote_model(request).await.unwrap();
    }
    let by_first = |answer: &v1::ClassifyResponse| {
        let route = answer.route.as_ref();
        route.is_some_and(|route| route.model == version(1))
    };
    eventually(&operator, "intent", ASK, by_first).await;

    // A version, a tier, the kill switch: from the next text on.
    let pinned = v1::RoutingPolicy {
        pinned_model: version(2),
        ..policy(Mode::Pinned)
    };
    set(&operator, pinned).await.unwrap();
    assert_eq!(routed(&operator, "").await, (version(2), "PINNED".into()));
    let pinned = v1::RoutingPolicy {
        pinned_tier: v1::Tier::Global.into(),
        ..policy(Mode::Pinned)
    };
    set(&operator, pinned).await.unwrap();
    assert_eq!(
        routed(&operator, "").await,
        (BUILT_IN.into(), "PINNED".into())
    );
    assert_ne!(ask(&operator, "intent", ASK, "").await.method, "head");
    let killed = v1::RoutingPolicy {
        kill_switch: true,
        ..policy(Mode::Auto)
    };
    set(&operator, killed).await.unwrap();
    assert_eq!(
        routed(&operator, "").await,
        (BUILT_IN.into(), "KILL_SWITCH".into())
    );

    // A canary keeps to its keys, and what explains the route says the same.
    let canary = v1::RoutingPolicy {
        canary_percent: 50,
        ..policy(Mode::Canary)
    };
    set(&operator, canary).await.unwrap();
    let mut tried = 0;
    for key in 0..30 {
        let key = format!("user-{key}");
        let found = routed(&operator, &key).await;
        assert_eq!(found, routed(&operator, &key).await, "sticky");
        let request = v1::ExplainRouteRequest {
            parent: "tenants/acme".into(),
            task: "intent".into(),
            routing_key: key,
        };
        let told = operator.router().explain_route(request).await.unwrap();
        let told = told.into_inner();
        let route = told.route.unwrap();
        assert_eq!((route.model, route.reason), found);
        assert!(told.considered[0].contains("CANARY"));
        let expected = if found.1 == "CANARY" { 2 } else { 1 };
        assert_eq!(found.0, version(expected));
        tried += u32::from(expected == 2);
    }
    assert!((5..26).contains(&tried), "{tried} of 30");

    // Experts are routed by a policy of their own.
    let request = v1::GetRoutingPolicyRequest {
        parent: "tenants/acme".into(),
        ..Default::default()
    };
    let experts = operator.router().get_routing_policy(request).await.unwrap();
    assert_eq!(experts.into_inner().policy.unwrap().mode(), Mode::Auto);

    // What makes no sense for a task is refused in words.
    let shadow = set(&operator, policy(Mode::Shadow)).await.unwrap_err();
    assert_eq!(shadow.code(), Code::InvalidArgument);
    assert!(shadow.message().contains("CANARY"), "{shadow:?}");
    let stranger = v1::RoutingPolicy {
        task: "urgency".into(),
        ..policy(Mode::Auto)
    };
    let missing = set(&operator, stranger).await.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound, "{missing:?}");

    // A task of the same id that is made anew begins without all of that.
    let request = v1::DeleteTaskRequest {
        name: "tenants/acme/tasks/intent".into(),
    };
    operator.training().delete_task(request).await.unwrap();
    create(&operator, "intent", intent()).await.unwrap();
    let request = v1::GetRoutingPolicyRequest {
        parent: "tenants/acme".into(),
        task: "intent".into(),
    };
    let anew = operator.router().get_routing_policy(request).await.unwrap();
    assert_eq!(anew.into_inner().policy.unwrap().mode(), Mode::Auto);
    let by_none = |answer: &v1::ClassifyResponse| {
        let route = answer.route.as_ref();
        route.is_some_and(|route| route.model == BUILT_IN)
    };
    eventually(&operator, "intent", ASK, by_none).await;
}
