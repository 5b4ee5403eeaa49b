//! What a tenant's task says of a text: the nearest labelled items, the routed head or a baseline, the
//! decision.

mod decide;
mod labels;
mod models;
mod near;
mod view;

use std::sync::Arc;
use std::time::{Duration, Instant};

use artifacts::{ArtifactStore, Resident as _};
use domain::cost::Meter;
use domain::{
    AbstainReason, Evidence, ModelName, Route, RouteRequest, ServedBy, TaskId, TaskKind,
    TenantContext, bucket,
};
use encoding::Encoders;
use learning::classification::{AnswerValue, LinearClassifier, SimpleMethod};
use metering::usage::{self, UsageRecorder};
use registry::resolve::head_of_chain;
use storage::Store;
use tokio_util::sync::CancellationToken;
use vectors::{Hit, VectorStore};

use crate::deadline::within;
use crate::residency::Residency;
use crate::warm::read_points;
use crate::{Result, ServingError, StageTimes};

use decide::Question;
use near::near;
use view::{TaskView, TasksSource};

/// Items that a task asks of the vector store: not all of them have what it wants.
const DEPTH: usize = 100;

/// A text to classify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskQuery {
    /// The task.
    pub task: TaskId,
    /// The text.
    pub text: String,
    /// What makes a canary sticky; none takes the text.
    pub routing_key: Option<String>,
    /// What is to answer.
    pub choice: HeadChoice,
    /// How long the caller waits for the answer, where it says so. What is asked for by name is waited
    /// for.
    pub deadline: Option<Duration>,
}

/// What is to answer for a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeadChoice {
    /// The routed model.
    Routed,
    /// This model, to compare.
    Model(ModelName),
    /// This baseline, to compare.
    Baseline(SimpleMethod),
}

/// What a task says of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Classified {
    /// What answered.
    pub served_by: ServedBy,
    /// How: a head, a correction of the very same text, or the name of a baseline.
    pub method: &'static str,
    /// The most confident labels, best first.
    pub labels: Vec<PredictedLabel>,
    /// The number, where one was asked for.
    pub value: Option<AnswerValue>,
    /// Why a person should decide; none when the answer is confident.
    pub abstained: Option<AbstainReason>,
    /// The task probably has no label for the text.
    pub out_of_scope: bool,
    /// The confidence that the target precision needs.
    pub threshold: f64,
    /// The nearest labelled items.
    pub evidence: Vec<Evidence>,
}

/// A label that a text may have.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictedLabel {
    /// The label.
    pub label: String,
    /// Calibrated probability that it is right.
    pub confidence: f64,
    /// It is the answer, or part of it.
    pub chosen: bool,
}

/// An answer that nobody was given yet.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskAnswer {
    /// What the task says.
    pub classified: Classified,
    /// The embedding model read only the beginning of the text.
    pub truncated: bool,
    /// Where the time went.
    pub times: StageTimes,
}

/// What [`Tasks`] needs.
pub struct TasksParts {
    /// The relational store.
    pub store: Store,
    /// The vector store.
    pub vectors: Arc<dyn VectorStore>,
    /// The model files.
    pub artifacts: ArtifactStore,
    /// Where texts become vectors.
    pub encoders: Encoders,
    /// Where the refreshes of tasks are recorded.
    pub recorder: UsageRecorder,
    /// Bytes that resident tasks may take, about.
    pub max_bytes: u64,
}

/// Classifies texts, from tasks that are resident. Clones are the same.
#[derive(Clone)]
pub struct Tasks {
    residency: Residency<TasksSource>,
    vectors: Arc<dyn VectorStore>,
}

impl Tasks {
    /// With no task resident yet.
    #[must_use]
    pub fn new(parts: TasksParts) -> Self {
        let source = TasksSource {
            store: parts.store,
            artifacts: parts.artifacts,
            encoders: parts.encoders,
        };
        Self {
            residency: Residency::new(source, parts.max_bytes, parts.recorder),
            vectors: parts.vectors,
        }
    }

    /// Answers what the task asks of a text.
    ///
    /// # Errors
    /// There is no such task; what the query names is not found, not usable or of another kind; a store
    /// fails.
    pub async fn classify(&self, ctx: &TenantContext, query: &TaskQuery) -> Result<TaskAnswer> {
        let started = Instant::now();
        let mut times = StageTimes::default();
        let mut view = self.residency.view(ctx, &query.task).await?;
        let named = self
            .named(ctx, query, view.base.task.definition.kind)
            .await?;
        let is_routed = query.choice == HeadChoice::Routed;
        let deadline = query.deadline.filter(|_| is_routed);
        let found = loop {
            let left = deadline.map(|deadline| deadline.saturating_sub(started.elapsed()));
            let found = self.nearest(ctx, &view, (query.text.as_str(), left), &mut times);
            let found = found.await?;
            // As with recommendations: what the tenant has left since is asked again as a whole.
            match self.residency.moved_on(ctx, &query.task, &view).await {
                Some(newer) => view = newer,
                None => break found,
            }
        };
        let ranking = Instant::now();
        let embedding_late = found.is_none();
        let (vector, hits) = found.unwrap_or_default();
        let near = match embedding_late {
            true => Vec::new(),
            false => near(&view, &hits, &query.text, &vector),
        };
        let question = Question {
            view: &view,
            text: &query.text,
            vector: &vector,
            near: &near,
        };
        let classified = match named {
            Some(Named::Head { name, head, space }) if space == view.encoder.name() => {
                question.by_head(&head, ServedBy::Model(name))
            }
            Some(Named::Head { space, .. }) => {
                let task = query.task.clone();
                return Err(ServingError::StaleSpace { task, space });
            }
            Some(Named::Baseline(method)) => question.by_baseline(method),
            None => {
                let key = query.routing_key.as_deref().unwrap_or(&query.text);
                question.routed(RouteRequest {
                    bucket: bucket(ctx.tenant().as_str(), key),
                    embedding_late,
                    ..RouteRequest::default()
                })
            }
        };
        times.ranking = ranking.elapsed();
        times.total = started.elapsed();
        Ok(TaskAnswer {
            classified,
            truncated: view.encoder.truncates(&query.text),
            times,
        })
    }

    /// The kind of a task.
    ///
    /// # Errors
    /// There is no such task, or it cannot be made resident.
    pub async fn kind(&self, ctx: &TenantContext, task: &TaskId) -> Result<TaskKind> {
        let view = self.residency.view(ctx, task).await?;
        Ok(view.base.task.definition.kind)
    }

    /// The model that a request with this key is routed to, and what routing looks at, in words.
    ///
    /// # Errors
    /// There is no such task, or it cannot be made resident.
    pub async fn explain_route(
        &self,
        ctx: &TenantContext,
        task: &TaskId,
        routing_key: &str,
    ) -> Result<(Route, Vec<String>)> {
        let view = self.residency.view(ctx, task).await?;
        let request = RouteRequest {
            bucket: bucket(ctx.tenant().as_str(), routing_key),
            ..RouteRequest::default()
        };
        let models = &view.base.models;
        Ok((models.route(request), models.considered()))
    }

    /// Makes a task resident, in the vector store too, and says how many bytes it takes here.
    ///
    /// # Errors
    /// There is no such task, or it cannot be made resident.
    pub async fn warm(&self, ctx: &TenantContext, task: &TaskId) -> Result<usize> {
        let view = self.residency.view(ctx, task).await?;
        read_points(&*self.vectors, view.encoder.space(), ctx.tenant()).await?;
        Ok(view.resident_bytes())
    }

    /// Makes sure that requests which begin from now on see what the store has.
    pub async fn renew(&self, ctx: &TenantContext, task: &TaskId) {
        self.residency.renew(ctx, task).await;
    }

    /// Refreshes resident tasks after each change, and compares all with the store every `every`, until
    /// `stop`.
    pub async fn refresh_loop(self, every: Duration, stop: CancellationToken) {
        self.residency.refresh_loop(every, stop).await;
    }

    /// What the query names; none when it is routed.
    async fn named(
        &self,
        ctx: &TenantContext,
        query: &TaskQuery,
        kind: TaskKind,
    ) -> Result<Option<Named>> {
        match &query.choice {
            HeadChoice::Routed => Ok(None),
            HeadChoice::Baseline(method) => {
                let of_numbers = matches!(method, SimpleMethod::Knn | SimpleMethod::Median);
                let fits = match kind {
                    TaskKind::Regression => of_numbers,
                    TaskKind::SingleLabel | TaskKind::MultiLabel => *method != SimpleMethod::Median,
                };
                match fits {
                    true => Ok(Some(Named::Baseline(*method))),
                    false => Err(ServingError::WrongBaseline(method.name())),
                }
            }
            HeadChoice::Model(name) => {
                let source = self.residency.source();
                let (store, artifacts) = (&source.store, &source.artifacts);
                let found = head_of_chain(store, artifacts, ctx, (&query.task, name));
                let (head, space) = found.await?;
                Ok(Some(Named::Head {
                    name: name.clone(),
                    head: Box::new(head),
                    space,
                }))
            }
        }
    }

    /// A text's vector, and the items nearest to it in the same space. None when the vector does not come
    /// in the time that remains for the caller.
    async fn nearest(
        &self,
        ctx: &TenantContext,
        view: &TaskView,
        (text, remaining): (&str, Option<Duration>),
        times: &mut StageTimes,
    ) -> Result<Option<(Vec<f32>, Vec<Hit>)>> {
        let encoding = view.encoder.query(ctx.tenant(), text);
        let Some(encoded) = within(remaining, encoding).await.transpose()? else {
            return Ok(None);
        };
        (times.embedding_queued, times.embedding) = (encoded.queued, encoded.computed);
        let searching = Instant::now();
        let (space, vector) = (view.encoder.space(), encoded.vector);
        let search = self
            .vectors
            .search_dense(space, ctx.tenant(), vector.clone(), DEPTH);
        let found = search.await?;
        times.search = searching.elapsed();
        usage::add(Meter::SearchCpu, usage::micros(found.cpu));
        Ok(Some((vector, found.hits)))
    }
}

/// What a query asks for by name.
enum Named {
    Head {
        name: ModelName,
        head: Box<LinearClassifier>,
        /// The space it was trained in.
        space: String,
    },
    Baseline(SimpleMethod),
}

#[cfg(test)]
mod tests;
