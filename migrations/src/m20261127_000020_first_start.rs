//! When the platform was started for the first time: before that nothing was idle and nothing was shared.

use sea_orm_migration::prelude::*;

use crate::ddl::as_platform;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// A store that is older than this has been started: the first start made the first key.
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        as_platform(manager).await?;
        manager
            .get_connection()
            .execute_unprepared(
                "INSERT INTO usage_marks (name, value) \
                 SELECT 'first_start', created_at FROM api_keys ORDER BY created_at LIMIT 1",
            )
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        as_platform(manager).await?;
        manager
            .get_connection()
            .execute_unprepared("DELETE FROM usage_marks WHERE name = 'first_start'")
            .await?;
        Ok(())
    }
}
