//! How long one tenant's retrain takes, and scikit-learn's logistic regression on what it learns from:
//! on the embeddings alone, and on embeddings, words and style together.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::BenchArgs;
use crate::run::block_on;
use crate::scenario;
use crate::server::{Programs, with_server};
use crate::terminal::{Screen, count, time};
use testkit::content::Tenant;

/// Experts of the tenant.
pub const EXPERTS: usize = 50;
const RUNS: usize = 3;
/// A retrain may take this long.
const BAR_SECONDS: f64 = 3.0;
/// Scikit-learn takes at least this many times as long.
const BAR_TIMES: f64 = 2.0;

/// Fits as its documentation shows first, on the features that the program has written, and tells the best
/// of as many runs as this side has.
const PROGRAM: &str = r"
import json, sys, time
import numpy, scipy.sparse, sklearn
from sklearn.linear_model import LogisticRegression
folder, columns, runs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
x = numpy.fromfile(folder + '/features.f32', dtype='<f4').reshape(-1, columns)
y = numpy.fromfile(folder + '/experts.u32', dtype='<u4')
def read(name, kind):
    return numpy.fromfile(folder + '/words.' + name, dtype=kind)
words = scipy.sparse.csr_matrix(
    (read('values.f32', '<f4'), read('columns.u32', '<u4'), read('starts.u64', '<u8')))
everything = scipy.sparse.hstack([scipy.sparse.csr_matrix(x), words]).tocsr()
def fit(rows):
    best = None
    for _ in range(runs):
        begin = time.perf_counter()
        model = LogisticRegression().fit(rows, y)
        took = time.perf_counter() - begin
        best = took if best is None else min(best, took)
    return {'columns': rows.shape[1], 'seconds': best, 'accuracy': model.score(rows, y),
            'steps': int(model.n_iter_.max())}
print(json.dumps({'version': sklearn.__version__, 'embeddings': fit(x),
                  'everything': fit(everything)}))
";

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    items: usize,
    experts: usize,
    /// From the request to the end of the job; the best, as for the other side, and all.
    seconds: f64,
    runs: Vec<f64>,
    verdict: String,
    scikit_learn: Option<Sklearn>,
    /// Why there is none.
    missing: Option<String>,
}

/// What the other side says.
#[derive(Debug, Serialize, Deserialize)]
struct Sklearn {
    version: String,
    /// On the embeddings alone.
    embeddings: Fitted,
    /// On all that a retrain learns from: embeddings, words and style.
    everything: Fitted,
}

/// One fit of the other side.
#[derive(Debug, Serialize, Deserialize)]
struct Fitted {
    columns: usize,
    seconds: f64,
    accuracy: f64,
    steps: usize,
}

/// What the features' writer says.
#[derive(Deserialize)]
struct Written {
    rows: usize,
    columns: usize,
    experts: usize,
}

/// Retrains a tenant whose items are indexed, so that no text is embedded meanwhile.
///
/// # Errors
/// The server's; features that cannot be written.
pub fn measure(
    screen: Screen,
    programs: &Programs,
    args: &BenchArgs,
    tenant: Tenant,
) -> Result<Report> {
    let folder = tempfile::tempdir()?;
    let id = tenant.id.clone();
    let (runs, verdict, written) = block_on(with_server(programs, async |server, operator| {
        let one = scenario::welcome(&server.endpoint, operator, tenant, false).await?;
        let mut line = screen.live();
        scenario::load(&one, &mut line).await?;
        let (mut runs, mut verdict) = (Vec::new(), String::new());
        for run in 0..RUNS {
            let trained = scenario::train(&one, &format!("run-{run}"), &mut line).await?;
            runs.push(trained.took.as_secs_f64());
            let found = trained
                .outcome
                .into_iter()
                .find(|(key, _)| key == "verdict");
            verdict = found.map(|(_, value)| value).unwrap_or_default();
        }
        line.finish(&format!("  retrained {RUNS} times"));
        let written = write_features(programs, server.folder(), &id, folder.path())?;
        Ok((runs, verdict, written))
    }))?;
    let (scikit_learn, missing) = match fit(&args.python, folder.path(), written.columns) {
        Ok(fitted) => (Some(fitted), None),
        Err(error) => (None, Some(format!("{error:#}"))),
    };
    Ok(Report {
        items: written.rows,
        experts: written.experts,
        seconds: runs.iter().copied().fold(f64::INFINITY, f64::min),
        runs,
        verdict,
        scikit_learn,
        missing,
    })
}

/// Has the features written by the same code that trains on them.
fn write_features(programs: &Programs, data: &Path, tenant: &str, out: &Path) -> Result<Written> {
    // As this program was built, and together with the same packages: else cargo settles other
    // features and builds the dependencies again.
    let profile = match cfg!(debug_assertions) {
        true => "dev",
        false => "release",
    };
    let built = Command::new("cargo")
        .current_dir(&programs.workspace)
        .args([
            "build",
            "--package",
            "tenantry",
            "--package",
            env!("CARGO_PKG_NAME"),
            "--package",
            "tenantry-trainer",
        ])
        .args(["--example", "features"])
        .args(["--profile", profile, "--quiet"])
        .status()
        .context("cannot run cargo")?;
    ensure!(built.success(), "the features' writer could not be built");
    let folder = programs.server.parent();
    let program = folder.context("the server has no folder")?;
    let output = Command::new(program.join("examples").join("features"))
        .args([data, Path::new(tenant), out])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run the features' writer")?;
    ensure!(output.status.success(), "the features could not be written");
    serde_json::from_slice(&output.stdout).context("the features' writer said something else")
}

fn fit(python: &Path, folder: &Path, columns: usize) -> Result<Sklearn> {
    let script = folder.join("fit.py");
    fs::write(&script, PROGRAM)?;
    let output = Command::new(python)
        .arg(&script)
        .arg(folder)
        .arg(columns.to_string())
        .arg(RUNS.to_string())
        .output()
        .with_context(|| format!("cannot run {}", python.display()))?;
    let told = String::from_utf8_lossy(&output.stderr);
    let last = told.lines().last().unwrap_or_default().to_owned();
    ensure!(output.status.success(), "{last}");
    serde_json::from_slice(&output.stdout).context("it said something else")
}

impl Report {
    /// Prints it, and returns the bars that were missed.
    pub fn print(&self, screen: Screen) -> Vec<String> {
        screen.heading(
            "Retrain of one tenant, embeddings cached",
            &format!("{} items, {} experts", count(self.items), self.experts),
        );
        let shown = |seconds: f64| time(Duration::from_secs_f64(seconds));
        let runs: Vec<_> = self.runs.iter().map(|seconds| shown(*seconds)).collect();
        println!(
            "  from request to verdict ({}): {}, the best of {}",
            self.verdict,
            shown(self.seconds),
            runs.join(", ")
        );
        let mut missed = Vec::new();
        if self.seconds > BAR_SECONDS {
            missed.push(format!("a retrain takes more than {BAR_SECONDS} s"));
        }
        match (&self.scikit_learn, &self.missing) {
            (Some(other), _) => {
                println!(
                    "  scikit-learn {}'s LogisticRegression alone, on what the retrain learns from:",
                    other.version
                );
                for (what, fitted) in [
                    ("embeddings, words and style", &other.everything),
                    ("embeddings only", &other.embeddings),
                ] {
                    let times = fitted.seconds / self.seconds;
                    println!(
                        "    {what} ({} columns): {} in {} steps (accuracy on them {:.3}), {times:.2} times \
                         as long",
                        count(fitted.columns),
                        shown(fitted.seconds),
                        fitted.steps,
                        fitted.accuracy
                    );
                    if times < BAR_TIMES {
                        let missing =
                            format!("on {what} scikit-learn takes {times:.2} times as long only");
                        missed.push(missing);
                    }
                }
            }
            (None, missing) => println!(
                "  scikit-learn is not there to compare with: {}",
                missing.as_deref().unwrap_or_default()
            ),
        }
        missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_other_side_its_reason_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let error = fit(Path::new("no-such-python"), folder.path(), 1).unwrap_err();
        assert!(format!("{error:#}").contains("no-such-python"));
        let error = fit(Path::new("false"), folder.path(), 1);
        assert!(error.is_err());
    }
}
