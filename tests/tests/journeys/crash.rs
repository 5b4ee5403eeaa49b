//! `kill -9`, and what is left after it.

use api::v1;
use testkit::{TestServer, row};
use tokio_stream::StreamExt as _;

const BATCHES: u64 = 60;
const ROWS: u64 = 40;

fn batch(number: u64) -> v1::IngestItemsRequest {
    let rows = (0..ROWS).map(|at| {
        let n = number * ROWS + at;
        let text = format!(
            "Question {n}: how is subject {} of chapter {} handled?",
            n % 17,
            n % 5
        );
        row(
            at + 1,
            &format!("q-{n}"),
            &text,
            &format!("e{}", n % 4),
            n as i64,
        )
    });
    v1::IngestItemsRequest {
        parent: "tenants/acme".into(),
        request_id: format!("load-{number}"),
        rows: rows.collect(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;

    // Kill it in the middle of the stream, while batches and index work are in flight.
    let stream = tokio_stream::iter((0..BATCHES).map(batch));
    let mut answers = operator
        .ingest()
        .ingest_items(stream)
        .await
        .unwrap()
        .into_inner();
    let mut acknowledged = Vec::new();
    while let Some(Ok(answer)) = answers.next().await {
        acknowledged.push(answer);
        if acknowledged.len() == 7 {
            break;
        }
    }
    server.kill();
    while let Some(Ok(answer)) = answers.next().await {
        acknowledged.push(answer);
    }
    assert!(acknowledged.len() >= 7);

    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    let status = operator.wait_indexed("acme").await;
    assert!(
        status.items >= acknowledged.len() as u64 * ROWS,
        "{status:?}"
    );
    assert_eq!(
        status.items, status.indexed_items,
        "each item is indexed, and once"
    );
    for number in 0..acknowledged.len() as u64 {
        for at in [0, ROWS - 1] {
            let name = format!("tenants/acme/items/q-{}", number * ROWS + at);
            let item = operator
                .ingest()
                .get_item(v1::GetItemRequest { name })
                .await
                .unwrap();
            assert_eq!(item.into_inner().item.unwrap().revision, 1);
        }
    }

    // The client comes again with everything: the first acknowledgements, and nothing twice.
    let stream = tokio_stream::iter((0..BATCHES).map(batch));
    let mut answers = operator
        .ingest()
        .ingest_items(stream)
        .await
        .unwrap()
        .into_inner();
    let mut again = Vec::new();
    while let Some(answer) = answers.message().await.unwrap() {
        again.push(answer);
    }
    assert_eq!(again.len() as u64, BATCHES);
    for (first, second) in acknowledged.iter().zip(&again) {
        assert_eq!(
            first, second,
            "a repeat is answered with the first acknowledgement"
        );
    }
    let status = operator.wait_indexed("acme").await;
    assert_eq!(
        (status.items, status.indexed_items),
        (BATCHES * ROWS, BATCHES * ROWS)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trainer_killed_in_the_middle_does_its_job_after_the_restart() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    operator
        .ingest_rows("acme", "first", testkit::content(300))
        .await;
    operator.wait_indexed("acme").await;
    let request = v1::RetrainRequest {
        parent: "tenants/acme".into(),
        ..Default::default()
    };
    let job = operator
        .training()
        .retrain(request)
        .await
        .unwrap()
        .into_inner()
        .job
        .unwrap();
    server.kill();
    let server = TestServer::start(folder.path()).await;
    let job = server.operator().await.watch(job.name).await;
    assert_eq!(job.state(), v1::job::State::Succeeded, "{job:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_stop_ends_well_and_a_lost_index_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    operator
        .ingest_rows("acme", "first", testkit::content(120))
        .await;
    operator.wait_indexed("acme").await;
    assert!(server.terminate().await, "SIGTERM ends with success");

    // The index is derived: without its folder it is made again from the database.
    std::fs::remove_dir_all(folder.path().join("vectors")).unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    for _ in 0..600 {
        let status = operator.wait_indexed("acme").await;
        if status.indexed_items == 120 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the index never came back");
}
