//! Routing policies, and the answer of a challenger beside the one that was served.

use sea_orm_migration::{prelude::*, schema::*};

use crate::ddl::{drop_tables, enable_row_level_security, tenant_table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(tenant_table(
                "routing_policies",
                &["tenant_id", "task"],
                vec![
                    text("tenant_id"),
                    text("task"),
                    json_binary("policy"),
                    text("actor"),
                    big_integer("updated_at"),
                ],
            ))
            .await?;
        // One at a time: SQLite adds no two columns in one statement.
        for column in [
            text_null("shadow_model"),
            json_binary_null("shadow_experts"),
        ] {
            let mut table = Table::alter();
            manager
                .alter_table(table.table("answers").add_column(column).take())
                .await?;
        }
        enable_row_level_security(manager, "routing_policies", "tenant_id").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in ["shadow_experts", "shadow_model"] {
            let mut table = Table::alter();
            manager
                .alter_table(table.table("answers").drop_column(column).take())
                .await?;
        }
        drop_tables(manager, &["routing_policies"]).await
    }
}
