//! The table `tenant_spaces`: a tenant's embedding spaces, but for the default one of a tenant that
//! never had another.

use domain::{SpaceState, TenantSpace};
use sea_orm::entity::prelude::*;

use crate::StorageError;
use crate::convert::{named, optional_time};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tenant_spaces")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub space: String,
    pub state: String,
    pub drop_after: Option<i64>,
}

super::tenant_rows!();

impl TryFrom<Model> for TenantSpace {
    type Error = StorageError;

    fn try_from(row: Model) -> Result<Self, StorageError> {
        Ok(Self {
            state: named("tenant_spaces.state", &row.state, SpaceState::parse)?,
            drop_after: optional_time("tenant_spaces.drop_after", row.drop_after)?,
            name: row.space,
        })
    }
}
