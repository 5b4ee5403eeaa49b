//! A tenant's history lies in a snapshot: killed, damaged, warmed, erased.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use api::v1;
use testkit::{Client, TestServer, content};

const ASK: &str = "How are encryption keys rotated?";

/// Where snapshots are below the data folder.
fn snapshot(folder: &Path) -> Option<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).ok()?.flatten() {
            let path = entry.path();
            if path.ends_with("tenants/acme/snapshots/experts") {
                return Some(path);
            }
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    None
}

/// The snapshot, once it is there and other than `before`.
async fn written(folder: &Path, before: &[u8]) -> PathBuf {
    for _ in 0..1_000 {
        if let Some(found) = snapshot(folder)
            && fs::read(&found).is_ok_and(|bytes| bytes != before)
        {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no snapshot was written");
}

async fn warm(client: &Client) -> i64 {
    let request = v1::WarmTenantRequest {
        parent: "tenants/acme".into(),
        ..Default::default()
    };
    let warmed = client.router().warm_tenant(request).await.unwrap();
    warmed.into_inner().resident_bytes
}

async fn ask(client: &Client) -> Vec<(String, f64)> {
    let answer = client.recommend("acme", ASK).await;
    let experts = answer.recommendations.into_iter();
    experts.map(|one| (one.expert_id, one.score)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_answers_the_same_from_the_snapshot_and_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    operator.ingest_rows("acme", "first", content(150)).await;
    operator.wait_indexed("acme").await;
    assert!(warm(&operator).await > 10_000);
    let answered = ask(&operator).await;
    assert!(answered.len() > 1, "{answered:?}");
    let file = written(folder.path(), &[]).await;
    server.kill();

    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    assert_eq!(ask(&operator).await, answered, "from the snapshot");
    server.kill();

    // Damaged: the store is read, and another snapshot takes its place.
    let mut damaged = fs::read(&file).unwrap();
    damaged[500] ^= 1;
    fs::remove_file(&file).unwrap();
    fs::write(&file, &damaged).unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    assert_eq!(ask(&operator).await, answered, "from the store");
    written(folder.path(), &damaged).await;
    server.kill();

    // Cut off, as by a process that was killed before files were replaced whole.
    fs::remove_file(&file).unwrap();
    fs::write(&file, &damaged[..damaged.len() / 2]).unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    assert_eq!(ask(&operator).await, answered, "from the store again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_leaves_no_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    operator.ingest_rows("acme", "first", content(60)).await;
    operator.wait_indexed("acme").await;
    ask(&operator).await;
    written(folder.path(), &[]).await;
    let request = v1::DeleteTenantRequest {
        name: "tenants/acme".into(),
        ..Default::default()
    };
    let job = operator.tenants().delete_tenant(request).await.unwrap();
    let job = operator.watch(job.into_inner().job.unwrap().name).await;
    assert_eq!(job.state(), v1::job::State::Succeeded, "{job:?}");
    assert_eq!(snapshot(folder.path()), None);
}
