//! The table `precomputed_answers`: what was answered before anybody asked.

use domain::{ItemId, Recommended};
use sea_orm::{JsonValue, entity::prelude::*};

use crate::convert::{from_json, micros, parsed, small_count, small_int, time, to_json};
use crate::{PrecomputedAnswer, Result, Shadow, StorageError};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "precomputed_answers")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub item_id: String,
    pub revision: i32,
    pub stamp: String,
    pub form: i32,
    #[sea_orm(column_type = "JsonBinary")]
    pub answer: JsonValue,
    pub shadow_model: Option<String>,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub shadow_experts: Option<JsonValue>,
    pub computed_at: i64,
}

super::tenant_rows!();

impl Model {
    pub(crate) fn new(tenant: &str, answer: PrecomputedAnswer) -> Result<Self> {
        let (shadow_model, shadow_experts) = match answer.shadow {
            Some(shadow) => {
                let experts = to_json("precomputed_answers.shadow_experts", &shadow.experts)?;
                (Some(shadow.model), Some(experts))
            }
            None => (None, None),
        };
        Ok(Self {
            tenant_id: tenant.to_owned(),
            item_id: answer.item.into(),
            revision: small_int(answer.revision),
            stamp: answer.stamp,
            form: small_int(Recommended::FORM),
            answer: to_json("precomputed_answers.answer", &answer.answer)?,
            shadow_model,
            shadow_experts,
            computed_at: micros(answer.computed_at),
        })
    }
}

impl TryFrom<Model> for PrecomputedAnswer {
    type Error = StorageError;

    fn try_from(row: Model) -> Result<Self, StorageError> {
        let shadow = match (row.shadow_model, row.shadow_experts) {
            (Some(model), Some(experts)) => Some(Shadow {
                model,
                experts: from_json("precomputed_answers.shadow_experts", experts)?,
            }),
            _ => None,
        };
        Ok(Self {
            item: parsed("precomputed_answers.item_id", || ItemId::parse(row.item_id))?,
            revision: small_count(row.revision),
            stamp: row.stamp,
            answer: from_json("precomputed_answers.answer", row.answer)?,
            shadow,
            computed_at: time("precomputed_answers.computed_at", row.computed_at)?,
        })
    }
}
