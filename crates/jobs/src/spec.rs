//! What a type of job declares.

use domain::JobKind;
use domain::cost::{Meter, Service};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use storage::NewJob;

/// A type of job; its value is the payload: ids, never texts.
pub trait JobSpec: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The kind that it is stored and shown as.
    const KIND: JobKind;
    /// How often it may be taken before it fails for good; at least 1. A worker that dies this often
    /// with the same job has a problem with the job.
    const MAX_ATTEMPTS: u32 = 5;
    /// Whose its cost is.
    const COST: JobCost;
    /// What it says when it is done: a flat struct, whose fields are shown by name.
    type Outcome: Serialize + Send;

    /// While a job with this key waits, no second one is made: the kind and the whole payload, unless
    /// the type knows better.
    fn dedup_key(&self) -> Option<String> {
        let kind = Self::KIND.as_str();
        Some(match self.payload() {
            Value::Object(fields) if fields.is_empty() => kind.to_owned(),
            payload => format!("{kind}:{payload}"),
        })
    }

    /// The payload as it is stored.
    fn payload(&self) -> Value {
        // Payloads are structs of ids, numbers and truths, which all have a form in JSON.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The job, to be enqueued.
    fn new_job(&self) -> NewJob {
        NewJob {
            kind: Self::KIND,
            payload: self.payload(),
            dedup_key: self.dedup_key(),
            max_attempts: Self::MAX_ATTEMPTS,
        }
    }
}

/// Whose the cost of a type of job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobCost {
    /// The service that does it.
    pub service: Service,
    /// The meter of the processor time of its own task.
    pub cpu: Meter,
    /// What is counted once for each that succeeds.
    pub counts: Option<Meter>,
    /// Whether it is its tenant's; the platform's otherwise.
    pub of_tenant: bool,
}

impl JobCost {
    /// A tenant's, counted by nothing but what it consumes.
    pub(crate) const fn of(service: Service, cpu: Meter) -> Self {
        Self {
            service,
            cpu,
            counts: None,
            of_tenant: true,
        }
    }

    /// Also counted under `meter`, once for each that succeeds.
    pub(crate) const fn counted(self, meter: Meter) -> Self {
        Self {
            counts: Some(meter),
            ..self
        }
    }
}
