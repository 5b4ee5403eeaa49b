//! A task's view: what the router knows of a tenant's task without asking anybody.

use std::collections::HashMap;
use std::sync::Arc;

use artifacts::{ArtifactStore, Resident};
use chrono::{DateTime, Utc};
use domain::cost::Meter;
use domain::{
    Alias, Ask, Candidate, ItemId, ModelName, ResourceName, Route, RoutingMode, RoutingPolicy,
    Standing, Target, Task, TaskId, TaskKind, TenantContext, Unproven, Verdict, choose_route,
    normalized,
};
use embedding::Embedders;
use learning::classification::{
    Decision, Keywords, LabelSet, LinearClassifier, SimpleMethod, TaskReport, ZeroShot, is_of_task,
};
use metering::usage;
use server::ServiceError;
use storage::{CorrectionsStamp, Store, TenantTx};

use crate::chain::{Unusable, built_in, own, unproven};
use crate::considered::{Looked, considered};
use crate::space::AskedSpace;
use crate::task_models::{TaskModel, has_gone_labels, load_head};
use crate::tasks::embed_cached;

/// Model versions looked at to tell whether the task was ever judged.
const VERSIONS: u32 = 20;
/// Corrections that stay resident, the newest.
const CORRECTIONS: u32 = 5_000;
/// Labelled items that stay resident, the newest.
const EXAMPLES: usize = 200_000;
/// With fewer labelled items for each label, names and descriptions say more.
const EXAMPLES_PER_LABEL: usize = 2;
const MIN_EXAMPLES: usize = 10;

/// Where views come from.
#[derive(Clone)]
pub struct TaskSources {
    /// The relational store.
    pub store: Store,
    /// The model files.
    pub artifacts: ArtifactStore,
    /// The embedding models.
    pub embedders: Embedders,
}

/// One task, resident.
pub(crate) struct TaskView {
    pub base: Arc<TaskBase>,
    /// What texts are embedded with and searched in; all vectors of the view are of it.
    pub asked: AskedSpace,
    /// Newest first.
    pub corrections: Vec<ResidentCorrection>,
    pub stamp: TaskStamp,
}

/// What does not change with a correction.
pub(crate) struct TaskBase {
    pub task: Task,
    pub labels: LabelSet,
    /// By the point that stands for the item in the vector store.
    pub known: HashMap<u64, KnownItem>,
    /// Known items, by label.
    counts: Vec<u32>,
    pub keywords: Keywords,
    pub zero_shot: ZeroShot,
    /// The middle one of all values.
    pub median: Option<f64>,
    /// The models that the policy may want.
    models: Vec<TaskModel>,
    policy: RoutingPolicy,
    unproven: Unproven,
    /// The best method without training, where it was measured, and how it was calibrated.
    measured: Option<TaskReport>,
    /// No artifact was out of reach when it was read.
    whole: bool,
}

/// A labelled item.
pub(crate) struct KnownItem {
    pub id: ItemId,
    pub occurred_at: DateTime<Utc>,
    pub labels: Box<[u16]>,
    pub value: f64,
}

/// A corrected text.
pub(crate) struct ResidentCorrection {
    /// In normal form.
    pub text: Box<str>,
    pub vector: Vec<f32>,
    pub labels: Box<[u16]>,
    pub value: f64,
}

/// What tells a view that is up to date from one that is not.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TaskStamp {
    id: TaskId,
    task: DateTime<Utc>,
    space: String,
    watermark: u64,
    policy: Option<DateTime<Utc>>,
    champion: Option<u64>,
    challenger: Option<u64>,
    newest_model: Option<u64>,
    corrections: CorrectionsStamp,
    /// What the store has is whole; a view that could not be read whole is never up to date.
    whole: bool,
}

impl TaskStamp {
    /// What the store has now; none when there is no such task.
    pub(crate) async fn read(tx: &TenantTx, id: &TaskId) -> Result<Option<Self>, ServiceError> {
        let Some(task) = tx.tasks().get(id).await? else {
            return Ok(None);
        };
        let newest = tx.models().list(Some(id), None, 1).await?;
        Ok(Some(Self {
            id: id.clone(),
            task: task.updated_at,
            space: tx.spaces().active().await?,
            watermark: tx.items().watermark().await?,
            policy: tx.routing().get(id).await?.map(|kept| kept.updated_at),
            champion: tx.models().alias(id, Alias::Champion).await?,
            challenger: tx.models().alias(id, Alias::Challenger).await?,
            newest_model: newest.first().map(|model| model.name.version),
            corrections: tx.corrections().stamp(id).await?,
            whole: true,
        }))
    }

    fn same_but_corrections(&self, other: &Self) -> bool {
        let corrections = other.corrections;
        *other
            == Self {
                corrections,
                ..self.clone()
            }
    }
}

impl Resident for TaskView {
    fn resident_bytes(&self) -> usize {
        let base = &self.base;
        let heads = base.models.iter().filter_map(|model| model.head.as_ref());
        let vectors: usize = self
            .corrections
            .iter()
            .map(|c| c.vector.len() * 4 + c.text.len() + 80)
            .sum();
        let known = base.known.len() * 128;
        let words = base.labels.bytes() + base.keywords.bytes() + base.zero_shot.bytes();
        heads.map(LinearClassifier::bytes).sum::<usize>() + vectors + known + words
    }
}

impl TaskView {
    /// Reads a task from the store; of `before` what has not changed is kept.
    pub(crate) async fn load(
        sources: &TaskSources,
        ctx: &TenantContext,
        id: &TaskId,
        before: Option<&Self>,
    ) -> Result<Self, ServiceError> {
        let tx = sources.store.begin(ctx).await?;
        let missing = || {
            let name = ResourceName::Task(ctx.tenant().clone(), id.clone());
            ServiceError::not_found(name)
        };
        let asked = AskedSpace::active(&tx, &sources.embedders).await?;
        let mut stamp = TaskStamp::read(&tx, id).await?.ok_or_else(missing)?;
        // Of one space even when the tenant switched between the two looks: the next one sees it.
        asked.name().clone_into(&mut stamp.space);
        let corrections = tx.corrections().newest(id, CORRECTIONS).await?;
        let kept = before.filter(|view| {
            let labels = &view.base.labels;
            let known = |target: &Target| match target {
                Target::Labels(own) => own.iter().all(|label| labels.number(label).is_some()),
                Target::Value(_) => true,
            };
            view.stamp.same_but_corrections(&stamp) && corrections.iter().all(|c| known(&c.target))
        });
        let base = match kept {
            Some(view) => {
                drop(tx);
                Arc::clone(&view.base)
            }
            None => {
                let targets: Vec<Target> = corrections.iter().map(|c| c.target.clone()).collect();
                Arc::new(TaskBase::load(sources, &asked, ctx, tx, &stamp, targets).await?)
            }
        };
        let texts: Vec<String> = corrections.iter().map(|c| c.text.clone()).collect();
        let vectors = embed_cached(sources, &asked, ctx, &texts).await?;
        let wants_value = base.task.definition.kind == TaskKind::Regression;
        let corrections = corrections
            .iter()
            .zip(vectors)
            .filter(|(one, _)| matches!(one.target, Target::Value(_)) == wants_value)
            .map(|(one, vector)| ResidentCorrection {
                text: normalized(&one.text).into(),
                vector,
                labels: base.labels.numbers(&one.target).into(),
                value: value_of(&one.target),
            })
            .collect();
        stamp.whole = base.whole;
        Ok(Self {
            base,
            asked,
            corrections,
            stamp,
        })
    }

    /// Labelled items and corrections.
    pub(crate) fn examples(&self) -> usize {
        self.base.known.len() + self.corrections.len()
    }

    /// The model that serves, why, and its head; without one a method without training answers.
    pub(crate) fn route(&self, ask: Ask) -> (Route, Option<&LinearClassifier>) {
        let base = &self.base;
        let candidates: Vec<Candidate> = base
            .models
            .iter()
            .map(|model| Candidate {
                model: model.name.clone(),
                standing: model.standing,
                healthy: model.head.is_some() && model.outdated().is_none(),
                // A head needs the text's vector: without time for that it cannot answer.
                expected: std::time::Duration::from_millis(1),
            })
            .collect();
        let built_in = built_in(&base.task.definition.id);
        let named = |name: &ModelName| base.models.iter().find(|model| model.name == *name);
        let route = choose_route(&base.policy, ask, &candidates, base.unproven, &built_in)
            .explaining(|name| named(name).and_then(TaskModel::outdated));
        let head = named(&route.model).and_then(|model| model.head.as_ref());
        (route, head)
    }

    /// What routing looks at, in words.
    pub(crate) fn considered(&self) -> Vec<String> {
        let base = &self.base;
        let models = base.models.iter().map(|model| Looked {
            name: &model.name,
            standing: model.standing,
            left_behind: model.left_behind.as_deref(),
            changed: model.changed,
            usable: model.head.is_some(),
        });
        let built_in = built_in(&base.task.definition.id);
        considered(&base.policy, models, None, base.unproven, &built_in)
    }

    /// The method that answers where no head does: the one that did best when it was measured, else
    /// the one that has something to go on.
    pub(crate) fn simple(&self) -> SimpleMethod {
        let measured = self.base.measured.as_ref();
        if let Some(best) = measured.and_then(|report| SimpleMethod::parse(&report.incumbent)) {
            return best;
        }
        let examples = self.examples();
        let least = MIN_EXAMPLES.max(EXAMPLES_PER_LABEL * self.base.labels.len());
        match self.base.task.definition.kind {
            TaskKind::Regression if examples < MIN_EXAMPLES => SimpleMethod::Median,
            TaskKind::SingleLabel | TaskKind::MultiLabel if examples < least => {
                SimpleMethod::ZeroShot
            }
            _ => SimpleMethod::Knn,
        }
    }

    /// How a method's scores become answers: as it was measured on this task, else as elsewhere.
    pub(crate) fn decision(&self, method: SimpleMethod) -> Decision {
        let definition = &self.base.task.definition;
        let label = definition.out_of_scope_label.as_ref();
        let out_of_scope = label.and_then(|label| self.base.labels.number(label));
        let measured = self.base.measured.iter().flat_map(|report| &report.simple);
        let unjudged = || match method {
            SimpleMethod::Knn => self.unjudged(),
            _ => Vec::new(),
        };
        match measured.into_iter().find(|(name, _)| *name == method) {
            Some((_, decision)) => decision.clone().with_labels(out_of_scope, unjudged()),
            None => Decision::unmeasured(
                method,
                definition.kind,
                out_of_scope,
                definition.target_precision,
            ),
        }
    }

    /// Labels with fewer than two examples now, ascending.
    fn unjudged(&self) -> Vec<u16> {
        let mut counts = self.base.counts.clone();
        for label in self.corrections.iter().flat_map(|one| &one.labels) {
            counts[usize::from(*label)] += 1;
        }
        let few = |(label, count): (usize, u32)| (count < 2).then_some(label as u16);
        counts.into_iter().enumerate().filter_map(few).collect()
    }
}

impl TaskBase {
    async fn load(
        sources: &TaskSources,
        asked: &AskedSpace,
        ctx: &TenantContext,
        tx: TenantTx,
        stamp: &TaskStamp,
        corrected: Vec<Target>,
    ) -> Result<Self, ServiceError> {
        let task = tx.tasks().get(&stamp.id).await?;
        let task = task.ok_or_else(|| ServiceError::not_found(&stamp.id))?;
        let id = &task.definition.id;
        let items = tx.items().at_watermark(stamp.watermark).await?;
        let versions = tx.models().list(Some(id), None, VERSIONS).await?;
        let kept = tx.routing().get(id).await?;
        let policy = kept.map(|kept| kept.policy).unwrap_or_default();
        let mut wanted = own(&tx, id, &versions, &policy).await?;
        // Heads are large: one that cannot be chosen stays where it is.
        let tried = policy.mode != RoutingMode::Auto;
        wanted.retain(|(_, standing)| tried || *standing != Standing::Challenger);
        let unproven = unproven(&tx, id, &versions).await?;
        drop(tx);
        let kind = task.definition.kind;
        let mut models = Vec::with_capacity(wanted.len());
        let mut whole = true;
        for (model, standing) in wanted {
            let loaded = load_head(&sources.artifacts, &model.artifact_path, &model.checksum).await;
            whole &= !matches!(loaded, Err(Unusable { passing: true }));
            let dimensions = asked.space.dimensions;
            let fits = |head: &LinearClassifier| head.kind() == kind && head.fits(dimensions);
            let space = model.lineage.space;
            let made = TaskModel {
                changed: !is_of_task(&model.lineage.parameters, &task.definition),
                left_behind: (space != asked.name()).then_some(space),
                head: loaded.ok().filter(fits),
                name: model.name,
                standing,
            };
            models.push((made, model.report));
        }
        let judged = versions
            .iter()
            .find(|model| model.verdict != Verdict::InsufficientData);
        // How sure a similarity makes is another matter in another space, and for other labels.
        let here = judged.filter(|model| {
            let lineage = &model.lineage;
            lineage.space == asked.name() && is_of_task(&lineage.parameters, &task.definition)
        });
        let measured = here.and_then(|model| TaskReport::from_json(&model.report));
        // Thousands of texts are cut into words: not on a thread that others wait for.
        let build = move || {
            let mut base = Self::build(task, &items, &corrected);
            for (model, report) in &mut models {
                model.changed |= has_gone_labels(report, &base.labels);
            }
            base.models = models.into_iter().map(|(model, _)| model).collect();
            base.policy = policy;
            (base.unproven, base.measured) = (unproven, measured);
            base.whole = whole;
            base
        };
        let built = usage::blocking(Meter::ModelCpu, build).await;
        let mut base = built.map_err(ServiceError::internal)?;
        if kind != TaskKind::Regression {
            let texts = base.labels.texts(&base.task.definition);
            let rows = embed_cached(sources, asked, ctx, &texts).await?;
            let shape = (rows.len(), asked.space.dimensions);
            let vectors = ndarray::Array2::from_shape_vec(shape, rows.concat());
            base.zero_shot = ZeroShot::new(vectors.map_err(ServiceError::internal)?);
        }
        Ok(base)
    }

    fn build(task: Task, items: &[domain::Item], corrected: &[Target]) -> Self {
        let definition = &task.definition;
        let newest = items.len().saturating_sub(EXAMPLES);
        let found: Vec<(&domain::Item, Target)> = items[newest..]
            .iter()
            .filter_map(|item| Some((item, definition.target(&item.content)?)))
            .collect();
        let targets = found.iter().map(|(_, target)| target).chain(corrected);
        let labels = LabelSet::new(definition, targets);
        let known: Vec<(&domain::Item, Vec<u16>, f64)> = found
            .iter()
            .map(|(item, target)| (*item, labels.numbers(target), value_of(target)))
            .filter(|(_, own, value)| !own.is_empty() || value.is_finite())
            .collect();
        let examples = known
            .iter()
            .map(|(item, own, _)| (item.content.text.as_str(), own.as_slice()));
        let keywords = Keywords::new(definition, &labels, examples);
        let mut counts = vec![0; labels.len()];
        for label in known.iter().flat_map(|(_, own, _)| own) {
            counts[usize::from(*label)] += 1;
        }
        let mut values: Vec<f64> = known.iter().map(|(_, _, value)| *value).collect();
        values.extend(corrected.iter().map(value_of));
        values.retain(|value| value.is_finite());
        values.sort_unstable_by(f64::total_cmp);
        let known = known
            .iter()
            .map(|(item, own, value)| {
                let item_known = KnownItem {
                    id: item.content.id.clone(),
                    occurred_at: item.content.occurred_at,
                    labels: own.as_slice().into(),
                    value: *value,
                };
                (item.point, item_known)
            })
            .collect();
        Self {
            labels,
            known,
            counts,
            keywords,
            zero_shot: ZeroShot::default(),
            median: values.get(values.len() / 2).copied(),
            models: Vec::new(),
            policy: RoutingPolicy::default(),
            unproven: Unproven::default(),
            measured: None,
            whole: true,
            task,
        }
    }
}

/// The number, or what is none.
fn value_of(target: &Target) -> f64 {
    match target {
        Target::Value(value) => *value,
        Target::Labels(_) => f64::NAN,
    }
}
