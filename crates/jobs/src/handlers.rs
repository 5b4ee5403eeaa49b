//! Who does which jobs.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use domain::JobKind;
use serde_json::Value;
use storage::Outcome;

use crate::outcome::pairs;
use crate::{JobCost, JobFailure, JobSpec, JobWork};

/// Does the jobs of one type.
#[async_trait]
pub trait JobHandler<J: JobSpec>: Send + Sync + 'static {
    /// Does one job. It may be done a second time after a crash: running it twice must leave the same
    /// as running it once.
    async fn run(&self, work: &JobWork, job: J) -> Result<J::Outcome, JobFailure>;
}

/// The handlers of a worker, by the kind of their jobs.
#[derive(Default)]
pub struct Handlers {
    by_kind: BTreeMap<&'static str, Registered>,
}

#[derive(Clone)]
pub(crate) struct Registered {
    pub kind: JobKind,
    pub cost: JobCost,
    pub handler: Arc<dyn AnyHandler>,
}

impl Handlers {
    /// Has the jobs of type `J` done by `handler`.
    #[must_use]
    pub fn with<J: JobSpec>(mut self, handler: &Arc<impl JobHandler<J>>) -> Self {
        let registered = Registered {
            kind: J::KIND,
            cost: J::COST,
            handler: Arc::new(Typed(Arc::clone(handler), PhantomData::<fn() -> J>)),
        };
        self.by_kind.insert(J::KIND.as_str(), registered);
        self
    }

    /// The kinds that have a handler.
    pub(crate) fn kinds(&self) -> Vec<JobKind> {
        self.by_kind.values().map(|one| one.kind).collect()
    }

    pub(crate) fn of(&self, kind: JobKind) -> Option<&Registered> {
        self.by_kind.get(kind.as_str())
    }
}

/// A handler behind the form that jobs are stored in.
#[async_trait]
pub(crate) trait AnyHandler: Send + Sync {
    async fn run(&self, work: &JobWork, payload: Value) -> Result<Outcome, JobFailure>;
}

struct Typed<J, H>(Arc<H>, PhantomData<fn() -> J>);

#[async_trait]
impl<J: JobSpec, H: JobHandler<J>> AnyHandler for Typed<J, H> {
    async fn run(&self, work: &JobWork, payload: Value) -> Result<Outcome, JobFailure> {
        let job: J = serde_json::from_value(payload).map_err(|error| {
            tracing::error!(%error, kind = J::KIND.as_str(), "a job's payload cannot be read");
            JobFailure::fail("the job cannot be read; start it again")
        })?;
        let outcome = self.0.run(work, job).await?;
        Ok(pairs(&outcome))
    }
}
