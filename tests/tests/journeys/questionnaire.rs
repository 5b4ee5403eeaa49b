//! A backend sends a whole questionnaire and gets an answer to each question.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use api::v1;
use api::v1::batch_recommend_experts_response::Result as Outcome;
use testkit::{Client, TestServer, content};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Status, Streaming};

type Answers = Streaming<v1::BatchRecommendExpertsResponse>;

async fn ready(folder: &std::path::Path) -> (TestServer, Client) {
    let server = TestServer::start(folder).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    operator.ingest_rows("acme", "first", content(90)).await;
    operator.wait_indexed("acme").await;
    (server, operator)
}

fn question(id: &str, text: &str) -> v1::BatchRecommendExpertsRequest {
    v1::BatchRecommendExpertsRequest {
        parent: "tenants/acme".into(),
        correlation_id: id.to_owned(),
        text: text.to_owned(),
        top_k: 3,
        ..Default::default()
    }
}

/// A stream that goes on as long as its sender is kept.
async fn open(
    client: &Client,
) -> Result<(mpsc::Sender<v1::BatchRecommendExpertsRequest>, Answers), Status> {
    let (sender, receiver) = mpsc::channel(1);
    let answers = client
        .router()
        .batch_recommend_experts(ReceiverStream::new(receiver))
        .await?;
    Ok((sender, answers.into_inner()))
}

async fn all(client: &Client, questions: Vec<v1::BatchRecommendExpertsRequest>) -> Vec<Outcome> {
    let (count, mut outcomes) = (questions.len(), Vec::new());
    let ids: Vec<_> = questions.iter().map(|q| q.correlation_id.clone()).collect();
    let stream = tokio_stream::iter(questions);
    let answers = client.router().batch_recommend_experts(stream).await;
    let mut answers = answers.unwrap().into_inner();
    while let Some(answer) = answers.message().await.unwrap() {
        assert_eq!(answer.index as usize, outcomes.len(), "in order");
        assert_eq!(answer.correlation_id, ids[outcomes.len()]);
        outcomes.push(answer.result.unwrap());
    }
    assert_eq!(outcomes.len(), count);
    outcomes
}

fn experts(answer: &v1::RecommendExpertsResponse) -> Vec<String> {
    let found = answer.recommendations.iter();
    found.map(|one| one.expert_id.clone()).collect()
}

/// The end of a stream that ends with an error.
async fn end(mut answers: Answers) -> Status {
    loop {
        match answers.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the stream ended well"),
            Err(status) => return status,
        }
    }
}

fn has_reason(status: &Status, reason: &str) -> bool {
    String::from_utf8_lossy(status.details()).contains(reason)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_question_is_answered_in_order_and_a_bad_one_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, operator) = ready(folder.path()).await;
    let text = |at: usize| {
        let subject = ["key rotation", "invoice terms", "help desk hours"][at % 3];
        format!("In section {at} you are asked about {subject}; who knows?")
    };
    let mut questions: Vec<_> = (0..100)
        .map(|at| question(&format!("row-{at}"), &text(at)))
        .collect();
    questions[7].text = "  ".to_owned();
    questions[40].top_k = 101;
    questions[99].routing_key = "k".repeat(300);
    let outcomes = all(&operator, questions).await;
    for (at, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Outcome::Error(error) => {
                assert!([7, 40, 99].contains(&at), "{at}: {error:?}");
                assert_eq!(error.reason, "INVALID_FIELD");
                assert!(!error.message.is_empty());
            }
            Outcome::Answer(answer) => {
                let right = ["sofia", "li", "omar"][at % 3];
                assert_eq!(experts(answer)[0], right, "{at}");
                assert!(!answer.request_id.is_empty() && answer.precompute_time.is_none());
            }
        }
    }
    // The same as one by one.
    let answered = |at: usize| match &outcomes[at] {
        Outcome::Answer(answer) => answer,
        Outcome::Error(error) => panic!("{at}: {error:?}"),
    };
    for at in [0, 50, 98] {
        let single = operator.recommend("acme", &text(at)).await;
        assert_eq!(experts(answered(at)), experts(&single)[..3]);
    }
    // And feedback joins it.
    let feedback = v1::SendFeedbackRequest {
        parent: "tenants/acme".into(),
        request_id: answered(98).request_id.clone(),
        verdict: v1::send_feedback_request::Verdict::Accepted.into(),
        expert_id: experts(answered(98))[0].clone(),
        ..Default::default()
    };
    let rank = operator.router().send_feedback(feedback).await.unwrap();
    assert_eq!(rank.into_inner().rank, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_of_the_tenant_stays_the_same_for_a_whole_questionnaire() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, operator) = ready(folder.path()).await;
    let (sender, mut answers) = open(&operator).await.unwrap();
    let mut ask = async |id: &str| {
        let asked = question(id, "Who rotates the encryption keys?");
        sender.send(asked).await.unwrap();
        match answers.message().await.unwrap().unwrap().result.unwrap() {
            Outcome::Answer(answer) => answer,
            Outcome::Error(error) => panic!("{error:?}"),
        }
    };
    let before = ask("1").await;
    assert_eq!(experts(&before)[0], "sofia");
    let set = async |policy: v1::RoutingPolicy| {
        let request = v1::UpdateRoutingPolicyRequest {
            parent: "tenants/acme".into(),
            policy: Some(policy),
        };
        let mut router = operator.router();
        router.update_routing_policy(request).await.unwrap();
        let outside = operator.recommend("acme", "Who rotates keys?").await;
        outside.route.unwrap().reason
    };
    let pinned = v1::RoutingPolicy {
        mode: v1::routing_policy::Mode::Pinned.into(),
        pinned_tier: v1::Tier::Global.into(),
        ..Default::default()
    };
    assert_eq!(set(pinned).await, "PINNED");
    let after = ask("2").await;
    assert_eq!(after.route, before.route);
    assert_eq!(after.recommendations, before.recommendations);
    // A kill switch does not wait.
    let killed = v1::RoutingPolicy {
        mode: v1::routing_policy::Mode::Auto.into(),
        kill_switch: true,
        ..Default::default()
    };
    assert_eq!(set(killed).await, "KILL_SWITCH");
    assert_eq!(ask("3").await.route.unwrap().reason, "KILL_SWITCH");
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds_and_deadlines_end_a_questionnaire_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, operator) = ready(folder.path()).await;
    // Questions without words cost nothing.
    let too_many = (0..2_001).map(|at| question(&at.to_string(), ""));
    let stream = tokio_stream::iter(too_many.collect::<Vec<_>>());
    let answers = operator.router().batch_recommend_experts(stream).await;
    let status = end(answers.unwrap().into_inner()).await;
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(has_reason(&status, "TOO_MANY_QUESTIONS"), "{status:?}");

    let other = v1::BatchRecommendExpertsRequest {
        parent: "tenants/other".into(),
        ..question("2", "Why?")
    };
    let stream = tokio_stream::iter(vec![question("1", "Why?"), other]);
    let answers = operator.router().batch_recommend_experts(stream).await;
    let status = end(answers.unwrap().into_inner()).await;
    assert_eq!(status.code(), Code::InvalidArgument);

    // A caller who sends no more and waits: the deadline ends it.
    let (sender, receiver) = mpsc::channel(1);
    sender.send(question("1", "Why?")).await.unwrap();
    let mut request = Request::new(ReceiverStream::new(receiver));
    request.set_timeout(Duration::from_millis(1_500));
    let answers = operator.router().batch_recommend_experts(request).await;
    let status = end(answers.unwrap().into_inner()).await;
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(has_reason(&status, "DEADLINE"), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_has_four_questionnaires_at_a_time_and_one_that_is_dropped_makes_room() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, operator) = ready(folder.path()).await;
    let begun = async || {
        let (sender, mut answers) = open(&operator).await?;
        let asked = sender.send(question("1", "Who knows?")).await;
        asked.map_err(|_| Status::cancelled("the server ended it"))?;
        answers
            .message()
            .await
            .map(|first| (sender, answers, first))
    };
    let mut under_way = Vec::new();
    for _ in 0..4 {
        under_way.push(begun().await.unwrap());
    }
    let status = begun().await.err().unwrap();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(has_reason(&status, "TOO_MANY_STREAMS"), "{status:?}");
    // The caller goes away in the middle: the server hears of it and gives its place to the next.
    under_way.pop();
    for _ in 0..600 {
        if begun().await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the place was never given back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_slows_the_sender() {
    const ALL: usize = 200;
    // What fits into the windows of the connection, the chunk at work, and answers that wait.
    const AHEAD: usize = 150;
    let folder = tempfile::tempdir().unwrap();
    let (_server, operator) = ready(folder.path()).await;
    let long = "who knows about key rotation and invoices? ".repeat(600);
    let (sender, mut answers) = open(&operator).await.unwrap();
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let sending = tokio::spawn(async move {
        for at in 0..ALL {
            sender.send(question(&at.to_string(), &long)).await.unwrap();
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    let mut received = 0;
    while let Some(answer) = answers.message().await.unwrap() {
        assert!(matches!(answer.result, Some(Outcome::Answer(_))));
        let ahead = sent.load(Ordering::SeqCst) - received;
        assert!(ahead <= AHEAD, "{ahead} questions were taken unanswered");
        received += 1;
    }
    assert_eq!(received, ALL);
    sending.await.unwrap();
}
