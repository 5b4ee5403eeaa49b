//! Answers that were computed before they were asked for, and a short way to the items without one.

use sea_orm_migration::{prelude::*, schema::*};

use crate::ddl::{drop_tables, enable_row_level_security, tenant_table};

/// Items that nobody has answered yet. Written out: neither database uses an index under a condition
/// for a query that says the same in other words.
const OPEN_ITEMS: &str = r#"CREATE INDEX "open_items" ON "item_revisions" ("tenant_id", "occurred_at", "item_id")
    WHERE "superseded_by" IS NULL AND "deleted" = FALSE AND "experts" = '[]'"#;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(tenant_table(
                "precomputed_answers",
                &["tenant_id", "item_id"],
                vec![
                    text("tenant_id"),
                    text("item_id"),
                    integer("revision"),
                    text("stamp"),
                    blob("answer"),
                    text_null("shadow_model"),
                    json_binary_null("shadow_experts"),
                    big_integer("computed_at"),
                ],
            ))
            .await?;
        manager
            .get_connection()
            .execute_unprepared(OPEN_ITEMS)
            .await?;
        enable_row_level_security(manager, "precomputed_answers", "tenant_id").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::drop()
            .name("open_items")
            .table("item_revisions")
            .to_owned();
        manager.drop_index(index).await?;
        drop_tables(manager, &["precomputed_answers"]).await
    }
}
