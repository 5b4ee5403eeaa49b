//! A task's view: everything that a text's classification looks at, read at one moment.

use std::sync::Arc;

use artifacts::{ArtifactStore, Resident};
use chrono::{DateTime, Utc};
use domain::cost::Meter;
use domain::{
    Change, Correction, HISTORY_ITEMS, ModelRole, ModelVersion, ResourceName, RoutingMode, Target,
    Task, TaskId, TaskKind, TenantContext, TenantState, Verdict, normalized,
};
use encoding::{Encoder, Encoders, Lane};
use learning::classification::{LinearClassifier, TaskReport, ZeroShot, is_of_task};
use metering::usage;
use registry::load::load_head;
use registry::resolve::OwnModels;
use storage::{CorrectionsStamp, Store, TenantTx};

use super::labels::{Examples, value_of};
use super::models::{fitting, has_lost_labels, stale};
use crate::residency::{Compared, Concern, Source};
use crate::route::{RoutedModels, Stale};
use crate::{Result, ServingError};

/// Corrections that stay resident, the newest.
const CORRECTIONS: u32 = 5_000;

/// One task, resident.
pub(super) struct TaskView {
    pub base: Arc<TaskBase>,
    /// What texts are embedded with and searched in; all vectors of the view are of it.
    pub encoder: Encoder,
    /// Newest first.
    pub corrections: Vec<ResidentCorrection>,
    stamp: TaskStamp,
}

/// What does not change with a correction.
pub(super) struct TaskBase {
    pub task: Task,
    pub examples: Examples,
    /// The models that the policy may want.
    pub models: RoutedModels<LinearClassifier>,
    /// The best baseline, where it was measured, and how it was calibrated.
    pub measured: Option<TaskReport>,
}

/// A corrected text.
pub(super) struct ResidentCorrection {
    /// In normal form.
    pub text: Box<str>,
    pub vector: Vec<f32>,
    pub labels: Box<[u16]>,
    pub value: f64,
}

/// What of the store a view was made from: one that is up to date has the store's.
#[derive(Debug, Clone, PartialEq)]
struct TaskStamp {
    task: DateTime<Utc>,
    space: String,
    watermark: u64,
    policy: Option<DateTime<Utc>>,
    champion: Option<u64>,
    challenger: Option<u64>,
    newest_model: Option<u64>,
    corrections: CorrectionsStamp,
    /// What the store has is complete; models that could not all be read are never up to date.
    is_complete: bool,
}

impl TaskStamp {
    /// What the store has now; none when there is no such task.
    async fn read(tx: &TenantTx, id: &TaskId) -> Result<Option<Self>> {
        let Some(task) = tx.tasks().get(id).await? else {
            return Ok(None);
        };
        let now = tx.serving_state(id).await?;
        Ok(Some(Self {
            task: task.updated_at,
            space: now.space,
            watermark: now.items,
            policy: now.policy,
            champion: now.champion,
            challenger: now.challenger,
            newest_model: now.newest,
            corrections: tx.corrections().stamp(id).await?,
            is_complete: true,
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
        let models = &self.base.models.models;
        let heads = models.iter().filter_map(|one| one.model.as_ref());
        let corrections = self.corrections.iter();
        let corrections = corrections.map(|one| one.vector.len() * 4 + one.text.len() + 80);
        let heads = heads.map(LinearClassifier::bytes).sum::<usize>();
        heads + corrections.sum::<usize>() + self.base.examples.bytes()
    }
}

/// Where views come from.
#[derive(Clone)]
pub(super) struct TasksSource {
    pub store: Store,
    pub artifacts: ArtifactStore,
    pub encoders: Encoders,
}

impl Source for TasksSource {
    type View = TaskView;
    type Looked = Looked;

    const NOT_LOADED: &'static str = "TASK_NOT_LOADED";
    const GAUGE: &'static str = "tenantry_resident_task_bytes";

    fn store(&self) -> &Store {
        &self.store
    }

    async fn look(&self, ctx: &TenantContext, id: &TaskId) -> Result<Looked> {
        // Before the tenant's own transaction: nobody waits for a second connection with one in hand.
        let shared = self.store.shared_with(ctx).await?;
        let tx = self.store.begin(ctx).await?;
        let encoder = self.encoders.active(&tx).await?;
        let stamp = TaskStamp::read(&tx, id).await?;
        let mut stamp = stamp.ok_or_else(|| missing(ctx, id))?;
        // Of one space even when the tenant switched between the two looks: the next one sees it.
        encoder.name().clone_into(&mut stamp.space);
        Ok(Looked {
            state: shared.tenant().state,
            tx,
            encoder,
            stamp,
        })
    }

    async fn make(
        &self,
        ctx: &TenantContext,
        id: &TaskId,
        looked: Looked,
        before: Option<&TaskView>,
    ) -> Result<TaskView> {
        let Looked {
            tx,
            encoder,
            mut stamp,
            ..
        } = looked;
        let corrections = tx.corrections().newest(id, CORRECTIONS).await?;
        let base = match before.filter(|view| view.can_keep_base(&stamp, &corrections)) {
            Some(view) => {
                drop(tx);
                Arc::clone(&view.base)
            }
            None => {
                let task = tx.tasks().get(id).await?;
                let task = task.ok_or_else(|| missing(ctx, id))?;
                let targets = corrections.iter().map(|c| c.target.clone()).collect();
                let read = (task, targets, stamp.watermark);
                Arc::new(self.base(ctx, tx, &encoder, read).await?)
            }
        };
        let texts: Vec<&str> = corrections.iter().map(|one| one.text.as_str()).collect();
        let vectors = encoder.encode(ctx, &texts, Lane::QueryIfFew).await?;
        stamp.is_complete = base.models.is_complete;
        Ok(TaskView {
            corrections: resident(&base, &corrections, vectors),
            base,
            encoder,
            stamp,
        })
    }

    fn compare(view: &TaskView, looked: &Looked) -> Compared {
        match looked.state {
            TenantState::Active if looked.stamp == view.stamp => Compared::Same,
            TenantState::Active => Compared::Other,
            _ => Compared::Gone,
        }
    }

    fn concern(change: Change) -> Concern {
        match change {
            Change::Tenant(tenant)
            | Change::Items(tenant)
            | Change::Models(tenant)
            | Change::Tasks(tenant) => Concern::Tenant(tenant),
            Change::Experts(_)
            | Change::Index(_)
            | Change::Tiers
            | Change::Jobs(_)
            | Change::Key(_) => Concern::Nobody,
        }
    }

    /// The tenant has switched to another space since: the former one may be dropped, and what was found
    /// in it may lack items.
    fn has_moved_on(view: &TaskView, now: &TaskView) -> bool {
        now.encoder.name() != view.encoder.name()
    }
}

fn missing(ctx: &TenantContext, id: &TaskId) -> ServingError {
    ServingError::NotFound(ResourceName::Task(ctx.tenant().clone(), id.clone()))
}

/// What of the store a view is made from.
pub(super) struct Looked {
    state: TenantState,
    tx: TenantTx,
    encoder: Encoder,
    stamp: TaskStamp,
}

impl TasksSource {
    /// What does not change with a correction: `read` is the task, the targets of its corrections, and
    /// the watermark of its items.
    async fn base(
        &self,
        ctx: &TenantContext,
        tx: TenantTx,
        encoder: &Encoder,
        read: (Task, Vec<Target>, u64),
    ) -> Result<TaskBase> {
        let (task, corrected, watermark) = read;
        let id = task.definition.id.clone();
        let items = tx.items().newest_at(watermark, HISTORY_ITEMS).await?;
        let own = OwnModels::read(&tx, &id).await?;
        drop(tx);
        let measured = measured(&own.newest, &task, encoder);
        let (mut models, reports) = self.models(own, &task, encoder).await;
        // Thousands of texts are cut into words: not on a thread that others wait for.
        let built = usage::blocking(Meter::ModelCpu, move || {
            let examples = Examples::build(&task, &items, &corrected);
            for (model, report) in models.models.iter_mut().zip(&reports) {
                if has_lost_labels(report, &examples.labels) {
                    model.stale = Some(Stale::Task);
                }
            }
            TaskBase {
                task,
                examples,
                models,
                measured,
            }
        });
        let mut base = built.await?;
        let definition = &base.task.definition;
        if definition.kind != TaskKind::Regression {
            let texts = base.examples.labels.texts(definition);
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let vectors = encoder.matrix(ctx, &texts, Lane::QueryIfFew, |_| true);
            base.examples.zero_shot = ZeroShot::new(vectors.await?.unwrap_or_default());
        }
        Ok(base)
    }

    /// The tenant's own models, and the report of each.
    async fn models(
        &self,
        own: OwnModels,
        task: &Task,
        encoder: &Encoder,
    ) -> (RoutedModels<LinearClassifier>, Vec<String>) {
        let definition = &task.definition;
        // Heads are large: one that cannot be chosen stays where it is.
        let tries_challenger = own.policy.mode != RoutingMode::Auto;
        let id = definition.id.clone();
        let mut models = RoutedModels::new(id, own.policy, own.no_champion, None);
        let mut reports = Vec::new();
        for (mut version, role) in own.models {
            if role == ModelRole::Challenger && !tries_challenger {
                continue;
            }
            let loaded = load_head(&self.artifacts, &version).await;
            let loaded = fitting(loaded, definition, encoder);
            reports.push(std::mem::take(&mut version.report));
            let stale = stale(&version, definition, encoder);
            models.add((version, role), stale, loaded);
        }
        (models, reports)
    }
}

impl TaskView {
    /// Whether the base is the same as one read now, which knows the labels of all corrections.
    fn can_keep_base(&self, now: &TaskStamp, corrections: &[Correction]) -> bool {
        let labels = &self.base.examples.labels;
        let known = |target: &Target| match target {
            Target::Labels(own) => own.iter().all(|label| labels.number(label).is_some()),
            Target::Value(_) => true,
        };
        self.stamp.same_but_corrections(now) && corrections.iter().all(|one| known(&one.target))
    }
}

/// What the newest evaluation measured, where it holds here: how sure a similarity makes is another
/// matter in another space, and for other labels.
fn measured(newest: &[ModelVersion], task: &Task, encoder: &Encoder) -> Option<TaskReport> {
    let is_judged = |model: &&ModelVersion| model.verdict != Verdict::InsufficientData;
    let judged = newest.iter().find(is_judged)?;
    let lineage = &judged.lineage;
    let is_here =
        lineage.space == encoder.name() && is_of_task(&lineage.parameters, &task.definition);
    is_here
        .then(|| TaskReport::from_json(&judged.report))
        .flatten()
}

/// The corrections that are of the task's kind, each with its vector.
fn resident(
    base: &TaskBase,
    corrections: &[Correction],
    vectors: Vec<Vec<f32>>,
) -> Vec<ResidentCorrection> {
    let wants_value = base.task.definition.kind == TaskKind::Regression;
    let of_kind = corrections
        .iter()
        .zip(vectors)
        .filter(|(one, _)| matches!(one.target, Target::Value(_)) == wants_value);
    of_kind
        .map(|(one, vector)| ResidentCorrection {
            text: normalized(&one.text).into(),
            vector,
            labels: base.examples.labels.numbers(&one.target).into(),
            value: value_of(&one.target),
        })
        .collect()
}
