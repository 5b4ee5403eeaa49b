//! What a tenant's own model earns against what it costs: the verdict of each month, for the router.

use sea_orm_migration::{prelude::*, schema::*};

use crate::ddl::{drop_tables, enable_row_level_security, tenant_table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = vec![
            text("tenant_id"),
            text("month"),
            text("verdict"),
            // Ends are missing where too little is known.
            double_null("lift_low"),
            double("lift_mean"),
            double_null("lift_high"),
            text("net"),
            big_integer("computed_at"),
        ];
        let key = ["tenant_id", "month"];
        manager
            .create_table(tenant_table("tenant_values", &key, columns))
            .await?;
        enable_row_level_security(manager, "tenant_values", "tenant_id").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["tenant_values"]).await
    }
}
