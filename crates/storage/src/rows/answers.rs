//! The table `answers`: what was answered, for the feedback that may come.

use domain::{ExpertId, ItemId, Tier};
use sea_orm::{JsonValue, entity::prelude::*};

use crate::convert::{from_json, micros, named, parsed, storable, time, to_json};
use crate::{Answer, Result, Shadow, StorageError};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "answers")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub request_id: String,
    pub text: String,
    pub model: String,
    pub tier: String,
    pub reason: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub experts: JsonValue,
    pub answered_at: i64,
    pub shadow_model: Option<String>,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub shadow_experts: Option<JsonValue>,
    pub item_id: Option<String>,
}

super::tenant_rows!();

impl Model {
    pub(crate) fn new(tenant: &str, answer: Answer) -> Result<Self> {
        let (shadow_model, shadow_experts) = match answer.shadow {
            Some(shadow) => {
                let experts = to_json("answers.shadow_experts", &shadow.experts)?;
                (Some(shadow.model), Some(experts))
            }
            None => (None, None),
        };
        Ok(Self {
            tenant_id: tenant.to_owned(),
            request_id: answer.request_id,
            text: storable(&answer.text),
            model: answer.model,
            tier: answer.tier.as_str().to_owned(),
            reason: answer.reason,
            experts: to_json("answers.experts", &finite(answer.experts))?,
            answered_at: micros(answer.answered_at),
            shadow_model,
            shadow_experts,
            item_id: answer.item.map(String::from),
        })
    }
}

/// JSON has no word for NaN and infinity: such a score becomes 0.
fn finite(experts: Vec<(ExpertId, f64)>) -> Vec<(ExpertId, f64)> {
    let score = |score: f64| if score.is_finite() { score } else { 0.0 };
    experts
        .into_iter()
        .map(|(expert, s)| (expert, score(s)))
        .collect()
}

impl TryFrom<Model> for Answer {
    type Error = StorageError;

    fn try_from(row: Model) -> Result<Self, StorageError> {
        let shadow = match (row.shadow_model, row.shadow_experts) {
            (Some(model), Some(experts)) => Some(Shadow {
                model,
                experts: from_json("answers.shadow_experts", experts)?,
            }),
            _ => None,
        };
        Ok(Self {
            request_id: row.request_id,
            text: row.text,
            model: row.model,
            tier: named("answers.tier", &row.tier, Tier::parse)?,
            reason: row.reason,
            experts: from_json::<Vec<(ExpertId, f64)>>("answers.experts", row.experts)?,
            answered_at: time("answers.answered_at", row.answered_at)?,
            shadow,
            item: parsed("answers.item_id", || {
                row.item_id.map(ItemId::parse).transpose()
            })?,
        })
    }
}
