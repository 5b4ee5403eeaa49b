//! What trainings read besides their dataset, kept by its hash: experts change and models above are
//! replaced, but a version must be able to be made again.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use super::{TenantTx, counters};
use crate::Result;
use crate::convert::micros;
use crate::rows::tenant_counters;
use crate::rows::training_inputs::{Column, Entity, Model};

/// The tenant's kept inputs. A version's lineage names those it was trained on
/// ([`domain::INPUTS`]); they go with the last version that does.
#[derive(Debug, Clone, Copy)]
pub struct TrainingInputs<'a> {
    pub(super) tx: &'a TenantTx,
}

impl TrainingInputs<'_> {
    /// Keeps inputs under their hash; the same ones again change nothing.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "inputs.put", skip_all)]
    pub async fn put(&self, hash: &str, body: &str, now: DateTime<Utc>) -> Result<()> {
        // Pruning holds the same lock: what is there now stays until the version that names it is
        // committed.
        counters::lock(self.tx, tenant_counters::Column::ModelEvent).await?;
        let row = Model {
            tenant_id: self.tx.id().to_owned(),
            hash: hash.to_owned(),
            body: body.to_owned(),
            made_at: micros(now),
        };
        Entity::insert(row.into_active_model())
            .on_conflict(
                OnConflict::columns([Column::TenantId, Column::Hash])
                    .do_nothing()
                    .to_owned(),
            )
            .exec_without_returning(self.tx.session().write_data().await?)
            .await?;
        Ok(())
    }

    /// The inputs of this hash.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "inputs.get", skip_all)]
    pub async fn get(&self, hash: &str) -> Result<Option<String>> {
        let db = self.tx.session().read().await?;
        let found = self
            .tx
            .find::<Entity>()
            .filter(Column::Hash.eq(hash))
            .one(db)
            .await?;
        Ok(found.map(|row| row.body))
    }
}
