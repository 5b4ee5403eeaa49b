//! What Prometheus reads: every metric with its meaning, and counters from the start.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use testkit::TestServer;

/// What the metrics endpoint answers.
fn scraped(server: &TestServer) -> String {
    let address = server.metrics.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    // Without the lengths of chunks, where it came in those.
    let chunk = |line: &str| u32::from_str_radix(line.trim(), 16).is_ok() && !line.contains(' ');
    let lines = body.lines().filter(|line| !chunk(line));
    lines.map(|line| format!("{line}\n")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_have_meanings_and_counters_begin_with_zero() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    let text = scraped(&server);
    for alerted in ["tenantry_usage_lost_total 0", "tenantry_usage_late_total 0"] {
        assert!(text.lines().any(|line| line == alerted), "{text}");
    }
    let none_yet = r#"tenantry_recommend_total{tier="TENANT",reason="PROVEN_BETTER"} 0"#;
    assert!(text.lines().any(|line| line == none_yet), "{text}");
    // With traffic there are histograms, too.
    operator.make_tenant("archive").await;
    operator
        .recommend("archive", "Who knows the warehouse?")
        .await;
    let text = scraped(&server);
    let described = |kind: &str| -> BTreeSet<&str> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(kind));
        lines.filter_map(|line| line.split(' ').next()).collect()
    };
    let (helps, types) = (described("# HELP "), described("# TYPE "));
    assert_eq!(helps, types);
    assert!(types.contains("tenantry_rpc_seconds"), "{types:?}");
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let name = line.split(['{', ' ']).next().unwrap();
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| {
            name.strip_suffix(end)
                .filter(|family| types.contains(family))
        });
        assert!(types.contains(family.unwrap_or(name)), "{line}");
    }
    check_with_promtool(&text);
    assert!(server.terminate().await);
}

/// `promtool check metrics`, where it is installed.
fn check_with_promtool(text: &str) {
    let started = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = started else {
        eprintln!("SKIPPED: no `promtool` is installed (Debian: prometheus)");
        return;
    };
    let mut input = promtool.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}
