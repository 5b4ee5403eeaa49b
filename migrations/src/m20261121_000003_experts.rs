//! Experts.

use sea_orm_migration::{prelude::*, schema::*};

use crate::ddl::{drop_tables, tenant_table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(tenant_table(
                "experts",
                &["tenant_id", "expert_id"],
                vec![
                    text("tenant_id"),
                    text("expert_id"),
                    text("display_name"),
                    text("profile"),
                    boolean("active"),
                    boolean("available"),
                    big_integer("updated_at"),
                ],
            ))
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["experts"]).await
    }
}
