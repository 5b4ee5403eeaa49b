//! The table `feedback`.

use domain::{ExpertId, FeedbackEvent, FeedbackVerdict};
use sea_orm::entity::prelude::*;

use crate::convert::{named, parsed, time};
use crate::{Feedback, StorageError};

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "feedback")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub sequence: i64,
    pub request_id: String,
    pub verdict: String,
    /// Empty when none is named.
    pub expert: String,
    pub reassigned_to: Option<String>,
    pub given_at: i64,
}

super::tenant_rows!();

impl TryFrom<Model> for Feedback {
    type Error = StorageError;

    fn try_from(row: Model) -> Result<Self, StorageError> {
        let expert = Some(row.expert).filter(|expert| !expert.is_empty());
        Ok(Self {
            sequence: row.sequence,
            request_id: row.request_id,
            said: FeedbackEvent {
                verdict: named("feedback.verdict", &row.verdict, FeedbackVerdict::parse)?,
                expert: parsed("feedback.expert", || {
                    expert.map(ExpertId::parse).transpose()
                })?,
                reassigned_to: parsed("feedback.reassigned_to", || {
                    row.reassigned_to.map(ExpertId::parse).transpose()
                })?,
            },
            given_at: time("feedback.given_at", row.given_at)?,
        })
    }
}
