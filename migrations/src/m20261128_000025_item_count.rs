//! How many items a tenant has, counted as they come and go, since counting them takes the longer the more there
//! are; and which of them were answered last.

use sea_orm_migration::{prelude::*, schema::*};

use crate::ddl::as_platform;

const TABLE: &str = "tenant_counters";
const COLUMN: &str = "items";
const INDEX: &str = "answered_items";
/// Written out, as that of the open ones.
const ANSWERED_ITEMS: &str = r#"CREATE INDEX "answered_items" ON "item_revisions" ("tenant_id", "ingested_at")
    WHERE "superseded_by" IS NULL AND "deleted" = FALSE AND "experts" <> '[]'"#;

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
        db.execute_unprepared(count).await?;
        db.execute_unprepared(ANSWERED_ITEMS).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::drop().name(INDEX).table("item_revisions").to_owned();
        manager.drop_index(index).await?;
        let column = Table::alter().table(TABLE).drop_column(COLUMN).to_owned();
        manager.alter_table(column).await
    }
}
