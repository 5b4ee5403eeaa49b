//! Taking a merge of experts back.

use chrono::{DateTime, Utc};
use domain::{ExpertId, ExpertMerge, ItemId, MergeState, restored};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::super::counters;
use super::{Kind, Listed, Merges, joined, number};
use crate::convert::{from_json, micros, parsed};
use crate::rows::expert_merges::{Column, Entity};
use crate::rows::{TenantRows, experts, merge_traces, tenant_counters};
use crate::{Result, StorageError};

/// What one call took back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenBack {
    /// Traces that were looked at; none are left where there are fewer than asked for.
    pub traces: u64,
    /// Items that were changed.
    pub items: u64,
}

impl Merges<'_> {
    /// The merge that made another of the one this merge made, and is not taken back.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "merges.later", skip_all)]
    pub async fn later(&self, merge: &ExpertMerge) -> Result<Option<ExpertMerge>> {
        let db = self.tx.session().read().await?;
        let later = self
            .tx
            .find::<Entity>()
            .filter(Column::FromId.eq(merge.into.as_str()))
            .filter(Column::Number.gt(number(merge)?))
            .filter(Column::State.ne(MergeState::Undone.as_str()))
            .order_by_asc(Column::Number)
            .one(db)
            .await?;
        later.map(ExpertMerge::try_from).transpose()
    }

    /// Begins to take the merge back, or goes on: `from` is listed again as before.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "merges.begin_undo", skip_all)]
    pub async fn begin_undo(&self, merge: &ExpertMerge, now: DateTime<Utc>) -> Result<ExpertMerge> {
        counters::lock(self.tx, tenant_counters::Column::ItemChange).await?;
        let row = self.row(&merge.id).await?;
        let row = row.ok_or_else(|| StorageError::not_found(format!("merge {}", merge.id)))?;
        if row.state == MergeState::Undone.as_str() {
            return ExpertMerge::try_from(row);
        }
        let before = Listed::read(row.from_expert)?;
        if let (Some(before), None) = (before, self.listed(&merge.from).await?) {
            self.list(self.row_of(&merge.from, before, now)).await?;
        }
        self.set_state(merge, MergeState::Undoing).await
    }

    /// Gives at most `limit` of the changed items their experts back, where those are still as the
    /// merge left them.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "merges.restore_items", skip_all)]
    pub async fn restore_items(
        &self,
        merge: &ExpertMerge,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<TakenBack> {
        counters::lock(self.tx, tenant_counters::Column::ItemChange).await?;
        let traces = self.traces(merge, Kind::Item, limit).await?;
        let mut contents = Vec::with_capacity(traces.len());
        for trace in &traces {
            let id = parsed("merge_traces.key", || ItemId::parse(trace.key.as_str()))?;
            let before: Vec<ExpertId> = from_json("merge_traces.before", trace.before.clone())?;
            let Some(item) = self.tx.items().get(&id).await? else {
                continue;
            };
            let mut content = item.content;
            let experts = restored(&before, &content.experts, &merge.from, &merge.into);
            if let Some(experts) = experts {
                content.experts = experts;
                contents.push(content);
            }
        }
        let outcome = self.tx.items().upsert(contents, now).await?;
        self.forget_traces(merge, Kind::Item, &traces).await?;
        Ok(TakenBack {
            traces: traces.len() as u64,
            items: outcome.accepted,
        })
    }

    /// Gives at most `limit` of the changed pieces of feedback and answers their experts back; says
    /// how many were looked at.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "merges.restore_feedback", skip_all)]
    pub async fn restore_feedback(&self, merge: &ExpertMerge, limit: u32) -> Result<u64> {
        counters::lock(self.tx, tenant_counters::Column::Feedback).await?;
        let said = self.traces(merge, Kind::Feedback, limit).await?;
        for trace in &said {
            let sequence = parsed("merge_traces.key", || trace.key.parse::<i64>())?;
            self.restore_named(merge, sequence, trace.before.clone())
                .await?;
        }
        self.forget_traces(merge, Kind::Feedback, &said).await?;
        let answers = self.traces(merge, Kind::Answer, limit).await?;
        for trace in &answers {
            let experts: Vec<(ExpertId, f64)> =
                from_json("merge_traces.before", trace.before.clone())?;
            self.tx.answers().set_experts(&trace.key, &experts).await?;
        }
        self.forget_traces(merge, Kind::Answer, &answers).await?;
        Ok((said.len() + answers.len()) as u64)
    }

    /// Has at most `limit` items that were given the new name of a renamed expert since name the old
    /// one; says how many.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "merges.restore_name", skip_all)]
    pub async fn restore_name(
        &self,
        merge: &ExpertMerge,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<u64> {
        if !merge.renamed {
            return Ok(0);
        }
        let back = (&merge.into, &merge.from);
        let (_, moved) = self.rename_in_items(back, None, limit, now).await?;
        Ok(moved.items)
    }

    /// Takes back what was added to the profile of `into`, or takes a new name off the list, and says
    /// that all is undone.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "merges.finish_undo", skip_all)]
    pub async fn finish_undo(
        &self,
        merge: &ExpertMerge,
        now: DateTime<Utc>,
    ) -> Result<ExpertMerge> {
        let row = self.row(&merge.id).await?;
        let row = row.ok_or_else(|| StorageError::not_found(format!("merge {}", merge.id)))?;
        if merge.renamed {
            let new = std::slice::from_ref(&merge.into);
            self.tx.experts().forget(new).await?;
            return self.set_state(merge, MergeState::Undone).await;
        }
        let (from, into) = (
            Listed::read(row.from_expert)?,
            Listed::read(row.into_expert)?,
        );
        let listed = self.listed(&merge.into).await?;
        if let (Some(from), Some(into), Some(listed)) = (from, into, listed)
            && listed.profile != into.profile
            && listed.profile == joined(&into.profile, &from.profile)
        {
            self.list(experts::Model {
                profile: into.profile,
                updated_at: micros(now),
                ..listed
            })
            .await?;
        }
        self.set_state(merge, MergeState::Undone).await
    }

    fn row_of(&self, id: &ExpertId, listed: Listed, now: DateTime<Utc>) -> experts::Model {
        experts::Model {
            tenant_id: self.tx.id().to_owned(),
            expert_id: id.to_string(),
            display_name: listed.display_name,
            profile: listed.profile,
            active: listed.active,
            available: listed.available,
            updated_at: micros(now),
            deleted_at: None,
        }
    }

    async fn traces(
        &self,
        merge: &ExpertMerge,
        kind: Kind,
        limit: u32,
    ) -> Result<Vec<merge_traces::Model>> {
        let db = self.tx.session().write_data().await?;
        let query = self
            .tx
            .find::<merge_traces::Entity>()
            .filter(merge_traces::Column::Number.eq(number(merge)?))
            .filter(merge_traces::Column::Kind.eq(kind.as_str()))
            .order_by_asc(merge_traces::Column::Key)
            .limit(u64::from(limit));
        Ok(query.all(db).await?)
    }

    async fn forget_traces(
        &self,
        merge: &ExpertMerge,
        kind: Kind,
        traces: &[merge_traces::Model],
    ) -> Result<()> {
        let db = self.tx.session().write_data().await?;
        for some in traces.chunks(super::VALUES_PER_IN) {
            let keys = some.iter().map(|trace| trace.key.as_str());
            merge_traces::Entity::delete_many()
                .filter(merge_traces::Entity::TENANT.eq(self.tx.id()))
                .filter(merge_traces::Column::Number.eq(number(merge)?))
                .filter(merge_traces::Column::Kind.eq(kind.as_str()))
                .filter(merge_traces::Column::Key.is_in(keys))
                .exec(db)
                .await?;
        }
        Ok(())
    }
}
