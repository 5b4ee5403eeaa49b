//! What people said is right: labelled examples that came back as feedback.

use chrono::{DateTime, Utc};
use domain::{Change, Correction, Target, TaskId};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

use super::{TenantTx, all};
use crate::Result;
use crate::convert::{micros, optional_time, storable, to_json};
use crate::rows::corrections::{Column, Entity, Model};

/// The tenant's corrections.
#[derive(Debug, Clone, Copy)]
pub struct Corrections<'a> {
    pub(super) tx: &'a TenantTx,
}

/// What tells whether corrections of a task came since.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CorrectionsStamp {
    /// How many there are.
    pub count: u64,
    /// When the newest was given.
    pub newest: Option<DateTime<Utc>>,
}

impl Corrections<'_> {
    /// Keeps a correction, in the place of an earlier one of the same answer.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "corrections.put", skip_all)]
    pub async fn put(&self, task: &TaskId, correction: &Correction) -> Result<()> {
        let db = self.tx.session().write_data().await?;
        let row = Model {
            tenant_id: self.tx.id().to_owned(),
            task: task.to_string(),
            request_id: correction.request_id.clone(),
            text: storable(&correction.text),
            target: to_json("corrections.target", &correction.target)?,
            given_at: micros(correction.given_at),
            withdrawn_at: None,
        };
        Entity::insert(row.into_active_model())
            .on_conflict(
                OnConflict::columns([Column::TenantId, Column::Task, Column::RequestId])
                    .update_columns([Column::Target, Column::GivenAt, Column::WithdrawnAt])
                    .to_owned(),
            )
            .exec_without_returning(db)
            .await?;
        self.tx.note(Change::Tasks);
        Ok(())
    }

    /// Takes the correction of an answer back; says whether there was one that counted.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "corrections.withdraw", skip_all)]
    pub async fn withdraw(
        &self,
        task: &TaskId,
        request_id: &str,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        let db = self.tx.session().write_data().await?;
        let result = self
            .tx
            .update::<Entity>()
            .filter(Column::Task.eq(task.as_str()))
            .filter(Column::RequestId.eq(request_id))
            .filter(Column::WithdrawnAt.is_null())
            .col_expr(Column::WithdrawnAt, micros(now).into())
            .exec(db)
            .await?;
        if result.rows_affected > 0 {
            self.tx.note(Change::Tasks);
        }
        Ok(result.rows_affected > 0)
    }

    /// Gives at most `limit` corrections of the task another target where `change` has one, those after
    /// `after` by request. Says how many it changed, and where the next call begins; none when nothing
    /// is left.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "corrections.rewrite", skip_all)]
    pub async fn rewrite(
        &self,
        task: &TaskId,
        after: Option<&str>,
        limit: u32,
        change: impl Fn(&Target) -> Option<Target>,
    ) -> Result<(u64, Option<String>)> {
        let db = self.tx.session().write_data().await?;
        let mut query = self
            .tx
            .find::<Entity>()
            .filter(Column::Task.eq(task.as_str()))
            .order_by_asc(Column::RequestId);
        if let Some(after) = after {
            query = query.filter(Column::RequestId.gt(after));
        }
        let rows = query.limit(u64::from(limit)).all(db).await?;
        let full = rows.len() >= limit as usize;
        let last = rows.last().map(|row| row.request_id.clone());
        let mut changed = 0;
        for row in rows {
            let target = Correction::try_from(row.clone())?.target;
            let Some(target) = change(&target) else {
                continue;
            };
            self.tx
                .update::<Entity>()
                .filter(Column::Task.eq(task.as_str()))
                .filter(Column::RequestId.eq(row.request_id))
                .col_expr(
                    Column::Target,
                    to_json("corrections.target", &target)?.into(),
                )
                .exec(db)
                .await?;
            changed += 1;
        }
        if changed > 0 {
            self.tx.note(Change::Tasks);
        }
        Ok((changed, last.filter(|_| full)))
    }

    /// At most `limit` corrections of the task, newest first.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "corrections.newest", skip_all)]
    pub async fn newest(&self, task: &TaskId, limit: u32) -> Result<Vec<Correction>> {
        let db = self.tx.session().read().await?;
        let query = self
            .tx
            .find::<Entity>()
            .filter(Column::Task.eq(task.as_str()))
            .filter(Column::WithdrawnAt.is_null())
            .order_by_desc(Column::GivenAt)
            .order_by_desc(Column::RequestId)
            .limit(u64::from(limit));
        all(query.all(db).await?)
    }

    /// Those of [`Corrections::newest`] that counted then: what a training saw, as long as none of them
    /// was given again or relabelled since.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "corrections.newest_until", skip_all)]
    pub async fn newest_until(
        &self,
        task: &TaskId,
        until: DateTime<Utc>,
        limit: u32,
    ) -> Result<Vec<Correction>> {
        let db = self.tx.session().read().await?;
        let query = self
            .tx
            .find::<Entity>()
            .filter(Column::Task.eq(task.as_str()))
            .filter(Column::GivenAt.lte(micros(until)))
            .filter(counted_after(until))
            .order_by_desc(Column::GivenAt)
            .order_by_desc(Column::RequestId)
            .limit(u64::from(limit));
        all(query.all(db).await?)
    }

    /// How many corrections of the task there are, and when the newest was given.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "corrections.stamp", skip_all)]
    pub async fn stamp(&self, task: &TaskId) -> Result<CorrectionsStamp> {
        let db = self.tx.session().read().await?;
        let own = || {
            self.tx
                .find::<Entity>()
                .filter(Column::Task.eq(task.as_str()))
                .filter(Column::WithdrawnAt.is_null())
        };
        let newest: Option<i64> = own()
            .select_only()
            .column(Column::GivenAt)
            .order_by_desc(Column::GivenAt)
            .into_tuple()
            .one(db)
            .await?;
        Ok(CorrectionsStamp {
            count: own().count(db).await?,
            newest: optional_time("corrections.given_at", newest)?,
        })
    }
}

/// What was not taken back by then.
fn counted_after(until: DateTime<Utc>) -> Condition {
    Condition::any()
        .add(Column::WithdrawnAt.is_null())
        .add(Column::WithdrawnAt.gt(micros(until)))
}
