//! The newest items of a tenant with many, without putting all of them in order.

use sea_orm_migration::prelude::*;

use crate::ddl::index;

const TABLE: &str = "item_revisions";
const NAME: &str = "items_by_time";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = ["tenant_id", "occurred_at", "change"];
        manager.create_index(index(NAME, TABLE, &columns)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let drop = Index::drop().name(NAME).table(TABLE).to_owned();
        manager.drop_index(drop).await
    }
}
