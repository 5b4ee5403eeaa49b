//! Tasks that the tenant defined.

use chrono::{DateTime, Utc};
use domain::{Change, ResourceName, Task, TaskDefinition, TaskId};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::{TenantTx, all};
use crate::convert::{micros, to_json};
use crate::rows::tasks::{Column, Entity, Model};
use crate::rows::{TenantRows, classifications, corrections};
use crate::{Result, StorageError};

/// The tenant's tasks.
#[derive(Debug, Clone, Copy)]
pub struct Tasks<'a> {
    pub(super) tx: &'a TenantTx,
}

impl Tasks<'_> {
    /// Keeps a new task.
    ///
    /// # Errors
    /// [`StorageError::AlreadyExists`] when the tenant has a task of this id; the tenant does not
    /// exist or is being erased; the database fails.
    #[tracing::instrument(level = "debug", name = "tasks.insert", skip_all)]
    pub async fn insert(&self, definition: &TaskDefinition, now: DateTime<Utc>) -> Result<Task> {
        let db = self.tx.session().write_data().await?;
        let row = Model {
            tenant_id: self.tx.id().to_owned(),
            task_id: definition.id.to_string(),
            definition: to_json("tasks.definition", definition)?,
            created_at: micros(now),
            updated_at: micros(now),
        };
        let inserted = Entity::insert(row.clone().into_active_model())
            .on_conflict(
                OnConflict::columns([Column::TenantId, Column::TaskId])
                    .do_nothing()
                    .to_owned(),
            )
            .exec_without_returning(db)
            .await?;
        if inserted == 0 {
            let tenant = self.tx.tenant().clone();
            let name = ResourceName::Task(tenant, definition.id.clone());
            return Err(StorageError::already_exists(name.to_string()));
        }
        self.tx.note(Change::Tasks);
        Task::try_from(row)
    }

    /// Puts a definition in the place of the task's; none when there is no such task. One that says
    /// the same changes nothing.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "tasks.update", skip_all)]
    pub async fn update(
        &self,
        definition: &TaskDefinition,
        now: DateTime<Utc>,
    ) -> Result<Option<Task>> {
        let db = self.tx.session().write_data().await?;
        let Some(before) = self.get(&definition.id).await? else {
            return Ok(None);
        };
        if before.definition == *definition {
            return Ok(Some(before));
        }
        self.tx
            .update::<Entity>()
            .filter(Column::TaskId.eq(definition.id.as_str()))
            .col_expr(
                Column::Definition,
                to_json("tasks.definition", definition)?.into(),
            )
            .col_expr(Column::UpdatedAt, micros(now).into())
            .exec(db)
            .await?;
        self.tx.note(Change::Tasks);
        self.get(&definition.id).await
    }

    /// Deletes the task, what was answered to it, and its corrections. Says whether there was one.
    ///
    /// # Errors
    /// The tenant does not exist or is being erased, or the database fails.
    #[tracing::instrument(level = "debug", name = "tasks.delete", skip_all)]
    pub async fn delete(&self, id: &TaskId) -> Result<bool> {
        let db = self.tx.session().write_data().await?;
        let deleted = Entity::delete_many()
            .filter(Entity::TENANT.eq(self.tx.id()))
            .filter(Column::TaskId.eq(id.as_str()))
            .exec(db)
            .await?;
        if deleted.rows_affected == 0 {
            return Ok(false);
        }
        corrections::Entity::delete_many()
            .filter(corrections::Entity::TENANT.eq(self.tx.id()))
            .filter(corrections::Column::Task.eq(id.as_str()))
            .exec(db)
            .await?;
        classifications::Entity::delete_many()
            .filter(classifications::Entity::TENANT.eq(self.tx.id()))
            .filter(classifications::Column::Task.eq(id.as_str()))
            .exec(db)
            .await?;
        self.tx.note(Change::Tasks);
        Ok(true)
    }

    /// The task.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "tasks.get", skip_all)]
    pub async fn get(&self, id: &TaskId) -> Result<Option<Task>> {
        let db = self.tx.session().read().await?;
        let row = self
            .tx
            .find::<Entity>()
            .filter(Column::TaskId.eq(id.as_str()))
            .one(db)
            .await?;
        row.map(Task::try_from).transpose()
    }

    /// At most `limit` tasks by id, those after `after`.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "tasks.list", skip_all)]
    pub async fn list(&self, after: Option<&TaskId>, limit: u32) -> Result<Vec<Task>> {
        let db = self.tx.session().read().await?;
        let mut query = self.tx.find::<Entity>().order_by_asc(Column::TaskId);
        if let Some(after) = after {
            query = query.filter(Column::TaskId.gt(after.as_str()));
        }
        all(query.limit(u64::from(limit)).all(db).await?)
    }

    /// How many tasks there are.
    ///
    /// # Errors
    /// The database fails.
    #[tracing::instrument(level = "debug", name = "tasks.count", skip_all)]
    pub async fn count(&self) -> Result<u64> {
        let db = self.tx.session().read().await?;
        Ok(self.tx.find::<Entity>().count(db).await?)
    }
}
