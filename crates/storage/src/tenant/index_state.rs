//! How far the vector index has followed the tenant's items.

use domain::Change;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

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
                    .to_owned(),
            )
            .exec_without_returning(db)
            .await?;
        self.tx.note(Change::Index);
        Ok(())
    }
}
