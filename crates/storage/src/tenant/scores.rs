//! How the tenant's model versions do on what came after their training.

use domain::{OnlineEvaluation, TaskId};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use super::TenantTx;
use crate::Result;
use crate::convert::{int, micros, to_json};
use crate::rows::model_scores::{Column, Entity, Model};

/// The tenant's scores, one a version.
#[derive(Debug, Clone, Copy)]
pub struct Scores<'a> {
    pub(super) tx: &'a TenantTx,
}

impl Scores<'_> {
    /// The score of a version; none before it was asked anything.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "scores.get", skip_all)]
    pub async fn get(&self, task: &TaskId, version: u64) -> Result<Option<OnlineEvaluation>> {
        let db = self.tx.session().read().await?;
        let row = self
            .tx
            .find::<Entity>()
            .filter(Column::Task.eq(task.as_str()))
            .filter(Column::Version.eq(int(version)))
            .one(db)
            .await?;
        row.map(OnlineEvaluation::try_from).transpose()
    }

    /// Keeps the score of a version, in the place of an older one.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "scores.put", skip_all)]
    pub async fn put(&self, task: &TaskId, score: &OnlineEvaluation) -> Result<()> {
        let db = self.tx.session().write_data().await?;
        let row = Model {
            tenant_id: self.tx.id().to_owned(),
            task: task.to_string(),
            version: int(score.version),
            against: score.reference_model.clone(),
            tally: to_json("model_scores.tally", &score.tally)?,
            covered_until: micros(score.covered_until),
            updated_at: micros(score.updated_at),
        };
        let rest = [
            Column::Against,
            Column::Tally,
            Column::CoveredUntil,
            Column::UpdatedAt,
        ];
        Entity::insert(row.into_active_model())
            .on_conflict(
                OnConflict::columns([Column::TenantId, Column::Task, Column::Version])
                    .update_columns(rest)
                    .to_owned(),
            )
            .exec_without_returning(db)
            .await?;
        Ok(())
    }
}
