//! The people who can answer.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use domain::{Change, Expert, ExpertId, ExpertPatch, NewExpert};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};

use super::{TenantTx, VALUES_PER_IN, all, counters};
use crate::Result;
use crate::convert::{count, micros, optional_time, parsed};
use crate::insert::{ROWS_PER_INSERT, insert_all};
use crate::rows::experts::{Column, Entity, Model};
use crate::rows::{TenantRows, tenant_counters};

/// The tenant's experts.
#[derive(Debug, Clone, Copy)]
pub struct Experts<'a> {
    pub(super) tx: &'a TenantTx,
}

impl Experts<'_> {
    /// Adds and changes experts; returns how many were new or changed. Of two with the same id the
    /// last one counts.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    pub async fn upsert(&self, experts: &[NewExpert], now: DateTime<Utc>) -> Result<u64> {
        let all: Vec<ExpertPatch> = experts.iter().cloned().map(Into::into).collect();
        self.change(&all, now).await
    }

    /// Adds experts and changes what is said of those who are listed; returns how many were new or
    /// changed. What is said of one expert twice is taken in order.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "experts.change", skip_all)]
    pub async fn change(&self, patches: &[ExpertPatch], now: DateTime<Utc>) -> Result<u64> {
        if patches.is_empty() {
            return Ok(0);
        }
        // Two that write the same experts in another order would wait for each other forever.
        counters::lock(self.tx, tenant_counters::Column::ItemChange).await?;
        let ids: HashSet<&str> = patches.iter().map(|patch| patch.id.as_str()).collect();
        let ids: Vec<&str> = ids.into_iter().collect();
        let mut listed: HashMap<String, NewExpert> = HashMap::with_capacity(ids.len());
        for row in self.rows(&ids).await? {
            // One who comes back after a deletion is new.
            if row.deleted_at.is_none() {
                listed.insert(row.expert_id.clone(), Expert::try_from(row)?.into());
            }
        }
        let mut after: HashMap<&str, NewExpert> = HashMap::with_capacity(ids.len());
        for patch in patches {
            let id = patch.id.as_str();
            let before = after.get(id).or_else(|| listed.get(id));
            let expert = patch.onto(before);
            after.insert(id, expert);
        }
        let changed: Vec<Model> = after
            .iter()
            .filter(|(id, expert)| listed.get(**id) != Some(*expert))
            .map(|(_, expert)| self.row(expert, now))
            .collect();
        let count = changed.len();
        self.put(changed).await?;
        Ok(u64::try_from(count).unwrap_or(u64::MAX))
    }

    /// Takes experts off the list: of each only the id stays, as one who has left. Says how many were
    /// listed.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "experts.delete", skip_all)]
    pub async fn delete(&self, ids: &[ExpertId], now: DateTime<Utc>) -> Result<u64> {
        counters::lock(self.tx, tenant_counters::Column::ItemChange).await?;
        let db = self.tx.session().write_data().await?;
        let mut deleted = 0;
        for ids in ids.chunks(VALUES_PER_IN) {
            let result = self
                .tx
                .update::<Entity>()
                .filter(Column::ExpertId.is_in(ids.iter().map(ExpertId::as_str)))
                .filter(Column::DeletedAt.is_null())
                .col_expr(Column::DisplayName, "".into())
                .col_expr(Column::Profile, "".into())
                .col_expr(Column::Active, false.into())
                .col_expr(Column::Available, false.into())
                .col_expr(Column::UpdatedAt, micros(now).into())
                .col_expr(Column::DeletedAt, micros(now).into())
                .exec(db)
                .await?;
            deleted += result.rows_affected;
        }
        if deleted > 0 {
            self.tx.note(Change::Experts);
        }
        Ok(deleted)
    }

    /// Forgets experts, those that were deleted too: for ids that no item names any more.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "experts.forget", skip_all)]
    pub async fn forget(&self, ids: &[ExpertId]) -> Result<()> {
        let db = self.tx.session().write_data().await?;
        for ids in ids.chunks(VALUES_PER_IN) {
            Entity::delete_many()
                .filter(Entity::TENANT.eq(self.tx.id()))
                .filter(Column::ExpertId.is_in(ids.iter().map(ExpertId::as_str)))
                .exec(db)
                .await?;
        }
        self.tx.note(Change::Experts);
        Ok(())
    }

    /// Writes rows, each in the place of one with its id.
    pub(super) async fn put(&self, rows: Vec<Model>) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let db = self.tx.session().write_data().await?;
        insert_all(db, rows, ROWS_PER_INSERT, Some(&replace())).await?;
        self.tx.note(Change::Experts);
        Ok(())
    }

    /// The expert.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "experts.get", skip_all)]
    pub async fn get(&self, id: &ExpertId) -> Result<Option<Expert>> {
        let db = self.tx.session().read().await?;
        let row = self
            .tx
            .find::<Entity>()
            .filter(Column::ExpertId.eq(id.as_str()))
            .filter(Column::DeletedAt.is_null())
            .one(db)
            .await?;
        row.map(Expert::try_from).transpose()
    }

    /// At most `limit` experts by id, those after `after`.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "experts.list", skip_all)]
    pub async fn list(&self, after: Option<&ExpertId>, limit: u32) -> Result<Vec<Expert>> {
        let db = self.tx.session().read().await?;
        let mut query = self.listed().order_by_asc(Column::ExpertId);
        if let Some(after) = after {
            query = query.filter(Column::ExpertId.gt(after.as_str()));
        }
        all(query.limit(u64::from(limit)).all(db).await?)
    }

    /// How many experts are listed.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "experts.count", skip_all)]
    pub async fn count(&self) -> Result<u64> {
        let db = self.tx.session().read().await?;
        Ok(self.listed().count(db).await?)
    }

    /// All experts, by id; those who were deleted among them as ones who have left, because items may
    /// name them.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "experts.all", skip_all)]
    pub async fn all(&self) -> Result<Vec<Expert>> {
        let db = self.tx.session().read().await?;
        all(self
            .tx
            .find::<Entity>()
            .order_by_asc(Column::ExpertId)
            .all(db)
            .await?)
    }

    /// How many experts there are, and when one changed last: another one after each change, but for two in
    /// the same microsecond.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "experts.stamp", skip_all)]
    pub async fn stamp(&self) -> Result<(u64, Option<DateTime<Utc>>)> {
        let db = self.tx.session().read().await?;
        let row: Option<(i64, Option<i64>)> = self
            .tx
            .find::<Entity>()
            .select_only()
            .column_as(Column::ExpertId.count(), "experts")
            .column_as(Column::UpdatedAt.max(), "newest")
            .into_tuple()
            .one(db)
            .await?;
        let (experts, newest) = row.unwrap_or_default();
        Ok((count(experts), optional_time("experts.updated_at", newest)?))
    }

    /// Those of `ids` that the tenant has.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "experts.known", skip_all)]
    pub async fn known(&self, ids: &[ExpertId]) -> Result<HashSet<ExpertId>> {
        let db = self.tx.session().read().await?;
        let mut known = HashSet::new();
        for ids in ids.chunks(VALUES_PER_IN) {
            let found: Vec<String> = self
                .tx
                .find::<Entity>()
                .select_only()
                .column(Column::ExpertId)
                .filter(Column::ExpertId.is_in(ids.iter().map(ExpertId::as_str)))
                .filter(Column::DeletedAt.is_null())
                .into_tuple()
                .all(db)
                .await?;
            for id in found {
                known.insert(parsed("experts.expert_id", || ExpertId::parse(id))?);
            }
        }
        Ok(known)
    }

    fn listed(&self) -> Select<Entity> {
        self.tx.find::<Entity>().filter(Column::DeletedAt.is_null())
    }

    async fn rows(&self, ids: &[&str]) -> Result<Vec<Model>> {
        let db = self.tx.session().write_data().await?;
        let mut rows = Vec::with_capacity(ids.len());
        for ids in ids.chunks(VALUES_PER_IN) {
            let ids = ids.iter().copied();
            rows.extend(
                self.tx
                    .find::<Entity>()
                    .filter(Column::ExpertId.is_in(ids))
                    .all(db)
                    .await?,
            );
        }
        Ok(rows)
    }

    fn row(&self, expert: &NewExpert, now: DateTime<Utc>) -> Model {
        Model {
            tenant_id: self.tx.id().to_owned(),
            expert_id: expert.id.to_string(),
            display_name: expert.display_name.clone(),
            profile: expert.profile.clone(),
            active: expert.active,
            available: expert.available,
            updated_at: micros(now),
            deleted_at: None,
        }
    }
}

fn replace() -> OnConflict {
    OnConflict::columns([Column::TenantId, Column::ExpertId])
        .update_columns([
            Column::DisplayName,
            Column::Profile,
            Column::Active,
            Column::Available,
            Column::UpdatedAt,
            Column::DeletedAt,
        ])
        .to_owned()
}
