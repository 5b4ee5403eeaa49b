//! The newest comparison of embedding spaces of tenants that let the platform choose.

use sea_orm_migration::{prelude::*, schema::*};

use crate::ddl::{drop_tables, enable_row_level_security, tenant_table};

const TABLE: &str = "space_comparisons";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = vec![
            text("tenant_id"),
            text("chosen"),
            // A `domain::SpaceComparison`.
            json_binary("comparison"),
        ];
        manager
            .create_table(tenant_table(TABLE, &["tenant_id"], columns))
            .await?;
        enable_row_level_security(manager, TABLE, "tenant_id").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &[TABLE]).await
    }
}
