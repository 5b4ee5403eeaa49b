//! Who should answer a question: retrieval, features, ranking, explanation, in that order.

mod answer_cache;
mod corpus;
mod explain;
mod precompute;
mod precomputed;
mod rank;
mod retrieve;
mod similar;
mod snapshots;
mod view;

use std::sync::Arc;
use std::time::{Duration, Instant};

use artifacts::{ArtifactStore, Resident as _};
use chrono::{DateTime, Utc};
use domain::{Clock, ModelName, Recommended, Route, RouteRequest, TaskId, TenantContext, bucket};
use encoding::{EncodedQuery, Encoders};
use learning::Baseline;
use metering::usage::UsageRecorder;
use storage::{Shadow, Store};
use tokio_util::sync::CancellationToken;
use vectors::VectorStore;

use crate::deadline::within;
use crate::residency::Residency;
use crate::warm::read_points;
use crate::{Result, StageTimes};

pub use precompute::PrecomputeCounts;
pub use precomputed::{ItemQuery, OpenItem, PRECOMPUTED_EXPERTS};
pub use similar::{SimilarItem, SimilarItems};
pub use view::ExpertsView;

use answer_cache::ChangeCounter;
use snapshots::Snapshots;
use view::ExpertsSource;

/// A question for experts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpertQuery {
    /// The question.
    pub text: String,
    /// What it is about, as the tenant's items say it.
    pub area: Option<String>,
    /// Experts wanted.
    pub top_k: usize,
    /// What is to rank them.
    pub choice: RankerChoice,
    /// What makes a canary sticky; the text itself when the caller names nothing.
    pub routing_key: Option<String>,
    /// How long the caller waits, where it says so.
    pub deadline: Option<Duration>,
}

/// What is to rank experts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RankerChoice {
    /// The routed model.
    Routed,
    /// This model, to compare.
    Model(ModelName),
    /// This baseline, to compare.
    Baseline(Baseline),
}

/// An answer that nobody was given yet.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpertAnswer {
    /// The experts, and what ranked them.
    pub recommended: Recommended,
    /// What another model would have answered.
    pub shadow: Option<Shadow>,
    /// The embedding model read only the beginning of the question.
    pub truncated: bool,
    /// Where the time went.
    pub times: StageTimes,
    /// Where it was computed ahead: when, and from what.
    pub precomputed: Option<Precomputed>,
}

/// What is known of an answer that was computed ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Precomputed {
    /// When.
    pub at: DateTime<Utc>,
    /// Something that it was made from has changed since.
    pub stale: bool,
}

/// Where the vector of a question comes from.
#[derive(Debug)]
pub enum QueryVector {
    /// From the model, now.
    Wanted,
    /// It is there already.
    Encoded(EncodedQuery),
    /// It did not come in time.
    Late,
}

/// What [`Experts`] needs.
pub struct ExpertsParts {
    /// The relational store.
    pub store: Store,
    /// The vector store.
    pub vectors: Arc<dyn VectorStore>,
    /// The model files.
    pub artifacts: ArtifactStore,
    /// Where questions become vectors.
    pub encoders: Encoders,
    /// Where the memory and the refreshes of tenants are recorded.
    pub recorder: UsageRecorder,
    /// The clock.
    pub clock: Clock,
    /// Bytes that resident tenants may take, about.
    pub max_bytes: u64,
}

/// Recommends experts, from tenants that are resident. Clones are the same.
#[derive(Clone)]
pub struct Experts {
    residency: Residency<ExpertsSource>,
    vectors: Arc<dyn VectorStore>,
    clock: Clock,
    changes: Arc<ChangeCounter>,
}

impl Experts {
    /// With no tenant resident yet.
    #[must_use]
    pub fn new(parts: ExpertsParts) -> Self {
        let snapshots = Snapshots {
            artifacts: parts.artifacts.clone(),
            store: parts.store.clone(),
        };
        let changes = Arc::new(ChangeCounter::new(parts.store.changes()));
        let source = ExpertsSource {
            snapshots,
            store: parts.store,
            artifacts: parts.artifacts,
            encoders: parts.encoders,
        };
        Self {
            residency: Residency::new(source, parts.max_bytes, parts.recorder),
            vectors: parts.vectors,
            clock: parts.clock,
            changes,
        }
    }

    /// Answers a question.
    ///
    /// # Errors
    /// The tenant cannot be made resident; a model that the query names is not found or not usable; a
    /// store fails.
    pub async fn recommend(
        &self,
        ctx: &TenantContext,
        query: &ExpertQuery,
    ) -> Result<ExpertAnswer> {
        let started = Instant::now();
        let view = self.view(ctx).await?;
        self.answer_now(ctx, view, query, started).await
    }

    /// [`Experts::answer`] in the tenant's space of the moment. It may be left, and even dropped, after
    /// the view was taken: then what was found in it may lack items, and all is asked again.
    async fn answer_now(
        &self,
        ctx: &TenantContext,
        mut view: Arc<ExpertsView>,
        query: &ExpertQuery,
        started: Instant,
    ) -> Result<ExpertAnswer> {
        loop {
            let vector = QueryVector::Wanted;
            let answer = self.answer(ctx, &view, query, (vector, started)).await?;
            match self.moved_on(ctx, &view).await {
                Some(newer) => view = newer,
                None => return Ok(answer),
            }
        }
    }

    /// The tenant's view; loaded when it is not resident.
    ///
    /// # Errors
    /// It cannot be loaded.
    pub async fn view(&self, ctx: &TenantContext) -> Result<Arc<ExpertsView>> {
        self.residency.view(ctx, &TaskId::experts()).await
    }

    /// Makes a tenant resident, in the vector store too, and says how many bytes it takes here.
    ///
    /// # Errors
    /// It cannot be loaded.
    pub async fn warm(&self, ctx: &TenantContext) -> Result<usize> {
        let view = self.view(ctx).await?;
        read_points(&*self.vectors, view.encoder.space(), ctx.tenant()).await?;
        Ok(view.resident_bytes())
    }

    /// The view that took the place of `view`, if the tenant has switched to another space since, or
    /// its kill switch was thrown.
    pub async fn moved_on(
        &self,
        ctx: &TenantContext,
        view: &ExpertsView,
    ) -> Option<Arc<ExpertsView>> {
        let task = TaskId::experts();
        self.residency.moved_on(ctx, &task, view).await
    }

    /// Makes sure that requests which begin from now on see what the store has.
    pub async fn renew(&self, ctx: &TenantContext) {
        self.residency.renew(ctx, &TaskId::experts()).await;
    }

    /// The vectors of questions, in few runs of the model: all of them late when they do not come in
    /// the time that remains.
    pub async fn query_vectors(
        &self,
        ctx: &TenantContext,
        view: &ExpertsView,
        texts: &[&str],
        remaining: Option<Duration>,
    ) -> Vec<Result<QueryVector>> {
        let encoding = view.encoder.queries(ctx.tenant(), texts);
        let Some(encoded) = within(remaining, encoding).await else {
            return texts.iter().map(|_| Ok(QueryVector::Late)).collect();
        };
        let vectors = encoded.into_iter();
        let vectors = vectors.map(|one| Ok(QueryVector::Encoded(one?)));
        vectors.collect()
    }

    /// The model that a request with this key is routed to, and what routing looks at, in words.
    ///
    /// # Errors
    /// The tenant cannot be made resident.
    pub async fn explain_route(
        &self,
        ctx: &TenantContext,
        routing_key: &str,
    ) -> Result<(Route, Vec<String>)> {
        let view = self.view(ctx).await?;
        let request = RouteRequest {
            bucket: bucket(ctx.tenant().as_str(), routing_key),
            ..RouteRequest::default()
        };
        Ok((view.models.route(request), view.models.considered()))
    }

    /// Refreshes resident tenants after each change, and compares all with the store every `every`,
    /// until `stop`.
    pub async fn refresh_loop(self, every: Duration, stop: CancellationToken) {
        self.residency.refresh_loop(every, stop).await;
    }

    /// Records, every minute until `stop`, how many bytes each tenant held for how long.
    pub async fn sample_memory_loop(self, stop: CancellationToken) {
        self.residency.sample_memory_loop(stop).await;
    }
}

#[cfg(test)]
mod tests;
