//! How model versions do on what came after their training; which stored question an answer is to.

use sea_orm_migration::{prelude::*, schema::*};

use crate::ddl::{drop_tables, enable_row_level_security, index, tenant_table};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = vec![
            text("tenant_id"),
            text("task"),
            big_integer("version"),
            text("against"),
            json_binary("tally"),
            big_integer("covered_until"),
            big_integer("updated_at"),
        ];
        let key = ["tenant_id", "task", "version"];
        manager
            .create_table(tenant_table("model_scores", &key, columns))
            .await?;
        let mut answers = Table::alter();
        answers.table("answers").add_column(text_null("item_id"));
        manager.alter_table(answers).await?;
        // Answers are counted by the model that gave them.
        let by_model = ["tenant_id", "model"];
        manager
            .create_index(index("answers_by_model", "answers", &by_model))
            .await?;
        enable_row_level_security(manager, "model_scores", "tenant_id").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let by_model = Index::drop()
            .name("answers_by_model")
            .table("answers")
            .to_owned();
        manager.drop_index(by_model).await?;
        let mut answers = Table::alter();
        answers.table("answers").drop_column("item_id");
        manager.alter_table(answers).await?;
        drop_tables(manager, &["model_scores"]).await
    }
}
