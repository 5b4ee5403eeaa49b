//! Precomputed answers as the domain's own, no longer as bytes of the public contract.
//!
//! Answers are derived data: those in the former form are dropped and computed again in the
//! background.

use sea_orm_migration::{prelude::*, schema::*};

use crate::ddl::{drop_tables, enable_row_level_security, tenant_table};

const TABLE: &str = "precomputed_answers";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let answer = vec![integer("form"), json_binary("answer")];
        create_again(manager, answer).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_again(manager, vec![blob("answer")]).await
    }
}

/// Makes the table anew, with these columns for the answer.
async fn create_again(manager: &SchemaManager<'_>, answer: Vec<ColumnDef>) -> Result<(), DbErr> {
    drop_tables(manager, &[TABLE]).await?;
    let mut columns = vec![
        text("tenant_id"),
        text("item_id"),
        integer("revision"),
        text("stamp"),
    ];
    columns.extend(answer);
    columns.extend([
        text_null("shadow_model"),
        json_binary_null("shadow_experts"),
        big_integer("computed_at"),
    ]);
    let table = tenant_table(TABLE, &["tenant_id", "item_id"], columns);
    manager.create_table(table).await?;
    enable_row_level_security(manager, TABLE, "tenant_id").await
}
