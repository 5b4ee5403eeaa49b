//! PostgreSQL: the second wall between tenants.
//!
//! A transaction says for whom it works (`tenantry.tenant`), or that it is the platform's
//! (`tenantry.platform = 'on'`); one that says nothing sees nothing. `FORCE` binds the tables'
//! owner too. Superusers and roles with `BYPASSRLS` are not bound: Tenantry's role must be neither.

use sea_orm_migration::prelude::*;

use crate::ddl::{enable_row_level_security, wall_platform};

/// Tables whose rows belong to a tenant, and the column that names it.
const WALLED: [(&str, &str); 18] = [
    ("tenants", "id"),
    ("tenant_counters", "tenant_id"),
    ("erasures", "tenant_id"),
    ("api_keys", "tenant_id"),
    ("audit_events", "tenant_id"),
    ("experts", "tenant_id"),
    ("item_revisions", "tenant_id"),
    ("rejections", "tenant_id"),
    ("datasets", "tenant_id"),
    ("jobs", "tenant_id"),
    ("models", "tenant_id"),
    ("model_aliases", "tenant_id"),
    ("model_events", "tenant_id"),
    ("embeddings", "tenant_id"),
    ("index_state", "tenant_id"),
    ("answers", "tenant_id"),
    ("feedback", "tenant_id"),
    ("requests", "tenant_id"),
];

/// Tables that only the platform may look into.
const PLATFORM_ONLY: [&str; 1] = ["job_turns"];

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in WALLED {
            enable_row_level_security(manager, table, column).await?;
        }
        for table in PLATFORM_ONLY {
            wall_platform(manager, table).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() != sea_orm::DbBackend::Postgres {
            return Ok(());
        }
        for table in WALLED.iter().map(|(table, _)| *table).chain(PLATFORM_ONLY) {
            let sql = format!(
                "DROP POLICY tenant_wall ON {table};
                 ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY"
            );
            manager.get_connection().execute_unprepared(&sql).await?;
        }
        Ok(())
    }
}
