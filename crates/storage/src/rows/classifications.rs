//! The table `classifications`: what was answered to tasks, for the corrections that may come.

use domain::{TaskId, Tier};
use sea_orm::{JsonValue, entity::prelude::*};

use crate::convert::{from_json, micros, named, parsed, storable, time, to_json};
use crate::tenant::{Classification, ClassificationOutcome};
use crate::{Result, StorageError};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "classifications")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub request_id: String,
    pub task: String,
    pub text: String,
    pub model: String,
    pub tier: String,
    pub reason: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub outcome: JsonValue,
    pub answered_at: i64,
}

super::tenant_rows!();

impl Model {
    pub(crate) fn new(tenant: &str, answer: Classification) -> Result<Self> {
        let mut outcome = answer.outcome;
        for (label, confidence) in &mut outcome.labels {
            *label = storable(label);
            *confidence = finite(*confidence);
        }
        outcome.value = outcome.value.map(finite);
        Ok(Self {
            tenant_id: tenant.to_owned(),
            request_id: answer.request_id,
            task: answer.task.into(),
            text: storable(&answer.text),
            model: answer.model,
            tier: answer.tier.as_str().to_owned(),
            reason: answer.reason,
            outcome: to_json("classifications.outcome", &outcome)?,
            answered_at: micros(answer.answered_at),
        })
    }
}

/// JSON has no word for NaN and infinity: such a number becomes 0.
fn finite(number: f64) -> f64 {
    if number.is_finite() { number } else { 0.0 }
}

impl TryFrom<Model> for Classification {
    type Error = StorageError;

    fn try_from(row: Model) -> Result<Self, StorageError> {
        Ok(Self {
            request_id: row.request_id,
            task: parsed("classifications.task", || TaskId::parse(row.task))?,
            text: row.text,
            model: row.model,
            tier: named("classifications.tier", &row.tier, Tier::parse)?,
            reason: row.reason,
            outcome: from_json::<ClassificationOutcome>("classifications.outcome", row.outcome)?,
            answered_at: time("classifications.answered_at", row.answered_at)?,
        })
    }
}
