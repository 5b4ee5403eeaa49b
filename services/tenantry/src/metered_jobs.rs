//! Measures what jobs consume, each for its tenant and under the meter of its kind.

use std::sync::Arc;

use async_trait::async_trait;
use domain::JobKind;
use domain::cost::{Meter, Service};
use metering::{Operation, UsageRecorder};
use storage::{JobFailure, JobRunner, JobWork, Outcome};

/// Measures each job.
pub(crate) struct MeteredJobs {
    pub runner: Arc<dyn JobRunner>,
    pub recorder: UsageRecorder,
}

#[async_trait]
impl JobRunner for MeteredJobs {
    fn kinds(&self) -> &'static [JobKind] {
        self.runner.kinds()
    }

    async fn run(&self, job: &JobWork) -> Result<Outcome, JobFailure> {
        if !self.recorder.is_enabled() {
            return self.runner.run(job).await;
        }
        let (service, cpu) = part_of(job.job.kind);
        let scope = self.recorder.begin(Operation {
            service,
            name: job.job.kind.as_str().to_owned(),
            cpu,
        });
        // Erasure leaves nothing of the tenant: what it consumes is the platform's.
        if let Some(tenant) = &job.job.tenant
            && job.job.kind != JobKind::EraseTenant
        {
            scope.set_tenant(tenant);
        }
        let outcome = scope.run(self.runner.run(job)).await;
        let trains = matches!(job.job.kind, JobKind::Retrain | JobKind::TrainTier);
        if trains && outcome.is_ok() {
            scope.add(Meter::Retrains, 1);
        }
        scope.flush();
        outcome
    }
}

/// Which service does the jobs of a kind, and under which meter its own processor time goes.
fn part_of(kind: JobKind) -> (Service, Meter) {
    match kind {
        JobKind::IndexItems | JobKind::RebuildIndex | JobKind::SwitchSpace => {
            (Service::Ingest, Meter::RequestCpu)
        }
        JobKind::Retrain
        | JobKind::TrainTier
        | JobKind::CheckChampion
        | JobKind::ReproduceModel
        | JobKind::PruneModels => (Service::Trainer, Meter::TrainingCpu),
        JobKind::Precompute => (Service::Router, Meter::RequestCpu),
        JobKind::EraseTenant => (Service::Tenants, Meter::RequestCpu),
    }
}
