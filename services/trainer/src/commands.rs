//! Messages to commands: the only place where requests are validated.

use api::v1;
use domain::{
    Alias, DatasetNumber, JobKind, ModelName, ModelOwner, RequestId, ResourceName, TaskId, TenantId,
};
use learning::MAX_TRIALS;
use serde::{Deserialize, Serialize};
use server::ServiceError;
use storage::NewJob;

use crate::compare::Compare;

/// A trainer that dies this often with the same job has a problem with the job.
pub(crate) const MAX_ATTEMPTS: u32 = 5;
/// A reason is for the record; longer ones are for a document.
const REASON_MAX_CHARS: usize = 1_000;

/// A retrain, as the job carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RetrainPayload {
    pub task: TaskId,
    /// None pins the items as they are when the job starts.
    pub dataset: Option<DatasetNumber>,
    pub seed: u64,
    /// Settings to try; 0 tries none.
    #[serde(default)]
    pub search: u32,
}

impl RetrainPayload {
    /// The job; one that waits is enough for all who ask for the same.
    pub(crate) fn job(&self) -> serde_json::Result<NewJob> {
        let payload = serde_json::to_value(self)?;
        Ok(NewJob {
            kind: JobKind::Retrain,
            dedup_key: Some(format!("retrain:{payload}")),
            payload,
            max_attempts: MAX_ATTEMPTS,
        })
    }
}

/// A retrain that was asked for.
pub(crate) struct Retrain {
    pub payload: RetrainPayload,
    pub request_id: Option<RequestId>,
}

impl Retrain {
    pub(crate) fn parse(
        tenant: &TenantId,
        request: &v1::RetrainRequest,
    ) -> Result<Self, ServiceError> {
        let dataset = match request.dataset.as_str() {
            "" => None,
            name => {
                let (owner, number) = ResourceName::dataset(name)
                    .map_err(|error| ServiceError::name("dataset", &error))?;
                if owner != *tenant {
                    return Err(ServiceError::not_found(name));
                }
                Some(number)
            }
        };
        let request_id = match request.request_id.as_str() {
            "" => None,
            id => Some(RequestId::parse(id).map_err(|e| ServiceError::id("request_id", &e))?),
        };
        let payload = RetrainPayload {
            task: task(&request.task)?,
            dataset,
            seed: request.seed,
            search: trials(request.search_trials)?,
        };
        Ok(Self {
            payload,
            request_id,
        })
    }
}

/// The bounded number of settings to try.
fn trials(asked: u32) -> Result<u32, ServiceError> {
    if asked > MAX_TRIALS {
        let message = format!("is {asked}; at most {MAX_TRIALS} settings are tried");
        return Err(ServiceError::invalid("search_trials", message));
    }
    Ok(asked)
}

/// The making again of a version, as the job carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReproducePayload {
    pub model: ModelName,
}

/// Whose trials a list is of, and of which version.
pub(crate) struct TrialsQuery {
    pub task: TaskId,
    pub version: Option<u64>,
    pub after: Option<TrialKey>,
    pub limit: u32,
}

/// The place of a trial in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TrialKey {
    pub version: u64,
    pub number: u32,
}

impl std::fmt::Display for TrialKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.version, self.number)
    }
}

impl std::str::FromStr for TrialKey {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (version, number) = text.split_once('.').unwrap_or((text, ""));
        Ok(Self {
            version: version.parse()?,
            number: number.parse()?,
        })
    }
}

/// The task that a request names; empty means `experts`.
pub(crate) fn task(name: &str) -> Result<TaskId, ServiceError> {
    match name {
        "" => Ok(TaskId::experts()),
        name => TaskId::parse(name).map_err(|error| ServiceError::id("task", &error)),
    }
}

/// The training of a tier, as the job carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TierPayload {
    /// `global` or `verticals/{vertical}`.
    pub owner: String,
    pub task: TaskId,
    pub seed: u64,
}

/// A model by its name, which `field` has.
pub(crate) fn model_name(field: &str, name: &str) -> Result<ModelName, ServiceError> {
    name.parse()
        .map_err(|error| ServiceError::name(field, &error))
}

/// Whose models a parent names.
pub(crate) fn owner(field: &str, name: &str) -> Result<ModelOwner, ServiceError> {
    ModelOwner::parse(name).map_err(|error| ServiceError::name(field, &error))
}

impl TryFrom<&v1::CompareModelsRequest> for Compare {
    type Error = ServiceError;

    fn try_from(request: &v1::CompareModelsRequest) -> Result<Self, ServiceError> {
        let named = |field: &str, name: &str| {
            let given = !name.is_empty();
            given.then(|| model_name(field, name)).transpose()
        };
        let task = task(&request.task)?;
        if task != TaskId::experts() {
            let message = "answers are compared of `experts` only; `models show` has what a task's \
                           models do on held-out items";
            return Err(ServiceError::invalid("task", message));
        }
        Ok(Self {
            task,
            baseline: named("baseline", &request.baseline)?,
            candidate: named("candidate", &request.candidate)?,
        })
    }
}

/// The alias that a promotion moves.
pub(crate) fn alias(alias: v1::promote_model_request::Alias) -> Alias {
    match alias {
        v1::promote_model_request::Alias::Challenger => Alias::Challenger,
        v1::promote_model_request::Alias::Champion
        | v1::promote_model_request::Alias::Unspecified => Alias::Champion,
    }
}

/// The reason for an override.
pub(crate) fn reason(text: &str) -> Result<String, ServiceError> {
    let reason = domain::clean_text(text);
    if reason.is_empty() {
        return Err(ServiceError::invalid(
            "reason",
            "say why; it is kept for the record",
        ));
    }
    if reason.chars().count() > REASON_MAX_CHARS {
        return Err(ServiceError::invalid(
            "reason",
            format!("at most {REASON_MAX_CHARS} characters"),
        ));
    }
    Ok(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_enqueue_is_read() {
        let payload = NewJob::retrain(&TaskId::experts()).payload;
        let read: RetrainPayload = serde_json::from_value(payload).unwrap();
        let expected = RetrainPayload {
            task: TaskId::experts(),
            dataset: None,
            seed: 0,
            search: 0,
        };
        assert_eq!(read, expected);
    }
}
