//! Experts who are taken off the list or become others, and corrections that are taken back.

use sea_orm_migration::{prelude::*, schema::*};

use crate::ddl::{drop_tables, enable_row_level_security, tenant_table};

/// The tables here, the dependent one first.
const TABLES: [&str; 2] = ["merge_traces", "expert_merges"];

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in [("experts", "deleted_at"), ("corrections", "withdrawn_at")] {
            let add = Table::alter()
                .table(table)
                .add_column(big_integer_null(column))
                .to_owned();
            manager.alter_table(add).await?;
        }
        let merges = vec![
            text("tenant_id"),
            big_integer("number"),
            text("from_id"),
            text("into_id"),
            text("state"),
            boolean("renamed"),
            // How both were listed before; missing where they were not.
            json_binary_null("from_expert"),
            json_binary_null("into_expert"),
            big_integer("items"),
            big_integer("feedback"),
            big_integer("created_at"),
        ];
        let key = ["tenant_id", "number"];
        manager
            .create_table(tenant_table("expert_merges", &key, merges))
            .await?;
        // What a merge changed, as it was before.
        let traces = vec![
            text("tenant_id"),
            big_integer("number"),
            text("kind"),
            text("key"),
            json_binary("before"),
        ];
        let key = ["tenant_id", "number", "kind", "key"];
        manager
            .create_table(tenant_table("merge_traces", &key, traces))
            .await?;
        for table in TABLES {
            enable_row_level_security(manager, table, "tenant_id").await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &TABLES).await?;
        for (table, column) in [("experts", "deleted_at"), ("corrections", "withdrawn_at")] {
            let gone = Query::delete()
                .from_table(table)
                .and_where(Expr::col(column).is_not_null())
                .to_owned();
            manager.execute(gone).await?;
            let drop = Table::alter().table(table).drop_column(column).to_owned();
            manager.alter_table(drop).await?;
        }
        Ok(())
    }
}
