//! Somebody opens a list of open questions: their experts are there already, and they are right.

use std::time::Duration;

use api::v1;
use testkit::{Client, TestServer, content, row};

const GATHER: &str = "TENANTRY_ROUTER__PRECOMPUTE_SECONDS";
const OPEN: [(&str, &str); 3] = [
    ("open-0", "How often are encryption keys rotated?"),
    ("open-1", "Do you accept payment in euro?"),
    ("open-2", "Is there training for administrators?"),
];

/// A row whose item has no experts.
fn open_row(line: u64, id: &str, text: &str) -> v1::IngestRow {
    let mut made = row(line, id, text, "nobody", 10_000 + line as i64);
    if let Some(v1::ingest_row::Row::Item(item)) = &mut made.row {
        item.experts.clear();
    }
    made
}

async fn fill(client: &Client) {
    client.make_tenant("acme").await;
    let people = ["sofia", "li", "omar"].map(|id| expert(id, false));
    upsert(client, people.into()).await;
    client.ingest_rows("acme", "first", content(150)).await;
    let open = OPEN.iter().enumerate();
    let open = open.map(|(at, (id, text))| open_row(at as u64 + 1, id, text));
    client.ingest_rows("acme", "open", open.collect()).await;
    client.wait_indexed("acme").await;
}

fn expert(id: &str, inactive: bool) -> v1::Expert {
    v1::Expert {
        expert_id: id.to_owned(),
        display_name: Some(id.to_uppercase()),
        inactive: Some(inactive),
        ..Default::default()
    }
}

async fn upsert(client: &Client, experts: Vec<v1::Expert>) {
    let request = v1::BatchUpsertExpertsRequest {
        parent: "tenants/acme".into(),
        experts,
        update_mask: None,
    };
    client.ingest().batch_upsert_experts(request).await.unwrap();
}

fn about(item: &str) -> v1::RecommendExpertsRequest {
    v1::RecommendExpertsRequest {
        parent: "tenants/acme".into(),
        item: format!("tenants/acme/items/{item}"),
        ..Default::default()
    }
}

async fn ask(
    client: &Client,
    request: v1::RecommendExpertsRequest,
) -> v1::RecommendExpertsResponse {
    let answer = client.router().recommend_experts(request).await;
    answer.unwrap().into_inner()
}

fn experts(answer: &v1::RecommendExpertsResponse) -> Vec<String> {
    let found = answer.recommendations.iter();
    found.map(|one| one.expert_id.clone()).collect()
}

/// Asks until the answer is as expected: the work is done in the background.
async fn until(
    client: &Client,
    what: &str,
    seen: impl Fn(&v1::RecommendExpertsResponse) -> bool,
) -> v1::RecommendExpertsResponse {
    for _ in 0..1200 {
        let answer = ask(client, about("open-0")).await;
        if seen(&answer) {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what}: {:?}", ask(client, about("open-0")).await);
}

async fn listed(client: &Client, page_size: i32) -> Vec<v1::OpenItem> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListOpenItemsRequest {
            parent: "tenants/acme".into(),
            page_size,
            page_token,
        };
        let answer = client.router().list_open_items(request).await;
        let answer = answer.unwrap().into_inner();
        all.extend(answer.items);
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            return all;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn open_items_are_answered_ahead_and_again_after_each_change() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start_with(folder.path(), &[(GATHER, "1")]).await;
    let operator = server.operator().await;
    fill(&operator).await;
    let ahead = |answer: &v1::RecommendExpertsResponse| answer.precompute_time.is_some();

    let first = until(&operator, "never computed ahead", ahead).await;
    assert_eq!(experts(&first)[0], "sofia");
    assert!(!first.stale && !first.recommendations[0].evidence.is_empty());
    let by_text = operator.recommend("acme", OPEN[0].1).await;
    assert_eq!(by_text.precompute_time, None);
    assert_eq!(experts(&first), experts(&by_text));
    assert_eq!(first.route, by_text.route);
    // Each time it is given it is an answer of its own, which feedback can name.
    let again = ask(&operator, about("open-0")).await;
    assert_ne!(again.request_id, first.request_id);
    let feedback = v1::SendFeedbackRequest {
        parent: "tenants/acme".into(),
        request_id: again.request_id,
        verdict: v1::send_feedback_request::Verdict::Rejected.into(),
        expert_id: "sofia".into(),
        ..Default::default()
    };
    let rank = operator.router().send_feedback(feedback).await.unwrap();
    assert_eq!(rank.into_inner().rank, 1);
    // Asked in a way of its own, it is computed.
    let pinned = v1::RecommendExpertsRequest {
        model_override: "baseline:most-popular".into(),
        ..about("open-0")
    };
    assert_eq!(ask(&operator, pinned).await.precompute_time, None);

    let open = listed(&operator, 2).await;
    let names: Vec<_> = open.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(
        names,
        ["open-2", "open-1", "open-0"].map(|id| format!("tenants/acme/items/{id}"))
    );
    assert!(open.iter().all(|item| item.precompute_time.is_some()));
    let named = open.iter().map(|item| item.experts[0].expert_id.as_str());
    assert_eq!(named.collect::<Vec<_>>(), ["omar", "li", "sofia"]);

    // The expert leaves.
    upsert(&operator, vec![expert("sofia", true)]).await;
    let second = until(&operator, "still names who has left", |answer| {
        ahead(answer) && !experts(answer).contains(&"sofia".to_owned())
    })
    .await;
    assert!(time(&second) > time(&first));

    // Another model serves.
    let job = operator.retrain("acme").await;
    assert_eq!(job.state(), v1::job::State::Succeeded, "{job:?}");
    let version = "tenants/acme/models/experts/versions/1";
    let promoted = v1::PromoteModelRequest {
        name: version.into(),
        reason: "trial".into(),
        ..Default::default()
    };
    operator.training().promote_model(promoted).await.unwrap();
    let third = until(&operator, "still by the model before", |answer| {
        let route = answer.route.as_ref();
        ahead(answer) && route.is_some_and(|route| route.model == version)
    })
    .await;
    assert!(time(&third) > time(&second));

    // The item gets its experts: it is not open any more.
    let answered = row(1, "open-0", OPEN[0].1, "omar", 10_001);
    operator
        .ingest_rows("acme", "answered", vec![answered])
        .await;
    operator.wait_indexed("acme").await;
    until(&operator, "answered, and still ahead", |answer| {
        !ahead(answer)
    })
    .await;
    assert_eq!(listed(&operator, 100).await.len(), 2);
}

fn time(answer: &v1::RecommendExpertsResponse) -> (i64, i32) {
    let at = answer.precompute_time.unwrap();
    (at.seconds, at.nanos)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outdated_answer_is_given_only_where_that_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start_with(folder.path(), &[(GATHER, "1")]).await;
    let operator = server.operator().await;
    fill(&operator).await;
    until(&operator, "never computed ahead", |answer| {
        answer.precompute_time.is_some()
    })
    .await;
    assert!(server.terminate().await);

    // This one computes nothing ahead for an hour.
    let server = TestServer::start_with(folder.path(), &[(GATHER, "3600")]).await;
    let operator = server.operator().await;
    let kept = ask(&operator, about("open-0")).await;
    assert!(kept.precompute_time.is_some(), "it outlives the server");
    upsert(&operator, vec![expert("sofia", true)]).await;
    let now = until(&operator, "still names who has left", |answer| {
        answer.precompute_time.is_none()
    })
    .await;
    assert!(!experts(&now).contains(&"sofia".to_owned()), "{now:?}");
    let allowed = v1::RecommendExpertsRequest {
        allow_stale: true,
        ..about("open-0")
    };
    let stale = ask(&operator, allowed).await;
    assert!(stale.stale);
    assert_eq!(stale.precompute_time, kept.precompute_time);
    assert!(!experts(&stale).contains(&"sofia".to_owned()), "{stale:?}");
    assert!(listed(&operator, 100).await.iter().all(|item| item.stale));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_is_not_there_is_not_found() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    for tenant in ["acme", "other"] {
        operator.make_tenant(tenant).await;
    }
    let row = open_row(1, "open-0", OPEN[0].1);
    operator.ingest_rows("other", "open", vec![row]).await;
    let elsewhere = v1::RecommendExpertsRequest {
        item: "tenants/other/items/open-0".into(),
        ..about("")
    };
    for request in [about("open-0"), elsewhere] {
        let status = operator.router().recommend_experts(request).await;
        assert_eq!(status.unwrap_err().code(), tonic::Code::NotFound);
    }
    let both = v1::RecommendExpertsRequest {
        text: "Why?".into(),
        ..about("open-0")
    };
    let status = operator.router().recommend_experts(both).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    assert!(status.message().contains("item"), "{}", status.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_an_open_question_closes_it() {
    use v1::send_feedback_request::Verdict;
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start_with(folder.path(), &[(GATHER, "1")]).await;
    let operator = server.operator().await;
    fill(&operator).await;
    let answer = ask(&operator, about("open-0")).await;
    let said = |verdict: Verdict| v1::SendFeedbackRequest {
        parent: "tenants/acme".into(),
        request_id: answer.request_id.clone(),
        verdict: verdict.into(),
        expert_id: "sofia".into(),
        ..Default::default()
    };
    let taken = operator
        .router()
        .send_feedback(said(Verdict::Accepted))
        .await;
    assert_eq!(
        taken.unwrap().into_inner().item,
        "tenants/acme/items/open-0"
    );
    let open = listed(&operator, 10).await;
    assert!(
        open.iter().all(|one| !one.name.ends_with("open-0")),
        "{open:?}"
    );
    // It is refused after all: the question is open again, and was never a second item.
    let refused = operator
        .router()
        .send_feedback(said(Verdict::Rejected))
        .await;
    assert_eq!(refused.unwrap().into_inner().item, "");
    assert_eq!(listed(&operator, 10).await.len(), OPEN.len());
    // Who is refused for a question that the tenant has answered itself takes nothing from it.
    let answered = ask(&operator, about("q-0")).await;
    let refused = v1::SendFeedbackRequest {
        request_id: answered.request_id,
        ..said(Verdict::Rejected)
    };
    operator.router().send_feedback(refused).await.unwrap();
    let name = "tenants/acme/items/q-0".to_owned();
    let item = operator
        .ingest()
        .get_item(v1::GetItemRequest { name })
        .await;
    let item = item.unwrap().into_inner().item.unwrap();
    assert_eq!(item.experts, ["sofia"]);
    let status = operator.wait_indexed("acme").await;
    assert_eq!(status.items, 153);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_just_given_is_gone_with_its_item() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start_with(folder.path(), &[(GATHER, "1")]).await;
    let client = server.operator().await;
    fill(&client).await;
    until(&client, "computed ahead", |answer| {
        answer.precompute_time.is_some()
    })
    .await;
    // Given again, from memory.
    let again = ask(&client, about("open-0")).await;
    assert!(again.precompute_time.is_some(), "{again:?}");
    let changed = "Do you accept payment in euro or in dollars, and when?";
    client
        .ingest_rows("acme", "changed", vec![open_row(1, "open-0", changed)])
        .await;
    let answer = ask(&client, about("open-0")).await;
    assert!(
        answer.precompute_time.is_none(),
        "of other words: {answer:?}"
    );
    until(&client, "computed again", |answer| {
        answer.precompute_time.is_some()
    })
    .await;
    let request = v1::BatchDeleteItemsRequest {
        parent: "tenants/acme".into(),
        item_ids: vec!["open-0".into()],
    };
    client.ingest().batch_delete_items(request).await.unwrap();
    let gone = client.router().recommend_experts(about("open-0")).await;
    assert_eq!(gone.unwrap_err().code(), tonic::Code::NotFound);
}
