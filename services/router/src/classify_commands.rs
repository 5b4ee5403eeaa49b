//! Messages about tasks to commands: the only place where they are validated.

use api::v1;
use domain::{MAX_LABELS, Target, TaskId, TaskKind, check_name, clean_name};
use learning::classification::SimpleMethod;
use server::ServiceError;
use serving::tasks::{HeadChoice, TaskQuery};

use crate::commands::{question, routing_key};

/// What would have been right.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Correct {
    pub task: TaskId,
    pub request_id: String,
    labels: Vec<String>,
    value: Option<f64>,
}

/// A correction that counts no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Withdraw {
    pub task: TaskId,
    pub request_id: String,
}

impl TryFrom<v1::WithdrawCorrectionRequest> for Withdraw {
    type Error = ServiceError;

    fn try_from(request: v1::WithdrawCorrectionRequest) -> Result<Self, ServiceError> {
        if request.request_id.is_empty() {
            let message = "is empty; send the one of the answer that was corrected";
            return Err(ServiceError::invalid("request_id", message));
        }
        Ok(Self {
            task: task(&request.task)?,
            request_id: request.request_id,
        })
    }
}

/// Reads a request for a text's labels or number; it waits without a deadline.
pub(crate) fn task_query(request: &v1::ClassifyRequest) -> Result<TaskQuery, ServiceError> {
    Ok(TaskQuery {
        task: task(&request.task)?,
        text: question(&request.text)?,
        routing_key: routing_key(&request.routing_key)?,
        choice: choice(&request.model_override)?,
        deadline: None,
    })
}

impl TryFrom<v1::CorrectLabelRequest> for Correct {
    type Error = ServiceError;

    fn try_from(request: v1::CorrectLabelRequest) -> Result<Self, ServiceError> {
        if request.request_id.is_empty() {
            let message = "is empty; send the answer's";
            return Err(ServiceError::invalid("request_id", message));
        }
        let mut labels: Vec<String> = request.labels.iter().map(|l| clean_name(l)).collect();
        labels.sort_unstable();
        labels.dedup();
        if labels.len() > MAX_LABELS || labels.iter().any(String::is_empty) {
            let message = format!("at most {MAX_LABELS}, none of them empty");
            return Err(ServiceError::invalid("labels", message));
        }
        for label in &labels {
            check_name(label).map_err(|message| ServiceError::invalid("labels", message))?;
        }
        if request.value.is_some_and(|value| !value.is_finite()) {
            return Err(ServiceError::invalid("value", "is not a number"));
        }
        Ok(Self {
            task: task(&request.task)?,
            request_id: request.request_id,
            labels,
            value: request.value,
        })
    }
}

impl Correct {
    /// What is right, as a task of this kind understands it.
    pub(crate) fn target(&self, kind: TaskKind) -> Result<Target, ServiceError> {
        let invalid = |field: &str, message: &str| Err(ServiceError::invalid(field, message));
        match (kind, &self.labels[..], self.value) {
            (TaskKind::Regression, [], Some(value)) => Ok(Target::Value(value)),
            (TaskKind::Regression, _, _) => invalid("value", "a REGRESSION needs a value alone"),
            (_, _, Some(_)) => invalid("value", "is for a REGRESSION; send labels"),
            (_, [], None) => invalid("labels", "say which label is right"),
            (TaskKind::SingleLabel, [_, _, ..], None) => {
                invalid("labels", "a SINGLE_LABEL task has one right label")
            }
            (TaskKind::SingleLabel | TaskKind::MultiLabel, labels, None) => {
                Ok(Target::Labels(labels.to_vec()))
            }
        }
    }
}

fn task(id: &str) -> Result<TaskId, ServiceError> {
    let task = TaskId::parse(id).map_err(|error| ServiceError::id("task", &error))?;
    if task == TaskId::experts() {
        let message = "experts is asked with RecommendExperts";
        return Err(ServiceError::invalid("task", message));
    }
    Ok(task)
}

fn choice(name: &str) -> Result<HeadChoice, ServiceError> {
    if name.is_empty() {
        return Ok(HeadChoice::Routed);
    }
    if let Some(method) = name.strip_prefix("baseline:") {
        let names = SimpleMethod::ALL.map(SimpleMethod::name);
        return SimpleMethod::parse(method)
            .map(HeadChoice::Baseline)
            .ok_or_else(|| {
                let message = format!("knows the baselines {}", names.join(", "));
                ServiceError::invalid("model_override", message)
            });
    }
    let model = name
        .parse()
        .map_err(|error| ServiceError::name("model_override", &error))?;
    Ok(HeadChoice::Model(model))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(task: &str, text: &str, with: &str) -> Result<TaskQuery, ServiceError> {
        task_query(&v1::ClassifyRequest {
            task: task.into(),
            text: text.into(),
            model_override: with.into(),
            ..Default::default()
        })
    }

    fn correct(labels: &[&str], value: Option<f64>) -> Result<Correct, ServiceError> {
        Correct::try_from(v1::CorrectLabelRequest {
            task: "intent".into(),
            request_id: "r".into(),
            labels: labels.iter().map(|l| (*l).to_owned()).collect(),
            value,
            ..Default::default()
        })
    }

    #[test]
    fn questions_are_checked() {
        assert!(ask("intent", "why?", "baseline:knn").is_ok());
        for (task, text, with) in [
            ("", "why?", ""),
            ("experts", "why?", ""),
            ("intent", " ", ""),
            ("intent", "why?", "baseline:magic"),
            ("intent", "why?", "nothing"),
        ] {
            assert!(ask(task, text, with).is_err(), "{task} {text} {with}");
        }
    }

    #[test]
    fn a_correction_fits_its_task() {
        let one = correct(&["a"], None).unwrap();
        assert!(one.target(TaskKind::SingleLabel).is_ok());
        assert!(one.target(TaskKind::Regression).is_err());
        let two = correct(&["a", "b", "a"], None).unwrap();
        assert!(two.target(TaskKind::SingleLabel).is_err());
        assert!(two.target(TaskKind::MultiLabel).is_ok());
        let number = correct(&[], Some(2.0)).unwrap();
        assert_eq!(
            number.target(TaskKind::Regression).unwrap(),
            Target::Value(2.0)
        );
        assert!(number.target(TaskKind::MultiLabel).is_err());
        assert!(
            correct(&[], None)
                .unwrap()
                .target(TaskKind::MultiLabel)
                .is_err()
        );
        assert!(correct(&[" "], None).is_err());
        assert!(correct(&[], Some(f64::NAN)).is_err());
    }
}
