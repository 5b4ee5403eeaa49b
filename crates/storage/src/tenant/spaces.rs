//! The tenant's embedding spaces, and the switch from one to another.
//!
//! All of it is written under the lock that writers of items take, so a switch sees every item that
//! was committed before it, and none is committed in the middle of it.

use chrono::{DateTime, Utc};
use domain::{
    Change, DEFAULT_EMBEDDING_MODEL, SpaceComparison, SpaceState, TenantSettings, TenantSpace,
};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};

use super::{TenantTx, all, counters};
use crate::convert::{count, from_json, micros, to_json};
use crate::rows::tenant_spaces::{Column, Entity, Model};
use crate::rows::{index_state, space_comparisons, tenant_counters, tenants};
use crate::{Result, StorageError};

/// The tenant's embedding spaces.
#[derive(Debug, Clone, Copy)]
pub struct Spaces<'a> {
    pub(super) tx: &'a TenantTx,
}

/// What became of an attempt to switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpaceSwitch {
    /// From the commit on, the space is the active one.
    Done,
    /// Items have come that the space has not taken in: catch up and try again.
    Behind,
    /// The tenant wants another space by now.
    Unwanted,
}

impl Spaces<'_> {
    /// The space that all questions are asked in.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "spaces.active", skip_all)]
    pub async fn active(&self) -> Result<String> {
        let db = self.tx.session().read().await?;
        let row = self
            .tx
            .find::<Entity>()
            .filter(Column::State.eq(SpaceState::Active.as_str()))
            .one(db)
            .await?;
        Ok(row.map_or_else(|| DEFAULT_EMBEDDING_MODEL.to_owned(), |row| row.space))
    }

    /// The space that the tenant is to be in: the one that its settings name or, where they leave that to
    /// the platform, the one that was chosen by the newest comparison; before the first, it stays where it is.
    ///
    /// # Errors
    /// There is no such tenant, or the database fails.
    #[tracing::instrument(level = "debug", name = "spaces.wanted", skip_all)]
    pub async fn wanted(&self) -> Result<String> {
        let db = self.tx.session().read().await?;
        let settings: Option<sea_orm::JsonValue> = tenants::Entity::find()
            .select_only()
            .column(tenants::Column::Settings)
            .filter(tenants::Column::Id.eq(self.tx.id()))
            .into_tuple()
            .one(db)
            .await?;
        let missing = || StorageError::not_found(format!("tenants/{}", self.tx.tenant()));
        let settings: TenantSettings =
            from_json("tenants.settings", settings.ok_or_else(missing)?)?;
        if let Some(named) = settings.named_model() {
            return Ok(named.to_owned());
        }
        match self.comparison().await? {
            Some(made) => Ok(made.choice.chosen),
            None => self.active().await,
        }
    }

    /// The newest comparison of spaces on the tenant's own past.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "spaces.comparison", skip_all)]
    pub async fn comparison(&self) -> Result<Option<SpaceComparison>> {
        let db = self.tx.session().read().await?;
        let row = self.tx.find::<space_comparisons::Entity>().one(db).await?;
        row.map(|row| from_json("space_comparisons.comparison", row.comparison))
            .transpose()
    }

    /// Keeps a comparison in the place of the one before. From the commit on, a tenant that leaves it to the
    /// platform wants the space that was chosen.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "spaces.keep_comparison", skip_all)]
    pub async fn keep_comparison(&self, made: &SpaceComparison) -> Result<()> {
        counters::lock(self.tx, tenant_counters::Column::ItemChange).await?;
        let db = self.tx.session().write_data().await?;
        let row = space_comparisons::Model {
            tenant_id: self.tx.id().to_owned(),
            chosen: made.choice.chosen.clone(),
            comparison: to_json("space_comparisons.comparison", made)?,
        };
        let columns = [
            space_comparisons::Column::Chosen,
            space_comparisons::Column::Comparison,
        ];
        space_comparisons::Entity::insert(row.into_active_model())
            .on_conflict(
                OnConflict::column(space_comparisons::Column::TenantId)
                    .update_columns(columns)
                    .to_owned(),
            )
            .exec_without_returning(db)
            .await?;
        Ok(())
    }

    /// All spaces of the tenant by name, the active one among them.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "spaces.list", skip_all)]
    pub async fn list(&self) -> Result<Vec<TenantSpace>> {
        let db = self.tx.session().read().await?;
        let query = self.tx.find::<Entity>().order_by_asc(Column::Space);
        let mut spaces: Vec<TenantSpace> = all(query.all(db).await?)?;
        if !spaces.iter().any(|one| one.state == SpaceState::Active) {
            spaces.push(TenantSpace {
                name: DEFAULT_EMBEDDING_MODEL.to_owned(),
                state: SpaceState::Active,
                drop_after: None,
            });
        }
        Ok(spaces)
    }

    /// Says that `name` is being prepared (none: that nothing is). Another space in preparation was
    /// never asked anything: it is retired and may be dropped at once.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "spaces.prepare", skip_all)]
    pub async fn prepare(&self, name: Option<&str>, now: DateTime<Utc>) -> Result<()> {
        counters::lock(self.tx, tenant_counters::Column::ItemChange).await?;
        for space in self.list().await? {
            let other = name != Some(space.name.as_str());
            if space.state == SpaceState::Preparing && other {
                self.put(&space.name, SpaceState::Retired, Some(now))
                    .await?;
            }
            if space.state == SpaceState::Active && !other {
                return Err(StorageError::conflict("the active space is not prepared"));
            }
        }
        if let Some(name) = name {
            self.put(name, SpaceState::Preparing, None).await?;
        }
        Ok(())
    }

    /// Keeps writers of items waiting until the end of the transaction: what is read after it is all
    /// there is.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "spaces.hold_writers", skip_all)]
    pub async fn hold_writers(&self) -> Result<()> {
        counters::lock(self.tx, tenant_counters::Column::ItemChange).await?;
        Ok(())
    }

    /// Makes `name` the active space, if the tenant wants it and its index has every item. The space
    /// before it is retired, and stays until `keep_until` for requests that began in it.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "spaces.switch", skip_all)]
    pub async fn switch(&self, name: &str, keep_until: DateTime<Utc>) -> Result<SpaceSwitch> {
        let last = counters::lock(self.tx, tenant_counters::Column::ItemChange).await?;
        // The lock also keeps the tenant's row as it is: what is wanted now stays wanted.
        if self.wanted().await? != name {
            return Ok(SpaceSwitch::Unwanted);
        }
        if self.tx.index().watermark(name).await? < count(last) {
            return Ok(SpaceSwitch::Behind);
        }
        let before = self.active().await?;
        if before != name {
            self.put(&before, SpaceState::Retired, Some(keep_until))
                .await?;
            self.put(name, SpaceState::Active, None).await?;
            self.tx.note(Change::Tenant);
            // What was computed from the vectors before is outdated, too.
            self.tx.note(Change::Index);
        }
        Ok(SpaceSwitch::Done)
    }

    /// Begins to drop a retired space whose time has come: from the commit on, nothing counts as
    /// indexed in it. False, and nothing is done, when it is in use or its time has not come.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "spaces.begin_drop", skip_all)]
    pub async fn begin_drop(&self, name: &str, now: DateTime<Utc>) -> Result<bool> {
        counters::lock(self.tx, tenant_counters::Column::ItemChange).await?;
        let due = self.list().await?.into_iter().any(|space| {
            let due = space.drop_after.is_none_or(|after| after <= now);
            space.name == name && space.state == SpaceState::Retired && due
        });
        if !due || self.wanted().await? == name {
            return Ok(false);
        }
        self.tx.index().set_watermark(name, 0).await?;
        Ok(true)
    }

    /// Forgets a space whose vectors are gone, if it is still retired.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "spaces.finish_drop", skip_all)]
    pub async fn finish_drop(&self, name: &str) -> Result<()> {
        counters::lock(self.tx, tenant_counters::Column::ItemChange).await?;
        let db = self.tx.session().write_data().await?;
        let gone = Entity::delete_many()
            .filter(Column::TenantId.eq(self.tx.id()))
            .filter(Column::Space.eq(name))
            .filter(Column::State.eq(SpaceState::Retired.as_str()))
            .exec(db)
            .await?;
        if gone.rows_affected > 0 {
            index_state::Entity::delete_many()
                .filter(index_state::Column::TenantId.eq(self.tx.id()))
                .filter(index_state::Column::Space.eq(name))
                .exec(db)
                .await?;
        }
        Ok(())
    }

    async fn put(
        &self,
        name: &str,
        state: SpaceState,
        drop_after: Option<DateTime<Utc>>,
    ) -> Result<()> {
        let db = self.tx.session().write_data().await?;
        let row = Model {
            tenant_id: self.tx.id().to_owned(),
            space: name.to_owned(),
            state: state.as_str().to_owned(),
            drop_after: drop_after.map(micros),
        };
        Entity::insert(row.into_active_model())
            .on_conflict(
                OnConflict::columns([Column::TenantId, Column::Space])
                    .update_columns([Column::State, Column::DropAfter])
                    .to_owned(),
            )
            .exec_without_returning(db)
            .await?;
        Ok(())
    }
}
