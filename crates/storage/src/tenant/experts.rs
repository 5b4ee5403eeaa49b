//! The people who can answer.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use domain::{Change, Expert, ExpertId, NewExpert};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};

use super::{ROWS_PER_INSERT, TenantTx, VALUES_PER_IN, all, counters};
use crate::Result;
use crate::convert::{micros, parsed};
use crate::rows::experts::{ActiveModel, Column, Entity, Model};
use crate::rows::tenant_counters;

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
    #[tracing::instrument(level = "debug", name = "experts.upsert", skip_all)]
    pub async fn upsert(&self, experts: &[NewExpert], now: DateTime<Utc>) -> Result<u64> {
        if experts.is_empty() {
            return Ok(0);
        }
        // Two that write the same experts in another order would wait for each other forever.
        counters::lock(self.tx, tenant_counters::Column::ItemChange).await?;
        let by_id: HashMap<&str, &NewExpert> = experts.iter().map(|e| (e.id.as_str(), e)).collect();
        let ids: Vec<&str> = by_id.keys().copied().collect();
        let mut known: HashMap<String, Model> = HashMap::with_capacity(ids.len());
        for row in self.rows(&ids).await? {
            known.insert(row.expert_id.clone(), row);
        }
        let changed: Vec<ActiveModel> = by_id
            .into_values()
            .filter(|new| {
                known
                    .get(new.id.as_str())
                    .is_none_or(|row| !says_the_same(row, new))
            })
            .map(|new| self.row(new, now).into_active_model())
            .collect();
        let count = changed.len();
        let db = self.tx.session().write_data().await?;
        for rows in changed.chunks(ROWS_PER_INSERT) {
            Entity::insert_many(rows.to_vec())
                .on_conflict(replace())
                .exec_without_returning(db)
                .await?;
        }
        if count > 0 {
            self.tx.note(Change::Experts);
        }
        Ok(u64::try_from(count).unwrap_or(u64::MAX))
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
        let mut query = self.tx.find::<Entity>().order_by_asc(Column::ExpertId);
        if let Some(after) = after {
            query = query.filter(Column::ExpertId.gt(after.as_str()));
        }
        all(query.limit(u64::from(limit)).all(db).await?)
    }

    /// All experts, by id.
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
                .into_tuple()
                .all(db)
                .await?;
            for id in found {
                known.insert(parsed("experts.expert_id", || ExpertId::parse(id))?);
            }
        }
        Ok(known)
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
        }
    }
}

fn says_the_same(row: &Model, new: &NewExpert) -> bool {
    row.display_name == new.display_name
        && row.profile == new.profile
        && row.active == new.active
        && row.available == new.available
}

fn replace() -> OnConflict {
    OnConflict::columns([Column::TenantId, Column::ExpertId])
        .update_columns([
            Column::DisplayName,
            Column::Profile,
            Column::Active,
            Column::Available,
            Column::UpdatedAt,
        ])
        .to_owned()
}
