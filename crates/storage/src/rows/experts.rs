//! The table `experts`.

use domain::{Expert, ExpertId};
use sea_orm::entity::prelude::*;

use crate::StorageError;
use crate::convert::{parsed, time};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "experts")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub expert_id: String,
    pub display_name: String,
    pub profile: String,
    pub active: bool,
    pub available: bool,
    pub updated_at: i64,
    /// When it was taken off the list; none while it is on it.
    pub deleted_at: Option<i64>,
}

super::tenant_rows!();

impl TryFrom<Model> for Expert {
    type Error = StorageError;

    fn try_from(row: Model) -> Result<Self, StorageError> {
        Ok(Self {
            id: parsed("experts.expert_id", || ExpertId::parse(row.expert_id))?,
            display_name: row.display_name,
            profile: row.profile,
            active: row.active && row.deleted_at.is_none(),
            available: row.available,
            updated_at: time("experts.updated_at", row.updated_at)?,
        })
    }
}
