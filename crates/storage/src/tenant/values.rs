//! What the tenant's own model earns against what it costs.

use chrono::{DateTime, Utc};
use domain::Change;
use domain::cost::{Month, ValueVerdict};
use rust_decimal::Decimal;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};

use super::TenantTx;
use crate::Result;
use crate::convert::micros;
use crate::rows::tenant_values::{Column, Entity, Model};

/// The verdicts on the tenant's own model, one a month.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    pub(super) tx: &'a TenantTx,
}

/// The verdict on a tenant's own model in a month, as it was last worked out.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredVerdict {
    /// The month.
    pub month: Month,
    /// Whether it pays for itself.
    pub verdict: ValueVerdict,
    /// How much more often its answers are taken: low, mean, high. Ends are missing where too little
    /// is known.
    pub lift: (Option<f64>, f64, Option<f64>),
    /// What it most likely earns beyond what it costs.
    pub net: Decimal,
    /// When it was worked out.
    pub computed_at: DateTime<Utc>,
}

impl Values<'_> {
    /// The verdict of the newest month that has one.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "values.newest", skip_all)]
    pub async fn newest(&self) -> Result<Option<StoredVerdict>> {
        let db = self.tx.session().read().await?;
        // Months sort as their texts do.
        let query = self.tx.find::<Entity>().order_by_desc(Column::Month);
        query
            .one(db)
            .await?
            .map(StoredVerdict::try_from)
            .transpose()
    }

    /// Keeps the verdict of a month in the place of an older one. None takes it away with those of the
    /// months before: there is nothing to be said any more. Who routes by it is told when it has
    /// changed.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "values.put", skip_all)]
    pub async fn put(&self, month: Month, kept: Option<&StoredVerdict>) -> Result<()> {
        let before = self.newest().await?.map(|kept| kept.verdict);
        let db = self.tx.session().write_data().await?;
        match kept {
            Some(kept) => {
                let row = Model {
                    tenant_id: self.tx.id().to_owned(),
                    month: month.to_string(),
                    verdict: kept.verdict.as_str().to_owned(),
                    lift_low: kept.lift.0.filter(|end| end.is_finite()),
                    lift_mean: kept.lift.1,
                    lift_high: kept.lift.2.filter(|end| end.is_finite()),
                    net: kept.net.to_string(),
                    computed_at: micros(kept.computed_at),
                };
                let rest = [
                    Column::Verdict,
                    Column::LiftLow,
                    Column::LiftMean,
                    Column::LiftHigh,
                    Column::Net,
                    Column::ComputedAt,
                ];
                let conflict = OnConflict::columns([Column::TenantId, Column::Month])
                    .update_columns(rest)
                    .to_owned();
                Entity::insert(row.into_active_model())
                    .on_conflict(conflict)
                    .exec_without_returning(db)
                    .await?;
            }
            None => {
                Entity::delete_many()
                    .filter(Column::TenantId.eq(self.tx.id()))
                    .filter(Column::Month.lte(month.to_string()))
                    .exec(db)
                    .await?;
            }
        }
        if self.newest().await?.map(|kept| kept.verdict) != before {
            self.tx.note(Change::Models);
        }
        Ok(())
    }
}
