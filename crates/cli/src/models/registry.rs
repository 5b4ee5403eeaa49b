//! The upkeep of the registry: make a version again, prune, see what searches tried.

use std::collections::BTreeMap;

use api::v1;
use serde::Serialize;

use crate::args::{PageArgs, TenantArg, last};
use crate::client::Client;
use crate::error::{CliError, Exit};
use crate::jobs::{self, JobView};
use crate::models::{MISSING, ModelArg, OwnerArg};
use crate::output::{Output, Row, note, pairs, time};

/// What came of making a version again.
#[derive(Debug, Serialize)]
struct ReproductionView {
    model: String,
    reproduced: bool,
    /// A stable code: `SAME_BYTES`, or why not.
    reason: String,
    explanation: String,
    stored_checksum: String,
    made_checksum: Option<String>,
    stored_code_version: String,
    code_version: String,
    job: String,
}

/// What pruning did, or would do.
#[derive(Debug, Serialize)]
struct PruneView {
    dry_run: bool,
    pruned: u64,
    versions: Vec<String>,
    kept: u64,
    bytes: u64,
    files: u64,
    job: String,
}

/// One trial of a search.
#[derive(Debug, Serialize)]
struct TrialView {
    model: String,
    number: u32,
    chosen: bool,
    parameters: BTreeMap<String, String>,
    metrics: BTreeMap<String, f64>,
    seed: u64,
    seconds: f64,
    create_time: Option<String>,
}

/// Which trials are meant.
pub struct TrialsArgs {
    parent: String,
    task: String,
    version: u64,
}

impl Row for ReproductionView {
    const COLUMNS: &'static [&'static str] = &[
        "model",
        "reproduced",
        "reason",
        "stored",
        "made again",
        "stored by",
        "made by",
    ];
    fn cells(&self) -> Vec<String> {
        vec![
            self.model.clone(),
            self.reproduced.to_string(),
            self.reason.clone(),
            self.stored_checksum.clone(),
            self.made_checksum.clone().unwrap_or_default(),
            self.stored_code_version.clone(),
            self.code_version.clone(),
        ]
    }
}

impl Row for PruneView {
    const COLUMNS: &'static [&'static str] = &["dry run", "pruned", "versions", "kept", "bytes"];
    fn cells(&self) -> Vec<String> {
        vec![
            self.dry_run.to_string(),
            self.pruned.to_string(),
            self.versions.join(" "),
            self.kept.to_string(),
            self.bytes.to_string(),
        ]
    }
}

impl Row for TrialView {
    const COLUMNS: &'static [&'static str] = &[
        "version", "trial", "chosen", "settings", "metrics", "seconds",
    ];
    const WHOLE: &'static [&'static str] = &["settings", "metrics"];
    fn cells(&self) -> Vec<String> {
        let settings = self.parameters.iter().map(|(k, v)| format!("{k}={v}"));
        let metrics = self.metrics.iter().map(|(k, v)| match k.as_str() {
            "questions" | "rows" => format!("{k}={v:.0}"),
            _ => format!("{k}={v:.4}"),
        });
        vec![
            last(&self.model).to_owned(),
            self.number.to_string(),
            if self.chosen { "yes" } else { "" }.to_owned(),
            settings.collect::<Vec<_>>().join(" "),
            metrics.collect::<Vec<_>>().join(" "),
            format!("{:.2}", self.seconds),
        ]
    }
}

impl From<v1::Trial> for TrialView {
    fn from(trial: v1::Trial) -> Self {
        Self {
            create_time: time(trial.create_time.as_ref()),
            model: trial.model,
            number: trial.number,
            chosen: trial.chosen,
            parameters: trial.parameters.into_iter().collect(),
            metrics: trial.metrics.into_iter().collect(),
            seed: trial.seed,
            seconds: trial.seconds,
        }
    }
}

impl ReproductionView {
    fn of(job: &v1::Job) -> Self {
        let said = |key: &str| job.outcome.get(key).cloned().unwrap_or_default();
        Self {
            model: said("model"),
            reproduced: said("reproduced") == "true",
            reason: said("reason"),
            explanation: said("explanation"),
            stored_checksum: said("stored_checksum"),
            made_checksum: Some(said("made_checksum")).filter(|sum| !sum.is_empty()),
            stored_code_version: said("stored_code_version"),
            code_version: said("code_version"),
            job: job.name.clone(),
        }
    }

    fn words(&self) -> String {
        let verdict = match (self.reproduced, &self.made_checksum) {
            (true, _) => "yes, byte for byte",
            (false, Some(_)) => "no, the bytes differ",
            (false, None) => "no, it cannot be made again",
        };
        let fields = [
            ("model", self.model.clone()),
            ("reproduced", verdict.to_owned()),
            ("because", format!("{} ({})", self.explanation, self.reason)),
            ("stored", format!("sha256 {}", self.stored_checksum)),
            (
                "made again",
                self.made_checksum
                    .as_ref()
                    .map_or(String::new(), |sum| format!("sha256 {sum}")),
            ),
            ("stored by", self.stored_code_version.clone()),
            ("made by", self.code_version.clone()),
        ];
        let told = fields.into_iter().filter(|(_, value)| !value.is_empty());
        pairs(told.map(|(head, value)| (head.to_owned(), value)))
    }
}

impl PruneView {
    fn of(job: &v1::Job) -> Self {
        let said = |key: &str| job.outcome.get(key).map_or("", String::as_str);
        let number = |key: &str| said(key).parse().unwrap_or(0);
        let versions = said("versions").split(' ').filter(|one| !one.is_empty());
        Self {
            dry_run: said("dry_run") == "true",
            pruned: number("pruned"),
            versions: versions.map(str::to_owned).collect(),
            kept: number("kept"),
            bytes: number("bytes"),
            files: number("files"),
            job: job.name.clone(),
        }
    }

    fn words(&self) -> String {
        let did = match (self.pruned, self.dry_run) {
            (0, _) => "nothing is old and unneeded".to_owned(),
            (n, true) => format!("{n} versions would go: {}", self.versions.join(" ")),
            (n, false) => format!("{n} versions went: {}", self.versions.join(" ")),
        };
        let size = indicatif::HumanBytes(self.bytes);
        format!("{did}\n{} stay; {size} of artifacts\n", self.kept)
    }
}

impl TrialsArgs {
    /// The trials of `model` (short or by its whole name), or of all versions of the task.
    ///
    /// # Errors
    /// When the version is not a number, or no tenant was given.
    pub fn new(tenant: &TenantArg, task: String, model: Option<String>) -> Result<Self, CliError> {
        let unreadable = |model: &str| {
            CliError::usage(format!("{model} names no version of a tenant's model"))
                .hint("give a number, or tenants/TENANT/models/TASK/versions/NUMBER")
        };
        let Some(model) = model else {
            let parent = tenant.parent()?;
            return Ok(Self {
                parent,
                task,
                version: 0,
            });
        };
        let parts: Vec<&str> = model.split('/').collect();
        let (parent, task, number) = match parts[..] {
            [number] => (tenant.parent()?, task, number),
            ["tenants", tenant, "models", task, "versions", number] => {
                (format!("tenants/{tenant}"), task.to_owned(), number)
            }
            _ => return Err(unreadable(&model)),
        };
        let version = number.parse().map_err(|_| unreadable(&model))?;
        Ok(Self {
            parent,
            task,
            version,
        })
    }
}

/// Makes a version again and says whether it is the same.
///
/// # Errors
/// When the job cannot be started, followed or printed.
pub async fn reproduce(
    client: &Client,
    model: &ModelArg,
    out: &mut Output,
) -> Result<Exit, CliError> {
    let request = client.timed(v1::ReproduceModelRequest {
        name: model.name()?,
    });
    let answer = client.answer(client.training().reproduce_model(request).await);
    let answer = answer.map_err(|error| error.when_missing(MISSING))?;
    let job = jobs::watch(client, &answer.job.unwrap_or_default().name).await?;
    if let Some(exit) = failed(&job, out)? {
        return Ok(exit);
    }
    let view = ReproductionView::of(&job);
    out.document(&view, std::slice::from_ref(&view), |_| view.words())?;
    Ok(match view.reproduced {
        true => Exit::Done,
        false => Exit::NotReproduced,
    })
}

/// Deletes versions that nothing needs, or says which.
///
/// # Errors
/// When the job cannot be started, followed or printed.
pub async fn prune(
    client: &Client,
    owner: &OwnerArg,
    (keep, dry_run): (Option<u32>, bool),
    out: &mut Output,
) -> Result<Exit, CliError> {
    let request = client.timed(v1::PruneModelsRequest {
        parent: owner.parent()?,
        keep: keep.unwrap_or(0),
        dry_run,
    });
    let answer = client.answer(client.training().prune_models(request).await)?;
    let job = jobs::watch(client, &answer.job.unwrap_or_default().name).await?;
    if let Some(exit) = failed(&job, out)? {
        return Ok(exit);
    }
    let view = PruneView::of(&job);
    out.document(&view, std::slice::from_ref(&view), |_| view.words())?;
    Ok(Exit::Done)
}

/// Prints a job that did not succeed; none for one that did.
fn failed(job: &v1::Job, out: &mut Output) -> Result<Option<Exit>, CliError> {
    let exit = jobs::exit_of(job);
    if exit == Exit::Done {
        return Ok(None);
    }
    out.one(&JobView::from(job.clone()))?;
    Ok(Some(exit))
}

/// Lists trials.
///
/// # Errors
/// When they cannot be read or printed.
pub async fn trials(
    client: &Client,
    query: TrialsArgs,
    page: &PageArgs,
    out: &mut Output,
) -> Result<(), CliError> {
    let found = page
        .collect(async |page_size, page_token| {
            let request = v1::ListTrialsRequest {
                parent: query.parent.clone(),
                task: query.task.clone(),
                version: query.version,
                page_size,
                page_token,
            };
            let answer = client.training().list_trials(client.timed(request)).await;
            let answer = client.answer(answer)?;
            Ok((answer.trials, answer.next_page_token))
        })
        .await?;
    if found.is_empty() {
        note("nothing was searched here; `tenantry models train --search N` tries N settings");
    }
    out.list(&found.into_iter().map(TrialView::from).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(outcome: &[(&str, &str)]) -> v1::Job {
        let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        v1::Job {
            outcome: outcome.iter().map(pair).collect(),
            ..Default::default()
        }
    }

    #[test]
    fn a_reproduction_is_told_in_plain_words() {
        let same = job(&[
            ("model", "tenants/acme/models/experts/versions/3"),
            ("reproduced", "true"),
            ("reason", "SAME_BYTES"),
            ("explanation", "training it again gave the same bytes"),
            ("stored_checksum", "ab"),
            ("made_checksum", "ab"),
        ]);
        let words = ReproductionView::of(&same).words();
        assert!(words.contains("yes, byte for byte"), "{words}");
        let gone = job(&[("reproduced", "false"), ("reason", "DATASET_MISSING")]);
        let view = ReproductionView::of(&gone);
        assert!(view.words().contains("cannot be made again"));
        assert!(!view.reproduced && view.made_checksum.is_none());
    }

    #[test]
    fn pruning_is_told_in_plain_words() {
        let done = job(&[
            ("pruned", "2"),
            ("versions", "experts/1 experts/2"),
            ("kept", "4"),
        ]);
        let words = PruneView::of(&done).words();
        assert!(
            words.starts_with("2 versions went: experts/1 experts/2"),
            "{words}"
        );
        assert!(PruneView::of(&job(&[])).words().contains("nothing is old"));
    }

    #[test]
    fn trials_are_named_short_or_whole() {
        let acme = TenantArg {
            tenant: Some("acme".to_owned()),
        };
        let parse = |model: Option<&str>| {
            TrialsArgs::new(&acme, "experts".to_owned(), model.map(str::to_owned))
        };
        let whole = parse(Some("tenants/b/models/intent/versions/2")).unwrap();
        assert_eq!(
            (whole.parent.as_str(), whole.task.as_str(), whole.version),
            ("tenants/b", "intent", 2)
        );
        assert_eq!(parse(Some("7")).unwrap().version, 7);
        assert_eq!(parse(None).unwrap().parent, "tenants/acme");
        assert!(parse(Some("global/models/experts/versions/1")).is_err());
        assert!(parse(Some("newest")).is_err());
    }
}
