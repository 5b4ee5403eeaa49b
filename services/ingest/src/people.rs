//! Experts who are taken off the list or become others: in batches, each a transaction of its own.

use std::collections::HashSet;

use api::v1;
use chrono::{DateTime, Utc};
use domain::{ErrorKind, ExpertId, ExpertMerge, ItemContent, MergeState, TenantContext};
use jobs::{IndexItems, JobSpec};
use server::ServiceError;
use storage::TenantTx;

use crate::Ingest;

/// Items, or pieces of feedback, of one transaction: others can write between two of them.
const BATCH: u32 = 1_000;
const MAX_IDS: usize = 1_000;
const MAX_MERGED: usize = 100;

/// Experts to take off the list.
pub(crate) struct DeleteExperts {
    ids: Vec<ExpertId>,
    from_items: bool,
}

impl TryFrom<v1::BatchDeleteExpertsRequest> for DeleteExperts {
    type Error = ServiceError;

    fn try_from(request: v1::BatchDeleteExpertsRequest) -> Result<Self, ServiceError> {
        Ok(Self {
            ids: expert_ids("expert_ids", request.expert_ids, MAX_IDS)?,
            from_items: request.from_items,
        })
    }
}

/// An expert who gets another id.
pub(crate) struct RenameExpert {
    from: ExpertId,
    into: ExpertId,
}

impl TryFrom<v1::RenameExpertRequest> for RenameExpert {
    type Error = ServiceError;

    fn try_from(request: v1::RenameExpertRequest) -> Result<Self, ServiceError> {
        let (from, into) = (
            expert_id("expert_id", request.expert_id)?,
            expert_id("new_expert_id", request.new_expert_id)?,
        );
        if from == into {
            let message = "is the id that the expert has; send another";
            return Err(ServiceError::invalid("new_expert_id", message));
        }
        Ok(Self { from, into })
    }
}

/// Experts who become one.
pub(crate) struct MergeExperts {
    from: Vec<ExpertId>,
    into: ExpertId,
}

impl TryFrom<v1::MergeExpertsRequest> for MergeExperts {
    type Error = ServiceError;

    fn try_from(request: v1::MergeExpertsRequest) -> Result<Self, ServiceError> {
        let from = expert_ids("expert_ids", request.expert_ids, MAX_MERGED)?;
        let into = expert_id("into_expert_id", request.into_expert_id)?;
        if from.contains(&into) {
            let message = format!("{into} cannot be merged into itself; leave it out");
            return Err(ServiceError::invalid("expert_ids", message));
        }
        Ok(Self { from, into })
    }
}

fn expert_id(field: &str, id: String) -> Result<ExpertId, ServiceError> {
    ExpertId::parse(id).map_err(|error| ServiceError::id(field, &error))
}

/// Ids of experts as a request names them, each once.
fn expert_ids(field: &str, ids: Vec<String>, most: usize) -> Result<Vec<ExpertId>, ServiceError> {
    if ids.is_empty() {
        return Err(ServiceError::invalid(
            field,
            "is empty; name at least one expert",
        ));
    }
    if ids.len() > most {
        let message = format!("has {} ids; send at most {most} at a time", ids.len());
        return Err(ServiceError::invalid(field, message));
    }
    let mut seen = HashSet::new();
    let mut parsed = Vec::with_capacity(ids.len());
    for (at, id) in ids.into_iter().enumerate() {
        let id = expert_id(&format!("{field}[{at}]"), id)?;
        if seen.insert(id.clone()) {
            parsed.push(id);
        }
    }
    Ok(parsed)
}

impl Ingest {
    /// Takes experts off the list; one whom no item names is forgotten, another stays as one who left.
    pub(crate) async fn delete_experts(
        &self,
        ctx: &TenantContext,
        command: DeleteExperts,
    ) -> Result<v1::BatchDeleteExpertsResponse, ServiceError> {
        let now = self.clock.now();
        let mut items = 0;
        if command.from_items {
            for id in &command.ids {
                items += self.take_from_items(ctx, id, now).await?;
            }
        }
        let tx = self.begin(ctx).await?;
        let deleted = tx.experts().delete(&command.ids, now).await?;
        let named = tx.items().experts_named().await?;
        let mut unnamed = command.ids.clone();
        unnamed.retain(|id| !named.contains(id));
        tx.experts().forget(&unnamed).await?;
        if deleted > 0 || items > 0 {
            let ids: Vec<&str> = command.ids.iter().map(ExpertId::as_str).collect();
            let detail = format!(
                "{deleted} deleted, {items} items changed: {}",
                some_of(&ids)
            );
            record(&tx, "experts.delete", &detail, now).await?;
        }
        let watermark = tx.items().watermark().await?;
        tx.commit().await?;
        Ok(v1::BatchDeleteExpertsResponse {
            deleted,
            items,
            watermark,
        })
    }

    async fn take_from_items(
        &self,
        ctx: &TenantContext,
        id: &ExpertId,
        now: DateTime<Utc>,
    ) -> Result<u64, ServiceError> {
        let (mut items, mut after) = (0, None);
        loop {
            let tx = self.begin(ctx).await?;
            let without = |content: &ItemContent| {
                let mut content = content.clone();
                content.experts.retain(|expert| expert != id);
                content
            };
            let done = tx
                .items()
                .rewrite_answered(id, after, BATCH, now, without)
                .await?;
            self.commit_items(tx, done.before.len() as u64, now).await?;
            items += done.before.len() as u64;
            if done.before.len() < BATCH as usize {
                return Ok(items);
            }
            after = done.before.last().map(|item| item.id.clone());
        }
    }

    /// Gives an expert another id.
    pub(crate) async fn rename_expert(
        &self,
        ctx: &TenantContext,
        command: RenameExpert,
    ) -> Result<v1::RenameExpertResponse, ServiceError> {
        let (merge, watermark) = self.merge(ctx, &command.from, &command.into, true).await?;
        Ok(v1::RenameExpertResponse {
            merge: Some(merge.into()),
            watermark,
        })
    }

    /// Makes experts one.
    pub(crate) async fn merge_experts(
        &self,
        ctx: &TenantContext,
        command: MergeExperts,
    ) -> Result<v1::MergeExpertsResponse, ServiceError> {
        let (mut merges, mut watermark) = (Vec::with_capacity(command.from.len()), 0);
        for from in &command.from {
            let (merge, after) = self.merge(ctx, from, &command.into, false).await?;
            merges.push(merge.into());
            watermark = after;
        }
        Ok(v1::MergeExpertsResponse { merges, watermark })
    }

    async fn merge(
        &self,
        ctx: &TenantContext,
        from: &ExpertId,
        into: &ExpertId,
        renamed: bool,
    ) -> Result<(ExpertMerge, u64), ServiceError> {
        let now = self.clock.now();
        let tx = self.begin(ctx).await?;
        let merge = tx.merges().begin(from, into, renamed, now).await?;
        if merge.state == MergeState::Done {
            return Ok((merge, tx.items().watermark().await?));
        }
        tx.commit().await?;
        let mut after = None;
        loop {
            let tx = self.begin(ctx).await?;
            let moved = tx.merges().move_items(&merge, after, BATCH, now).await?;
            self.commit_items(tx, moved.items, now).await?;
            after = moved.next;
            if after.is_none() {
                break;
            }
        }
        loop {
            let tx = self.begin(ctx).await?;
            let moved = tx.merges().move_feedback(&merge, BATCH).await?;
            tx.commit().await?;
            if moved == 0 {
                break;
            }
        }
        self.finish_merge(ctx, &merge, now).await
    }

    /// Moves what came in the meantime, and closes the merge in the same transaction.
    async fn finish_merge(
        &self,
        ctx: &TenantContext,
        merge: &ExpertMerge,
        now: DateTime<Utc>,
    ) -> Result<(ExpertMerge, u64), ServiceError> {
        let tx = self.begin(ctx).await?;
        loop {
            let moved = tx.merges().move_items(merge, None, BATCH, now).await?;
            if moved.items == 0 {
                break;
            }
        }
        while tx.merges().move_feedback(merge, BATCH).await? > 0 {}
        let merge = tx.merges().finish(merge, now).await?;
        let action = match merge.renamed {
            true => "experts.rename",
            false => "experts.merge",
        };
        let detail = format!(
            "{} into {}: {} items, {} feedback; merge {}",
            merge.from, merge.into, merge.items, merge.feedback, merge.id
        );
        record(&tx, action, &detail, now).await?;
        let watermark = tx.items().watermark().await?;
        self.commit_items(tx, merge.items, now).await?;
        Ok((merge, watermark))
    }

    /// Takes a merge back.
    pub(crate) async fn undo_merge(
        &self,
        ctx: &TenantContext,
        id: &str,
    ) -> Result<v1::UndoMergeResponse, ServiceError> {
        let now = self.clock.now();
        let tx = self.begin(ctx).await?;
        let found = tx.merges().get(id).await?;
        let merge =
            found.ok_or_else(|| ServiceError::not_found(format_args!("the merge {id:?}")))?;
        if let Some(later) = tx.merges().later(&merge).await? {
            let message = format!(
                "{} became {} since; undo merge {} first",
                merge.into, later.into, later.id
            );
            return Err(ServiceError::new(
                ErrorKind::FailedPrecondition,
                "MERGED_SINCE",
                message,
            ));
        }
        let merge = tx.merges().begin_undo(&merge, now).await?;
        let watermark = tx.items().watermark().await?;
        if merge.state == MergeState::Undone {
            return Ok(v1::UndoMergeResponse {
                merge: Some(merge.into()),
                items: 0,
                watermark,
            });
        }
        tx.commit().await?;
        let items = self.restore(ctx, &merge, now).await?;
        let tx = self.begin(ctx).await?;
        let merge = tx.merges().finish_undo(&merge, now).await?;
        let detail = format!(
            "merge {} of {} into {}: {items} items",
            merge.id, merge.from, merge.into
        );
        record(&tx, "experts.unmerge", &detail, now).await?;
        let watermark = tx.items().watermark().await?;
        self.commit_items(tx, items, now).await?;
        Ok(v1::UndoMergeResponse {
            merge: Some(merge.into()),
            items,
            watermark,
        })
    }

    /// Takes back what a merge changed; how many items that were.
    async fn restore(
        &self,
        ctx: &TenantContext,
        merge: &ExpertMerge,
        now: DateTime<Utc>,
    ) -> Result<u64, ServiceError> {
        let mut items = 0;
        loop {
            let tx = self.begin(ctx).await?;
            let back = tx.merges().restore_items(merge, BATCH, now).await?;
            let renamed = tx.merges().restore_name(merge, BATCH, now).await?;
            self.commit_items(tx, back.items + renamed, now).await?;
            items += back.items + renamed;
            if back.traces + renamed == 0 {
                break;
            }
        }
        loop {
            let tx = self.begin(ctx).await?;
            let back = tx.merges().restore_feedback(merge, BATCH).await?;
            tx.commit().await?;
            if back == 0 {
                return Ok(items);
            }
        }
    }

    /// Commits a transaction that changed so many items, and has the index follow.
    pub(crate) async fn commit_items(
        &self,
        tx: TenantTx,
        items: u64,
        now: DateTime<Utc>,
    ) -> Result<(), ServiceError> {
        if items > 0 {
            tx.jobs().enqueue(IndexItems {}.new_job(), now).await?;
        }
        Ok(tx.commit().await?)
    }
}

/// Records an administrative act on the tenant.
pub(crate) async fn record(
    tx: &TenantTx,
    action: &str,
    detail: &str,
    now: DateTime<Utc>,
) -> Result<(), ServiceError> {
    let resource = format!("tenants/{}", tx.tenant());
    Ok(tx.audit().record(action, &resource, detail, now).await?)
}

/// The first of some names, for the audit trail.
pub(crate) fn some_of(names: &[&str]) -> String {
    const SHOWN: usize = 20;
    let mut text = names
        .iter()
        .take(SHOWN)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > SHOWN {
        text += &format!(" and {} more", names.len() - SHOWN);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_name_the_field_that_is_wrong() {
        let merge = |ids: &[&str], into: &str| {
            MergeExperts::try_from(v1::MergeExpertsRequest {
                parent: String::new(),
                expert_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
                into_expert_id: into.to_owned(),
            })
        };
        assert_eq!(merge(&["a", "b", "a"], "c").unwrap().from.len(), 2);
        for (ids, into, field) in [
            (&[][..], "c", "expert_ids"),
            (&["a", ""][..], "c", "expert_ids[1]"),
            (&["a", "c"][..], "c", "expert_ids"),
            (&["a"][..], " ", "into_expert_id"),
        ] {
            let error = merge(ids, into).err().unwrap();
            assert!(
                error.message().contains(&format!("{field}: ")),
                "{}",
                error.message()
            );
        }
        let same = v1::RenameExpertRequest {
            expert_id: "Ｋim".into(),
            new_expert_id: " Ｋim".into(),
            ..Default::default()
        };
        assert!(RenameExpert::try_from(same).is_err());
    }
}
