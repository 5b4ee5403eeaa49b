//! Messages to commands: the only place where requests are validated.

use api::v1;
use domain::{Alias, ModelName, ModelOwner, RequestId, ResourceName, TaskId, TenantId};
use jobs::{Retrain, TrainTier};
use learning::MAX_TRIALS;
use server::ServiceError;

use crate::compare::Compare;

/// A reason is for the record; longer ones are for a document.
const REASON_MAX_CHARS: usize = 1_000;

/// A retrain that was asked for.
pub(crate) struct StartRetrain {
    pub job: Retrain,
    pub request_id: Option<RequestId>,
}

impl StartRetrain {
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
        let job = Retrain {
            task: task(&request.task)?,
            dataset,
            seed: request.seed,
            search: trials(request.search_trials)?,
        };
        Ok(Self { job, request_id })
    }
}

/// The training of a tier that was asked for.
pub(crate) fn train_tier(
    owner: ModelOwner,
    request: &v1::RetrainRequest,
) -> Result<TrainTier, ServiceError> {
    if !request.dataset.is_empty() {
        let message = "is for tenants; a tier is trained on what its tenants give";
        return Err(ServiceError::invalid("dataset", message));
    }
    if request.search_trials > 0 {
        let message = "is for tenants; a tier has one way to be trained";
        return Err(ServiceError::invalid("search_trials", message));
    }
    let task = task(&request.task)?;
    if task != TaskId::experts() {
        let message = "tiers above a tenant rank experts; its own tasks are trained at the tenant";
        return Err(ServiceError::invalid("task", message));
    }
    Ok(TrainTier {
        owner,
        task,
        seed: request.seed,
    })
}

/// The bounded number of settings to try.
fn trials(asked: u32) -> Result<u32, ServiceError> {
    if asked > MAX_TRIALS {
        let message = format!("is {asked}; at most {MAX_TRIALS} settings are tried");
        return Err(ServiceError::invalid("search_trials", message));
    }
    Ok(asked)
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
