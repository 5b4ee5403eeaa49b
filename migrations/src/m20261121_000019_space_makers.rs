//! What made the vectors of each embedding space: a space that something else would write to from now
//! on holds vectors that cannot be compared with the new ones.

use sea_orm_migration::{prelude::*, schema::*};

use crate::ddl::{drop_tables, table, wall_platform};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(table(
                "space_makers",
                &["space"],
                vec![text("space"), text("fingerprint")],
            ))
            .await?;
        wall_platform(manager, "space_makers").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["space_makers"]).await
    }
}
