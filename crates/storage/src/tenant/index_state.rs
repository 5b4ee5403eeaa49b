//! How far the vector index has followed the tenant's items.

use domain::Change;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter};

use super::TenantTx;
use crate::Result;
use crate::convert::{count, int};
use crate::rows::index_state::{Column, Entity, Model};

/// What the index has durably taken in.
#[derive(Debug, Clone, Copy)]
pub struct IndexState<'a> {
    pub(super) tx: &'a TenantTx,
}

impl IndexState<'_> {
    /// The newest change that the index of `space` has taken in; 0 when it has nothing.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "index.watermark", skip_all)]
    pub async fn watermark(&self, space: &str) -> Result<u64> {
        let db = self.tx.session().read().await?;
        let row = self
            .tx
            .find::<Entity>()
            .filter(Column::Space.eq(space))
            .one(db)
            .await?;
        Ok(row.map_or(0, |row| count(row.watermark)))
    }

    /// Says what the index has taken in. It may go back: 0 says that the index was dropped.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "index.set_watermark", skip_all)]
    pub async fn set_watermark(&self, space: &str, watermark: u64) -> Result<()> {
        self.write(space, watermark, None).await
    }

    /// Says that the index has taken in what is up to `watermark`; one that has more stays as it is.
    ///
    /// # Errors
    /// As there.
    #[tracing::instrument(level = "debug", name = "index.advance", skip_all)]
    pub async fn advance(&self, space: &str, watermark: u64) -> Result<()> {
        let behind = Expr::col((Entity, Column::Watermark)).lt(int(watermark));
        self.write(space, watermark, Some(behind)).await
    }

    async fn write(&self, space: &str, watermark: u64, only_if: Option<Expr>) -> Result<()> {
        let db = self.tx.session().write_data().await?;
        let row = Model {
            tenant_id: self.tx.id().to_owned(),
            space: space.to_owned(),
            watermark: int(watermark),
        };
        Entity::insert(row.into_active_model())
            .on_conflict(
                OnConflict::columns([Column::TenantId, Column::Space])
                    .update_column(Column::Watermark)
                    .action_cond_where(Condition::all().add_option(only_if))
                    .to_owned(),
            )
            .exec_without_returning(db)
            .await?;
        self.tx.note(Change::Index);
        Ok(())
    }
}
