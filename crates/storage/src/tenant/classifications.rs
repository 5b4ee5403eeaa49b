//! What was answered to tasks, for the corrections that may come.

use chrono::{DateTime, Utc};
use domain::{TaskId, Tier};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, QueryFilter};
use serde::{Deserialize, Serialize};

use super::TenantTx;
use crate::Result;
use crate::insert::{ROWS_PER_INSERT, insert_all};
use crate::rows::classifications::{Column, Entity, Model};

/// The answers to the tenant's tasks.
#[derive(Debug, Clone, Copy)]
pub struct Classifications<'a> {
    pub(super) tx: &'a TenantTx,
}

/// One answer of one task.
#[derive(Debug, Clone, PartialEq)]
pub struct Classification {
    /// The request.
    pub request_id: String,
    /// The task.
    pub task: TaskId,
    /// What was asked. NUL, which cannot be stored, becomes U+FFFD.
    pub text: String,
    /// The name of the model that answered.
    pub model: String,
    /// The tier of that model.
    pub tier: Tier,
    /// Why that model: a code of `RouteReason`.
    pub reason: String,
    /// What it said.
    pub outcome: Outcome,
    /// When.
    pub answered_at: DateTime<Utc>,
}

/// What a task's model said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The chosen labels with their confidence. A number that is none is kept as 0.
    pub labels: Vec<(String, f64)>,
    /// The value.
    pub value: Option<f64>,
    /// Whether it abstained.
    pub abstained: bool,
}

impl Classifications<'_> {
    /// Keeps answers. One whose request is known already is passed over: the first counts.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "classifications.add", skip_all)]
    pub async fn add(&self, answers: Vec<Classification>) -> Result<()> {
        let db = self.tx.session().write_data().await?;
        let mut rows: Vec<Model> = answers
            .into_iter()
            .map(|answer| Model::new(self.tx.id(), answer))
            .collect::<Result<_>>()?;
        // In one order for all writers, so that none waits for another in a circle.
        rows.sort_by(|a, b| a.request_id.cmp(&b.request_id));
        let mut known = OnConflict::columns([Column::TenantId, Column::RequestId]);
        insert_all(db, rows, ROWS_PER_INSERT, Some(known.do_nothing())).await
    }

    /// The answer to the request.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "classifications.get", skip_all)]
    pub async fn get(&self, request_id: &str) -> Result<Option<Classification>> {
        let db = self.tx.session().read().await?;
        let row = self
            .tx
            .find::<Entity>()
            .filter(Column::RequestId.eq(request_id))
            .one(db)
            .await?;
        row.map(Classification::try_from).transpose()
    }
}
