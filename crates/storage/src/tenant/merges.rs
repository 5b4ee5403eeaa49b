//! Experts who become others: the merge and what it changes, some at a time.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::{EXPERT_PROFILE_MAX_CHARS, ExpertId, ExpertMerge, ItemId, MergeState, replaced};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};

use super::{ItemQuery, TenantTx, VALUES_PER_IN, all, counters};
use crate::convert::{from_json, int, micros, parsed, to_json};
use crate::insert::{ROWS_PER_INSERT, insert_all};
use crate::rows::expert_merges::{Column, Entity, Model};
use crate::rows::{experts, merge_traces, tenant_counters};
use crate::{Result, StorageError};

mod feedback;
mod undo;

pub use undo::TakenBack;

/// The tenant's merges of experts.
#[derive(Debug, Clone, Copy)]
pub struct Merges<'a> {
    pub(super) tx: &'a TenantTx,
}

/// What one call moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Items that were changed.
    pub items: u64,
    /// The newest change of the tenant, with these in it.
    pub watermark: u64,
    /// Where the next call begins; none when nothing was left.
    pub next: Option<ItemId>,
}

/// What a trace is of.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Item,
    Feedback,
    Answer,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Item => "ITEM",
            Self::Feedback => "FEEDBACK",
            Self::Answer => "ANSWER",
        }
    }
}

impl Merges<'_> {
    /// Begins to make `from` become `into`, or returns the same merge that was begun before: it is
    /// done where nobody knows `from` any more. Where it is a renaming, `into` is listed as `from` is.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] for one of them, [`StorageError::AlreadyExists`] for a new name that
    /// is in use, [`StorageError::Conflict`] while another merge of one of them is not finished; the
    /// tenant does not exist or is being erased; the database fails.
    #[tracing::instrument(level = "debug", name = "merges.begin", skip_all)]
    pub async fn begin(
        &self,
        from: &ExpertId,
        into: &ExpertId,
        renamed: bool,
        now: DateTime<Utc>,
    ) -> Result<ExpertMerge> {
        counters::lock(self.tx, tenant_counters::Column::ItemChange).await?;
        if let Some(open) = self.unfinished(from, into).await? {
            let same = open.from_id == from.as_str() && open.into_id == into.as_str();
            if same && open.state == MergeState::Running.as_str() {
                return ExpertMerge::try_from(open);
            }
            let what = format!("merge {} of one of them is not finished", open.number);
            return Err(StorageError::conflict(what));
        }
        let (from_row, into_row) = (self.listed(from).await?, self.listed(into).await?);
        if from_row.is_none() && !self.answered(from).await? {
            let missing = || StorageError::not_found(format!("the expert {from}"));
            let done = self.latest(from, into).await?;
            return ExpertMerge::try_from(done.ok_or_else(missing)?);
        }
        if renamed && (into_row.is_some() || self.answered(into).await?) {
            return Err(StorageError::already_exists(format!("the expert {into}")));
        }
        if !renamed && into_row.is_none() {
            return Err(StorageError::not_found(format!("the expert {into}")));
        }
        let db = self.tx.session().write_data().await?;
        if let (true, Some(from_row)) = (renamed, &from_row) {
            self.list(experts::Model {
                expert_id: into.to_string(),
                updated_at: micros(now),
                ..from_row.clone()
            })
            .await?;
        }
        let snapshot = |row: Option<experts::Model>| {
            row.map(|row| to_json("expert_merges.expert", &Listed::of(row)))
                .transpose()
        };
        let row = Model {
            tenant_id: self.tx.id().to_owned(),
            number: self.newest_number().await? + 1,
            from_id: from.to_string(),
            into_id: into.to_string(),
            state: MergeState::Running.as_str().to_owned(),
            renamed,
            from_expert: snapshot(from_row)?,
            into_expert: snapshot(into_row)?,
            items: 0,
            feedback: 0,
            created_at: micros(now),
        };
        Entity::insert(row.clone().into_active_model())
            .exec_without_returning(db)
            .await?;
        ExpertMerge::try_from(row)
    }

    /// Has at most `limit` items that `from` answered name `into`, those after `after` by id.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "merges.move_items", skip_all)]
    pub async fn move_items(
        &self,
        merge: &ExpertMerge,
        after: Option<ItemId>,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<Moved> {
        let (from, into) = (&merge.from, &merge.into);
        let moved = self
            .rename_in_items((from, into), after, limit, now)
            .await?;
        let mut traces = Vec::with_capacity(moved.0.len());
        for (item, experts) in &moved.0 {
            traces.push((item.to_string(), to_json("merge_traces.before", experts)?));
        }
        self.trace(merge, Kind::Item, traces).await?;
        self.count(merge, (moved.1.items, 0)).await?;
        Ok(moved.1)
    }

    /// Takes `from` off the list, adds what is known of it to `into`, and says that all is done: to be
    /// called in the transaction that found nothing left to move.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "merges.finish", skip_all)]
    pub async fn finish(&self, merge: &ExpertMerge, now: DateTime<Utc>) -> Result<ExpertMerge> {
        let from = self.listed(&merge.from).await?;
        let into = self.listed(&merge.into).await?;
        if let (Some(from), Some(into), false) = (&from, into, merge.renamed) {
            let profile = joined(&into.profile, &from.profile);
            if profile != into.profile {
                let updated_at = micros(now);
                self.list(experts::Model {
                    profile,
                    updated_at,
                    ..into
                })
                .await?;
            }
        }
        self.tx
            .experts()
            .forget(std::slice::from_ref(&merge.from))
            .await?;
        self.set_state(merge, MergeState::Done).await
    }

    /// The merge.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "merges.get", skip_all)]
    pub async fn get(&self, id: &str) -> Result<Option<ExpertMerge>> {
        self.row(id).await?.map(ExpertMerge::try_from).transpose()
    }

    /// At most `limit` merges, newest first, those before `before`.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "merges.list", skip_all)]
    pub async fn newest(&self, before: Option<u64>, limit: u32) -> Result<Vec<ExpertMerge>> {
        let db = self.tx.session().read().await?;
        let mut query = self.tx.find::<Entity>().order_by_desc(Column::Number);
        if let Some(before) = before {
            query = query.filter(Column::Number.lt(int(before)));
        }
        all(query.limit(u64::from(limit)).all(db).await?)
    }

    /// What those of `experts` are called now who became others and are not listed again.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "merges.now_called", skip_all)]
    pub async fn now_called(&self, experts: &[ExpertId]) -> Result<HashMap<ExpertId, ExpertId>> {
        /// Renamings of one expert that are followed.
        const HOPS: usize = 20;
        let mut called: HashMap<ExpertId, ExpertId> = HashMap::new();
        let mut asked: Vec<ExpertId> = experts.to_vec();
        for _ in 0..HOPS {
            let known = self.tx.experts().known(&asked).await?;
            asked.retain(|expert| !known.contains(expert));
            if asked.is_empty() {
                break;
            }
            let mut next: HashMap<ExpertId, ExpertId> = HashMap::new();
            for row in self.done_of(&asked).await? {
                let merge = ExpertMerge::try_from(row)?;
                // In the order of the merges: the last one counts.
                next.insert(merge.from, merge.into);
            }
            for into in called.values_mut() {
                if let Some(further) = next.get(into) {
                    into.clone_from(further);
                }
            }
            for expert in experts.iter().filter(|expert| asked.contains(expert)) {
                if let Some(into) = next.get(expert) {
                    called.entry(expert.clone()).or_insert_with(|| into.clone());
                }
            }
            asked = next.into_values().collect();
        }
        Ok(called)
    }

    async fn done_of(&self, experts: &[ExpertId]) -> Result<Vec<Model>> {
        let db = self.tx.session().read().await?;
        let mut rows = Vec::new();
        for some in experts.chunks(VALUES_PER_IN) {
            let query = self
                .tx
                .find::<Entity>()
                .filter(Column::FromId.is_in(some.iter().map(ExpertId::as_str)))
                .filter(Column::State.eq(MergeState::Done.as_str()))
                .order_by_asc(Column::Number);
            rows.extend(query.all(db).await?);
        }
        Ok(rows)
    }

    /// Items that name `from` name `into` instead; also which they were, with the experts before.
    async fn rename_in_items(
        &self,
        (from, into): (&ExpertId, &ExpertId),
        after: Option<ItemId>,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<(Vec<(ItemId, Vec<ExpertId>)>, Moved)> {
        let items = self.tx.items();
        let rewritten = items
            .rewrite_answered(from, after, limit, now, |content| domain::ItemContent {
                experts: replaced(&content.experts, from, into),
                ..content.clone()
            })
            .await?;
        let full = rewritten.before.len() >= limit as usize;
        let last = rewritten.before.last().map(|item| item.id.clone());
        let moved = Moved {
            items: rewritten.before.len() as u64,
            watermark: rewritten.watermark,
            next: last.filter(|_| full),
        };
        let before = rewritten.before.into_iter();
        Ok((before.map(|item| (item.id, item.experts)).collect(), moved))
    }

    async fn trace(
        &self,
        merge: &ExpertMerge,
        kind: Kind,
        before: Vec<(String, sea_orm::JsonValue)>,
    ) -> Result<()> {
        let db = self.tx.session().write_data().await?;
        let number = number(merge)?;
        let rows: Vec<_> = before
            .into_iter()
            .map(|(key, before)| merge_traces::Model {
                tenant_id: self.tx.id().to_owned(),
                number,
                kind: kind.as_str().to_owned(),
                key,
                before,
            })
            .collect();
        let key = [
            merge_traces::Column::TenantId,
            merge_traces::Column::Number,
            merge_traces::Column::Kind,
            merge_traces::Column::Key,
        ];
        // How it was at first counts.
        let mut first = OnConflict::columns(key);
        insert_all(db, rows, ROWS_PER_INSERT, Some(first.do_nothing())).await
    }

    async fn count(&self, merge: &ExpertMerge, (items, feedback): (u64, u64)) -> Result<()> {
        use sea_orm::sea_query::{Expr, ExprTrait as _};
        if items + feedback == 0 {
            return Ok(());
        }
        let db = self.tx.session().write_data().await?;
        self.tx
            .update::<Entity>()
            .filter(Column::Number.eq(number(merge)?))
            .col_expr(Column::Items, Expr::col(Column::Items).add(int(items)))
            .col_expr(
                Column::Feedback,
                Expr::col(Column::Feedback).add(int(feedback)),
            )
            .exec(db)
            .await?;
        Ok(())
    }

    async fn set_state(&self, merge: &ExpertMerge, state: MergeState) -> Result<ExpertMerge> {
        let db = self.tx.session().write_data().await?;
        self.tx
            .update::<Entity>()
            .filter(Column::Number.eq(number(merge)?))
            .col_expr(Column::State, state.as_str().into())
            .exec(db)
            .await?;
        let missing = || StorageError::not_found(format!("merge {}", merge.id));
        self.get(&merge.id).await?.ok_or_else(missing)
    }

    async fn row(&self, id: &str) -> Result<Option<Model>> {
        let Ok(number) = id.parse::<i64>() else {
            return Ok(None);
        };
        let db = self.tx.session().read().await?;
        let query = self.tx.find::<Entity>().filter(Column::Number.eq(number));
        Ok(query.one(db).await?)
    }

    async fn newest_number(&self) -> Result<i64> {
        let db = self.tx.session().read().await?;
        let newest = self.tx.find::<Entity>().order_by_desc(Column::Number);
        Ok(newest.one(db).await?.map_or(0, |row| row.number))
    }

    async fn unfinished(&self, from: &ExpertId, into: &ExpertId) -> Result<Option<Model>> {
        let db = self.tx.session().read().await?;
        let both = [from.as_str(), into.as_str()];
        let states = [MergeState::Running.as_str(), MergeState::Undoing.as_str()];
        let one_of_them = Condition::any()
            .add(Column::FromId.is_in(both))
            .add(Column::IntoId.is_in(both));
        let query = self
            .tx
            .find::<Entity>()
            .filter(Column::State.is_in(states))
            .filter(one_of_them)
            .order_by_desc(Column::Number);
        Ok(query.one(db).await?)
    }

    async fn latest(&self, from: &ExpertId, into: &ExpertId) -> Result<Option<Model>> {
        let db = self.tx.session().read().await?;
        let query = self
            .tx
            .find::<Entity>()
            .filter(Column::FromId.eq(from.as_str()))
            .filter(Column::IntoId.eq(into.as_str()))
            .filter(Column::State.eq(MergeState::Done.as_str()))
            .order_by_desc(Column::Number);
        Ok(query.one(db).await?)
    }

    /// The row of an expert who is listed.
    async fn listed(&self, id: &ExpertId) -> Result<Option<experts::Model>> {
        let db = self.tx.session().read().await?;
        let query = self
            .tx
            .find::<experts::Entity>()
            .filter(experts::Column::ExpertId.eq(id.as_str()))
            .filter(experts::Column::DeletedAt.is_null());
        Ok(query.one(db).await?)
    }

    /// Whether an item names the expert.
    async fn answered(&self, expert: &ExpertId) -> Result<bool> {
        let query = ItemQuery {
            limit: 1,
            expert: Some(expert.clone()),
            ..ItemQuery::default()
        };
        Ok(!self.tx.items().list(query).await?.is_empty())
    }

    /// Lists an expert, in the place of what was listed under that id.
    async fn list(&self, row: experts::Model) -> Result<()> {
        self.tx.experts().put(vec![row]).await
    }
}

/// How an expert was listed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Listed {
    display_name: String,
    profile: String,
    active: bool,
    available: bool,
}

impl Listed {
    fn of(row: experts::Model) -> Self {
        Self {
            display_name: row.display_name,
            profile: row.profile,
            active: row.active,
            available: row.available,
        }
    }

    fn read(value: Option<sea_orm::JsonValue>) -> Result<Option<Self>> {
        value
            .map(|value| from_json("expert_merges.expert", value))
            .transpose()
    }
}

/// What both know.
fn joined(own: &str, other: &str) -> String {
    if other.is_empty() || own.contains(other) {
        return own.to_owned();
    }
    let both = match own.is_empty() {
        true => other.to_owned(),
        false => format!("{own}\n{other}"),
    };
    both.chars().take(EXPERT_PROFILE_MAX_CHARS).collect()
}

fn number(merge: &ExpertMerge) -> Result<i64> {
    parsed("expert_merges.number", || merge.id.parse::<i64>())
}
