//! Messages to commands: the only place where requests are validated.

use api::v1;
use domain::{
    Alias, DatasetNumber, ModelName, ModelOwner, RequestId, ResourceName, TaskId, TenantId,
};
use serde::{Deserialize, Serialize};
use server::ServiceError;

/// A reason is for the record; longer ones are for a document.
const REASON_MAX_CHARS: usize = 1_000;

/// A retrain, as the job carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RetrainPayload {
    pub task: TaskId,
    /// None pins the items as they are when the job starts.
    pub dataset: Option<DatasetNumber>,
    pub seed: u64,
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
        };
        Ok(Self {
            payload,
            request_id,
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

/// A model by its name.
pub(crate) fn model_name(name: &str) -> Result<ModelName, ServiceError> {
    name.parse()
        .map_err(|error| ServiceError::name("name", &error))
}

/// Whose models a parent names.
pub(crate) fn owner(field: &str, name: &str) -> Result<ModelOwner, ServiceError> {
    ModelOwner::parse(name).map_err(|error| ServiceError::name(field, &error))
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
        let payload = storage::NewJob::retrain(&TaskId::experts()).payload;
        let read: RetrainPayload = serde_json::from_value(payload).unwrap();
        let expected = RetrainPayload {
            task: TaskId::experts(),
            dataset: None,
            seed: 0,
        };
        assert_eq!(read, expected);
    }
}
