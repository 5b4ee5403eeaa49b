//! What was answered, for the feedback that may come.

use chrono::{DateTime, Utc};
use domain::{ExpertId, Tier};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use super::{ROWS_PER_INSERT, TenantTx};
use crate::Result;
use crate::rows::answers::{ActiveModel, Column, Entity, Model};

/// The tenant's answers.
#[derive(Debug, Clone, Copy)]
pub struct Answers<'a> {
    pub(super) tx: &'a TenantTx,
}

/// One answer to one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The request.
    pub request_id: String,
    /// What was asked. NUL, which cannot be stored, becomes U+FFFD.
    pub text: String,
    /// The name of the model that answered.
    pub model: String,
    /// The tier of that model.
    pub tier: Tier,
    /// Why that model: a code of `RouteReason`.
    pub reason: String,
    /// The experts that were recommended, the best first, with their scores. One that is no number is kept
    /// as 0.
    pub experts: Vec<(ExpertId, f64)>,
    /// When.
    pub answered_at: DateTime<Utc>,
    /// What another model would have answered, where the tenant's policy asks for it.
    pub shadow: Option<Shadow>,
}

/// An answer that was computed and not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shadow {
    /// The name of the model.
    pub model: String,
    /// The experts it would have recommended, the best first.
    pub experts: Vec<ExpertId>,
}

/// An answer to keep.
pub type NewAnswer = Answer;

impl Answers<'_> {
    /// Keeps answers. One whose request is known already is passed over: the first counts.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "answers.add", skip_all)]
    pub async fn add(&self, answers: Vec<NewAnswer>) -> Result<()> {
        let db = self.tx.session().write_data().await?;
        let mut rows: Vec<Model> = answers
            .into_iter()
            .map(|answer| Model::new(self.tx.id(), answer))
            .collect::<Result<_>>()?;
        // In one order for all writers, so that none waits for another in a circle.
        rows.sort_by(|a, b| a.request_id.cmp(&b.request_id));
        for rows in rows.chunks(ROWS_PER_INSERT) {
            let rows: Vec<ActiveModel> = rows
                .iter()
                .map(|row| row.clone().into_active_model())
                .collect();
            Entity::insert_many(rows)
                .on_conflict(
                    OnConflict::columns([Column::TenantId, Column::RequestId])
                        .do_nothing()
                        .to_owned(),
                )
                .exec_without_returning(db)
                .await?;
        }
        Ok(())
    }

    /// The answer to the request.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "answers.get", skip_all)]
    pub async fn get(&self, request_id: &str) -> Result<Option<Answer>> {
        let db = self.tx.session().read().await?;
        let row = self
            .tx
            .find::<Entity>()
            .filter(Column::RequestId.eq(request_id))
            .one(db)
            .await?;
        row.map(Answer::try_from).transpose()
    }
}
