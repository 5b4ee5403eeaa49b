//! What people did with the answers they got.

use chrono::{DateTime, Utc};
use domain::FeedbackEvent;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};

use super::{TenantTx, all, counters};
use crate::Result;
use crate::convert::micros;
use crate::rows::feedback::{Column, Entity, Model};
use crate::rows::tenant_counters;

/// The tenant's feedback.
#[derive(Debug, Clone, Copy)]
pub struct FeedbackLog<'a> {
    pub(super) tx: &'a TenantTx,
}

/// Feedback to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFeedback {
    /// The request it is about.
    pub request_id: String,
    /// What was done.
    pub said: FeedbackEvent,
}

/// What a person did with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feedback {
    /// Rises by one with all feedback of the tenant; pages are cut by it.
    pub sequence: i64,
    /// The request it is about.
    pub request_id: String,
    /// What was done.
    pub said: FeedbackEvent,
    /// When it was given.
    pub given_at: DateTime<Utc>,
}

impl FeedbackLog<'_> {
    /// Keeps feedback. The same again, with nothing else said about that expert of that request in between,
    /// is the first one: calls may be repeated. What is said later counts, so a verdict that takes back
    /// another one is kept although it was given before.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "feedback.add", skip_all)]
    pub async fn add(&self, new: NewFeedback, now: DateTime<Utc>) -> Result<Feedback> {
        counters::lock(self.tx, tenant_counters::Column::Feedback).await?;
        let db = self.tx.session().write_data().await?;
        let FeedbackEvent {
            verdict,
            expert,
            reassigned_to,
        } = new.said;
        let expert = expert.map(String::from).unwrap_or_default();
        let reassigned_to = reassigned_to.map(String::from);
        let last = self
            .tx
            .find::<Entity>()
            .filter(Column::RequestId.eq(new.request_id.as_str()))
            .filter(Column::Expert.eq(expert.as_str()))
            .order_by_desc(Column::Sequence)
            .one(db)
            .await?;
        if let Some(last) = last
            && last.verdict == verdict.as_str()
            && last.reassigned_to == reassigned_to
        {
            return Feedback::try_from(last);
        }
        let row = Model {
            tenant_id: self.tx.id().to_owned(),
            sequence: counters::take(self.tx, tenant_counters::Column::Feedback, 1).await?,
            request_id: new.request_id,
            verdict: verdict.as_str().to_owned(),
            expert,
            reassigned_to,
            given_at: micros(now),
        };
        Entity::insert(row.clone().into_active_model())
            .exec_without_returning(db)
            .await?;
        Feedback::try_from(row)
    }

    /// All that was said about the answer to a request, in order.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "feedback.of_request", skip_all)]
    pub async fn of_request(&self, request_id: &str) -> Result<Vec<Feedback>> {
        let db = self.tx.session().read().await?;
        let query = self
            .tx
            .find::<Entity>()
            .filter(Column::RequestId.eq(request_id))
            .order_by_asc(Column::Sequence);
        all(query.all(db).await?)
    }

    /// The newest `limit`, in order.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "feedback.newest", skip_all)]
    pub async fn newest(&self, limit: u32) -> Result<Vec<Feedback>> {
        let db = self.tx.session().read().await?;
        let query = self
            .tx
            .find::<Entity>()
            .order_by_desc(Column::Sequence)
            .limit(u64::from(limit));
        let mut newest = query.all(db).await?;
        newest.reverse();
        all(newest)
    }

    /// At most `limit` after the sequence `after` (0: from the first), in order.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "feedback.list", skip_all)]
    pub async fn list(&self, after: i64, limit: u32) -> Result<Vec<Feedback>> {
        let db = self.tx.session().read().await?;
        let query = self
            .tx
            .find::<Entity>()
            .filter(Column::Sequence.gt(after))
            .order_by_asc(Column::Sequence)
            .limit(u64::from(limit));
        all(query.all(db).await?)
    }
}
