//! Feedback, and the answers it is about, follow their experts.

use domain::{ExpertId, ExpertMerge};
use sea_orm::{
    ColumnTrait, Condition, JsonValue, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde::{Deserialize, Serialize};

use super::super::counters;
use super::{Kind, Merges};
use crate::Result;
use crate::convert::{from_json, to_json};
use crate::rows::{answers, feedback, tenant_counters};

/// Whom a piece of feedback names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Named {
    pub expert: String,
    pub reassigned_to: Option<String>,
}

impl Named {
    fn renamed(&self, from: &ExpertId, into: &ExpertId) -> Self {
        let rename = |id: &String| match id == from.as_str() {
            true => into.to_string(),
            false => id.clone(),
        };
        Self {
            expert: rename(&self.expert),
            reassigned_to: self.reassigned_to.as_ref().map(rename),
        }
    }
}

impl Merges<'_> {
    /// Has at most `limit` pieces of feedback that name `from` name `into`, and the answers they are
    /// about; says how many.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "merges.move_feedback", skip_all)]
    pub async fn move_feedback(&self, merge: &ExpertMerge, limit: u32) -> Result<u64> {
        counters::lock(self.tx, tenant_counters::Column::Feedback).await?;
        let db = self.tx.session().write_data().await?;
        let from = merge.from.as_str();
        let names = Condition::any()
            .add(feedback::Column::Expert.eq(from))
            .add(feedback::Column::ReassignedTo.eq(from));
        let rows = self
            .tx
            .find::<feedback::Entity>()
            .filter(names)
            .order_by_asc(feedback::Column::Sequence)
            .limit(u64::from(limit))
            .all(db)
            .await?;
        let mut traces = Vec::with_capacity(rows.len());
        for row in &rows {
            let before = Named {
                expert: row.expert.clone(),
                reassigned_to: row.reassigned_to.clone(),
            };
            let after = before.renamed(&merge.from, &merge.into);
            self.set_named(row.sequence, after).await?;
            let before = to_json("merge_traces.before", &before)?;
            traces.push((row.sequence.to_string(), before));
            self.move_answer(merge, &row.request_id).await?;
        }
        self.trace(merge, Kind::Feedback, traces).await?;
        self.count(merge, (0, rows.len() as u64)).await?;
        Ok(rows.len() as u64)
    }

    /// The answer to a request names `into` where it named `from`.
    async fn move_answer(&self, merge: &ExpertMerge, request: &str) -> Result<()> {
        let Some(row) = self.answer(request).await? else {
            return Ok(());
        };
        let before: Vec<(ExpertId, f64)> = from_json("answers.experts", row.experts.clone())?;
        if !before.iter().any(|(expert, _)| *expert == merge.from) {
            return Ok(());
        }
        let mut after: Vec<(ExpertId, f64)> = Vec::with_capacity(before.len());
        for (expert, score) in before {
            let expert = if expert == merge.from {
                merge.into.clone()
            } else {
                expert
            };
            // Where both were named, the better place counts.
            if !after.iter().any(|(known, _)| *known == expert) {
                after.push((expert, score));
            }
        }
        let trace = (request.to_owned(), row.experts);
        self.trace(merge, Kind::Answer, vec![trace]).await?;
        self.tx.answers().set_experts(request, &after).await
    }

    /// Gives one piece of feedback its names back, where nobody has changed them since.
    pub(super) async fn restore_named(
        &self,
        merge: &ExpertMerge,
        sequence: i64,
        before: JsonValue,
    ) -> Result<()> {
        let db = self.tx.session().write_data().await?;
        let before: Named = from_json("merge_traces.before", before)?;
        let after = before.renamed(&merge.from, &merge.into);
        let mut same = self
            .tx
            .find::<feedback::Entity>()
            .filter(feedback::Column::Sequence.eq(sequence))
            .filter(feedback::Column::Expert.eq(after.expert.as_str()));
        same = match &after.reassigned_to {
            Some(to) => same.filter(feedback::Column::ReassignedTo.eq(to.as_str())),
            None => same.filter(feedback::Column::ReassignedTo.is_null()),
        };
        if same.count(db).await? > 0 {
            self.set_named(sequence, before).await?;
        }
        Ok(())
    }

    async fn set_named(&self, sequence: i64, named: Named) -> Result<()> {
        let db = self.tx.session().write_data().await?;
        self.tx
            .update::<feedback::Entity>()
            .filter(feedback::Column::Sequence.eq(sequence))
            .col_expr(feedback::Column::Expert, named.expert.into())
            .col_expr(feedback::Column::ReassignedTo, named.reassigned_to.into())
            .exec(db)
            .await?;
        Ok(())
    }

    async fn answer(&self, request: &str) -> Result<Option<answers::Model>> {
        let db = self.tx.session().write_data().await?;
        let query = self.tx.find::<answers::Entity>();
        let query = query.filter(answers::Column::RequestId.eq(request));
        Ok(query.one(db).await?)
    }
}
