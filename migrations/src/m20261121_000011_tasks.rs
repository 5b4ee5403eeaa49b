//! Tasks that tenants define, what was answered to them, and what people corrected.

use sea_orm_migration::{prelude::*, schema::*};

use crate::ddl::{drop_tables, index, tenant_table};

/// The tables here; on PostgreSQL each gets its wall (see the migration of row-level security).
const TABLES: [&str; 3] = ["corrections", "classifications", "tasks"];

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tasks = vec![
            text("tenant_id"),
            text("task_id"),
            json_binary("definition"),
            big_integer("created_at"),
            big_integer("updated_at"),
        ];
        manager
            .create_table(tenant_table("tasks", &["tenant_id", "task_id"], tasks))
            .await?;
        let classifications = vec![
            text("tenant_id"),
            text("request_id"),
            text("task"),
            text("text"),
            text("model"),
            text("tier"),
            text("reason"),
            json_binary("outcome"),
            big_integer("answered_at"),
        ];
        let key = ["tenant_id", "request_id"];
        manager
            .create_table(tenant_table("classifications", &key, classifications))
            .await?;
        let corrections = vec![
            text("tenant_id"),
            text("task"),
            text("request_id"),
            text("text"),
            json_binary("target"),
            big_integer("given_at"),
        ];
        let key = ["tenant_id", "task", "request_id"];
        manager
            .create_table(tenant_table("corrections", &key, corrections))
            .await?;
        let newest = ["tenant_id", "task", "given_at"];
        manager
            .create_index(index("corrections_by_age", "corrections", &newest))
            .await?;
        if manager.get_database_backend() != sea_orm::DbBackend::Postgres {
            return Ok(());
        }
        for table in TABLES {
            let rule = "tenant_id = current_setting('tenantry.tenant', true) \
                        OR current_setting('tenantry.platform', true) = 'on'";
            let sql = format!(
                "ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
                 CREATE POLICY tenant_wall ON {table} USING ({rule}) WITH CHECK ({rule})"
            );
            manager.get_connection().execute_unprepared(&sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // A table takes its wall with it.
        drop_tables(manager, &TABLES).await
    }
}
