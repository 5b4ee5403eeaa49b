//! The table `tenant_values`: what tenants' own models earn against what they cost.

use domain::cost::{Month, ValueVerdict};
use sea_orm::entity::prelude::*;

use crate::convert::{named, parsed, time};
use crate::{StorageError, StoredVerdict};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "tenant_values")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub month: String,
    pub verdict: String,
    pub lift_low: Option<f64>,
    pub lift_mean: f64,
    pub lift_high: Option<f64>,
    /// A decimal number.
    pub net: String,
    pub computed_at: i64,
}

super::tenant_rows!();

impl TryFrom<Model> for StoredVerdict {
    type Error = StorageError;

    fn try_from(row: Model) -> Result<Self, StorageError> {
        Ok(Self {
            month: parsed("tenant_values.month", || row.month.parse::<Month>())?,
            verdict: named("tenant_values.verdict", &row.verdict, ValueVerdict::parse)?,
            lift: (row.lift_low, row.lift_mean, row.lift_high),
            net: parsed("tenant_values.net", || row.net.parse())?,
            computed_at: time("tenant_values.computed_at", row.computed_at)?,
        })
    }
}
