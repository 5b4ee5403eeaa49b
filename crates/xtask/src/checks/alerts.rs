//! `cargo xtask check-alerts`: the alert rules for Prometheus are well formed, and each one has a test
//! in which it fires.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::test::succeed;
use crate::workspace;

const RULES: &str = "alerts.yml";
const TESTS: &str = "alerts_test.yml";

/// Runs the command. What needs `promtool` (Debian: prometheus) is skipped where it is not installed.
///
/// # Errors
/// When a rule is not well formed, has no test, or does not fire in it.
pub fn run() -> Result<()> {
    let folder = workspace::root()?.join("deploy/prometheus");
    let read = |file: &str| {
        let path = folder.join(file);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let untested = untested(&read(RULES)?, &read(TESTS)?);
    ensure!(
        untested.is_empty(),
        "{TESTS} has no test in which these alerts fire: {}",
        untested.join(", ")
    );
    if !has_promtool()? {
        println!(
            "SKIPPED: the rules are not run, as no `promtool` is installed (Debian: prometheus)"
        );
        return Ok(());
    }
    promtool(&folder, &["check", "rules", RULES])?;
    promtool(&folder, &["test", "rules", TESTS])
}

/// Alerts that no test expects to fire.
fn untested(rules: &str, tests: &str) -> Vec<String> {
    let values = |text: &str, key: &str| -> Vec<String> {
        let lines = text
            .lines()
            .map(|line| line.trim().trim_start_matches("- "));
        lines
            .filter_map(|line| line.strip_prefix(key))
            .map(|value| value.trim().to_owned())
            .collect()
    };
    // A case that expects something has its alerts on lines below `exp_alerts:`.
    let mut fired = BTreeSet::new();
    let mut name = String::new();
    for line in tests
        .lines()
        .map(|line| line.trim().trim_start_matches("- "))
    {
        if let Some(alert) = line.strip_prefix("alertname:") {
            name = alert.trim().to_owned();
        } else if line == "exp_alerts:" {
            fired.insert(name.clone());
        }
    }
    let mut alerts = values(rules, "alert:");
    alerts.retain(|alert| !fired.contains(alert));
    alerts
}

fn has_promtool() -> Result<bool> {
    let asked = Command::new("promtool")
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match asked {
        Ok(status) => Ok(status.success()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).context("cannot run promtool"),
    }
}

fn promtool(folder: &Path, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("promtool");
    command.current_dir(folder).args(arguments);
    succeed(&mut command, &format!("promtool {}", arguments.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_needs_a_test_in_which_it_fires() {
        let rules = "groups:\n  - name: g\n    rules:\n      - alert: One\n      - alert: Two\n";
        let tests = "  - alertname: One\n    exp_alerts:\n      - exp_labels:\n  - alertname: Two\n    exp_alerts: []\n";
        assert_eq!(untested(rules, tests), ["Two"]);
        assert_eq!(untested(rules, ""), ["One", "Two"]);
    }
}
