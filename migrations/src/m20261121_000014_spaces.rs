//! The embedding spaces of tenants. A tenant without a row is in the default space.

use sea_orm_migration::{prelude::*, schema::*};

use crate::ddl::{drop_tables, enable_row_level_security, tenant_table};

const TABLE: &str = "tenant_spaces";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = vec![
            text("tenant_id"),
            text("space"),
            text("state"),
            big_integer_null("drop_after"),
        ];
        let key = ["tenant_id", "space"];
        manager
            .create_table(tenant_table(TABLE, &key, columns))
            .await?;
        enable_row_level_security(manager, TABLE, "tenant_id").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &[TABLE]).await
    }
}
