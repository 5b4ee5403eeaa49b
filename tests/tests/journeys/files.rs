//! Files through the command line: what leaves goes in again, and what was guessed is told.

use std::path::Path;
use std::process::{Command, Output};

use testkit::{TestServer, program};

fn tenantry(server: &TestServer, args: &[&str]) -> Output {
    Command::new(program())
        .args(args)
        .env("TENANTRY_ENDPOINT", &server.endpoint)
        .env("TENANTRY_KEY", &server.operator_key)
        .output()
        .unwrap()
}

fn printed(server: &TestServer, args: &[&str]) -> String {
    let output = tenantry(server, args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

fn ingest(server: &TestServer, tenant: &str, file: &Path) -> serde_json::Value {
    let file = file.display().to_string();
    let args = [
        "items",
        "ingest",
        "-t",
        tenant,
        &file,
        "--register-experts",
        "-o",
        "json",
    ];
    serde_json::from_str(&printed(server, &args)).unwrap()
}

/// Items that a reader of files could take for something else.
const ITEMS: &str = r##"{"id": "A&A-01.1", "text": "Is \"access\" logged; and reviewed?", "answer": "Yes,\nmonthly.", "area": "Audit", "labels": ["Access (SSO; MFA)", "log"], "expert": "mira", "at": "2025-03-01T09:00:00.125Z"}
{"id": "FN73239/40", "text": "Who approves?", "expert": "Jörg Weiß", "also": ["mira"], "at": "2025-03-02T09:00:00Z", "tier": "gold", "note": "=1+1"}
{"id": "open", "text": "Nobody knows yet?", "at": "2025-03-03T09:00:00Z"}
{"id": "1.1.2 a)", "text": "sep=; is a text", "area": "1.0", "labels": ["nan-ish", "7"], "at": "2025-03-04T00:00:00Z"}
"##;

#[tokio::test(flavor = "multi_thread")]
async fn an_export_goes_into_another_tenant_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("first").await;
    let file = folder.path().join("items.jsonl");
    std::fs::write(&file, ITEMS).unwrap();
    assert_eq!(ingest(&server, "first", &file)["accepted"], 4);
    let export = |tenant: &str| printed(&server, &["tenants", "export", tenant, "--only", "items"]);
    let expected = export("first");
    assert_eq!(expected.lines().count(), 4, "{expected}");

    let list = ["items", "list", "-t", "first", "--limit", "0", "-o"];
    let written = [
        ("only.jsonl", expected.clone()),
        (
            "all.jsonl",
            printed(&server, &["tenants", "export", "first"]),
        ),
        (
            "list.json",
            printed(&server, &[&list[..], &["json"]].concat()),
        ),
        (
            "list.csv",
            printed(&server, &[&list[..], &["csv"]].concat()),
        ),
    ];
    for (number, (name, content)) in written.into_iter().enumerate() {
        let tenant = format!("again-{number}");
        operator.make_tenant(&tenant).await;
        let file = folder.path().join(name);
        std::fs::write(&file, &content).unwrap();
        let summary = ingest(&server, &tenant, &file);
        assert_eq!(summary["accepted"], 4, "{name}: {summary}\n{content}");
        assert_eq!(export(&tenant), expected, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_guessed_is_told_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    let file = folder.path().join("fragen.csv");
    // Windows-1252, as a German spreadsheet writes it.
    std::fs::write(
        &file,
        b"Fragenkatalog;;\r\nNr.;Frage;Ansprechpartner\r\n1;Wie gro\xdf ist das Team?;J\xf6rg\r\n2;Wer pr\xfcft das?;-\r\n",
    )
    .unwrap();
    let mapping = folder.path().join("fragen.toml").display().to_string();
    let file = file.display().to_string();
    let ingest = ["items", "ingest", "-t", "acme", &file];
    let tried = printed(
        &server,
        &[&ingest[..], &["--dry-run", "--save-mapping", &mapping]].concat(),
    );
    for told in [
        "windows-1252",
        "line 2",
        "\"Frage\" is `text`",
        "Wie groß ist das Team?",
        "Jörg",
    ] {
        assert!(tried.contains(told), "{told}: {tried}");
    }
    let listed = ["items", "list", "-t", "acme", "-o", "json"];
    assert_eq!(printed(&server, &listed).trim(), "[]");
    let saved = std::fs::read_to_string(&mapping).unwrap();
    assert!(saved.contains("text = \"Frage\""), "{saved}");
    printed(
        &server,
        &[&ingest[..], &["--mapping", &mapping, "--register-experts"]].concat(),
    );
    let items: serde_json::Value = serde_json::from_str(&printed(&server, &listed)).unwrap();
    assert_eq!(items[0]["experts"][0], "Jörg");
    assert_eq!(items[1]["experts"], serde_json::json!([]));
}
