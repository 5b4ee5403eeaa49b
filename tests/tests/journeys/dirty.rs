//! Malformed files through the command line: good rows in, bad rows in quarantine with a reason, the
//! server alive.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use api::v1;
use testkit::{TestServer, program};

/// The folder of real data, when this machine has it.
fn data() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let named = std::env::var_os("TENANTRY_TEST_DATA").map(PathBuf::from);
    named
        .or(Some(own))
        .filter(|folder| folder.join("dirty/expected.json").is_file())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_dirty_file_is_ingested_to_its_end() {
    let Some(data) = data() else {
        eprintln!("SKIPPED: no dirty data here; TENANTRY_TEST_DATA names its folder");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    let text = std::fs::read_to_string(data.join("dirty/expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
    for (number, entry) in expected.as_array().unwrap().iter().enumerate() {
        let file = entry["file"].as_str().unwrap();
        let tenant = format!("dirty-{number}");
        operator.make_tenant(&tenant).await;
        let remarked = ingest(&server, &tenant, &data.join("dirty").join(file));
        let request = v1::ListRejectionsRequest {
            parent: format!("tenants/{tenant}"),
            page_size: 1000,
            ..Default::default()
        };
        let found = operator
            .ingest()
            .list_rejections(request)
            .await
            .unwrap()
            .into_inner();
        let lines: BTreeSet<u64> = found
            .rejections
            .iter()
            .filter_map(|r| Some(r.row.as_ref()?.line))
            .collect();
        let bad: BTreeSet<u64> = entry["bad_lines"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(serde_json::Value::as_u64)
            .collect();
        if entry["defect"] != "broken file" {
            let told: BTreeSet<u64> = lines.union(&remarked).copied().collect();
            assert_eq!(told, bad, "{file}");
        }
        let status = operator.wait_indexed(&tenant).await;
        let rows = entry["rows"].as_u64().unwrap();
        if entry["defect"] != "broken file" {
            assert!(
                status.items > 0 && status.items <= rows,
                "{file}: {status:?}"
            );
        }
        for rejection in &found.rejections {
            let row = rejection.row.as_ref().unwrap();
            assert!(
                !row.reason.is_empty() && row.message.len() > 10,
                "{file}: {row:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_megabytes_of_text_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    let rows = [
        ("huge", "x ".repeat(5 << 19)),
        ("good", "Do you encrypt backups?".to_owned()),
    ];
    let lines: Vec<String> = rows
        .iter()
        .map(|(id, text)| {
            let at = "2024-01-01T00:00:00Z";
            serde_json::json!({"id": id, "text": text, "expert": "e1", "at": at}).to_string()
        })
        .collect();
    let file = folder.path().join("huge.jsonl");
    std::fs::write(&file, lines.join("\n")).unwrap();
    ingest(&server, "acme", &file);
    let status = operator.wait_indexed("acme").await;
    assert_eq!((status.items, status.indexed_items), (1, 1));
    let request = v1::ListRejectionsRequest {
        parent: "tenants/acme".into(),
        ..Default::default()
    };
    let found = operator
        .ingest()
        .list_rejections(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(found.total, 1);
    // A message over the bound is refused as a whole, with the server alive.
    let item = v1::Item {
        item_id: "q".into(),
        text: "x".repeat(5 << 20),
        ..Default::default()
    };
    let row = v1::IngestRow {
        line: 1,
        row: Some(v1::ingest_row::Row::Item(item)),
    };
    let request = v1::IngestItemsRequest {
        parent: "tenants/acme".into(),
        request_id: "huge".into(),
        rows: vec![row],
    };
    let stream = tokio_stream::once(request);
    let refused = match operator.ingest().ingest_items(stream).await {
        Ok(answers) => answers.into_inner().message().await.is_err(),
        Err(_) => true,
    };
    assert!(refused);
    assert_eq!(operator.wait_indexed("acme").await.items, 1);
}

/// `tenantry items ingest FILE` with all that can be asked of rows; 7 says that some were rejected. Rows
/// that were taken with a remark.
fn ingest(server: &TestServer, tenant: &str, file: &Path) -> BTreeSet<u64> {
    let strict = ["--require", "usual", "--conflicts", "reject", "-o", "json"];
    let output = Command::new(program())
        .args(["items", "ingest", "--tenant", tenant])
        .args(strict)
        .arg(file)
        .env("TENANTRY_ENDPOINT", &server.endpoint)
        .env("TENANTRY_KEY", &server.operator_key)
        .output()
        .unwrap();
    let code = output.status.code();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        matches!(code, Some(0 | 7)),
        "{}: {code:?}\n{said}",
        file.display()
    );
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let remarks = summary["remarks"].as_array().unwrap().iter();
    remarks
        .flat_map(|remark| remark["rows"].as_array().unwrap())
        .filter_map(serde_json::Value::as_u64)
        .collect()
}
