//! What was answered, for the feedback that may come.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::{ExpertId, FeedbackEvent, ItemId, RouteReason, Tier};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, PaginatorTrait, QueryFilter};

use super::{TenantTx, VALUES_PER_IN};
use crate::Result;
use crate::convert::{micros, to_json};
use crate::insert::{ROWS_PER_INSERT, insert_all};
use crate::rows::answers::{Column, Entity, Model};

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
    /// The experts that were recommended, the best first, with their scores. One that is not a number is kept
    /// as 0.
    pub experts: Vec<(ExpertId, f64)>,
    /// When.
    pub answered_at: DateTime<Utc>,
    /// What another model would have answered, where the tenant's policy asks for it.
    pub shadow: Option<Shadow>,
    /// The item that holds the question, where it was asked by one.
    pub item: Option<ItemId>,
}

/// An answer that was computed and not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shadow {
    /// The name of the model.
    pub model: String,
    /// The experts it would have recommended, the best first.
    pub experts: Vec<ExpertId>,
}

/// An answer with what people said about it.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgedAnswer {
    /// The answer.
    pub answer: Answer,
    /// What was said, in order.
    pub said: Vec<FeedbackEvent>,
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
        let mut known = OnConflict::columns([Column::TenantId, Column::RequestId]);
        insert_all(db, rows, ROWS_PER_INSERT, Some(known.do_nothing())).await
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

    /// Has the answer to the request name these experts: what they are called now.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "answers.set_experts", skip_all)]
    pub async fn set_experts(&self, request_id: &str, experts: &[(ExpertId, f64)]) -> Result<()> {
        let db = self.tx.session().write_data().await?;
        self.tx
            .update::<Entity>()
            .filter(Column::RequestId.eq(request_id))
            .col_expr(
                Column::Experts,
                to_json("answers.experts", &experts)?.into(),
            )
            .exec(db)
            .await?;
        Ok(())
    }

    /// How many answers the routing had a model give; only those from `since` on, where that is given.
    /// Answers of a model that was asked for by name, or stood in for another, are not among them.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "answers.count_of", skip_all)]
    pub async fn count_of(&self, model: &str, since: Option<DateTime<Utc>>) -> Result<u64> {
        let db = self.tx.session().read().await?;
        let others = RouteReason::NOT_BY_ROUTING.map(RouteReason::code);
        let mut own = self
            .tx
            .find::<Entity>()
            .filter(Column::Model.eq(model))
            .filter(Column::Reason.is_not_in(others));
        if let Some(since) = since {
            own = own.filter(Column::AnsweredAt.gte(micros(since)));
        }
        Ok(own.count(db).await?)
    }

    /// The answers that the newest `limit` pieces of feedback are about, each with all that was said
    /// about it among these, in the order of the first.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "answers.judged", skip_all)]
    pub async fn judged(&self, limit: u32) -> Result<Vec<JudgedAnswer>> {
        let mut said: Vec<(String, Vec<FeedbackEvent>)> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for one in self.tx.feedback().newest(limit).await? {
            let place = *places.entry(one.request_id.clone()).or_insert(said.len());
            match said.get_mut(place) {
                Some((_, all)) => all.push(one.said),
                None => said.push((one.request_id, vec![one.said])),
            }
        }
        let db = self.tx.session().read().await?;
        let mut answers: HashMap<String, Answer> = HashMap::with_capacity(said.len());
        for some in said.chunks(VALUES_PER_IN) {
            let ids = some.iter().map(|(request, _)| request.as_str());
            let query = self.tx.find::<Entity>();
            let rows = query.filter(Column::RequestId.is_in(ids)).all(db).await?;
            for row in rows {
                answers.insert(row.request_id.clone(), Answer::try_from(row)?);
            }
        }
        Ok(said
            .into_iter()
            .filter_map(|(request, said)| {
                let answer = answers.remove(&request)?;
                Some(JudgedAnswer { answer, said })
            })
            .collect())
    }
}
