//! Similar items are found by their words too, whoever answered them, and a long text says that it was cut.

use api::v1;
use testkit::{Client, TestServer, row};

async fn similar(client: &Client, text: &str) -> v1::FindSimilarItemsResponse {
    let request = v1::FindSimilarItemsRequest {
        parent: "tenants/acme".into(),
        text: text.into(),
        top_k: 5,
    };
    let found = client.router().find_similar_items(request).await.unwrap();
    found.into_inner()
}

/// Items without experts: reports on machines, and what else a desk hears.
fn items() -> Vec<v1::IngestRow> {
    let parts = ["seal", "shaft", "bearing", "inlet", "coupling", "gauge"];
    let reports = (0..60_u64).map(|at| {
        let part = parts[(at % 6) as usize];
        let number = 5_100 + at;
        format!(
            "Report on the {part} of stand {at}: the part PQ{number} was seen by a fitter today"
        )
    });
    let others = [
        "Unser Datenschutzbeauftragter ist im Urlaub".to_owned(),
        "休日の営業時間を教えてください".to_owned(),
        "The visitor's badge opens the Zu\u{308}rich garage".to_owned(),
        "Keys are rotated once a year by two people. ".repeat(40),
    ];
    let texts = reports.chain(others).enumerate();
    texts
        .map(|(at, text)| {
            let mut made = row(at as u64 + 1, &format!("m-{at}"), &text, "", at as i64);
            if let Some(v1::ingest_row::Row::Item(item)) = &mut made.row {
                item.experts.clear();
            }
            made
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn items_nobody_answered_are_found_by_their_words() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    let (_, rejected) = operator.ingest_rows("acme", "first", items()).await;
    assert!(rejected.is_empty(), "{rejected:?}");
    operator.wait_indexed("acme").await;

    // Exact numbers and ids come first, and by their words.
    for (asked, wanted) in [
        ("stand 43", "m-43"),
        ("PQ5117", "m-17"),
        ("pq 5129", "m-29"),
        ("Datenschutz", "m-60"),
        ("営業時間", "m-61"),
        ("Zürich", "m-62"),
    ] {
        let mut found = similar(&operator, asked).await;
        // The router hears of the items a moment later.
        for _ in 0..200 {
            if found
                .items
                .first()
                .is_some_and(|one| one.lexical_score > 0.0)
            {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            found = similar(&operator, asked).await;
        }
        let first = &found.items[0];
        assert!(
            first.item.ends_with(&format!("/{wanted}")),
            "{asked}: {found:?}"
        );
        let best = found
            .items
            .iter()
            .map(|one| one.lexical_score)
            .fold(0.0, f64::max);
        assert!(
            first.lexical_score > 0.0 && first.lexical_score >= best,
            "{asked}: {found:?}"
        );
        assert!(!found.truncated);
    }

    // What does not fit the model's window says so: the item, and the question.
    let found = similar(&operator, "rotation of keys").await;
    let long = found
        .items
        .iter()
        .find(|one| one.item.ends_with("/m-63"))
        .unwrap();
    assert!(long.truncated && !found.truncated, "{found:?}");
    assert!(found.items.iter().filter(|one| one.truncated).count() == 1);
    let asked = "How often are keys rotated, and by whom is it done? ".repeat(40);
    assert!(similar(&operator, &asked).await.truncated);
    let request = v1::RecommendExpertsRequest {
        parent: "tenants/acme".into(),
        text: asked.clone(),
        ..Default::default()
    };
    let answer = operator
        .router()
        .recommend_experts(request.clone())
        .await
        .unwrap();
    assert!(answer.into_inner().truncated);
    let request = v1::RecommendExpertsRequest {
        text: "How often?".into(),
        ..request
    };
    let answer = operator.router().recommend_experts(request).await.unwrap();
    assert!(!answer.into_inner().truncated);
    let task = v1::CreateTaskRequest {
        parent: "tenants/acme".into(),
        task_id: "desk".into(),
        task: Some(v1::Task {
            kind: v1::task::Kind::SingleLabel.into(),
            ..Default::default()
        }),
    };
    operator.training().create_task(task).await.unwrap();
    for (text, cut) in [(asked.as_str(), true), ("How often?", false)] {
        let request = v1::ClassifyRequest {
            parent: "tenants/acme".into(),
            task: "desk".into(),
            text: text.into(),
            ..Default::default()
        };
        let answer = operator.router().classify(request).await.unwrap();
        assert_eq!(answer.into_inner().truncated, cut);
    }
}
