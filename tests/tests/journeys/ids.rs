//! Ids are the customer's: whatever can be printed names an item and an expert, everywhere.

use api::v1;
use testkit::{Client, TestServer, row};
use tonic::Code;

use crate::people::cli;

const IDS: [&str; 6] = [
    "B&C-02.3",
    "Anhang 4/§ 7",
    "..",
    "100 % (ja)",
    "Rückfrage #12",
    "設問 3",
];

async fn get(client: &Client, name: &str) -> Result<v1::Item, tonic::Status> {
    let name = name.to_owned();
    let answer = client
        .ingest()
        .get_item(v1::GetItemRequest { name })
        .await?;
    Ok(answer.into_inner().item.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn any_printable_text_names_an_item() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    let rows = IDS.iter().enumerate().map(|(at, id)| {
        let text = format!("Who looks after the subject number {at} of the annex?");
        row(at as u64 + 1, id, &text, "Özlem Kaya / IT", at as i64)
    });
    let (_, rejected) = operator.ingest_rows("acme", "first", rows.collect()).await;
    assert!(rejected.is_empty(), "{rejected:?}");
    operator.wait_indexed("acme").await;

    // Two on each page, each once, and each found by its name.
    let (mut found, mut token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListItemsRequest {
            parent: "tenants/acme".into(),
            page_size: 2,
            page_token: token,
            expert: "Özlem Kaya / IT".into(),
            ..Default::default()
        };
        let page = operator
            .ingest()
            .list_items(request)
            .await
            .unwrap()
            .into_inner();
        found.extend(page.items);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let mut listed: Vec<&str> = found.iter().map(|item| item.item_id.as_str()).collect();
    listed.sort_unstable();
    let mut all = IDS;
    all.sort_unstable();
    assert_eq!(listed, all);
    for item in &found {
        assert_eq!(item.name.split('/').count(), 4, "{}", item.name);
        let read = get(&operator, &item.name).await.unwrap();
        assert_eq!(read.item_id, item.item_id);
    }
    let escaped = get(&operator, "tenants/acme/items/B%26C-02.3")
        .await
        .unwrap();
    assert_eq!(escaped.item_id, "B&C-02.3");
    let broken = get(&operator, "tenants/acme/items/100%").await.unwrap_err();
    assert_eq!(broken.code(), Code::InvalidArgument);
    assert!(broken.message().contains("%25"), "{}", broken.message());

    // Its evidence and its expert can be used as they stand in an answer.
    let answer = operator
        .recommend("acme", "subject number 1 of the annex")
        .await;
    let first = &answer.recommendations[0];
    assert_eq!(first.expert_id, "Özlem Kaya / IT");
    get(&operator, &first.evidence[0].item).await.unwrap();
    let feedback = v1::SendFeedbackRequest {
        parent: "tenants/acme".into(),
        request_id: answer.request_id,
        verdict: v1::send_feedback_request::Verdict::Accepted.into(),
        expert_id: first.expert_id.clone(),
        ..Default::default()
    };
    let sent = operator.router().send_feedback(feedback).await.unwrap();
    assert_eq!(sent.into_inner().rank, 1);

    // The command line takes the id, or the whole name.
    for id in [IDS[0], IDS[1], "tenants/acme/items/B%26C-02.3"] {
        let (shown, code) = cli(&server, &["items", "show", "-t", "acme", id]).await;
        assert_eq!(code, Some(0), "{id}: {shown}");
    }

    let request = v1::BatchDeleteItemsRequest {
        parent: "tenants/acme".into(),
        item_ids: IDS.map(str::to_owned).to_vec(),
    };
    let gone = operator.ingest().batch_delete_items(request).await.unwrap();
    assert_eq!(gone.into_inner().deleted, IDS.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_have_one_spelling_and_nothing_hidden() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    let text = "How are keys rotated?";
    let rows = vec![
        row(1, "Pru\u{308}fung 1", text, "ada", 1),
        row(2, " Pr\u{fc}fung 1 ", text, "ada", 2),
        row(3, "a\u{200b}b", text, "ada", 3),
        row(4, "a\u{202e}b", text, "ada", 4),
        row(5, &"ü".repeat(129), text, "ada", 5),
        row(6, "fine", text, "a\u{7}b", 6),
    ];
    let (last, rejected) = operator.ingest_rows("acme", "first", rows).await;
    assert_eq!(last.accepted, 1);
    let reasons: Vec<(u64, &str, &str)> = rejected
        .iter()
        .map(|row| (row.line, row.reason.as_str(), row.field.as_str()))
        .collect();
    assert_eq!(
        reasons,
        [
            (2, "DUPLICATE_ID", "item_id"),
            (3, "INVALID_FIELD", "item_id"),
            (4, "INVALID_FIELD", "item_id"),
            (5, "TOO_LONG", "item_id"),
            (6, "INVALID_FIELD", "experts"),
        ]
    );
    assert!(rejected[1].message.contains("U+200B"), "{:?}", rejected[1]);
    assert!(
        rejected[3].message.contains("258 bytes"),
        "{:?}",
        rejected[3]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_without_an_expert_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    let mut rows: Vec<_> = (0..9)
        .map(|at| {
            row(
                at + 1,
                &format!("q-{at}"),
                &format!("Question {at}?"),
                "ada",
                at as i64,
            )
        })
        .collect();
    let mut open = row(10, "offen/1", "Who may sign the contract?", "", 10);
    if let Some(v1::ingest_row::Row::Item(item)) = &mut open.row {
        item.experts.clear();
    }
    rows.push(open);
    let (last, rejected) = operator.ingest_rows("acme", "first", rows).await;
    assert_eq!((last.accepted, rejected.len()), (10, 0));
    operator.wait_indexed("acme").await;
    let request = v1::ListOpenItemsRequest {
        parent: "tenants/acme".into(),
        ..Default::default()
    };
    let listed = operator.router().list_open_items(request).await.unwrap();
    let names: Vec<String> = listed
        .into_inner()
        .items
        .into_iter()
        .map(|item| item.name)
        .collect();
    assert_eq!(names, ["tenants/acme/items/offen%2F1"]);
    let request = v1::RecommendExpertsRequest {
        parent: "tenants/acme".into(),
        item: names[0].clone(),
        ..Default::default()
    };
    let answer = operator.router().recommend_experts(request).await.unwrap();
    assert_eq!(answer.into_inner().recommendations[0].expert_id, "ada");
}
