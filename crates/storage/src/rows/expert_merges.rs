//! The table `expert_merges`: experts who became others.

use domain::{ExpertId, ExpertMerge, MergeState};
use sea_orm::{JsonValue, entity::prelude::*};

use crate::StorageError;
use crate::convert::{count, named, parsed, time};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "expert_merges")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i64,
    pub from_id: String,
    pub into_id: String,
    pub state: String,
    pub renamed: bool,
    /// How the first was listed before; none where it was not.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub from_expert: Option<JsonValue>,
    /// How the other was listed before; none where it was not.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub into_expert: Option<JsonValue>,
    pub items: i64,
    pub feedback: i64,
    pub created_at: i64,
}

super::tenant_rows!();

impl TryFrom<Model> for ExpertMerge {
    type Error = StorageError;

    fn try_from(row: Model) -> Result<Self, StorageError> {
        Ok(Self {
            id: row.number.to_string(),
            from: parsed("expert_merges.from_id", || ExpertId::parse(row.from_id))?,
            into: parsed("expert_merges.into_id", || ExpertId::parse(row.into_id))?,
            state: named("expert_merges.state", &row.state, MergeState::parse)?,
            items: count(row.items),
            feedback: count(row.feedback),
            renamed: row.renamed,
            created_at: time("expert_merges.created_at", row.created_at)?,
        })
    }
}
