//! Training of the tasks that tenants define: examples from items and corrections, a head, the
//! gate's verdict, a version in the registry.

use std::collections::HashSet;

use domain::{
    Correction, Item, Lineage, Target, TaskDefinition, TaskKind, TenantContext,
    contradicting_targets, normalized,
};
use jobs::specs::Trained;
use jobs::{JobFailure, JobWork, Retrain};
use learning::Search;
use learning::classification::{
    ClassifierParameters, Example, LabelSet, TASK_FINGERPRINT, TaskInput, TaskModel,
    TaskTrainError, task_fingerprint, train_task,
};
use ndarray::Array2;
use registry::dataset::Pinned;
use registry::inputs::{
    CORRECTIONS, CORRECTIONS_HASH, CORRECTIONS_UNTIL, Inputs, describe_corrections,
    sort_corrections,
};
use registry::publish::Candidate;

use crate::compute::run_for_job;
use crate::trainer::{Trainer, search_of, seed_of};

/// Items that a warning names.
const SHOWN: usize = 5;

/// How a head is to be trained.
#[derive(Clone, Copy)]
pub(crate) struct HeadPlan {
    pub seed: u64,
    /// Where nothing is searched; none takes the usual ones.
    pub parameters: Option<ClassifierParameters>,
    pub search: Option<Search>,
}

/// What is known of a task besides its items.
pub(crate) struct TaskSources {
    pub definition: TaskDefinition,
    /// Sorted: see [`sort_corrections`].
    pub corrections: Vec<Correction>,
}

/// What a head is trained on.
struct Material {
    task: TaskDefinition,
    examples: Vec<Example>,
    vectors: Array2<f32>,
    labels: LabelSet,
    label_vectors: Array2<f32>,
}

impl Trainer {
    /// Trains the task that a retrain names.
    pub(crate) async fn retrain_task(
        &self,
        ctx: &TenantContext,
        work: &JobWork,
        job: &Retrain,
        pinned: &Pinned,
    ) -> Result<Trained, JobFailure> {
        let tx = self.store.begin(ctx).await?;
        let task = tx.tasks().get(&job.task).await?;
        let task = task.ok_or_else(|| JobFailure::fail("the task is not there any more"))?;
        let mut corrections = tx.corrections().newest(&job.task, CORRECTIONS).await?;
        drop(tx);
        sort_corrections(&mut corrections);
        let definition = task.definition;
        let plan = HeadPlan {
            seed: seed_of(job.seed),
            parameters: None,
            search: search_of(job),
        };
        let sources = TaskSources {
            definition,
            corrections,
        };
        let mut model = self
            .train_head(ctx, work, &pinned.items, &sources, plan)
            .await?;
        let contents = pinned.items.iter().map(|item| &item.content);
        let contradictions = contradicting_targets(&sources.definition, contents);
        model.report.warnings.extend(contradictions);
        work.progress(0.95, "storing the model");
        let candidate = self.candidate(pinned, plan.seed, sources, model);
        self.publish(ctx, work, job, candidate).await
    }

    fn candidate(
        &self,
        pinned: &Pinned,
        seed: u64,
        sources: TaskSources,
        model: TaskModel,
    ) -> Candidate {
        let TaskSources {
            definition,
            corrections,
        } = sources;
        let (report, kind) = (model.report, definition.kind);
        let mut parameters = vec![
            ("corrections".to_owned(), report.corrections.to_string()),
            ("examples".to_owned(), report.examples.to_string()),
            ("kind".to_owned(), format!("{kind:?}")),
            (TASK_FINGERPRINT.to_owned(), task_fingerprint(&definition)),
        ];
        parameters.extend(
            model
                .parameters
                .iter()
                .flat_map(ClassifierParameters::parameters),
        );
        if let Some((hash, until)) = describe_corrections(&corrections) {
            let until = until.timestamp_micros().to_string();
            parameters.push((CORRECTIONS_HASH.to_owned(), hash));
            parameters.push((CORRECTIONS_UNTIL.to_owned(), until));
        }
        Candidate {
            task: definition.id.clone(),
            artifact: model.classifier.to_bytes(),
            extension: "head",
            lineage: Lineage {
                dataset: pinned.dataset.number,
                dataset_hash: pinned.dataset.content_hash.clone(),
                code_version: self.code_version.to_owned(),
                seed,
                space: self.encoder.name().to_owned(),
                parameters,
                parent: None,
            },
            verdict: report.verdict,
            report: report.to_json(),
            reason: report.reason,
            held_by: None,
            inputs: Some(Inputs::Task(definition)),
            trials: model.trials,
            signal: None,
        }
    }

    /// Trains a head on items and what else is known of the task. Stores nothing.
    pub(crate) async fn train_head(
        &self,
        ctx: &TenantContext,
        work: &JobWork,
        items: &[Item],
        sources: &TaskSources,
        plan: HeadPlan,
    ) -> Result<TaskModel, JobFailure> {
        let unreadable = unreadable_numbers(&sources.definition, items);
        let material = self.material(ctx, work, items, sources).await?;
        let fitted = fit(work, material, plan).await;
        let Some(warning) = unreadable else {
            return fitted;
        };
        match fitted {
            Ok(mut model) => {
                model.report.warnings.push(warning);
                Ok(model)
            }
            Err(JobFailure::Fail(why)) => Err(JobFailure::fail(format!("{why}; {warning}"))),
            Err(other) => Err(other),
        }
    }

    /// The examples of items and all corrections, with their embeddings.
    async fn material(
        &self,
        ctx: &TenantContext,
        work: &JobWork,
        items: &[Item],
        sources: &TaskSources,
    ) -> Result<Material, JobFailure> {
        let task = &sources.definition;
        let wants_value = task.kind == TaskKind::Regression;
        let fits = |target: &Target| matches!(target, Target::Value(_)) == wants_value;
        // A person's word on a text counts more than what an item with the same text says, and a
        // later word more than an earlier one.
        let mut said = HashSet::new();
        let mut corrected: Vec<Example> = sources
            .corrections
            .iter()
            .filter(|one| fits(&one.target) && said.insert(normalized(&one.text)))
            .map(|one| Example {
                text: one.text.clone(),
                target: one.target.clone(),
                corrected: true,
            })
            .collect();
        corrected.reverse();
        let mut examples: Vec<Example> = items
            .iter()
            .filter_map(|item| {
                let target = task.target(&item.content)?;
                let text = item.content.text.clone();
                (said.is_empty() || !said.contains(&normalized(&text))).then_some(Example {
                    text,
                    target,
                    corrected: false,
                })
            })
            .collect();
        examples.extend(corrected);
        let labels = LabelSet::new(task, examples.iter().map(|one| &one.target));
        let texts: Vec<&str> = examples.iter().map(|one| one.text.as_str()).collect();
        let vectors = self.vectors(ctx, work, &texts, 0.15).await?;
        let names = match wants_value {
            true => Vec::new(),
            false => labels.texts(task),
        };
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let label_vectors = self.vectors(ctx, work, &names, 0.15).await?;
        Ok(Material {
            task: task.clone(),
            examples,
            vectors,
            labels,
            label_vectors,
        })
    }
}

/// What a person should know of items whose number cannot be read: how many there are, and which.
fn unreadable_numbers(task: &TaskDefinition, items: &[Item]) -> Option<String> {
    let mut found = items
        .iter()
        .filter_map(|item| Some((&item.content.id, task.unreadable_number(&item.content)?)));
    let shown: Vec<String> = found
        .by_ref()
        .take(SHOWN)
        .map(|(id, value)| format!("{id} ({:?})", shortened(value)))
        .collect();
    let (count, domain::TaskSource::Attribute(name)) = (shown.len() + found.count(), &task.source)
    else {
        return None;
    };
    (count > 0).then(|| {
        let others = if count > SHOWN { ", ..." } else { "" };
        format!(
            "{count} items have a value of {name:?} that cannot be read as a number and were left out: {}{others}",
            shown.join(", ")
        )
    })
}

/// The start of a value: enough to see what it is.
fn shortened(value: &str) -> String {
    const MOST: usize = 24;
    let start: String = value.chars().take(MOST).collect();
    if start.len() < value.len() {
        start + "..."
    } else {
        start
    }
}

async fn fit(work: &JobWork, material: Material, plan: HeadPlan) -> Result<TaskModel, JobFailure> {
    let stopped = |error: &TaskTrainError| *error == TaskTrainError::Stopped;
    run_for_job(work, 0.2..0.9, stopped, move |progress| {
        let input = TaskInput {
            task: &material.task,
            examples: &material.examples,
            vectors: material.vectors.view(),
            labels: &material.labels,
            label_vectors: material.label_vectors.view(),
            seed: plan.seed,
            parameters: plan.parameters,
            search: plan.search,
        };
        train_task(&input, progress)
    })
    .await
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use domain::{DEFAULT_TARGET_PRECISION, ItemContent, ItemId, TaskId, TaskSource};

    use super::*;

    fn item(at: u64, effort: Option<&str>) -> Item {
        let attributes = effort.map(|value| ("effort".to_owned(), value.to_owned()));
        Item {
            content: ItemContent {
                id: ItemId::parse(format!("job-{at}")).unwrap(),
                text: format!("Paint the fence, part {at}"),
                answer: None,
                area: None,
                labels: Vec::new(),
                attributes: attributes.into_iter().collect(),
                experts: Vec::new(),
                occurred_at: DateTime::UNIX_EPOCH,
            },
            revision: 1,
            change: at,
            point: at,
            ingested_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn numbers_that_cannot_be_read_are_counted_and_named() {
        let task = TaskDefinition {
            id: TaskId::parse("effort").unwrap(),
            display_name: String::new(),
            kind: TaskKind::Regression,
            source: TaskSource::Attribute("effort".into()),
            labels: Vec::new(),
            target_precision: DEFAULT_TARGET_PRECISION,
            out_of_scope_label: None,
        };
        let fine = [
            item(1, Some("2,5")),
            item(2, Some("3")),
            item(3, None),
            item(4, Some(" ")),
        ];
        assert_eq!(unreadable_numbers(&task, &fine), None);
        let odd: Vec<Item> = (1..8).map(|at| item(at, Some("two days"))).collect();
        let said = unreadable_numbers(&task, &odd).unwrap();
        assert!(
            said.starts_with("7 items have a value of \"effort\""),
            "{said}"
        );
        assert!(
            said.contains("job-5 (\"two days\")") && !said.contains("job-6"),
            "{said}"
        );
        let labels = TaskDefinition {
            kind: TaskKind::SingleLabel,
            ..task
        };
        assert_eq!(unreadable_numbers(&labels, &odd), None);
    }
}
