//! How many items a tenant has: counted as they come and go, since counting them takes the longer the more there
//! are.

use sea_orm_migration::{prelude::*, schema::*};

use crate::ddl::as_platform;

const TABLE: &str = "tenant_counters";
const COLUMN: &str = "items";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let add = Table::alter()
            .table(TABLE)
            .add_column(big_integer(COLUMN).default(0))
            .to_owned();
        manager.alter_table(add).await?;
        as_platform(manager).await?;
        let count = "UPDATE tenant_counters SET items = (
            SELECT COUNT(*) FROM item_revisions
            WHERE item_revisions.tenant_id = tenant_counters.tenant_id
              AND superseded_by IS NULL AND deleted = FALSE)";
        let db = manager.get_connection();
        db.execute_unprepared(count).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let drop = Table::alter().table(TABLE).drop_column(COLUMN).to_owned();
        manager.alter_table(drop).await
    }
}
