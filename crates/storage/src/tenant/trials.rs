//! Trials: what searches over hyper-parameters tried, and how it did.

use chrono::{DateTime, Utc};
use domain::{TaskId, Trial};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};

use super::{TenantTx, all};
use crate::Result;
use crate::convert::{int, micros, small_int, to_json};
use crate::rows::trials::{Column, Entity, Model};

/// The tenant's trials. They go with their version.
#[derive(Debug, Clone, Copy)]
pub struct Trials<'a> {
    pub(super) tx: &'a TenantTx,
}

/// A trial as it was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTrial {
    /// The version that the search was made for.
    pub version: u64,
    /// What was tried.
    pub trial: Trial,
    /// When it was kept.
    pub created_at: DateTime<Utc>,
}

impl Trials<'_> {
    /// Keeps the trials of a version.
    ///
    /// # Errors
    /// The version has trials already; the tenant does not exist or is being erased; the database
    /// fails.
    #[tracing::instrument(level = "debug", name = "trials.add", skip_all)]
    pub async fn add(
        &self,
        task: &TaskId,
        version: u64,
        trials: &[Trial],
        now: DateTime<Utc>,
    ) -> Result<()> {
        if trials.is_empty() {
            return Ok(());
        }
        let mut rows = Vec::with_capacity(trials.len());
        for trial in trials {
            let row = Model {
                tenant_id: self.tx.id().to_owned(),
                task: task.to_string(),
                version: int(version),
                number: small_int(trial.number),
                parameters: to_json("trials.parameters", &trial.parameters)?,
                seed: trial.seed.to_string(),
                metrics: to_json("trials.metrics", &trial.metrics)?,
                seconds: trial.seconds,
                chosen: trial.chosen,
                created_at: micros(now),
            };
            rows.push(row.into_active_model());
        }
        Entity::insert_many(rows)
            .exec_without_returning(self.tx.session().write_data().await?)
            .await?;
        Ok(())
    }

    /// At most `limit` trials of the task, of one version or of all: the newest version's first, each
    /// version's in their order; those behind `after` (version and number).
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "trials.list", skip_all)]
    pub async fn list(
        &self,
        task: &TaskId,
        version: Option<u64>,
        after: Option<(u64, u32)>,
        limit: u32,
    ) -> Result<Vec<StoredTrial>> {
        let db = self.tx.session().read().await?;
        let mut query = self
            .tx
            .find::<Entity>()
            .filter(Column::Task.eq(task.as_str()));
        if let Some(version) = version {
            query = query.filter(Column::Version.eq(int(version)));
        }
        if let Some((version, number)) = after {
            let later = Condition::all()
                .add(Column::Version.eq(int(version)))
                .add(Column::Number.gt(small_int(number)));
            let behind = Condition::any()
                .add(Column::Version.lt(int(version)))
                .add(later);
            query = query.filter(behind);
        }
        let query = query
            .order_by_desc(Column::Version)
            .order_by_asc(Column::Number)
            .limit(u64::from(limit));
        all(query.all(db).await?)
    }
}
